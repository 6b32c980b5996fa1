/*
 * Theory of operation: of Codex' config.toml the sandbox mode, its workspace-write table and the
 * environment policy say what a command may reach; a profile that the file itself selects replaces
 * the mode. Newer files name a permission profile instead (codex_profile.c); both at once is what
 * Codex refuses, and so do we. Nothing at all means Codex' default, read-only.
 *
 * The JSON that Codex sends with each call comes here too, and goes to codex_profile.c.
 */
#include "import/codex.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* What Codex leaves read-only in every folder that may be written. */
static const char *const never_written[] = {".git", ".codex", ".agents"};

int codex_protect(struct import *im, const char *pointer)
{
	size_t n = 0;

	if (narrow_mode(im) == POLICY_WORKSPACE_READONLY)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(never_written); i++) {
		int r = narrow_protect(im, never_written[i]);

		if (r < 0)
			return r;
		n += (size_t)r;
	}
	return import_row(im, pointer, "built in: .git, .codex, .agents",
			  n > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
			  "protected at the top of the workspace");
}

int codex_network(struct import *im, bool on, const char *pointer)
{
	int r;

	if (on)
		return import_row(im, pointer, "network", IMPORT_NARROWED,
				  "a cell has no way out to a network: not granted");
	r = narrow_no_network(im);
	return r < 0 ? r
		     : import_row(im, pointer, "no network", r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
				  "network.mode is \"none\"");
}

/* The profile that the file selects; NULL: none. */
static json_t *profile_of(const struct import *im)
{
	const char *name = json_string_value(json_object_get(im->doc->json, "profile"));

	return name ? json_object_get(json_object_get(im->doc->json, "profiles"), name) : NULL;
}

static int mode_readonly(struct import *im, const char *pointer, const char *text)
{
	int r = narrow_readonly(im);

	paths_refuse_rest(&im->write, pointer);
	if (r >= 0)
		r = import_row(im, pointer, text, r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
			       "the workspace is read-only");
	return r < 0 ? r : codex_network(im, false, pointer);
}

static int add_root(struct import *im, const char *text, const char *pointer)
{
	return paths_add(im, &im->write, text, true, false, pointer);
}

static int take_roots(struct import *im, json_t *value, const char *pointer)
{
	return import_strings(im, value, pointer, add_root);
}

static int take_network(struct import *im, json_t *value, const char *pointer)
{
	return codex_network(im, json_is_true(value), pointer);
}

static int take_tmp(struct import *im, json_t *value, const char *pointer)
{
	return import_switch(im, value, pointer, IMPORT_REFUSED, IMPORT_NARROWED,
			     "the host's folder is not shown; a cell has one of its own for each "
			     "call");
}

static const struct import_key write_keys[] = {
	{"writable_roots", JSON_ARRAY, take_roots, NULL},
	{"network_access", JSON_TRUE, take_network, NULL},
	{"exclude_slash_tmp", JSON_TRUE, take_tmp, NULL},
	{"exclude_tmpdir_env_var", JSON_TRUE, take_tmp, NULL},
};

static int mode_write(struct import *im, const char *pointer, const char *text)
{
	json_t *table = json_object_get(im->doc->json, "sandbox_workspace_write");
	int r = paths_add(im, &im->write, ".", true, false, pointer);

	paths_refuse_rest(&im->write, pointer);
	(void)text;
	if (r == 0 && table && !json_is_object(table))
		return import_shape(im, "/sandbox_workspace_write", "must be a table");
	if (r == 0 && table)
		r = import_keys(im, table, "/sandbox_workspace_write", write_keys,
				ARRAY_SIZE(write_keys));
	if (r == 0 && !json_object_get(table, "network_access"))
		r = codex_network(im, false, pointer);
	return r == 0 ? codex_protect(im, pointer) : r;
}

static int mode_full(struct import *im, const char *pointer, const char *text)
{
	return import_row(im, pointer, text, IMPORT_NARROWED, "the base stays in force");
}

static const struct {
	const char *name;
	int (*take)(struct import *im, const char *pointer, const char *text);
} modes[] = {
	{"read-only", mode_readonly},
	{"workspace-write", mode_write},
	{"danger-full-access", mode_full},
};

static int take_mode(struct import *im, const char *text, const char *pointer)
{
	if (!text)
		return import_shape(im, pointer, "must be a string");
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(modes[i].name, text) == 0)
			return modes[i].take(im, pointer, text);
	return import_row(im, pointer, text, IMPORT_INEXPRESSIBLE, "an unknown sandbox mode");
}

/* Mode or profile: exactly one of them decides. */
static int take_sandbox(struct import *im)
{
	json_t *profile = profile_of(im);
	json_t *mode = json_object_get(profile, "sandbox_mode");
	json_t *chosen = json_object_get(im->doc->json, "default_permissions");
	char pointer[POLICY_POINTER_MAX] = "/sandbox_mode";

	if (mode) {
		const char *name = json_string_value(json_object_get(im->doc->json, "profile"));
		int r = import_below(im, pointer, "/profiles", name);

		if (r == 0)
			r = source_pointer_add(pointer, sizeof(pointer), "sandbox_mode");
		if (r < 0)
			return import_shape(im, "/profile", "is too long");
	} else {
		mode = json_object_get(im->doc->json, "sandbox_mode");
	}
	if (mode && chosen)
		return import_shape(im, "/default_permissions",
				    "cannot be together with a sandbox_mode");
	if (chosen)
		return codex_named_profile(im, chosen, "/default_permissions");
	if (mode)
		return take_mode(im, json_string_value(mode), pointer);
	return mode_readonly(im, "", "no sandbox_mode: read-only");
}

/* Patterns of names, without regard to case. */
struct env_rule {
	json_t *patterns; /* NULL: none */
	bool drop_matching;
};

static bool env_dropped(const void *ctx, const char *name)
{
	const struct env_rule *rule = ctx;
	json_t *one;
	size_t i;

	json_array_foreach(rule->patterns, i, one)
		if (fnmatch(json_string_value(one), name, FNM_CASEFOLD) == 0)
			return rule->drop_matching;
	return !rule->drop_matching;
}

static int check_pattern(struct import *im, const char *text, const char *pointer)
{
	return strlen(text) <= 128 ? 0 : import_shape(im, pointer, "is longer than 128 bytes");
}

static int env_patterns(struct import *im, json_t *value, const char *pointer, bool drop)
{
	struct env_rule rule = {value, drop};
	int r = import_strings(im, value, pointer, check_pattern);

	if (r == 0 && json_array_size(value) == 0)
		return import_row(im, pointer, "[]", IMPORT_REFUSED, "says nothing");
	if (r == 0)
		r = narrow_env(im, false, env_dropped, &rule);
	return r < 0 ? r
		     : import_row(im, pointer, drop ? "exclude" : "include_only",
				  r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED, "%s",
				  r > 0 ? "variables of the base are dropped"
					: "the base has no variable that it drops");
}

static int env_exclude(struct import *im, json_t *value, const char *pointer)
{
	return env_patterns(im, value, pointer, true);
}

static int env_only(struct import *im, json_t *value, const char *pointer)
{
	return env_patterns(im, value, pointer, false);
}

static int env_inherit(struct import *im, json_t *value, const char *pointer)
{
	const char *text = json_string_value(value);
	json_t *names = strcmp(text, "core") == 0
				? json_pack("[sssssssss]", "HOME", "LOGNAME", "PATH", "SHELL",
					    "USER", "USERNAME", "TMPDIR", "TEMP", "TMP")
				: json_array();
	struct env_rule rule = {names, false};
	bool all = strcmp(text, "all") == 0;
	int r = all ? 0 : narrow_env(im, true, env_dropped, &rule);

	json_decref(names);
	if (r < 0)
		return r;
	if (!all && strcmp(text, "core") != 0 && strcmp(text, "none") != 0)
		return import_row(im, pointer, text, IMPORT_INEXPRESSIBLE,
				  "is not one of all, core, none");
	return import_row(im, pointer, text,
			  all	  ? IMPORT_NARROWED
			  : r > 0 ? IMPORT_TAKEN
				  : IMPORT_REFUSED,
			  "a tool's environment is built from nothing by the base");
}

static int env_set(struct import *im, json_t *value, const char *pointer)
{
	(void)value;
	return import_row(im, pointer, "set", IMPORT_NARROWED,
			  "a tool's environment is what the base says: not granted");
}

static int env_defaults(struct import *im, json_t *value, const char *pointer)
{
	json_t *names = json_pack("[sss]", "*KEY*", "*SECRET*", "*TOKEN*");
	struct env_rule rule = {names, true};
	int r = json_is_true(value) ? 0 : narrow_env(im, true, env_dropped, &rule);

	json_decref(names);
	return r < 0 ? r
		     : import_row(im, pointer, json_is_true(value) ? "true" : "false",
				  r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
				  "variables that are passed: *KEY*, *SECRET*, *TOKEN*");
}

static const struct import_key env_keys[] = {
	{"inherit", JSON_STRING, env_inherit, NULL},
	{"exclude", JSON_ARRAY, env_exclude, NULL},
	{"include_only", JSON_ARRAY, env_only, NULL},
	{"set", JSON_OBJECT, env_set, NULL},
	{"ignore_default_excludes", JSON_TRUE, env_defaults, NULL},
	{"experimental_use_profile", JSON_TRUE, NULL, "a cell reads no profile of a shell's"},
};

static int take_env(struct import *im, json_t *value, const char *pointer)
{
	return import_keys(im, value, pointer, env_keys, ARRAY_SIZE(env_keys));
}

/* Counts with the mode of that name only. */
static int take_write_table(struct import *im, json_t *value, const char *pointer)
{
	if (im->write.n > 0) /* taken with the mode */
		return 0;
	(void)value;
	return import_row(im, pointer, "sandbox_workspace_write", IMPORT_IGNORED,
			  "counts with the mode workspace-write only");
}

static const struct import_key keys[] = {
	{"sandbox_mode", JSON_STRING, import_elsewhere, NULL},
	{"sandbox_workspace_write", JSON_OBJECT, take_write_table, NULL},
	{"default_permissions", JSON_STRING, import_elsewhere, NULL},
	{"permissions", JSON_OBJECT, import_elsewhere, NULL},
	{"profile", JSON_STRING, import_elsewhere, NULL},
	{"profiles", JSON_OBJECT, NULL, "counts as far as \"profile\" selects one"},
	{"shell_environment_policy", JSON_OBJECT, take_env, NULL},
	{"approval_policy", JSON_NULL, NULL, "what the host asks about, it goes on asking about"},
	{"approvals_reviewer", JSON_NULL, NULL, IMPORT_HOST},
	{"mcp_servers", JSON_OBJECT, NULL, "other servers' tools are none of toolcell's"},
	{"projects", JSON_OBJECT, NULL, IMPORT_HOST},
	{"model", JSON_NULL, NULL, IMPORT_HOST},
	{"model_provider", JSON_NULL, NULL, IMPORT_HOST},
	{"model_providers", JSON_NULL, NULL, IMPORT_HOST},
	{"model_context_window", JSON_NULL, NULL, IMPORT_HOST},
	{"model_auto_compact_token_limit", JSON_NULL, NULL, IMPORT_HOST},
	{"model_reasoning_effort", JSON_NULL, NULL, IMPORT_HOST},
	{"model_reasoning_summary", JSON_NULL, NULL, IMPORT_HOST},
	{"model_verbosity", JSON_NULL, NULL, IMPORT_HOST},
	{"personality", JSON_NULL, NULL, IMPORT_HOST},
	{"service_tier", JSON_NULL, NULL, IMPORT_HOST},
	{"features", JSON_NULL, NULL, IMPORT_HOST},
	{"tools", JSON_NULL, NULL, IMPORT_HOST},
	{"web_search", JSON_NULL, NULL, "a cell has no way out to a network"},
	{"tui", JSON_NULL, NULL, IMPORT_HOST},
	{"notify", JSON_NULL, NULL, IMPORT_HOST},
	{"notice", JSON_NULL, NULL, IMPORT_HOST},
	{"history", JSON_NULL, NULL, IMPORT_HOST},
	{"analytics", JSON_NULL, NULL, IMPORT_HOST},
	{"otel", JSON_NULL, NULL, IMPORT_HOST},
	{"file_opener", JSON_NULL, NULL, IMPORT_HOST},
	{"hide_agent_reasoning", JSON_NULL, NULL, IMPORT_HOST},
	{"show_raw_agent_reasoning", JSON_NULL, NULL, IMPORT_HOST},
	{"project_doc_max_bytes", JSON_NULL, NULL, IMPORT_HOST},
	{"project_doc_fallback_filenames", JSON_NULL, NULL, IMPORT_HOST},
	{"tool_output_token_limit", JSON_NULL, NULL, IMPORT_HOST},
	{"check_for_update_on_startup", JSON_NULL, NULL, IMPORT_HOST},
	{"cli_auth_credentials_store", JSON_NULL, NULL, IMPORT_HOST},
	{"developer_instructions", JSON_NULL, NULL, IMPORT_HOST},
};

int import_codex(struct import *im)
{
	int r;

	im->read.ties_refuse = true;
	im->write.ties_refuse = true;
	if (!im->doc->places)
		return codex_state(im);
	r = take_sandbox(im);
	if (r == 0)
		r = import_keys(im, im->doc->json, "", keys, ARRAY_SIZE(keys));
	return r == 0 ? paths_apply(im) : r;
}
