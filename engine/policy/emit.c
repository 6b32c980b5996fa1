/*
 * Theory of operation: a plan is written once for the policy itself; a tool that narrows gets a
 * cell of its own, which shares every range that its narrowing does not touch. Cells with equal
 * ranges of mounts share a template in the launcher, so a read-only workspace costs a range of its
 * own, a lower limit does not.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/plan.h"
#include "policy/syscalls.h"

#define HOSTNAME "toolcell"
#define SETS_MAX (1U << POLICY_ASKS_MAX)

struct range {
	uint32_t first;
	uint32_t count;
	bool made;
};

struct emitter {
	const struct policy_plan *plan;
	struct image_builder *b;
	struct range env;
	struct range mounts[2][SETS_MAX]; /* 1: the workspace is writable; by the asks granted */
	struct range rules[2][SETS_MAX];
	struct range insns[IMAGE_NET_N]; /* by network */
	struct range watch[IMAGE_NET_N][IMAGE_OBSERVE_N];
	uint32_t absent;
	struct err *err;
};

static uint32_t pointer_string(struct emitter *e, struct policy_origin origin)
{
	char where[512];

	return image_builder_string(e->b,
				    policy_where(e->plan->policy, origin, where, sizeof(where)));
}

static void emit_mounts(struct emitter *e, bool writable, uint32_t granted)
{
	struct range *range = &e->mounts[writable][granted];

	if (range->made)
		return;
	range->made = true;
	for (size_t i = 0; i < e->plan->n_mounts; i++) {
		const struct policy_mount *m = &e->plan->mounts[i];
		struct image_mount record = {
			.type = m->type,
			.flags = m->flags,
			.source = image_builder_string(e->b, m->source),
			.target = image_builder_string(e->b, m->target),
			.mode = m->mode,
			.pointer = pointer_string(e, m->origin),
			.size_bytes = m->size_bytes,
			.inodes = m->inodes,
		};
		uint32_t index;

		if (!policy_plan_has(e->plan, m, granted))
			continue;
		if (m->type == IMAGE_MOUNT_WORKSPACE && !writable)
			record.flags |= IMAGE_MOUNT_READONLY;
		index = image_builder_mount(e->b, &record);
		if (range->count++ == 0)
			range->first = index;
	}
}

static void emit_rule(struct emitter *e, struct range *range, const char *path, uint32_t access,
		      uint32_t pointer)
{
	struct image_rule record = {.path = image_builder_string(e->b, path),
				    .access = access,
				    .pointer = pointer};
	uint32_t index = image_builder_rule(e->b, &record);

	if (range->count++ == 0)
		range->first = index;
}

/* The root holds what was granted and the folders on the way there: to list it tells nothing new. */
static void emit_rules(struct emitter *e, bool writable, uint32_t granted)
{
	struct range *range = &e->rules[writable][granted];

	if (range->made)
		return;
	range->made = true;
	emit_rule(e, range, "/", IMAGE_ACCESS_LIST, image_builder_string(e->b, "built in"));
	for (size_t i = 0; i < e->plan->n_mounts; i++) {
		const struct policy_mount *m = &e->plan->mounts[i];
		uint32_t access = m->access;

		if (m->type == IMAGE_MOUNT_WORKSPACE && !writable)
			access &= ~(uint32_t)IMAGE_ACCESS_WRITE;
		if (access != 0 && policy_plan_has(e->plan, m, granted))
			emit_rule(e, range, m->target, access, pointer_string(e, m->origin));
	}
}

static void emit_env(struct emitter *e)
{
	for (size_t i = 0; i < e->plan->n_env; i++) {
		struct image_env record = {
			.name = image_builder_string(e->b, e->plan->env[i].name),
			.value = image_builder_string(e->b, e->plan->env[i].value),
		};
		uint32_t index = image_builder_env(e->b, &record);

		if (e->env.count++ == 0)
			e->env.first = index;
	}
}

static int emit_program(struct emitter *e, uint32_t net, enum image_observe observe,
			struct range *range)
{
	struct syscalls_filter filter = {
		.policy = e->plan->policy,
		.sockets = policy_sockets(e->plan->policy, net),
		.observe = observe,
	};
	struct sock_filter *insns = NULL;
	int r;

	if (range->made)
		return 0;
	r = syscalls_compile(&filter, &insns, &range->count, e->err);
	if (r < 0)
		return r;
	range->made = true;
	range->first = image_builder_insns(e->b, insns, range->count);
	free(insns);
	return 0;
}

static int emit_insns(struct emitter *e, uint32_t net)
{
	return emit_program(e, net, IMAGE_OBSERVE_NOTHING, &e->insns[net]);
}

/*
 * The tool's process hands the listener to init by sendmsg(2), under the filter already: a policy without
 * it, like a kernel that cannot notify, has nothing observed. Results say so.
 */
static int emit_watch(struct emitter *e, struct image_cell *cell, enum image_observe observe)
{
	struct range *range = &e->watch[cell->net][observe];
	int r;

	if (observe == IMAGE_OBSERVE_NOTHING || !syscalls_is_allowed(e->plan->policy, "sendmsg"))
		return 0;
	r = emit_program(e, cell->net, observe, range);
	if (r == -EOPNOTSUPP)
		return 0;
	cell->watch_first = range->first;
	cell->watch_count = range->count;
	cell->observe = observe;
	return r;
}

static uint32_t require_bits(const struct policy *policy)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} rows[] = {
		{"memory", IMAGE_REQUIRE_CGROUP_MEMORY},
		{"pids", IMAGE_REQUIRE_CGROUP_PIDS},
		{"cpu", IMAGE_REQUIRE_CGROUP_CPU},
	};
	uint32_t bits = policy->private_uid.value ? IMAGE_REQUIRE_PRIVATE_UID : 0;

	for (size_t i = 0; i < policy->cgroup.n; i++)
		for (size_t j = 0; j < ARRAY_SIZE(rows); j++)
			if (strcmp(policy->cgroup.at[i].name, rows[j].name) == 0)
				bits |= rows[j].bit;
	return bits;
}

/* "rust-engineer", "rust-engineer/Bash"; with asks granted "rust-engineer/ask/3" and so on. */
static char *cell_name(const struct policy *policy, const struct policy_tool *tool,
		       uint32_t granted)
{
	char *name = NULL;
	char set[16] = "";
	int n;

	if (granted)
		(void)snprintf(set, sizeof(set), "/ask/%u", granted);
	n = asprintf(&name, "%s%s%s%s", policy->name, tool ? "/" : "", tool ? tool->name : "", set);
	return n < 0 ? NULL : name;
}

/* A policy with a session shows it to tools that only read as well. */
static uint32_t cell_flags(const struct policy *policy, bool writable)
{
	uint32_t flags = writable ? 0U : IMAGE_CELL_WORKSPACE_READONLY;

	return policy->workspace.value == POLICY_WORKSPACE_OVERLAY ? flags | IMAGE_CELL_OVERLAY
								   : flags;
}

static int emit_cell(struct emitter *e, const struct policy_tool *tool, uint32_t granted,
		     uint32_t *ret_index)
{
	const struct policy *policy = e->plan->policy;
	bool writable = policy->workspace.value != POLICY_WORKSPACE_READONLY &&
			!(tool && tool->workspace.set);
	uint32_t net = tool && tool->network.set ? (uint32_t)IMAGE_NET_NONE
						 : (uint32_t)policy->network.value;
	char *name = cell_name(policy, tool, granted);
	struct image_cell cell = {0};
	int r;

	if (!name)
		return err_set(e->err, ENOMEM, "cannot write the policy image");
	emit_mounts(e, writable, granted);
	emit_rules(e, writable, granted);
	r = emit_insns(e, net);
	cell = (struct image_cell){
		.name = image_builder_string(e->b, name),
		.policy = image_builder_string(e->b, policy->name),
		.flags = cell_flags(policy, writable),
		.require = require_bits(policy),
		.landlock_abi_min = (uint32_t)policy->landlock_abi.value,
		.net = net,
		.hostname = image_builder_string(e->b, HOSTNAME),
		.home = image_builder_string(e->b, e->plan->home),
		.mounts_first = e->mounts[writable][granted].first,
		.mounts_count = e->mounts[writable][granted].count,
		.rules_first = e->rules[writable][granted].first,
		.rules_count = e->rules[writable][granted].count,
		.env_first = e->env.first,
		.env_count = e->env.count,
		.insns_first = e->insns[net].first,
		.insns_count = e->insns[net].count,
		.change_rules = image_builder_string(e->b, e->plan->rules),
		.fallback = (uint32_t)policy->fallback.value,
		.absent = e->absent,
		.limits = policy_effective_limits(policy, tool),
	};
	free(name);
	if (r == 0)
		r = emit_watch(e, &cell, policy_observe(policy, tool));
	if (r == 0)
		*ret_index = image_builder_cell(e->b, &cell);
	return r;
}

/* What a changes cell shows, besides its empty root: nothing of the system, nothing of the person's. */
static const struct {
	enum image_mount_type type;
	const char *target;
	uint32_t access; /* ... and writing in the cell that changes */
	bool written;
} changes_rows[] = {
	{IMAGE_MOUNT_BIND, "/toolcell/bin/toolcell-changes",
	 IMAGE_ACCESS_READ | IMAGE_ACCESS_EXECUTE, false},
	{IMAGE_MOUNT_FILE, "/toolcell/rules", IMAGE_ACCESS_READ, false},
	{IMAGE_MOUNT_DATA, "/toolcell/data", IMAGE_ACCESS_READ, true},
	{IMAGE_MOUNT_BASE, "/toolcell/base", IMAGE_ACCESS_READ, true},
};

static void emit_changes_mounts(struct emitter *e, bool writable, struct range *mounts,
				struct range *rules)
{
	uint32_t pointer = pointer_string(e, e->plan->policy->workspace.origin);
	char program[PATH_MAX];

	/* It alone: what other programs write is not held against the rules. */
	(void)snprintf(program, sizeof(program), "%s/toolcell-changes", e->plan->tools);
	emit_rule(e, rules, "/", IMAGE_ACCESS_LIST, pointer);
	for (size_t i = 0; i < ARRAY_SIZE(changes_rows); i++) {
		enum image_mount_type type = changes_rows[i].type;
		const char *source = type == IMAGE_MOUNT_BIND	? program
				     : type == IMAGE_MOUNT_FILE ? e->plan->rules
								: NULL;
		bool written = writable && changes_rows[i].written;
		struct image_mount record = {
			.type = type,
			.flags = (written ? 0U : (uint32_t)IMAGE_MOUNT_READONLY) |
				 (type == IMAGE_MOUNT_BIND ? (uint32_t)IMAGE_MOUNT_OPTIONAL : 0U),
			.source = image_builder_string(e->b, source),
			.target = image_builder_string(e->b, changes_rows[i].target),
			.pointer = pointer,
		};
		uint32_t index = image_builder_mount(e->b, &record);

		if (mounts->count++ == 0)
			mounts->first = index;
		emit_rule(e, rules, changes_rows[i].target,
			  changes_rows[i].access | (written ? IMAGE_ACCESS_WRITE : 0U), pointer);
	}
}

static int emit_changes_cell(struct emitter *e, bool writable)
{
	const struct policy *policy = e->plan->policy;
	struct range mounts = {0};
	struct range rules = {0};
	struct image_cell cell = {0};
	char *name = NULL;
	int r = emit_insns(e, IMAGE_NET_NONE);

	if (r < 0)
		return r;
	if (asprintf(&name, "%s/changes/%s", policy->name, writable ? "write" : "read") < 0)
		return err_set(e->err, ENOMEM, "cannot write the policy image");
	emit_changes_mounts(e, writable, &mounts, &rules);
	cell = (struct image_cell){
		.name = image_builder_string(e->b, name),
		.policy = image_builder_string(e->b, policy->name),
		.flags = writable ? IMAGE_CELL_EXCLUSIVE : 0U,
		.require = require_bits(policy),
		.landlock_abi_min = (uint32_t)policy->landlock_abi.value,
		.net = IMAGE_NET_NONE,
		.hostname = image_builder_string(e->b, HOSTNAME),
		.home = image_builder_string(e->b, e->plan->home),
		.mounts_first = mounts.first,
		.mounts_count = mounts.count,
		.rules_first = rules.first,
		.rules_count = rules.count,
		.insns_first = e->insns[IMAGE_NET_NONE].first,
		.insns_count = e->insns[IMAGE_NET_NONE].count,
		.change_rules = image_builder_string(e->b, e->plan->rules),
		.fallback = (uint32_t)policy->fallback.value,
		.absent = e->absent,
		.limits = policy_effective_limits(policy, NULL),
	};
	free(name);
	(void)image_builder_cell(e->b, &cell);
	return 0;
}

uint32_t policy_n_cells(const struct policy *policy)
{
	uint32_t n = 1;

	for (size_t i = 0; i < policy->n_tools; i++)
		n += !policy->tools[i].taken_away;
	return n;
}

/* The policy's own and those of its tools, with the asks in @granted granted. */
static int emit_cells(struct emitter *e, uint32_t granted, uint32_t *ret_first)
{
	const struct policy *policy = e->plan->policy;
	uint32_t index;
	int r = emit_cell(e, NULL, granted, ret_first);

	for (size_t i = 0; r == 0 && i < policy->n_tools; i++)
		if (!policy->tools[i].taken_away)
			r = emit_cell(e, &policy->tools[i], granted, &index);
	return r;
}

static int check_cells(const struct policy_plan *plan, struct err *err)
{
	uint32_t n = policy_n_cells(plan->policy);
	uint32_t sets = 1U << plan->n_asks;

	if (plan->n_asks == 0 || n * sets + POLICY_CHANGES_CELLS <= IMAGE_CELLS_MAX)
		return 0;
	for (size_t i = 0; i < plan->n_mounts; i++)
		if (plan->mounts[i].ask)
			return policy_complain(
				plan->policy, plan->mounts[i].origin, err,
				"%u cells for tools times %u sets of answers are more than %u; "
				"take "
				"away \"ask\" from an entry, or sections from \"tools\"",
				n, sets, IMAGE_CELLS_MAX - POLICY_CHANGES_CELLS);
	return 0;
}

int policy_emit(const struct policy_plan *plan, struct image_builder *b, uint32_t *ret_first,
		struct err *err)
{
	struct emitter e = {.plan = plan, .b = b, .err = err};
	bool overlay = plan->policy->workspace.value == POLICY_WORKSPACE_OVERLAY;
	uint32_t index;
	int r = check_cells(plan, err);

	if (r < 0)
		return r;
	e.absent = image_builder_string(b, plan->absent);
	emit_env(&e);
	r = emit_cells(&e, 0, ret_first);
	if (r == 0 && overlay)
		r = emit_changes_cell(&e, false);
	if (r == 0 && overlay)
		r = emit_changes_cell(&e, true);
	for (uint32_t granted = 1; r == 0 && granted < 1U << plan->n_asks; granted++)
		r = emit_cells(&e, granted, &index);
	return r;
}

int policy_emit_inputs(const struct policy_inputs *inputs, struct image_builder *b, struct err *err)
{
	if (inputs->overflowed)
		return err_set(err, E2BIG, "the policy consults more than %u files and variables",
			       POLICY_INPUTS_MAX);
	for (size_t i = 0; i < inputs->n; i++) {
		struct image_input record = inputs->at[i].record;

		record.type = inputs->at[i].type;
		record.name = image_builder_string(b, inputs->at[i].name);
		record.value = image_builder_string(b, inputs->at[i].value);
		(void)image_builder_input(b, &record);
	}
	return 0;
}
