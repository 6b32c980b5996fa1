/*
 * Theory of operation: the first line that is not blank decides on the form. "*** Begin Patch" leads to
 * patch_begin.c, everything else to patch_unified.c. This file has what both need: lines, errors that
 * name a line, and the arrays of the result, which grow under named caps. A hunk's lines, a file's
 * hunks and a hunk's anchors lie together because whatever is added belongs to the last one.
 */
#include "tools/cell/files/patch_parse.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define SHOWN_MAX 160

bool patch_read(struct patch_reader *reader, struct patch_span *ret)
{
	const char *start = reader->text + reader->at;
	size_t left = reader->len - reader->at;
	const char *end;

	if (left == 0)
		return false;
	end = memchr(start, '\n', left);
	ret->text = start;
	ret->len = end ? (size_t)(end - start) : left;
	reader->at += ret->len + (end ? 1 : 0);
	reader->line++;
	return true;
}

bool patch_peek(const struct patch_reader *reader, struct patch_span *ret)
{
	struct patch_reader copy = *reader;

	return patch_read(&copy, ret);
}

bool patch_starts(const struct patch_span *line, const char *word)
{
	size_t len = strlen(word);

	return line->len >= len && memcmp(line->text, word, len) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

struct patch_span patch_chomp(struct patch_span line)
{
	while (line.len > 0 && is_blank(line.text[line.len - 1]))
		line.len--;
	return line;
}

bool patch_is_blank(const struct patch_span *line)
{
	return patch_chomp(*line).len == 0;
}

int patch_wrong(struct err *err, size_t line, const char *fmt, ...)
{
	char words[ERR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, args);
	va_end(args);
	return err_set(err, EINVAL, "line %zu of the patch: %s", line, words);
}

int patch_wrong_at(struct err *err, size_t line, const struct patch_span *at, const char *words)
{
	char shown[SHOWN_MAX];

	return patch_wrong(err, line, "%s: '%s'", words,
			   text_quote(shown, sizeof(shown), at->text, at->len));
}

/* One more element at the end of an array that doubles; zeroed. */
static int grow(void **array, size_t *n, size_t each, size_t cap, const char *what, size_t line,
		void **ret, struct err *err)
{
	if (*n >= cap) {
		(void)patch_wrong(err, line, "more than %zu %s", cap, what);
		return -E2BIG;
	}
	if (*n == 0 || (*n >= 16 && (*n & (*n - 1)) == 0)) {
		void *more = reallocarray(*array, *n == 0 ? 16 : *n * 2, each);

		if (!more) {
			(void)err_set(err, ENOMEM, "cannot hold the patch");
			return -ENOMEM;
		}
		*array = more;
	}
	*ret = (char *)*array + *n * each;
	memset(*ret, 0, each);
	(*n)++;
	return 0;
}

int patch_add_file(struct patch *patch, size_t line, struct patch_file **ret, struct err *err)
{
	void *array = patch->files;
	void *slot = NULL;
	int rc = grow(&array, &patch->n_files, sizeof(*patch->files), PATCH_FILES_MAX, "files",
		      line, &slot, err);

	patch->files = array;
	if (rc < 0)
		return rc;
	*ret = slot;
	(*ret)->line = line;
	(*ret)->first = patch->n_hunks;
	return 0;
}

int patch_add_hunk(struct patch *patch, size_t line, struct patch_hunk **ret, struct err *err)
{
	void *array = patch->hunks;
	void *slot = NULL;
	int rc = grow(&array, &patch->n_hunks, sizeof(*patch->hunks), PATCH_HUNKS_MAX, "hunks",
		      line, &slot, err);

	patch->hunks = array;
	if (rc < 0)
		return rc;
	*ret = slot;
	(*ret)->line = line;
	(*ret)->first = patch->n_lines;
	(*ret)->first_anchor = patch->n_anchors;
	return 0;
}

int patch_add_line(struct patch *patch, char mark, const struct patch_span *text, struct err *err)
{
	struct patch_hunk *hunk = &patch->hunks[patch->n_hunks - 1];
	void *array = patch->lines;
	void *slot = NULL;
	int rc = grow(&array, &patch->n_lines, sizeof(*patch->lines), PATCH_LINES_MAX,
		      "lines in hunks", hunk->line, &slot, err);

	patch->lines = array;
	if (rc < 0)
		return rc;
	*(struct patch_line *)slot = (struct patch_line){
		.text = text->text,
		.len = (uint32_t)text->len,
		.mark = mark,
	};
	hunk->count++;
	hunk->old_lines += mark != '+' ? 1 : 0;
	hunk->new_lines += mark != '-' ? 1 : 0;
	return 0;
}

int patch_add_anchor(struct patch *patch, const struct patch_span *text, struct err *err)
{
	struct patch_hunk *hunk = &patch->hunks[patch->n_hunks - 1];
	void *array = patch->anchors;
	void *slot = NULL;
	int rc = grow(&array, &patch->n_anchors, sizeof(*patch->anchors), PATCH_ANCHORS_MAX,
		      "lines of '@@'", hunk->line, &slot, err);

	patch->anchors = array;
	if (rc < 0)
		return rc;
	*(struct patch_span *)slot = *text;
	hunk->n_anchors++;
	return 0;
}

int patch_name(const char *text, size_t len, size_t line, char **ret, struct err *err)
{
	char *copy;

	if (len == 0)
		return patch_wrong(err, line, "the name of the file is missing");
	if (len >= PATH_MAX)
		return patch_wrong(err, line, "the name of the file is longer than %d bytes",
				   PATH_MAX - 1);
	if (memchr(text, '\0', len))
		return patch_wrong(err, line, "the name of the file has a NUL in it");
	copy = strndup(text, len);
	if (!copy)
		return err_set(err, ENOMEM, "cannot hold the patch");
	free(*ret);
	*ret = copy;
	return 0;
}

static int octal(const char *p, size_t left)
{
	int value = 0;

	if (left < 3)
		return -1;
	for (int i = 0; i < 3; i++) {
		if (p[i] < '0' || p[i] > '7')
			return -1;
		value = value * 8 + (p[i] - '0');
	}
	return value > 0 && value <= 255 ? value : -1;
}

size_t patch_unquote(const struct patch_span *text, char *dst, size_t cap, size_t *ret_len)
{
	static const char escapes[] = "a\ab\bt\tn\nv\vf\fr\r\"\"\\\\";
	size_t n = 0;
	size_t i = 1;

	for (; i < text->len && text->text[i] != '"'; i++) {
		const char *found = NULL;
		char c = text->text[i];
		int value;

		if (c == '\\') {
			if (++i >= text->len)
				return 0;
			value = octal(text->text + i, text->len - i);
			for (size_t k = 0; value < 0 && !found && k + 1 < sizeof(escapes); k += 2)
				if (escapes[k] == text->text[i])
					found = &escapes[k + 1];
			if (value < 0 && !found)
				return 0;
			if (value >= 0)
				c = (char)(unsigned char)value;
			else
				c = *found;
			i += value >= 0 ? 2 : 0;
		}
		if (n >= cap)
			return 0;
		dst[n++] = c;
	}
	*ret_len = n;
	return i < text->len ? i + 1 : 0;
}

int patch_name_word(struct patch_span text, size_t line, char **ret, struct patch_span *ret_rest,
		    struct err *err)
{
	char plain[PATH_MAX];
	const char *tab;
	size_t len = 0;
	size_t used;

	if (text.len > 0 && *text.text == '"') {
		used = patch_unquote(&text, plain, sizeof(plain), &len);
		if (used == 0)
			return patch_wrong_at(err, line, &text, "this quoted name cannot be read");
		used += used < text.len && text.text[used] == '\t' ? 1 : 0;
		*ret_rest = (struct patch_span){text.text + used, text.len - used};
		return patch_name(plain, len, line, ret, err);
	}
	tab = memchr(text.text, '\t', text.len);
	len = tab ? (size_t)(tab - text.text) : text.len;
	*ret_rest = (struct patch_span){text.text + len, text.len - len};
	if (tab) {
		ret_rest->text++;
		ret_rest->len--;
	}
	return patch_name(text.text, len, line, ret, err);
}

/* A patch taken from a shell's here-document still has its first and last line. */
static bool skip_heredoc(struct patch_reader *reader)
{
	struct patch_reader ahead = *reader;
	struct patch_span line;

	if (!patch_read(&ahead, &line))
		return false;
	if (!patch_starts(&line, "<<") && !patch_starts(&line, "apply_patch <<"))
		return false;
	*reader = ahead;
	return true;
}

int patch_parse(const char *text, size_t len, struct patch *ret, struct err *err)
{
	struct patch_reader reader = {.text = text, .len = len};
	struct patch_span line;

	*ret = (struct patch){0};
	if (len > PATCH_BYTES_MAX) {
		(void)err_set(err, E2BIG, "the patch has %zu bytes, more than %zu; split it", len,
			      PATCH_BYTES_MAX);
		return -E2BIG;
	}
	while (patch_peek(&reader, &line) && patch_is_blank(&line))
		(void)patch_read(&reader, &line);
	if (reader.at == reader.len)
		return err_set(err, EINVAL, "the patch is empty");
	if (skip_heredoc(&reader) && !patch_peek(&reader, &line))
		return err_set(err, EINVAL, "the patch is empty");
	if (patch_starts(&line, "*** Begin Patch") ||
	    (patch_peek(&reader, &line) && patch_starts(&line, "*** Begin Patch")))
		return patch_parse_begin(&reader, ret, err);
	return patch_parse_unified(&reader, ret, err);
}

void patch_fini(struct patch *patch)
{
	if (!patch)
		return;
	for (size_t i = 0; i < patch->n_files; i++) {
		free(patch->files[i].path);
		free(patch->files[i].from);
		free(patch->files[i].fallback);
	}
	free(patch->files);
	free(patch->hunks);
	free(patch->lines);
	free(patch->anchors);
	*patch = (struct patch){0};
}
