/*
 * Theory of operation: unified diffs, of git and of diff(1).
 *
 *	outside --"diff --git"--> section: extended headers, then maybe names and hunks
 *	   |  '---"--- " over "+++ "--> section --"@@"--> hunk, by its numbers --> section
 *	   '--anything else: skipped, it is the words of a commit or the output of a tool
 *
 * A section becomes a file when the next one begins (section_end). A hunk ends where its header says;
 * when the lines that follow show that the header miscounts, which models do, it is read again up to
 * where the next hunk or file begins and marked as recounted. One that the end of the patch cuts short
 * is refused: what is missing there cannot be told from what was never meant to be.
 *
 * Names: "a/" and "b/" go, as any two first components that differ and have the same rest behind them
 * ("orig/x", "new/x"). Names may be quoted as git does, and times of diff(1) may stand behind a tab.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tools/cell/files/patch_parse.h"

struct section {
	bool open;
	bool git;
	bool prefixed; /* the "diff --git" line has a prefix before its names */
	bool has_names;
	bool created, deleted;
	bool old_null, new_null;   /* /dev/null, or a time that stands for "not there" */
	bool old_epoch, new_epoch; /* diff -N says it that way */
	size_t line;
	size_t first_hunk;
	mode_t old_mode, new_mode;
	char *header; /* of "diff --git", when both names are the same */
	char *old, *new;
	char *rename_from, *rename_to;
	char *copy_from, *copy_to;
};

struct unified {
	struct patch_reader *reader;
	struct patch *patch;
	struct err *err;
	struct section s;
};

static size_t now(const struct unified *u)
{
	return u->reader->line;
}

static void section_fini(struct section *s)
{
	free(s->header);
	free(s->old);
	free(s->new);
	free(s->rename_from);
	free(s->rename_to);
	free(s->copy_from);
	free(s->copy_to);
	*s = (struct section){0};
}

static struct patch_span behind(const struct patch_span *line, const char *word)
{
	struct patch_span rest = *line;

	rest.text += strlen(word);
	rest.len -= strlen(word);
	return patch_chomp(rest);
}

/* What is behind the first component; NULL when there is nothing. */
static const char *stripped(const char *name)
{
	const char *slash = strchr(name, '/');

	if (!slash || slash == name)
		return NULL;
	while (*slash == '/')
		slash++;
	return *slash ? slash : NULL;
}

static bool has_prefix(const char *name, char letter)
{
	return name[0] == letter && name[1] == '/' && stripped(name) != NULL;
}

/* Two names that differ in their first component only. */
static bool same_behind(const char *old, const char *new)
{
	const char *a = stripped(old);
	const char *b = stripped(new);

	return a && b && strcmp(old, new) != 0 && strcmp(a, b) == 0;
}

/* "diff --git a/NAME b/NAME": blanks in names are not quoted, but both names are the same. */
static int take_git_header(struct unified *u, const struct patch_span *line)
{
	struct patch_span rest = behind(line, "diff --git ");
	char both[2][PATH_MAX];
	size_t lens[2] = {0, 0};

	if (rest.len > 0 && *rest.text == '"') {
		size_t used = patch_unquote(&rest, both[0], sizeof(both[0]) - 1, &lens[0]);
		struct patch_span second = {rest.text + used + 1, rest.len - used - 1};

		if (used == 0 || used + 2 > rest.len || *second.text != '"' ||
		    patch_unquote(&second, both[1], sizeof(both[1]) - 1, &lens[1]) == 0)
			return 0; /* the names below have to do */
	} else if (rest.len % 2 == 1 && rest.text[rest.len / 2] == ' ' && rest.len / 2 < PATH_MAX) {
		lens[0] = lens[1] = rest.len / 2;
		memcpy(both[0], rest.text, lens[0]);
		memcpy(both[1], rest.text + lens[0] + 1, lens[1]);
	} else {
		return 0;
	}
	both[0][lens[0]] = '\0';
	both[1][lens[1]] = '\0';
	if (strlen(both[0]) != lens[0] || strlen(both[1]) != lens[1])
		return 0;
	u->s.prefixed = same_behind(both[0], both[1]);
	if (u->s.prefixed)
		return patch_name(stripped(both[1]), strlen(stripped(both[1])), now(u),
				  &u->s.header, u->err);
	if (strcmp(both[0], both[1]) == 0)
		return patch_name(both[1], lens[1], now(u), &u->s.header, u->err);
	return 0;
}

static int file_mode(struct unified *u, const char *digits, size_t len, mode_t *ret)
{
	unsigned int mode = 0;

	if (len != 6)
		return patch_wrong(u->err, now(u), "a mode has six digits");
	for (size_t i = 0; i < len; i++) {
		if (digits[i] < '0' || digits[i] > '7')
			return patch_wrong(u->err, now(u), "a mode has six octal digits");
		mode = mode * 8 + (unsigned int)(digits[i] - '0');
	}
	if (mode == 0120000)
		return patch_wrong(u->err, now(u),
				   "mode 120000 is a symbolic link; only regular files can be "
				   "patched, use ln(1)");
	if (mode == 0160000)
		return patch_wrong(u->err, now(u),
				   "mode 160000 is a submodule; only regular files can be patched");
	if ((mode & ~07777U) != 0100000)
		return patch_wrong(u->err, now(u), "mode %06o is not one of a regular file", mode);
	*ret = mode & 0111 ? 0755 : 0644;
	return 0;
}

/* Names of diff(1) in the locale's time: the epoch stands for a file that is not there. */
static bool is_epoch(const struct patch_span *rest)
{
	return patch_starts(rest, "1970-01-01 ") || patch_starts(rest, "1969-12-31 ");
}

static int take_names(struct unified *u, const struct patch_span *old)
{
	struct patch_span new;
	struct patch_span rest;
	int rc = patch_name_word(behind(old, "--- "), now(u), &u->s.old, &rest, u->err);

	if (rc < 0)
		return rc;
	u->s.old_epoch = is_epoch(&rest);
	u->s.old_null = strcmp(u->s.old, "/dev/null") == 0;
	(void)patch_read(u->reader, &new);
	rc = patch_name_word(behind(&new, "+++ "), now(u), &u->s.new, &rest, u->err);
	if (rc < 0)
		return rc;
	u->s.new_epoch = is_epoch(&rest);
	u->s.new_null = strcmp(u->s.new, "/dev/null") == 0;
	if (u->s.old_null && u->s.new_null)
		return patch_wrong(u->err, now(u), "both names are /dev/null");
	u->s.has_names = true;
	return 0;
}

static int set_text(struct unified *u, char **dst, const char *text)
{
	return patch_name(text, strlen(text), u->s.line, dst, u->err);
}

/* foo.orig and foo, foo~ and foo: the new name is meant. */
static bool is_backup_of(const char *old, const char *new)
{
	static const char *const ends[] = {".orig", ".old", ".bak", "~"};
	size_t len = strlen(new);

	if (strncmp(old, new, len) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (strcmp(old + len, ends[i]) == 0)
			return true;
	return false;
}

/* The name of a file that has only one: made or removed. */
static const char *only_name(const struct section *s, const char *name, char letter)
{
	if (s->header && s->prefixed)
		return s->header;
	if (s->header && strcmp(s->header, name) == 0)
		return name;
	return has_prefix(name, letter) ? stripped(name) : name;
}

static int names_to_path(struct unified *u, struct patch_file *file)
{
	const struct section *s = &u->s;
	int rc;

	if (s->old_null || s->new_null)
		return set_text(u, &file->path,
				s->old_null ? only_name(s, s->new, 'b')
					    : only_name(s, s->old, 'a'));
	if (strcmp(s->old, s->new) == 0) {
		rc = set_text(u, &file->path, s->new);
		/* Somebody wrote "a/" or "b/" on both. */
		if (rc == 0 && !s->header && (has_prefix(s->new, 'a') || has_prefix(s->new, 'b')))
			rc = set_text(u, &file->fallback, stripped(s->new));
		return rc;
	}
	if (same_behind(s->old, s->new))
		return set_text(u, &file->path, stripped(s->new));
	if (is_backup_of(s->old, s->new))
		return set_text(u, &file->path, s->new);
	return patch_wrong(u->err, s->line,
			   "'---' and '+++' name two files; to rename one, put 'rename from' and "
			   "'rename to' (git) or '*** Move to:' there");
}

/* Without "--- " and "+++ ": empty files, modes, pure renames. */
static int header_to_path(struct unified *u, struct patch_file *file)
{
	if (!u->s.header)
		return patch_wrong(u->err, u->s.line, "the names in this header cannot be read");
	return set_text(u, &file->path, u->s.header);
}

static bool only_hunk(const struct unified *u, const struct patch_file *file, bool added)
{
	const struct patch_hunk *hunk;

	if (file->n_hunks != 1)
		return false;
	hunk = &u->patch->hunks[file->first];
	return (added ? hunk->old_lines : hunk->new_lines) == 0;
}

static enum patch_op section_op(const struct unified *u, const struct patch_file *file)
{
	const struct section *s = &u->s;

	if (s->rename_from || s->rename_to)
		return PATCH_RENAME;
	if (s->copy_from || s->copy_to)
		return PATCH_COPY;
	if (s->created || s->old_null || (s->old_epoch && only_hunk(u, file, true)))
		return PATCH_ADD;
	if (s->deleted || s->new_null || (s->new_epoch && only_hunk(u, file, false)))
		return PATCH_DELETE;
	return PATCH_MODIFY;
}

static int check_file(struct unified *u, const struct patch_file *file)
{
	const struct section *s = &u->s;

	if (file->op == PATCH_MODIFY && file->n_hunks == 0 && file->mode == 0)
		return patch_wrong(u->err, s->line,
				   "the headers of a file without any hunk ('@@') below them");
	if (file->op == PATCH_ADD && file->n_hunks > 1)
		return patch_wrong(u->err, s->line, "a new file has one hunk");
	if (file->op == PATCH_ADD && file->n_hunks == 1 && !only_hunk(u, file, true))
		return patch_wrong(u->err, s->line,
				   "a new file's hunk must consist of added lines ('+')");
	if (file->op == PATCH_DELETE && file->n_hunks > 0 && !only_hunk(u, file, false))
		return patch_wrong(u->err, s->line,
				   "a deleted file's hunk must consist of removed lines ('-')");
	return 0;
}

static int section_end(struct unified *u)
{
	struct section *s = &u->s;
	struct patch_file *file = NULL;
	int rc;

	if (!s->open)
		return 0;
	rc = patch_add_file(u->patch, s->line, &file, u->err);
	if (rc < 0)
		return rc;
	file->first = s->first_hunk;
	file->n_hunks = u->patch->n_hunks - s->first_hunk;
	file->op = section_op(u, file);
	file->mode = s->new_mode;
	if (file->op == PATCH_RENAME || file->op == PATCH_COPY) {
		const char *from = s->rename_from ? s->rename_from : s->copy_from;
		const char *to = s->rename_to ? s->rename_to : s->copy_to;

		if (!from || !to || (s->rename_from && s->copy_to) ||
		    (s->copy_from && s->rename_to))
			return patch_wrong(u->err, s->line,
					   "'rename from' and 'rename to' belong together, as do "
					   "'copy from' and 'copy to'");
		rc = set_text(u, &file->from, from);
		if (rc == 0)
			rc = set_text(u, &file->path, to);
	} else if (s->has_names) {
		rc = names_to_path(u, file);
	} else {
		rc = header_to_path(u, file);
	}
	if (rc == 0)
		rc = check_file(u, file);
	section_fini(s);
	return rc;
}

static int section_begin(struct unified *u, bool git)
{
	int rc = section_end(u);

	if (rc < 0)
		return rc;
	u->s = (struct section){
		.open = true,
		.git = git,
		.line = now(u),
		.first_hunk = u->patch->n_hunks,
	};
	return 0;
}

enum { HEAD_NAME, HEAD_MODE, HEAD_FLAG_MODE };

static const struct {
	const char *word;
	int kind;
	size_t name; /* offset of char * */
	size_t flag; /* offset of bool */
	size_t mode; /* offset of mode_t */
} heads[] = {
	{"old mode ", HEAD_MODE, .mode = offsetof(struct section, old_mode)},
	{"new mode ", HEAD_MODE, .mode = offsetof(struct section, new_mode)},
	{"new file mode ", HEAD_FLAG_MODE, .flag = offsetof(struct section, created),
	 .mode = offsetof(struct section, new_mode)},
	{"deleted file mode ", HEAD_FLAG_MODE, .flag = offsetof(struct section, deleted),
	 .mode = offsetof(struct section, old_mode)},
	{"rename from ", HEAD_NAME, .name = offsetof(struct section, rename_from)},
	{"rename to ", HEAD_NAME, .name = offsetof(struct section, rename_to)},
	{"copy from ", HEAD_NAME, .name = offsetof(struct section, copy_from)},
	{"copy to ", HEAD_NAME, .name = offsetof(struct section, copy_to)},
};

static int take_head(struct unified *u, const struct patch_span *line, size_t row)
{
	struct patch_span rest = behind(line, heads[row].word);
	struct patch_span unused;
	char *base = (char *)&u->s;
	char **name = (char **)(void *)(base + heads[row].name);

	if (heads[row].kind == HEAD_NAME)
		return patch_name_word(rest, now(u), name, &unused, u->err);
	if (heads[row].kind == HEAD_FLAG_MODE)
		*(bool *)(void *)(base + heads[row].flag) = true;
	return file_mode(u, rest.text, rest.len, (mode_t *)(void *)(base + heads[row].mode));
}

/* One or two numbers of a hunk's header.  Return: what is behind them; NULL: not there. */
static const char *take_numbers(const char *p, const char *end, char sign, size_t *start,
				size_t *lines)
{
	size_t *const values[] = {start, lines};

	while (p < end && *p == ' ')
		p++;
	if (p == end || *p++ != sign)
		return NULL;
	*lines = 1;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		size_t value = 0;

		if (p == end || !isdigit((unsigned char)*p))
			return NULL;
		for (; p < end && isdigit((unsigned char)*p); p++) {
			value = value * 10 + (size_t)(*p - '0');
			if (value > PATCH_NUMBER_MAX)
				return NULL;
		}
		*values[i] = value;
		if (p == end || *p != ',')
			break;
		p++;
	}
	return p;
}

struct numbers {
	size_t old_start, old_lines;
	size_t new_start, new_lines;
};

static bool is_hunk_line(const struct patch_span *line)
{
	return line->len > 0 && strchr(" +-\\", *line->text) && *line->text != '\0';
}

/* "--- " over "+++ " over "@@": no content of a hunk looks like that by accident. */
static bool is_next_file(struct patch_reader ahead, const struct patch_span *line)
{
	struct patch_span next;

	return patch_starts(line, "--- ") && patch_read(&ahead, &next) &&
	       patch_starts(&next, "+++ ") && patch_read(&ahead, &next) &&
	       patch_starts(&next, "@@");
}

/* The signature below a patch of git-format-patch(1): "-- ", version, end. */
static bool is_signature(struct patch_reader ahead, const struct patch_span *line)
{
	struct patch_span next;

	if (!patch_starts(line, "-- ") ||
	    !patch_is_blank(&(struct patch_span){line->text + 2, line->len - 2}))
		return false;
	if (!patch_read(&ahead, &next))
		return true;
	return next.len > 0 && isdigit((unsigned char)*next.text);
}

/* Whether a hunk goes on with this line, seen without its numbers. */
static bool goes_on(const struct patch_reader *reader, const struct patch_span *line)
{
	struct patch_reader ahead = *reader;
	struct patch_span next;

	if (is_hunk_line(line))
		return !is_next_file(ahead, line) && !is_signature(ahead, line);
	if (!patch_is_blank(line))
		return false;
	/* An empty line is context only in between. */
	return patch_read(&ahead, &next) && is_hunk_line(&next) && !is_next_file(ahead, &next) &&
	       !is_signature(ahead, &next);
}

/* One line of content, or the note below it about a missing line feed. */
static int take_content(struct unified *u, const struct patch_span *line)
{
	struct patch_hunk *hunk = &u->patch->hunks[u->patch->n_hunks - 1];
	struct patch_span text = *line;
	char mark = ' ';

	if (line->len > 0 && *line->text == '\\') {
		if (hunk->count == 0)
			return patch_wrong_at(u->err, now(u), line, "this has no line above it");
		u->patch->lines[u->patch->n_lines - 1].no_newline = true;
		return 0;
	}
	if (is_hunk_line(line)) {
		mark = *line->text;
		text.text++;
		text.len--;
	}
	return patch_add_line(u->patch, mark, &text, u->err);
}

static void forget_content(struct unified *u)
{
	struct patch_hunk *hunk = &u->patch->hunks[u->patch->n_hunks - 1];

	u->patch->n_lines = hunk->first;
	hunk->count = 0;
	hunk->old_lines = 0;
	hunk->new_lines = 0;
}

/*
 * By the numbers of the header.
 * Return: 0; 1 when the numbers do not fit what stands there; -errno.
 */
static int take_counted(struct unified *u, const struct numbers *want)
{
	struct patch_hunk *hunk = &u->patch->hunks[u->patch->n_hunks - 1];
	struct patch_span line;
	int rc = 0;

	while (rc == 0 &&
	       (hunk->old_lines < want->old_lines || hunk->new_lines < want->new_lines)) {
		if (!patch_read(u->reader, &line))
			return patch_wrong(u->err, hunk->line,
					   "the patch ends within this hunk: its header promises "
					   "%zu old and %zu new lines, %zu and %zu are there",
					   want->old_lines, want->new_lines, hunk->old_lines,
					   hunk->new_lines);
		if (!is_hunk_line(&line) && !patch_is_blank(&line))
			return 1;
		rc = take_content(u, &line);
		if (hunk->old_lines > want->old_lines || hunk->new_lines > want->new_lines)
			return 1;
	}
	while (rc == 0 && patch_peek(u->reader, &line) && patch_starts(&line, "\\")) {
		(void)patch_read(u->reader, &line);
		rc = take_content(u, &line);
	}
	if (rc == 0 && patch_peek(u->reader, &line)) {
		struct patch_reader ahead = *u->reader;

		(void)patch_read(&ahead, &line);
		if (is_hunk_line(&line) && goes_on(&ahead, &line) &&
		    !(patch_starts(&line, "--- ") && patch_peek(&ahead, &line) &&
		      patch_starts(&line, "+++ ")))
			return 1;
	}
	return rc;
}

static int take_uncounted(struct unified *u)
{
	struct patch_span line;
	int rc = 0;

	while (rc == 0 && patch_peek(u->reader, &line)) {
		struct patch_reader ahead = *u->reader;

		(void)patch_read(&ahead, &line);
		if (!goes_on(&ahead, &line))
			break;
		*u->reader = ahead;
		rc = take_content(u, &line);
	}
	return rc;
}

/* Without a hunk's numbers its content alone has to find the place, as in the other form. */
static int take_hunk(struct unified *u, const struct patch_span *line)
{
	const char *end = line->text + line->len;
	struct patch_reader start = *u->reader;
	struct patch_hunk *hunk = NULL;
	struct numbers n = {0};
	const char *p;
	int rc;

	if (!u->s.open || !u->s.has_names)
		return patch_wrong_at(u->err, now(u), line,
				      "a hunk without '--- FILE' and '+++ FILE' above it");
	rc = patch_add_hunk(u->patch, now(u), &hunk, u->err);
	if (rc < 0)
		return rc;
	hunk->header = patch_chomp(*line);
	p = take_numbers(line->text + 2, end, '-', &n.old_start, &n.old_lines);
	p = p ? take_numbers(p, end, '+', &n.new_start, &n.new_lines) : NULL;
	hunk->numbered = p != NULL;
	hunk->old_start = n.old_start;
	if (!p && memchr(line->text + 2, ',', line->len - 2) && patch_starts(line, "@@ -"))
		return patch_wrong_at(u->err, now(u), line, "this header of a hunk cannot be read");
	rc = p ? take_counted(u, &n) : 1;
	hunk = &u->patch->hunks[u->patch->n_hunks - 1];
	if (rc > 0) {
		*u->reader = start;
		forget_content(u);
		rc = take_uncounted(u);
		hunk->recounted = hunk->numbered;
	}
	if (rc == 0 && hunk->count == 0)
		return patch_wrong_at(u->err, hunk->line, line, "a hunk without any line");
	return rc;
}

static int refuse_binary(struct unified *u)
{
	char shown[160];
	const char *name = u->s.header ? u->s.header : "a file";

	return patch_wrong(u->err, now(u),
			   "%s is patched as binary, which is not supported; write the file with "
			   "another tool and leave it out of the patch",
			   text_quote(shown, sizeof(shown), name, strlen(name)));
}

static bool is_above(const struct patch_reader *reader, const char *word)
{
	struct patch_span next;

	return patch_peek(reader, &next) && patch_starts(&next, word);
}

static int take_line(struct unified *u, const struct patch_span *line)
{
	int rc;

	if (patch_starts(line, "diff --git ")) {
		rc = section_begin(u, true);
		return rc < 0 ? rc : take_git_header(u, line);
	}
	if (patch_starts(line, "--- ") && is_above(u->reader, "+++ ")) {
		rc = u->s.open && u->s.git && !u->s.has_names ? 0 : section_begin(u, false);
		return rc < 0 ? rc : take_names(u, line);
	}
	if (patch_starts(line, "@@"))
		return take_hunk(u, line);
	if (patch_starts(line, "*** ") && is_above(u->reader, "--- "))
		return patch_wrong(u->err, now(u),
				   "this is a context diff; only unified diffs (diff -u) and the "
				   "'*** Begin Patch' form can be applied");
	if (patch_starts(line, "GIT binary patch") || patch_starts(line, "Binary files "))
		return refuse_binary(u);
	if (!u->s.open || !u->s.git || u->s.has_names)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		if (patch_starts(line, heads[i].word))
			return take_head(u, line, i);
	return 0;
}

int patch_parse_unified(struct patch_reader *reader, struct patch *patch, struct err *err)
{
	struct unified u = {.reader = reader, .patch = patch, .err = err};
	struct patch_span line;
	int rc = 0;

	while (rc == 0 && patch_read(reader, &line))
		rc = take_line(&u, &line);
	if (rc == 0)
		rc = section_end(&u);
	section_fini(&u.s);
	if (rc == 0 && patch->n_files == 0)
		return err_set(err, EINVAL,
			       "no file is named in it: a unified diff begins with '--- FILE' and "
			       "'+++ FILE', the other form with '*** Begin Patch'");
	return rc;
}
