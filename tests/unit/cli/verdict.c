/* Exit codes as a shell's, and one line when the code alone does not say why. */
#include "cli/verdict.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static const struct {
	uint32_t cause;
	int exit_code;
	int signal; /* of the tool */
	int told;   /* signal that we were told to end by */
	int error_num;
	int code;
	const char *label; /* NULL: no line */
	const char *text;
} rows[] = {
	{FRAME_CAUSE_EXIT, 0, 0, 0, 0, 0, NULL, NULL},
	{FRAME_CAUSE_EXIT, 1, 0, 0, 0, 1, NULL, NULL},
	{FRAME_CAUSE_EXIT, 255, 0, 0, 0, 255, NULL, NULL},
	{FRAME_CAUSE_EXIT, -1, 0, 0, 0, 125, NULL, NULL},
	{FRAME_CAUSE_EXIT, 256, 0, 0, 0, 125, NULL, NULL},
	{FRAME_CAUSE_EXIT, 126, 0, 0, 13, 126, "cannot start", "the words"},
	{FRAME_CAUSE_EXIT, 127, 0, 0, 2, 127, "cannot start", "the words"},
	{FRAME_CAUSE_EXIT, 127, 0, 0, 0, 127, NULL, NULL}, /* the tool's own */
	{FRAME_CAUSE_SIGNAL, -1, SIGSEGV, 0, 0, 139, NULL, NULL},
	{FRAME_CAUSE_SIGNAL, -1, SIGTERM, 0, 0, 143, NULL, NULL},
	{FRAME_CAUSE_WALL_LIMIT, -1, SIGKILL, 0, 0, 124, "stopped", "wall time, 1.5 s"},
	{FRAME_CAUSE_CPU_LIMIT, -1, SIGKILL, 0, 0, 137, "stopped", "cpu time, 30 min"},
	{FRAME_CAUSE_MEMORY_LIMIT, -1, SIGKILL, 0, 0, 137, "stopped", "memory, 4 GiB"},
	{FRAME_CAUSE_MEMORY_LIMIT, 101, 0, 0, 0, 101, "stopped", "memory, 4 GiB"},
	{FRAME_CAUSE_MEMORY_LIMIT, -1, 0, 0, 0, 137, "stopped", "memory, 4 GiB"},
	{FRAME_CAUSE_PROCESS_LIMIT, 2, 0, 0, 0, 2, "stopped", "512 processes"},
	{FRAME_CAUSE_DISK_LIMIT, -1, SIGXFSZ, 0, 0, 153, "stopped", "file size, 1 GiB"},
	{FRAME_CAUSE_OUTPUT_LIMIT, -1, SIGKILL, 0, 0, 137, "stopped", "output, 1.5 MiB"},
	{FRAME_CAUSE_CANCELLED, -1, SIGKILL, SIGINT, 0, 130, NULL, NULL},
	{FRAME_CAUSE_CANCELLED, -1, SIGKILL, SIGTERM, 0, 143, NULL, NULL},
	{FRAME_CAUSE_CANCELLED, -1, SIGKILL, 0, 0, 137, "stopped", "cancelled"},
	{FRAME_CAUSE_POLICY, -1, 0, 0, 1, 125, "refused", "the words"},
	{FRAME_CAUSE_LAUNCHER_ERROR, -1, 0, 0, 5, 125, "error", "the words"},
	{FRAME_CAUSE_N, 0, 0, 0, 0, 125, "error", "unknown"},
	{UINT32_MAX, 0, 0, 0, 0, 125, "error", "unknown"},
};

static struct frame_ended ended_of(size_t i)
{
	return (struct frame_ended){
		.cause = rows[i].cause,
		.exit_code = rows[i].exit_code,
		.signal = rows[i].signal,
		.error_num = rows[i].error_num,
		.error = "the words",
		.limits = {.wall_ms = 1500,
			   .cpu_ms = 1800000,
			   .memory_bytes = 4ULL << 30,
			   .processes = 512,
			   .file_bytes = 1ULL << 30,
			   .output_bytes = 3U << 19},
	};
}

Test(verdict, maps_each_cause_to_the_shells_code)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frame_ended ended = ended_of(i);

		cr_assert_eq(verdict_exit_code(&ended, rows[i].told), rows[i].code, "row %zu: %d",
			     i, verdict_exit_code(&ended, rows[i].told));
	}
}

Test(verdict, says_why_exactly_when_the_code_does_not)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frame_ended ended = ended_of(i);
		const char *label = NULL;
		char text[256];
		const char *line = verdict_line(&ended, rows[i].told, "true", text, sizeof(text),
						&label);

		cr_assert_eq(line == NULL, rows[i].label == NULL, "row %zu", i);
		if (!line)
			continue;
		cr_assert_str_eq(label, rows[i].label, "row %zu", i);
		cr_assert_not_null(strstr(line, rows[i].text), "row %zu: %s", i, line);
	}
}

Test(verdict, words_of_the_launcher_are_quoted_and_need_no_nul)
{
	struct frame_ended ended = {.cause = FRAME_CAUSE_LAUNCHER_ERROR};
	const char *label = NULL;
	char text[ERR_TEXT_MAX];

	memset(ended.error, 'x', sizeof(ended.error));
	ended.error[0] = '\033';
	cr_assert_not_null(verdict_line(&ended, 0, "true", text, sizeof(text), &label));
	cr_assert_null(strchr(text, '\033'));
	memset(ended.error, 0, sizeof(ended.error));
	cr_assert_not_null(verdict_line(&ended, 0, "true", text, sizeof(text), &label));
	cr_assert_not_null(strstr(text, "no reason"));
}

Test(verdict, names_the_command_that_could_not_be_started_and_quotes_it)
{
	struct frame_ended ended = {.cause = FRAME_CAUSE_EXIT,
				    .exit_code = 127,
				    .error_num = 2,
				    .error = "not there"};
	const char *label = NULL;
	char text[ERR_TEXT_MAX];
	char longest[4096];

	cr_assert_not_null(verdict_line(&ended, 0, "a\033b", text, sizeof(text), &label));
	cr_assert_null(strchr(text, '\033'));
	cr_assert_not_null(strstr(text, "not there"), "%s", text);
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	cr_assert_not_null(verdict_line(&ended, 0, longest, text, sizeof(text), &label));
	cr_assert_not_null(strstr(text, "nnn"), "%s", text);
	cr_assert_not_null(strstr(text, "not there"), "%s", text);
}

Test(verdict, of_a_result_never_takes_an_unknown_status_for_success)
{
	cr_assert_eq(verdict_status("ok"), 0);
	cr_assert_eq(verdict_status("failed"), 1);
	cr_assert_eq(verdict_status("stopped"), 124);
	cr_assert_eq(verdict_status("refused"), 125);
	cr_assert_eq(verdict_status("error"), 125);
	cr_assert_eq(verdict_status("fine"), 125);
	cr_assert_eq(verdict_status(""), 125);
}
