/*
 * Theory of operation: what the catalog tells the broker of "ask". A tool of the catalog gets the rule
 * that asks about it, with the commands that run without a question; the catalog itself gets the grants
 * that are cells of their own, in the order of their bits, and where those cells stand in the image:
 *
 *	cell for INDEX with the grants in SET = first_cell + (SET - 1) * cells + INDEX
 *
 * A pattern must be one that the tool's manifest can hold a call against; a mistake in one is an error
 * here, as it would be a command that nobody is asked about.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manifest/manifest.h"
#include "manifest/shell.h"
#include "policyc/compile.h"

static json_t *where_json(const struct policy *policy, struct policy_origin origin)
{
	char where[512];

	return json_string(policy_where(policy, origin, where, sizeof(where)));
}

static int check_pattern(const struct compile *c, const struct policy_name *pattern,
			 const json_t *manifest, const char *tool, struct err *err)
{
	struct err why = {0};

	if (!json_object_get(manifest, "pattern"))
		return policy_complain(&c->policy, pattern->origin, err,
				       "the tool %s takes no patterns; write \"ask\": true", tool);
	if (shell_pattern_check(pattern->name, &why) < 0)
		return policy_complain(&c->policy, pattern->origin, err,
				       "must be words, or words and \":*\": %s", why.text);
	return 0;
}

int compile_check_asks(const struct compile *c, struct err *err)
{
	for (size_t i = 0; i < c->policy.n_tools; i++) {
		const struct policy_tool *tool = &c->policy.tools[i];
		json_t *manifest = compile_find_manifest(c->manifests, tool->name);

		for (size_t j = 0; j < tool->ask_patterns.n; j++) {
			int r = check_pattern(c, &tool->ask_patterns.at[j], manifest, tool->name,
					      err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static json_t *patterns_json(const struct policy_tool *tool)
{
	json_t *patterns = json_array();

	for (size_t i = 0; patterns && i < tool->ask_patterns.n; i++)
		if (json_array_append_new(patterns, json_string(tool->ask_patterns.at[i].name)) <
		    0) {
			json_decref(patterns);
			return NULL;
		}
	return patterns;
}

/* Each tool of one list of the catalog that a person has to confirm. */
static int mark_tools(const struct compile *c, json_t *tools)
{
	json_t *tool;
	size_t i;

	json_array_foreach(tools, i, tool) {
		const char *name = json_string_value(json_object_get(tool, "name"));
		const struct policy_tool *section = name ? compile_find_section(c, name) : NULL;

		if (!section || !section->ask.value)
			continue;
		if (json_object_set_new(tool, "ask",
					json_pack("{s:o, s:o}", "rule",
						  where_json(&c->policy, section->ask.origin),
						  "patterns", patterns_json(section))) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* What somebody would write into the policy to be asked no more. */
static json_t *fragment(const struct policy_mount *mount)
{
	bool reads = mount->flags & IMAGE_MOUNT_READONLY;
	json_t *value = json_pack("{s:{s:[s]}}", "filesystem", reads ? "read" : "write",
				  mount->target);
	char *text = value ? json_dumps(value, 0) : NULL;
	json_t *string = text ? json_string(text) : NULL;

	free(text);
	json_decref(value);
	return string;
}

/* Whether the path is there for reading all the same. */
static bool is_upgrade(const struct compile *c, const struct policy_mount *mount)
{
	for (size_t i = 0; i < c->plan.n_mounts; i++) {
		const struct policy_mount *m = &c->plan.mounts[i];

		if (!m->ask && m->target && strcmp(m->target, mount->target) == 0)
			return true;
	}
	return false;
}

static json_t *grants_json(const struct compile *c)
{
	json_t *grants = json_array();

	for (uint32_t bit = 1; grants && bit < 1U << c->plan.n_asks; bit <<= 1) {
		const struct policy_mount *m = c->plan.mounts;

		while (m->ask != bit)
			m++;
		if (json_array_append_new(grants,
					  json_pack("{s:s, s:b, s:b, s:o, s:o}", "path", m->target,
						    "write", !(m->flags & IMAGE_MOUNT_READONLY),
						    "upgrade", (int)is_upgrade(c, m), "rule",
						    where_json(&c->policy, m->origin), "fragment",
						    fragment(m))) < 0) {
			json_decref(grants);
			return NULL;
		}
	}
	return grants;
}

int compile_add_asks(struct compile *c, struct err *err)
{
	const struct policy *policy = &c->policy;
	bool overlay = policy->workspace.value == POLICY_WORKSPACE_OVERLAY;
	uint32_t cells = policy_n_cells(policy);
	uint32_t first = c->first_cell + cells + (overlay ? POLICY_CHANGES_CELLS : 0U);
	json_t *ask = json_pack("{s:I, s:b, s:I, s:I, s:o}", "timeout_ms",
				(json_int_t)policy->ask_timeout.value, "session",
				(int)(policy->ask_session.value != 0), "cells", (json_int_t)cells,
				"first_cell", (json_int_t)first, "grants", grants_json(c));

	if (json_object_set_new(c->catalog, "ask", ask) < 0 ||
	    mark_tools(c, json_object_get(c->catalog, "tools")) < 0 ||
	    mark_tools(c, json_object_get(c->catalog, "operator")) < 0)
		return err_set(err, ENOMEM, "cannot build the catalog");
	return 0;
}
