/* What calls of a session have changed, and what a policy holds back of it. */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

static struct fixture f;

static void set_up(void)
{
	fixture_start(&f, &(struct fixture_options){.session = true});
}

static void tear_down(void)
{
	fixture_stop(&f);
}

TestSuite(changes, .init = set_up, .fini = tear_down, .timeout = 60);

static const char *text_half(json_t *answer)
{
	const char *text = json_string_value(json_object_get(answer, "text"));

	return text ? text : "";
}

static bool is_missing(json_t *answer, const char *word)
{
	json_t *one;
	size_t i;

	json_array_foreach(result_at(answer, "enforced.missing"), i, one)
		if (strcmp(json_string_value(one), word) == 0)
			return true;
	return false;
}

Test(changes, summary_becomes_the_changes_of_the_result)
{
	json_t *a = fixture_run(&f, "write", "echo hi #added");

	cr_expect_str_eq(result_text(a, "status"), "ok");
	cr_expect_str_eq(result_text(a, "changes.session"), "k3f9abcd");
	cr_expect_str_eq(result_text(a, "changes.resource"), "toolcell://changes/k3f9abcd");
	cr_expect_eq(result_number(a, "changes.added"), 2);
	cr_expect_eq(result_number(a, "changes.modified"), 0);
	cr_expect_eq(result_number(a, "changes.scratch"), 7);
	cr_expect_eq(result_number(a, "changes.held"), 0);
	cr_expect_eq(result_number(a, "changes.bytes"), 4096);
	cr_expect(json_is_true(result_at(a, "changes.complete")));
	cr_expect(json_is_false(result_at(a, "changes.truncated")));
	cr_expect_str_eq(result_text(a, "changes.files.0.path"), "src/caf\xef\xbf\xbd\n.rs");
	cr_expect_str_eq(result_text(a, "changes.files.0.kind"), "added");
	cr_expect_str_eq(result_text(a, "changes.files.0.verdict"), "free");
	cr_expect(json_is_null(result_at(a, "changes.files.0.old_size")));
	cr_expect_eq(result_number(a, "changes.files.0.new_size"), 12);
	cr_expect(json_is_true(result_at(a, "changes.files.0.by_call")));
	cr_expect(json_is_false(result_at(a, "changes.files.1.by_call")));
	cr_expect(!result_at(a, "changes.files.0.rule"));
	cr_expect(!result_at(a, "changes.files.0.from"));
	cr_expect_str_eq(result_text(a, "enforced.workspace"), "overlay");
	cr_expect_str_eq(result_text(a, "enforced.session"), "k3f9abcd");
	cr_expect_eq(result_number(a, "limits.session_files"), 1000);
	cr_expect_str_eq(text_half(a), "hi");
	cr_expect_str_eq(fixture_log(&f), "call 1 1 1 echo hi #added\n");
	json_decref(a);
}

Test(changes, tool_that_only_reads_shows_what_is_known_without_marks)
{
	json_t *a = fixture_run(&f, "look", "echo before");

	cr_expect(json_is_null(result_at(a, "changes")));
	cr_expect(!is_missing(a, "changes"));
	json_decref(a);
	json_decref(fixture_run(&f, "write", ": #added"));
	a = fixture_run(&f, "look", "echo behind");
	cr_expect_eq(result_number(a, "changes.added"), 2);
	cr_expect(!result_at(a, "changes.files.0.by_call"));
	json_decref(a);
	cr_expect_str_eq(fixture_log(&f), "call 2 1 0 echo before\ncall 1 1 1 : #added\n"
					  "call 2 1 0 echo behind\n");
}

Test(changes, malformed_or_absent_summary_is_missing_and_forgets)
{
	static const char *const commands[] = {": #garbage", ": #none"};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		json_t *a;

		json_decref(fixture_run(&f, "write", ": #added"));
		a = fixture_run(&f, "write", commands[i]);
		cr_expect_str_eq(result_text(a, "status"), "ok");
		cr_expect(json_is_null(result_at(a, "changes")), "row %zu", i);
		cr_expect(is_missing(a, "changes"), "row %zu", i);
		json_decref(a);
		a = fixture_run(&f, "look", ":");
		cr_expect(json_is_null(result_at(a, "changes")), "row %zu", i);
		json_decref(a);
	}
}

Test(changes, what_will_not_be_committed_is_said_once_in_a_line)
{
	json_t *a = fixture_run(&f, "write", "echo hi #held");

	cr_expect_eq(result_number(a, "changes.held"), 1);
	cr_expect_str_eq(result_text(a, "changes.files.1.verdict"), "protected");
	cr_expect_str_eq(result_text(a, "changes.files.1.rule"),
			 "policies/base/build.json#/workspace/protect/0");
	cr_expect_str_eq(text_half(a),
			 "hi\nnote: 1 change will not be committed: .git/hooks/pre-commit "
			 "(policies/base/build.json#/workspace/protect/0)");
	json_decref(a);
}

Test(changes, direct_workspace_has_denials_for_what_was_moved_aside)
{
	json_t *a = fixture_run(&f, "direct", ": #aside");

	cr_expect(json_is_null(result_at(a, "changes")));
	cr_expect_str_eq(result_text(a, "denials.0.layer"), "protected");
	cr_expect_str_eq(result_text(a, "denials.0.operation"), "create");
	cr_expect_str_eq(result_text(a, "denials.0.object"), ".vscode/tasks.json");
	cr_expect_str_eq(result_text(a, "denials.0.rule"),
			 "policies/base/build.json#/workspace/protect/7");
	cr_expect_str_eq(result_text(a, "enforced.workspace"), "direct");
	cr_expect(json_is_null(result_at(a, "enforced.session")));
	cr_expect(strstr(text_half(a), "denied by protected: create: .vscode/tasks.json"));
	json_decref(a);
	cr_expect_str_eq(fixture_log(&f), "call 5 0 1 : #aside\n");
}

Test(changes, full_session_takes_no_more_writing_but_all_else)
{
	json_t *a = fixture_run(&f, "write", ": #quota");

	cr_expect_str_eq(result_text(a, "status"), "stopped");
	cr_expect_str_eq(result_text(a, "ended.cause"), "disk_limit");
	cr_expect_eq(json_array_size(result_at(a, "denials")), 1, "not the size of one file too");
	cr_expect_str_eq(result_text(a, "denials.0.errno"), "EDQUOT");
	cr_expect_str_eq(result_text(a, "denials.0.rule"),
			 "policies/unit.json#/limits/session_size");
	cr_expect_eq(result_number(a, "denials.0.value"), (json_int_t)4 << 30);
	cr_expect(strstr(text_half(a), "stopped: the session is full\n"));
	json_decref(a);
	a = fixture_run(&f, "write", ": #added");
	cr_expect_str_eq(result_text(a, "status"), "refused");
	cr_expect_str_eq(result_text(a, "error"),
			 "the session holds 5 GiB of 4 GiB: commit or discard");
	cr_expect_str_eq(result_text(a, "denials.0.rule"),
			 "policies/unit.json#/limits/session_size");
	json_decref(a);
	a = fixture_run(&f, "look", ":");
	cr_expect_str_eq(result_text(a, "status"), "ok");
	json_decref(a);
	fixture_send(&f, "{\"id\":1,\"tool\":\"changes_commit\",\"arguments\":{\"script\":\":\"}}");
	a = fixture_answer(&f, 1);
	cr_expect_str_eq(result_text(a, "status"), "ok");
	cr_expect(json_is_null(result_at(a, "changes")), "nobody knows what is left");
	json_decref(a);
	a = fixture_run(&f, "write", ": #added");
	cr_expect_str_eq(result_text(a, "status"), "ok");
	json_decref(a);
}

Test(changes, plain_cell_has_no_branch_and_no_summary)
{
	json_t *a = fixture_run(&f, "sh", "echo $TOOLCELL_WORKSPACE.");

	cr_expect_str_eq(result_text(a, "stdout.text"), ".\n");
	cr_expect(json_is_null(result_at(a, "changes")));
	cr_expect_str_eq(result_text(a, "enforced.workspace"), "none");
	cr_expect(json_is_null(result_at(a, "enforced.session")));
	json_decref(a);
	cr_expect_str_eq(fixture_log(&f), "call 0 0 0 echo $TOOLCELL_WORKSPACE.\n");
}

Test(changes, program_of_ours_gets_branch_session_and_workspace)
{
	json_t *a;

	fixture_send(&f,
		     "{\"id\":1,\"tool\":\"changes_commit\",\"arguments\":{\"script\":\"echo $0 $@ "
		     "$TOOLCELL_WORKSPACE; pwd; cat\"}}");
	a = fixture_answer(&f, 1);
	cr_expect_str_eq(result_text(a, "stdout.text"),
			 "--branch 1 --session k3f9abcd /usr\n/\n{\"script\":\"echo $0 $@ "
			 "$TOOLCELL_WORKSPACE; pwd; cat\"}");
	json_decref(a);
}
