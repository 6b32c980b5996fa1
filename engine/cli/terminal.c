/* Theory of operation: look before the call, put back after it; what cannot be put back is left. */
#include "cli/terminal.h"

#include <fcntl.h>
#include <signal.h>

void terminal_save(struct terminal saved[TERMINAL_N])
{
	for (int fd = 0; fd < TERMINAL_N; fd++) {
		saved[fd].flags = fcntl(fd, F_GETFL);
		saved[fd].is_terminal = tcgetattr(fd, &saved[fd].settings) == 0;
	}
}

void terminal_restore(const struct terminal saved[TERMINAL_N])
{
	sigset_t stop;
	sigset_t old;

	/* A job in the background is stopped when it touches the terminal, unless SIGTTOU is blocked. */
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTTOU);
	(void)sigprocmask(SIG_BLOCK, &stop, &old);
	for (int fd = 0; fd < TERMINAL_N; fd++) {
		int flags = fcntl(fd, F_GETFL);

		if (saved[fd].flags >= 0 && flags >= 0 && flags != saved[fd].flags)
			(void)fcntl(fd, F_SETFL, saved[fd].flags);
		if (saved[fd].is_terminal)
			(void)tcsetattr(fd, TCSANOW, &saved[fd].settings);
	}
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
}
