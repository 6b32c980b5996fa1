/*
 * Theory of operation: one system call per function and no state. glibc wraps these calls only from
 * 2.36 on, and its <sys/mount.h> cannot stand beside <linux/mount.h>; syscall(2) works everywhere.
 */
#include "confine/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* Of <sys/mount.h>. */
#define MS_REC_FLAG 16384UL
#define MS_PRIVATE_FLAG (1UL << 18)
#define MNT_DETACH_FLAG 2

static int fd_result(long fd, int *ret_fd)
{
	if (fd < 0)
		return -errno;
	*ret_fd = (int)fd;
	return 0;
}

static int result(long r)
{
	return r < 0 ? -errno : 0;
}

int mount_clone(int dir, const char *path, bool recursive, int *ret_fd)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_NO_AUTOMOUNT;

	if (recursive)
		flags |= AT_RECURSIVE;
	return fd_result(syscall(SYS_open_tree, dir, path, flags), ret_fd);
}

int mount_dress(int fd, bool recursive, uint64_t set, int userns)
{
	struct mount_attr attr = {.attr_set = set, .propagation = MS_PRIVATE_FLAG};
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);

	if (userns >= 0) {
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (__u64)userns;
	}
	return result(syscall(SYS_mount_setattr, fd, "", flags, &attr, sizeof(attr)));
}

int mount_make(const char *type, const struct mount_option *options, size_t n, uint64_t attrs,
	       int *ret_fd)
{
	CLEANUP(fd_closep) int ctx = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

	if (ctx < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		unsigned int cmd = options[i].value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

		if (syscall(SYS_fsconfig, ctx, cmd, options[i].key, options[i].value, 0) < 0)
			return -errno;
	}
	if (syscall(SYS_fsconfig, ctx, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return fd_result(syscall(SYS_fsmount, ctx, FSMOUNT_CLOEXEC, attrs), ret_fd);
}

int mount_make_tmpfs(uint64_t bytes, uint64_t inodes, uint32_t mode, uint64_t attrs, int *ret_fd)
{
	char size[24];
	char count[24];
	char bits[12];
	struct mount_option options[] = {{"size", size}, {"nr_inodes", count}, {"mode", bits}};

	if (inodes == 0)
		inodes = bytes / 4096 + 16;
	(void)snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	(void)snprintf(count, sizeof(count), "%llu", (unsigned long long)inodes);
	(void)snprintf(bits, sizeof(bits), "%o", mode & 07777U);
	return mount_make("tmpfs", options, ARRAY_SIZE(options), attrs, ret_fd);
}

int mount_attach(int fd, int dir, const char *path)
{
	return result(syscall(SYS_move_mount, fd, "", dir, path,
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

int mount_private(void)
{
	return result(syscall(SYS_mount, NULL, "/", NULL, MS_REC_FLAG | MS_PRIVATE_FLAG, NULL));
}

int mount_pivot(int root)
{
	/* pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one and is
	 * taken off again, so no directory for it is needed inside. */
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    syscall(SYS_umount2, ".", MNT_DETACH_FLAG) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

int mount_open_plain(const char *path, int *ret_fd)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS,
	};

	return fd_result(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)), ret_fd);
}

int mount_open_target(int root, const char *path, int *ret_fd)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return fd_result(syscall(SYS_openat2, root, path, &how, sizeof(how)), ret_fd);
}
