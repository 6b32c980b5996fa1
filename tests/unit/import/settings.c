/*
 * Every setting of every importer: whatever it is made, it has a row or the file is an error. What is
 * called a setting here is a member of the objects that an importer has a table of keys for.
 */
#include "policy/source.h"
#include "support.h"

#define OVERLAY "{'name': 'x', 'extends': 'base/build', 'workspace': {'mode': 'overlay'}}"

struct sample {
	const char *format;
	const char *suffix;
	const char *text;	   /* JSON in which ' stands for " */
	const char *containers[8]; /* objects whose members are settings */
	const char *row[8]; /* of each: where the rows of its members are; NULL: at the member */
	const char *named;  /* at and below it, members are names of somebody's choice */
};

static const struct sample samples[] = {
	{"claude",
	 ".json",
	 "{'permissions': {'allow': ['Bash'], 'deny': ['WebFetch'], 'ask': ['Edit'], "
	 "'defaultMode': "
	 "'plan', 'additionalDirectories': ['/x'], 'disableBypassPermissionsMode': 'disable', "
	 "'disableAutoMode': 'disable'}, 'sandbox': {'enabled': true, 'failIfUnavailable': true, "
	 "'allowUnsandboxedCommands': false, 'enableWeakerNestedSandbox': false, "
	 "'enableWeakerNetworkIsolation': false, 'excludedCommands': ['docker'], "
	 "'autoAllowBashIfSandboxed': true, 'ignoreViolations': {}, 'ripgrep': {}, 'network': "
	 "{'allowedDomains': ['a.b'], 'deniedDomains': ['c.d'], 'strictAllowlist': true, "
	 "'allowManagedDomainsOnly': true, 'allowUnixSockets': ['/s'], 'allowAllUnixSockets': "
	 "false, "
	 "'allowLocalBinding': false, 'httpProxyPort': 1, 'socksProxyPort': 2, 'mitmProxy': {}, "
	 "'parentProxy': {}}, 'filesystem': {'denyRead': ['/etc'], 'allowRead': ['/etc/ssl'], "
	 "'denyWrite': ['a'], 'allowWrite': ['b'], 'allowGitConfig': false, "
	 "'allowManagedReadPathsOnly': true}}, 'hooks': {'PreToolUse': [{}], 'PermissionRequest': "
	 "[{}], 'Stop': [{}]}, 'env': {'A': 'b'}, '$schema': 'x', 'apiKeyHelper': 'x', 'model': "
	 "'x', "
	 "'disabledMcpjsonServers': [], 'enabledPlugins': {}}",
	 {"", "/permissions", "/sandbox", "/sandbox/network", "/sandbox/filesystem", "/hooks"},
	 {0}},
	{"srt",
	 ".json",
	 "{'$schema': 'x', 'network': {'allowedDomains': ['a.b'], 'deniedDomains': ['c.d'], "
	 "'allowUnixSockets': ['/s'], 'allowAllUnixSockets': false, 'allowLocalBinding': false, "
	 "'mitmProxy': {}}, 'filesystem': {'denyRead': ['/etc'], 'allowRead': ['/etc/ssl'], "
	 "'denyWrite': ['a'], 'allowWrite': ['.'], 'allowGitConfig': false}, 'ignoreViolations': "
	 "{}, "
	 "'enableWeakerNestedSandbox': false, 'enableWeakerNetworkIsolation': false, "
	 "'mandatoryDenySearchDepth': 2, 'allowPty': true, 'ripgrep': {}}",
	 {"", "/network", "/filesystem"},
	 {0}},
	{"codex",
	 ".toml",
	 "{'sandbox_mode': 'read-only', 'profile': 'ci', 'profiles': {'ci': {'sandbox_mode': "
	 "'workspace-write', 'model': 'x', 'approval_policy': 'never', 'web_search': 'live'}}, "
	 "'sandbox_workspace_write': {'writable_roots': ['/x'], 'network_access': false, "
	 "'exclude_slash_tmp': true, 'exclude_tmpdir_env_var': true}, 'shell_environment_policy': "
	 "{'inherit': 'core', 'exclude': ['A'], 'include_only': ['B'], 'set': {'C': 'd'}, "
	 "'ignore_default_excludes': false, 'experimental_use_profile': false}, 'permissions': "
	 "{'x': "
	 "{}}, 'approval_policy': 'never', 'mcp_servers': {}, 'projects': {}, 'model': 'x', "
	 "'tools': "
	 "{}}",
	 {"", "/profiles/ci", "/sandbox_workspace_write", "/shell_environment_policy",
	  "/permissions"},
	 {0},
	 "/permissions"},
	{"codex",
	 ".toml",
	 "{'default_permissions': 'dev', 'permissions': {'dev': {'description': 'x', 'filesystem': "
	 "{':root': 'read', ':workspace_roots': {'.': 'write', '.git': 'read'}, '/usr/local': "
	 "'none', "
	 "':tmpdir': 'write', ':slash_tmp': 'none', 'glob_scan_max_depth': 3}, 'network': "
	 "{'enabled': "
	 "false, 'domains': {}, 'mode': 'limited'}}}}",
	 {"", "/permissions/dev", "/permissions/dev/filesystem", "/permissions/dev/network",
	  "/permissions/dev/filesystem/:workspace_roots"},
	 {0},
	 "/permissions/dev/filesystem"},
	{"codex",
	 ".json",
	 "{'sandboxCwd': '/tmp/workspace', 'codexLinuxSandboxExe': null, 'useLegacyLandlock': "
	 "false, "
	 "'permissionProfile': {'type': 'managed', 'network': 'restricted', 'file_system': "
	 "{'type': "
	 "'restricted', 'entries': [{'path': {'type': 'special', 'value': {'kind': "
	 "'current_working_directory', 'subpath': 'src'}}, 'access': 'write'}, {'path': {'type': "
	 "'path', 'path': '/tmp/workspace'}, 'access': 'read'}], 'glob_scan_max_depth': 1}}}",
	 {"", "/permissionProfile", "/permissionProfile/file_system",
	  "/permissionProfile/file_system/entries/0",
	  "/permissionProfile/file_system/entries/1/path"},
	 {NULL, NULL, NULL, "/permissionProfile/file_system/entries/0",
	  "/permissionProfile/file_system/entries/1"}},
	{"codex",
	 ".json",
	 "{'codex/sandbox-state': {'sandboxCwd': '/tmp/workspace', 'permissionProfile': {'type': "
	 "'disabled'}}, 'codex/sandbox-state-meta': {'sandboxCwd': '/tmp/workspace', "
	 "'permissionProfile': {'type': 'external', 'network': 'enabled'}}, 'progressToken': 1}",
	 {"", "/codex~1sandbox-state", "/codex~1sandbox-state-meta"},
	 {0}},
	{"seccomp",
	 ".json",
	 "{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 1, 'defaultErrno': 'EPERM', "
	 "'architectures': ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'], 'flags': "
	 "['SECCOMP_FILTER_FLAG_LOG'], 'listenerPath': '/x', 'listenerMetadata': 'x', 'syscalls': "
	 "[{'names': ['read'], 'action': 'SCMP_ACT_ALLOW', 'errnoRet': 1, 'errno': 'EPERM', "
	 "'comment': '', 'args': [], 'includes': {}, 'excludes': {}}]}",
	 {"", "/syscalls/0"},
	 {NULL, "/syscalls/0"}},
};

/* What stands where something else is expected. */
static const char *const others[] = {"3",     "-1", "'x'",	"''",	"[]",	 "[3]",
				     "['x']", "{}", "{'x': 1}", "true", "false", "null"};

/* TOML is JSON but for tables, and for null. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as a sample */
static void write_toml(FILE *out, json_t *value, bool top)
{
	const char *key;
	json_t *member;
	size_t n = 0;

	if (!json_is_object(value)) {
		(void)json_dumpf(value, out, JSON_ENCODE_ANY | JSON_COMPACT);
		return;
	}
	(void)fputs(top ? "" : "{", out);
	json_object_foreach(value, key, member) {
		(void)fprintf(out, "%s\"%s\" = ", top || n++ == 0 ? "" : ", ", key);
		write_toml(out, member, false);
		(void)fputs(top ? "\n" : "", out);
	}
	(void)fputs(top ? "" : "}", out);
}

static char *text_of(const struct sample *s, json_t *root)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (strcmp(s->suffix, ".json") == 0)
		return json_dumps(root, 0);
	out = open_memstream(&text, &len);
	cr_assert_not_null(out);
	write_toml(out, root, true);
	cr_assert_eq(fclose(out), 0);
	return text;
}

/* A pointer's value; "/a~1b/0". */
static json_t *at(json_t *value, const char *pointer)
{
	char copy[POLICY_POINTER_MAX];
	char *rest = copy + 1;

	(void)snprintf(copy, sizeof(copy), "%s", pointer);
	while (copy[0] != '\0' && rest) {
		char *part = strsep(&rest, "/");
		char *slash = strstr(part, "~1");

		if (slash) {
			*slash = '/';
			memmove(slash + 1, slash + 2, strlen(slash + 2) + 1);
		}
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(part))
					     : json_object_get(value, part);
	}
	return value;
}

static void pointer_to(char *dst, const char *container, const char *key)
{
	(void)snprintf(dst, POLICY_POINTER_MAX, "%s", container);
	cr_assert_eq(source_pointer_add(dst, POLICY_POINTER_MAX, key), 0);
}

static bool is_container(const struct sample *s, const char *pointer)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->containers) && s->containers[i]; i++) {
		size_t len = strlen(pointer);

		if (strncmp(s->containers[i], pointer, len) == 0 &&
		    (s->containers[i][len] == '\0' || s->containers[i][len] == '/'))
			return true;
	}
	return false;
}

static bool has_row_below(json_t *rows, const char *container)
{
	size_t len = strlen(container);
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *pointer = json_string_value(json_object_get(row, "pointer"));

		if (strncmp(pointer, container, len) == 0 && pointer[len] == '/')
			return true;
	}
	return false;
}

/* One row speaks for all of a container when it is the only one: it has no bearing as a whole. */
static bool is_one_row(json_t *rows, const char *container)
{
	char above[POLICY_POINTER_MAX];
	char *slash;

	(void)snprintf(above, sizeof(above), "%s", container);
	for (; above[0] != '\0'; *slash = '\0') {
		if (find_row(rows, above, false) && !has_row_below(rows, above))
			return true;
		slash = strrchr(above, '/');
	}
	return false;
}

/* The last setting of a file without a row; "": none. */
static void find_silent(const struct sample *s, json_t *root, json_t *rows, char *dst)
{
	dst[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(s->containers) && s->containers[i]; i++) {
		json_t *object = at(root, s->containers[i]);
		const char *key;
		json_t *value;

		if (is_one_row(rows, s->containers[i]))
			continue;
		json_object_foreach(object, key, value) {
			char pointer[POLICY_POINTER_MAX];

			pointer_to(pointer, s->containers[i], key);
			if (is_container(s, pointer) && json_object_size(value) > 0)
				continue;
			if (!find_row(rows, s->row[i] ? s->row[i] : pointer, true))
				(void)snprintf(dst, POLICY_POINTER_MAX, "%s", pointer);
		}
	}
}

/* Imports; a setting without a row fails, and so does an empty error. */
static void check(const struct sample *s, json_t *root, const char *what)
{
	char *text = text_of(s, root);
	const struct source source = {.format = s->format, .suffix = s->suffix, .text = text};
	struct import_result result;
	char silent[POLICY_POINTER_MAX] = "";
	struct err err = {0};

	cr_assert_not_null(text);
	if (import_source(&source, &result, &err) < 0)
		cr_assert_neq(err.text[0], '\0', "%s", what);
	else
		find_silent(s, root, result.rows, silent);
	cr_assert_str_eq(silent, "", "%s: no row for %s in %s", what, silent, text);
	import_result_fini(&result);
	free(text);
}

/* @change for each setting of each sample, on a copy. */
static void each_setting(void (*change)(const struct sample *s, json_t *root, const char *container,
					const char *key))
{
	for (size_t n = 0; n < ARRAY_SIZE(samples); n++) {
		const struct sample *s = &samples[n];
		json_t *root = quoted_json(s->text);

		for (size_t i = 0; i < ARRAY_SIZE(s->containers) && s->containers[i]; i++) {
			const char *key;
			json_t *value;

			cr_assert(json_is_object(at(root, s->containers[i])), "%s",
				  s->containers[i]);
			json_object_foreach(at(root, s->containers[i]), key, value)
				change(s, root, s->containers[i], key);
		}
		json_decref(root);
	}
}

static void drop_it(const struct sample *s, json_t *root, const char *container, const char *key)
{
	json_t *copy = json_deep_copy(root);

	(void)json_object_del(at(copy, container), key);
	check(s, copy, key);
	json_decref(copy);
}

static void replace_it(const struct sample *s, json_t *root, const char *container, const char *key)
{
	json_t *value = json_object_get(at(root, container), key);

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		char *text = double_quotes(others[i]);
		json_t *other = json_loads(text, JSON_DECODE_ANY, NULL);
		json_t *copy = json_deep_copy(root);

		if (json_typeof(other) != json_typeof(value) &&
		    !(json_is_null(other) && strcmp(s->suffix, ".toml") == 0)) {
			(void)json_object_set(at(copy, container), key, other);
			check(s, copy, key);
		}
		json_decref(other);
		json_decref(copy);
		free(text);
	}
}

static bool is_named(const struct sample *s, const char *container)
{
	return s->named && strncmp(container, s->named, strlen(s->named)) == 0;
}

/* A key that nobody knows is an error, or not expressible; a name that nobody chose has a row. */
static void misspell_it(const struct sample *s, json_t *root, const char *container,
			const char *key)
{
	json_t *copy = json_deep_copy(root);
	json_t *object = at(copy, container);
	char name[128];
	char pointer[POLICY_POINTER_MAX];
	char *text;
	struct source source = {.format = s->format, .suffix = s->suffix};
	struct import_result result;
	struct err err = {0};

	(void)snprintf(name, sizeof(name), "%sx", key);
	pointer_to(pointer, container, name);
	(void)json_object_set(object, name, json_object_get(object, key));
	(void)json_object_del(object, key);
	text = text_of(s, copy);
	source.text = text;
	if (import_source(&source, &result, &err) < 0)
		cr_assert_neq(err.text[0], '\0', "%s", key);
	else
		cr_assert(has_row(&result, pointer, "not expressible") ||
				  (is_named(s, container) && find_row(result.rows, pointer, true)),
			  "no row for %s in %s", pointer, text);
	import_result_fini(&result);
	free(text);
	json_decref(copy);
}

Test(settings, each_has_a_row)
{
	for (size_t n = 0; n < ARRAY_SIZE(samples); n++) {
		json_t *root = quoted_json(samples[n].text);
		char *text = text_of(&samples[n], root);
		const struct source source = {.format = samples[n].format,
					      .suffix = samples[n].suffix,
					      .text = text};
		struct import_result result;
		struct err err = {0};

		cr_assert_eq(import_source(&source, &result, &err), 0, "sample %zu: %s", n,
			     err.text);
		import_result_fini(&result);
		check(&samples[n], root, "whole");
		free(text);
		json_decref(root);
	}
}

Test(settings, without_one_the_others_have_theirs)
{
	each_setting(drop_it);
}

Test(settings, of_another_type_one_is_an_error_or_has_a_row)
{
	each_setting(replace_it);
}

Test(settings, one_that_nobody_knows_is_not_passed_over)
{
	each_setting(misspell_it);
}

/* The second file of each row refuses more than the first. */
static const struct {
	const char *format;
	const char *suffix;
	const char *less;
	const char *more;
} pairs[] = {
	{"claude", ".json", "{'permissions': {}}", "{'permissions': {'deny': ['Bash', '*Edit']}}"},
	{"claude", ".json", "{'permissions': {}}", "{'permissions': {'ask': ['mcp__toolcell']}}"},
	{"claude", ".json", "{'permissions': {}}",
	 "{'permissions': {'deny': ['Read(//usr/local)']}}"},
	{"claude", ".json", "{'permissions': {}}",
	 "{'permissions': {'deny': ['Edit(./a)', 'Edit(b)']}}"},
	{"claude", ".json", "{'permissions': {}}", "{'permissions': {'defaultMode': 'plan'}}"},
	{"claude", ".json", "{'permissions': {}}", "{'permissions': {'defaultMode': 'dontAsk'}}"},
	{"claude", ".json", "{'sandbox': {}}", "{'sandbox': {'enabled': true}}"},
	{"srt", ".json", "{'network': {}, 'filesystem': {'allowWrite': ['.']}}",
	 "{'network': {}, 'filesystem': {'allowWrite': ['.'], 'denyWrite': ['a']}}"},
	{"srt", ".json", "{'network': {}, 'filesystem': {'allowWrite': ['.']}}",
	 "{'network': {}, 'filesystem': {'allowWrite': ['.'], 'denyRead': ['/usr/local', "
	 "'/etc']}}"},
	{"srt", ".json", "{'network': {}, 'filesystem': {'denyRead': ['/usr/local']}}",
	 "{'network': {}, 'filesystem': {'denyRead': ['/usr/local', '/usr/share']}}"},
	{"srt", ".json", "{'network': {'allowAllUnixSockets': true}, 'filesystem': {}}",
	 "{'network': {}, 'filesystem': {}}"},
	{"codex", ".toml", "sandbox_mode = \"danger-full-access\"\n",
	 "sandbox_mode = \"workspace-write\"\n"},
	{"codex", ".toml", "sandbox_mode = \"danger-full-access\"\n", ""},
	{"codex", ".toml", "default_permissions = \":workspace\"\n",
	 "default_permissions = \"x\"\n[permissions.x.filesystem]\n\":root\" = \"read\"\n\".\" = "
	 "\"write\"\n\"/usr/local\" = \"none\"\n"},
	{"seccomp", ".json", "{'defaultAction': 'SCMP_ACT_ALLOW'}",
	 "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['mkdir', 'mkdirat'], "
	 "'action': "
	 "'SCMP_ACT_KILL'}]}"},
	{"seccomp", ".json", "{'defaultAction': 'SCMP_ACT_ALLOW'}",
	 "{'defaultAction': 'SCMP_ACT_ERRNO', 'syscalls': [{'names': ['read', 'write'], 'action': "
	 "'SCMP_ACT_ALLOW'}]}"},
};

Test(settings, a_file_that_refuses_more_makes_a_narrower_policy)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct source source = {.format = pairs[i].format,
					.suffix = pairs[i].suffix,
					.text = pairs[i].less,
					.base = OVERLAY};
		struct import_result less;
		struct import_result more;
		struct err err = {0};
		struct policy base;

		cr_assert_eq(import_source(&source, &less, &err), 0, "row %zu: %s", i, err.text);
		source.text = pairs[i].more;
		cr_assert_eq(import_source(&source, &more, &err), 0, "row %zu: %s", i, err.text);
		cr_assert(less.policy && more.policy, "row %zu", i);
		cr_assert_not(json_equal(less.policy, more.policy), "row %zu", i);
		load_json(less.policy, &base);
		hold(&base, more.policy);
		policy_fini(&base);
		import_result_fini(&less);
		import_result_fini(&more);
	}
}
