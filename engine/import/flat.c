/*
 * Theory of operation: the opposite of loading. What a chain of files has come to is written as one
 * object with the words of the format, and only what some file has said; what is built in stays
 * built in. Limits of tools are lowered to the policy's own, as a chain would have them.
 */
#include <stdio.h>
#include <string.h>

#include "import/import.h"

static void set(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

static json_t *text_json(enum policy_limit limit, uint64_t value)
{
	char text[48];

	policy_limit_text(limit, value, text, sizeof(text));
	return json_string(text);
}

static json_t *size_json(uint64_t bytes)
{
	return text_json(POLICY_LIMIT_MEMORY, bytes);
}

static json_t *limit_json(enum policy_limit limit, uint64_t value)
{
	switch (limit) {
	case POLICY_LIMIT_WALL:
	case POLICY_LIMIT_CPU:
	case POLICY_LIMIT_MEMORY:
	case POLICY_LIMIT_FILE_SIZE:
	case POLICY_LIMIT_OUTPUT:
	case POLICY_LIMIT_IO:
	case POLICY_LIMIT_SESSION_SIZE:
		return text_json(limit, value);
	case POLICY_LIMIT_CPUS:
		return json_real((double)value / 1000);
	case POLICY_LIMIT_PROCESSES:
	case POLICY_LIMIT_OPEN_FILES:
	case POLICY_LIMIT_SESSION_FILES:
	case POLICY_LIMIT_N:
		break;
	}
	return json_integer((json_int_t)value);
}

static json_t *limits_json(const struct policy_value *limits, const struct policy_value *most)
{
	json_t *out = json_object();

	for (size_t i = 0; i < POLICY_LIMIT_N; i++) {
		uint64_t value = limits[i].value;

		if (most && most[i].value != 0 && value > most[i].value)
			value = most[i].value;
		if (limits[i].set)
			set(out, policy_limit_name((enum policy_limit)i),
			    limit_json((enum policy_limit)i, value));
	}
	return out;
}

static json_t *names_json(const struct policy_names *names)
{
	json_t *out = json_array();

	for (size_t i = 0; i < names->n; i++)
		(void)json_array_append_new(out, names->at[i].value
							 ? json_pack("{ss ss}", "path",
								     names->at[i].name, "only",
								     names->at[i].value)
							 : json_string(names->at[i].name));
	return out;
}

static json_t *entry_json(const struct policy_entry *e)
{
	bool bind = e->kind == POLICY_READ || e->kind == POLICY_WRITE;
	bool memory = e->kind == POLICY_TMPFS || e->kind == POLICY_OVERLAY;
	json_t *out = json_pack("{ss}", "path", e->path);
	char mode[8];

	if (e->target)
		set(out, "target", json_string(e->target));
	if (e->content)
		set(out, "content", json_string(e->content));
	if (memory)
		set(out, "size", size_json(e->size_bytes));
	if (memory && e->inodes)
		set(out, "inodes", json_integer((json_int_t)e->inodes));
	(void)snprintf(mode, sizeof(mode), "%04o", (unsigned int)e->mode & 01777U);
	if (e->kind == POLICY_TMPFS || e->kind == POLICY_DIRECTORY)
		set(out, "mode", json_string(mode));
	if ((bind || e->kind == POLICY_OVERLAY) && e->optional)
		set(out, "optional", json_true());
	if ((bind || memory) && !e->execute)
		set(out, "execute", json_false());
	if (bind && e->ask)
		set(out, "ask", json_true());
	if ((bind && json_object_size(out) == 1) || e->kind == POLICY_DEVICE) {
		json_decref(out);
		return json_string(e->path);
	}
	return out;
}

static json_t *filesystem_json(const struct policy *p)
{
	static const char *const proc[] = {NULL, "pid", "masked"};
	json_t *out = json_object();

	for (size_t kind = 0; kind < POLICY_KIND_N; kind++) {
		json_t *list = json_array();

		for (size_t i = 0; i < p->n_entries; i++)
			if (p->entries[i].kind == kind)
				(void)json_array_append_new(list, entry_json(&p->entries[i]));
		if (json_array_size(list) > 0)
			set(out, policy_kind_name((enum policy_kind)kind), list);
		else
			json_decref(list);
	}
	if (proc[p->proc.value])
		set(out, "proc", json_string(proc[p->proc.value]));
	if (p->pts.set)
		set(out, "pts", json_boolean(p->pts.value));
	return out;
}

static json_t *workspace_json(const struct policy *p)
{
	static const struct {
		const char *name;
		size_t offset;
	} lists[] = {{"driver", offsetof(struct policy, driver)},
		     {"protect", offsetof(struct policy, protect)},
		     {"scratch", offsetof(struct policy, scratch)}};
	json_t *out = json_pack("{ss}", "mode", policy_workspace_names[p->workspace.value]);

	if (p->fallback.set)
		set(out, "fallback", json_string(policy_fallback_names[p->fallback.value]));
	if (p->links.set)
		set(out, "links",
		    json_string(p->links.value == POLICY_LINKS_INSIDE ? "inside" : "any"));
	if (p->sync.set)
		set(out, "sync", json_boolean(p->sync.value));
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		const void *names = (const char *)p + lists[i].offset;

		if (((const struct policy_names *)names)->n > 0)
			set(out, lists[i].name, names_json(names));
	}
	return out;
}

static json_t *environment_json(const struct policy *p)
{
	json_t *values = json_object();

	for (size_t i = 0; i < p->env_set.n; i++)
		set(values, p->env_set.at[i].name, json_string(p->env_set.at[i].value));
	return json_pack("{so so}", "set", values, "pass", names_json(&p->env_pass));
}

static json_t *tools_json(const struct policy *p)
{
	json_t *out = json_object();

	for (size_t i = 0; i < p->n_tools; i++) {
		const struct policy_tool *t = &p->tools[i];
		json_t *tool = t->taken_away ? json_false() : json_object();
		json_t *limits = limits_json(t->limits, p->limits);

		if (!t->taken_away && json_object_size(limits) > 0)
			set(tool, "limits", json_incref(limits));
		if (!t->taken_away && t->workspace.set)
			set(tool, "workspace", json_pack("{ss}", "mode", "readonly"));
		if (!t->taken_away && t->network.set)
			set(tool, "network", json_pack("{ss}", "mode", "none"));
		if (!t->taken_away && t->observe.set)
			set(tool, "denials",
			    json_pack("{ss}", "observe", policy_observe_names[t->observe.value]));
		if (!t->taken_away && t->ask.value)
			set(tool, "ask",
			    t->ask_patterns.n > 0
				    ? json_pack("{so}", "patterns", names_json(&t->ask_patterns))
				    : json_true());
		json_decref(limits);
		set(out, t->name, tool);
	}
	return out;
}

static json_t *syscalls_json(const struct policy *p)
{
	return json_pack("{so so so so}", "groups", names_json(&p->groups), "allow",
			 names_json(&p->allow), "deny", names_json(&p->deny), "sockets",
			 names_json(&p->sockets));
}

static json_t *require_json(const struct policy *p)
{
	return json_pack("{sI sb so}", "landlock_abi", (json_int_t)p->landlock_abi.value,
			 "private_uid", p->private_uid.value != 0, "cgroup",
			 names_json(&p->cgroup));
}

static json_t *denials_json(const struct policy *p)
{
	json_t *out = json_object();

	if (p->observe.set)
		set(out, "observe", json_string(policy_observe_names[p->observe.value]));
	if (p->absent.n > 0)
		set(out, "absent", names_json(&p->absent));
	return out;
}

static json_t *ask_json(const struct policy *p)
{
	json_t *out = json_object();

	if (p->ask_timeout.set)
		set(out, "timeout", text_json(POLICY_LIMIT_WALL, p->ask_timeout.value));
	if (p->ask_session.set)
		set(out, "session", json_boolean(p->ask_session.value));
	return out;
}

static json_t *rotate_json(const struct policy_audit *a)
{
	json_t *out = json_object();

	if (a->rotate_size.set)
		set(out, "size", size_json(a->rotate_size.value));
	if (a->rotate_keep.set)
		set(out, "keep", json_integer((json_int_t)a->rotate_keep.value));
	return out;
}

static json_t *audit_json(const struct policy_audit *a)
{
	json_t *out = json_pack("{ss so s{so so}}", "path", a->path, "rotate", rotate_json(a),
				"mask", "names", names_json(&a->names), "patterns",
				names_json(&a->patterns));

	if (a->arguments.set)
		set(out, "arguments",
		    json_string(policy_audit_arguments_names[a->arguments.value]));
	if (a->sync.set)
		set(out, "sync", json_string(policy_audit_sync_names[a->sync.value]));
	if (a->full.set)
		set(out, "full", json_string(policy_audit_full_names[a->full.value]));
	return out;
}

json_t *import_flatten(const struct policy *p)
{
	json_t *out = json_object();

	set(out, "name", json_string(p->name));
	if (p->description)
		set(out, "description", json_string(p->description));
	set(out, "workspace", workspace_json(p));
	set(out, "filesystem", filesystem_json(p));
	set(out, "network",
	    json_pack("{ss}", "mode", p->network.value == IMAGE_NET_NONE ? "none" : "loopback"));
	set(out, "syscalls", syscalls_json(p));
	set(out, "limits", limits_json(p->limits, NULL));
	set(out, "environment", environment_json(p));
	set(out, "tools", tools_json(p));
	set(out, "require", require_json(p));
	set(out, "denials", denials_json(p));
	set(out, "ask", ask_json(p));
	set(out, "audit", audit_json(&p->audit));
	if (p->finals.n > 0)
		set(out, "final", names_json(&p->finals));
	return out;
}
