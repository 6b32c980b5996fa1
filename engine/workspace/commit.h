/*
 * A branch's changes adopted into the workspace. A commit may be interrupted at any point; the next one
 * finishes it first. What is not free to be committed stays in the branch, with the reason.
 *
 *	plan (changes_walk) -> journal -> operations, each with a mark -> baseline -> layers cleared
 *		-> journal removed, or, with nothing left, the branch begins again
 */
#ifndef TOOLCELL_WORKSPACE_COMMIT_H
#define TOOLCELL_WORKSPACE_COMMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "workspace/changes.h"
#include "workspace/select.h"

struct commit_told {
	const char *path;
	const char *from; /* renamed; else NULL */
	enum change_kind kind;
	enum change_verdict verdict; /* CHANGE_FREE and not done: see why */
	const struct rule *rule;
	bool done;	 /* it is in the workspace */
	bool named;	 /* asked for by name, or in overwrite */
	const char *why; /* not done: a clause; else NULL */
};

struct commit {
	const struct changes_source *source; /* is_known is filled in by commit_run itself */
	struct stack *stack;		     /* what source->branch is in */
	const char *session;		     /* "k3f9abcd" */
	void (*tell)(void *ctx,
		     const struct commit_told *told); /* in the end about every path once */
	void *ctx;
};

struct commit_totals {
	uint64_t done;
	uint64_t held; /* were meant and stay */
	uint64_t left; /* changes that are in the branch now, scratch included */
	bool complete; /* no cap was met, so `left` is true */
};

/**
 * commit_run - adopt what @what means
 * @overwrite: conflicts below these paths are decided for the branch
 *
 * Needs the gate (stack.h) held by whoever starts this, and no journal.  Return: 0, though changes may
 * be held; -errno with the journal in place when it had to stop: totals say what was done until then.
 */
MUST_USE int commit_run(const struct commit *commit, struct select *what, struct select *overwrite,
			struct commit_totals *ret, struct err *err);

/** commit_resume - finish what was interrupted.  Return: as commit_run; -ENOENT: nothing was. */
MUST_USE int commit_resume(const struct commit *commit, struct commit_totals *ret, struct err *err);

#endif
