/*
 * Theory of operation: Claude Code's settings.json is a table of keys, most of which have no
 * bearing on what a tool may reach. Permissions are taken in the order in which Claude Code lets
 * them win: what is refused, what is to be asked about, what is allowed. The sandbox section counts
 * when it is switched on; its refusals count always, since they can only make a policy stricter.
 */
#include "import/claude.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_folder(struct import *im, const char *text, const char *pointer)
{
	char *path = NULL;
	int r = paths_resolve(im, text, &path);
	bool shown = path && paths_shown(im, path);

	free(path);
	if (r < 0)
		return r;
	return import_row(im, pointer, text, shown ? IMPORT_IGNORED : IMPORT_NARROWED, "%s",
			  shown ? "shown as far as the base grants it"
				: "the base does not show it: not granted");
}

static int take_folders(struct import *im, json_t *value, const char *pointer)
{
	return import_strings(im, value, pointer, add_folder);
}

static int mode_plan(struct import *im)
{
	int r = narrow_readonly(im);

	return r < 0 ? r : claude_take_away(im, "Edit");
}

/* "dontAsk": what no rule allows is refused. */
static int mode_dont_ask(struct import *im)
{
	json_t *permissions = json_object_get(im->doc->json, "permissions");

	return claude_keep_allowed(im, json_object_get(permissions, "allow"));
}

static const struct {
	const char *name;
	enum import_verdict verdict;
	int (*narrow)(struct import *im);
	const char *note;
} modes[] = {
	{"default", IMPORT_IGNORED, NULL, IMPORT_ASKED},
	{"acceptEdits", IMPORT_IGNORED, NULL, IMPORT_ASKED},
	{"plan", IMPORT_TAKEN, mode_plan, "the workspace is read-only, no tool edits"},
	{"dontAsk", IMPORT_TAKEN, mode_dont_ask, "tools that no rule allows are taken away"},
	{"bypassPermissions", IMPORT_NARROWED, NULL, "the base stays in force"},
};

static int take_mode(struct import *im, json_t *value, const char *pointer)
{
	const char *text = json_string_value(value);

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int r;

		if (strcmp(modes[i].name, text) != 0)
			continue;
		r = modes[i].narrow ? modes[i].narrow(im) : 0;
		return r < 0 ? r
			     : import_row(im, pointer, text, modes[i].verdict, "%s", modes[i].note);
	}
	return import_row(im, pointer, text, IMPORT_INEXPRESSIBLE, "an unknown mode");
}

/* Lists of rules: take_permissions has them in their own order. */
static const struct import_key permission_keys[] = {
	{"allow", JSON_ARRAY, import_elsewhere, NULL},
	{"deny", JSON_ARRAY, import_elsewhere, NULL},
	{"ask", JSON_ARRAY, import_elsewhere, NULL},
	{"defaultMode", JSON_STRING, take_mode, NULL},
	{"additionalDirectories", JSON_ARRAY, take_folders, NULL},
	{"disableBypassPermissionsMode", JSON_STRING, NULL, "there is no bypass of a policy"},
	{"disableAutoMode", JSON_STRING, NULL, "there is no bypass of a policy"},
};

static int take_permissions(struct import *im, json_t *value, const char *pointer)
{
	static const struct {
		const char *name;
		enum claude_list which;
	} lists[] = {{"deny", CLAUDE_DENY}, {"ask", CLAUDE_ASK}, {"allow", CLAUDE_ALLOW}};
	const char *mode = json_string_value(json_object_get(value, "defaultMode"));
	bool only = mode && strcmp(mode, "dontAsk") == 0;
	int r = claude_whole_tools(im, json_object_get(value, "deny"));

	if (r == 0)
		r = import_keys(im, value, pointer, permission_keys, ARRAY_SIZE(permission_keys));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(lists); i++) {
		char below[POLICY_POINTER_MAX];

		r = import_below(im, below, pointer, lists[i].name);
		if (r == 0)
			r = claude_rules(im, json_object_get(value, lists[i].name), lists[i].which,
					 only, below);
	}
	return r;
}

static int weaker(struct import *im, json_t *value, const char *pointer)
{
	return import_switch(im, value, pointer, IMPORT_NARROWED, IMPORT_REFUSED,
			     "nothing runs outside of a cell, and no cell is weakened");
}

static int always(struct import *im, json_t *value, const char *pointer)
{
	return import_switch(im, value, pointer, IMPORT_REFUSED, IMPORT_NARROWED,
			     "nothing runs outside of a cell");
}

static int outside(struct import *im, const char *text, const char *pointer)
{
	return import_row(im, pointer, text, IMPORT_NARROWED, "nothing runs outside of a cell");
}

static int take_outside(struct import *im, json_t *value, const char *pointer)
{
	return import_strings(im, value, pointer, outside);
}

static const struct import_key sandbox_keys[] = {
	{"enabled", JSON_TRUE, always, NULL},
	{"failIfUnavailable", JSON_TRUE, always, NULL},
	{"allowUnsandboxedCommands", JSON_TRUE, weaker, NULL},
	{"enableWeakerNestedSandbox", JSON_TRUE, weaker, NULL},
	{"enableWeakerNetworkIsolation", JSON_TRUE, weaker, NULL},
	{"excludedCommands", JSON_ARRAY, take_outside, NULL},
	{"autoAllowBashIfSandboxed", JSON_TRUE, NULL, "spares a question of the host's"},
	{"ignoreViolations", JSON_OBJECT, NULL, "says what is reported, not what is refused"},
	{"ripgrep", JSON_OBJECT, NULL, "the host's own search"},
	{"network", JSON_OBJECT, sandbox_network, NULL},
	{"filesystem", JSON_OBJECT, sandbox_filesystem, NULL},
};

/* Switched on, writing is refused but for the folder and what is named. */
static int take_sandbox(struct import *im, json_t *value, const char *pointer)
{
	bool on = json_is_true(json_object_get(value, "enabled"));
	int r = 0;

	if (on)
		paths_refuse_rest(&im->write, pointer);
	if (on)
		r = paths_add(im, &im->write, ".", true, false, pointer);
	return r == 0 ? import_keys(im, value, pointer, sandbox_keys, ARRAY_SIZE(sandbox_keys)) : r;
}

static int take_gate(struct import *im, json_t *value, const char *pointer)
{
	if (json_array_size(value) == 0)
		return import_row(im, pointer, "[]", IMPORT_IGNORED, "runs nothing");
	return import_row(im, pointer, "programs", IMPORT_INEXPRESSIBLE,
			  "a program of the host's that may refuse a call; toolcell does not run "
			  "it");
}

#define EVENT "runs on the host, by the host, and refuses no call"

/* An event that is not here may be one that refuses. */
static const struct import_key hook_keys[] = {
	{"PreToolUse", JSON_ARRAY, take_gate, NULL},
	{"PermissionRequest", JSON_ARRAY, take_gate, NULL},
	{"ConfigChange", JSON_ARRAY, NULL, EVENT},
	{"CwdChanged", JSON_ARRAY, NULL, EVENT},
	{"Elicitation", JSON_ARRAY, NULL, EVENT},
	{"ElicitationResult", JSON_ARRAY, NULL, EVENT},
	{"FileChanged", JSON_ARRAY, NULL, EVENT},
	{"InstructionsLoaded", JSON_ARRAY, NULL, EVENT},
	{"Notification", JSON_ARRAY, NULL, EVENT},
	{"PermissionDenied", JSON_ARRAY, NULL, EVENT},
	{"PostCompact", JSON_ARRAY, NULL, EVENT},
	{"PostToolUse", JSON_ARRAY, NULL, EVENT},
	{"PostToolUseFailure", JSON_ARRAY, NULL, EVENT},
	{"PreCompact", JSON_ARRAY, NULL, EVENT},
	{"SessionEnd", JSON_ARRAY, NULL, EVENT},
	{"SessionStart", JSON_ARRAY, NULL, EVENT},
	{"Setup", JSON_ARRAY, NULL, EVENT},
	{"Stop", JSON_ARRAY, NULL, EVENT},
	{"StopFailure", JSON_ARRAY, NULL, EVENT},
	{"SubagentStart", JSON_ARRAY, NULL, EVENT},
	{"SubagentStop", JSON_ARRAY, NULL, EVENT},
	{"TaskCompleted", JSON_ARRAY, NULL, EVENT},
	{"TeammateIdle", JSON_ARRAY, NULL, EVENT},
	{"UserPromptSubmit", JSON_ARRAY, NULL, EVENT},
	{"WorktreeCreate", JSON_ARRAY, NULL, EVENT},
	{"WorktreeRemove", JSON_ARRAY, NULL, EVENT},
};

static int take_hooks(struct import *im, json_t *value, const char *pointer)
{
	int r = import_row(im, pointer, "hooks", IMPORT_IGNORED,
			   "counts as far as an event may refuse a call");

	return r == 0 ? import_keys(im, value, pointer, hook_keys, ARRAY_SIZE(hook_keys)) : r;
}

static int take_env(struct import *im, json_t *value, const char *pointer)
{
	return import_row(im, pointer, "env",
			  json_object_size(value) == 0 ? IMPORT_IGNORED : IMPORT_NARROWED,
			  "a tool's environment is what the base says: not granted");
}

static const struct import_key keys[] = {
	{"permissions", JSON_OBJECT, take_permissions, NULL},
	{"sandbox", JSON_OBJECT, take_sandbox, NULL},
	{"hooks", JSON_OBJECT, take_hooks, NULL},
	{"env", JSON_OBJECT, take_env, NULL},
	{"$schema", JSON_NULL, NULL, IMPORT_HOST},
	{"allowManagedHooksOnly", JSON_NULL, NULL, IMPORT_HOST},
	{"allowManagedPermissionRulesOnly", JSON_NULL, NULL, IMPORT_HOST},
	{"alwaysThinkingEnabled", JSON_NULL, NULL, IMPORT_HOST},
	{"apiKeyHelper", JSON_NULL, NULL, IMPORT_HOST},
	{"attribution", JSON_NULL, NULL, IMPORT_HOST},
	{"autoUpdatesChannel", JSON_NULL, NULL, IMPORT_HOST},
	{"awsAuthRefresh", JSON_NULL, NULL, IMPORT_HOST},
	{"awsCredentialExport", JSON_NULL, NULL, IMPORT_HOST},
	{"cleanupPeriodDays", JSON_NULL, NULL, IMPORT_HOST},
	{"companyAnnouncements", JSON_NULL, NULL, IMPORT_HOST},
	{"disableAllHooks", JSON_NULL, NULL, IMPORT_HOST},
	{"disabledMcpjsonServers", JSON_NULL, NULL, "other servers' tools are none of toolcell's"},
	{"effortLevel", JSON_NULL, NULL, IMPORT_HOST},
	{"enableAllProjectMcpServers", JSON_NULL, NULL,
	 "other servers' tools are none of toolcell's"},
	{"enabledMcpjsonServers", JSON_NULL, NULL, "other servers' tools are none of toolcell's"},
	{"enabledPlugins", JSON_NULL, NULL, IMPORT_HOST},
	{"extraKnownMarketplaces", JSON_NULL, NULL, IMPORT_HOST},
	{"fileSuggestion", JSON_NULL, NULL, IMPORT_HOST},
	{"forceLoginMethod", JSON_NULL, NULL, IMPORT_HOST},
	{"forceLoginOrgUUID", JSON_NULL, NULL, IMPORT_HOST},
	{"includeCoAuthoredBy", JSON_NULL, NULL, IMPORT_HOST},
	{"language", JSON_NULL, NULL, IMPORT_HOST},
	{"model", JSON_NULL, NULL, IMPORT_HOST},
	{"otelHeadersHelper", JSON_NULL, NULL, IMPORT_HOST},
	{"outputStyle", JSON_NULL, NULL, IMPORT_HOST},
	{"plansDirectory", JSON_NULL, NULL, IMPORT_HOST},
	{"respectGitignore", JSON_NULL, NULL, IMPORT_HOST},
	{"showTurnDuration", JSON_NULL, NULL, IMPORT_HOST},
	{"spinnerTipsEnabled", JSON_NULL, NULL, IMPORT_HOST},
	{"statusLine", JSON_NULL, NULL, IMPORT_HOST},
	{"theme", JSON_NULL, NULL, IMPORT_HOST},
};

int import_claude(struct import *im)
{
	json_t *sandbox = json_object_get(im->doc->json, "sandbox");
	bool on = json_is_true(json_object_get(sandbox, "enabled"));
	int r = import_keys(im, im->doc->json, "", keys, ARRAY_SIZE(keys));

	if (r == 0)
		r = paths_apply(im);
	return r == 0 && on ? sandbox_built_in(im, sandbox, "/sandbox") : r;
}
