/*
 * Theory of operation: any bytes as TOML. What is read has a place for each key of its root, survives
 * being written as JSON, and errors are one line that names a place.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "import/toml.h"
#include "policy/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(json_t *root, json_t *places)
{
	char *text = json_dumps(root, JSON_COMPACT);
	const char *key;
	json_t *value;

	if (!text)
		abort();
	free(text);
	json_object_foreach(root, key, value) {
		char pointer[POLICY_POINTER_MAX] = "";

		if (source_pointer_add(pointer, sizeof(pointer), key) < 0 ||
		    !json_object_get(places, pointer))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	json_t *root = NULL;
	json_t *places = NULL;
	struct err err = {0};

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (toml_parse("fuzz", text, size, &root, &places, &err) == 0)
		check(root, places);
	else if (strncmp(err.text, "fuzz:", 5) != 0 || strchr(err.text, '\n'))
		abort();
	json_decref(root);
	json_decref(places);
	free(text);
	return 0;
}
