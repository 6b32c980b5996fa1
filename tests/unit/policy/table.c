/*
 * Theory of operation: tables that are wrong in one place must name it; the shipped tables must hold,
 * on both machines; and a shipped table must fail once its policy is another one.
 */
#include "policy/table.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

#define WORKSPACE "/toolcell-test-workspace"

static struct policy_inputs inputs;
static struct policy policy;
static struct policy_plan plan;
static struct table table;

static void fini(void)
{
	table_fini(&table);
	policy_plan_fini(&plan);
	policy_fini(&policy);
	policy_inputs_fini(&inputs);
}

TestSuite(table, .fini = fini);

static void load(const char *name)
{
	static const char *const dirs[] = {POLICIES_DIR, NULL};
	struct err err = {0};

	policy_plan_fini(&plan);
	policy_fini(&policy);
	cr_assert_eq(policy_load(name, dirs, &inputs, &policy, &err), 0, "%s", err.text);
	cr_assert_eq(policy_resolve(&policy, NULL, &inputs, &plan, &err), 0, "%s", err.text);
}

static int parse(const char *text, struct err *err)
{
	table_fini(&table);
	*err = (struct err){0};
	return table_parse("t", text, strlen(text), &table, err);
}

static void load_table(const char *name)
{
	char path[512];
	char *text = NULL;
	size_t len = 0;
	struct err err = {0};

	(void)snprintf(path, sizeof(path), "%s/%s.verdicts", POLICIES_DIR, name);
	table_fini(&table);
	cr_assert_eq(fd_read_file(AT_FDCWD, path, TABLE_BYTES_MAX, &text, &len, &err), 0, "%s",
		     err.text);
	cr_assert_eq(table_parse(name, text, len, &table, &err), 0, "%s", err.text);
	free(text);
}

Test(table, what_is_wrong_is_named_by_its_line)
{
	static const struct {
		const char *text;
		const char *error;
	} rows[] = {
		{"", "t: no \"policy NAME\""},
		{"read -> allow\n", "t: no \"policy NAME\""},
		{"policy ../x\n", "t:1: no name of a policy:"},
		{"policy x\nread\n", "t:2: no \"-> VERDICT\" in \"read\""},
		{"policy x\n\nread -> maybe\n", "t:3: this kind of line has no verdict \"maybe\""},
		{"policy x\nread /x -> EPERM\n", "t:2: this kind of line has no verdict \"EPERM\""},
		{"policy x\nread -> hidden\n", "t:2: this kind of line has no verdict \"hidden\""},
		{"policy x\nraed -> allow\n", "t:2: no system call is named \"raed\""},
		{"policy x\nread arg9=1 -> allow\n", "t:2: \"arg9=1\" is no argument"},
		{"policy x\nlimit wall ->\n", "t:2: this kind of line has no verdict"},
		{"policy x\nenv HOME -> yes\n", "t:2: this kind of line has no verdict \"yes\""},
		{"policy x\ntool Bash -> allow\n", "t:2: this kind of line has no verdict"},
		{"policy x\ndigest sha256:12\n", "t:2: a digest is sha256:"},
		{"policy x\nnetwork host\n", "t:2: the network is none or loopback"},
		{"policy x\n\033[31m -> allow\n", "t:2: no system call is named \"\\x1b[31m\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err;

		cr_assert_lt(parse(rows[i].text, &err), 0, "row %zu", i);
		cr_assert_not_null(strstr(err.text, rows[i].error), "row %zu: %s", i, err.text);
		cr_assert_null(table.rows, "row %zu", i);
	}
}

Test(table, too_much_is_refused)
{
	size_t len = TABLE_LINE_MAX + 32;
	char *text = calloc(1, len + 1);
	struct err err = {0};

	cr_assert_not_null(text);
	memset(text, 'x', len);
	cr_assert_eq(table_parse("t", text, len, &table, &err), -E2BIG);
	text[3] = '\0';
	cr_assert_eq(table_parse("t", text, len, &table, &err), -EINVAL);
	cr_assert_eq(table_parse("t", text, TABLE_BYTES_MAX + 1, &table, &err), -E2BIG);
	free(text);
}

Test(table, words_with_a_path_are_uses_and_without_one_are_calls)
{
	struct err err;

	cr_assert_eq(
		parse("policy x\nread -> allow\nread /x -> allow\n  write\t${HOME} -> refused\n"
		      "network [::1]:1 -> allow\n@x32 read -> kill\n",
		      &err),
		0, "%s", err.text);
	cr_assert_eq(table.n, 5);
	cr_assert_eq(table.rows[0].kind, TABLE_CALL);
	cr_assert_eq(table.rows[1].kind, TABLE_PATH);
	cr_assert_eq(table.rows[2].use, QUERY_WRITE);
	cr_assert_str_eq(table.rows[2].subject, "${HOME}");
	cr_assert_eq(table.rows[3].kind, TABLE_NETWORK);
	cr_assert_eq(table.rows[4].call->arch, CALL_X32);
}

Test(table, every_shipped_table_holds_and_names_the_policy)
{
	static const char *const names[] = {"strict", "base/build", "rust-engineer"};

	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		struct table_run run = {.plan = &plan, .workspace = WORKSPACE};
		unsigned int passed = 0;
		char digest[POLICY_DIGEST_TEXT];

		load(names[n]);
		load_table(names[n]);
		policy_digest(&policy, digest);
		cr_assert_str_eq(table.policy, names[n]);
		cr_assert_str_eq(table.digest, digest, "%s", names[n]);
		for (size_t i = 0; i < table.n; i++) {
			struct table_result result;
			struct err err = {0};

			cr_assert_eq(table_check(&run, &table.rows[i], &result, &err), 0, "%s",
				     err.text);
			cr_expect_neq(result.outcome, TABLE_FAILED, "%s:%u %s: %s", names[n],
				      table.rows[i].line, table.rows[i].subject, result.text);
			passed += result.outcome == TABLE_PASSED;
		}
		cr_assert_gt(passed, 150, "%s checks little", names[n]);
		table_run_fini(&run);
	}
}

Test(table, a_table_of_another_policy_fails)
{
	struct table_run run = {.plan = &plan, .workspace = WORKSPACE};
	unsigned int failed[TABLE_KIND_N] = {0};

	load("strict");
	load_table("rust-engineer");
	for (size_t i = 0; i < table.n; i++) {
		struct table_result result;
		struct err err = {0};

		cr_assert_eq(table_check(&run, &table.rows[i], &result, &err), 0, "%s", err.text);
		if (result.outcome == TABLE_FAILED) {
			failed[table.rows[i].kind]++;
			cr_assert_neq(result.text[0], '\0');
		}
	}
	cr_assert_gt(failed[TABLE_CALL], 3);
	cr_assert_gt(failed[TABLE_PATH], 10);
	cr_assert_gt(failed[TABLE_LIMIT], 3);
	cr_assert_gt(failed[TABLE_ENV], 1);
	table_run_fini(&run);
}

Test(table, a_tool_without_a_section_and_an_unknown_limit_fail)
{
	struct table_run run = {.plan = &plan, .workspace = WORKSPACE};
	struct err err;

	load("strict");
	cr_assert_eq(parse("policy strict\nas Read\nread /usr -> allow\nas -\nlimit time -> 1s\n"
			   "limit memory -> 1GiB\n",
			   &err),
		     0, "%s", err.text);
	for (size_t i = 0; i < table.n; i++) {
		struct table_result result;

		cr_assert_eq(table_check(&run, &table.rows[i], &result, &err), 0);
		cr_assert_eq(result.outcome, TABLE_FAILED, "row %zu", i);
	}
}

Test(table, the_digest_changes_with_any_file_of_the_chain)
{
	char one[POLICY_DIGEST_TEXT];
	char two[POLICY_DIGEST_TEXT];

	load("rust-engineer");
	cr_assert_eq(policy.n_sources, 2);
	policy_digest(&policy, one);
	policy.sources[0].text[policy.sources[0].len - 1] ^= 1;
	policy_digest(&policy, two);
	cr_assert_str_neq(one, two);
	policy.sources[0].text[policy.sources[0].len - 1] ^= 1;
	policy_digest(&policy, two);
	cr_assert_str_eq(one, two);
	policy.sources[0].len--; /* a byte from one file to the next is no way around it */
	policy_digest(&policy, two);
	cr_assert_str_neq(one, two);
}
