/* Output of tools through the whole broker: large, binary, in order, digested, readable later. */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static struct fixture f;

static void tear_down(void)
{
	fixture_stop(&f);
}

TestSuite(stream, .fini = tear_down, .timeout = 120);

/* A sanitizer's own memory would be most of it. */
#ifdef __SANITIZE_ADDRESS__
#define PEAK_KB_MAX LONG_MAX
#else
#define PEAK_KB_MAX (64L * 1024)
#endif

static long peak_kb(void)
{
	char path[64];
	char line[256];
	long kb = -1;
	FILE *status;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)f.broker);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status))
		(void)sscanf(line, "VmHWM: %ld kB", &kb);
	if (status)
		fclose(status);
	return kb;
}

Test(stream, gibibyte_costs_constant_memory_and_is_counted)
{
	json_t *a;

	fixture_start(&f, &(struct fixture_options){0});
	a = fixture_run(&f, "sh", "head -c 1073741824 /dev/zero");
	cr_expect_str_eq(result_text(a, "status"), "ok");
	cr_expect_eq(result_number(a, "stdout.bytes"), 1073741824);
	cr_expect(json_is_true(result_at(a, "stdout.truncated")));
	cr_expect_str_eq(result_text(a, "stdout.encoding"), "binary");
	cr_expect_gt(strlen(result_text(a, "stdout.resource")), 0);
	cr_expect_lt(json_string_length(result_at(a, "stdout.text")), 60000);
	cr_expect_lt(peak_kb(), PEAK_KB_MAX, "%ld kB", peak_kb());
	json_decref(a);
}

Test(stream, output_limit_kills)
{
	json_t *a;

	fixture_start(&f, &(struct fixture_options){.output_bytes = 1 << 20});
	a = fixture_run(&f, "both", "yes");
	cr_expect_str_eq(result_text(a, "status"), "stopped");
	cr_expect_str_eq(result_text(a, "ended.cause"), "output_limit");
	cr_expect_gt(result_number(a, "stdout.bytes"), 1 << 20);
	cr_expect_gt(result_number(a, "denials.0.use"), 1 << 20);
	json_decref(a);
}

Test(stream, both_streams_are_in_the_order_of_the_writes)
{
	fixture_start(&f, &(struct fixture_options){0});
	for (int i = 0; i < 20; i++) {
		json_t *a =
			fixture_run(&f, "both",
				    "echo 1; echo 2 >&2; echo 3; echo 4 >&2; echo 5 >&2; echo 6; "
				    "echo 7 >&2; echo 8");

		cr_assert_str_eq(result_text(a, "data.output"), "1\n2\n3\n4\n5\n6\n7\n8\n",
				 "round %d", i);
		cr_expect_str_eq(result_text(a, "stderr.text"), "2\n4\n5\n7\n");
		json_decref(a);
	}
}

Test(stream, error_first_stays_first)
{
	fixture_start(&f, &(struct fixture_options){0});
	for (int i = 0; i < 20; i++) {
		json_t *a = fixture_run(&f, "both", "echo err >&2; echo out");

		cr_assert_str_eq(result_text(a, "data.output"), "err\nout\n", "round %d", i);
		json_decref(a);
	}
}

Test(stream, long_ordered_output_is_whole)
{
	json_t *a;

	fixture_start(&f, &(struct fixture_options){0});
	a = fixture_run(&f, "both", "seq 1 400000; seq 1 1000 >&2");
	cr_expect_eq(result_number(a, "stdout.bytes"), 2688895);
	cr_expect_eq(result_number(a, "stderr.bytes"), 3893);
	cr_expect(json_is_true(result_at(a, "data.truncated")));
	cr_expect_eq(strncmp(result_text(a, "stdout.text"), "1\n2\n3\n", 6), 0);
	cr_expect(strstr(result_text(a, "stdout.text"), "\n399999\n400000\n"));
	cr_expect(strstr(result_text(a, "stdout.text"),
			 " bytes omitted; raw output: toolcell://calls/"));
	json_decref(a);
}

Test(stream, character_split_between_writes_is_whole)
{
	json_t *a;

	fixture_start(&f, &(struct fixture_options){0});
	a = fixture_run(&f, "both",
			"for i in 1 2 3; do printf '\\303'; printf x >&2; sleep 0.02; printf "
			"'\\251'; done");
	cr_expect_str_eq(result_text(a, "stdout.text"), "\u00e9\u00e9\u00e9");
	cr_expect_str_eq(result_text(a, "stdout.encoding"), "utf-8");
	cr_expect_str_eq(result_text(a, "data.output"), "x\u00e9x\u00e9x\u00e9");
	json_decref(a);
}

Test(stream, malformed_bytes_are_replaced_and_stay_in_the_resource)
{
	json_t *a;
	json_t *line;
	char *request;

	fixture_start(&f, &(struct fixture_options){0});
	a = fixture_run(&f, "sh", "printf 'a\\377b\\033[31mc\\n'");
	cr_expect_str_eq(result_text(a, "stdout.text"), "a\ufffdbc\n");
	cr_expect_str_eq(result_text(a, "stdout.encoding"), "utf-8-lossy");
	line = json_pack("{s:s, s:i, s:s, s:{s:s}}", "jsonrpc", "2.0", "id", 7, "method",
			 "resources/read", "params", "uri", result_text(a, "stdout.resource"));
	request = json_dumps(line, 0);
	json_decref(line);
	json_decref(a);
	fixture_send(&f, "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{"
			 "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},"
			 "\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}");
	json_decref(fixture_line(&f, 5));
	fixture_send(&f, request);
	free(request);
	a = fixture_answer(&f, 7);
	cr_expect_str_eq(result_text(a, "contents.0.blob"), "Yf9iG1szMW1jCg==");
	json_decref(a);
}

Test(stream, digest_gets_everything_and_gives_data)
{
	json_t *a;

	fixture_start(&f, &(struct fixture_options){.digest = DIGEST_COUNTS});
	a = fixture_run(&f, "counted", "head -c 5000000 /dev/zero; echo err >&2; exit 3");
	cr_expect_str_eq(result_text(a, "status"), "failed");
	cr_expect_eq(result_number(a, "data.out"), 5000000);
	cr_expect_eq(result_number(a, "data.err"), 4);
	cr_expect(json_is_true(result_at(a, "data.call")));
	cr_expect_eq(result_number(a, "data.status.exit_code"), 3);
	cr_expect(json_is_null(result_at(a, "data_error")));
	cr_expect_str_eq(json_string_value(json_object_get(a, "text")), "counted red\nexit code 3");
	json_decref(a);
}

Test(stream, a_tool_that_never_ran_has_no_digest_to_miss)
{
	json_t *a;

	fixture_start(&f, &(struct fixture_options){.digest = DIGEST_DIES});
	a = fixture_run(&f, "counted", "@error");
	cr_expect_str_eq(result_text(a, "status"), "error");
	cr_expect(json_is_null(result_at(a, "data_error")));
	cr_expect_str_eq(json_string_value(json_object_get(a, "text")),
			 "error: cannot make a cgroup");
	json_decref(a);
}

static void without_data(enum digest_mode mode, const char *words)
{
	json_t *a;

	fixture_start(&f, &(struct fixture_options){.digest = mode});
	a = fixture_run(&f, "counted", "echo still here");
	cr_expect_str_eq(result_text(a, "status"), "ok");
	cr_expect(json_is_null(result_at(a, "data")));
	cr_expect(strstr(result_text(a, "data_error"), words), "%s", result_text(a, "data_error"));
	cr_expect_str_eq(result_text(a, "stdout.text"), "still here\n");
	cr_expect(strstr(json_string_value(json_object_get(a, "text")), "no structured data"));
	json_decref(a);
}

Test(stream, dead_digest_costs_only_data)
{
	without_data(DIGEST_DIES, "died without an answer");
}

Test(stream, lying_digest_costs_only_data)
{
	without_data(DIGEST_LIES, "not a JSON object");
}

Test(stream, late_digest_costs_only_data)
{
	without_data(DIGEST_SLEEPS, "did not answer in time");
}

Test(stream, absent_digest_costs_only_data)
{
	without_data(DIGEST_NONE, "no digest runs");
}

Test(stream, digest_that_does_not_read_does_not_hold_the_tool_for_ever)
{
	json_t *a;

	fixture_start(&f, &(struct fixture_options){.digest = DIGEST_SLEEPS});
	a = fixture_run(&f, "counted", "head -c 9000000 /dev/zero");
	cr_expect_str_eq(result_text(a, "status"), "ok");
	cr_expect_eq(result_number(a, "stdout.bytes"), 9000000);
	cr_expect_str_eq(result_text(a, "data_error"), "the digest stopped reading");
	json_decref(a);
}

Test(stream, process_that_holds_a_pipe_does_not_hold_the_answer)
{
	json_t *a;

	fixture_start(&f, &(struct fixture_options){0});
	a = fixture_run(&f, "sh", "setsid sleep 3 & echo done");
	cr_expect_str_eq(result_text(a, "stdout.text"), "done\n");
	json_decref(a);
}
