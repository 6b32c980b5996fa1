/*
 * Theory of operation: the three things that handlers of keys do, for single values and for lists of
 * names: hold the new one against what a parent may have made final, and store it with its origin.
 */
#include "policy/values.h"

#include <errno.h>
#include <string.h>

int value_store(const struct walk_node *node, struct policy_value *value, uint64_t number)
{
	struct policy_origin origin = walk_origin(node);

	if (!origin.pointer)
		return err_set(node->walk->err, ENOMEM, "cannot read the policy");
	*value = (struct policy_value){.value = number, .set = true, .origin = origin};
	return 0;
}

/* "policies/base.json#/limits/wall fixed it" */
int value_refuse_looser(const struct walk_node *node, const struct policy_value *old)
{
	char where[256];

	return walk_refuse(node, "is looser than %s, which is final",
			   policy_where(node->walk->policy, old->origin, where, sizeof(where)));
}

int value_demand(const struct walk_node *node, struct policy_value *value)
{
	bool on = json_is_true(node->value);

	if (node->final && !on && value->value)
		return value_refuse_looser(node, value);
	return value_store(node, value, on);
}

int value_choose(const struct walk_node *node, const char *const *names, size_t n,
		 struct policy_value *value)
{
	uint64_t mode;
	int r = walk_choose(node, names, n, &mode);

	if (r < 0)
		return r;
	if (node->final && mode > value->value)
		return value_refuse_looser(node, value);
	return value_store(node, value, mode);
}

struct policy_name *names_find(const struct policy_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->at[i].name, name) == 0)
			return &names->at[i];
	return NULL;
}

/* Adds or replaces; a list that is final takes nothing new unless @may_grow. */
int names_put(const struct walk_node *node, struct policy_names *names, const char *name,
	      const char *value, bool may_grow)
{
	struct policy_name *old = names_find(names, name);
	struct policy_name *grown;
	bool same = old && (!value || (old->value && strcmp(old->value, value) == 0));
	struct policy_origin origin;

	if (old && old->origin.source == node->walk->source)
		return walk_refuse(node, "\"%s\" is listed twice", name);
	if (same)
		return 0;
	if (node->final && !may_grow)
		return walk_refuse(node, "\"%s\" cannot be added: a parent made this list final",
				   name);
	origin = walk_origin(node);
	if (!origin.pointer)
		return err_set(node->walk->err, ENOMEM, "cannot read the policy");
	if (!old) {
		grown = walk_grow(node, names->at, &names->n, sizeof(*grown), POLICY_NAMES_MAX);
		if (!grown)
			return -EINVAL;
		names->at = grown;
		old = &grown[names->n - 1];
	}
	*old = (struct policy_name){.name = name, .value = value, .origin = origin};
	return 0;
}

void names_drop(struct policy_names *names, const char *name)
{
	struct policy_name *old = names_find(names, name);

	if (!old)
		return;
	names->n--;
	memmove(old, old + 1, (size_t)(names->at + names->n - old) * sizeof(*old));
}
