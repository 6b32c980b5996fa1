/*
 * Theory of operation: one diff, rendered twice. Hunks have room or are left out whole and counted,
 * since half of a hunk cannot be applied. Lines come from files, so they pass answer_append_utf8.
 */
#include "tools/cell/files/patch_data.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "workspace/diff.h"

#define NO_NEWLINE "\\ No newline at end of file"

static json_t *line_string(const struct diff_line *line)
{
	struct buf text = {0};
	json_t *value = NULL;

	if (buf_append(&text, &line->mark, 1) == 0 &&
	    answer_append_utf8(&text, line->text, line->len) >= 0)
		value = json_stringn_nocheck(text.data, text.len);
	buf_fini(&text);
	return value;
}

static json_t *hunk_lines(const struct diff *diff, const struct diff_hunk *hunk)
{
	json_t *lines = json_array();

	for (size_t i = 0; lines && i < hunk->count; i++) {
		const struct diff_line *line = &diff->lines[hunk->first + i];
		int r = json_array_append_new(lines, line_string(line));

		if (r == 0 && line->no_newline)
			r = json_array_append_new(lines, json_string(NO_NEWLINE));
		if (r < 0) {
			json_decref(lines);
			return NULL;
		}
	}
	return lines;
}

static size_t hunk_bytes(const struct diff *diff, const struct diff_hunk *hunk)
{
	size_t n = 0;

	for (size_t i = 0; i < hunk->count; i++)
		n += diff->lines[hunk->first + i].len + 4;
	return n;
}

static json_t *make_hunk(const struct diff *diff, const struct diff_hunk *hunk)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "oldStart", (json_int_t)hunk->old_start,
			 "oldLines", (json_int_t)hunk->old_lines, "newStart",
			 (json_int_t)hunk->new_start, "newLines", (json_int_t)hunk->new_lines,
			 "lines", hunk_lines(diff, hunk));
}

/* Return: the hunks that have room, from the first on; NULL without memory. */
static json_t *make_hunks(const struct diff *diff, size_t *ret_left_out)
{
	json_t *hunks = json_array();
	size_t room = PATCH_DATA_BYTES_MAX;
	size_t left_out = 0;

	for (size_t i = 0; hunks && i < diff->n_hunks; i++) {
		size_t bytes = hunk_bytes(diff, &diff->hunks[i]) + 64;

		if (left_out > 0 || bytes > room) {
			left_out++;
			continue;
		}
		room -= bytes;
		if (json_array_append_new(hunks, make_hunk(diff, &diff->hunks[i])) < 0) {
			json_decref(hunks);
			return NULL;
		}
	}
	*ret_left_out = left_out;
	return hunks;
}

/* @value (stolen) below @key of @object, which is the answer's. */
static void put(struct answer *a, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0 && a->failed == 0)
		a->failed = -ENOMEM;
}

static void put_count(struct answer *a, json_t *object, const char *key, size_t n)
{
	put(a, object, key, json_integer((json_int_t)n));
}

/* "a/NAME" as diff_append_unified wants it, or "/dev/null". */
static int make_name(struct buf *dst, const char *prefix, const char *name, bool there)
{
	int r = buf_puts(dst, !there ? "/dev/null" : name[0] == '/' ? "" : prefix);

	return r == 0 && there ? buf_puts(dst, name) : r;
}

static int make_unified(const struct diff *diff, const char *name, bool has_old, bool has_new,
			struct buf *ret)
{
	CLEANUP(buf_fini) struct buf old_name = {0};
	CLEANUP(buf_fini) struct buf new_name = {0};
	int r = make_name(&old_name, "a/", name, has_old);

	if (r == 0)
		r = make_name(&new_name, "b/", name, has_new);
	return r == 0 ? diff_append_unified(ret, diff, old_name.data, new_name.data) : r;
}

/* Whole lines only. */
static size_t unified_room(const struct buf *unified)
{
	const char *nl;

	if (unified->len <= PATCH_DATA_UNIFIED_MAX)
		return unified->len;
	nl = memrchr(unified->data, '\n', PATCH_DATA_UNIFIED_MAX);
	return nl ? (size_t)(nl - unified->data) + 1 : 0;
}

static void put_diff(struct answer *a, json_t *object, const struct diff *diff,
		     const struct buf *unified)
{
	size_t shown = unified_room(unified);
	size_t left_out = 0;
	json_t *hunks = make_hunks(diff, &left_out);

	put(a, object, "structured_patch", hunks);
	put_count(a, object, "patch_truncated", left_out);
	put(a, object, "diff", answer_string(unified->data, shown));
	put_count(a, object, "diff_truncated", unified->len - shown);
	put_count(a, object, "added", diff->added);
	put_count(a, object, "removed", diff->removed);
	put(a, object, "binary", json_false());
}

/* No lines to show: binary content, or more lines than a diff takes. */
static void put_nothing(struct answer *a, json_t *object, bool binary)
{
	static const char *const unknown[] = {"patch_truncated", "diff_truncated", "added",
					      "removed"};

	put(a, object, "structured_patch", json_array());
	put(a, object, "diff", json_null());
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		put(a, object, unknown[i], json_null());
	put(a, object, "binary", json_boolean(binary));
}

void patch_data_put(struct answer *a, json_t *object, const char *name, const char *old,
		    size_t old_len, const char *new, size_t new_len)
{
	CLEANUP(diff_fini) struct diff diff = {0};
	CLEANUP(buf_fini) struct buf unified = {0};
	bool binary = (old && diff_is_binary(old, old_len)) || (new &&diff_is_binary(new, new_len));
	int r;

	if (binary) {
		put_nothing(a, object, true);
		return;
	}
	r = diff_make(old ? old : "", old_len, new ? new : "", new_len, DIFF_CONTEXT, &diff);
	if (r == 0)
		r = make_unified(&diff, name, old != NULL, new != NULL, &unified);
	if (r == 0)
		put_diff(a, object, &diff, &unified);
	else if (r == -E2BIG)
		put_nothing(a, object, false);
	else if (a->failed == 0)
		a->failed = r;
}
