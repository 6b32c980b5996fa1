/* Edit and MultiEdit: exact, in order, all or nothing, and an answer that helps when it cannot be. */
#include "support.h"

TestSuite(edit, .init = ws_make, .fini = ws_remove);
TestSuite(multiedit, .init = ws_make, .fini = ws_remove);

static json_t *edit(const char *old, const char *new)
{
	return run_json(files_edit, json_pack("{s:s, s:s, s:s}", "file_path", "f", "old_string",
					      old, "new_string", new));
}

static const struct {
	const char *file, *old, *new, *want;
} rows[] = {
	{"a b c\n", "b", "x", "a x c\n"},
	{"a b c\n", "b ", "", "a c\n"},
	{"one\ntwo\nthree\n", "one\ntwo", "1\n2", "1\n2\nthree\n"},
	{"one\r\ntwo\r\n", "one\ntwo", "1\n2\n3", "1\r\n2\r\n3\r\n"},
	{"one\r\ntwo\r\n", "one\r\ntwo", "1\r\n2", "1\r\n2\r\n"},
	{"one\r\ntwo\r\n", "one", "1\n1", "1\r\n1\r\ntwo\r\n"},
	{"one\ntwo\r\nthree\r\n", "two\nthree", "2\n3", "one\n2\r\n3\r\n"},
	{"one\ntwo\r\nthree\r\n", "one\ntwo", "1\n2", "1\n2\r\nthree\r\n"},
	{"\xef\xbb\xbfone\n", "one", "1",
	 "\xef\xbb\xbf"
	 "1\n"},
	{"caf\xe9 one", "one", "1", "caf\xe9 1"},
	{"no end", "end", "newline", "no newline"},
	{"", "", "filled\n", "filled\n"},
	{"\xef\xbb\xbf", "", "x", "\xef\xbb\xbfx"},
};

Test(edit, every_kind_of_file_keeps_what_it_is)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *doc;

		put("f", rows[i].file);
		doc = edit(rows[i].old, rows[i].new);
		cr_assert(is_true_at(doc, "success"), "row %zu: %s", i, str_at(doc, "text"));
		expect_file("f", rows[i].want);
		EXPECT_STR(doc, "data.type", "update");
		json_decref(doc);
	}
}

Test(edit, utf16_is_edited_as_text_and_stays_utf16)
{
	json_t *doc;

	put_bytes("f",
		  "\xff\xfe"
		  "a\0b\0\r\0\n\0",
		  10);
	doc = edit("b\n", "\xf0\x9f\x98\x80\n");
	expect_ok(doc);
	expect_bytes("f",
		     "\xff\xfe"
		     "a\0\x3d\xd8\0\xde\r\0\n\0",
		     12);
	EXPECT_STR(doc, "data.encoding", "utf-16le");
	json_decref(doc);
	put_bytes("f", "\xfe\xff\0a\0b", 6);
	doc = edit("b", "\xc3\xa9");
	expect_ok(doc);
	expect_bytes("f", "\xfe\xff\0a\0\xe9", 6);
	json_decref(doc);
}

Test(edit, patch_and_diff_come_back)
{
	json_t *doc;

	put("f", "one\ntwo\nthree\n");
	doc = edit("two", "2");
	EXPECT_NUM(doc, "data.structured_patch.0.oldStart", 1);
	EXPECT_NUM(doc, "data.structured_patch.0.oldLines", 3);
	EXPECT_STR(doc, "data.structured_patch.0.lines.1", "-two");
	EXPECT_STR(doc, "data.structured_patch.0.lines.2", "+2");
	EXPECT_STR(doc, "data.diff", "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n");
	EXPECT_TEXT(doc, "Updated f: 1 replacement.\n\n--- a/f\n");
	EXPECT_NUM(doc, "data.replacements", 1);
	json_decref(doc);
}

Test(edit, many_matches_need_replace_all)
{
	json_t *doc;

	put("f", "x\ny x\n\nx\n");
	doc = edit("x", "z");
	expect_error(doc, "ambiguous");
	EXPECT_TEXT(doc,
		    "Found 3 matches of the string to replace, but replace_all is false. They are "
		    "at lines 1, 2, 4 of f.");
	EXPECT_NUM(doc, "data.matches", 3);
	EXPECT_NUM(doc, "data.lines.2", 4);
	expect_file("f", "x\ny x\n\nx\n");
	json_decref(doc);
	doc = run(files_edit,
		  "{'file_path':'f','old_string':'x','new_string':'xx','replace_all':true}");
	expect_ok(doc);
	expect_file("f", "xx\ny xx\n\nxx\n");
	EXPECT_NUM(doc, "data.replacements", 3);
	json_decref(doc);
}

Test(edit, what_is_not_there_is_shown_with_the_closest)
{
	static const struct {
		const char *old, *difference;
		long line;
		const char *words;
	} near[] = {
		{"  if (a) {\n    b();", "whitespace", 2, "differs only in white space"},
		{"\tif (a) {\r\n\t\tb();", "line_ending", 2, "differs only in line endings"},
		{"IF (A)", "case", 2, "differs only in upper and lower case"},
		{"\tif (a) {\n\t\tc();\n\t}", "content", 2,
		 "First difference, line 3: the file has \"\\t\\tb();\", old_string has "
		 "\"\\t\\tc();\"."},
		{"int fucntion(void)", "content", 1, "1\tint function(void) {\n"},
	};

	put("f", "int function(void) {\n\tif (a) {\n\t\tb();\n\t}\n}\n");
	for (size_t i = 0; i < ARRAY_SIZE(near); i++) {
		json_t *doc = edit(near[i].old, "x");

		expect_error(doc, "not_found_in_file");
		EXPECT_TEXT(doc, "String to replace not found in file f.\nString: ");
		cr_assert_str_eq(str_at(doc, "data.closest.difference"), near[i].difference,
				 "row %zu: %s", i, str_at(doc, "text"));
		cr_assert_eq(num_at(doc, "data.closest.line"), near[i].line, "row %zu", i);
		EXPECT_TEXT(doc, near[i].words);
		json_decref(doc);
	}
	json_t *doc = edit("qqqq zzzz", "x");
	EXPECT_TEXT(doc, "Nothing in the file is close to it.");
	cr_assert(is_null_at(doc, "data.closest"));
	json_decref(doc);
}

Test(edit, same_strings_and_empty_ones_are_refused)
{
	json_t *doc;

	put("f", "abc");
	doc = edit("b", "b");
	expect_error(doc, "no_change");
	EXPECT_TEXT(doc, "old_string and new_string are exactly the same");
	json_decref(doc);
	doc = edit("", "x");
	expect_error(doc, "empty_old_string");
	expect_file("f", "abc");
	json_decref(doc);
}

Test(edit, an_empty_old_string_creates_the_file)
{
	json_t *doc = run(files_edit,
			  "{'file_path':'a/new.txt','old_string':'','new_string':'x\\n'}");

	expect_ok(doc);
	EXPECT_STR(doc, "data.type", "create");
	expect_file("a/new.txt", "x\n");
	json_decref(doc);
	doc = run(files_edit, "{'file_path':'a/nwe.txt','old_string':'x','new_string':'y'}");
	expect_error(doc, "not_found");
	EXPECT_TEXT(doc, "Did you mean new.txt in ");
	json_decref(doc);
}

Test(edit, links_that_lead_out_and_special_files_are_refused)
{
	static const char *const codes[][2] = {{"out", "denied"},
					       {"fifo", "special"},
					       {"dir", "is_directory"}};

	cr_assert_eq(symlink("/etc/passwd", "out"), 0);
	cr_assert_eq(mkfifo("fifo", 0644), 0);
	cr_assert_eq(mkdir("dir", 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		json_t *doc = run_json(files_edit,
				       json_pack("{s:s, s:s, s:s}", "file_path", codes[i][0],
						 "old_string", "root", "new_string", "x"));

		expect_error(doc, codes[i][1]);
		json_decref(doc);
	}
}

Test(edit, a_file_that_changed_since_it_was_read_is_refused)
{
	char arguments[512];
	json_t *doc;

	put("f", "abc");
	doc = run(files_read, "{'file_path':'f'}");
	(void)snprintf(arguments, sizeof(arguments),
		       "{'file_path':'f','old_string':'a','new_string':'x','expected_digest':'%s'}",
		       str_at(doc, "data.digest"));
	json_decref(doc);
	put("f", "abd");
	doc = run(files_edit, arguments);
	expect_error(doc, "changed");
	expect_file("f", "abd");
	json_decref(doc);
	put("f", "abc");
	doc = run(files_edit, arguments);
	expect_ok(doc);
	json_decref(doc);
}

Test(multiedit, edits_apply_in_order_each_on_the_last)
{
	json_t *doc;

	put("f", "one two\n");
	doc = run(files_multiedit,
		  "{'file_path':'f','edits':[{'old_string':'one','new_string':'two'},"
		  "{'old_string':'two','new_string':'3','replace_all':true},"
		  "{'old_string':'3 3','new_string':'six'}]}");
	expect_ok(doc);
	expect_file("f", "six\n");
	EXPECT_NUM(doc, "data.edits", 3);
	EXPECT_NUM(doc, "data.replacements", 4);
	json_decref(doc);
}

Test(multiedit, one_that_fails_leaves_the_file_as_it_was)
{
	json_t *doc;

	put("f", "one two\n");
	doc = run(files_multiedit,
		  "{'file_path':'f','edits':[{'old_string':'one','new_string':'1'},"
		  "{'old_string':'one','new_string':'2'}]}");
	expect_error(doc, "not_found_in_file");
	EXPECT_TEXT(doc, "Edit 2 of 2: String to replace not found in file f.");
	EXPECT_TEXT(doc, "It was there until an earlier one of these edits changed it.");
	EXPECT_TEXT(doc, "Nothing was written.");
	EXPECT_NUM(doc, "data.edit", 2);
	expect_file("f", "one two\n");
	json_decref(doc);
	doc = run(files_multiedit,
		  "{'file_path':'f','edits':[{'old_string':'one','new_string':'1'},"
		  "{'old_string':'1','new_string':'one'}]}");
	expect_error(doc, "no_change");
	json_decref(doc);
}

Test(multiedit, an_empty_first_old_string_creates_and_a_later_one_does_not)
{
	json_t *doc = run(files_multiedit,
			  "{'file_path':'n','edits':[{'old_string':'','new_string':'a\\nb\\n'},"
			  "{'old_string':'b','new_string':'c'}]}");

	expect_ok(doc);
	expect_file("n", "a\nc\n");
	EXPECT_STR(doc, "data.type", "create");
	json_decref(doc);
	doc = run(files_multiedit, "{'file_path':'m','edits':[{'old_string':'','new_string':'a'},"
				   "{'old_string':'','new_string':'c'}]}");
	expect_error(doc, "empty_old_string");
	cr_assert_eq(access("m", F_OK), -1);
	json_decref(doc);
}

Test(multiedit, each_edit_is_checked)
{
	static const char *const bad[][2] = {
		{"{'file_path':'f','edits':[]}", "edits"},
		{"{'file_path':'f','edits':[7]}", "edits[0]."},
		{"{'file_path':'f','edits':[{'old_string':'a'}]}",
		 "edits[0].new_string is missing"},
		{"{'file_path':'f','edits':[{'old_string':'a','new_string':'b','x':1}]}",
		 "edits[0].x is not known"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *doc = run(files_multiedit, bad[i][0]);

		expect_error(doc, "arguments");
		EXPECT_TEXT(doc, bad[i][1]);
		json_decref(doc);
	}
}

Test(edit, ten_megabytes_are_edited_in_one_pass)
{
	size_t len = 10U << 20;
	char *text = malloc(len);
	json_t *doc;

	for (size_t i = 0; i < len; i++)
		text[i] = i % 64 == 63 ? '\n' : (char)('a' + i % 26);
	memcpy(text + len / 2, "HERE", 4);
	put_bytes("f", text, len);
	doc = edit("HERE", "THERE");
	expect_ok(doc);
	EXPECT_NUM(doc, "data.size", len + 1);
	EXPECT_NUM(doc, "data.added", 1);
	json_decref(doc);
	free(text);
}
