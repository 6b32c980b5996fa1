/* The operations of a journal, one by one (commit_apply.c, commit_place.c). Private to commit. */
#ifndef TOOLCELL_WORKSPACE_COMMIT_APPLY_H
#define TOOLCELL_WORKSPACE_COMMIT_APPLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "workspace/changes.h"
#include "workspace/journal.h"

#define APPLY_BATCH 4096U /* files that are made before any of them is placed */
#define APPLY_BATCH_BYTES ((uint64_t)256 << 20)
#define APPLY_SYNC_FEW 8U /* operations up to which each file and folder is synced by itself */

/* Temporaries of operations that are complete, synced, and wait for their place. */
struct batch {
	uint32_t first;
	uint32_t end; /* operations before it have been looked at */
	bool made[APPLY_BATCH];
};

struct apply {
	int base;
	int roots[STACK_LAYERS_MAX]; /* of layers, as in the branch; owned */
	const struct stack_branch *branch;
	struct journal *journal;
	bool sync;
	bool many;    /* synced by file system; one that lies below the workspace's own, each */
	dev_t device; /* of the workspace */
	struct batch *batch; /* owned; when many */
	int synced;	     /* folder that has changed since it was synced; -1 for none; owned */
	struct stat synced_st;
};

/* One operation at work. */
struct step {
	struct apply *apply;
	uint32_t number;
	const struct journal_op *op;
	int parent;	  /* in the workspace; owned */
	const char *leaf; /* of the path */
	int source; /* folder of the layer that holds the branch's version; owned; -1 for none */
	const char *why; /* HELD */
	bool made;	 /* the temporary is there already */
	bool later;	 /* the file is synced with its batch */
};

MUST_USE int apply_init(struct apply *apply, const struct changes_source *source,
			struct journal *journal, struct err *err);
void apply_fini(struct apply *apply);

/**
 * apply_one - do operation @number, which may have been begun before
 * @recover: look for temporaries that an interrupted run has left
 * @ret_why: JOURNAL_HELD: a clause
 *
 * Return: JOURNAL_DONE or JOURNAL_HELD, marked; -errno when nothing can go on (a full disk).
 */
MUST_USE int apply_one(struct apply *apply, uint32_t number, bool recover, const char **ret_why,
		       struct err *err);

/** apply_finish - folders get permissions and times, when all that they hold is there */
MUST_USE int apply_finish(struct apply *apply, struct err *err);
/** apply_sync - the folder that changed last, when the rules say so */
MUST_USE int apply_sync(struct apply *apply, struct err *err);

/* commit_place.c. Each: 1 for done, 0 for held with step->why, -errno. */
MUST_USE int place_target(struct step *step, const char *made);
MUST_USE int place_delete(struct step *step);
MUST_USE int place_recover(struct step *step);
/** place_identical - 1 when @name in the workspace is what the branch has; 0, -errno */
MUST_USE int place_identical(struct step *step, const char *name);
/** place_undo - remove a temporary of ours */
void place_undo(const struct step *step, const char *made);
/** step_source_open - the branch's version of a regular file */
MUST_USE int step_source_open(struct step *step, int *ret_fd);

#endif
