/* How `exec` tells the shell, and the person, how a call ended. */
#ifndef TOOLCELL_CLI_VERDICT_H
#define TOOLCELL_CLI_VERDICT_H

#include <stddef.h>

#include "wire/frame.h"

/**
 * verdict_exit_code - as a shell would see it
 * @signal: that we were told to end by, or 0
 *
 * The tool's own code; 128 + signal; 124 wall limit; 137 other limits; 125 refused or launcher
 * error. The tool's own 126 and 127 and those of a failed exec look alike, as in a shell.
 */
int verdict_exit_code(const struct frame_ended *ended, int signal);

/**
 * verdict_line - one sentence why, when the exit code alone does not say it
 * @signal:    that we were told to end by, or 0
 * @command:   what was to be executed, for the sentence on why it could not be
 * @ret_label: "stopped", "refused", "error" or "cannot start"
 *
 * Return: @dst, or NULL when nothing needs to be said: the tool ended by itself.
 */
const char *verdict_line(const struct frame_ended *ended, int signal, const char *command,
			 char *dst, size_t cap, const char **ret_label);

/** verdict_status - exit code of `run` for a result's status; CLI_REFUSED for an unknown one */
int verdict_status(const char *status);

#endif
