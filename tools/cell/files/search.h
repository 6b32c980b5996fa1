/*
 * Grep's first pass: which files match, and how much of each there is to show. The second pass
 * (grep_show.h) reads the few that a page shows once more; so a result without bounds is never held.
 */
#ifndef TOOLCELL_CELL_SEARCH_H
#define TOOLCELL_CELL_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "tools/cell/files/globs.h"
#include "tools/cell/files/lines.h"
#include "tools/cell/files/regex.h"
#include "tools/cell/files/target.h"
#include "tools/cell/files/walk_tree.h"

#define SEARCH_WORKERS 2U
#define SEARCH_DEADLINE_MS 15000

struct search_query {
	struct regex *re;
	struct lines_options lines;
	const struct globs *globs; /* NULL: all */
	const struct globs *types;
	int64_t deadline_ms; /* of CLOCK_MONOTONIC */
};

struct search_file {
	char *path;
	size_t len;
	size_t matches;
	size_t entries;
};

struct search_result {
	struct search_file *files; /* with matches, in the order of their paths' bytes */
	size_t n;
	size_t searched; /* files that were read */
	size_t binary;
	size_t special;
	struct walk_list too_large;
	struct walk_list unread; /* files */
	struct walk_list limits; /* files in which a match cost too much; num is the line */
	struct walk_list cut;	 /* those of them that were not looked at to their end */
	struct walk_list stuck;	 /* at the deadline, in the middle of; num is the line */
	struct walk_report walk;
	bool late;  /* the deadline passed: what is here is not all */
	bool still; /* a worker is still at work on what the query points to: free none of it */
};

/**
 * search_run - all of it
 * Return: 0; -ENOMEM.
 */
MUST_USE int search_run(const struct target *target, const struct search_query *query,
			struct search_result *ret);
void search_result_fini(struct search_result *r);

#endif
