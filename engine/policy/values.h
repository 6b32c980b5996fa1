/* Single values and lists of names of a policy, as the handlers of keys store them. */
#ifndef TOOLCELL_POLICY_VALUES_H
#define TOOLCELL_POLICY_VALUES_H

#include "policy/walk.h"

/** value_store - with the node's origin */
MUST_USE int value_store(const struct walk_node *node, struct policy_value *value, uint64_t number);

/** value_refuse_looser - "is looser than FILE#/POINTER, which is final".  Return: -EINVAL. */
int value_refuse_looser(const struct walk_node *node, const struct policy_value *old);

/** value_demand - a boolean that is the stricter one when it is true */
MUST_USE int value_demand(const struct walk_node *node, struct policy_value *value);

/** value_choose - the index of the node's string among @names, which stand in order, strictest first */
MUST_USE int value_choose(const struct walk_node *node, const char *const *names, size_t n,
			  struct policy_value *value);

/** names_put - add or replace; a list that is final takes nothing new unless @may_grow */
MUST_USE int names_put(const struct walk_node *node, struct policy_names *names, const char *name,
		       const char *value, bool may_grow);
struct policy_name *names_find(const struct policy_names *names, const char *name);
void names_drop(struct policy_names *names, const char *name);

/* denials.c */
#define POLICY_DENIALS_KEYS 2U
extern const struct walk_key policy_denials_keys[];

/* workspace.c */
#define POLICY_WORKSPACE_KEYS 7U
extern const struct walk_key policy_workspace_keys[];

/* audit.c */
#define POLICY_AUDIT_KEYS 6U
extern const struct walk_key policy_audit_keys[];

#endif
