/* Foreign bytes made safe to look at, and names that are nearly right. */
#ifndef TOOLCELL_BASE_TEXT_H
#define TOOLCELL_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macros.h"

/**
 * text_quote - foreign bytes for an error message or a log line
 * @dst: always NUL-terminated; printable ASCII kept, the rest as \xHH, cut with "..."
 * Return: @dst.
 */
const char *text_quote(char *dst, size_t cap, const char *src, size_t len);

/**
 * text_utf8_len - length of the well-formed UTF-8 sequence at @p
 * @left: bytes available
 * Return: 1-4; 0 when malformed, overlong, a surrogate, or beyond U+10FFFF; -1 when well-formed so
 * far but cut off by @left.
 */
int text_utf8_len(const unsigned char *p, size_t left);

/** text_is_utf8 - all of it well-formed */
bool text_is_utf8(const char *s, size_t len);

/**
 * text_append_safe - tool output as text that neither a terminal nor a model trips over
 *
 * Escape sequences (CSI, OSC, other ESC) are removed; NUL and the other control characters but tab
 * and newline become U+FFFD, as do malformed bytes; "\r\n" becomes "\n" and a lone "\r" becomes
 * "\n". C1 controls encoded in UTF-8 and U+202A-202E, U+2066-2069 (bidirectional overrides) become
 * U+FFFD.  Return: 0 or -errno of the buffer.
 */
MUST_USE int text_append_safe(struct buf *out, const char *src, size_t len);

/**
 * text_nearest - the candidate that a misspelt @word most likely means
 * @names: @n strings
 * Return: one of @names at an edit distance of at most a third of its length, or NULL.
 */
const char *text_nearest(const char *word, const char *const *names, size_t n);

#endif
