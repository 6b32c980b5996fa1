/* What text_look finds out, text_encode gives back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tools/cell/files/text.h"

static const struct {
	const char *bytes;
	size_t len;
	enum text_encoding encoding;
	enum text_ending ending;
	size_t lines;
	const char *text;
} rows[] = {
	{"", 0, TEXT_UTF8, TEXT_NONE, 0, ""},
	{"a\nb", 3, TEXT_UTF8, TEXT_LF, 2, "a\nb"},
	{"a\r\n", 3, TEXT_UTF8, TEXT_CRLF, 1, "a\r\n"},
	{"a\r\n\n", 4, TEXT_UTF8, TEXT_MIXED, 2, "a\r\n\n"},
	{"a\rb", 3, TEXT_UTF8, TEXT_NONE, 1, "a\rb"},
	{"\xef\xbb\xbf\xc3\xa9", 5, TEXT_UTF8_BOM, TEXT_NONE, 1, "\xc3\xa9"},
	{"\xef\xbb\xbf\xff", 4, TEXT_BYTES, TEXT_NONE, 1, "\xef\xbb\xbf\xff"},
	{"\xff\xfe\n\0", 4, TEXT_UTF16LE, TEXT_LF, 1, "\n"},
	{"\xff\xfe\xac\x20", 4, TEXT_UTF16LE, TEXT_NONE, 1, "\xe2\x82\xac"},
	{"\xfe\xff\xd8\x3d\xde\0", 6, TEXT_UTF16BE, TEXT_NONE, 1, "\xf0\x9f\x98\x80"},
	{"\xe9", 1, TEXT_BYTES, TEXT_NONE, 1, "\xe9"},
};

Test(text, what_is_looked_at_can_be_given_back)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf back = {0};
		struct text t;

		cr_assert_eq(text_look(rows[i].bytes, rows[i].len, &t), 0, "row %zu", i);
		cr_assert_eq(t.encoding, rows[i].encoding, "row %zu", i);
		cr_assert_eq(t.ending, rows[i].ending, "row %zu", i);
		cr_assert_eq(t.lines, rows[i].lines, "row %zu", i);
		cr_assert_eq(t.len, strlen(rows[i].text), "row %zu", i);
		cr_assert_eq(memcmp(t.data, rows[i].text, t.len), 0, "row %zu", i);
		cr_assert_eq(text_encode(&back, t.encoding, t.data, t.len), 0, "row %zu", i);
		cr_assert_eq(back.len, rows[i].len, "row %zu", i);
		cr_assert(back.len == 0 || memcmp(back.data, rows[i].bytes, back.len) == 0,
			  "row %zu", i);
		buf_fini(&back);
		text_fini(&t);
	}
}

Test(text, broken_utf16_is_told)
{
	static const struct {
		const char *bytes;
		size_t len;
	} broken[] = {{"\xff\xfe"
		       "a",
		       3},
		      {"\xff\xfe\0\xd8", 4},
		      {"\xff\xfe\0\xdc", 4},
		      {"\xff\xfe\0\xd8"
		       "a\0",
		       6}};

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct text t;

		cr_assert_eq(text_look(broken[i].bytes, broken[i].len, &t), -EILSEQ, "row %zu", i);
	}
}

Test(text, every_value_has_a_name)
{
	for (size_t i = 0; i < TEXT_ENCODING_N; i++)
		cr_assert_not_null(text_encoding_name((enum text_encoding)i));
	for (size_t i = 0; i < TEXT_ENDING_N; i++)
		cr_assert_not_null(text_ending_name((enum text_ending)i));
	cr_assert_str_eq(text_binary_name("\x7f"
					  "ELF\2",
					  5),
			 "ELF program or object");
	cr_assert_str_eq(text_binary_name("RIFF....WEBP", 12), "WebP image");
	cr_assert_null(text_binary_name("hello", 5));
	cr_assert_null(text_binary_name("", 0));
}
