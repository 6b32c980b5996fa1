/* Theory of operation: what the sink was given, as one text: "<line>" and "!" for one too long. */
#include "rpc/lines.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LONGEST 8

static void on_line(void *ctx, const char *data, size_t len)
{
	cr_assert_eq(buf_puts(ctx, "<"), 0);
	cr_assert_eq(buf_append(ctx, data, len), 0);
	cr_assert_eq(buf_puts(ctx, ">"), 0);
}

static void on_too_long(void *ctx, const char *head, size_t len)
{
	cr_assert(head && len > 0);
	cr_assert_eq(buf_puts(ctx, "!"), 0);
}

static const struct row {
	const char *in;
	const char *out;
} rows[] = {
	{"a\nb\n", "<a><b>"},
	{"a\r\nb\r\n", "<a><b>"},
	{"\n\r\n  \n\t\na\n", "<a>"},
	{"last", "<last>"},
	{"12345678\n", "<12345678>"},
	{"123456789\nb\n", "!<b>"},
	{"123456789012345678901234567890\nb\n", "!<b>"},
	{"123456789", "!"},
	{"a\n123456789\n123456789\nc\n", "<a>!!<c>"},
	{" a b \n", "<a b>"},
};

/* Each row in pieces of @step bytes. */
static void check_rows(size_t step)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf got = {0};
		struct lines lines;
		const struct lines_sink sink = {&got, on_line, on_too_long};
		size_t len = strlen(rows[i].in);

		lines_init(&lines, LONGEST);
		for (size_t at = 0; at < len; at += step)
			cr_assert_eq(lines_feed(&lines, rows[i].in + at, MIN(step, len - at),
						&sink),
				     0);
		lines_end(&lines, &sink);
		cr_expect_str_eq(got.data ? got.data : "", rows[i].out, "row %zu, step %zu: %s", i,
				 step, got.data);
		lines_fini(&lines);
		buf_fini(&got);
	}
}

Test(lines, come_out_whole_however_they_come_in)
{
	for (size_t step = 1; step <= 40; step++)
		check_rows(step);
}

Test(lines, hold_nothing_of_a_line_that_is_too_long)
{
	const size_t most = (size_t)1 << 20;
	const size_t chunk = (size_t)1 << 16;
	struct buf got = {0};
	struct lines lines;
	const struct lines_sink sink = {&got, on_line, on_too_long};
	char *data = malloc(chunk);

	cr_assert_not_null(data);
	memset(data, 'x', chunk);
	lines_init(&lines, most);
	for (size_t i = 0; i < 1600; i++) { /* 100 MiB */
		cr_assert_eq(lines_feed(&lines, data, chunk, &sink), 0);
		cr_assert_leq(lines.buf.alloc, most + 1);
	}
	cr_assert_eq(lines.buf.alloc, 0);
	cr_assert_eq(lines_feed(&lines, "\nnext\n", 6, &sink), 0);
	cr_assert_str_eq(got.data, "!<next>");
	lines_fini(&lines);
	buf_fini(&got);
	free(data);
}

Test(lines, cost_their_length_when_fed_byte_by_byte, .timeout = 20)
{
	const size_t len = (size_t)4 << 20;
	struct buf got = {0};
	struct lines lines;
	const struct lines_sink sink = {&got, on_line, on_too_long};

	/* Rescanning what is kept would take hours here, not a second. */
	lines_init(&lines, len);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(lines_feed(&lines, "x", 1, &sink), 0);
	cr_assert_eq(lines_feed(&lines, "\n", 1, &sink), 0);
	cr_assert_eq(got.len, len + 2);
	cr_assert_eq(lines.buf.alloc, 0, "a large buffer is given back");
	lines_fini(&lines);
	buf_fini(&got);
}
