/*
 * Theory of operation: braces are written out before anything is matched. A list of texts is worked
 * off from its front: the first innermost pair of braces of a text is replaced by each of its
 * alternatives, and the results go to the end of the list; a text without braces is a pattern. Counts
 * and bytes are capped, so "{a,b}{a,b}..." ends in an error and not in 2^n patterns. The innermost
 * pair first: its alternatives hold no braces, so that no nesting has to be followed.
 *
 * Rows hold offsets until globs_ready, because the text moves while it grows.
 */
#include "tools/cell/files/globs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void globs_init(struct globs *g)
{
	*g = (struct globs){.text = {.cap = GLOBS_BYTES_MAX}};
}

void globs_fini(struct globs *g)
{
	buf_fini(&g->text);
	free(g->rows);
	*g = (struct globs){0};
}

/* The list of texts that still have braces: NUL-terminated, one behind the other. */
struct work {
	struct buf text;
	size_t n; /* texts taken or waiting, against GLOBS_MAX */
};

static void work_fini(struct work *w)
{
	buf_fini(&w->text);
}

/* The first "}" and the "{" before it, outside of sets and not escaped. */
static bool find_braces(const char *s, size_t len, size_t *ret_open, size_t *ret_close)
{
	bool have = false, in_set = false;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\\') {
			i++;
		} else if (in_set) {
			in_set = s[i] != ']';
		} else if (s[i] == '[' && memchr(s + i + 1, ']', len - i - 1)) {
			in_set = true;
			/* "[]a]" and "[!]a]": the first one is a member. */
			if (i + 1 < len && (s[i + 1] == '!' || s[i + 1] == '^'))
				i++;
			if (i + 1 < len && s[i + 1] == ']')
				i++;
		} else if (s[i] == '{') {
			*ret_open = i;
			have = true;
		} else if (s[i] == '}') {
			*ret_close = i;
			return have;
		}
	}
	return false;
}

/* Whether a brace is left that has no partner. */
static bool has_lone_brace(const char *s, size_t len)
{
	size_t i = 0;
	bool in_set = false;

	for (; i < len; i++) {
		if (s[i] == '\\')
			i++;
		else if (in_set)
			in_set = s[i] != ']';
		else if (s[i] == '[')
			in_set = memchr(s + i + 1, ']', len - i - 1);
		else if (s[i] == '{' || s[i] == '}')
			return true;
	}
	return false;
}

static int too_many(struct err *err)
{
	return err_set(err, E2BIG,
		       "the braces of the glob stand for more than %u patterns or %u bytes: write "
		       "fewer alternatives",
		       GLOBS_MAX, GLOBS_BYTES_MAX);
}

/* @s with its braces at [open, close] replaced by each alternative, to the end of the list. */
static int write_out(struct work *w, const char *s, size_t len, size_t open, size_t close,
		     struct err *err)
{
	size_t from = open + 1;
	int r = 0;

	for (size_t i = from; i <= close && r == 0; i++) {
		if (i < close && s[i] == '\\') {
			i++;
			continue;
		}
		if (i < close && s[i] != ',')
			continue;
		if (++w->n > GLOBS_MAX)
			return too_many(err);
		r = buf_append(&w->text, s, open);
		if (r == 0)
			r = buf_append(&w->text, s + from, i - from);
		if (r == 0)
			r = buf_append(&w->text, s + close + 1, len - close);
		from = i + 1;
	}
	return r == -E2BIG ? too_many(err) : r;
}

static int add_row(struct globs *g, const char *s, size_t len, bool out, struct err *err)
{
	bool folder = len > 1 && s[len - 1] == '/';
	struct globs_row *rows;
	bool anchored = false;
	size_t at = g->text.len;
	int r;

	while (len > 2 && s[0] == '.' && s[1] == '/') {
		anchored = true;
		s += 2;
		len -= 2;
	}
	for (; len > 0 && s[0] == '/'; len--, s++)
		anchored = true;
	while (len > 0 && s[len - 1] == '/')
		len--;
	if (len == 0)
		return 0; /* one alternative of "{,a}" */
	if (g->n >= GLOBS_MAX)
		return too_many(err);
	rows = reallocarray(g->rows, g->n + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	g->rows = rows;
	r = buf_append(&g->text, s, len);
	/* A folder stands for what it holds; "!folder/" for the folder itself. */
	if (r == 0 && folder && !out)
		r = buf_puts(&g->text, "/**");
	if (r < 0)
		return r == -E2BIG ? too_many(err) : r;
	g->rows[g->n++] = (struct globs_row){.at = at,
					     .len = g->text.len - at,
					     .out = out,
					     .anchored = anchored};
	g->n_in += out ? 0 : 1;
	return 0;
}

static int check_text(const char *text, size_t len, struct err *err)
{
	if (len > GLOBS_TEXT_MAX)
		return err_set(err, E2BIG, "the glob is %zu bytes long, at most %u", len,
			       GLOBS_TEXT_MAX);
	if (memchr(text, '\0', len))
		return err_set(err, EINVAL, "the glob has a NUL byte in it");
	for (size_t i = 0; i + 1 < len; i++)
		if (text[i] == '.' && text[i + 1] == '.' && (i == 0 || text[i - 1] == '/') &&
		    (i + 2 == len || text[i + 2] == '/'))
			return err_set(err, EINVAL,
				       "\"..\" in a glob leads nowhere: name the folder with path");
	return 0;
}

int globs_add(struct globs *g, const char *text, size_t len, struct err *err)
{
	CLEANUP(work_fini) struct work w = {.text = {.cap = GLOBS_BYTES_MAX}, .n = 1};
	bool out = len > 1 && text[0] == '!';
	size_t at = 0;
	int r = check_text(text, len, err);

	if (r == 0)
		r = buf_append(&w.text, text + (out ? 1 : 0), len - (out ? 1 : 0));
	if (r == 0)
		r = buf_append(&w.text, "", 1);
	while (r == 0 && at < w.text.len) {
		char one[2 * GLOBS_TEXT_MAX];
		size_t n = strlen(w.text.data + at), open = 0, close = 0;

		if (n >= sizeof(one))
			return too_many(err);
		/* A copy: the list moves while it grows. */
		memcpy(one, w.text.data + at, n + 1);
		at += n + 1;
		if (find_braces(one, n, &open, &close))
			r = write_out(&w, one, n, open, close, err);
		else if (has_lone_brace(one, n))
			r = err_set(err, EINVAL,
				    "a brace of the glob has no partner: \"{a,b}\" stands for "
				    "either, \"\\{\" for the brace itself");
		else
			r = add_row(g, one, n, out, err);
	}
	return r;
}

int globs_add_list(struct globs *g, const char *text, size_t len, struct err *err)
{
	size_t from = 0, depth = 0;
	int r = 0;

	for (size_t i = 0; i <= len && r == 0; i++) {
		bool blank = i == len || text[i] == ' ' || text[i] == '\t' || text[i] == '\n';

		if (i < len && text[i] == '\\' && i + 1 < len) {
			i++;
			continue;
		}
		if (i < len && text[i] == '{')
			depth++;
		else if (i < len && text[i] == '}' && depth > 0)
			depth--;
		else if (blank || (text[i] == ',' && depth == 0)) {
			if (i > from)
				r = globs_add(g, text + from, i - from, err);
			from = i + 1;
		}
	}
	return r;
}

void globs_ready(struct globs *g)
{
	for (size_t i = 0; i < g->n; i++)
		wild_prepare(g->text.data + g->rows[i].at, g->rows[i].len, g->rows[i].anchored,
			     true, &g->rows[i].wild);
}

bool globs_want(const struct globs *g, const char *path, size_t len, size_t name_at)
{
	for (size_t i = g->n; i-- > 0;)
		if (wild_match(&g->rows[i].wild, path, len, name_at))
			return !g->rows[i].out;
	return g->n_in == 0;
}

bool globs_prune(const struct globs *g, const char *path, size_t len, size_t name_at)
{
	for (size_t i = g->n; i-- > 0;)
		if (wild_match(&g->rows[i].wild, path, len, name_at))
			return g->rows[i].out;
	return false;
}
