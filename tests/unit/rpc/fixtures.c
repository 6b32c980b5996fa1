/*
 * Theory of operation: the conformance suite judges the fixtures (tests/conformance); here is what
 * it cannot see: that they are not there without the flag, and what happens to questions left
 * open.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

#define CALL(id, name)                    \
	"{\"jsonrpc\":\"2.0\",\"id\":" id \
	",\"method\":\"tools/call\",\"params\":{\"name\":\"" name "\"}}"
#define ROUND(id, name, more)                                                       \
	"{\"jsonrpc\":\"2.0\",\"id\":" id                                           \
	",\"method\":\"tools/call\",\"params\":{\"name\":\"" name                   \
	"\",\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
	"\"io.modelcontextprotocol/clientCapabilities\":{\"elicitation\":{}}}" more "}}"

Test(fixtures, are_not_there_without_the_flag)
{
	static const struct {
		const char *line;
		const char *code;
	} rows[] = {
		{CALL("1", "test_simple_text"), "-32602"},
		{CALL("1", "test_sampling"), "-32602"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"prompts/list\"}", "-32601"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"prompts/get\"}", "-32601"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"completion/complete\"}", "-32601"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/subscribe\"}", "-32601"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/read\",\"params\":{\"uri\":"
		 "\"test://static-text\"}}",
		 "-32002"},
	};
	struct driver driver;

	driver_init(&driver, false);
	driver_initialize(&driver, "2025-11-25");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_not_null(strstr(driver_ask(&driver, rows[i].line), rows[i].code),
				   "row %zu", i);
	cr_expect_null(strstr(driver_ask(&driver, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":"
						  "\"tools/list\"}"),
			      "test_"));
	cr_expect_null(strstr(driver_ask(&driver, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":"
						  "\"resources/list\"}"),
			      "test:"));
	driver_fini(&driver);
}

Test(fixtures, ask_the_driver_and_answer_when_it_does)
{
	struct driver driver;

	driver_init(&driver, true);
	driver_initialize(&driver, "2025-11-25");
	cr_assert_not_null(strstr(driver_ask(&driver, CALL("\"q\"", "test_elicitation")),
				  "\"id\":\"ask-1\",\"method\":\"elicitation/create\""));
	cr_assert_str_eq(driver_ask(&driver,
				    "{\"jsonrpc\":\"2.0\",\"id\":\"ask-9\",\"result\":{}}"),
			 "");
	cr_assert_str_eq(
		driver_ask(&driver, "{\"jsonrpc\":\"2.0\",\"id\":\"ask-1\",\"result\":{"
				    "\"action\":\"accept\",\"content\":{\"a\":1}}}"),
		"{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"result\":{\"content\":[{\"type\":\"text\","
		"\"text\":\"Elicitation completed: action=accept, content={\\\"a\\\":1}\"}]}}\n");
	cr_assert_str_eq(driver_ask(&driver,
				    "{\"jsonrpc\":\"2.0\",\"id\":\"ask-1\",\"result\":{}}"),
			 "", "a question is answered once");
	driver_fini(&driver);
}

Test(fixtures, forget_a_question_that_is_cancelled_or_left_open)
{
	struct driver driver;

	driver_init(&driver, true);
	driver_initialize(&driver, "2025-11-25");
	(void)driver_ask(&driver, CALL("1", "test_sampling"));
	(void)driver_ask(&driver, CALL("2", "test_sampling"));
	cr_assert_str_eq(driver_ask(&driver, "{\"jsonrpc\":\"2.0\",\"method\":"
					     "\"notifications/cancelled\",\"params\":{"
					     "\"requestId\":1}}"),
			 "");
	cr_assert_str_eq(driver_ask(&driver,
				    "{\"jsonrpc\":\"2.0\",\"id\":\"ask-1\",\"result\":{}}"),
			 "");
	cr_assert_eq(rpc_end(driver.rpc), 0);
	cr_assert_str_eq(driver_take(&driver), "");
	driver_fini(&driver);
}

Test(fixtures, accept_only_their_own_states)
{
	struct driver driver;
	json_t *asked;
	const char *state;
	char line[1024];

	driver_init(&driver, true);
	asked = json_loads(driver_ask(&driver,
				      ROUND("1", "test_input_required_result_tampered_state", "")),
			   0, NULL);
	state = json_string_value(
		json_object_get(json_object_get(asked, "result"), "requestState"));
	cr_assert_not_null(state);
	(void)snprintf(line, sizeof(line),
		       ROUND("2", "test_input_required_result_tampered_state",
			     ",\"inputResponses\":{\"confirm\":{}},\"requestState\":\"%s\""),
		       state);
	cr_assert_not_null(strstr(driver_ask(&driver, line), "integrity-ok"));
	(void)snprintf(line, sizeof(line),
		       ROUND("2", "test_input_required_result_request_state",
			     ",\"inputResponses\":{\"confirm\":{}},\"requestState\":\"%s\""),
		       state);
	cr_assert_not_null(strstr(driver_ask(&driver, line), "-32602"), "the state of another");
	cr_assert_not_null(
		strstr(driver_ask(&driver, ROUND("2", "test_input_required_result_tampered_state",
						 ",\"requestState\":7")),
		       "-32602"));
	json_decref(asked);
	driver_fini(&driver);
}
