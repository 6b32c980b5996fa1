/*
 * Theory of operation: options say where the session and the workspace lie, and are the engine's; the
 * arguments on standard input are the driver's. Nothing of the latter decides over a place.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "tools/cell/changes/changes_cell.h"
#include "tools/cell/files/args.h"

#define ID_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789"
#define ID_MAX 12U

struct option {
	const char *name;
	const char *what;
	int (*take)(struct cell *cell, const char *value, struct err *err);
};

static int take_branch(struct cell *cell, const char *value, struct err *err)
{
	uint64_t number;

	if (num_parse_u64(value, STACK_BRANCHES_MAX, &number) < 0 || number == 0)
		return err_set(err, EINVAL, "--branch is a number from 1 to %u",
			       STACK_BRANCHES_MAX);
	cell->number = (uint32_t)number;
	return 0;
}

static int take_session(struct cell *cell, const char *value, struct err *err)
{
	size_t len = strlen(value);

	if (len == 0 || len > ID_MAX || strspn(value, ID_CHARACTERS) != len)
		return err_set(err, EINVAL, "--session is the name of a session, without a branch");
	memcpy(cell->session, value, len + 1);
	return 0;
}

static int take_data(struct cell *cell, const char *value, struct err *err)
{
	(void)err;
	cell->data_path = value;
	return 0;
}

static int take_base(struct cell *cell, const char *value, struct err *err)
{
	(void)err;
	cell->base_path = value;
	return 0;
}

static int take_rules(struct cell *cell, const char *value, struct err *err)
{
	(void)err;
	cell->rules_path = value;
	return 0;
}

static const struct option options[] = {
	{"--branch", "N", take_branch},	 {"--session", "ID", take_session},
	{"--data", "DIR", take_data},	 {"--base", "DIR", take_base},
	{"--rules", "FILE", take_rules},
};

void cell_usage(void)
{
	(void)fputs("usage: toolcell-changes list|diff|commit|discard|purge", stderr);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		(void)fprintf(stderr, " [%s %s]", options[i].name, options[i].what);
	(void)fputs(" < ARGUMENTS\n", stderr);
}

static int take(struct cell *cell, const char *name, const char *value, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, name) != 0)
			continue;
		if (!value)
			return err_set(err, EINVAL, "%s needs a value: %s", name, options[i].what);
		return options[i].take(cell, value, err);
	}
	return err_set(err, EINVAL, "unknown option");
}

int cell_options(struct cell *cell, int argc, char **argv, struct err *err)
{
	if (argc < 2)
		return err_set(err, EINVAL, "no verb");
	cell->verb = argv[1];
	for (int i = 2; i < argc; i += 2) {
		int r = take(cell, argv[i], i + 1 < argc ? argv[i + 1] : NULL, err);

		if (r < 0)
			return r;
	}
	if (cell->session[0] == '\0')
		return err_set(err, EINVAL, "--session is missing");
	(void)snprintf(cell->shown, sizeof(cell->shown), cell->number > 1 ? "%s.%u" : "%s",
		       cell->session, cell->number);
	return 0;
}

/* Return: 0; 1: the answer says no; -errno. */
static int take_paths(struct cell *cell, const char *key, struct select *ret)
{
	json_t *paths = json_object_get(cell->arguments, key);
	size_t i;
	json_t *value;

	json_array_foreach(paths, i, value) {
		const char *name = json_string_value(value);
		struct err why = {0};
		int r;

		if (!name || strlen(name) != json_string_length(value)) {
			(void)answer_fail(&cell->answer, "arguments",
					  "Argument %s must be a list of paths.", key);
			return 1;
		}
		r = select_add(ret, name, cell->workspace, &cell->rules, &why);
		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			(void)answer_fail(&cell->answer, "arguments", "Argument %s: %s.", key,
					  why.text);
			return 1;
		}
	}
	return 0;
}

static const struct args_row rows[] = {
	{"operation", ARGS_STRING, false},
	{"session", ARGS_STRING, false},
	{"paths", ARGS_ARRAY, false},
	{"overwrite", ARGS_ARRAY, false},
};

int cell_arguments(struct cell *cell, int fd, struct err *err)
{
	int r = args_read(fd, &cell->arguments, err);

	if (r < 0)
		return r;
	if (args_check(cell->arguments, "", rows, ARRAY_SIZE(rows), &cell->answer) < 0)
		return 1;
	r = take_paths(cell, "paths", &cell->what);
	if (r == 0)
		r = take_paths(cell, "overwrite", &cell->overwrite);
	return r < 0 ? err_set(err, -r, "cannot take the arguments") : r;
}
