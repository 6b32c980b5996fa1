/*
 * Bytes to lines. A line ends in "\n" ("\r\n" is tolerated) and has at most @max bytes; a longer
 * one is reported once and then skipped to its end, holding nothing of it.
 */
#ifndef TOOLCELL_RPC_LINES_H
#define TOOLCELL_RPC_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct lines {
	struct buf buf; /* start of a line whose end has not come */
	bool skipping;	/* inside a line that was too long */
};

struct lines_sink {
	void *ctx;
	/* Without its end; blank lines are not reported. @data lives until the function returns. */
	void (*line)(void *ctx, const char *data, size_t len);
	/* @head: what had come of the line so far */
	void (*too_long)(void *ctx, const char *head, size_t len);
};

/** lines_init - @max: longest line, in bytes */
void lines_init(struct lines *lines, size_t max);
void lines_fini(struct lines *lines);

/** lines_feed - each byte is looked at once.  Return: 0 or -ENOMEM. */
MUST_USE int lines_feed(struct lines *lines, const char *data, size_t len,
			const struct lines_sink *sink);

/** lines_end - what is left without a newline is a line too */
void lines_end(struct lines *lines, const struct lines_sink *sink);

#endif
