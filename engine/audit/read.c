/*
 * Theory of operation: files are read in the order of their numbers, the one that is written to last, in
 * pieces, and cut into lines. A line that is longer than any of ours is handed out once, as its beginning,
 * and then skipped.
 *
 * A log may get a new file at any time. The one that is written to is opened first, then the full ones are
 * listed; when it still has its name then, the list is of all that are older, and both are what is read,
 * whatever they are called by then:
 *
 *	open audit.jsonl -> list -> the same file? --yes--> read
 *	       ^-----------------------no-----'
 */
#include "audit/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

#define PIECE_BYTES ((size_t)64 << 10)
#define LIST_TRIES 100U

void audit_reader_close(struct audit_reader *reader)
{
	fd_closep(&reader->fd);
	fd_closep(&reader->current);
	buf_fini(&reader->held);
}

static void init(struct audit_reader *reader, int dir, int fd)
{
	*reader = (struct audit_reader){.dir = dir,
					.fd = fd,
					.current = -1,
					.held.cap = 4 * AUDIT_LINE_BYTES_MAX};
}

void audit_reader_file(struct audit_reader *reader, int fd, const char *name)
{
	init(reader, -1, fd);
	(void)snprintf(reader->name, sizeof(reader->name), "%s", name);
	reader->next_file = 1;
}

static int open_file(int dir, const char *name, int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep)
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot open %s of the audit log", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s of the audit log is no regular file", name);
	*ret_fd = fd_take(&fd);
	return 0;
}

/* Also when there is none: a log whose engine was killed between two files. */
static int open_current(struct audit_reader *reader, struct err *err)
{
	int r = open_file(reader->dir, AUDIT_FILE, &reader->current, err);

	return r == -ENOENT ? 0 : r;
}

static bool is_current(const struct audit_reader *reader)
{
	struct stat named;
	struct stat opened;

	if (fstatat(reader->dir, AUDIT_FILE, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT && reader->current < 0;
	return reader->current >= 0 && fstat(reader->current, &opened) == 0 &&
	       named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

int audit_reader_open(struct audit_reader *reader, int dir, struct err *err)
{
	init(reader, dir, -1);
	for (unsigned int tries = 0; tries < LIST_TRIES; tries++) {
		int r = open_current(reader, err);
		ssize_t n = r < 0 ? 0 : audit_files(dir, reader->files);

		if (r == 0 && n < 0)
			r = err_set(err, (int)-n, "cannot list the audit log");
		if (r == 0 && is_current(reader)) {
			reader->n_files = (size_t)n;
			return 0;
		}
		fd_closep(&reader->current);
		if (r < 0)
			return r;
	}
	return err_set(err, EAGAIN, "the audit log gets new files faster than they can be listed");
}

/* Return: 1; 0 when there is no further file; -errno. */
static int open_next(struct audit_reader *r, struct err *err)
{
	bool last = r->next_file == r->n_files;
	int status;

	if (r->dir < 0 || r->next_file > r->n_files)
		return 0;
	(void)audit_file_name(last ? 0 : r->files[r->next_file], r->name);
	r->next_file++;
	r->line = 0;
	if (last) {
		r->fd = fd_take(&r->current);
		return r->fd >= 0;
	}
	status = open_file(r->dir, r->name, &r->fd, err);
	if (status == -ENOENT)
		return err_set(err, ENOENT,
			       "%s was removed while the audit log was read: a new file was begun, "
			       "and the oldest ones are not kept (audit.rotate.keep); try again",
			       r->name);
	return status < 0 ? status : 1;
}

/* More bytes behind those that are held. Return: their number, 0 at the end, -errno. */
static ssize_t read_more(struct audit_reader *r)
{
	ssize_t n;
	int status;

	buf_drop(&r->held, r->used);
	r->used = 0;
	status = buf_reserve(&r->held, PIECE_BYTES);
	if (status < 0)
		return status;
	do
		n = read(r->fd, r->held.data + r->held.len, PIECE_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r->held.len += (size_t)n;
	return n;
}

/* Up to and with the next newline. Return: 1, 0 at the end of the file, -errno. */
static int skip_line(struct audit_reader *r)
{
	for (;;) {
		const char *from = r->held.data + r->used;
		const char *end = memchr(from, '\n', r->held.len - r->used);
		ssize_t n;

		r->used = end ? (size_t)(end - r->held.data) + 1 : r->held.len;
		if (end)
			return 1;
		n = read_more(r);
		if (n <= 0)
			return (int)n;
	}
}

static void hand_out(struct audit_reader *r, struct audit_item *ret, size_t len, bool whole)
{
	*ret = (struct audit_item){
		.file = r->name,
		.number = ++r->line,
		.text = r->held.data + r->used,
		.len = len,
		.whole = whole,
	};
	r->used += len + whole;
}

/* More may come, also of the line that is there in part. */
static bool is_followed(const struct audit_reader *r)
{
	return r->follows && r->next_file > r->n_files;
}

/* Return: 1 with a line of the file that is open, 0 at its end, -errno. */
static int next_line(struct audit_reader *r, struct audit_item *ret)
{
	for (;;) {
		size_t left = r->held.len - r->used;
		const char *from = left > 0 ? r->held.data + r->used : NULL;
		const char *end = from ? memchr(from, '\n', left) : NULL;
		ssize_t n;

		if (end && (size_t)(end - from) <= AUDIT_LINE_BYTES_MAX) {
			hand_out(r, ret, (size_t)(end - from), true);
			return 1;
		}
		if (left > AUDIT_LINE_BYTES_MAX) {
			hand_out(r, ret, AUDIT_LINE_BYTES_MAX, false);
			r->used -= AUDIT_LINE_BYTES_MAX; /* skip_line begins there */
			ret->cut = true;
			return 1;
		}
		n = read_more(r);
		if (n < 0)
			return (int)n;
		if (n > 0)
			continue;
		if (r->held.len == r->used || is_followed(r))
			return 0;
		hand_out(r, ret, r->held.len - r->used, false);
		return 1;
	}
}

int audit_reader_next(struct audit_reader *r, struct audit_item *ret, struct err *err)
{
	int status = 0;

	if (r->skips) { /* behind a line that was too long */
		r->skips = false;
		status = skip_line(r);
		if (status < 0)
			return err_set(err, -status, "cannot read %s of the audit log", r->name);
	}
	for (;;) {
		if (r->fd < 0) {
			status = open_next(r, err);
			if (status <= 0)
				return status;
		}
		status = next_line(r, ret);
		if (status < 0)
			return err_set(err, -status, "cannot read %s of the audit log", r->name);
		if (status > 0) {
			r->skips = ret->cut;
			return 1;
		}
		if (is_followed(r))
			return 0;
		fd_closep(&r->fd);
		r->held.len = 0;
		r->used = 0;
		if (r->dir < 0)
			return 0;
	}
}
