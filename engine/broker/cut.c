/*
 * Theory of operation: a cut never falls into a UTF-8 sequence (at most three bytes are given up for
 * that) and, when a line ends within CUT_SLACK_BYTES, falls behind that line, because half a line
 * misleads whoever reads it.
 */
#include "broker/cut.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

size_t cut_unfinished(const char *s, size_t len)
{
	for (size_t back = 1; back <= 3 && back <= len; back++) {
		const unsigned char *p = (const unsigned char *)s + len - back;

		if ((*p & 0xc0) != 0x80)
			return text_utf8_len(p, back) < 0 ? back : 0;
	}
	return 0;
}

size_t cut_head(const char *s, size_t len, size_t max)
{
	size_t keep = MIN(len, max);
	size_t slack = MIN(keep / 2, (size_t)CUT_SLACK_BYTES);
	const char *newline;

	if (keep == len)
		return keep;
	newline = memrchr(s + keep - slack, '\n', slack);
	if (newline)
		return (size_t)(newline - s) + 1;
	return keep - cut_unfinished(s, keep);
}

size_t cut_tail(const char *s, size_t len, size_t max)
{
	size_t keep = MIN(len, max);
	size_t slack = MIN(keep / 2, (size_t)CUT_SLACK_BYTES);
	const char *start = s + len - keep;
	const char *newline;

	if (keep == len)
		return keep;
	newline = memchr(start, '\n', slack);
	if (newline)
		return keep - ((size_t)(newline - start) + 1);
	for (int i = 0; i < 3 && keep > 0 && ((unsigned char)*start & 0xc0) == 0x80; i++) {
		start++;
		keep--;
	}
	return keep;
}

int cut_marker(struct buf *out, uint64_t omitted, const char *uri)
{
	const char *gap = out->len > 0 && out->data[out->len - 1] != '\n' ? "\n" : "";

	if (uri)
		return buf_printf(out, "%s[... %" PRIu64 " bytes omitted; raw output: %s ...]\n",
				  gap, omitted, uri);
	return buf_printf(out, "%s[... %" PRIu64 " bytes omitted ...]\n", gap, omitted);
}

int cut_append(struct buf *out, const char *s, size_t len, size_t max, const char *uri)
{
	size_t head;
	size_t tail;
	int r;

	if (len <= max)
		return buf_append(out, s, len);
	head = cut_head(s, len, max / 2);
	tail = cut_tail(s, len, max - max / 2);
	r = buf_append(out, s, head);
	if (r == 0)
		r = cut_marker(out, len - head - tail, uri);
	if (r == 0)
		r = buf_append(out, s + len - tail, tail);
	return r;
}
