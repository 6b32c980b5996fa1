/* Questions for the person, by the two ways that MCP has, and answers that are none. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

#define CALL(id)                          \
	"{\"jsonrpc\":\"2.0\",\"id\":" id \
	",\"method\":\"tools/call\",\"params\":{\"name\":\"tool\"}}"
#define MODERN_CALL(id, capabilities, more)                                      \
	"{\"jsonrpc\":\"2.0\",\"id\":" id                                        \
	",\"method\":\"tools/call\",\"params\":{\"name\":\"tool\","              \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
	"\"io.modelcontextprotocol/clientCapabilities\":" capabilities "}" more "}}"
#define FORM "{\"elicitation\":{\"form\":{}}}"

static struct driver driver;

static void set_up(void)
{
	driver_init(&driver, false);
	driver.hold = true;
}

static void tear_down(void)
{
	driver_fini(&driver);
}

TestSuite(elicit, .init = set_up, .fini = tear_down);

static void initialize(const char *version, const char *capabilities)
{
	char line[512];

	(void)snprintf(line, sizeof(line),
		       "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":"
		       "{\"protocolVersion\":\"%s\",\"capabilities\":%s}}",
		       version, capabilities);
	(void)driver_ask(&driver, line);
}

static json_t *schema(void)
{
	return json_pack("{s:s}", "type", "object");
}

/* The question about call @n; the id of a legacy one is copied to @ret_id. */
static const char *ask(size_t n, char ret_id[64])
{
	const char *sent;
	json_t *line;

	cr_assert_eq(rpc_call_ask(driver.calls[n], "May it?", schema(), "state-1"), 0);
	sent = driver_take(&driver);
	if (!ret_id)
		return sent;
	line = json_loads(sent, JSON_DISABLE_EOF_CHECK, NULL);
	(void)snprintf(ret_id, 64, "%s", json_string_value(json_object_get(line, "id")));
	json_decref(line);
	return sent;
}

static const char *respond(const char *id, const char *rest)
{
	char line[512];

	(void)snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",%s}", id, rest);
	return driver_ask(&driver, line);
}

Test(elicit, who_can_be_asked_follows_from_era_version_and_capability)
{
	static const struct {
		const char *version;
		const char *capabilities;
		enum rpc_ask how;
	} rows[] = {
		{"2025-11-25", FORM, RPC_ASK_NOW},
		{"2025-06-18", FORM, RPC_ASK_NOW},
		{"2025-06-18", "{\"elicitation\":{}}", RPC_ASK_NOW},
		{"2025-11-25", "{\"elicitation\":{\"url\":{}}}", RPC_ASK_NOT},
		{"2025-11-25", "{\"elicitation\":true}", RPC_ASK_NOT},
		{"2025-11-25", "{\"elicitation\":{\"form\":true}}", RPC_ASK_NOT},
		{"2025-11-25", "{\"sampling\":{}}", RPC_ASK_NOT},
		{"2025-11-25", "{}", RPC_ASK_NOT},
		{"2025-11-25", "[]", RPC_ASK_NOT},
		{"2025-03-26", FORM, RPC_ASK_NOT},
		{"2024-11-05", FORM, RPC_ASK_NOT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		initialize(rows[i].version, rows[i].capabilities);
		(void)driver_ask(&driver, CALL("1"));
		cr_expect_eq(rpc_call_ask_how(driver.calls[0]), rows[i].how, "row %zu", i);
		driver_answer(&driver, "ok", "");
		(void)driver_take(&driver);
	}
}

Test(elicit, modern_requests_say_it_each_for_themselves)
{
	(void)driver_ask(&driver, MODERN_CALL("1", "{}", ""));
	(void)driver_ask(&driver, MODERN_CALL("2", FORM, ""));
	(void)driver_ask(&driver, "{\"id\":3,\"tool\":\"tool\"}");
	cr_expect_eq(rpc_call_ask_how(driver.calls[0]), RPC_ASK_NOT);
	cr_expect_eq(rpc_call_ask_how(driver.calls[1]), RPC_ASK_AGAIN);
	cr_expect_eq(rpc_call_ask_how(driver.calls[2]), RPC_ASK_NOT);
}

Test(elicit, a_legacy_question_is_a_request_with_an_id_of_its_own)
{
	char id[64];
	char other[64];
	const char *sent;

	initialize("2025-11-25", FORM);
	(void)driver_ask(&driver, CALL("1"));
	(void)driver_ask(&driver, CALL("2"));
	sent = ask(0, id);
	cr_assert_not_null(strstr(sent, "\"method\":\"elicitation/create\",\"params\":{\"mode\":"
					"\"form\",\"message\":\"May it?\",\"requestedSchema\":"
					"{\"type\":\"object\"}}"),
			   "%s", sent);
	(void)ask(1, other);
	cr_assert_eq(strlen(id), 36);
	cr_assert_str_neq(id, other);
	cr_assert_str_eq(respond(other, "\"result\":{\"action\":\"decline\"}"), "");
	cr_assert_str_eq(driver.answered, "decline");
	cr_assert_str_eq(respond(id, "\"result\":{\"action\":\"accept\",\"content\":{\"a\":1}}"),
			 "");
	cr_assert_str_eq(driver.answered, "accept {\"a\":1}");
	cr_assert_eq(driver.n_answered, 2);
}

Test(elicit, the_first_version_has_no_modes)
{
	initialize("2025-06-18", FORM);
	(void)driver_ask(&driver, CALL("1"));
	cr_assert_null(strstr(ask(0, NULL), "\"mode\""));
}

Test(elicit, answers_are_read_strictly)
{
	static const struct {
		const char *rest;
		const char *answered;
	} rows[] = {
		{"\"result\":{\"action\":\"cancel\"}", "cancel"},
		{"\"result\":{\"action\":\"decline\",\"content\":{}}", "decline {}"},
		{"\"result\":{\"action\":\"accept\"}", "malformed"},
		{"\"result\":{\"action\":\"accept\",\"content\":null}", "malformed"},
		{"\"result\":{\"action\":\"accept\",\"content\":[]}", "malformed"},
		{"\"result\":{\"action\":\"Accept\",\"content\":{}}", "malformed"},
		{"\"result\":{\"action\":\"accept\\u0000\",\"content\":{}}", "malformed"},
		{"\"result\":{\"action\":true}", "malformed"},
		{"\"result\":{}", "malformed"},
		{"\"result\":\"accept\"", "malformed"},
		{"\"result\":null", "malformed"},
		{"\"error\":{\"code\":-32601,\"message\":\"no\"}", "malformed"},
		{"\"error\":1,\"result\":{\"action\":\"accept\",\"content\":{}}", "malformed"},
	};

	initialize("2025-11-25", FORM);
	(void)driver_ask(&driver, CALL("1"));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char id[64];

		(void)ask(0, id);
		(void)respond(id, rows[i].rest);
		cr_expect_str_eq(driver.answered, rows[i].answered, "row %zu", i);
		cr_expect_eq(driver.n_answered, i + 1, "row %zu", i);
	}
}

Test(elicit, an_answer_to_nothing_is_noted_and_changes_nothing)
{
	static const char yes[] = "\"result\":{\"action\":\"accept\",\"content\":{}}";
	char id[64];

	initialize("2025-11-25", FORM);
	(void)driver_ask(&driver, CALL("1"));
	cr_expect_not_null(strstr(respond("ask-1", yes), "\"level\":\"warning\""));
	(void)ask(0, id);
	cr_expect_not_null(strstr(respond("ask-1", yes), "ignored"));
	cr_expect_eq(driver.n_answered, 0);
	(void)respond(id, yes);
	cr_expect_eq(driver.n_answered, 1);
	cr_expect_not_null(strstr(respond(id, yes), "ignored"));
	cr_expect_eq(driver.n_answered, 1);
}

Test(elicit, a_question_that_is_taken_back_takes_no_answer)
{
	char id[64];
	char want[160];

	initialize("2025-11-25", FORM);
	(void)driver_ask(&driver, CALL("1"));
	(void)ask(0, id);
	rpc_call_ask_end(driver.calls[0]);
	(void)snprintf(want, sizeof(want),
		       "\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":\"%s\"",
		       id);
	cr_assert_not_null(strstr(driver_take(&driver), want));
	rpc_call_ask_end(driver.calls[0]);
	cr_assert_str_eq(driver_take(&driver), "");
	(void)respond(id, "\"result\":{\"action\":\"accept\",\"content\":{}}");
	cr_assert_eq(driver.n_answered, 0);
}

Test(elicit, a_call_that_ends_takes_its_question_back)
{
	char id[64];
	const char *sent;

	initialize("2025-11-25", FORM);
	(void)driver_ask(&driver, CALL("1"));
	(void)ask(0, id);
	driver_answer(&driver, "refused", "no");
	sent = driver_take(&driver);
	cr_assert_not_null(strstr(sent, "notifications/cancelled"), "%s", sent);
	cr_assert_not_null(strstr(sent, "\"id\":1,\"result\""), "%s", sent);
}

Test(elicit, a_modern_question_is_the_answer_and_comes_again)
{
	struct rpc_answer given;
	const char *sent;
	char shown[64];

	(void)driver_ask(&driver, MODERN_CALL("1", FORM, ""));
	cr_assert_null(rpc_call_state(driver.calls[0], &given));
	sent = ask(0, NULL);
	cr_assert_not_null(strstr(sent, "\"id\":1,\"result\":{\"resultType\":\"input_required\","
					"\"inputRequests\":{\"consent\":{\"method\":"
					"\"elicitation/create\",\"params\":{\"mode\":\"form\""),
			   "%s", sent);
	cr_assert_not_null(strstr(sent, "\"requestState\":\"state-1\""), "%s", sent);
	driver.n_calls = 0; /* it is gone */
	(void)driver_ask(
		&driver,
		MODERN_CALL("2", FORM,
			    ",\"requestState\":\"state-1\",\"inputResponses\":{\"consent\":"
			    "{\"action\":\"accept\",\"content\":{\"call\":\"once\"}}}"));
	cr_assert_str_eq(rpc_call_state(driver.calls[0], &given), "state-1");
	driver_show(&given, shown, sizeof(shown));
	cr_assert_str_eq(shown, "accept {\"call\":\"once\"}");
}

Test(elicit, a_modern_answer_without_state_or_without_answer_is_none)
{
	static const struct {
		const char *more;
		const char *state;
		const char *shown;
	} rows[] = {
		{",\"requestState\":\"s\"", "s", "unanswered"},
		{",\"requestState\":\"s\",\"inputResponses\":{}", "s", "unanswered"},
		{",\"requestState\":\"s\",\"inputResponses\":{\"other\":{\"action\":\"accept\"}}",
		 "s", "unanswered"},
		{",\"requestState\":\"s\",\"inputResponses\":{\"consent\":true}", "s", "malformed"},
		{",\"requestState\":7,\"inputResponses\":{\"consent\":{\"action\":\"decline\"}}",
		 "", "decline"},
		{",\"requestState\":\"s\\u0000\",\"inputResponses\":{\"consent\":{\"action\":"
		 "\"cancel\"}}",
		 "", "cancel"},
		{",\"inputResponses\":{\"consent\":{\"action\":\"decline\"}}", "", "decline"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rpc_answer given;
		char line[512];
		char shown[64];

		(void)snprintf(line, sizeof(line), MODERN_CALL("%zu", FORM, "%s"), i, rows[i].more);
		(void)driver_ask(&driver, line);
		cr_expect_str_eq(rpc_call_state(driver.calls[i], &given), rows[i].state, "row %zu",
				 i);
		driver_show(&given, shown, sizeof(shown));
		cr_expect_str_eq(shown, rows[i].shown, "row %zu", i);
	}
	cr_expect_not_null(
		strstr(driver_ask(&driver, MODERN_CALL("99", FORM, ",\"inputResponses\":[]")),
		       "\"code\":-32602"));
	cr_expect_eq(driver.n_calls, ARRAY_SIZE(rows));
}

Test(elicit, a_legacy_request_cannot_bring_an_answer)
{
	struct rpc_answer given;

	initialize("2025-11-25", FORM);
	(void)driver_ask(&driver,
			 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":"
			 "{\"name\":\"tool\",\"requestState\":\"s\",\"inputResponses\":"
			 "{\"consent\":{\"action\":\"accept\",\"content\":{}}}}}");
	cr_assert_null(rpc_call_state(driver.calls[0], &given));
}
