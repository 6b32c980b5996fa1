/* Checks of a manifest when it is loaded. What passes here is what manifest_core relies on. */
#ifndef TOOLCELL_MANIFEST_CHECK_H
#define TOOLCELL_MANIFEST_CHECK_H

#include <jansson.h>

#include "manifest/core.h"

#define MANIFEST_DESCRIPTION_MAX 899U
#define MANIFEST_SCHEMA_DEPTH_MAX 8U

/* Where a check stands: file and the manifest's input schema, for messages and names. */
struct place {
	const char *file;
	json_t *input; /* {"properties": ...}; NULL before it is known */
	struct err *err;
};

/** place_refuse - "FILE#POINTER: ...".  Return: -EINVAL. */
int place_refuse(const struct place *p, const char *where, const char *fmt, ...) PRINTF(3, 4);

/** place_unknown - an unknown key or word, with the nearest known one */
int place_unknown(const struct place *p, const char *where, const char *what, const char *got,
		  const char *const *known, size_t n);

/** place_keys - every key of @object is one of @known */
MUST_USE int place_keys(const struct place *p, const char *where, json_t *object,
			const char *const *known, size_t n);

/** place_strings - an array of strings, @at_least of them */
MUST_USE int place_strings(const struct place *p, const char *where, json_t *value,
			   size_t at_least);

/** schema_check_input - flat properties, see toolcell-manifest(5) */
MUST_USE int schema_check_input(const struct place *p, json_t *input);

/** schema_check_data - the schema of `data`: nested, without $ref, oneOf and the like */
MUST_USE int schema_check_data(const struct place *p, json_t *schema);

/** driver_is_known - a tool of the table of driver.c: those that a policy's workspace.driver grants */
bool driver_is_known(const char *name);

/** template_check - an argv template: shapes, names, and operands that cannot become options */
MUST_USE int template_check(const struct place *p, json_t *template);

/**
 * output_schema - toolcell.result/1 with @data in its place
 * @data: schema of `data` or NULL for a tool without a digest
 * Return: new reference, or NULL without memory.
 */
json_t *output_schema(json_t *data);

/**
 * manifest_check - one manifest
 * @ret: new object in the form of a catalog tool, without cell and patterns; caller decrefs
 */
MUST_USE int manifest_check(const char *file, json_t *manifest, json_t **ret, struct err *err);

#endif
