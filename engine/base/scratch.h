/* A folder of our own for the time of one command, where the operator keeps temporary files. */
#ifndef TOOLCELL_BASE_SCRATCH_H
#define TOOLCELL_BASE_SCRATCH_H

#include <limits.h>

#include "base/err.h"
#include "base/macros.h"

/**
 * scratch_make - make an empty folder (0700, mkdtemp(3)) below $TMPDIR, or /tmp
 * @name: how its name begins: "toolcell-learn"
 * @dst:  PATH_MAX bytes, its path from the root without symbolic links; "" on error
 *
 * The caller removes it. A TMPDIR that is no absolute path is refused, not passed over.
 */
MUST_USE int scratch_make(const char *name, char *dst, struct err *err);

#endif
