/*
 * Building a root file system: mount points, links and small files inside a tree that nobody else
 * can see yet. Paths are absolute inside the tree; links that the tree already has resolve inside of
 * it. No allocation: usable after clone. All return 0 or -errno.
 */
#ifndef TOOLCELL_CONFINE_TREE_H
#define TOOLCELL_CONFINE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/** tree_make_dir - a folder and its parents (0755); one that is there already stays as it is */
MUST_USE int tree_make_dir(int root, const char *path, uint32_t mode);

/** tree_make_target - something to mount on: a folder, or an empty file; O_PATH in *ret_fd */
MUST_USE int tree_make_target(int root, const char *path, bool is_dir, int *ret_fd);

/** tree_make_file - a file with that content, mode 0444 */
MUST_USE int tree_make_file(int root, const char *path, const char *data, size_t len);

/** tree_make_symlink - replaces nothing: -EEXIST when the name is taken by something else */
MUST_USE int tree_make_symlink(int root, const char *path, const char *text);

#endif
