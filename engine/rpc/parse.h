/* JSON text from outside, with its bounds checked before the library sees it. */
#ifndef TOOLCELL_RPC_PARSE_H
#define TOOLCELL_RPC_PARSE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/*
 * Values in one line. jansson spends up to about 150 bytes on an empty array, so this bounds what a
 * line of "[],[],..." can make of memory.
 */
#define PARSE_VALUES_MAX ((size_t)1 << 20)

/**
 * parse_json - one value and nothing behind it
 *
 * Refused: more than RPC_DEPTH_MAX levels, more than PARSE_VALUES_MAX values, malformed UTF-8, a
 * key twice in one object, a NUL in a key. A NUL in a string is accepted, see parse_string.
 * Return: new value, or NULL with @err (ENOMEM, or EINVAL and a sentence with the byte).
 */
json_t *parse_json(const char *data, size_t len, struct err *err);

/** parse_string - a JSON string as a C string; NULL for any other type, or a NUL inside */
const char *parse_string(const json_t *value);

/** parse_id - whether @id is one: a string of at most PARSE_ID_BYTES_MAX, or an integer */
bool parse_id(const json_t *id);
#define PARSE_ID_BYTES_MAX ((size_t)1024)

#endif
