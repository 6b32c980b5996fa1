/*
 * Theory of operation: in root mode each slot of calls takes a host uid (and the gid of the same
 * number) from the configured range and keeps it; one more is for all calls that see a session's layers. Engines on one machine share the
 * range by locking one byte for each uid of /run/toolcell/uids: open-file-description locks vanish
 * with the process, so a killed engine frees its uids without any cleaning up.
 *
 * The idmap of an identity shows the workspace owner's files as the cell's own, and the other way
 * round: what the cell creates is the owner's on disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "launch/launch.h"

#define LOCK_DIR "/run/toolcell"
#define LOCK_FILE LOCK_DIR "/uids"
#define UID_BASE_MIN 65536U

static bool owned_by_us(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & S_IFMT) == type &&
	       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

int identity_open(struct launcher *l, struct err *err)
{
	CLEANUP(fd_closep) int dir = -1;
	CLEANUP(fd_closep) int fd = -1;

	for (uint32_t i = 0; i < ARRAY_SIZE(l->identities); i++)
		l->identities[i].idmap = -1;
	l->uid_locks = -1;
	if (!l->cells.root_mode)
		return 0;
	if (l->uid_count <= UID_CELLS || l->uid_base > UINT32_MAX - l->uid_count - 1)
		return err_set(err, EINVAL,
			       "uid range %u:%u holds no room for cells: at least %d ids",
			       l->uid_base, l->uid_count, UID_CELLS + 1);
	if (l->uid_base < UID_BASE_MIN)
		return err_set(err, EINVAL,
			       "uid range %u:%u begins among accounts; it may begin at %u",
			       l->uid_base, l->uid_count, UID_BASE_MIN);
	if (mkdir(LOCK_DIR, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "cannot make " LOCK_DIR);
	dir = open(LOCK_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || !owned_by_us(dir, S_IFDIR))
		return err_set(err, EPERM, LOCK_DIR " is not a folder that only root may write to");
	fd = openat(dir, "uids", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || !owned_by_us(fd, S_IFREG))
		return err_set(err, EPERM, LOCK_FILE " is not a file that only root may write to");
	l->uid_locks = fd_take(&fd);
	return 0;
}

static bool lock_uid(const struct launcher *l, uint32_t index)
{
	struct flock lock = {.l_type = F_WRLCK,
			     .l_whence = SEEK_SET,
			     .l_start = (off_t)l->uid_base + index,
			     .l_len = 1};

	return fcntl(l->uid_locks, F_OFD_SETLK, &lock) == 0;
}

static bool uid_is_ours(const struct launcher *l, uint32_t uid)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(l->identities); i++)
		if (l->identities[i].uid == uid)
			return true;
	return false;
}

static int choose_uid(struct launcher *l, uint32_t *ret, struct err *err)
{
	for (uint32_t i = UID_CELLS; i < l->uid_count; i++) {
		uint32_t uid = l->uid_base + i;

		if (uid_is_ours(l, uid) || !lock_uid(l, i))
			continue;
		*ret = uid;
		return 0;
	}
	return err_set(err, EAGAIN, "every uid of the range %u:%u is in use by other engines",
		       l->uid_base, l->uid_count);
}

int identity_take(struct launcher *l, uint32_t slot, struct err *err)
{
	struct identity *id = &l->identities[slot];

	return !l->cells.root_mode || id->uid != 0 ? 0 : choose_uid(l, &id->uid, err);
}

int identity_map(struct launcher *l, uint32_t slot, struct err *err)
{
	struct identity *id = &l->identities[slot];
	int r;

	if (id->idmap >= 0)
		return 0;
	r = ns_make_idmap(l->cells.proc, (struct ns_map){l->owner_uid, id->uid},
			  (struct ns_map){l->owner_gid, id->uid}, &id->idmap);
	return r < 0 ? err_set(err, -r, "cannot make the id mapping of the workspace") : 0;
}
