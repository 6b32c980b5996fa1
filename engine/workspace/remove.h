/*
 * Trees removed by descriptor, whatever they hold: folders without permissions, any depth, any number
 * of names. Nothing is followed, no path is put together, the stack does not grow with the tree.
 */
#ifndef TOOLCELL_WORKSPACE_REMOVE_H
#define TOOLCELL_WORKSPACE_REMOVE_H

#include <dirent.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

/**
 * remove_content - all that a folder holds, not the folder
 * @dir: open for reading; its permissions may be widened
 * @ret_n: names removed; NULL when nobody asks; counts up to a failure, too
 */
MUST_USE int remove_content(int dir, uint64_t *ret_n, struct err *err);

/** remove_tree - @name below @dir, whatever it is; one that is not there is no failure */
MUST_USE int remove_tree(int dir, const char *name, uint64_t *ret_n, struct err *err);

/**
 * remove_open - a folder of ours for reading and changing, made permissive (0700) when it is not
 * Return: 0 and an O_CLOEXEC descriptor; -ENOTDIR, -ELOOP for anything else than a folder; -errno.
 */
MUST_USE int remove_open(int dir, const char *name, int *ret_fd);

/** remove_next - the next name of a folder but "." and ".."; NULL: the end, or errno is not 0 */
struct dirent *remove_next(DIR *stream);

/**
 * remove_chmod - permissions of @name below @dir, no link followed
 * @expected: what @name is known to be
 *
 * KERNEL(6.6): fchmodat2(2). Without it, and without /proc, by name, and looked at afterwards.
 */
MUST_USE int remove_chmod(int dir, const char *name, const struct stat *expected, uint32_t mode);

#endif
