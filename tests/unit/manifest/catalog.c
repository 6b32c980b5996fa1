/* Theory of operation: agent, manifests and a policy of our own meet; what is left, in which order?
 */
#include "manifest/agent.h"
#include "support.h"

#include <errno.h>

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
	return all;
}

static json_t *build(const char *tools)
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
	cr_assert(catalog_build(agent, all, "strict", NULL, NULL, "/home/x", cell_of, &next,
				&catalog, &err) == 0,
		  "%s", err.text);
	json_decref(agent);
	json_decref(all);
	return catalog;
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
