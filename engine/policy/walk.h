/*
 * Tables of keys, and the walk over one file's JSON that they drive. A handler applies one value to
 * the policy; values of children come behind those of their parents.
 */
#ifndef TOOLCELL_POLICY_WALK_H
#define TOOLCELL_POLICY_WALK_H

#include "policy/policy.h"

enum key_kind {
	KEY_IGNORE, /* accepted; read elsewhere */
	KEY_STRING,
	KEY_BOOL,
	KEY_COUNT,  /* a whole number >= 0 */
	KEY_NUMBER, /* a number > 0 */
	KEY_OBJECT, /* with the keys of a table */
	KEY_MAP,    /* with names that are free; the handler sees each member */
	KEY_LIST,   /* the handler sees each element */
	KEY_ANY,    /* the handler looks at the kind itself */
	KEY_KIND_N,
};

struct walk {
	struct policy *policy;
	uint32_t source;	  /* the file that is being applied */
	struct policy_tool *tool; /* inside /tools/NAME */
	struct err *err;
};

struct walk_node {
	struct walk *walk;
	json_t *value;
	const char *key; /* of the member; NULL for an element of a list */
	const char *pointer;
	bool final; /* a parent fixed this: only stricter values are accepted */
};

struct walk_key {
	const char *name;
	enum key_kind kind;
	uint32_t arg;
	int (*apply)(const struct walk_node *node, uint32_t arg);
	const struct walk_key *keys; /* KEY_OBJECT */
	size_t n_keys;
};

/** walk_object - apply each member of @node by the table; an unknown key is an error */
MUST_USE int walk_object(const struct walk_node *node, const struct walk_key *keys, size_t n_keys);

/** walk_refuse - policy_complain at the node.  Return: -EINVAL. */
int walk_refuse(const struct walk_node *node, const char *fmt, ...) PRINTF(2, 3);

/** walk_origin - of the node; its pointer is copied to the policy; pointer NULL without memory */
struct policy_origin walk_origin(const struct walk_node *node);

/** walk_choose - the node's string among @names; its index in *ret */
MUST_USE int walk_choose(const struct walk_node *node, const char *const *names, size_t n,
			 uint64_t *ret);

/** walk_text - the node's string, not empty; NULL after an error */
const char *walk_text(const struct walk_node *node);

/** walk_grow - room for one more element, zeroed; NULL after an error */
void *walk_grow(const struct walk_node *node, void *array, size_t *n, size_t each, size_t max);

/* The keys of a policy file and of a tool's section. */
extern const struct walk_key policy_keys[];
extern const size_t policy_n_keys;
extern const struct walk_key policy_tool_keys[];
extern const size_t policy_n_tool_keys;

/** walk_is_final - whether a file above the one that is walked fixed @pointer */
bool walk_is_final(const struct walk *walk, const char *pointer);

/** policy_pointer_is_known - whether some key of the tables has that pointer (for `final`) */
bool policy_pointer_is_known(const char *pointer);

/* Handlers for the lists of filesystem; @arg is an enum policy_kind. */
int entry_apply(const struct walk_node *node, uint32_t arg);

/* Handlers of "ask": of a tool, and what holds for every question. */
int ask_apply_tool(const struct walk_node *node, uint32_t arg);
int ask_apply_timeout(const struct walk_node *node, uint32_t arg);
int ask_apply_session(const struct walk_node *node, uint32_t arg);

#endif
