/*
 * Theory of operation:
 *
 *	prepare   each new content stands in a temporary file beside its place; nothing is visible yet
 *	keep      each original gets a second name beside its own (a hard link, or a copy where the
 *		  file system has none)
 *	commit    rename(2) by rename(2); a removal is an unlink(2)
 *	  fails?  undo in reverse: the second name is renamed back, what was new is removed
 *	forget    second names are removed
 *
 * One action alone is atomic without second names. Folders that were made for files are removed again
 * when the patch fails. If even putting back fails, the original keeps its second name and the
 * answer says which it is. A kill in between leaves names that tell what they are
 * (".NAME.toolcell-XXXXXXXX"), and every original under its own name or under such a one.
 */
#include "tools/cell/files/patch_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"

#define TRIES_MAX 16U
#define NAME_KEPT_MAX 200 /* bytes of a name that go into the name of its temporary */

/* A patch holds one folder open for each file. */
static void raise_descriptors(size_t n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= n + 64)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* else EMFILE will tell */
}

static int backup_name(struct patch_action *action)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	(void)snprintf(action->backup, sizeof(action->backup), ".%.*s.toolcell-%08x", NAME_KEPT_MAX,
		       action->store.name, random);
	return 0;
}

static int backup_copy(const struct patch_action *action)
{
	CLEANUP(fd_closep)
	int fd = openat(action->store.dir, action->backup,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fd_write_full(fd, action->old, action->old_len);
	if (rc == 0 && fchmod(fd, action->path->st.st_mode & 0777) < 0)
		rc = -errno;
	if (rc == 0 && close(fd_take(&fd)) < 0)
		rc = -errno;
	if (rc < 0)
		(void)unlinkat(action->store.dir, action->backup, 0);
	return rc;
}

/* A second name for what stands there. */
static int backup_make(struct patch_action *action)
{
	int dir = action->store.dir;
	int rc = -EEXIST;

	for (unsigned int i = 0; i < TRIES_MAX && rc == -EEXIST; i++) {
		rc = backup_name(action);
		if (rc == 0 && linkat(dir, action->store.name, dir, action->backup, 0) < 0)
			rc = -errno;
		/* No hard links here, or not to this file: protected_hardlinks in proc(5). */
		if (rc < 0 && rc != -EEXIST && rc != -ENOENT && rc != -ENOSPC && rc != -EDQUOT &&
		    rc != -EROFS && rc != -EIO)
			rc = backup_copy(action);
	}
	if (rc < 0)
		action->backup[0] = '\0';
	return rc;
}

/* How much of the path is there already, in bytes: what lies behind is made for the file. */
static size_t depth_of(const struct path *path)
{
	char folder[PATH_MAX];
	size_t len = strlen(path->real);

	memcpy(folder, path->real, len + 1);
	while (len > 1) {
		struct stat st;
		char *slash = strrchr(folder, '/');

		if (!slash || slash == folder)
			return 1;
		*slash = '\0';
		len = (size_t)(slash - folder);
		if (fstatat(AT_FDCWD, folder, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return len;
	}
	return len;
}

/* Only folders that are empty go, so nobody else's work can be lost. */
static void remove_folders(const struct path *path, size_t depth)
{
	char folder[PATH_MAX];
	char *slash;

	memcpy(folder, path->real, strlen(path->real) + 1);
	while ((slash = strrchr(folder, '/')) && (size_t)(slash - folder) > depth) {
		*slash = '\0';
		if (unlinkat(AT_FDCWD, folder, AT_REMOVEDIR) < 0)
			return;
	}
}

static bool is_unchanged(const struct patch_action *action)
{
	const struct stat *was = &action->path->st;
	struct stat now;

	return fstatat(action->store.dir, action->store.name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_dev == was->st_dev && now.st_ino == was->st_ino &&
	       now.st_size == was->st_size && now.st_mtim.tv_sec == was->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == was->st_mtim.tv_nsec;
}

/*
 * The second name may have given the file another inode number: an overlay copies it up for that, and not
 * every lower file system lets it keep the number. What store_commit compares is brought up to date.
 */
static int look_again(struct patch_action *action)
{
	const struct stat *was = &action->path->st;
	struct stat now;

	if (fstatat(action->store.dir, action->store.name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (now.st_size != was->st_size || now.st_mtim.tv_sec != was->st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != was->st_mtim.tv_nsec || !S_ISREG(now.st_mode))
		return -EBUSY;
	action->path->st = now;
	return 0;
}

static mode_t fresh_mode(mode_t mode)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return (mode & 0111 ? 0777 : 0666) & ~mask;
}

static int prepare(struct patch_action *action, struct answer *a)
{
	const struct path *path = action->path;
	int rc;

	if (!action->remove) {
		action->as = path->st;
		if (action->mode)
			action->as.st_mode = (path->st.st_mode & ~(mode_t)0777) | action->mode;
		return store_prepare(&action->store, path, action->data, action->len,
				     action->fresh ? NULL : &action->as,
				     action->fresh && action->mode ? fresh_mode(action->mode) : 0,
				     a);
	}
	rc = path_check_write(path, a);
	if (rc < 0)
		return rc;
	rc = path_open_parent(path, false, &action->store.dir, &action->store.name);
	if (rc < 0) {
		(void)path_refuse(path, "write", -rc, a);
		return -EPERM;
	}
	return 0;
}

static int commit(struct patch_action *action, bool alone, struct answer *a)
{
	const struct path *path = action->path;
	int rc = 0;

	if (!action->fresh && !is_unchanged(action)) {
		(void)answer_fail(a, "changed",
				  "%s was changed by somebody else while the patch was applied. "
				  "Read it again.",
				  path->shown);
		return -EPERM;
	}
	if (!action->fresh && !alone) {
		rc = backup_make(action);
		if (rc == 0)
			rc = look_again(action);
	}
	if (rc == 0 && action->remove && unlinkat(action->store.dir, action->store.name, 0) < 0)
		rc = -errno;
	if (rc < 0) {
		(void)path_refuse(path, "write", -rc, a);
		return -EPERM;
	}
	if (!action->remove)
		rc = store_commit(&action->store, path, action->fresh, a);
	/* It may have taken its place and failed behind that (fsync). */
	action->done = rc == 0 || (!action->remove && action->store.temporary[0] == '\0');
	return rc;
}

/* Return: whether the file is as it was. */
static bool undo(struct patch_action *action)
{
	int dir = action->store.dir;
	const char *name = action->store.name;

	if (!action->done)
		return true;
	if (action->fresh)
		return unlinkat(dir, name, 0) == 0 || errno == ENOENT;
	if (action->backup[0] == '\0' || renameat(dir, action->backup, dir, name) < 0)
		return false;
	action->backup[0] = '\0';
	return true;
}

static void forget(struct patch_action *action)
{
	if (action->backup[0] != '\0')
		(void)unlinkat(action->store.dir, action->backup, 0);
	action->backup[0] = '\0';
}

/* What was done is undone, last first; the answer says no already and learns how that went. */
static void undo_all(struct patch_action *actions, size_t n, struct answer *a)
{
	json_t *restored = json_array();
	json_t *lost = json_array();
	size_t done = 0;

	for (size_t i = n; i-- > 0;) {
		struct patch_action *action = &actions[i];
		char shown[ANSWER_SHOWN_MAX];

		done += action->done ? 1 : 0;
		if (undo(action)) {
			if (action->done)
				(void)json_array_append_new(restored,
							    json_string(action->path->shown));
			forget(action);
			continue;
		}
		(void)json_array_append_new(lost, json_string(action->path->shown));
		answer_fail_note(a, " %s could NOT be put back%s%s.", action->path->shown,
				 action->backup[0] ? "; its original is beside it, named " : "",
				 action->backup[0] ? answer_show(shown, action->backup) : "");
	}
	if (done == 0)
		answer_fail_note(a, " Nothing was changed.");
	else if (json_array_size(lost) == 0)
		answer_fail_note(
			a, " %zu file%s had been changed and %s put back; nothing is changed.",
			done, done == 1 ? "" : "s", done == 1 ? "was" : "were");
	answer_put(a, "restored", restored);
	answer_put(a, "not_restored", lost);
}

int patch_write(struct patch_action *actions, size_t n, struct answer *a)
{
	size_t prepared = 0;
	int rc = 0;

	raise_descriptors(n);
	for (size_t i = 0; i < n; i++) {
		store_init(&actions[i].store);
		actions[i].backup[0] = '\0';
		actions[i].done = false;
	}
	for (; prepared < n && rc == 0; prepared++) {
		/* Before it is made: what is missing of its folders. */
		if (actions[prepared].fresh)
			actions[prepared].depth = depth_of(actions[prepared].path);
		rc = prepare(&actions[prepared], a);
	}
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = commit(&actions[i], n == 1, a);
	if (rc < 0)
		undo_all(actions, prepared, a);
	for (size_t i = 0; i < n; i++) {
		if (rc == 0)
			forget(&actions[i]);
		store_fini(&actions[i].store);
	}
	for (size_t i = prepared; i-- > 0 && rc < 0;)
		if (actions[i].fresh)
			remove_folders(actions[i].path, actions[i].depth);
	return rc;
}
