/*
 * Theory of operation: a catalog is two JSON objects, one behind the other (policyc/compile.c): the small
 * one that each call needs, and the one with "tools" and "operator", whose schemas take longer to parse
 * than all else that `exec` does for a call.
 *
 *	{"audit":...,"policy":...,"rules":...}{"tools":[...],"operator":[...]}
 */
#include "broker/catalog.h"

#include <errno.h>

/* One object from @at on, which then is behind it. */
static json_t *next_object(const char *text, size_t len, size_t *at, struct err *err)
{
	json_error_t where;
	json_t *object = json_loadb(text + *at, len - *at,
				    JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &where);

	if (json_is_object(object)) {
		*at += (size_t)where.position;
		return object;
	}
	(void)err_set(err, EINVAL, "the policy image's catalog is not JSON: line %d: %s",
		      where.line, object ? "no object" : where.text);
	json_decref(object);
	return NULL;
}

static const char *text_of(const struct image *image, size_t *ret_len, struct err *err)
{
	const char *text = image_catalog(image, ret_len);

	if (!text)
		(void)err_set(err, EINVAL, "the policy image has no catalog of tools");
	return text;
}

json_t *catalog_head(const struct image *image, struct err *err)
{
	size_t len = 0;
	size_t at = 0;
	const char *text = text_of(image, &len, err);

	return text ? next_object(text, len, &at, err) : NULL;
}

json_t *catalog_load(const struct image *image, struct err *err)
{
	size_t len = 0;
	size_t at = 0;
	const char *text = text_of(image, &len, err);
	json_t *catalog = text ? next_object(text, len, &at, err) : NULL;

	while (catalog && at < len) {
		json_t *more = next_object(text, len, &at, err);
		int r = more ? json_object_update_missing(catalog, more) : -1;

		if (more && r < 0)
			(void)err_set(err, ENOMEM, "no memory for the catalog");
		json_decref(more);
		if (r < 0) {
			json_decref(catalog);
			return NULL;
		}
	}
	return catalog;
}
