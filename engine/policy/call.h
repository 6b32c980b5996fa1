/*
 * System calls as people write them, "clone arg0=CLONE_NEWUSER", and what a policy's filter answers.
 * The same words stand in verdict tables and on the command line.
 */
#ifndef TOOLCELL_POLICY_CALL_H
#define TOOLCELL_POLICY_CALL_H

#include <linux/seccomp.h>

#include "policy/syscalls.h"

#define CALL_TEXT_MAX 512U
#define CALL_ARGS 6U

/* What a program may be built for; the filter of a machine meets the first or the second natively. */
enum call_arch { CALL_X86_64, CALL_AARCH64, CALL_I386, CALL_X32, CALL_ARCH_N };

enum call_verdict { CALL_ALLOW, CALL_EPERM, CALL_ENOSYS, CALL_KILL, CALL_VERDICT_N };

struct call {
	char name[64];	     /* "clone"; "#999" for a number */
	int number;	     /* of "#999"; -1 for a name */
	enum call_arch arch; /* CALL_ARCH_N: whichever */
	uint64_t args[CALL_ARGS];
	uint32_t given; /* bit N: argument N is written */
};

/* The filters of a policy for both machines, with one network. */
struct call_filters {
	struct sock_filter *insns[2]; /* CALL_X86_64, CALL_AARCH64 */
	uint32_t n[2];
};

/**
 * call_parse - "[@ARCH] NAME|#NUMBER [argN=WORD[|WORD...]]..."
 * Words are numbers, names of constants, and `garbage`, which fills the upper half of a register.
 */
MUST_USE int call_parse(const char *text, struct call *ret, struct err *err);

/** call_words - names and values of the constants that call_parse knows; NULL beyond the last */
const char *call_word(size_t i, uint64_t *ret_value);

/**
 * call_data - the call as the kernel would show it to a filter
 * Return: false when @arch has no such call.
 */
bool call_data(const struct call *call, enum call_arch arch, struct seccomp_data *ret);

MUST_USE int call_filters_init(struct call_filters *filters, const struct policy *policy,
			       uint32_t net, struct err *err);
void call_filters_fini(struct call_filters *filters);

/**
 * call_answer - what the filter of @machine (CALL_X86_64, CALL_AARCH64) answers
 * @arch: what the call is made as
 * @ret:  untouched when there is no such call
 * Return: 1, 0 when @arch has no such call or never runs on @machine, or -errno.
 */
MUST_USE int call_answer(const struct call_filters *filters, enum call_arch machine,
			 enum call_arch arch, const struct call *call, enum call_verdict *ret,
			 struct err *err);

/** call_native - the machine that this is */
enum call_arch call_native(void);

/**
 * call_verdict_of - what an answer of a filter is to the caller
 * A call that is refused is EPERM, whether the filter says so or hands it to init to say so.
 * Return: false for an answer that no filter of ours gives.
 */
bool call_verdict_of(uint32_t answer, enum call_verdict *ret);

const char *call_verdict_name(enum call_verdict verdict);
bool call_verdict_find(const char *name, enum call_verdict *ret);
const char *call_arch_name(enum call_arch arch);

#endif
