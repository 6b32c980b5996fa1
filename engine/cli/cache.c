/*
 * Theory of operation: a file "HASH.image" holds the request as text (for comparison, the hash is
 * only its name) and the image's bytes. It is written beside and renamed, so a reader sees whole
 * files. What it says is checked like a fresh image: sealed copy, image_verify, then its inputs.
 */
#include "cli/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "config.h"

#define CACHE_MAGIC "TCCACHE1"
#define REQUEST_MAX 6144

struct cache_head {
	char magic[8];
	uint32_t request_bytes;
	uint32_t image_bytes;
};

struct request {
	char text[REQUEST_MAX];
	size_t len;
	char file[32];
};

/* FNV-1a: a name for a file, nothing that anybody relies on. */
static uint64_t hash_of(const char *text, size_t len)
{
	uint64_t hash = 14695981039346656037ULL;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 1099511628211ULL;
	return hash;
}

static int make_request(const struct session_options *o, const char *policyc, struct request *ret)
{
	struct utsname kernel;
	struct stat st;
	char cwd[PATH_MAX] = "";
	int n;

	if (stat(policyc, &st) < 0 || uname(&kernel) < 0)
		return -errno;
	/* A file is named relative to the working directory. */
	if (((o->agent && strpbrk(o->agent, "/.")) || (o->policy && strpbrk(o->policy, "/."))) &&
	    !getcwd(cwd, sizeof(cwd)))
		return -errno;
	n = snprintf(ret->text, sizeof(ret->text),
		     "%s\n%s\n%ju %ju %jd.%09ld\n%u\n%d%s\n%d%s\n%s\n", TOOLCELL_VERSION,
		     kernel.release, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
		     (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec, geteuid(), o->agent != NULL,
		     o->agent ? o->agent : "", o->policy != NULL, o->policy ? o->policy : "", cwd);
	if (n < 0 || (size_t)n >= sizeof(ret->text))
		return -E2BIG;
	ret->len = (size_t)n;
	(void)snprintf(ret->file, sizeof(ret->file), "%016llx.image",
		       (unsigned long long)hash_of(ret->text, ret->len));
	return 0;
}

static bool is_private(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int open_dir(const char *path)
{
	CLEANUP(fd_closep) int fd = -1;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && is_private(fd, S_IFDIR) ? fd_take(&fd) : -1;
}

static int open_cache(void)
{
	const char *base = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	char path[PATH_MAX];
	int n;

	if (geteuid() == 0)
		return open_dir("/run/toolcell");
	if (base && base[0] == '/')
		n = snprintf(path, sizeof(path), "%s/toolcell", base);
	else if (home && home[0] == '/')
		n = snprintf(path, sizeof(path), "%s/.cache/toolcell", home);
	else
		return -1;
	return n > 0 && (size_t)n < sizeof(path) ? open_dir(path) : -1;
}

static bool file_is_same(const struct image_input *in, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return in->type == IMAGE_INPUT_ABSENT && (errno == ENOENT || errno == ENOTDIR);
	return in->type == IMAGE_INPUT_FILE && st.st_dev == in->dev && st.st_ino == in->ino &&
	       (uint64_t)st.st_size == in->size &&
	       (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == in->mtime_ns &&
	       (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec == in->ctime_ns;
}

static bool inputs_are_same(const struct image *image)
{
	const struct image_input *in;

	for (uint32_t i = 0; (in = image_input(image, i)); i++) {
		const char *name = image_string(image, in->name);

		if (in->type == IMAGE_INPUT_ENV) {
			const char *was = image_string(image, in->value);
			const char *is = getenv(name);

			if ((was == NULL) != (is == NULL) || (was && strcmp(was, is) != 0))
				return false;
		} else if (!file_is_same(in, name)) {
			return false;
		}
	}
	return true;
}

/* A sealed copy of the image behind head and request. */
static int copy_image(int file, const struct request *request, int *ret_fd)
{
	struct cache_head head = {0};
	char text[REQUEST_MAX];
	char *data;
	int r = -ENOENT;

	if (fd_read_full(file, &head, sizeof(head)) != (ssize_t)sizeof(head) ||
	    memcmp(head.magic, CACHE_MAGIC, sizeof(head.magic)) != 0 ||
	    head.request_bytes != request->len || head.image_bytes > IMAGE_BYTES_MAX)
		return -ENOENT;
	if (fd_read_full(file, text, request->len) != (ssize_t)request->len ||
	    memcmp(text, request->text, request->len) != 0)
		return -ENOENT;
	data = malloc(head.image_bytes);
	if (data && fd_read_full(file, data, head.image_bytes) == (ssize_t)head.image_bytes)
		r = fd_memfd_sealed("toolcell-image", data, head.image_bytes, ret_fd, NULL);
	free(data);
	return r;
}

/* The folder as the kernel knows it: however it was named, links and all. */
static bool dir_path(int dir, char *path, size_t cap)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, path, cap - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	return path[0] == '/';
}

static bool is_out_of_reach(int dir, const char *workspace, const struct image *image)
{
	const struct image_mount *m;
	char path[PATH_MAX];

	if (!dir_path(dir, path, sizeof(path)) || path_is_below(path, workspace))
		return false;
	for (uint32_t i = 0; image && (m = image_mount(image, i)); i++)
		if (m->type == IMAGE_MOUNT_BIND && !(m->flags & IMAGE_MOUNT_READONLY) &&
		    path_is_below(path, image_string(image, m->source)))
			return false;
	return true;
}

int cache_load(const struct session_options *options, const char *policyc, const char *workspace,
	       int *ret_fd)
{
	CLEANUP(fd_closep) int dir = open_cache();
	CLEANUP(fd_closep) int file = -1;
	CLEANUP(fd_closep) int fd = -1;
	struct request request = {.len = 0};
	struct image image;
	bool same;

	if (dir < 0 || !is_out_of_reach(dir, workspace, NULL) ||
	    make_request(options, policyc, &request) < 0)
		return -ENOENT;
	file = openat(dir, request.file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0 || !is_private(file, S_IFREG) || copy_image(file, &request, &fd) < 0)
		return -ENOENT;
	if (image_map(fd, &image, NULL) < 0)
		return -ENOENT;
	same = inputs_are_same(&image) && is_out_of_reach(dir, workspace, &image);
	image_unmap(&image);
	if (!same)
		return -ENOENT;
	*ret_fd = fd_take(&fd);
	return 0;
}

static int write_file(int file, const struct request *request, const struct image *image)
{
	struct cache_head head = {.request_bytes = (uint32_t)request->len,
				  .image_bytes = (uint32_t)image->bytes};
	int r;

	memcpy(head.magic, CACHE_MAGIC, sizeof(head.magic));
	r = fd_write_full(file, &head, sizeof(head));
	if (r == 0)
		r = fd_write_full(file, request->text, request->len);
	if (r == 0)
		r = fd_write_full(file, image->data, image->bytes);
	return r;
}

void cache_store(const struct session_options *options, const char *policyc, const char *workspace,
		 const struct image *image)
{
	CLEANUP(fd_closep) int dir = open_cache();
	CLEANUP(fd_closep) int file = -1;
	struct request request = {.len = 0};
	char temporary[64];

	if (dir < 0 || !is_out_of_reach(dir, workspace, image) ||
	    make_request(options, policyc, &request) < 0)
		return;
	(void)snprintf(temporary, sizeof(temporary), "%s.%d", request.file, getpid());
	file = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0)
		return;
	if (write_file(file, &request, image) < 0 ||
	    renameat(dir, temporary, dir, request.file) < 0)
		(void)unlinkat(dir, temporary, 0);
}
