/*
 * Theory of operation:
 *
 *	agent (if any) -> name of the policy -> policy -> manifests -> plan of mounts -> catalog -> image
 *
 * Every file and variable on the way is noted among the inputs. The policy's cells come first in
 * the image, in the order of its tools, so that the catalog can name them by index before they are
 * written.
 */
#include "policyc/compile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "manifest/manifest.h"
#include "policyc/provenance.h"

#define TOOL_NAMES_MAX 512U

int compile_init(struct compile *c, struct err *err)
{
	int r;

	memset(c, 0, sizeof(*c));
	r = policy_dirs_init(&c->policy_dirs, "policies", err);
	if (r == 0)
		r = policy_dirs_init(&c->agent_dirs, "agents", err);
	if (r == 0)
		r = policy_dirs_init(&c->tool_dirs, "tools", err);
	return r;
}

void compile_fini(struct compile *c)
{
	json_decref(c->catalog);
	json_decref(c->agent);
	json_decref(c->manifests);
	policy_plan_fini(&c->plan);
	policy_fini(&c->policy);
	policy_inputs_fini(&c->inputs);
	policy_dirs_fini(&c->policy_dirs);
	policy_dirs_fini(&c->agent_dirs);
	policy_dirs_fini(&c->tool_dirs);
}

static void note_file(void *ctx, const char *path)
{
	policy_inputs_file(ctx, path);
}

int compile_load_agent(struct compile *c, const char *name_or_file, struct err *err)
{
	struct manifest_observer observer = {note_file, note_file, &c->inputs};

	return agent_load(name_or_file, c->agent_dirs.at, &observer, &c->agent, err);
}

int compile_load_manifests(struct compile *c, struct err *err)
{
	struct manifest_observer observer = {note_file, note_file, &c->inputs};

	return manifest_load_all(c->tool_dirs.at, &observer, &c->manifests, err);
}

int compile_load_policy(struct compile *c, const char *name_or_file, struct err *err)
{
	return policy_load(name_or_file, c->policy_dirs.at, &c->inputs, &c->policy, err);
}

/* The operator's choice, else the front matter's, else the policy that is called like the agent. */
static int choose_policy(struct compile *c, const char *wanted, struct err *err)
{
	const char *named = json_string_value(json_object_get(c->agent, "policy"));
	const char *agent = json_string_value(json_object_get(c->agent, "name"));
	int r;

	if (wanted)
		return compile_load_policy(c, wanted, err);
	if (!agent)
		return err_set(err, EINVAL,
			       "no policy: name one with --policy, or an agent with --agent");
	if (!policy_name_is_sane(named ? named : agent)) {
		char quoted[160];

		text_quote(quoted, sizeof(quoted), named ? named : agent,
			   strlen(named ? named : agent));
		return err_set(err, EINVAL, "agent: \"%s\" is no name of a policy", quoted);
	}
	r = compile_load_policy(c, named ? named : agent, err);
	if (r < 0 && !named)
		return err_wrap(
			err, "agent %s names no policy, so that one of its own name is looked for",
			agent);
	return r < 0 ? err_wrap(err, "agent %s", agent) : 0;
}

static bool manifest_has_name(json_t *manifest, const char *name)
{
	const char *own = json_string_value(json_object_get(manifest, "name"));
	json_t *alias;
	size_t i;

	if (own && policy_tool_names_equal(own, name))
		return true;
	json_array_foreach(json_object_get(manifest, "aliases"), i, alias)
		if (json_is_string(alias) &&
		    policy_tool_names_equal(json_string_value(alias), name))
			return true;
	return false;
}

json_t *compile_find_manifest(json_t *manifests, const char *name)
{
	const char *key;
	json_t *manifest;

	json_object_foreach(manifests, key, manifest)
		if (manifest_has_name(manifest, name))
			return manifest;
	return NULL;
}

/* The tool that a misspelt @name most likely means, or NULL. */
static const char *nearest_tool(const struct compile *c, const char *name)
{
	const char *names[TOOL_NAMES_MAX];
	const char *key;
	json_t *manifest;
	size_t n = 0;

	json_object_foreach(c->manifests, key, manifest)
		if (n < TOOL_NAMES_MAX)
			names[n++] = key;
	return text_nearest(name, names, n);
}

int compile_manifest(const struct compile *c, const char *tool, json_t **ret, struct err *err)
{
	const char *near;
	char quoted[96];

	*ret = compile_find_manifest(c->manifests, tool);
	if (*ret)
		return 0;
	near = nearest_tool(c, tool);
	text_quote(quoted, sizeof(quoted), tool, strlen(tool));
	return err_set(err, EINVAL, "no tool is named \"%s\"%s%s%s", quoted,
		       near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int refuse_tool(const struct compile *c, const struct policy_tool *tool, struct err *err)
{
	const char *near = nearest_tool(c, tool->name);

	if (near)
		return policy_complain(&c->policy, tool->origin, err,
				       "no tool is named \"%s\"; did you mean \"%s\"?", tool->name,
				       near);
	return policy_complain(&c->policy, tool->origin, err, "no tool is named \"%s\"",
			       tool->name);
}

/* A misspelt tool in a policy would be a tool that is not narrowed. */
int compile_check_tools(const struct compile *c, struct err *err)
{
	for (size_t i = 0; i < c->policy.n_tools; i++)
		if (!compile_find_manifest(c->manifests, c->policy.tools[i].name))
			return refuse_tool(c, &c->policy.tools[i], err);
	return compile_check_asks(c, err);
}

int compile_load(struct compile *c, const struct compile_options *options, struct err *err)
{
	int r = options->agent ? compile_load_agent(c, options->agent, err) : 0;

	if (r == 0)
		r = choose_policy(c, options->policy, err);
	if (r == 0)
		r = compile_load_manifests(c, err);
	if (r == 0)
		r = compile_check_tools(c, err);
	if (r == 0)
		r = policy_resolve(&c->policy, options->workspace, &c->inputs, &c->plan, err);
	return r;
}

static json_t *limits_json(struct image_limits limits)
{
	return json_pack("{sI sI sI sI sI sI sI sI sI sI sI}", "wall_ms",
			 (json_int_t)limits.wall_ms, "cpu_ms", (json_int_t)limits.cpu_ms,
			 "memory_bytes", (json_int_t)limits.memory_bytes, "processes",
			 (json_int_t)limits.processes, "open_files", (json_int_t)limits.open_files,
			 "file_bytes", (json_int_t)limits.file_bytes, "output_bytes",
			 (json_int_t)limits.output_bytes, "cpu_permille",
			 (json_int_t)limits.cpu_permille, "io_bytes_per_s",
			 (json_int_t)limits.io_bytes_per_s, "session_bytes",
			 (json_int_t)limits.session_bytes, "session_files",
			 (json_int_t)limits.session_files);
}

/* The policy's section for a tool, by any of the tool's names. */
static const struct policy_tool *section_of(const struct compile *c, const char *tool,
					    uint32_t *ret_cell)
{
	json_t *manifest = compile_find_manifest(c->manifests, tool);
	uint32_t cell = c->first_cell;

	*ret_cell = cell;
	for (size_t i = 0; i < c->policy.n_tools; i++) {
		const struct policy_tool *section = &c->policy.tools[i];

		if (!section->taken_away)
			cell++;
		if (!policy_tool_names_equal(section->name, tool) &&
		    !(manifest && manifest_has_name(manifest, section->name)))
			continue;
		*ret_cell = section->taken_away ? UINT32_MAX : cell;
		return section;
	}
	return NULL;
}

const struct policy_tool *compile_find_section(const struct compile *c, const char *tool)
{
	uint32_t cell;

	return section_of(c, tool, &cell);
}

static uint32_t cell_of(void *ctx, const char *tool, json_t **ret_limits)
{
	struct compile *c = ctx;
	uint32_t cell;
	const struct policy_tool *section = section_of(c, tool, &cell);

	if (cell != UINT32_MAX && ret_limits)
		*ret_limits = limits_json(policy_effective_limits(&c->policy, section));
	return cell;
}

/* Where the tools for a session's changes run, behind the cells of tools; see policy_emit. */
static uint32_t changes_cell(const struct compile *c, uint32_t which)
{
	return c->first_cell + policy_n_cells(&c->policy) + which;
}

/* What the driver may do with changes; NULL where there is no overlay whose changes they were. */
static json_t *driver_json(const struct policy *policy)
{
	json_t *words = json_array();

	for (size_t i = 0; words && i < policy->driver.n; i++)
		if (json_array_append_new(words, json_string(policy->driver.at[i].name)) < 0) {
			json_decref(words);
			return NULL;
		}
	return words;
}

static json_t *names_json(const struct policy_names *names)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < names->n; i++)
		if (json_array_append_new(list, json_string(names->at[i].name)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* What cli/audit_open.c and the broker read. */
static json_t *audit_json(const struct policy *policy)
{
	const struct policy_audit *a = &policy->audit;
	char rule[512];

	return json_pack("{ss sb sb sb sI sI so so sb ss}", "path", a->path, "text",
			 a->arguments.value == POLICY_AUDIT_TEXT, "sync",
			 a->sync.value == POLICY_AUDIT_SYNC_CALL, "stop",
			 a->full.value == POLICY_AUDIT_STOP, "rotate_bytes",
			 (json_int_t)a->rotate_size.value, "keep", (json_int_t)a->rotate_keep.value,
			 "names", names_json(&a->names), "patterns", names_json(&a->patterns),
			 "fixed", policy_audit_is_fixed(policy), "rule",
			 policy_where(policy, a->path_origin, rule, sizeof(rule)));
}

static int environment_json(const struct policy_plan *plan, json_t **ret_env, json_t **ret_pass,
			    struct err *err)
{
	json_t *env = json_object();
	json_t *pass = json_array();
	int r = env && pass ? 0 : -1;

	for (size_t i = 0; r == 0 && i < plan->n_env; i++) {
		if (plan->env[i].value)
			r = json_object_set_new(env, plan->env[i].name,
						json_string(plan->env[i].value));
		else
			r = json_array_append_new(pass, json_string(plan->env[i].name));
	}
	if (r <
	    0) { /* jansson takes UTF-8 only: a variable of the operator's may be something else */
		json_decref(env);
		json_decref(pass);
		return err_set(err, EINVAL, "the environment of the policy is not valid UTF-8");
	}
	*ret_env = env;
	*ret_pass = pass;
	return 0;
}

int compile_catalog(struct compile *c, struct err *err)
{
	json_t *env = NULL;
	json_t *pass = NULL;
	bool overlay = c->policy.workspace.value == POLICY_WORKSPACE_OVERLAY;
	json_t *driver = overlay ? driver_json(&c->policy) : NULL;
	json_t *limits = limits_json(policy_effective_limits(&c->policy, NULL));
	json_t *audit = audit_json(&c->policy);
	int r = environment_json(&c->plan, &env, &pass, err);

	if (r == 0 && ((overlay && !driver) || !limits || !audit))
		r = err_set(err, ENOMEM, "cannot build the catalog");
	if (r == 0)
		r = catalog_build(
			&(struct catalog_source){
				.agent = c->agent,
				.manifests = c->manifests,
				.policy_name = c->policy.name,
				.env = env,
				.pass = pass,
				.home = c->plan.home,
				.driver = driver,
				.audit = audit,
				.changes_cell = changes_cell(c, POLICY_CHANGES_READ),
				.exclusive_cell = changes_cell(c, POLICY_CHANGES_WRITE),
				.changes_limits = limits,
				.cell_of = cell_of,
				.ctx = c,
			},
			&c->catalog, err);
	json_decref(env);
	json_decref(pass);
	json_decref(driver);
	json_decref(limits);
	json_decref(audit);
	return r == 0 ? compile_add_asks(c, err) : r;
}

/* Tools behind all the rest: broker/catalog.h reads as far as it needs. */
static char *catalog_text(json_t *catalog)
{
	json_t *head = json_copy(catalog);
	json_t *tail = json_pack("{s:O, s:O}", "tools", json_object_get(catalog, "tools"),
				 "operator", json_object_get(catalog, "operator"));
	char *first = NULL;
	char *second = NULL;
	char *text = NULL;

	if (tail && json_object_del(head, "tools") == 0 && json_object_del(head, "operator") == 0) {
		first = json_dumps(head, JSON_COMPACT);
		second = json_dumps(tail, JSON_COMPACT);
	}
	if (first && second && asprintf(&text, "%s%s", first, second) < 0)
		text = NULL;
	free(first);
	free(second);
	json_decref(head);
	json_decref(tail);
	return text;
}

static int add_catalog(struct compile *c, struct image_builder *b, struct err *err)
{
	char *text;
	int r = compile_catalog(c, err);

	if (r < 0)
		return r;
	text = json_object_set_new(c->catalog, "rules", provenance_new(&c->policy)) == 0
		       ? catalog_text(c->catalog)
		       : NULL;
	if (!text)
		return err_set(err, ENOMEM, "cannot write the catalog");
	image_builder_catalog(b, text, strlen(text));
	free(text);
	return 0;
}

int compile_seal(struct compile *c, int *ret_fd, struct err *err)
{
	struct image_builder *b = image_builder_new();
	int r;

	if (!b)
		return err_set(err, ENOMEM, "cannot build the policy image");
	r = policy_emit(&c->plan, b, &c->first_cell, err);
	if (r == 0)
		r = add_catalog(c, b, err);
	if (r == 0)
		r = policy_emit_inputs(&c->inputs, b, err);
	if (r == 0)
		r = image_builder_seal(b, ret_fd, err);
	image_builder_free(b);
	return r;
}
