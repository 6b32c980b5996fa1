/* Read: what hosts expect of the lines, and a clear answer for everything that is no text. */
#include "support.h"

#include <sys/socket.h>
#include <sys/un.h>

TestSuite(read, .init = ws_make, .fini = ws_remove);

static const struct {
	const char *bytes;
	size_t len; /* 0: strlen */
	const char *args;
	const char *text;
	const char *content;
	long start, num, total;
	const char *encoding, *ending;
	bool truncated;
} rows[] = {
	{"a\nb\n", 0, "", "1\ta\n2\tb\n3\t\n", "a\nb\n", 1, 3, 3, "utf-8", "lf", false},
	{"a\nb", 0, "", "1\ta\n2\tb\n", "a\nb", 1, 2, 2, "utf-8", "lf", false},
	{"a", 0, "", "1\ta\n", "a", 1, 1, 1, "utf-8", "none", false},
	{"\n", 0, "", "1\t\n2\t\n", "\n", 1, 2, 2, "utf-8", "lf", false},
	{"", 0, "", "[The file exists and is empty.]\n", "", 1, 0, 0, "utf-8", "none", false},
	{"\xef\xbb\xbf", 0, "", "[The file exists and is empty.]\n", "", 1, 0, 0, "utf-8-bom",
	 "none", false},
	{"\xef\xbb\xbfx\n", 0, "", "1\tx\n2\t\n", "x\n", 1, 2, 2, "utf-8-bom", "lf", false},
	{"a\r\nb\r\n", 0, "", "1\ta\n2\tb\n3\t\n", "a\r\nb\r\n", 1, 3, 3, "utf-8", "crlf", false},
	{"a\r\nb\nc", 0, "", "1\ta\n2\tb\n3\tc\n", "a\r\nb\nc", 1, 3, 3, "utf-8", "mixed", false},
	{"\xff\xfe"
	 "a\0\n\0"
	 "\x3d\xd8\0\xde",
	 10, "", "1\ta\n2\t\xf0\x9f\x98\x80\n", "a\n\xf0\x9f\x98\x80", 1, 2, 2, "utf-16le", "lf",
	 false},
	{"\xfe\xff\0a\0\r\0\n", 8, "", "1\ta\n2\t\n", "a\r\n", 1, 2, 2, "utf-16be", "crlf", false},
	{"caf\xe9\n", 0, "",
	 "1\tcaf\xef\xbf\xbd\n2\t\n\n[The file is not UTF-8: 1 bytes of what is shown stand as "
	 "U+FFFD.]\n",
	 "caf\xef\xbf\xbd\n", 1, 2, 2, "binary-safe", "lf", false},
	{"1\n2\n3\n4\n", 0, ",'offset':2,'limit':2",
	 "2\t2\n3\t3\n\n[Lines 2 to 3 of 5 are shown; 1 more follow. Go on with offset 4.]\n",
	 "2\n3\n", 2, 2, 5, "utf-8", "lf", true},
	{"1\n2\n3\n", 0, ",'limit':3", "1\t1\n2\t2\n3\t3\n", "1\n2\n3\n", 1, 3, 4, "utf-8", "lf",
	 false},
	{"1\n2\n", 0, ",'offset':0,'limit':1",
	 "1\t1\n\n[Lines 1 to 1 of 3 are shown; 1 more follow. Go on with offset 2.]\n", "1\n", 1,
	 1, 3, "utf-8", "lf", true},
	{"1\n2\n", 0, ",'offset':3", "3\t\n", "", 3, 1, 3, "utf-8", "lf", false},
	{"1\n2\n", 0, ",'offset':9",
	 "[The file has 3 lines; offset 9 is beyond its end. Nothing is shown.]\n", "", 9, 0, 3,
	 "utf-8", "lf", false},
};

Test(read, lines_of_every_kind_of_text)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char args[128];
		json_t *doc;

		put_bytes("f", rows[i].bytes, rows[i].len ? rows[i].len : strlen(rows[i].bytes));
		(void)snprintf(args, sizeof(args), "{'file_path':'f'%s}", rows[i].args);
		doc = run(files_read, args);
		expect_ok(doc);
		cr_assert_str_eq(str_at(doc, "text"), rows[i].text, "row %zu: %s", i,
				 str_at(doc, "text"));
		cr_assert_str_eq(str_at(doc, "data.content"), rows[i].content, "row %zu: %s", i,
				 str_at(doc, "data.content"));
		EXPECT_NUM(doc, "data.start_line", rows[i].start);
		EXPECT_NUM(doc, "data.num_lines", rows[i].num);
		EXPECT_NUM(doc, "data.total_lines", rows[i].total);
		EXPECT_STR(doc, "data.encoding", rows[i].encoding);
		EXPECT_STR(doc, "data.line_ending", rows[i].ending);
		cr_assert_eq(is_true_at(doc, "data.truncated"), rows[i].truncated, "row %zu", i);
		json_decref(doc);
	}
}

Test(read, the_whole_answer_about_a_file)
{
	char want[PATH_MAX + 16];
	json_t *doc;

	put("f", "abc");
	cr_assert_eq(chmod("f", 0640), 0);
	cr_assert_eq(link("f", "g"), 0);
	doc = run(files_read, "{'file_path':'./f'}");
	(void)snprintf(want, sizeof(want), "%s/f", ws);
	EXPECT_STR(doc, "data.file_path", want);
	EXPECT_STR(doc, "data.type", "text");
	EXPECT_STR(doc, "data.mode", "0640");
	EXPECT_NUM(doc, "data.nlink", 2);
	EXPECT_NUM(doc, "data.size", 3);
	EXPECT_STR(doc, "data.digest",
		   "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	cr_assert(is_null_at(doc, "data.note"));
	cr_assert(is_null_at(doc, "data.next_offset"));
	json_decref(doc);
}

Test(read, two_thousand_lines_by_default)
{
	char *text = malloc(20000);
	size_t len = 0;
	json_t *doc;

	for (int i = 1; i <= 2500; i++)
		len += (size_t)snprintf(text + len, 20000 - len, "%d\n", i);
	put("f", text);
	doc = run(files_read, "{'file_path':'f'}");
	EXPECT_NUM(doc, "data.num_lines", 2000);
	EXPECT_NUM(doc, "data.next_offset", 2001);
	EXPECT_TEXT(
		doc,
		"[Lines 1 to 2000 of 2501 are shown; 500 more follow. Go on with offset 2001.]");
	json_decref(doc);
	free(text);
}

Test(read, a_long_line_is_cut_with_the_exact_count)
{
	char *text = malloc(6001);
	json_t *doc;

	for (size_t i = 0; i < 3000; i++)
		memcpy(text + 2 * i, "\xc3\xa9", 2);
	text[6000] = '\0';
	put("f", text);
	doc = run(files_read, "{'file_path':'f'}");
	EXPECT_TEXT(doc, "\xc3\xa9... [line cut: 2000 of 3000 characters shown]\n");
	EXPECT_TEXT(doc, "[1 line is cut at 2000 characters.]");
	cr_assert(is_true_at(doc, "data.truncated"));
	text[4000] = '\0';
	put("f", text);
	json_decref(doc);
	doc = run(files_read, "{'file_path':'f'}");
	cr_assert(is_false_at(doc, "data.truncated"));
	json_decref(doc);
	free(text);
}

Test(read, an_answer_is_bounded_and_says_where_to_go_on)
{
	size_t len = 5U << 20;
	char *text = malloc(len + 1);
	json_t *doc;

	for (size_t i = 0; i < len; i++)
		text[i] = i % 1024 == 1023 ? '\n'
					   : (char)0xff; /* three bytes for each when shown */
	text[len] = '\0';
	put_bytes("f", text, len);
	doc = run(files_read, "{'file_path':'f'}");
	cr_assert_leq(json_string_length(at(doc, "text")), 100 << 10);
	cr_assert_leq(json_string_length(at(doc, "data.content")), 100 << 10);
	EXPECT_TEXT(doc, "as many as an answer has room for");
	cr_assert_eq(num_at(doc, "data.next_offset"), num_at(doc, "data.num_lines") + 1);
	EXPECT_NUM(doc, "data.total_lines", 5 * 1024 + 1);
	json_decref(doc);
	free(text);
}

static void expect_refusal(const char *name, const char *code, const char *words)
{
	json_t *doc = run_json(files_read, json_pack("{s:s}", "file_path", name));

	expect_error(doc, code);
	EXPECT_TEXT(doc, words);
	expect_denials(doc, 0);
	json_decref(doc);
}

Test(read, what_is_no_text_is_named)
{
	static const char png[] = "\x89PNG\r\n\x1a\n\0\0";
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(mkdir("dir", 0755), 0);
	cr_assert_eq(mkfifo("fifo", 0644), 0);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	cr_assert_eq(symlink("loop", "loop"), 0);
	put_bytes("png", png, sizeof(png));
	put_bytes("bin", "a\0b", 3);
	put_bytes("half",
		  "\xff\xfe"
		  "a",
		  3);
	expect_refusal("dir", "is_directory", "is a folder (EISDIR). Use Glob");
	expect_refusal("fifo", "special", "is a FIFO");
	expect_refusal("socket", "special", "is a socket");
	expect_refusal("/dev/null", "special", "is a character device");
	expect_refusal("loop", "link_loop", "symbolic links without end");
	expect_refusal("png", "image", "png is a PNG image of 11 bytes and not text");
	expect_refusal("bin", "binary", "bin is a binary file of 3 bytes");
	expect_refusal("half", "binary", "binary");
	(void)close(fd);
}

Test(read, a_missing_name_comes_with_the_nearest)
{
	cr_assert_eq(mkdir("src", 0755), 0);
	put("src/main.rs", "");
	put("README.md", "");
	expect_refusal("src/mian.rs", "not_found", "Did you mean main.rs in ");
	expect_refusal("readme.md", "not_found", "Did you mean README.md in ");
	expect_refusal("sc/main.rs", "not_found", "Did you mean src in ");
	expect_refusal("src/zzzzzzz", "not_found", "exists and has no zzzzzzz");
	expect_refusal("README.md/x", "not_found", "a part of the path is a file");
	expect_refusal("bad\n\x1b[31m", "not_found", "\"bad\\x0a\\x1b[31m\" does not exist");
}

Test(read, outside_of_the_workspace_what_is_missing_is_a_denial)
{
	json_t *doc = run(files_read, "{'file_path':'/nonexistent/shadow'}");

	expect_error(doc, "denied");
	expect_denials(doc, 1);
	EXPECT_STR(doc, "denials.0.operation", "read");
	EXPECT_STR(doc, "denials.0.object", "/nonexistent/shadow");
	EXPECT_STR(doc, "denials.0.errno", "ENOENT");
	json_decref(doc);
	cr_assert_eq(symlink("/nonexistent/target", "link"), 0);
	doc = run(files_read, "{'file_path':'link'}");
	expect_error(doc, "denied");
	EXPECT_STR(doc, "denials.0.object", "/nonexistent/target");
	EXPECT_TEXT(doc, "A symbolic link leads there: /nonexistent/target.");
	json_decref(doc);
	doc = run(files_read, "{'file_path':'../../nonexistent'}");
	expect_denials(doc, 1);
	json_decref(doc);
}

Test(read, an_unreadable_file_is_a_denial)
{
	json_t *doc;

	put("f", "secret");
	cr_assert_eq(chmod("f", 0), 0);
	if (geteuid() == 0)
		cr_assert(chown(ws, 65534, 65534) == 0 && chown("f", 0, 0) == 0 &&
			  setresuid(65534, 65534, 65534) == 0);
	doc = run(files_read, "{'file_path':'f'}");
	expect_error(doc, "denied");
	EXPECT_STR(doc, "denials.0.errno", "EACCES");
	EXPECT_TEXT(doc, "f may not be read: permission denied.");
	json_decref(doc);
}

Test(read, arguments_are_checked)
{
	static const char *const bad[] = {
		"{}",
		"{'file_path':''}",
		"{'file_path':'a\\u0000b'}",
		"{'file_path':7}",
		"{'file_path':'f','limit':0}",
		"{'file_path':'f','offset':-1}",
		"{'file_path':'f','offset':1.5}",
		"{'file_path':'f','more':1}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *doc = run(files_read, bad[i]);

		expect_error(doc, "arguments");
		json_decref(doc);
	}
}

Test(read, a_file_without_a_size_is_read_to_its_end)
{
	json_t *doc = run(files_read, "{'file_path':'/proc/self/status','limit':1}");

	expect_ok(doc);
	EXPECT_TEXT(doc, "1\tName:");
	json_decref(doc);
}
