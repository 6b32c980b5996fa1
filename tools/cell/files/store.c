/*
 * Theory of operation:
 *
 *	store_load     resolved path --O_NONBLOCK, fstat--> whole content, or why not
 *	store_prepare  folders --> may the old file be written? --> temporary file, mode, content, fsync
 *	store_commit   is the old file still the one that was read? --> rename --> fsync of the folder
 *	store_fini     the temporary file, when it was not renamed, is removed
 *
 * Replacing by rename would get around the read-only mode of a file and a read-only mount over it, so
 * faccessat(2) is asked first. O_TMPFILE would leave no leftovers, but linkat(2) cannot replace.
 * A crash leaves at most a file whose name says what it is.
 */
#include "tools/cell/files/store.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"

#define SUFFIX ".toolcell-"
#define RANDOM_BYTES 8U
#define TRIES_MAX 8U /* names that are taken already */
#define NAME_KEPT_MAX (NAME_MAX - sizeof(SUFFIX) - 1 - RANDOM_BYTES)

static const char hex[] = "0123456789abcdef";

void store_file_fini(struct store_file *file)
{
	if (!file)
		return;
	free(file->data);
	*file = (struct store_file){0};
}

static int too_large(const struct path *path, uint64_t size, size_t cap, struct answer *a)
{
	(void)answer_fail(a, "too_large",
			  "%s has %ju bytes; at most %zu are taken. Use Grep, or sed -n with Bash, "
			  "for a part of it.",
			  path->shown, (uintmax_t)size, cap);
	return -EPERM;
}

/* Until end of file: what /proc holds has no size, and a file may grow. */
static int read_all(int fd, const struct path *path, size_t cap, struct store_file *ret,
		    struct answer *a)
{
	CLEANUP(buf_fini) struct buf all = {.cap = cap + 1};
	size_t step = MIN((size_t)ret->st.st_size, cap);

	for (;;) {
		ssize_t n;
		int r = buf_reserve(&all, MIN(step + 1, cap + 1 - all.len));

		if (r < 0)
			return r;
		n = fd_read_full(fd, all.data + all.len, MIN(step + 1, cap + 1 - all.len));
		if (n < 0) {
			(void)path_refuse(path, "read", (int)-n, a);
			return -EPERM;
		}
		all.len += (size_t)n;
		all.data[all.len] = '\0';
		if (all.len > cap)
			return too_large(path, all.len, cap, a);
		if ((size_t)n < step + 1)
			break;
		step = (size_t)64 << 10;
	}
	ret->data = buf_take(&all, &ret->len);
	return 0;
}

int store_load(const struct path *path, size_t cap, struct store_file *ret, struct answer *a)
{
	CLEANUP(fd_closep) int fd = -1;
	struct store_file file = {0};
	int num = path->num;
	int r;

	if (num == 0 && !S_ISREG(path->st.st_mode)) {
		(void)path_refuse_special(path, "read", path->st.st_mode, a);
		return -EPERM;
	}
	if (num == 0) {
		fd = open(path->real, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
		num = fd < 0 || fstat(fd, &file.st) < 0 ? errno : 0;
	}
	if (num) {
		(void)path_refuse(path, "read", num, a);
		return -EPERM;
	}
	if (!S_ISREG(file.st.st_mode)) {
		(void)path_refuse_special(path, "read", file.st.st_mode, a);
		return -EPERM;
	}
	if (file.st.st_size > 0 && (uint64_t)file.st.st_size > cap)
		return too_large(path, (uint64_t)file.st.st_size, cap, a);
	r = read_all(fd, path, cap, &file, a);
	if (r == 0)
		*ret = file;
	return r;
}

void store_digest(const void *data, size_t len, char dst[STORE_DIGEST_MAX])
{
	static const char prefix[] = "sha256:";
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;
	char *p = dst + sizeof(prefix) - 1;

	sha256_init(&ctx);
	sha256_update(&ctx, len, data);
	sha256_digest(&ctx, sizeof(digest), digest);
	(void)memcpy(dst, prefix, sizeof(prefix));
	for (size_t i = 0; i < sizeof(digest); i++) {
		*p++ = hex[digest[i] >> 4];
		*p++ = hex[digest[i] & 15];
	}
	*p = '\0';
}

static bool is_digest(const char *text)
{
	return strlen(text) + 1 == STORE_DIGEST_MAX && strncmp(text, "sha256:", 7) == 0 &&
	       strspn(text + 7, hex) == STORE_DIGEST_MAX - 8;
}

int store_check_digest(const char *expected, const struct path *path, const struct store_file *file,
		       struct answer *a)
{
	char digest[STORE_DIGEST_MAX];

	if (!expected)
		return 0;
	if (!is_digest(expected)) {
		(void)answer_fail(a, "arguments",
				  "Argument expected_digest must be \"sha256:\" and 64 hex digits, "
				  "as data.digest of a Read has them.");
		return -EPERM;
	}
	if (!file) {
		(void)answer_fail(a, "changed",
				  "%s does not exist (any more), but expected_digest was given. "
				  "Nothing was written.",
				  path->shown);
		return -EPERM;
	}
	store_digest(file->data, file->len, digest);
	if (strcmp(digest, expected) == 0)
		return 0;
	(void)answer_fail(
		a, "changed",
		"%s has changed since it was read: its digest is %s now, expected was %s. "
		"Nothing was written; read it again.",
		path->shown, digest, expected);
	return -EPERM;
}

void store_init(struct store *s)
{
	*s = (struct store){.dir = -1};
}

void store_fini(struct store *s)
{
	if (!s)
		return;
	if (s->dir >= 0 && s->temporary[0])
		(void)unlinkat(s->dir, s->temporary, 0);
	s->temporary[0] = '\0';
	fd_closep(&s->dir);
}

static bool is_synced(void)
{
	/* Single-threaded, and nothing here changes the environment. */
	const char *sync = getenv("TOOLCELL_SYNC");

	return sync && strcmp(sync, "1") == 0;
}

/* Return: a descriptor; -errno. */
static int open_temporary(struct store *s, mode_t mode)
{
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		uint8_t bytes[RANDOM_BYTES / 2];
		char digits[RANDOM_BYTES + 1] = "";
		int fd;

		if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
			return -EIO;
		for (size_t k = 0; k < sizeof(bytes); k++) {
			digits[2 * k] = hex[bytes[k] >> 4];
			digits[2 * k + 1] = hex[bytes[k] & 15];
		}
		(void)snprintf(s->temporary, sizeof(s->temporary), ".%.*s" SUFFIX "%s",
			       (int)NAME_KEPT_MAX, s->name, digits);
		fd = openat(s->dir, s->temporary,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (fd >= 0)
			return fd;
		s->temporary[0] = '\0';
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int fill_temporary(struct store *s, const void *data, size_t len, const struct stat *old,
			  mode_t mode)
{
	mode_t keep = old ? old->st_mode & 0777 : mode & 0777;
	CLEANUP(fd_closep) int fd = open_temporary(s, keep ? 0600 : 0666);
	int r;

	if (fd < 0)
		return fd;
	r = fd_write_full(fd, data, len);
	if (r == 0 && keep && fchmod(fd, keep) < 0)
		r = -errno;
	if (r == 0 && is_synced() && fsync(fd) < 0)
		r = -errno;
	/* Where space is found late (NFS, quota), close is the last to say so. */
	if (r == 0 && close(fd_take(&fd)) < 0)
		r = -errno;
	return r;
}

int store_prepare(struct store *s, const struct path *path, const void *data, size_t len,
		  const struct stat *old, mode_t mode, struct answer *a)
{
	int r = path_check_write(path, a);

	if (r < 0)
		return r;
	r = path_open_parent(path, !old, &s->dir, &s->name);
	if (r == 0 && old && faccessat(s->dir, s->name, W_OK, 0) < 0)
		r = -errno;
	if (r == 0)
		r = fill_temporary(s, data, len, old, mode);
	if (r == 0)
		return 0;
	store_fini(s);
	if (r == -ENOMEM)
		return r;
	(void)path_refuse(path, "write", -r, a);
	return -EPERM;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Somebody else was faster.  Return: whether nobody was. */
static bool check_unchanged(const struct store *s, const struct path *path, struct answer *a)
{
	struct stat now;

	if (fstatat(s->dir, s->name, &now, AT_SYMLINK_NOFOLLOW) == 0 && is_same(&now, &path->st))
		return true;
	(void)answer_fail(a, "changed",
			  "%s was changed by somebody else while it was being edited. Nothing was "
			  "written; read it again.",
			  path->shown);
	return false;
}

int store_commit(struct store *s, const struct path *path, bool fresh, struct answer *a)
{
	int r = 0;

	if (!fresh && !check_unchanged(s, path, a))
		return -EPERM;
	if (renameat2(s->dir, s->temporary, s->dir, s->name, fresh ? RENAME_NOREPLACE : 0) < 0)
		r = -errno;
	if (r == 0) {
		s->temporary[0] = '\0';
		if (is_synced()) {
			CLEANUP(fd_closep)
			int dir = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			if (dir < 0 || fsync(dir) < 0)
				r = -errno;
		}
	}
	if (r == -EEXIST)
		(void)answer_fail(
			a, "changed",
			"%s did not exist a moment ago and does now. Nothing was written; "
			"read it first.",
			path->shown);
	else if (r < 0)
		(void)path_refuse(path, "write", -r, a);
	return r < 0 ? -EPERM : 0;
}
