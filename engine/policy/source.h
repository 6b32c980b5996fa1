/* A policy file: its text, its JSON, and the way from a JSON pointer back to line and column. */
#ifndef TOOLCELL_POLICY_SOURCE_H
#define TOOLCELL_POLICY_SOURCE_H

#include "policy/policy.h"

struct source_place {
	unsigned int line;   /* from 1 */
	unsigned int column; /* from 1, in bytes */
};

/**
 * source_open - find, read and parse
 * @name_or_file: as in policy_load; @by_name: only a NAME is acceptable
 * @ret: source_fini frees
 */
MUST_USE int source_open(const char *name_or_file, bool by_name, const char *const *dirs,
			 struct policy_inputs *inputs, struct policy_source *ret, struct err *err);
void source_fini(struct policy_source *source);

/**
 * source_parse - the part of source_open behind the reading; @label names it in errors
 * Refuses duplicate keys, NUL, more than POLICY_JSON_DEPTH_MAX levels, anything but an object.
 */
MUST_USE int source_parse(const char *label, const char *text, size_t len, json_t **ret,
			  struct err *err);

/** source_locate - where the value (for a member: its key) at @pointer stands; 1:1 when not found */
struct source_place source_locate(const char *text, size_t len, const char *pointer);

/** source_pointer_add - append "/KEY", escaped.  Return: 0, or -E2BIG with @dst as it was. */
MUST_USE int source_pointer_add(char *dst, size_t cap, const char *key);

#endif
