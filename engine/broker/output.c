/*
 * Theory of operation: memory per stream is constant whatever its length.
 *
 *	ends:	[0, E) first bytes | [E, 2E) ring of the last: byte p of the stream, p >= E,
 *		is at E + p % E
 *	spill:	a memfd, made when the stream outgrows the beginning; filled from the first byte on
 *		until OUTPUT_SPILL_BYTES or the session's budget ends it
 *
 * UTF-8 validity is a property of the whole stream: a sequence split between two reads waits in
 * `partial`. Once malformed, only NUL is looked for.
 */
#include "broker/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "broker/cut.h"

#define E OUTPUT_END_BYTES

int output_init(struct output *out)
{
	*out = (struct output){.spill_fd = -1};
	out->ends = malloc(2 * E);
	return out->ends ? 0 : -ENOMEM;
}

void output_fini(struct output *out, struct output_budget *budget)
{
	if (!out->ends)
		return;
	if (budget)
		budget->used -= out->spilled;
	fd_closep(&out->spill_fd);
	free(out->ends);
	*out = (struct output){.spill_fd = -1};
}

/* The sequence left open by the last chunk. Return: bytes of @p used for it. */
static size_t scan_partial(struct output *out, const unsigned char *p, size_t len)
{
	size_t i = 0;

	while (out->partial_len > 0 && i < len) {
		int n;

		out->partial[out->partial_len++] = p[i++];
		n = text_utf8_len(out->partial, out->partial_len);
		if (n < 0)
			continue;
		out->malformed = n == 0;
		out->partial_len = 0;
	}
	return i;
}

static size_t ascii_len(const unsigned char *p, size_t len)
{
	size_t i = 0;
	uint64_t word;

	for (; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if (word & 0x8080808080808080U)
			break;
	}
	while (i < len && p[i] < 0x80)
		i++;
	return i;
}

static void scan(struct output *out, const unsigned char *p, size_t len)
{
	size_t i;

	if (!out->nul)
		out->nul = memchr(p, 0, len) != NULL;
	if (out->malformed)
		return;
	i = scan_partial(out, p, len);
	while (i < len && !out->malformed) {
		int n;

		i += ascii_len(p + i, len - i);
		if (i == len)
			break;
		n = text_utf8_len(p + i, len - i);
		if (n < 0) {
			out->partial_len = (unsigned int)(len - i);
			memcpy(out->partial, p + i, len - i);
			break;
		}
		out->malformed = n == 0;
		i += (size_t)n;
	}
}

static void spill(struct output *out, const char *data, size_t len, struct output_budget *budget)
{
	uint64_t room;

	if (out->spill_stopped || len == 0)
		return;
	room = OUTPUT_BUDGET_BYTES - MIN(budget->used, OUTPUT_BUDGET_BYTES);
	room = MIN(room, OUTPUT_SPILL_BYTES - out->spilled);
	if (len > room) {
		out->spill_stopped = true;
		len = (size_t)room;
	}
	if (fd_write_full(out->spill_fd, data, len) < 0) {
		out->spill_stopped = true;
		len = 0;
	}
	out->spilled += len;
	budget->used += len;
	/* What a failed write may have left behind the counted bytes is not theirs to read. */
	if (out->spill_stopped)
		(void)!ftruncate(out->spill_fd, (off_t)out->spilled);
}

static void spill_open(struct output *out, size_t head_len, struct output_budget *budget)
{
	out->spill_fd = memfd_create("toolcell-output", MFD_CLOEXEC);
	if (out->spill_fd < 0)
		out->spill_stopped = true;
	else
		spill(out, out->ends, head_len, budget);
}

static void ring_add(struct output *out, uint64_t position, const char *data, size_t len)
{
	if (len > E) {
		position += len - E;
		data += len - E;
		len = E;
	}
	while (len > 0) {
		size_t at = (size_t)(position % E);
		size_t n = MIN(len, E - at);

		memcpy(out->ends + E + at, data, n);
		position += n;
		data += n;
		len -= n;
	}
}

void output_add(struct output *out, const char *data, size_t len, struct output_budget *budget)
{
	size_t old = (size_t)MIN(out->bytes, (uint64_t)E);
	size_t head = MIN(len, E - old);

	scan(out, (const unsigned char *)data, len);
	if (budget && len > head && out->spill_fd < 0 && !out->spill_stopped)
		spill_open(out, old, budget);
	if (budget && out->spill_fd >= 0)
		spill(out, data, len, budget);
	memcpy(out->ends + old, data, head);
	ring_add(out, out->bytes + head, data + head, len - head);
	out->bytes += len;
}

const char *output_encoding(const struct output *out)
{
	if (out->nul)
		return "binary";
	return out->malformed || out->partial_len > 0 ? "utf-8-lossy" : "utf-8";
}

/* What is kept, in order; @line has room for 2E. Return: its length. */
static size_t linear(const struct output *out, char *line)
{
	size_t head = (size_t)MIN(out->bytes, (uint64_t)E);
	size_t tail = (size_t)MIN(out->bytes - head, (uint64_t)E);
	size_t at = (size_t)((out->bytes - tail) % E);
	size_t first = MIN(tail, E - at);

	memcpy(line, out->ends, head);
	memcpy(line + head, out->ends + E + at, first);
	memcpy(line + head + first, out->ends + E, tail - first);
	return head + tail;
}

static int append_ends(const struct output *out, char *line, size_t end_bytes, const char *uri,
		       struct buf *text, uint64_t *ret_omitted)
{
	size_t len = linear(out, line);
	size_t head;
	size_t tail;
	int r;

	if (out->bytes <= 2 * (uint64_t)end_bytes) {
		*ret_omitted = 0;
		return text_append_safe(text, line, len);
	}
	head = cut_head(line, len, end_bytes);
	tail = cut_tail(line, len, end_bytes);
	r = text_append_safe(text, line, head);
	if (r == 0)
		r = cut_marker(text, out->bytes - head - tail, uri);
	if (r == 0)
		r = text_append_safe(text, line + len - tail, tail);
	*ret_omitted = out->bytes - head - tail;
	return r;
}

int output_append_text(const struct output *out, size_t end_bytes, const char *uri,
		       struct buf *text, uint64_t *ret_omitted)
{
	char *line = malloc(2 * E);
	int r;

	if (!line)
		return -ENOMEM;
	r = append_ends(out, line, end_bytes, uri, text, ret_omitted);
	free(line);
	return r;
}

/* Cut raw text between two characters, so that a valid stream gives a valid resource. */
static void trim_raw(struct output *out, struct output_budget *budget)
{
	char end[4];
	size_t n = (size_t)MIN(out->spilled, (uint64_t)sizeof(end));
	off_t at = (off_t)(out->spilled - n);
	size_t keep;

	if (out->spilled == out->bytes || pread(out->spill_fd, end, n, at) != (ssize_t)n)
		return;
	for (keep = n; keep > 0 && n - keep < 3; keep--)
		if (((unsigned char)end[keep - 1] & 0xc0) != 0x80)
			break;
	if (keep == 0 || text_utf8_len((unsigned char *)end + keep - 1, n - keep + 1) >= 0)
		return;
	if (ftruncate(out->spill_fd, at + (off_t)keep - 1) < 0)
		return;
	budget->used -= n - keep + 1;
	out->spilled -= n - keep + 1;
}

int output_take_raw(struct output *out, struct output_budget *budget, int *ret_fd,
		    uint64_t *ret_bytes)
{
	if (out->spill_fd < 0 && !out->spill_stopped && out->bytes <= E)
		spill_open(out, (size_t)out->bytes, budget);
	if (out->spill_fd < 0)
		return -ENOSPC;
	trim_raw(out, budget);
	*ret_bytes = out->spilled;
	*ret_fd = fd_take(&out->spill_fd);
	out->spilled = 0;
	return 0;
}
