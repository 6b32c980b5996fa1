/*
 * Theory of operation: from the smallest difference to the largest; the first search that finds
 * something decides:
 *
 *	1. file and string without '\r', without white space, without case: is it there then?
 *	2. lines without white space, by their hashes: the window of the file with most of them
 *	3. pairs of letters: the one line of the file that is most like the string's longest line
 *
 * All are linear in the file but the second, which is bounded by CLOSEST_STEPS_MAX.
 */
#include "tools/cell/files/closest.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_LINES_MAX ((size_t)8)
#define SHOWN_LINE_BYTES_MAX ((size_t)200)
#define LINES_MAX ((size_t)500000)
#define OLD_LINES_MAX ((size_t)2000)
#define WEIGHT_MIN ((size_t)4) /* a line of fewer letters ("}") says nothing about where it is */
#define WEIGHT_MAX ((size_t)64)
#define ALIKE_MIN_PERCENT 60U

static const struct {
	enum closest_difference difference;
	const char *dropped;
	bool fold;
} plain_rows[] = {
	{CLOSEST_LINE_ENDING, "\r", false},
	{CLOSEST_WHITESPACE, " \t\r\n\v\f", false},
	{CLOSEST_CASE, " \t\r\n\v\f", true},
};

static const struct {
	const char *name;
	const char *words;
} differences[] = {
	[CLOSEST_NONE] = {"none", ""},
	[CLOSEST_LINE_ENDING] = {"line_ending", "it differs only in line endings"},
	[CLOSEST_WHITESPACE] = {"whitespace", "it differs only in white space"},
	[CLOSEST_CASE] = {"case",
			  "it differs only in upper and lower case, and perhaps white space"},
	[CLOSEST_CONTENT] = {"content", "it differs in content"},
};
static_assert(ARRAY_SIZE(differences) == CLOSEST_DIFFERENCE_N, "every difference has words");

static char fold_char(char c, bool fold)
{
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz";

	if (fold && c >= 'A' && c <= 'Z')
		return lower[c - 'A'];
	return c;
}

static bool is_dropped(const char *dropped, char c)
{
	return c && strchr(dropped, c);
}

/* @dst has room for @len bytes.  Return: how many it got. */
static size_t squeeze(char *dst, const char *src, size_t len, const char *dropped, bool fold)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (!is_dropped(dropped, src[i]))
			dst[n++] = fold_char(src[i], fold);
	return n;
}

/* Line feeds. */
static size_t count_lines(const char *text, size_t len)
{
	const char *end = text + len;
	size_t n = 0;

	while (text < end && (text = memchr(text, '\n', (size_t)(end - text)))) {
		n++;
		text++;
	}
	return n;
}

static const char *line_begin(const char *file, const char *p)
{
	const char *nl = p > file ? memrchr(file, '\n', (size_t)(p - file)) : NULL;

	return nl ? nl + 1 : file;
}

/* Offset within @src of the character that is number @n of those kept. */
static size_t unsqueeze(const char *src, size_t len, const char *dropped, size_t n)
{
	size_t i = 0;

	for (; i < len; i++)
		if (!is_dropped(dropped, src[i]) && n-- == 0)
			break;
	return i;
}

static int find_plain(const char *file, size_t file_len, const char *old, size_t old_len,
		      struct closest *ret)
{
	char *file_room = malloc(file_len + 1);
	char *old_room = malloc(old_len + 1);
	int r = file_room && old_room ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(plain_rows); i++) {
		const char *dropped = plain_rows[i].dropped;
		size_t f = squeeze(file_room, file, file_len, dropped, plain_rows[i].fold);
		size_t o = squeeze(old_room, old, old_len, dropped, plain_rows[i].fold);
		const char *hit = o > 0 ? memmem(file_room, f, old_room, o) : NULL;
		size_t at;

		if (!hit)
			continue;
		at = unsqueeze(file, file_len, dropped, (size_t)(hit - file_room));
		ret->difference = plain_rows[i].difference;
		ret->line = count_lines(file, at) + 1;
		ret->text = line_begin(file, file + at);
		ret->lines = count_lines(old, old_len) + 1;
		break;
	}
	free(file_room);
	free(old_room);
	return r;
}

struct line {
	const char *text;
	size_t len;
	size_t weight; /* letters, capped; 0: too few to mean anything */
	uint64_t hash; /* without white space */
};

struct lines {
	struct line *list;
	size_t n;
};

static void lines_fini(struct lines *lines)
{
	free(lines->list);
}

static void look_at_line(struct line *line)
{
	uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */
	size_t n = 0;

	for (size_t i = 0; i < line->len; i++) {
		if (is_dropped(" \t\r\v\f", line->text[i]))
			continue;
		hash = (hash ^ (unsigned char)line->text[i]) * 0x100000001b3U;
		n++;
	}
	line->hash = hash;
	line->weight = n < WEIGHT_MIN ? 0 : MIN(n, WEIGHT_MAX);
}

/* Return: 0; -E2BIG beyond @max; -ENOMEM. */
static int split(const char *text, size_t len, size_t max, struct lines *ret)
{
	size_t n = count_lines(text, len) + 1;
	const char *end = text + len;

	if (n > max)
		return -E2BIG;
	ret->list = calloc(n, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	for (const char *p = text; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		struct line *line = &ret->list[ret->n++];

		line->text = p;
		line->len = (size_t)((nl ? nl : end) - p);
		look_at_line(line);
		p = nl ? nl + 1 : end;
	}
	return 0;
}

static void found(const struct lines *file, size_t at, size_t lines, struct closest *ret)
{
	ret->difference = CLOSEST_CONTENT;
	ret->line = at + 1;
	ret->text = file->list[at].text;
	ret->lines = lines;
}

static void find_window(const struct lines *file, const struct lines *old, struct closest *ret)
{
	size_t n_old = MIN(old->n, CLOSEST_STEPS_MAX / (file->n + 1));
	size_t best = 0;
	size_t best_at = 0;

	for (size_t at = 0; at < file->n; at++) {
		size_t n = MIN(n_old, file->n - at);
		size_t score = 0;

		for (size_t i = 0; i < n; i++)
			if (file->list[at + i].hash == old->list[i].hash)
				score += old->list[i].weight;
		if (score > best) {
			best = score;
			best_at = at;
		}
	}
	if (best > 0)
		found(file, best_at, old->n, ret);
}

/* The pairs of neighbouring letters of a line, as a set. */
struct pairs {
	uint64_t bits[4];
};

static struct pairs pairs_of(const struct line *line)
{
	struct pairs set = {0};
	unsigned last = 0;

	for (size_t i = 0; i < line->len; i++) {
		unsigned c = (unsigned char)fold_char(line->text[i], true);
		unsigned bit = ((last * 31 + c) * 2654435761U >> 24) & 255U;

		if (is_dropped(" \t\r\v\f", line->text[i]))
			continue;
		set.bits[bit >> 6] |= UINT64_C(1) << (bit & 63);
		last = c;
	}
	return set;
}

/* Twice what they share over what they have, in percent. */
static unsigned alike(const struct pairs *a, const struct pairs *b)
{
	unsigned both = 0;
	unsigned all = 0;

	for (size_t i = 0; i < ARRAY_SIZE(a->bits); i++) {
		both += (unsigned)__builtin_popcountll(a->bits[i] & b->bits[i]);
		all += (unsigned)__builtin_popcountll(a->bits[i]) +
		       (unsigned)__builtin_popcountll(b->bits[i]);
	}
	return all > 0 ? 200 * both / all : 0;
}

static void find_alike(const struct lines *file, const struct lines *old, struct closest *ret)
{
	size_t longest = 0;
	unsigned best = 0;
	size_t best_at = 0;
	struct pairs wanted;

	for (size_t i = 1; i < old->n; i++)
		if (old->list[i].len > old->list[longest].len)
			longest = i;
	if (old->n == 0 || old->list[longest].weight == 0)
		return;
	wanted = pairs_of(&old->list[longest]);
	for (size_t i = 0; i < file->n; i++) {
		struct pairs set = pairs_of(&file->list[i]);
		unsigned percent = alike(&wanted, &set);

		if (percent > best) {
			best = percent;
			best_at = i;
		}
	}
	if (best >= ALIKE_MIN_PERCENT)
		found(file, best_at >= longest ? best_at - longest : 0, old->n, ret);
}

/* Return: 0, nothing found included; -E2BIG for too many lines; -ENOMEM. */
static int find_lines(const char *file, size_t file_len, const char *old, size_t old_len,
		      struct closest *ret)
{
	struct lines file_lines = {0};
	struct lines old_lines = {0};
	int r = split(file, file_len, LINES_MAX, &file_lines);

	if (r == 0)
		r = split(old, old_len, OLD_LINES_MAX, &old_lines);
	if (r == 0)
		find_window(&file_lines, &old_lines, ret);
	if (r == 0 && ret->difference == CLOSEST_NONE)
		find_alike(&file_lines, &old_lines, ret);
	lines_fini(&file_lines);
	lines_fini(&old_lines);
	return r;
}

int closest_find(const char *file, size_t file_len, const char *old, size_t old_len,
		 struct closest *ret)
{
	struct closest best = {0};
	int r = 0;

	if (file_len > 0 && old_len > 0 && file_len <= CLOSEST_FILE_BYTES_MAX &&
	    old_len <= CLOSEST_OLD_BYTES_MAX) {
		r = find_plain(file, file_len, old, old_len, &best);
		if (r == 0 && best.difference == CLOSEST_NONE)
			r = find_lines(file, file_len, old, old_len, &best);
	}
	*ret = best;
	return r == -E2BIG ? 0 : r;
}

/* White space that cannot be seen, and what a terminal would act on, as C writes it. */
static int append_visible(struct buf *out, const char *text, size_t len)
{
	size_t n = MIN(len, SHOWN_LINE_BYTES_MAX);
	int64_t r = buf_puts(out, "\"");

	while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n && r >= 0; i++) {
		size_t run = strcspn(text + i, "\t\r\n");

		run = MIN(run, n - i);
		r = answer_append_utf8(out, text + i, run);
		i += run;
		if (r >= 0 && i < n)
			r = buf_puts(out, text[i] == '\t'   ? "\\t"
					  : text[i] == '\r' ? "\\r"
							    : "\\n");
	}
	if (r >= 0)
		r = buf_puts(out, n < len ? "\"..." : "\"");
	return r < 0 ? (int)r : 0;
}

static size_t line_len(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl ? (size_t)(nl - p) : (size_t)(end - p);
}

/* The lines of the file, with their numbers. */
static int append_lines(struct buf *out, const struct closest *c, const char *end)
{
	size_t n = MIN(c->lines, SHOWN_LINES_MAX);
	const char *p = c->text;
	int64_t r = 0;

	for (size_t i = 0; i < n && p < end && r >= 0; i++) {
		size_t len = line_len(p, end);
		size_t shown = MIN(len, SHOWN_LINE_BYTES_MAX);

		r = buf_printf(out, "%zu\t", c->line + i);
		while (shown < len && shown > 0 && ((unsigned char)p[shown] & 0xc0) == 0x80)
			shown--;
		if (r >= 0)
			r = answer_append_utf8(out, p, shown);
		if (r >= 0)
			r = buf_puts(out, shown < len ? "...\n" : "\n");
		p += MIN(len + 1, (size_t)(end - p));
	}
	if (r >= 0 && n < c->lines)
		r = buf_printf(out, "(%zu more lines)\n", c->lines - n);
	return r < 0 ? (int)r : 0;
}

/* The first line in which the two differ, with its white space made visible. */
static int append_first_difference(struct buf *out, const struct closest *c, const char *file_end,
				   const char *old, const char *old_end)
{
	const char *p = c->text;
	size_t at = 0;
	int r;

	while (p < file_end && old < old_end) {
		size_t p_len = line_len(p, file_end);
		size_t old_len = line_len(old, old_end);

		/* The string may begin and end within a line. */
		if (p_len != old_len || memcmp(p, old, p_len) != 0) {
			if (!memmem(p, p_len, old, old_len))
				break;
		}
		p += MIN(p_len + 1, (size_t)(file_end - p));
		old += MIN(old_len + 1, (size_t)(old_end - old));
		at++;
	}
	if (p >= file_end || old >= old_end)
		return 0;
	r = buf_printf(out, "First difference, line %zu: the file has ", c->line + at);
	if (r == 0)
		r = append_visible(out, p, line_len(p, file_end));
	if (r == 0)
		r = buf_puts(out, ", old_string has ");
	if (r == 0)
		r = append_visible(out, old, line_len(old, old_end));
	return r == 0 ? buf_puts(out, ".\n") : r;
}

int closest_note(const char *file, size_t file_len, const char *old, size_t old_len,
		 struct answer *a)
{
	CLEANUP(buf_fini) struct buf lines = {0};
	CLEANUP(buf_fini) struct buf first = {0};
	struct closest c;
	int r = closest_find(file, file_len, old, old_len, &c);

	if (r < 0)
		return r;
	if (c.difference == CLOSEST_NONE) {
		answer_fail_note(a, "Nothing in the file is close to it.\n");
		answer_put(a, "closest", json_null());
		return 0;
	}
	r = append_lines(&lines, &c, file + file_len);
	if (r == 0)
		r = append_first_difference(&first, &c, file + file_len, old, old + old_len);
	if (r < 0)
		return r;
	answer_fail_note(a, "The closest match is at line %zu; %s:\n%s%s", c.line,
			 differences[c.difference].words, lines.data,
			 first.len > 0 ? first.data : "");
	answer_put(a, "closest",
		   json_pack("{s:I, s:s, s:o}", "line", (json_int_t)c.line, "difference",
			     differences[c.difference].name, "text",
			     answer_string(lines.data, lines.len)));
	return 0;
}
