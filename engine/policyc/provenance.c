/*
 * Theory of operation: a row per rule that a refusal can come from, each with where its value is kept in
 * struct policy. Lists have no place of their own: the entry that was added last names the file, and its
 * list is what is pointed at. What no file says is "built in".
 */
#include "policyc/provenance.h"

#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "policy/syscalls.h"

#define CALLS_MAX 512

static int put(json_t *map, const char *key, const char *text)
{
	return json_object_set_new(map, key, json_string(text));
}

static int put_origin(json_t *map, const char *key, const struct policy *policy,
		      struct policy_origin origin)
{
	char where[512];

	return put(map, key, policy_where(policy, origin, where, sizeof(where)));
}

static const struct {
	const char *key;
	size_t value; /* offset of a struct policy_value */
} value_rows[] = {
	{"workspace/mode", offsetof(struct policy, workspace)},
	{"workspace/fallback", offsetof(struct policy, fallback)},
	{"network/mode", offsetof(struct policy, network)},
	{"filesystem/proc", offsetof(struct policy, proc)},
	{"require/landlock_abi", offsetof(struct policy, landlock_abi)},
	{"denials/observe", offsetof(struct policy, observe)},
};

static const struct {
	const char *key;
	size_t names; /* offset of a struct policy_names */
} list_rows[] = {
	{"syscalls", offsetof(struct policy, groups)},
	{"syscalls/sockets", offsetof(struct policy, sockets)},
	{"require/cgroup", offsetof(struct policy, cgroup)},
};

/* "policies/x.json#/syscalls/sockets/1" names an element; the list is what decides. */
static int put_list(json_t *map, const char *key, const struct policy *policy,
		    const struct policy_names *names)
{
	char where[512];
	char *mark;

	if (names->n == 0)
		return put(map, key, "built in");
	policy_where(policy, names->at[names->n - 1].origin, where, sizeof(where));
	mark = strchr(where, '#');
	if (mark)
		(void)snprintf(mark, sizeof(where) - (size_t)(mark - where), "#/%s", key);
	return put(map, key, where);
}

static json_t *at_new(const struct policy *policy)
{
	json_t *at = json_object();
	char key[64];
	int r = at ? 0 : -1;

	for (size_t i = 0; i < ARRAY_SIZE(value_rows) && r == 0; i++) {
		const void *value = (const char *)policy + value_rows[i].value;

		r = put_origin(at, value_rows[i].key, policy,
			       ((const struct policy_value *)value)->origin);
	}
	for (size_t i = 0; i < ARRAY_SIZE(list_rows) && r == 0; i++)
		r = put_list(at, list_rows[i].key, policy,
			     (const void *)((const char *)policy + list_rows[i].names));
	for (int i = 0; i < POLICY_LIMIT_N && r == 0; i++) {
		(void)snprintf(key, sizeof(key), "limits/%s",
			       policy_limit_name((enum policy_limit)i));
		r = put_origin(at, key, policy, policy->limits[i].origin);
	}
	if (r < 0) {
		json_decref(at);
		return NULL;
	}
	return at;
}

static json_t *tool_new(const struct policy *policy, const struct policy_tool *tool)
{
	json_t *map = json_object();
	char key[64];
	int r = map ? 0 : -1;

	for (int i = 0; i < POLICY_LIMIT_N && r == 0; i++) {
		(void)snprintf(key, sizeof(key), "limits/%s",
			       policy_limit_name((enum policy_limit)i));
		if (tool->limits[i].set)
			r = put_origin(map, key, policy, tool->limits[i].origin);
	}
	if (r == 0 && tool->workspace.set)
		r = put_origin(map, "workspace/mode", policy, tool->workspace.origin);
	if (r == 0 && tool->network.set)
		r = put_origin(map, "network/mode", policy, tool->network.origin);
	if (r < 0) {
		json_decref(map);
		return NULL;
	}
	return map;
}

static json_t *tools_new(const struct policy *policy)
{
	json_t *tools = json_object();

	for (size_t i = 0; tools && i < policy->n_tools; i++)
		if (json_object_set_new(tools, policy->tools[i].name,
					tool_new(policy, &policy->tools[i])) < 0) {
			json_decref(tools);
			return NULL;
		}
	return tools;
}

/* What the policy itself makes final binds who extends it; its own file may still change. */
static json_t *final_new(const struct policy *policy)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < policy->finals.n; i++)
		if (policy->finals.at[i].origin.source + 1 < policy->n_sources &&
		    json_array_append_new(list, json_string(policy->finals.at[i].name)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *deny_new(const struct policy *policy)
{
	json_t *map = json_object();

	for (size_t i = 0; map && i < policy->deny.n; i++)
		if (put_origin(map, policy->deny.at[i].name, policy, policy->deny.at[i].origin) <
		    0) {
			json_decref(map);
			return NULL;
		}
	return map;
}

static int append_call(struct buf *names, json_t *never, int nr)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
	const char *why = name ? syscalls_never(name) : NULL;
	json_t *old = why ? json_object_get(never, why) : NULL;
	char *grown = NULL;
	int r = buf_printf(names, "%s%s", nr > 0 ? " " : "", name ? name : "-");

	if (r == 0 && why) {
		if (asprintf(&grown, "%s%s%s", old ? json_string_value(old) : "", old ? " " : "",
			     name) < 0)
			r = -1;
		else
			r = put(never, why, grown);
		free(grown);
	}
	free(name);
	return r;
}

static int put_calls(json_t *rules)
{
	struct buf names = {0};
	json_t *never = json_object();
	int r = never ? 0 : -1;

	for (int nr = 0; nr < CALLS_MAX && r == 0; nr++)
		r = append_call(&names, never, nr);
	if (r == 0)
		r = json_object_set_new(rules, "calls", json_stringn(names.data, names.len));
	if (r == 0)
		r = json_object_set(rules, "never", never);
	json_decref(never);
	buf_fini(&names);
	return r;
}

json_t *provenance_new(const struct policy *policy)
{
	const char *label = policy->sources[policy->n_sources - 1].label;
	json_t *rules = json_pack("{s:s, s:o, s:o, s:o, s:o}", "file", label, "at", at_new(policy),
				  "tools", tools_new(policy), "final", final_new(policy), "deny",
				  deny_new(policy));

	if (rules && put_calls(rules) < 0) {
		json_decref(rules);
		return NULL;
	}
	return rules;
}
