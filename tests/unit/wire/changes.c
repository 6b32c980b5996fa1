/*
 * Theory of operation: what is written is read back; then each field wrong, every possible cut, and
 * every byte of a good summary changed, none of which may lead outside of the buffer.
 */
#include "wire/changes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

static const struct changes_entry entries[] = {
	{{.kind = 0,
	  .flags = CHANGES_HAS_NEW | CHANGES_BY_CALL,
	  .new_mode = 0100644,
	  .new_size = 7},
	 "src/a.rs",
	 "",
	 ""},
	{{.kind = 3,
	  .verdict = 1,
	  .flags = CHANGES_HAS_OLD | CHANGES_HAS_NEW,
	  .old_size = 1ULL << 40},
	 "b\n\xff",
	 "c",
	 "policies/base.json#/workspace/protect/0"},
	{{.kind = 2, .flags = CHANGES_HAS_OLD}, "x", "", ""},
};

static unsigned char *make(size_t *ret_bytes)
{
	unsigned char *data = aligned_alloc(8, CHANGES_BYTES_MAX);
	struct changes_writer w;

	changes_begin(&w, data);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		cr_assert(changes_add(&w, &entries[i]));
	changes_header_of(&w)->flags |= CHANGES_COMPLETE;
	changes_header_of(&w)->kinds[2] = 5;
	*ret_bytes = w.used;
	return data;
}

/* In a block of its own size, so that a sanitizer sees a step outside. */
static int decode(const void *data, size_t bytes)
{
	unsigned char *copy = aligned_alloc(8, (bytes + 7) / 8 * 8 + 8);
	const struct changes_header *h = NULL;
	struct changes_entry entry;
	struct err err = {0};
	size_t offset = 0;
	uint32_t n = 0;
	int r;

	memcpy(copy, data, bytes);
	r = changes_decode(copy, bytes, &h, &err);
	if (r == 0) {
		while (changes_next(h, &offset, &entry) > 0)
			n += entry.path[0] != '\0';
		cr_expect_eq(n, h->n);
	} else {
		cr_expect_eq(r, -EINVAL);
		cr_expect_null(h, "output untouched on failure");
		cr_expect_neq(err.text[0], '\0');
	}
	free(copy);
	return r;
}

Test(changes, what_goes_in_comes_out)
{
	size_t bytes, offset = 0;
	unsigned char *data = make(&bytes);
	const struct changes_header *h = NULL;
	struct changes_entry got;
	struct err err = {0};

	cr_assert_eq(changes_decode(data, CHANGES_BYTES_MAX, &h, &err), 0, "%s", err.text);
	cr_expect_eq(h->n, ARRAY_SIZE(entries));
	cr_expect_eq(h->kinds[2], 5);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		cr_assert_eq(changes_next(h, &offset, &got), 1);
		cr_expect_str_eq(got.path, entries[i].path);
		cr_expect_str_eq(got.from, entries[i].from);
		cr_expect_str_eq(got.pointer, entries[i].pointer);
		cr_expect_eq(got.record.kind, entries[i].record.kind);
		cr_expect_eq(got.record.flags, entries[i].record.flags);
		cr_expect_eq(got.record.old_size, entries[i].record.old_size);
	}
	cr_expect_eq(changes_next(h, &offset, &got), 0);
	free(data);
}

Test(changes, an_empty_summary_is_one)
{
	unsigned char *data = aligned_alloc(8, CHANGES_BYTES_MAX);
	struct changes_writer w;

	changes_begin(&w, data);
	cr_expect_eq(decode(data, w.used), 0);
	free(data);
}

Test(changes, the_list_is_cut_at_its_count_and_its_bytes)
{
	unsigned char *data = aligned_alloc(8, CHANGES_BYTES_MAX);
	char path[PATH_MAX] = {0};
	struct changes_entry entry = {.path = "p", .from = "", .pointer = ""};
	struct changes_writer w;

	changes_begin(&w, data);
	for (uint32_t i = 0; i < CHANGES_LIST_MAX; i++)
		cr_assert(changes_add(&w, &entry));
	cr_expect_eq(changes_header_of(&w)->flags & CHANGES_LIST_CUT, 0);
	cr_expect(!changes_add(&w, &entry));
	cr_expect_eq(changes_header_of(&w)->flags & CHANGES_LIST_CUT, CHANGES_LIST_CUT);
	cr_expect_eq(decode(data, w.used), 0);
	memset(path, 'x', sizeof(path) - 1);
	entry.path = entry.from = path;
	changes_begin(&w, data);
	while (changes_add(&w, &entry))
		cr_assert_leq(w.used, CHANGES_BYTES_MAX);
	cr_expect_gt(changes_header_of(&w)->n, 10);
	cr_expect_eq(decode(data, CHANGES_BYTES_MAX), 0);
	free(data);
}

Test(changes, every_cut_is_refused)
{
	size_t bytes;
	unsigned char *data = make(&bytes);

	for (size_t n = 0; n < bytes; n++)
		cr_expect_eq(decode(data, n), -EINVAL, "%zu bytes", n);
	cr_expect_eq(decode(data, bytes), 0);
	free(data);
}

Test(changes, every_changed_byte_is_refused_or_harmless)
{
	static const unsigned char values[] = {0, 1, 7, 8, 0x2f, 0x7f, 0x80, 0xff};
	size_t bytes, refused = 0;
	unsigned char *data = make(&bytes);

	for (size_t i = 0; i < bytes; i++) {
		unsigned char old = data[i];

		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			data[i] = values[v];
			refused += decode(data, bytes) < 0;
		}
		data[i] = old;
	}
	cr_expect_gt(refused, bytes);
	free(data);
}

Test(changes, absolute_and_empty_paths_are_refused)
{
	static const char *const bad[] = {"", "/", "/etc/passwd"};
	unsigned char *data = aligned_alloc(8, CHANGES_BYTES_MAX);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct changes_entry entry = {.path = bad[i], .from = "", .pointer = ""};
		struct changes_writer w;

		changes_begin(&w, data);
		cr_assert(changes_add(&w, &entry));
		cr_expect_eq(decode(data, w.used), -EINVAL, "row %zu", i);
		entry.path = "a";
		entry.from = bad[i];
		changes_begin(&w, data);
		cr_assert(changes_add(&w, &entry));
		cr_expect_eq(decode(data, w.used), bad[i][0] ? -EINVAL : 0, "row %zu", i);
	}
	free(data);
}
