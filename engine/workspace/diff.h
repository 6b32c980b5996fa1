/*
 * Line differences of two texts, as hunks with context: the same for the patch that an editing tool
 * returns and for the diff of a changeset. Any bytes are text here; a line ends behind its '\n', and
 * only the last one may lack it. Work is bounded: past DIFF_COST_MAX the part that is left is shown as
 * removed and added, which is correct and merely not minimal.
 */
#ifndef TOOLCELL_WORKSPACE_DIFF_H
#define TOOLCELL_WORKSPACE_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define DIFF_CONTEXT 3U
#define DIFF_LINES_MAX ((size_t)2 << 20) /* of each side; more is -E2BIG */
#define DIFF_COST_MAX ((size_t)1 << 24)	 /* steps of the search */

struct diff_line {
	const char *text; /* into the caller's old or new text, without its line feed */
	size_t len;
	char mark;	 /* ' ', '-' or '+' */
	bool no_newline; /* the last line of its side, which ends without a line feed */
};

/* Numbers as in a unified diff: 1-based; a side without lines starts at the line before (0 at the top). */
struct diff_hunk {
	size_t old_start;
	size_t old_lines;
	size_t new_start;
	size_t new_lines;
	size_t first; /* index into diff.lines */
	size_t count;
};

struct diff {
	struct diff_hunk *hunks;
	size_t n_hunks;
	struct diff_line *lines;
	size_t n_lines;
	size_t added; /* lines */
	size_t removed;
};

/**
 * diff_make - hunks that turn @old into @new
 * @ret: points into @old and @new, which must outlive it; diff_fini frees
 *
 * Return: 0; -E2BIG past DIFF_LINES_MAX; -ENOMEM.
 */
MUST_USE int diff_make(const char *old, size_t old_len, const char *new, size_t new_len,
		       size_t context, struct diff *ret);
void diff_fini(struct diff *diff);

/**
 * diff_append_unified - as patch(1) reads it
 * @old_name: the whole word behind "--- ", "a/src/lib.rs" or "/dev/null"; quoted as git does when it
 *	      holds control bytes, '"' or '\\'
 */
MUST_USE int diff_append_unified(struct buf *out, const struct diff *diff, const char *old_name,
				 const char *new_name);

/** diff_is_binary - a NUL among the first 8000 bytes, as git and grep decide */
bool diff_is_binary(const char *data, size_t len);

#endif
