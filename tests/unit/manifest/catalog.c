/* Theory of operation: agent, manifests and a policy of our own meet; what is left, in which order?
 */
#include "manifest/agent.h"
#include "support.h"

#include <errno.h>
#include <stdlib.h>

/* The policy takes "gone" away and gives the others cells 1, 2, ... */
static uint32_t cell_of(void *ctx, const char *tool, json_t **ret_limits)
{
	uint32_t *next = ctx;

	if (strcmp(tool, "gone") == 0)
		return UINT32_MAX;
	*ret_limits = json_pack("{sI}", "wall_ms", (json_int_t)1000);
	return ++*next;
}

static json_t *manifests(void)
{
	static const char *const names[] = {"zeta", "Bash", "rust_analyzer", "gone", "cargo"};
	json_t *all = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_t *tool = json_pack("{ss s[s] s[s]}", "name", names[i], "aliases",
					 strcmp(names[i], "Bash") == 0 ? "shell" : "other", "argv",
					 "x");

		if (strcmp(names[i], "Bash") == 0)
			json_object_set_new(tool, "pattern", js("{'argument':'command'}"));
		if (strcmp(names[i], "Bash") != 0)
			json_object_set_new(tool, "aliases", json_array());
		json_object_set_new(all, names[i], tool);
	}
	json_object_set_new(
		all, "changes",
		js("{'name':'changes','cell_kind':'changes','inputSchema':{'properties':{'what':{"
		   "'type':'string','default':'list','enum':['list','diff']},'paths':{}}}}"));
	json_object_set_new(all, "changes_commit",
			    js("{'name':'changes_commit','cell_kind':'changes-exclusive',"
			       "'inputSchema':{'properties':{}}}"));
	json_object_set_new(
		all, "session",
		js("{'name':'session','builtin':'session','inputSchema':{'properties':{'operation':"
		   "{'type':'string','enum':['list','snapshot','rollback','fork','drop']}},"
		   "'required':['operation']}}"));
	return all;
}

/* @driver: words of workspace.driver, stolen; NULL: no session */
static json_t *build_with(const char *tools, json_t *driver)
{
	json_t *agent = NULL, *all = manifests(), *catalog = NULL;
	struct err err = {0};
	uint32_t next = 0;
	char text[512];

	if (tools) {
		(void)snprintf(text, sizeof(text), "---\nname: a\ndescription: d\n%s\n---\nPrompt",
			       tools);
		cr_assert(agent_parse("/x/agents/a.md", text, strlen(text), &agent, &err) == 0,
			  "%s", err.text);
	}
	cr_assert(catalog_build(&(struct catalog_source){.agent = agent,
							 .manifests = all,
							 .policy_name = "strict",
							 .home = "/home/x",
							 .driver = driver,
							 .changes_cell = 70,
							 .exclusive_cell = 71,
							 .cell_of = cell_of,
							 .ctx = &next},
				&catalog, &err) == 0,
		  "%s", err.text);
	json_decref(agent);
	json_decref(all);
	json_decref(driver);
	return catalog;
}

static json_t *build(const char *tools)
{
	return build_with(tools, NULL);
}

static const char *tools_line(json_t *catalog)
{
	static char line[1024];
	json_t *tool, *pattern;
	size_t i, k, n = 0;

	line[0] = '\0';
	json_array_foreach(json_object_get(catalog, "tools"), i, tool) {
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s=%d", n ? " " : "",
				      json_string_value(json_object_get(tool, "name")),
				      (int)json_integer_value(json_object_get(tool, "cell")));
		json_array_foreach(json_object_get(tool, "patterns"), k, pattern)
			n += (size_t)snprintf(line + n, sizeof(line) - n, "(%s)",
					      json_string_value(pattern));
	}
	return line;
}

Test(catalog, grants_meet_manifests_and_policy)
{
	static const struct {
		const char *tools, *line, *warning;
	} rows[] = {
		{"tools: zeta, cargo, Bash", "zeta=1 cargo=2 Bash=3", NULL},
		{"tools: rust-analyzer, shell, cargo, cargo", "rust_analyzer=1 Bash=2 cargo=3",
		 NULL},
		{"tools: cargo, miri", "cargo=1",
		 "agents/a.md:4: unknown tool \"miri\": nothing is granted for it"},
		{"tools: carg", "",
		 "agents/a.md:4: unknown tool \"carg\": nothing is granted for it; did you mean "
		 "\"cargo\"?"},
		{"tools: bash", "",
		 "agents/a.md:4: unknown tool \"bash\": nothing is granted for it; did you mean "
		 "\"Bash\"?"},
		{"tools: gone, cargo", "cargo=1",
		 "agents/a.md:4: the policy \"strict\" takes the tool \"gone\" away: nothing is "
		 "granted for it"},
		{"tools: Bash(git:*), Bash(cargo test)", "Bash=1(git:*)(cargo test)", NULL},
		{"tools: Bash(git:*), Bash", "Bash=1",
		 "agents/a.md:4: \"Bash\" is granted without a pattern as well, so its patterns "
		 "narrow nothing"},
		{"tools: Bash, Bash(git:*)", "Bash=1",
		 "agents/a.md:4: \"Bash\" is granted without a pattern as well, so its patterns "
		 "narrow nothing"},
		{"tools: Bash(*)", "",
		 "agents/a.md:4: \"Bash(*)\": expected words, or words and \":*\" (\"*\" at byte 1 "
		 "has a meaning "
		 "in a shell; quote it if it is meant literally): nothing is granted for it"},
		{"tools: cargo(test:*), zeta", "zeta=1",
		 "agents/a.md:4: \"cargo(test:*)\": this tool takes no pattern: nothing is granted "
		 "for it"},
		{"tools: Bash, cargo\ndisallowedTools: Bash", "cargo=1", NULL},
		{"tools: Bash, cargo\ndisallowedTools: Bash(rm:*)", "cargo=1",
		 "agents/a.md:5: disallowedTools: a pattern cannot be taken away alone; \"Bash\" "
		 "is taken away "
		 "whole"},
		{"tools: []", "", "agents/a.md:4: tools: is empty; nothing is granted"},
		{NULL, "Bash=1 cargo=2 rust_analyzer=3 zeta=4",
		 "policy:1: the policy \"strict\" takes the tool \"gone\" away: nothing is granted "
		 "for it"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *catalog = build(rows[i].tools);
		json_t *warnings = json_object_get(catalog, "warnings");
		const char *first = json_string_value(json_array_get(warnings, 0));

		cr_expect_str_eq(tools_line(catalog), rows[i].line, "row %zu: %s", i,
				 tools_line(catalog));
		cr_expect_str_eq(first ? first : "", rows[i].warning ? rows[i].warning : "",
				 "row %zu: %s", i, first ? first : "");
		cr_expect(json_array_size(warnings) == (rows[i].warning != NULL), "row %zu", i);
		json_decref(catalog);
	}
}

Test(catalog, tools_are_found_by_name_alias_and_either_dash)
{
	json_t *catalog = build("tools: rust-analyzer, Bash");

	cr_expect(manifest_find_tool(catalog, "rust_analyzer") != NULL);
	cr_expect(manifest_find_tool(catalog, "rust-analyzer") != NULL);
	cr_expect(manifest_find_tool(catalog, "shell") == manifest_find_tool(catalog, "Bash"));
	cr_expect(manifest_find_tool(catalog, "bash") == NULL);
	cr_expect(manifest_find_tool(catalog, "cargo") == NULL, "not granted");
	cr_expect(manifest_find_tool(catalog, "rust_analyze") == NULL);
	cr_expect_str_eq(json_string_value(json_object_get(catalog, "schema")),
			 "toolcell.catalog/1");
	cr_expect_str_eq(json_string_value(
				 json_object_get(json_object_get(catalog, "agent"), "prompt")),
			 "Prompt");
	cr_expect(json_integer_value(
			  json_object_get(json_object_get(manifest_find_tool(catalog, "Bash"),
							  "policy_limits"),
					  "wall_ms")) == 1000);
	json_decref(catalog);
}

/* "list,diff" of a tool's argument; "-" when the tool is not there. */
static const char *operations(json_t *tool, const char *argument)
{
	static char line[128];
	json_t *input = json_object_get(tool, "inputSchema"), *one;
	json_t *property = json_object_get(json_object_get(input, "properties"), argument);
	size_t i, n = 0;

	if (!tool)
		return "-";
	line[0] = '\0';
	json_array_foreach(json_object_get(property, "enum"), i, one)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", i ? "," : "",
				      json_string_value(one));
	return line;
}

Test(catalog, policy_grants_the_tools_for_changes_and_no_more_of_them)
{
	static const struct {
		const char *driver, *tools, *changes, *session;
	} rows[] = {
		{NULL, "cargo=1", "-", "-"},
		{"[]", "cargo=1", "-", "-"},
		{"['list']", "cargo=1 changes=70 session=0", "list", "list"},
		{"['diff']", "cargo=1 changes=70", "diff", "-"},
		{"['commit']", "cargo=1 changes_commit=71", "-", "-"},
		{"['snapshot','rollback']", "cargo=1 session=0", "-", "list,snapshot,rollback"},
		{"['fork']", "cargo=1 session=0", "-", "list,fork,drop"},
		{"['list','diff','commit','snapshot','rollback','fork']",
		 "cargo=1 changes=70 changes_commit=71 session=0", "list,diff",
		 "list,snapshot,rollback,fork,drop"},
		{"['no-such-word']", "cargo=1", "-", "-"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *catalog = build_with("tools: cargo",
					     rows[i].driver ? js(rows[i].driver) : NULL);

		cr_expect_str_eq(tools_line(catalog), rows[i].tools, "row %zu: %s", i,
				 tools_line(catalog));
		cr_expect_str_eq(operations(manifest_find_tool(catalog, "changes"), "what"),
				 rows[i].changes, "row %zu", i);
		cr_expect_str_eq(operations(manifest_find_tool(catalog, "session"), "operation"),
				 rows[i].session, "row %zu", i);
		cr_expect_eq(json_array_size(json_object_get(catalog, "operator")),
			     rows[i].driver ? 3 : 0, "row %zu", i);
		json_decref(catalog);
	}
}

Test(catalog, narrowed_tool_has_no_default_and_wants_its_operation)
{
	json_t *catalog = build_with("tools: cargo", js("['diff']"));
	json_t *input = json_object_get(manifest_find_tool(catalog, "changes"), "inputSchema");
	json_t *property = json_object_get(json_object_get(input, "properties"), "what");
	json_t *whole = manifest_find_operator_tool(catalog, "changes");

	cr_expect(!json_object_get(property, "default"));
	cr_expect_str_eq(json_string_value(json_array_get(json_object_get(input, "required"), 0)),
			 "what");
	cr_expect_str_eq(operations(whole, "what"), "list,diff", "the operator's is whole");
	cr_expect_eq(json_integer_value(json_object_get(whole, "cell")), 70);
	cr_expect(json_is_null(
		json_object_get(manifest_find_operator_tool(catalog, "session"), "cell")));
	cr_expect(!manifest_find_operator_tool(catalog, "cargo"));
	json_decref(catalog);
}

Test(catalog, agent_cannot_grant_a_tool_for_changes_but_can_do_without)
{
	json_t *catalog = build_with("tools: cargo, changes_commit", js("['list']"));
	json_t *warnings = json_object_get(catalog, "warnings");

	cr_expect_str_eq(tools_line(catalog), "cargo=1 changes=70 session=0");
	cr_expect_str_eq(json_string_value(json_array_get(warnings, 0)),
			 "agents/a.md:4: \"changes_commit\" is granted by a policy with \"mode\": "
			 "\"overlay\" (workspace.driver), and \"strict\" does not: nothing is "
			 "granted for it");
	json_decref(catalog);
	catalog = build_with("tools: cargo, changes\ndisallowedTools: session", js("['list']"));
	cr_expect_str_eq(tools_line(catalog), "cargo=1 changes=70");
	cr_expect_eq(json_array_size(json_object_get(catalog, "warnings")), 0);
	cr_expect(manifest_find_operator_tool(catalog, "session"));
	json_decref(catalog);
	catalog = build_with(NULL, js("['commit']"));
	cr_expect_str_eq(tools_line(catalog),
			 "Bash=1 cargo=2 rust_analyzer=3 zeta=4 changes_commit=71");
	json_decref(catalog);
}

Test(catalog, tools_are_shown_without_what_is_not_the_drivers)
{
	json_t *tools = js(
		"[{'name':'tool','description':'A tool','title':null,'argv':['/bin/secret'],"
		"'inputSchema':{'type':'object'}}]");
	static const struct {
		const char *format, *text;
	} rows[] = {
		{"mcp", "[{\"name\":\"tool\",\"description\":\"A tool\",\"inputSchema\":{\"type\":"
			"\"object\"},\"_meta\":{\"anthropic/maxResultSizeChars\":250000}}]"},
		{"anthropic", "[{\"name\":\"tool\",\"description\":\"A tool\",\"input_schema\":{"
			      "\"type\":\"object\"}}]"},
		{"openai",
		 "[{\"type\":\"function\",\"function\":{\"name\":\"tool\",\"description\":"
		 "\"A tool\",\"parameters\":{\"type\":\"object\"}}}]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *shown = manifest_tools_format(tools, rows[i].format);
		char *text = json_dumps(shown, JSON_COMPACT);

		cr_expect(manifest_format_is_known(rows[i].format));
		cr_expect_str_eq(text, rows[i].text, "row %zu: %s", i, text);
		free(text);
		json_decref(shown);
	}
	cr_expect(!manifest_format_is_known("yaml"));
	cr_expect_null(manifest_tools_format(tools, "yaml"));
	json_decref(tools);
	tools = js("[{'name':'tool'}]");
	cr_expect_null(manifest_tools_format(tools, "openai"), "no schema");
	json_decref(tools);
}
