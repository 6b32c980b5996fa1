/*
 * Theory of operation: the folder to be emptied is the only place where work is kept. Passes over it
 * unlink what is no folder and remove folders that are empty. A folder that is not gives up what it
 * holds: files go at once, folders with content are renamed to the top, where a later pass finds them.
 * So two descriptors are enough at any depth, ".." is never used, and an interrupted removal goes on
 * where it was. A pass that achieves nothing ends the work with the error that it met.
 */
#include "workspace/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

#define LIFTED_TRIES 1000
#define SHOWN_BYTES 128

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

struct removal {
	int top;
	uint64_t removed; /* names that are gone */
	uint64_t moved;	  /* folders lifted to the top */
	uint64_t serial;  /* of lifted folders */
	struct err *err;
};

static void closep_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

int remove_chmod(int dir, const char *name, const struct stat *expected, uint32_t mode)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode) || st.st_dev != expected->st_dev || st.st_ino != expected->st_ino)
		return -ELOOP;
	if (syscall(SYS_fchmodat2, dir, name, mode, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno != ENOSYS && errno != EPERM)
		return -errno;
	return fchmodat(dir, name, mode, 0) < 0 ? -errno : 0;
}

int remove_open(int dir, const char *name, int *ret_fd)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	struct stat st;
	struct stat opened;
	int fd;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if ((st.st_mode & S_IRWXU) != S_IRWXU) {
		/* Not ours to change when this fails; then the open tells. */
		r = remove_chmod(dir, name, &st, 0700);
		if (r < 0 && r != -EPERM && r != -EROFS)
			return r;
	}
	fd = openat(dir, name, flags);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &opened) < 0 || opened.st_dev != st.st_dev || opened.st_ino != st.st_ino) {
		(void)close(fd);
		return -ELOOP;
	}
	*ret_fd = fd;
	return 0;
}

struct dirent *remove_next(DIR *stream)
{
	struct dirent *entry;

	do {
		errno = 0;
		/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
		entry = readdir(stream);
	} while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry;
}

static int fail(const struct removal *rm, int num, const char *name)
{
	char shown[SHOWN_BYTES];

	return err_set(rm->err, num, "cannot remove %s",
		       text_quote(shown, sizeof(shown), name, strlen(name)));
}

/* A file, or an empty folder.  Return: 1 when it is gone, 0 for a folder with content, -errno. */
static int remove_one(struct removal *rm, int dir, const struct dirent *entry)
{
	if (entry->d_type != DT_DIR) {
		if (unlinkat(dir, entry->d_name, 0) == 0) {
			rm->removed++;
			return 1;
		}
		if (errno == ENOENT)
			return 1;
		/* EPERM: what POSIX says of folders; Linux has EISDIR. */
		if (entry->d_type != DT_UNKNOWN || (errno != EISDIR && errno != EPERM))
			return -errno;
	}
	if (unlinkat(dir, entry->d_name, AT_REMOVEDIR) == 0) {
		rm->removed++;
		return 1;
	}
	if (errno == ENOENT)
		return 1;
	/* EACCES: a file system may look into it to see that it is empty. */
	return errno == ENOTEMPTY || errno == EEXIST ? 0 : -errno;
}

/* The folder @name of @dir becomes an entry of the top. */
static int lift(struct removal *rm, int dir, const char *name)
{
	struct stat st;

	/* Its ".." changes: that is writing to it. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
	    (st.st_mode & S_IRWXU) != S_IRWXU) {
		int r = remove_chmod(dir, name, &st, 0700);

		if (r < 0 && r != -EPERM)
			return r;
	}
	for (int i = 0; i < LIFTED_TRIES; i++) {
		char lifted[48];

		(void)snprintf(lifted, sizeof(lifted), ".removed-%llu",
			       (unsigned long long)rm->serial++);
		if (renameat2(dir, name, rm->top, lifted, RENAME_NOREPLACE) == 0) {
			rm->moved++;
			return 0;
		}
		/* KERNEL: file systems without RENAME_NOREPLACE; only ours are called so. */
		if (errno == EINVAL && renameat(dir, name, rm->top, lifted) == 0) {
			rm->moved++;
			return 0;
		}
		if (errno != EEXIST && errno != ENOTEMPTY)
			return -errno;
	}
	return -EEXIST;
}

/* NULL with errno; @dir stays the caller's, and where it is. */
static DIR *open_stream(int dir)
{
	CLEANUP(fd_closep) int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = own < 0 ? NULL : fdopendir(own);

	if (stream)
		(void)fd_take(&own);
	return stream;
}

/* One pass over @dir; @each is for folders with content. */
static int sweep(struct removal *rm, int dir,
		 int (*each)(struct removal *rm, int dir, const char *))
{
	CLEANUP(closep_dir) DIR *stream = open_stream(dir);
	struct dirent *entry;
	int first = 0;

	if (!stream)
		return -errno;
	while ((entry = remove_next(stream)) != NULL) {
		int r;

		r = remove_one(rm, dir, entry);
		if (r == 0)
			r = each(rm, dir, entry->d_name);
		/* The rest goes all the same: a full disk gets room. */
		if (r < 0 && first == 0)
			first = fail(rm, -r, entry->d_name);
	}
	return first < 0 ? first : -errno;
}

static int empty_one(struct removal *rm, int dir, const char *name)
{
	CLEANUP(fd_closep) int fd = -1;
	int r = remove_open(dir, name, &fd);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* Entries may be passed over while others go; the next pass over the top comes back. */
	r = sweep(rm, fd, lift);
	if (r < 0)
		return r;
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
		return errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST ? 0 : -errno;
	rm->removed++;
	return 0;
}

static int is_empty(int dir)
{
	CLEANUP(closep_dir) DIR *stream = open_stream(dir);

	if (!stream)
		return -errno;
	if (remove_next(stream))
		return 0;
	return errno ? -errno : 1;
}

int remove_content(int dir, uint64_t *ret_n, struct err *err)
{
	struct err why = {0};
	struct removal rm = {.top = dir, .err = &why};
	int r = 0;

	while (r == 0) {
		uint64_t before = rm.removed + rm.moved;
		int swept = sweep(&rm, dir, empty_one);

		r = is_empty(dir);
		if (r == 0 && rm.removed + rm.moved == before)
			r = swept < 0 ? swept : -ENOTEMPTY;
	}
	if (ret_n)
		*ret_n = rm.removed;
	if (r > 0)
		return 0;
	if (!why.num)
		return err_set(err, -r, "cannot empty a folder");
	if (err)
		*err = why;
	return -why.num;
}

int remove_tree(int dir, const char *name, uint64_t *ret_n, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	char shown[SHOWN_BYTES];
	uint64_t n = 0;
	int r = 0;

	(void)text_quote(shown, sizeof(shown), name, strlen(name));
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT) {
		if (errno != EISDIR && errno != EPERM)
			return err_set(err, errno, "cannot remove %s", shown);
		if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
			r = remove_open(dir, name, &fd);
			if (r < 0)
				return err_set(err, -r, "cannot open %s to remove it", shown);
			r = remove_content(fd, &n, err);
			if (r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
				r = err_set(err, errno, "cannot remove %s", shown);
		}
	}
	if (ret_n)
		*ret_n = n + (r == 0);
	return r;
}
