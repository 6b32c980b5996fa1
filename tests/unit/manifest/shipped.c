/* Theory of operation: the manifests and the agent that are shipped, loaded and called as a driver
 * would. */
#include "support.h"

#include <errno.h>

static uint32_t cell_of(void *ctx, const char *tool, json_t **ret_limits)
{
	(void)ctx;
	(void)tool;
	(void)ret_limits;
	return 0;
}

static json_t *load(void)
{
	const char *dirs[] = {TEST_TOOLS_DIR, NULL};
	json_t *all = NULL, *catalog = NULL;
	struct err err = {0};

	cr_assert(manifest_load_all(dirs, NULL, &all, &err) == 0, "%s", err.text);
	cr_assert(catalog_build(&(struct catalog_source){.manifests = all,
							 .policy_name = "p",
							 .home = "/h",
							 .cell_of = cell_of},
				&catalog, &err) == 0,
		  "%s", err.text);
	json_decref(all);
	return catalog;
}

#define RUNNERS                                                                            \
	"|CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=/toolcell/bin/toolcell-test-runner" \
	"|CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=/toolcell/bin/toolcell-test-runner"

static const struct {
	const char *tool, *arguments, *argv;
} calls[] = {
	{"Bash", "{'command':'-x; echo hi'}", "/bin/bash|--noprofile|--norc|-c|--|-x; echo hi"},
	{"cargo", "{'args':['check','--workspace']}",
	 "cargo|check|--message-format=json|--workspace"},
	{"cargo", "{'subcommand':'check','args':['--workspace']}",
	 "cargo|check|--message-format=json|--workspace"},
	{"cargo", "{'subcommand':'build'}", "cargo|build|--message-format=json"},
	{"cargo",
	 "{'args':['+nightly','-q','--color','always','-Zx','t','name','--','--nocapture']"
	 "}",
	 "cargo|+nightly|-q|--color|always|-Zx|t|--message-format=json|name|--|--"
	 "nocapture"},
	{"cargo", "{'args':['+nightly','--lib'],'subcommand':'test'}",
	 "cargo|+nightly|test|--message-format=json|--lib"},
	{"cargo", "{'args':['run','--','--message-format=x']}",
	 "cargo|run|--message-format=json|--|--message-format=x"},
	{"cargo", "{'args':['check','--message-format','short']}",
	 "cargo|check|--message-format|short"},
	{"cargo", "{'args':['--message-format=short','check']}",
	 "cargo|--message-format=short|check"},
	{"cargo", "{'args':['tree','-d']}", "cargo|tree|-d"},
	{"cargo", "{'args':['metadata']}", "cargo|metadata"},
	{"cargo", "{'args':['--version']}", "cargo|--version"},
	{"cargo", "{'args':['-Z']}", "cargo|-Z"},
	{"cargo", "{'args':[]}", "cargo"},
	{"cargo", "{'args':['']}", "cargo|"},
	{"clippy", "{}", "cargo|clippy|--message-format=json|--"},
	{"clippy",
	 "{'package':'core','all_targets':true,'fix':true,'pedantic':true,'warn':['a'],'"
	 "allow':['b'],"
	 "'deny':['warnings'],'args':['--lib','--','-Dx']}",
	 "cargo|clippy|--message-format=json|--package=core|--all-targets|--fix|--allow-"
	 "dirty|--allow-staged|"
	 "--allow-no-vcs|--lib|--|--warn=clippy::pedantic|--warn=a|--allow=b|--deny="
	 "warnings|-Dx"},
	{"clippy", "{'args':['--message-format=short']}", "cargo|clippy|--message-format=short|--"},
	{"rustc", "{'path':'-weird.rs'}",
	 "rustc|--error-format=json|--json=artifacts,future-incompat|--edition=2021|--|-"
	 "weird.rs"},
	{"rustc",
	 "{'source':'fn main(){}','edition':'2024','crate_type':'lib','emit':['metadata']}",
	 "rustc|--error-format=json|--json=artifacts,future-incompat|--edition=2024|--"
	 "crate-type=lib|"
	 "--emit=metadata|--out-dir=/tmp|-"},
	{"rustc", "{'source':'x','args':['-o','y']}",
	 "rustc|--error-format=json|--json=artifacts,future-incompat|--edition=2021|-o|y|"
	 "-"},
	{"rustfmt", "{}", "cargo|fmt|--all|--|--color=never"},
	{"rustfmt", "{'check':true}", "cargo|fmt|--all|--|--color=never|--check"},
	{"rustfmt", "{'paths':['-a.rs','b.rs'],'check':true,'edition':'2018'}",
	 "rustfmt|--color=never|--edition=2018|--check|--|-a.rs|b.rs"},
};

Test(shipped, calls_become_the_commands_that_the_tools_take)
{
	json_t *catalog = load();

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		json_t *tool = manifest_find_tool(catalog, calls[i].tool),
		       *arguments = js(calls[i].arguments);
		struct manifest_call call = {0};
		struct err err = {0};

		cr_assert(tool, "row %zu", i);
		cr_expect(manifest_validate(tool, arguments, &err) == 0, "row %zu: %s", i,
			  err.text);
		cr_expect(manifest_expand(tool, arguments, "/ws", &call, &err) == 0, "row %zu: %s",
			  i, err.text);
		cr_expect_str_eq(joined(call.argv), calls[i].argv, "row %zu: %s", i,
				 joined(call.argv));
		manifest_call_fini(&call);
		json_decref(arguments);
	}
	json_decref(catalog);
}

Test(shipped, only_tests_run_through_the_test_runner)
{
	static const struct {
		const char *arguments;
		bool runner;
	} rows[] = {
		{"{'args':['test']}", true},
		{"{'args':['t']}", true},
		{"{'subcommand':'test'}", true},
		{"{'args':['run']}", false},
		{"{'args':['bench']}", false},
		{"{'args':['tree','test']}", false},
		{"{'args':['--config','test','run']}", false},
	};
	json_t *catalog = load(), *tool = manifest_find_tool(catalog, "cargo");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *arguments = js(rows[i].arguments);
		struct manifest_call call = {0};
		struct err err = {0};

		cr_assert(manifest_expand(tool, arguments, "/ws", &call, &err) == 0, "row %zu: %s",
			  i, err.text);
		cr_expect((strstr(joined(call.env), RUNNERS) != NULL) == rows[i].runner,
			  "row %zu: %s", i, joined(call.env));
		manifest_call_fini(&call);
		json_decref(arguments);
	}
	json_decref(catalog);
}

Test(shipped, arguments_that_do_not_fit_together_are_refused)
{
	static const struct {
		const char *tool, *arguments, *words;
	} rows[] = {
		{"cargo", "{}",
		 "cargo: expected at least one of \"subcommand\", \"args\", got none"},
		{"rustc", "{}", "rustc: expected exactly one of \"path\", \"source\", got none"},
		{"rustc", "{'path':'a','source':'b'}",
		 "rustc: expected exactly one of \"path\", \"source\", got more"},
		{"Bash", "{'command':''}", "Bash: /command: expected at least 1 characters, got 0"},
		{"Bash", "{'command':'x','timeout':600001}",
		 "Bash: /timeout: expected at most 600000, got 600001"},
		{"Bash", "{'comand':'x'}",
		 "Bash: /comand: unknown argument; did you mean \"command\"?"},
		{"rustfmt", "{'paths':[]}", "rustfmt: /paths: expected at least 1 elements, got 0"},
	};
	json_t *catalog = load();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *arguments = js(rows[i].arguments);
		struct err err = {0};

		cr_expect(manifest_validate(manifest_find_tool(catalog, rows[i].tool), arguments,
					    &err) < 0);
		cr_expect_str_eq(err.text, rows[i].words, "row %zu: %s", i, err.text);
		json_decref(arguments);
	}
	json_decref(catalog);
}

/* What hosts strip or choke on must not be in what we send them. */
static void expect_plain(const char *tool, json_t *value, bool names, unsigned depth)
{
	static const char *const banned[] = {"$ref",  "oneOf",	 "anyOf",
					     "allOf", "pattern", "format"};
	const char *key;
	json_t *one;
	size_t i;

	cr_assert(depth < 32);
	/* Among the names of properties a word means nothing: Grep has a "pattern". */
	for (i = 0; i < ARRAY_SIZE(banned) && !names; i++)
		cr_expect(!json_object_get(value, banned[i]), "%s: %s", tool, banned[i]);
	cr_expect(!json_is_array(json_object_get(value, "type")), "%s: type array", tool);
	json_object_foreach(value, key, one)
		expect_plain(tool, one, !names && strcmp(key, "properties") == 0, depth + 1);
	json_array_foreach(value, i, one)
		expect_plain(tool, one, false, depth + 1);
}

Test(shipped, schemas_and_texts_are_such_as_hosts_take)
{
	json_t *catalog = load(), *tool;
	size_t i;

	cr_expect(json_array_size(json_object_get(catalog, "tools")) >= 5);
	json_array_foreach(json_object_get(catalog, "tools"), i, tool) {
		const char *name = json_string_value(json_object_get(tool, "name"));
		json_t *input = json_object_get(tool, "inputSchema");
		json_t *output = json_object_get(tool, "outputSchema");
		json_t *data = json_object_get(json_object_get(output, "properties"), "data");

		cr_expect(strlen(json_string_value(json_object_get(tool, "description"))) < 900,
			  "%s", name);
		cr_expect(json_is_false(json_object_get(input, "additionalProperties")), "%s",
			  name);
		cr_expect(json_is_object(data) && !json_object_get(data, "type"),
			  "%s: data may be null", name);
		expect_plain(name, input, false, 0);
		expect_plain(name, output, false, 0);
	}
	json_decref(catalog);
}

Test(shipped, the_rust_engineer_has_its_tools_in_order_and_warnings_for_those_to_come)
{
	static const char *const listed[] = {"Read",  "Write",	      "Edit",	     "MultiEdit",
					     "Glob",  "Grep",	      "apply_patch", "Bash",
					     "cargo", "rustc",	      "clippy",	     "rustfmt",
					     "miri",  "rust-analyzer"};
	const char *agents[] = {TEST_AGENTS_DIR, NULL}, *tools[] = {TEST_TOOLS_DIR, NULL};
	json_t *agent = NULL, *all = NULL, *catalog = NULL;
	struct err err = {0};
	size_t granted = 0, unknown = 0;

	cr_assert(agent_load("rust-engineer", agents, NULL, &agent, &err) == 0, "%s", err.text);
	cr_assert(manifest_load_all(tools, NULL, &all, &err) == 0, "%s", err.text);
	cr_assert(catalog_build(&(struct catalog_source){.agent = agent,
							 .manifests = all,
							 .policy_name = "p",
							 .home = "/h",
							 .cell_of = cell_of},
				&catalog, &err) == 0);
	cr_expect_str_eq(json_string_value(json_object_get(agent, "policy")), "rust-engineer");
	cr_expect(json_array_size(json_object_get(agent, "grants")) == ARRAY_SIZE(listed));
	for (size_t i = 0; i < ARRAY_SIZE(listed); i++) {
		json_t *here = json_array_get(json_object_get(catalog, "tools"), granted);
		char warning[128];

		if (here && manifest_is_named(here, listed[i])) {
			granted++;
			continue;
		}
		(void)snprintf(
			warning, sizeof(warning),
			"agents/rust-engineer.md:4: unknown tool \"%s\": nothing is granted for it",
			listed[i]);
		cr_expect_str_eq(json_string_value(
					 json_array_get(json_object_get(catalog, "warnings"),
							unknown++)),
				 warning);
	}
	cr_expect(granted == json_array_size(json_object_get(catalog, "tools")));
	cr_expect(granted == 12);
	json_decref(agent);
	json_decref(all);
	json_decref(catalog);
}

Test(shipped, tools_for_changes_are_what_the_policy_grants_of_them)
{
	static const struct {
		const char *driver, *tools, *operations; /* of changes */
	} rows[] = {
		{"['list','diff','commit','discard','snapshot','rollback','fork']",
		 "changes changes_commit changes_discard session ", "list diff "},
		{"['diff','discard']", "changes changes_discard ", "diff "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *dirs[] = {TEST_TOOLS_DIR, NULL};
		json_t *all = NULL, *catalog = NULL, *driver = js(rows[i].driver), *tool, *words;
		char names[256] = "", operations[64] = "";
		struct err err = {0};
		size_t k;

		cr_assert(manifest_load_all(dirs, NULL, &all, &err) == 0, "%s", err.text);
		cr_assert(catalog_build(&(struct catalog_source){.manifests = all,
								 .policy_name = "p",
								 .home = "/h",
								 .driver = driver,
								 .changes_cell = 8,
								 .exclusive_cell = 9,
								 .cell_of = cell_of},
					&catalog, &err) == 0,
			  "%s", err.text);
		json_array_foreach(json_object_get(catalog, "tools"), k, tool)
			if (json_object_get(tool, "cell_kind") || json_object_get(tool, "builtin"))
				(void)snprintf(names + strlen(names), sizeof(names) - strlen(names),
					       "%s ",
					       json_string_value(json_object_get(tool, "name")));
		tool = json_object_get(manifest_find_tool(catalog, "changes"), "inputSchema");
		words = json_object_get(json_object_get(json_object_get(tool, "properties"),
							"operation"),
					"enum");
		json_array_foreach(words, k, tool)
			(void)snprintf(operations + strlen(operations),
				       sizeof(operations) - strlen(operations), "%s ",
				       json_string_value(tool));
		cr_expect_str_eq(names, rows[i].tools, "row %zu", i);
		cr_expect_str_eq(operations, rows[i].operations, "row %zu", i);
		cr_expect_eq(json_array_size(json_object_get(catalog, "operator")), 4);
		json_decref(catalog);
		json_decref(all);
		json_decref(driver);
	}
}
