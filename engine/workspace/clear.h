/* What clear.c and discard.c share: the layers of a branch, open, and the paths that leave them. */
#ifndef TOOLCELL_WORKSPACE_CLEAR_H
#define TOOLCELL_WORKSPACE_CLEAR_H

#include "workspace/discard.h"

struct clearing {
	const struct changes_source *source;
	int roots[STACK_LAYERS_MAX]; /* owned */
	uint32_t n;
	const struct clear_path *paths; /* sorted */
	size_t n_paths;
	struct err *err;
};

MUST_USE int clearing_init(struct clearing *clearing, const struct changes_source *source,
			   struct err *err);
void clearing_fini(struct clearing *clearing);

/**
 * clearing_open_parent - the folder that @path is in, below @root
 * Return: 1; 0 when there is no such folder; -errno.
 */
MUST_USE int clearing_open_parent(int root, const char *path, int *ret_fd, const char **ret_leaf);

/** clearing_look - what is at @path below @root.  Return: 1 with @ret, 0 for nothing, -errno. */
MUST_USE int clearing_look(int root, const char *path, struct stat *ret);

/** clearing_open_folder - also the root, by "".  Return: 1; 0 for no such folder; -errno. */
MUST_USE int clearing_open_folder(int root, const char *path, int *ret_fd);

bool clearing_is_whiteout(const struct stat *st);
bool clearing_is_opaque(int dir);

/** clearing_prune - an empty folder leaves the layers, when it is cleared or says nothing */
MUST_USE int clearing_prune(struct clearing *clearing, const char *path);

#endif
