/*
 * Changes taken out of the layers of a branch: committed ones, whose content the workspace has now, and
 * discarded ones. What else the layers hold looks the same before and after.
 */
#ifndef TOOLCELL_WORKSPACE_DISCARD_H
#define TOOLCELL_WORKSPACE_DISCARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "workspace/changes.h"
#include "workspace/select.h"

enum clear_kind {
	CLEAR_NAME,   /* a file, a link, a deletion */
	CLEAR_FOLDER, /* a folder: it goes when nothing is left in it */
};

struct clear_path {
	const char *path;
	enum clear_kind kind;
	bool made; /* the folder is in the workspace only since this commit: nothing in it was deleted */
	bool attrs; /* a folder that stays gets the workspace's permissions and attributes */
};

/**
 * clear_paths - out of all layers of the branch, none of which may be shared where it holds them
 * @paths: sorted here
 * @source: base as it is with the commit in it
 */
MUST_USE int clear_paths(const struct changes_source *source, struct clear_path *paths, size_t n,
			 struct err *err);

/**
 * clear_everything - empty all layers of the branch that no other branch has
 */
MUST_USE int clear_everything(const struct changes_source *source, const struct stack *stack,
			      struct err *err);

/**
 * clear_sharer - a branch that shares the layer in which @path is or is hidden
 * Return: its number, 0 for none, -errno.
 */
MUST_USE int clear_sharer(const struct changes_source *source, const struct stack *stack,
			  const char *path);

struct discard_told {
	const char *path;
	const char *from;
	enum change_kind kind;
	bool done;
	const char *why; /* not done */
};

struct discard {
	const struct changes_source *source;
	struct stack *stack;
	const char *session;
	void (*tell)(void *ctx, const struct discard_told *told);
	void *ctx;
};

struct discard_totals {
	uint64_t done;
	uint64_t held;
	uint64_t left;
	bool complete;
};

/**
 * discard_run - drop what @what means; with no names everything of the branch that is its own
 * Needs the gate, as a commit does, and no journal.
 */
MUST_USE int discard_run(const struct discard *discard, struct select *what,
			 struct discard_totals *ret, struct err *err);

/**
 * discard_count_left - changes that are in the branch, scratch included
 * @known: as source->is_known; may be NULL
 */
MUST_USE int discard_count_left(const struct changes_source *source, uint64_t *ret,
				bool *ret_complete, struct err *err);

/** discard_settle - nothing is left: layers emptied, baseline gone, the branch begins again */
MUST_USE int discard_settle(const struct changes_source *source, const struct stack *stack,
			    const struct timespec *past, struct err *err);

#endif
