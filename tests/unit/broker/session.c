/* Many calls, and the ways in which a session ends. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "fixture.h"

static struct fixture f;

static void tear_down(void)
{
	fixture_stop(&f);
}

TestSuite(session, .fini = tear_down, .timeout = 90);

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void expect_status(json_t *answer, const char *status)
{
	char *text = json_dumps(answer, 0);

	cr_expect_str_eq(result_text(answer, "status"), status, "%s", text);
	free(text);
	json_decref(answer);
}

Test(session, calls_run_at_once)
{
	double begin = now();

	fixture_start(&f, &(struct fixture_options){.calls_max = 4});
	for (int i = 0; i < 4; i++)
		fixture_call(&f, i, "sh", "sleep 1");
	for (int i = 0; i < 4; i++)
		expect_status(fixture_line(&f, 10), "ok");
	cr_expect_lt(now() - begin, 3.0);
}

Test(session, queue_is_first_in_first_out_behind_the_launchers_limit)
{
	char command[64];

	fixture_start(&f, &(struct fixture_options){.calls_max = 1});
	for (int i = 0; i < 6; i++) {
		(void)snprintf(command, sizeof(command), "echo %d", i);
		fixture_call(&f, i, "sh", command);
	}
	for (int i = 0; i < 6; i++) {
		json_t *line = fixture_line(&f, 10);

		cr_expect_eq(json_integer_value(json_object_get(line, "id")), i);
		expect_status(line, "ok");
	}
}

Test(session, full_queue_refuses_with_a_clear_answer)
{
	int busy = 0;

	fixture_start(&f, &(struct fixture_options){.calls_max = 1});
	fixture_call(&f, 0, "sh", "sleep 1");
	for (int i = 1; i <= 260; i++)
		fixture_call(&f, i, "sh", ":");
	for (int i = 0; i <= 260;) {
		json_t *line = fixture_line(&f, 30);

		if (json_object_get(line, "result")) {
			i++;
			busy += strncmp(result_text(line, "error"), "busy: ", 6) == 0;
		}
		json_decref(line);
	}
	cr_expect_geq(busy, 3);
	cr_expect_leq(busy, 5);
}

Test(session, cancel_kills_what_runs_and_drops_what_waits)
{
	double begin = now();

	fixture_start(&f, &(struct fixture_options){.calls_max = 1});
	fixture_call(&f, 1, "sh", "echo begun; sleep 30");
	fixture_call(&f, 2, "sh", "sleep 30");
	fixture_send(&f, "{\"type\":\"cancel\",\"id\":2}");
	expect_status(fixture_answer(&f, 2), "stopped");
	fixture_send(&f, "{\"type\":\"cancel\",\"id\":1}");
	expect_status(fixture_answer(&f, 1), "stopped");
	expect_status(fixture_run(&f, "sh", ":"), "ok");
	cr_expect_lt(now() - begin, 10.0);
}

Test(session, ping_is_answered_during_a_call)
{
	json_t *line;

	fixture_start(&f, &(struct fixture_options){0});
	fixture_call(&f, 1, "sh", "sleep 30");
	fixture_send(&f, "{\"type\":\"ping\"}");
	line = fixture_line(&f, 5);
	cr_expect_str_eq(json_string_value(json_object_get(line, "type")), "pong");
	json_decref(line);
}

Test(session, progress_shows_the_last_line_and_is_throttled)
{
	int seen = 0;
	bool last = false;

	fixture_start(&f, &(struct fixture_options){0});
	fixture_call(&f, 1, "sh",
		     "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.05; done");
	for (;;) {
		json_t *line = fixture_line(&f, 10);
		const char *message = json_string_value(json_object_get(line, "message"));

		if (json_object_get(line, "result")) {
			expect_status(line, "ok");
			break;
		}
		seen++;
		last = message && strncmp(message, "line ", 5) == 0;
		json_decref(line);
	}
	cr_expect(last);
	cr_expect_geq(seen, 2);
	cr_expect_leq(seen, 9);
}

Test(session, script_gets_its_answers_behind_the_end_of_input)
{
	fixture_start(&f, &(struct fixture_options){.calls_max = 1});
	fixture_call(&f, 1, "sh", "sleep 0.5; echo one");
	fixture_call(&f, 2, "sh", "echo two");
	fd_closep(&f.in);
	expect_status(fixture_answer(&f, 1), "ok");
	expect_status(fixture_answer(&f, 2), "ok");
	cr_expect_eq(fixture_wait(&f, 5), 0);
}

Test(session, end_of_input_without_calls_ends)
{
	fixture_start(&f, &(struct fixture_options){0});
	fd_closep(&f.in);
	cr_expect_eq(fixture_wait(&f, 5), 0);
}

Test(session, end_of_an_mcp_session_kills_at_once)
{
	double begin;
	json_t *line;

	fixture_start(&f, &(struct fixture_options){0});
	fixture_send(&f, "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{"
			 "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},"
			 "\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}");
	line = fixture_line(&f, 5);
	cr_assert(json_object_get(line, "result"));
	json_decref(line);
	fixture_send(&f, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
	fixture_send(&f, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{"
			 "\"name\":\"sh\",\"arguments\":{\"command\":\"sleep 20\"}}}");
	begin = now();
	fd_closep(&f.in);
	cr_expect_eq(fixture_wait(&f, 5), 0);
	cr_expect_lt(now() - begin, 2.0);
}

Test(session, driver_that_is_gone_ends_at_once)
{
	fixture_start(&f, &(struct fixture_options){0});
	fixture_call(&f, 1, "sh", "sleep 30");
	fd_closep(&f.out);
	cr_expect_eq(fixture_wait(&f, 5), 0);
}

static void lose(const char *command, const char *words)
{
	json_t *answer;

	fixture_start(&f, &(struct fixture_options){0});
	fixture_call(&f, 1, "sh", "sleep 30");
	fixture_call(&f, 2, "sh", command);
	answer = fixture_answer(&f, 1);
	cr_expect(strstr(result_text(answer, "error"), words), "%s", result_text(answer, "error"));
	expect_status(answer, "error");
	expect_status(fixture_answer(&f, 2), "error");
	cr_expect_eq(fixture_wait(&f, 5), 1);
}

Test(session, launcher_that_dies_is_an_error_of_every_call)
{
	lose("@die", "the launcher is gone");
}

Test(session, fatal_launcher_has_the_last_word)
{
	lose("@fatal", "out of cgroups");
}

Test(session, frame_that_is_too_short_ends_the_session)
{
	lose("@short", "without a head");
}

Test(session, frame_of_unknown_type_ends_the_session)
{
	lose("@type", "unknown type or length");
}

Test(session, frame_for_an_unknown_call_ends_the_session)
{
	lose("@unknown", "a call that does not run");
}

Test(session, driver_that_does_not_read_costs_bounded_memory)
{
	char path[64];
	char line[256];
	long peak_kb = 0;
	FILE *status;

	fixture_start(&f, &(struct fixture_options){0});
	cr_assert_eq(fd_set_nonblock(f.in, true), 0);
	/* Each ping costs the broker a line; it stops reading at some point, and so our pipe fills. */
	for (int i = 0; i < 3000000; i++) {
		static const char ping[] =
			"{\"type\":\"ping\",\"id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}\n";
		ssize_t n = write(f.in, ping, sizeof(ping) - 1);

		if (n < 0 && i % 16 == 0)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		if (n < 0 && i > 100000)
			break;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)f.broker);
	status = fopen(path, "re");
	cr_assert(status);
	while (fgets(line, sizeof(line), status))
		(void)sscanf(line, "VmHWM: %ld kB", &peak_kb);
	fclose(status);
	cr_expect_gt(peak_kb, 0);
	cr_expect_lt(peak_kb, 300 * 1024, "%ld kB", peak_kb);
}

/* Writes requests of MCP that have long answers until the broker has read none for half a second. */
static void fill_queue(void)
{
	char ping[1100];
	int len = snprintf(ping, sizeof(ping),
			   "{\"jsonrpc\":\"2.0\",\"id\":\"%01000d\",\"method\":\"ping\"}\n", 0);
	double taken = now();

	while (now() - taken < 0.5) {
		if (write(f.in, ping, (size_t)len) > 0)
			taken = now();
		else
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

Test(session, host_that_ends_with_all_answers_unread_is_not_waited_for)
{
	fixture_start(&f, &(struct fixture_options){0});
	cr_assert_eq(fd_set_nonblock(f.in, true), 0);
	fill_queue();
	fd_closep(&f.in);
	cr_expect_eq(fixture_wait(&f, 5), 0);
}
