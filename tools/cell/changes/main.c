/*
 * toolcell-changes - what a session has changed: look at it, keep it, drop it
 *
 * Theory of operation: runs in a cell that sees the session's data and the workspace's own folder, both
 * read-only unless the verb changes them. What starts it holds the gate of the session, so the layers
 * are quiet; the workspace is not, and is only touched through descriptors.
 *
 *	options -> rules, stack, baseline -> arguments (standard input) -> verb -> answer (standard output)
 *
 * Exit status: 0 done; 1 the answer says no; 2 misuse, or an error of our own, in words on standard
 * error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tools/cell/changes/changes_cell.h"
#include "workspace/branch.h"
#include "workspace/journal.h"

#define OPEN_DIR (O_RDONLY | O_DIRECTORY)

static const struct verb {
	const char *name;
	int (*run)(struct cell *cell, struct err *err);
	bool arguments;
} verbs[] = {
	{"list", cell_list, true},     {"diff", cell_diff, true},
	{"commit", cell_commit, true}, {"discard", cell_discard, true},
	{"purge", cell_purge, false},
};

static bool is_known(void *ctx, const char *path, const struct stat *now)
{
	return baseline_has(ctx, path, now);
}

static int open_places(struct cell *cell, struct err *err)
{
	size_t len = 0;

	cell->data = open(cell->data_path, OPEN_DIR | O_CLOEXEC);
	if (cell->data < 0)
		return err_set(err, errno, "cannot open the session's data %s", cell->data_path);
	cell->base = open(cell->base_path, OPEN_DIR | O_CLOEXEC);
	if (cell->base < 0)
		return err_set(err, errno, "cannot open the workspace %s", cell->base_path);
	return fd_read_file(AT_FDCWD, cell->rules_path, CELL_RULES_MAX, &cell->rules_text, &len,
			    err);
}

static int open_branch(struct cell *cell, struct err *err)
{
	CLEANUP(fd_closep) int dir = -1;
	const struct stack_branch *branch = &cell->stack.branches[cell->number - 1];
	int r = stack_read(cell->data, &cell->stack, err);

	if (r < 0)
		return r;
	if (!branch->used)
		return err_set(err, ENOENT, "session %s has no branch %u", cell->session,
			       cell->number);
	r = branch_open(cell->data, cell->number, &dir, err);
	if (r == 0)
		r = baseline_read(cell->data, cell->number, &cell->baseline, err);
	if (r < 0)
		return r;
	cell->pending = journal_is_there(dir) != 0;
	cell->source = (struct changes_source){
		.base = cell->base,
		.data = cell->data,
		.branch = branch,
		.branch_number = cell->number,
		.rules = &cell->rules,
		.workspace = cell->workspace,
		.is_known = is_known,
		.known = &cell->baseline,
	};
	return 0;
}

static void cell_fini(struct cell *cell)
{
	fd_closep(&cell->base);
	fd_closep(&cell->data);
	free(cell->rules_text);
	baseline_fini(&cell->baseline);
	json_decref(cell->arguments);
	select_fini(&cell->what);
	select_fini(&cell->overwrite);
	answer_fini(&cell->answer);
}

static int broken(const struct err *err)
{
	(void)fprintf(stderr, "toolcell-changes: %s\n", err->text);
	return CELL_EXIT_BROKEN;
}

static int give_answer(struct cell *cell)
{
	struct err err = {0};
	char *document = NULL;
	int r = answer_encode(&cell->answer, &document);

	if (r == 0)
		r = fd_write_full(STDOUT_FILENO, document, strlen(document));
	free(document);
	if (r < 0) {
		(void)err_set(&err, -r, "cannot answer");
		return broken(&err);
	}
	return cell->answer.success ? CELL_EXIT_DONE : CELL_EXIT_NO;
}

static int run(struct cell *cell, int argc, char **argv, struct err *err)
{
	const struct verb *verb = NULL;
	int r = cell_options(cell, argc, argv, err);

	for (size_t i = 0; r == 0 && cell->verb && i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, cell->verb) == 0)
			verb = &verbs[i];
	if (r == 0 && !verb)
		r = err_set(err, EINVAL, "unknown verb");
	if (r < 0 || !verb) {
		cell_usage();
		return r < 0 ? r : -EINVAL;
	}
	r = open_places(cell, err);
	if (r == 0)
		r = rules_parse(cell->rules_text, &cell->rules, err);
	if (r == 0)
		r = open_branch(cell, err);
	if (r == 0 && verb->arguments)
		r = cell_arguments(cell, STDIN_FILENO, err);
	if (r == 0)
		r = verb->run(cell, err);
	return r < 0 ? r : 0;
}

int main(int argc, char **argv)
{
	/* Large, and there is one. */
	static struct cell cell = {
		.data_path = "/toolcell/data",
		.base_path = "/toolcell/base",
		.rules_path = "/toolcell/rules",
		.number = 1,
		.base = -1,
		.data = -1,
	};
	struct err err = {0};
	int status;

	/* One thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	cell.workspace = getenv("TOOLCELL_WORKSPACE");
	if (cell.workspace && cell.workspace[0] != '/')
		cell.workspace = NULL;
	answer_init(&cell.answer);
	status = run(&cell, argc, argv, &err) < 0 ? broken(&err) : give_answer(&cell);
	cell_fini(&cell);
	return status;
}
