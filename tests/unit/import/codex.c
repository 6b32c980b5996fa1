/* Codex: what selects, what is missing and what stands twice; nothing of it leaves the base as it is. */
#include "support.h"

#define MANAGED "'type': 'managed', 'network': 'restricted'"
#define ENTRY(path, access) "{'path': {'type': 'path', 'path': '" path "'}, 'access': '" access "'}"
#define SPECIAL(kind, access) \
	"{'path': {'type': 'special', 'value': {'kind': '" kind "'}}, 'access': '" access "'}"
#define RESTRICTED(entries) "'file_system': {'type': 'restricted', 'entries': [" entries "]}"
#define STATE(members) "{'sandboxCwd': 'file://" WORKSPACE "', 'permissionProfile': {" members "}}"
#define WHOLE STATE(MANAGED ", " RESTRICTED(SPECIAL("root", "read") ", " ENTRY(WORKSPACE, "write")))

/* Each is refused, with these words. */
static const struct {
	const char *suffix;
	const char *text;
	const char *error;
} refused[] = {
	{".json", STATE("'network': 'restricted', " RESTRICTED("")),
	 "/permissionProfile: needs \"type\""},
	{".json", STATE("'type': 'managed', " RESTRICTED("")), "needs \"network\""},
	{".json", STATE("'type': 'external'"), "needs \"network\""},
	{".json", STATE(MANAGED), "needs \"file_system\""},
	{".json", STATE(MANAGED ", 'file_system': {}"), "/file_system: needs \"type\""},
	{".json", STATE(MANAGED ", 'file_system': {'type': 'restricted'}"), "needs \"entries\""},
	{".json",
	 STATE(MANAGED ", " RESTRICTED(
		 "{'path': {'type': 'special', 'value': {'kind': 'root', 'subpath': 3}}, 'access': "
		 "'write'}")),
	 "/subpath: must be a string"},
	{".json", "{'codex/sandbox-state': 3}", "/codex~1sandbox-state: must be an object"},
	{".toml", "profile = \"ci\"\n", "/profile: there is no table of that name in [profiles]"},
	{".toml", "profile = \"ci\"\n[profiles.cj]\nsandbox_mode = \"read-only\"\n",
	 "/profile: there is no table of that name in [profiles]"},
	{".toml", "profile = \"ci\"\n[profiles]\nci = 3\n",
	 "/profile: there is no table of that name in [profiles]"},
	{".toml", "profile = 3\n", "/profile: must be a string"},
};

Test(codex, what_codex_would_refuse_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct source source = {.format = "codex",
					      .suffix = refused[i].suffix,
					      .text = refused[i].text};
		struct import_result result;
		struct err err = {0};

		cr_assert_lt(import_source(&source, &result, &err), 0, "row %zu", i);
		cr_assert_not_null(strstr(err.text, refused[i].error), "row %zu: %s", i, err.text);
		import_result_fini(&result);
	}
}

/* Each must have that row. */
static const struct {
	const char *suffix;
	const char *text;
	const char *pointer;
	const char *verdict;
} told[] = {
	{".json", "{'permissionProfile': {'type': 'disabled'}}", "/sandboxCwd", "not expressible"},
	{".json", "{'codex/sandbox-state': " WHOLE ", 'more': 1}", "/more", "not expressible"},
	{".json", "{'codex/sandbox-state': " WHOLE ", 'permissionProfile': {}}",
	 "/permissionProfile", "not expressible"},
	{".json",
	 STATE(MANAGED ", " RESTRICTED("{'path': {'type': 'path', 'path': '/usr'}, 'access': "
				       "'read', 'except': ['/usr/local']}")),
	 "/permissionProfile/file_system/entries/0/except", "not expressible"},
	{".json",
	 STATE(MANAGED ", " RESTRICTED("{'path': {'type': 'path', 'path': '/usr', 'depth': 1}, "
				       "'access': 'read'}")),
	 "/permissionProfile/file_system/entries/0/path/depth", "not expressible"},
	{".json",
	 STATE(MANAGED ", " RESTRICTED("{'path': {'type': 'special', 'value': {'kind': 'root', "
				       "'not': 'usr'}}, 'access': 'read'}")),
	 "/permissionProfile/file_system/entries/0/path/value/not", "not expressible"},
	/* reading the workspace is refused by nobody's rule: by what no rule allows */
	{".json", STATE(MANAGED ", " RESTRICTED(SPECIAL("minimal", "read"))),
	 "/permissionProfile/file_system/type", "not expressible"},
	{".json", STATE(MANAGED ", " RESTRICTED(ENTRY(WORKSPACE "/src", "read"))),
	 "/permissionProfile/file_system/type", "not expressible"},
	{".toml",
	 "default_permissions = \"x\"\n[permissions.x.filesystem]\n\":minimal\" = \"read\"\n",
	 "/permissions/x", "not expressible"},
	{".toml", "default_permissions = \"x\"\n[permissions.x]\ndescription = \"d\"\n",
	 "/permissions/x", "not expressible"},
	{".toml", "default_permissions = \"x\"\n[permissions.x]\n[permissions.y]\n",
	 "/permissions/y", "no bearing"},
	{".toml", "[permissions.y]\n", "/permissions/y", "no bearing"},
	/* of two patterns that share a name only with globs: braces are one */
	{".json",
	 STATE(MANAGED ", " RESTRICTED(SPECIAL("root", "read") ", " ENTRY(
		 WORKSPACE, "write") ", {'path': {'type': 'glob_pattern', 'pattern': "
				     "'/etc/{ssl,alternatives}'}, 'access': 'none'}")),
	 "/permissionProfile/file_system/entries/2", "not expressible"},
	{".json",
	 STATE(MANAGED ", " RESTRICTED(SPECIAL("root", "read") ", " ENTRY(
		 WORKSPACE, "write") ", {'path': {'type': 'glob_pattern', 'pattern': '" WORKSPACE
				     "/src/**/*.env'}, 'access': 'none'}")),
	 "/permissionProfile/file_system/entries/2", "not expressible"},
	{".toml", "profile = \"ci\"\n[profiles.ci]\nmodel = \"m\"\n", "/profiles/ci/model",
	 "no bearing"},
	{".toml", "profile = \"ci\"\n[profiles.ci]\nsandbox_mod = \"read-only\"\n",
	 "/profiles/ci/sandbox_mod", "not expressible"},
	{".toml", "profile = \"ci\"\n[profiles.ci]\n[profiles.ci.sandbox_workspace_write]\n",
	 "/profiles/ci/sandbox_workspace_write", "not expressible"},
	{".toml", "profile = \"ci\"\n[profiles.ci]\nsandbox_mode = \"read-only\"\n",
	 "/profiles/ci/sandbox_mode", "taken"},
	{".toml", "default_permissions = \":workspace\"\n[sandbox_workspace_write]\n",
	 "/sandbox_workspace_write", "no bearing"},
	{".toml", "sandbox_mode = \"read-only\"\n[sandbox_workspace_write]\nnetwork_access = 3\n",
	 "/sandbox_workspace_write", "no bearing"},
};

Test(codex, nothing_of_a_file_is_passed_over)
{
	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		const struct source source = {.format = "codex",
					      .suffix = told[i].suffix,
					      .text = told[i].text};
		struct import_result result;
		struct err err = {0};

		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		cr_assert(has_row(&result, told[i].pointer, told[i].verdict), "row %zu: %s", i,
			  json_dumps(result.rows, JSON_INDENT(1)));
		import_result_fini(&result);
	}
}

static const char loopback[] = "{'name': 'x', 'extends': 'base/build', 'network': {'mode': "
			       "'loopback'}}";

/* A network that is not said to be on is off. */
static const struct {
	const char *suffix;
	const char *text;
} offline[] = {
	{".toml", "sandbox_mode = \"read-only\"\n"},
	{".toml", "sandbox_mode = \"workspace-write\"\n"},
	{".toml", "sandbox_mode = \"workspace-write\"\n[sandbox_workspace_write]\n"},
	{".toml", "default_permissions = \":workspace\"\n"},
	{".toml",
	 "default_permissions = \"x\"\n[permissions.x.filesystem]\n\":root\" = \"read\"\n"},
	{".toml", "default_permissions = \"x\"\n[permissions.x.filesystem]\n\":root\" = \"read\"\n"
		  "[permissions.x.network]\nmode = \"limited\"\n"},
	{".json", WHOLE},
};

Test(codex, a_network_that_is_not_switched_on_is_off)
{
	for (size_t i = 0; i < ARRAY_SIZE(offline); i++) {
		const struct source source = {.format = "codex",
					      .suffix = offline[i].suffix,
					      .text = offline[i].text,
					      .base = loopback};
		struct import_result result;
		struct err err = {0};
		json_t *net;

		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		cr_assert_not_null(result.policy, "row %zu", i);
		net = json_object_get(json_object_get(result.policy, "network"), "mode");
		cr_assert_str_eq(json_string_value(net), "none", "row %zu", i);
		import_result_fini(&result);
	}
}

/* Both states of a call count, each after the other, whatever their order. */
Test(codex, of_two_states_the_stricter_one_wins)
{
	static const char *const names[] = {"codex/sandbox-state", "codex/sandbox-state-meta"};
	static const char strict[] = STATE(
		MANAGED ", " RESTRICTED(SPECIAL("root", "read") ", " ENTRY("/usr/local", "none")));

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char text[2048];
		const struct source source = {.format = "codex", .text = text};
		struct import_result result;
		struct err err = {0};
		json_t *mode;

		(void)snprintf(text, sizeof(text), "{'%s': " WHOLE ", '%s': %s}", names[i],
			       names[1 - i], strict);
		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		cr_assert_not_null(result.policy, "row %zu", i);
		mode = json_object_get(json_object_get(result.policy, "workspace"), "mode");
		cr_assert_str_eq(json_string_value(mode), "readonly", "row %zu", i);
		cr_assert_not_null(
			find_row(result.rows, "/codex~1sandbox-state/permissionProfile", true));
		cr_assert_not_null(find_row(result.rows,
					    "/codex~1sandbox-state-meta/permissionProfile", true));
		import_result_fini(&result);
	}
}

static const char passing[] =
	"{'name': 'x', 'extends': 'base/build', 'environment': {'pass': ['TERM', 'API_TOKEN', "
	"'LANG']}}";

static const struct {
	const char *policy;
	const char *left;
} environments[] = {
	{"", "TERM LANG"},
	{"ignore_default_excludes = true\n", "TERM API_TOKEN LANG"},
	{"ignore_default_excludes = false\n", "TERM LANG"},
	{"exclude = [\"lan*\"]\n", "TERM"},
	{"include_only = [\"L?NG\"]\n", "LANG"},
	/* no classes of characters in these patterns: such a one matches nothing */
	{"include_only = [\"[A-Z]*\"]\n", ""},
	{"include_only = [\"[A-Z]*\", \"TERM\"]\n", "TERM"},
	{"include_only = [\"\\\\TERM\"]\n", ""},
	{"inherit = \"none\"\n", ""},
};

Test(codex, variables_are_left_as_codex_leaves_them)
{
	for (size_t i = 0; i < ARRAY_SIZE(environments); i++) {
		char text[256];
		const struct source source = {.format = "codex",
					      .suffix = ".toml",
					      .text = text,
					      .base = passing};
		struct import_result result;
		struct err err = {0};
		char left[64] = "";
		size_t n = 0;
		json_t *name;
		json_t *list;
		size_t k;

		(void)snprintf(text, sizeof(text),
			       "sandbox_mode = \"read-only\"\n[shell_environment_policy]\n%s",
			       environments[i].policy);
		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		cr_assert_not_null(result.policy, "row %zu", i);
		list = json_object_get(json_object_get(result.policy, "environment"), "pass");
		json_array_foreach(list, k, name)
			n += (size_t)snprintf(left + n, sizeof(left) - n, "%s%s", n ? " " : "",
					      json_string_value(name));
		cr_assert_str_eq(left, environments[i].left, "row %zu", i);
		import_result_fini(&result);
	}
}

/* A folder of the host's that the base shows is a place like any other. */
Test(codex, the_hosts_tmp_is_refused_where_the_base_shows_it)
{
	const struct source source = {
		.format = "codex",
		.text = "{'sandboxCwd': '/srv/workspace', 'permissionProfile': {" MANAGED
			", " RESTRICTED(
				SPECIAL("root", "write") ", " SPECIAL("slash_tmp", "none")) "}}",
		.base = "{'name': 'x', 'extends': 'base/build', 'filesystem': {'write': "
			"[{'path': '/tmp', 'target': '/host'}]}}",
		.workspace = "/srv/workspace",
	};
	struct import_result result;
	struct err err = {0};

	cr_assert_eq(import_source(&source, &result, &err), 0, "%s", err.text);
	cr_assert_not_null(result.policy, "%s", json_dumps(result.rows, JSON_INDENT(1)));
	cr_assert_eq(json_array_size(json_object_get(json_object_get(result.policy, "filesystem"),
						     "write")),
		     0);
	import_result_fini(&result);
}

/* What Codex leaves read-only in every folder that may be written. */
Test(codex, what_steers_git_is_read_only_in_every_writable_root)
{
	char root[] = "/var/tmp/toolcell-root-XXXXXX";
	char base[256];
	char git[64];
	char text[256];
	const struct source source = {.format = "codex",
				      .suffix = ".toml",
				      .text = text,
				      .base = base};
	struct import_result result;
	struct err err = {0};
	bool found = false;
	json_t *entry;
	size_t i;

	cr_assert_not_null(mkdtemp(root));
	(void)snprintf(git, sizeof(git), "%s/.git", root);
	cr_assert_eq(mkdir(git, 0700), 0);
	(void)snprintf(base, sizeof(base),
		       "{'name': 'x', 'extends': 'base/build', 'filesystem': {'write': ['%s']}}",
		       root);
	(void)snprintf(text, sizeof(text),
		       "sandbox_mode = \"workspace-write\"\n[sandbox_workspace_write]\n"
		       "writable_roots = [\"%s\"]\n",
		       root);
	cr_assert_eq(import_source(&source, &result, &err), 0, "%s", err.text);
	cr_assert_not_null(result.policy);
	json_array_foreach(json_object_get(json_object_get(result.policy, "filesystem"), "read"), i,
			   entry)
		found = found ||
			(json_is_object(entry) &&
			 strcmp(json_string_value(json_object_get(entry, "path")), git) == 0);
	cr_assert(found);
	import_result_fini(&result);
	(void)rmdir(git);
	(void)rmdir(root);
}
