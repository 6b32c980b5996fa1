/*
 * Grep: what matches and how it is shown, pages, what is left out and said; the same questions to ripgrep
 * where it is installed; expressions and texts made to hurt.
 */
#include "tools/cell/files/grep.h"

#include "support.h"
#include "tools/cell/files/types.h"

TestSuite(grep, .init = ws_make, .fini = ws_remove, .timeout = 120);

static void make_tree(void)
{
	cr_assert_eq(mkdir("src", 0755), 0);
	cr_assert_eq(mkdir("out", 0755), 0);
	put("src/a.rs",
	    "fn one() {\n    call(1);\n}\n\nfn two() {\n    call(22);\n    other();\n}\n");
	put("src/b.c", "int call(int);\nchar *s = \"a.b[c]{d}\";\n\tFOO foo Foo\n");
	put("src/long.txt", "no\nnewline at the end: foo");
	put("src/crlf.txt", "foo\r\nbar foo\r\nend\r\n");
	put("src/empty", "");
	put("src/uni.txt", "na\xc3\xafve caf\xc3\xa9\nSTRASSE stra\xc3\x9f"
			   "e\n\xce\xa9\xcf\x89\n");
	put("out/x.rs", "call\n");
	put(".gitignore", "out/\n");
	put(".hidden", "call me\n");
	put_bytes("src/bin", "call\0call\n", 10);
}

/* A question to both; @arguments in JSON with ' for ". */
static const struct {
	const char *arguments;
	const char *ripgrep;
} rows[] = {
	{"{'pattern':'call'}", "-l call"},
	{"{'pattern':'call','output_mode':'count'}", "-c call"},
	{"{'pattern':'call','output_mode':'content'}", "-n call"},
	{"{'pattern':'call','output_mode':'content','-n':false}", "-N call"},
	{"{'pattern':'call','output_mode':'content','-A':1}", "-n -A1 call"},
	{"{'pattern':'call','output_mode':'content','-B':1}", "-n -B1 call"},
	{"{'pattern':'call','output_mode':'content','-C':1}", "-n -C1 call"},
	{"{'pattern':'call','output_mode':'content','-C':5}", "-n -C5 call"},
	{"{'pattern':'call','output_mode':'content','context':2,'-A':0}", "-n -B2 call"},
	{"{'pattern':'call\\\\(\\\\d+\\\\)','output_mode':'content','-o':true}",
	 "-no 'call\\(\\d+\\)'"},
	{"{'pattern':'[a-z]+','output_mode':'content','-o':true}", "-no '[a-z]+'"},
	{"{'pattern':'l','output_mode':'content','-o':true,'-C':1}", "-no -C1 l"},
	{"{'pattern':'foo','-i':true,'output_mode':'count'}", "-ci foo"},
	{"{'pattern':'foo','-i':true,'output_mode':'content','-o':true}", "-nio foo"},
	{"{'pattern':'^fn','output_mode':'content'}", "-n '^fn'"},
	{"{'pattern':'\\\\{$','output_mode':'content'}", "-n '\\{$'"},
	{"{'pattern':'foo$','output_mode':'count'}", "--crlf -c 'foo$'"},
	{"{'pattern':'^$','output_mode':'content'}", "-n '^$'"},
	{"{'pattern':'one|two|bar','output_mode':'content'}", "-n 'one|two|bar'"},
	{"{'pattern':'\\\\w+\\\\s+\\\\w+','output_mode':'content'}", "-n '\\w+\\s+\\w+'"},
	{"{'pattern':'\\\\r','output_mode':'count'}", "-c '\\r'"},
	{"{'pattern':'\\\\r$','output_mode':'count'}", "-c '\\r$'"},
	{"{'pattern':'[^x]+','output_mode':'count'}", "-c '[^x]+'"},
	{"{'pattern':'\\\\s','output_mode':'count'}", "-c '\\s'"},
	{"{'pattern':'caf.$','output_mode':'content'}", "-n 'caf.$'"},
	{"{'pattern':'\xc3\xaf','output_mode':'content','-o':true}", "-no '\xc3\xaf'"},
	{"{'pattern':'\xcf\x89','-i':true,'output_mode':'content','-o':true}", "-nio '\xcf\x89'"},
	{"{'pattern':'\\\\bcaf\\\\w\\\\b','output_mode':'count'}", "-c '\\bcaf\\w\\b'"},
	{"{'pattern':'call','glob':'*.rs'}", "-l -g '*.rs' call"},
	{"{'pattern':'call','glob':'!*.rs'}", "-l -g '!*.rs' call"},
	{"{'pattern':'call','glob':'src/*.{rs,c}'}", "-l -g 'src/*.{rs,c}' call"},
	{"{'pattern':'call','glob':'*.rs, *.c'}", "-l -g '*.rs' -g '*.c' call"},
	{"{'pattern':'call','type':'rust'}", "-l -t rust call"},
	{"{'pattern':'call','type':'c','output_mode':'content'}", "-n -t c call"},
	{"{'pattern':'call.*\\\\n\\\\}','multiline':true,'output_mode':'content'}",
	 "-nU --multiline-dotall 'call.*\\n\\}'"},
	{"{'pattern':'fn.*?\\\\}','multiline':true,'output_mode':'content','-o':true}",
	 "-noU --multiline-dotall 'fn.*?\\}'"},
	{"{'pattern':'call|foo','multiline':true,'output_mode':'count'}",
	 "-cU --multiline-dotall 'call|foo'"},
	{"{'pattern':'(?i)FOO','output_mode':'count'}", "-c '(?i)FOO'"},
	{"{'pattern':'a\\\\.b\\\\[c\\\\]\\\\{d\\\\}','output_mode':'count'}",
	 "-c 'a\\.b\\[c\\]\\{d\\}'"},
	{"{'pattern':'call','path':'src/a.rs','output_mode':'content'}", "-n call src/a.rs"},
	{"{'pattern':'call','path':'out'}", "-l call out"},
	{"{'pattern':'ca{1,2}l+','output_mode':'count'}", "-c 'ca{1,2}l+'"},
	{"{'pattern':'x*','output_mode':'count'}", "-c 'x*'"},
};

static char *output_of(const char *command)
{
	FILE *pipe = popen(command, "r");
	static char text[1 << 16];
	size_t n;

	cr_assert_not_null(pipe);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	(void)pclose(pipe);
	text[n] = '\0';
	return text;
}

/* The page without what only ours says. */
static void body(json_t *doc, char *dst, size_t cap)
{
	const char *text = str_at(doc, "text");
	size_t n = strlen(text);

	if (strncmp(text, "Found ", 6) == 0)
		text = strchr(text, '\n') + 1;
	n = strlen(text);
	if (strcmp(str_at(doc, "data.mode"), "count") == 0 && strstr(text, "\n\n"))
		n = (size_t)(strstr(text, "\n\n") - text) + 1;
	if (num_at(doc, "data.num_entries") == 0)
		n = 0;
	(void)snprintf(dst, cap, "%.*s", (int)n, text);
}

Test(grep, results_are_what_ripgrep_has)
{
	if (system("rg --version > /dev/null 2>&1") != 0)
		cr_skip_test("no rg here: the table was not held against ripgrep");
	make_tree();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static char ours[1 << 14];
		char command[512];
		const char *theirs;
		json_t *doc = run(files_grep, rows[i].arguments);

		expect_ok(doc);
		/* Ours shows no "\r", and no "./" before names. */
		if (!strstr(rows[i].ripgrep, "src/a.rs") && !strstr(rows[i].ripgrep, " out"))
			(void)snprintf(command, sizeof(command),
				       "rg --no-config --hidden -g '!.git' --no-require-git "
				       "--sort path %s . | tr -d '\\r' | sed 's,^\\./,,'",
				       rows[i].ripgrep);
		else
			(void)snprintf(command, sizeof(command),
				       "rg --no-config --hidden --sort path %s | tr -d '\\r'",
				       rows[i].ripgrep);
		theirs = output_of(command);
		body(doc, ours, sizeof(ours));
		cr_expect_str_eq(ours, theirs, "row %zu: %s\n--- ours\n%s--- ripgrep %s\n%s", i,
				 rows[i].arguments, ours, rows[i].ripgrep, theirs);
		json_decref(doc);
	}
}

static const char *const patterns[] = {
	"foo",	   "fo+",      "f.o",	       "a|b",
	"(a|b)c",  "^a",       "a$",	       "^$",
	"^",	   "$",	       "\\bfoo\\b",    "[^a]b",
	"\\s+",	   "a\\s*b",   "x?",	       "(?:ab)+c",
	"ab{2}",   "ab{2,}c",  "[ab]{2}",      "(?=a)b",
	"a(?!b)",  "(?<=a)b",  "(?<!a)b",      "a++b",
	"(?>a+)b", "(a)\\1",   "[[:alpha:]]b", "[]a]b",
	"\\Aa",	   "b\\z",     "b\\Z",	       "\\Qa.b\\E",
	"(?i)AB",  "a(?i)b",   "\\x61b",       "\\ta",
	"a\\.b",   "\\d+a",    "[^\\n]b",      ".*b.*",
	"a.b",	   "\\W",      "\\D\\D",       "ab|",
	"(?#c)ab", "(?x) a b", "(a(b)?)+$",    "\\p{L}b",
	"\\N+b",   "\\h",      "\\Rb",	       "a\\Kb",
	"(?s).b",  "(?m)^b",   "(?-m)^b",      "(?:a|\\Qb\\E)c",
	"b*?c",	   "[a\\]]b",  "\\w+c\\b",
};

static const char *const texts[] = {
	"",
	"\n",
	"a",
	"ab\n",
	"foo\nbar\nfoo",
	"a\nb\nc\n",
	"aab\n\nabbc\nab c\n",
	"b\na\n b\n",
	"a.b\nA.B\nAb aB\n",
	"a\r\nb\r\nabc\r\n",
	"a\rb\n",
	"caf\xc3\xa9 ab\n\xc3\xa9 ab\nb c\n",
	"\ta\n12a\n]b\n",
	"aaaa\nbbbb\nabab abc\naab",
	"\n\n\nfoo foo\n\n",
	"ab\nabc\n\n\nb",
	"\xc3\xa9"
	"b\n\xe2\x80\xa8"
	"b\n",
};

/* All lines of one text that @re[0], with short cuts, and @re[1], without, find. */
static void compare(struct regex *const re[2], struct regex_worker *w, size_t pattern, size_t text)
{
	struct regex_text t[2] = {{.data = texts[text], .len = strlen(texts[text])},
				  {.data = texts[text], .len = strlen(texts[text])}};
	struct regex_hit hit[2];
	enum regex_result r[2];
	size_t from = 0;

	do {
		for (size_t k = 0; k < 2; k++)
			r[k] = regex_next(re[k], w, &t[k], from, &hit[k]);
		cr_assert_eq(r[0], r[1], "%s in text %zu at %zu: %d, slow %d", patterns[pattern],
			     text, from, (int)r[0], (int)r[1]);
		if (r[0] != REGEX_MATCH)
			return;
		cr_assert_eq(hit[0].line_begin, hit[1].line_begin, "%s in text %zu: %zu, slow %zu",
			     patterns[pattern], text, hit[0].line_begin, hit[1].line_begin);
		cr_assert_eq(hit[0].line_end, hit[1].line_end);
		from = hit[0].line_end + 1;
	} while (from < t[0].len);
}

/* Short cuts and machine code against line by line without either: the same lines. */
Test(grep, short_cuts_change_nothing)
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(patterns); i++) {
		const char *pattern = patterns[i / 2];
		const struct regex_flags flags[2] = {{.ignore_case = i % 2},
						     {.ignore_case = i % 2, .slow = true}};
		struct regex *re[2];
		struct regex_worker *w;
		struct regex_error error;

		for (size_t k = 0; k < 2; k++)
			cr_assert_eq(regex_new(pattern, strlen(pattern), &flags[k], &re[k], &error),
				     0, "%s: %s", pattern, error.text);
		cr_assert_eq(regex_worker_new(&w), 0);
		for (size_t j = 0; j < ARRAY_SIZE(texts); j++)
			compare(re, w, i / 2, j);
		regex_worker_free(w);
		regex_free(re[0]);
		regex_free(re[1]);
	}
}

Test(grep, pages_put_together_are_the_whole)
{
	static const char *const asked[] = {
		"{'pattern':'[a-z]','output_mode':'content','-C':1",
		"{'pattern':'[a-z]','output_mode':'content','-o':true",
		"{'pattern':'a','output_mode':'count'",
		"{'pattern':'a'",
	};

	make_tree();
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		for (size_t step = 1; step < 8; step += 3) {
			static char whole[1 << 14], page[1 << 14], all[1 << 14];
			char arguments[256];
			size_t offset = 0;
			json_t *doc;
			bool more = true;

			all[0] = '\0';

			(void)snprintf(arguments, sizeof(arguments), "%s,'head_limit':0}",
				       asked[i]);
			doc = run(files_grep, arguments);
			body(doc, whole, sizeof(whole));
			json_decref(doc);
			while (more) {
				(void)snprintf(arguments, sizeof(arguments),
					       "%s,'head_limit':%zu,'offset':%zu}", asked[i], step,
					       offset);
				doc = run(files_grep, arguments);
				body(doc, page, sizeof(page));
				if (strstr(page, "[Entries"))
					*strstr(page, "[Entries") = '\0';
				cr_assert_leq(num_at(doc, "data.shown"), (long)step);
				(void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s",
					       page);
				more = is_true_at(doc, "data.truncated");
				if (more) {
					EXPECT_NUM(doc, "data.next_offset", offset + step);
					offset = (size_t)num_at(doc, "data.next_offset");
				}
				json_decref(doc);
			}
			cr_expect_str_eq(all, whole, "row %zu, pages of %zu:\n%s--- whole\n%s", i,
					 step, all, whole);
		}
	}
}

Test(grep, a_page_of_too_many_bytes_ends_with_the_offset_to_go_on_with)
{
	struct buf text = {0};
	json_t *doc;

	for (int i = 0; i < 5000; i++)
		cr_assert_eq(buf_printf(&text, "%0100d foo\n", i), 0);
	put("big", text.data);
	buf_fini(&text);
	doc = run(files_grep, "{'pattern':'foo','output_mode':'content','head_limit':0}");
	expect_ok(doc);
	cr_assert_leq(json_string_length(at(doc, "text")), GREP_TEXT_MAX + 200);
	cr_assert(is_true_at(doc, "data.truncated"));
	EXPECT_NUM(doc, "data.num_matches", 5000);
	EXPECT_NUM(doc, "data.next_offset", num_at(doc, "data.shown"));
	EXPECT_TEXT(doc, "at most 100 kB");
	json_decref(doc);
	doc = run(files_grep, "{'pattern':'foo','output_mode':'content','offset':9999}");
	EXPECT_TEXT(doc, "Nothing at offset 9999: there are 5000 entries");
	json_decref(doc);
}

Test(grep, long_lines_are_cut_around_the_match)
{
	char *line = malloc(1000001);
	json_t *doc;

	memset(line, 'x', 1000000);
	memcpy(line + 500000, "NEEDLE", 6);
	line[999999] = '\n';
	line[1000000] = '\0';
	put("one", line);
	free(line);
	doc = run(files_grep, "{'pattern':'NEEDLE','output_mode':'content'}");
	EXPECT_TEXT(doc, "one:1:[499900 characters before] xxx");
	EXPECT_TEXT(doc, "NEEDLE");
	EXPECT_TEXT(doc, "[499599 more characters]");
	cr_assert_leq(json_string_length(at(doc, "text")), 1000);
	json_decref(doc);
}

Test(grep, foreign_bytes_are_made_safe)
{
	json_t *doc;

	put_bytes("esc\x1b[31m", "\x1b[31mred\x07 foo \xff\rx\n", 17);
	doc = run(files_grep, "{'pattern':'foo','output_mode':'content'}");
	EXPECT_TEXT(doc, "\"esc\\x1b[31m\":1:red\xef\xbf\xbd foo \xef\xbf\xbd\xef\xbf\xbdx\n");
	cr_assert_null(strchr(str_at(doc, "text"), '\x1b'));
	json_decref(doc);
}

Test(grep, a_nul_behind_the_head_is_text_and_within_it_is_binary)
{
	char *data = malloc(20000);
	json_t *doc;

	memset(data, 'x', 20000);
	memcpy(data + 100, "\nfoo\n", 5);
	data[9000] = '\0';
	put_bytes("late", data, 20000);
	data[8191] = '\0';
	put_bytes("early", data, 20000);
	free(data);
	doc = run(files_grep, "{'pattern':'foo'}");
	EXPECT_NUM(doc, "data.num_files", 1);
	EXPECT_NUM(doc, "data.binary", 1);
	EXPECT_STR(doc, "data.filenames.0", "late");
	json_decref(doc);
}

Test(grep, utf16_with_its_mark_is_text)
{
	json_t *doc;

	put_bytes("wide",
		  "\xff\xfe"
		  "f\0o\0o\0\n\0",
		  10);
	put_bytes("mark",
		  "\xef\xbb\xbf"
		  "foo\n",
		  7);
	doc = run(files_grep, "{'pattern':'^foo','output_mode':'content'}");
	EXPECT_STR(doc, "text", "mark:1:foo\nwide:1:foo\n");
	json_decref(doc);
}

Test(grep, what_is_too_large_is_said)
{
	json_t *doc;

	put("huge", "");
	cr_assert_eq(truncate("huge", 65L << 20), 0);
	doc = run(files_grep, "{'pattern':'foo'}");
	EXPECT_TEXT(doc, "1 file is larger than 64 MiB and was not searched: huge");
	cr_assert(is_false_at(doc, "data.complete"));
	json_decref(doc);
}

Test(grep, hostile_expressions_are_limited_and_named)
{
	static const char *const hostile[] = {
		"(a+)+$",  "(a|aa)+$",	     "(a|a)*b$",      "^(([a-z])+.)+[A-Z]([a-z])+$",
		"(a*)*$b", "(?=(a+))a*b\\1", "(.*)*=(.*)*$x", "(?:a?){30}a{30}!",
	};
	struct buf text = {0};

	for (int i = 0; i < 3000; i++)
		cr_assert_eq(buf_puts(&text, "aaaaaaaaaa"), 0);
	cr_assert_eq(buf_puts(&text, "!\nsafe line\n"), 0);
	put("evil", text.data);
	buf_fini(&text);
	grep_deadline_ms = 3000;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		int64_t begin = walk_now_ms();
		json_t *doc = run_json(files_grep, json_pack("{s:s,s:s}", "pattern", hostile[i],
							     "output_mode", "count"));

		cr_assert(walk_now_ms() - begin < 15000, "%s took too long", hostile[i]);
		expect_ok(doc);
		if (is_false_at(doc, "data.complete"))
			EXPECT_TEXT(doc, "evil:1");
		json_decref(doc);
	}
}

Test(grep, a_match_without_end_is_stopped_and_the_rest_is_answered)
{
	char *line = malloc(1000002);
	json_t *doc;

	memset(line, 'a', 1000000);
	memcpy(line + 1000000, "\n", 2);
	put("evil", line);
	cr_assert_eq(mkdir("sub", 0755), 0);
	put("sub/good", "zab\n");
	free(line);
	grep_deadline_ms = 1000;
	doc = run(files_grep, "{'pattern':'(?=(a+))\\\\1+b|zab','output_mode':'content'}");
	expect_ok(doc);
	cr_assert(is_false_at(doc, "data.complete"));
	EXPECT_TEXT(doc, "sub/good:1:zab");
	EXPECT_TEXT(doc, "took too long: evil:1");
	json_decref(doc);
}

Test(grep, bad_patterns_are_refused_with_offset_and_hint)
{
	static const struct {
		const char *pattern;
		const char *words;
	} bad[] = {
		{"", "empty"},
		{"foo(", "missing closing parenthesis, at offset 4"},
		{"foo(", "put a backslash before"},
		{"a)", "unmatched closing parenthesis"},
		{"[a", "missing terminating ]"},
		{"*a", "quantifier does not follow"},
		{"a\\nb", "set multiline to true"},
		{"(?<=a+)b", "lookbehind"},
		{"\\Ca", "\\C"},
		{"(?R)(", "missing closing"},
	};
	char *big = malloc(1 << 20);
	json_t *doc;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		doc = run_json(files_grep, json_pack("{s:s}", "pattern", bad[i].pattern));
		expect_error(doc, "pattern");
		EXPECT_TEXT(doc, bad[i].words);
		json_decref(doc);
	}
	memset(big, '(', (1 << 20) - 1);
	big[(1 << 20) - 1] = '\0';
	doc = run_json(files_grep, json_pack("{s:s}", "pattern", big));
	expect_error(doc, "pattern");
	EXPECT_TEXT(doc, "at most 65536");
	json_decref(doc);
	big[60000] = '\0';
	doc = run_json(files_grep, json_pack("{s:s}", "pattern", big));
	expect_error(doc, "pattern");
	json_decref(doc);
	free(big);
}

Test(grep, bad_arguments_are_refused)
{
	static const struct {
		const char *arguments;
		const char *words;
	} bad[] = {
		{"{}", "pattern"},
		{"{'pattern':'a','output_mode':'lines'}", "output_mode"},
		{"{'pattern':'a','type':'rs'}", "Did you mean \"rust\"?"},
		{"{'pattern':'a','type':'pyton'}", "Did you mean \"python\"?"},
		{"{'pattern':'a','glob':'{a'}", "no partner"},
		{"{'pattern':'a','-C':100000}", "at most 1000"},
		{"{'pattern':'a','nonsense':1}", "nonsense"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *doc = run(files_grep, bad[i].arguments);

		expect_error(doc, "arguments");
		EXPECT_TEXT(doc, bad[i].words);
		json_decref(doc);
	}
}

Test(grep, missing_paths_are_told_apart)
{
	json_t *doc;

	make_tree();
	doc = run(files_grep, "{'pattern':'a','path':'src/b.cc'}");
	expect_error(doc, "not_found");
	EXPECT_TEXT(doc, "Did you mean b.c in");
	expect_denials(doc, 0);
	json_decref(doc);
	doc = run(files_grep, "{'pattern':'a','path':'/nonesuch'}");
	expect_error(doc, "denied");
	expect_denials(doc, 1);
	json_decref(doc);
	cr_assert_eq(mkfifo("pipe", 0644), 0);
	doc = run(files_grep, "{'pattern':'a','path':'pipe'}");
	expect_error(doc, "special");
	json_decref(doc);
}

Test(grep, many_folders_and_files_have_one_order)
{
	static char first[1 << 15];

	for (int i = 0; i < 30; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "d%d", i);
		cr_assert_eq(mkdir(name, 0755), 0);
		for (int j = 0; j < 300; j++) {
			(void)snprintf(name, sizeof(name), "d%d/f%d", i, j);
			put(name, j % 60 == 0 ? "foo\n" : "bar\n");
		}
	}
	for (int i = 0; i < 10; i++) {
		json_t *doc = run(files_grep, "{'pattern':'foo'}");

		EXPECT_NUM(doc, "data.num_files", 150);
		EXPECT_NUM(doc, "data.searched", 9000);
		if (i == 0)
			(void)snprintf(first, sizeof(first), "%s", str_at(doc, "text"));
		EXPECT_STR(doc, "text", first);
		json_decref(doc);
	}
}

Test(grep, types_are_sorted_and_their_globs_are_good)
{
	size_t n = 0;

	for (; types_name(n); n++) {
		struct globs globs;

		globs_init(&globs);
		cr_assert_eq(types_add(types_name(n), &globs), 0);
		cr_assert_gt(globs.n, 0, "%s", types_name(n));
		if (n > 0)
			cr_assert(strcmp(types_name(n - 1), types_name(n)) < 0, "%s",
				  types_name(n));
		globs_fini(&globs);
	}
	cr_assert_geq(n, 40);
}
