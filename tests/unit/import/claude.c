/* Rules of Claude Code: which tools a name means, and that what means some is not called otherwise. */
#include "support.h"

#define ALL "Bash Read Edit Write cargo changes apply_patch"

static const struct {
	const char *list;
	const char *rule;
	const char *gone;
	const char *asked;
	const char *verdict;
} rules[] = {
	{"deny", "Bash", "Bash cargo", "", "taken"},
	{"deny", "*", ALL, "", "taken"},
	{"deny", "mcp__*", ALL, "", "taken"},
	{"deny", "mcp__tool*", ALL, "", "taken"},
	{"deny", "mcp__toolcell", ALL, "", "taken"},
	{"deny", "mcp__toolcell__*", ALL, "", "taken"},
	{"deny", "mcp__toolcell__B*", "Bash", "", "taken"},
	{"deny", "mcp__*__Write", "Write", "", "taken"},
	{"deny", "mcp__toolcell__apply-*", "apply_patch", "", "taken"},
	{"deny", "B*", "Bash cargo", "", "taken"},
	{"deny", "*Edit", "Edit Write apply_patch", "", "taken"},
	{"deny", "c*", "cargo changes", "", "taken"},
	{"deny", "mcp__toolcel", "", "", "already refused"},
	{"deny", "mcp__other__*", "", "", "already refused"},
	{"deny", "WebFetch", "", "", "already refused"},
	{"deny", "Bas?", "", "", "not expressible"},
	{"deny", "B[a]sh", "", "", "not expressible"},
	{"deny", "{Bash,Edit}", "", "", "not expressible"},
	{"deny", "B*(rm:*)", "", "", "not expressible"},
	{"deny", " Bash(rm:*)", "", "", "not expressible"},
	{"deny", "Bash (rm:*)", "", "", "not expressible"},
	{"deny", "Read(//nonexistent )", "", "", "not expressible"},
	{"deny", "mcp__toolcell__Read(//etc)", "", "", "not expressible"},
	{"ask", "*", "", ALL, "taken"},
	{"ask", "mcp__*", "", ALL, "taken"},
	{"ask", "mcp__toolcell", "", ALL, "taken"},
	{"ask", "mcp__toolcell__*", "", ALL, "taken"},
	{"ask", "mcp__toolcell__B*", "", "Bash", "taken"},
	{"ask", "B*(rm:*)", "", "Bash cargo", "taken"},
	{"ask", "B[a]sh", "", "", "not expressible"},
	{"ask", "WebFetch", "", "", "already refused"},
	{"allow", "*", "", "", "no bearing"},
	{"allow", "mcp__toolcell__*", "", "", "no bearing"},
};

/* Names of the tools that are gone, or asked about, in the order of ALL. */
static void list_tools(json_t *policy, bool gone, char *dst, size_t cap)
{
	char names[] = ALL;
	char *rest = names;
	size_t n = 0;

	dst[0] = '\0';
	for (char *name = strsep(&rest, " "); name; name = strsep(&rest, " ")) {
		json_t *tool = json_object_get(json_object_get(policy, "tools"), name);

		if (gone ? json_is_false(tool) : json_is_true(json_object_get(tool, "ask")))
			n += (size_t)snprintf(dst + n, cap - n, "%s%s", n ? " " : "", name);
	}
}

Test(claude, a_name_means_what_claude_code_means_by_it)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		static const char *const accept[] = {""};
		bool open = strcmp(rules[i].verdict, "not expressible") == 0;
		struct import_result result;
		struct err err = {0};
		char text[128];
		char pointer[64];
		char names[128];
		struct source source = {.format = "claude", .text = text};

		(void)snprintf(text, sizeof(text), "{'permissions': {'%s': ['%s']}}", rules[i].list,
			       rules[i].rule);
		(void)snprintf(pointer, sizeof(pointer), "/permissions/%s/0", rules[i].list);
		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		cr_assert_str_eq(verdict(&result, pointer), rules[i].verdict, "row %zu", i);
		cr_assert_eq(result.policy == NULL, open, "row %zu", i);
		import_result_fini(&result);
		source.accept = accept;
		source.n_accept = open;
		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		list_tools(result.policy, true, names, sizeof(names));
		cr_assert_str_eq(names, rules[i].gone, "row %zu", i);
		list_tools(result.policy, false, names, sizeof(names));
		cr_assert_str_eq(names, rules[i].asked, "row %zu", i);
		import_result_fini(&result);
	}
}

/* "dontAsk" refuses what no rule allows, and a rule that allows nothing there allows nothing here. */
static const struct {
	const char *allow;
	const char *gone;
} unasked[] = {
	{"", "Bash Edit Write cargo changes apply_patch"},
	{"'Bash'", "Edit Write changes apply_patch"},
	{"'mcp__toolcell__Bash'", "Edit Write cargo changes apply_patch"},
	{"'mcp__toolcell__Edit'", "Bash Write cargo changes apply_patch"},
	{"'Edit'", "Bash cargo changes"},
	{"'Write'", "Bash Edit cargo changes apply_patch"},
	{"'mcp__toolcell'", ""},
	{"'mcp__toolcell__c*'", "Bash Edit Write apply_patch"},
	{"'*'", "Bash Edit Write cargo changes apply_patch"},
	{"'B*'", "Bash Edit Write cargo changes apply_patch"},
	{"'mcp__*'", "Bash Edit Write cargo changes apply_patch"},
	{"'mcp__*__Bash'", "Bash Edit Write cargo changes apply_patch"},
	{"'mcp__toolcell__Bash(*)'", "Bash Edit Write cargo changes apply_patch"},
};

Test(claude, dont_ask_leaves_the_tools_that_a_rule_allows)
{
	for (size_t i = 0; i < ARRAY_SIZE(unasked); i++) {
		struct import_result result;
		struct err err = {0};
		char text[160];
		char names[128];
		struct source source = {.format = "claude", .text = text};

		(void)snprintf(text, sizeof(text),
			       "{'permissions': {'defaultMode': 'dontAsk', 'allow': [%s]}}",
			       unasked[i].allow);
		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		cr_assert_not_null(result.policy, "row %zu", i);
		list_tools(result.policy, true, names, sizeof(names));
		cr_assert_str_eq(names, unasked[i].gone, "row %zu", i);
		import_result_fini(&result);
	}
}

/* What is refused to be edited, and the pattern that protects it. */
static const struct {
	const char *rule;
	const char *base;
	const char *pattern; /* NULL: not expressible */
} edits[] = {
	{"Edit(~x)", "rust-engineer", "**/~x"},
	{"Edit(*.lock)", "rust-engineer", "**/*.lock"},
	{"Edit(*.lock)", NULL, NULL},
	{"Edit(./a/b)", NULL, "a/b"},
	{"Edit( ./a/b)", NULL, NULL},
	{"Edit(./a/b )", NULL, NULL},
	{"Edit(*.lock)",
	 "{'name': 'x', 'extends': 'base/build', 'workspace': {'mode': 'overlay', 'fallback': "
	 "'direct'}}",
	 NULL},
};

Test(claude, what_must_not_be_edited_is_protected_where_that_holds)
{
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		struct import_result result;
		struct err err = {0};
		bool found = false;
		char text[128];
		struct source source = {.format = "claude", .text = text, .base = edits[i].base};
		json_t *pattern;
		json_t *list;
		size_t k;

		(void)snprintf(text, sizeof(text), "{'permissions': {'deny': ['%s']}}",
			       edits[i].rule);
		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		cr_assert_str_eq(verdict(&result, "/permissions/deny/0"),
				 edits[i].pattern ? "taken" : "not expressible", "row %zu", i);
		list = json_object_get(json_object_get(result.policy, "workspace"), "protect");
		json_array_foreach(list, k, pattern)
			found = found ||
				(json_is_string(pattern) && edits[i].pattern &&
				 strcmp(json_string_value(pattern), edits[i].pattern) == 0);
		cr_assert_eq(found, edits[i].pattern != NULL, "row %zu", i);
		import_result_fini(&result);
	}
}

static const struct {
	const char *text;
	const char *pointer;
	const char *verdict; /* NULL: an error about the pointer */
} gates[] = {
	{"{'hooks': {'PreToolUse': [{}]}}", "/hooks/PreToolUse", "not expressible"},
	{"{'hooks': {'PermissionRequest': [{}]}}", "/hooks/PermissionRequest", "not expressible"},
	{"{'hooks': {'PreToolUse': []}}", "/hooks/PreToolUse", "no bearing"},
	{"{'hooks': {'PreToolUse': 'x'}}", "/hooks/PreToolUse", NULL},
	{"{'hooks': {'Stop': [{}]}}", "/hooks/Stop", "no bearing"},
	{"{'hooks': {'BeforeAnything': [{}]}}", "/hooks/BeforeAnything", "not expressible"},
	{"{'hooks': {}}", "/hooks", "no bearing"},
	{"{'env': {}}", "/env", "no bearing"},
};

Test(claude, hooks_that_may_refuse_are_not_passed_over)
{
	for (size_t i = 0; i < ARRAY_SIZE(gates); i++) {
		const struct source source = {.format = "claude", .text = gates[i].text};
		struct import_result result;
		struct err err = {0};
		int r = import_source(&source, &result, &err);

		cr_assert_eq(r < 0, gates[i].verdict == NULL, "row %zu: %s", i, err.text);
		if (r < 0)
			cr_assert_not_null(strstr(err.text, gates[i].pointer), "row %zu: %s", i,
					   err.text);
		else
			cr_assert_str_eq(verdict(&result, gates[i].pointer), gates[i].verdict,
					 "row %zu", i);
		import_result_fini(&result);
	}
}
