/*
 * Theory of operation: a plan is written once for the policy itself; a tool that narrows gets a
 * cell of its own, which shares every range that its narrowing does not touch. Cells with equal
 * ranges of mounts share a template in the launcher, so a read-only workspace costs a range of its
 * own, a lower limit does not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/plan.h"
#include "policy/syscalls.h"

#define HOSTNAME "toolcell"

struct range {
	uint32_t first;
	uint32_t count;
	bool made;
};

struct emitter {
	const struct policy_plan *plan;
	struct image_builder *b;
	struct range env;
	struct range mounts[POLICY_WORKSPACE_N]; /* by workspace mode */
	struct range rules[POLICY_WORKSPACE_N];
	struct range insns[IMAGE_NET_N]; /* by network */
	struct err *err;
};

static uint32_t pointer_string(struct emitter *e, struct policy_origin origin)
{
	char where[512];

	return image_builder_string(e->b,
				    policy_where(e->plan->policy, origin, where, sizeof(where)));
}

static void emit_mounts(struct emitter *e, enum policy_workspace workspace)
{
	struct range *range = &e->mounts[workspace];

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

		if (m->type == IMAGE_MOUNT_WORKSPACE && workspace == POLICY_WORKSPACE_READONLY)
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
static void emit_rules(struct emitter *e, enum policy_workspace workspace)
{
	struct range *range = &e->rules[workspace];

	if (range->made)
		return;
	range->made = true;
	emit_rule(e, range, "/", IMAGE_ACCESS_LIST, image_builder_string(e->b, "built in"));
	for (size_t i = 0; i < e->plan->n_mounts; i++) {
		const struct policy_mount *m = &e->plan->mounts[i];
		uint32_t access = m->access;

		if (m->type == IMAGE_MOUNT_WORKSPACE && workspace == POLICY_WORKSPACE_READONLY)
			access &= ~(uint32_t)IMAGE_ACCESS_WRITE;
		if (access != 0)
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

static int emit_insns(struct emitter *e, uint32_t net)
{
	struct syscalls_filter filter = {
		.policy = e->plan->policy,
		.sockets = policy_sockets(e->plan->policy, net),
	};
	struct range *range = &e->insns[net];
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

static char *cell_name(const struct policy *policy, const struct policy_tool *tool)
{
	char *name = NULL;
	int n = asprintf(&name, "%s%s%s", policy->name, tool ? "/" : "", tool ? tool->name : "");

	return n < 0 ? NULL : name;
}

static int emit_cell(struct emitter *e, const struct policy_tool *tool, uint32_t *ret_index)
{
	const struct policy *policy = e->plan->policy;
	enum policy_workspace workspace = (enum policy_workspace)policy->workspace.value;
	uint32_t net = (uint32_t)policy->network.value;
	char *name = cell_name(policy, tool);
	struct image_cell cell = {0};
	int r;

	if (!name)
		return err_set(e->err, ENOMEM, "cannot write the policy image");
	if (tool && tool->workspace.set)
		workspace = POLICY_WORKSPACE_READONLY;
	if (tool && tool->network.set)
		net = IMAGE_NET_NONE;
	emit_mounts(e, workspace);
	emit_rules(e, workspace);
	r = emit_insns(e, net);
	cell = (struct image_cell){
		.name = image_builder_string(e->b, name),
		.policy = image_builder_string(e->b, policy->name),
		.flags = workspace == POLICY_WORKSPACE_READONLY ? IMAGE_CELL_WORKSPACE_READONLY
								: 0U,
		.require = require_bits(policy),
		.landlock_abi_min = (uint32_t)policy->landlock_abi.value,
		.net = net,
		.hostname = image_builder_string(e->b, HOSTNAME),
		.home = image_builder_string(e->b, e->plan->home),
		.mounts_first = e->mounts[workspace].first,
		.mounts_count = e->mounts[workspace].count,
		.rules_first = e->rules[workspace].first,
		.rules_count = e->rules[workspace].count,
		.env_first = e->env.first,
		.env_count = e->env.count,
		.insns_first = e->insns[net].first,
		.insns_count = e->insns[net].count,
		.limits = policy_effective_limits(policy, tool),
	};
	free(name);
	if (r == 0)
		*ret_index = image_builder_cell(e->b, &cell);
	return r;
}

int policy_emit(const struct policy_plan *plan, struct image_builder *b, uint32_t *ret_first,
		struct err *err)
{
	struct emitter e = {.plan = plan, .b = b, .err = err};
	uint32_t index;
	int r;

	emit_env(&e);
	r = emit_cell(&e, NULL, ret_first);
	for (size_t i = 0; r == 0 && i < plan->policy->n_tools; i++)
		if (!plan->policy->tools[i].taken_away)
			r = emit_cell(&e, &plan->policy->tools[i], &index);
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
