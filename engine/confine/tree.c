/*
 * Theory of operation: every step goes through openat2 with RESOLVE_IN_ROOT (mount_open_target), so
 * "/bin/x" under a link /bin -> usr/bin lands in the tree's own /usr/bin.
 */
#include "confine/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/mount.h"

/* The folder that holds @path's last component, made when missing; the component in *ret_name. */
static int open_parent(int root, const char *path, int *ret_dir, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int r;

	if (!slash || slash[1] == '\0' || (size_t)(slash - path) >= sizeof(dir))
		return -EINVAL;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	r = tree_make_dir(root, dir[0] ? dir : "/", 0755);
	if (r == 0)
		r = mount_open_target(root, dir[0] ? dir : "/", ret_dir);
	*ret_name = slash + 1;
	return r;
}

static int make_one_dir(int root, char *path, uint32_t mode)
{
	CLEANUP(fd_closep) int parent = -1;
	char *slash = strrchr(path, '/');
	int r;

	*slash = '\0';
	r = mount_open_target(root, slash == path ? "/" : path, &parent);
	*slash = '/';
	if (r < 0)
		return r;
	return mkdirat(parent, slash + 1, mode) < 0 ? -errno : 0;
}

int tree_make_dir(int root, const char *path, uint32_t mode)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	size_t have = len; /* of @path, the length that is known to exist */
	int r;

	if (path[0] != '/' || len >= sizeof(part))
		return -EINVAL;
	/* Up to the nearest folder that is there, which mostly is the parent; then down again. */
	for (;;) {
		CLEANUP(fd_closep) int fd = -1;

		(void)snprintf(part, sizeof(part), "%.*s", have ? (int)have : 1, path);
		r = mount_open_target(root, part, &fd);
		if (r == 0)
			break;
		if (r != -ENOENT || have == 0)
			return r;
		while (have > 0 && path[--have] != '/')
			;
	}
	while (have < len) {
		size_t end = have + 1 + strcspn(path + have + 1, "/");

		(void)snprintf(part, sizeof(part), "%.*s", (int)end, path);
		r = make_one_dir(root, part, end == len ? mode : 0755);
		if (r < 0)
			return r;
		have = end;
	}
	return 0;
}

int tree_make_file(int root, const char *path, const char *data, size_t len)
{
	CLEANUP(fd_closep) int dir = -1;
	CLEANUP(fd_closep) int fd = -1;
	const char *name;
	int r = open_parent(root, path, &dir, &name);

	if (r < 0)
		return r;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (fd < 0)
		return -errno;
	return fd_write_full(fd, data, len);
}

int tree_make_symlink(int root, const char *path, const char *text)
{
	CLEANUP(fd_closep) int dir = -1;
	const char *name;
	int r = open_parent(root, path, &dir, &name);

	if (r < 0)
		return r;
	return symlinkat(text, dir, name) < 0 ? -errno : 0;
}

int tree_make_target(int root, const char *path, bool is_dir, int *ret_fd)
{
	int r = mount_open_target(root, path, ret_fd);

	if (r != -ENOENT)
		return r;
	r = is_dir ? tree_make_dir(root, path, 0755) : tree_make_file(root, path, "", 0);
	return r < 0 ? r : mount_open_target(root, path, ret_fd);
}
