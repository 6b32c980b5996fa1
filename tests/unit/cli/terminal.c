/* Theory of operation: a pseudo-terminal stands on standard input; between save and restore, a tool. */
#include "cli/terminal.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void open_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	int slave;

	cr_assert_geq(master, 0);
	cr_assert_eq(grantpt(master), 0);
	cr_assert_eq(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	cr_assert_geq(slave, 0);
	cr_assert_eq(dup2(slave, STDIN_FILENO), STDIN_FILENO);
}

Test(terminal, settings_that_a_tool_changed_are_put_back)
{
	struct terminal saved[TERMINAL_N];
	struct termios raw;
	struct termios after;

	open_terminal();
	terminal_save(saved);
	cr_assert(saved[0].is_terminal);
	cr_assert_eq(tcgetattr(STDIN_FILENO, &raw), 0);
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	cr_assert_eq(tcsetattr(STDIN_FILENO, TCSANOW, &raw), 0);
	terminal_restore(saved);
	cr_assert_eq(tcgetattr(STDIN_FILENO, &after), 0);
	cr_assert_eq(after.c_lflag, saved[0].settings.c_lflag);
}

Test(terminal, flags_that_a_tool_changed_are_put_back)
{
	struct terminal saved[TERMINAL_N];
	int flags;

	open_terminal();
	flags = fcntl(STDIN_FILENO, F_GETFL);
	terminal_save(saved);
	cr_assert_eq(fcntl(STDIN_FILENO, F_SETFL, flags | O_NONBLOCK), 0);
	terminal_restore(saved);
	cr_assert_eq(fcntl(STDIN_FILENO, F_GETFL), flags);
}

Test(terminal, a_stream_that_is_closed_is_left_alone)
{
	struct terminal saved[TERMINAL_N];

	(void)close(STDIN_FILENO);
	terminal_save(saved);
	cr_assert_eq(saved[0].flags, -1);
	terminal_restore(saved);
	cr_assert_eq(fcntl(STDIN_FILENO, F_GETFL), -1);
}
