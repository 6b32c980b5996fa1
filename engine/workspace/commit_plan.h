/* From changes to operations: what is meant, what may be done, in which order. Private to commit. */
#ifndef TOOLCELL_WORKSPACE_COMMIT_PLAN_H
#define TOOLCELL_WORKSPACE_COMMIT_PLAN_H

#include "base/buf.h"
#include "workspace/commit.h"

struct plan_item {
	struct change change; /* path and from are owned */
	char *path;
	char *from;
	bool meant;
	bool free;    /* may be committed */
	uint32_t op;  /* JOURNAL_NONE */
	size_t first; /* item that is the first name of the same file; itself otherwise */
};

struct plan {
	const struct commit *commit;
	struct select *what;
	struct select *overwrite;
	struct plan_item *items; /* sorted by path */
	size_t n;
	size_t alloc;
	uint64_t left; /* changes that are not meant */
	uint64_t held; /* meant, and told why not */
	bool complete;
	struct buf ops; /* journal_add */
	uint32_t n_ops;
};

void plan_init(struct plan *plan, const struct commit *commit, struct select *what,
	       struct select *overwrite);
void commit_plan_fini(struct plan *plan);

/** plan_make - walk, choose, order.  @source: with is_known */
MUST_USE int plan_make(struct plan *plan, const struct changes_source *source, struct err *err);

#endif
