/*
 * `exec` hands its own standard streams to a tool that nobody trusts. What the tool changes on them
 * outlives it, since descriptor flags and terminal settings belong to the open file and not to a
 * process: they are kept and put back.
 */
#ifndef TOOLCELL_CLI_TERMINAL_H
#define TOOLCELL_CLI_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

#define TERMINAL_N 3 /* standard input, output, error */

struct terminal {
	int flags; /* of fcntl(2) F_GETFL; -1: not open */
	bool is_terminal;
	struct termios settings;
};

void terminal_save(struct terminal saved[TERMINAL_N]);
void terminal_restore(const struct terminal saved[TERMINAL_N]);

#endif
