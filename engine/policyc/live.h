/* Verdict tables held against a cell: what the kernel answers, besides what plan and filter say. */
#ifndef TOOLCELL_POLICYC_LIVE_H
#define TOOLCELL_POLICYC_LIVE_H

#include "policy/table.h"

/**
 * live_try - run the rows of a table in one cell, by the engine of this installation
 * @name_or_file: the policy, as `toolcell exec --policy` takes it
 * @results:	  one for each row of @table, written
 *
 * The cell works on a workspace and in sessions of its own, which are removed.
 */
MUST_USE int live_try(const char *name_or_file, const struct policy_plan *plan,
		      const struct table *table, struct table_result *results, struct err *err);

/* One attempt of the probe (tools/cell/probe), as it said it. */
enum live_word {
	LIVE_OK,
	LIVE_ERRNO,
	LIVE_SIGNAL,
	LIVE_BLOCKED,
	LIVE_EMPTY,
	LIVE_VALUE,
	LIVE_MISUSE,
	LIVE_WORD_N,
};

struct live_answer {
	enum live_word word;
	uint64_t number;
};

/** live_parse - "NUMBER WORD N"; written in the cell, so anything may stand there */
bool live_parse(const char *line, uint32_t *ret_row, struct live_answer *ret);

/** live_judge - what an attempt means for its row */
void live_judge(const struct table_row *row, struct live_answer answer, struct table_result *ret);

#endif
