/*
 * Theory of operation: data goes extent by extent, so that holes stay holes; a file system without
 * SEEK_DATA has one extent. Each way of copying that a kernel, a filter or a pair of file systems does
 * not have falls back to the next one at the offset that was reached. Attributes are named by the file
 * itself, so names and sizes are foreign: fixed buffers of the kernel's own limits, nothing trusted twice.
 */
#include "workspace/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define BLOCK_BYTES ((size_t)256 << 10)
#define RANGE_BYTES ((size_t)1 << 30)

static void freep_char(char **p)
{
	free(*p);
}

/* Bytes @at to @end by read and write. */
static int copy_plain(int from, int to, off_t at, off_t end)
{
	CLEANUP(freep_char) char *block = malloc(BLOCK_BYTES);

	if (!block)
		return -ENOMEM;
	while (at < end) {
		size_t want = MIN((size_t)(end - at), BLOCK_BYTES);
		ssize_t n = pread(from, block, want, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ESTALE; /* shorter than it was */
		for (ssize_t done = 0; done < n;) {
			ssize_t w = pwrite(to, block + done, (size_t)(n - done), at + done);

			if (w < 0 && errno == EINTR)
				continue;
			if (w <= 0)
				return w < 0 ? -errno : -EIO;
			done += w;
		}
		at += n;
	}
	/* CLEANUP frees it. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	return 0;
}

/* Errors that say "not in this way"; others say that the disk is full or broken. */
static bool is_another_way(int num)
{
	static const int nums[] = {EXDEV, ENOSYS,  EOPNOTSUPP, EINVAL, EPERM,
				   EBADF, ETXTBSY, ENOTTY,     EACCES};

	for (size_t i = 0; i < ARRAY_SIZE(nums); i++)
		if (nums[i] == num)
			return true;
	return false;
}

static int copy_extent(int from, int to, off_t at, off_t end, bool *plain)
{
	while (!*plain && at < end) {
		off_t in = at;
		off_t out = at;
		ssize_t n = copy_file_range(from, &in, to, &out,
					    MIN((size_t)(end - at), RANGE_BYTES), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !is_another_way(errno))
			return -errno;
		/* Nothing copied: some file systems say so where they mean that they cannot. */
		if (n <= 0)
			*plain = true;
		else
			at += n;
	}
	return copy_plain(from, to, at, end);
}

int copy_content(int from, int to, uint64_t size)
{
	bool plain = false;
	off_t at = 0;
	off_t end = (off_t)size;

	if (end < 0)
		return -EFBIG;
	if (size > 0 && ioctl(to, FICLONE, from) == 0)
		return 0;
	if (ftruncate(to, end) < 0)
		return -errno;
	while (at < end) {
		off_t data = lseek(from, at, SEEK_DATA);
		off_t hole;
		int r;

		if (data < 0 && errno == ENXIO)
			break; /* a hole up to the end */
		if (data < 0)
			data = at;
		hole = lseek(from, data, SEEK_HOLE);
		if (hole <= data || hole > end)
			hole = end;
		r = copy_extent(from, to, data, hole, &plain);
		if (r < 0)
			return r;
		at = hole;
	}
	return 0;
}

/* The rest of the user's own, and overlayfs' bookkeeping, and what carries privilege, stay behind. */
static bool is_kept(const char *name)
{
	if (strncmp(name, "user.overlay.", strlen("user.overlay.")) == 0)
		return false;
	return strncmp(name, "user.", strlen("user.")) == 0 ||
	       strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

static bool is_unsupported(int num)
{
	return num == ENOTSUP || num == ENOSYS;
}

struct attrs {
	char *names; /* each with a NUL */
	size_t len;
	char *value;
	char *other;
};

static void attrs_fini(struct attrs *attrs)
{
	free(attrs->names);
	free(attrs->value);
	free(attrs->other);
}

static int list_attrs(int fd, struct attrs *ret)
{
	char few[1];
	ssize_t n = flistxattr(fd, few, 0);

	if (n < 0 && !is_unsupported(errno))
		return -errno;
	if (n <= 0)
		return 0;
	ret->names = malloc(COPY_ATTRS_BYTES_MAX + 1);
	ret->value = malloc(COPY_ATTRS_BYTES_MAX);
	ret->other = malloc(COPY_ATTRS_BYTES_MAX);
	if (!ret->names || !ret->value || !ret->other)
		return -ENOMEM;
	n = flistxattr(fd, ret->names, COPY_ATTRS_BYTES_MAX);
	if (n < 0)
		return -errno;
	ret->len = (size_t)n;
	ret->names[n] = '\0';
	return 0;
}

/* What CLEANUP frees looks lost. NOLINTBEGIN(clang-analyzer-unix.Malloc) */

/* Remove what @to has and @from has not. */
static int prune_attrs(int from, int to)
{
	CLEANUP(attrs_fini) struct attrs attrs = {0};
	int r = list_attrs(to, &attrs);

	for (size_t at = 0; r == 0 && at < attrs.len; at += strlen(attrs.names + at) + 1) {
		const char *name = attrs.names + at;

		if (!is_kept(name) || fgetxattr(from, name, NULL, 0) >= 0)
			continue;
		if (errno == ENODATA && fremovexattr(to, name) < 0 && errno != ENODATA)
			r = -errno;
	}
	return r;
}

int copy_attrs(int from, int to, bool prune)
{
	CLEANUP(attrs_fini) struct attrs attrs = {0};
	int r = list_attrs(from, &attrs);

	for (size_t at = 0; r == 0 && at < attrs.len; at += strlen(attrs.names + at) + 1) {
		const char *name = attrs.names + at;
		ssize_t n;

		if (!is_kept(name))
			continue;
		n = fgetxattr(from, name, attrs.value, COPY_ATTRS_BYTES_MAX);
		if (n < 0 && errno == ENODATA)
			continue;
		if (n < 0)
			return -errno;
		if (fsetxattr(to, name, attrs.value, (size_t)n, 0) < 0 && !is_unsupported(errno))
			return -errno;
	}
	return r == 0 && prune ? prune_attrs(from, to) : r;
}

/* 1 when @b has all that @a has. */
static int attrs_covered(int a, int b)
{
	CLEANUP(attrs_fini) struct attrs attrs = {0};
	int r = list_attrs(a, &attrs);

	if (r < 0)
		return r;
	for (size_t at = 0; at < attrs.len; at += strlen(attrs.names + at) + 1) {
		const char *name = attrs.names + at;
		ssize_t n;
		ssize_t m;

		if (!is_kept(name))
			continue;
		n = fgetxattr(a, name, attrs.value, COPY_ATTRS_BYTES_MAX);
		if (n < 0)
			return errno == ENODATA ? 0 : -errno;
		m = fgetxattr(b, name, attrs.other, COPY_ATTRS_BYTES_MAX);
		if (m < 0 && is_unsupported(errno))
			continue; /* cannot be kept there: no difference that a commit could make */
		if (m < 0 && errno != ENODATA)
			return -errno;
		if (n != m || memcmp(attrs.value, attrs.other, (size_t)n) != 0)
			return 0;
	}
	return 1;
}

/* NOLINTEND(clang-analyzer-unix.Malloc) */

int copy_attrs_equal(int a, int b)
{
	int r = attrs_covered(a, b);

	return r == 1 ? attrs_covered(b, a) : r;
}

mode_t copy_mode(const struct stat *new, const struct stat *old)
{
	mode_t mode = new->st_mode &(S_IRWXU | S_IRWXG | S_IRWXO);

	if (S_ISDIR(new->st_mode) && old && S_ISDIR(old->st_mode))
		mode |= old->st_mode & S_ISGID;
	return mode;
}

int copy_content_equal(int a, int b)
{
	CLEANUP(freep_char) char *blocks = malloc(2 * BLOCK_BYTES);

	if (!blocks)
		return -ENOMEM;
	for (off_t at = 0;; at += (off_t)BLOCK_BYTES) {
		ssize_t n = fd_pread_full(a, blocks, BLOCK_BYTES, at);
		ssize_t m = n < 0 ? n : fd_pread_full(b, blocks + BLOCK_BYTES, BLOCK_BYTES, at);

		if (m < 0)
			return (int)m;
		if (n != m || memcmp(blocks, blocks + BLOCK_BYTES, (size_t)n) != 0)
			return 0;
		if (n < (ssize_t)BLOCK_BYTES)
			return 1;
	}
}

int copy_open(int dir, const char *name, int *ret_fd, struct stat *ret_st)
{
	CLEANUP(fd_closep)
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return -EINVAL;
	*ret_fd = fd_take(&fd);
	return 0;
}
