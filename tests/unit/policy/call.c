/*
 * Theory of operation: rows of text for the parser; then the filters of a shipped policy asked through
 * the interpreter, for every number there can be.
 */
#include "policy/call.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>

#include "confine/program.h"

static struct policy policy;
static struct call_filters filters;

static void load(const char *name)
{
	static const char *const dirs[] = {POLICIES_DIR, NULL};
	struct policy_inputs *inputs = calloc(1, sizeof(*inputs));
	struct err err = {0};

	cr_assert_eq(policy_load(name, dirs, inputs, &policy, &err), 0, "%s", err.text);
	policy_inputs_fini(inputs);
	free(inputs);
	cr_assert_eq(call_filters_init(&filters, &policy, 0, &err), 0, "%s", err.text);
}

static void unload(void)
{
	call_filters_fini(&filters);
	policy_fini(&policy);
}

TestSuite(call, .fini = unload);

Test(call, text_becomes_a_call_or_says_what_is_wrong)
{
	static const struct {
		const char *text;
		const char *error; /* NULL: good */
	} rows[] = {
		{"read", NULL},
		{"#999", NULL},
		{"@i386 write", NULL},
		{"@x32 execve", NULL},
		{"  clone\targ0=CLONE_VM|0x10|garbage  arg5=7 ", NULL},
		{"", "NAME or #NUMBER"},
		{"@i386", "NAME or #NUMBER"},
		{"@sparc read", "\"sparc\" is no architecture"},
		{"socke", "did you mean \"socket\"?"},
		{"#", "no number of a system call"},
		{"#-1", "no number of a system call"},
		{"#4294967296", "no number of a system call"},
		{"read arg6=1", "arg0=VALUE to arg5=VALUE"},
		{"read arg0", "arg0=VALUE to arg5=VALUE"},
		{"read arg0=", "neither a number nor a constant"},
		{"read arg0=1||2", "neither a number nor a constant"},
		{"read arg0=0x1ffffffffffffffff", "neither a number nor a constant"},
		{"socket arg0=AF_INET7", "did you mean \"AF_INET\"?"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct call call = {.number = 77};
		struct err err = {0};
		int r = call_parse(rows[i].text, &call, &err);

		cr_assert_eq(r == 0, rows[i].error == NULL, "row %zu: %s", i, err.text);
		if (!rows[i].error)
			continue;
		cr_assert_not_null(strstr(err.text, rows[i].error), "row %zu: %s", i, err.text);
		cr_assert_eq(call.number, 77, "row %zu: touched", i);
	}
}

Test(call, arguments_are_kept_with_their_places)
{
	struct call call;
	struct err err = {0};

	cr_assert_eq(call_parse("openat arg2=O_WRONLY|O_CREAT arg3=0755|S_ISUID", &call, &err), 0);
	cr_assert_eq(call.args[2], 0101);
	cr_assert_eq(call.args[3], 04755);
	cr_assert_eq(call.given, (1U << 2) | (1U << 3));
	cr_assert_eq(call.arch, CALL_ARCH_N);
}

Test(call, text_that_is_too_long_is_refused)
{
	char text[CALL_TEXT_MAX + 8];
	struct call call;
	struct err err = {0};

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	cr_assert_eq(call_parse(text, &call, &err), -E2BIG);
}

Test(call, a_refusal_is_eperm_whoever_says_it)
{
	static const struct {
		uint32_t answer;
		int verdict; /* -1: none */
	} rows[] = {
		{SECCOMP_RET_ALLOW, CALL_ALLOW},
		{SECCOMP_RET_ERRNO | EPERM, CALL_EPERM},
		{SECCOMP_RET_USER_NOTIF, CALL_EPERM},
		{SECCOMP_RET_USER_NOTIF | 5, CALL_EPERM},
		{SECCOMP_RET_ERRNO | ENOSYS, CALL_ENOSYS},
		{SECCOMP_RET_KILL_PROCESS, CALL_KILL},
		{SECCOMP_RET_ERRNO | EACCES, -1},
		{SECCOMP_RET_KILL_THREAD, -1},
		{SECCOMP_RET_TRACE, -1},
		{SECCOMP_RET_LOG, -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum call_verdict verdict = CALL_VERDICT_N;
		bool known = call_verdict_of(rows[i].answer, &verdict);

		cr_assert_eq(known, rows[i].verdict >= 0, "row %zu", i);
		cr_assert_eq((int)verdict, known ? rows[i].verdict : (int)CALL_VERDICT_N, "row %zu",
			     i);
	}
}

Test(call, names_of_verdicts_and_architectures_are_told_apart)
{
	enum call_verdict verdict;

	for (size_t i = 0; i < CALL_VERDICT_N; i++) {
		cr_assert(call_verdict_find(call_verdict_name((enum call_verdict)i), &verdict));
		cr_assert_eq(verdict, i);
	}
	cr_assert_not(call_verdict_find("EACCES", &verdict));
	for (uint32_t i = 0; i < CALL_ARCH_N; i++)
		cr_assert_not_null(call_arch_name((enum call_arch)i));
}

Test(call, each_machine_answers_for_what_runs_on_it)
{
	static const struct {
		const char *text;
		enum call_arch machine;
		enum call_arch arch;
		int r;
		enum call_verdict verdict;
	} rows[] = {
		{"read", CALL_X86_64, CALL_X86_64, 1, CALL_ALLOW},
		{"read", CALL_AARCH64, CALL_AARCH64, 1, CALL_ALLOW},
		{"read", CALL_X86_64, CALL_I386, 1, CALL_KILL},
		{"read", CALL_X86_64, CALL_X32, 1, CALL_KILL},
		{"read", CALL_AARCH64, CALL_X32, 0, CALL_ALLOW},
		{"read", CALL_AARCH64, CALL_X86_64, 0, CALL_ALLOW},
		{"open", CALL_X86_64, CALL_X86_64, 1, CALL_ALLOW},
		{"open", CALL_AARCH64, CALL_AARCH64, 0, CALL_ALLOW},
		{"mount", CALL_AARCH64, CALL_AARCH64, 1, CALL_EPERM},
		{"clone3", CALL_X86_64, CALL_X86_64, 1, CALL_ENOSYS},
		{"#999", CALL_X86_64, CALL_X86_64, 1, CALL_ENOSYS},
	};

	load("strict");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum call_verdict verdict = CALL_VERDICT_N;
		struct call call;
		struct err err = {0};

		cr_assert_eq(call_parse(rows[i].text, &call, &err), 0);
		cr_assert_eq(call_answer(&filters, rows[i].machine, rows[i].arch, &call, &verdict,
					 &err),
			     rows[i].r, "row %zu: %s", i, err.text);
		cr_assert(rows[i].r == 0 ? verdict == CALL_VERDICT_N : verdict == rows[i].verdict,
			  "row %zu", i);
	}
}

/* No number at all may be answered by anything but the known words; none of x32's gets through. */
Test(call, every_number_has_a_known_answer)
{
	load("base/build");
	for (uint32_t nr = 0; nr < 2048; nr++) {
		struct seccomp_data data = {.nr = (int)nr, .arch = AUDIT_ARCH_X86_64};
		enum call_verdict verdict = CALL_KILL;
		uint32_t answer = 0;

		cr_assert_eq(program_run(filters.insns[CALL_X86_64], filters.n[CALL_X86_64], &data,
					 &answer),
			     0, "number %u", nr);
		cr_assert(call_verdict_of(answer, &verdict) && verdict != CALL_KILL,
			  "number %u: %#x", nr, answer);
		cr_assert(nr < 500 || verdict == CALL_ENOSYS, "number %u", nr);
		data.nr = (int)(nr | 0x40000000U);
		cr_assert_eq(program_run(filters.insns[CALL_X86_64], filters.n[CALL_X86_64], &data,
					 &answer),
			     0);
		cr_assert(call_verdict_of(answer, &verdict) && verdict == CALL_KILL,
			  "x32 number %u", nr);
	}
}

Test(call, a_program_that_runs_off_its_end_is_no_answer)
{
	static const struct sock_filter jump[] = {BPF_JUMP(BPF_JMP | BPF_JA, 100, 0, 0),
						  BPF_STMT(BPF_RET | BPF_K, 0)};
	static const struct sock_filter load_far[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4096),
						      BPF_STMT(BPF_RET | BPF_K, 0)};
	static const struct sock_filter odd[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2),
						 BPF_STMT(BPF_RET | BPF_K, 0)};
	struct seccomp_data data = {0};
	uint32_t answer = 7;

	cr_assert_lt(program_run(jump, 2, &data, &answer), 0);
	cr_assert_lt(program_run(load_far, 2, &data, &answer), 0);
	cr_assert_lt(program_run(odd, 2, &data, &answer), 0);
	cr_assert_lt(program_run(odd, 0, &data, &answer), 0);
	cr_assert_eq(answer, 7);
}
