/*
 * Theory of operation: of Codex' config.toml the sandbox mode, its workspace-write table and the
 * environment policy say what a command may reach; a profile that the file itself selects replaces
 * the mode, and one that is not there is an error, as it is to Codex. Newer files name a permission profile instead (codex_profile.c); both at once is what
 * Codex refuses, and so do we. Nothing at all means Codex' default, read-only.
 *
 * The JSON that Codex sends with each call comes here too, and goes to codex_profile.c.
 */
#include "import/codex.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"

/* What Codex leaves read-only in every folder that may be written. */
static const char *const never_written[] = {".git", ".codex", ".agents"};

/* In the workspace a path can be protected before it is there; elsewhere it is mounted read-only. */
static int protect_in(struct import *im, const struct path_rule *root, const char *name)
{
	const char *workspace = im->options->workspace;
	char *path = NULL;
	struct stat st;
	int r = 0;

	if (asprintf(&path, "%s/%s", root->path, name) < 0)
		return err_set(im->err, ENOMEM, "cannot protect a folder");
	if (path_is_below(root->path, workspace) || lstat(path, &st) == 0)
		r = paths_add(im, &im->write, path, false, true, root->pointer);
	free(path);
	return r;
}

/* Every other folder that may be written. */
static int protect_roots(struct import *im)
{
	size_t n = im->write.n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct path_rule *root = &im->write.at[i];

		if (!root->allow || strcmp(root->path, im->options->workspace) == 0)
			continue;
		for (size_t k = 0; r == 0 && k < ARRAY_SIZE(never_written); k++)
			r = protect_in(im, root, never_written[k]);
	}
	return r;
}

int codex_protect(struct import *im, const char *pointer)
{
	size_t n = 0;
	int r = protect_roots(im);

	if (r < 0 || narrow_mode(im) == POLICY_WORKSPACE_READONLY)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(never_written); i++) {
		r = narrow_protect(im, never_written[i]);
		if (r < 0)
			return r;
		n += (size_t)r;
	}
	return import_row(im, pointer, "built in: .git, .codex, .agents",
			  n > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
			  "protected at the top of the workspace, and in other folders that may be "
			  "written where they are there");
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

static const struct import_key profile_keys[] = {
	{"sandbox_mode", JSON_STRING, import_elsewhere, NULL},
	{"approval_policy", JSON_NULL, NULL, IMPORT_ASKED},
	{"approvals_reviewer", JSON_NULL, NULL, IMPORT_HOST},
	{"model", JSON_NULL, NULL, IMPORT_HOST},
	{"model_provider", JSON_NULL, NULL, IMPORT_HOST},
	{"model_reasoning_effort", JSON_NULL, NULL, IMPORT_HOST},
	{"plan_mode_reasoning_effort", JSON_NULL, NULL, IMPORT_HOST},
	{"model_reasoning_summary", JSON_NULL, NULL, IMPORT_HOST},
	{"model_verbosity", JSON_NULL, NULL, IMPORT_HOST},
	{"model_instructions_file", JSON_NULL, NULL, IMPORT_HOST},
	{"chatgpt_base_url", JSON_NULL, NULL, IMPORT_HOST},
	{"oss_provider", JSON_NULL, NULL, IMPORT_HOST},
	{"personality", JSON_NULL, NULL, IMPORT_HOST},
	{"service_tier", JSON_NULL, NULL, IMPORT_HOST},
	{"features", JSON_NULL, NULL, IMPORT_HOST},
	{"tools", JSON_NULL, NULL, IMPORT_HOST},
	{"analytics", JSON_NULL, NULL, IMPORT_HOST},
	{"web_search", JSON_NULL, NULL, "a cell has no way out to a network"},
};

/* The profile that the file selects, with the rows of its keys; *ret stays NULL where none is. */
static int take_profile(struct import *im, json_t **ret, char *pointer)
{
	json_t *name = json_object_get(im->doc->json, "profile");
	json_t *profiles = json_object_get(im->doc->json, "profiles");
	json_t *profile = json_object_get(profiles, json_string_value(name));
	int r;

	if (!name)
		return 0;
	if (!json_is_string(name))
		return import_shape(im, "/profile", "must be a string");
	if (!json_is_object(profile))
		return import_shape(im, "/profile", "there is no table of that name in [profiles]");
	r = import_below(im, pointer, "/profiles", json_string_value(name));
	if (r == 0)
		r = import_keys(im, profile, pointer, profile_keys, ARRAY_SIZE(profile_keys));
	*ret = profile;
	return r;
}

/* The mode that counts, and where it stands. */
static int choose_mode(struct import *im, json_t **ret, char *pointer)
{
	json_t *top = json_object_get(im->doc->json, "sandbox_mode");
	json_t *profile = NULL;
	int r = take_profile(im, &profile, pointer);
	json_t *mode = json_object_get(profile, "sandbox_mode");

	if (r == 0 && mode && source_pointer_add(pointer, POLICY_POINTER_MAX, "sandbox_mode") < 0)
		return import_shape(im, "/profile", "is too long");
	if (r == 0 && mode && json_is_string(top))
		r = import_row(im, "/sandbox_mode", json_string_value(top), IMPORT_IGNORED,
			       "that of the profile counts");
	if (!mode)
		(void)snprintf(pointer, POLICY_POINTER_MAX, "/sandbox_mode");
	*ret = mode ? mode : top;
	return r;
}

/* Mode or profile: exactly one of them decides. */
static int take_sandbox(struct import *im)
{
	json_t *chosen = json_object_get(im->doc->json, "default_permissions");
	char pointer[POLICY_POINTER_MAX];
	json_t *mode = NULL;
	int r = choose_mode(im, &mode, pointer);

	if (r < 0)
		return r;
	if (mode && chosen)
		return import_shape(im, "/default_permissions",
				    "cannot be together with a sandbox_mode");
	if (chosen)
		return codex_named_profile(im, chosen, "/default_permissions");
	if (mode)
		return take_mode(im, json_string_value(mode), pointer);
	return mode_readonly(im, "", "no sandbox_mode: read-only");
}

/* Patterns of names, without regard to case; "*" and "?" are all that these have. */
struct env_rule {
	json_t *patterns; /* NULL: none */
	bool drop_matching;
};

static bool env_dropped(const void *ctx, const char *name)
{
	const struct env_rule *rule = ctx;
	json_t *one;
	size_t i;

	json_array_foreach(rule->patterns, i, one) {
		const char *pattern = json_string_value(one);

		if (!strpbrk(pattern, "[\\") && fnmatch(pattern, name, FNM_CASEFOLD) == 0)
			return rule->drop_matching;
	}
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
	int r = !names ? -ENOMEM : all ? 0 : narrow_env(im, true, env_dropped, &rule);

	json_decref(names);
	if (r < 0)
		return err_set(im->err, ENOMEM, "cannot narrow the environment");
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

static int drop_secrets(struct import *im, const char *pointer, const char *text)
{
	json_t *names = json_pack("[sss]", "*KEY*", "*SECRET*", "*TOKEN*");
	struct env_rule rule = {names, true};
	int r = names ? narrow_env(im, true, env_dropped, &rule) : -ENOMEM;

	json_decref(names);
	return r < 0 ? err_set(im->err, ENOMEM, "cannot narrow the environment")
		     : import_row(im, pointer, text, r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
				  "variables that are passed: *KEY*, *SECRET*, *TOKEN*");
}

static int env_defaults(struct import *im, json_t *value, const char *pointer)
{
	return json_is_true(value) ? import_row(im, pointer, "true", IMPORT_NARROWED,
						"a tool's environment is what the base says")
				   : drop_secrets(im, pointer, "false");
}

/* Versions of Codex differ in whether these go when nothing is said of them: so they do. */
static int env_built_in(struct import *im)
{
	json_t *policy = json_object_get(im->doc->json, "shell_environment_policy");

	return json_object_get(policy, "ignore_default_excludes")
		       ? 0
		       : drop_secrets(im, "/shell_environment_policy/ignore_default_excludes",
				      "built in");
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

/* Counts with the mode of that name only, which has taken it then. */
static int take_write_table(struct import *im, json_t *value, const char *pointer)
{
	json_t *root = im->doc->json;
	json_t *profile = json_object_get(json_object_get(root, "profiles"),
					  json_string_value(json_object_get(root, "profile")));
	json_t *own = json_object_get(profile, "sandbox_mode");
	const char *mode = json_string_value(own ? own : json_object_get(root, "sandbox_mode"));

	(void)value;
	if (mode && strcmp(mode, "workspace-write") == 0)
		return 0;
	return import_row(im, pointer, "sandbox_workspace_write", IMPORT_IGNORED,
			  "counts with the mode workspace-write only");
}

/* The chosen one has its rows. */
static int take_permissions(struct import *im, json_t *value, const char *pointer)
{
	const char *chosen = json_string_value(
		json_object_get(im->doc->json, "default_permissions"));
	const char *name;
	json_t *one;

	if (json_object_size(value) == 0)
		return import_row(im, pointer, "permissions", IMPORT_IGNORED, "has no profile");
	json_object_foreach(value, name, one) {
		char below[POLICY_POINTER_MAX];
		int r = import_below(im, below, pointer, name);

		if (r == 0 && !(chosen && strcmp(chosen, name) == 0))
			r = import_row(im, below, name, IMPORT_IGNORED,
				       "counts when default_permissions names it");
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct import_key keys[] = {
	{"sandbox_mode", JSON_STRING, import_elsewhere, NULL},
	{"sandbox_workspace_write", JSON_OBJECT, take_write_table, NULL},
	{"default_permissions", JSON_STRING, import_elsewhere, NULL},
	{"permissions", JSON_OBJECT, take_permissions, NULL},
	{"profile", JSON_STRING, NULL, "selects a profile"},
	{"profiles", JSON_OBJECT, NULL, "counts as far as \"profile\" selects one"},
	{"shell_environment_policy", JSON_OBJECT, take_env, NULL},
	{"approval_policy", JSON_NULL, NULL, IMPORT_ASKED},
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
	if (r == 0)
		r = env_built_in(im);
	return r == 0 ? paths_apply(im) : r;
}
