/* Shapes of secrets: what they match, what they refuse to be, and that no text makes them slow. */
#include "audit/pattern.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"

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

/* The least of three tries, in nanoseconds. */
static int64_t cost(const char *pattern, const char *text, size_t len)
{
	int64_t least = INT64_MAX;
	struct pattern p;
	struct err err;

	cr_assert_eq(pattern_parse(pattern, &p, &err), 0);
	for (int i = 0; i < 3; i++) {
		struct pattern_span spans[4];
		struct timespec from, to;

		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		(void)pattern_find(&p, text, len, spans, 4);
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
		least = MIN(least, (to.tv_sec - from.tv_sec) * INT64_C(1000000000) + to.tv_nsec -
					   from.tv_nsec);
	}
	return least;
}

Test(pattern, what_may_be_left_out_costs_no_more_than_what_may_not)
{
	static const char *const optional[] = {"a[ab]{0,126}c", "a[ab]*[ab]{0,120}[ab]*c",
					       "a[ab]{0,40}a{0,40}[ab]{0,40}c"};
	size_t len = (size_t)64 << 10;
	char *text = malloc(len);
	int64_t plain;

	cr_assert_not_null(text);
	memset(text, 'a', len);
	plain = cost("[ab]{126}c", text, len);
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		int64_t took = cost(optional[i], text, len);

		cr_assert_lt(took, 10 * plain, "row %zu: %ld of %ld ns", i, (long)took,
			     (long)plain);
	}
	free(text);
}

/* All states that a match which began at @from can be in, byte by byte; marks what it covers. */
static void cover(const struct pattern *p, const char *text, size_t len, size_t from, bool *covered)
{
	bool now[PATTERN_STATES_MAX + 1] = {true};

	for (size_t at = from; at < len; at++) {
		bool next[PATTERN_STATES_MAX + 1] = {false};

		for (size_t i = 0; i < p->n_states; i++) {
			const uint64_t *set = p->sets[p->states[i].set];
			unsigned char byte = (unsigned char)text[at];

			if (!now[i] || !(set[byte / 64] >> (byte % 64) & 1))
				continue;
			next[i] = next[i] || p->states[i].loops;
			next[i + 1] = true;
		}
		for (size_t i = 0; i < p->n_states; i++)
			next[i + 1] = next[i + 1] || (next[i] && p->states[i].optional);
		if (next[p->n_states])
			memset(covered + from, 1, at + 1 - from);
		memcpy(now, next, sizeof(now));
	}
}

static void append_item(char *pattern, size_t cap)
{
	static const char *const items[] = {"a", "b", "[ab]", "[^a]", "."};
	static const char *const times[] = {"", "", "?", "*", "+", "{2}", "{0,3}", "{1,2}", "{2,}"};
	size_t len = strlen(pattern);

	(void)snprintf(pattern + len, cap - len, "%s%s", items[(size_t)rand() % ARRAY_SIZE(items)],
		       times[(size_t)rand() % ARRAY_SIZE(times)]);
}

Test(pattern, finds_what_trying_everything_finds)
{
	unsigned int matched = 0;

	srand(7);
	for (unsigned int round = 0; round < 20000; round++) {
		struct pattern_span spans[32];
		bool covered[33] = {false};
		bool found[33] = {false};
		char pattern[64] = "";
		char text[33] = "";
		size_t len = (size_t)rand() % 32;
		struct pattern p;
		size_t n;

		for (int items = rand() % 5; items >= 0; items--)
			append_item(pattern, sizeof(pattern));
		if (pattern_parse(pattern, &p, NULL) < 0)
			continue;
		for (size_t i = 0; i < len; i++)
			text[i] = "aab \xc3"[rand() % 5];
		for (size_t from = 0; from < len; from++)
			cover(&p, text, len, from, covered);
		n = pattern_find(&p, text, len, spans, ARRAY_SIZE(spans));
		for (size_t i = 0; i < n; i++)
			memset(found + spans[i].from, 1, spans[i].to - spans[i].from);
		cr_assert_arr_eq(covered, found, sizeof(covered), "%s in \"%s\"", pattern, text);
		matched += n > 0;
	}
	cr_assert_gt(matched, 5000);
}
