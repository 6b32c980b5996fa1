/* One stream: exact count, both ends, validity across chunks, spill. */
#include "broker/output.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct output_budget budget;
static struct output out;

static void set_up(void)
{
	cr_assert_eq(output_init(&out), 0);
}

static void tear_down(void)
{
	output_fini(&out, &budget);
	cr_expect_eq(budget.used, 0, "%llu bytes are left", (unsigned long long)budget.used);
}

TestSuite(output, .init = set_up, .fini = tear_down);

static void add(const char *text)
{
	output_add(&out, text, strlen(text), &budget);
}

Test(output, small_stream_is_whole)
{
	struct buf text = {0};
	uint64_t omitted = 9;

	add("one\n");
	add("two\n");
	cr_assert_eq(output_append_text(&out, OUTPUT_END_BYTES, NULL, &text, &omitted), 0);
	cr_expect_str_eq(text.data, "one\ntwo\n");
	cr_expect_eq(omitted, 0);
	cr_expect_eq(out.bytes, 8);
	cr_expect_eq(budget.used, 0);
	buf_fini(&text);
}

/* What the ring keeps, whatever the sizes of the chunks. */
Test(output, ends_are_those_of_the_stream)
{
	static const size_t chunks[] = {1, 7, 4096, 8191, 8192, 8193, 20000, 65536};
	size_t total = 100003;
	char *all = malloc(total);

	for (size_t i = 0; i < total; i++)
		all[i] = (char)('a' + i % 23);
	for (size_t c = 0; c < ARRAY_SIZE(chunks); c++) {
		struct buf text = {0};
		uint64_t omitted = 0;

		output_fini(&out, &budget);
		cr_assert_eq(output_init(&out), 0);
		for (size_t i = 0; i < total; i += chunks[c])
			output_add(&out, all + i, MIN(chunks[c], total - i), NULL);
		cr_assert_eq(output_append_text(&out, 1000, NULL, &text, &omitted), 0);
		cr_expect_eq(omitted, total - 2000, "chunks of %zu", chunks[c]);
		cr_expect_eq(memcmp(text.data, all, 1000), 0);
		cr_expect_eq(memcmp(text.data + text.len - 1000, all + total - 1000, 1000), 0,
			     "chunks of %zu", chunks[c]);
		buf_fini(&text);
	}
	free(all);
}

static const struct encoding_row {
	const char *parts[4];
	const char *want;
} encodings[] = {
	{{"plain"}, "utf-8"},
	{{"\xc3", "\xa9"}, "utf-8"},
	{{"\xf0", "\x9f", "\x98", "\x80"}, "utf-8"},
	{{"\xf0\x9f", "\x98\x80z"}, "utf-8"},
	{{"\xc3"}, "utf-8-lossy"},
	{{"\xc3", "x"}, "utf-8-lossy"},
	{{"\xed\xa0", "\x80"}, "utf-8-lossy"},
	{{"x\xff"}, "utf-8-lossy"},
	{{"aaaaaaaaaaaaaaaa\x80"}, "utf-8-lossy"},
};

Test(output, validity_is_that_of_the_whole_stream)
{
	for (size_t i = 0; i < ARRAY_SIZE(encodings); i++) {
		output_fini(&out, &budget);
		cr_assert_eq(output_init(&out), 0);
		for (size_t k = 0; k < 4 && encodings[i].parts[k]; k++)
			add(encodings[i].parts[k]);
		cr_expect_str_eq(output_encoding(&out), encodings[i].want, "row %zu", i);
	}
	output_add(&out, "\0", 1, &budget);
	cr_expect_str_eq(output_encoding(&out), "binary");
}

Test(output, spill_has_every_byte_from_the_first)
{
	size_t total = 3 * OUTPUT_END_BYTES + 5;
	char *all = malloc(total);
	char *back = malloc(total);
	uint64_t bytes = 0;
	int fd = -1;

	for (size_t i = 0; i < total; i++)
		all[i] = (char)('a' + i % 19);
	for (size_t i = 0; i < total; i += 1000)
		output_add(&out, all + i, MIN((size_t)1000, total - i), &budget);
	cr_expect_eq(budget.used, total);
	cr_assert_eq(output_take_raw(&out, &budget, &fd, &bytes), 0);
	cr_assert_eq(bytes, total);
	cr_assert_eq(pread(fd, back, total, 0), (ssize_t)total);
	cr_expect_eq(memcmp(all, back, total), 0);
	budget.used -= bytes;
	close(fd);
	free(all);
	free(back);
}

Test(output, spill_is_capped_between_two_characters)
{
	char *chunk = malloc(3 << 20);
	uint64_t bytes = 0;
	int fd = -1;

	for (size_t i = 0; i < 1 << 20; i++)
		memcpy(chunk + i * 3, "\xe2\x82\xac", 3);
	for (int i = 0; i < 4; i++)
		output_add(&out, chunk, 3 << 20, &budget);
	cr_expect_eq(out.bytes, 4U * (3 << 20));
	cr_assert_eq(output_take_raw(&out, &budget, &fd, &bytes), 0);
	cr_expect_eq(bytes, OUTPUT_SPILL_BYTES - OUTPUT_SPILL_BYTES % 3);
	cr_expect_eq(lseek(fd, 0, SEEK_END), (off_t)bytes);
	budget.used -= bytes;
	close(fd);
	free(chunk);
}

Test(output, budget_of_the_session_ends_the_spill)
{
	char *chunk = calloc(1, 100000);
	uint64_t bytes = 0;
	int fd = -1;

	budget.used = OUTPUT_BUDGET_BYTES - 50000;
	output_add(&out, chunk, 100000, &budget);
	cr_expect_eq(budget.used, OUTPUT_BUDGET_BYTES);
	cr_assert_eq(output_take_raw(&out, &budget, &fd, &bytes), 0);
	cr_expect_eq(bytes, 50000);
	budget.used = 0;
	close(fd);
	free(chunk);
}
