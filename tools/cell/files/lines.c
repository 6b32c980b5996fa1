/*
 * Theory of operation: hits come in order; between two of them lie lines that belong to the one before
 * (after_left many), lines that belong to the next (before), or a gap. "shown" is the offset behind the
 * last line that has become an entry, and nothing before it becomes one again.
 */
#include "tools/cell/files/lines.h"

#include <string.h>

struct lines {
	const struct lines_options *options;
	struct regex_text *t;
	lines_show *show;
	void *context;
	struct lines_result *result;
	size_t shown;		    /* offset */
	size_t after_left;	    /* lines that the last hit may still have */
	size_t counted_at, counted; /* line ends before an offset */
	bool stop;
};

static bool is_inside_char(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

size_t lines_number(const char *data, size_t len, size_t at)
{
	const char *p = data, *end = data + (at < len ? at : len);
	size_t n = 1;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		n++;
	}
	return n;
}

/* Only forward, so that a text is counted once. */
static size_t number_at(struct lines *l, size_t at)
{
	l->counted += lines_number(l->t->data + l->counted_at, at - l->counted_at,
				   at - l->counted_at) -
		      1;
	l->counted_at = at;
	return l->counted + 1;
}

static size_t end_of_line(const struct lines *l, size_t at)
{
	const char *end = at < l->t->len ? memchr(l->t->data + at, '\n', l->t->len - at) : NULL;

	return end ? (size_t)(end - l->t->data) : l->t->len;
}

static void add(struct lines *l, enum lines_kind kind, size_t begin, size_t end, size_t match)
{
	struct lines_entry entry = {.kind = kind};

	if (l->stop)
		return;
	l->result->entries++;
	if (!l->show)
		return;
	if (kind != LINES_GAP) {
		if (end > begin && l->t->data[end - 1] == '\r')
			end--;
		entry.data = l->t->data + begin;
		entry.len = end - begin;
		entry.match = match > begin ? match - begin : 0;
		entry.number = number_at(l, begin);
	}
	l->stop = !l->show(l->context, &entry);
}

/* Whole lines from @from on, to the one that ends at @to. */
static void add_lines(struct lines *l, enum lines_kind kind, size_t from, size_t to, size_t match)
{
	while (from <= to && !l->stop) {
		size_t end = end_of_line(l, from);

		add(l, kind, from, end, match);
		from = end + 1;
	}
}

/* Lines behind the last hit, up to @limit. */
static void add_after(struct lines *l, size_t limit)
{
	for (; l->after_left > 0 && l->shown < limit && !l->stop; l->after_left--) {
		size_t end = end_of_line(l, l->shown);

		add(l, LINES_CONTEXT, l->shown, end, 0);
		l->shown = end + 1;
	}
}

static void add_before(struct lines *l, size_t line)
{
	size_t from = line;

	for (size_t n = 0; n < l->options->before && from > l->shown; n++) {
		const char *end = from > 1 + l->shown ? memrchr(l->t->data + l->shown, '\n',
								from - 1 - l->shown)
						      : NULL;

		from = end ? (size_t)(end - l->t->data) + 1 : l->shown;
	}
	if (from > l->shown && l->result->entries > 0 &&
	    (l->options->before > 0 || l->options->after > 0))
		add(l, LINES_GAP, 0, 0, 0);
	if (from < line)
		add_lines(l, LINES_CONTEXT, from, line - 1, 0);
}

/* The parts that matched, each on a line of its own. */
static void add_parts(struct lines *l, const struct regex *re, struct regex_worker *w,
		      const struct regex_hit *hit)
{
	size_t begin = hit->begin, end = hit->end, from = hit->line_begin;

	if (l->options->multiline) {
		while (begin < end && !l->stop) {
			size_t line_end = end_of_line(l, begin);
			size_t stop = line_end < end ? line_end : end;

			add(l, LINES_MATCH, begin, stop, 0);
			begin = stop + 1;
		}
		return;
	}
	while (!l->stop && regex_in_line(re, w, l->t, hit, from, &begin, &end) == REGEX_MATCH) {
		from = end;
		if (end > begin) {
			add(l, LINES_MATCH, begin, end, 0);
			continue;
		}
		for (from++; from < hit->line_end && is_inside_char(l->t->data[from]);)
			from++;
	}
}

static void add_hit(struct lines *l, const struct regex *re, struct regex_worker *w,
		    const struct regex_hit *hit)
{
	size_t from = hit->line_begin;

	if (from > l->shown || l->shown == 0) {
		add_after(l, from);
		add_before(l, from);
	}
	if (l->options->only) {
		add_parts(l, re, w, hit);
	} else {
		/* With multiline, several matches share a line. */
		if (from < l->shown)
			from = l->shown;
		if (from <= hit->line_end)
			add_lines(l, LINES_MATCH, from, hit->line_end, hit->begin);
	}
	if (hit->line_end + 1 > l->shown)
		l->shown = hit->line_end + 1;
	l->after_left = l->options->after;
}

static size_t go_on(const struct lines *l, const struct regex_hit *hit)
{
	size_t from = hit->end;

	if (!l->options->multiline)
		return hit->line_end + 1;
	if (hit->end > hit->begin)
		return from;
	for (from++; from < l->t->len && is_inside_char(l->t->data[from]);)
		from++;
	return from;
}

void lines_search(const struct regex *re, struct regex_worker *w, struct regex_text *t,
		  const struct lines_options *options, lines_show *show, void *context,
		  struct lines_result *ret)
{
	struct lines l = {.options = options,
			  .t = t,
			  .show = show,
			  .context = context,
			  .result = ret};
	struct regex_hit hit;
	enum regex_result r;

	*ret = (struct lines_result){0};
	for (size_t from = 0; !l.stop; from = go_on(&l, &hit)) {
		r = regex_next(re, w, t, from, &hit);
		if (r == REGEX_NONE)
			break;
		if (r == REGEX_LIMIT) {
			if (ret->limits++ == 0)
				ret->limit_line = lines_number(t->data, t->len, hit.line_begin);
			ret->cut = options->multiline || ret->limits == LINES_LIMITS_MAX;
			if (ret->cut)
				break;
			continue;
		}
		ret->matches++;
		if (options->mode == LINES_FIRST)
			break;
		if (options->mode == LINES_SHOW)
			add_hit(&l, re, w, &hit);
	}
	add_after(&l, t->len);
}
