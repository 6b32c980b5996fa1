/*
 * Tool manifests (tools/NAME.json), agent files (agents/NAME.md) and the catalog made of them.
 * manifest_core links jansson only and also runs inside the broker (validation, argv expansion);
 * manifest_load adds files and libyaml and runs in policyc alone.
 */
#ifndef TOOLCELL_MANIFEST_MANIFEST_H
#define TOOLCELL_MANIFEST_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Files read, in order; for the image's inputs. NULL ctx functions are allowed to be NULL. */
struct manifest_observer {
	void (*file_read)(void *ctx, const char *path);
	void (*file_absent)(void *ctx, const char *path);
	void *ctx;
};

/**
 * manifest_load_all - every *.json of the directories
 * @dirs: searched in order; the first one that has NAME.json wins; a missing directory is none
 * @ret:  new object, name -> checked manifest; caller decrefs
 */
MUST_USE int manifest_load_all(const char *const *dirs, const struct manifest_observer *observer,
			       json_t **ret, struct err *err);

/**
 * agent_load - an agent file
 * @name_or_file: NAME is looked up in @dirs as NAME.md
 * @ret: new object {"name","description","prompt","policy" (or null),"file","grants":
 *	 [{"tool","pattern" (or null),"line"}],"denied": [...] (disallowedTools, same shape),
 *	 "warnings":[...],"infos":[...]}; caller decrefs
 */
MUST_USE int agent_load(const char *name_or_file, const char *const *dirs,
			const struct manifest_observer *observer, json_t **ret, struct err *err);

/* What a catalog is made from. Everything is borrowed. */
struct catalog_source {
	json_t *agent;	   /* of agent_load; NULL: every tool is granted */
	json_t *manifests; /* of manifest_load_all */
	const char *policy_name;
	json_t *env;  /* object; NULL: none */
	json_t *pass; /* array; NULL: none */
	const char *home;
	/*
	 * What the policy lets the driver do with a session's changes (workspace.driver), an array of
	 * words; NULL: the workspace is no overlay, so that there is no session.
	 */
	json_t *driver;
	json_t *audit;		 /* the policy's audit log; NULL: none */
	uint32_t changes_cell;	 /* index of the image cell of tools with "cell": "changes" */
	uint32_t exclusive_cell; /* ... and with "changes-exclusive" */
	json_t *changes_limits;	 /* limits of both; NULL: none are told */
	/*
	 * index of the image cell for a tool, its limits as {"wall_ms",...} in *ret_limits (new
	 * reference); UINT32_MAX: the policy takes the tool away (a warning, nothing granted)
	 */
	uint32_t (*cell_of)(void *ctx, const char *tool, json_t **ret_limits);
	void *ctx;
};

/**
 * catalog_build - what the broker needs: {"audit":...,"schema":"toolcell.catalog/1", ...}
 *
 * "audit" comes first: the supervisor, which opens the log, reads it and nothing behind it.
 * "tools" is what the driver has. "operator" is what the person at the command line and the engine
 * itself have besides: the tools for a session's changes, all of them, whatever workspace.driver
 * says; empty without a session.
 */
MUST_USE int catalog_build(const struct catalog_source *source, json_t **ret, struct err *err);

/**
 * manifest_find_tool - catalog tool by name, or by alias ("-" and "_" are alike); borrowed or NULL
 */
json_t *manifest_find_tool(json_t *catalog, const char *name);

/** manifest_name_equal - equal, "-" and "_" being alike */
bool manifest_name_equal(const char *a, const char *b);

/** manifest_find_operator_tool - the same among what the person at the command line has besides */
json_t *manifest_find_operator_tool(json_t *catalog, const char *name);

/**
 * manifest_tools_format - tools as a driver wants them
 * @tools:  array of catalog tools or checked manifests
 * @format: "mcp", "anthropic" or "openai"
 * Return: new array, or NULL for an unknown format, a tool without name or schema, or without memory.
 */
json_t *manifest_tools_format(json_t *tools, const char *format);
bool manifest_format_is_known(const char *format);

/** manifest_is_named - whether @name is the name or an alias of a manifest or catalog tool */
bool manifest_is_named(json_t *tool, const char *name);

/**
 * manifest_validate - arguments against the tool's inputSchema (the subset that manifests may use)
 * Errors name the JSON pointer, what was expected, and the nearest key for an unknown one. A null
 * counts as "not given".
 */
MUST_USE int manifest_validate(json_t *tool, json_t *arguments, struct err *err);

/** manifest_reads_arguments - the tool's program reads the arguments as JSON: one of ours */
bool manifest_reads_arguments(json_t *tool);

struct manifest_call {
	char **argv; /* NULL-terminated */
	char **env;  /* NAME=VALUE set by the tool's manifest; NULL-terminated */
	char *cwd; /* as the driver gave it, relative to the workspace or absolute; NULL: workspace
		    */
	char *stdin_text; /* what the tool reads on stdin (inline source, or the arguments as JSON);
			     NULL: stdin is empty */
	size_t stdin_len;
	uint64_t
		wall_ms; /* what driver and manifest ask for, the lower of both; 0: nothing asked */
};

/**
 * manifest_expand - arguments (already validated) to what is executed; never through a shell of
 * ours Applies the agent's patterns (Bash(git:*)): outside of them it is -EPERM with words for the
 * model.
 * @ret: manifest_call_fini frees
 */
MUST_USE int manifest_expand(json_t *tool, json_t *arguments, const char *workspace,
			     struct manifest_call *ret, struct err *err);
void manifest_call_fini(struct manifest_call *call);

#endif
