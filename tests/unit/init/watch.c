/*
 * Theory of operation: a child under a filter that notifies, with this process in init's place; what the child
 * got goes over a pipe. Its listener is taken out of it by pidfd_getfd(2), as two parts of one program may.
 */
#include "init/watch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../small_image.h"
#include "base/fd.h"
#include "confine/privilege.h"

#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define IS(call, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, t, f)
#define RETURN(k) BPF_STMT(BPF_RET | BPF_K, k)

/* Three calls are asked for; of these the strict program refuses two. */
static const struct sock_filter watched[] = {
	NUMBER,
	IS(mkdirat, 3, 0),
	IS(getppid, 2, 0),
	IS(getpgid, 1, 0),
	RETURN(SECCOMP_RET_ALLOW),
	RETURN(SECCOMP_RET_USER_NOTIF),
};
static const struct sock_filter strict[] = {
	NUMBER,
	IS(getppid, 2, 0),
	IS(getpgid, 2, 0),
	RETURN(SECCOMP_RET_ALLOW),
	RETURN(SECCOMP_RET_ERRNO | EPERM),
	RETURN(SECCOMP_RET_ERRNO | ENOSYS),
};

static struct image image;
static struct init_config config = {.workspace = "/w", .limits = {.open_files = 64}};
static struct record *record;
static struct watch watch;
static pid_t child;
static int told[2];

static void set_up(void)
{
	static const struct small_mount mounts[] = {
		{IMAGE_MOUNT_WORKSPACE, 0, NULL, NULL, 0, 0, 0}};

	small_image(mounts, 1, &(struct small_cell){0}, &image);
	record = calloc(1, sizeof(*record));
	cr_assert_eq(pipe2(told, O_CLOEXEC), 0);
	watch_begin(&watch, &config, &image, record);
	watch.strict = strict;
	watch.n_strict = ARRAY_SIZE(strict);
	watch.started = true;
}

static void tear_down(void)
{
	fd_closep(&watch.listener);
	free(record);
	image_unmap(&image);
}

TestSuite(watch, .init = set_up, .fini = tear_down, .timeout = 20);

static void tell(long r)
{
	int num = r < 0 ? errno : 0;

	if (write(told[1], &num, sizeof(num)) != (ssize_t)sizeof(num))
		_exit(2);
}

static int heard(void)
{
	int num = -1;

	cr_assert_eq(read(told[0], &num, sizeof(num)), (ssize_t)sizeof(num));
	return num;
}

/* The child's half: @run under the watched program. */
static void begin(void (*run)(void))
{
	int listener = -1;
	int pidfd;

	child = fork();
	if (child == 0) {
		/* A case that fails leaves nobody behind who waits for an answer. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || privilege_no_new() < 0 ||
		    privilege_filter_listen(watched, ARRAY_SIZE(watched), &listener) < 0)
			listener = -1;
		tell(listener);
		/* The number, while it is open: nobody here is going to listen. */
		if (write(told[1], &listener, sizeof(listener)) != (ssize_t)sizeof(listener))
			_exit(2);
		if (listener >= 0)
			run();
		_exit(0);
	}
	if (heard() != 0)
		cr_skip_test("no listener of seccomp is to be had here");
	listener = heard();
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	listener = (int)syscall(SYS_pidfd_getfd, pidfd, listener, 0);
	if (listener < 0)
		cr_skip_test("a descriptor of a child is not to be had: %s", strerror(errno));
	(void)close(pidfd);
	watch_listen(&watch, listener);
}

/* Listen until the child is gone, whose own copy of the listener goes with it. */
static void listen_to_the_end(void)
{
	for (int i = 0; i < 10000 && watch.listener >= 0; i++) {
		struct pollfd fd = {watch.listener, POLLIN, 0};

		if (poll(&fd, 1, 5000) <= 0)
			break;
		watch_hear(&watch, fd.revents);
	}
	cr_assert_eq(watch.listener, -1, "it is let go when nobody is left");
	cr_assert_eq(waitpid(child, NULL, 0), child);
}

static void calls(void)
{
	tell(syscall(SYS_getppid));
	tell(syscall(SYS_getpgid, 0));
	tell(syscall(SYS_mkdirat, AT_FDCWD, "/nowhere-at-all/x/y", 0755));
	tell(syscall(SYS_mkdirat, AT_FDCWD, "/", 0755));
	tell(syscall(SYS_mkdirat, AT_FDCWD, NULL, 0755));
}

Test(watch, each_call_is_answered_and_what_is_refused_is_told)
{
	static const int want[] = {EPERM, ENOSYS, ENOENT, EEXIST, EFAULT};
	static const uint32_t what[] = {RECORD_REFUSED, RECORD_REFUSED, RECORD_HIDDEN};

	begin(calls);
	listen_to_the_end();
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		cr_expect_eq(heard(), want[i], "call %zu", i);
	cr_assert_eq(record->n, ARRAY_SIZE(what));
	for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
		cr_expect_eq(record->entries[i].what, what[i], "entry %zu", i);
		cr_expect_eq(record->entries[i].num, (uint32_t)want[i], "entry %zu", i);
		cr_expect_eq(record->entries[i].pid, (uint32_t)child, "entry %zu", i);
		cr_expect_neq(record->entries[i].name[0], '\0', "entry %zu", i);
	}
	cr_expect_eq(record->unseen, 1, "the address that is none");
	cr_expect_eq(record_check(record, sizeof(*record), NULL), 0);
}

static void many(void)
{
	for (int i = 0; i < 500; i++)
		(void)syscall(SYS_getppid);
	tell(0);
}

static void four_at_once(void)
{
	for (int i = 0; i < 3; i++)
		if (fork() == 0)
			break;
	many();
}

Test(watch, a_flood_of_several_processes_is_one_entry)
{
	begin(four_at_once);
	listen_to_the_end();
	cr_assert_eq(record->n, 1);
	cr_expect_geq(record->entries[0].count, 1000);
}

static void wait_for_an_answer(void)
{
	(void)syscall(SYS_getppid);
}

Test(watch, a_caller_that_is_killed_while_it_waits_leaves_no_trace_and_no_harm)
{
	struct pollfd fd;

	begin(wait_for_an_answer);
	fd = (struct pollfd){watch.listener, POLLIN, 0};
	cr_assert_eq(poll(&fd, 1, 5000), 1);
	cr_assert_eq(kill(child, SIGKILL), 0);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	watch_hear(&watch, POLLIN); /* would wait for ever where RECV waits for another */
	cr_expect_eq(record->n, 0);
	for (int i = 0; i < 3 && watch.listener >= 0; i++) {
		fd = (struct pollfd){watch.listener, POLLIN, 0};
		cr_assert_geq(poll(&fd, 1, 1000), 0);
		watch_hear(&watch, fd.revents);
	}
	cr_expect_eq(watch.listener, -1);
}

static void one_refused(void)
{
	tell(syscall(SYS_getppid));
}

/* POLLERR is what the kernel's own wait for a lock says when it is interrupted, by a freezer say. */
Test(watch, a_poll_that_was_interrupted_closes_no_listener)
{
	begin(one_refused);
	watch_hear(&watch, POLLERR);
	cr_assert_geq(watch.listener, 0, "init listens on");
	watch_hear(&watch, POLLIN | POLLERR);
	cr_assert_geq(watch.listener, 0);
	listen_to_the_end();
	cr_expect_eq(heard(), EPERM, "the call was answered");
	cr_expect_eq(record->n, 1);
}

Test(watch, a_listener_that_nobody_can_ask_is_let_go)
{
	static const short revents[] = {POLLHUP, POLLHUP | POLLERR, POLLNVAL};

	for (size_t i = 0; i < ARRAY_SIZE(revents); i++) {
		watch.listener = fcntl(told[0], F_DUPFD_CLOEXEC, 3);
		cr_assert_geq(watch.listener, 0);
		watch_hear(&watch, revents[i]);
		cr_expect_eq(watch.listener, -1, "row %zu", i);
	}
}

Test(watch, a_strict_program_that_is_none_refuses)
{
	static const struct sock_filter endless[] = {NUMBER};

	watch.strict = endless;
	watch.n_strict = 1;
	begin(calls);
	listen_to_the_end();
	for (int i = 0; i < 5; i++)
		cr_expect_eq(heard(), EPERM, "call %d", i);
}

Test(watch, without_a_record_nothing_is_wanted)
{
	struct watch none;

	watch_begin(&none, &config, &image, NULL);
	cr_expect_not(watch_wanted(&none));
	cr_expect_not(watch_wanted(&watch), "the image has no watched program");
	watch_look(&none);
	watch_tick(&none);
	watch_hear(&none, 0);
	cr_expect_eq(none.listener, -1);
}
