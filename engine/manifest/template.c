/*
 * Theory of operation: walks an argv template as expand.c will, in order, and proves that every
 * name is a parameter of a fitting type and every element has one of the known shapes. It also
 * keeps one bit, "a literal -- has passed": before it, a driver's string may not stand at the start
 * of an argument, since "--config=..." could then arrive where a file name is meant. An element
 * that passes options through on purpose says "options": true.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "manifest/check.h"

struct walk {
	const struct place *place;
	bool operands; /* "--" has passed on every way to here */
};

static int check_list(struct walk *w, const char *where, json_t *list, unsigned depth);

/* An array of objects is a type of its own here: none of its elements is a word for a command line. */
static const char *type_of(const struct walk *w, const char *name)
{
	json_t *properties = json_object_get(w->place->input, "properties");
	json_t *property = json_object_get(properties, name);
	const char *item = json_string_value(
		json_object_get(json_object_get(property, "items"), "type"));

	if (item && strcmp(item, "object") == 0)
		return "objects";
	return json_string_value(json_object_get(property, "type"));
}

static int unknown_param(const struct walk *w, const char *where, const char *name)
{
	json_t *properties = json_object_get(w->place->input, "properties"), *value;
	const char *known[64], *key;
	size_t n = 0;

	json_object_foreach(properties, key, value)
		if (n < ARRAY_SIZE(known))
			known[n++] = key;
	return place_unknown(w->place, where, "parameter", name, known, n);
}

/* A parameter by name, of one of the types in @types ("string integer"). */
static int check_param(const struct walk *w, const char *where, json_t *name, const char *types)
{
	const char *type;

	if (!json_is_string(name))
		return place_refuse(w->place, where, "expected the name of a parameter, got %s",
				    json_kind(name));
	type = type_of(w, json_string_value(name));
	if (!type)
		return unknown_param(w, where, json_string_value(name));
	if (!strstr(types, type))
		return place_refuse(w->place, where,
				    "parameter \"%s\" is of type %s; here it must be %s",
				    json_string_value(name), type, types);
	return 0;
}

/* Whether a driver chooses the text freely; an enum or a number cannot start with "--config". */
static bool is_free_text(const struct walk *w, const char *name)
{
	json_t *properties = json_object_get(w->place->input, "properties");
	json_t *property = json_object_get(properties, name);
	const char *type = json_string_value(json_object_get(property, "type"));

	return type && strcmp(type, "string") == 0 && !json_object_get(property, "enum");
}

static int check_placeholder(const struct walk *w, const char *where, const char *name, bool item,
			     bool first)
{
	const char *type = type_of(w, name);

	if (item && strcmp(name, "item") == 0)
		return first && !w->operands
			       ? place_refuse(w->place, where,
					      "\"{item}\" must not come first before a \"--\"")
			       : 0;
	if (strcmp(name, "workspace") == 0)
		return 0;
	if (!type)
		return unknown_param(w, where, name);
	if (strcmp(type, "objects") == 0)
		return place_refuse(
			w->place, where,
			"parameter \"%s\" is an array of objects, which only \"stdin\": "
			"\"%s\" can hand over",
			name, MANIFEST_STDIN_ARGUMENTS);
	if (strcmp(type, "array") == 0 || strcmp(type, "boolean") == 0)
		return place_refuse(w->place, where, "parameter \"%s\" is of type %s; use \"%s\"",
				    name, type, *type == 'a' ? "splat" : "if");
	if (first && !w->operands && is_free_text(w, name))
		return place_refuse(w->place, where,
				    "\"{%s}\" could become an option; put \"--\" before it, or "
				    "write \"--name={%s}\"",
				    name, name);
	return 0;
}

static int check_string(struct walk *w, const char *where, json_t *element, bool item)
{
	const char *text = json_string_value(element);
	char name[MANIFEST_PARAM_MAX + 1];
	int r;

	if (strlen(text) != json_string_length(element))
		return place_refuse(w->place, where, "holds a NUL character");
	for (const char *at = text; *at; at++) {
		if (*at != '{' && *at != '}')
			continue;
		if (at[1] == *at) {
			at++;
			continue;
		}
		size_t n = strcspn(at + 1, "}");

		if (*at == '}' || n == 0 || n >= sizeof(name) || at[1 + n] != '}')
			return place_refuse(w->place, where,
					    "expected {parameter}; write {{ or }} for a brace");
		memcpy(name, at + 1, n);
		name[n] = '\0';
		r = check_placeholder(w, where, name, item, at == text);
		if (r < 0)
			return r;
		at += n + 1;
	}
	if (strcmp(text, "--") == 0)
		w->operands = true;
	return 0;
}

static int check_splat(struct walk *w, const char *where, json_t *e, unsigned depth)
{
	json_t *as = json_object_get(e, "as"), *options = json_object_get(e, "options");
	const char *part = json_string_value(json_object_get(e, "part"));
	int r = check_param(w, where, json_object_get(e, "splat"), "array");

	(void)depth;
	if (r < 0)
		return r;
	if (json_object_get(e, "part") &&
	    (!part || (strcmp(part, "head") != 0 && strcmp(part, "tail") != 0)))
		return place_refuse(w->place, where, "part: expected \"head\" or \"tail\"");
	if (options && !json_is_boolean(options))
		return place_refuse(w->place, where, "options: expected true or false");
	if (as)
		return json_is_string(as) ? check_string(w, where, as, true)
					  : place_refuse(w->place, where, "as: expected a string");
	if (!w->operands && !json_is_true(options))
		return place_refuse(w->place, where,
				    "elements could become options; put \"--\" before, or say "
				    "\"options\": true");
	return 0;
}

static int check_condition(struct walk *w, const char *where, json_t *condition)
{
	static const char *const keys[] = {"param", "has"};
	int r;

	if (json_is_string(condition))
		return check_param(w, where, condition,
				   "string integer number boolean array objects");
	if (!json_is_object(condition))
		return place_refuse(w->place, where,
				    "if: expected a parameter or {\"param\", \"has\"}, got %s",
				    json_kind(condition));
	r = place_keys(w->place, where, condition, keys, ARRAY_SIZE(keys));
	if (r == 0)
		r = check_param(w, where, json_object_get(condition, "param"), "array");
	return r < 0 ? r : place_strings(w->place, where, json_object_get(condition, "has"), 1);
}

/* One way of several: "--" counts only when every way had it. */
static int check_way(struct walk *w, const char *where, const char *key, json_t *list, bool before,
		     bool *all, unsigned depth)
{
	char below[MANIFEST_POINTER_MAX];
	int r;

	w->operands = before;
	(void)snprintf(below, sizeof(below), "%.180s/%.64s", where, key);
	r = list ? check_list(w, below, list, depth) : 0;
	*all = *all && w->operands;
	return r;
}

static int check_if(struct walk *w, const char *where, json_t *e, unsigned depth)
{
	bool before = w->operands, all = true;
	int r = check_condition(w, where, json_object_get(e, "if"));

	if (r == 0)
		r = check_way(w, where, "then", json_object_get(e, "then"), before, &all, depth);
	if (r == 0)
		r = check_way(w, where, "else", json_object_get(e, "else"), before, &all, depth);
	w->operands = all;
	return r;
}

static int check_switch(struct walk *w, const char *where, json_t *e, unsigned depth)
{
	json_t *cases = json_object_get(e, "cases"), *list;
	bool before = w->operands, all = true;
	const char *name;
	int r = check_param(w, where, json_object_get(e, "switch"), "string");

	if (r == 0 && !json_is_object(cases))
		r = place_refuse(w->place, where, "cases: expected an object, got %s",
				 json_kind(cases));
	json_object_foreach(cases, name, list) {
		if (r < 0)
			return r;
		r = check_way(w, where, name, list, before, &all, depth);
	}
	if (r == 0)
		r = check_way(w, where, "default", json_object_get(e, "default"), before, &all,
			      depth);
	w->operands = all;
	return r;
}

static int check_expand(struct walk *w, const char *where, json_t *e, unsigned depth)
{
	json_t *env = json_object_get(e, "test_env"), *value;
	const struct builtin *builtin;
	const char *const *names;
	const char *name = json_string_value(json_object_get(e, "expand")), *key, *type;
	size_t n;

	(void)depth;
	names = builtin_names(&n);
	builtin = name ? builtin_find(name) : NULL;
	if (!builtin)
		return place_unknown(w->place, where, "built-in", name ? name : "", names, n);
	for (size_t i = 0; builtin->params[i].name; i++) {
		type = type_of(w, builtin->params[i].name);
		if (!type || strcmp(type, builtin->params[i].type) != 0)
			return place_refuse(w->place, where,
					    "built-in \"%s\" needs the parameter \"%s\" of type %s",
					    name, builtin->params[i].name, builtin->params[i].type);
	}
	json_object_foreach(env, key, value)
		if (!json_is_string(value))
			return place_refuse(w->place, where, "test_env: \"%s\": expected a string",
					    key);
	return 0;
}

static const struct {
	const char *keys[4]; /* the first tells the kind */
	size_t n;
	int (*check)(struct walk *w, const char *where, json_t *element, unsigned depth);
} kinds[] = {
	{{"splat", "as", "part", "options"}, 4, check_splat},
	{{"if", "then", "else"}, 3, check_if},
	{{"switch", "cases", "default"}, 3, check_switch},
	{{"expand", "test_env"}, 2, check_expand},
};

static int check_object(struct walk *w, const char *where, json_t *element, unsigned depth)
{
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!json_object_get(element, kinds[i].keys[0]))
			continue;
		r = place_keys(w->place, where, element, kinds[i].keys, kinds[i].n);
		return r < 0 ? r : kinds[i].check(w, where, element, depth);
	}
	return place_refuse(
		w->place, where,
		"expected a string or an object with splat, if, switch or expand, got %s",
		json_kind(element));
}

static int check_list(struct walk *w, const char *where, json_t *list, unsigned depth)
{
	char below[MANIFEST_POINTER_MAX];
	json_t *element;
	size_t i;
	int r;

	if (!json_is_array(list))
		return place_refuse(w->place, where, "expected an array, got %s", json_kind(list));
	if (depth > MANIFEST_TEMPLATE_DEPTH_MAX)
		return place_refuse(w->place, where, "nested deeper than %u",
				    MANIFEST_TEMPLATE_DEPTH_MAX);
	json_array_foreach(list, i, element) {
		(void)snprintf(below, sizeof(below), "%.200s/%zu", where, i);
		r = json_is_string(element) ? check_string(w, below, element, false)
					    : check_object(w, below, element, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

int template_check(const struct place *p, json_t *template)
{
	struct walk w = {.place = p};

	if (!json_is_array(template) || json_array_size(template) == 0)
		return place_refuse(p, "/argv", "expected an array that begins with a program");
	return check_list(&w, "/argv", template, 0);
}
