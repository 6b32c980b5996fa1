/*
 * Theory of operation: a tool's environment is built from nothing. First what the policy sets, and
 * by name what it passes of the operator's; then HOME, when the policy does not set it; last what the
 * tool's manifest sets. A later NAME replaces an earlier one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/state.h"
#include "wire/plan.h"

struct vars {
	char **v;
	size_t n;
};

static size_t name_len(const char *entry)
{
	return (size_t)(strchrnul(entry, '=') - entry);
}

/* Takes @entry. */
static int set_entry(struct vars *vars, char *entry)
{
	size_t len;

	if (!entry)
		return -ENOMEM;
	len = name_len(entry) + 1;
	for (size_t i = 0; i < vars->n; i++) {
		if (strncmp(vars->v[i], entry, len) != 0)
			continue;
		free(vars->v[i]);
		vars->v[i] = entry;
		return 0;
	}
	if (vars->n == PLAN_ENV_MAX) {
		free(entry);
		return -E2BIG;
	}
	vars->v[vars->n++] = entry;
	return 0;
}

static int set_pair(struct vars *vars, const char *name, const char *value)
{
	struct buf b = {0};

	if (buf_printf(&b, "%s=%s", name, value) < 0) {
		buf_fini(&b);
		return -ENOMEM;
	}
	return set_entry(vars, buf_take(&b, NULL));
}

static const char *operator_value(const struct broker_config *config, const char *name)
{
	size_t len = strlen(name);

	for (const char *const *e = config->environ; e && *e; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return *e + len + 1;
	return NULL;
}

static int add_policy(struct vars *vars, const struct call *c)
{
	const struct broker_config *config = c->broker->config;
	const char *home = image_string(config->image, c->cell->home);
	int r = home ? set_pair(vars, "HOME", home) : 0;

	for (uint32_t i = 0; i < c->cell->env_count && r == 0; i++) {
		const struct image_env *env = image_env(config->image, c->cell->env_first + i);
		const char *name = image_string(config->image, env->name);
		const char *value = image_string(config->image, env->value);

		if (!value)
			value = operator_value(config, name);
		if (value)
			r = set_pair(vars, name, value);
	}
	return r;
}

/*
 * Rule "Y" of workspace/rules.h. What goes into a session's layers is made durable when it is committed,
 * so it is for a workspace that tools write to directly.
 */
static bool wants_sync(const struct call *c)
{
	const char *rules = image_string(c->broker->config->image, c->cell->change_rules);

	return rules && !(c->cell->flags & IMAGE_CELL_OVERLAY) &&
	       (strncmp(rules, "Y\t", 2) == 0 || strstr(rules, "\nY\t"));
}

/* What a program of ours reads beside its arguments; others find the workspace as they always do. */
static int add_own(struct vars *vars, const struct call *c)
{
	int r = 0;

	if (!c->tool || !manifest_reads_arguments(c->tool))
		return 0;
	r = set_pair(vars, "TOOLCELL_WORKSPACE", c->broker->config->workspace);
	return r == 0 && wants_sync(c) ? set_pair(vars, "TOOLCELL_SYNC", "1") : r;
}

char **vars_build(const struct call *c)
{
	struct vars vars = {.v = calloc(PLAN_ENV_MAX + 1, sizeof(char *))};
	int r;

	if (!vars.v)
		return NULL;
	r = add_policy(&vars, c);
	if (r == 0)
		r = add_own(&vars, c);
	for (char **e = c->expanded.env; e && *e && r == 0; e++)
		r = set_entry(&vars, strdup(*e));
	if (r == 0)
		return vars.v;
	vars_free(vars.v);
	return NULL;
}

void vars_free(char **vars)
{
	for (char **v = vars; v && *v; v++)
		free(*v);
	free(vars);
}
