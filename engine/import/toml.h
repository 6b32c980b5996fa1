/*
 * TOML 1.0 as jansson values, for configuration files of other tools. Debian 12 has no C library for
 * it. Everything but dates and times is read; those, and what the standard forbids, are refused.
 */
#ifndef TOOLCELL_IMPORT_TOML_H
#define TOOLCELL_IMPORT_TOML_H

#include <jansson.h>

#include "base/err.h"

#define TOML_DEPTH_MAX 16U     /* of keys and of nested values */
#define TOML_VALUES_MAX 16384U /* in a whole document */
#define TOML_KEY_BYTES_MAX 256U

/**
 * toml_parse - a whole document
 * @label:	names the file in errors, "LABEL:LINE:COLUMN: ..."
 * @ret:	the root table; caller decrefs
 * @ret_places: object, JSON pointer -> [line, column] of each key and array element; caller decrefs
 */
MUST_USE int toml_parse(const char *label, const char *text, size_t len, json_t **ret,
			json_t **ret_places, struct err *err);

#endif
