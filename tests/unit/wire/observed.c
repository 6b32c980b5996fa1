/* The table of calls that init looks at: every row is one call, and its indexes are arguments. */
#include "wire/observed.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/macros.h"

#define LAST 1024U

static bool is_index(int8_t index)
{
	return index == OBSERVED_NO_ARG || (index >= 0 && index < 6);
}

Test(observed, every_row_is_found_by_number_and_name)
{
	unsigned int rows = 0;

	for (uint32_t nr = 0; nr < LAST; nr++) {
		const struct observed_call *call = observed_call_of(nr);

		if (!call)
			continue;
		rows++;
		cr_expect_eq(call->nr, nr);
		cr_expect_eq(observed_call_named(call->name), call, "%s: two rows", call->name);
		cr_expect(call->level > IMAGE_OBSERVE_NOTHING && call->level < IMAGE_OBSERVE_N,
			  "%s", call->name);
		cr_expect_lt(call->kind, OBSERVED_KIND_N, "%s", call->name);
		cr_expect(is_index(call->dir) && is_index(call->path) && is_index(call->flags) &&
				  is_index(call->other),
			  "%s", call->name);
	}
	cr_expect_geq(rows, 27);
	cr_expect_null(observed_call_of(UINT32_MAX));
	cr_expect_null(observed_call_named("openat3"));
	cr_expect_null(observed_call_named(""));
}

Test(observed, what_a_kind_needs_is_there)
{
	for (uint32_t nr = 0; nr < LAST; nr++) {
		const struct observed_call *c = observed_call_of(nr);
		bool pathless = c && (c->kind == OBSERVED_CONNECT || c->kind == OBSERVED_SEND ||
				      c->kind == OBSERVED_KILL || c->kind == OBSERVED_BIND);
		bool two = c && (c->kind == OBSERVED_RENAME || c->kind == OBSERVED_LINK);

		if (!c)
			continue;
		cr_expect_eq(c->path == OBSERVED_NO_ARG, pathless, "%s", c->name);
		cr_expect_eq(c->other != OBSERVED_NO_ARG, two, "%s", c->name);
		/* A folder stands right before its path. */
		if (c->dir != OBSERVED_NO_ARG)
			cr_expect_eq(c->dir + 1, c->path, "%s", c->name);
		if (two && c->dir != OBSERVED_NO_ARG)
			cr_expect_gt(c->other, 0, "%s", c->name);
	}
}

Test(observed, names_are_the_librarys_numbers)
{
	static const struct {
		const char *name;
		long nr;
	} rows[] = {
#define ROW(call) {#call, SYS_##call}
		ROW(execve),	ROW(execveat),	  ROW(connect),	     ROW(sendto),
		ROW(kill),	ROW(bind),	  ROW(openat),	     ROW(mkdirat),
		ROW(mknodat),	ROW(symlinkat),	  ROW(linkat),	     ROW(fchmodat),
		ROW(fchownat),	ROW(utimensat),	  ROW(truncate),     ROW(setxattr),
		ROW(lsetxattr), ROW(removexattr), ROW(lremovexattr), ROW(unlinkat),
		ROW(renameat2), ROW(chdir),	  ROW(newfstatat),   ROW(statx),
		ROW(faccessat), ROW(faccessat2),  ROW(readlinkat),
#ifdef SYS_open
		ROW(open),	ROW(creat),	  ROW(mkdir),	     ROW(mknod),
		ROW(symlink),	ROW(link),	  ROW(chmod),	     ROW(chown),
		ROW(lchown),	ROW(utime),	  ROW(utimes),	     ROW(futimesat),
		ROW(unlink),	ROW(rmdir),	  ROW(rename),	     ROW(renameat),
		ROW(stat),	ROW(lstat),	  ROW(access),	     ROW(readlink),
#endif
	};
	unsigned int seen = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct observed_call *call = observed_call_named(rows[i].name);

		cr_assert_not_null(call, "%s", rows[i].name);
		cr_expect_eq(call->nr, (uint32_t)rows[i].nr, "%s", rows[i].name);
	}
	for (uint32_t nr = 0; nr < LAST; nr++)
		seen += observed_call_of(nr) != NULL;
	cr_expect_eq(seen, ARRAY_SIZE(rows) + 1, "fchmodat2, which this library may not have yet");
}
