/* Theory of operation: standard error is a pipe; what arrives is one line per event, whole and in
 * bounds. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

/* What log_event wrote into a pipe that stands for standard error. */
static size_t capture(enum log_level level, const char *word, char *out, size_t cap)
{
	int pipe_fds[2];
	ssize_t n;

	cr_assert(pipe(pipe_fds) == 0);
	cr_assert(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
	log_event(level, "event=test text=\"%s\"", word);
	cr_assert(close(pipe_fds[1]) == 0 && close(STDERR_FILENO) == 0);
	n = read(pipe_fds[0], out, cap - 1);
	cr_assert(n >= 0);
	out[n] = '\0';
	(void)close(pipe_fds[0]);
	return (size_t)n;
}

Test(log, event_is_one_line_with_name_and_level)
{
	char out[4096];

	log_open("toolcell-unit", LOG_LEVEL_INFO);
	(void)capture(LOG_LEVEL_INFO, "a", out, sizeof(out));
	cr_assert_str_eq(out, "toolcell-unit: level=info event=test text=\"a\"\n");
}

Test(log, event_below_the_level_is_silent)
{
	char out[4096];

	log_open("toolcell-unit", LOG_LEVEL_WARNING);
	cr_assert(capture(LOG_LEVEL_INFO, "a", out, sizeof(out)) == 0);
}

Test(log, event_too_long_is_cut_and_still_one_line)
{
	char word[3000];
	char out[4096];
	size_t n;

	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	log_open("toolcell-unit", LOG_LEVEL_INFO);
	n = capture(LOG_LEVEL_ERROR, word, out, sizeof(out));
	cr_assert(n > 500 && n <= 1024);
	cr_assert(strchr(out, '\n') == out + n - 1);
	cr_assert(strlen(out) == n, "a NUL byte within the line");
}
