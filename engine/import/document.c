/*
 * Theory of operation: JSON goes through the same parser as policies do, with its caps and its
 * refusal of duplicates and NUL; TOML through ours. What comes out is jansson's either way, so the
 * importers do not know which it was.
 */
#include "import/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "import/import.h"
#include "import/toml.h"

static bool is_toml(const char *file)
{
	size_t len = strlen(file);

	return len > 5 && strcmp(file + len - 5, ".toml") == 0;
}

int document_parse(const char *label, char *text, size_t len, bool toml, struct document *ret,
		   struct err *err)
{
	struct document doc = {.label = label, .text = text, .len = len};
	size_t begin = strspn(text, " \t\r\n");
	int r;

	if (toml)
		r = toml_parse(label, text, len, &doc.json, &doc.places, err);
	else if (begin < len && text[begin] != '{')
		r = err_set(err, EINVAL, "%s:1:1: must be a JSON object, or TOML in a file *.toml",
			    label);
	else
		r = source_parse(label, text, len, &doc.json, err);
	if (r < 0)
		document_fini(&doc);
	*ret = doc;
	return r;
}

int document_open(const char *file, struct document *ret, struct err *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = fd_read_file(AT_FDCWD, file, IMPORT_FILE_BYTES_MAX, &text, &len, err);

	*ret = (struct document){0};
	return r < 0 ? r : document_parse(file, text, len, is_toml(file), ret, err);
}

void document_fini(struct document *doc)
{
	free(doc->text);
	json_decref(doc->json);
	json_decref(doc->places);
	*doc = (struct document){0};
}

struct source_place document_place(const struct document *doc, const char *pointer)
{
	json_t *pair = json_object_get(doc->places, pointer);

	if (!doc->places)
		return source_locate(doc->text, doc->len, pointer);
	if (!pair)
		return (struct source_place){1, 1};
	return (struct source_place){
		.line = (unsigned int)json_integer_value(json_array_get(pair, 0)),
		.column = (unsigned int)json_integer_value(json_array_get(pair, 1)),
	};
}
