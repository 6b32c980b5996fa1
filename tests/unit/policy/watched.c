/*
 * Theory of operation: the program whose init listens, held against the one without, for every number of a
 * call and many values of its arguments. Init answers what it is asked with the strict program's verdict, so
 * the two must never part: what strict refuses must not slip by the listener, and what strict allows must
 * come to the listener only where init knows how to look at it - it would refuse it otherwise.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "confine/program.h"
#include "policy/syscalls.h"
#include "wire/observed.h"

#define LAST_NUMBER 520U
#define RANDOM_CALLS 60U

static const char *const policies[] = {"strict", "base/build", "rust-engineer"};

static const uint64_t values[] = {
	0,	     1,
	2,	     3,
	6,	     10,
	16,	     17,
	38,	     0x41,
	0x200,	     0x242,
	04755,	     0644,
	0102755,     060644,
	0x410002,    0x7e020000,
	0x80,	     0x5412,
	0x541c,	     0x5423,
	0x12345,     UINT32_MAX,
	UINT64_MAX,  0xdeadbeef00000001,
	0x100000000,
};

struct program {
	struct sock_filter *insns;
	uint32_t n;
};

struct pair {
	const char *policy;
	uint32_t net;
	uint32_t arch; /* SCMP_ARCH_* */
	struct program by_level[IMAGE_OBSERVE_N];
};

static uint32_t verdict_of(const struct program *p, const struct seccomp_data *data)
{
	uint32_t verdict = 0;

	cr_assert_eq(program_run(p->insns, p->n, data, &verdict), 0, "number %d", data->nr);
	return verdict;
}

static bool is_known_to_init(const struct pair *pair, int nr)
{
	char *name = seccomp_syscall_resolve_num_arch(pair->arch, nr);
	bool known = name && observed_call_named(name);

	free(name);
	if (pair->arch == seccomp_arch_native())
		cr_assert_eq(known, observed_call_of((uint32_t)nr) != NULL, "number %d", nr);
	return known;
}

/* Init's own listener is the only one there may be, whether it is open or not. */
static bool makes_listener(const struct pair *pair, const struct seccomp_data *data)
{
	return data->nr == seccomp_syscall_resolve_name_arch(pair->arch, "seccomp") &&
	       (uint32_t)data->args[0] == SECCOMP_SET_MODE_FILTER &&
	       ((uint32_t)data->args[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

static bool goes_together(const struct pair *pair, uint32_t strict, uint32_t watched,
			  const struct seccomp_data *data)
{
	if (strict == SECCOMP_RET_ALLOW && makes_listener(pair, data))
		return watched == (SECCOMP_RET_ERRNO | EBUSY);
	if (strict == SECCOMP_RET_ALLOW)
		return watched == SECCOMP_RET_ALLOW ||
		       (watched == SECCOMP_RET_USER_NOTIF && is_known_to_init(pair, data->nr));
	if (strict == (SECCOMP_RET_ERRNO | EPERM))
		return watched == SECCOMP_RET_USER_NOTIF || watched == strict;
	return watched == strict; /* killed, or ENOSYS */
}

static void hold_one(const struct pair *pair, const struct seccomp_data *data)
{
	uint32_t strict = verdict_of(&pair->by_level[IMAGE_OBSERVE_NOTHING], data);
	bool asked = false;

	for (int level = IMAGE_OBSERVE_REFUSED; level < IMAGE_OBSERVE_N; level++) {
		uint32_t watched = verdict_of(&pair->by_level[level], data);

		cr_assert(goes_together(pair, strict, watched, data),
			  "%s, net %u, arch %#x, level %d: number %d (%#llx %#llx %#llx): strict "
			  "%#x, "
			  "watched %#x",
			  pair->policy, pair->net, pair->arch, level, data->nr,
			  (unsigned long long)data->args[0], (unsigned long long)data->args[1],
			  (unsigned long long)data->args[2], strict, watched);
		cr_assert(!asked || watched == SECCOMP_RET_USER_NOTIF,
			  "level %d: number %d: a closer look sees less", level, data->nr);
		asked = watched == SECCOMP_RET_USER_NOTIF;
	}
}

/* xorshift: the same numbers in every run. */
static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void hold_number(const struct pair *pair, int nr, uint32_t arch)
{
	struct seccomp_data data = {.nr = nr, .arch = arch};
	uint64_t state = 0x9e3779b97f4a7c15ULL ^ (uint64_t)(unsigned int)nr;

	for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
		for (int i = 0; i < 6; i++) {
			memset(data.args, 0, sizeof(data.args));
			data.args[i] = values[v];
			hold_one(pair, &data);
		}
		for (int i = 0; i < 6; i++)
			data.args[i] = values[v];
		hold_one(pair, &data);
	}
	for (unsigned int n = 0; n < RANDOM_CALLS; n++) {
		for (int i = 0; i < 6; i++)
			data.args[i] = values[next(&state) % ARRAY_SIZE(values)];
		hold_one(pair, &data);
	}
}

static void compile(struct pair *pair, const struct policy *policy)
{
	for (int level = 0; level < IMAGE_OBSERVE_N; level++) {
		struct syscalls_filter filter = {
			.policy = policy,
			.sockets = policy_sockets(policy, pair->net),
			.arch = pair->arch,
			.observe = (enum image_observe)level,
		};
		struct program *p = &pair->by_level[level];
		struct err err = {0};
		int r = syscalls_compile(&filter, &p->insns, &p->n, &err);

		if (r == -EOPNOTSUPP && level != IMAGE_OBSERVE_NOTHING)
			cr_skip_test("this kernel has no notifications of seccomp");
		cr_assert_eq(r, 0, "%s", err.text);
		cr_assert(p->n > 0 && p->n <= IMAGE_CELL_INSNS_MAX);
	}
}

static void compile_named(struct pair *pair)
{
	static const char *const dirs[] = {POLICIES_DIR, NULL};
	struct policy_inputs *inputs = calloc(1, sizeof(*inputs));
	struct policy policy;
	struct err err = {0};

	cr_assert_eq(policy_load(pair->policy, dirs, inputs, &policy, &err), 0, "%s", err.text);
	policy_inputs_fini(inputs);
	free(inputs);
	compile(pair, &policy);
	policy_fini(&policy);
}

static void free_programs(struct pair *pair)
{
	for (int level = 0; level < IMAGE_OBSERVE_N; level++)
		free(pair->by_level[level].insns);
}

static void hold_policy(const char *name, uint32_t net, uint32_t arch, uint32_t audit)
{
	static const int odd[] = {-1,	     0x40000000, 0x40000001, 0x40000101,
				  INT32_MAX, INT32_MIN,	 9999};
	struct pair pair = {.policy = name, .net = net, .arch = arch};

	compile_named(&pair);
	for (unsigned int nr = 0; nr < LAST_NUMBER; nr++)
		hold_number(&pair, (int)nr, audit);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		hold_number(&pair, odd[i], audit);
	/* Another architecture's numbers are killed by both. */
	hold_number(&pair, 1, AUDIT_ARCH_I386);
	free_programs(&pair);
}

TestSuite(watched, .timeout = 300);

Test(watched, never_parts_from_the_strict_program_on_x86_64)
{
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
		for (uint32_t net = 0; net < IMAGE_NET_N; net++)
			hold_policy(policies[i], net, SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64);
}

Test(watched, never_parts_from_the_strict_program_on_aarch64)
{
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
		for (uint32_t net = 0; net < IMAGE_NET_N; net++)
			hold_policy(policies[i], net, SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64);
}

static const struct {
	uint64_t operation;
	uint64_t flags;
	bool listens;
} filters[] = {
	{SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, true},
	{SECCOMP_SET_MODE_FILTER,
	 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
		 SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
	 true},
	{SECCOMP_SET_MODE_FILTER, UINT32_MAX, true},
	/* The kernel reads the lower halves. */
	{0xdead00000000 | SECCOMP_SET_MODE_FILTER,
	 0xbeef00000000 | SECCOMP_FILTER_FLAG_NEW_LISTENER, true},
	{SECCOMP_SET_MODE_FILTER, 0, false},
	{SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, false},
	{SECCOMP_SET_MODE_FILTER, (uint64_t)SECCOMP_FILTER_FLAG_NEW_LISTENER << 32, false},
	{SECCOMP_SET_MODE_STRICT, SECCOMP_FILTER_FLAG_NEW_LISTENER, false},
	{SECCOMP_GET_ACTION_AVAIL, SECCOMP_FILTER_FLAG_NEW_LISTENER, false},
};

static void hold_listeners(const char *policy, uint32_t arch, uint32_t audit)
{
	struct pair pair = {.policy = policy, .net = IMAGE_NET_NONE, .arch = arch};

	compile_named(&pair);
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		for (int level = 0; level < IMAGE_OBSERVE_N; level++) {
			const struct seccomp_data data = {
				.nr = seccomp_syscall_resolve_name_arch(arch, "seccomp"),
				.arch = audit,
				.args = {filters[i].operation, filters[i].flags},
			};
			bool own = filters[i].listens && level != IMAGE_OBSERVE_NOTHING;

			cr_expect_eq(verdict_of(&pair.by_level[level], &data),
				     own ? SECCOMP_RET_ERRNO | EBUSY : SECCOMP_RET_ALLOW,
				     "%s, arch %#x, row %zu, level %d", policy, arch, i, level);
		}
	free_programs(&pair);
}

/* Those that let a tool have filters of its own, which the values above hardly ever say in full. */
Test(watched, lets_nobody_listen_but_init)
{
	static const char *const having[] = {"base/build", "rust-engineer"};

	for (size_t i = 0; i < ARRAY_SIZE(having); i++) {
		hold_listeners(having[i], SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64);
		hold_listeners(having[i], SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64);
	}
}
