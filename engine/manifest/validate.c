/*
 * Theory of operation: arguments are checked against a flat schema: an object of properties, each a
 * string, integer, number, boolean or array; an array holds strings, or objects whose members are
 * none of them arrays. So two levels are all there is, and nothing recurses. Unknown keys are refused
 * (additionalProperties: false is what the manifest loader puts into each inputSchema). A null is
 * taken as "not given", because drivers in strict mode send every optional key. Every message
 * says where (a JSON pointer), what was expected and what came.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/text.h"
#include "manifest/core.h"
#include "manifest/manifest.h"

#define KEYS_SHOWN_MAX 32U
#define QUOTED_MAX 80U

struct check {
	const char *tool;
	json_t *input;
	json_t *arguments;
	size_t string_bytes;
	struct err *err;
};

const char *json_kind(const json_t *value)
{
	static const char *const kinds[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a number",    [JSON_TRUE] = "a boolean",
		[JSON_FALSE] = "a boolean",  [JSON_NULL] = "null",
	};

	if (!value || (size_t)json_typeof(value) >= ARRAY_SIZE(kinds))
		return "nothing";
	return kinds[json_typeof(value)];
}

/* @where: pointer of the object that has the key; "" for the arguments themselves */
static int refuse_unknown(struct check *c, const char *where, json_t *properties, const char *key)
{
	const char *names[KEYS_SHOWN_MAX];
	CLEANUP(buf_fini) struct buf list = {.cap = 300};
	char shown[QUOTED_MAX];
	const char *name, *nearest;
	json_t *property;
	size_t n = 0;

	json_object_foreach(properties, name, property) {
		if (n == ARRAY_SIZE(names))
			break;
		/* A list that does not fit is shown as far as it goes. */
		if (buf_printf(&list, "%s%s", n ? ", " : "", name) < 0)
			break;
		names[n++] = name;
	}
	(void)text_quote(shown, sizeof(shown), key, strlen(key));
	nearest = text_nearest(key, names, n);
	if (nearest)
		return err_set(c->err, EINVAL, "%s: %s/%s: unknown argument; did you mean \"%s\"?",
			       c->tool, where, shown, nearest);
	return err_set(c->err, EINVAL, "%s: %s/%s: unknown argument; it takes %s", c->tool, where,
		       shown, n ? list.data : "none");
}

static int refuse_kind(struct check *c, const char *where, const char *expected, json_t *got)
{
	return err_set(c->err, EINVAL, "%s: %s: expected %s, got %s", c->tool, where, expected,
		       json_kind(got));
}

/* Characters, as JSON schema counts: bytes that do not continue a sequence. */
static size_t count_characters(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0U) != 0x80U;
	return n;
}

static int check_enum(struct check *c, const char *where, json_t *allowed, const char *value)
{
	CLEANUP(buf_fini) struct buf list = {.cap = 300};
	char shown[QUOTED_MAX];
	const char *names[64];
	json_t *one;
	size_t i, n = 0;

	json_array_foreach(allowed, i, one) {
		if (strcmp(json_string_value(one), value) == 0)
			return 0;
		if (n < ARRAY_SIZE(names))
			names[n++] = json_string_value(one);
		if (buf_printf(&list, "%s%s", i ? ", " : "", json_string_value(one)) < 0)
			continue;
	}
	(void)text_quote(shown, sizeof(shown), value, strlen(value));
	if (text_nearest(value, names, n))
		return err_set(c->err, EINVAL, "%s: %s: \"%s\" is none of %s; did you mean \"%s\"?",
			       c->tool, where, shown, list.data, text_nearest(value, names, n));
	return err_set(c->err, EINVAL, "%s: %s: \"%s\" is none of %s", c->tool, where, shown,
		       list.data ? list.data : "the values allowed");
}

static int check_string(struct check *c, const char *where, json_t *schema, json_t *value)
{
	json_t *allowed = json_object_get(schema, "enum");
	json_t *max = json_object_get(schema, "maxLength");
	json_t *min = json_object_get(schema, "minLength");
	size_t len = json_string_length(value);
	const char *s = json_string_value(value);
	size_t characters;

	if (!json_is_string(value))
		return refuse_kind(c, where, "a string", value);
	if (strlen(s) != len)
		return err_set(c->err, EINVAL, "%s: %s: holds a NUL character", c->tool, where);
	if (__builtin_add_overflow(c->string_bytes, len, &c->string_bytes) ||
	    c->string_bytes > MANIFEST_STRINGS_BYTES_MAX)
		return err_set(c->err, E2BIG,
			       "%s: %s: the strings of one call hold at most %zu bytes", c->tool,
			       where, MANIFEST_STRINGS_BYTES_MAX);
	characters = count_characters(s, len);
	if (max && characters > (size_t)json_integer_value(max))
		return err_set(c->err, E2BIG, "%s: %s: expected at most %lld characters, got %zu",
			       c->tool, where, (long long)json_integer_value(max), characters);
	if (min && characters < (size_t)json_integer_value(min))
		return err_set(c->err, EINVAL, "%s: %s: expected at least %lld characters, got %zu",
			       c->tool, where, (long long)json_integer_value(min), characters);
	return allowed ? check_enum(c, where, allowed, s) : 0;
}

static int check_range(struct check *c, const char *where, json_t *schema, double value)
{
	json_t *min = json_object_get(schema, "minimum");
	json_t *max = json_object_get(schema, "maximum");

	if (min && value < json_number_value(min))
		return err_set(c->err, EINVAL, "%s: %s: expected at least %.15g, got %.15g",
			       c->tool, where, json_number_value(min), value);
	if (max && value > json_number_value(max))
		return err_set(c->err, EINVAL, "%s: %s: expected at most %.15g, got %.15g", c->tool,
			       where, json_number_value(max), value);
	return 0;
}

static int check_integer(struct check *c, const char *where, json_t *schema, json_t *value)
{
	/* 3.0 is an integer to JSON schema; beyond 2^53 a double is no exact count any more. */
	bool whole = json_is_real(value) && fabs(json_real_value(value)) <= 9007199254740992.0 &&
		     trunc(json_real_value(value)) == json_real_value(value);

	if (!json_is_integer(value) && !whole)
		return refuse_kind(c, where, "an integer", value);
	return check_range(c, where, schema, json_number_value(value));
}

static int check_number(struct check *c, const char *where, json_t *schema, json_t *value)
{
	if (!json_is_number(value))
		return refuse_kind(c, where, "a number", value);
	return check_range(c, where, schema, json_number_value(value));
}

static int check_boolean(struct check *c, const char *where, json_t *schema, json_t *value)
{
	(void)schema;
	return json_is_boolean(value) ? 0 : refuse_kind(c, where, "true or false", value);
}

struct type_row {
	const char *type;
	int (*check)(struct check *c, const char *where, json_t *schema, json_t *value);
};

static const struct type_row scalars[] = {
	{"string", check_string},
	{"integer", check_integer},
	{"number", check_number},
	{"boolean", check_boolean},
};

static const struct type_row *find_scalar(json_t *schema)
{
	const char *type = json_string_value(json_object_get(schema, "type"));

	for (size_t i = 0; type && i < ARRAY_SIZE(scalars); i++)
		if (strcmp(scalars[i].type, type) == 0)
			return &scalars[i];
	return NULL;
}

static int refuse_type(struct check *c, const char *where)
{
	return err_set(c->err, EINVAL, "%s: %s: the manifest gives it no known type", c->tool,
		       where);
}

static int check_members_required(struct check *c, const char *where, json_t *required,
				  json_t *object)
{
	json_t *one;
	size_t i;

	json_array_foreach(required, i, one) {
		json_t *value = json_object_get(object, json_string_value(one));

		if (!value || json_is_null(value))
			return err_set(c->err, EINVAL, "%s: %s/%s: required argument is missing",
				       c->tool, where, json_string_value(one));
	}
	return 0;
}

/* An element of an array of objects. */
static int check_item(struct check *c, const char *where, json_t *items, json_t *value)
{
	json_t *properties = json_object_get(items, "properties");
	char member[MANIFEST_POINTER_MAX];
	const char *key;
	json_t *one;

	if (!json_is_object(value))
		return refuse_kind(c, where, "an object", value);
	json_object_foreach(value, key, one) {
		json_t *schema = json_object_get(properties, key);
		const struct type_row *row = find_scalar(schema);
		int r;

		if (!schema)
			return refuse_unknown(c, where, properties, key);
		(void)snprintf(member, sizeof(member), "%.200s/%s", where, key);
		if (!row)
			return refuse_type(c, member);
		r = json_is_null(one) ? 0 : row->check(c, member, schema, one);
		if (r < 0)
			return r;
	}
	return check_members_required(c, where, json_object_get(items, "required"), value);
}

static bool holds_objects(json_t *items)
{
	const char *type = json_string_value(json_object_get(items, "type"));

	return type && strcmp(type, "object") == 0;
}

static int check_array(struct check *c, const char *where, json_t *schema, json_t *value)
{
	json_t *items = json_object_get(schema, "items");
	bool objects = holds_objects(items);
	json_t *min = json_object_get(schema, "minItems");
	json_t *max = json_object_get(schema, "maxItems");
	size_t most = max ? (size_t)json_integer_value(max) : MANIFEST_ARRAY_MAX;
	size_t n = json_array_size(value);
	char item[MANIFEST_POINTER_MAX];
	int r = 0;

	if (!json_is_array(value))
		return refuse_kind(c, where,
				   objects ? "an array of objects" : "an array of strings", value);
	if (n > MIN(most, (size_t)MANIFEST_ARRAY_MAX))
		return err_set(c->err, E2BIG, "%s: %s: expected at most %zu elements, got %zu",
			       c->tool, where, MIN(most, (size_t)MANIFEST_ARRAY_MAX), n);
	if (min && n < (size_t)json_integer_value(min))
		return err_set(c->err, EINVAL, "%s: %s: expected at least %lld elements, got %zu",
			       c->tool, where, (long long)json_integer_value(min), n);
	for (size_t i = 0; i < n && r == 0; i++) {
		(void)snprintf(item, sizeof(item), "%.200s/%zu", where, i);
		r = objects ? check_item(c, item, items, json_array_get(value, i))
			    : check_string(c, item, items, json_array_get(value, i));
	}
	return r;
}

static int check_property(struct check *c, const char *name, json_t *schema, json_t *value)
{
	const char *type = json_string_value(json_object_get(schema, "type"));
	const struct type_row *row = find_scalar(schema);
	char where[MANIFEST_POINTER_MAX];

	(void)snprintf(where, sizeof(where), "/%s", name);
	if (row)
		return row->check(c, where, schema, value);
	if (type && strcmp(type, "array") == 0)
		return check_array(c, where, schema, value);
	return refuse_type(c, where);
}

/* {"exactlyOne": [names]} or {"atLeastOne": [names]} */
static int check_rule(struct check *c, json_t *rule)
{
	json_t *exactly = json_object_get(rule, "exactlyOne");
	json_t *names = exactly ? exactly : json_object_get(rule, "atLeastOne");
	CLEANUP(buf_fini) struct buf list = {.cap = 300};
	json_t *one, *value;
	size_t i, given = 0;

	json_array_foreach(names, i, one) {
		value = json_object_get(c->arguments, json_string_value(one));
		given += value && !json_is_null(value);
		if (buf_printf(&list, "%s\"%s\"", i ? ", " : "", json_string_value(one)) < 0)
			break;
	}
	if (given == 1 || (given > 1 && !exactly))
		return 0;
	return err_set(c->err, EINVAL, "%s: expected %s one of %s, got %s", c->tool,
		       exactly ? "exactly" : "at least", list.data ? list.data : "its arguments",
		       given ? "more" : "none");
}

int manifest_validate(json_t *tool, json_t *arguments, struct err *err)
{
	struct check c = {
		.tool = json_string_value(json_object_get(tool, "name")),
		.input = json_object_get(tool, "inputSchema"),
		.arguments = arguments,
		.err = err,
	};
	json_t *properties = json_object_get(c.input, "properties");
	json_t *rules = json_object_get(tool, "rules");
	json_t *value, *schema;
	const char *key;
	int r;

	if (!c.tool || !json_is_object(properties))
		return err_set(err, EINVAL, "the catalog's tool has no name or no inputSchema");
	if (!json_is_object(arguments))
		return err_set(err, EINVAL, "%s: expected an object of arguments, got %s", c.tool,
			       json_kind(arguments));
	json_object_foreach(arguments, key, value) {
		schema = json_object_get(properties, key);
		if (!schema)
			return refuse_unknown(&c, "", properties, key);
		r = json_is_null(value) ? 0 : check_property(&c, key, schema, value);
		if (r < 0)
			return r;
	}
	r = check_members_required(&c, "", json_object_get(c.input, "required"), arguments);
	for (size_t i = 0; i < json_array_size(rules) && r == 0; i++)
		r = check_rule(&c, json_array_get(rules, i));
	return r;
}
