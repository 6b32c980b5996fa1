/* The call's arguments: read from standard input, capped before they are parsed, and checked. */
#ifndef TOOLCELL_CELL_ARGS_H
#define TOOLCELL_CELL_ARGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"
#include "tools/cell/files/answer.h"

#define ARGS_BYTES_MAX ((size_t)12 << 20)
#define ARGS_DEPTH_MAX 16U
#define ARGS_VALUES_MAX 20000U

/**
 * args_parse - bytes to a JSON object
 * @ret: new reference
 * Return: 0; -EINVAL or -E2BIG with words in @err.
 */
MUST_USE int args_parse(const char *text, size_t len, json_t **ret, struct err *err);

/** args_read - the same from a descriptor, to its end */
MUST_USE int args_read(int fd, json_t **ret, struct err *err);

enum args_type {
	ARGS_STRING, /* may be empty, may hold NULs */
	ARGS_PATH,   /* not empty, no NUL, shorter than PATH_MAX */
	ARGS_BOOL,
	ARGS_COUNT, /* an integer >= 0 */
	ARGS_ARRAY, /* not empty */
	ARGS_TYPE_N,
};

struct args_row {
	const char *name;
	enum args_type type;
	bool required;
};

/**
 * args_check - @object has what @rows ask for and nothing else; null counts as not there
 * @where: "" or what to put before a name in a message, "edits[2]."
 * Return: 0; -EINVAL: the answer says no (answer_fail, "arguments").
 */
MUST_USE int args_check(json_t *object, const char *where, const struct args_row *rows, size_t n,
			struct answer *a);

/* Behind args_check: @fallback when it is not there. */
const char *args_string(json_t *object, const char *name, const char *fallback);
size_t args_string_len(json_t *object, const char *name);
bool args_bool(json_t *object, const char *name, bool fallback);
size_t args_count(json_t *object, const char *name, size_t fallback);

#endif
