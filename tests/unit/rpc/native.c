/* Theory of operation: golden lines of the plain dialect, each row a line in and what comes out. */
#include <criterion/criterion.h>
#include <string.h>

#include "driver.h"

static struct driver driver;

static void setup(void)
{
	driver_init(&driver, false);
}

static void teardown(void)
{
	driver_fini(&driver);
}

TestSuite(native, .init = setup, .fini = teardown);

#define ERROR(id, code, text) \
	"{\"id\":" id ",\"error\":{\"code\":\"" code "\",\"message\":\"" text "\"}}\n"

Test(native, answers_calls_in_kind)
{
	static const struct driver_row rows[] = {
		{"{\"id\":1,\"tool\":\"tool\",\"arguments\":{\"a\":[1,\"\\u00e9\"]}}",
		 "{\"id\":1,\"result\":{\"call\":\"c-1\",\"status\":\"ok\"},"
		 "\"text\":\"{\\\"a\\\":[1,\\\"\xc3\xa9\\\"]}\"}\n"},
		{"{\"id\":\"x\",\"tool\":\"tool\"}", "{\"id\":\"x\",\"result\":{\"call\":\"c-2\","
						     "\"status\":\"ok\"},\"text\":\"{}\"}\n"},
		{"{\"id\":2,\"tool\":\"nope\"}", "{\"id\":2,\"result\":{\"call\":\"c-3\","
						 "\"status\":\"refused\"},\"text\":\"{}\"}\n"},
		{"", ""},
		{"\r", ""},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

Test(native, numbers_are_written_as_short_as_they_are)
{
	json_t *result;

	driver.hold = true;
	(void)driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\"}");
	cr_assert_eq(driver.n_calls, 1);
	result = json_pack("{s:f, s:f, s:f, s:f}", "short", 3.985, "long", 3612345.678, "whole",
			   12.0, "none", 0.0);
	rpc_call_finish(driver.calls[0], result, "");
	driver.n_calls = 0;
	json_decref(result);
	cr_assert_str_eq(driver_take(&driver),
			 "{\"id\":1,\"result\":{\"short\":3.985,\"long\":3612345.678,"
			 "\"whole\":12.0,\"none\":0.0},\"text\":\"\"}\n");
}

Test(native, refuses_each_wrong_line_precisely)
{
	static const struct driver_row rows[] = {
		{"nonsense", ERROR("null", "parse_error",
				   "not valid JSON at byte 8: invalid token near 'nonsense'")},
		{"{\"id\":1.5,\"tool\":\"tool\"}",
		 ERROR("null", "invalid_request",
		       "\\\"id\\\" must be a string of at most 1024 bytes or an integer")},
		{"{\"id\":null,\"tool\":\"tool\"}",
		 ERROR("null", "invalid_request",
		       "\\\"id\\\" must be a string of at most 1024 bytes or an integer")},
		{"{\"id\":1,\"tool\":7}",
		 ERROR("1", "invalid_request", "\\\"tool\\\" must be a string without NUL")},
		{"{\"id\":1,\"tool\":\"a\\u0000b\"}",
		 ERROR("1", "invalid_request", "\\\"tool\\\" must be a string without NUL")},
		{"{\"id\":1,\"tool\":\"tool\",\"arguments\":[]}",
		 ERROR("1", "invalid_request", "\\\"arguments\\\" must be an object")},
		{"{\"id\":1,\"tool\":\"tool\",\"progress\":1}",
		 ERROR("1", "invalid_request", "\\\"progress\\\" must be true or false")},
		{"{\"id\":1,\"tool\":\"tool\",\"argumnts\":{}}",
		 ERROR("1", "invalid_request",
		       "unknown member \\\"argumnts\\\"; did you mean \\\"arguments\\\"?")},
		{"{\"id\":1,\"type\":\"pong\"}",
		 ERROR("1", "unknown_type",
		       "unknown type \\\"pong\\\"; did you mean \\\"ping\\\"?")},
		{"{\"type\":5}", ERROR("null", "invalid_request", "\\\"type\\\" must be a string")},
		{"{\"type\":\"ping\",\"id\":[]}",
		 ERROR("null", "invalid_request", "\\\"id\\\" must be a string or an integer")},
		{"{\"type\":\"cancel\"}",
		 ERROR("null", "invalid_request", "\\\"cancel\\\" needs the \\\"id\\\" of a call")},
		{"{\"type\":\"cancel\",\"id\":\"who\"}",
		 ERROR("\"who\"", "unknown_call", "no call with this id is running")},
		{"{\"type\":\"tools\",\"format\":\"xml\"}",
		 ERROR("null", "invalid_arguments",
		       "\\\"format\\\" is \\\"mcp\\\", \\\"anthropic\\\" or \\\"openai\\\"")},
		{"{\"type\":\"resource\",\"id\":3,\"uri\":\"toolcell://none\"}",
		 ERROR("3", "not_found", "no such resource")},
		{"{\"type\":\"resource\",\"uri\":\"toolcell://broken\"}",
		 ERROR("null", "internal_error",
		       "cannot read the resource: read spill file: Input/output error")},
		{"{\"what\":1}",
		 ERROR("null", "invalid_request",
		       "a line is a JSON object with \\\"jsonrpc\\\", \\\"tool\\\", "
		       "\\\"tool_calls\\\" or \\\"type\\\"")},
		{"7", ERROR("null", "invalid_request",
			    "a line is a JSON object with \\\"jsonrpc\\\", \\\"tool\\\", "
			    "\\\"tool_calls\\\" or \\\"type\\\"")},
		{"[]", ERROR("null", "invalid_request",
			     "batches are for sessions of MCP 2025-03-26 and 2024-11-05 only; "
			     "send one object a line")},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
	cr_assert_eq(driver.n_started, 0);
}

Test(native, control_lines_are_answered)
{
	static const struct driver_row rows[] = {
		{"{\"type\":\"ping\"}", "{\"running\":0,\"type\":\"pong\"}\n"},
		{"{\"type\":\"ping\",\"id\":9}", "{\"running\":0,\"type\":\"pong\",\"id\":9}\n"},
		{"{\"type\":\"tools\"}",
		 "{\"type\":\"tools\",\"tools\":[{\"name\":\"tool\",\"description\":\"A tool\","
		 "\"inputSchema\":{\"type\":\"object\"}," RESULT_CHARS "}]}\n"},
		{"{\"type\":\"tools\",\"id\":1,\"format\":\"anthropic\"}",
		 "{\"type\":\"tools\",\"id\":1,\"tools\":[{\"name\":\"tool\",\"description\":"
		 "\"A tool\",\"input_schema\":{\"type\":\"object\"}}]}\n"},
		{"{\"type\":\"resources\"}",
		 "{\"type\":\"resources\",\"resources\":[{\"uri\":\"toolcell://out/1\","
		 "\"name\":\"stdout of c-1\"}]}\n"},
		{"{\"type\":\"resource\",\"uri\":\"toolcell://text\"}",
		 "{\"type\":\"resource\",\"resource\":{\"uri\":\"toolcell://text\",\"mimeType\":"
		 "\"text/plain\",\"text\":\"caf\xc3\xa9\\n\"}}\n"},
		{"{\"type\":\"resource\",\"uri\":\"toolcell://bytes\"}",
		 "{\"type\":\"resource\",\"resource\":{\"uri\":\"toolcell://bytes\",\"mimeType\":"
		 "\"text/plain\",\"blob\":\"/wB6\"}}\n"},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

Test(native, ping_is_answered_while_calls_run)
{
	driver.hold = true;
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\"}"), "");
	cr_assert_str_eq(driver_ask(&driver, "{\"type\":\"ping\"}"),
			 "{\"running\":1,\"type\":\"pong\"}\n");
}

Test(native, progress_comes_only_when_asked_for_and_increases)
{
	driver.hold = true;
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\",\"progress\":true}"), "");
	cr_assert(rpc_call_wants_progress(driver.calls[0]));
	rpc_call_progress(driver.calls[0], "one");
	rpc_call_progress(driver.calls[0], NULL);
	cr_assert_str_eq(driver_take(&driver),
			 "{\"type\":\"progress\",\"id\":1,\"progress\":1,\"message\":\"one\"}\n"
			 "{\"type\":\"progress\",\"id\":1,\"progress\":2}\n");
	driver_answer(&driver, "ok", "done");
	cr_assert_str_eq(driver_take(&driver), "{\"id\":1,\"result\":{\"call\":\"c-1\","
					       "\"status\":\"ok\"},\"text\":\"done\"}\n");
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":2,\"tool\":\"tool\"}"), "");
	cr_assert_not(rpc_call_wants_progress(driver.calls[0]));
	rpc_call_progress(driver.calls[0], "silent");
	cr_assert_str_eq(driver_take(&driver), "");
}

Test(native, a_cancelled_call_is_cancelled_once_and_still_answered)
{
	driver.hold = true;
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":\"k\",\"tool\":\"tool\"}"), "");
	cr_assert_str_eq(driver_ask(&driver,
				    "{\"type\":\"cancel\",\"id\":\"k\",\"reason\":\"why\"}"),
			 "");
	cr_assert_str_eq(driver.reason, "why");
	cr_assert_str_eq(driver_ask(&driver, "{\"type\":\"cancel\",\"id\":\"k\"}"), "");
	cr_assert_eq(driver.n_cancelled, 1);
	driver_answer(&driver, "stopped", "cancelled");
	cr_assert_str_eq(driver_take(&driver), "{\"id\":\"k\",\"result\":{\"call\":\"c-1\","
					       "\"status\":\"stopped\"},\"text\":\"cancelled\"}\n");
}

Test(native, an_id_in_flight_is_refused_and_free_again_after_the_answer)
{
	driver.hold = true;
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\"}"), "");
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\"}"),
			 ERROR("1", "duplicate_id", "a call with this id is still running"));
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":\"1\",\"tool\":\"tool\"}"), "",
			 "a string is another id than a number");
	driver_answer(&driver, "ok", "");
	(void)driver_take(&driver);
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\"}"), "");
	cr_assert_eq(driver.n_started, 3);
}

Test(native, too_many_calls_at_once_are_refused)
{
	char line[64];

	driver.hold = true;
	for (int i = 0; i < 1024; i++) {
		(void)snprintf(line, sizeof(line), "{\"id\":%d,\"tool\":\"tool\"}", i);
		cr_assert_str_eq(driver_ask(&driver, line), "");
	}
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":\"more\",\"tool\":\"tool\"}"),
			 ERROR("\"more\"", "busy", "too many calls at once; wait for one to end"));
	driver_answer(&driver, "ok", "");
	(void)driver_take(&driver);
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":\"more\",\"tool\":\"tool\"}"), "");
}

Test(native, text_that_is_not_utf8_is_mended_and_never_lost)
{
	driver.hold = true;
	(void)driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\"}");
	driver_answer(&driver, "ok", "a\xff z");
	cr_assert_not_null(strstr(driver_take(&driver), "\"text\":\"a\xef\xbf\xbd z\""));
}
