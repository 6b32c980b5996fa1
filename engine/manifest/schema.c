/*
 * Theory of operation: two small dialects of JSON schema. The input of a tool is flat, because
 * hosts strip or mistranslate more: properties of five types, each with the keywords of its type. An
 * array holds strings, or objects that are flat again (the edits of MultiEdit).
 * The schema of `data` may nest (bounded) but has no composition; `type` is one word or absent,
 * absent being how "may be null" is said without a type array.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "manifest/check.h"

static const struct row {
	const char *type;
	const char *keys[8];
	size_t n;
} rows[] = {
	{"string", {"type", "description", "default", "enum", "minLength", "maxLength"}, 6},
	{"integer", {"type", "description", "default", "minimum", "maximum"}, 5},
	{"number", {"type", "description", "default", "minimum", "maximum"}, 5},
	{"boolean", {"type", "description", "default"}, 3},
	{"array", {"type", "description", "items", "minItems", "maxItems"}, 5},
};

static const char *const item_keys[] = {"type", "description", "enum", "minLength", "maxLength"};
static const char *const counts[] = {"minLength", "maxLength", "minItems", "maxItems"};
static const char *const bounds[] = {"minimum", "maximum"};

static const struct row *find_row(const char *type)
{
	for (size_t i = 0; type && i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].type, type) == 0)
			return &rows[i];
	return NULL;
}

static int check_numbers(const struct place *p, const char *where, json_t *property)
{
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		json_t *value = json_object_get(property, counts[i]);

		if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
			return place_refuse(p, where, "\"%s\": expected a count, got %s", counts[i],
					    json_kind(value));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		json_t *value = json_object_get(property, bounds[i]);

		if (value && !json_is_number(value))
			return place_refuse(p, where, "\"%s\": expected a number, got %s",
					    bounds[i], json_kind(value));
	}
	return 0;
}

/*
 * Wall between manifests and the engine: names end up in messages, templates and option tables. The
 * leading dash is for names that models know from elsewhere, such as "-A" of grep.
 */
static int check_name(const struct place *p, const char *where, const char *name)
{
	const char *rest = name[0] == '-' ? name + 1 : name;
	size_t n = strspn(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

	if (!isalpha((unsigned char)rest[0]) || rest[n] != '\0' || n > MANIFEST_NAME_MAX)
		return place_refuse(p, where,
				    "expected a name of letters, digits and \"_\", at most %u long",
				    MANIFEST_NAME_MAX);
	if (strcmp(name, "item") == 0 || strcmp(name, "workspace") == 0)
		return place_refuse(p, where, "\"%s\" has a meaning of its own in templates", name);
	return 0;
}

static int check_default(const struct place *p, const char *where, const char *type, json_t *value)
{
	bool fits = (strcmp(type, "string") == 0 && json_is_string(value)) ||
		    (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
		    (strcmp(type, "number") == 0 && json_is_number(value)) ||
		    (strcmp(type, "boolean") == 0 && json_is_boolean(value));

	if (!value || fits)
		return 0;
	return place_refuse(p, where, "default: expected one of type %s, got %s", type,
			    json_kind(value));
}

static int check_typed(const struct place *p, const char *where, const struct row *row,
		       json_t *property)
{
	json_t *allowed = json_object_get(property, "enum");
	int r = place_keys(p, where, property, row->keys, row->n);

	if (r == 0)
		r = check_numbers(p, where, property);
	if (r == 0 && allowed)
		r = place_strings(p, where, allowed, 1);
	if (r == 0)
		r = check_default(p, where, row->type, json_object_get(property, "default"));
	if (r == 0 && !json_is_string(json_object_get(property, "description")))
		return place_refuse(p, where, "expected a description for the model");
	return r;
}

static int check_required(const struct place *p, const char *where, json_t *required,
			  json_t *properties)
{
	json_t *one;
	size_t i;
	int r;

	if (!required)
		return 0;
	r = place_strings(p, where, required, 1);
	if (r < 0)
		return r;
	json_array_foreach(required, i, one)
		if (!json_object_get(properties, json_string_value(one)))
			return place_refuse(p, where, "\"%s\" is no property",
					    json_string_value(one));
	return 0;
}

static int check_member(const struct place *p, const char *where, const char *name,
			json_t *property)
{
	const struct row *row = find_row(json_string_value(json_object_get(property, "type")));
	int r = check_name(p, where, name);

	if (r < 0)
		return r;
	if (!row || strcmp(row->type, "array") == 0)
		return place_refuse(p, where, "type: expected string, integer, number or boolean");
	return check_typed(p, where, row, property);
}

/* An element that is an object: flat, too, so that nothing here or in the broker recurses. */
static int check_item_object(const struct place *p, const char *where, json_t *items)
{
	static const char *const keys[] = {"type", "description", "properties", "required"};
	json_t *properties = json_object_get(items, "properties");
	char below[MANIFEST_POINTER_MAX];
	const char *name;
	json_t *property;
	int r = place_keys(p, where, items, keys, ARRAY_SIZE(keys));

	if (r == 0 && json_object_size(properties) == 0)
		return place_refuse(p, where, "items: expected \"properties\": {...}");
	json_object_foreach(properties, name, property) {
		if (r < 0)
			return r;
		(void)snprintf(below, sizeof(below), "%.150s/items/properties/%.64s", where, name);
		r = check_member(p, below, name, property);
	}
	(void)snprintf(below, sizeof(below), "%.200s/items/required", where);
	return r < 0 ? r : check_required(p, below, json_object_get(items, "required"), properties);
}

static int check_items(const struct place *p, const char *where, json_t *items)
{
	const char *type = json_string_value(json_object_get(items, "type"));

	if (type && strcmp(type, "object") == 0)
		return check_item_object(p, where, items);
	if (!type || strcmp(type, "string") != 0)
		return place_refuse(
			p, where,
			"items: expected {\"type\": \"string\"} or {\"type\": \"object\", ...}");
	return place_keys(p, where, items, item_keys, ARRAY_SIZE(item_keys));
}

static int check_property(const struct place *p, const char *name, json_t *property)
{
	const struct row *row = find_row(json_string_value(json_object_get(property, "type")));
	char where[MANIFEST_POINTER_MAX];
	int r;

	(void)snprintf(where, sizeof(where), "/input/properties/%.64s", name);
	r = check_name(p, where, name);
	if (r < 0)
		return r;
	if (!row)
		return place_refuse(p, where,
				    "type: expected string, integer, number, boolean or array");
	r = check_typed(p, where, row, property);
	if (r == 0 && strcmp(row->type, "array") == 0)
		r = check_items(p, where, json_object_get(property, "items"));
	return r;
}

int schema_check_input(const struct place *p, json_t *input)
{
	static const char *const keys[] = {"type", "properties", "required"};
	const char *type = json_string_value(json_object_get(input, "type"));
	json_t *properties = json_object_get(input, "properties");
	const char *name;
	json_t *property;
	int r;

	if (!json_is_object(properties) || !type || strcmp(type, "object") != 0)
		return place_refuse(p, "/input",
				    "expected {\"type\": \"object\", \"properties\": {...}}");
	r = place_keys(p, "/input", input, keys, ARRAY_SIZE(keys));
	json_object_foreach(properties, name, property) {
		if (r < 0)
			break;
		r = check_property(p, name, property);
	}
	return r < 0 ? r
		     : check_required(p, "/input/required", json_object_get(input, "required"),
				      properties);
}

static const char *const data_types[] = {"object",  "array",  "string",
					 "integer", "number", "boolean"};
static const char *const data_keys[] = {"type",	 "description", "properties",
					"items", "enum",	"required"};

static int check_data_type(const struct place *p, const char *where, json_t *type)
{
	if (!type)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(data_types); i++)
		if (json_is_string(type) && strcmp(json_string_value(type), data_types[i]) == 0)
			return 0;
	return place_refuse(
		p, where,
		"type: expected one word of JSON schema; leave it out for what may be null");
}

/* Depth is capped. NOLINTNEXTLINE(misc-no-recursion) */
static int check_data(const struct place *p, const char *where, json_t *schema, unsigned depth)
{
	char below[MANIFEST_POINTER_MAX];
	json_t *items = json_object_get(schema, "items"), *one;
	const char *name;
	int r;

	if (!json_is_object(schema))
		return place_refuse(p, where, "expected a schema, got %s", json_kind(schema));
	if (depth > MANIFEST_SCHEMA_DEPTH_MAX)
		return place_refuse(p, where, "nested deeper than %u", MANIFEST_SCHEMA_DEPTH_MAX);
	r = place_keys(p, where, schema, data_keys, ARRAY_SIZE(data_keys));
	if (r == 0)
		r = check_data_type(p, where, json_object_get(schema, "type"));
	if (r == 0 && items) {
		(void)snprintf(below, sizeof(below), "%.200s/items", where);
		r = check_data(p, below, items, depth + 1);
	}
	json_object_foreach(json_object_get(schema, "properties"), name, one) {
		if (r < 0)
			break;
		(void)snprintf(below, sizeof(below), "%.150s/properties/%.64s", where, name);
		r = check_data(p, below, one, depth + 1);
	}
	return r;
}

int schema_check_data(const struct place *p, json_t *schema)
{
	if (json_object_get(schema, "type"))
		return place_refuse(
			p, "/output/data",
			"no type here: data is null when a call did not run to its end");
	if (json_object_get(schema, "required"))
		return place_refuse(p, "/output/data",
				    "nothing is required here: a digest may have no data");
	return check_data(p, "/output/data", schema, 0);
}
