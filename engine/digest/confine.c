/*
 * Theory of operation: two seccomp programs, written by hand because they are a page together and
 * this program is to link little. Both check the architecture first and kill the process on
 * anything that is not on the list: there is no legal way to get there.
 *
 *	zygote:	fork, wait, one socket, and what a worker needs until its own filter is loaded
 *	worker:	read from 0, write to 1, exit
 *
 * Filters add up, so the worker is below both. Landlock (where the kernel has it) denies all paths;
 * without it the filters alone do, as no call that takes a path passes either of them.
 */
#include "digest/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORKER_ADDRESS_SPACE ((rlim_t)512 << 20)
#define WORKER_CPU_SECONDS 120
#define WORKER_FILES 16

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "toolcell-digest: no seccomp filter for this architecture"
#endif

#define NAMESPACES                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
/* The low half of an argument. Both architectures that we have are little-endian. */
#define ARG_LOW(n) ((uint32_t)(offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t)))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define RET(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define ALLOW(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), RET(SECCOMP_RET_ALLOW)
/* x32 calls have the native architecture and bit 30 in their number: equal to none on the list. */
#define START                                                           \
	LOAD(offsetof(struct seccomp_data, arch)),                      \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0), \
		RET(SECCOMP_RET_KILL_PROCESS), LOAD(offsetof(struct seccomp_data, nr))
#define ALLOW_ON_FD(nr, fd)                                                              \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 4), LOAD(ARG_LOW(0)),               \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (fd), 0, 1), RET(SECCOMP_RET_ALLOW), \
		RET(SECCOMP_RET_KILL_PROCESS)

#ifndef DIGEST_SANITIZED
static const struct sock_filter worker_filter[] = {
	START,
	ALLOW_ON_FD(__NR_read, 0),
	ALLOW_ON_FD(__NR_write, 1),
	ALLOW(__NR_exit),
	ALLOW(__NR_exit_group),
	RET(SECCOMP_RET_KILL_PROCESS),
};

static const struct sock_filter zygote_filter[] = {
	START,
	/* A child, but not in namespaces of its own. */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 4),
	LOAD(ARG_LOW(0)),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 1, 0),
	RET(SECCOMP_RET_ALLOW),
	RET(SECCOMP_RET_KILL_PROCESS),
	ALLOW(__NR_read),
	ALLOW(__NR_write),
	ALLOW(__NR_recvmsg),
	ALLOW(__NR_ppoll),
	ALLOW(__NR_wait4),
	ALLOW(__NR_close),
	ALLOW(__NR_close_range),
	ALLOW(__NR_fcntl),
	ALLOW(__NR_dup3),
#ifdef __NR_dup2
	ALLOW(__NR_dup2),
#endif
	ALLOW(__NR_prctl),
	ALLOW(__NR_prlimit64),
	ALLOW(__NR_seccomp),
	ALLOW(__NR_getppid),
	ALLOW(__NR_getrandom),
	ALLOW(__NR_set_robust_list), /* fork(3) of the C library */
	ALLOW(__NR_set_tid_address),
	ALLOW(__NR_rt_sigprocmask),
	ALLOW(__NR_rt_sigreturn),
	ALLOW(__NR_exit),
	ALLOW(__NR_exit_group),
	RET(SECCOMP_RET_KILL_PROCESS),
};

static int load_filter(const struct sock_filter *insns, size_t n)
{
	struct sock_fprog program = {
		.len = (unsigned short)n,
		.filter = (struct sock_filter *)(uintptr_t)insns,
	};

	return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}
#endif

/* KERNEL(5.13): Landlock; the headers of the build may be older than the kernel, so by hand. */
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_restrict_self 446
#endif
#define LANDLOCK_VERSION 1U

struct landlock_attr {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

/* By ABI: how much of the struct the kernel knows and the rights that it handles. */
static const struct {
	size_t bytes;
	struct landlock_attr attr;
} landlock_abis[] = {
	{8, {(1U << 13) - 1, 0, 0}},  {8, {(1U << 14) - 1, 0, 0}},  {8, {(1U << 15) - 1, 0, 0}},
	{16, {(1U << 15) - 1, 3, 0}}, {16, {(1U << 16) - 1, 3, 0}}, {24, {(1U << 16) - 1, 3, 3}},
};

static int restrict_paths(struct err *err)
{
	long abi = syscall(__NR_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
	size_t row = (size_t)MIN(abi, (long)ARRAY_SIZE(landlock_abis)) - 1;
	long fd;
	long r;

	if (abi < 1)
		return 0; /* not in this kernel: the filters stand alone */
	fd = syscall(__NR_landlock_create_ruleset, &landlock_abis[row].attr,
		     landlock_abis[row].bytes, 0);
	if (fd < 0)
		return err_set(err, errno, "cannot make a Landlock ruleset");
	r = syscall(__NR_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
	(void)close((int)fd);
	return r < 0 ? err_set(err, (int)-r, "cannot enforce a Landlock ruleset") : 0;
}

int confine_zygote(struct err *err)
{
	int r = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "cannot give up new privileges");
	r = restrict_paths(err);
	if (r < 0)
		return r;
#ifndef DIGEST_SANITIZED
	r = load_filter(zygote_filter, ARRAY_SIZE(zygote_filter));
#endif
	return r < 0 ? err_set(err, -r, "cannot load the seccomp filter") : 0;
}

int confine_limits(void)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t most;
	} limits[] = {
#ifndef DIGEST_SANITIZED
		{RLIMIT_AS, WORKER_ADDRESS_SPACE},
#endif
		{RLIMIT_CPU, WORKER_CPU_SECONDS},
		{RLIMIT_NOFILE, WORKER_FILES},
		{RLIMIT_FSIZE, 0},
		{RLIMIT_CORE, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit limit = {limits[i].most, limits[i].most};

		if (setrlimit(limits[i].resource, &limit) < 0)
			return -errno;
	}
	return 0;
}

int confine_worker(void)
{
#ifndef DIGEST_SANITIZED
	return load_filter(worker_filter, ARRAY_SIZE(worker_filter));
#else
	return 0;
#endif
}
