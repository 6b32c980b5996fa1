/*
 * A session on disk. What calls change is kept in layers, one over the other, until it is committed.
 *
 *	STORE/ID/		0700, the operator's
 *	    meta		whose it is and of which workspace; lines of key=value, written once
 *	    lock		held exclusively (flock) by the engine that runs tools in the session
 *	    data/		0700, the workspace owner's; all that the launcher and cells ever see
 *		stack		struct stack, replaced by rename
 *		gate		held shared by an engine while calls of the session run, exclusively by
 *				whoever changes layers from outside of a call
 *		layers/N/u, w	upper and work folder of an overlay
 *		branches/B/	journal, baseline and begin of branch B (B counts from 1)
 *		trash/		layers that nobody needs any more
 *
 * A branch is one line of work: a list of layers, bottom first; the last one is written to, the others
 * are snapshots and never change. Branches may share the layers below.  A snapshot K of a branch is
 * what its first K layers hold; K = 0 is the workspace as it is.
 *
 * Whoever changes the stack holds the gate exclusively and raises the generation, so that an engine
 * that idles finds out, before its next call, that its mount of the overlay is out of date.
 */
#ifndef TOOLCELL_WORKSPACE_STACK_H
#define TOOLCELL_WORKSPACE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

#define STACK_MAGIC "TCSTACK"
#define STACK_VERSION 1U
#define STACK_LAYERS_MAX 32U /* of one branch: the options of mount(2) are one page */
#define STACK_BRANCHES_MAX 16U
#define STACK_LAYER_MAX 999999U /* highest number of a layer, ever */

struct stack_branch {
	uint32_t used; /* 1 or 0 */
	uint32_t n;    /* layers; > 0 when used */
	uint32_t layers[STACK_LAYERS_MAX];
};

struct stack {
	char magic[8];
	uint32_t version;
	uint32_t next_layer; /* number of the next layer that is made; layers count from 1 */
	uint64_t generation;
	struct stack_branch branches[STACK_BRANCHES_MAX]; /* branch B is branches[B - 1] */
};

/* Everything below works on the data folder by descriptor; plain system calls, no allocation. */

/**
 * stack_create - folders, gate, and a stack of one branch with one empty layer
 * @data: the empty data folder
 * @workspace: of fstat(2) on the workspace: its owner owns everything below, its mode is the layers'
 */
MUST_USE int stack_create(int data, const struct stat *workspace, struct err *err);

/** stack_read - and verify: counts, numbers in range and unique within a branch */
MUST_USE int stack_read(int data, struct stack *ret, struct err *err);

/**
 * stack_gate - take the gate; @exclusive, or shared.  -EAGAIN: held by somebody else
 * It ends with the descriptor. A lock of fcntl(2), not flock(2): that one would let go of what it has
 * before it takes another kind.
 */
MUST_USE int stack_gate(int data, bool exclusive, int *ret_fd, struct err *err);
/** stack_gate_change - of one that is held; -EAGAIN: it stays what it was */
MUST_USE int stack_gate_change(int gate, bool exclusive);

/* Each of these needs the gate held exclusively, changes *stack and the disk, and raises the generation. */

/** stack_snapshot - freeze what branch has now; @ret_snapshot: its number */
MUST_USE int stack_snapshot(int data, struct stack *stack, uint32_t branch,
			    const struct stat *workspace, uint32_t *ret_snapshot, struct err *err);
/** stack_rollback - back to a snapshot; layers above it go to trash/ unless another branch has them */
MUST_USE int stack_rollback(int data, struct stack *stack, uint32_t branch, uint32_t snapshot,
			    const struct stat *workspace, struct err *err);
/** stack_fork - freeze, and begin a new branch from the same state; @ret_branch: its number */
MUST_USE int stack_fork(int data, struct stack *stack, uint32_t branch,
			const struct stat *workspace, uint32_t *ret_branch, struct err *err);
/** stack_drop - end a branch with all that is in it; never branch 1 */
MUST_USE int stack_drop(int data, struct stack *stack, uint32_t branch, struct err *err);
/** stack_touch - nothing but a new generation: the content of layers has been changed */
MUST_USE int stack_touch(int data, struct stack *stack, struct err *err);

/** stack_is_shared - whether another branch has this layer, too */
bool stack_is_shared(const struct stack *stack, uint32_t branch, uint32_t layer);

#endif
