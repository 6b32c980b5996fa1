/*
 * Theory of operation: every tests/verdict/NAME.verdicts is a table of system calls and what a
 * shipped policy's filter must answer, for both architectures, run in the interpreter of confine/program.h.
 * A line:
 *
 *	[@i386|@x32|@x86_64|@aarch64] CALL|#NUMBER [argN=VALUE[|VALUE...]]... -> allow|EPERM|ENOSYS|kill
 *
 * A call that an architecture does not have is skipped there; `garbage` in a value sets the upper
 * half of the register, which the kernel ignores for 32-bit arguments. "policy NAME" comes first,
 * "network loopback" compiles the filter as that policy's would be with a network.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "confine/program.h"
#include "policy/syscalls.h"

#define GARBAGE 0xdeadbeef00000000ULL

static const struct {
	const char *name;
	uint64_t value;
} words[] = {
	{"AF_UNIX", 1},
	{"AF_INET", 2},
	{"AF_INET6", 10},
	{"AF_NETLINK", 16},
	{"AF_PACKET", 17},
	{"AF_ALG", 38},
	{"AF_VSOCK", 40},
	{"SOCK_STREAM", 1},
	{"SOCK_DGRAM", 2},
	{"SOCK_RAW", 3},
	{"SOCK_SEQPACKET", 5},
	{"SOCK_CLOEXEC", 02000000},
	{"IPPROTO_TCP", 6},
	{"IPPROTO_UDP", 17},
	{"IPPROTO_ICMP", 1},
	{"TIOCSTI", 0x5412},
	{"TIOCLINUX", 0x541c},
	{"TIOCSETD", 0x5423},
	{"TIOCGWINSZ", 0x5413},
	{"TCGETS", 0x5401},
	{"S_ISUID", 04000},
	{"S_ISGID", 02000},
	{"S_IFREG", 0100000},
	{"S_IFIFO", 010000},
	{"S_IFSOCK", 0140000},
	{"S_IFCHR", 020000},
	{"S_IFBLK", 060000},
	{"O_CREAT", 0100},
	{"O_WRONLY", 1},
	{"O_TMPFILE", 020200000},
	{"CLONE_THREAD", 0x10000},
	{"CLONE_VM", 0x100},
	{"CLONE_NEWTIME", 0x80},
	{"CLONE_NEWNS", 0x20000},
	{"CLONE_NEWCGROUP", 0x2000000},
	{"CLONE_NEWUTS", 0x4000000},
	{"CLONE_NEWIPC", 0x8000000},
	{"CLONE_NEWUSER", 0x10000000},
	{"CLONE_NEWPID", 0x20000000},
	{"CLONE_NEWNET", 0x40000000},
	{"SIGCHLD", 17},
	{"garbage", GARBAGE},
};

static const struct {
	const char *name;
	uint32_t action;
} verdicts[] = {
	{"allow", SECCOMP_RET_ALLOW},
	{"EPERM", SECCOMP_RET_ERRNO | EPERM},
	{"ENOSYS", SECCOMP_RET_ERRNO | ENOSYS},
	{"kill", SECCOMP_RET_KILL_PROCESS},
};

struct table {
	const char *file;
	unsigned int line;
	struct policy policy;
	uint32_t net;
	uint32_t arch; /* SCMP_ARCH_* */
	struct sock_filter *insns;
	uint32_t n;
	unsigned int checked;
};

static uint64_t value_of(const struct table *t, char *text)
{
	uint64_t value = 0;
	char *save = NULL;

	for (char *w = strtok_r(text, "|", &save); w; w = strtok_r(NULL, "|", &save)) {
		char *end = NULL;
		size_t i;

		for (i = 0; i < ARRAY_SIZE(words); i++)
			if (strcmp(words[i].name, w) == 0)
				break;
		value |= i < ARRAY_SIZE(words) ? words[i].value : strtoull(w, &end, 0);
		cr_assert(i < ARRAY_SIZE(words) || (end && *end == '\0' && end > w), "%s:%u: %s",
			  t->file, t->line, w);
	}
	return value;
}

static uint32_t action_of(const struct table *t, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
		if (strcmp(verdicts[i].name, text) == 0)
			return verdicts[i].action;
	cr_assert(false, "%s:%u: no verdict \"%s\"", t->file, t->line, text);
	return 0;
}

/* False: the line is for another architecture, or the call does not exist here. */
static bool fill_call(const struct table *t, const char *where, const char *name,
		      struct seccomp_data *data)
{
	bool x86 = t->arch == SCMP_ARCH_X86_64;
	uint32_t resolve = t->arch;
	int nr;

	data->arch = t->arch;
	if (where && strcmp(where, "@i386") == 0) {
		data->arch = AUDIT_ARCH_I386;
		resolve = SCMP_ARCH_X86;
	}
	if (where && (strcmp(where, "@x86_64") == 0 || strcmp(where, "@x32") == 0) && !x86)
		return false;
	if (where && strcmp(where, "@aarch64") == 0 && x86)
		return false;
	nr = name[0] == '#' ? atoi(name + 1) : seccomp_syscall_resolve_name_arch(resolve, name);
	cr_assert(nr != __NR_SCMP_ERROR || syscalls_is_known(name), "%s:%u: no call %s", t->file,
		  t->line, name);
	if (nr < 0)
		return false;
	data->nr = where && strcmp(where, "@x32") == 0 ? (int)((uint32_t)nr | 0x40000000U) : nr;
	return true;
}

static void check_line(struct table *t, char *line)
{
	struct seccomp_data data = {0};
	char *save = NULL;
	char *where = NULL;
	char *arrow = strstr(line, "->");
	char *word = strtok_r(line, " \t", &save);
	uint32_t answer = 0;
	char want[32] = "";
	bool here;

	cr_assert(arrow && sscanf(arrow, "-> %31s", want) == 1, "%s:%u: no verdict", t->file,
		  t->line);
	if (word[0] == '@') {
		where = word;
		word = strtok_r(NULL, " \t", &save);
	}
	here = fill_call(t, where, word, &data);
	for (char *arg = strtok_r(NULL, " \t", &save); arg && strcmp(arg, "->") != 0;
	     arg = strtok_r(NULL, " \t", &save)) {
		cr_assert(strncmp(arg, "arg", 3) == 0 && arg[3] >= '0' && arg[3] <= '5' &&
				  arg[4] == '=',
			  "%s:%u: %s", t->file, t->line, arg);
		data.args[arg[3] - '0'] = value_of(t, arg + 5);
	}
	if (!here)
		return;
	cr_assert_eq(program_run(t->insns, t->n, &data, &answer), 0, "%s:%u: the program is broken",
		     t->file, t->line);
	cr_expect_eq(answer, action_of(t, want), "%s:%u (%s): %s answers %#x, not %s", t->file,
		     t->line, t->arch == SCMP_ARCH_X86_64 ? "x86_64" : "aarch64", word, answer,
		     want);
	t->checked++;
}

static void open_policy(struct table *t, const char *name)
{
	static const char *const dirs[] = {POLICIES_DIR, NULL};
	struct policy_inputs *inputs = calloc(1, sizeof(*inputs));
	struct err err = {0};

	cr_assert_eq(policy_load(name, dirs, inputs, &t->policy, &err), 0, "%s", err.text);
	policy_inputs_fini(inputs);
	free(inputs);
}

static void compile(struct table *t)
{
	struct syscalls_filter filter = {.policy = &t->policy, .arch = t->arch};
	struct err err = {0};

	filter.sockets = policy_sockets(&t->policy, t->net);
	cr_assert_eq(syscalls_compile(&filter, &t->insns, &t->n, &err), 0, "%s", err.text);
	cr_assert(t->n > 0 && t->n <= IMAGE_CELL_INSNS_MAX);
}

static void run_table(const char *path, uint32_t arch)
{
	struct table t = {.file = strrchr(path, '/') + 1, .arch = arch};
	char *text = NULL;
	size_t len = 0;
	struct err err = {0};
	char *save = NULL;

	cr_assert_eq(fd_read_file(AT_FDCWD, path, 1 << 20, &text, &len, &err), 0, "%s", err.text);
	for (char *line = text; line; line = save) {
		save = strchr(line, '\n');
		if (save)
			*save++ = '\0';
		t.line++;
		if (line[0] == '\0' || strncmp(line, "//", 2) == 0)
			continue;
		if (strncmp(line, "policy ", 7) == 0) {
			open_policy(&t, line + 7);
		} else if (strcmp(line, "network loopback") == 0) {
			t.net = IMAGE_NET_LOOPBACK;
		} else {
			if (!t.insns)
				compile(&t);
			check_line(&t, line);
		}
	}
	cr_assert_gt(t.checked, 10, "%s: a table that checks nothing", t.file);
	free(t.insns);
	free(text);
	policy_fini(&t.policy);
}

static void run_all(uint32_t arch)
{
	DIR *d = opendir(VERDICT_DIR);
	unsigned int tables = 0;
	struct dirent *e;

	cr_assert_not_null(d);
	while ((e = readdir(d))) {
		char path[1024];
		size_t n = strlen(e->d_name);

		if (n < 9 || strcmp(e->d_name + n - 9, ".verdicts") != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", VERDICT_DIR, e->d_name);
		run_table(path, arch);
		tables++;
	}
	(void)closedir(d);
	cr_assert_geq(tables, 4);
}

Test(verdicts, every_table_holds_on_x86_64)
{
	run_all(SCMP_ARCH_X86_64);
}

Test(verdicts, every_table_holds_on_aarch64)
{
	run_all(SCMP_ARCH_AARCH64);
}

/* No number at all may be answered by anything but these four; none of x32's gets through. */
Test(verdicts, every_number_has_a_known_answer)
{
	struct table t = {.arch = SCMP_ARCH_X86_64};

	open_policy(&t, "base/build");
	compile(&t);
	for (uint32_t nr = 0; nr < 2048; nr++) {
		struct seccomp_data data = {.nr = (int)nr, .arch = AUDIT_ARCH_X86_64};
		uint32_t answer = 0;

		cr_assert_eq(program_run(t.insns, t.n, &data, &answer), 0, "number %u", nr);
		cr_assert(answer == SECCOMP_RET_ALLOW || answer == (SECCOMP_RET_ERRNO | EPERM) ||
				  answer == (SECCOMP_RET_ERRNO | ENOSYS),
			  "number %u: %#x", nr, answer);
		cr_assert(nr < 500 || answer == (SECCOMP_RET_ERRNO | ENOSYS), "number %u", nr);
		data.nr = (int)(nr | 0x40000000U);
		cr_assert_eq(program_run(t.insns, t.n, &data, &answer), 0);
		cr_assert_eq(answer, SECCOMP_RET_KILL_PROCESS, "x32 number %u", nr);
	}
	free(t.insns);
	policy_fini(&t.policy);
}
