/*
 * Theory of operation: importers are written so that they only take away; this looks at what came of
 * it, independently of them, and is run on every result before anybody sees it. Both policies are
 * resolved on this host. Each mount of the narrower one must show what the base shows at the same
 * place, with no more rights; each system call, variable, tool and number must be the base's or less.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "import/import.h"
#include "policy/plan.h"
#include "policy/syscalls.h"

struct pair {
	const struct policy *base;
	const struct policy *narrow;
	struct err *err;
};

static int wider(struct err *err, const char *what, const char *which)
{
	return err_set(
		err, EINVAL,
		"the imported policy would be wider than its base (%s %s); nothing is written, "
		"and this is a fault of toolcell",
		what, which);
}

static bool texts_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Nobody is asked less: what is there only when a person says so stays so. */
static bool asks_as_much(const struct policy_mount *base, const struct policy_mount *m)
{
	return base->ask == 0 || m->ask != 0;
}

/* The base's mount that decides what lies at @target; of two the one that is fit for @asked. */
static const struct policy_mount *find_cover(const struct policy_plan *plan, const char *target,
					     bool asked)
{
	const struct policy_mount *found = NULL;

	for (size_t i = 0; i < plan->n_mounts; i++)
		if (plan->mounts[i].target && path_is_below(target, plan->mounts[i].target) &&
		    (!found || strlen(plan->mounts[i].target) > strlen(found->target) ||
		     (strcmp(plan->mounts[i].target, found->target) == 0 &&
		      (plan->mounts[i].ask != 0) == asked)))
			found = &plan->mounts[i];
	return found;
}

static bool is_host(const struct policy_mount *m)
{
	return m->type == IMAGE_MOUNT_BIND || m->type == IMAGE_MOUNT_OVERLAY;
}

/* Whether the base shows the same host file under that name: through a folder, or through a link. */
static bool shows(const struct policy_plan *base, const struct policy_mount *cover,
		  const struct policy_mount *m)
{
	if (cover->type == IMAGE_MOUNT_SYMLINK) {
		for (size_t i = 0; i < base->n_mounts; i++)
			if (base->mounts[i].type == IMAGE_MOUNT_BIND &&
			    asks_as_much(&base->mounts[i], m) &&
			    path_is_below(m->source, base->mounts[i].source))
				return true;
		return false;
	}
	/* A link on the way may lead elsewhere within what is shown; so both names are followed. */
	for (size_t i = 0; i < base->n_mounts; i++)
		if (is_host(&base->mounts[i]) && asks_as_much(&base->mounts[i], m) &&
		    path_is_below(m->source, base->mounts[i].source))
			return true;
	return false;
}

static bool same_mount(const struct policy_mount *a, const struct policy_mount *b)
{
	return a->type == b->type && texts_equal(a->source, b->source) &&
	       texts_equal(a->target, b->target) && a->mode == b->mode &&
	       a->size_bytes == b->size_bytes && a->inodes == b->inodes &&
	       (b->flags & ~a->flags) == 0 && (a->access & ~b->access) == 0;
}

static bool mount_is_narrower(const struct policy_plan *base, const struct policy_mount *m)
{
	const struct policy_mount *cover = m->target ? find_cover(base, m->target, m->ask != 0)
						     : NULL;
	uint32_t strict = IMAGE_MOUNT_READONLY | IMAGE_MOUNT_NOEXEC;

	if (m->type == IMAGE_MOUNT_WORKSPACE)
		return true; /* held by its mode */
	if (!cover || !asks_as_much(cover, m))
		return false;
	if (strcmp(cover->target, m->target) == 0 && same_mount(m, cover))
		return true;
	if (m->type == IMAGE_MOUNT_SYMLINK)
		return is_host(cover) || cover->type == IMAGE_MOUNT_SYMLINK;
	if (m->type != IMAGE_MOUNT_BIND || !shows(base, cover, m))
		return false;
	if (cover->type == IMAGE_MOUNT_SYMLINK)
		return (m->flags & IMAGE_MOUNT_READONLY) != 0;
	if (cover->type == IMAGE_MOUNT_OVERLAY)
		return (m->flags & IMAGE_MOUNT_READONLY) != 0 &&
		       (cover->flags & IMAGE_MOUNT_NOEXEC & ~m->flags) == 0;
	return is_host(cover) && (cover->flags & strict & ~m->flags) == 0;
}

static int check_mounts(const struct pair *p, struct policy_inputs *inputs)
{
	struct policy_plan base = {0};
	struct policy_plan narrow = {0};
	int r = policy_resolve(p->base, NULL, inputs, &base, p->err);

	if (r == 0)
		r = policy_resolve(p->narrow, NULL, inputs, &narrow, p->err);
	for (size_t i = 0; r == 0 && i < narrow.n_mounts; i++)
		if (!mount_is_narrower(&base, &narrow.mounts[i]))
			r = wider(p->err, "mount", narrow.mounts[i].target);
	policy_plan_fini(&base);
	policy_plan_fini(&narrow);
	return r;
}

/* Calls and their rules, as names of an object. */
static int note_rule(void *ctx, const struct syscalls_rule *rule)
{
	char key[256];
	int n;

	if (rule->error)
		return 0;
	n = snprintf(key, sizeof(key), "%s", rule->name);
	for (unsigned int i = 0; i < rule->n; i++)
		n += snprintf(key + n, sizeof(key) - (size_t)n, " %u&%llx=%llx",
			      rule->matches[i].arg, (unsigned long long)rule->matches[i].mask,
			      (unsigned long long)rule->matches[i].value);
	return json_object_set_new(ctx, key, json_true()) < 0 ? -ENOMEM : 0;
}

static int visit(const struct policy *policy, json_t *rules, struct err *err)
{
	struct syscalls_filter filter = {
		.policy = policy,
		.sockets = policy_sockets(policy, (uint32_t)policy->network.value),
	};

	return syscalls_visit(&filter, note_rule, rules, err);
}

static int check_syscalls(const struct pair *p)
{
	json_t *base = json_object();
	json_t *narrow = json_object();
	int r = visit(p->base, base, p->err);
	const char *key;
	json_t *value;

	if (r == 0)
		r = visit(p->narrow, narrow, p->err);
	json_object_foreach(narrow, key, value)
		if (r == 0 && !json_object_get(base, key))
			r = wider(p->err, "system call", key);
	json_decref(base);
	json_decref(narrow);
	return r;
}

/* Each of @small is in @large, with the same value. */
static int check_names(const struct pair *p, const struct policy_names *small,
		       const struct policy_names *large, const char *what)
{
	for (size_t i = 0; i < small->n; i++) {
		bool found = false;

		for (size_t k = 0; k < large->n && !found; k++)
			found = strcmp(small->at[i].name, large->at[k].name) == 0 &&
				(!small->at[i].value ||
				 texts_equal(small->at[i].value, large->at[k].value));
		if (!found)
			return wider(p->err, what, small->at[i].name);
	}
	return 0;
}

/* A protected path must stay protected as a whole or as files only, never less. */
static int check_protect(const struct pair *p)
{
	for (size_t i = 0; i < p->base->protect.n; i++) {
		const struct policy_name *old = &p->base->protect.at[i];
		bool found = false;

		for (size_t k = 0; k < p->narrow->protect.n && !found; k++)
			found = strcmp(old->name, p->narrow->protect.at[k].name) == 0 &&
				(old->value || !p->narrow->protect.at[k].value);
		if (!found)
			return wider(p->err, "protected path", old->name);
	}
	return 0;
}

static int check_limits(const struct pair *p, const struct policy_value *base,
			const struct policy_value *narrow, bool only_set)
{
	for (size_t i = 0; i < POLICY_LIMIT_N; i++)
		if (base[i].value != 0 && (!only_set || base[i].set) &&
		    (narrow[i].value == 0 || narrow[i].value > base[i].value))
			return wider(p->err, "limit", policy_limit_name((enum policy_limit)i));
	return 0;
}

/* Patterns are what is not asked about. */
static bool asks_for_as_many(const struct policy_tool *old, const struct policy_tool *now)
{
	if (!now->ask.value)
		return false;
	if (now->ask_patterns.n == 0)
		return true;
	for (size_t i = 0; i < now->ask_patterns.n; i++) {
		bool found = false;

		for (size_t k = 0; k < old->ask_patterns.n && !found; k++)
			found = strcmp(now->ask_patterns.at[i].name,
				       old->ask_patterns.at[k].name) == 0;
		if (!found)
			return false;
	}
	return true;
}

static int check_tools(const struct pair *p)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->base->n_tools; i++) {
		const struct policy_tool *old = &p->base->tools[i];
		const struct policy_tool *now = policy_find_tool(p->narrow, old->name);

		if (now && now->taken_away)
			continue;
		if (!now || old->taken_away || (old->workspace.set && !now->workspace.set) ||
		    (old->network.set && !now->network.set) ||
		    (old->ask.value && !asks_for_as_many(old, now)))
			r = wider(p->err, "tool", old->name);
	}
	return r;
}

static int check_values(const struct pair *p)
{
	const struct policy *base = p->base;
	const struct policy *narrow = p->narrow;
	const struct {
		const char *name;
		uint64_t most;
		uint64_t have;
	} rows[] = {
		{"workspace.mode", base->workspace.value, narrow->workspace.value},
		{"workspace.fallback", base->fallback.value, narrow->fallback.value},
		{"workspace.links", base->links.value, narrow->links.value},
		{"network.mode", base->network.value, narrow->network.value},
		{"proc", base->proc.value, narrow->proc.value},
		{"pts", base->pts.value, narrow->pts.value},
		{"ask.session", base->ask_session.value, narrow->ask_session.value},
		{"audit.arguments", base->audit.arguments.value, narrow->audit.arguments.value},
		{"audit.sync", base->audit.sync.value, narrow->audit.sync.value},
		{"audit.full", base->audit.full.value, narrow->audit.full.value},
		{"audit.rotate.size", narrow->audit.rotate_size.value,
		 base->audit.rotate_size.value},
		{"audit.rotate.keep", narrow->audit.rotate_keep.value,
		 base->audit.rotate_keep.value},
		{"denials.observe", base->observe.value, narrow->observe.value},
		{"require.landlock_abi", narrow->landlock_abi.value, base->landlock_abi.value},
		{"require.private_uid", narrow->private_uid.value, base->private_uid.value},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].have > rows[i].most)
			return wider(p->err, "value", rows[i].name);
	return strcmp(base->audit.path, narrow->audit.path) == 0
		       ? 0
		       : wider(p->err, "value", "audit.path");
}

int import_check_narrower(const struct policy *base, const struct policy *narrow,
			  struct policy_inputs *inputs, struct err *err)
{
	struct pair p = {base, narrow, err};
	int r = check_values(&p);

	if (r == 0)
		r = check_limits(&p, base->limits, narrow->limits, false);
	if (r == 0)
		r = check_tools(&p);
	if (r == 0)
		r = check_protect(&p);
	if (r == 0)
		r = check_names(&p, &narrow->env_set, &base->env_set, "variable");
	if (r == 0)
		r = check_names(&p, &narrow->env_pass, &base->env_pass, "variable");
	if (r == 0)
		r = check_names(&p, &narrow->driver, &base->driver, "driver");
	if (r == 0)
		r = check_names(&p, &base->cgroup, &narrow->cgroup, "require.cgroup");
	if (r == 0)
		r = check_names(&p, &base->audit.names, &narrow->audit.names, "masked name");
	if (r == 0)
		r = check_names(&p, &base->audit.patterns, &narrow->audit.patterns, "masked shape");
	if (r == 0)
		r = check_names(&p, &base->finals, &narrow->finals, "final");
	if (r == 0)
		r = check_syscalls(&p);
	return r == 0 ? check_mounts(&p, inputs) : r;
}
