/* Patterns row by row, then texts that are refused. */
#include "workspace/rules.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"

static const struct {
	const char *pattern;
	const char *path;
	bool covers;
} rows[] = {
	{"a", "a", true},
	{"a", "a/b/c", true},
	{"a", "ab", false},
	{"a", "b/a", false},
	{"a/b", "a", false},
	{"a/b", "a/b", true},
	{"a/b", "a/c", false},
	{"**/a", "a", true},
	{"**/a", "x/y/a/z", true},
	{"**/a", "x/ab", false},
	{"**/.git/hooks", ".git/hooks/pre-commit", true},
	{"**/.git/hooks", ".git/x/hooks", false},
	{"**/.git/**/hooks", ".git/modules/m/hooks", true},
	{"a/**/b", "a/b", true},
	{"a/**/b", "a/x/y/b", true},
	{"a/**/b", "x/a/b", false},
	{"a/**", "a", true},
	{"a/**", "a/b", true},
	{"a/**", "b", false},
	{"**", "anything/at/all", true},
	{"*.sh", "a.sh", true},
	{"*.sh", ".sh", true},
	{"*.sh", "d/a.sh", false},
	{"a*b*c", "aXbXbXc", true},
	{"a*b*c", "aXbX", false},
	{"?", "a", true},
	{"?", "ab", false},
	{"[a-c]x", "bx", true},
	{"[a-c]x", "dx", false},
	{"[!a-c]x", "dx", true},
	{"[^a-c]x", "ax", false},
	{"[]]", "]", true},
	{"[a-]", "-", true},
	{"[", "[", true},
	{"[abc", "[abc", true},
	{"x[", "x[", true},
	{"[A-Z]", "a", false},
	{"**/**/a/**/**", "x/a/y", true},
};

Test(rules, patterns_cover_what_they_say)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(rules_match(rows[i].pattern, strlen(rows[i].pattern), rows[i].path),
			     rows[i].covers, "row %zu: %s on %s", i, rows[i].pattern, rows[i].path);
}

Test(rules, no_pattern_is_slow)
{
	char pattern[256] = {0}, path[4096] = {0};
	clock_t began = clock();

	for (size_t i = 0; i < 240; i += 6)
		memcpy(pattern + i, &"**/*a*b"[i % 12 ? 3 : 0], i % 12 ? 4 : 3);
	for (size_t i = 0; i < sizeof(pattern) - 1; i++)
		if (pattern[i] == '\0')
			pattern[i] = '*';
	memset(path, 'a', sizeof(path) - 1);
	for (size_t i = 200; i < sizeof(path) - 1; i += 200)
		path[i] = '/';
	(void)rules_match(pattern, strlen(pattern), path);
	cr_expect_lt((double)(clock() - began) / CLOCKS_PER_SEC, 1.0);
}

static void parse(const char *text, struct rules *ret)
{
	struct err err = {0};

	cr_assert_eq(rules_parse(text, ret, &err), 0, "%s", err.text);
}

Test(rules, a_text_becomes_rules)
{
	static struct rules r;

	parse("P\t**/.git/hooks\tp#/0\nF\t.git\tp#/1\nS\ttarget\tp#/2\nL\tinside\tp#/3\nY\tp#/4",
	      &r);
	cr_expect_eq(r.n, 3);
	cr_expect(r.links_inside && r.sync);
	cr_expect_eq(r.links_pointer_len, 4);
	cr_expect_eq(rules_find(&r, 'P', ".git", false), &r.rules[1]);
	cr_expect_null(rules_find(&r, 'P', ".git", true));
	cr_expect_null(rules_find(&r, 'P', ".git/config", false));
	cr_expect_eq(rules_find(&r, 'P', ".git/hooks/x", false), &r.rules[0]);
	cr_expect_eq(rules_find(&r, 'P', ".GIT/HOOKS", true), &r.rules[0]);
	cr_expect_eq(rules_find(&r, 'S', "target/debug", true), &r.rules[2]);
	cr_expect_null(rules_find(&r, 'S', "Target", true));
	cr_expect_null(rules_find(&r, 'P', "target", true));
	parse("", &r);
	cr_expect_eq(r.n, 0);
	cr_expect(!r.links_inside && !r.sync);
}

Test(rules, links_where_a_folder_of_a_protected_path_is_to_be_are_found)
{
	static struct rules r;

	parse("P\t**/.cargo/config\tp#/0\nP\ta/**/b\tp#/1\nS\tx/y\tp#/2\nP\tone\tp#/3\n", &r);
	cr_expect_eq(rules_find_link(&r, ".cargo"), &r.rules[0]);
	cr_expect_eq(rules_find_link(&r, "d/.cargo"), &r.rules[0]);
	cr_expect_null(rules_find_link(&r, "d"));
	cr_expect_eq(rules_find_link(&r, "a"), &r.rules[1]);
	cr_expect_eq(rules_find_link(&r, "a/deep/er"), &r.rules[1]);
	cr_expect_null(rules_find_link(&r, "x"));
	cr_expect_null(rules_find_link(&r, "one"));
}

Test(rules, literal_paths_are_told_from_patterns)
{
	static const struct {
		const char *pattern;
		const char *path; /* NULL: none */
	} literals[] = {
		{"a/b", "a/b"}, {"**/a/b", "a/b"}, {"**/**/a", "a"}, {"**", NULL},
		{"a*", NULL},	{"a/**/b", NULL},  {"[a]/b", NULL},  {"a?", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(literals); i++) {
		const struct rule rule = {'P', literals[i].pattern, strlen(literals[i].pattern),
					  "p", 1};
		const char *path = NULL;
		size_t len = rule_literal(&rule, &path);

		cr_expect_eq(len, literals[i].path ? strlen(literals[i].path) : 0, "row %zu", i);
		if (literals[i].path)
			cr_expect_eq(memcmp(path, literals[i].path, len), 0, "row %zu", i);
	}
}

Test(rules, bad_lines_are_refused_with_their_number)
{
	static const char *const bad[] = {
		"X\ta\tp",   "P\ta",	   "P\ta\tp\tq", "P\t\tp",	 "P\t/a\tp",
		"P\ta/\tp",  "P\ta//b\tp", "P\t./a\tp",	 "P\ta/../b\tp", "P\ta\t",
		"L\tany\tp", "L\tinside",  "Y",		 "Y\t",		 "",
		"PP\ta\tp",  " P\ta\tp",   "Y\ta\tb",
	};
	static struct rules r;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[64];
		struct err err = {0};

		(void)snprintf(text, sizeof(text), "P\tgood\tp\n%s\n", bad[i]);
		cr_expect_eq(rules_parse(text, &r, &err), -EINVAL, "row %zu", i);
		cr_expect_not_null(strstr(err.text, "line 2"), "row %zu: %s", i, err.text);
	}
}

Test(rules, counts_and_depths_are_capped)
{
	static struct rules r;
	static char text[RULES_MAX * 8 + 64];
	struct err err = {0};
	char deep[256] = "P\t", *at = text;

	for (unsigned i = 0; i < RULES_MAX; i++, at += 6)
		memcpy(at, "P\ta\tp\n", 6);
	cr_expect_eq(rules_parse(text, &r, &err), 0, "%s", err.text);
	memcpy(at, "P\ta\tp\n", 7);
	cr_expect_eq(rules_parse(text, &r, &err), -EINVAL);
	for (unsigned i = 0; i < RULES_DEPTH_MAX; i++)
		memcpy(deep + 2 + (size_t)i * 2, "a/", 2);
	memcpy(deep + 2 + (size_t)RULES_DEPTH_MAX * 2, "a\tp\n", 5);
	cr_expect_eq(rules_parse(deep, &r, &err), -EINVAL);
	cr_expect_eq(rules_parse("L\tinside\tp\nL\tinside\tp\n", &r, &err), -EINVAL);
}
