/*
 * Theory of operation: `rustfmt --check` (and `cargo fmt --check`) prints what it would change:
 *
 *	Diff in /x/src/main.rs:12:		(before 1.8: "Diff in /x/src/main.rs at line 12:")
 *	 kept
 *	-as it is
 *	+as it should be
 *
 * A hunk becomes {line, original, expected}: replacing the lines of `original` that start at `line`
 * by those of `expected` is the change. Errors are on standard error, in rustc's human form. With a
 * terminal type that has colours rustfmt uses them into a pipe as well, so lines lose them first.
 */
#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "digest/parse.h"

#define HUNKS_MAX 2000U

void rustfmt_call(struct digest *d)
{
	json_t *argv = json_object_get(d->call, "argv");
	json_t *arg;
	size_t i;

	json_array_foreach(argv, i, arg) {
		const char *text = json_string_value(arg);

		if (text && strcmp(text, "--check") == 0)
			d->fmt.check = true;
	}
}

static void hunk_end(struct digest *d)
{
	struct rustfmt *f = &d->fmt;
	size_t bytes = 2 * (f->original.len + f->expected.len);

	if (f->hunk && value_charge(d, bytes)) {
		value_put(d, f->hunk, "original",
			  value_text(d, f->original.len ? f->original.data : "", f->original.len,
				     DIGEST_STRING_BYTES_MAX));
		value_put(d, f->hunk, "expected",
			  value_text(d, f->expected.len ? f->expected.data : "", f->expected.len,
				     DIGEST_STRING_BYTES_MAX));
	}
	f->hunk = NULL;
	f->in_hunk = false;
	f->original.len = 0;
	f->expected.len = 0;
}

/* The entry of @path, which is a new reference and stolen: the last one or a new one. */
static json_t *file_entry(struct digest *d, json_t *path)
{
	size_t n = json_array_size(d->fmt.files);
	json_t *last = n > 0 ? json_array_get(d->fmt.files, n - 1) : NULL;
	json_t *entry;

	if (last && json_equal(json_object_get(last, "file"), path)) {
		json_decref(path);
		return last;
	}
	entry = json_object();
	value_put(d, entry, "file", path);
	value_put(d, entry, "hunks", json_array());
	return value_keep(d, d->fmt.files, DIGEST_ARTIFACTS_MAX, entry) ? entry : NULL;
}

static void hunk_start(struct digest *d, json_t *path, uint64_t line)
{
	json_t *entry = file_entry(d, path);
	json_t *hunk;

	d->fmt.in_hunk = true;
	d->fmt.hunks++;
	if (!entry || d->fmt.hunks > HUNKS_MAX || !value_charge(d, 64)) {
		d->fmt.truncated++;
		return;
	}
	hunk = json_object();
	value_put_count(d, hunk, "line", line);
	value_put(d, hunk, "original", json_null());
	value_put(d, hunk, "expected", json_null());
	if (json_array_append_new(json_object_get(entry, "hunks"), hunk) < 0) {
		d->failed = -ENOMEM;
		return;
	}
	d->fmt.hunk = hunk;
}

/* "PATH:12:" or "PATH at line 12:"; @text is NUL-terminated and written to. */
static bool split_place(char *text, size_t len, uint64_t *ret_line)
{
	static const char old[] = " at line ";
	char *cut;
	size_t skip = 1;

	if (len < 3 || text[len - 1] != ':')
		return false;
	text[len - 1] = '\0';
	cut = strrchr(text, ':');
	if (!cut || num_parse_u64(cut + 1, INT32_MAX, ret_line) < 0) {
		cut = memmem(text, len - 1, old, sizeof(old) - 1);
		skip = sizeof(old) - 1;
	}
	if (!cut || num_parse_u64(cut + skip, INT32_MAX, ret_line) < 0)
		return false;
	*cut = '\0';
	return true;
}

static bool title_line(struct digest *d, const char *line, size_t len)
{
	char text[DIGEST_PATH_BYTES_MAX];
	uint64_t number;

	if (!text_starts(line, len, "Diff in ") || len - 8 >= sizeof(text))
		return false;
	len -= 8;
	(void)memcpy(text, line + 8, len);
	text[len] = '\0';
	if (!split_place(text, len, &number))
		return false;
	hunk_end(d);
	hunk_start(d, value_path(d, d->cwd, text), number);
	return true;
}

static void hunk_append(struct digest *d, struct buf *side, const char *line, size_t len)
{
	int r = side->len > DIGEST_STRING_BYTES_MAX ? 0 : buf_append(side, line, len);

	if (r == 0)
		r = buf_append(side, "\n", 1);
	if (r < 0)
		d->failed = r;
}

static void diff_line(struct digest *d, const char *line, size_t len)
{
	static const char blank = ' ';
	char mark = *(len > 0 ? line : &blank);
	size_t skip = len > 0;

	if (title_line(d, line, len) || !d->fmt.in_hunk || !d->fmt.hunk)
		return;
	if (mark != ' ' && mark != '-' && mark != '+') {
		hunk_end(d);
		return;
	}
	if (mark != '+')
		hunk_append(d, &d->fmt.original, line + skip, len - skip);
	if (mark != '-')
		hunk_append(d, &d->fmt.expected, line + skip, len - skip);
}

/* "\033(B", the terminal's way back to plain letters, is not among what text_append_safe knows. */
static void strip_charset(struct buf *b)
{
	size_t to = 0;

	for (size_t i = 0; i < b->len; i++) {
		if (b->data[i] == 0x1b && i + 2 < b->len && b->data[i + 1] == '(') {
			i += 2;
			continue;
		}
		b->data[to++] = b->data[i];
	}
	b->len = to;
}

static void plain_line(struct digest *d, enum digest_stream stream, const char *line, size_t len)
{
	if (stream == DIGEST_STDOUT)
		diff_line(d, line, len);
	else
		cargo_stderr_line(d, line, len);
}

void rustfmt_line(struct digest *d, enum digest_stream stream, const char *line, size_t len)
{
	struct buf raw = {0};
	struct buf plain = {0};
	int r;

	if (!memchr(line, 0x1b, len)) {
		plain_line(d, stream, line, len);
		return;
	}
	r = buf_append(&raw, line, len);
	if (r == 0) {
		strip_charset(&raw);
		r = text_append_safe(&plain, raw.data, raw.len);
	}
	if (r == 0 && plain.len > 0)
		plain_line(d, stream, plain.data, plain.len);
	else if (r < 0)
		d->failed = r;
	buf_fini(&raw);
	buf_fini(&plain);
}

static void put_hunks(struct digest *d, struct buf *text)
{
	json_t *file;
	size_t i;

	json_array_foreach(d->fmt.files, i, file) {
		json_t *hunk;
		size_t k;

		json_array_foreach(json_object_get(file, "hunks"), k, hunk) {
			json_int_t line = json_integer_value(json_object_get(hunk, "line"));
			const char *original = value_get_string(hunk, "original");
			const char *expected = value_get_string(hunk, "expected");

			if (text->len + strlen(original) + strlen(expected) + 512 >
			    DIGEST_TEXT_BYTES_MAX) {
				report_puts(d, text, "\n[more in data.files]\n");
				return;
			}
			if (buf_printf(text, "\n%s:%jd is\n%sshould be\n%s",
				       value_get_string(file, "file"), (intmax_t)line, original,
				       expected) < 0)
				d->failed = -ENOMEM;
		}
	}
}

void rustfmt_finish(struct digest *d, struct reply *reply)
{
	size_t n_files;
	bool differs;

	cargo_stderr_end(d);
	hunk_end(d);
	n_files = json_array_size(d->fmt.files);
	differs = n_files > 0;
	value_put(d, reply->data, "success",
		  d->exit_known ? json_boolean(d->exit_success) : json_null());
	value_put_bool(d, reply->data, "formatted", d->exit_known && d->exit_success && !differs);
	value_put_bool(d, reply->data, "check", d->fmt.check);
	diagnostic_fill(d, reply->data);
	value_put(d, reply->data, "files", json_incref(d->fmt.files));
	value_put_count(d, reply->data, "hunks_truncated", d->fmt.truncated);
	report_summary(d, &reply->text, d->exit_success,
		       differs		 ? ", formatting differs"
		       : d->exit_success ? ", everything is formatted"
					 : NULL);
	report_diagnostics(d, &reply->text);
	put_hunks(d, &reply->text);
}
