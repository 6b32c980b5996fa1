/*
 * Theory of operation: a manifest is checked key by key, by a table of rows {key, required, check},
 * and rewritten into the form that the broker uses: inputSchema closed against unknown arguments,
 * outputSchema wrapped, times in milliseconds. What the broker receives is built from what was
 * checked, never copied whole.
 */
#include "manifest/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"

static const char *const annotations[] = {
	"readOnlyHint",
	"destructiveHint",
	"idempotentHint",
	"openWorldHint",
};

/* Names as hosts take them, with the capital of Bash, Read and their like. */
static int check_tool_name(const struct place *p, const char *where, json_t *value, bool alias)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	const char *name = json_string_value(value);
	size_t n;

	if (!name)
		return place_refuse(p, where, "expected a name, got %s", json_kind(value));
	/* An alias may have the dashes that a name has not; both are compared alike. */
	n = strspn(name, letters);
	while (alias && name[n] == '-')
		n += 1 + strspn(name + n + 1, letters);
	if (!isalpha((unsigned char)name[0]) || name[n] != '\0' || n > MANIFEST_NAME_MAX)
		return place_refuse(p, where,
				    "expected a name of letters, digits and \"_\", at most %u long",
				    MANIFEST_NAME_MAX);
	return 0;
}

static int check_name(const struct place *p, const char *where, json_t *value)
{
	const char *slash = strrchr(p->file, '/');
	const char *stem = slash ? slash + 1 : p->file;
	const char *name = json_string_value(value);
	int r = check_tool_name(p, where, value, false);
	size_t n;

	if (r < 0)
		return r;
	n = strlen(name);
	if (strncmp(stem, name, n) != 0 || strcmp(stem + n, ".json") != 0)
		return place_refuse(p, where, "the file of a tool \"%s\" is called \"%s.json\"",
				    name, name);
	return 0;
}

static int check_aliases(const struct place *p, const char *where, json_t *value)
{
	char below[MANIFEST_POINTER_MAX];
	int r = place_strings(p, where, value, 0);

	for (size_t i = 0; i < json_array_size(value) && r == 0; i++) {
		(void)snprintf(below, sizeof(below), "%s/%zu", where, i);
		r = check_tool_name(p, below, json_array_get(value, i), true);
	}
	return r;
}

static int check_text(const struct place *p, const char *where, json_t *value)
{
	if (!json_is_string(value) || json_string_length(value) == 0)
		return place_refuse(p, where, "expected text, got %s", json_kind(value));
	if (json_string_length(value) > MANIFEST_DESCRIPTION_MAX)
		return place_refuse(p, where, "%zu bytes long; hosts cut it, at most %u",
				    json_string_length(value), MANIFEST_DESCRIPTION_MAX);
	return 0;
}

static int check_input(const struct place *p, const char *where, json_t *value)
{
	(void)where;
	return schema_check_input(p, value);
}

static int check_argv(const struct place *p, const char *where, json_t *value)
{
	(void)where;
	return template_check(p, value);
}

static int check_annotations(const struct place *p, const char *where, json_t *value)
{
	int r;

	if (!json_is_object(value))
		return place_refuse(p, where, "expected an object, got %s", json_kind(value));
	r = place_keys(p, where, value, annotations, ARRAY_SIZE(annotations));
	if (r < 0)
		return r;
	/* Hosts decide approval by them, and their defaults differ: each is said. */
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++)
		if (!json_is_boolean(json_object_get(value, annotations[i])))
			return place_refuse(p, where, "\"%s\": expected true or false, got %s",
					    annotations[i],
					    json_kind(json_object_get(value, annotations[i])));
	return 0;
}

static int check_env(const struct place *p, const char *where, json_t *value)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
	const char *name;
	json_t *one;

	if (!json_is_object(value))
		return place_refuse(p, where, "expected an object, got %s", json_kind(value));
	json_object_foreach(value, name, one) {
		if (name[0] == '\0' || isdigit((unsigned char)name[0]) ||
		    name[strspn(name, letters)] != '\0')
			return place_refuse(p, where,
					    "a variable's name has letters, digits and \"_\" only");
		if (!json_is_string(one) ||
		    strlen(json_string_value(one)) != json_string_length(one))
			return place_refuse(p, where, "\"%s\": expected a string without NUL",
					    name);
	}
	return 0;
}

static int check_digest(const struct place *p, const char *where, json_t *value)
{
	return json_is_null(value) ? 0 : check_tool_name(p, where, value, false);
}

static int check_time(const struct place *p, const char *where, json_t *limits, const char *key,
		      uint64_t *ret_ms)
{
	json_t *value = json_object_get(limits, key);
	uint64_t ms = 0;

	if (value && (!json_is_string(value) || num_parse_ms(json_string_value(value), &ms) < 0 ||
		      ms == 0 || ms > INT64_MAX))
		return place_refuse(p, where,
				    "\"%s\": expected a time such as \"90s\" or \"10min\"", key);
	*ret_ms = ms;
	return 0;
}

static int check_limits(const struct place *p, const char *where, json_t *value)
{
	static const char *const keys[] = {"wall", "wall_default"};
	uint64_t wall = 0, usual = 0;
	int r;

	if (!json_is_object(value))
		return place_refuse(p, where, "expected an object, got %s", json_kind(value));
	r = place_keys(p, where, value, keys, ARRAY_SIZE(keys));
	if (r == 0)
		r = check_time(p, where, value, "wall", &wall);
	if (r == 0)
		r = check_time(p, where, value, "wall_default", &usual);
	if (r == 0 && wall > 0 && usual > wall)
		return place_refuse(p, where, "\"wall_default\" is longer than \"wall\"");
	return r;
}

/* stdin may be the arguments themselves, as JSON. */
static bool is_all_arguments(const char *role, json_t *value)
{
	const char *text = json_string_value(value);

	return text && strcmp(role, "stdin") == 0 && strcmp(text, MANIFEST_STDIN_ARGUMENTS) == 0;
}

static int check_driver(const struct place *p, const char *where, json_t *value)
{
	static const char *const keys[] = {"timeout", "cwd", "stdin"};
	static const char *const types[] = {"integer", "string", "string"};
	json_t *properties = json_object_get(p->input, "properties"), *type;
	int r;

	if (!json_is_object(value))
		return place_refuse(p, where, "expected an object, got %s", json_kind(value));
	r = place_keys(p, where, value, keys, ARRAY_SIZE(keys));
	for (size_t i = 0; i < ARRAY_SIZE(keys) && r == 0; i++) {
		json_t *name = json_object_get(value, keys[i]);

		if (!name || is_all_arguments(keys[i], name))
			continue;
		type = json_is_string(name)
			       ? json_object_get(json_object_get(properties,
								 json_string_value(name)),
						 "type")
			       : NULL;
		if (!type || strcmp(json_string_value(type), types[i]) != 0)
			r = place_refuse(p, where,
					 "\"%s\": expected the name of an input of type %s",
					 keys[i], types[i]);
	}
	return r;
}

static int check_pattern(const struct place *p, const char *where, json_t *value)
{
	static const char *const keys[] = {"argument"};
	const char *name = json_string_value(json_object_get(value, "argument"));
	json_t *property = name ? json_object_get(json_object_get(p->input, "properties"), name)
				: NULL;
	const char *type = json_string_value(json_object_get(property, "type"));
	json_t *one;
	size_t i;

	if (!name || !type || strcmp(type, "string") != 0)
		return place_refuse(p, where,
				    "expected {\"argument\": NAME}, an input of type string");
	/* Patterns replace the template: without the command there would be nothing to run. */
	json_array_foreach(json_object_get(p->input, "required"), i, one)
		if (strcmp(json_string_value(one), name) == 0)
			return place_keys(p, where, value, keys, ARRAY_SIZE(keys));
	return place_refuse(p, where, "the input \"%s\" must be required", name);
}

static int check_rule(const struct place *p, const char *where, json_t *rule)
{
	static const char *const keys[] = {"exactlyOne", "atLeastOne"};
	json_t *exactly = json_object_get(rule, keys[0]), *names, *one;
	size_t i;
	int r;

	names = exactly ? exactly : json_object_get(rule, keys[1]);
	if (json_object_size(rule) != 1 || !names)
		return place_refuse(p, where,
				    "expected {\"exactlyOne\": [...]} or {\"atLeastOne\": [...]}");
	r = place_strings(p, where, names, 2);
	if (r < 0)
		return r;
	json_array_foreach(names, i, one)
		if (!json_object_get(json_object_get(p->input, "properties"),
				     json_string_value(one)))
			return place_refuse(p, where, "\"%s\" is no input", json_string_value(one));
	return 0;
}

static int check_rules(const struct place *p, const char *where, json_t *value)
{
	char below[MANIFEST_POINTER_MAX];
	json_t *rule;
	size_t i;
	int r = 0;

	if (!json_is_array(value))
		return place_refuse(p, where, "expected an array, got %s", json_kind(value));
	json_array_foreach(value, i, rule) {
		(void)snprintf(below, sizeof(below), "%s/%zu", where, i);
		if (r == 0)
			r = check_rule(p, below, rule);
	}
	return r;
}

static int check_output(const struct place *p, const char *where, json_t *value)
{
	static const char *const keys[] = {"interleave", "consumed", "data"};
	json_t *interleave = json_object_get(value, "interleave");
	json_t *consumed = json_object_get(value, "consumed");
	json_t *data = json_object_get(value, "data");
	int r;

	if (!json_is_object(value))
		return place_refuse(p, where, "expected an object, got %s", json_kind(value));
	r = place_keys(p, where, value, keys, ARRAY_SIZE(keys));
	if (r == 0 && interleave && !json_is_boolean(interleave))
		return place_refuse(p, where, "interleave: expected true or false");
	if (r == 0 && consumed && !json_is_boolean(consumed))
		return place_refuse(p, where, "consumed: expected true or false");
	return r == 0 && data ? schema_check_data(p, data) : r;
}

/* One of @words. */
static int check_word(const struct place *p, const char *where, json_t *value,
		      const char *const *words, size_t n)
{
	const char *word = json_string_value(value);

	for (size_t i = 0; word && i < n; i++)
		if (strcmp(words[i], word) == 0)
			return 0;
	return place_unknown(p, where, "value", word ? word : json_kind(value), words, n);
}

static int check_cell(const struct place *p, const char *where, json_t *value)
{
	static const char *const words[] = {MANIFEST_CELL_CHANGES, MANIFEST_CELL_EXCLUSIVE};

	return check_word(p, where, value, words, ARRAY_SIZE(words));
}

static int check_builtin(const struct place *p, const char *where, json_t *value)
{
	static const char *const words[] = {MANIFEST_BUILTIN_SESSION};

	return check_word(p, where, value, words, ARRAY_SIZE(words));
}

/* What a single key cannot tell. */
static int check_together(const struct place *p, json_t *manifest)
{
	static const char *const alone[] = {"argv", "cell", "digest", "driver", "env", "pattern"};
	json_t *output = json_object_get(manifest, "output");
	const char *name = json_string_value(json_object_get(manifest, "name"));
	bool builtin = json_object_get(manifest, "builtin");

	for (size_t i = 0; builtin && i < ARRAY_SIZE(alone); i++)
		if (json_object_get(manifest, alone[i]))
			return place_refuse(p, "/builtin",
					    "the engine itself is this tool: \"%s\" has no place "
					    "beside it",
					    alone[i]);
	if (!builtin && !json_object_get(manifest, "argv"))
		return place_refuse(p, "/argv", "required key is missing");
	if (json_is_true(json_object_get(output, "consumed")) &&
	    !json_is_string(json_object_get(manifest, "digest")))
		return place_refuse(p, "/output", "consumed: there is no \"digest\" to consume it");
	if ((builtin || json_object_get(manifest, "cell")) && !driver_is_known(name))
		return place_refuse(p, "/name",
				    "the changes of a session are for the engine's own tools only");
	return 0;
}

static int check_schema(const struct place *p, const char *where, json_t *value)
{
	return json_is_string(value) ? 0 : place_refuse(p, where, "expected a string");
}

/* In the order of checking: input before those that name its properties. */
static const struct {
	const char *key;
	bool required;
	int (*check)(const struct place *p, const char *where, json_t *value);
} rows[] = {
	{"$schema", false, check_schema},
	{"name", true, check_name},
	{"aliases", false, check_aliases},
	{"title", true, check_text},
	{"description", true, check_text},
	{"input", true, check_input},
	{"rules", false, check_rules},
	{"output", false, check_output},
	{"annotations", true, check_annotations},
	{"argv", false, check_argv},
	{"builtin", false, check_builtin},
	{"cell", false, check_cell},
	{"env", false, check_env},
	{"digest", false, check_digest},
	{"driver", false, check_driver},
	{"limits", false, check_limits},
	{"pattern", false, check_pattern},
};

static int check_all(struct place *p, json_t *manifest)
{
	const char *keys[ARRAY_SIZE(rows)];
	char where[MANIFEST_POINTER_MAX];
	int r;

	if (!json_is_object(manifest))
		return place_refuse(p, "", "expected an object, got %s", json_kind(manifest));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		keys[i] = rows[i].key;
	r = place_keys(p, "", manifest, keys, ARRAY_SIZE(keys));
	p->input = json_object_get(manifest, "input");
	for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++) {
		json_t *value = json_object_get(manifest, rows[i].key);

		(void)snprintf(where, sizeof(where), "/%s", rows[i].key);
		if (value)
			r = rows[i].check(p, where, value);
		else if (rows[i].required)
			r = place_refuse(p, where, "required key is missing");
	}
	return r == 0 ? check_together(p, manifest) : r;
}

/* Closed against unknown arguments, the elements of arrays of objects too. */
static json_t *input_schema(json_t *input)
{
	json_t *schema = json_deep_copy(input), *property;
	const char *name;
	int r = json_object_set_new(schema, "additionalProperties", json_false());

	json_object_foreach(json_object_get(schema, "properties"), name, property) {
		json_t *items = json_object_get(property, "items");

		if (r == 0 && json_object_get(items, "properties"))
			r = json_object_set_new(items, "additionalProperties", json_false());
	}
	if (r == 0)
		return schema;
	json_decref(schema);
	return NULL;
}

static json_t *limits_ms(json_t *limits)
{
	static const struct {
		const char *from, *to;
	} names[] = {{"wall", "wall_ms"}, {"wall_default", "wall_default_ms"}};
	json_t *out = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *text = json_string_value(json_object_get(limits, names[i].from));
		uint64_t ms;

		if (!text || num_parse_ms(text, &ms) < 0)
			continue;
		if (json_object_set_new(out, names[i].to, json_integer((json_int_t)ms)) < 0) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

static json_t *or_empty(json_t *value, json_t *(*empty)(void))
{
	return value ? json_incref(value) : empty();
}

/* Keys that a tool has only when its manifest has them, and what they are called in the catalog. */
static int build_rest(json_t *tool, json_t *m)
{
	static const struct {
		const char *from, *to;
	} names[] = {{"pattern", "pattern"}, {"builtin", "builtin"}, {"cell", "cell_kind"}};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_t *value = json_object_get(m, names[i].from);

		if (value && json_object_set(tool, names[i].to, value) < 0)
			return -ENOMEM;
	}
	return 0;
}

static json_t *build_output(json_t *output)
{
	return json_pack("{sb sb}", "interleave",
			 json_is_true(json_object_get(output, "interleave")), "consumed",
			 json_is_true(json_object_get(output, "consumed")));
}

static json_t *build(json_t *m)
{
	json_t *output = json_object_get(m, "output");
	json_t *digest = json_object_get(m, "digest");
	json_t *tool = json_pack("{sO so sO sO so so sO so so so so so so so}", "name",
				 json_object_get(m, "name"), "aliases",
				 or_empty(json_object_get(m, "aliases"), json_array), "title",
				 json_object_get(m, "title"), "description",
				 json_object_get(m, "description"), "inputSchema",
				 input_schema(json_object_get(m, "input")), "outputSchema",
				 output_schema(json_object_get(output, "data")), "annotations",
				 json_object_get(m, "annotations"), "argv",
				 or_empty(json_object_get(m, "argv"), json_array), "env",
				 or_empty(json_object_get(m, "env"), json_object), "digest",
				 digest ? json_incref(digest) : json_null(), "driver",
				 or_empty(json_object_get(m, "driver"), json_object), "limits",
				 limits_ms(json_object_get(m, "limits")), "rules",
				 or_empty(json_object_get(m, "rules"), json_array), "output",
				 build_output(output));

	if (tool && build_rest(tool, m) < 0) {
		json_decref(tool);
		return NULL;
	}
	return tool;
}

int manifest_check(const char *file, json_t *manifest, json_t **ret, struct err *err)
{
	struct place p = {.file = file, .err = err};
	json_t *tool;
	int r = check_all(&p, manifest);

	if (r < 0)
		return r;
	tool = build(manifest);
	if (!tool)
		return err_set(err, ENOMEM, "%s: cannot hold the manifest", file);
	*ret = tool;
	return 0;
}
