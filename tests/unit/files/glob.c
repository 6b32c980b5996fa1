/* Glob: patterns over a tree, what is left out, order, caps; held against ripgrep where it is installed. */
#include "support.h"
#include "tools/cell/files/globs.h"
#include "tools/cell/files/walk_tree.h"

TestSuite(glob, .init = ws_make, .fini = ws_remove, .timeout = 60);

static const char *const tree[] = {
	"Cargo.toml",	   ".hidden.rs",      "src/main.rs",	     "src/lib.rs",
	"src/a/mod.rs",	   "src/a/b/deep.rs", "src/a/b/x.c",	     "src/a/b/[z].h",
	"docs/guide.md",   "docs/a,b.txt",    "docs/sp ace.txt",     "caf\xc3\xa9.txt",
	".config/ci.yml",  "target/out.rs",   "node_modules/x/i.js", "vendor/lib.rs",
	"vendor/keep.log", "one.log",	      "src/z.log",	     "{brace}.txt",
};

static void make_tree(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(tree); i++) {
		char dir[256];

		(void)snprintf(dir, sizeof(dir), "%s", tree[i]);
		for (char *p = dir; (p = strchr(p, '/')); p++) {
			*p = '\0';
			(void)mkdir(dir, 0755);
			*p = '/';
		}
		put(tree[i], "x");
	}
	put(".gitignore", "target/\n*.log\nnode_modules\n");
	put("vendor/.gitignore", "!keep.log\n");
	cr_assert_eq(mkdir(".git", 0755), 0);
	put(".git/config", "x");
}

/* What the globset that ripgrep uses means by a pattern; n: how many files. */
static const struct {
	const char *pattern;
	long n;
} rows[] = {
	{"*.rs", 6},
	{"**/*.rs", 6},
	{"src/*.rs", 2},
	{"src/**/*.rs", 4},
	{"**/b/*.rs", 1},
	{"src/**", 6},
	{"src/", 6},
	{"**", 18},
	{"*", 18},
	{"*.{rs,toml}", 7},
	{"{src,vendor}/*.rs", 3},
	{"src/{main,a/{mod,b/deep}}.rs", 3},
	{"{src,docs}/**/*.{rs,md,txt}", 7},
	{"*.log", 1},
	{"target/**", 0},
	{"**/config", 0},
	{"Cargo.toml", 1},
	{"cargo.toml", 0},
	{"caf?.txt", 1},
	{"[Cc]*.toml", 1},
	{"\\[z\\].h", 1},
	{"[[]z].h", 1},
	{"\\{brace\\}.txt", 1},
	{"sp ace.txt", 1},
	{"a,b.txt", 1},
	{".*.rs", 1},
	{".config/*", 1},
	{"?????????????", 0},
	{"*/*.rs", 3},
	{"!*.rs", 12},
	{"nothing", 0},
	{"./src/*.rs", 2},
};

static json_t *glob(const char *pattern, const char *path)
{
	json_t *arguments = json_pack("{s:s}", "pattern", pattern);

	if (path)
		(void)json_object_set_new(arguments, "path", json_string(path));
	return run_json(files_glob, arguments);
}

Test(glob, patterns_mean_what_the_table_says)
{
	make_tree();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *doc = glob(rows[i].pattern, NULL);

		expect_ok(doc);
		cr_expect_eq(num_at(doc, "data.num_files"), rows[i].n, "row %zu: %s: %ld files\n%s",
			     i, rows[i].pattern, num_at(doc, "data.num_files"),
			     str_at(doc, "text"));
		json_decref(doc);
	}
}

static long count_of(const char *command)
{
	FILE *pipe = popen(command, "r");
	long n = 0;
	int c;

	cr_assert_not_null(pipe);
	while ((c = getc(pipe)) != EOF)
		n += c == '\n';
	(void)pclose(pipe);
	return n;
}

Test(glob, the_table_is_what_ripgrep_does)
{
	if (system("rg --version > /dev/null 2>&1") != 0)
		cr_skip_test("no rg here: the table was not held against ripgrep");
	make_tree();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char command[512];

		/* On purpose not alike: a pattern never brings back what is ignored, "src/" and
		 * "./src" mean what they look like, braces nest, "?" is a character. */
		if (strchr("*!", rows[i].pattern[0]) && strcmp(rows[i].pattern, "*.rs") != 0)
			continue;
		if (strcmp(rows[i].pattern, "src/") == 0 || rows[i].pattern[0] == '.' ||
		    strstr(rows[i].pattern, "a/{") || strchr(rows[i].pattern, '?') ||
		    strcmp(rows[i].pattern, "target/**") == 0 ||
		    strcmp(rows[i].pattern, "src/**") == 0)
			continue;
		(void)snprintf(command, sizeof(command),
			       "rg --no-config --files --hidden -g '%s' -g '!.git' 2>/dev/null",
			       rows[i].pattern);
		cr_expect_eq(count_of(command), rows[i].n, "row %zu: ripgrep has %ld for %s", i,
			     count_of(command), rows[i].pattern);
	}
}

Test(glob, newest_first_and_by_path_within_a_moment)
{
	const struct timespec times[][2] = {{{100, 0}, {100, 0}},
					    {{300, 5}, {300, 5}},
					    {{300, 6}, {300, 6}},
					    {{100, 0}, {100, 0}}};
	const char *const names[] = {"b", "c", "d", "a"};
	json_t *doc;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		put(names[i], "");
		cr_assert_eq(utimensat(AT_FDCWD, names[i], times[i], 0), 0);
	}
	doc = glob("*", NULL);
	EXPECT_STR(doc, "text", "d\nc\na\nb\n");
	json_decref(doc);
}

Test(glob, a_hundred_names_and_an_exact_count)
{
	json_t *doc;

	cr_assert_eq(mkdir("many", 0755), 0);
	for (int i = 0; i < 777; i++) {
		const struct timespec times[2] = {{1000 + i, 0}, {1000 + i, 0}};
		char name[32];

		(void)snprintf(name, sizeof(name), "many/f%d", i);
		put(name, "");
		cr_assert_eq(utimensat(AT_FDCWD, name, times, 0), 0);
	}
	doc = glob("many/*", NULL);
	EXPECT_NUM(doc, "data.num_files", 777);
	cr_assert_eq(json_array_size(at(doc, "data.filenames")), 100);
	cr_assert(is_true_at(doc, "data.truncated"));
	cr_assert(is_true_at(doc, "data.complete"));
	EXPECT_STR(doc, "data.filenames.0", "many/f776");
	EXPECT_STR(doc, "data.filenames.9", "many/f767");
	EXPECT_TEXT(doc, "The newest 100 of 777 files");
	json_decref(doc);
}

Test(glob, links_fifos_and_stores_are_not_found)
{
	json_t *doc;

	put("real", "");
	cr_assert_eq(symlink("/etc", "out"), 0);
	cr_assert_eq(symlink("real", "alias"), 0);
	cr_assert_eq(mkfifo("pipe", 0644), 0);
	cr_assert_eq(mkdir(".hg", 0755), 0);
	put(".hg/store", "");
	put(".git", "gitdir: elsewhere");
	doc = glob("**", NULL);
	EXPECT_STR(doc, "text", "real\n");
	json_decref(doc);
}

Test(glob, a_path_is_searched_even_when_it_is_ignored)
{
	json_t *doc;

	make_tree();
	doc = glob("*.rs", "target");
	EXPECT_STR(doc, "text", "target/out.rs\n");
	json_decref(doc);
	/* What the workspace's rules say still holds below it. */
	doc = glob("*", "src");
	EXPECT_NUM(doc, "data.num_files", 6);
	json_decref(doc);
	doc = glob("a/*.rs", "src");
	EXPECT_STR(doc, "text", "src/a/mod.rs\n");
	json_decref(doc);
}

Test(glob, an_absolute_pattern_names_its_folder)
{
	char pattern[PATH_MAX + 32];
	json_t *doc;

	make_tree();
	(void)snprintf(pattern, sizeof(pattern), "%s/src/*.rs", ws);
	doc = glob(pattern, NULL);
	EXPECT_NUM(doc, "data.num_files", 2);
	json_decref(doc);
}

Test(glob, bad_patterns_are_refused_with_the_reason)
{
	static const struct {
		const char *pattern;
		const char *words;
	} bad[] = {
		{"", "empty"},
		{"{a,b", "no partner"},
		{"a}", "no partner"},
		{"../x", "\"..\""},
		{"a/..", "\"..\""},
		{"{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "more than"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *doc = glob(bad[i].pattern, NULL);

		expect_error(doc, "pattern");
		EXPECT_TEXT(doc, bad[i].words);
		json_decref(doc);
	}
}

Test(glob, missing_paths_are_told_apart)
{
	json_t *doc;

	make_tree();
	doc = glob("*", "srcc");
	expect_error(doc, "not_found");
	EXPECT_TEXT(doc, "Did you mean src");
	expect_denials(doc, 0);
	json_decref(doc);
	doc = glob("*", "/nonesuch/x");
	expect_error(doc, "denied");
	expect_denials(doc, 1);
	EXPECT_STR(doc, "denials.0.operation", "list");
	json_decref(doc);
	doc = glob("*", "Cargo.toml");
	cr_assert(is_false_at(doc, "success"));
	json_decref(doc);
}

Test(glob, a_folder_that_cannot_be_read_is_counted_and_named)
{
	json_t *doc;

	if (geteuid() == 0)
		cr_assert_eq(seteuid(65534), 0, "root reads everything");
	ws_make(); /* one of this account's own; the first is removed by root */
	put("a", "");
	cr_assert_eq(mkdir("shut", 0), 0);
	doc = glob("*", NULL);
	expect_ok(doc);
	EXPECT_TEXT(doc, "1 folder was not read: shut (Permission denied)");
	cr_assert(is_false_at(doc, "data.complete"));
	expect_denials(doc, 1);
	EXPECT_STR(doc, "denials.0.errno", "EACCES");
	json_decref(doc);
	cr_assert_eq(chmod("shut", 0755), 0);
}

Test(glob, too_deep_a_tree_is_said_and_survived)
{
	json_t *doc;
	int r = 0;

	for (unsigned i = 0; i < WALK_DEPTH_MAX + 50 && r == 0; i++) {
		cr_assert_eq(mkdir("d", 0755), 0);
		if (i == 3)
			put("d/near", "");
		r = chdir("d");
	}
	cr_assert_eq(r, 0);
	put("far", "");
	cr_assert_eq(chdir(ws), 0);
	doc = glob("{near,far}", NULL);
	EXPECT_NUM(doc, "data.num_files", 1);
	cr_assert(is_false_at(doc, "data.complete"));
	EXPECT_TEXT(doc, "1 folder was not read");
	json_decref(doc);
}

Test(glob, hostile_patterns_end_in_time)
{
	char pattern[4096], name[256];
	json_t *doc;

	memset(name, 'a', 250);
	name[250] = '\0';
	put(name, "");
	for (size_t i = 0; i + 2 < sizeof(pattern); i += 2)
		memcpy(pattern + i, "*a", 2);
	memcpy(pattern + sizeof(pattern) - 2, "b", 2);
	doc = glob(pattern, NULL);
	EXPECT_NUM(doc, "data.num_files", 0);
	json_decref(doc);
	for (size_t i = 0; i + 3 < sizeof(pattern); i += 3)
		memcpy(pattern + i, "**/", 3);
	memcpy(pattern + sizeof(pattern) - 2, "b", 2);
	doc = glob(pattern, NULL);
	EXPECT_NUM(doc, "data.num_files", 0);
	json_decref(doc);
}
