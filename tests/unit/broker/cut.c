/* Cuts fall between lines, or at least between characters. */
#include "broker/cut.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct row {
	const char *text;
	size_t max;
	size_t head;
	size_t tail;
} rows[] = {
	{"", 5, 0, 0},
	{"abc", 5, 3, 3},
	{"abcdef", 4, 4, 4},
	{"one\ntwo\nthree\n", 6, 4, 6},
	{"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 4, 3, 3},
	{"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 5, 3, 3},
	{"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 6, 6, 6},
	{"\x80\x80\x80\x80\x80\x80", 4, 4, 1},
};

Test(cut, falls_between_lines_or_characters)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].text);

		cr_expect_eq(cut_head(rows[i].text, len, rows[i].max), rows[i].head, "row %zu", i);
		cr_expect_eq(cut_tail(rows[i].text, len, rows[i].max), rows[i].tail, "row %zu", i);
	}
}

Test(cut, short_text_is_untouched)
{
	struct buf out = {0};

	cr_assert_eq(cut_append(&out, "hello", 5, 5, NULL), 0);
	cr_expect_str_eq(out.data, "hello");
	buf_fini(&out);
}

Test(cut, long_text_says_how_much_is_gone)
{
	char text[10000];
	struct buf out = {0};

	memset(text, 'x', sizeof(text));
	cr_assert_eq(cut_append(&out, text, sizeof(text), 1000, "toolcell://a"), 0);
	cr_expect(strstr(out.data, "x\n[... 9000 bytes omitted; raw output: toolcell://a ...]\nx"));
	buf_fini(&out);
}

Test(cut, unfinished_character_is_found)
{
	cr_expect_eq(cut_unfinished("a\xf0\x9f\x98", 4), 3);
	cr_expect_eq(cut_unfinished("a\xc3", 2), 1);
	cr_expect_eq(cut_unfinished("a\xc3\xa9", 3), 0);
	cr_expect_eq(cut_unfinished("a\xff", 2), 0);
	cr_expect_eq(cut_unfinished("", 0), 0);
}
