/* Theory of operation: golden lines of the dialects that models write. */
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

TestSuite(model, .init = setup, .fini = teardown);

#define USED(id, text, is_error)                                                         \
	"{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\",\"content\":\"" text "\"," \
	"\"is_error\":" is_error "}\n"
#define CHAT(id, text) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}\n"
#define OUTPUT(id, text) \
	"{\"type\":\"function_call_output\",\"call_id\":\"" id "\",\"output\":\"" text "\"}\n"
#define NATIVE_ERROR(text) \
	"{\"id\":null,\"error\":{\"code\":\"invalid_request\",\"message\":\"" text "\"}}\n"

Test(model, anthropic_blocks_get_tool_results)
{
	static const struct driver_row rows[] = {
		{"{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"tool\",\"input\":{\"a\":1}}",
		 USED("t1", "{\\\"a\\\":1}", "false")},
		{"{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"nope\",\"input\":{}}",
		 USED("t2", "{}", "true")},
		{"{\"type\":\"tool_use\",\"id\":\"t3\",\"name\":\"tool\",\"input\":[]}",
		 USED("t3", "the arguments must be an object", "true")},
		{"{\"type\":\"tool_use\",\"id\":\"t4\",\"input\":{}}",
		 USED("t4", "the name must be a string without NUL", "true")},
		{"{\"type\":\"tool_use\",\"name\":\"tool\",\"input\":{}}",
		 NATIVE_ERROR("a call needs an id: a string of at most 1024 bytes")},
		{"{\"type\":\"tool_use\",\"id\":7,\"name\":\"tool\"}",
		 NATIVE_ERROR("a call needs an id: a string of at most 1024 bytes")},
		{"{\"type\":\"tool_use\",\"id\":\"t5\",\"name\":\"tool\",\"toolcell\":true}",
		 "{\"type\":\"tool_result\",\"tool_use_id\":\"t5\",\"content\":\"{}\",\"is_error\":"
		 "false,\"toolcell\":{\"call\":\"c-3\",\"status\":\"ok\"}}\n"},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

Test(model, anthropic_messages_get_a_line_per_tool_use)
{
	static const struct driver_row rows[] = {
		{"{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"hm\"},"
		 "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"tool\",\"input\":{}},"
		 "{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"nope\",\"input\":{}}]}",
		 USED("a", "{}", "false") USED("b", "{}", "true")},
		{"{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\","
		 "\"id\":\"c\",\"name\":\"tool\",\"input\":{}}]}",
		 USED("c", "{}", "false")},
		{"{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"hm\"}]}",
		 NATIVE_ERROR("the message has no block of type \\\"tool_use\\\"")},
		{"{\"role\":\"assistant\",\"content\":[]}",
		 NATIVE_ERROR("the message has no block of type \\\"tool_use\\\"")},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

Test(model, every_status_but_ok_and_failed_is_an_error)
{
	static const struct {
		const char *status;
		const char *is_error;
	} rows[] = {
		{"ok", "\"is_error\":false"},	  {"failed", "\"is_error\":false"},
		{"refused", "\"is_error\":true"}, {"error", "\"is_error\":true"},
		{"stopped", "\"is_error\":true"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		driver.status = rows[i].status;
		cr_expect_not_null(strstr(driver_ask(&driver, "{\"type\":\"tool_use\",\"id\":\"t\","
							      "\"name\":\"tool\",\"input\":{}}"),
					  rows[i].is_error),
				   "%s", rows[i].status);
	}
}

Test(model, openai_tool_calls_get_tool_messages)
{
	static const struct driver_row rows[] = {
		{"{\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"
		 "\"tool\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"c2\",\"type\":\"function\","
		 "\"function\":{\"name\":\"tool\",\"arguments\":\"\"}}]}",
		 CHAT("c1", "{\\\"a\\\":1}") CHAT("c2", "{}")},
		{"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c3\","
		 "\"function\":{\"name\":\"tool\",\"arguments\":{\"b\":2}}}],\"toolcell\":true}",
		 "{\"role\":\"tool\",\"tool_call_id\":\"c3\",\"content\":\"{\\\"b\\\":2}\","
		 "\"toolcell\":{\"call\":\"c-3\",\"status\":\"ok\"}}\n"},
		{"{\"tool_calls\":[{\"id\":\"c4\",\"function\":{\"name\":\"tool\",\"arguments\":"
		 "\"{\\\"a\\\":\"}}]}",
		 CHAT("c4", "the arguments are not valid JSON at byte 5: unexpected token near end "
			    "of file")},
		{"{\"tool_calls\":[{\"id\":\"c5\",\"function\":{\"name\":\"tool\",\"arguments\":"
		 "\"[1]\"}}]}",
		 CHAT("c5", "the arguments must be an object")},
		{"{\"tool_calls\":[{\"id\":\"c6\"}]}",
		 CHAT("c6", "the name must be a string without NUL")},
		{"{\"tool_calls\":[1]}",
		 NATIVE_ERROR("a call needs an id: a string of at most 1024 bytes")},
		{"{\"tool_calls\":[]}",
		 NATIVE_ERROR("\\\"tool_calls\\\" must be an array of at least one call")},
		{"{\"tool_calls\":{}}",
		 NATIVE_ERROR("\\\"tool_calls\\\" must be an array of at least one call")},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

Test(model, openai_function_calls_get_outputs)
{
	static const struct driver_row rows[] = {
		{"{\"type\":\"function_call\",\"call_id\":\"f1\",\"namespace\":\"mcp__x\",\"name\":"
		 "\"tool\",\"arguments\":\"{\\\"a\\\":1}\"}",
		 OUTPUT("f1", "{\\\"a\\\":1}")},
		{"{\"type\":\"function_call\",\"call_id\":\"f2\",\"name\":\"tool\",\"arguments\":"
		 "\"nope\"}",
		 OUTPUT("f2",
			"the arguments are not valid JSON at byte 4: invalid token near 'nope'")},
		{"{\"type\":\"function_call\",\"name\":\"tool\",\"arguments\":\"{}\"}",
		 NATIVE_ERROR("a call needs an id: a string of at most 1024 bytes")},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

Test(model, arguments_in_a_string_are_bounded_like_a_line)
{
	char line[2048] = "{\"type\":\"function_call\",\"call_id\":\"f\",\"name\":\"tool\","
			  "\"arguments\":\"{\\\"a\\\":";
	size_t len = strlen(line);

	memset(line + len, '[', 200);
	(void)snprintf(line + len + 200, sizeof(line) - len - 200, "\"}");
	cr_assert_str_eq(
		driver_ask(&driver, line),
		OUTPUT("f", "the arguments are JSON nested deeper than 128 levels at byte 133"));
	cr_assert_eq(driver.n_started, 0);
}

Test(model, native_cancel_lines_reach_these_calls_too)
{
	driver.hold = true;
	cr_assert_str_eq(driver_ask(&driver,
				    "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"tool\"}"),
			 "");
	cr_assert_str_eq(driver_ask(&driver, "{\"type\":\"cancel\",\"id\":\"t\"}"), "");
	cr_assert_eq(driver.n_cancelled, 1);
	driver_answer(&driver, "stopped", "cancelled");
	cr_assert_str_eq(driver_take(&driver), USED("t", "cancelled", "true"));
}
