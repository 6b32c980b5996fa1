/* What becomes of one call: each status, its cause, its denials, and what the tool is given. */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

static struct fixture f;

static void set_up(void)
{
	fixture_start(&f, &(struct fixture_options){0});
}

static void tear_down(void)
{
	fixture_stop(&f);
}

TestSuite(calls, .init = set_up, .fini = tear_down, .timeout = 60);

static void expect(json_t *answer, const char *status, const char *cause)
{
	char *text = json_dumps(answer, 0);

	cr_expect_str_eq(result_text(answer, "status"), status, "%s", text);
	cr_expect_str_eq(result_text(answer, "ended.cause"), cause, "%s", text);
	free(text);
}

static const char *text_half(json_t *answer)
{
	const char *text = json_string_value(json_object_get(answer, "text"));

	return text ? text : "";
}

Test(calls, successful_call_has_every_key)
{
	static const char *const keys[] = {"schema", "call",	  "agent",   "tool",	"policy",
					   "status", "ended",	  "stdout",  "stderr",	"data",
					   "usage",  "limits",	  "denials", "changes", "enforced",
					   "error",  "data_error"};
	json_t *a = fixture_run(&f, "sh", "echo out; echo err >&2");

	expect(a, "ok", "exit");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		cr_expect(result_at(a, keys[i]), "%s is missing", keys[i]);
	cr_expect_str_eq(result_text(a, "schema"), "toolcell.result/1");
	cr_expect_str_eq(result_text(a, "stdout.text"), "out\n");
	cr_expect_str_eq(result_text(a, "stderr.text"), "err\n");
	cr_expect_eq(result_number(a, "ended.exit_code"), 0);
	cr_expect_eq(result_number(a, "stdout.bytes"), 4);
	cr_expect(json_is_null(result_at(a, "usage.memory_peak_bytes")));
	cr_expect_eq(result_number(a, "usage.processes_peak"), 3);
	cr_expect_str_eq(result_text(a, "enforced.namespaces.0"), "user");
	cr_expect_eq(result_number(a, "enforced.landlock_abi"), 4);
	cr_expect_str_eq(result_text(a, "enforced.missing.0"), "cgroup:io");
	cr_expect(json_is_null(result_at(a, "enforced.cgroup")));
	cr_expect_str_eq(text_half(a), "out\n[stderr]\nerr");
	json_decref(a);
}

Test(calls, exit_code_is_a_failure_of_the_tool)
{
	json_t *a = fixture_run(&f, "sh", "exit 101");

	expect(a, "failed", "exit");
	cr_expect_eq(result_number(a, "ended.exit_code"), 101);
	cr_expect_eq(json_array_size(result_at(a, "denials")), 0);
	cr_expect_str_eq(text_half(a), "(no output)\nexit code 101\ncell: no network; only what "
				       "policy unit grants is visible: a hidden path looks absent, "
				       "a refused system call answers \"Operation not permitted\"; "
				       "trying again changes neither");
	json_decref(a);
}

Test(calls, signal_is_named)
{
	json_t *a = fixture_run(&f, "sh", "kill -SEGV $$");

	expect(a, "failed", "signal");
	cr_expect_str_eq(result_text(a, "ended.signal"), "SIGSEGV");
	cr_expect(json_is_null(result_at(a, "ended.exit_code")));
	cr_expect(strstr(text_half(a), "killed by SIGSEGV"));
	json_decref(a);
}

Test(calls, own_timeout_stops_and_says_whose_it_is)
{
	json_t *a;

	fixture_send(&f, "{\"id\":1,\"tool\":\"sh\",\"arguments\":{\"command\":\"sleep "
			 "9\",\"timeout_ms\":200}}");
	a = fixture_answer(&f, 1);
	expect(a, "stopped", "wall_limit");
	cr_expect_str_eq(result_text(a, "denials.0.layer"), "limit");
	cr_expect_str_eq(result_text(a, "denials.0.rule"), "the call's own timeout");
	cr_expect(strstr(text_half(a), "stopped: wall limit of"));
	json_decref(a);
}

Test(calls, longer_timeout_than_the_policy_is_not_sent)
{
	json_t *a;

	fixture_send(&f, "{\"id\":1,\"tool\":\"sh\",\"arguments\":{\"command\":\":\",\"timeout_"
			 "ms\":99999999}}");
	a = fixture_answer(&f, 1);
	expect(a, "ok", "exit");
	json_decref(a);
}

Test(calls, memory_limit_has_a_denial_with_numbers)
{
	json_t *a = fixture_run(&f, "sh", "@oom");

	expect(a, "stopped", "memory_limit");
	cr_expect_str_eq(result_text(a, "denials.0.rule"), "policies/unit.json#/limits/memory");
	cr_expect_eq(result_number(a, "denials.0.count"), 1);
	cr_expect_eq(result_number(a, "denials.0.value"), 1 << 30);
	cr_expect(json_is_null(result_at(a, "denials.0.use")));
	cr_expect(strstr(text_half(a), "stopped: memory limit of 1 GiB reached"));
	json_decref(a);
}

Test(calls, launcher_refuses_by_policy)
{
	json_t *a = fixture_run(&f, "sh", "@policy");

	expect(a, "refused", "policy");
	cr_expect_str_eq(result_text(a, "denials.0.rule"), "policies/unit.json#/require");
	cr_expect_str_eq(result_text(a, "denials.0.errno"), "ENOSYS");
	cr_expect_str_eq(result_text(a, "error"), "Landlock is required");
	cr_expect(strstr(text_half(a), "refused: Landlock is required"));
	json_decref(a);
}

Test(calls, launcher_error_is_ours)
{
	json_t *a = fixture_run(&f, "sh", "@error");

	expect(a, "error", "launcher_error");
	cr_expect_str_eq(text_half(a), "error: cannot make a cgroup");
	json_decref(a);
	a = fixture_run(&f, "sh", "echo still here");
	expect(a, "ok", "exit");
	json_decref(a);
}

Test(calls, missing_program_is_an_error_that_says_what_to_do)
{
	json_t *a = fixture_run(&f, "gone", "x");

	expect(a, "error", "exit");
	cr_expect_eq(result_number(a, "ended.exit_code"), 127);
	cr_expect(json_is_null(result_at(a, "data")));
	cr_expect(strstr(result_text(a, "error"), "no-such-program: not found in the cell's PATH"));
	json_decref(a);
}

Test(calls, alias_and_dash_are_the_same_tool)
{
	json_t *a = fixture_run(&f, "sh_alias", "echo alias");

	expect(a, "ok", "exit");
	cr_expect_str_eq(result_text(a, "tool"), "sh");
	json_decref(a);
}

Test(calls, unknown_tool_is_refused_with_its_neighbour)
{
	json_t *a = fixture_run(&f, "count", "x");

	expect(a, "refused", "policy");
	cr_expect_str_eq(result_text(a, "denials.0.operation"), "call");
	cr_expect_str_eq(result_text(a, "denials.0.rule"), "agents/tester.md#tools");
	cr_expect(strstr(result_text(a, "denials.0.remedy"), "granted here: sh, both, counted"));
	json_decref(a);
}

Test(calls, wrong_arguments_are_refused)
{
	json_t *a;

	fixture_send(&f, "{\"id\":1,\"tool\":\"sh\",\"arguments\":{\"comand\":\"x\"}}");
	a = fixture_answer(&f, 1);
	expect(a, "refused", "policy");
	cr_expect_str_eq(result_text(a, "denials.0.layer"), "policy");
	cr_expect_str_eq(result_text(a, "denials.0.operation"), "argument");
	cr_expect(strstr(text_half(a), "comand"));
	json_decref(a);
}

static const struct cwd_row {
	const char *given;
	const char *want; /* NULL: refused */
} cwds[] = {
	{"", "/usr\n"},
	{"bin/../lib", "/usr/lib\n"},
	{"/usr/lib", "/usr/lib\n"},
	{"./lib//.", "/usr/lib\n"},
	{"..", NULL},
	{"lib/../..", NULL},
	{"/", NULL},
	{"/etc", NULL},
	{"/usrlocal", NULL},
	{"/usr/../etc", NULL},
	{"../../../../..", NULL},
	{"../usr/lib", "/usr/lib\n"},
};

Test(calls, working_directory_stays_in_the_workspace)
{
	for (size_t i = 0; i < ARRAY_SIZE(cwds); i++) {
		json_t *line = json_pack("{s:i, s:s, s:{s:s, s:s}}", "id", (int)i, "tool", "sh",
					 "arguments", "command", "pwd", "cwd", cwds[i].given);
		char *text = json_dumps(line, 0);
		json_t *a;

		fixture_send(&f, text);
		a = fixture_answer(&f, (int)i);
		if (cwds[i].want)
			cr_expect_str_eq(result_text(a, "stdout.text"), cwds[i].want, "row %zu", i);
		else
			cr_expect_str_eq(result_text(a, "status"), "refused", "row %zu", i);
		free(text);
		json_decref(line);
		json_decref(a);
	}
}

Test(calls, environment_is_built_from_nothing)
{
	json_t *a = fixture_run(&f, "sh",
				"env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort");

	cr_expect_str_eq(result_text(a, "stdout.text"),
			 "HOME=/tmp\nPASSED=by name\nPATH=/usr/bin:/bin\n");
	json_decref(a);
}

Test(calls, stdin_is_empty_without_text)
{
	json_t *a = fixture_run(&f, "sh", "cat; echo end");

	cr_expect_str_eq(result_text(a, "stdout.text"), "end\n");
	json_decref(a);
}

/* Calls sh with that much on its stdin. */
static json_t *call_with_long_input(const char *command, size_t input_bytes)
{
	json_t *call;
	char *input = malloc(input_bytes + 1);
	char *line;

	cr_assert_not_null(input);
	memset(input, 'x', input_bytes);
	input[input_bytes] = '\0';
	call = json_pack("{s:i, s:s, s:{s:s, s:s}}", "id", 1, "tool", "sh", "arguments", "command",
			 command, "input", input);
	line = json_dumps(call, JSON_COMPACT);
	cr_assert_not_null(line);
	fixture_send(&f, line);
	free(line);
	json_decref(call);
	free(input);
	return fixture_answer(&f, 1);
}

Test(calls, stdin_text_is_fed_even_when_it_is_longer_than_a_pipe)
{
	json_t *a = call_with_long_input("wc -c", 300000);

	cr_expect_str_eq(result_text(a, "stdout.text"), "300000\n");
	json_decref(a);
}

Test(calls, stdin_that_nobody_reads_does_not_matter)
{
	json_t *a = call_with_long_input("exec <&-; echo ok", 300000);

	expect(a, "ok", "exit");
	json_decref(a);
}
