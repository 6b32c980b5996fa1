/*
 * One file made like another: content (shared where the file system can, sparse where it was),
 * permissions, times, extended attributes. And compared with another.
 */
#ifndef TOOLCELL_WORKSPACE_COPY_H
#define TOOLCELL_WORKSPACE_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

#define COPY_ATTRS_BYTES_MAX 65536U /* names, and each value: the kernel's own limits */

/**
 * copy_content - all of @from into @to, which is empty
 *
 * FICLONE, else copy_file_range(2), else read and write, hole by hole.  Return: 0 or -errno.
 */
MUST_USE int copy_content(int from, int to, uint64_t size);

/**
 * copy_attrs - user.* without user.overlay.*, and POSIX ACLs; never security.*
 * @prune: remove those that @from has not
 *
 * A file system that knows no attributes gets none.  Return: 0 or -errno.
 */
MUST_USE int copy_attrs(int from, int to, bool prune);

/** copy_attrs_equal - 1 when both have the same of those, 0 when not, -errno */
MUST_USE int copy_attrs_equal(int a, int b);

/**
 * copy_mode - what is committed of permission bits: no set-uid, set-gid, sticky bit
 * @old: what is replaced, or NULL: a folder keeps the set-gid bit that it has there
 */
mode_t copy_mode(const struct stat *new, const struct stat *old);

/** copy_content_equal - 1 when both files hold the same bytes, 0 when not, -errno */
MUST_USE int copy_content_equal(int a, int b);

/** copy_open - a regular file for reading; -EINVAL for anything else.  @ret_st: of what was opened */
MUST_USE int copy_open(int dir, const char *name, int *ret_fd, struct stat *ret_st);

#endif
