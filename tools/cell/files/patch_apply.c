/*
 * Theory of operation: hunks in their order, each behind the one before. What lies between them is copied;
 * of a hunk, context is copied from the file (never from the patch, whose blanks may differ),
 * removed lines are skipped and added ones come from the patch. A hunk that was found as it stands
 * brings the ends of its lines along; one that was found although ends of lines differ takes those of
 * the file, so a patch with plain line feeds works on a file with "\r\n" and leaves it one.
 *
 * A line without an end can only be the last: when something comes behind it, it gets one. The
 * form without "\ No newline" marks cannot say what becomes of the last end, so that stays as it is.
 */
#include "tools/cell/files/patch_apply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cell/files/answer.h"

#define BOM "\xef\xbb\xbf"
#define SHOWN_LINE_MAX ((size_t)200) /* bytes of a line in a reject */
#define SHOWN_LINES 6U
#define SHOWN_HEADER_MAX ((size_t)120)

struct apply {
	const struct patch *patch;
	const struct patch_text *text;
	struct patch_applied *to;
	const char *shown;
	size_t at;		/* lines of text that are done */
	enum patch_ending last; /* end of the last line in out */
	bool bom_removed;	/* the patch removes the first line and names its byte order mark */
	int rc;			/* sticky */
};

void patch_rejects_fini(struct patch_rejects *rejects)
{
	if (!rejects)
		return;
	buf_fini(&rejects->text);
	json_decref(rejects->list);
	*rejects = (struct patch_rejects){0};
}

void patch_applied_fini(struct patch_applied *applied)
{
	if (!applied)
		return;
	buf_fini(&applied->out);
	json_decref(applied->notes);
	*applied = (struct patch_applied){0};
}

static void put(struct apply *a, const char *data, size_t len)
{
	if (a->rc == 0)
		a->rc = buf_append(&a->to->out, data, len);
}

static void put_end(struct apply *a, enum patch_ending ending)
{
	if (ending == PATCH_CRLF)
		put(a, "\r\n", 2);
	else if (ending == PATCH_LF)
		put(a, "\n", 1);
}

static void put_line(struct apply *a, const char *text, size_t len, enum patch_ending ending)
{
	if (a->to->out.len > 0 && a->last == PATCH_NO_END)
		put_end(a, a->text->prevailing);
	put(a, text, len);
	put_end(a, ending);
	a->last = ending;
}

static void copy_lines(struct apply *a, size_t end)
{
	for (; a->at < end; a->at++) {
		const struct patch_text_line *line = &a->text->lines[a->at];

		put_line(a, line->text, line->len, line->ending);
	}
}

static bool has_cr(const struct patch_line *line)
{
	return line->len > 0 && line->text[line->len - 1] == '\r';
}

static bool has_bom(const char *text, size_t len)
{
	return len >= strlen(BOM) && memcmp(text, BOM, strlen(BOM)) == 0;
}

/* Whether added lines come with their ends as the patch has them. */
static bool is_verbatim(const struct apply *a, const struct patch_hunk *hunk,
			enum patch_leniency leniency)
{
	if (leniency != PATCH_EXACT)
		return false;
	if (hunk->old_lines > 0 || a->text->prevailing != PATCH_CRLF || !a->text->uniform)
		return true;
	for (size_t i = 0; i < hunk->count; i++)
		if (has_cr(&a->patch->lines[hunk->first + i]))
			return true;
	return false;
}

static bool has_marks(const struct apply *a, const struct patch_hunk *hunk)
{
	for (size_t i = 0; i < hunk->count; i++)
		if (a->patch->lines[hunk->first + i].no_newline)
			return true;
	return false;
}

static void add_line(struct apply *a, const struct patch_line *line, bool verbatim)
{
	enum patch_ending ending = verbatim ? PATCH_LF : a->text->prevailing;
	size_t len = line->len;

	if (!verbatim && has_cr(line))
		len--;
	put_line(a, line->text, len, line->no_newline ? PATCH_NO_END : ending);
	a->to->added++;
}

/* The file ended without a line feed, the hunk reaches its end and does not say how it ends now. */
static void keep_no_newline(struct apply *a, const struct patch_hunk *hunk,
			    const struct patch_spot *spot)
{
	const struct patch_text *text = a->text;
	struct buf *out = &a->to->out;
	size_t ending;

	if (a->at != text->n || text->n == 0 || text->lines[text->n - 1].ending != PATCH_NO_END)
		return;
	if (has_marks(a, hunk) || (hunk->numbered && spot->leniency == PATCH_EXACT) || a->rc < 0 ||
	    a->last == PATCH_NO_END)
		return;
	ending = a->last == PATCH_CRLF ? 2 : 1;
	/* An empty last line would be gone without its end. */
	if (out->len <= ending || out->data[out->len - ending - 1] == '\n')
		return;
	out->len -= ending;
	out->data[out->len] = '\0';
	a->last = PATCH_NO_END;
}

static void apply_hunk(struct apply *a, const struct patch_hunk *hunk,
		       const struct patch_spot *spot)
{
	bool verbatim = is_verbatim(a, hunk, spot->leniency);
	size_t added = a->to->added;

	copy_lines(a, spot->line);
	for (size_t i = spot->skip_front; i < hunk->count - spot->skip_back; i++) {
		const struct patch_line *line = &a->patch->lines[hunk->first + i];

		if (line->mark == '-' && a->at == 0 && has_bom(line->text, line->len))
			a->bom_removed = true;
		if (line->mark == ' ')
			copy_lines(a, a->at + 1);
		else if (line->mark == '+')
			add_line(a, line, verbatim);
		else {
			a->at++;
			a->to->removed++;
		}
	}
	if (a->to->added > added)
		keep_no_newline(a, hunk, spot);
}

static void note(struct apply *a, const char *fmt, ...) PRINTF(2, 3);

static void note(struct apply *a, const char *fmt, ...)
{
	char words[256];
	va_list args;

	if (json_array_size(a->to->notes) >= PATCH_NOTES_MAX)
		return;
	va_start(args, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, args);
	va_end(args);
	if (json_array_append_new(a->to->notes, json_string(words)) < 0)
		a->rc = -ENOMEM;
}

static void note_spot(struct apply *a, const struct patch_hunk *hunk, size_t number,
		      const struct patch_spot *spot)
{
	int64_t off = spot->offset;

	if (hunk->recounted)
		note(a,
		     "hunk %zu: the numbers of lines in its header were wrong, it was counted anew",
		     number);
	if (off != 0)
		note(a, "hunk %zu: found %ju line%s %s, at line %zu", number,
		     (uintmax_t)(off < 0 ? -off : off), off == 1 || off == -1 ? "" : "s",
		     off < 0 ? "above" : "below",
		     spot->line - MIN(spot->skip_front, spot->line) + 1);
	if (spot->fuzz > 0)
		note(a, "hunk %zu: found with fuzz %u: outer lines of its context differ", number,
		     spot->fuzz);
	if (spot->leniency >= PATCH_TRAILING)
		note(a, "hunk %zu: found although blanks %s lines differ", number,
		     spot->leniency == PATCH_TRAILING ? "at the end of" : "at the ends of");
	a->to->fuzz = MAX(a->to->fuzz, spot->fuzz);
	a->to->leniency = MAX(a->to->leniency, spot->leniency);
	if (llabs((long long)off) > llabs((long long)a->to->offset))
		a->to->offset = off;
}

/* The byte order mark is not part of the lines: see what the patch makes of it. */
static void settle_bom(struct apply *a, bool first_added)
{
	struct buf *out = &a->to->out;

	a->to->bom = a->text->bom;
	if (!a->text->bom)
		return;
	if (first_added && out->data && has_bom(out->data, out->len))
		buf_drop(out, strlen(BOM));
	else if (a->bom_removed)
		a->to->bom = false;
}

/* Words for a hunk without a place. */

struct words {
	struct patch_rejects *rejects;
	json_t *object;
};

static void say(struct words *w, const char *fmt, ...) PRINTF(2, 3);

static void say(struct words *w, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (w->rejects->failed == 0)
		w->rejects->failed = buf_puts(&w->rejects->text, text);
}

static void say_line(struct words *w, const char *label, size_t number, const char *text,
		     size_t len)
{
	int64_t rc;

	say(w, "    %s %zu: ", label, number);
	rc = answer_append_utf8(&w->rejects->text, text, MIN(len, SHOWN_LINE_MAX));
	if (rc < 0)
		w->rejects->failed = (int)rc;
	say(w, "%s\n", len > SHOWN_LINE_MAX ? " ..." : "");
}

static void set(struct words *w, const char *key, json_t *value)
{
	if (json_object_set_new(w->object, key, value) < 0)
		w->rejects->failed = -ENOMEM;
}

static json_t *line_string(const char *text, size_t len)
{
	return answer_string(text, MIN(len, SHOWN_LINE_MAX));
}

static void say_closest(struct words *w, const struct patch_search *search,
			const struct patch_hunk *hunk)
{
	const struct patch_text *text = search->text;
	const struct patch_line *want = NULL;
	struct patch_closest closest;
	json_t *expected = json_array();
	json_t *actual = json_array();
	size_t at = 0;
	size_t first;

	if (!patch_find_closest(search, hunk, &closest)) {
		say(w, "  None of the lines that it expects is in the file (%zu lines).\n",
		    text->n);
		first = 0;
		closest = (struct patch_closest){
			.line = hunk->numbered && hunk->old_start > 0 ? hunk->old_start - 1 : 0};
	} else {
		say(w, "  The closest place is line %zu: %zu of %zu lines match%s.\n",
		    closest.line + 1, closest.matches, hunk->old_lines,
		    closest.wrong == hunk->old_lines && closest.line < search->from
			    ? "; it lies before the hunk above, and hunks go from top to bottom"
			    : "");
		set(w, "closest_line", json_integer((json_int_t)closest.line + 1));
		first = closest.wrong < hunk->old_lines ? closest.wrong : 0;
	}
	for (size_t i = 0; i < first; i++)
		(void)patch_old_line(search->patch, hunk, &at);
	for (size_t i = first; i < first + SHOWN_LINES; i++) {
		want = patch_old_line(search->patch, hunk, &at);
		if (!want)
			break;
		say_line(w, "expected", closest.line + i + 1, want->text, want->len);
		(void)json_array_append_new(expected, line_string(want->text, want->len));
	}
	for (size_t i = closest.line + first; i < closest.line + first + SHOWN_LINES && i < text->n;
	     i++) {
		say_line(w, "actual  ", i + 1, text->lines[i].text, text->lines[i].len);
		(void)json_array_append_new(actual,
					    line_string(text->lines[i].text, text->lines[i].len));
	}
	set(w, "line", json_integer((json_int_t)closest.line + (json_int_t)first + 1));
	set(w, "expected", expected);
	set(w, "actual", actual);
}

static void say_places(struct words *w, const struct patch_places *places)
{
	json_t *lines = json_array();

	say(w, "  It fits in %zu places equally well, at lines", places->n);
	for (size_t i = 0; i < MIN(places->n, (size_t)PATCH_PLACES_MAX); i++) {
		say(w, "%s %zu", i ? "," : "", places->lines[i] + 1);
		(void)json_array_append_new(lines, json_integer((json_int_t)places->lines[i] + 1));
	}
	say(w, "%s. Give it more lines of context%s.\n",
	    places->n > PATCH_PLACES_MAX ? ", ..." : "", ", or '@@ LINE' of what it lies in");
	set(w, "places", lines);
}

static void say_reason(struct words *w, const struct patch_search *search,
		       const struct patch_hunk *hunk, int rc, const struct patch_places *places)
{
	const struct patch_span *anchor;

	switch (rc) {
	case -EEXIST:
		say_places(w, places);
		break;
	case -ESRCH:
		anchor = &search->patch->anchors[hunk->first_anchor];
		say(w, "  The line behind '@@' is not in the file below the hunk before it:\n");
		say_line(w, "line", hunk->line, anchor->text, anchor->len);
		say_closest(w, search, hunk);
		break;
	case -EINVAL:
		say(w, "  It only adds lines and does not say where: give it at least one line of "
		       "context.\n");
		break;
	case -ELOOP:
		say(w, "  Looking for its place takes too long; split the patch or give exact line "
		       "numbers.\n");
		break;
	default:
		if (hunk->old_lines == 0)
			say(w, "  It adds lines behind line %zu, and the file has %zu lines.\n",
			    hunk->old_start, search->text->n);
		else
			say_closest(w, search, hunk);
	}
}

static const char *const reasons[] = {
	[ENOENT] = "not_found",	 [ESRCH] = "anchor_not_found", [EEXIST] = "ambiguous",
	[EINVAL] = "no_context", [ELOOP] = "too_costly",
};

static void reject(const struct apply *a, const struct patch_search *search,
		   const struct patch_hunk *hunk, size_t number, int rc,
		   const struct patch_places *places, struct patch_rejects *rejects)
{
	struct words w = {.rejects = rejects};
	size_t len = MIN(hunk->header.len, SHOWN_HEADER_MAX);
	int64_t put_rc;

	if (rejects->n++ >= PATCH_REJECTS_SHOWN)
		return;
	w.object = json_object();
	if (!rejects->list)
		rejects->list = json_array();
	set(&w, "path", json_string(a->shown));
	set(&w, "hunk", json_integer((json_int_t)number));
	set(&w, "header", answer_string(hunk->header.text, len));
	set(&w, "patch_line", json_integer((json_int_t)hunk->line));
	set(&w, "reason", json_string(reasons[-rc]));
	say(&w, "%s, hunk %zu (line %zu of the patch)", a->shown, number, hunk->line);
	if (len > 0) {
		say(&w, " ");
		put_rc = answer_append_utf8(&rejects->text, hunk->header.text, len);
		if (put_rc < 0)
			rejects->failed = (int)put_rc;
	}
	say(&w, rc == -EEXIST ? ": not clear where.\n" : ": does not apply.\n");
	say_reason(&w, search, hunk, rc, places);
	if (json_array_append_new(rejects->list, w.object) < 0)
		rejects->failed = -ENOMEM;
}

int patch_apply(const struct patch *patch, const struct patch_file *file,
		const struct patch_text *text, const char *shown, uint64_t *cost,
		struct patch_applied *ret, struct patch_rejects *rejects)
{
	struct apply a = {.patch = patch, .text = text, .to = ret, .shown = shown};
	struct patch_search search = {.patch = patch, .text = text, .cost = cost};
	size_t first_added;
	bool added = false;

	*ret = (struct patch_applied){.notes = json_array()};
	if (!ret->notes)
		return -ENOMEM;
	for (size_t i = 0; i < file->n_hunks && a.rc == 0; i++) {
		const struct patch_hunk *hunk = &patch->hunks[file->first + i];
		struct patch_places places;
		struct patch_spot spot;
		int rc = patch_place(&search, hunk, &spot, &places);

		if (rc < 0) {
			reject(&a, &search, hunk, i + 1, rc, &places, rejects);
			continue;
		}
		first_added = ret->out.len == 0 && spot.line == 0 ? ret->added : SIZE_MAX;
		apply_hunk(&a, hunk, &spot);
		added = added || (first_added != SIZE_MAX && ret->added > first_added &&
				  patch->lines[hunk->first + spot.skip_front].mark != ' ');
		note_spot(&a, hunk, i + 1, &spot);
		search.from = a.at;
		search.drift = hunk->numbered ? spot.offset : 0;
	}
	copy_lines(&a, text->n);
	settle_bom(&a, added);
	return a.rc < 0 ? a.rc : rejects->failed;
}
