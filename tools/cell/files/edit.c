/*
 * Theory of operation: the file is loaded and decoded once, each edit makes a new text of the one
 * before, and only when all of them were possible is the last text encoded and put in place:
 *
 *	load --> text_look --> edit 1 --> edit 2 --> ... --> text_encode --> store
 *
 * A string matches byte by byte. In a file whose lines all end in "\r\n", line feeds of old_string and
 * new_string that stand alone become "\r\n" first; in one with both kinds that is tried when the
 * string is not there as it is. A byte order mark is no part of the text and stays.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/cell/files/args.h"
#include "tools/cell/files/closest.h"
#include "tools/cell/files/files.h"
#include "tools/cell/files/patch_data.h"
#include "tools/cell/files/path.h"
#include "tools/cell/files/store.h"
#include "tools/cell/files/text.h"

#define EDITS_MAX 1000U
#define LINES_NAMED_MAX 20U
#define STRING_SHOWN_MAX ((size_t)1000)

struct edit_string {
	const char *data;
	size_t len;
	struct buf room; /* when it had to be translated */
};

struct job {
	const struct files_call *call;
	json_t *edits; /* borrowed; each with old_string, new_string, replace_all? */
	bool multi;
	struct path path;
	struct store_file file;
	struct text text; /* of the file as it was */
	struct buf now;	  /* ... and as it is to be, decoded */
	size_t replaced;
};

static void job_fini(struct job *job)
{
	store_file_fini(&job->file);
	text_fini(&job->text);
	buf_fini(&job->now);
}

static void edit_string_fini(struct edit_string *s)
{
	buf_fini(&s->room);
}

static struct edit_string get_string(json_t *edit, const char *name)
{
	return (struct edit_string){.data = args_string(edit, name, ""),
				    .len = args_string_len(edit, name)};
}

/* Each line feed that stands alone gets its carriage return. */
static int to_crlf(struct edit_string *s)
{
	const char *p = s->data;
	const char *end = p + s->len;
	int r = 0;

	while (p < end && r == 0) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);
		bool alone = nl && (nl == s->data || nl[-1] != '\r');

		r = buf_append(&s->room, p, n);
		if (r == 0 && nl)
			r = buf_puts(&s->room, alone ? "\r\n" : "\n");
		p += n + (nl != NULL);
	}
	if (r == 0 && s->room.len > 0) {
		s->data = s->room.data;
		s->len = s->room.len;
	}
	return r;
}

struct matches {
	size_t n;
	size_t n_lines;
	size_t lines[LINES_NAMED_MAX]; /* of the first ones, from 1 */
};

static size_t count_feeds(const char *p, const char *end)
{
	size_t n = 0;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		n++;
		p++;
	}
	return n;
}

static struct matches find_all(const struct buf *text, const struct edit_string *old)
{
	struct matches m = {0};
	const char *p = text->data;
	const char *end = p + text->len;
	const char *counted = p;
	const char *hit;
	size_t line = 1;

	while (p < end && (hit = memmem(p, (size_t)(end - p), old->data, old->len))) {
		if (m.n_lines < LINES_NAMED_MAX) {
			line += count_feeds(counted, hit);
			counted = hit;
			m.lines[m.n_lines++] = line;
		}
		m.n++;
		p = hit + old->len;
	}
	return m;
}

/* Words that say which edit: "" when there is only one. */
static const char *which(const struct job *job, size_t index, char *dst, size_t cap)
{
	dst[0] = '\0';
	if (job->multi)
		(void)snprintf(dst, cap, "Edit %zu of %zu: ", index + 1,
			       json_array_size(job->edits));
	return dst;
}

static void put_where(const struct job *job, size_t index, struct answer *a)
{
	if (job->multi) {
		answer_put_count(a, "edit", index + 1);
		answer_fail_note(a, "Nothing was written.\n");
	}
	answer_put(a, "file_path", answer_string(job->path.asked, strlen(job->path.asked)));
}

static void note_string(const struct edit_string *s, struct answer *a)
{
	size_t n = MIN(s->len, STRING_SHOWN_MAX);

	answer_printf(a, "String: ");
	answer_bytes(a, s->data, n);
	if (n < s->len)
		answer_printf(a, "... (%zu more bytes)", s->len - n);
	answer_fail_note(a, "\n");
}

/* Return: -EPERM, or -ENOMEM. */
static int fail_not_found(const struct job *job, size_t index, const struct edit_string *old,
			  struct answer *a)
{
	char words[64];
	int r;

	(void)answer_fail(a, "not_found_in_file", "%sString to replace not found in file %s.\n",
			  which(job, index, words, sizeof(words)), job->path.shown);
	note_string(old, a);
	if (index > 0 && job->text.len > 0 &&
	    memmem(job->text.data, job->text.len, old->data, old->len))
		answer_fail_note(a,
				 "It was there until an earlier one of these edits changed it.\n");
	r = closest_note(job->now.data ? job->now.data : "", job->now.len, old->data, old->len, a);
	put_where(job, index, a);
	return r < 0 ? r : -EPERM;
}

static int fail_ambiguous(const struct job *job, size_t index, const struct edit_string *old,
			  const struct matches *m, struct answer *a)
{
	json_t *lines = json_array();
	char words[64];

	(void)answer_fail(a, "ambiguous",
			  "%sFound %zu matches of the string to replace, but replace_all is false. "
			  "They are at line",
			  which(job, index, words, sizeof(words)), m->n);
	for (size_t i = 0; i < m->n_lines; i++) {
		answer_printf(a, "%s %zu", i ? "," : m->n_lines > 1 ? "s" : "", m->lines[i]);
		if (json_array_append_new(lines, json_integer((json_int_t)m->lines[i])) < 0)
			a->failed = -ENOMEM;
	}
	answer_fail_note(
		a,
		"%s of %s. To replace all occurrences, set replace_all to true; to replace "
		"one, give more of the text around it.\n",
		m->n > m->n_lines ? ", ..." : "", job->path.shown);
	note_string(old, a);
	answer_put_count(a, "matches", m->n);
	answer_put(a, "lines", lines);
	put_where(job, index, a);
	return -EPERM;
}

static int fail_edit(const struct job *job, size_t index, const char *code, const char *why,
		     struct answer *a)
{
	char words[64];

	(void)answer_fail(a, code, "%s%s\n", which(job, index, words, sizeof(words)), why);
	put_where(job, index, a);
	return -EPERM;
}

/* Every match (there is at least one) of @old in job->now becomes @new. */
static int replace_all(struct job *job, const struct edit_string *old,
		       const struct edit_string *new)
{
	struct buf out = {.cap = STORE_EDIT_BYTES_MAX};
	const char *p = job->now.data;
	const char *end = p + job->now.len;
	const char *hit;
	int r = buf_reserve(&out, job->now.len);

	while (r == 0 && p < end && (hit = memmem(p, (size_t)(end - p), old->data, old->len))) {
		r = buf_append(&out, p, (size_t)(hit - p));
		if (r == 0)
			r = buf_append(&out, new->data, new->len);
		p = hit + old->len;
		job->replaced++;
	}
	if (r == 0)
		r = buf_append(&out, p, (size_t)(end - p));
	if (r < 0) {
		buf_fini(&out);
		return r;
	}
	buf_fini(&job->now);
	job->now = out;
	return 0;
}

/* The first edit of a file that is new or empty. */
static int fill_empty(struct job *job, size_t index, const struct edit_string *new,
		      struct answer *a)
{
	if (index > 0)
		return fail_edit(job, index, "empty_old_string",
				 "old_string is empty; only the first edit of a new file may have "
				 "an empty one.",
				 a);
	if (job->now.len > 0)
		return fail_edit(job, index, "empty_old_string",
				 "old_string is empty, but the file exists and is not empty. To "
				 "replace all of it use Write; to insert, give text that is there.",
				 a);
	job->replaced++;
	return buf_append(&job->now, new->data, new->len);
}

static int apply(struct job *job, size_t index, struct answer *a)
{
	json_t *edit = json_array_get(job->edits, index);
	CLEANUP(edit_string_fini) struct edit_string old = get_string(edit, "old_string");
	CLEANUP(edit_string_fini) struct edit_string new = get_string(edit, "new_string");
	struct matches m = {0};
	int r = 0;

	if (old.len == new.len && memcmp(old.data, new.data, old.len) == 0)
		return fail_edit(job, index, "no_change",
				 "No changes to make: old_string and new_string are exactly the "
				 "same.",
				 a);
	if (old.len == 0)
		return fill_empty(job, index, &new, a);
	if (job->text.ending == TEXT_CRLF)
		r = to_crlf(&new);
	if (r == 0 && job->text.ending == TEXT_CRLF)
		r = to_crlf(&old);
	if (r == 0 && job->now.len > 0)
		m = find_all(&job->now, &old);
	if (r == 0 && m.n == 0 && job->text.ending == TEXT_MIXED &&
	    memchr(old.data, '\n', old.len)) {
		r = to_crlf(&old);
		if (r == 0)
			r = to_crlf(&new);
		if (r == 0)
			m = find_all(&job->now, &old);
	}
	if (r < 0)
		return r;
	if (m.n == 0)
		return fail_not_found(job, index, &old, a);
	if (m.n > 1 && !args_bool(edit, "replace_all", false))
		return fail_ambiguous(job, index, &old, &m, a);
	r = replace_all(job, &old, &new);
	if (r == -E2BIG)
		return fail_edit(job, index, "too_large",
				 "The file would become larger than 64 MB, which is not edited.",
				 a);
	return r;
}

static bool first_creates(const struct job *job)
{
	return args_string_len(json_array_get(job->edits, 0), "old_string") == 0;
}

static int load(struct job *job, const char *expected, struct answer *a)
{
	int r = path_check_write(&job->path, a);
	bool creates = job->path.num == ENOENT && first_creates(job);

	if (r == 0 && !creates)
		r = store_load(&job->path, STORE_EDIT_BYTES_MAX, &job->file, a);
	if (r == 0)
		r = store_check_digest(expected, &job->path, creates ? NULL : &job->file, a);
	if (r < 0 || creates)
		return r;
	r = text_look(job->file.data ? job->file.data : "", job->file.len, &job->text);
	/* UTF-16 that is broken is edited as the bytes that it is. */
	if (r == -EILSEQ) {
		job->text = (struct text){.encoding = TEXT_BYTES,
					  .data = job->file.data,
					  .len = job->file.len};
		r = 0;
	}
	return r == 0 ? buf_append(&job->now, job->text.data, job->text.len) : r;
}

static int save(struct job *job, const struct buf *bytes, struct answer *a)
{
	CLEANUP(store_fini) struct store store;
	bool fresh = job->path.num != 0;
	int r;

	store_init(&store);
	r = store_prepare(&store, &job->path, bytes->data ? bytes->data : "", bytes->len,
			  fresh ? NULL : &job->file.st, 0, a);
	return r == 0 ? store_commit(&store, &job->path, fresh, a) : r;
}

static void put_result(const struct job *job, const struct buf *bytes, struct answer *a)
{
	bool fresh = job->path.num != 0;
	char digest[STORE_DIGEST_MAX];
	const char *now = job->now.data ? job->now.data : "";

	store_digest(bytes->data ? bytes->data : "", bytes->len, digest);
	answer_put(a, "type", json_string(fresh ? "create" : "update"));
	answer_put(a, "file_path", answer_string(job->path.asked, strlen(job->path.asked)));
	answer_put_count(a, "edits", json_array_size(job->edits));
	answer_put_count(a, "replacements", job->replaced);
	answer_put(a, "digest", json_string(digest));
	answer_put_count(a, "size", bytes->len);
	answer_put_count(a, "nlink", fresh ? 1 : job->file.st.st_nlink);
	answer_put(a, "encoding", json_string(text_encoding_name(job->text.encoding)));
	patch_data_put(a, a->data, path_relative(job->call, &job->path),
		       fresh ? NULL : job->text.data, job->text.len, now, job->now.len);
	answer_printf(a, "%s %s: %zu replacement%s.\n", fresh ? "Created" : "Updated",
		      job->path.shown, job->replaced, job->replaced == 1 ? "" : "s");
	if (!fresh && job->file.st.st_nlink > 1)
		answer_printf(a,
			      "It had %ju names (hard links); the others still have the old "
			      "content.\n",
			      (uintmax_t)job->file.st.st_nlink);
	answer_printf(a, "\n");
	answer_bytes(a, args_string(a->data, "diff", ""), args_string_len(a->data, "diff"));
	if (args_count(a->data, "diff_truncated", 0) > 0)
		answer_printf(a, "[%zu more bytes of diff left out]\n",
			      args_count(a->data, "diff_truncated", 0));
}

static int edit_file(struct job *job, struct answer *a)
{
	CLEANUP(buf_fini) struct buf bytes = {.cap = 2 * STORE_EDIT_BYTES_MAX};
	json_t *arguments = job->call->arguments;
	int r = path_resolve(job->call, args_string(arguments, "file_path", ""), &job->path, a);

	job->now.cap = 2 * STORE_EDIT_BYTES_MAX;
	if (r == 0)
		r = load(job, args_string(arguments, "expected_digest", NULL), a);
	for (size_t i = 0; r == 0 && i < json_array_size(job->edits); i++)
		r = apply(job, i, a);
	if (r == 0 && job->path.num == 0 && job->now.len == job->text.len &&
	    (job->now.len == 0 || memcmp(job->now.data, job->text.data, job->now.len) == 0))
		r = fail_edit(job, json_array_size(job->edits) - 1, "no_change",
			      "No changes to make: the edits cancel each other out.", a);
	if (r == 0)
		r = text_encode(&bytes, job->text.encoding, job->now.data ? job->now.data : "",
				job->now.len);
	if (r == -EILSEQ)
		r = fail_edit(job, 0, "encoding",
			      "The result is not UTF-8, so it cannot be UTF-16.", a);
	if (r == 0)
		r = save(job, &bytes, a);
	if (r == 0)
		put_result(job, &bytes, a);
	return a->success ? r : 0;
}

static const struct args_row edit_rows[] = {
	{"old_string", ARGS_STRING, true},
	{"new_string", ARGS_STRING, true},
	{"replace_all", ARGS_BOOL, false},
};

int files_edit(const struct files_call *call, struct answer *a)
{
	static const struct args_row rows[] = {
		{"file_path", ARGS_PATH, true},		 {"old_string", ARGS_STRING, true},
		{"new_string", ARGS_STRING, true},	 {"replace_all", ARGS_BOOL, false},
		{"expected_digest", ARGS_STRING, false},
	};
	CLEANUP(job_fini) struct job job = {.call = call};
	int r;

	if (args_check(call->arguments, "", rows, ARRAY_SIZE(rows), a) < 0)
		return 0;
	job.edits = json_pack("[O]", call->arguments);
	if (!job.edits)
		return -ENOMEM;
	r = edit_file(&job, a);
	json_decref(job.edits);
	return r;
}

int files_multiedit(const struct files_call *call, struct answer *a)
{
	static const struct args_row rows[] = {
		{"file_path", ARGS_PATH, true},
		{"edits", ARGS_ARRAY, true},
		{"expected_digest", ARGS_STRING, false},
	};
	CLEANUP(job_fini) struct job job = {.call = call, .multi = true};

	if (args_check(call->arguments, "", rows, ARRAY_SIZE(rows), a) < 0)
		return 0;
	job.edits = json_object_get(call->arguments, "edits");
	if (json_array_size(job.edits) > EDITS_MAX)
		return answer_fail(a, "arguments", "Argument edits has more than %u edits.",
				   EDITS_MAX);
	for (size_t i = 0; i < json_array_size(job.edits); i++) {
		char where[32];

		(void)snprintf(where, sizeof(where), "edits[%zu].", i);
		if (args_check(json_array_get(job.edits, i), where, edit_rows,
			       ARRAY_SIZE(edit_rows), a) < 0)
			return 0;
	}
	return edit_file(&job, a);
}
