/*
 * The document on standard output, which the digest "answer" takes apart (engine/digest/answer.c):
 *
 *	{"text": "...", "data": {...} | null, "success": true, "denials": [{"operation", "object", "errno"}]}
 *
 * Failures to allocate are sticky (answer.failed), so that building an answer needs no checks.
 */
#ifndef TOOLCELL_CELL_ANSWER_H
#define TOOLCELL_CELL_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define ANSWER_TEXT_MAX ((size_t)200 << 10) /* beyond, the text is cut and says so */
#define ANSWER_BYTES_MAX ((size_t)6 << 20)  /* the document; verbs bound what they put into it */
#define ANSWER_DENIALS_MAX 64U
#define ANSWER_SHOWN_MAX 512U /* bytes of a name in a message, quotes and NUL included */

struct answer {
	struct buf text;
	json_t *data;	 /* object; answer_put makes it */
	json_t *denials; /* array */
	bool success;
	int failed; /* 0 or -errno, sticky */
};

/** answer_init - an empty success; tolerates failure to allocate (sticky) */
void answer_init(struct answer *a);
void answer_fini(struct answer *a);

/** answer_printf - more text for the model; foreign strings only through answer_show or _bytes */
void answer_printf(struct answer *a, const char *fmt, ...) PRINTF(2, 3);

/** answer_bytes - foreign bytes into the text: what is not UTF-8, and NUL, becomes U+FFFD */
void answer_bytes(struct answer *a, const void *data, size_t len);

/** answer_append_utf8 - the same into any buffer.  Return: how many replacements, or -errno. */
MUST_USE int64_t answer_append_utf8(struct buf *out, const void *data, size_t len);

/** answer_string - the same as a new JSON string; NULL without memory (answer_put accepts that) */
json_t *answer_string(const void *data, size_t len);

/**
 * answer_put - data.@key = @value
 * @value: stolen; NULL means that memory ran out
 */
void answer_put(struct answer *a, const char *key, json_t *value);
void answer_put_count(struct answer *a, const char *key, uint64_t count);
void answer_put_bool(struct answer *a, const char *key, bool value);

/**
 * answer_fail - the tool says no
 * @code: one word for programs, "not_found"
 *
 * Text and data are replaced: data becomes {"type": "error", "error": @code, "message": TEXT}, since
 * some hosts show data alone. More may be put into either behind it; answer_fail_note adds to both.
 * Return: 0, so that a verb can end with it.
 */
int answer_fail(struct answer *a, const char *code, const char *fmt, ...) PRINTF(3, 4);
void answer_fail_note(struct answer *a, const char *fmt, ...) PRINTF(2, 3);

/**
 * answer_deny - what the cell refused; beyond ANSWER_DENIALS_MAX it is dropped
 * @operation: "read", "write", "list"
 * @num: positive errno
 */
void answer_deny(struct answer *a, const char *operation, const char *object, int num);

/**
 * answer_show - a foreign name for a message: itself when it is plain UTF-8 without control
 * characters, else in double quotes with \xHH; cut with "..."
 * @dst: of ANSWER_SHOWN_MAX bytes.  Return: @dst.
 */
const char *answer_show(char *dst, const char *name);

/** answer_encode - @ret: malloc'ed, NUL-terminated.  Return: 0, -E2BIG beyond ANSWER_BYTES_MAX, -ENOMEM */
MUST_USE int answer_encode(const struct answer *a, char **ret);

#endif
