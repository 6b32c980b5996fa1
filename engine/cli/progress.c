/*
 * Theory of operation: a process of its own waits for the end of a pipe whose other end is kept
 * open by this process and those that it forks, and writes a line each time that the wait times
 * out. It is forked twice, so that it is nobody's child whom a supervisor would be surprised to
 * reap.
 */
#include "cli/progress.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "cli/ui.h"

static void NORETURN count(int end, const char *label, int interval_ms)
{
	struct pollfd p = {.fd = end, .events = POLLIN};
	uint64_t passed_ms = 0;
	char shown[80];
	char time[32];

	(void)text_quote(shown, sizeof(shown), label, strlen(label));
	while (poll(&p, 1, interval_ms) == 0) {
		passed_ms += (uint64_t)interval_ms;
		ui_line(UI_FAINT, "running", "%s, %s so far", shown,
			ui_duration(time, sizeof(time), passed_ms));
	}
	_exit(0);
}

void progress_start(const char *label, int interval_ms)
{
	int ends[2];
	pid_t middle;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	middle = fork();
	if (middle == 0) {
		(void)close(ends[1]);
		if (fork() == 0)
			count(ends[0], label, interval_ms);
		_exit(0);
	}
	fd_closep(&ends[0]);
	if (middle < 0)
		fd_closep(&ends[1]);
	else
		(void)waitpid(middle, NULL, 0);
	/* ends[1] stays open until this process and the broker are gone. */
}
