/*
 * Theory of operation: the whole verb on a folder of files. Rows of patches that apply, rows of ones that
 * must leave every file as it was and say why; then what only shows on disk: undoing, modes, links,
 * ends of lines; and costs.
 */
#include "support.h"

#include <errno.h>
#include <time.h>

#include "base/buf.h"
#include "tools/cell/files/patch_write.h"

#define BEGIN "*** Begin Patch\n"
#define END "*** End Patch\n"

TestSuite(patch, .init = ws_make, .fini = ws_remove);

static json_t *apply_len(const char *patch, size_t len)
{
	return run_json(files_patch, json_pack("{s:o}", "patch", json_stringn(patch, len)));
}

static json_t *apply(const char *patch)
{
	return apply_len(patch, strlen(patch));
}

static const char base[] = "fn a() {\n    one();\n}\n\nfn b() {\n    one();\n}\n\nfn c() {\n    "
			   "two();\n}\n";

struct good {
	const char *old; /* of file f; NULL: base */
	const char *patch;
	const char *want;
	const char *note; /* part of the text; NULL: no notes at all */
};

static const struct good goods[] = {
	{"a\nb\nc\n", "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n", "a\nB\nc\n", NULL},
	{"a\nb\nc\n", BEGIN "*** Update File: f\n@@\n a\n-b\n+B\n c\n" END, "a\nB\nc\n", NULL},
	{"a\nb\nc\n", BEGIN "*** Update File: ./f\n-b\n" END, "a\nc\n", NULL},
	{"a\nb\n", BEGIN "*** Update File: f\n+end\n" END, "a\nb\nend\n", NULL},
	{"x\na\nx\na\n", BEGIN "*** Update File: f\n@@\n x\n-a\n+b\n*** End of File\n" END,
	 "x\na\nx\nb\n", NULL},
	/* An anchor chooses among equals; the second hunk goes on below the first. */
	{NULL, BEGIN "*** Update File: f\n@@ fn b() {\n-    one();\n+    uno();\n" END,
	 "fn a() {\n    one();\n}\n\nfn b() {\n    uno();\n}\n\nfn c() {\n    two();\n}\n", NULL},
	{NULL,
	 BEGIN
	 "*** Update File: f\n@@\n fn a() {\n-    one();\n+    1;\n@@\n-    one();\n+    2;\n" END,
	 "fn a() {\n    1;\n}\n\nfn b() {\n    2;\n}\n\nfn c() {\n    two();\n}\n", NULL},
	/* Found elsewhere, with fuzz, in spite of blanks, with wrong counts. */
	{"1\n2\n3\na\nb\nc\n", "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n",
	 "1\n2\n3\na\nB\nc\n", "found 3 lines below, at line 4"},
	{"0\nX\na\nb\nc\nY\n", "--- f\n+++ f\n@@ -2,5 +2,5 @@\n x\n a\n-b\n+B\n c\n y\n",
	 "0\nX\na\nB\nc\nY\n", "fuzz 1"},
	{"a  \nb\n", "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n", "a  \nB\n",
	 "blanks at the end of"},
	{"\ta\nb\n", "--- f\n+++ f\n@@ -1,2 +1,2 @@\n     a\n-b\n+B\n", "\ta\nB\n",
	 "blanks at the ends of"},
	{"a\nb\nc\n", "--- f\n+++ f\n@@ -1,7 +1,7 @@\n a\n-b\n+B\nthe end\n", "a\nB\nc\n",
	 "counted anew"},
	{"t\nz\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\nt\nz\n",
	 "--- f\n+++ f\n@@ -2,2 +2,2 @@\n t\n-z\n+Z\n",
	 "t\nZ\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\nt\nz\n", "1 line above"},
	/* Ends of lines are the file's. */
	{"a\r\nb\r\n", "--- f\n+++ f\n@@ -1,2 +1,3 @@\n a\n-b\n+B\n+C\n", "a\r\nB\r\nC\r\n", NULL},
	{"a\r\nb\r\n", "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\r\n-b\r\n+B\r\n", "a\r\nB\r\n", NULL},
	{"a\nb\n", "--- f\r\n+++ f\r\n@@ -1,2 +1,2 @@\r\n a\r\n-b\r\n+B\r\n", "a\nB\n", NULL},
	{"a\r\nb\r\n", BEGIN "*** Update File: f\n+c\n" END, "a\r\nb\r\nc\r\n", NULL},
	{"a\nb", BEGIN "*** Update File: f\n-b\n+c\n" END, "a\nc", NULL},
	{"a\nb", "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n", "a\nc", NULL},
	{"a\nb", "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n",
	 "a\nc\n", NULL},
	{"a\nb\n", "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n",
	 "a\nb", NULL},
	{"\xef\xbb\xbf"
	 "a\nb\n",
	 BEGIN "*** Update File: f\n-a\n+A\n" END,
	 "\xef\xbb\xbf"
	 "A\nb\n",
	 NULL},
	{"\xef\xbb\xbf"
	 "a\n",
	 "--- f\n+++ f\n@@ -1 +1 @@\n-\xef\xbb\xbf"
	 "a\n+\xef\xbb\xbf"
	 "A\n",
	 "\xef\xbb\xbf"
	 "A\n",
	 NULL},
	{"\xef\xbb\xbf"
	 "a\n",
	 "--- f\n+++ f\n@@ -1 +1 @@\n-\xef\xbb\xbf"
	 "a\n+a\n",
	 "a\n", NULL},
	{"", BEGIN "*** Update File: f\n+a\n" END, "a\n", NULL},
	{"\xff\na\n", BEGIN "*** Update File: f\n-a\n+b\n" END, "\xff\nb\n", NULL},
	/* a/ on both sides, and a file that only exists without it. */
	{"a\n", "--- a/f\n+++ a/f\n@@ -1 +1 @@\n-a\n+b\n", "b\n", NULL},
};

Test(patch, what_fits_is_applied_and_what_was_forgiven_is_said)
{
	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		json_t *doc;

		put("f", goods[i].old ? goods[i].old : base);
		doc = apply(goods[i].patch);
		cr_assert(json_is_true(at(doc, "success")), "row %zu: %s", i, str_at(doc, "text"));
		expect_file("f", goods[i].want);
		if (goods[i].note)
			EXPECT_TEXT(doc, goods[i].note);
		cr_assert_eq(at(doc, "data.files.0.notes") != NULL, goods[i].note != NULL,
			     "row %zu: %s", i, str_at(doc, "text"));
		json_decref(doc);
	}
}

struct bad {
	const char *patch;
	const char *code;
	const char *words;
	size_t denials;
};

static const struct bad bads[] = {
	{BEGIN "*** Update File: f\n-    one();\n+    x();\n" END, "rejected", "at lines 2, 6", 0},
	{"--- f\n+++ f\n@@ -4 +4 @@\n-    one();\n+    x();\n", "rejected", "at lines 2, 6", 0},
	{BEGIN "*** Update File: f\n@@\n fn c() {\n-    six();\n+    x();\n" END, "rejected",
	 "expected 10:     six();", 0},
	{BEGIN "*** Update File: f\n@@\n fn c() {\n-    six();\n+    x();\n" END, "rejected",
	 "actual   10:     two();", 0},
	{BEGIN "*** Update File: f\n@@ fn z() {\n-    two();\n" END, "rejected",
	 "line behind '@@' is not in the file", 0},
	{BEGIN "*** Update File: f\n@@ fn c() {\n+    two();\n" END, "rejected",
	 "does not say where", 0},
	{BEGIN "*** Update File: f\n@@\n-    two();\n@@\n-fn a() {\n" END, "rejected",
	 "before the hunk above", 0},
	{BEGIN "*** Update File: f\n-fn a() {\n*** End of File\n" END, "rejected", "closest", 0},
	{"--- f\n+++ f\n@@ -90,0 +91 @@\n+x\n", "rejected", "the file has 11 lines", 0},
	{"--- f\n+++ /dev/null\n@@ -1 +0,0 @@\n-fn a() {\n", "rejected", "holds more than", 0},
	{"diff --git a/f b/f\ndeleted file mode 100644\n", "rejected", "holds more than", 0},
	/* The first part fits, the second does not. */
	{BEGIN "*** Delete File: g\n*** Update File: f\n-nothing\n" END, "rejected", "hunk 1", 0},
	{BEGIN "*** Add File: new/x\n+a\n*** Update File: f\n-nothing\n" END, "rejected", "hunk 1",
	 0},
	{BEGIN "*** Add File: f\n+a\n" END, "exists", "*** Update File:", 0},
	{BEGIN "*** Add File: d\n+a\n" END, "exists", "exists already", 0},
	{BEGIN "*** Update File: f\n*** Move to: g\n" END, "exists", "exists already", 0},
	{BEGIN "*** Update File: f\n*** Move to: f\n" END, "arguments", "to itself", 0},
	{BEGIN "*** Delete File: d\n" END, "is_directory", "folder", 0},
	{BEGIN "*** Delete File: link\n" END, "special", "link is a symbolic link", 0},
	{BEGIN "*** Update File: link\n*** Move to: m\n" END, "special", "symbolic link", 0},
	{BEGIN "*** Delete File: gone\n" END, "not_found", "gone does not exist", 0},
	{BEGIN "*** Update File: bin\n-a\n+b\n" END, "binary", "bin is binary", 0},
	{BEGIN "*** Update File: f\n@@\n fn a() {\n+x\n*** Delete File: ./f\n" END, "arguments",
	 "named twice", 0},
	{BEGIN
	 "*** Update File: f\n@@\n fn a() {\n+x\n*** Update File: link\n@@\n fn c() {\n+x\n" END,
	 "arguments", "named twice", 0},
	{BEGIN "*** Add File: n\n+a\n*** Add File: n\n+b\n" END, "arguments", "named twice", 0},
	{BEGIN "*** Add File: ../patch-out\n+a\n" END, "denied", "outside of the workspace", 1},
	{BEGIN "*** Add File: /patch-out\n+a\n" END, "denied", "outside of the workspace", 1},
	{BEGIN "*** Update File: /etc/passwd\n+a\n" END, "denied", "outside of the workspace", 1},
	{BEGIN "*** Update File: etc/passwd\n+a\n" END, "denied", "outside of the workspace", 1},
	{BEGIN "*** Add File: etc/patch-out\n+a\n" END, "denied", "outside of the workspace", 1},
	{BEGIN "*** Update File: f\n*** Move to: etc/patch-out\n" END, "denied", "outside", 1},
	{BEGIN "*** Add File: f/x\n+a\n" END, "not_found", "part of the path is a file", 0},
	{"no patch\n", "bad_patch", "no file is named", 0},
};

Test(patch, what_does_not_fit_changes_nothing_and_says_why)
{
	put("f", base);
	put("g", "g\n");
	put_bytes("bin", "a\0b\n", 4);
	cr_assert_eq(mkdir("d", 0755), 0);
	cr_assert_eq(symlink("f", "link"), 0);
	cr_assert_eq(symlink("/etc", "etc"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		json_t *doc = apply(bads[i].patch);

		cr_assert_str_eq(str_at(doc, "data.error"), bads[i].code, "row %zu: %s", i,
				 str_at(doc, "text"));
		expect_error(doc, bads[i].code);
		EXPECT_TEXT(doc, bads[i].words);
		expect_denials(doc, bads[i].denials);
		expect_file("f", base);
		expect_file("g", "g\n");
		cr_assert_eq(access("new", F_OK), -1, "row %zu", i);
		json_decref(doc);
	}
	cr_assert_eq(access("/patch-out", F_OK), -1);
}

Test(patch, rejects_are_told_all_at_once_for_programs_too)
{
	json_t *doc;

	put("f", base);
	put("g", "g\n");
	doc = apply(BEGIN "*** Update File: f\n@@\n-no\n@@\n fn c() {\n-    six();\n"
			  "*** Update File: g\n-h\n" END);
	expect_error(doc, "rejected");
	EXPECT_NUM(doc, "data.rejected", 3);
	EXPECT_STR(doc, "data.rejects.0.path", "f");
	EXPECT_NUM(doc, "data.rejects.1.hunk", 2);
	EXPECT_STR(doc, "data.rejects.1.reason", "not_found");
	EXPECT_NUM(doc, "data.rejects.1.closest_line", 9);
	EXPECT_STR(doc, "data.rejects.1.actual.0", "    two();");
	EXPECT_STR(doc, "data.rejects.2.path", "g");
	json_decref(doc);
}

Test(patch, several_files_at_once)
{
	struct stat st;
	json_t *doc;

	put("a", "1\n");
	put("b", "2\n");
	put("c", "3\n");
	cr_assert_eq(chmod("a", 0751), 0);
	doc = apply(BEGIN "*** Update File: a\n*** Move to: b\n-1\n+one\n*** Update File: b\n"
			  "*** Move to: a\n*** Delete File: c\n*** Add File: x/y/z\n+new\n" END);
	expect_ok(doc);
	expect_file("b", "one\n");
	expect_file("a", "2\n");
	expect_file("x/y/z", "new\n");
	cr_expect_eq(access("c", F_OK), -1);
	cr_assert_eq(stat("b", &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0751U, "%o", st.st_mode);
	EXPECT_STR(doc, "data.files.0.kind", "renamed");
	EXPECT_STR(doc, "data.files.0.from", "a");
	EXPECT_STR(doc, "data.files.2.kind", "deleted");
	EXPECT_STR(doc, "data.files.3.path", "x/y/z");
	json_decref(doc);
	cr_assert_eq(system("test -z \"$(find . -name '.*toolcell*')\""), 0);
}

Test(patch, modes_are_kept_and_set)
{
	struct stat st;

	put("a", "1\n");
	cr_assert_eq(chmod("a", 0640), 0);
	json_decref(apply("diff --git a/a b/a\nold mode 100644\nnew mode 100755\n--- a/a\n+++ b/a\n"
			  "@@ -1 +1 @@\n-1\n+2\n"));
	cr_assert_eq(stat("a", &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0750U, "%o", st.st_mode);
	json_decref(apply("diff --git a/a b/a\nold mode 100755\nnew mode 100644\n"));
	cr_assert_eq(stat("a", &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0640U, "%o", st.st_mode);
	expect_file("a", "2\n");
	json_decref(apply("diff --git a/s b/s\nnew file mode 100755\n--- /dev/null\n+++ b/s\n"
			  "@@ -0,0 +1 @@\n+#!/bin/sh\n"));
	cr_assert_eq(stat("s", &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0755U, "%o", st.st_mode);
}

Test(patch, utf_16_stays_utf_16)
{
	json_t *doc;

	put_bytes("f",
		  "\xff\xfe"
		  "a\0\n\0b\0\n\0",
		  10);
	doc = apply(BEGIN "*** Update File: f\n-b\n+c\n" END);
	expect_ok(doc);
	expect_bytes("f",
		     "\xff\xfe"
		     "a\0\n\0c\0\n\0",
		     10);
	json_decref(doc);
}

Test(patch, a_link_inside_is_written_through)
{
	json_t *doc;

	put("f", "a\n");
	cr_assert_eq(symlink("f", "link"), 0);
	doc = apply(BEGIN "*** Update File: link\n-a\n+b\n" END);
	expect_ok(doc);
	expect_file("f", "b\n");
	cr_expect_eq(readlink("link", (char[8]){0}, 8), 1);
	json_decref(doc);
}

Test(patch, arguments_are_patch_or_input)
{
	json_t *doc = run_json(files_patch,
			       json_pack("{s:s}", "input", BEGIN "*** Add File: x\n+a\n" END));

	expect_ok(doc);
	json_decref(doc);
	expect_file("x", "a\n");
	doc = run(files_patch, "{}");
	expect_error(doc, "arguments");
	json_decref(doc);
	doc = run(files_patch, "{'patch': 'x', 'input': 'y'}");
	expect_error(doc, "arguments");
	json_decref(doc);
	doc = run(files_patch, "{'patch': 'x', 'force': true}");
	expect_error(doc, "arguments");
	json_decref(doc);
}

static void look(const struct files_call *call, const char *name, struct path *ret,
		 struct answer *a)
{
	cr_assert_eq(path_resolve(call, name, ret, a), 0);
}

/* Four files in, and the last is not what was read: the others come back, folders go. */
Test(patch, what_was_renamed_is_put_back)
{
	static struct path paths[4];
	struct files_call call = {.workspace = ws};
	struct patch_action actions[4] = {0};
	struct answer answer;
	struct stat before;
	struct stat after;

	answer_init(&answer);
	put("a", "old a\n");
	put("b", "old b\n");
	put("d", "old d\n");
	cr_assert_eq(stat("a", &before), 0);
	look(&call, "a", &paths[0], &answer);
	look(&call, "b", &paths[1], &answer);
	look(&call, "new/c", &paths[2], &answer);
	look(&call, "d", &paths[3], &answer);
	for (size_t i = 0; i < 4; i++)
		actions[i] = (struct patch_action){
			.path = &paths[i],
			.remove = i == 1,
			.fresh = i == 2,
			.data = "new\n",
			.len = 4,
			.old = "?",
			.old_len = 1,
		};
	paths[3].st.st_mtim.tv_nsec ^= 1;
	cr_assert_eq(patch_write(actions, 4, &answer), -EPERM);
	expect_file("a", "old a\n");
	expect_file("b", "old b\n");
	expect_file("d", "old d\n");
	cr_expect_eq(access("new", F_OK), -1);
	cr_assert_eq(stat("a", &after), 0);
	cr_expect_eq(before.st_ino, after.st_ino);
	cr_expect_eq(after.st_nlink, 1U);
	cr_expect_eq(json_array_size(json_object_get(answer.data, "restored")), 3U);
	cr_expect_eq(json_array_size(json_object_get(answer.data, "not_restored")), 0U);
	cr_expect_not_null(strstr(answer.text.data, "3 files had been changed and were put back"),
			   "%s", answer.text.data);
	answer_fini(&answer);
	cr_assert_eq(system("test -z \"$(find . -name '.*toolcell*')\""), 0);
}

/* Of the processor: how long a busy machine makes of it is not ours. */
static double seconds(void)
{
	struct timespec t;

	cr_assert_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A million equal lines and hunks of many that differ in the last one only. */
Test(patch, hostile_searches_end, .timeout = 60)
{
	struct buf file = {0};
	struct buf patch = {0};
	double start;
	json_t *doc;

	for (size_t i = 0; i < 1000000; i++)
		cr_assert_eq(buf_puts(&file, "a\n"), 0);
	put_bytes("f", file.data, file.len);
	cr_assert_eq(buf_puts(&patch, BEGIN "*** Update File: f\n"), 0);
	for (size_t h = 0; h < 30; h++) {
		cr_assert_eq(buf_puts(&patch, "@@\n"), 0);
		for (size_t i = 0; i < 10000; i++)
			cr_assert_eq(buf_puts(&patch, " a\n"), 0);
		cr_assert_eq(buf_puts(&patch, "-b\n"), 0);
	}
	cr_assert_eq(buf_puts(&patch, END), 0);
	start = seconds();
	doc = apply_len(patch.data, patch.len);
	expect_error(doc, "rejected");
	EXPECT_TEXT(doc, "takes too long");
	cr_expect_lt(seconds() - start, 20.0, "%f", seconds() - start);
	cr_log_info("%f s", seconds() - start);
	json_decref(doc);
	buf_fini(&file);
	buf_fini(&patch);
}

Test(patch, a_thousand_files_are_one_patch)
{
	struct buf patch = {0};
	json_t *doc;

	cr_assert_eq(buf_puts(&patch, BEGIN), 0);
	for (size_t i = 0; i < 1000; i++)
		cr_assert_eq(buf_printf(&patch, "*** Add File: d%zu/f%zu\n+%zu\n", i % 7, i, i), 0);
	cr_assert_eq(buf_puts(&patch, END), 0);
	doc = apply_len(patch.data, patch.len);
	expect_ok(doc);
	expect_file("d5/f999", "999\n");
	cr_expect_eq(json_array_size(at(doc, "data.files")), 1000U);
	json_decref(doc);
	buf_fini(&patch);
}
