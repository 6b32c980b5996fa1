/*
 * The patterns of a call, as ripgrep's --glob reads them: "{a,b}" stands for either, "!" in front
 * leaves out, without a slash it is a name at any depth, with one a path below the folder that is
 * searched. The last pattern that matches decides.
 */
#ifndef TOOLCELL_CELL_GLOBS_H
#define TOOLCELL_CELL_GLOBS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/macros.h"
#include "tools/cell/files/wild.h"

#define GLOBS_TEXT_MAX 4096U	/* bytes of one argument */
#define GLOBS_MAX 1024U		/* patterns after braces were written out */
#define GLOBS_BYTES_MAX 262144U /* of them together */

struct globs_row {
	size_t at, len; /* within text */
	bool out;	/* "!" */
	bool anchored;
	struct wild wild;
};

struct globs {
	struct buf text;
	struct globs_row *rows;
	size_t n;
	size_t n_in; /* rows without "!" */
};

void globs_init(struct globs *g);
void globs_fini(struct globs *g);

/**
 * globs_add - one pattern
 * Return: 0; -EINVAL or -E2BIG with words in @err; -ENOMEM.
 */
MUST_USE int globs_add(struct globs *g, const char *text, size_t len, struct err *err);

/** globs_add_list - several, between them blanks, or commas outside of braces */
MUST_USE int globs_add_list(struct globs *g, const char *text, size_t len, struct err *err);

/** globs_ready - after the last globs_add, before the first question */
void globs_ready(struct globs *g);

/** globs_want - whether a file is asked for; all are when there is no pattern but "!" ones */
bool globs_want(const struct globs *g, const char *path, size_t len, size_t name_at);

/** globs_prune - whether a folder is left out with all that it holds */
bool globs_prune(const struct globs *g, const char *path, size_t len, size_t name_at);

#endif
