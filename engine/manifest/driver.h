/* The tools for a session's changes, and which of their operations a policy grants. */
#ifndef TOOLCELL_MANIFEST_DRIVER_H
#define TOOLCELL_MANIFEST_DRIVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/** driver_name - of the tools in the table, in the order in which drivers see them; NULL beyond */
const char *driver_name(size_t index);

/** driver_is_tool - a checked manifest that works on changes */
bool driver_is_tool(json_t *manifest);

/**
 * driver_narrow - what is left of a tool
 * @granted: words of workspace.driver; NULL: none
 * @ret:     new manifest, whose input takes only the operations that are granted; untouched when
 *	     none is
 * Return: 1, 0 when nothing is left, -ENOMEM.
 */
MUST_USE int driver_narrow(json_t *manifest, json_t *granted, json_t **ret);

#endif
