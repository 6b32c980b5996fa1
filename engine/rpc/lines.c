/*
 * Theory of operation: memchr(3) over what just came, never over what was kept, so that a line
 * costs its length however finely it is fed. A line that came whole is handed on where it lies.
 *
 *	collect --longer than max--> skip --newline--> collect
 */
#include "rpc/lines.h"

#include <errno.h>
#include <string.h>

#define KEEP_BYTES ((size_t)64 << 10) /* a buffer beyond this is given back after its line */

void lines_init(struct lines *lines, size_t max)
{
	*lines = (struct lines){.buf = {.cap = max}};
}

void lines_fini(struct lines *lines)
{
	buf_fini(&lines->buf);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void deliver(const char *data, size_t len, const struct lines_sink *sink)
{
	while (len > 0 && is_blank(data[len - 1]))
		len--;
	while (len > 0 && is_blank(data[0])) {
		data++;
		len--;
	}
	if (len > 0)
		sink->line(sink->ctx, data, len);
}

static void forget(struct buf *buf)
{
	if (buf->alloc > KEEP_BYTES)
		buf_fini(buf);
	else
		buf_drop(buf, buf->len);
}

static int take(struct lines *lines, const char *part, size_t len, bool ended,
		const struct lines_sink *sink)
{
	struct buf *buf = &lines->buf;
	int r;

	if (lines->skipping) {
		lines->skipping = !ended;
		return 0;
	}
	if (ended && buf->len == 0 && len <= buf->cap) {
		deliver(part, len, sink);
		return 0;
	}
	r = buf_append(buf, part, len);
	if (r == -E2BIG) {
		bool first = buf->len == 0;

		sink->too_long(sink->ctx, first ? part : buf->data, first ? len : buf->len);
		buf_fini(buf);
		lines->skipping = !ended;
		return 0;
	}
	if (r < 0)
		return r;
	if (ended) {
		deliver(buf->data, buf->len, sink);
		forget(buf);
	}
	return 0;
}

int lines_feed(struct lines *lines, const char *data, size_t len, const struct lines_sink *sink)
{
	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t part = newline ? (size_t)(newline - data) : len;
		int r = take(lines, data, part, newline != NULL, sink);

		if (r < 0)
			return r;
		part += newline ? 1 : 0;
		data += part;
		len -= part;
	}
	return 0;
}

void lines_end(struct lines *lines, const struct lines_sink *sink)
{
	if (lines->buf.len > 0)
		deliver(lines->buf.data, lines->buf.len, sink);
	buf_fini(&lines->buf);
	lines->skipping = false;
}
