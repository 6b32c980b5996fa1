/*
 * Theory of operation: the policy is what standard output (or a file) gets, everything that is said about
 * it goes to standard error: a line for each grant with the first thing that asked for it, and apart from
 * them those that have a risk. Paths and names are the tool's words, so they are made safe.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/learn.h"
#include "cli/ui.h"

#define SCHEMA "toolcell.proposal/1"
#define FRAGMENT_SHOWN 100
#define OBJECT_SHOWN 120

static const char *text_at(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* {"filesystem":{"read":["/x"]}} in one line: all of it printable, as JSON escapes the rest. */
static void show_fragment(json_t *fragment, char *dst, size_t cap)
{
	char *text = json_dumps(fragment, JSON_COMPACT | JSON_ENSURE_ASCII);
	int n = snprintf(dst, cap, "%s", text ? text : "?");

	if (n >= (int)cap)
		(void)snprintf(dst + cap - 4, 4, "...");
	free(text);
}

static int append_grant(struct buf *out, bool color, json_t *grant)
{
	json_t *first = json_array_get(json_object_get(grant, "evidence"), 0);
	const char *process = text_at(json_object_get(first, "process"), "name");
	const char *object = text_at(first, "object");
	const char *risk = json_string_value(json_object_get(grant, "risk"));
	json_int_t count = json_integer_value(json_object_get(grant, "count"));
	char fragment[FRAGMENT_SHOWN];
	char shown[OBJECT_SHOWN];
	int r;

	show_fragment(json_object_get(grant, "fragment"), fragment, sizeof(fragment));
	text_quote(shown, sizeof(shown), object, strlen(object));
	r = ui_paint(out, color, risk ? UI_WARN : UI_STRONG, fragment, 0);
	if (r == 0)
		r = buf_printf(out, "\n    %s%s%s %s", process, process[0] ? ": " : "",
			       text_at(first, "operation"), shown);
	if (r == 0 && count > 1)
		r = buf_printf(out, ", and %lld more", (long long)count - 1);
	if (r == 0 && risk)
		r = buf_printf(out, "\n    set apart: it %s", risk);
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int append_grants(struct buf *out, bool color, json_t *list, bool risky)
{
	json_t *grant;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, grant)
		if (r == 0 && json_is_null(json_object_get(grant, "risk")) != risky)
			r = append_grant(out, color, grant);
	return r;
}

static size_t count_risky(json_t *list)
{
	json_t *grant;
	size_t n = 0;
	size_t i;

	json_array_foreach(list, i, grant)
		n += !json_is_null(json_object_get(grant, "risk"));
	return n;
}

static int append_end(struct buf *out, const struct proposal *p, size_t risky, bool with_risky)
{
	int r = 0;

	if (risky > 0 && !with_risky)
		r = buf_printf(out,
			       "%zu with a risk set apart: add them by hand, or see what "
			       "--risky finds\n",
			       risky);
	if (r == 0 && p->grants->overflowed)
		r = buf_printf(out, "more than %u grants were asked for; the rest is left out\n",
			       GRANTS_MAX);
	if (r == 0 && p->grants->closed > 0 && !p->passes)
		r = buf_printf(out, "%zu denials that no policy on top of %s could lift\n",
			       p->grants->closed, p->base);
	if (r == 0 && p->tried && !p->passes && p->why)
		r = buf_printf(out, "the last run: %s\n", p->why);
	return r;
}

static int append_report(struct buf *out, const struct proposal *p, const struct args *args)
{
	json_t *list = p->grants->list;
	bool color = ui_color(STDERR_FILENO);
	size_t risky = count_risky(list);
	int r = buf_printf(out, "%zu grants on top of %s\n",
			   json_array_size(list) - (args->risky ? 0 : risky), p->base);

	if (r == 0 && p->tried)
		r = buf_printf(out, "the command %s with them (%u runs)\n",
			       p->passes ? "succeeds" : "still fails", p->runs);
	if (r == 0)
		r = append_grants(out, color, list, false);
	if (r == 0)
		r = append_grants(out, color, list, true);
	return r == 0 ? append_end(out, p, risky, args->risky) : r;
}

static json_t *proposal_json(const struct proposal *p)
{
	return json_pack("{s:s, s:s, s:o, s:i, s:O, s:O, s:I}", "schema", SCHEMA, "base", p->base,
			 "passes", p->tried ? json_boolean(p->passes) : json_null(), "runs",
			 (int)p->runs, "policy", p->policy, "grants", p->grants->list, "closed",
			 (json_int_t)p->grants->closed);
}

static int refuse_output(const struct args *args, int num, struct err *err)
{
	return err_set(err, num, "cannot write %s%s", args->output,
		       num == EEXIST ? ": it is there already (--force replaces it)" : "");
}

/* What happens to the file in the meantime, open_output() sees. */
int learn_check_output(const struct args *args, struct err *err)
{
	struct stat st;

	if (!args->output || args->force || lstat(args->output, &st) < 0)
		return 0;
	return refuse_output(args, EEXIST, err);
}

/* A new file, unless the person says otherwise; never through a link. */
static int open_output(const struct args *args, struct err *err)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (args->force ? O_TRUNC : O_EXCL);
	int fd;

	if (!args->output)
		return STDOUT_FILENO;
	fd = open(args->output, flags, 0644);
	return fd >= 0 ? fd : refuse_output(args, errno, err);
}

static int write_policy(json_t *json, const struct args *args, struct err *err)
{
	char *text = json_dumps(json, JSON_INDENT(2));
	int fd;
	int r;

	if (!text)
		return err_set(err, ENOMEM, "no memory for the policy");
	fd = open_output(args, err);
	r = fd < 0 ? fd : fd_write_full(fd, text, strlen(text));
	if (fd >= 0 && r == 0)
		r = fd_write_full(fd, "\n", 1);
	if (fd >= 0 && r < 0)
		(void)err_set(err, -r, "cannot write the policy");
	if (fd > STDERR_FILENO)
		(void)close(fd);
	free(text);
	return r;
}

int learn_print(const struct proposal *proposal, const struct args *args, struct err *err)
{
	json_t *json = args->json ? proposal_json(proposal) : json_incref(proposal->policy);
	struct buf report = {0};
	int r = json ? 0 : err_set(err, ENOMEM, "no memory for the policy");

	if (r == 0 && append_report(&report, proposal, args) < 0)
		r = err_set(err, ENOMEM, "no memory for the report");
	if (r == 0)
		r = ui_write(STDERR_FILENO, &report);
	if (r == 0)
		r = write_policy(json, args, err);
	json_decref(json);
	buf_fini(&report);
	return r;
}
