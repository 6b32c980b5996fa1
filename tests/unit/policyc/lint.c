/* Theory of operation: a child and its parent, written into a folder of the test's own and loaded. */
#include "policyc/lint.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char dir[] = "/tmp/toolcell-lint-XXXXXX";
static struct compile c;

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
}

static void tear_down(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(lint, .init = set_up, .fini = tear_down);

static void write_policy(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s.json", dir, name);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	cr_assert_geq(fputs(text, f), 0);
	cr_assert_eq(fclose(f), 0);
}

/* How many findings a child's requirements have. */
static size_t findings(const char *parent, const char *child, char *pointer, size_t cap)
{
	const char *const dirs[] = {dir, NULL};
	struct lint lint = {.c = &c, .findings = json_array()};
	struct err err = {0};
	char text[512];
	size_t n;

	(void)snprintf(text, sizeof(text),
		       "{\"name\": \"parent\", \"syscalls\": {\"groups\": [\"base\"]}%s}", parent);
	write_policy("parent", text);
	(void)snprintf(text, sizeof(text), "{\"name\": \"child\", \"extends\": \"parent\"%s}",
		       child);
	write_policy("child", text);
	cr_assert_eq(policy_load("child", dirs, &c.inputs, &c.policy, &err), 0, "%s", err.text);
	lint_require(&lint);
	n = json_array_size(lint.findings);
	pointer[0] = '\0';
	if (n > 0) {
		json_t *f = json_array_get(lint.findings, 0);

		cr_assert_str_eq(json_string_value(json_object_get(f, "id")), "require-weaker");
		(void)snprintf(pointer, cap, "%s",
			       json_string_value(json_object_get(f, "pointer")));
	}
	json_decref(lint.findings);
	policy_fini(&c.policy);
	policy_inputs_fini(&c.inputs);
	return n;
}

Test(lint, a_child_that_requires_less_than_its_parent_is_found)
{
	static const struct {
		const char *parent;
		const char *child;
		const char *pointer; /* "": no finding */
	} rows[] = {
		{"", "", ""},
		{", \"require\": {\"landlock_abi\": 3}", "", ""},
		{", \"require\": {\"landlock_abi\": 3}", ", \"require\": {\"landlock_abi\": 4}",
		 ""},
		{", \"require\": {\"landlock_abi\": 3}", ", \"require\": {\"landlock_abi\": 2}",
		 "/require/landlock_abi"},
		{", \"require\": {\"private_uid\": true}",
		 ", \"require\": {\"private_uid\": false}", "/require/private_uid"},
		{", \"require\": {\"private_uid\": true}", ", \"require\": {}", ""},
		{", \"require\": {\"private_uid\": false}",
		 ", \"require\": {\"private_uid\": true}", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char pointer[64];
		size_t n = findings(rows[i].parent, rows[i].child, pointer, sizeof(pointer));

		cr_assert_eq(n, rows[i].pointer[0] ? 1 : 0, "row %zu", i);
		cr_assert_str_eq(pointer, rows[i].pointer, "row %zu", i);
	}
}
