/*
 * Theory of operation: text -> struct call -> struct seccomp_data -> the filter in the interpreter of
 * confine/program.h -> verdict. i386 and x32 are no machines of their own: what is built for them runs on
 * x86_64, whose filter must end it; of i386 the other machine's filter is asked too, because it
 * must not know that architecture either.
 */
#include "policy/call.h"

#include <errno.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "confine/program.h"

#define GARBAGE 0xdeadbeef00000000ULL
#define X32_BIT 0x40000000U
#define NUMBER_MAX 0x3fffffffULL

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

const char *call_word(size_t i, uint64_t *ret_value)
{
	if (i >= ARRAY_SIZE(words))
		return NULL;
	*ret_value = words[i].value;
	return words[i].name;
}

/* The one place that knows what an answer means to the caller. */
static const struct {
	uint32_t action; /* SECCOMP_RET_ACTION_FULL */
	uint32_t data;	 /* SECCOMP_RET_DATA of SECCOMP_RET_ERRNO */
	enum call_verdict verdict;
} answers[] = {
	{SECCOMP_RET_ALLOW, 0, CALL_ALLOW},
	{SECCOMP_RET_ERRNO, EPERM, CALL_EPERM},
	/* init hears of the call, notes it and answers EPERM; it never lets one pass. */
	{SECCOMP_RET_USER_NOTIF, 0, CALL_EPERM},
	{SECCOMP_RET_ERRNO, ENOSYS, CALL_ENOSYS},
	{SECCOMP_RET_KILL_PROCESS, 0, CALL_KILL},
};

static const char *const verdict_names[] = {
	[CALL_ALLOW] = "allow",
	[CALL_EPERM] = "EPERM",
	[CALL_ENOSYS] = "ENOSYS",
	[CALL_KILL] = "kill",
};
static_assert(ARRAY_SIZE(verdict_names) == CALL_VERDICT_N, "every verdict has a name");

static const struct {
	const char *name;
	uint32_t audit;
	uint32_t scmp;	 /* whose numbers */
	uint32_t number; /* or'ed to those */
} archs[] = {
	[CALL_X86_64] = {"x86_64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 0},
	[CALL_AARCH64] = {"aarch64", AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64, 0},
	[CALL_I386] = {"i386", AUDIT_ARCH_I386, SCMP_ARCH_X86, 0},
	[CALL_X32] = {"x32", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, X32_BIT},
};
static_assert(ARRAY_SIZE(archs) == CALL_ARCH_N, "every architecture has a row");

const char *call_verdict_name(enum call_verdict verdict)
{
	return verdict_names[verdict];
}

const char *call_arch_name(enum call_arch arch)
{
	return arch < CALL_ARCH_N ? archs[arch].name : "any";
}

bool call_verdict_find(const char *name, enum call_verdict *ret)
{
	for (size_t i = 0; i < CALL_VERDICT_N; i++) {
		if (strcmp(verdict_names[i], name) != 0)
			continue;
		*ret = (enum call_verdict)i;
		return true;
	}
	return false;
}

bool call_verdict_of(uint32_t answer, enum call_verdict *ret)
{
	uint32_t action = answer & SECCOMP_RET_ACTION_FULL;
	uint32_t data = answer & SECCOMP_RET_DATA;

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		if (answers[i].action != action ||
		    (action == SECCOMP_RET_ERRNO && answers[i].data != data))
			continue;
		*ret = answers[i].verdict;
		return true;
	}
	return false;
}

enum call_arch call_native(void)
{
	return seccomp_arch_native() == SCMP_ARCH_AARCH64 ? CALL_AARCH64 : CALL_X86_64;
}

static int refuse_word(const char *fmt, const char *word, struct err *err)
{
	const char *names[ARRAY_SIZE(words)];
	const char *near;
	char quoted[96];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		names[i] = words[i].name;
	near = text_nearest(word, names, ARRAY_SIZE(words));
	text_quote(quoted, sizeof(quoted), word, strlen(word));
	return err_set(err, EINVAL, "\"%s\" %s%s%s%s", quoted, fmt, near ? "; did you mean \"" : "",
		       near ? near : "", near ? "\"?" : "");
}

static int parse_value(char *text, uint64_t *ret, struct err *err)
{
	uint64_t value = 0;

	for (char *next, *word = text; word; word = next) {
		uint64_t one = 0;
		size_t i = 0;

		next = strchr(word, '|');
		if (next)
			*next++ = '\0';
		while (i < ARRAY_SIZE(words) && strcmp(words[i].name, word) != 0)
			i++;
		if (i == ARRAY_SIZE(words) && num_parse_c(word, &one) < 0)
			return refuse_word("is neither a number nor a constant that is known", word,
					   err);
		value |= i < ARRAY_SIZE(words) ? words[i].value : one;
	}
	*ret = value;
	return 0;
}

static int parse_arg(struct call *call, char *word, struct err *err)
{
	unsigned int i;

	if (strncmp(word, "arg", 3) != 0 || word[3] < '0' || word[3] >= '0' + (int)CALL_ARGS ||
	    word[4] != '=')
		return refuse_word("is no argument: write arg0=VALUE to arg5=VALUE", word, err);
	i = (unsigned int)(word[3] - '0');
	call->given |= 1U << i;
	return parse_value(word + 5, &call->args[i], err);
}

static int parse_arch(struct call *call, const char *word, struct err *err)
{
	for (size_t i = 0; i < CALL_ARCH_N; i++)
		if (strcmp(archs[i].name, word) == 0) {
			call->arch = (enum call_arch)i;
			return 0;
		}
	return refuse_word("is no architecture: x86_64, aarch64, i386 or x32", word, err);
}

static int parse_name(struct call *call, const char *word, struct err *err)
{
	const char *near;
	char quoted[96];
	uint64_t number;

	text_quote(quoted, sizeof(quoted), word, strlen(word));
	if (strlen(word) >= sizeof(call->name))
		return err_set(err, EINVAL, "no system call is named \"%s\"", quoted);
	(void)snprintf(call->name, sizeof(call->name), "%s", word);
	if (word[0] == '#') {
		if (num_parse_u64(word + 1, NUMBER_MAX, &number) < 0)
			return err_set(err, EINVAL, "\"%s\" is no number of a system call", quoted);
		call->number = (int)number;
		return 0;
	}
	if (syscalls_is_known(word) ||
	    seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, word) != __NR_SCMP_ERROR)
		return 0;
	near = syscalls_nearest(word);
	return err_set(err, EINVAL, "no system call is named \"%s\"%s%s%s", quoted,
		       near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int parse_words(struct call *call, char *text, struct err *err)
{
	static const char blank[] = " \t";
	char *save = NULL;
	char *word = strtok_r(text, blank, &save);
	int r = 0;

	if (word && word[0] == '@') {
		r = parse_arch(call, word + 1, err);
		word = strtok_r(NULL, blank, &save);
	}
	if (r == 0 && !word)
		return err_set(err, EINVAL, "a system call is written NAME or #NUMBER");
	if (r == 0)
		r = parse_name(call, word, err);
	while (r == 0 && (word = strtok_r(NULL, blank, &save)))
		r = parse_arg(call, word, err);
	return r;
}

int call_parse(const char *text, struct call *ret, struct err *err)
{
	struct call call = {.number = -1, .arch = CALL_ARCH_N};
	char copy[CALL_TEXT_MAX];
	int r;

	if (strlen(text) >= sizeof(copy))
		return err_set(err, E2BIG, "a system call is written in less than %u bytes",
			       CALL_TEXT_MAX);
	memcpy(copy, text, strlen(text) + 1);
	r = parse_words(&call, copy, err);
	if (r == 0)
		*ret = call;
	return r;
}

bool call_data(const struct call *call, enum call_arch arch, struct seccomp_data *ret)
{
	int nr = call->number >= 0
			 ? call->number
			 : seccomp_syscall_resolve_name_arch(archs[arch].scmp, call->name);

	if (nr < 0) /* libseccomp's own numbers, for calls that the architecture lacks */
		return false;
	*ret = (struct seccomp_data){.nr = (int)((uint32_t)nr | archs[arch].number),
				     .arch = archs[arch].audit};
	for (size_t i = 0; i < CALL_ARGS; i++)
		ret->args[i] = call->args[i];
	return true;
}

int call_filters_init(struct call_filters *filters, const struct policy *policy, uint32_t net,
		      struct err *err)
{
	int r = 0;

	*filters = (struct call_filters){0};
	for (size_t i = 0; i < ARRAY_SIZE(filters->insns) && r == 0; i++) {
		/* Without observation: what init only looks at is allowed all the same. */
		struct syscalls_filter filter = {.policy = policy,
						 .sockets = policy_sockets(policy, net),
						 .arch = archs[i].scmp};

		r = syscalls_compile(&filter, &filters->insns[i], &filters->n[i], err);
	}
	if (r < 0)
		call_filters_fini(filters);
	return r;
}

void call_filters_fini(struct call_filters *filters)
{
	for (size_t i = 0; i < ARRAY_SIZE(filters->insns); i++)
		free(filters->insns[i]);
	*filters = (struct call_filters){0};
}

int call_answer(const struct call_filters *filters, enum call_arch machine, enum call_arch arch,
		const struct call *call, enum call_verdict *ret, struct err *err)
{
	struct seccomp_data data;
	uint32_t answer = 0;

	if (arch != machine && arch != CALL_I386 && !(arch == CALL_X32 && machine == CALL_X86_64))
		return 0;
	if (!call_data(call, arch, &data))
		return 0;
	if (program_run(filters->insns[machine], filters->n[machine], &data, &answer) < 0)
		return err_set(err, EIO, "the filter for %s is broken: it ends without an answer",
			       archs[machine].name);
	if (!call_verdict_of(answer, ret))
		return err_set(err, EIO,
			       "the filter for %s answers %s with %#x, which means nothing",
			       archs[machine].name, call->name, answer);
	return 1;
}
