/*
 * Theory of operation: the tables are a tree of fixed depth, so the walk's recursion ends with
 * them; a cap stands beside it all the same. Each node knows its JSON pointer, by which errors find
 * their line and by which `final` pointers of the files above are recognised.
 */
#include "policy/walk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policy/source.h"

#define WALK_KEYS_MAX 32U

static const char *const kind_words[] = {
	[KEY_IGNORE] = "anything",
	[KEY_STRING] = "a string",
	[KEY_BOOL] = "true or false",
	[KEY_COUNT] = "a whole number, 0 or more",
	[KEY_NUMBER] = "a number above 0",
	[KEY_OBJECT] = "an object",
	[KEY_MAP] = "an object",
	[KEY_LIST] = "a list",
	[KEY_ANY] = "anything",
};
static_assert(ARRAY_SIZE(kind_words) == KEY_KIND_N, "every kind has words");

static bool kind_fits(enum key_kind kind, const json_t *value)
{
	switch (kind) {
	case KEY_IGNORE:
	case KEY_ANY:
		return true;
	case KEY_STRING:
		return json_is_string(value);
	case KEY_BOOL:
		return json_is_boolean(value);
	case KEY_COUNT:
		return json_is_integer(value) && json_integer_value(value) >= 0;
	case KEY_NUMBER:
		return json_is_number(value) && json_number_value(value) > 0;
	case KEY_OBJECT:
	case KEY_MAP:
		return json_is_object(value);
	case KEY_LIST:
		return json_is_array(value);
	case KEY_KIND_N:
		break;
	}
	return false;
}

int walk_refuse(const struct walk_node *node, const char *fmt, ...)
{
	struct policy_origin at = {node->walk->source, node->pointer};
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return policy_complain(node->walk->policy, at, node->walk->err, "%s", text);
}

struct policy_origin walk_origin(const struct walk_node *node)
{
	return (struct policy_origin){node->walk->source,
				      policy_strdup(node->walk->policy, node->pointer)};
}

const char *walk_text(const struct walk_node *node)
{
	const char *text = json_string_value(node->value);

	if (text && text[0] != '\0')
		return text;
	(void)walk_refuse(node, text ? "must not be empty" : "must be a string");
	return NULL;
}

int walk_choose(const struct walk_node *node, const char *const *names, size_t n, uint64_t *ret)
{
	const char *text = walk_text(node);
	char list[256] = "";
	char quoted[96];
	const char *near;

	if (!text)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(list);

		if (strcmp(text, names[i]) == 0) {
			*ret = i;
			return 0;
		}
		(void)snprintf(list + used, sizeof(list) - used, "%s\"%s\"", i ? ", " : "",
			       names[i]);
	}
	text_quote(quoted, sizeof(quoted), text, strlen(text));
	near = text_nearest(text, names, n);
	if (near)
		return walk_refuse(node, "\"%s\" is not known; did you mean \"%s\"?", quoted, near);
	return walk_refuse(node, "\"%s\" is not one of %s", quoted, list);
}

void *walk_grow(const struct walk_node *node, void *array, size_t *n, size_t each, size_t max)
{
	char *grown;

	if (*n >= max) {
		(void)walk_refuse(node, "more than %zu entries", max);
		return NULL;
	}
	grown = reallocarray(array, *n + 1, each);
	if (!grown) {
		(void)err_set(node->walk->err, ENOMEM, "cannot read the policy");
		return NULL;
	}
	memset(grown + *n * each, 0, each);
	++*n;
	return grown;
}

static bool pointer_covers(const char *final, const char *pointer)
{
	size_t len = strlen(final);

	return strncmp(final, pointer, len) == 0 && (pointer[len] == '\0' || pointer[len] == '/');
}

/* Whether a file above the one being applied has fixed @pointer. */
bool walk_is_final(const struct walk *walk, const char *pointer)
{
	const struct policy_names *finals = &walk->policy->finals;

	for (size_t i = 0; i < finals->n; i++)
		if (finals->at[i].origin.source < walk->source &&
		    pointer_covers(finals->at[i].name, pointer))
			return true;
	return false;
}

static int apply_list(const struct walk_node *node, const struct walk_key *key)
{
	char pointer[POLICY_POINTER_MAX];
	json_t *element;
	size_t i;

	json_array_foreach(node->value, i, element) {
		struct walk_node child = *node;
		char index[24];
		int r;

		(void)snprintf(index, sizeof(index), "%zu", i);
		(void)snprintf(pointer, sizeof(pointer), "%s", node->pointer);
		if (source_pointer_add(pointer, sizeof(pointer), index) < 0)
			return walk_refuse(node, "is too deep");
		child.value = element;
		child.key = NULL;
		child.pointer = pointer;
		r = key->apply(&child, key->arg);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_map(const struct walk_node *node, const struct walk_key *key)
{
	const char *name;
	json_t *value;

	json_object_foreach(node->value, name, value) {
		char pointer[POLICY_POINTER_MAX];
		struct walk_node child = *node;
		int r;

		(void)snprintf(pointer, sizeof(pointer), "%s", node->pointer);
		if (source_pointer_add(pointer, sizeof(pointer), name) < 0)
			return walk_refuse(node, "holds a name that is too long");
		child.value = value;
		child.key = name;
		child.pointer = pointer;
		child.final = node->final || walk_is_final(node->walk, pointer);
		r = key->apply(&child, key->arg);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Nested as deep as the tables are, whatever the text says. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int apply_key(const struct walk_node *node, const struct walk_key *key)
{
	const char *words = key->kind < KEY_KIND_N ? kind_words[key->kind] : "known";

	if (!kind_fits(key->kind, node->value))
		return walk_refuse(node, "must be %s", words);
	switch (key->kind) {
	case KEY_IGNORE:
		return 0;
	case KEY_OBJECT:
		return walk_object(node, key->keys, key->n_keys);
	case KEY_MAP:
		return apply_map(node, key);
	case KEY_LIST:
		return apply_list(node, key);
	case KEY_STRING:
	case KEY_BOOL:
	case KEY_COUNT:
	case KEY_NUMBER:
	case KEY_ANY:
	case KEY_KIND_N:
		break;
	}
	return key->apply ? key->apply(node, key->arg) : 0;
}

static int refuse_key(const struct walk_node *node, const struct walk_key *keys, size_t n_keys)
{
	const char *names[WALK_KEYS_MAX];
	const char *near;
	char quoted[96];

	for (size_t i = 0; i < n_keys && i < WALK_KEYS_MAX; i++)
		names[i] = keys[i].name;
	near = text_nearest(node->key, names, MIN(n_keys, (size_t)WALK_KEYS_MAX));
	text_quote(quoted, sizeof(quoted), node->key, strlen(node->key));
	if (near)
		return walk_refuse(node, "unknown key \"%s\"; did you mean \"%s\"?", quoted, near);
	return walk_refuse(node, "unknown key \"%s\"", quoted);
}

static const struct walk_key *find_key(const struct walk_key *keys, size_t n_keys, const char *name)
{
	for (size_t i = 0; i < n_keys; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/*
 * By the order of the table, not of the file: so that what a handler relies on (the limits that a
 * tool may lower) has been applied before.
 */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
int walk_object(const struct walk_node *node, const struct walk_key *keys, size_t n_keys)
{
	const char *name;
	json_t *value;

	json_object_foreach(node->value, name, value) {
		char pointer[POLICY_POINTER_MAX];
		struct walk_node child = *node;

		(void)snprintf(pointer, sizeof(pointer), "%s", node->pointer);
		if (source_pointer_add(pointer, sizeof(pointer), name) < 0)
			return walk_refuse(node, "holds a key that is too long");
		child.key = name;
		child.pointer = pointer;
		if (!find_key(keys, n_keys, name))
			return refuse_key(&child, keys, n_keys);
	}
	for (size_t i = 0; i < n_keys; i++) {
		char pointer[POLICY_POINTER_MAX];
		struct walk_node child = *node;
		int r;

		child.value = json_object_get(node->value, keys[i].name);
		if (!child.value)
			continue;
		(void)snprintf(pointer, sizeof(pointer), "%s", node->pointer);
		if (source_pointer_add(pointer, sizeof(pointer), keys[i].name) < 0)
			return walk_refuse(node, "is too deep");
		child.key = keys[i].name;
		child.pointer = pointer;
		child.final = node->final || walk_is_final(node->walk, pointer);
		r = apply_key(&child, &keys[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Down the tables; a map's names are free, an element of a list cannot be named. */
bool policy_pointer_is_known(const char *pointer)
{
	const struct walk_key *keys = policy_keys;
	size_t n_keys = policy_n_keys;

	if (pointer[0] != '/')
		return false;
	while (*pointer == '/') {
		char name[64];
		size_t len = strcspn(++pointer, "/");
		const struct walk_key *key;

		if (len == 0 || len >= sizeof(name))
			return false;
		memcpy(name, pointer, len);
		name[len] = '\0';
		pointer += len;
		key = find_key(keys, n_keys, name);
		if (!key)
			return false;
		if (key->kind == KEY_MAP)
			return *pointer == '\0' || strlen(pointer) > 1;
		keys = key->keys;
		n_keys = key->n_keys;
	}
	return true;
}
