/*
 * Theory of operation: one pass over the bytes, a small state machine for terminal escapes:
 *
 *	copy --ESC--> skip_escape: '[' to a final byte 0x40-0x7e; ']' 'P' '_' '^' 'X' to BEL or ESC \;
 *	otherwise intermediate bytes 0x20-0x2f and one final byte behind ESC go too.
 */
#include "base/text.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define NEAREST_MAX 64 /* longest word compared; names of ours are shorter */

const char *text_quote(char *dst, size_t cap, const char *src, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)src[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '\\' && c != '"';
		size_t need = plain ? 1 : 4;

		if (n + need + 4 > cap) {
			if (n + 4 <= cap) {
				memcpy(dst + n, "...", 3);
				n += 3;
			}
			break;
		}
		if (plain) {
			dst[n++] = (char)c;
			continue;
		}
		dst[n++] = '\\';
		dst[n++] = 'x';
		dst[n++] = hex[c >> 4];
		dst[n++] = hex[c & 15];
	}
	if (cap > 0)
		dst[n] = '\0';
	return dst;
}

int text_utf8_len(const unsigned char *p, size_t left)
{
	unsigned char lo = 0x80;
	unsigned char hi = 0xbf;
	int len;

	if (left == 0)
		return -1;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	/* The second byte rules out overlong forms, surrogates and what lies beyond U+10FFFF. */
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	for (int i = 1; i < len; i++) {
		if ((size_t)i >= left)
			return -1;
		if (p[i] < lo || p[i] > hi)
			return 0;
		lo = 0x80;
		hi = 0xbf;
	}
	return len;
}

bool text_is_utf8(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len) {
		int n = text_utf8_len((const unsigned char *)s + i, len - i);

		if (n <= 0)
			return false;
		i += (size_t)n;
	}
	return true;
}

/* Bytes of the escape sequence at @p, ESC included. */
static size_t escape_len(const unsigned char *p, size_t left)
{
	static const char strings[] = {']', 'P', '_', '^', 'X'};
	size_t i = 2;

	if (left < 2)
		return left;
	if (p[1] == '[') {
		while (i < left && (p[i] < 0x40 || p[i] > 0x7e) && p[i] >= 0x20)
			i++;
		return i < left && p[i] >= 0x40 && p[i] <= 0x7e ? i + 1 : i;
	}
	if (memchr(strings, p[1], sizeof(strings))) {
		while (i < left && p[i] != '\a' && p[i] != 0x1b && p[i] != '\n')
			i++;
		if (i < left && p[i] == '\a')
			return i + 1;
		if (i + 1 < left && p[i] == 0x1b && p[i + 1] == '\\')
			return i + 2;
		return i;
	}
	/* ESC, intermediate bytes, one final byte: "ESC ( B" selects a character set. */
	for (i = 1; i < left && p[i] >= 0x20 && p[i] < 0x30;)
		i++;
	return i < left && p[i] >= 0x30 && p[i] < 0x7f ? i + 1 : i;
}

static bool sequence_is_unsafe(const unsigned char *p, int n)
{
	if (n == 1)
		return (p[0] < 0x20 && p[0] != '\t' && p[0] != '\n') || p[0] == 0x7f;
	if (n == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x80)
		return p[2] >= 0xaa && p[2] <= 0xae;
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x81)
		return p[2] >= 0xa6 && p[2] <= 0xa9;
	return false;
}

/* Bytes from @p that need no change at all: the fast path, copied in one piece. */
static size_t plain_len(const unsigned char *p, size_t left)
{
	size_t i = 0;

	while (i < left && ((p[i] >= 0x20 && p[i] < 0x7f) || p[i] == '\n' || p[i] == '\t'))
		i++;
	return i;
}

int text_append_safe(struct buf *out, const char *src, size_t len)
{
	const unsigned char *p = (const unsigned char *)src;
	size_t i = 0;
	int r = 0;

	while (i < len && r == 0) {
		size_t plain = plain_len(p + i, len - i);
		int n;

		if (plain > 0) {
			r = buf_append(out, p + i, plain);
			i += plain;
			continue;
		}
		if (p[i] == 0x1b) {
			i += escape_len(p + i, len - i);
			continue;
		}
		if (p[i] == '\r') {
			bool crlf = i + 1 < len && p[i + 1] == '\n';

			r = crlf ? 0 : buf_append(out, "\n", 1);
			i++;
			continue;
		}
		n = text_utf8_len(p + i, len - i);
		if (n <= 0 || sequence_is_unsafe(p + i, n))
			r = buf_puts(out, REPLACEMENT);
		else
			r = buf_append(out, p + i, (size_t)n);
		i += n > 0 ? (size_t)n : 1;
	}
	return r;
}

/* Levenshtein distance with one row; both strings are at most NEAREST_MAX long. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[NEAREST_MAX + 1];

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j];
			size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
			size_t shift = MIN(above, row[j - 1]) + 1;

			row[j] = MIN(shift, change);
			diagonal = above;
		}
	}
	return row[b_len];
}

const char *text_nearest(const char *word, const char *const *names, size_t n)
{
	size_t word_len = strlen(word);
	const char *best = NULL;
	size_t best_distance = 0;

	if (word_len == 0 || word_len > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(names[i]);
		size_t d;

		if (len > NEAREST_MAX)
			continue;
		d = distance(word, word_len, names[i], len);
		if (d <= MAX(len, (size_t)3) / 3 && (!best || d < best_distance)) {
			best = names[i];
			best_distance = d;
		}
	}
	return best;
}
