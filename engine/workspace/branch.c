/*
 * Theory of operation: paths below the data folder are of fixed shape, so they are walked component by
 * component with O_NOFOLLOW; what a file holds is the business of its reader, here only kind and size
 * are checked. A file is replaced by rename, so a reader sees the old one or the new one.
 */
#include "workspace/branch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define NAME_MAX_TMP 64U
#define BEGIN_FILE "begin"
#define TICK_NS 2000000L /* less than the step of a file system's clock */
#define TICKS_MAX 2000

/* Down a fixed path, @names ending with NULL. */
static int open_down(int data, const char *const *names, int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;

	for (size_t i = 0; names[i]; i++) {
		int next = openat(fd < 0 ? data : fd, names[i],
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (next < 0)
			return err_set(err, errno,
				       "cannot open folder \"%s\" of the session's data", names[i]);
		fd_closep(&fd);
		fd = next;
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

int branch_open(int data, uint32_t branch, int *ret_fd, struct err *err)
{
	char number[16];
	const char *names[] = {"branches", number, NULL};

	(void)snprintf(number, sizeof(number), "%u", branch);
	return open_down(data, names, ret_fd, err);
}

int branch_layer_open(int data, uint32_t layer, int *ret_fd, struct err *err)
{
	char number[16];
	const char *names[] = {"layers", number, "u", NULL};

	(void)snprintf(number, sizeof(number), "%u", layer);
	return open_down(data, names, ret_fd, err);
}

int branch_began(int dir, struct timespec *ret, struct err *err)
{
	struct stat st;

	if (fstatat(dir, BEGIN_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, errno, "cannot tell when the branch began");
	*ret = st.st_mtim;
	return 0;
}

static bool is_behind(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

int branch_begin_again(int dir, const struct timespec *past, struct err *err)
{
	CLEANUP(fd_closep)
	int fd = openat(dir, BEGIN_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
			0600);
	const struct timespec tick = {.tv_nsec = TICK_NS};
	struct stat st;

	if (fd < 0)
		return err_set(err, errno, "cannot open the branch's begin");
	/* File systems tell the time in steps: what we have just committed must lie before it. */
	for (int i = 0; i < TICKS_MAX; i++) {
		if (futimens(fd, NULL) < 0 || fstat(fd, &st) < 0)
			return err_set(err, errno, "cannot write the branch's begin");
		if (is_behind(&st.st_mtim, past))
			return fsync(fd) < 0
				       ? err_set(err, errno, "cannot write the branch's begin")
				       : 0;
		(void)nanosleep(&tick, NULL);
	}
	return err_set(err, ETIME, "the workspace's files are from the future");
}

int branch_read(int dir, const char *name, size_t cap, char **ret, size_t *ret_len, struct err *err)
{
	CLEANUP(fd_closep)
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t got;
	char *data;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot open the branch's %s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "the branch's %s is not a regular file", name);
	if (st.st_size < 0 || (uint64_t)st.st_size > cap)
		return err_set(err, E2BIG, "the branch's %s has %lld bytes, at most %zu are read",
			       name, (long long)st.st_size, cap);
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return err_set(err, ENOMEM, "cannot read the branch's %s", name);
	got = fd_read_full(fd, data, (size_t)st.st_size);
	if (got != st.st_size) {
		free(data);
		return err_set(err, got < 0 ? (int)-got : EIO, "cannot read the branch's %s", name);
	}
	data[got] = '\0';
	*ret = data;
	*ret_len = (size_t)got;
	return 0;
}

int branch_replace(int dir, const char *name, const void *data, size_t len, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	char temporary[NAME_MAX_TMP];
	int r;

	(void)snprintf(temporary, sizeof(temporary), "%s.new", name);
	/* What a crash has left. */
	if (unlinkat(dir, temporary, 0) < 0 && errno != ENOENT)
		return err_set(err, errno, "cannot remove the branch's %s", temporary);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, errno, "cannot make the branch's %s", temporary);
	r = fd_write_full(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir, temporary, 0);
		return err_set(err, -r, "cannot write the branch's %s", name);
	}
	return 0;
}

int branch_remove(int dir, const char *name, struct err *err)
{
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_set(err, errno, "cannot remove the branch's %s", name);
	if (fsync(dir) < 0)
		return err_set(err, errno, "cannot write the branch's folder");
	return 0;
}
