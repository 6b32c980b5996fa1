/*
 * Theory of operation: one row per tool, with the operations that it has, and for each the word of
 * workspace.driver that grants it. A tool with several operations takes the one that is meant as an
 * argument, the string whose enum holds the words; there the ones that are not granted are struck
 * out, so that hosts do not offer them and manifest_validate refuses them. A tool of which nothing is
 * granted is not there; one that cannot be narrowed is neither, unless all of it is granted.
 */
#include "manifest/driver.h"

#include <errno.h>
#include <string.h>

#include "manifest/check.h"

#define ANY "" /* granted with whatever else is, or with the right to list changes */
#define OPERATIONS_MAX 5U

struct operation {
	const char *name;
	const char *word; /* of workspace.driver */
};

static const struct row {
	const char *name;
	struct operation operations[OPERATIONS_MAX];
} rows[] = {
	{"changes", {{"list", "list"}, {"diff", "diff"}}},
	{"changes_commit", {{"commit", "commit"}}},
	{"changes_discard", {{"discard", "discard"}}},
	/* Who may make a branch may end it. */
	{"session",
	 {{"snapshot", "snapshot"},
	  {"rollback", "rollback"},
	  {"fork", "fork"},
	  {"drop", "fork"},
	  {"list", ANY}}},
};

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

const char *driver_name(size_t index)
{
	return index < ARRAY_SIZE(rows) ? rows[index].name : NULL;
}

bool driver_is_known(const char *name)
{
	return find_row(name);
}

bool driver_is_tool(json_t *manifest)
{
	return json_object_get(manifest, "cell_kind") || json_object_get(manifest, "builtin");
}

static bool has_word(json_t *words, const char *word)
{
	json_t *one;
	size_t i;

	json_array_foreach(words, i, one) {
		const char *text = json_string_value(one);

		if (text && strcmp(text, word) == 0)
			return true;
	}
	return false;
}

/* Bits of the operations that are granted. */
static unsigned int granted_bits(const struct row *row, json_t *granted)
{
	unsigned int bits = 0;

	for (unsigned int i = 0; i < OPERATIONS_MAX && row->operations[i].name; i++) {
		const char *word = row->operations[i].word;
		bool any = strcmp(word, ANY) == 0 && (bits != 0 || has_word(granted, "list"));

		if (any || has_word(granted, word))
			bits |= 1U << i;
	}
	return bits;
}

static unsigned int all_bits(const struct row *row)
{
	unsigned int n = 0;

	while (n < OPERATIONS_MAX && row->operations[n].name)
		n++;
	return (1U << n) - 1;
}

/* Index of an operation, or -1. */
static int operation_index(const struct row *row, const char *name)
{
	for (unsigned int i = 0; name && i < OPERATIONS_MAX && row->operations[i].name; i++)
		if (strcmp(row->operations[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* The property whose enum has nothing but operations of this tool. */
static const char *find_argument(const struct row *row, json_t *properties)
{
	json_t *property;
	const char *name;

	json_object_foreach(properties, name, property) {
		json_t *words = json_object_get(property, "enum"), *one;
		bool all = json_array_size(words) > 0;
		size_t i;

		json_array_foreach(words, i, one)
			all = all && operation_index(row, json_string_value(one)) >= 0;
		if (all)
			return name;
	}
	return NULL;
}

static void strike(const struct row *row, json_t *words, unsigned int bits)
{
	for (size_t i = json_array_size(words); i > 0; i--) {
		int at = operation_index(row, json_string_value(json_array_get(words, i - 1)));

		if (at < 0 || !(bits & 1U << at))
			(void)json_array_remove(words, i - 1);
	}
}

/* Without the argument a tool might do what its template does by default: it has to be said then. */
static int require(json_t *input, const char *argument)
{
	json_t *required = json_object_get(input, "required");

	if (has_word(required, argument))
		return 0;
	if (!required) {
		required = json_array();
		if (json_object_set_new(input, "required", required) < 0)
			return -ENOMEM;
	}
	return json_array_append_new(required, json_string(argument)) < 0 ? -ENOMEM : 0;
}

/* Return: 1; 0 when no operation is left that could be asked for; -ENOMEM. */
static int narrow_input(const struct row *row, json_t *input, unsigned int bits)
{
	json_t *properties = json_object_get(input, "properties");
	const char *argument = find_argument(row, properties);
	json_t *property = argument ? json_object_get(properties, argument) : NULL;
	json_t *words = json_object_get(property, "enum");

	strike(row, words, bits);
	if (json_array_size(words) == 0)
		return 0;
	(void)json_object_del(property, "default"); /* absent is fine */
	return require(input, argument) < 0 ? -ENOMEM : 1;
}

int driver_narrow(json_t *manifest, json_t *granted, json_t **ret)
{
	const struct row *row = find_row(json_string_value(json_object_get(manifest, "name")));
	unsigned int bits = row ? granted_bits(row, granted) : 0;
	json_t *tool, *input;
	int r = 1;

	if (bits == 0)
		return 0;
	tool = json_copy(manifest);
	input = json_deep_copy(json_object_get(manifest, "inputSchema"));
	if (!tool || !input)
		r = -ENOMEM;
	else if (bits != all_bits(row))
		r = narrow_input(row, input, bits);
	if (r > 0 && json_object_set(tool, "inputSchema", input) < 0)
		r = -ENOMEM;
	json_decref(input);
	if (r > 0)
		*ret = tool;
	else
		json_decref(tool);
	return r;
}
