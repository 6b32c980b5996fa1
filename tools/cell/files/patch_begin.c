/*
 * Theory of operation: the form that models are trained on,
 *
 *	*** Begin Patch
 *	*** Add File: PATH		every line that follows begins with '+'
 *	*** Delete File: PATH
 *	*** Update File: PATH
 *	*** Move to: PATH		optional
 *	@@ LINE				optional, also several: go below this line first
 *	 context, -removed, +added
 *	*** End of File			optional: the hunk ends where the file ends
 *	*** End Patch
 *
 *	between files --*** Add|Delete|Update File:--> in a file --@@ or content--> in a hunk
 *	      ^------------------- any other "*** " -------------------------------------'
 *
 * There are no line numbers; a hunk is found by its content. Whatever fits nowhere is an error with its
 * line: a patch that is cut off or garbled must not be applied in part.
 */
#include <errno.h>
#include <string.h>

#include "tools/cell/files/patch_parse.h"

enum { FORM_ADD = 0, FORM_DELETE, FORM_UPDATE, FORM_MOVE, FORM_END_OF_FILE, FORM_END, FORM_N };

static const char *const words[FORM_N] = {
	[FORM_ADD] = "*** Add File:",		[FORM_DELETE] = "*** Delete File:",
	[FORM_UPDATE] = "*** Update File:",	[FORM_MOVE] = "*** Move to:",
	[FORM_END_OF_FILE] = "*** End of File", [FORM_END] = "*** End Patch",
};

struct begin {
	struct patch_reader *reader;
	struct patch *patch;
	struct err *err;
	struct patch_file *file; /* NULL between files; the last of patch->files */
	struct patch_hunk *hunk; /* NULL: content would begin one */
	size_t gap_end;		 /* is_gap has looked up to this line */
	bool gap;
};

static int word_of(const struct patch_span *line)
{
	for (int i = 0; i < FORM_N; i++)
		if (patch_starts(line, words[i]))
			return i;
	return -1;
}

/* What stands behind a word, blanks around it removed. */
static struct patch_span rest_of(const struct patch_span *line, size_t skip)
{
	struct patch_span rest = patch_chomp(*line);

	skip = MIN(skip, rest.len);
	rest.text += skip;
	rest.len -= skip;
	while (rest.len > 0 && (*rest.text == ' ' || *rest.text == '\t')) {
		rest.text++;
		rest.len--;
	}
	return rest;
}

static size_t now(const struct begin *b)
{
	return b->reader->line;
}

/* What a file needs to be complete. */
static int file_end(struct begin *b)
{
	const struct patch_file *file = b->file;

	if (!file)
		return 0;
	b->file = NULL;
	if (file->op == PATCH_MODIFY && file->n_hunks == 0)
		return patch_wrong(b->err, file->line,
				   "'*** Update File:' without any change below it");
	for (size_t i = file->first; i < file->first + file->n_hunks; i++) {
		const struct patch_hunk *hunk = &b->patch->hunks[i];

		if (hunk->count == 0 && file->op != PATCH_ADD)
			return patch_wrong(b->err, hunk->line, "'@@' without any change below it");
	}
	return 0;
}

static int file_begin(struct begin *b, enum patch_op op, const struct patch_span *line,
		      const char *word)
{
	struct patch_span name = rest_of(line, strlen(word));
	struct patch_file *file = NULL;
	int rc = file_end(b);

	if (rc == 0)
		rc = patch_add_file(b->patch, now(b), &file, b->err);
	if (rc < 0 || !file)
		return rc;
	b->file = file;
	b->file->op = op;
	b->file->whole = op == PATCH_DELETE;
	b->hunk = NULL;
	return patch_name(name.text, name.len, now(b), &b->file->path, b->err);
}

static int file_move(struct begin *b, const struct patch_span *line)
{
	struct patch_span name = rest_of(line, strlen(words[FORM_MOVE]));

	if (!b->file || b->file->op != PATCH_MODIFY || b->file->n_hunks > 0)
		return patch_wrong(b->err, now(b),
				   "'*** Move to:' belongs right below '*** Update File:'");
	b->file->op = PATCH_RENAME;
	b->file->from = b->file->path;
	b->file->path = NULL;
	return patch_name(name.text, name.len, now(b), &b->file->path, b->err);
}

static int hunk_begin(struct begin *b, const struct patch_span *header)
{
	int rc = patch_add_hunk(b->patch, now(b), &b->hunk, b->err);

	if (rc < 0)
		return rc;
	b->hunk->header = patch_chomp(*header);
	b->file->n_hunks++;
	return 0;
}

/* "@@ LINE"; several of them lead from the outer to the inner. */
static int take_anchor(struct begin *b, const struct patch_span *line)
{
	struct patch_span rest = *line;
	int rc = 0;

	if (!b->hunk || b->hunk->count > 0)
		rc = hunk_begin(b, line);
	if (rc < 0)
		return rc;
	rest.text += 2;
	rest.len -= 2;
	rest = patch_chomp(rest);
	/* One blank belongs to the form; further ones may be the line's own indentation. */
	if (rest.len > 0 && *rest.text == ' ') {
		rest.text++;
		rest.len--;
	}
	if (rest.len >= 3 && memcmp(rest.text + rest.len - 3, " @@", 3) == 0)
		rest.len -= 3;
	if (patch_is_blank(&rest) || (rest.len == 2 && memcmp(rest.text, "@@", 2) == 0))
		return 0;
	return patch_add_anchor(b->patch, &rest, b->err);
}

static int take_content(struct begin *b, const struct patch_span *line)
{
	static const struct patch_span none = {"", 0};
	struct patch_span text = *line;
	char mark = ' ';
	int rc = 0;

	if (b->hunk && b->hunk->end_of_file)
		return patch_wrong_at(b->err, now(b), line, "content below '*** End of File'");
	/* An empty line of context is often left without its blank. */
	if (line->len > 0 && (*line->text == ' ' || !patch_is_blank(line))) {
		mark = *line->text;
		text.text++;
		text.len--;
	}
	if (mark != ' ' && mark != '-' && mark != '+')
		return patch_wrong_at(b->err, now(b), line,
				      "a line of a hunk begins with ' ', '-' or '+'");
	if (!b->hunk)
		rc = hunk_begin(b, &none);
	return rc < 0 ? rc : patch_add_line(b->patch, mark, &text, b->err);
}

/*
 * Blank lines above the next "*** " are more likely a gap than context. The verdict is kept for the
 * whole run of them, which may be long.
 */
static bool is_gap(struct begin *b, const struct patch_span *line)
{
	struct patch_reader ahead = *b->reader;
	struct patch_span next = *line;
	int word;

	if (line->len > 0 && *line->text == ' ')
		return false;
	if (now(b) <= b->gap_end)
		return b->gap;
	while (patch_is_blank(&next)) {
		if (!patch_read(&ahead, &next)) {
			next = *line;
			break;
		}
	}
	word = word_of(&next);
	b->gap_end = ahead.line - 1;
	b->gap = patch_is_blank(&next) || (word >= 0 && word != FORM_END_OF_FILE);
	return b->gap;
}

static int take_line(struct begin *b, const struct patch_span *line)
{
	if (patch_is_blank(line) && is_gap(b, line))
		return 0;
	if (!b->file)
		return patch_wrong_at(b->err, now(b), line,
				      "expected '*** Add File: PATH', '*** Update File: PATH', "
				      "'*** Delete File: PATH' or '*** End Patch'");
	if (b->file->op == PATCH_DELETE)
		return patch_wrong_at(b->err, now(b), line,
				      "nothing belongs below '*** Delete File:'");
	if (b->file->op == PATCH_ADD) {
		if (line->len == 0 || *line->text != '+')
			return patch_wrong_at(b->err, now(b), line,
					      "every line of an added file begins with '+'");
		return take_content(b, line);
	}
	if (patch_starts(line, "@@"))
		return take_anchor(b, line);
	return take_content(b, line);
}

static int take_word(struct begin *b, int word, const struct patch_span *line, bool *ret_end)
{
	switch (word) {
	case FORM_ADD:
		return file_begin(b, PATCH_ADD, line, words[word]);
	case FORM_DELETE:
		return file_begin(b, PATCH_DELETE, line, words[word]);
	case FORM_UPDATE:
		return file_begin(b, PATCH_MODIFY, line, words[word]);
	case FORM_MOVE:
		return file_move(b, line);
	case FORM_END_OF_FILE:
		if (!b->file || !b->hunk || b->hunk->count == 0 || b->file->op == PATCH_ADD)
			return patch_wrong(b->err, now(b),
					   "'*** End of File' belongs below a hunk");
		b->hunk->end_of_file = true;
		return 0;
	default:
		*ret_end = true;
		return file_end(b);
	}
}

/* Only the rest of a here-document may follow. */
static int take_tail(struct begin *b)
{
	struct patch_span line;
	bool word = false;

	while (patch_read(b->reader, &line)) {
		if (patch_is_blank(&line))
			continue;
		if (word || memchr(line.text, ' ', line.len) || patch_starts(&line, "***"))
			return patch_wrong_at(b->err, now(b), &line,
					      "content below '*** End Patch'");
		word = true;
	}
	return 0;
}

int patch_parse_begin(struct patch_reader *reader, struct patch *patch, struct err *err)
{
	struct begin b = {.reader = reader, .patch = patch, .err = err};
	struct patch_span line;
	bool end = false;
	int rc = 0;

	(void)patch_read(reader, &line);
	while (rc == 0 && !end && patch_read(reader, &line)) {
		int word = word_of(&line);

		rc = word >= 0 ? take_word(&b, word, &line, &end) : take_line(&b, &line);
	}
	if (rc < 0)
		return rc;
	if (!end)
		return patch_wrong(
			err, now(&b),
			"the patch ends without '*** End Patch'; it may have been cut off");
	if (patch->n_files == 0)
		return err_set(err, EINVAL, "the patch names no file");
	return take_tail(&b);
}
