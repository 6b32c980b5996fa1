/*
 * The small files of a branch, data/branches/B/: opened without following anything, read whole under a
 * cap, replaced as a whole.
 */
#ifndef TOOLCELL_WORKSPACE_BRANCH_H
#define TOOLCELL_WORKSPACE_BRANCH_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

/** branch_open - the folder of a branch.  Return: 0 and an O_CLOEXEC descriptor, or -errno. */
MUST_USE int branch_open(int data, uint32_t branch, int *ret_fd, struct err *err);

/**
 * branch_layer_open - the tree of a layer, data/layers/@layer/u
 * Return: 0 and an O_CLOEXEC descriptor, or -errno.
 */
MUST_USE int branch_layer_open(int data, uint32_t layer, int *ret_fd, struct err *err);

/** branch_began - when the branch began, or was last wholly committed or discarded */
MUST_USE int branch_began(int dir, struct timespec *ret, struct err *err);

/**
 * branch_begin_again - nothing is left of the branch's changes: from now on
 * @past: the new time is behind this one, at the workspace's own clock ticks
 */
MUST_USE int branch_begin_again(int dir, const struct timespec *past, struct err *err);

/**
 * branch_read - a whole regular file
 * @ret: malloc'ed, with a NUL behind the last byte; caller frees
 *
 * Return: 0; -ENOENT when there is none (without words); -E2BIG beyond @cap; -EINVAL when it is no
 * regular file; -errno.
 */
MUST_USE int branch_read(int dir, const char *name, size_t cap, char **ret, size_t *ret_len,
			 struct err *err);

/** branch_replace - temporary file, fsync, rename, fsync of the folder */
MUST_USE int branch_replace(int dir, const char *name, const void *data, size_t len,
			    struct err *err);

/** branch_remove - a file that may not be there; fsync of the folder */
MUST_USE int branch_remove(int dir, const char *name, struct err *err);

#endif
