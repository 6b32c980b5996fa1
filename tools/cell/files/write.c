/*
 * Theory of operation: the content is written as it was given, byte by byte; nothing is added or
 * translated. What stood there before is read for the patch and for expected_digest only, so a file
 * that may be written but not read, or is too large to compare, is replaced all the same.
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

static void put_result(const struct files_call *call, const struct path *path, const char *content,
		       size_t len, const struct store_file *old, bool known, struct answer *a)
{
	bool fresh = path->num != 0;
	size_t lines = text_lines(content, len, NULL);
	char digest[STORE_DIGEST_MAX];

	store_digest(content, len, digest);
	answer_put(a, "type", json_string(fresh ? "create" : "update"));
	answer_put(a, "file_path", answer_string(path->asked, strlen(path->asked)));
	answer_put(a, "digest", json_string(digest));
	answer_put_count(a, "size", len);
	answer_put_count(a, "nlink", fresh ? 1 : path->st.st_nlink);
	if (fresh || known) {
		patch_data_put(a, a->data, path_relative(call, path), fresh ? NULL : old->data,
			       old->len, content, len);
	} else {
		answer_put(a, "structured_patch", json_array());
		answer_put(a, "diff", json_null());
	}
	answer_printf(a, "%s %s: %zu bytes, %zu line%s.\n", fresh ? "Created" : "Updated",
		      path->shown, len, lines, lines == 1 ? "" : "s");
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
	const char *expected;
	struct path path;
	const char *content;
	size_t len;
	bool known = false;
	int r;

	if (args_check(call->arguments, "", rows, ARRAY_SIZE(rows), a) < 0 ||
	    path_resolve(call, args_string(call->arguments, "file_path", ""), &path, a) < 0 ||
	    path_check_write(&path, a) < 0)
		return 0;
	expected = args_string(call->arguments, "expected_digest", NULL);
	content = args_string(call->arguments, "content", "");
	len = args_string_len(call->arguments, "content");
	if (path.num && path.num != ENOENT)
		return path_refuse(&path, "write", path.num, a);
	r = path.num ? 0 : load_old(&path, expected != NULL, &old, &known, a);
	if (r == 0)
		r = store_check_digest(expected, &path, path.num ? NULL : &old, a);
	if (r == 0)
		r = replace(&path, content, len, path.num != 0, a);
	if (r == 0)
		put_result(call, &path, content, len, &old, known, a);
	return a->success ? r : 0;
}
