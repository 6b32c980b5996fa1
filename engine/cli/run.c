/*
 * Theory of operation: one call without a driver. The confined child makes the arguments, calls,
 * and prints; the supervisor, which may be root, parses nothing of it and passes the child's exit
 * status on.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/person.h"
#include "cli/progress.h"
#include "cli/ui.h"
#include "cli/verdict.h"
#include "cli/words.h"

#define WALL_MS_SHOWN_MAX 1e15 /* what surely fits an integer */

/* At the terminal that the supervisor was started on; .ask NULL: nobody. */
static struct broker_person person;

static int check_usage(const struct command *self, const struct args *args, struct err *err)
{
	if (args->n_operands == 0)
		return err_set(err, EINVAL, "no tool is given: toolcell run TOOL [KEY=VALUE...]");
	if (args->arguments && args->n_operands > 1)
		return err_set(err, EINVAL,
			       "arguments come from --json or as KEY=VALUE, not from both");
	if (words_check(args->operands + 1, err) < 0)
		return -EINVAL;
	return engine_need_policy(args, self->name, err);
}

static int make_arguments(const struct args *args, char **ret, struct err *err)
{
	if (!args->arguments)
		return words_to_json(args->operands + 1, ret, err);
	if (strcmp(args->arguments, "-") == 0)
		return words_read_json(STDIN_FILENO, ret, err);
	*ret = strdup(args->arguments);
	return *ret ? 0 : err_set(err, ENOMEM, "no memory for arguments");
}

static const char *status_of(const json_t *result)
{
	const char *status = json_string_value(json_object_get(result, "status"));

	return status ? status : "error";
}

/* ", wall limit": a cause that the status does not say already. */
static void word_cause(const json_t *result, char *dst, size_t cap)
{
	const json_t *ended = json_object_get(result, "ended");
	const char *cause = json_string_value(json_object_get(ended, "cause"));

	dst[0] = '\0';
	if (!cause || strcmp(cause, "exit") == 0 || strcmp(cause, "policy") == 0)
		return;
	(void)snprintf(dst, cap, ", %s", cause);
	for (char *p = dst; *p; p++)
		if (*p == '_')
			*p = ' ';
}

/* " in 1.5 s, 87 MiB"; nothing for a call that never started. */
static void word_usage(const json_t *result, char *dst, size_t cap)
{
	const json_t *usage = json_object_get(result, "usage");
	double wall_ms = json_number_value(json_object_get(usage, "wall_ms"));
	json_int_t peak = json_integer_value(json_object_get(usage, "memory_peak_bytes"));
	char time[32];
	char size[32] = "";

	dst[0] = '\0';
	if (!(wall_ms > 0 && wall_ms < WALL_MS_SHOWN_MAX))
		return;
	if (peak > 0)
		(void)ui_size(size, sizeof(size), (uint64_t)peak);
	(void)snprintf(dst, cap, " in %s%s%s", ui_duration(time, sizeof(time), (uint64_t)wall_ms),
		       peak > 0 ? ", " : "", size);
}

/* "toolcell: ok: cargo in 1.5 s, 87 MiB" */
static void print_status(const json_t *result, const char *tool)
{
	const char *status = status_of(result);
	char shown[80];
	char cause[48];
	char usage[80];

	(void)text_quote(shown, sizeof(shown), tool, strlen(tool));
	word_cause(result, cause, sizeof(cause));
	word_usage(result, usage, sizeof(usage));
	ui_line(strcmp(status, "ok") == 0 ? UI_GOOD : UI_BAD, status, "%s%s%s", shown, cause,
		usage);
}

static int print_text(const char *text)
{
	CLEANUP(buf_fini) struct buf out = {0};
	int r = text_append_safe(&out, text, strlen(text));

	if (r == 0 && out.len > 0 && out.data[out.len - 1] != '\n')
		r = buf_puts(&out, "\n");
	return r < 0 ? r : ui_write(STDOUT_FILENO, &out);
}

static int print_json(const char *result)
{
	CLEANUP(buf_fini) struct buf out = {0};
	int r = buf_printf(&out, "%s\n", result);

	return r < 0 ? r : ui_write(STDOUT_FILENO, &out);
}

static int print_result(const struct args *args, const char *result_text, const char *text)
{
	json_t *result = json_loads(result_text, 0, NULL);
	bool json = args->format && strcmp(args->format, "json") == 0;
	int code = verdict_status(status_of(result));
	struct err err;
	int r = json ? print_json(result_text) : print_text(text);

	if (!json)
		print_status(result, args->operands[0]);
	json_decref(result);
	if (r == 0)
		return code;
	(void)err_set(&err, -r, "cannot write to standard output");
	ui_error(&err);
	return CLI_REFUSED;
}

static int run_body(const struct broker_config *config, const struct args *args)
{
	struct broker_config with = *config;
	char *arguments = NULL;
	char *result = NULL;
	char *text = NULL;
	int code = CLI_REFUSED;
	struct err err;

	if (make_arguments(args, &arguments, &err) < 0) {
		ui_error(&err);
		return CLI_USAGE;
	}
	with.person = person.ask ? &person : NULL;
	if (broker_run_one(&with, args->operands[0], arguments, &result, &text, &err) < 0)
		ui_error(&err);
	else
		code = print_result(args, result, text ? text : "");
	free(arguments);
	free(result);
	free(text);
	return code;
}

int command_run(const struct command *self, struct args *args, char **argv)
{
	CLEANUP(fd_closep) int terminal = -1;
	struct session session;
	struct err err;

	(void)argv;
	if (check_usage(self, args, &err) < 0) {
		ui_error(&err);
		return CLI_USAGE;
	}
	if (isatty(STDERR_FILENO) == 1)
		progress_start(args->operands[0], PROGRESS_INTERVAL_MS);
	if (engine_start(args, true, &session, &err) < 0) {
		ui_error(&err);
		return CLI_REFUSED;
	}
	if (person_find(&terminal, &person) &&
	    person_start(&terminal, &session.person_fd, &person, &err) < 0) {
		ui_error(&err);
		session_abort(&session);
		return CLI_REFUSED;
	}
	return engine_fork_broker(&session, args, run_body);
}
