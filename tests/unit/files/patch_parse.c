/* Theory of operation: patches in, and what the parser says of them; for bad ones, where and why. */
#include "tools/cell/files/patch_parse.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define BEGIN "*** Begin Patch\n"
#define END "*** End Patch\n"

static const char ops[] = "madrc"; /* by enum patch_op: modify, add, delete, rename, copy */

/* "m a.c +2-1/1; a b ..." so that a whole patch is one string. */
static void describe(const struct patch *patch, struct buf *out)
{
	for (size_t i = 0; i < patch->n_files; i++) {
		const struct patch_file *f = &patch->files[i];

		cr_assert_eq(buf_printf(out, "%s%c %s", i ? "; " : "", ops[f->op], f->path), 0);
		if (f->from)
			cr_assert_eq(buf_printf(out, " from %s", f->from), 0);
		if (f->mode)
			cr_assert_eq(buf_printf(out, " mode %o", f->mode), 0);
		for (size_t k = f->first; k < f->first + f->n_hunks; k++) {
			const struct patch_hunk *h = &patch->hunks[k];

			cr_assert_eq(buf_printf(out, " [%zu:-%zu+%zu", h->old_start, h->old_lines,
						h->new_lines),
				     0);
			for (size_t a = 0; a < h->n_anchors; a++)
				cr_assert_eq(buf_printf(out, " @%.*s",
							(int)patch->anchors[h->first_anchor + a]
								.len,
							patch->anchors[h->first_anchor + a].text),
					     0);
			cr_assert_eq(buf_printf(out, "%s%s%s]", h->numbered ? "" : " free",
						h->recounted ? " recounted" : "",
						h->end_of_file ? " eof" : ""),
				     0);
		}
	}
}

static const struct {
	const char *patch;
	const char *want;
} goods[] = {
	{"--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n", "m x.c [1:-2+2]"},
	{"--- x.c\n+++ x.c\n@@ -1 +1 @@ int f()\n-b\n+c\n", "m x.c [1:-1+1]"},
	{"--- orig/d/x.c\t2020-01-01 10:00:00\n+++ new/d/x.c\t2020-01-01 10:00:00\n"
	 "@@ -1 +1 @@\n-b\n+c\n",
	 "m d/x.c [1:-1+1]"},
	{"--- x.c.orig\n+++ x.c\n@@ -1 +1 @@\n-b\n+c\n", "m x.c [1:-1+1]"},
	{"--- /dev/null\n+++ b/n\n@@ -0,0 +1,2 @@\n+a\n+b\n", "a n [0:-0+2]"},
	{"--- a/n\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n", "d n [1:-2+0]"},
	{"diff -urN a/n b/n\n--- a/n\t1970-01-01 01:00:00.0 +0100\n+++ b/n\t2020-01-01 "
	 "01:00:00.0 +0100\n@@ -0,0 +1 @@\n+a\n",
	 "a n [0:-0+1]"},
	{"From: me\nSubject: words\n\n---\n x | 2 +-\n\ndiff --git a/x b/x\nindex 1..2 "
	 "100644\n"
	 "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-b\n+c\n-- \n2.39.2\n\n",
	 "m x [1:-1+1]"},
	{"diff --git a/x y b/x y\nold mode 100644\nnew mode 100755\n", "m x y mode 755"},
	{"diff --git a/e b/e\nnew file mode 100755\nindex 0..0\n", "a e mode 755"},
	{"diff --git a/e b/e\ndeleted file mode 100644\nindex 0..0\n", "d e"},
	{"diff --git a/o b/n\nsimilarity index 100%\nrename from o\nrename to n\n", "r n from o"},
	{"diff --git a/o b/n\ncopy from o\ncopy to n\n--- a/o\n+++ b/n\n@@ -1 +1 "
	 "@@\n-b\n+c\n",
	 "c n from o [1:-1+1]"},
	{"diff --git \"a/q\\\"\\303\\251\" \"b/q\\\"\\303\\251\"\n--- "
	 "\"a/q\\\"\\303\\251\"\n"
	 "+++ \"b/q\\\"\\303\\251\"\n@@ -1 +1 @@\n-b\n+c\n",
	 "m q\"\xc3\xa9 [1:-1+1]"},
	/* Removed and added lines that look like headers. */
	{"--- x\n+++ x\n@@ -1,2 +1,2 @@\n--- a\n+++ b\n c\n", "m x [1:-2+2]"},
	/* Headers that miscount, in between and with numbers too small. */
	{"--- x\n+++ x\n@@ -1,9 +1,9 @@\n a\n-b\n+c\n@@ -20 +20 @@\n-d\n+e\n",
	 "m x [1:-2+2 recounted] [20:-1+1]"},
	{"--- x\n+++ x\n@@ -1 +1 @@\n a\n-b\n+c\n", "m x [1:-2+2 recounted]"},
	{"--- x\n+++ x\n@@ -3,3 +3,3 @@\n a\n\n-b\n+c\n", "m x [3:-3+3]"},
	{"--- x\n+++ x\n@@\n a\n-b\n+c\n", "m x [0:-2+2 free]"},
	{"--- x\r\n+++ x\r\n@@ -1 +1 @@\r\n-b\r\n+c\r\n", "m x [1:-1+1]"},
	{BEGIN "*** Update File: a b.c\n@@ class A\n@@     def f\n x\n-y\n+z\n" END,
	 "m a b.c [0:-2+2 @class A @    def f free]"},
	{BEGIN "*** Update File: x\n-a\n+b\n@@\n-c\n*** End of File\n" END,
	 "m x [0:-1+1 free] [0:-1+0 free eof]"},
	{BEGIN "*** Update File: x\n*** Move to: y\n" END, "r y from x"},
	{BEGIN "*** Add File: n\n+a\n+\n\n*** Delete File: d\n\n" END, "a n [0:-0+2 free]; d d"},
	{BEGIN "*** Add File: empty\n" END, "a empty"},
	{"\n<<'EOF'\n" BEGIN "*** Delete File: d\n" END "EOF\n", "d d"},
	{"*** Begin Patch\r\n*** Update File: x\r\n@@\r\n a\r\n\r\n-b\r\n+c\r\n*** End "
	 "Patch",
	 "m x [0:-3+3 free]"},
};

Test(patch_parse, patches_say_what_they_say)
{
	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		struct buf out = {0};
		struct patch patch;
		struct err err = {0};
		int rc = patch_parse(goods[i].patch, strlen(goods[i].patch), &patch, &err);

		cr_expect_eq(rc, 0, "row %zu: %s", i, err.text);
		describe(&patch, &out);
		cr_expect_str_eq(out.data ? out.data : "", goods[i].want, "row %zu: %s", i,
				 out.data);
		buf_fini(&out);
		patch_fini(&patch);
	}
}

static const struct {
	const char *patch;
	const char *words;
} bads[] = {
	{"", "empty"},
	{" \n\t\n", "empty"},
	{"words\nmore\n", "no file is named"},
	{"@@ -1 +1 @@\n-a\n+b\n", "line 1 of the patch: a hunk without '--- FILE'"},
	{"--- x\n+++ x\n", "without any hunk"},
	{"--- x\n+++ x\n@@ -1,3 +1,3 @@\n a\n-b\n", "ends within this hunk"},
	{"--- x\n+++ x\n@@ -1,99999999999 +1 @@\n a\n", "cannot be read"},
	{"--- x\n+++ y\n@@ -1 +1 @@\n-a\n+b\n", "name two files"},
	{"--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-a\n+b\n", "both names"},
	{"--- /dev/null\n+++ x\n@@ -1 +1 @@\n-a\n+b\n", "must consist of added lines"},
	{"--- x\n+++ /dev/null\n@@ -1 +1 @@\n-a\n+b\n", "must consist of removed lines"},
	{"--- \n+++ \n@@ -1 +1 @@\n-a\n+b\n", "name of the file is missing"},
	{"--- \"a/x\n+++ \"b/x\n@@ -1 +1 @@\n-a\n+b\n", "quoted name"},
	{"--- \"a/x\\000\"\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "quoted name"},
	{"--- x\n+++ x\n@@ -1 +1 @@\n\\ No newline at end of file\n-a\n+b\n", "line above"},
	{"diff --git a/x b/x\nGIT binary patch\nliteral 3\n", "x is patched as binary"},
	{"diff --git a/x b/x\nBinary files a/x and b/x differ\n", "binary"},
	{"diff --git a/l b/l\nnew file mode 120000\n", "symbolic link"},
	{"diff --git a/l b/l\nnew file mode 160000\n", "submodule"},
	{"diff --git a/l b/l\nnew file mode 020666\n", "not one of a regular file"},
	{"diff --git a/l b/l\nold mode 10064\nnew mode 100755\n", "six digits"},
	{"diff --git a/o b/n\nrename from o\n", "belong together"},
	{"*** x\n--- x\n***************\n", "context diff"},
	{BEGIN END, "names no file"},
	{BEGIN "*** Add File: x\n+a\n", "without '*** End Patch'"},
	{BEGIN "*** Add File: x\na\n" END, "line 3 of the patch: every line of an added"},
	{BEGIN "*** Add File:\n+a\n" END, "name of the file is missing"},
	{BEGIN "*** Update File: x\n" END, "without any change"},
	{BEGIN "*** Update File: x\n@@ f\n" END, "without any change"},
	{BEGIN "*** Update File: x\nfoo\n" END, "begins with ' ', '-' or '+'"},
	{BEGIN "*** Delete File: x\n-a\n" END, "nothing belongs below"},
	{BEGIN "*** Move to: x\n" END, "right below"},
	{BEGIN "*** End of File\n" END, "belongs below a hunk"},
	{BEGIN "*** Update File: x\n-a\n*** End of File\n+b\n" END, "below '*** End of File'"},
	{BEGIN "-a\n" END, "expected '*** Add File: PATH'"},
	{BEGIN "*** Delete File: x\n" END "*** Delete File: y\n", "below '*** End Patch'"},
};

Test(patch_parse, bad_patches_are_refused_with_line_and_reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		struct patch patch;
		struct err err = {0};
		int rc = patch_parse(bads[i].patch, strlen(bads[i].patch), &patch, &err);

		cr_expect_eq(rc, -EINVAL, "row %zu: %d", i, rc);
		cr_expect_not_null(strstr(err.text, bads[i].words), "row %zu: %s", i, err.text);
		patch_fini(&patch);
	}
}

static int parse_repeated(const char *head, const char *each, size_t n, const char *tail,
			  struct err *err)
{
	struct buf text = {0};
	struct patch patch;
	int rc;

	cr_assert_eq(buf_puts(&text, head), 0);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(buf_puts(&text, each), 0);
	cr_assert_eq(buf_puts(&text, tail), 0);
	rc = patch_parse(text.data, text.len, &patch, err);
	patch_fini(&patch);
	buf_fini(&text);
	return rc;
}

Test(patch_parse, caps_are_named)
{
	static const struct {
		const char *head, *each;
		size_t n;
		const char *tail, *words;
	} rows[] = {
		{BEGIN, "*** Delete File: x\n", PATCH_FILES_MAX, END, NULL},
		{BEGIN, "*** Delete File: x\n", PATCH_FILES_MAX + 1, END, "more than 1000 files"},
		{"--- x\n+++ x\n", "@@ -1 +1 @@\n-a\n+b\n", PATCH_HUNKS_MAX, "", NULL},
		{"--- x\n+++ x\n", "@@ -1 +1 @@\n-a\n+b\n", PATCH_HUNKS_MAX + 1, "",
		 "more than 100000 hunks"},
		{BEGIN "*** Add File: x\n", "+a\n", PATCH_LINES_MAX + 1, END, "1000000 lines"},
		{BEGIN "*** Update File: x\n", "@@ a\n", PATCH_ANCHORS_MAX + 1, "+a\n" END,
		 "100000 lines of '@@'"},
		{"", "0123456789", PATCH_BYTES_MAX / 10 + 1, "", "10485760"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		int rc = parse_repeated(rows[i].head, rows[i].each, rows[i].n, rows[i].tail, &err);

		cr_expect_eq(rc, rows[i].words ? -E2BIG : 0, "row %zu: %d %s", i, rc, err.text);
		if (rows[i].words)
			cr_expect_not_null(strstr(err.text, rows[i].words), "row %zu: %s", i,
					   err.text);
	}
}

Test(patch_parse, long_runs_of_anything_are_linear, .timeout = 60)
{
	static const char *const runs[] = {"\n",     " \n",  "@@\n", "--- \n",
					   "+++ \n", "\\\n", "-- \n"};

	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		struct err err = {0};
		size_t n = 500000;

		(void)parse_repeated(BEGIN "*** Update File: x\n", runs[i], n, END, &err);
		(void)parse_repeated("--- x\n+++ x\n@@ -1,5 +1,5 @@\n a\n", runs[i], n, "x\n",
				     &err);
		(void)parse_repeated("diff --git a/x b/x\n", runs[i], n, "", &err);
	}
}
