/* The keys of /audit: what they come to, what they refuse, and what a parent may make final of them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

#define LEAST "\"syscalls\": {\"groups\": [\"base\"]}"

static char dir[] = "/tmp/toolcell-policy-audit-XXXXXX";
static struct policy_inputs inputs;
static struct policy policy;

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
}

static void tear_down(void)
{
	char command[128];

	policy_fini(&policy);
	policy_inputs_fini(&inputs);
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(audit, .init = set_up, .fini = tear_down);

static int load(const char *name, const char *text, struct err *err)
{
	const char *const dirs[] = {dir, NULL};
	char path[128];
	FILE *f;

	policy_fini(&policy);
	(void)snprintf(path, sizeof(path), "%s/%s.json", dir, name);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	cr_assert_geq(fprintf(f, "{\"name\": \"%s\", " LEAST ", %s}", name, text), 0);
	cr_assert_eq(fclose(f), 0);
	return policy_load(name, dirs, &inputs, &policy, err);
}

Test(audit, nothing_is_recorded_unless_a_file_says_so)
{
	struct err err = {0};

	cr_assert_eq(load("a", "\"description\": \"d\"", &err), 0, "%s", err.text);
	cr_assert_str_eq(policy.audit.path, "off");
	cr_assert_eq(policy.audit.full.value, POLICY_AUDIT_STOP);
	cr_assert_eq(policy.audit.arguments.value, POLICY_AUDIT_DIGEST);
	cr_assert_not(policy_audit_is_fixed(&policy));
}

Test(audit, every_key_is_read)
{
	struct err err = {0};

	cr_assert_eq(load("a",
			  "\"audit\": {\"path\": \"/var/log/x\", \"arguments\": \"text\", "
			  "\"sync\": \"call\", \"full\": \"continue\", \"rotate\": {\"size\": "
			  "\"1MiB\", \"keep\": 3}, \"mask\": {\"names\": [\"badge\"], "
			  "\"patterns\": [\"a[bc]{2,}\"]}}, \"final\": [\"/audit/path\"]",
			  &err),
		     0, "%s", err.text);
	cr_assert_str_eq(policy.audit.path, "/var/log/x");
	cr_assert_eq(policy.audit.arguments.value, POLICY_AUDIT_TEXT);
	cr_assert_eq(policy.audit.sync.value, POLICY_AUDIT_SYNC_CALL);
	cr_assert_eq(policy.audit.full.value, POLICY_AUDIT_CONTINUE);
	cr_assert_eq(policy.audit.rotate_size.value, 1U << 20);
	cr_assert_eq(policy.audit.rotate_keep.value, 3);
	cr_assert_str_eq(policy.audit.names.at[0].name, "badge");
	cr_assert_str_eq(policy.audit.patterns.at[0].name, "a[bc]{2,}");
	cr_assert(policy_audit_is_fixed(&policy));
}

Test(audit, what_is_wrong_is_refused_with_its_place)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"{\"path\": \"log\"}", "absolute path"},
		{"{\"path\": \"/\"}", "absolute path"},
		{"{\"path\": \"/a/../b\"}", "absolute path"},
		{"{\"path\": \"/a//b\"}", "absolute path"},
		{"{\"path\": \"/a/\"}", "absolute path"},
		{"{\"path\": \"\"}", "/audit/path"},
		{"{\"arguments\": \"all\"}", "/audit/arguments"},
		{"{\"sync\": true}", "/audit/sync"},
		{"{\"full\": \"go\"}", "/audit/full"},
		{"{\"rotate\": {\"size\": \"1KiB\"}}", "out of range"},
		{"{\"rotate\": {\"size\": \"9\"}}", "size with its unit"},
		{"{\"rotate\": {\"keep\": 0}}", "1 to 1000"},
		{"{\"rotate\": {\"keep\": 1001}}", "1 to 1000"},
		{"{\"mask\": {\"patterns\": [\"(a|b)\"]}}", "/audit/mask/patterns/0"},
		{"{\"mask\": {\"names\": [\"-_\"]}}", "/audit/mask/names/0"},
		{"{\"place\": \"off\"}", "unknown key"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		char text[160];

		(void)snprintf(text, sizeof(text), "\"audit\": %s", rows[i].text);
		cr_assert_eq(load("a", text, &err), -EINVAL, "row %zu", i);
		cr_assert_not_null(strstr(err.text, rows[i].words), "row %zu: %s", i, err.text);
	}
}

Test(audit, what_is_final_only_becomes_stricter)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{"{\"path\": \"/var/log/x\"}", true},
		{"{\"path\": \"off\"}", false},
		{"{\"path\": \"default\"}", false},
		{"{\"arguments\": \"text\"}", false},
		{"{\"arguments\": \"digest\"}", true},
		{"{\"sync\": \"call\"}", true},
		{"{\"sync\": \"none\"}", true},
		{"{\"full\": \"stop\"}", true},
		{"{\"full\": \"continue\"}", false},
		{"{\"rotate\": {\"size\": \"2MiB\"}}", true},
		{"{\"rotate\": {\"size\": \"512KiB\"}}", false},
		{"{\"rotate\": {\"keep\": 2}}", false},
		{"{\"rotate\": {\"keep\": 4}}", true},
		{"{\"mask\": {\"names\": [\"more\"], \"patterns\": [\"more\"]}}", true},
	};
	struct err err = {0};

	cr_assert_eq(load("parent",
			  "\"audit\": {\"path\": \"/var/log/x\", \"rotate\": {\"size\": \"1MiB\", "
			  "\"keep\": 3}}, \"final\": [\"/audit\"]",
			  &err),
		     0, "%s", err.text);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[200];

		(void)snprintf(text, sizeof(text), "\"extends\": \"parent\", \"audit\": %s",
			       rows[i].text);
		err.text[0] = '\0';
		cr_assert_eq(load("child", text, &err) == 0, rows[i].good, "row %zu: %s", i,
			     err.text);
		if (!rows[i].good)
			cr_assert_not_null(strstr(err.text, "final"), "row %zu: %s", i, err.text);
	}
}
