/*
 * Theory of operation: `policy export` loads a policy, resolves it on this host for a workspace, and
 * hands it to the writer of the format. What the other format cannot hold goes to standard error as
 * well, so that nobody takes a redirected file for the whole policy.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "import/export.h"
#include "policyc/command.h"

static const struct {
	const char *name;
	int (*write)(const struct export_source *source, struct buf *out, json_t *lost,
		     struct err *err);
} formats[] = {{"bwrap", export_bwrap}, {"oci", export_oci}};

static int write_format(const char *format, const struct export_source *source, struct buf *out,
			json_t *lost, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (strcmp(formats[i].name, format) == 0)
			return formats[i].write(source, out, lost, err);
	return err_set(err, EINVAL, "`policy export` knows bwrap and oci");
}

static int export_policy(const struct command_line *line, struct compile *c, struct buf *out,
			 json_t *lost, struct err *err)
{
	const char *dir = line->dir ? line->dir : ".";
	struct export_source source = {.plan = &c->plan};
	char *workspace = realpath(dir, NULL);
	int r = compile_init(c, err);

	if (!workspace && r == 0)
		r = err_set(err, errno, "cannot find the workspace %s", dir);
	if (r == 0)
		r = compile_load_policy(c, line->operands[1], err);
	if (r == 0)
		r = policy_resolve(&c->policy, workspace, &c->inputs, &c->plan, err);
	source.workspace = workspace;
	if (r == 0)
		r = write_format(line->operands[0], &source, out, lost, err);
	free(workspace);
	return r;
}

int command_policy_export(const struct command_line *line)
{
	struct compile *c = calloc(1, sizeof(*c));
	CLEANUP(buf_fini) struct buf out = {0};
	json_t *lost = json_array();
	struct err err = {0};
	int status = COMMAND_FINE;
	json_t *one;
	size_t i;

	if (!c || !lost)
		(void)err_set(&err, ENOMEM, "cannot export a policy");
	if (err.num || export_policy(line, c, &out, lost, &err) < 0)
		status = command_fail(&err);
	if (status == COMMAND_FINE && fwrite(out.data, 1, out.len, stdout) != out.len)
		status = COMMAND_WRONG;
	json_array_foreach(lost, i, one)
		if (status == COMMAND_FINE)
			(void)fprintf(stderr, "not held by %s: %s\n", line->operands[0],
				      json_string_value(one));
	json_decref(lost);
	if (c)
		compile_fini(c);
	free(c);
	return status;
}
