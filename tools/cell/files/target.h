/* Where a search begins: the argument path of Glob and Grep, and what the folders above it ignore. */
#ifndef TOOLCELL_CELL_TARGET_H
#define TOOLCELL_CELL_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "tools/cell/files/files.h"
#include "tools/cell/files/ignore.h"
#include "tools/cell/files/walk_tree.h"

struct target {
	int fd; /* of the folder; of the folder that holds it for a single file */
	bool is_file;
	char prefix
		[PATH_MAX]; /* of results: relative to the workspace, or absolute outside of it */
	char name[NAME_MAX + 1]; /* of a single file, below prefix */
	size_t globs_at;	 /* of a folder: where in a path what lies below it begins */
	struct ignore *rules;	 /* of the folders above, within the workspace */
	size_t bad_ignores;
	char shown[ANSWER_SHOWN_MAX];
};

/**
 * target_open - @path as the call named it; NULL: the workspace
 * @files: a single regular file will do
 *
 * Return: 0; -EPERM: the answer says no; -ENOMEM. target_fini in any case.
 */
MUST_USE int target_open(const struct files_call *call, const char *path, bool files,
			 struct target *ret, struct answer *a);
void target_fini(struct target *t);

/** target_walk - the fields of @ret that the target knows */
void target_walk(const struct target *t, struct walk_options *ret);

#endif
