/* Our own program, run again and again, by a command that a person may end at any time. */
#ifndef TOOLCELL_CLI_LEARN_SPAWN_H
#define TOOLCELL_CLI_LEARN_SPAWN_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/macros.h"

struct spawner {
	char self[PATH_MAX]; /* this program */
	bool verbose; /* what a run without a file of output says is shown, on standard error */
};

/**
 * spawn_begin - find our own program, and take SIGINT, SIGTERM and SIGHUP in hand
 * From here on such a signal ends what runs, and no other run begins; those ignored stay ignored.
 */
MUST_USE int spawn_begin(struct spawner *s, struct err *err);

/**
 * spawn_self - run our own program to its end
 * @words:      from the second on; a NULL ends them
 * @output:     a file for standard output, made or emptied; NULL: shown or lost, as @s has it
 * @ret_status: as of waitpid(2)
 *
 * Return: 0; -EINTR when a signal came before the run began or during it; -errno. @err is filled.
 */
MUST_USE int spawn_self(const struct spawner *s, const char *const *words, const char *output,
			int *ret_status, struct err *err);

/** spawn_undisturbed - from here on runs begin, and end by themselves, whatever signal comes or came. */
void spawn_undisturbed(void);

/** spawn_end - end by the signal that came, as whoever waits for us expects; else nothing happens. */
void spawn_end(void);

#endif
