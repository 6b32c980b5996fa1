/*
 * Secrets in what is recorded: by the name that a value has, and by the shape that it has. Whatever is
 * taken out leaves "[masked: 40 bytes]" behind. A net with holes, as every such net: a secret that looks
 * like a word is one.
 */
#ifndef TOOLCELL_AUDIT_MASK_H
#define TOOLCELL_AUDIT_MASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "audit/pattern.h"
#include "base/buf.h"

#define MASK_PATTERNS_MAX 64U /* of a policy, besides the built-in ones */
#define MASK_NAMES_MAX 256U
#define MASK_STRING_BYTES_MAX ((size_t)8 << 10) /* of one string that are looked at */
#define MASK_SHOWN_BYTES ((size_t)4 << 10)	/* ... and at most kept */
#define MASK_VALUES_MAX 4096U			/* in one JSON value */
#define MASK_DEPTH_MAX 32U

struct mask;

/** mask_new - the built-in table.  NULL without memory. */
struct mask *mask_new(void);
void mask_free(struct mask *mask);

/** mask_add_name - a name of the policy's, compared whole; case, "-" and "_" make no difference */
MUST_USE int mask_add_name(struct mask *mask, const char *name, struct err *err);
/** mask_add_pattern - a shape of the policy's */
MUST_USE int mask_add_pattern(struct mask *mask, const char *pattern, struct err *err);

/** mask_is_secret_name - whether what goes by @name is kept out, whatever it looks like */
bool mask_is_secret_name(const struct mask *mask, const char *name, size_t len);

/**
 * mask_text - append @text, safe to look at, without what looks secret
 * Cut behind MASK_SHOWN_BYTES, which is said.  Return: 0 or -errno of the buffer.
 */
MUST_USE int mask_text(const struct mask *mask, const char *text, size_t len, struct buf *out);

/**
 * mask_json - a copy without secrets: by the keys, by the shapes, and, in lists, behind an option whose
 * name is secret ("--password", "x")
 * @ret: new reference
 *
 * Return: 0; -E2BIG beyond the caps above; -ENOMEM.
 */
MUST_USE int mask_json(const struct mask *mask, json_t *value, json_t **ret);

#endif
