/*
 * The new mount API (fsopen(2), open_tree(2), move_mount(2), mount_setattr(2); Linux 5.12): mounts are
 * made detached, dressed, and only then attached, always by descriptor. Plain system calls, no
 * allocation: usable after clone. All return 0 or -errno, and descriptors are close-on-exec.
 */
#ifndef TOOLCELL_CONFINE_MOUNT_H
#define TOOLCELL_CONFINE_MOUNT_H

#include <linux/mount.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* One fsconfig(2) option; a NULL value is a flag ("ro"). */
struct mount_option {
	const char *key;
	const char *value;
};

/**
 * mount_clone - a detached copy of what is mounted at @path below @dir
 * @path: "" for @dir itself
 * @recursive: with everything mounted below it
 */
MUST_USE int mount_clone(int dir, const char *path, bool recursive, int *ret_fd);

/**
 * mount_dress - attributes of a detached mount; mount_setattr(2)
 * @set:    MOUNT_ATTR_RDONLY | NOSUID | NODEV | NOEXEC
 * @userns: user namespace for MOUNT_ATTR_IDMAP, or -1
 */
MUST_USE int mount_dress(int fd, bool recursive, uint64_t set, int userns);

/** mount_make - a new file system instance, detached */
MUST_USE int mount_make(const char *type, const struct mount_option *options, size_t n,
			uint64_t attrs, int *ret_fd);

/** mount_make_tmpfs - @bytes and @inodes bound it; 0 inodes: one for each 4 KiB */
MUST_USE int mount_make_tmpfs(uint64_t bytes, uint64_t inodes, uint32_t mode, uint64_t attrs,
			      int *ret_fd);

/** mount_attach - put a detached mount on @path below @dir ("" for @dir itself) */
MUST_USE int mount_attach(int fd, int dir, const char *path);

/** mount_private - no mount event leaves or enters this namespace from now on (recursive) */
MUST_USE int mount_private(void);

/**
 * mount_pivot - @root becomes "/", the old root is detached and gone
 * @root: descriptor of a mount's root in this namespace
 */
MUST_USE int mount_pivot(int root);

/**
 * mount_open_plain - a host path without any symbolic link on the way, as O_PATH
 * Return: 0; -ELOOP when there is one, since what was checked is then not what is there.
 */
MUST_USE int mount_open_plain(const char *path, int *ret_fd);

/**
 * mount_open_target - a path inside a tree under construction, as O_PATH
 * Symbolic links of the tree resolve inside of it (RESOLVE_IN_ROOT); magic links never.
 */
MUST_USE int mount_open_target(int root, const char *path, int *ret_fd);

#endif
