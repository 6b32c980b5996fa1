/*
 * Theory of operation: the catalog is the meeting of three voices, and each can only take away: the
 * manifests say which tools there are, the agent which of them it has (in its order, some by
 * patterns), the policy which of those it lets run. A name that nobody knows, a pattern that a tool
 * cannot honour, a tool that the policy takes away: one warning, no grant. disallowedTools wins
 * over tools. The tools for a session's changes are the policy's to grant (workspace.driver), not the
 * agent's: what an agent may write and what becomes of it are two questions; see driver.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "manifest/agent.h"
#include "manifest/core.h"
#include "manifest/driver.h"
#include "manifest/manifest.h"
#include "manifest/shell.h"

#define CATALOG_NAMES_MAX 1024U

struct build {
	const struct catalog_source *source;
	json_t *manifests;
	json_t *denied;
	json_t *tools;
	json_t *warnings;
	const char *file;
	struct err *err;
};

static void decrefp(json_t **value)
{
	json_decref(*value);
}

static int no_memory(struct build *b)
{
	return err_set(b->err, ENOMEM, "cannot build the catalog");
}

static json_t *find_manifest(json_t *manifests, const char *name)
{
	const char *key;
	json_t *one;

	json_object_foreach(manifests, key, one)
		if (manifest_is_named(one, name))
			return one;
	return NULL;
}

static int warn_unknown(struct build *b, json_int_t line, const char *name)
{
	const char *known[CATALOG_NAMES_MAX], *key, *nearest;
	char shown[80];
	size_t n = 0;
	json_t *one;
	int r;

	json_object_foreach(b->manifests, key, one)
		if (n < CATALOG_NAMES_MAX)
			known[n++] = key;
	nearest = text_nearest(name, known, n);
	(void)text_quote(shown, sizeof(shown), name, strlen(name));
	if (nearest)
		r = note_add(b->warnings, b->file, line,
			     "unknown tool \"%s\": nothing is granted for it; did you mean \"%s\"?",
			     shown, nearest);
	else
		r = note_add(b->warnings, b->file, line,
			     "unknown tool \"%s\": nothing is granted for it", shown);
	return r < 0 ? no_memory(b) : 0;
}

/* The catalog's tool made from @manifest, if it is there already. */
static json_t *find_built(struct build *b, json_t *manifest)
{
	const char *name = json_string_value(json_object_get(manifest, "name"));
	json_t *tool;
	size_t i;

	json_array_foreach(b->tools, i, tool)
		if (strcmp(json_string_value(json_object_get(tool, "name")), name) == 0)
			return tool;
	return NULL;
}

static bool is_denied(struct build *b, json_t *manifest)
{
	json_t *one;
	size_t i;

	json_array_foreach(b->denied, i, one)
		if (manifest_is_named(manifest, json_string_value(json_object_get(one, "tool"))))
			return true;
	return false;
}

/* A new tool of the catalog; @pattern may be NULL. */
static int add_tool(struct build *b, json_t *manifest, const char *pattern, json_int_t line)
{
	const char *name = json_string_value(json_object_get(manifest, "name"));
	json_t *limits = NULL, *tool, *more;
	uint32_t cell = b->source->cell_of(b->source->ctx, name, &limits);

	if (cell == UINT32_MAX) {
		json_decref(limits);
		return note_add(b->warnings, b->file, line,
				"the policy \"%s\" takes the tool \"%s\" away: nothing is granted "
				"for it",
				b->source->policy_name, name) < 0
			       ? no_memory(b)
			       : 0;
	}
	tool = json_copy(manifest);
	more = json_pack("{sI so s[]}", "cell", (json_int_t)cell, "policy_limits",
			 limits ? limits : json_object(), "patterns");
	if (!tool || !more || json_object_update(tool, more) < 0 ||
	    (pattern &&
	     json_array_append_new(json_object_get(tool, "patterns"), json_string(pattern)) < 0)) {
		json_decref(tool);
		json_decref(more);
		return no_memory(b);
	}
	json_decref(more);
	return json_array_append_new(b->tools, tool) < 0 ? no_memory(b) : 0;
}

/* Listed again: grants add up, so one without a pattern is all of the tool. */
static int widen_tool(struct build *b, json_t *tool, const char *pattern, json_int_t line)
{
	json_t *patterns = json_object_get(tool, "patterns");
	const char *name = json_string_value(json_object_get(tool, "name"));
	int r = 0;

	if (pattern && json_array_size(patterns) > 0)
		return json_array_append_new(patterns, json_string(pattern)) < 0 ? no_memory(b) : 0;
	if (pattern || json_array_size(patterns) > 0)
		r = note_add(b->warnings, b->file, line,
			     "\"%s\" is granted without a pattern as well, so its patterns narrow "
			     "nothing",
			     name);
	if (r < 0 || json_array_clear(patterns) < 0)
		return no_memory(b);
	return 0;
}

/* 1 when the pattern may be used, 0 when a warning has been written. */
static int check_pattern(struct build *b, json_t *manifest, const char *pattern, json_int_t line)
{
	const char *name = json_string_value(json_object_get(manifest, "name"));
	char shown[80];
	struct err why;
	int r;

	(void)text_quote(shown, sizeof(shown), pattern, strlen(pattern));
	if (!json_object_get(manifest, "pattern"))
		r = note_add(b->warnings, b->file, line,
			     "\"%s(%s)\": this tool takes no pattern: nothing is granted for it",
			     name, shown);
	else if (shell_pattern_check(pattern, &why) < 0)
		r = note_add(b->warnings, b->file, line,
			     "\"%s(%s)\": expected words, or words and \":*\" (%s): nothing is "
			     "granted for it",
			     name, shown, why.text);
	else
		return 1;
	return r < 0 ? no_memory(b) : 0;
}

/* Harmless when the policy grants it anyway. */
static int note_driver_tool(struct build *b, json_t *manifest, json_int_t line)
{
	const char *name = json_string_value(json_object_get(manifest, "name"));
	json_t *tool = NULL;
	int r = driver_narrow(manifest, b->source->driver, &tool);

	json_decref(tool);
	if (r == 0)
		r = note_add(b->warnings, b->file, line,
			     "\"%s\" is granted by a policy with \"mode\": \"overlay\" "
			     "(workspace.driver), and \"%s\" does not: nothing is granted for it",
			     name, b->source->policy_name);
	return r < 0 ? no_memory(b) : 0;
}

static int add_grant(struct build *b, json_t *grant)
{
	const char *name = json_string_value(json_object_get(grant, "tool"));
	const char *pattern = json_string_value(json_object_get(grant, "pattern"));
	json_int_t line = json_integer_value(json_object_get(grant, "line"));
	json_t *manifest = find_manifest(b->manifests, name), *built;
	int r;

	if (!manifest)
		return warn_unknown(b, line, name);
	if (is_denied(b, manifest))
		return 0;
	if (driver_is_tool(manifest))
		return note_driver_tool(b, manifest, line);
	if (pattern) {
		r = check_pattern(b, manifest, pattern, line);
		if (r <= 0)
			return r;
	}
	built = find_built(b, manifest);
	return built ? widen_tool(b, built, pattern, line) : add_tool(b, manifest, pattern, line);
}

static int add_granted(struct build *b, json_t *agent)
{
	json_t *grant;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(agent, "denied"), i, grant)
		if (r == 0 && json_is_string(json_object_get(grant, "pattern")) &&
		    note_add(b->warnings, b->file,
			     json_integer_value(json_object_get(grant, "line")),
			     "disallowedTools: a pattern cannot be taken away alone; \"%s\" is "
			     "taken away whole",
			     json_string_value(json_object_get(grant, "tool"))) < 0)
			r = no_memory(b);
	json_array_foreach(json_object_get(agent, "grants"), i, grant)
		if (r == 0)
			r = add_grant(b, grant);
	return r;
}

static int compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* Without an agent: every manifest, by name. */
static int add_every(struct build *b)
{
	size_t n = json_object_size(b->manifests), i = 0;
	const char **names = calloc(n + 1, sizeof(*names));
	const char *key;
	json_t *one;
	int r = 0;

	if (!names)
		return no_memory(b);
	json_object_foreach(b->manifests, key, one)
		names[i++] = key;
	qsort(names, n, sizeof(*names), compare_names);
	for (i = 0; i < n && r == 0; i++) {
		json_t *manifest = json_object_get(b->manifests, names[i]);

		if (!driver_is_tool(manifest))
			r = add_tool(b, manifest, NULL, 1);
	}
	free(names);
	return r;
}

/* Takes @tool; into @list. */
static int add_driver_tool(struct build *b, json_t *list, json_t *tool)
{
	const struct catalog_source *s = b->source;
	const char *kind = json_string_value(json_object_get(tool, "cell_kind"));
	bool exclusive = kind && strcmp(kind, MANIFEST_CELL_EXCLUSIVE) == 0;
	json_int_t cell = (json_int_t)(exclusive ? s->exclusive_cell : s->changes_cell);
	json_t *more = json_pack("{so so s[]}", "cell", kind ? json_integer(cell) : json_null(),
				 "policy_limits",
				 s->changes_limits ? json_incref(s->changes_limits) : json_object(),
				 "patterns");
	int r = more ? json_object_update(tool, more) : -1;

	json_decref(more);
	if (r == 0)
		r = json_array_append(list, tool);
	json_decref(tool);
	return r < 0 ? no_memory(b) : 0;
}

/* Whether the policy's own list of tools, or the agent's disallowedTools, takes it from the driver. */
static bool is_taken_away(struct build *b, json_t *manifest)
{
	const char *name = json_string_value(json_object_get(manifest, "name"));
	json_t *limits = NULL;
	uint32_t cell = b->source->cell_of(b->source->ctx, name, &limits);

	json_decref(limits);
	return cell == UINT32_MAX || is_denied(b, manifest);
}

/* Twice: narrowed for the driver, whole for the person at the command line. */
static int add_session_tool(struct build *b, json_t *operator, json_t * manifest)
{
	json_t *tool = NULL;
	int r = is_taken_away(b, manifest) ? 0 : driver_narrow(manifest, b->source->driver, &tool);

	if (r > 0)
		r = add_driver_tool(b, b->tools, tool);
	if (r < 0)
		return no_memory(b);
	tool = json_copy(manifest);
	return tool ? add_driver_tool(b, operator, tool) : no_memory(b);
}

static int add_session_tools(struct build *b, json_t *operator)
{
	const char *name;
	int r = 0;

	for (size_t i = 0; b->source->driver && r == 0 && (name = driver_name(i)) != NULL; i++) {
		json_t *manifest = json_object_get(b->manifests, name);

		if (manifest && driver_is_tool(manifest))
			r = add_session_tool(b, operator, manifest);
	}
	return r;
}

static json_t *agent_part(json_t *agent)
{
	if (!agent)
		return json_null();
	return json_pack("{sO sO sO sO}", "name", json_object_get(agent, "name"), "description",
			 json_object_get(agent, "description"), "prompt",
			 json_object_get(agent, "prompt"), "file", json_object_get(agent, "file"));
}

/* "agents/NAME.md" as in the agent's own messages. */
static const char *shown_file(json_t *agent)
{
	const char *path = json_string_value(json_object_get(agent, "file"));

	return path ? agent_brief_path(path) : "policy";
}

static json_t *catalog_new(const struct catalog_source *s)
{
	return json_pack("{so ss so ss s[] so so ss so s[] s[]}", "audit",
			 s->audit ? json_incref(s->audit) : json_null(), "schema",
			 "toolcell.catalog/1", "agent", agent_part(s->agent), "policy",
			 s->policy_name, "warnings", "env",
			 s->env ? json_incref(s->env) : json_object(), "pass",
			 s->pass ? json_incref(s->pass) : json_array(), "home", s->home, "driver",
			 s->driver ? json_incref(s->driver) : json_array(), "tools", "operator");
}

int catalog_build(const struct catalog_source *source, json_t **ret, struct err *err)
{
	CLEANUP(decrefp) json_t *catalog = catalog_new(source);
	json_t *agent = source->agent;
	struct build b = {
		.source = source,
		.manifests = source->manifests,
		.denied = json_object_get(agent, "denied"),
		.tools = json_object_get(catalog, "tools"),
		.warnings = json_object_get(catalog, "warnings"),
		.file = shown_file(agent),
		.err = err,
	};
	int r;

	if (!catalog)
		return no_memory(&b);
	if (agent && json_array_extend(b.warnings, json_object_get(agent, "warnings")) < 0)
		return no_memory(&b);
	r = agent ? add_granted(&b, agent) : add_every(&b);
	if (r == 0)
		r = add_session_tools(&b, json_object_get(catalog, "operator"));
	if (r == 0)
		*ret = json_incref(catalog);
	return r;
}
