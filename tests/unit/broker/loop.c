/* Watches that come and go while others are served. */
#include "broker/loop.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <unistd.h>

static struct loop loop;
static struct watch a;
static struct watch b;
static int calls_a;
static int calls_b;

static void remove_b(void *owner, short revents)
{
	(void)owner;
	(void)revents;
	calls_a++;
	loop_remove(&loop, &b);
}

static void count_b(void *owner, short revents)
{
	(void)owner;
	(void)revents;
	calls_b++;
}

Test(loop, removed_watch_is_not_called_for_what_was_ready)
{
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	cr_assert_eq(loop_add(&loop, &a, fds[0], POLLIN, remove_b, NULL), 0);
	cr_assert_eq(loop_add(&loop, &b, fds[0], POLLIN, count_b, NULL), 0);
	cr_assert_eq(loop_wait(&loop, 1000), 0);
	cr_expect_eq(calls_a, 1);
	cr_expect_eq(calls_b, 0);
	cr_expect_eq(b.slot, 0);
	loop_fini(&loop);
}

Test(loop, watch_without_interest_does_not_wake)
{
	int fds[2];
	int64_t begin = loop_now_ms();

	cr_assert_eq(pipe(fds), 0);
	close(fds[1]);
	cr_assert_eq(loop_add(&loop, &b, fds[0], 0, count_b, NULL), 0);
	cr_assert_eq(loop_wait(&loop, 100), 0);
	cr_expect_geq(loop_now_ms() - begin, 90);
	cr_expect_eq(calls_b, 0);
	b.errors = true;
	cr_assert_eq(loop_wait(&loop, 1000), 0);
	cr_expect_eq(calls_b, 1);
	loop_fini(&loop);
}

Test(loop, many_watches_fit)
{
	static struct watch many[300];
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		cr_assert_eq(loop_add(&loop, &many[i], fds[0], POLLIN, count_b, NULL), 0);
	cr_assert_eq(loop_wait(&loop, 1000), 0);
	cr_expect_eq(calls_b, 300);
	loop_fini(&loop);
}
