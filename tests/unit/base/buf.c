/* Theory of operation: the invariants of base/buf.h after every step, with ceilings small enough to
 * meet. */
#include "base/buf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check_invariants(const struct buf *b)
{
	size_t cap = b->cap ? b->cap : BUF_CAP_DEFAULT;

	cr_assert(b->len <= b->alloc);
	cr_assert(b->alloc <= cap + 1);
	cr_assert(b->len <= cap);
	if (b->data)
		cr_assert(b->data[b->len] == '\0');
}

Test(buf, zeroed_buffer_is_empty_and_grows)
{
	CLEANUP(buf_fini) struct buf b = {0};

	for (int i = 0; i < 10000; i++) {
		cr_assert(buf_append(&b, "0123456789", 10) == 0);
		check_invariants(&b);
	}
	cr_assert(b.len == 100000);
	cr_assert(memcmp(b.data + 99990, "0123456789", 10) == 0);
}

Test(buf, ceiling_is_exact_and_keeps_what_is_there)
{
	CLEANUP(buf_fini) struct buf b = {.cap = 300};
	char block[300];

	memset(block, 'x', sizeof(block));
	cr_assert(buf_append(&b, block, 300) == 0);
	check_invariants(&b);
	cr_assert(buf_append(&b, "y", 1) == -E2BIG);
	cr_assert(buf_reserve(&b, SIZE_MAX) == -E2BIG);
	cr_assert(b.len == 300 && b.data[299] == 'x');
	check_invariants(&b);
}

Test(buf, append_of_nothing_is_fine)
{
	CLEANUP(buf_fini) struct buf b = {0};

	cr_assert(buf_append(&b, NULL, 0) == 0);
	cr_assert(b.len == 0);
	check_invariants(&b);
}

Test(buf, printf_appends_and_meets_the_ceiling)
{
	CLEANUP(buf_fini) struct buf b = {.cap = 8};

	cr_assert(buf_printf(&b, "%d-%s", 42, "ab") == 0);
	cr_assert_str_eq(b.data, "42-ab");
	cr_assert(buf_printf(&b, "%s", "long") == -E2BIG);
	cr_assert_str_eq(b.data, "42-ab");
	cr_assert(buf_puts(&b, "cde") == 0);
	cr_assert_str_eq(b.data, "42-abcde");
}

Test(buf, drop_forgets_from_the_front)
{
	CLEANUP(buf_fini) struct buf b = {0};

	buf_drop(&b, 5);
	cr_assert(buf_puts(&b, "hello world") == 0);
	buf_drop(&b, 6);
	cr_assert_str_eq(b.data, "world");
	buf_drop(&b, 100);
	cr_assert(b.len == 0);
	check_invariants(&b);
}

Test(buf, take_hands_the_bytes_over)
{
	struct buf b = {.cap = 64};
	size_t len = 99;
	char *data;

	cr_assert(buf_take(&b, &len) == NULL);
	cr_assert(len == 0);
	cr_assert(buf_puts(&b, "abc") == 0);
	data = buf_take(&b, &len);
	cr_assert(len == 3);
	cr_assert_str_eq(data, "abc");
	cr_assert(b.data == NULL && b.len == 0 && b.cap == 64);
	free(data);
	buf_fini(&b);
	buf_fini(NULL);
}
