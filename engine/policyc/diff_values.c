/*
 * Theory of operation: a key of the format is a row: where its value lies, the words for it, and which
 * way is wider. Limits and tools have loops of their own; system calls and paths are not here,
 * because what decides on them is more than one key.
 */
#include <stdio.h>
#include <string.h>

#include "policyc/diff.h"

static const char *const network_words[] = {"none", "loopback"};
static const char *const link_words[] = {"inside", "any"};
static const char *const proc_words[] = {"none", "pid", "masked"};
static const char *const bool_words[] = {"false", "true"};

static const struct {
	const char *section;
	const char *object;
	size_t offset;		  /* of a struct policy_value */
	const char *const *words; /* NULL: a number */
	bool less_is_wider;
	bool neutral; /* it grants nothing, whichever way */
} values[] = {
	{"workspace", "workspace.mode", offsetof(struct policy, workspace), policy_workspace_names,
	 false},
	{"workspace", "workspace.fallback", offsetof(struct policy, fallback),
	 policy_fallback_names, false},
	{"workspace", "workspace.links", offsetof(struct policy, links), link_words, false},
	{"workspace", "workspace.sync", offsetof(struct policy, sync), bool_words, true},
	{"network", "network.mode", offsetof(struct policy, network), network_words, false},
	{"denials", "denials.observe", offsetof(struct policy, observe), policy_observe_names,
	 false, true},
	{"path", "filesystem.proc", offsetof(struct policy, proc), proc_words, false},
	{"require", "require.landlock_abi", offsetof(struct policy, landlock_abi), NULL, true},
	{"require", "require.private_uid", offsetof(struct policy, private_uid), bool_words, true},
};

static const struct {
	const char *section;
	const char *object;
	size_t offset; /* of a struct policy_names */
	enum diff_direction added;
	enum diff_direction removed;
} lists[] = {
	{"protect", "workspace.protect", offsetof(struct policy, protect), DIFF_NARROWER,
	 DIFF_WIDER},
	{"workspace", "workspace.scratch", offsetof(struct policy, scratch), DIFF_CHANGED,
	 DIFF_CHANGED},
	{"workspace", "workspace.driver", offsetof(struct policy, driver), DIFF_WIDER,
	 DIFF_NARROWER},
	{"environment", "environment.set", offsetof(struct policy, env_set), DIFF_CHANGED,
	 DIFF_CHANGED},
	{"environment", "environment.pass", offsetof(struct policy, env_pass), DIFF_WIDER,
	 DIFF_NARROWER},
	{"require", "require.cgroup", offsetof(struct policy, cgroup), DIFF_NARROWER, DIFF_WIDER},
	{"denials", "denials.absent", offsetof(struct policy, absent), DIFF_CHANGED, DIFF_CHANGED},
	{"final", "final", offsetof(struct policy, finals), DIFF_NARROWER, DIFF_WIDER},
};

static const struct policy_origin built_in = {POLICY_BUILT_IN, NULL};

static const struct policy *policy_of(const struct diff *diff, size_t side)
{
	return diff->plans[side]->policy;
}

static void add(struct diff *diff, enum diff_direction direction, const char *section,
		const char *object, const char *a, const char *b, struct policy_origin rule_a,
		struct policy_origin rule_b)
{
	diff_add(diff, direction, section, object, (const char *const[]){a, b},
		 (const struct policy_origin[]){rule_a, rule_b});
}

static void compare_value(struct diff *diff, size_t i)
{
	const struct policy_value *v[DIFF_SIDE_N];
	char text[DIFF_SIDE_N][32];
	bool less;

	for (size_t side = 0; side < DIFF_SIDE_N; side++) {
		v[side] = (const void *)((const char *)policy_of(diff, side) + values[i].offset);
		if (values[i].words)
			(void)snprintf(text[side], sizeof(text[side]), "%s",
				       values[i].words[v[side]->value]);
		else
			(void)snprintf(text[side], sizeof(text[side]), "%llu",
				       (unsigned long long)v[side]->value);
	}
	if (v[DIFF_A]->value == v[DIFF_B]->value)
		return;
	less = v[DIFF_B]->value < v[DIFF_A]->value;
	add(diff,
	    values[i].neutral		      ? DIFF_CHANGED
	    : less == values[i].less_is_wider ? DIFF_WIDER
					      : DIFF_NARROWER,
	    values[i].section, values[i].object, text[DIFF_A], text[DIFF_B], v[DIFF_A]->origin,
	    v[DIFF_B]->origin);
}

static const struct policy_name *find(const struct policy_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->at[i].name, name) == 0)
			return &names->at[i];
	return NULL;
}

static const char *word_of(const struct policy_name *name)
{
	if (!name)
		return "absent";
	return name->value ? name->value : "there";
}

/* "only": "file" of a protected path is less than the whole of it. */
static enum diff_direction direction_of(size_t i, const struct policy_name *a,
					const struct policy_name *b)
{
	if (!a)
		return lists[i].added;
	if (!b)
		return lists[i].removed;
	if (lists[i].offset != offsetof(struct policy, protect))
		return DIFF_CHANGED;
	return b->value ? DIFF_WIDER : DIFF_NARROWER;
}

static void compare_name(struct diff *diff, size_t i, const struct policy_name *a,
			 const struct policy_name *b)
{
	char object[512];

	if (a && b && strcmp(word_of(a), word_of(b)) == 0)
		return;
	(void)snprintf(object, sizeof(object), "%s \"%.400s\"", lists[i].object,
		       a ? a->name : b->name);
	add(diff, direction_of(i, a, b), lists[i].section, object, word_of(a), word_of(b),
	    a ? a->origin : built_in, b ? b->origin : built_in);
}

static void compare_list(struct diff *diff, size_t i)
{
	const struct policy_names *names[DIFF_SIDE_N];

	for (size_t side = 0; side < DIFF_SIDE_N; side++)
		names[side] = (const void *)((const char *)policy_of(diff, side) + lists[i].offset);
	for (size_t n = 0; n < names[DIFF_A]->n; n++)
		compare_name(diff, i, &names[DIFF_A]->at[n],
			     find(names[DIFF_B], names[DIFF_A]->at[n].name));
	for (size_t n = 0; n < names[DIFF_B]->n; n++)
		if (!find(names[DIFF_A], names[DIFF_B]->at[n].name))
			compare_name(diff, i, NULL, &names[DIFF_B]->at[n]);
}

/* Of the policy, or of one tool (NULL: none) as @prefix says. */
static void compare_limits(struct diff *diff, const char *prefix,
			   const struct policy_tool *const tools[DIFF_SIDE_N])
{
	for (size_t i = 0; i < POLICY_LIMIT_N; i++) {
		uint64_t v[DIFF_SIDE_N];
		struct policy_origin rules[DIFF_SIDE_N];
		char text[DIFF_SIDE_N][64];
		char object[128];

		for (size_t side = 0; side < DIFF_SIDE_N; side++) {
			const struct policy *p = policy_of(diff, side);
			bool own = tools[side] && tools[side]->limits[i].set;

			v[side] = policy_effective_limit(p, tools[side], i);
			rules[side] = own ? tools[side]->limits[i].origin : p->limits[i].origin;
			policy_limit_text((enum policy_limit)i, v[side], text[side],
					  sizeof(text[side]));
		}
		if (v[DIFF_A] == v[DIFF_B])
			continue;
		(void)snprintf(object, sizeof(object), "%s%s", prefix,
			       policy_limit_name((enum policy_limit)i));
		/* 0 is none at all. */
		add(diff,
		    v[DIFF_B] == 0 || (v[DIFF_A] != 0 && v[DIFF_B] > v[DIFF_A]) ? DIFF_WIDER
										: DIFF_NARROWER,
		    "limit", object, text[DIFF_A], text[DIFF_B], rules[DIFF_A], rules[DIFF_B]);
	}
}

static void compare_flag(struct diff *diff, const char *tool, const char *what,
			 const struct policy_value *a, const struct policy_value *b,
			 const char *word)
{
	bool on_a = a && a->set;
	bool on_b = b && b->set;
	char object[128];

	if (on_a == on_b)
		return;
	(void)snprintf(object, sizeof(object), "%s %s", tool, what);
	add(diff, on_b ? DIFF_NARROWER : DIFF_WIDER, "tool", object, on_a ? word : "the policy's",
	    on_b ? word : "the policy's", on_a ? a->origin : built_in, on_b ? b->origin : built_in);
}

/* What a tool has beside the policy's own; limits only where a section sets some. */
static void compare_tool(struct diff *diff, const char *name)
{
	const struct policy_tool *tools[DIFF_SIDE_N];
	bool taken[DIFF_SIDE_N];
	bool narrows = false;
	char prefix[80];

	for (size_t side = 0; side < DIFF_SIDE_N; side++) {
		tools[side] = policy_find_tool(policy_of(diff, side), name);
		taken[side] = tools[side] && tools[side]->taken_away;
		for (size_t i = 0; tools[side] && i < POLICY_LIMIT_N; i++)
			narrows = narrows || tools[side]->limits[i].set;
	}
	if (taken[DIFF_A] != taken[DIFF_B])
		add(diff, taken[DIFF_B] ? DIFF_NARROWER : DIFF_WIDER, "tool", name,
		    taken[DIFF_A] ? "taken away" : "granted",
		    taken[DIFF_B] ? "taken away" : "granted",
		    tools[DIFF_A] ? tools[DIFF_A]->origin : built_in,
		    tools[DIFF_B] ? tools[DIFF_B]->origin : built_in);
	if (taken[DIFF_A] || taken[DIFF_B])
		return;
	compare_flag(diff, name, "workspace", tools[DIFF_A] ? &tools[DIFF_A]->workspace : NULL,
		     tools[DIFF_B] ? &tools[DIFF_B]->workspace : NULL, "readonly");
	compare_flag(diff, name, "network", tools[DIFF_A] ? &tools[DIFF_A]->network : NULL,
		     tools[DIFF_B] ? &tools[DIFF_B]->network : NULL, "none");
	(void)snprintf(prefix, sizeof(prefix), "%.48s ", name);
	if (narrows)
		compare_limits(diff, prefix, tools);
}

int diff_values(struct diff *diff)
{
	static const struct policy_tool *const none[DIFF_SIDE_N];
	const struct policy *a = policy_of(diff, DIFF_A);
	const struct policy *b = policy_of(diff, DIFF_B);

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		compare_value(diff, i);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		compare_list(diff, i);
	compare_limits(diff, "", none);
	for (size_t i = 0; i < a->n_tools; i++)
		compare_tool(diff, a->tools[i].name);
	for (size_t i = 0; i < b->n_tools; i++)
		if (!policy_find_tool(a, b->tools[i].name))
			compare_tool(diff, b->tools[i].name);
	return 0;
}
