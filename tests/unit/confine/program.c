/*
 * Theory of operation: programs by hand, run here and by the kernel over a child that asks for its parent's
 * id with arguments of the test's; the two must agree. What the kernel would not load is -EINVAL.
 */
#include "confine/program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/privilege.h"

#define BODY_MAX 12U
#define ARG(i) ((uint32_t)offsetof(struct seccomp_data, args[i]))
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define RETURN(k) BPF_STMT(BPF_RET | BPF_K, k)
#define RETURN_A BPF_STMT(BPF_RET | BPF_A, 0)
#define AS_ERRNO                                    \
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff), \
		BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), RETURN_A
#define IF(op, k, t, f) BPF_JUMP(BPF_JMP | (op) | BPF_K, k, t, f)

static const struct {
	const char *what;
	struct sock_filter body[BODY_MAX];
	uint32_t n;
} programs[] = {
	{"low half", {LOAD(ARG(0)), AS_ERRNO}, 4},
	{"high half", {LOAD(ARG(0) + 4), AS_ERRNO}, 4},
	{"the last word", {LOAD(ARG(5) + 4), AS_ERRNO}, 4},
	{"number", {LOAD(0), AS_ERRNO}, 4},
	{"shift", {LOAD(ARG(1)), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4), AS_ERRNO}, 5},
	{"immediate", {BPF_STMT(BPF_LD | BPF_IMM, 77), AS_ERRNO}, 4},
	{"memory and X",
	 {LOAD(ARG(0)), BPF_STMT(BPF_ST, 15), LOAD(ARG(1)), BPF_STMT(BPF_MISC | BPF_TAX, 0),
	  BPF_STMT(BPF_LD | BPF_MEM, 15), BPF_STMT(BPF_ALU | BPF_AND | BPF_X, 0), AS_ERRNO},
	 9},
	{"back from X",
	 {LOAD(ARG(1)), BPF_STMT(BPF_MISC | BPF_TAX, 0), LOAD(ARG(0)),
	  BPF_STMT(BPF_MISC | BPF_TXA, 0), AS_ERRNO},
	 7},
	{"X or",
	 {LOAD(ARG(1)), BPF_STMT(BPF_MISC | BPF_TAX, 0), LOAD(ARG(0)),
	  BPF_STMT(BPF_ALU | BPF_OR | BPF_X, 0), AS_ERRNO},
	 7},
	{"compared with X",
	 {LOAD(ARG(1)), BPF_STMT(BPF_MISC | BPF_TAX, 0), LOAD(ARG(0)),
	  BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1), RETURN(SECCOMP_RET_ERRNO | 1),
	  RETURN(SECCOMP_RET_ALLOW)},
	 6},
	{"equal",
	 {LOAD(ARG(0)), IF(BPF_JEQ, 100, 1, 0), RETURN(SECCOMP_RET_ALLOW),
	  RETURN(SECCOMP_RET_ERRNO | 2)},
	 4},
	{"above",
	 {LOAD(ARG(0)), IF(BPF_JGT, 100, 1, 0), RETURN(SECCOMP_RET_ALLOW),
	  RETURN(SECCOMP_RET_ERRNO | 3)},
	 4},
	{"not below",
	 {LOAD(ARG(0)), IF(BPF_JGE, 100, 0, 1), RETURN(SECCOMP_RET_ERRNO | 4),
	  RETURN(SECCOMP_RET_ALLOW)},
	 4},
	{"a bit",
	 {LOAD(ARG(0)), IF(BPF_JSET, 6, 0, 1), RETURN(SECCOMP_RET_ERRNO | 5),
	  RETURN(SECCOMP_RET_ALLOW)},
	 4},
	{"over",
	 {BPF_STMT(BPF_JMP | BPF_JA, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ERRNO | 6)},
	 3},
};

static const uint64_t values[] = {0,
				  1,
				  5,
				  6,
				  99,
				  100,
				  101,
				  4095,
				  0xffffffff,
				  0x100000000,
				  1616,
				  UINT64_MAX,
				  0xdeadbeef00000064};

#define N_CALLS (ARRAY_SIZE(values) * ARRAY_SIZE(values))

static void args_of(size_t call, uint64_t args[6])
{
	for (size_t i = 0; i < 6; i++)
		args[i] = values[i % 2 ? call / ARRAY_SIZE(values) : call % ARRAY_SIZE(values)];
}

static uint32_t whole(size_t row, struct sock_filter *dst)
{
	static const struct sock_filter head[] = {
		LOAD(0),
		IF(BPF_JEQ, SYS_getppid, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
	};

	memcpy(dst, head, sizeof(head));
	memcpy(dst + ARRAY_SIZE(head), programs[row].body,
	       programs[row].n * sizeof(struct sock_filter));
	return (uint32_t)ARRAY_SIZE(head) + programs[row].n;
}

/* 0: it went through; else the errno, plus one so that errno 0 can be told from that. */
static void ask_kernel(size_t row, int out)
{
	struct sock_filter insns[BODY_MAX + 3];
	int answers[N_CALLS];
	uint32_t n = whole(row, insns);

	if (privilege_no_new() < 0 || privilege_filter(insns, n) < 0)
		_exit(1);
	for (size_t i = 0; i < N_CALLS; i++) {
		uint64_t a[6];
		long r;

		args_of(i, a);
		r = syscall(SYS_getppid, a[0], a[1], a[2], a[3], a[4], a[5]);
		answers[i] = r > 0 ? 0 : r == 0 ? 1 : errno + 1;
	}
	_exit(write(out, answers, sizeof(answers)) == (ssize_t)sizeof(answers) ? 0 : 1);
}

Test(program, every_verdict_is_the_kernels)
{
	for (size_t row = 0; row < ARRAY_SIZE(programs); row++) {
		struct sock_filter insns[BODY_MAX + 3];
		uint32_t n = whole(row, insns);
		int answers[N_CALLS];
		int status = -1;
		int pair[2];
		pid_t child;

		cr_assert_eq(pipe2(pair, O_CLOEXEC), 0);
		child = fork();
		if (child == 0)
			ask_kernel(row, pair[1]);
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert_eq(status, 0, "%s: the kernel does not load it", programs[row].what);
		cr_assert_eq(read(pair[0], answers, sizeof(answers)), (ssize_t)sizeof(answers));
		for (size_t i = 0; i < N_CALLS; i++) {
			struct seccomp_data data = {.nr = SYS_getppid};
			uint32_t verdict = 0;
			int want;

			args_of(i, (uint64_t *)data.args);
			cr_assert_eq(program_run(insns, n, &data, &verdict), 0, "%s",
				     programs[row].what);
			want = verdict == SECCOMP_RET_ALLOW ? 0
							    : (int)(verdict & SECCOMP_RET_DATA) + 1;
			/* The kernel knows no errno above this. */
			if (want > 4096)
				want = 4096;
			cr_assert_eq(answers[i], want, "%s, call %zu: %d, not %d",
				     programs[row].what, i, answers[i], want);
		}
		(void)close(pair[0]);
		(void)close(pair[1]);
	}
}

static const struct {
	const char *what;
	struct sock_filter body[4];
	uint32_t n;
} broken[] = {
	{"nothing", {RETURN(0)}, 0},
	{"off the end", {LOAD(0)}, 1},
	{"a jump off the end", {BPF_STMT(BPF_JMP | BPF_JA, 1), RETURN(0)}, 2},
	{"a jump far off the end", {BPF_STMT(BPF_JMP | BPF_JA, 0x7fffffff), RETURN(0)}, 2},
	{"a jump backwards", {BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX), RETURN(0)}, 2},
	{"a jump to the start",
	 {LOAD(0), BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX - 1), RETURN(0)},
	 3},
	{"a branch off the end", {LOAD(0), IF(BPF_JGE, 0, 255, 255), RETURN(0)}, 3},
	{"a load beyond", {LOAD(sizeof(struct seccomp_data)), RETURN(0)}, 2},
	{"a load across the end", {LOAD(sizeof(struct seccomp_data) - 2), RETURN(0)}, 2},
	{"a load far beyond", {LOAD(UINT32_MAX - 3), RETURN(0)}, 2},
	{"an odd load", {LOAD(1), RETURN(0)}, 2},
	{"half a word", {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), RETURN(0)}, 2},
	{"an indirect load", {BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RETURN(0)}, 2},
	{"memory beyond", {BPF_STMT(BPF_ST, BPF_MEMWORDS), RETURN(0)}, 2},
	{"memory beyond, read", {BPF_STMT(BPF_LD | BPF_MEM, BPF_MEMWORDS), RETURN(0)}, 2},
	{"an operation that is none", {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 1), RETURN(0)}, 2},
	{"a shift of the whole word", {BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 32), RETURN(0)}, 2},
	{"a jump that is none", {BPF_STMT(BPF_JMP | 0x70, 0), RETURN(0)}, 2},
	{"no such move", {BPF_STMT(BPF_MISC | 0x40, 0), RETURN(0)}, 2},
	{"no such store", {BPF_STMT(BPF_ST | 0x40, 0), RETURN(0)}, 2},
	{"STX", {BPF_STMT(BPF_STX, 0), RETURN(0)}, 2},
	{"no such return", {BPF_STMT(BPF_RET | BPF_X, 0)}, 1},
	{"an unknown code", {BPF_STMT(0xffff, 0), RETURN(0)}, 2},
};

Test(program, what_is_no_program_is_refused_and_the_output_is_left, .timeout = 10)
{
	const struct seccomp_data data = {.nr = 1};

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		uint32_t verdict = 0x12345678;

		cr_expect_eq(program_run(broken[i].body, broken[i].n, &data, &verdict), -EINVAL,
			     "%s", broken[i].what);
		cr_expect_eq(verdict, 0x12345678, "%s", broken[i].what);
	}
}
