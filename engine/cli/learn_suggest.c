/*
 * Theory of operation: lines of JSON that have `denials` - records of the audit log, or result objects -
 * from files or standard input. Each is one line of at most LINE_BYTES_MAX; what is no such object is
 * skipped and counted, as a log may end in the middle of a line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/learn.h"
#include "cli/ui.h"

#define LINE_BYTES_MAX ((size_t)16 << 20)
#define LINES_MAX 1000000U

struct reader {
	struct grants *grants;
	size_t lines;
	size_t skipped;
};

static int take_line(struct reader *r, const char *line, size_t len)
{
	json_t *record = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *inner = json_object_get(record, "record"); /* of a line of the audit log */
	json_t *denials = json_object_get(inner ? inner : record, "denials");
	json_t *denial;
	size_t i;
	int result = 0;

	if (!json_is_array(denials))
		r->skipped++;
	json_array_foreach(denials, i, denial) {
		bool added;

		if (result == 0)
			result = grants_add(r->grants, denial, &added);
	}
	json_decref(record);
	return result;
}

static int take_stream(struct reader *r, FILE *in)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int result = 0;

	while (result == 0 && (n = getline(&line, &cap, in)) >= 0) {
		if (++r->lines > LINES_MAX || (size_t)n > LINE_BYTES_MAX)
			result = -E2BIG;
		else
			result = take_line(r, line, (size_t)n);
	}
	free(line);
	return result;
}

static int take_file(struct reader *r, const char *path, struct err *err)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int result;

	if (!in)
		return err_set(err, errno, "cannot read %s", path);
	result = take_stream(r, in);
	if (result == 0 && ferror(in))
		result = -EIO;
	if (in != stdin)
		(void)fclose(in);
	return result < 0 ? err_set(err, -result, "cannot take in %s", path) : 0;
}

static int propose(const struct grants *grants, const struct args *args, struct err *err)
{
	const char *base = args->base ? args->base : LEARN_BASE;
	struct proposal p = {
		.grants = grants,
		.policy = grants_policy(grants, LEARN_NAME, base, args->risky, SIZE_MAX),
		.base = base,
	};
	int r = p.policy ? learn_print(&p, args, err)
			 : err_set(err, ENOMEM, "no memory for the policy");

	json_decref(p.policy);
	return r;
}

int learn_suggest(const struct args *args)
{
	struct grants grants = {0};
	struct reader reader = {.grants = &grants};
	struct err err = {0};
	int r = grants_init(&grants, getenv("HOME"));

	grants.here = true;

	for (int i = 0; i < args->n_operands && r == 0; i++)
		r = take_file(&reader, args->operands[i], &err);
	if (r == 0 && args->n_operands == 0)
		r = take_file(&reader, "-", &err);
	if (r == 0 && grants_fold(&grants) < 0)
		r = err_set(&err, ENOMEM, "no memory for the policy");
	if (r == 0 && reader.skipped > 0)
		ui_line(UI_PLAIN, "note", "%zu of %zu lines tell of no call", reader.skipped,
			reader.lines);
	if (r == 0)
		r = propose(&grants, args, &err);
	grants_fini(&grants);
	if (r < 0)
		ui_error(&err);
	return r < 0 ? CLI_FAILED : CLI_OK;
}
