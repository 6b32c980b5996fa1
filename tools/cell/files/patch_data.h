/* A diff as the answers of editing tools carry it: hunks for programs, unified text for people. */
#ifndef TOOLCELL_CELL_PATCH_DATA_H
#define TOOLCELL_CELL_PATCH_DATA_H

#include <stddef.h>

#include "base/macros.h"
#include "tools/cell/files/answer.h"

#define PATCH_DATA_BYTES_MAX ((size_t)96 << 10)	  /* of lines in the hunks of one file */
#define PATCH_DATA_UNIFIED_MAX ((size_t)64 << 10) /* of the unified diff of one file */

/**
 * patch_data_put - structured_patch, diff, added, removed (lines) and patch_truncated below @object
 * @name: relative to the workspace; @old: NULL for a file that is new, @new: NULL for one that goes
 *
 * structured_patch is [{oldStart, oldLines, newStart, newLines, lines}] with lines as " x", "-x", "+x";
 * what has no room is left out whole and counted: patch_truncated is the number of hunks left out,
 * diff_truncated the bytes.  A file with a NUL has an empty patch and "binary": true.
 */
void patch_data_put(struct answer *a, json_t *object, const char *name, const char *old,
		    size_t old_len, const char *new, size_t new_len);

#endif
