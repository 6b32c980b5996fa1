/*
 * Theory of operation: the shape of a profile first, so that whatever is judged later is known to be
 * well formed; then its entries as flat rules, one for each name; in the end what became of each
 * entry, by the calls that were dropped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/seccomp.h"

static int check_syscalls(struct import *im, json_t *value, const char *pointer);

static int take_flags(struct import *im, json_t *value, const char *pointer)
{
	return json_array_size(value) == 0
		       ? 0
		       : import_row(im, pointer, "flags", IMPORT_IGNORED,
				    "how the kernel applies a filter, not what it refuses");
}

static int take_listener(struct import *im, json_t *value, const char *pointer)
{
	return import_row(im, pointer, json_string_value(value), IMPORT_TAKEN,
			  "toolcell has nobody to ask: what would be asked about is refused");
}

/* Of two lists it would be a guess which one counts; Docker refuses both at once, too. */
static int check_arches(struct import *im, json_t *value, const char *pointer)
{
	json_t *one;
	size_t i;

	json_array_foreach(value, i, one)
		if (!json_is_string(one) && !json_is_string(json_object_get(one, "architecture")))
			return import_shape(im, pointer, "must name architectures");
	return 0;
}

static const struct import_key profile_keys[] = {
	{"defaultAction", JSON_STRING, import_elsewhere, NULL},
	{"defaultErrnoRet", JSON_INTEGER, NULL, "what is refused is refused with EPERM"},
	{"defaultErrno", JSON_STRING, NULL, "what is refused is refused with EPERM"},
	{"architectures", JSON_ARRAY, check_arches, NULL},
	{"archMap", JSON_ARRAY, check_arches, NULL},
	{"flags", JSON_ARRAY, take_flags, NULL},
	{"listenerPath", JSON_STRING, take_listener, NULL},
	{"listenerMetadata", JSON_STRING, NULL, "for a listener: toolcell has none"},
	{"syscalls", JSON_ARRAY, check_syscalls, NULL},
};

static const struct import_key entry_keys[] = {
	{"name", JSON_STRING, import_elsewhere, NULL},
	{"names", JSON_ARRAY, import_elsewhere, NULL},
	{"action", JSON_STRING, import_elsewhere, NULL},
	{"errnoRet", JSON_INTEGER, import_elsewhere, NULL},
	{"errno", JSON_STRING, import_elsewhere, NULL},
	{"comment", JSON_STRING, import_elsewhere, NULL},
	{"args", JSON_NULL, import_elsewhere, NULL},
	{"includes", JSON_OBJECT, import_elsewhere, NULL},
	{"excludes", JSON_OBJECT, import_elsewhere, NULL},
};

static int read_condition(struct import *im, json_t *arg, const char *pointer,
			  struct condition *ret)
{
	json_t *index = json_object_get(arg, "index");
	json_t *value = json_object_get(arg, "value");
	json_t *two = json_object_get(arg, "valueTwo");
	const char *op = json_string_value(json_object_get(arg, "op"));
	size_t i = 0;

	while (op && i < COMPARE_N && strcmp(compare_names[i], op) != 0)
		i++;
	if (!json_is_integer(index) || json_integer_value(index) < 0 ||
	    json_integer_value(index) >= (json_int_t)SECCOMP_ARGS_MAX || !json_is_integer(value) ||
	    json_integer_value(value) < 0 ||
	    (two && (!json_is_integer(two) || json_integer_value(two) < 0)) || !op ||
	    i == COMPARE_N)
		return import_shape(im, pointer,
				    "must have \"index\" (0 to 5), \"value\" and a known \"op\"");
	*ret = (struct condition){
		.arg = (unsigned int)json_integer_value(index),
		.op = (enum compare)i,
		.value = (uint64_t)json_integer_value(value),
		.value_two = (uint64_t)json_integer_value(two),
	};
	return 0;
}

static int read_args(struct import *im, json_t *args, const char *pointer,
		     struct seccomp_rule *rule)
{
	unsigned int seen = 0;
	json_t *arg;
	size_t i;

	if (args && !json_is_null(args) && !json_is_array(args))
		return import_shape(im, pointer, "\"args\" must be a list");
	if (json_array_size(args) > SECCOMP_ARGS_MAX)
		return import_shape(im, pointer, "more than %u conditions", SECCOMP_ARGS_MAX);
	json_array_foreach(args, i, arg) {
		int r = read_condition(im, arg, pointer, &rule->args[i]);

		if (r < 0)
			return r;
		rule->repeated = rule->repeated || (seen & 1U << rule->args[i].arg);
		seen |= 1U << rule->args[i].arg;
		rule->n++;
	}
	return 0;
}

static bool is_list_of_strings(json_t *value)
{
	json_t *one;
	size_t i;

	json_array_foreach(value, i, one)
		if (!json_is_string(one))
			return false;
	return json_is_array(value) || json_is_null(value);
}

/* Kernels that have what a rule is conditional on are all that toolcell runs on. */
static int check_clause(struct import *im, json_t *clause, const char *pointer)
{
	const char *key;
	json_t *value;

	json_object_foreach(clause, key, value) {
		bool list = strcmp(key, "caps") == 0 || strcmp(key, "arches") == 0;
		const char *version = json_string_value(value);

		if (list && is_list_of_strings(value))
			continue;
		if (list)
			return import_shape(im, pointer, "\"%s\" must be a list of strings", key);
		if (strcmp(key, "minKernel") != 0 || !version)
			return import_shape(im, pointer, "unknown condition of an entry");
		if (!(version[0] >= '1' && version[0] <= '4') || version[1] != '.')
			return import_shape(im, pointer, "\"minKernel\" above 4 is not known");
	}
	return 0;
}

static int check_entry(struct import *im, json_t *entry, const char *pointer)
{
	json_t *names = json_object_get(entry, "names");
	struct seccomp_rule rule = {0};
	bool allows;
	json_t *one;
	size_t i;
	int r;

	if (!json_is_object(entry))
		return import_shape(im, pointer, "must be an object");
	r = import_keys(im, entry, pointer, entry_keys, ARRAY_SIZE(entry_keys));
	if (r == 0)
		r = seccomp_action(im, json_object_get(entry, "action"), pointer, &allows);
	if (r == 0)
		r = read_args(im, json_object_get(entry, "args"), pointer, &rule);
	if (r == 0)
		r = check_clause(im, json_object_get(entry, "includes"), pointer);
	if (r == 0)
		r = check_clause(im, json_object_get(entry, "excludes"), pointer);
	if (r == 0 && !names && !json_object_get(entry, "name"))
		r = import_shape(im, pointer, "must have \"names\"");
	json_array_foreach(names, i, one)
		if (r == 0 && !json_is_string(one))
			r = import_shape(im, pointer, "\"names\" must be strings");
	return r;
}

static int check_syscalls(struct import *im, json_t *value, const char *pointer)
{
	return import_each(im, value, pointer, check_entry);
}

int seccomp_check_shape(struct profile *p)
{
	json_t *action = json_object_get(p->json, "defaultAction");
	int r = seccomp_action(p->im, action, p->pointer, &p->otherwise);
	char both[POLICY_POINTER_MAX];

	if (r == 0 && json_object_get(p->json, "architectures") &&
	    json_object_get(p->json, "archMap"))
		return import_below(p->im, both, p->pointer, "archMap") < 0
			       ? -EINVAL
			       : import_shape(p->im, both,
					      "cannot be together with \"architectures\"");
	return r == 0 ? import_keys(p->im, p->json, p->pointer, profile_keys,
				    ARRAY_SIZE(profile_keys))
		      : r;
}

static int add_rule(struct profile *p, const struct seccomp_rule *like, const char *name)
{
	if (p->n_rules >= SECCOMP_RULES_MAX)
		return import_shape(p->im, p->pointer, "more than %u rules", SECCOMP_RULES_MAX);
	p->rules[p->n_rules] = *like;
	p->rules[p->n_rules++].name = name;
	return 0;
}

int seccomp_load_rules(struct profile *p, const char *go,
		       bool (*applies)(json_t *entry, const char *go))
{
	json_t *entry;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(p->json, "syscalls"), i, entry) {
		struct seccomp_rule rule = {.entry = i};
		json_t *one;
		size_t k;

		if (!applies(entry, go))
			continue;
		(void)snprintf(rule.pointer, sizeof(rule.pointer), "%.48s/syscalls/%zu", p->pointer,
			       i);
		r = seccomp_action(p->im, json_object_get(entry, "action"), rule.pointer,
				   &rule.allows);
		if (r == 0)
			r = read_args(p->im, json_object_get(entry, "args"), rule.pointer, &rule);
		if (r == 0 && json_object_get(entry, "name"))
			r = add_rule(p, &rule, json_string_value(json_object_get(entry, "name")));
		json_array_foreach(json_object_get(entry, "names"), k, one)
			if (r == 0)
				r = add_rule(p, &rule, json_string_value(one));
		if (r < 0)
			return r;
	}
	return 0;
}

/* The first names of a list, as many as fit; @n counts all. */
struct named {
	char text[240];
	size_t n;
};

static void name_one(struct named *list, const char *name)
{
	size_t used = strlen(list->text);
	size_t len = strlen(name);
	bool ended = used > 4 && strcmp(list->text + used - 4, " ...") == 0;

	list->n++;
	if (ended)
		return;
	if (used + len + 6 >= sizeof(list->text))
		memcpy(list->text + used, " ...", 5);
	else
		(void)snprintf(list->text + used, sizeof(list->text) - used, "%s%s",
			       used ? " " : "", name);
}

/* The dropped calls that @entry refuses, or those that no entry allows. */
static void name_dropped(const struct profile *p, json_int_t entry, bool by_default,
			 struct named *list)
{
	const char *name;
	json_t *value;

	json_object_foreach(p->dropped, name, value)
		if (by_default ? json_is_null(value)
			       : json_is_integer(value) && json_integer_value(value) == entry)
			name_one(list, name);
}

static int report_allowed(struct profile *p, json_t *entry, const char *pointer, const char *rule)
{
	const char *single = json_string_value(json_object_get(entry, "name"));
	struct named beyond = {0};
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(entry, "names"), i, one)
		if (!json_object_get(p->known, json_string_value(one)))
			name_one(&beyond, json_string_value(one));
	if (single && !json_object_get(p->known, single))
		name_one(&beyond, single);
	i += single != NULL;
	if (beyond.n == 0)
		return import_row(p->im, pointer, rule, IMPORT_TAKEN, "the base allows them too");
	return import_row(p->im, pointer, rule, IMPORT_NARROWED,
			  "%zu of %zu are not in the base and not granted: %s", beyond.n, i,
			  beyond.text);
}

static int report_entry(struct profile *p, json_t *entry, size_t index)
{
	struct named list = {0};
	const char *action = json_string_value(json_object_get(entry, "action"));
	json_t *names = json_object_get(entry, "names");
	const char *first = json_string_value(names ? json_array_get(names, 0)
						    : json_object_get(entry, "name"));
	char pointer[POLICY_POINTER_MAX];
	char rule[160];
	bool allows = false;
	int r = seccomp_action(p->im, json_object_get(entry, "action"), p->pointer, &allows);

	(void)snprintf(pointer, sizeof(pointer), "%.48s/syscalls/%zu", p->pointer, index);
	(void)snprintf(rule, sizeof(rule), "%.32s %.40s%s", action, first ? first : "",
		       json_array_size(names) > 1 ? " ..." : "");
	if (r < 0 || json_object_get(p->unproven, pointer))
		return r;
	if (json_array_size(json_object_get(json_object_get(entry, "includes"), "caps")) > 0)
		return import_row(p->im, pointer, rule, IMPORT_IGNORED,
				  "for holders of a capability: a cell has none");
	if (!seccomp_counts(entry))
		return import_row(p->im, pointer, rule, IMPORT_IGNORED,
				  "for another architecture or an older kernel than a cell has");
	if (allows && strcmp(action, "SCMP_ACT_LOG") == 0)
		return import_row(p->im, pointer, rule, IMPORT_INEXPRESSIBLE,
				  "a policy cannot have calls logged");
	if (allows)
		return report_allowed(p, entry, pointer, rule);
	name_dropped(p, (json_int_t)index, false, &list);
	return import_row(p->im, pointer, rule, list.n > 0 ? IMPORT_TAKEN : IMPORT_REFUSED, "%s%s",
			  list.n > 0 ? "refused with EPERM: " : "the base refuses it", list.text);
}

int seccomp_report(struct profile *p)
{
	struct named list = {0};
	const char *action = json_string_value(json_object_get(p->json, "defaultAction"));
	char pointer[POLICY_POINTER_MAX];
	json_t *entry;
	size_t i;
	int r;

	name_dropped(p, 0, true, &list);
	(void)snprintf(pointer, sizeof(pointer), "%.48s/defaultAction", p->pointer);
	if (strcmp(action, "SCMP_ACT_LOG") == 0)
		r = import_row(p->im, pointer, action, IMPORT_INEXPRESSIBLE,
			       "a policy cannot have calls logged");
	else if (p->otherwise)
		r = import_row(p->im, pointer, action, IMPORT_NARROWED,
			       "what the base does not name stays refused");
	else
		r = import_row(p->im, pointer, action, list.n > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
			       "%zu calls of the base that no entry allows are refused%s%s", list.n,
			       list.n > 0 ? ": " : "", list.text);
	json_array_foreach(json_object_get(p->json, "syscalls"), i, entry)
		if (r == 0)
			r = report_entry(p, entry, i);
	return r;
}
