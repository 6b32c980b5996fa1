/*
 * Theory of operation: the content is written as it was given, byte by byte, but into a file that begins
 * with a byte order mark in that file's encoding. What stood there before is read for this, for the
 * patch and for expected_digest only, so a file that may be written but not read, or is too large to
 * compare, is replaced all the same.
 */
#include <errno.h>
#include <string.h>

#include "tools/cell/files/args.h"
#include "tools/cell/files/files.h"
#include "tools/cell/files/patch_data.h"
#include "tools/cell/files/path.h"
#include "tools/cell/files/store.h"
#include "tools/cell/files/text.h"

/* What was there.  Return: 0, with @ret_known false when it cannot be compared; -EPERM; -errno. */
static int load_old(const struct path *path, bool needed, struct store_file *ret, bool *ret_known,
		    struct answer *a)
{
	struct answer ignored;
	int r;

	if (!S_ISREG(path->st.st_mode)) {
		(void)path_refuse_special(path, "write", path->st.st_mode, a);
		return -EPERM;
	}
	if (needed) {
		r = store_load(path, STORE_BYTES_MAX, ret, a);
	} else {
		answer_init(&ignored);
		r = store_load(path, STORE_EDIT_BYTES_MAX, ret, &ignored);
		*ret_known = r == 0;
		r = r == -EPERM ? 0 : r;
		answer_fini(&ignored);
		return r;
	}
	*ret_known = r == 0;
	return r;
}

static int replace(const struct path *path, const char *content, size_t len, bool fresh,
		   struct answer *a)
{
	CLEANUP(store_fini) struct store store;
	int r;

	store_init(&store);
	r = store_prepare(&store, path, content, len, fresh ? NULL : &path->st, 0, a);
	return r == 0 ? store_commit(&store, path, fresh, a) : r;
}

/* A file with a byte order mark keeps it and its encoding, as with Edit; other content is taken as it is. */
struct content {
	const char *text; /* as given, without a mark where the file has its own */
	size_t text_len;
	const char *bytes; /* of the file */
	size_t len;
	struct buf encoded;
	struct text was;
};

static void content_fini(struct content *c)
{
	buf_fini(&c->encoded);
	text_fini(&c->was);
}

static bool has_mark(const struct text *t)
{
	return t->encoding == TEXT_UTF8_BOM || t->encoding == TEXT_UTF16LE ||
	       t->encoding == TEXT_UTF16BE;
}

static int content_make(struct content *c, const struct store_file *old, bool known)
{
	static const char mark[] = "\xef\xbb\xbf";
	size_t mark_len = sizeof(mark) - 1;
	int r;

	c->bytes = c->text;
	c->len = c->text_len;
	if (!known || !old->data || text_look(old->data, old->len, &c->was) < 0 ||
	    !has_mark(&c->was))
		return 0;
	if (c->text_len >= mark_len && memcmp(c->text, mark, mark_len) == 0) {
		c->text += mark_len;
		c->text_len -= mark_len;
	}
	c->encoded.cap = STORE_BYTES_MAX;
	r = text_encode(&c->encoded, c->was.encoding, c->text, c->text_len);
	c->bytes = c->encoded.data;
	c->len = c->encoded.len;
	return r;
}

static void put_result(const struct files_call *call, const struct path *path,
		       const struct content *c, const struct store_file *old, bool known,
		       struct answer *a)
{
	bool fresh = path->num != 0;
	size_t lines = text_lines(c->text, c->text_len, NULL);
	bool decoded = has_mark(&c->was);
	const char *before = decoded ? c->was.data : old->data;
	size_t before_len = decoded ? c->was.len : old->len;
	char digest[STORE_DIGEST_MAX];

	store_digest(c->bytes, c->len, digest);
	answer_put(a, "type", json_string(fresh ? "create" : "update"));
	answer_put(a, "file_path", answer_string(path->asked, strlen(path->asked)));
	answer_put(a, "digest", json_string(digest));
	answer_put_count(a, "size", c->len);
	answer_put_count(a, "nlink", fresh ? 1 : path->st.st_nlink);
	if (fresh || known) {
		patch_data_put(a, a->data, path_relative(call, path), fresh ? NULL : before,
			       before_len, c->text, c->text_len);
	} else {
		answer_put(a, "structured_patch", json_array());
		answer_put(a, "diff", json_null());
	}
	answer_printf(a, "%s %s: %zu bytes, %zu line%s.\n", fresh ? "Created" : "Updated",
		      path->shown, c->len, lines, lines == 1 ? "" : "s");
	if (!fresh && path->st.st_nlink > 1)
		answer_printf(a,
			      "It had %ju names (hard links); the others still have the old "
			      "content.\n",
			      (uintmax_t)path->st.st_nlink);
}

int files_write(const struct files_call *call, struct answer *a)
{
	static const struct args_row rows[] = {
		{"file_path", ARGS_PATH, true},
		{"content", ARGS_STRING, true},
		{"expected_digest", ARGS_STRING, false},
	};
	CLEANUP(store_file_fini) struct store_file old = {0};
	CLEANUP(content_fini) struct content content = {0};
	const char *expected;
	struct path path;
	bool known = false;
	int r;

	if (args_check(call->arguments, "", rows, ARRAY_SIZE(rows), a) < 0 ||
	    path_resolve(call, args_string(call->arguments, "file_path", ""), &path, a) < 0 ||
	    path_check_write(&path, a) < 0)
		return 0;
	expected = args_string(call->arguments, "expected_digest", NULL);
	content.text = args_string(call->arguments, "content", "");
	content.text_len = args_string_len(call->arguments, "content");
	if (path.num && path.num != ENOENT)
		return path_refuse(&path, "write", path.num, a);
	r = path.num ? 0 : load_old(&path, expected != NULL, &old, &known, a);
	if (r == 0)
		r = store_check_digest(expected, &path, path.num ? NULL : &old, a);
	if (r == 0)
		r = content_make(&content, &old, known);
	if (r == 0)
		r = replace(&path, content.bytes, content.len, path.num != 0, a);
	if (r == 0)
		put_result(call, &path, &content, &old, known, a);
	return a->success ? r : 0;
}
