/*
 * Theory of operation: `policy import`. The result is loaded and compiled as any policy file would
 * be, and held against the base, before it goes to standard output or into a new file. The report
 * goes to standard error, so that output can be redirected; with --json both are one object on
 * standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "import/import.h"
#include "policyc/command.h"

#define DEFAULT_BASE "base/build"

struct job {
	const struct command_line *line;
	struct compile *c;
	struct import_options options;
	struct import_result result;
	char *workspace;
	char *text; /* of the resulting policy */
};

static bool is_format(const char *word)
{
	for (size_t i = 0; import_formats[i]; i++)
		if (strcmp(import_formats[i], word) == 0)
			return true;
	return false;
}

static int read_words(struct job *job, struct err *err)
{
	const struct command_line *line = job->line;
	size_t first = is_format(line->operands[0]) ? 1 : 0;

	if (line->n_operands == first)
		return err_set(err, EINVAL, "`policy import %s` needs a file behind the format",
			       line->operands[0]);
	if (line->name && !policy_name_is_sane(line->name))
		return err_set(err, EINVAL, "--name must be a name as policies have it");
	job->workspace = realpath(line->dir ? line->dir : ".", NULL);
	if (!job->workspace)
		return err_set(err, errno, "cannot find the workspace %s",
			       line->dir ? line->dir : ".");
	job->options = (struct import_options){
		.format = first ? line->operands[0] : NULL,
		.files = line->operands + first,
		.n_files = line->n_operands - first,
		.name = line->name,
		.workspace = job->workspace,
		.accept = line->accept,
		.n_accept = line->n_accept,
		.tools = job->c->manifests,
	};
	return 0;
}

/* As a file would be read, and compiled. */
static int prove(struct job *job, struct err *err)
{
	struct compile *again = malloc(sizeof(*again));
	CLEANUP(fd_closep) int fd = -1;
	CLEANUP(fd_closep) int image = -1;
	char path[64];
	int r;

	if (!again)
		return err_set(err, ENOMEM, "cannot check the policy");
	r = fd_memfd_sealed("policy", job->text, strlen(job->text), &fd, err);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (r == 0)
		r = compile_init(again, err);
	else
		memset(again, 0, sizeof(*again));
	if (r == 0)
		r = compile_load(again, &(struct compile_options){.policy = path}, err);
	if (r == 0)
		r = import_check_narrower(&job->c->policy, &again->policy, &again->inputs, err);
	if (r == 0)
		r = compile_seal(again, &image, err);
	compile_fini(again);
	free(again);
	return r < 0 ? err_wrap(err, "the imported policy") : 0;
}

static void print_row(json_t *row)
{
	const char *verdict = json_string_value(json_object_get(row, "verdict"));
	bool wrong = strcmp(verdict, import_verdict_names[IMPORT_INEXPRESSIBLE]) == 0;

	(void)fprintf(stderr, "%s:%lld:%lld: %s: \"%s\": %s%s%s: %s\n",
		      json_string_value(json_object_get(row, "file")),
		      json_integer_value(json_object_get(row, "line")),
		      json_integer_value(json_object_get(row, "column")),
		      json_string_value(json_object_get(row, "pointer")),
		      json_string_value(json_object_get(row, "rule")),
		      command_colour(wrong ? "\033[31m" : "\033[1m", true), verdict,
		      command_colour("\033[0m", true),
		      json_string_value(json_object_get(row, "note")));
	if (wrong)
		(void)fprintf(stderr, "    to go without it: --accept '%s'\n",
			      json_string_value(json_object_get(row, "pointer")));
}

static void print_report(const struct job *job)
{
	size_t counts[IMPORT_VERDICT_N] = {0};
	json_t *row;
	size_t i;

	json_array_foreach(job->result.rows, i, row) {
		print_row(row);
		for (size_t v = 0; v < IMPORT_VERDICT_N; v++)
			counts[v] += strcmp(json_string_value(json_object_get(row, "verdict")),
					    import_verdict_names[v]) == 0;
	}
	(void)fprintf(stderr, "%zu rules:", i);
	for (size_t v = 0; v < IMPORT_VERDICT_N; v++)
		(void)fprintf(stderr, "%s %zu %s", v ? "," : "", counts[v],
			      import_verdict_names[v]);
	(void)fputc('\n', stderr);
}

int command_write_file(const char *path, const char *text, bool force, struct err *err)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (force ? O_TRUNC : O_EXCL);
	CLEANUP(fd_closep) int fd = open(path, flags, 0644);
	int r;

	if (fd < 0 && errno == EEXIST)
		return err_set(err, EINVAL, "%s is there already; --force writes over it", path);
	if (fd < 0)
		return err_set(err, errno, "cannot write %s", path);
	r = fd_write_full(fd, text, strlen(text));
	if (r == 0 && fsync(fd) < 0 && errno != EINVAL && errno != EROFS)
		r = -errno;
	return r < 0 ? err_set(err, -r, "cannot write %s", path) : 0;
}

static int deliver(struct job *job, struct err *err)
{
	const struct command_line *line = job->line;
	json_t *out;
	int r = 0;

	if (line->output && job->text)
		r = command_write_file(line->output, job->text, line->force, err);
	if (r < 0)
		return r;
	if (!line->json && !line->output && job->text)
		return fputs(job->text, stdout) < 0 ? err_set(err, EIO, "cannot print") : 0;
	if (!line->json)
		return 0;
	out = json_pack("{sb sO sO?}", "ok", job->text != NULL, "rows", job->result.rows, "policy",
			job->result.policy);
	r = command_print_json(out) == COMMAND_FINE ? 0 : err_set(err, EIO, "cannot print");
	json_decref(out);
	return r;
}

static int render(struct job *job, struct err *err)
{
	char *text = job->result.policy ? json_dumps(job->result.policy, JSON_INDENT(2)) : NULL;

	if (!job->result.policy)
		return 0;
	if (!text || asprintf(&job->text, "%s\n", text) < 0) {
		job->text = NULL;
		free(text);
		return err_set(err, ENOMEM, "cannot write the policy");
	}
	free(text);
	return prove(job, err);
}

static int run(struct job *job, struct err *err)
{
	const char *base = job->line->base ? job->line->base : DEFAULT_BASE;
	int r = compile_init(job->c, err);

	if (r == 0)
		r = compile_load_policy(job->c, base, err);
	if (r == 0)
		r = compile_load_manifests(job->c, err);
	if (r == 0)
		r = read_words(job, err);
	if (r == 0)
		r = import_policies(&job->c->policy, &job->options, &job->c->inputs, &job->result,
				    err);
	if (r == 0)
		r = render(job, err);
	if (r == 0 && !job->line->json)
		print_report(job);
	return r == 0 ? deliver(job, err) : r;
}

int command_policy_import(const struct command_line *line)
{
	struct job job = {.line = line, .c = calloc(1, sizeof(*job.c))};
	struct err err = {0};
	int status = COMMAND_FINE;

	if (!job.c)
		return COMMAND_WRONG;
	if (run(&job, &err) < 0) {
		status = command_fail(&err);
	} else if (job.result.n_inexpressible > 0) {
		(void)err_set(
			&err, EINVAL,
			"%zu rules cannot be expressed; nothing is written. Narrow the source, "
			"choose another --base, or accept each by name",
			job.result.n_inexpressible);
		status = command_fail(&err);
	}
	import_result_fini(&job.result);
	compile_fini(job.c);
	free(job.c);
	free(job.workspace);
	free(job.text);
	return status;
}
