/*
 * Theory of operation: the first pass left, for each file, how many entries it has: lines and gaps with
 * content, else the file itself. Summed up in order they number all entries; those from offset on are a
 * page, until head_limit or GREP_TEXT_MAX ends it. With content, the files that a page touches are read
 * and matched once more, and entries before the page are skipped. A file that has changed in between
 * shows what it has now.
 *
 * Everything foreign (names, lines) is made safe on its way into the page.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "tools/cell/files/grep.h"
#include "tools/cell/files/notes.h"
#include "tools/cell/files/source.h"

#define LEAD_CHARS 100U /* shown before a match that lies far behind in its line */

struct page {
	const struct grep *g;
	const struct target *target;
	struct answer *a;
	struct buf text;
	json_t *names; /* of files on the page */
	json_t *counts;
	size_t at;    /* number of the entry at hand */
	size_t end;   /* the first that is not on the page any more */
	size_t shown; /* entries */
	bool full;    /* GREP_TEXT_MAX */
	int failed;
	char name[ANSWER_SHOWN_MAX]; /* before each line; "" for a single file */
};

static size_t char_len(const char *p, size_t left)
{
	int n = text_utf8_len((const unsigned char *)p, left);

	return n > 0 ? (size_t)n : 1;
}

static size_t count_chars(const char *data, size_t len)
{
	size_t n = 0;

	for (size_t at = 0; at < len; at += char_len(data + at, len - at))
		n++;
	return n;
}

/* @n characters from @at on.  Return: the offset behind them. */
static size_t skip_chars(const char *data, size_t len, size_t at, size_t n)
{
	for (; n > 0 && at < len; n--)
		at += char_len(data + at, len - at);
	return at;
}

/* At most GREP_LINE_MAX characters. A "\r" within a line is no line end here. */
static int append_safe(struct buf *out, const char *data, size_t len)
{
	char copy[4 * GREP_LINE_MAX];

	if (len > sizeof(copy))
		return -E2BIG;
	memcpy(copy, data, len);
	for (size_t i = 0; i < len; i++)
		if (copy[i] == '\r')
			copy[i] = '\0';
	return text_append_safe(out, copy, len);
}

int grep_append_line(struct buf *out, const char *data, size_t len, size_t match)
{
	size_t from = 0, to, before;
	int r = 0;

	if (len <= GREP_LINE_MAX)
		return append_safe(out, data, len);
	to = skip_chars(data, len, 0, GREP_LINE_MAX);
	if (to == len)
		return append_safe(out, data, len);
	before = match < len ? count_chars(data, match) : 0;
	if (before > GREP_LINE_MAX - LEAD_CHARS) {
		before -= LEAD_CHARS;
		from = skip_chars(data, len, 0, before);
		to = skip_chars(data, len, from, GREP_LINE_MAX);
		r = buf_printf(out, "[%zu characters before] ", before);
	}
	if (r == 0)
		r = append_safe(out, data + from, to - from);
	if (r == 0 && to < len)
		r = buf_printf(out, " [%zu more characters]", count_chars(data + to, len - to));
	return r;
}

static bool on_page(const struct page *p)
{
	return p->at >= p->g->offset && p->at < p->end;
}

/* The page takes what stands behind @before in its text, or is full without it. */
static bool keep(struct page *p, size_t before)
{
	if (p->text.len > GREP_TEXT_MAX) {
		p->text.len = before;
		p->full = true;
		p->end = p->at;
		return false;
	}
	p->at++;
	p->shown++;
	return true;
}

static bool show_entry(void *context, const struct lines_entry *e)
{
	struct page *p = context;
	char mark = e->kind == LINES_MATCH ? ':' : '-';
	size_t before = p->text.len;
	int r = 0;

	if (!on_page(p)) {
		p->at++;
		return p->at < p->end;
	}
	if (e->kind == LINES_GAP) {
		r = buf_puts(&p->text, "--\n");
	} else {
		if (p->name[0])
			r = buf_printf(&p->text, "%s%c", p->name, mark);
		if (r == 0 && p->g->number)
			r = buf_printf(&p->text, "%zu%c", e->number, mark);
		if (r == 0)
			r = grep_append_line(&p->text, e->data, e->len, e->match);
		if (r == 0)
			r = buf_puts(&p->text, "\n");
	}
	if (r < 0) {
		p->failed = r;
		return false;
	}
	return keep(p, before) && p->at < p->end;
}

static void add_name(struct page *p, const struct search_file *file)
{
	json_t *name = answer_string(file->path, file->len);

	if (!name || json_array_append_new(p->names, name) < 0)
		p->failed = -ENOMEM;
}

static void show_lines(struct page *p, const struct search_file *file, struct regex_worker *w,
		       struct source *source)
{
	const struct lines_options options = {.mode = LINES_SHOW,
					      .before = p->g->before,
					      .after = p->g->after,
					      .only = p->g->only,
					      .multiline = p->g->multiline};
	struct lines_result ignored;
	const char *name;
	int dir = walk_open_parent(p->target->fd, file->path + p->target->globs_at, &name);
	size_t before = p->at, shown = p->shown;

	if (!p->target->is_file)
		(void)answer_show(p->name, file->path);
	if (dir >= 0 && source_read(source, dir, name) == SOURCE_TEXT) {
		struct regex_text text = {.data = source->data, .len = source->len};

		lines_search(p->g->re, w, &text, &options, show_entry, p, &ignored);
	}
	if (dir >= 0)
		(void)close(dir);
	/* What went away since the first pass leaves its numbers unused, so that pages stay apart. */
	if (!p->full && p->at < p->end && p->at < before + file->entries)
		p->at = MIN(before + file->entries, p->end);
	if (p->shown > shown)
		add_name(p, file);
}

static void show_gap(struct page *p)
{
	const struct lines_entry gap = {.kind = LINES_GAP};

	(void)show_entry(p, &gap);
}

static int show_content(struct page *p, const struct search_result *found)
{
	bool gaps = p->g->before > 0 || p->g->after > 0;
	CLEANUP(source_fini) struct source source = {0};
	struct regex_worker *w;
	size_t first = 0; /* number of a file's first entry */
	int r = regex_worker_new(&w);

	for (size_t i = 0; i < found->n && r == 0 && !p->full && first < p->end; i++) {
		if (i > 0 && gaps) {
			p->at = first;
			show_gap(p);
			first++;
		}
		p->at = first;
		if (first + found->files[i].entries > p->g->offset && first < p->end && !p->full)
			show_lines(p, &found->files[i], w, &source);
		first += found->files[i].entries;
		r = p->failed;
	}
	if (r == 0)
		regex_worker_free(w);
	return r;
}

static int show_files(struct page *p, const struct search_result *found)
{
	int r = 0;

	for (p->at = p->g->offset; p->at < found->n && p->at < p->end && !p->full && r == 0;) {
		const struct search_file *file = &found->files[p->at];
		char name[ANSWER_SHOWN_MAX];
		size_t before = p->text.len;

		r = buf_puts(&p->text, answer_show(name, file->path));
		if (r == 0 && p->g->mode == GREP_COUNT)
			r = buf_printf(&p->text, ":%zu", file->matches);
		if (r == 0)
			r = buf_puts(&p->text, "\n");
		if (r < 0 || !keep(p, before))
			break;
		add_name(p, file);
		if (p->g->mode == GREP_COUNT &&
		    json_array_append_new(p->counts, json_integer((json_int_t)file->matches)) < 0)
			r = -ENOMEM;
	}
	return r == 0 ? p->failed : r;
}

static size_t count_entries(const struct grep *g, const struct search_result *found,
			    size_t *ret_matches)
{
	size_t entries = 0;

	*ret_matches = 0;
	for (size_t i = 0; i < found->n; i++) {
		entries += found->files[i].entries;
		*ret_matches += found->files[i].matches;
	}
	if (g->mode != GREP_CONTENT)
		return found->n;
	return entries + (found->n > 1 && (g->before > 0 || g->after > 0) ? found->n - 1 : 0);
}

static void add_notes(struct notes *n, const struct page *p, const struct search_result *found,
		      const char *workspace)
{
	if (found->late)
		notes_add(n, "The search was stopped after %lld s: what is here is not all.",
			  (long long)(grep_deadline_ms / 1000));
	notes_add_list(n, &found->stuck, "file was being matched then, and took too long",
		       "files were being matched then, and took too long", NOTES_LINE);
	notes_add_list(
		n, &found->limits,
		"file has lines on which the pattern costs too much; they were not decided",
		"files have lines on which the pattern costs too much; they were not decided",
		NOTES_LINE);
	notes_add_list(n, &found->cut, "of them was not searched to its end",
		       "of them were not searched to their end", NOTES_NAME);
	notes_add_list(n, &found->too_large, "file is larger than 64 MiB and was not searched",
		       "files are larger than 64 MiB and were not searched", NOTES_NAME);
	notes_add_list(n, &found->unread, "file could not be read", "files could not be read",
		       NOTES_ERROR);
	notes_deny(n, &found->unread, "read", workspace);
	if (found->n == 0 && found->binary > 0)
		notes_add(n, "%zu binary file%s not searched.", found->binary,
			  found->binary == 1 ? " was" : "s were");
	if (found->n == 0 && found->searched == 0 && found->walk.ignored > 0)
		notes_add(n, "Ignore files such as .gitignore left out %zu files and folders.",
			  found->walk.ignored);
	notes_add_walk(n, &found->walk, p->target->bad_ignores, workspace);
}

static bool is_complete(const struct search_result *found)
{
	return !found->late && found->limits.n == 0 && found->too_large.n == 0 &&
	       found->unread.n == 0 && found->walk.unread.n == 0 && !found->walk.files_capped;
}

static void put_text(struct page *p, const struct search_result *found, size_t total,
		     size_t matches)
{
	struct answer *a = p->a;
	const char *where = strcmp(p->target->shown, ".") == 0 ? "the workspace" : p->target->shown;

	if (found->n == 0) {
		answer_printf(a, "%s in %s.\n",
			      is_complete(found) ? "No matches found"
						 : "No matches in what could be searched",
			      where);
		return;
	}
	if (p->g->mode == GREP_FILES)
		answer_printf(a, "Found %zu file%s\n", found->n, found->n == 1 ? "" : "s");
	if (p->text.len > 0)
		answer_bytes(a, p->text.data, p->text.len);
	if (p->g->mode == GREP_COUNT)
		answer_printf(a, "\n%zu matching %s%s in %zu file%s\n", matches,
			      p->g->multiline ? "place" : "line", matches == 1 ? "" : "s", found->n,
			      found->n == 1 ? "" : "s");
	if (p->g->offset >= total)
		answer_printf(a, "[Nothing at offset %zu: there are %zu entries.]\n", p->g->offset,
			      total);
	else if (p->end < total)
		answer_printf(a, "[Entries %zu to %zu of %zu%s. Go on with offset %zu.]\n",
			      p->g->offset + 1, p->end, total,
			      p->full ? "; a page has at most 100 kB" : "", p->end);
}

static void put_data(struct page *p, const struct search_result *found, size_t total,
		     size_t matches)
{
	struct answer *a = p->a;

	answer_put(a, "type", json_string("matches"));
	answer_put(a, "mode", json_string(grep_mode_name(p->g->mode)));
	answer_put_count(a, "num_files", found->n);
	if (p->g->mode != GREP_FILES)
		answer_put_count(a, "num_matches", matches);
	answer_put_count(a, "num_entries", total);
	answer_put_count(a, "offset", p->g->offset);
	answer_put_count(a, "shown", p->shown);
	answer_put_bool(a, "truncated", p->end < total);
	if (p->end < total)
		answer_put_count(a, "next_offset", p->end);
	answer_put(a, "filenames", json_incref(p->names));
	/* Hosts that show data show nothing else. */
	if (p->g->mode == GREP_CONTENT)
		answer_put(a, "content", answer_string(p->text.data, p->text.len));
	if (p->g->mode == GREP_COUNT)
		answer_put(a, "counts", json_incref(p->counts));
	answer_put_count(a, "searched", found->searched);
	answer_put_count(a, "binary", found->binary);
	answer_put_count(a, "too_large", found->too_large.n);
	answer_put_count(a, "unread", found->unread.n + found->walk.unread.n);
	answer_put_count(a, "ignored", found->walk.ignored);
	answer_put_bool(a, "complete", is_complete(found));
}

static void page_fini(struct page *p)
{
	buf_fini(&p->text);
	json_decref(p->names);
	json_decref(p->counts);
}

int grep_show(const struct grep *g, const struct files_call *call, const struct target *target,
	      const struct search_result *found, struct answer *a)
{
	CLEANUP(notes_fini) struct notes notes = {0};
	CLEANUP(page_fini)
	struct page p = {.g = g,
			 .target = target,
			 .a = a,
			 .end = SIZE_MAX,
			 .names = json_array(),
			 .counts = json_array()};
	size_t matches, total = count_entries(g, found, &matches);
	int r;

	if (!p.names || !p.counts)
		return -ENOMEM;
	if (g->head_limit > 0 && __builtin_add_overflow(g->offset, g->head_limit, &p.end))
		p.end = SIZE_MAX;
	r = g->mode == GREP_CONTENT ? show_content(&p, found) : show_files(&p, found);
	if (r < 0)
		return r;
	notes_init(&notes, a);
	put_data(&p, found, total, matches);
	put_text(&p, found, total, matches);
	add_notes(&notes, &p, found, call->workspace);
	notes_put(&notes);
	return 0;
}
