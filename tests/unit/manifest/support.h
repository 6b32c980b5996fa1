/* Helpers of the manifest tests: JSON with single quotes, vectors as one line. */
#ifndef TOOLCELL_TESTS_MANIFEST_SUPPORT_H
#define TOOLCELL_TESTS_MANIFEST_SUPPORT_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "manifest/check.h"
#include "manifest/manifest.h"

/* JSON text in which ' stands for "; the caller owns the value. */
static inline json_t *js(const char *text)
{
	char *copy = strdup(text);
	json_error_t at;
	json_t *value;

	for (char *p = copy; p && *p; p++)
		if (*p == '\'')
			*p = '"';
	value = copy ? json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, &at) : NULL;
	cr_assert(value, "test data: %s in %s", at.text, text);
	free(copy);
	return value;
}

/* A checked tool from the members of a manifest that matter; the rest is filled in. */
static inline json_t *tool_from(const char *members)
{
	struct err err = {0};
	json_t *base = js(
		"{'name':'demo','title':'Demo','description':'For tests.',"
		"'annotations':{'readOnlyHint':true,'destructiveHint':false,'idempotentHint':true,"
		"'openWorldHint':false},'input':{'type':'object','properties':{}},'argv':['demo']"
		"}");
	json_t *more = js(members), *tool = NULL;

	cr_assert(json_object_update(base, more) == 0);
	cr_assert(manifest_check("tools/demo.json", base, &tool, &err) == 0, "%s", err.text);
	json_decref(more);
	json_decref(base);
	return tool;
}

/* "a|b|c" */
static inline const char *joined(char *const *v)
{
	static char line[8192];
	size_t n = 0;

	line[0] = '\0';
	for (; v && *v && n < sizeof(line); v++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", n ? "|" : "", *v);
	return line;
}

#endif
