/* The nearest thing to a string that is not there, within bounds. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/cell/files/closest.h"

static struct closest find(const char *file, const char *old)
{
	struct closest c;

	cr_assert_eq(closest_find(file, strlen(file), old, strlen(old), &c), 0);
	return c;
}

Test(closest, the_smallest_difference_is_named)
{
	static const struct {
		const char *file, *old;
		enum closest_difference difference;
		size_t line;
	} rows[] = {
		{"a\nfoo(b,  c);\n", "foo(b, c);", CLOSEST_WHITESPACE, 2},
		{"a\n\n\nx y\n", "xy", CLOSEST_WHITESPACE, 4},
		{"a\nb\n", "a\r\nb", CLOSEST_LINE_ENDING, 1},
		{"Hello World\n", "hello world", CLOSEST_CASE, 1},
		{"1\n2\nlong line here\nother\n", "long line here\nnot this\n", CLOSEST_CONTENT, 3},
		{"let total = compute_sum(a);\n", "let total = compute_sun(a);", CLOSEST_CONTENT,
		 1},
		{"}\n}\n}\n", "}\nqq\n}\n", CLOSEST_NONE, 0},
		{"", "x", CLOSEST_NONE, 0},
		{"x", "", CLOSEST_NONE, 0},
		{"abc\n", " \n\t", CLOSEST_NONE, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct closest c = find(rows[i].file, rows[i].old);

		cr_assert_eq(c.difference, rows[i].difference, "row %zu: %u", i, c.difference);
		cr_assert_eq(c.line, rows[i].line, "row %zu: %zu", i, c.line);
	}
}

Test(closest, a_hostile_pair_is_not_slow)
{
	size_t len = 8U << 20;
	size_t old_len = 200U << 10;
	char *file = malloc(len);
	char *old = malloc(old_len);
	struct timespec begin;
	struct timespec end;
	struct closest c;

	for (size_t i = 0; i < len; i++)
		file[i] = i % 32 == 31 ? '\n' : 'a';
	for (size_t i = 0; i < old_len; i++)
		old[i] = i % 128 == 127 ? '\n' : 'a';
	old[old_len - 1] = 'b';
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	cr_assert_eq(closest_find(file, len, old, old_len, &c), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	cr_assert_lt(end.tv_sec - begin.tv_sec, 10);
	free(file);
	free(old);
}
