/* System calls by name: the groups that policies grant, and those that none ever gets. */
#ifndef TOOLCELL_POLICY_SYSCALLS_H
#define TOOLCELL_POLICY_SYSCALLS_H

#include <linux/filter.h>

#include "policy/policy.h"

#define SYSCALLS_GROUPS_MAX 32U

struct syscalls_group {
	const char *name;
	const char *description;
	const char *calls; /* names, separated by blanks */
};

extern const struct syscalls_group syscalls_groups[];
extern const size_t syscalls_n_groups;

/** syscalls_group_names - fills @names (SYSCALLS_GROUPS_MAX).  Return: how many. */
size_t syscalls_group_names(const char **names);

/** syscalls_is_known - on x86_64 or aarch64, by libseccomp or by our tables */
bool syscalls_is_known(const char *name);

/** syscalls_name_at - every call of the groups and of those that none gets, once; NULL beyond the last */
const char *syscalls_name_at(uint32_t wanted);

/** syscalls_nearest - name of a known call that @name most likely means, or NULL */
const char *syscalls_nearest(const char *name);

/** syscalls_never - why no policy can allow @name; NULL when one can */
const char *syscalls_never(const char *name);

/** syscalls_group_has - whether @group names the call */
bool syscalls_group_has(const struct syscalls_group *group, const char *name);

/** syscalls_argument_rule - how arguments of an allowed call are bound, for people; NULL: not at all */
const char *syscalls_argument_rule(const char *name);

/* What a filter depends on. */
struct syscalls_filter {
	const struct policy *policy;
	uint32_t sockets;	    /* enum policy_socket, or'ed */
	uint32_t arch;		    /* SCMP_ARCH_*; 0: of this build */
	enum image_observe observe; /* above NOTHING: the program that asks init, see filter.c */
};

/** syscalls_is_allowed - by a group or by name, and not denied; arguments may still be */
bool syscalls_is_allowed(const struct policy *policy, const char *name);

/**
 * syscalls_compile - the BPF program of a policy
 * -EOPNOTSUPP with `observe` on a kernel that cannot notify; @err is not filled then.
 * @ret: malloc'ed; caller frees
 */
MUST_USE int syscalls_compile(const struct syscalls_filter *filter, struct sock_filter **ret,
			      uint32_t *ret_n, struct err *err);

/* One rule of such a program: (argument & mask) == value for each match, all of them. */
#define SYSCALLS_MATCHES_MAX 3U
struct syscalls_rule {
	const char *name;
	int error; /* 0: allowed; else what the call is answered with, before any rule that allows */
	unsigned int n;
	struct syscalls_match {
		unsigned int arg;
		uint64_t mask;
		uint64_t value;
	} matches[SYSCALLS_MATCHES_MAX];
};
typedef int syscalls_visitor(void *ctx, const struct syscalls_rule *rule);

/**
 * syscalls_visit - the rules that syscalls_compile would compile, one after another
 * @visit: a negative return ends the visit and is returned; a call may come more than once
 *
 * What no rule allows is refused with EPERM. Masks of 32 bits stand where the kernel reads 32.
 */
MUST_USE int syscalls_visit(const struct syscalls_filter *filter, syscalls_visitor *visit,
			    void *ctx, struct err *err);

#endif
