/*
 * Theory of operation: the file is loaded whole, since its digest, its number of lines and whether it is
 * UTF-8 are properties of the whole. Then the window of lines that was asked for is shown twice: in
 * the text with a number before each line, in data.content as it is in the file. Both stop at
 * SHOWN_BYTES_MAX, and a line at LINE_CHARS_MAX; whatever is left out is counted, and the note tells how to
 * get at it. Lines are those between line ends, as editors count: a file that ends with a line end
 * has an empty last line.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/cell/files/args.h"
#include "tools/cell/files/files.h"
#include "tools/cell/files/path.h"
#include "tools/cell/files/store.h"
#include "tools/cell/files/text.h"
#include "workspace/diff.h"

#define LINES_DEFAULT ((size_t)2000)
#define LINE_CHARS_MAX ((size_t)2000)
#define SHOWN_BYTES_MAX ((size_t)99 << 10) /* of the text; the note has the rest of 100 kB */
#define CUT_NOTE_MAX ((size_t)96)

struct view {
	const struct text *text;
	size_t total;	  /* lines */
	size_t start;	  /* first line of the window, from 1 */
	size_t limit;	  /* lines asked for */
	size_t n;	  /* lines shown */
	size_t cut;	  /* of those, how many are not whole */
	int64_t replaced; /* bytes that are not UTF-8, in what is shown */
	bool full;	  /* stopped at SHOWN_BYTES_MAX */
	struct buf content;
};

static bool is_head(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t count_chars(const char *p, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += is_head(p[i]);
	return n;
}

/* Bytes of the first @chars characters. */
static size_t chars_len(const char *p, size_t len, size_t chars)
{
	size_t i = 0;

	for (; i < len; i++)
		if (is_head(p[i]) && chars-- == 0)
			break;
	return i;
}

/* One line, @len bytes without its end; @end_len bytes of line end.  Return: 1: no room; 0; -errno. */
static int show_line(struct view *v, const char *line, size_t len, size_t end_len, struct answer *a)
{
	bool cr = len > 0 && end_len > 0 && line[len - 1] == '\r';
	size_t bare = len - cr;
	size_t shown = bare;
	char note[CUT_NOTE_MAX] = "";
	int64_t r;

	if (bare > LINE_CHARS_MAX) {
		size_t chars = count_chars(line, bare);

		if (chars > LINE_CHARS_MAX) {
			shown = chars_len(line, bare, LINE_CHARS_MAX);
			(void)snprintf(note, sizeof(note),
				       "... [line cut: %zu of %zu characters shown]",
				       LINE_CHARS_MAX, chars);
		}
	}
	/* A byte may become three; the first line always has room. */
	if (v->n > 0 && a->text.len + shown + sizeof(note) + 24 > SHOWN_BYTES_MAX)
		return 1;
	r = answer_append_utf8(&v->content, line, shown);
	if (r >= 0) {
		v->replaced += r;
		r = buf_puts(&v->content, note);
	}
	if (r >= 0)
		r = buf_append(&v->content, line + bare, cr + end_len);
	if (r < 0)
		return (int)r;
	answer_printf(a, "%zu\t", v->start + v->n);
	answer_bytes(a, line, shown);
	answer_printf(a, "%s\n", note);
	v->cut += note[0] != '\0';
	v->n++;
	return 0;
}

static const char *find_line(const struct view *v)
{
	const char *p = v->text->data;
	const char *end = p + v->text->len;

	for (size_t i = 1; i < v->start; i++)
		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
	return p;
}

static int show_lines(struct view *v, struct answer *a)
{
	const char *p = find_line(v);
	const char *end = v->text->data + v->text->len;
	int r = 0;

	while (r == 0 && v->n < v->limit && v->start + v->n <= v->total) {
		size_t left = (size_t)(end - p);
		const char *nl = left > 0 ? memchr(p, '\n', left) : NULL;
		size_t len = nl ? (size_t)(nl - p) : left;

		r = show_line(v, p, len, nl != NULL, a);
		p += len + (nl != NULL);
	}
	v->full = r == 1;
	return r < 0 ? r : 0;
}

/* Number of the last line that has something to read: an empty last one alone is no reason to go on. */
static size_t lines_worth(const struct view *v)
{
	bool ends = v->text->len > 0 && v->text->data[v->text->len - 1] == '\n';

	return v->total - (ends && v->total > 1);
}

/* What a reader must know beside the lines, into @note. */
static int make_note(const struct view *v, struct buf *note)
{
	size_t last = v->start + v->n - 1;
	int r = 0;

	if (v->total == 0)
		return buf_puts(note, "The file exists and is empty.");
	if (v->start > v->total)
		return buf_printf(
			note,
			"The file has %zu line%s; offset %zu is beyond its end. Nothing is shown.",
			v->total, v->total == 1 ? "" : "s", v->start);
	if (last < lines_worth(v))
		r = buf_printf(note,
			       "Lines %zu to %zu of %zu are shown%s; %zu more follow. Go on with "
			       "offset %zu.",
			       v->start, last, v->total,
			       v->full ? ", as many as an answer has room for" : "",
			       lines_worth(v) - last, last + 1);
	if (r == 0 && v->cut > 0)
		r = buf_printf(note, "%s%zu line%s cut at %zu characters.", note->len ? " " : "",
			       v->cut, v->cut == 1 ? " is" : "s are", LINE_CHARS_MAX);
	if (r == 0 && v->text->encoding == TEXT_BYTES)
		r = buf_printf(
			note,
			"%sThe file is not UTF-8: %jd bytes of what is shown stand as U+FFFD.",
			note->len ? " " : "", (intmax_t)v->replaced);
	return r;
}

static void put_file(struct answer *a, const struct path *path, const struct store_file *file)
{
	char digest[STORE_DIGEST_MAX];
	char mode[8];

	store_digest(file->data, file->len, digest);
	(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)(file->st.st_mode & 07777));
	answer_put(a, "file_path", answer_string(path->asked, strlen(path->asked)));
	answer_put(a, "digest", json_string(digest));
	answer_put_count(a, "size", file->len);
	answer_put(a, "mode", json_string(mode));
	answer_put_count(a, "nlink", file->st.st_nlink);
}

static int put_view(struct answer *a, const struct path *path, const struct store_file *file,
		    const struct view *v)
{
	CLEANUP(buf_fini) struct buf note = {0};
	json_int_t next = (json_int_t)v->start + (json_int_t)v->n;
	bool more = v->n > 0 && v->start + v->n <= lines_worth(v);
	int r = make_note(v, &note);

	if (r < 0)
		return r;
	if (note.len > 0)
		answer_printf(a, "%s[%s]\n", v->n > 0 ? "\n" : "", note.data);
	answer_put(a, "type", json_string("text"));
	put_file(a, path, file);
	answer_put(a, "content", answer_string(v->content.data, v->content.len));
	answer_put_count(a, "start_line", v->start);
	answer_put_count(a, "num_lines", v->n);
	answer_put_count(a, "total_lines", v->total);
	answer_put(a, "encoding", json_string(text_encoding_name(v->text->encoding)));
	answer_put(a, "line_ending", json_string(text_ending_name(v->text->ending)));
	answer_put_bool(a, "truncated", more || v->cut > 0);
	answer_put(a, "next_offset", more ? json_integer(next) : json_null());
	answer_put(a, "note", note.len > 0 ? answer_string(note.data, note.len) : json_null());
	return 0;
}

static int refuse_binary(struct answer *a, const struct path *path, const struct store_file *file)
{
	const char *name = text_binary_name(file->data, file->len);
	bool image = name && strstr(name, "image");

	(void)answer_fail(a, image ? "image" : "binary",
			  "%s is a%s %s of %zu bytes and not text. Its bytes can be looked at with "
			  "Bash (file, xxd, strings).",
			  path->shown, name && strchr("EI", name[0]) ? "n" : "",
			  name ? name : "binary file", file->len);
	put_file(a, path, file);
	answer_put(a, "kind", json_string(name ? name : "binary"));
	return 0;
}

static int read_text(const struct files_call *call, const struct path *path,
		     const struct store_file *file, struct answer *a)
{
	CLEANUP(text_fini) struct text text = {0};
	size_t offset = args_count(call->arguments, "offset", 1);
	struct view v = {
		.text = &text,
		.start = offset > 0 ? offset : 1,
		.limit = args_count(call->arguments, "limit", LINES_DEFAULT),
	};
	int r = text_look(file->data, file->len, &text);
	bool wide = text.encoding == TEXT_UTF16LE || text.encoding == TEXT_UTF16BE;

	if (r == -EILSEQ || (r == 0 && !wide && diff_is_binary(file->data, file->len)) ||
	    (text.encoding == TEXT_BYTES && text_binary_name(file->data, file->len)))
		return refuse_binary(a, path, file);
	if (r < 0)
		return r;
	v.total = text.len == 0 ? 0 : text.lines + (text.data[text.len - 1] == '\n');
	if (v.start <= v.total)
		r = show_lines(&v, a);
	if (r == 0)
		r = put_view(a, path, file, &v);
	buf_fini(&v.content);
	return r;
}

int files_read(const struct files_call *call, struct answer *a)
{
	static const struct args_row rows[] = {
		{"file_path", ARGS_PATH, true},
		{"offset", ARGS_COUNT, false},
		{"limit", ARGS_COUNT, false},
	};
	CLEANUP(store_file_fini) struct store_file file = {0};
	struct path path;
	int r = args_check(call->arguments, "", rows, ARRAY_SIZE(rows), a);

	if (r < 0)
		return 0;
	if (args_count(call->arguments, "limit", 1) == 0)
		return answer_fail(a, "arguments", "Argument limit must be at least 1.");
	r = path_resolve(call, args_string(call->arguments, "file_path", ""), &path, a);
	if (r == 0)
		r = store_load(&path, STORE_BYTES_MAX, &file, a);
	if (r == 0)
		return read_text(call, &path, &file, a);
	return a->success ? r : 0;
}
