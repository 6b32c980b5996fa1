/* Protected paths of a workspace that cells write into directly: what exists is made read-only. */
#ifndef TOOLCELL_CELL_PROTECT_H
#define TOOLCELL_CELL_PROTECT_H

#include "base/macros.h"

/**
 * protect_paths - a read-only mount over each protected path that is there
 * @root:      the cell's root under construction
 * @workspace: absolute path inside it
 * @rules:     text of workspace/rules.h
 *
 * Patterns with wildcards are passed over: a mount needs one path. System calls only.
 * Return: 0 or -errno.
 */
MUST_USE int protect_paths(int root, const char *workspace, const char *rules);

#endif
