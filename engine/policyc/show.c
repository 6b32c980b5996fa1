/*
 * Theory of operation: a policy is first made into JSON, in which every value stands beside the
 * file and pointer that it comes from; the readable text is that JSON, section by section. So the
 * two can never say different things.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policyc/command.h"

static json_t *from(const struct policy *policy, struct policy_origin origin)
{
	char where[512];

	return json_string(policy_where(policy, origin, where, sizeof(where)));
}

static json_t *value_json(const struct policy *policy, const struct policy_value *value,
			  json_t *shown)
{
	return json_pack("{so so}", "value", shown, "from", from(policy, value->origin));
}

static json_t *names_json(const struct policy *policy, const struct policy_names *names)
{
	json_t *list = json_array();

	for (size_t i = 0; i < names->n; i++)
		(void)json_array_append_new(list,
					    json_pack("{ss ss? so}", "name", names->at[i].name,
						      "value", names->at[i].value, "from",
						      from(policy, names->at[i].origin)));
	return list;
}

static json_t *limit_shown(size_t limit, uint64_t value)
{
	char text[48];

	policy_limit_text((enum policy_limit)limit, value, text, sizeof(text));
	if (value == 0)
		return json_string("no limit");
	if (limit == POLICY_LIMIT_CPUS)
		return json_real((double)value / 1000);
	if (strspn(text, "0123456789") == strlen(text))
		return json_integer((json_int_t)value);
	return json_string(text);
}

static json_t *size_shown(uint64_t bytes)
{
	return limit_shown(POLICY_LIMIT_MEMORY, bytes);
}

static json_t *limits_json(const struct policy *policy, const struct policy_value *limits, bool all)
{
	json_t *out = json_object();

	for (size_t i = 0; i < POLICY_LIMIT_N; i++)
		if (all || limits[i].set)
			(void)json_object_set_new(out, policy_limit_name((enum policy_limit)i),
						  value_json(policy, &limits[i],
							     limit_shown(i, limits[i].value)));
	return out;
}

static json_t *entries_json(const struct policy *policy)
{
	json_t *out = json_object();

	for (size_t kind = 0; kind < POLICY_KIND_N; kind++) {
		json_t *list = json_array();

		for (size_t i = 0; i < policy->n_entries; i++) {
			const struct policy_entry *e = &policy->entries[i];

			if (e->kind == kind)
				(void)json_array_append_new(list,
							    json_pack("{ss ss? ss? so}", "name",
								      e->path, "target", e->target,
								      "value",
								      e->ask ? "ask" : NULL, "from",
								      from(policy, e->origin)));
		}
		(void)json_object_set_new(out, policy_kind_name((enum policy_kind)kind), list);
	}
	return out;
}

static json_t *tools_json(const struct policy *policy)
{
	json_t *out = json_object();

	for (size_t i = 0; i < policy->n_tools; i++) {
		const struct policy_tool *t = &policy->tools[i];
		json_t *tool = json_pack("{sb so so}", "granted", !t->taken_away, "from",
					 from(policy, t->origin), "limits",
					 limits_json(policy, t->limits, false));

		if (t->workspace.set)
			(void)json_object_set_new(tool, "workspace", json_string("readonly"));
		if (t->network.set)
			(void)json_object_set_new(tool, "network", json_string("none"));
		if (t->ask.value)
			(void)json_object_set_new(tool, "ask",
						  names_json(policy, &t->ask_patterns));
		(void)json_object_set_new(out, t->name, tool);
	}
	return out;
}

static const char *mount_word(const struct policy_mount *m)
{
	static const char *const words[] = {
		[IMAGE_MOUNT_BIND] = "bind",	   [IMAGE_MOUNT_TMPFS] = "tmpfs",
		[IMAGE_MOUNT_PROC] = "proc",	   [IMAGE_MOUNT_DEVPTS] = "devpts",
		[IMAGE_MOUNT_DEVICE] = "device",   [IMAGE_MOUNT_SYMLINK] = "symlink",
		[IMAGE_MOUNT_DIR] = "directory",   [IMAGE_MOUNT_FILE] = "file",
		[IMAGE_MOUNT_OVERLAY] = "overlay", [IMAGE_MOUNT_WORKSPACE] = "workspace",
		[IMAGE_MOUNT_DATA] = "session",	   [IMAGE_MOUNT_BASE] = "base",
	};

	return words[m->type];
}

static json_t *effective_json(const struct policy_plan *plan)
{
	json_t *mounts = json_array();
	json_t *env = json_object();

	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct policy_mount *m = &plan->mounts[i];
		bool content = m->type == IMAGE_MOUNT_FILE;

		(void)json_array_append_new(mounts,
					    json_pack("{ss ss? ss? sb so}", "type", mount_word(m),
						      "target", m->target, "source",
						      content ? NULL : m->source, "readonly",
						      (m->flags & IMAGE_MOUNT_READONLY) != 0,
						      "from", from(plan->policy, m->origin)));
	}
	for (size_t i = 0; i < plan->n_env; i++)
		(void)json_object_set_new(env, plan->env[i].name,
					  plan->env[i].value ? json_string(plan->env[i].value)
							     : json_null());
	return json_pack("{ss so so}", "home", plan->home, "mounts", mounts, "environment", env);
}

static json_t *chain_json(const struct policy *policy)
{
	json_t *list = json_array();

	for (uint32_t i = policy->n_sources; i > 0; i--)
		(void)json_array_append_new(list, json_string(policy->sources[i - 1].label));
	return list;
}

static json_t *require_json(const struct policy *p)
{
	return json_pack("{so so so}", "landlock_abi",
			 value_json(p, &p->landlock_abi,
				    json_integer((json_int_t)p->landlock_abi.value)),
			 "private_uid",
			 value_json(p, &p->private_uid, json_boolean(p->private_uid.value)),
			 "cgroup", names_json(p, &p->cgroup));
}

static void add_workspace(json_t *out, const struct policy *p)
{
	const char *fallback = policy_fallback_names[p->fallback.value];
	const char *links = p->links.value == POLICY_LINKS_INSIDE ? "inside" : "any";

	(void)json_object_set_new(out, "workspace.fallback",
				  value_json(p, &p->fallback, json_string(fallback)));
	(void)json_object_set_new(out, "workspace.links",
				  value_json(p, &p->links, json_string(links)));
	(void)json_object_set_new(out, "workspace.sync",
				  value_json(p, &p->sync, json_boolean(p->sync.value)));
}

static void add_audit(json_t *out, const struct policy *p)
{
	const struct policy_audit *a = &p->audit;

	(void)json_object_set_new(out, "audit",
				  json_pack("{ss so}", "value", a->path, "from",
					    from(p, a->path_origin)));
	(void)json_object_set_new(
		out, "audit.arguments",
		value_json(p, &a->arguments,
			   json_string(policy_audit_arguments_names[a->arguments.value])));
	(void)json_object_set_new(out, "audit.sync",
				  value_json(p, &a->sync,
					     json_string(policy_audit_sync_names[a->sync.value])));
	(void)json_object_set_new(out, "audit.full",
				  value_json(p, &a->full,
					     json_string(policy_audit_full_names[a->full.value])));
	(void)json_object_set_new(out, "audit.rotate.size",
				  value_json(p, &a->rotate_size, size_shown(a->rotate_size.value)));
	(void)json_object_set_new(out, "audit.rotate.keep",
				  value_json(p, &a->rotate_keep,
					     json_integer((json_int_t)a->rotate_keep.value)));
}

json_t *show_policy_json(const struct policy *p, const struct policy_plan *plan)
{
	static const char *const proc[] = {"none", "pid", "masked"};
	json_t *out = json_pack("{ss ss? so so so so so so so so so}", "name", p->name,
				"description", p->description, "files", chain_json(p), "workspace",
				value_json(p, &p->workspace,
					   json_string(policy_workspace_names[p->workspace.value])),
				"network",
				value_json(p, &p->network,
					   json_string(p->network.value ? "loopback" : "none")),
				"proc", value_json(p, &p->proc, json_string(proc[p->proc.value])),
				"pts", value_json(p, &p->pts, json_boolean(p->pts.value)),
				"filesystem", entries_json(p), "limits",
				limits_json(p, p->limits, true), "tools", tools_json(p), "require",
				require_json(p));
	static const struct {
		const char *name;
		size_t offset;
	} lists[] = {
		{"syscalls.groups", offsetof(struct policy, groups)},
		{"syscalls.allow", offsetof(struct policy, allow)},
		{"syscalls.deny", offsetof(struct policy, deny)},
		{"syscalls.sockets", offsetof(struct policy, sockets)},
		{"environment.set", offsetof(struct policy, env_set)},
		{"environment.pass", offsetof(struct policy, env_pass)},
		{"workspace.driver", offsetof(struct policy, driver)},
		{"workspace.protect", offsetof(struct policy, protect)},
		{"workspace.scratch", offsetof(struct policy, scratch)},
		{"audit.mask.names", offsetof(struct policy, audit.names)},
		{"audit.mask.patterns", offsetof(struct policy, audit.patterns)},
		{"final", offsetof(struct policy, finals)},
	};

	if (out)
		add_workspace(out, p);
	if (out)
		add_audit(out, p);
	if (out)
		(void)json_object_set_new(out, "ask.timeout",
					  value_json(p, &p->ask_timeout,
						     limit_shown(POLICY_LIMIT_WALL,
								 p->ask_timeout.value)));
	if (out)
		(void)json_object_set_new(out, "ask.session",
					  value_json(p, &p->ask_session,
						     json_boolean(p->ask_session.value)));
	for (size_t i = 0; out && i < ARRAY_SIZE(lists); i++)
		(void)json_object_set_new(out, lists[i].name,
					  names_json(p, (const void *)((const char *)p +
								       lists[i].offset)));
	if (out && plan)
		(void)json_object_set_new(out, "effective", effective_json(plan));
	return out;
}

static void print_line(const char *what, const char *value, json_t *origin)
{
	const char *text = json_string_value(origin);

	(void)printf("  %-34s %-28s %s%s%s\n", what, value, command_colour("\033[2m", false),
		     text ? text : "", command_colour("\033[0m", false));
}

static void print_value(const char *what, json_t *value)
{
	json_t *shown = json_object_get(value, "value");
	char *dumped = json_is_string(shown)
			       ? NULL
			       : json_dumps(shown, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));

	print_line(what,
		   dumped		   ? dumped
		   : json_is_string(shown) ? json_string_value(shown)
					   : "",
		   json_object_get(value, "from"));
	free(dumped);
}

static void print_heading(const char *text)
{
	(void)printf("%s%s%s\n", command_colour("\033[1m", false), text,
		     command_colour("\033[0m", false));
}

static void print_list(const char *heading, json_t *list)
{
	json_t *one;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	print_heading(heading);
	json_array_foreach(list, i, one) {
		const char *value = json_string_value(json_object_get(one, "value"));
		const char *target = json_string_value(json_object_get(one, "target"));

		print_line(json_string_value(json_object_get(one, "name")),
			   value    ? value
			   : target ? target
				    : "",
			   json_object_get(one, "from"));
	}
}

static void print_effective(json_t *effective)
{
	json_t *mounts = json_object_get(effective, "mounts");
	json_t *m;
	size_t i;

	if (!effective)
		return;
	print_heading("mounts on this host, in order");
	json_array_foreach(mounts, i, m) {
		const char *target = json_string_value(json_object_get(m, "target"));
		const char *source = json_string_value(json_object_get(m, "source"));
		char what[512];

		(void)snprintf(what, sizeof(what), "%s%s %s",
			       json_string_value(json_object_get(m, "type")),
			       json_is_true(json_object_get(m, "readonly")) ? " ro" : "",
			       target ? target : "");
		print_line(what, source ? source : "", json_object_get(m, "from"));
	}
}

/* NULL: nobody is asked. */
static void print_ask(json_t *patterns)
{
	json_t *one;
	size_t i;

	if (patterns)
		print_line("  ask", json_array_size(patterns) > 0 ? "but for" : "each call", NULL);
	json_array_foreach(patterns, i, one)
		print_line("", json_string_value(json_object_get(one, "name")),
			   json_object_get(one, "from"));
}

static void print_tools(json_t *tools)
{
	const char *name;
	const char *limit;
	json_t *tool;
	json_t *value;

	if (json_object_size(tools) > 0)
		print_heading("tools");
	json_object_foreach(tools, name, tool) {
		print_line(name,
			   json_is_true(json_object_get(tool, "granted")) ? "narrowed"
									  : "taken away",
			   json_object_get(tool, "from"));
		if (json_object_get(tool, "workspace"))
			print_line("  workspace", "readonly", NULL);
		if (json_object_get(tool, "network"))
			print_line("  network", "none", NULL);
		print_ask(json_object_get(tool, "ask"));
		json_object_foreach(json_object_get(tool, "limits"), limit, value)
			print_value(limit, value);
	}
}

static void print_text(json_t *shown)
{
	static const char *const values[] = {"workspace",
					     "workspace.fallback",
					     "workspace.links",
					     "workspace.sync",
					     "network",
					     "proc",
					     "pts",
					     "audit",
					     "audit.arguments",
					     "audit.sync",
					     "audit.full",
					     "audit.rotate.size",
					     "audit.rotate.keep",
					     "ask.timeout",
					     "ask.session"};
	static const char *const lists[] = {"syscalls.groups",	   "syscalls.allow",
					    "syscalls.deny",	   "syscalls.sockets",
					    "environment.set",	   "environment.pass",
					    "workspace.driver",	   "workspace.protect",
					    "workspace.scratch",   "audit.mask.names",
					    "audit.mask.patterns", "final"};
	const char *description = json_string_value(json_object_get(shown, "description"));
	const char *name;
	json_t *value;

	print_heading(json_string_value(json_object_get(shown, "name")));
	if (description)
		(void)printf("  %s\n", description);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		print_value(values[i], json_object_get(shown, values[i]));
	print_heading("limits");
	json_object_foreach(json_object_get(shown, "limits"), name, value)
		print_value(name, value);
	json_object_foreach(json_object_get(shown, "filesystem"), name, value) {
		char heading[64];

		(void)snprintf(heading, sizeof(heading), "filesystem.%s", name);
		print_list(heading, value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		print_list(lists[i], json_object_get(shown, lists[i]));
	print_tools(json_object_get(shown, "tools"));
	print_heading("require");
	value = json_object_get(shown, "require");
	print_value("landlock_abi", json_object_get(value, "landlock_abi"));
	print_value("private_uid", json_object_get(value, "private_uid"));
	print_list("require.cgroup", json_object_get(value, "cgroup"));
	print_effective(json_object_get(shown, "effective"));
}

void show_policy(const struct policy *policy, const struct policy_plan *plan)
{
	json_t *shown = show_policy_json(policy, plan);

	if (shown)
		print_text(shown);
	json_decref(shown);
}
