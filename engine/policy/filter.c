/*
 * Theory of operation: libseccomp makes an allow-list whose default is EPERM, as a binary tree,
 * with the wrong architecture (and x32) killed. Calls whose arguments matter are allowed by rules
 * on them; what no rule matches falls to EPERM. Arguments that the kernel reads as 32 bits are
 * compared by their low 32 bits only (CVE-2019-7303): registers may carry anything above.
 *
 * Two things libseccomp cannot say, so a few instructions of our own stand before its program:
 *
 *	wrong architecture, or a number of x32 ---> libseccomp's program, which kills
 *	newer than every call we know ----------> ENOSYS, so that libc falls back
 *	clone3, openat2 ------------------------> ENOSYS, likewise
 *	ioctl with a request that is refused ---> EPERM ("all but these" is no rule of libseccomp's)
 *	anything else --------------------------> libseccomp's program
 *
 * With `observe` the same program is made for a cell whose init listens: what it refuses goes to init
 * (SECCOMP_RET_USER_NOTIF), which answers with the error and keeps a record, and so do the calls of
 * wire/observed.h, which init looks at and hands back to the kernel. Init holds those against the program
 * without `observe`, so that conditions on their arguments are decided by one program only.
 *
 * libseccomp 2.5.4 exports to a descriptor only, so the program is read back from a memfd.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "policy/syscalls.h"
#include "wire/observed.h"

#define LOW32 0xffffffffULL
#define SET_ID_BITS 06000ULL
/* CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET, and NEWTIME */
#define CLONE_NAMESPACES (0x7e020000ULL | 0x80ULL)
/* O_CREAT and the bit of O_TMPFILE that is its own, the same on x86_64 and aarch64 */
#define OPEN_CREATES (0100ULL | 020000000ULL)
/* O_WRONLY, O_RDWR, O_CREAT, O_TRUNC and the bit of O_TMPFILE, the same on both */
#define OPEN_WRITES (03ULL | OPEN_CREATES | 01000ULL)
#define WITHOUT_SET_ID "without set-user-id and set-group-id bits"
#define SOCK_TYPE_BITS 0xfULL
#define X32_BIT 0x40000000U
/* The newest call of the kernel (5.17) that libseccomp 2.5.4 has a table for. */
#define LAST_OLD_CALL 450

static const unsigned int refused_requests[] = {
	0x5412, /* TIOCSTI: types into the terminal */
	0x541c, /* TIOCLINUX: pastes into the console */
	0x5423, /* TIOCSETD: line disciplines */
};

/* Calls that are answered as if the kernel were older. */
static const char *const old_calls[] = {"clone3", "openat2"};

struct maker {
	scmp_filter_ctx ctx;
	uint32_t arch;
	uint32_t sockets;
	int last; /* highest number that is allowed, or LAST_OLD_CALL */
	enum image_observe observe;
	bool filters;		 /* seccomp(2) is allowed */
	syscalls_visitor *visit; /* instead of libseccomp: rules are only told */
	void *visit_ctx;
	struct err *err;
};

/* EQ compares the whole register; every other comparison of ours is MASKED_EQ. */
static int tell_rule(struct maker *m, const char *name, int error, const struct scmp_arg_cmp *args,
		     unsigned int n)
{
	struct syscalls_rule rule = {.name = name, .error = error, .n = n};

	if (n > ARRAY_SIZE(rule.matches))
		return err_set(m->err, E2BIG, "a filter rule for %s has too many conditions", name);
	for (unsigned int i = 0; i < n; i++) {
		bool masked = args[i].op == SCMP_CMP_MASKED_EQ;

		rule.matches[i] = (struct syscalls_match){
			.arg = args[i].arg,
			.mask = masked ? args[i].datum_a : UINT64_MAX,
			.value = masked ? args[i].datum_b : args[i].datum_a,
		};
	}
	return m->visit(m->visit_ctx, &rule);
}

static int add_rule(struct maker *m, int nr, const char *name, const struct scmp_arg_cmp *args,
		    unsigned int n)
{
	int r;

	if (m->visit)
		return tell_rule(m, name, 0, args, n);
	m->filters |= strcmp(name, "seccomp") == 0;
	r = seccomp_rule_add_array(m->ctx, SCMP_ACT_ALLOW, nr, n, args);
	if (r < 0 && r != -EEXIST) /* two groups may hold the same call */
		return err_set(m->err, -r, "cannot make a filter rule for %s", name);
	return 0;
}

/* Allowed while the bits of @mask in argument @arg have one of the values. */
static int allow_values(struct maker *m, int nr, const char *name, unsigned int arg, uint64_t mask,
			const uint64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct scmp_arg_cmp cmp = SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, mask, values[i]);
		int r = add_rule(m, nr, name, &cmp, 1);

		if (r < 0)
			return r;
	}
	return 0;
}

static int allow_without(struct maker *m, int nr, const char *name, unsigned int arg, uint64_t mask)
{
	static const uint64_t none;

	return allow_values(m, nr, name, arg, mask, &none, 1);
}

static int filter_clone(struct maker *m, int nr, const char *name, unsigned int arg)
{
	return allow_without(m, nr, name, arg, CLONE_NAMESPACES);
}

static int filter_mode(struct maker *m, int nr, const char *name, unsigned int arg)
{
	return allow_without(m, nr, name, arg, SET_ID_BITS);
}

/* @arg holds the flags, the next one the mode, which counts only when a file is made. */
static int filter_open(struct maker *m, int nr, const char *name, unsigned int arg)
{
	int r = allow_without(m, nr, name, arg, OPEN_CREATES);

	return r < 0 ? r : allow_without(m, nr, name, arg + 1, SET_ID_BITS);
}

static int filter_mknod(struct maker *m, int nr, const char *name, unsigned int arg)
{
	static const uint64_t types[] = {0, S_IFREG, S_IFIFO, S_IFSOCK};

	return allow_values(m, nr, name, arg, S_IFMT | SET_ID_BITS, types, ARRAY_SIZE(types));
}

static int filter_personality(struct maker *m, int nr, const char *name, unsigned int arg)
{
	static const uint64_t values[] = {0, LOW32}; /* PER_LINUX; and "tell me" */

	return allow_values(m, nr, name, arg, LOW32, values, ARRAY_SIZE(values));
}

/*
 * Limits of the caller, or none set: PID 1 of the cell runs under the tool's own ids, and a limit of
 * processor time would kill it.
 */
static int filter_prlimit(struct maker *m, int nr, const char *name, unsigned int arg)
{
	static const uint64_t self = 0;
	struct scmp_arg_cmp reads = SCMP_CMP64(2, SCMP_CMP_EQ, 0);
	int r = allow_values(m, nr, name, arg, LOW32, &self, 1);

	return r < 0 ? r : add_rule(m, nr, name, &reads, 1);
}

static int filter_socketpair(struct maker *m, int nr, const char *name, unsigned int arg)
{
	static const uint64_t family = AF_UNIX;

	return allow_values(m, nr, name, arg, LOW32, &family, 1);
}

static int allow_inet(struct maker *m, int nr, const char *name, uint64_t family)
{
	static const struct {
		uint64_t type;
		uint64_t protocol;
	} rows[] = {{SOCK_STREAM, 0},
		    {SOCK_STREAM, 6 /* TCP */},
		    {SOCK_DGRAM, 0},
		    {SOCK_DGRAM, 17 /* UDP */}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct scmp_arg_cmp args[] = {
			SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, LOW32, family),
			SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, SOCK_TYPE_BITS, rows[i].type),
			SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, LOW32, rows[i].protocol),
		};
		int r = add_rule(m, nr, name, args, ARRAY_SIZE(args));

		if (r < 0)
			return r;
	}
	return 0;
}

static int allow_netlink(struct maker *m, int nr, const char *name)
{
	struct scmp_arg_cmp args[] = {
		SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, LOW32, AF_NETLINK),
		SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, LOW32, 0 /* NETLINK_ROUTE */),
	};

	return add_rule(m, nr, name, args, ARRAY_SIZE(args));
}

static int filter_socket(struct maker *m, int nr, const char *name, unsigned int arg)
{
	static const uint64_t unix_family = AF_UNIX;
	int r = 0;

	if (m->sockets & POLICY_SOCKET_UNIX)
		r = allow_values(m, nr, name, arg, LOW32, &unix_family, 1);
	if (r == 0 && (m->sockets & POLICY_SOCKET_INET))
		r = allow_inet(m, nr, name, AF_INET);
	if (r == 0 && (m->sockets & POLICY_SOCKET_INET6))
		r = allow_inet(m, nr, name, AF_INET6);
	if (r == 0 && (m->sockets & POLICY_SOCKET_NETLINK_ROUTE))
		r = allow_netlink(m, nr, name);
	return r;
}

static const struct {
	const char *name;
	int (*filter)(struct maker *m, int nr, const char *name, unsigned int arg);
	unsigned int arg;
	const char *words; /* what is allowed, for people */
} filtered[] = {
	{"clone", filter_clone, 0, "without flags that make namespaces"},
	{"chmod", filter_mode, 1, WITHOUT_SET_ID},
	{"fchmod", filter_mode, 1, WITHOUT_SET_ID},
	{"fchmodat", filter_mode, 2, WITHOUT_SET_ID},
	{"fchmodat2", filter_mode, 2, WITHOUT_SET_ID},
	{"creat", filter_mode, 1, WITHOUT_SET_ID},
	{"mkdir", filter_mode, 1, WITHOUT_SET_ID},
	{"mkdirat", filter_mode, 2, WITHOUT_SET_ID},
	{"open", filter_open, 1, WITHOUT_SET_ID},
	{"openat", filter_open, 2, WITHOUT_SET_ID},
	{"mknod", filter_mknod, 1, "for files, pipes and sockets, without set-id bits"},
	{"mknodat", filter_mknod, 2, "for files, pipes and sockets, without set-id bits"},
	{"personality", filter_personality, 0, "for Linux's own, and to ask"},
	{"prlimit64", filter_prlimit, 0, "for the caller, or to read limits"},
	{"socket", filter_socket, 0, "for the families of syscalls.sockets, TCP and UDP of inet"},
	{"socketpair", filter_socketpair, 0, "for Unix sockets"},
};

const char *syscalls_argument_rule(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(filtered); i++)
		if (strcmp(filtered[i].name, name) == 0)
			return filtered[i].words;
	return strcmp(name, "ioctl") == 0 ? "but for TIOCSTI, TIOCLINUX and TIOCSETD" : NULL;
}

/* Of a call that init looks at, what is of no interest to it goes straight to the kernel. */
static int watch_call(struct maker *m, const struct observed_call *call, int nr)
{
	if (call->kind == OBSERVED_SEND) { /* without an address it goes where connect(2) went */
		struct scmp_arg_cmp cmp = SCMP_CMP64(4, SCMP_CMP_EQ, 0);

		return add_rule(m, nr, call->name, &cmp, 1);
	}
	if (call->kind == OBSERVED_OPEN && call->flags != OBSERVED_NO_ARG &&
	    m->observe < IMAGE_OBSERVE_OPENS)
		return allow_without(m, nr, call->name, (unsigned int)call->flags, OPEN_WRITES);
	return 0;
}

static bool is_watched(const struct maker *m, const struct observed_call *call)
{
	if (!call || m->observe == IMAGE_OBSERVE_NOTHING)
		return false;
	/* An open may write, whatever its row says of the ones that read. */
	return call->level <= m->observe ||
	       (call->kind == OBSERVED_OPEN && m->observe >= IMAGE_OBSERVE_WRITES);
}

static int allow_call(struct maker *m, const char *name)
{
	const struct observed_call *call = observed_call_named(name);
	int number = seccomp_syscall_resolve_name_arch(m->arch, name);
	int nr = seccomp_syscall_resolve_name(name); /* rules take the build's own numbers */

	if (number < 0 || nr == __NR_SCMP_ERROR)
		return 0; /* not on this architecture, or newer than libseccomp */
	if (number > m->last)
		m->last = number;
	if (is_watched(m, call))
		return watch_call(m, call, nr);
	for (size_t i = 0; i < ARRAY_SIZE(filtered); i++)
		if (strcmp(filtered[i].name, name) == 0)
			return filtered[i].filter(m, nr, name, filtered[i].arg);
	return add_rule(m, nr, name, NULL, 0);
}

static bool is_denied(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->deny.n; i++)
		if (strcmp(policy->deny.at[i].name, name) == 0)
			return true;
	return false;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = strstr(words, word); p; p = strstr(p + len, word))
		if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

bool syscalls_is_allowed(const struct policy *policy, const char *name)
{
	if (is_denied(policy, name))
		return false;
	for (size_t i = 0; i < policy->allow.n; i++)
		if (strcmp(policy->allow.at[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < policy->groups.n; i++)
		for (size_t g = 0; g < syscalls_n_groups; g++)
			if (strcmp(syscalls_groups[g].name, policy->groups.at[i].name) == 0 &&
			    has_word(syscalls_groups[g].calls, name))
				return true;
	return false;
}

static int allow_group(struct maker *m, const struct policy *policy, const char *calls)
{
	for (const char *p = calls; *p != '\0'; p += strspn(p, " ")) {
		char name[64];
		size_t len = strcspn(p, " ");
		int r;

		if (len >= sizeof(name))
			return err_set(m->err, EINVAL, "the name of a system call is too long");
		memcpy(name, p, len);
		name[len] = '\0';
		p += len;
		r = is_denied(policy, name) ? 0 : allow_call(m, name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int allow_groups(struct maker *m, const struct policy *policy)
{
	for (size_t i = 0; i < policy->groups.n; i++) {
		for (size_t g = 0; g < syscalls_n_groups; g++) {
			int r;

			if (strcmp(syscalls_groups[g].name, policy->groups.at[i].name) != 0)
				continue;
			r = allow_group(m, policy, syscalls_groups[g].calls);
			if (r < 0)
				return r;
		}
	}
	for (size_t i = 0; i < policy->allow.n; i++) {
		int r = allow_group(m, policy, policy->allow.at[i].name);

		if (r < 0)
			return r;
	}
	return 0;
}

static int make_context(struct maker *m)
{
	int r;

	/* Without a kernel that can notify libseccomp makes no such program; the image does without. */
	m->ctx = seccomp_init(m->observe == IMAGE_OBSERVE_NOTHING ? SCMP_ACT_ERRNO(EPERM)
								  : SCMP_ACT_NOTIFY);
	if (!m->ctx && m->observe != IMAGE_OBSERVE_NOTHING)
		return -EOPNOTSUPP;
	if (!m->ctx)
		return err_set(m->err, ENOMEM, "cannot make a system call filter");
	r = seccomp_attr_set(m->ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(m->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0 && m->arch != seccomp_arch_native()) {
		r = seccomp_arch_add(m->ctx, m->arch);
		if (r == 0)
			r = seccomp_arch_remove(m->ctx, seccomp_arch_native());
	}
	return r < 0 ? err_set(m->err, -r, "cannot prepare a system call filter") : 0;
}

static int number_of(const struct maker *m, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(m->arch, name);

	return nr < 0 ? -1 : nr;
}

#define LOAD(field)          \
	(struct sock_filter) \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define JUMP(op, k, t, f) (struct sock_filter) BPF_JUMP(BPF_JMP | (op) | BPF_K, k, t, f)
#define RETURN(action) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, action)

#define PROLOGUE_MAX 32

/*
 * Of two listeners the younger one answers, and may let everything on. The kernel refuses a second only while
 * the first is open, and init may end before the tool does: so it is refused here, with the same error.
 */
static uint32_t refuse_listener(const struct maker *m, struct sock_filter *out)
{
	uint32_t n = 0;

	if (m->observe == IMAGE_OBSERVE_NOTHING || !m->filters)
		return 0;
	out[n++] = JUMP(BPF_JEQ, (uint32_t)number_of(m, "seccomp"), 0, 6);
	out[n++] = LOAD(args[0]);
	out[n++] = JUMP(BPF_JEQ, SECCOMP_SET_MODE_FILTER, 0, 3);
	out[n++] = LOAD(args[1]);
	out[n++] = JUMP(BPF_JSET, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0, 1);
	out[n++] = RETURN(SECCOMP_RET_ERRNO | EBUSY);
	out[n++] = LOAD(nr);
	return n;
}

/* See the theory of operation; jumps to the end are patched once its length is known. */
static uint32_t make_prologue(const struct maker *m, struct sock_filter *out)
{
	static const uint8_t to_end = 0xff;
	int ioctl_nr = number_of(m, "ioctl");
	uint32_t n = 0;

	out[n++] = LOAD(arch);
	out[n++] = JUMP(BPF_JEQ, m->arch, 0, to_end);
	out[n++] = LOAD(nr);
	out[n++] = JUMP(BPF_JGE, X32_BIT, to_end, 0);
	out[n++] = JUMP(BPF_JGT, (uint32_t)m->last, 0, 1);
	out[n++] = RETURN(SECCOMP_RET_ERRNO | ENOSYS);
	n += refuse_listener(m, out + n);
	for (size_t i = 0; i < ARRAY_SIZE(old_calls); i++) {
		int nr = number_of(m, old_calls[i]);

		if (nr < 0)
			continue;
		out[n++] = JUMP(BPF_JEQ, (uint32_t)nr, 0, 1);
		out[n++] = RETURN(SECCOMP_RET_ERRNO | ENOSYS);
	}
	out[n++] = JUMP(BPF_JEQ, (uint32_t)ioctl_nr, 0, to_end);
	/* The low half of argument 1; both architectures are little-endian. */
	out[n++] = LOAD(args[1]);
	for (size_t i = 0; i < ARRAY_SIZE(refused_requests); i++) {
		out[n++] = JUMP(BPF_JEQ, refused_requests[i], 0, 1);
		out[n++] = m->observe == IMAGE_OBSERVE_NOTHING ? RETURN(SECCOMP_RET_ERRNO | EPERM)
							       : RETURN(SECCOMP_RET_USER_NOTIF);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (BPF_CLASS(out[i].code) != BPF_JMP)
			continue;
		if (out[i].jt == to_end)
			out[i].jt = (uint8_t)(n - i - 1);
		if (out[i].jf == to_end)
			out[i].jf = (uint8_t)(n - i - 1);
	}
	return n;
}

static int read_program(const struct maker *m, int fd, struct sock_filter **ret, uint32_t *ret_n)
{
	struct sock_filter prologue[PROLOGUE_MAX];
	uint32_t n_prologue = make_prologue(m, prologue);
	struct sock_filter *insns;
	struct stat st;
	size_t bytes;
	ssize_t got;

	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(m->err, errno, "cannot read the filter back");
	bytes = (size_t)st.st_size;
	if (bytes == 0 || bytes % sizeof(*insns) != 0 ||
	    bytes / sizeof(*insns) > IMAGE_CELL_INSNS_MAX - n_prologue)
		return err_set(m->err, E2BIG, "the filter has %zu bytes; at most %zu fit", bytes,
			       (IMAGE_CELL_INSNS_MAX - n_prologue) * sizeof(*insns));
	insns = malloc(bytes + n_prologue * sizeof(*insns));
	if (!insns)
		return err_set(m->err, ENOMEM, "cannot read the filter back");
	memcpy(insns, prologue, n_prologue * sizeof(*insns));
	got = fd_read_full(fd, insns + n_prologue, bytes);
	if (got < 0 || (size_t)got != bytes) {
		free(insns);
		return err_set(m->err, EIO, "cannot read the filter back");
	}
	*ret = insns;
	*ret_n = n_prologue + (uint32_t)(bytes / sizeof(*insns));
	return 0;
}

static int export_program(struct maker *m, struct sock_filter **ret, uint32_t *ret_n)
{
	CLEANUP(fd_closep) int fd = memfd_create("toolcell-filter", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_set(m->err, errno, "cannot make a memfd for the filter");
	r = seccomp_export_bpf(m->ctx, fd);
	if (r < 0)
		return err_set(m->err, -r, "cannot export the filter");
	return read_program(m, fd, ret, ret_n);
}

int syscalls_compile(const struct syscalls_filter *filter, struct sock_filter **ret,
		     uint32_t *ret_n, struct err *err)
{
	struct maker m = {
		.arch = filter->arch ? filter->arch : seccomp_arch_native(),
		.sockets = filter->sockets,
		.last = LAST_OLD_CALL,
		.observe = filter->observe,
		.err = err,
	};
	int r;

	if (m.arch != SCMP_ARCH_X86_64 && m.arch != SCMP_ARCH_AARCH64)
		return err_set(err, ENOTSUP, "filters are made for x86_64 and aarch64 only");
	r = make_context(&m);
	if (r == 0)
		r = allow_groups(&m, filter->policy);
	if (r == 0)
		r = export_program(&m, ret, ret_n);
	seccomp_release(m.ctx);
	return r;
}

/* What the prologue answers before the rules are asked. */
static int tell_prologue(struct maker *m)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(old_calls); i++)
		r = tell_rule(m, old_calls[i], ENOSYS, NULL, 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(refused_requests); i++) {
		struct scmp_arg_cmp cmp = SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, LOW32,
						     refused_requests[i]);

		r = tell_rule(m, "ioctl", EPERM, &cmp, 1);
	}
	return r;
}

int syscalls_visit(const struct syscalls_filter *filter, syscalls_visitor *visit, void *ctx,
		   struct err *err)
{
	struct maker m = {
		.arch = filter->arch ? filter->arch : seccomp_arch_native(),
		.sockets = filter->sockets,
		.last = LAST_OLD_CALL,
		.visit = visit,
		.visit_ctx = ctx,
		.err = err,
	};
	int r = tell_prologue(&m);

	return r < 0 ? r : allow_groups(&m, filter->policy);
}
