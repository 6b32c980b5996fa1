/* Shapes of secrets: what they match, what they refuse to be, and that no text makes them slow. */
#include "audit/pattern.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static size_t find(const char *pattern, const char *text, struct pattern_span *span)
{
	struct pattern p;
	struct err err = {0};

	cr_assert_eq(pattern_parse(pattern, &p, &err), 0, "%s: %s", pattern, err.text);
	return pattern_find(&p, text, strlen(text), span, 4);
}

Test(pattern, finds_all_that_any_match_covers)
{
	static const struct {
		const char *pattern, *text;
		size_t n, from, to;
	} rows[] = {
		{"AKIA[A-Z0-9]{16}", "x AKIAABCDEFGHIJKLMNOP y", 1, 2, 22},
		{"AKIA[A-Z0-9]{16}", "AKIAABCDEFGHIJKLMNO", 0, 0, 0},
		{"AKIA[A-Z0-9]{4}", "AKIAKIA1234", 1, 0, 11},
		{"sk-[a-z]{3,}", "sk-ab sk-abcdef.", 1, 6, 15},
		{"ab?c", "xac abc", 2, 1, 3},
		{"a+", "baaab", 1, 1, 4},
		{"a\\.b", "acb a.b", 1, 4, 7},
		{"[^ ]+@", "one two@ x", 1, 4, 8},
		{"\\d{2,3}-", "1234-", 1, 1, 5},
		{"aab", "aaab", 1, 1, 4},
		{"a.c", "a c abc", 1, 4, 7},
		{"[a\\]]{2}", "xa]x", 1, 1, 3},
		{"a[b]*c", "abbbbc", 1, 0, 6},
		{"ab", "abab", 1, 0, 4}, /* they touch */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pattern_span spans[4] = {0};

		cr_assert_eq(find(rows[i].pattern, rows[i].text, spans), rows[i].n, "row %zu", i);
		cr_assert_eq(spans[0].from, rows[i].from, "row %zu", i);
		cr_assert_eq(spans[0].to, rows[i].to, "row %zu", i);
	}
}

Test(pattern, more_spans_than_there_is_room_for_become_one_long_one)
{
	struct pattern_span spans[4] = {0};

	cr_assert_eq(find("ab", "ab.ab.ab.ab.ab.ab", spans), 4);
	cr_assert_eq(spans[3].from, 9);
	cr_assert_eq(spans[3].to, 17);
}

Test(pattern, refuses_what_is_none)
{
	static const char *const bad[] = {
		"",   "(a|b)", "a{",  "a{0}",	"a{3,2}", "a{1000}", "*a",	"[",
		"[]", "[b-a]", "a\\", "a**",	"x*y",	  "a?",	     "^a",	"a$",
		"[a", "a{,3}", "a|b", "a{129}", "\\",	  "[a-\\d]", "a{1}{2}",
	};
	struct pattern p = {.n_states = 99};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = {0};

		cr_assert_eq(pattern_parse(bad[i], &p, &err), -EINVAL, "row %zu: %s", i, bad[i]);
		cr_assert_neq(err.text[0], '\0');
		cr_assert_eq(p.n_states, 99);
	}
}

/* What makes a backtracking matcher take for ever takes one pass. */
Test(pattern, is_linear_in_the_text)
{
	static const char *const hard[] = {"[a]{1,30}[a]{1,30}[a]{1,30}b", "a+a+a+a+a+a+b",
					   "a[a]*[a]*[a]*[a]*c", ".+.+.+.+\""};
	size_t len = (size_t)1 << 20;
	char *text = malloc(len);
	struct timespec from, to;

	cr_assert_not_null(text);
	memset(text, 'a', len);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (size_t i = 0; i < ARRAY_SIZE(hard); i++) {
		struct pattern_span spans[4];
		struct pattern p;
		struct err err;

		cr_assert_eq(pattern_parse(hard[i], &p, &err), 0);
		(void)pattern_find(&p, text, len, spans, 4);
	}
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	cr_assert_lt(to.tv_sec - from.tv_sec, 30);
	free(text);
}
