/* Kinds of files by name, as the argument type of Grep has them: ripgrep's names for ripgrep's globs. */
#ifndef TOOLCELL_CELL_TYPES_H
#define TOOLCELL_CELL_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macros.h"
#include "tools/cell/files/globs.h"

/**
 * types_add - the globs of a type
 * Return: 0; -ENOENT for a name that is not known; -ENOMEM.
 */
MUST_USE int types_add(const char *name, struct globs *globs);

/** types_suggest - words for a name that is not known: the nearest ones, and all */
MUST_USE int types_suggest(const char *name, struct buf *ret);

/** types_name - the @i-th, NULL behind the last */
const char *types_name(size_t i);

#endif
