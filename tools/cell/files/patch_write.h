/* Several files written and removed as one: all of it, or what was there before is put back. */
#ifndef TOOLCELL_CELL_PATCH_WRITE_H
#define TOOLCELL_CELL_PATCH_WRITE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "tools/cell/files/path.h"
#include "tools/cell/files/store.h"

struct patch_action {
	struct path *path; /* outlives the action; its stat is brought up to date */
	bool remove;
	bool fresh;	  /* nothing stands there; otherwise path->st is what was read */
	const char *data; /* the new content */
	size_t len;
	const char *old; /* the content before, unless fresh */
	size_t old_len;
	mode_t mode; /* permission bits to have: 0 keeps the old ones, or umask's for a fresh file */
	/* Below is patch_write's. */
	struct stat as; /* path->st with the mode to have */
	size_t depth;	/* bytes of path->real whose folders were there before */
	struct store store;
	char backup[NAME_MAX + 1];
	bool done;
};

/**
 * patch_write - carry out @n actions on different files
 *
 * Return: 0; -EPERM: the answer says no, what had been done was put back and the answer says that too;
 * -ENOMEM with everything put back.
 */
MUST_USE int patch_write(struct patch_action *actions, size_t n, struct answer *a);

#endif
