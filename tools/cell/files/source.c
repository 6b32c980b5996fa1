/*
 * Theory of operation: one buffer for each worker, which grows to the largest file met. fstat decides
 * before a byte is read: what a listing called a regular file may have become something else, and
 * O_NONBLOCK keeps the open from waiting for a FIFO's writer. As many bytes are read as the file had
 * then; of a large one first its head, because most large files are not text.
 */
#include "tools/cell/files/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

#define ALLOC_STEP ((size_t)256 << 10)
#define LARGE_BYTES ((size_t)64 << 10) /* looked at before all of it is read */

static int make_room(struct source *s, size_t want)
{
	size_t alloc = (want / ALLOC_STEP + 1) * ALLOC_STEP;

	if (s->alloc >= want)
		return 0;
	free(s->memory);
	s->alloc = 0;
	s->memory = malloc(alloc);
	if (!s->memory)
		return -ENOMEM;
	s->alloc = alloc;
	return 0;
}

static int read_all(struct source *s, int fd, size_t size, enum source_kind *ret)
{
	size_t first = size > LARGE_BYTES ? LARGE_BYTES : size;
	ssize_t n = fd_read_full(fd, s->memory, first);

	if (n < 0)
		return (int)n;
	s->data = s->memory;
	s->len = (size_t)n;
	if (s->len >= 2 &&
	    (memcmp(s->data, "\xff\xfe", 2) == 0 || memcmp(s->data, "\xfe\xff", 2) == 0))
		*ret = SOURCE_TEXT; /* UTF-16, or so it says */
	else if (memchr(s->data, '\0', s->len < SOURCE_BINARY_BYTES ? s->len : SOURCE_BINARY_BYTES))
		*ret = SOURCE_BINARY;
	if (*ret == SOURCE_BINARY || s->len < first || first == size)
		return 0;
	n = fd_read_full(fd, s->memory + first, size - first);
	if (n < 0)
		return (int)n;
	s->len += (size_t)n;
	return 0;
}

static enum source_kind decode(struct source *s)
{
	if (s->len >= 3 && memcmp(s->data, "\xef\xbb\xbf", 3) == 0) {
		s->data += 3;
		s->len -= 3;
	} else if (s->len >= 2 &&
		   (memcmp(s->data, "\xff\xfe", 2) == 0 || memcmp(s->data, "\xfe\xff", 2) == 0)) {
		text_fini(&s->text);
		if (text_look(s->data, s->len, &s->text) < 0)
			return SOURCE_BINARY;
		s->data = s->text.data;
		s->len = s->text.len;
	}
	return SOURCE_TEXT;
}

enum source_kind source_read(struct source *s, int dir, const char *name)
{
	CLEANUP(fd_closep)
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	enum source_kind kind = SOURCE_TEXT;
	struct stat st;
	int r;

	s->data = "";
	s->len = 0;
	s->num = 0;
	if (fd < 0 || fstat(fd, &st) < 0) {
		s->num = errno;
		return errno == ELOOP || errno == ENXIO ? SOURCE_SPECIAL : SOURCE_UNREAD;
	}
	if (!S_ISREG(st.st_mode))
		return SOURCE_SPECIAL;
	if ((uintmax_t)st.st_size > SOURCE_BYTES_MAX)
		return SOURCE_TOO_LARGE;
	if (st.st_size == 0)
		return SOURCE_TEXT;
	r = make_room(s, (size_t)st.st_size);
	if (r == 0)
		r = read_all(s, fd, (size_t)st.st_size, &kind);
	if (r < 0) {
		s->num = -r;
		return SOURCE_UNREAD;
	}
	return kind == SOURCE_TEXT ? decode(s) : kind;
}

void source_fini(struct source *s)
{
	text_fini(&s->text);
	free(s->memory);
	*s = (struct source){0};
}
