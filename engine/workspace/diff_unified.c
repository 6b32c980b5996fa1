/*
 * Theory of operation: hunks as text, in the form that patch(1) and git-apply(1) read. A number of lines
 * that is 1 is left out, as git does; names are quoted as git does, so that a line feed in a name
 * is no line of the patch.
 */
#include <string.h>

#include "workspace/diff.h"

static bool name_needs_quotes(const char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f || *name == '"' || *name == '\\')
			return true;
	return false;
}

static int name_append_quoted(struct buf *out, const char *name)
{
	static const char escapes[256] = {
		['\a'] = 'a', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',	 ['\v'] = 'v',
		['\f'] = 'f', ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\',
	};
	int rc = buf_puts(out, "\"");

	for (; rc == 0 && *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (escapes[c])
			rc = buf_printf(out, "\\%c", escapes[c]);
		else if (c < 0x20 || c == 0x7f)
			rc = buf_printf(out, "\\%03o", (unsigned int)c);
		else
			rc = buf_append(out, name, 1);
	}
	return rc < 0 ? rc : buf_puts(out, "\"");
}

/* A tab behind a name with a blank: otherwise patch(1) takes what follows the blank for a time. */
static int name_append(struct buf *out, const char *word, const char *name)
{
	int rc = buf_puts(out, word);

	if (rc == 0 && name_needs_quotes(name))
		rc = name_append_quoted(out, name);
	else if (rc == 0)
		rc = buf_printf(out, "%s%s", name, strchr(name, ' ') ? "\t" : "");
	return rc < 0 ? rc : buf_puts(out, "\n");
}

static int numbers_append(struct buf *out, const char *sign, size_t start, size_t lines)
{
	if (lines == 1)
		return buf_printf(out, "%s%zu", sign, start);
	return buf_printf(out, "%s%zu,%zu", sign, start, lines);
}

static int hunk_append(struct buf *out, const struct diff *diff, const struct diff_hunk *hunk)
{
	int rc = numbers_append(out, "@@ -", hunk->old_start, hunk->old_lines);

	if (rc == 0)
		rc = numbers_append(out, " +", hunk->new_start, hunk->new_lines);
	if (rc == 0)
		rc = buf_puts(out, " @@\n");
	for (size_t i = hunk->first; rc == 0 && i < hunk->first + hunk->count; i++) {
		const struct diff_line *line = &diff->lines[i];

		rc = buf_append(out, &line->mark, 1);
		if (rc == 0)
			rc = buf_append(out, line->text, line->len);
		if (rc == 0)
			rc = buf_puts(out,
				      line->no_newline ? "\n\\ No newline at end of file\n" : "\n");
	}
	return rc;
}

int diff_append_unified(struct buf *out, const struct diff *diff, const char *old_name,
			const char *new_name)
{
	int rc;

	if (diff->n_hunks == 0)
		return 0;
	rc = name_append(out, "--- ", old_name);
	if (rc == 0)
		rc = name_append(out, "+++ ", new_name);
	for (size_t i = 0; rc == 0 && i < diff->n_hunks; i++)
		rc = hunk_append(out, diff, &diff->hunks[i]);
	return rc;
}
