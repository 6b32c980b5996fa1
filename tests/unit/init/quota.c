/* Growth is found by its walk, and what does not grow is not walked for. */
#include "init/quota.h"

#include <stdint.h>

#include "../workspace/changes_fixture.h"

/* A file system that is nobody else's: what others write or delete would be growth, or hide it. */
static void setup_quiet(void)
{
	if (access("/dev/shm", W_OK) < 0)
		skip("no /dev/shm");
	setup_layers_in("/dev/shm", 1);
}

TestSuite(quota, .init = setup_quiet, .fini = teardown);

static struct quota quota;
static struct image_limits limits = {.session_bytes = 4 << 20, .session_files = 1000};

static void put_bytes(const char *path, size_t bytes)
{
	char *text = malloc(bytes + 1);

	memset(text, 'x', bytes);
	text[bytes] = '\0';
	put(1, path, text);
	free(text);
}

Test(quota, nothing_is_over_without_layers)
{
	quota_begin(&quota, NULL, &limits);
	cr_expect(!quota_look(&quota));
	cr_expect(!quota_look_last(&quota));
}

Test(quota, what_stays_below_is_fine)
{
	quota_begin(&quota, &source, &limits);
	put_bytes("a", 2 << 20);
	cr_expect(!quota_look(&quota));
	cr_expect(!quota_look_last(&quota));
	cr_expect_leq(quota.room.bytes, 2 << 20);
}

Test(quota, bytes_over_the_limit_are_found)
{
	quota_begin(&quota, &source, &limits);
	put_bytes("a", 6 << 20);
	cr_expect(quota_look(&quota));
	cr_expect(quota_look(&quota), "and stays over");
	cr_expect(quota_look_last(&quota));
}

Test(quota, growth_after_a_walk_is_found_at_the_end)
{
	quota_begin(&quota, &source, &limits);
	put_bytes("a", 2 << 20);
	cr_expect(!quota_look(&quota));
	put_bytes("target/b", 4 << 20);
	cr_expect(quota_look_last(&quota));
}

Test(quota, names_over_the_limit_are_found)
{
	limits.session_files = 20;
	quota_begin(&quota, &source, &limits);
	for (unsigned i = 0; i < 400; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "d%u", i);
		folder(1, name);
	}
	quota.due_ns = 0;
	cr_expect(quota_look(&quota));
}

Test(quota, a_session_that_is_over_may_shrink)
{
	put_bytes("a", 6 << 20);
	put_bytes("b", 8 << 20);
	quota_begin(&quota, &source, &limits);
	cr_assert_eq(unlink(at(tree_of(1), "b")), 0);
	quota.due_ns = 0;
	cr_expect(!quota_look(&quota));
}

Test(quota, a_tick_looks_once_in_a_while)
{
	quota_begin(&quota, &source, &limits);
	cr_expect(!quota_tick(&quota));
	put_bytes("a", 6 << 20);
	quota.looked_ns = UINT64_MAX / 2;
	cr_expect(!quota_tick(&quota), "it has just looked");
	quota.looked_ns = 0;
	cr_expect(quota_tick(&quota));
	quota.looked_ns = UINT64_MAX / 2;
	cr_expect(quota_tick(&quota), "and what was found stays");
}

Test(quota, a_tick_finds_nothing_without_layers)
{
	quota_begin(&quota, NULL, &limits);
	cr_expect(!quota_tick(&quota));
}
