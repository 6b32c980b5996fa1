/* Parts of the importer for Codex. Internal to import/. */
#ifndef TOOLCELL_IMPORT_CODEX_H
#define TOOLCELL_IMPORT_CODEX_H

#include "import/context.h"

/** codex_network - a row, and no network unless @on */
MUST_USE int codex_network(struct import *im, bool on, const char *pointer);
/** codex_protect - what Codex leaves read-only in the workspace */
MUST_USE int codex_protect(struct import *im, const char *pointer);
/** codex_named_profile - ":read-only", ":workspace", or a table below [permissions] */
MUST_USE int codex_named_profile(struct import *im, json_t *name, const char *pointer);
/**
 * codex_access_path - a place, and what may be done there: "read", "write", "none" or "deny"
 * @system: one of the system's folders, of which only what may be read is worth a row
 */
MUST_USE int codex_access_path(struct import *im, const char *path, const char *access,
			       const char *pointer, bool system);
/** codex_access_kind - a place that has a name; @below: what of it, NULL for the whole */
MUST_USE int codex_access_kind(struct import *im, const char *kind, const char *below,
			       const char *access, const char *pointer);
/** codex_state - the whole document is what Codex sends with a call */
MUST_USE int codex_state(struct import *im);

#endif
