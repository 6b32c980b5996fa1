/*
 * A growing byte buffer with a ceiling. Invariants: len <= alloc <= cap + 1; data[len] is NUL when
 * data is not NULL. buf_init and buf_fini do not fail; a zeroed struct is an empty buffer with
 * BUF_CAP_DEFAULT as its ceiling.
 */
#ifndef TOOLCELL_BASE_BUF_H
#define TOOLCELL_BASE_BUF_H

#include <stddef.h>

#include "base/macros.h"

#define BUF_CAP_DEFAULT ((size_t)64 << 20)

struct buf {
	char *data;
	size_t len;
	size_t alloc;
	size_t cap; /* bytes; 0 stands for BUF_CAP_DEFAULT */
};

void buf_fini(struct buf *b);

/** buf_reserve - room for @more bytes.  Return: 0, -ENOMEM, or -E2BIG beyond the ceiling. */
MUST_USE int buf_reserve(struct buf *b, size_t more);
MUST_USE int buf_append(struct buf *b, const void *data, size_t len);
MUST_USE int buf_puts(struct buf *b, const char *s);
MUST_USE int buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

/** buf_drop - forget the first @n bytes (all when @n >= len) */
void buf_drop(struct buf *b, size_t n);

/** buf_take - the bytes leave the buffer; malloc'ed and NUL-terminated, NULL when empty */
char *buf_take(struct buf *b, size_t *ret_len);

#endif
