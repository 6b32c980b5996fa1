/* Theory of operation: rows of foreign bytes and what may be shown of them. */
#include "base/text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define BAD "\xef\xbf\xbd"

struct bytes {
	const char *data;
	size_t len;
};

#define BYTES(s)                 \
	{                        \
		s, sizeof(s) - 1 \
	}

Test(text, quote_keeps_ascii_and_escapes_the_rest)
{
	static const struct {
		struct bytes in;
		const char *out;
	} rows[] = {
		{BYTES("plain text"), "plain text"},
		{BYTES("a\nb"), "a\\x0ab"},
		{BYTES("a\0b"), "a\\x00b"},
		{BYTES("\"\\"), "\\x22\\x5c"},
		{BYTES("\x7f\x80\xff"), "\\x7f\\x80\\xff"},
		{BYTES("\x1b[31m"), "\\x1b[31m"},
		{BYTES(""), ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char dst[64];

		cr_expect_str_eq(text_quote(dst, sizeof(dst), rows[i].in.data, rows[i].in.len),
				 rows[i].out, "row %zu: %s", i, dst);
	}
}

Test(text, quote_never_writes_beyond_any_buffer)
{
	for (size_t cap = 1; cap < 40; cap++) {
		char dst[64];

		memset(dst, '#', sizeof(dst));
		(void)text_quote(dst, cap, "ab\x01\x02\x03\x04 0123456789 0123456789", 27);
		cr_expect(strnlen(dst, cap) < cap, "cap %zu: no NUL", cap);
		for (size_t i = cap; i < sizeof(dst); i++)
			cr_assert(dst[i] == '#', "cap %zu: byte %zu written", cap, i);
	}
}

Test(text, quote_says_that_it_cut)
{
	char dst[12];

	(void)text_quote(dst, sizeof(dst), "0123456789abcdef", 16);
	cr_assert_str_eq(dst, "01234567...");
}

Test(text, utf8_len_follows_the_standard_table)
{
	static const struct {
		struct bytes in;
		int len;
	} rows[] = {
		{BYTES("a"), 1},
		{BYTES("\x7f"), 1},
		{BYTES("\x80"), 0},
		{BYTES("\xc0\x80"), 0},
		{BYTES("\xc1\xbf"), 0},
		{BYTES("\xc2\x80"), 2},
		{BYTES("\xdf\xbf"), 2},
		{BYTES("\xe0\x9f\xbf"), 0},
		{BYTES("\xe0\xa0\x80"), 3},
		{BYTES("\xed\x9f\xbf"), 3},
		{BYTES("\xed\xa0\x80"), 0},
		{BYTES("\xef\xbf\xbd"), 3},
		{BYTES("\xf0\x8f\xbf\xbf"), 0},
		{BYTES("\xf0\x90\x80\x80"), 4},
		{BYTES("\xf4\x8f\xbf\xbf"), 4},
		{BYTES("\xf4\x90\x80\x80"), 0},
		{BYTES("\xf5\x80\x80\x80"), 0},
		{BYTES("\xff"), 0},
		{BYTES("\xc2"), -1},
		{BYTES("\xe2\x82"), -1},
		{BYTES("\xf0\x9f\x98"), -1},
		{BYTES("\xe0\x80"), 0},
		{BYTES("\xc2\x41"), 0},
		{BYTES(""), -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int len = text_utf8_len((const unsigned char *)rows[i].in.data, rows[i].in.len);

		cr_expect(len == rows[i].len, "row %zu: %d, not %d", i, len, rows[i].len);
	}
}

Test(text, is_utf8_wants_all_of_it)
{
	cr_assert(text_is_utf8("", 0));
	cr_assert(text_is_utf8("a\xc3\xa9\xf0\x9f\x98\x80", 7));
	cr_assert(!text_is_utf8("a\xc3", 2));
	cr_assert(!text_is_utf8("\xff", 1));
}

Test(text, append_safe_leaves_nothing_that_a_terminal_obeys)
{
	static const struct {
		struct bytes in;
		const char *out;
	} rows[] = {
		{BYTES("plain\ttext\n"), "plain\ttext\n"},
		{BYTES("\x1b[31mred\x1b[0m"), "red"},
		{BYTES("\x1b[38;5;196mx"), "x"},
		{BYTES("\x1b]0;title\x07y"), "y"},
		{BYTES("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"), "link"},
		{BYTES("\x1bP1$r\x1b\\z"), "z"},
		{BYTES("\x1b"), ""},
		{BYTES("a\x1b[31"), "a"},
		{BYTES("a\x1b]never ended\nb"), "a\nb"},
		{BYTES("a\0b"), "a" BAD "b"},
		{BYTES("a\bb\x7f"), "a" BAD "b" BAD},
		{BYTES("a\r\nb"), "a\nb"},
		{BYTES("10%\r20%"), "10%\n20%"},
		{BYTES("\xff\xfe"), BAD BAD},
		{BYTES("\xc2\x9b"
		       "31m"),
		 BAD "31m"},
		{BYTES("caf\xc3\xa9 \xf0\x9f\x98\x80"), "caf\xc3\xa9 \xf0\x9f\x98\x80"},
		{BYTES("\xe2\x80\xaeltr"), BAD "ltr"},
		{BYTES("\xe2\x81\xa6x\xe2\x81\xa9"), BAD "x" BAD},
		{BYTES("\xe2\x80\x94"), "\xe2\x80\x94"},
		{BYTES("cut \xe2\x82"), "cut " BAD BAD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(buf_fini) struct buf b = {0};

		cr_assert(text_append_safe(&b, rows[i].in.data, rows[i].in.len) == 0, "row %zu", i);
		cr_expect_str_eq(b.data ? b.data : "", rows[i].out, "row %zu: %s", i, b.data);
	}
}

Test(text, append_safe_of_any_bytes_is_safe_utf8)
{
	unsigned seed = 1;

	for (int round = 0; round < 2000; round++) {
		CLEANUP(buf_fini) struct buf b = {0};
		char in[64];

		for (size_t i = 0; i < sizeof(in); i++) {
			seed = seed * 1103515245U + 12345U;
			in[i] = (char)(seed >> 16);
		}
		cr_assert(text_append_safe(&b, in, sizeof(in)) == 0);
		cr_assert(text_is_utf8(b.data ? b.data : "", b.len), "round %d", round);
		for (size_t i = 0; i < b.len; i++) {
			unsigned char c = (unsigned char)b.data[i];

			cr_assert(c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f),
				  "round %d: %02x", round, c);
		}
	}
}

Test(text, append_safe_meets_the_ceiling)
{
	CLEANUP(buf_fini) struct buf b = {.cap = 4};

	cr_assert(text_append_safe(&b, "12345", 5) == -E2BIG);
}

Test(text, nearest_finds_the_likely_word_only)
{
	static const char *const names[] = {"filesystem", "network", "syscalls", "limits"};
	static const struct {
		const char *word;
		const char *want;
	} rows[] = {
		{"filesytem", "filesystem"}, {"netwrok", "network"},
		{"limit", "limits"},	     {"syscall", "syscalls"},
		{"environment", NULL},	     {"", NULL},
		{"network", "network"},	     {"x", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = text_nearest(rows[i].word, names, ARRAY_SIZE(names));

		if (rows[i].want)
			cr_expect_str_eq(got ? got : "(none)", rows[i].want, "row %zu", i);
		else
			cr_expect(got == NULL, "row %zu: %s", i, got);
	}
}

Test(text, nearest_survives_a_very_long_word)
{
	static const char *const names[] = {"network"};
	char word[4096];

	memset(word, 'n', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	cr_assert(text_nearest(word, names, 1) == NULL);
}
