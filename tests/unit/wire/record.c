/* What init writes is folded, bounded and told apart; what it cannot have written is refused. */
#include "wire/record.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/macros.h"

static struct record *record;

static void set_up(void)
{
	record = calloc(1, sizeof(*record));
	cr_assert_not_null(record);
	record->magic = RECORD_MAGIC;
}

static void tear_down(void)
{
	free(record);
}

TestSuite(record, .init = set_up, .fini = tear_down);

static struct record_entry entry_of(enum record_what what, uint32_t nr, uint32_t num,
				    const char *path)
{
	struct record_entry e = {.what = what, .nr = nr, .num = num, .mount = UINT32_MAX};

	e.path_bytes = (uint32_t)strlen(path);
	memcpy(e.path, path, e.path_bytes);
	return e;
}

/* Each row beside the first entry: folded into it, or told apart. */
static const struct {
	const char *what;
	enum record_what kind[2];
	uint32_t nr[2];
	uint32_t num[2];
	uint64_t arg0[2];
	const char *path[2];
	bool alike;
} pairs[] = {
	{"the same",
	 {RECORD_READONLY, RECORD_READONLY},
	 {1, 1},
	 {30, 30},
	 {0, 0},
	 {"/a", "/a"},
	 true},
	{"another path",
	 {RECORD_READONLY, RECORD_READONLY},
	 {1, 1},
	 {30, 30},
	 {0, 0},
	 {"/a", "/b"},
	 false},
	{"a longer path",
	 {RECORD_READONLY, RECORD_READONLY},
	 {1, 1},
	 {30, 30},
	 {0, 0},
	 {"/a", "/ab"},
	 false},
	{"another call",
	 {RECORD_READONLY, RECORD_READONLY},
	 {1, 2},
	 {30, 30},
	 {0, 0},
	 {"/a", "/a"},
	 false},
	{"another error",
	 {RECORD_READONLY, RECORD_READONLY},
	 {1, 1},
	 {30, 13},
	 {0, 0},
	 {"/a", "/a"},
	 false},
	{"another kind",
	 {RECORD_READONLY, RECORD_NOEXEC},
	 {1, 1},
	 {30, 30},
	 {0, 0},
	 {"/a", "/a"},
	 false},
	{"other arguments of a path's",
	 {RECORD_READONLY, RECORD_READONLY},
	 {1, 1},
	 {30, 30},
	 {3, 4},
	 {"/a", "/a"},
	 true},
	{"looked for after it could not be made",
	 {RECORD_READONLY, RECORD_HIDDEN},
	 {1, 2},
	 {30, 2},
	 {0, 0},
	 {"/a", "/a"},
	 true},
	{"hidden from two calls",
	 {RECORD_HIDDEN, RECORD_HIDDEN},
	 {1, 2},
	 {2, 2},
	 {0, 0},
	 {"/a", "/a"},
	 true},
	{"made after it was looked for",
	 {RECORD_HIDDEN, RECORD_READONLY},
	 {1, 1},
	 {2, 30},
	 {0, 0},
	 {"/a", "/a"},
	 false},
	{"hidden, no path",
	 {RECORD_HIDDEN, RECORD_HIDDEN},
	 {1, 2},
	 {2, 2},
	 {0, 0},
	 {"", ""},
	 false},
	{"the family decides",
	 {RECORD_REFUSED, RECORD_REFUSED},
	 {SYS_socket, SYS_socket},
	 {1, 1},
	 {2, 10},
	 {"", ""},
	 false},
	{"the same family",
	 {RECORD_REFUSED, RECORD_REFUSED},
	 {SYS_socket, SYS_socket},
	 {1, 1},
	 {2, 2},
	 {"", ""},
	 true},
	{"nothing decides",
	 {RECORD_REFUSED, RECORD_REFUSED},
	 {SYS_mount, SYS_mount},
	 {1, 1},
	 {2, 3},
	 {"", ""},
	 true},
	{"another process",
	 {RECORD_SIGNAL, RECORD_SIGNAL},
	 {SYS_kill, SYS_kill},
	 {3, 3},
	 {7, 8},
	 {"", ""},
	 false},
	{"the same process",
	 {RECORD_SIGNAL, RECORD_SIGNAL},
	 {SYS_kill, SYS_kill},
	 {3, 3},
	 {7, 7},
	 {"", ""},
	 true},
};

Test(record, entries_that_are_alike_are_counted_in_the_first)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		memset(record, 0, sizeof(*record));
		for (int k = 0; k < 2; k++) {
			struct record_entry e = entry_of(pairs[i].kind[k], pairs[i].nr[k],
							 pairs[i].num[k], pairs[i].path[k]);

			e.args[0] = pairs[i].arg0[k];
			e.first_us = 100 + (uint64_t)k;
			e.count = 77; /* is not believed */
			record_add(record, &e);
		}
		cr_expect_eq(record->n, pairs[i].alike ? 1 : 2, "%s", pairs[i].what);
		cr_expect_eq(record->entries[0].count, pairs[i].alike ? 2 : 1, "%s", pairs[i].what);
		cr_expect_eq(record->entries[0].first_us, 100, "%s", pairs[i].what);
		cr_expect_eq(record->entries[0].what, pairs[i].kind[0], "%s", pairs[i].what);
	}
}

Test(record, a_full_one_counts_what_found_no_room_and_still_folds)
{
	char path[16];

	for (unsigned int i = 0; i < RECORD_ENTRIES_MAX + 5; i++) {
		struct record_entry e;

		(void)snprintf(path, sizeof(path), "/%u", i);
		e = entry_of(RECORD_HIDDEN, 1, 2, path);
		record_add(record, &e);
	}
	cr_expect_eq(record->n, RECORD_ENTRIES_MAX);
	cr_expect_eq(record->dropped, 5);
	{
		struct record_entry e = entry_of(RECORD_HIDDEN, 1, 2, "/3");

		record_add(record, &e);
	}
	cr_expect_eq(record->entries[3].count, 2);
	cr_expect_eq(record->dropped, 5);
	cr_expect_eq(record_check(record, sizeof(*record), NULL), 0);
}

Test(record, counts_stop_at_their_end)
{
	struct record_entry e = entry_of(RECORD_HIDDEN, 1, 2, "/a");

	record_add(record, &e);
	record->entries[0].count = UINT32_MAX;
	record_add(record, &e);
	cr_expect_eq(record->entries[0].count, UINT32_MAX);
	record->n = RECORD_ENTRIES_MAX;
	record->dropped = UINT32_MAX;
	e = entry_of(RECORD_HIDDEN, 1, 2, "/b");
	record_add(record, &e);
	cr_expect_eq(record->dropped, UINT32_MAX);
}

static void fill_good(void)
{
	static const char *const paths[RECORD_WHAT_N] = {
		[RECORD_HIDDEN] = "/a",
		[RECORD_READONLY] = "/b",
		[RECORD_PROTECTED] = "/c",
		[RECORD_NOEXEC] = "/d",
		[RECORD_UNREACHABLE] = "192.0.2.1:1",
		[RECORD_SPACE] = "/e",
	};

	for (uint32_t i = 0; i < RECORD_WHAT_N; i++) {
		struct record_entry e = entry_of((enum record_what)i, i, 1,
						 paths[i] ? paths[i] : "");

		record_add(record, &e);
	}
	cr_assert_eq(record->n, RECORD_WHAT_N);
}

#define HEAD(field) offsetof(struct record, field)
#define ENTRY(i, field)                                                        \
	offsetof(struct record, entries) + (i) * sizeof(struct record_entry) + \
		offsetof(struct record_entry, field)

Test(record, every_spoilt_field_is_refused)
{
	static const struct {
		const char *what;
		size_t at;
		uint32_t value;
	} rows[] = {
		{"magic", HEAD(magic), 0},
		{"observed", HEAD(observed), IMAGE_OBSERVE_N},
		{"observed, far", HEAD(observed), UINT32_MAX},
		{"more entries than are filled", HEAD(n), RECORD_WHAT_N + 1},
		{"more than there are", HEAD(n), RECORD_ENTRIES_MAX + 1},
		{"far more", HEAD(n), UINT32_MAX},
		{"what", ENTRY(0, what), RECORD_WHAT_N},
		{"what, far", ENTRY(8, what), UINT32_MAX},
		{"a path beyond", ENTRY(2, path_bytes), RECORD_PATH_BYTES + 1},
		{"a path far beyond", ENTRY(2, path_bytes), UINT32_MAX},
		{"a path with a NUL", ENTRY(2, path_bytes), 3},
		{"a NUL before", ENTRY(2, path), '/' << 8},
		{"a hidden path that is none", ENTRY(1, path_bytes), 0},
		{"an address that is none", ENTRY(5, path_bytes), 0},
		{"cut", ENTRY(2, cut), 2},
		{"counted never", ENTRY(2, count), 0},
	};

	fill_good();
	cr_assert_eq(record_check(record, sizeof(*record), NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		uint32_t *field = (uint32_t *)(void *)((char *)record + rows[i].at);
		uint32_t old = *field;

		*field = rows[i].value;
		cr_expect_eq(record_check(record, sizeof(*record), &err), -EINVAL, "%s",
			     rows[i].what);
		cr_expect_neq(err.text[0], '\0', "%s", rows[i].what);
		*field = old;
	}
	memset(record->entries[4].name, 'x', RECORD_NAME_BYTES);
	cr_expect_eq(record_check(record, sizeof(*record), NULL), -EINVAL, "a name without an end");
	record->entries[4].name[RECORD_NAME_BYTES - 1] = '\0';
	cr_expect_eq(record_check(record, sizeof(*record), NULL), 0);
	memset(record->entries[4].path, 'x', RECORD_PATH_BYTES);
	record->entries[4].path_bytes = RECORD_PATH_BYTES;
	cr_expect_eq(record_check(record, sizeof(*record), NULL), 0, "a path needs no end");
}

Test(record, another_size_is_refused)
{
	static const size_t sizes[] = {0, 1, sizeof(struct record) - 1, sizeof(struct record) + 1,
				       SIZE_MAX};

	cr_expect_eq(record_check(record, sizeof(*record), NULL), 0, "an empty one");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		cr_expect_eq(record_check(record, sizes[i], NULL), -EINVAL, "%zu", sizes[i]);
}

Test(record, decisive_arguments_are_arguments)
{
	for (uint32_t nr = 0; nr < 1024; nr++)
		cr_expect(record_argument(nr) >= -1 && record_argument(nr) < 6, "number %u", nr);
	cr_expect_eq(record_argument(SYS_socket), 0);
	cr_expect_eq(record_argument(SYS_ioctl), 1);
	cr_expect_eq(record_argument(SYS_mount), -1);
	cr_expect_eq(record_argument(UINT32_MAX), -1);
}
