/* A file of another tool, parsed: JSON or TOML, and from a JSON pointer back to line and column. */
#ifndef TOOLCELL_IMPORT_DOCUMENT_H
#define TOOLCELL_IMPORT_DOCUMENT_H

#include <jansson.h>

#include "base/err.h"
#include "policy/source.h"

struct document {
	const char *label; /* borrowed: the file as given */
	char *text;
	size_t len;
	json_t *json;
	json_t *places; /* TOML only */
};

/** document_open - read and parse; ".toml" is TOML, anything else JSON; document_fini frees */
MUST_USE int document_open(const char *file, struct document *ret, struct err *err);

/** document_parse - the part behind reading; takes @text over, also on failure */
MUST_USE int document_parse(const char *label, char *text, size_t len, bool toml,
			    struct document *ret, struct err *err);
void document_fini(struct document *doc);

struct source_place document_place(const struct document *doc, const char *pointer);

#endif
