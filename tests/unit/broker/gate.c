/* Sessions and their branches: names, order, the engine's own tool, and changes as a resource. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fixture.h"

static struct fixture f;

static void set_up(void)
{
	fixture_start(&f, &(struct fixture_options){.session = true, .digest = DIGEST_ECHOES});
}

static void tear_down(void)
{
	fixture_stop(&f);
}

TestSuite(gate, .init = set_up, .fini = tear_down, .timeout = 60);

/* @session: NULL for none */
static void send_call(int id, const char *tool, json_t *arguments, const char *session)
{
	json_t *line = json_pack("{s:i, s:s, s:o, s:s*}", "id", id, "tool", tool, "arguments",
				 arguments, "session", session);
	char *text = json_dumps(line, JSON_COMPACT);

	fixture_send(&f, text);
	free(text);
	json_decref(line);
}

static void send_shell(int id, const char *tool, const char *command, const char *session)
{
	send_call(id, tool, json_pack("{s:s}", "command", command), session);
}

static void send_commit(int id, const char *script, const char *session)
{
	send_call(id, "changes_commit", json_pack("{s:s}", "script", script), session);
}

static json_t *ask(const char *operation, int snapshot, const char *session)
{
	static int id = 5000;
	json_t *arguments = json_pack("{s:s, s:s*}", "operation", operation, "session", session);

	if (snapshot >= 0)
		json_object_set_new(arguments, "snapshot", json_integer(snapshot));
	send_call(++id, "session", arguments, NULL);
	return fixture_answer(&f, id);
}

static void expect_status(json_t *answer, const char *status)
{
	char *text = json_dumps(answer, 0);

	cr_expect_str_eq(result_text(answer, "status"), status, "%s", text);
	free(text);
	json_decref(answer);
}

static void wait_for_log(const char *words)
{
	for (int i = 0; i < 1000 && !strstr(fixture_log(&f), words); i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	cr_assert(strstr(fixture_log(&f), words), "%s", fixture_log(&f));
}

Test(gate, commit_waits_for_running_calls_and_later_ones_for_it)
{
	send_shell(1, "write", "sleep 0.4; echo one", NULL);
	send_shell(2, "look", "sleep 0.2; echo two", NULL);
	send_commit(3, "sleep 0.2; echo commit", NULL);
	send_shell(4, "write", "echo four", NULL);
	send_shell(5, "sh", "echo elsewhere", NULL);
	expect_status(fixture_answer(&f, 5), "ok");
	expect_status(fixture_answer(&f, 2), "ok");
	expect_status(fixture_answer(&f, 1), "ok");
	expect_status(fixture_answer(&f, 3), "ok");
	expect_status(fixture_answer(&f, 4), "ok");
	cr_expect_str_eq(fixture_log(&f), "call 1 1 1 sleep 0.4; echo one\n"
					  "call 2 1 0 sleep 0.2; echo two\n"
					  "call 0 0 0 echo elsewhere\n"
					  "call 4 1 0 sleep 0.2; echo commit\n"
					  "call 1 1 1 echo four\n");
}

Test(gate, two_commits_keep_their_order)
{
	send_commit(1, "sleep 0.2; echo a", NULL);
	send_commit(2, "echo b", NULL);
	send_shell(3, "write", "echo c", NULL);
	send_commit(4, "echo d", NULL);
	for (int i = 1; i <= 4; i++)
		expect_status(fixture_answer(&f, i), "ok");
	cr_expect_str_eq(fixture_log(&f), "call 4 1 0 sleep 0.2; echo a\ncall 4 1 0 echo b\n"
					  "call 1 1 1 echo c\ncall 4 1 0 echo d\n");
}

Test(gate, other_branches_go_on)
{
	expect_status(ask("fork", -1, NULL), "ok");
	send_shell(1, "write", "sleep 0.5; echo one", NULL);
	send_commit(2, "echo commit", NULL);
	send_shell(3, "write", "echo other", "k3f9abcd.2");
	expect_status(fixture_answer(&f, 3), "ok");
	expect_status(fixture_answer(&f, 1), "ok");
	expect_status(fixture_answer(&f, 2), "ok");
	cr_expect_str_eq(fixture_log(&f), "session 3 1 0\ncall 1 1 1 sleep 0.5; echo one\n"
					  "call 1 2 1 echo other\ncall 4 1 0 echo commit\n");
}

Test(gate, call_that_waits_can_be_cancelled_and_holds_up_nobody)
{
	send_shell(1, "write", "sleep 1; echo one", NULL);
	send_commit(2, "echo commit", NULL);
	send_shell(3, "write", "echo three", NULL);
	fixture_send(&f, "{\"type\":\"cancel\",\"id\":2}");
	expect_status(fixture_answer(&f, 2), "stopped");
	expect_status(fixture_answer(&f, 3), "ok");
	expect_status(fixture_answer(&f, 1), "ok");
	cr_expect_str_eq(fixture_log(&f), "call 1 1 1 sleep 1; echo one\ncall 1 1 1 echo three\n");
}

Test(gate, one_slot_does_not_let_a_commit_overtake)
{
	fixture_stop(&f);
	fixture_start(&f, &(struct fixture_options){.session = true, .calls_max = 1});
	send_shell(1, "sh", "sleep 0.3", NULL);
	send_shell(2, "write", "echo two", NULL);
	send_call(3, "session", json_pack("{s:s}", "operation", "snapshot"), NULL);
	for (int i = 1; i <= 3; i++)
		expect_status(fixture_answer(&f, i), "ok");
	cr_expect_str_eq(fixture_log(&f),
			 "call 0 0 0 sleep 0.3\ncall 1 1 1 echo two\nsession 1 1 0\n");
}

Test(gate, unknown_session_is_refused_with_those_there_are)
{
	static const char *const names[] = {"k3f9abce",	   "k3f9abcd.2", "k3f9abcd.",
					    "k3f9abcd.02", "k3f9abcd.1", "k3f9abcdx",
					    "k3f9abcd.17", "K3F9ABCD",	 "k3f9abcd.2\n"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_t *a;

		send_shell((int)i, "write", "echo no", names[i]);
		a = fixture_answer(&f, (int)i);
		cr_expect(strstr(result_text(a, "error"), "\" here; there is k3f9abcd"),
			  "row %zu: %s", i, result_text(a, "error"));
		expect_status(a, "refused");
	}
	cr_expect_str_eq(fixture_log(&f), "");
}

Test(gate, two_names_that_differ_are_refused)
{
	json_t *a;

	expect_status(ask("fork", -1, NULL), "ok");
	send_call(1, "session", json_pack("{s:s, s:s}", "operation", "list", "session", "k3f9abcd"),
		  "k3f9abcd.2");
	a = fixture_answer(&f, 1);
	cr_expect(strstr(result_text(a, "error"), "are not the same"));
	expect_status(a, "refused");
}

Test(gate, snapshot_rollback_fork_and_drop_say_what_they_did)
{
	json_t *a = ask("snapshot", -1, NULL);
	const char *text = json_string_value(json_object_get(a, "text"));

	cr_expect_str_eq(text, "snapshot 1 of k3f9abcd\nsessions: k3f9abcd");
	cr_expect_str_eq(result_text(a, "data.operation"), "snapshot");
	cr_expect_str_eq(result_text(a, "data.session"), "k3f9abcd");
	cr_expect_eq(result_number(a, "data.snapshot"), 1);
	cr_expect_eq(result_number(a, "data.layers"), 2);
	cr_expect_str_eq(result_text(a, "data.sessions.0"), "k3f9abcd");
	cr_expect_str_eq(result_text(a, "ended.cause"), "exit");
	cr_expect_eq(result_number(a, "ended.exit_code"), 0);
	cr_expect_eq(result_number(a, "stdout.bytes"), 0);
	json_decref(a);
	a = ask("fork", -1, NULL);
	cr_expect_str_eq(result_text(a, "data.session"), "k3f9abcd.2");
	cr_expect(json_is_null(result_at(a, "data.snapshot")));
	cr_expect_eq(json_array_size(result_at(a, "data.sessions")), 2);
	json_decref(a);
	a = ask("list", -1, NULL);
	cr_expect_str_eq(json_string_value(json_object_get(a, "text")),
			 "sessions: k3f9abcd, k3f9abcd.2");
	json_decref(a);
	a = ask("drop", -1, "k3f9abcd.2");
	cr_expect_str_eq(json_string_value(json_object_get(a, "text")),
			 "k3f9abcd.2 is gone\nsessions: k3f9abcd");
	cr_expect(json_is_null(result_at(a, "data.layers")));
	json_decref(a);
	a = ask("rollback", 1, NULL);
	cr_expect_str_eq(json_string_value(json_object_get(a, "text")),
			 "k3f9abcd is back at snapshot 1\nsessions: k3f9abcd");
	json_decref(a);
}

Test(gate, rollback_forgets_what_was_known)
{
	json_t *a;

	json_decref(fixture_run(&f, "write", ": #added"));
	expect_status(ask("rollback", 0, NULL), "ok");
	a = fixture_run(&f, "look", ":");
	cr_expect(json_is_null(result_at(a, "changes")));
	json_decref(a);
}

Test(gate, busy_session_is_asked_again)
{
	expect_status(ask("rollback", 30, NULL), "ok");
	cr_expect(strstr(fixture_log(&f), "session 2 1 30\nsession 2 1 30\nsession 2 1 30\n"));
}

Test(gate, session_in_use_elsewhere_fails_in_the_end_and_can_be_cancelled_before)
{
	json_t *a;

	send_call(1, "session", json_pack("{s:s, s:i}", "operation", "rollback", "snapshot", 31),
		  NULL);
	wait_for_log("session 2 1 31\nsession 2 1 31\n");
	fixture_send(&f, "{\"type\":\"cancel\",\"id\":1}");
	a = fixture_answer(&f, 1);
	cr_expect(strcmp(result_text(a, "status"), "stopped") == 0 ||
			  strstr(json_string_value(json_object_get(a, "text")), "another engine"),
		  "%s", result_text(a, "status"));
	json_decref(a);
	a = ask("rollback", 31, NULL);
	cr_expect_str_eq(json_string_value(json_object_get(a, "text")),
			 "rollback: the session is in use by another engine\nexit code 1");
	expect_status(a, "failed");
}

Test(gate, what_cannot_be_done_fails_and_a_fault_is_an_error)
{
	json_t *a = ask("rollback", 29, NULL);

	cr_expect_str_eq(json_string_value(json_object_get(a, "text")),
			 "rollback: there is no snapshot 29; there are 0 to 2\nexit code 1");
	expect_status(a, "failed");
	a = ask("rollback", 28, NULL);
	cr_expect_str_eq(result_text(a, "error"), "the stack cannot be written");
	expect_status(a, "error");
}

Test(gate, answer_that_makes_no_sense_ends_the_session)
{
	expect_status(ask("rollback", 27, NULL), "error");
	cr_expect_eq(fixture_wait(&f, 5), 1);
}

Test(gate, operations_that_lack_something_are_refused_before_anything_is_asked)
{
	static const struct {
		const char *operation, *session, *words;
	} rows[] = {
		{"rollback", NULL, "rollback needs the snapshot to go back to"},
		{"drop", NULL, "drop needs the branch to end"},
		{"drop", "k3f9abcd", "the first branch is the session itself"},
		{"drop", "k3f9abcd.3", "no session \"k3f9abcd.3\" here; there is k3f9abcd"},
		{"squash", NULL, "\"squash\" is none of"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *a = ask(rows[i].operation, -1, rows[i].session);

		cr_expect(strstr(result_text(a, "error"), rows[i].words), "row %zu: %s", i,
			  result_text(a, "error"));
		expect_status(a, "refused");
	}
	cr_expect_str_eq(fixture_log(&f), "");
}

Test(gate, call_whose_branch_went_away_while_it_waited_is_refused)
{
	json_t *a;

	expect_status(ask("fork", -1, NULL), "ok");
	send_shell(1, "write", "sleep 0.3", "k3f9abcd.2");
	send_call(2, "session",
		  json_pack("{s:s, s:s}", "operation", "drop", "session", "k3f9abcd.2"), NULL);
	send_shell(3, "write", "echo too late", "k3f9abcd.2");
	expect_status(fixture_answer(&f, 1), "ok");
	expect_status(fixture_answer(&f, 2), "ok");
	a = fixture_answer(&f, 3);
	cr_expect(strstr(result_text(a, "error"), "is gone"));
	expect_status(a, "refused");
	cr_expect(!strstr(fixture_log(&f), "too late"));
}

Test(gate, rollback_is_followed_by_a_purge_when_nothing_runs)
{
	expect_status(ask("rollback", 0, NULL), "ok");
	wait_for_log("call 4 1 0 purge");
	expect_status(fixture_run(&f, "write", ":"), "ok");
}

#define READ(id, uri) "{\"type\":\"resource\",\"id\":" id ",\"uri\":\"" uri "\"}"

static json_t *line_of(int id)
{
	for (;;) {
		json_t *line = fixture_line(&f, 20);

		cr_assert(line);
		if (json_integer_value(json_object_get(line, "id")) == id)
			return line;
		json_decref(line);
	}
}

Test(gate, changes_are_a_resource_that_a_call_makes)
{
	json_t *line;
	json_t *resource;
	char *text;

	fixture_send(&f, "{\"type\":\"resources\",\"id\":1}");
	line = line_of(1);
	text = json_dumps(line, JSON_COMPACT);
	cr_expect(strstr(text,
			 "\"uri\":\"toolcell://changes/k3f9abcd\",\"name\":\"changes of session "
			 "k3f9abcd\",\"mimeType\":\"text/x-diff\""),
		  "%s", text);
	free(text);
	json_decref(line);
	fixture_send(&f, READ("2", "toolcell://changes/k3f9abcd"));
	line = line_of(2);
	resource = json_object_get(line, "resource");
	cr_assert(resource);
	cr_expect_str_eq(json_string_value(json_object_get(resource, "mimeType")), "text/x-diff");
	cr_expect_str_eq(json_string_value(json_object_get(resource, "text")),
			 "--- a/x\n--- a/y\n");
	json_decref(line);
	fixture_send(&f, READ("3", "toolcell://changes/k3f9abcd.2"));
	line = line_of(3);
	cr_expect_str_eq(json_string_value(json_object_get(json_object_get(line, "error"), "code")),
			 "not_found");
	json_decref(line);
}

Test(gate, changes_that_are_read_wait_their_turn_and_can_be_cancelled)
{
	json_t *line;

	send_commit(1, "sleep 0.5", NULL);
	fixture_send(&f, READ("2", "toolcell://changes/k3f9abcd"));
	fixture_send(&f, READ("3", "toolcell://changes/k3f9abcd"));
	fixture_send(&f, "{\"type\":\"cancel\",\"id\":2}");
	line = line_of(2);
	cr_expect(json_object_get(line, "error"));
	json_decref(line);
	expect_status(fixture_answer(&f, 1), "ok");
	line = line_of(3);
	cr_expect(json_object_get(line, "resource"));
	json_decref(line);
}

Test(gate, driver_has_only_the_operations_that_the_catalog_gives_it)
{
	json_t *a;

	send_call(1, "changes", json_pack("{s:s}", "what", "diff"), NULL);
	a = fixture_answer(&f, 1);
	cr_expect(strstr(result_text(a, "error"), "\"diff\" is none of list"), "%s",
		  result_text(a, "error"));
	expect_status(a, "refused");
}

Test(gate, mcp_names_the_session_and_is_told_of_it)
{
	json_t *line;

	fixture_send(&f, "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{"
			 "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\"clientInfo\":{"
			 "\"name\":\"t\",\"version\":\"1\"}}}");
	line = fixture_line(&f, 5);
	cr_expect(strstr(json_string_value(
				 json_object_get(json_object_get(line, "result"), "instructions")),
			 "session k3f9abcd: later calls see it"));
	cr_expect(strstr(json_string_value(
				 json_object_get(json_object_get(line, "result"), "instructions")),
			 "It holds 3 changes."));
	json_decref(line);
	expect_status(ask("fork", -1, NULL), "ok");
	fixture_send(&f,
		     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
		     "\"write\",\"_meta\":{\"toolcell/session\":\"k3f9abcd.2\"},\"arguments\":{"
		     "\"command\":\"echo two\"}}}");
	json_decref(line_of(1));
	cr_expect(strstr(fixture_log(&f), "call 1 2 1 echo two"));
	fixture_send(&f, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"resources/read\",\"params\":{"
			 "\"uri\":\"toolcell://changes/k3f9abcd.2\"}}");
	line = line_of(2);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(json_object_get(json_object_get(line, "result"),
								"contents"),
						0),
				 "text")),
			 "--- a/x\n--- a/y\n");
	json_decref(line);
	cr_expect(strstr(fixture_log(&f), "call 3 2 0"));
}

Test(gate, without_a_session_its_tools_say_so)
{
	json_t *a;

	fixture_stop(&f);
	fixture_start(&f, &(struct fixture_options){0});
	a = ask("list", -1, NULL);
	cr_expect_str_eq(result_text(a, "error"), "there is no session here");
	cr_expect_str_eq(result_text(a, "denials.0.rule"), "policies/unit.json#/workspace/mode");
	expect_status(a, "refused");
	send_shell(1, "write", ":", "k3f9abcd");
	expect_status(fixture_answer(&f, 1), "refused");
	send_shell(2, "write", "echo fallen back", NULL);
	expect_status(fixture_answer(&f, 2), "ok");
	cr_expect_str_eq(fixture_log(&f), "call 1 0 1 echo fallen back\n");
}
