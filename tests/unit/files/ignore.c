/*
 * Theory of operation: a table of ignore files and paths, with what gitignore(5) says of each; the same
 * table is put to `git check-ignore` where git is installed, so that the table itself is held to account.
 */
#include "tools/cell/files/ignore.h"

#include <stdio.h>

#include "support.h"

TestSuite(ignore, .init = ws_make, .fini = ws_remove, .timeout = 60);

/* @path ends with "/" for a folder. */
static const struct {
	const char *rules;
	const char *path;
	bool out;
} rows[] = {
	{"*.o\n", "a.o", true},
	{"*.o\n", "d/e/a.o", true},
	{"*.o\n", "a.c", false},
	{"a\n", "a", true},
	{"a\n", "d/a", true},
	{"/a\n", "a", true},
	{"/a\n", "d/a", false},
	{"d/a\n", "d/a", true},
	{"d/a\n", "e/d/a", false},
	{"a/\n", "a", false},
	{"a/\n", "a/", true},
	{"a/\n", "d/a/", true},
	{"*.o\n!keep.o\n", "keep.o", false},
	{"!keep.o\n*.o\n", "keep.o", true},
	{"# a\n", "# a", false},
	{"\\# a\n", "# a", true},
	{"\\!a\n", "!a", true},
	{"a \n", "a", true},
	{"a\\ \n", "a ", true},
	{"a\r\n", "a", true},
	{"\n\n", "a", false},
	{"/\n", "a", false},
	{"**/a\n", "a", true},
	{"**/a\n", "d/e/a", true},
	{"**/d/a\n", "d/a", true},
	{"**/d/a\n", "e/d/a", true},
	{"d/**\n", "d/a", true},
	{"d/**\n", "d/", false},
	{"d/**/a\n", "d/a", true},
	{"d/**/a\n", "d/e/f/a", true},
	{"d/**/a\n", "e/d/a", false},
	{"d/*/a\n", "d/a", false},
	{"d/*/a\n", "d/e/a", true},
	{"d/*/a\n", "d/e/f/a", false},
	{"d**a\n", "dxa", true},
	{"d/x**a\n", "d/xya", true},
	{"d/x**a\n", "d/x/a", false},
	{"**\n", "a", true},
	{"*\n!a\n", "a", false},
	{"?\n", "a", true},
	{"?\n", "ab", false},
	{"[ab]\n", "a", true},
	{"[!ab]\n", "a", false},
	{"[^ab]\n", "c", true},
	{"[a-c]x\n", "bx", true},
	{"[]]\n", "]", true},
	{"[]-a]\n", "_", true},
	{"[a\n", "[a", false},
	{"[[:digit:]]\n", "7", true},
	{"[[:digit:]]\n", "a", false},
	{"[[:nonsense:]]\n", "a", false},
	{"[\\]]\n", "]", true},
	{"a[/]b\n", "a/b", false},
	{"\\a\n", "a", true},
	{"a\\\n", "a\\", false},
	{"a\\*\n", "a*", true},
	{"a\\*\n", "ab", false},
	{"*a*b*c\n", "xaxbxc", true},
	{"*a*b*c\n", "xaxcxb", false},
	{"x/*.c\n", "x/a.c", true},
	{"x/*.c\n", "x/y/a.c", false},
	{"//a\n", "a", false},
	{"a//\n", "a/", false},
	{"\xef\xbb\xbf"
	 "a\n",
	 "a", true},
	{"caf\xc3\xa9\n", "caf\xc3\xa9", true},
	{"a", "a", true},
	{"*/b\n", "a/b", true},
	{"*/b\n", "b", false},
	{"a/**/**/b\n", "a/b", true},
	{"a/**/**/b\n", "a/c/d/b", true},
	{"a/*\n!a/b\n", "a/b", false},
	{"a/*\n!a/b\n", "a/c", true},
};

static void load(const char *rules, struct ignore **ret)
{
	size_t bad = 0;
	int dir;

	put(".gitignore", rules);
	dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(ignore_load(dir, IGNORE_HAS_GITIGNORE, 0, NULL, ret, &bad), 0);
	cr_assert_eq(bad, 0);
	(void)close(dir);
}

static bool ask(const struct ignore *ig, const char *path)
{
	size_t len = strlen(path), name = 0;
	bool folder = path[len - 1] == '/';

	len -= folder ? 1 : 0;
	for (size_t i = 0; i < len; i++)
		if (path[i] == '/')
			name = i + 1;
	return ignore_out(ig, path, len, name, folder);
}

Test(ignore, rules_mean_what_gitignore_says)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ignore *ig = NULL;

		load(rows[i].rules, &ig);
		cr_expect_eq(ask(ig, rows[i].path), rows[i].out, "row %zu: %s of %s", i,
			     rows[i].path, rows[i].rules);
		ignore_put(ig);
	}
}

static void make_path(const char *path)
{
	char copy[256];

	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *p = copy; (p = strchr(p, '/')); p++) {
		*p = '\0';
		(void)mkdir(copy, 0755);
		*p = '/';
	}
	if (path[strlen(path) - 1] != '/')
		put(path, "x");
}

Test(ignore, the_table_is_what_git_does)
{
	if (system("git --version > /dev/null 2>&1") != 0)
		cr_skip_test("no git here: the table was not held against it");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char command[512], dir[32];
		int r;

		(void)snprintf(dir, sizeof(dir), "r%zu", i);
		cr_assert_eq(mkdir(dir, 0755), 0);
		cr_assert_eq(chdir(dir), 0);
		cr_assert_eq(system("git init -q . > /dev/null 2>&1"), 0);
		make_path(rows[i].path);
		put(".gitignore", rows[i].rules);
		/* git looks itself whether it is a folder; a slash would be part of the name. */
		(void)snprintf(command, sizeof(command), "git check-ignore -q --no-index -- '%.*s'",
			       (int)strlen(rows[i].path) -
				       (rows[i].path[strlen(rows[i].path) - 1] == '/' ? 1 : 0),
			       rows[i].path);
		r = system(command);
		cr_expect_eq(r == 0, rows[i].out, "row %zu: git of %s, rules %s", i, rows[i].path,
			     rows[i].rules);
		cr_assert_eq(chdir(".."), 0);
	}
}

Test(ignore, a_deeper_file_goes_before_one_above)
{
	struct ignore *top = NULL, *below = NULL;
	size_t bad = 0;
	int dir;

	load("*.log\nonly/\n", &top);
	cr_assert_eq(mkdir("d", 0755), 0);
	put("d/.gitignore", "!keep.log\n/here\n");
	dir = open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(ignore_load(dir, IGNORE_HAS_GITIGNORE, 2, top, &below, &bad), 0);
	cr_expect(!ask(below, "d/keep.log"));
	cr_expect(ask(below, "d/other.log"));
	cr_expect(ask(below, "d/here"));
	cr_expect(!ask(below, "d/e/here"));
	cr_expect(ask(below, "d/only/"));
	ignore_put(below);
	ignore_put(top);
	(void)close(dir);
}

Test(ignore, dot_ignore_goes_first_and_exclude_last)
{
	struct ignore *ig = NULL;
	size_t bad = 0;
	int dir;

	put(".ignore", "!a\n");
	put(".gitignore", "a\nb\n!c\n");
	cr_assert_eq(mkdir(".git", 0755), 0);
	cr_assert_eq(mkdir(".git/info", 0755), 0);
	put(".git/info/exclude", "c\nd\n");
	dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(ignore_load(dir, IGNORE_HAS_GITIGNORE | IGNORE_HAS_IGNORE | IGNORE_HAS_GIT, 0,
				 NULL, &ig, &bad),
		     0);
	cr_expect(!ask(ig, "a"));
	cr_expect(ask(ig, "b"));
	cr_expect(!ask(ig, "c"));
	cr_expect(ask(ig, "d"));
	ignore_put(ig);
	(void)close(dir);
}

Test(ignore, a_repository_within_begins_anew)
{
	struct ignore *top = NULL, *below = NULL;
	size_t bad = 0;
	int dir;

	load("*.log\n", &top);
	cr_assert_eq(mkdir("sub", 0755), 0);
	cr_assert_eq(mkdir("sub/.git", 0755), 0);
	dir = open("sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(ignore_load(dir, IGNORE_HAS_GIT, 4, top, &below, &bad), 0);
	cr_expect(!ask(below, "sub/a.log"));
	cr_expect_eq(bad, 0);
	ignore_put(below);
	ignore_put(top);
	(void)close(dir);
}

Test(ignore, what_is_no_file_or_too_large_is_counted_and_not_used)
{
	struct ignore *ig = NULL;
	size_t bad = 0;
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *big = malloc(IGNORE_BYTES_MAX + 1);

	cr_assert_eq(mkfifo(".gitignore", 0644), 0);
	cr_assert_eq(symlink("/etc/passwd", ".ignore"), 0);
	cr_assert_eq(ignore_load(dir, IGNORE_HAS_GITIGNORE | IGNORE_HAS_IGNORE, 0, NULL, &ig, &bad),
		     0);
	cr_expect_eq(bad, 2);
	ignore_put(ig);
	cr_assert_eq(unlink(".gitignore"), 0);
	memset(big, '\n', IGNORE_BYTES_MAX + 1);
	put_bytes(".gitignore", big, IGNORE_BYTES_MAX + 1);
	cr_assert_eq(ignore_load(dir, IGNORE_HAS_GITIGNORE, 0, NULL, &ig, &bad), 0);
	cr_expect_eq(bad, 3);
	ignore_put(ig);
	memset(big, 'a', 2 * (IGNORE_RULES_MAX + 1));
	for (size_t i = 1; i < 2 * (IGNORE_RULES_MAX + 1); i += 2)
		big[i] = '\n';
	put_bytes(".gitignore", big, 2 * (IGNORE_RULES_MAX + 1));
	cr_assert_eq(ignore_load(dir, IGNORE_HAS_GITIGNORE, 0, NULL, &ig, &bad), 0);
	cr_expect_eq(bad, 4);
	cr_expect(ask(ig, "a"));
	ignore_put(ig);
	free(big);
	(void)close(dir);
}
