/*
 * Theory of operation: the path is walked from its first component, each opened below the one before
 * without following a link, and made where it is missing. What is asked of the folder - owner, mode,
 * file system, its name - is asked of the descriptor, so there is no second look that could differ.
 */
#include "cli/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/text.h"
#include "workspace/stack.h"

#define STORE_OF_ROOT "/var/lib/toolcell/sessions"
#define XATTR_PROBE "user.toolcell.probe"
#define SHOWN_MAX 96

/* File systems whose folders the kernel refuses as an overlay's upper, or that keep no whiteouts. */
static const struct {
	unsigned int magic;
	const char *name;
} unfit[] = {
	{OVERLAYFS_SUPER_MAGIC, "an overlay itself (a container's root, most likely)"},
	{NFS_SUPER_MAGIC, "NFS"},
	{0xff534d42U, "CIFS"},
	{0xfe534d42U, "SMB"},
	{SMB_SUPER_MAGIC, "SMB"},
	{V9FS_MAGIC, "9p"},
	{MSDOS_SUPER_MAGIC, "FAT"},
	{EXFAT_SUPER_MAGIC, "exFAT"},
	{0x5346544eU, "NTFS"},
	{0x7366746eU, "NTFS"},
	{ECRYPTFS_SUPER_MAGIC, "eCryptfs"},
	{0x786f4256U, "a VirtualBox shared folder"},
};

int store_say(struct err *err, int num, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)err_set(err, EINVAL, "%s", text);
	if (err)
		err->num = num;
	return -num;
}

static int open_below(int dir, const char *name)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_SYMLINKS};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

/* A home folder may be a link; it is the operator's word, and where it leads is looked up once. */
static int default_place(char *dst, struct err *err)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	bool is_state = state && state[0] == '/';
	char *real;
	int n;

	if (geteuid() == 0) {
		(void)snprintf(dst, PATH_MAX, "%s", STORE_OF_ROOT);
		return 0;
	}
	if (!is_state && !(home && home[0] == '/'))
		return err_set(err, EINVAL,
			       "no place for sessions: neither TOOLCELL_SESSIONS, XDG_STATE_HOME "
			       "nor HOME names a folder");
	real = realpath(is_state ? state : home, NULL);
	n = snprintf(dst, PATH_MAX, "%s%s", real ? real : (is_state ? state : home),
		     is_state ? "/toolcell/sessions" : "/.local/state/toolcell/sessions");
	free(real);
	return n > 0 && n < PATH_MAX
		       ? 0
		       : err_set(err, ENAMETOOLONG, "the place for sessions has too long a path");
}

int store_place(const char *option, char *dst, struct err *err)
{
	const char *given = option ? option : getenv("TOOLCELL_SESSIONS");
	int n;

	dst[0] = '\0';
	if (!given || given[0] == '\0')
		return default_place(dst, err);
	n = snprintf(dst, PATH_MAX, "%s", given);
	return n < PATH_MAX
		       ? 0
		       : err_set(err, ENAMETOOLONG, "the place for sessions has too long a path");
}

static int open_component(int dir, const char *name, bool make, int *ret_fd)
{
	*ret_fd = open_below(dir, name);
	if (*ret_fd >= 0)
		return 0;
	if (errno != ENOENT || !make)
		return -errno;
	/* Somebody may be quicker; what is there is then looked at like any other. */
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	*ret_fd = open_below(dir, name);
	return *ret_fd >= 0 ? 0 : -errno;
}

static int open_path(const char *path, bool make, int *ret_fd)
{
	CLEANUP(fd_closep) int at = open_below(AT_FDCWD, path[0] == '/' ? "/" : ".");
	char rest[PATH_MAX];
	char *state = NULL;
	int r = at < 0 ? -errno : 0;

	(void)snprintf(rest, sizeof(rest), "%s", path);
	for (char *name = strtok_r(rest, "/", &state); name && r == 0;
	     name = strtok_r(NULL, "/", &state)) {
		int next = -1;

		r = open_component(at, name, make, &next);
		fd_closep(&at);
		at = next;
	}
	if (r < 0)
		return r;
	/* O_PATH found it; to list it, it is opened once more through the descriptor. */
	*ret_fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd >= 0 ? 0 : -errno;
}

static int check_folder(int dir, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_set(err, errno, "sessions folder %s", path);
	if (st.st_uid != geteuid())
		return err_set(err, EPERM,
			       "sessions folder %s belongs to uid %u and not to you (uid %u); name "
			       "one of your own with --sessions or TOOLCELL_SESSIONS",
			       path, st.st_uid, geteuid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, EPERM,
			       "sessions folder %s can be written to by others; chmod 700 it, or "
			       "name another with --sessions",
			       path);
	return 0;
}

static int name_folder(int dir, char *dst, struct err *err)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, dst, PATH_MAX - 1);
	if (n <= 0 || dst[0] != '/')
		return err_set(err, EINVAL, "the sessions folder has no path that begins with /");
	dst[n] = '\0';
	return 0;
}

int store_open(const char *option, bool make, struct store *ret, struct err *err)
{
	CLEANUP(fd_closep) int dir = -1;
	char path[PATH_MAX];
	int r = store_place(option, path, err);

	ret->dir = -1;
	if (r < 0)
		return r;
	r = open_path(path, make, &dir);
	if (r == -ELOOP)
		return store_say(err, ELOOP,
				 "sessions folder %s runs through a symbolic link, which could be "
				 "made to lead elsewhere; give the real path",
				 path);
	if (r < 0)
		return err_set(err, -r, "sessions folder %s", path);
	r = check_folder(dir, path, err);
	if (r == 0)
		r = name_folder(dir, ret->path, err);
	if (r < 0)
		return r;
	ret->dir = fd_take(&dir);
	return 0;
}

void store_close(struct store *store)
{
	fd_closep(&store->dir);
}

int store_check_place(const struct store *store, const char *workspace, struct err *err)
{
	if (path_is_below(store->path, workspace))
		return err_set(err, EPERM,
			       "sessions folder %s lies in the workspace %s, where tools could "
			       "change it; name another with --sessions",
			       store->path, workspace);
	if (path_is_below(workspace, store->path))
		return err_set(err, EPERM, "workspace %s lies in the sessions folder %s", workspace,
			       store->path);
	return 0;
}

int store_check_layers(const struct store *store, struct err *err)
{
	struct statfs fs;

	if (fstatfs(store->dir, &fs) < 0)
		return err_set(err, errno, "sessions folder %s", store->path);
	for (size_t i = 0; i < ARRAY_SIZE(unfit); i++)
		if ((unsigned int)fs.f_type == unfit[i].magic)
			return store_say(
				err, EOPNOTSUPP,
				"sessions folder %s lies on %s, which cannot hold the layers "
				"of an overlay; name a folder on ext4, xfs, btrfs or tmpfs "
				"with --sessions or TOOLCELL_SESSIONS",
				store->path, unfit[i].name);
	if (fsetxattr(store->dir, XATTR_PROBE, "y", 1, 0) < 0)
		return err_set(err, errno,
			       "sessions folder %s lies on a file system without user.* "
			       "attributes, which layers need; name another with --sessions",
			       store->path);
	(void)fremovexattr(store->dir, XATTR_PROBE);
	return 0;
}

bool store_is_id(const char *text, size_t len)
{
	if (len != STORE_ID_LEN || text[0] < 'a' || text[0] > 'z')
		return false;
	for (size_t i = 1; i < len; i++)
		if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= '2' && text[i] <= '7'))
			return false;
	return true;
}

int store_parse_id(const char *text, char ret_id[STORE_ID_BYTES], uint32_t *ret_branch,
		   struct err *err)
{
	size_t len = strcspn(text, ".");
	uint64_t branch = 0;
	char shown[SHOWN_MAX];

	if (!store_is_id(text, len) ||
	    (text[len] == '.' &&
	     (num_parse_u64(text + len + 1, STACK_BRANCHES_MAX, &branch) < 0 || branch == 0)))
		return err_set(err, EINVAL,
			       "\"%s\" is no session; they are named like k3f9abcd, and their "
			       "branches like k3f9abcd.2: `toolcell sessions` lists them",
			       text_quote(shown, sizeof(shown), text, strlen(text)));
	memcpy(ret_id, text, STORE_ID_LEN);
	ret_id[STORE_ID_LEN] = '\0';
	*ret_branch = (uint32_t)branch;
	return 0;
}
