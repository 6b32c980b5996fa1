/* One file's hunks applied in memory, and the words for those that have no place. */
#ifndef TOOLCELL_CELL_PATCH_APPLY_H
#define TOOLCELL_CELL_PATCH_APPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "tools/cell/files/patch_parse.h"
#include "tools/cell/files/patch_place.h"

#define PATCH_REJECTS_SHOWN 20U /* in full; the rest is counted */
#define PATCH_NOTES_MAX 16U	/* of one file */

/* What has been said of hunks without a place; zeroed it is empty. */
struct patch_rejects {
	struct buf text; /* UTF-8 for the model */
	json_t *list;	 /* array for data.rejects */
	size_t n;
	int failed; /* sticky -errno of building the words */
};

void patch_rejects_fini(struct patch_rejects *rejects);

struct patch_applied {
	struct buf out; /* the new content, in the encoding of patch_text */
	bool bom;	/* whether a byte order mark belongs before it */
	size_t added;
	size_t removed;
	int64_t offset; /* of the hunk that was furthest off */
	unsigned int fuzz;
	enum patch_leniency leniency;
	json_t *notes; /* array of strings: what was forgiven */
};

void patch_applied_fini(struct patch_applied *applied);

/**
 * patch_apply - the hunks of @file to @text
 * @shown:   the file's name for messages, safe to print
 * @cost:    PATCH_COST_MAX is for a whole patch
 * @rejects: gets what has no place; all hunks are tried
 *
 * Return: 0, also with rejects (then @ret is not to be used); -ENOMEM, -E2BIG.
 */
MUST_USE int patch_apply(const struct patch *patch, const struct patch_file *file,
			 const struct patch_text *text, const char *shown, uint64_t *cost,
			 struct patch_applied *ret, struct patch_rejects *rejects);

#endif
