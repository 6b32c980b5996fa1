/* A folder of the operator's own, where toolcell keeps things between engines: sessions, audit logs. */
#ifndef TOOLCELL_CLI_FOLDER_H
#define TOOLCELL_CLI_FOLDER_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"

/* What a folder is called in messages. */
struct folder_words {
	const char *what;     /* "sessions folder" */
	const char *option;   /* "--sessions" */
	const char *variable; /* "TOOLCELL_SESSIONS" */
	const char *leaf;     /* below the state folder: "sessions" */
};

/**
 * folder_place - the folder that holds for this process
 * @given: what the operator says; NULL or "": /var/lib/toolcell/LEAF for root, else below the account's
 *	   state folder
 * @dst:   PATH_MAX bytes
 */
MUST_USE int folder_place(const struct folder_words *words, const char *given, char *dst,
			  struct err *err);

/**
 * folder_open - open it, and make it (0700) when it is not there
 * @make:   false: -ENOENT when it is not there
 * @ret_fd: O_RDONLY | O_DIRECTORY
 * @real:   PATH_MAX bytes, its path from the root
 *
 * Refused: a path through a symbolic link, a folder of somebody else's, one that others may write to.
 */
MUST_USE int folder_open(const struct folder_words *words, const char *path, bool make, int *ret_fd,
			 char *real, struct err *err);

#endif
