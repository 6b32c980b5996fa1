/*
 * Theory of operation: one row per cause of end. A row has the exit code, or says that the tool's
 * code or the signal decides, and a function that words the sentence.
 */
#include "cli/verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/ui.h"

#define EXIT_SIGNAL 128
#define SIGKILL_NUMBER 9
#define COMMAND_SHOWN_MAX 96

enum { CODE_OF_TOOL = -1, CODE_OF_SIGNAL = -2, CODE_OF_CANCEL = -3 };

struct verdict_row {
	int code; /* or CODE_* */
	const char *label;
	void (*say)(const struct frame_ended *ended, char *dst, size_t cap);
};

static void say_wall(const struct frame_ended *e, char *dst, size_t cap)
{
	char time[32];

	(void)snprintf(dst, cap, "the limit of wall time, %s, was reached",
		       ui_duration(time, sizeof(time), e->limits.wall_ms));
}

static void say_cpu(const struct frame_ended *e, char *dst, size_t cap)
{
	char time[32];

	(void)snprintf(dst, cap, "the limit of cpu time, %s, was reached",
		       ui_duration(time, sizeof(time), e->limits.cpu_ms));
}

static void say_memory(const struct frame_ended *e, char *dst, size_t cap)
{
	char size[32];

	(void)snprintf(dst, cap, "the limit of memory, %s, was reached",
		       ui_size(size, sizeof(size), e->limits.memory_bytes));
}

static void say_processes(const struct frame_ended *e, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "the limit of %" PRIu64 " processes was reached",
		       e->limits.processes);
}

static void say_disk(const struct frame_ended *e, char *dst, size_t cap)
{
	char size[32];

	(void)snprintf(dst, cap, "the limit of file size, %s, was reached",
		       ui_size(size, sizeof(size), e->limits.file_bytes));
}

static void say_output(const struct frame_ended *e, char *dst, size_t cap)
{
	char size[32];

	(void)snprintf(dst, cap, "the limit of output, %s, was reached",
		       ui_size(size, sizeof(size), e->limits.output_bytes));
}

static void say_error(const struct frame_ended *e, char *dst, size_t cap)
{
	size_t len = strnlen(e->error, sizeof(e->error));

	if (len == 0)
		(void)snprintf(dst, cap, "no reason was given (error %d)", e->error_num);
	else
		(void)text_quote(dst, cap, e->error, len);
}

/* The cell could not execute @command: says which, and the launcher's words for it. */
static void say_not_started(const struct frame_ended *e, const char *command, char *dst, size_t cap)
{
	char name[COMMAND_SHOWN_MAX];
	char why[ERR_TEXT_MAX];

	(void)text_quote(name, sizeof(name), command, strlen(command));
	say_error(e, why, sizeof(why));
	(void)snprintf(dst, cap, "%s: %s", name, why);
}

static const struct verdict_row rows[] = {
	[FRAME_CAUSE_EXIT] = {CODE_OF_TOOL, NULL, NULL},
	[FRAME_CAUSE_SIGNAL] = {CODE_OF_SIGNAL, NULL, NULL},
	[FRAME_CAUSE_WALL_LIMIT] = {CLI_STOPPED, "stopped", say_wall},
	[FRAME_CAUSE_CPU_LIMIT] = {CODE_OF_SIGNAL, "stopped", say_cpu},
	[FRAME_CAUSE_MEMORY_LIMIT] = {CODE_OF_SIGNAL, "stopped", say_memory},
	[FRAME_CAUSE_PROCESS_LIMIT] = {CODE_OF_SIGNAL, "stopped", say_processes},
	[FRAME_CAUSE_DISK_LIMIT] = {CODE_OF_SIGNAL, "stopped", say_disk},
	[FRAME_CAUSE_OUTPUT_LIMIT] = {CODE_OF_SIGNAL, "stopped", say_output},
	[FRAME_CAUSE_CANCELLED] = {CODE_OF_CANCEL, NULL, NULL},
	[FRAME_CAUSE_POLICY] = {CLI_REFUSED, "refused", say_error},
	[FRAME_CAUSE_LAUNCHER_ERROR] = {CLI_REFUSED, "error", say_error},
};
static_assert(ARRAY_SIZE(rows) == FRAME_CAUSE_N, "every cause has a row");

/* A limit can be met by a tool that survives it and exits by itself: then its own code counts. */
static int code_of_limit(const struct frame_ended *ended)
{
	if (ended->signal > 0 && ended->signal < 128)
		return EXIT_SIGNAL + ended->signal;
	if (ended->exit_code > 0 && ended->exit_code <= 255)
		return ended->exit_code;
	return EXIT_SIGNAL + SIGKILL_NUMBER;
}

int verdict_exit_code(const struct frame_ended *ended, int signal)
{
	int code = ended->cause < FRAME_CAUSE_N ? rows[ended->cause].code : CLI_REFUSED;

	if (code == CODE_OF_TOOL)
		return ended->exit_code >= 0 && ended->exit_code <= 255 ? ended->exit_code
									: CLI_REFUSED;
	if (code == CODE_OF_SIGNAL)
		return code_of_limit(ended);
	if (code == CODE_OF_CANCEL)
		return EXIT_SIGNAL + (signal > 0 ? signal : SIGKILL_NUMBER);
	return code;
}

const char *verdict_line(const struct frame_ended *ended, int signal, const char *command,
			 char *dst, size_t cap, const char **ret_label)
{
	const struct verdict_row *row;

	if (ended->cause >= FRAME_CAUSE_N) {
		*ret_label = "error";
		(void)snprintf(dst, cap, "the launcher gave cause %" PRIu32 ", which is unknown",
			       ended->cause);
		return dst;
	}
	row = &rows[ended->cause];
	if (ended->cause == FRAME_CAUSE_EXIT && ended->error_num != 0 &&
	    (ended->exit_code == CLI_NOT_EXECUTABLE || ended->exit_code == CLI_NOT_FOUND)) {
		*ret_label = "cannot start";
		say_not_started(ended, command, dst, cap);
		return dst;
	}
	if (ended->cause == FRAME_CAUSE_CANCELLED && signal == 0) {
		*ret_label = "stopped";
		(void)snprintf(dst, cap, "the call was cancelled");
		return dst;
	}
	if (!row->say)
		return NULL;
	*ret_label = row->label;
	row->say(ended, dst, cap);
	return dst;
}

int verdict_status(const char *status)
{
	static const struct {
		const char *status;
		int code;
	} codes[] = {
		{"ok", CLI_OK},		  {"failed", CLI_FAILED}, {"stopped", CLI_STOPPED},
		{"refused", CLI_REFUSED}, {"error", CLI_REFUSED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (strcmp(codes[i].status, status) == 0)
			return codes[i].code;
	return CLI_REFUSED;
}
