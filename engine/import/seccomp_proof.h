/* Conditions on the arguments of system calls, and what follows from what. Internal to import/. */
#ifndef TOOLCELL_IMPORT_SECCOMP_PROOF_H
#define TOOLCELL_IMPORT_SECCOMP_PROOF_H

#include <stdbool.h>

#include "policy/syscalls.h"

enum compare {
	COMPARE_NE,
	COMPARE_LT,
	COMPARE_LE,
	COMPARE_EQ,
	COMPARE_GE,
	COMPARE_GT,
	COMPARE_MASKED_EQ,
	COMPARE_N
};
extern const char *const compare_names[COMPARE_N]; /* "SCMP_CMP_NE" ... */

/* (argument OP value), or (argument & value) == value_two */
struct condition {
	unsigned int arg;
	enum compare op;
	uint64_t value;
	uint64_t value_two;
};

/** proof_implied - whether each call that @rule lets through meets @condition */
bool proof_implied(const struct syscalls_rule *rule, const struct condition *condition);
/** proof_refuted - whether no call that @rule lets through meets it */
bool proof_refuted(const struct syscalls_rule *rule, const struct condition *condition);

#endif
