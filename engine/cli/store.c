/*
 * Theory of operation: folder.c finds and opens the folder; what is asked of it here, such as its file
 * system, is asked of that descriptor.
 */
#include "cli/store.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/text.h"
#include "cli/folder.h"
#include "workspace/stack.h"

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

static const struct folder_words words = {"sessions folder", "--sessions", "TOOLCELL_SESSIONS",
					  "sessions"};

int store_place(const char *option, char *dst, struct err *err)
{
	return folder_place(&words, option ? option : getenv(words.variable), dst, err);
}

int store_open(const char *option, bool make, struct store *ret, struct err *err)
{
	char path[PATH_MAX];
	int r = store_place(option, path, err);

	ret->dir = -1;
	return r < 0 ? r : folder_open(&words, path, make, &ret->dir, ret->path, err);
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
