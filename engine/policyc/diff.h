/* `policy diff`: two policies in terms of what becomes possible. */
#ifndef TOOLCELL_POLICYC_DIFF_H
#define TOOLCELL_POLICYC_DIFF_H

#include "policy/query.h"

/* Stands for the workspace; no policy has anything there. */
#define DIFF_WORKSPACE "/toolcell-diff-workspace"

enum diff_direction { DIFF_WIDER, DIFF_CHANGED, DIFF_NARROWER, DIFF_DIRECTION_N };
enum diff_side { DIFF_A, DIFF_B, DIFF_SIDE_N };

struct diff {
	const struct policy_plan *plans[DIFF_SIDE_N];
	json_t *changes[DIFF_DIRECTION_N];
	struct err *err;
};

/** diff_add - one change; @a and @b in words, with what says so on each side */
void diff_add(struct diff *diff, enum diff_direction direction, const char *section,
	      const char *object, const char *const words[DIFF_SIDE_N],
	      const struct policy_origin rules[DIFF_SIDE_N]);

/* The comparisons. */
MUST_USE int diff_paths(struct diff *diff);
MUST_USE int diff_syscalls(struct diff *diff);
MUST_USE int diff_values(struct diff *diff); /* everything that is a value or a list of names */

#endif
