/*
 * Theory of operation: each Criterion test is a process of its own, so it may give up rights for good.
 * The Landlock and filter tests hold on every kernel that has them and skip loudly on others.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/filter.h"
#include "confine/landlock.h"
#include "confine/ns.h"
#include "confine/privilege.h"
#include "wire/image.h"

static uint32_t need_landlock(void)
{
	uint32_t abi = landlock_abi();

	if (abi < LANDLOCK_ABI_USEFUL)
		cr_skip_test("this kernel's Landlock ABI is %u", abi);
	return abi;
}

Test(landlock, opens_what_a_rule_names_and_nothing_else)
{
	struct landlock_domain domain;
	const struct landlock_rule rules[] = {
		{"/usr", IMAGE_ACCESS_READ},
		{"/nowhere/at/all", IMAGE_ACCESS_READ},
		{"/dev/null", IMAGE_ACCESS_READ | IMAGE_ACCESS_WRITE},
	};

	cr_assert_eq(landlock_begin(&domain, need_landlock(), false), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		cr_assert_eq(landlock_allow(&domain, &rules[i]), 0);
	cr_assert_eq(privilege_no_new(), 0);
	cr_assert_eq(landlock_enter(&domain), 0);
	cr_assert_geq(open("/usr", O_RDONLY | O_CLOEXEC), 0);
	cr_assert_geq(open("/dev/null", O_WRONLY | O_CLOEXEC), 0);
	cr_assert_eq(open("/etc/passwd", O_RDONLY | O_CLOEXEC), -1);
	cr_assert_eq(errno, EACCES);
	cr_assert_eq(mkdir("/tmp/toolcell-landlock", 0700), -1);
	cr_assert_eq(errno, EACCES);
}

Test(landlock, scopes_signals_where_the_kernel_can)
{
	struct landlock_domain domain;
	uint32_t abi = need_landlock();

	if (abi < 6)
		cr_skip_test("signals are scoped from ABI 6 on; this kernel has %u", abi);
	cr_assert_eq(landlock_begin(&domain, abi, false), 0);
	cr_assert_eq(privilege_no_new(), 0);
	cr_assert_eq(landlock_enter(&domain), 0);
	cr_assert_eq(kill(getppid(), 0), -1);
	cr_assert_eq(errno, EPERM);
	cr_assert_eq(kill(getpid(), 0), 0);
}

/* In a process of its own: the test framework needs more calls than the filter leaves. */
static int under_filter(void)
{
	static const int calls[] = {SYS_exit_group, SYS_getpid};

	if (privilege_no_new() < 0 ||
	    filter_install(calls, ARRAY_SIZE(calls), SECCOMP_RET_ERRNO | EPERM) < 0)
		return 1;
	if (syscall(SYS_getpid) <= 0)
		return 2;
	if (syscall(SYS_getppid) != -1 || errno != EPERM)
		return 3;
	return syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY) == -1 && errno == EPERM ? 0 : 4;
}

Test(filter, answers_everything_else_with_the_verdict_given)
{
#ifdef TOOLCELL_SANITIZED
	cr_skip_test("a sanitizer's runtime needs system calls of its own");
#endif
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(under_filter());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
}

Test(filter, refuses_more_calls_than_it_has_room_for)
{
	int calls[FILTER_CALLS_MAX + 1] = {0};

	cr_assert_eq(filter_install(calls, ARRAY_SIZE(calls), SECCOMP_RET_ALLOW), -E2BIG);
}

Test(privilege, nothing_is_left_after_capabilities_are_dropped)
{
	if (geteuid() != 0)
		cr_skip_test("only root has capabilities to lose");
	cr_assert_eq(privilege_become(65530), 0);
	cr_assert_eq(getuid(), 65530);
	cr_assert_eq(getgid(), 65530);
	cr_assert_eq(getgroups(0, NULL), 0);
	cr_assert_eq(setuid(0), -1);
	cr_assert_eq(prctl(PR_CAPBSET_READ, 0, 0, 0, 0), 0);
	/* A second time has nothing to do and nothing to complain about. */
	cr_assert_eq(privilege_drop_capabilities(), 0);
}

Test(privilege, an_account_without_root_has_nothing_to_give_up)
{
	cr_assert_eq(privilege_become(0), 0);
}

Test(ns, an_id_map_shows_ids_of_the_disk_as_others)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = -1;

	if (geteuid() != 0)
		cr_skip_test("mapping other ids takes root");
	cr_assert_eq(ns_make_idmap(proc, (struct ns_map){0, 100000}, (struct ns_map){0, 100000},
				   &fd),
		     0);
	cr_assert_geq(fd, 0);
	/* Two lines for one id cannot be: the kernel refuses, and nothing is left running. */
	cr_assert_eq(ns_make_idmap(-1, (struct ns_map){0, 1}, (struct ns_map){0, 1}, &fd), -EBADF);
}
