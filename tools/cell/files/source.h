/* A file as text to be searched: read whole, or said why not. */
#ifndef TOOLCELL_CELL_SOURCE_H
#define TOOLCELL_CELL_SOURCE_H

#include <stddef.h>

#include "base/macros.h"
#include "tools/cell/files/text.h"

#define SOURCE_BYTES_MAX ((size_t)64 << 20)
#define SOURCE_BINARY_BYTES 8192U /* a NUL within them: not text */

enum source_kind {
	SOURCE_TEXT = 0, /* may be empty */
	SOURCE_BINARY,
	SOURCE_TOO_LARGE,
	SOURCE_SPECIAL, /* no regular file any more */
	SOURCE_UNREAD,
	SOURCE_KIND_N,
};

struct source {
	const char *data; /* without a byte order mark; UTF-16 is decoded */
	size_t len;
	int num; /* SOURCE_UNREAD: positive errno */
	char *memory;
	size_t alloc;
	struct text text;
};

/**
 * source_read - into @s, whose memory is used again
 * @dir, @name: opened without following a link or waiting
 */
MUST_USE enum source_kind source_read(struct source *s, int dir, const char *name);
void source_fini(struct source *s);

#endif
