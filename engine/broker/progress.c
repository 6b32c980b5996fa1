/*
 * Theory of operation: of each chunk only the last complete line matters, as a driver shows one line
 * at a time. A line split between chunks waits in `open`, per stream; what does not fit is cut. At
 * most one message per PROGRESS_EVERY_MS; after PROGRESS_HEARTBEAT_MS of silence a sign of life.
 */
#include "broker/progress.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "broker/cut.h"

void progress_init(struct progress *p, bool wanted, bool skip_json, int64_t now_ms)
{
	*p = (struct progress){.wanted = wanted,
			       .skip_json = skip_json,
			       .began_ms = now_ms,
			       .sent_ms = now_ms};
}

static void line_add(struct progress_line *line, const char *data, size_t len)
{
	size_t n = MIN(len, sizeof(line->data) - line->len);

	memcpy(line->data + line->len, data, n);
	line->len += n;
}

static bool is_wanted(const struct progress *p, const struct progress_line *line)
{
	if (p->skip_json && line->len > 0 && line->data[0] == '{')
		return false;
	for (size_t i = 0; i < line->len; i++)
		if ((unsigned char)line->data[i] > ' ')
			return true;
	return false;
}

void progress_add(struct progress *p, unsigned int stream, const char *data, size_t len)
{
	struct progress_line *open = &p->open[stream];
	const char *end;
	const char *begin;

	if (!p->wanted)
		return;
	end = memrchr(data, '\n', len);
	if (!end) {
		line_add(open, data, len);
		return;
	}
	begin = memrchr(data, '\n', (size_t)(end - data));
	if (begin) {
		open->len = 0;
		begin++;
	} else {
		begin = data;
	}
	line_add(open, begin, (size_t)(end - begin));
	if (is_wanted(p, open)) {
		p->last = *open;
		p->fresh = true;
	}
	open->len = 0;
	line_add(open, end + 1, len - (size_t)(end + 1 - data));
}

int64_t progress_deadline(const struct progress *p)
{
	if (!p->wanted)
		return INT64_MAX;
	return p->sent_ms + (p->fresh ? PROGRESS_EVERY_MS : PROGRESS_HEARTBEAT_MS);
}

/* One line out of what may have become several (a carriage return makes two). */
static void append_line(struct buf *out, const struct progress_line *line)
{
	size_t len;

	if (text_append_safe(out, line->data, line->len) < 0 || out->len == 0)
		return;
	while (out->len > 0 && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == ' '))
		out->data[--out->len] = '\0';
	for (len = out->len; len > 0; len--)
		if (out->data[len - 1] == '\n')
			break;
	buf_drop(out, len);
	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] == '\t')
			out->data[i] = ' ';
	if (out->len > PROGRESS_LINE_BYTES) {
		out->len = cut_head(out->data, out->len, PROGRESS_LINE_BYTES);
		out->data[out->len] = '\0';
	}
}

bool progress_take(struct progress *p, int64_t now_ms, bool waiting, struct buf *out)
{
	int64_t seconds = (now_ms - p->began_ms) / 1000;
	int r = 0;

	if (now_ms < progress_deadline(p))
		return false;
	p->sent_ms = now_ms;
	if (p->fresh)
		append_line(out, &p->last);
	else if (waiting)
		r = buf_printf(out, "waiting for other calls for %" PRId64 " s", seconds);
	else
		r = buf_printf(out, "running for %" PRId64 " s", seconds);
	p->fresh = false;
	return r == 0 && out->len > 0;
}
