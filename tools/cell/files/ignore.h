/*
 * What a folder's .gitignore, .ignore and .git/info/exclude leave out, as gitignore(5) says: the last
 * rule that matches decides, a deeper file before one above it; a repository inside of the tree begins
 * anew. .ignore goes before all .gitignore, as in ripgrep and its relatives. The user's global ignore
 * file is not looked at: it is not in the cell.
 */
#ifndef TOOLCELL_CELL_IGNORE_H
#define TOOLCELL_CELL_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define IGNORE_BYTES_MAX ((size_t)1 << 20) /* of one file; a longer one is not used, and counted */
#define IGNORE_RULES_MAX 20000U /* of one file; what is beyond is not used, and counted */

/* Which of the files a folder has; from its listing, so that none is opened in vain. */
enum ignore_has {
	IGNORE_HAS_GITIGNORE = 1,
	IGNORE_HAS_IGNORE = 2,
	IGNORE_HAS_GIT = 4, /* ".git": the top of a repository */
};

struct ignore;

/** ignore_has - the bit for a name, 0 for any other */
unsigned ignore_has(const char *name);

/**
 * ignore_load - the rules of one folder
 * @dir:     the folder
 * @has:     bits of enum ignore_has
 * @base:    bytes of a path that lead to this folder, its slash included
 * @parent:  rules of the folder above or NULL; a reference is taken
 * @ret:     a reference for the caller; NULL when there are no rules at all
 * @ret_bad: how many files were not used or not wholly (unreadable, special, beyond a cap); added to
 *
 * Return: 0 or -ENOMEM.
 */
MUST_USE int ignore_load(int dir, unsigned has, size_t base, struct ignore *parent,
			 struct ignore **ret, size_t *ret_bad);

struct ignore *ignore_get(struct ignore *ig);
void ignore_put(struct ignore *ig); /* tolerates NULL */

/**
 * ignore_out - whether a path is left out
 * @ig:      rules of the folder that holds it; NULL for none
 * @name_at: where its last component begins
 *
 * What lies in a folder that is left out is not asked for: git does not look at it either.
 */
bool ignore_out(const struct ignore *ig, const char *path, size_t len, size_t name_at,
		bool is_folder);

#endif
