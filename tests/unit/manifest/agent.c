/*
 * Theory of operation: agent files as people write them, in memory. Grants are compared as one line
 * "tool(pattern)@line ..."; warnings and errors word by word.
 */
#include "manifest/agent.h"

#include "support.h"

#include <errno.h>

#define HEAD "---\nname: a\ndescription: d\n"
#define TAIL "---\nBe good.\n"

static const char *grants_line(json_t *agent, const char *key)
{
	static char line[4096];
	size_t i, n = 0;
	json_t *one;

	line[0] = '\0';
	json_array_foreach(json_object_get(agent, key), i, one) {
		const char *pattern = json_string_value(json_object_get(one, "pattern"));

		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s%s%s%s@%d", n ? " " : "",
				      json_string_value(json_object_get(one, "tool")),
				      pattern ? "(" : "", pattern ? pattern : "",
				      pattern ? ")" : "",
				      (int)json_integer_value(json_object_get(one, "line")));
	}
	return line;
}

static const char *message(json_t *agent, const char *key, size_t i)
{
	const char *text = json_string_value(json_array_get(json_object_get(agent, key), i));

	return text ? text : "";
}

Test(agent, tools_are_read_as_leniently_as_hosts_read_them)
{
	static const struct {
		const char *text, *grants;
	} rows[] = {
		{HEAD "tools: Read, Write, Bash, cargo\n" TAIL, "Read@4 Write@4 Bash@4 cargo@4"},
		{HEAD "tools: Read Write cargo\n" TAIL, "Read@4 Write@4 cargo@4"},
		{HEAD "tools: Read Bash(git log) cargo\n" TAIL, "Read@4 Bash(git log)@4 cargo@4"},
		{HEAD "tools: Read, cargo,   # no shell, please\n" TAIL, "Read@4 cargo@4"},
		{HEAD "tools: [Read, 'Write', \"cargo\"]\n" TAIL, "Read@4 Write@4 cargo@4"},
		{HEAD "tools: [Read,\n  cargo]\n" TAIL, "Read@4 cargo@5"},
		{HEAD "tools:\n  - Read\n  - cargo # yes\n" TAIL, "Read@5 cargo@6"},
		{HEAD "tools:\n- Read\n- cargo\n" TAIL, "Read@5 cargo@6"},
		{HEAD "tools:\n\t- Read\n\t- cargo\n" TAIL, "Read@5 cargo@6"},
		{HEAD "tools: \"Read, cargo\"\n" TAIL, "Read@4 cargo@4"},
		{HEAD "tools: >\n  Read,\n  cargo\n" TAIL, "Read@4 cargo@4"},
		{HEAD "tools: Bash(git:*), cargo\n" TAIL, "Bash(git:*)@4 cargo@4"},
		{HEAD "tools: Bash(git: *), cargo\n" TAIL, "Bash(git: *)@4 cargo@4"},
		{HEAD "tools:\n  - Bash(npm run test:*)\n  - Bash(git: x)\n" TAIL,
		 "Bash(npm run test:*)@5 Bash(git: x)@6"},
		{HEAD "tools: [Bash(git:*), Task(A, B), cargo]\n" TAIL,
		 "Bash(git:*)@4 Task(A, B)@4 cargo@4"},
		{HEAD "tools: Task(A, B), cargo\n" TAIL, "Task(A, B)@4 cargo@4"},
		{HEAD "tools: mcp__toolcell__cargo, mcp__github__push\n" TAIL, "cargo@4"},
		{"\xef\xbb\xbf---  \r\nname: a\r\ndescription: use when: it rains\r\ntools: Read, "
		 "cargo\r\n---\t\r\nx",
		 "Read@4 cargo@4"},
		{"---\ndescription: \"q: r\"\ntools: rust-analyzer\nname: a\nhooks:\n  Stop:\n    "
		 "- matcher: \"x: y\"\n"
		 "      run: [a, {b: c}]\n" TAIL,
		 "rust-analyzer@3"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *agent = NULL;
		struct err err = {0};
		int r = agent_parse("agents/a.md", rows[i].text, strlen(rows[i].text), &agent,
				    &err);

		cr_expect(r == 0, "row %zu: %s", i, err.text);
		cr_expect_str_eq(grants_line(agent, "grants"), rows[i].grants, "row %zu: %s", i,
				 grants_line(agent, "grants"));
		cr_expect(json_array_size(json_object_get(agent, "warnings")) == 0, "row %zu: %s",
			  i, message(agent, "warnings", 0));
		json_decref(agent);
	}
}

Test(agent, what_does_not_spell_out_tools_grants_none_and_says_so)
{
	static const struct {
		const char *tools, *grants, *warning;
	} rows[] = {
		{"", "", "agents/a.md:1: \"tools\" is missing; nothing is granted"},
		{"tools:\n", "", "agents/a.md:4: tools: is empty; nothing is granted"},
		{"tools: []\n", "", "agents/a.md:4: tools: is empty; nothing is granted"},
		{"tools: ' '\n", "", "agents/a.md:4: tools: is empty; nothing is granted"},
		{"tools: true\n", "",
		 "agents/a.md:4: tools: \"true\" is no list of tools; nothing is granted for it"},
		{"tools: {a: b}\n", "",
		 "agents/a.md:4: tools: is neither text nor a list; nothing is granted"},
		{"tools: *\n", "",
		 "agents/a.md:4: tools: \"*\" would grant every tool at once; name them one by "
		 "one; nothing is "
		 "granted for it"},
		{"tools:\n  - *\n  - cargo\n", "cargo@6",
		 "agents/a.md:5: tools: \"*\" would grant every tool at once; name them one by "
		 "one; nothing is "
		 "granted for it"},
		{"tools: mcp__*, cargo\n", "cargo@4",
		 "agents/a.md:4: tools: \"mcp__*\" would grant every tool at once; name them one "
		 "by one; "
		 "nothing is granted for it"},
		{"tools: mcp__toolcell__*\n", "",
		 "agents/a.md:4: tools: \"mcp__toolcell__*\" would grant every tool at once; name "
		 "them one by "
		 "one; nothing is granted for it"},
		{"tools: Bash(), cargo\n", "cargo@4",
		 "agents/a.md:4: tools: \"Bash\" has an empty pattern; nothing is granted for it"},
		{"tools: cargo, Bash(git:*\n", "cargo@4",
		 "agents/a.md:4: tools: \"Bash(git:*\" has a parenthesis that does not fit; "
		 "nothing is granted "
		 "for it"},
		{"tools: [cargo, 'Bash(git', Read]\n", "cargo@4",
		 "agents/a.md:4: tools: \"Bash(git, Read\" has a parenthesis that does not fit; "
		 "nothing is "
		 "granted for it"},
		{"tools:\n  - cargo\n  - {Bash: git}\n", "cargo@5",
		 "agents/a.md:6: tools: \"{...}\" is no name of a tool; nothing is granted for it"},
		{"tool: cargo\n", "",
		 "agents/a.md:4: unknown key \"tool\" is ignored; did you mean \"tools\"?"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *agent = NULL;
		struct err err = {0};
		char text[512];

		(void)snprintf(text, sizeof(text), HEAD "%s" TAIL, rows[i].tools);
		cr_expect(agent_parse("agents/a.md", text, strlen(text), &agent, &err) == 0,
			  "row %zu: %s", i, err.text);
		cr_expect_str_eq(grants_line(agent, "grants"), rows[i].grants, "row %zu: %s", i,
				 grants_line(agent, "grants"));
		cr_expect_str_eq(message(agent, "warnings", 0), rows[i].warning, "row %zu: %s", i,
				 message(agent, "warnings", 0));
		json_decref(agent);
	}
}

Test(agent, a_file_that_is_no_agent_is_an_error_with_its_line)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"", "agents/a.md:1: expected \"---\", the start of the front matter"},
		{"\n---\nname: a\n---\n",
		 "agents/a.md:1: expected \"---\", the start of the front matter"},
		{"---\nname: a\n", "agents/a.md: the front matter is not closed by a line \"---\""},
		{"---\n---\n", "agents/a.md:1: the front matter needs \"name\""},
		{"---\nname: a\n---\n", "agents/a.md:1: the front matter needs \"description\""},
		{"---\nname:\ndescription: d\n---\n",
		 "agents/a.md:2: the front matter needs \"name\""},
		{"---\nname: \"a\\x1b\"\ndescription: d\n---\n",
		 "agents/a.md:2: \"name\" holds control characters"},
		{HEAD "tools: cargo\ntools: Bash\n" TAIL,
		 "agents/a.md:5: \"tools\" stands in line 4 already"},
		{HEAD "tools: [cargo, *x]\n" TAIL, "agents/a.md:4: an alias (\"*name\") is not "
						   "accepted here; put the value into quotes"},
		{HEAD "policy: ../../etc/x\n" TAIL,
		 "agents/a.md:4: \"policy\": expected the name of a policy, not a path"},
		{HEAD "policy: /etc/x\n" TAIL,
		 "agents/a.md:4: \"policy\": expected the name of a policy, not a path"},
		{HEAD "policy: [a]\n" TAIL,
		 "agents/a.md:4: \"policy\": expected the name of a policy, not a path"},
		{HEAD "tools: \"open\n" TAIL, "agents/a.md:5: found unexpected end of stream"},
		{"---\nname: a\ndescription: \xff\n---\n", "agents/a.md: is not UTF-8"},
		{"---\njust text\n---\n", "agents/a.md:2: expected \"key: value\" lines"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *agent = NULL;
		struct err err = {0};

		cr_expect(agent_parse("agents/a.md", rows[i].text, strlen(rows[i].text), &agent,
				      &err) == -EINVAL,
			  "row %zu", i);
		cr_expect_str_eq(err.text, rows[i].words, "row %zu: %s", i, err.text);
		cr_expect(!agent, "row %zu: untouched", i);
	}
}

Test(agent, the_prompt_and_the_other_keys_arrive)
{
	static const char text[] =
		"---\nname: a\ndescription: |\n  Use: when\n\n  <example>x: y</example>\n"
		"model: opus\ntools: cargo\npolicy: base/build\ndisallowedTools: Bash\nzzz: 1\n"
		"---\r\n\r\nBe good.\r\n\r\n  Really.\r\n\r\n";
	json_t *agent = NULL;
	struct err err = {0};

	cr_assert(agent_parse("/x/agents/a.md", text, sizeof(text) - 1, &agent, &err) == 0, "%s",
		  err.text);
	cr_expect_str_eq(json_string_value(json_object_get(agent, "prompt")),
			 "Be good.\n\n  Really.");
	cr_expect_str_eq(json_string_value(json_object_get(agent, "description")),
			 "Use: when\n\n<example>x: y</example>\n");
	cr_expect_str_eq(json_string_value(json_object_get(agent, "policy")), "base/build");
	cr_expect_str_eq(json_string_value(json_object_get(agent, "file")), "/x/agents/a.md");
	cr_expect_str_eq(grants_line(agent, "denied"), "Bash@10");
	cr_expect_str_eq(message(agent, "infos", 0),
			 "agents/a.md:7: \"model\" is for hosts; ignored");
	cr_expect_str_eq(message(agent, "infos", 1),
			 "agents/a.md:11: unknown key \"zzz\" is ignored");
	json_decref(agent);
}

Test(agent, caps_on_tools_depth_and_bytes_hold)
{
	CLEANUP(buf_fini) struct buf many = {0};
	CLEANUP(buf_fini) struct buf deep = {0};
	CLEANUP(buf_fini) struct buf large = {0};
	json_t *agent = NULL;
	struct err err = {0};

	cr_assert(buf_puts(&many, HEAD "tools: x") == 0 && buf_puts(&deep, HEAD "hooks: ") == 0);
	for (unsigned i = 0; i < AGENT_TOOLS_MAX; i++)
		cr_assert(buf_printf(&many, ", x%u", i) == 0 && buf_puts(&deep, "[") == 0);
	cr_assert(buf_puts(&many, "\n" TAIL) == 0 && buf_puts(&large, HEAD TAIL) == 0);
	for (unsigned i = 0; i < AGENT_TOOLS_MAX; i++)
		cr_assert(buf_puts(&deep, "]") == 0);
	cr_assert(buf_puts(&deep, "\n" TAIL) == 0);
	while (large.len <= AGENT_BYTES_MAX)
		cr_assert(buf_puts(&large, "A line of a prompt that does not want to end.\n") == 0);
	cr_expect(agent_parse("a.md", many.data, many.len, &agent, &err) == -E2BIG);
	cr_expect_str_eq(err.text, "a.md:4: more than 256 tools");
	cr_expect(agent_parse("a.md", deep.data, deep.len, &agent, &err) == -EINVAL);
	cr_expect_str_eq(err.text, "a.md:4: the front matter is nested too deeply");
	cr_expect(agent_parse("a.md", large.data, large.len, &agent, &err) == -E2BIG);
	cr_expect_str_eq(err.text, "a.md: larger than 1048576 bytes");
}

Test(agent, an_unknown_name_is_an_error_with_the_nearest_one)
{
	const char *dirs[] = {TEST_AGENTS_DIR, NULL};
	json_t *agent = NULL;
	struct err err = {0};

	cr_expect(agent_load("rust-enginer", dirs, NULL, &agent, &err) == -EINVAL);
	cr_expect_str_eq(err.text,
			 "there is no agent \"rust-enginer\"; did you mean \"rust-engineer\"?");
	cr_expect(agent_load("..", dirs, NULL, &agent, &err) == -EINVAL);
	cr_expect_str_eq(err.text,
			 "\"..\" is no name of an agent; a file is named with a \"/\" or \".md\"");
	cr_expect(!agent);
}
