/*
 * Theory of operation: one way of looking (struct look) says which of the hunk's expected lines count
 * and how exactly they are compared. patch_place goes through the ways in the order of what they
 * forgive: nothing, ends of lines, blanks; then context at both ends is dropped (fuzz). The first way
 * that finds a place decides.
 *
 *	numbered hunk:	the place that the header names, drift included; else all places behind the hunk
 *			before it, which must be one, or one that is far nearer than the others
 *	without:	all places behind the hunk before it. With "@@ LINE" the places that count are
 *			the first behind each occurrence of LINE. There must be one.
 *	only additions:	behind the line of the header's number; at the end of the file without one
 *
 * What forgives blanks wants to be the only place whatever a header says. Every comparison costs, and
 * the costs of a patch are bounded: neither a million equal lines nor 100,000 hunks take long.
 */
#include "tools/cell/files/patch_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BOM "\xef\xbb\xbf"
#define CLOSEST_COST_MAX ((uint64_t)20000000)
#define COST_BYTES 64U /* of a line, compared in one step */

struct look {
	enum patch_leniency leniency;
	unsigned int fuzz;
};

static const struct look looks[] = {
	{PATCH_EXACT, 0},  {PATCH_LINE_ENDS, 0}, {PATCH_TRAILING, 0},
	{PATCH_BLANKS, 0}, {PATCH_LINE_ENDS, 1}, {PATCH_LINE_ENDS, 2},
};

/* A hunk under one look. */
struct wanted {
	const struct patch_search *search;
	const struct patch_hunk *hunk;
	const struct patch_line *first; /* of those that count */
	size_t n;			/* that count */
	size_t skip_front;
	size_t skip_back;
	enum patch_leniency leniency;
	bool telling; /* one of them is not blank */
};

int patch_text_split(const char *data, size_t len, bool bom, struct patch_text *ret)
{
	size_t n[3] = {0};
	size_t lines = 1;

	*ret = (struct patch_text){.bom = bom};
	if (!data)
		len = 0;
	for (size_t at = 0; at < len; lines++) {
		const char *end = memchr(data + at, '\n', len - at);

		at = end ? (size_t)(end - data) + 1 : len;
	}
	ret->lines = calloc(lines + 1, sizeof(*ret->lines));
	if (!ret->lines)
		return -ENOMEM;
	for (size_t at = 0; at < len; ret->n++) {
		const char *end = memchr(data + at, '\n', len - at);
		struct patch_text_line *line = &ret->lines[ret->n];

		line->text = data + at;
		line->len = end ? (size_t)(end - data) - at : len - at;
		line->ending = end ? PATCH_LF : PATCH_NO_END;
		at += line->len + (end ? 1 : 0);
		if (end && line->len > 0 && line->text[line->len - 1] == '\r') {
			line->ending = PATCH_CRLF;
			line->len--;
		}
		n[line->ending]++;
	}
	ret->prevailing = n[PATCH_CRLF] > n[PATCH_LF] ? PATCH_CRLF : PATCH_LF;
	ret->uniform = n[PATCH_CRLF] == 0 || n[PATCH_LF] == 0;
	return 0;
}

void patch_text_fini(struct patch_text *text)
{
	if (!text)
		return;
	free(text->lines);
	*text = (struct patch_text){0};
}

const struct patch_line *patch_old_line(const struct patch *patch, const struct patch_hunk *hunk,
					size_t *at)
{
	while (*at < hunk->count) {
		const struct patch_line *line = &patch->lines[hunk->first + (*at)++];

		if (line->mark != '+')
			return line;
	}
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct patch_span trim_end(struct patch_span s)
{
	while (s.len > 0 && is_blank(s.text[s.len - 1]))
		s.len--;
	return s;
}

static struct patch_span trim(struct patch_span s)
{
	s = trim_end(s);
	while (s.len > 0 && is_blank(*s.text)) {
		s.text++;
		s.len--;
	}
	return s;
}

static bool same(struct patch_span a, struct patch_span b)
{
	return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

bool patch_line_matches(const struct patch_line *want, const struct patch_text *text, size_t line,
			enum patch_leniency leniency, bool numbered)
{
	const struct patch_text_line *has = &text->lines[line];
	struct patch_span a = {want->text, want->len};
	struct patch_span b = {has->text, has->len};
	bool cr = a.len > 0 && a.text[a.len - 1] == '\r';

	if (line == 0 && text->bom && a.len >= strlen(BOM) &&
	    memcmp(a.text, BOM, strlen(BOM)) == 0) {
		a.text += strlen(BOM);
		a.len -= strlen(BOM);
	}
	switch (leniency) {
	case PATCH_EXACT:
		if (numbered && want->no_newline != (has->ending == PATCH_NO_END))
			return false;
		if (has->ending == PATCH_CRLF) {
			if (!cr)
				return false;
			a.len--;
		}
		return same(a, b);
	case PATCH_LINE_ENDS:
		a.len -= cr ? 1 : 0;
		return same(a, b);
	case PATCH_TRAILING:
		return same(trim_end(a), trim_end(b));
	case PATCH_BLANKS:
	case PATCH_LENIENCY_N:
	default:
		return same(trim(a), trim(b));
	}
}

static bool matches_at(const struct wanted *w, size_t line)
{
	const struct patch_search *s = w->search;
	const struct patch_line *want = w->first;

	if (w->n > s->text->n || line > s->text->n - w->n)
		return false;
	for (size_t i = 0; i < w->n; want++) {
		if (want->mark == '+')
			continue;
		*s->cost += 1 + want->len / COST_BYTES;
		if (!patch_line_matches(want, s->text, line + i, w->leniency, w->hunk->numbered))
			return false;
		i++;
	}
	return true;
}

/* Drop up to @fuzz lines of context at both ends.  Return: whether anything was dropped, or none was to be. */
static bool want(struct wanted *w, const struct patch_search *search, const struct patch_hunk *hunk,
		 const struct look *look)
{
	const struct patch_line *lines = search->patch->lines + hunk->first;
	size_t n = hunk->count;

	*w = (struct wanted){.search = search, .hunk = hunk, .leniency = look->leniency};
	while (w->skip_front < look->fuzz && w->skip_front < n && lines[w->skip_front].mark == ' ')
		w->skip_front++;
	while (w->skip_back < look->fuzz && w->skip_back < n - w->skip_front &&
	       lines[n - 1 - w->skip_back].mark == ' ')
		w->skip_back++;
	if (MAX(w->skip_front, w->skip_back) < look->fuzz)
		return false;
	w->first = lines + w->skip_front;
	w->n = hunk->old_lines - w->skip_front - w->skip_back;
	for (size_t i = w->skip_front; i < n - w->skip_back && !w->telling; i++)
		w->telling = lines[i].mark != '+' &&
			     trim((struct patch_span){lines[i].text, lines[i].len}).len > 0;
	return look->fuzz == 0 || w->telling;
}

static bool is_spent(const struct patch_search *search)
{
	return *search->cost > PATCH_COST_MAX;
}

static void place_add(struct patch_places *places, size_t line)
{
	if (places->n < PATCH_PLACES_MAX)
		places->lines[places->n] = line;
	places->n++;
}

/* Where the header says that the lines are which count; below 0 for above the file. */
static int64_t place_named(const struct wanted *w)
{
	int64_t line = (int64_t)w->hunk->old_start - (w->hunk->old_lines > 0 ? 1 : 0);

	return line + (int64_t)w->skip_front + w->search->drift;
}

static uint64_t distance(int64_t a, size_t b)
{
	return a > (int64_t)b ? (uint64_t)(a - (int64_t)b) : (uint64_t)((int64_t)b - a);
}

static int find_numbered(const struct wanted *w, size_t *ret, struct patch_places *places)
{
	int64_t named = place_named(w);
	uint64_t best[2] = {UINT64_MAX, UINT64_MAX};
	bool strict = w->leniency >= PATCH_TRAILING;

	if (!strict && named >= (int64_t)w->search->from && matches_at(w, (size_t)named)) {
		*ret = (size_t)named;
		return 0;
	}
	places->n = 0;
	for (size_t line = w->search->from; line + w->n <= w->search->text->n; line++) {
		uint64_t d = distance(named, line);

		if (is_spent(w->search))
			return -ELOOP;
		if (!matches_at(w, line))
			continue;
		place_add(places, line);
		if (d < best[0]) {
			best[1] = best[0];
			best[0] = d;
			*ret = line;
		} else {
			best[1] = MIN(best[1], d);
		}
	}
	if (places->n == 0)
		return -ENOENT;
	if (places->n == 1 || (!strict && w->telling && best[1] / PATCH_NEAR_FACTOR >= best[0]))
		return 0;
	return -EEXIST;
}

/* The line of an "@@ LINE" from @from on; blanks around it do not count. */
static bool find_anchor(const struct patch_search *s, const struct patch_span *anchor, size_t from,
			size_t *ret)
{
	struct patch_span want = trim(*anchor);

	for (size_t line = from; line < s->text->n; line++) {
		const struct patch_text_line *has = &s->text->lines[line];

		*s->cost += 1;
		if (same(want, trim((struct patch_span){has->text, has->len}))) {
			*ret = line;
			return true;
		}
	}
	return false;
}

static int find_anchors(const struct patch_search *s, const struct patch_hunk *hunk, size_t *ret)
{
	size_t from = s->from;

	for (size_t i = 0; i < hunk->n_anchors; i++) {
		if (!find_anchor(s, &s->patch->anchors[hunk->first_anchor + i], from, ret))
			return -ESRCH;
		from = *ret + 1;
	}
	return 0;
}

static int find_unnumbered(const struct wanted *w, size_t *ret, struct patch_places *places)
{
	const struct patch_search *s = w->search;
	const struct patch_hunk *hunk = w->hunk;
	const struct patch_span *anchor = NULL;
	size_t line = w->search->from;
	size_t next = SIZE_MAX; /* occurrence of the last anchor */

	places->n = 0;
	if (hunk->n_anchors > 0) {
		if (find_anchors(s, hunk, &next) < 0)
			return -ESRCH;
		anchor = &s->patch->anchors[hunk->first_anchor + hunk->n_anchors - 1];
		/* The anchor itself may be repeated as the first line of context. */
		line = next;
	}
	if (hunk->end_of_file)
		line = MAX(line, w->n <= s->text->n ? s->text->n - w->n : SIZE_MAX - w->n);
	for (; line + w->n <= s->text->n; line++) {
		if (is_spent(s))
			return -ELOOP;
		if (!matches_at(w, line))
			continue;
		place_add(places, line);
		if (places->n == 1)
			*ret = line;
		if (anchor && !hunk->end_of_file) {
			if (!find_anchor(s, anchor, line + 1, &next))
				break;
			line = MAX(next, line + 1) - 1;
		}
	}
	if (places->n == 0)
		return -ENOENT;
	return places->n == 1 ? 0 : -EEXIST;
}

/* Lines are added, and nothing around them is named. */
static int place_addition(const struct patch_search *search, const struct patch_hunk *hunk,
			  struct patch_spot *ret)
{
	int64_t named = (int64_t)hunk->old_start + search->drift;

	if (!hunk->numbered) {
		if (hunk->n_anchors > 0)
			return -EINVAL;
		ret->line = search->text->n;
		return 0;
	}
	if (named < (int64_t)search->from || named > (int64_t)search->text->n)
		return -ENOENT;
	ret->line = (size_t)named;
	ret->offset = search->drift;
	return 0;
}

int patch_place(const struct patch_search *search, const struct patch_hunk *hunk,
		struct patch_spot *ret, struct patch_places *ret_places)
{
	struct wanted w;
	int rc = -ENOENT;

	*ret = (struct patch_spot){0};
	*ret_places = (struct patch_places){0};
	if (hunk->old_lines == 0)
		return place_addition(search, hunk, ret);
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		if (!want(&w, search, hunk, &looks[i]))
			continue;
		/* A hunk of blank lines alone says nothing once blanks are forgiven. */
		if (looks[i].leniency >= PATCH_TRAILING && !w.telling)
			continue;
		if (is_spent(search))
			return -ELOOP;
		rc = hunk->numbered ? find_numbered(&w, &ret->line, ret_places)
				    : find_unnumbered(&w, &ret->line, ret_places);
		if (rc == -ENOENT)
			continue;
		ret->skip_front = w.skip_front;
		ret->skip_back = w.skip_back;
		ret->fuzz = looks[i].fuzz;
		ret->leniency = looks[i].leniency;
		if (rc == 0 && hunk->numbered)
			ret->offset = (int64_t)ret->line - place_named(&w) + search->drift;
		return rc;
	}
	return rc;
}

static size_t count_matches(const struct patch_search *s, const struct patch_hunk *hunk,
			    size_t line, size_t *ret_wrong)
{
	const struct patch_line *want;
	size_t matches = 0;
	size_t at = 0;

	*ret_wrong = hunk->old_lines;
	for (size_t i = 0; (want = patch_old_line(s->patch, hunk, &at)); i++) {
		bool blank = trim((struct patch_span){want->text, want->len}).len == 0;
		bool like = line + i < s->text->n &&
			    patch_line_matches(want, s->text, line + i, PATCH_BLANKS, false);

		matches += like && !blank ? 1 : 0;
		if (!like && *ret_wrong == hunk->old_lines)
			*ret_wrong = i;
	}
	return matches;
}

bool patch_find_closest(const struct patch_search *search, const struct patch_hunk *hunk,
			struct patch_closest *ret)
{
	int64_t named = hunk->numbered ? (int64_t)hunk->old_start - 1 + search->drift : 0;
	uint64_t cost = 0;

	*ret = (struct patch_closest){0};
	for (size_t line = 0; line < search->text->n && cost < CLOSEST_COST_MAX; line++) {
		size_t wrong = 0;
		size_t matches = count_matches(search, hunk, line, &wrong);

		cost += hunk->count;
		if (matches > ret->matches || (matches > 0 && matches == ret->matches &&
					       distance(named, line) < distance(named, ret->line)))
			*ret = (struct patch_closest){line, matches, wrong};
	}
	*search->cost += cost;
	return ret->matches > 0;
}
