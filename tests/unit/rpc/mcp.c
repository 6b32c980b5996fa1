/* Theory of operation: golden lines of MCP, both eras; one process is one session, as for hosts. */
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

TestSuite(mcp, .init = setup, .fini = teardown);

#define REQUEST(id, method) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\""
#define CALL(id, params) REQUEST(id, "tools/call") ",\"params\":{" params "}}"
#define MODERN_CALL(id, params) CALL(id, params ",\"_meta\":{" MODERN "}")
#define RESULT(id, members) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{" members "}}\n"
#define ERROR(id, code, text)                                                                 \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" text \
	"\"}}\n"
#define CONTENT(call, status, text, is_error)                                    \
	"\"content\":[{\"type\":\"text\",\"text\":\"" text                       \
	"\"}],\"structuredContent\":{\"call\":\"" call "\",\"status\":\"" status \
	"\"},\"isError\":" is_error
#define COMPLETE "\"resultType\":\"complete\",\"_meta\":{" SERVER_META "}"
#define CACHE "\"ttlMs\":0,\"cacheScope\":\"private\","

Test(mcp, initialize_echoes_known_versions_and_offers_the_newest_for_others)
{
	static const struct {
		const char *wish;
		const char *got;
	} rows[] = {
		{"2025-11-25", "2025-11-25"}, {"2025-06-18", "2025-06-18"},
		{"2025-03-26", "2025-03-26"}, {"2024-11-05", "2024-11-05"},
		{"2026-07-28", "2025-11-25"}, {"1999-01-01", "2025-11-25"},
		{"", "2025-11-25"},
	};
	char line[256];
	char want[512];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		(void)snprintf(line, sizeof(line),
			       REQUEST("0",
				       "initialize") ",\"params\":{\"protocolVersion\":\"%s\"}}",
			       rows[i].wish);
		(void)snprintf(want, sizeof(want),
			       RESULT("0",
				      "\"protocolVersion\":\"%s\",\"capabilities\":{\"tools\":{"
				      "\"listChanged\":false},\"resources\":{},\"logging\":{}},"
				      "\"serverInfo\":{\"name\":\"toolcell\",\"title\":"
				      "\"toolcell\",\"version\":\"1\"}"),
			       rows[i].got);
		cr_expect_str_eq(driver_ask(&driver, line), want, "row %zu", i);
	}
}

Test(mcp, refuses_wrong_envelopes_with_their_id)
{
	static const struct driver_row rows[] = {
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}",
		 ERROR("1", "-32600", "\\\"jsonrpc\\\" must be \\\"2.0\\\"")},
		{"{\"id\":1,\"method\":\"ping\"}",
		 ERROR("1", "-32600", "a request needs \\\"jsonrpc\\\": \\\"2.0\\\"")},
		{"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
		 ERROR("null", "-32600",
		       "\\\"id\\\" must be a string of at most 1024 bytes or an integer")},
		{"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
		 ERROR("null", "-32600",
		       "\\\"id\\\" must be a string of at most 1024 bytes or an integer")},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"x\"}",
		 ERROR("\"x\"", "-32600", "\\\"method\\\" must be a string without NUL")},
		{"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"pi\\u0000ng\"}",
		 ERROR("2", "-32600", "\\\"method\\\" must be a string without NUL")},
		{"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\",\"params\":[1]}",
		 ERROR("2", "-32602", "\\\"params\\\" must be an object")},
		{"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\",\"params\":{\"_meta\":1}}",
		 ERROR("2", "-32602", "params._meta must be an object")},
		{REQUEST("3", "initialize") ",\"params\":{}}",
		 ERROR("3", "-32602", "params.protocolVersion must be a string without NUL")},
		{REQUEST("3", "initialize") "}",
		 ERROR("3", "-32602", "params.protocolVersion must be a string without NUL")},
		{"{\"jsonrpc\":\"2.0\"",
		 ERROR("null", "-32700",
		       "not valid JSON at byte 16: '}' expected near end of file")},
		{"garbage",
		 ERROR("null", "-32700", "not valid JSON at byte 7: invalid token near 'garbage'")},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

Test(mcp, before_initialize_there_is_only_ping)
{
	static const struct driver_row rows[] = {
		{REQUEST("1", "ping") "}", RESULT("1", "")},
		{REQUEST("2", "tools/list") "}", ERROR("2", "-32600",
						       "send \\\"initialize\\\" first, or name the "
						       "protocol version in params._meta")},
		{REQUEST("3", "no/such") "}", ERROR("3", "-32600",
						    "send \\\"initialize\\\" first, or name the "
						    "protocol version in params._meta")},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", ""},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"what/ever\"}", ""},
		{"{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{}}", ""},
		{"{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":1,\"message\":\"\"}}", ""},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

Test(mcp, a_legacy_session_lists_and_calls)
{
	static const struct driver_row rows[] = {
		{REQUEST("1", "tools/list") "}",
		 RESULT("1", "\"tools\":[{\"name\":\"tool\",\"description\":\"A tool\","
			     "\"inputSchema\":{\"type\":\"object\"}," RESULT_CHARS "}]")},
		{CALL("\"s\"", "\"name\":\"tool\",\"arguments\":{\"a\":1}"),
		 RESULT("\"s\"", CONTENT("c-1", "ok", "{\\\"a\\\":1}", "false"))},
		{CALL("2", "\"name\":\"tool\""), RESULT("2", CONTENT("c-2", "ok", "{}", "false"))},
		{CALL("3", "\"name\":\"what\\n\""),
		 ERROR("3", "-32602", "Unknown tool: what\\\\x0a")},
		{CALL("3", "\"name\":7"),
		 ERROR("3", "-32602", "params.name must be a string without NUL")},
		{CALL("3", "\"name\":\"tool\",\"arguments\":null"),
		 ERROR("3", "-32602", "params.arguments must be an object")},
		{CALL("3", "\"name\":\"tool\",\"_meta\":{\"progressToken\":1.5}"),
		 ERROR("3", "-32602", "a progressToken must be a string or an integer")},
		{REQUEST("4", "no/such") "}", ERROR("4", "-32601", "Method not found: no/such")},
		{REQUEST("4", "prompts/list") "}",
		 ERROR("4", "-32601", "Method not found: prompts/list")},
		{REQUEST("4", "resources/templates/list") "}",
		 RESULT("4", "\"resourceTemplates\":[]")},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"tool\"}}",
		 ""},
	};

	driver_initialize(&driver, "2025-11-25");
	driver_check(&driver, rows, ARRAY_SIZE(rows));
	cr_assert_eq(driver.n_started, 2);
}

Test(mcp, is_error_says_that_the_tool_did_not_run_to_an_end)
{
	static const struct {
		const char *status;
		const char *is_error;
	} rows[] = {
		{"ok", "\"isError\":false"},	 {"failed", "\"isError\":false"},
		{"refused", "\"isError\":true"}, {"stopped", "\"isError\":true"},
		{"error", "\"isError\":true"},
	};

	driver_initialize(&driver, "2025-06-18");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		driver.status = rows[i].status;
		cr_expect_not_null(strstr(driver_ask(&driver, CALL("1", "\"name\":\"tool\"")),
					  rows[i].is_error),
				   "%s", rows[i].status);
	}
}

Test(mcp, the_modern_era_needs_no_session_but_its_metadata)
{
	static const struct driver_row rows[] = {
		{REQUEST("1", "server/discover") ",\"params\":{\"_meta\":{" MODERN "}}}",
		 RESULT("1",
			"\"supportedVersions\":[\"2026-07-28\",\"2025-11-25\",\"2025-06-18\","
			"\"2025-03-26\",\"2024-11-05\"],\"capabilities\":{\"tools\":{"
			"\"listChanged\":false},\"resources\":{},\"logging\":{}}," CACHE COMPLETE)},
		{REQUEST("2", "tools/list") ",\"params\":{\"_meta\":{" MODERN "}}}",
		 RESULT("2", "\"tools\":[{\"name\":\"tool\",\"description\":\"A tool\","
			     "\"inputSchema\":{\"type\":\"object\"}," RESULT_CHARS
			     "}]," CACHE COMPLETE)},
		{MODERN_CALL("3", "\"name\":\"tool\""),
		 RESULT("3", CONTENT("c-1", "ok", "{}", "false") "," COMPLETE)},
		{REQUEST("4", "server/discover") "}",
		 ERROR("4", "-32602",
		       "params._meta needs a string "
		       "\\\"io.modelcontextprotocol/protocolVersion\\\"")},
		{REQUEST("4", "tools/list") ",\"params\":{\"_meta\":{"
					    "\"io.modelcontextprotocol/clientCapabilities\":{}}}}",
		 ERROR("4", "-32602",
		       "params._meta needs a string "
		       "\\\"io.modelcontextprotocol/protocolVersion\\\"")},
		{REQUEST("4", "tools/list") ",\"params\":{\"_meta\":{"
					    "\"io.modelcontextprotocol/"
					    "protocolVersion\":\"2026-07-28\"}}}",
		 ERROR("4", "-32602",
		       "params._meta needs an object "
		       "\\\"io.modelcontextprotocol/clientCapabilities\\\"")},
		{REQUEST("4", "tools/list") ",\"params\":{\"_meta\":{"
					    "\"io.modelcontextprotocol/"
					    "protocolVersion\":\"2030-01-01\"}}}",
		 "{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":-32022,\"message\":"
		 "\"Unsupported protocol version\",\"data\":{\"supported\":[\"2026-07-28\"],"
		 "\"requested\":\"2030-01-01\"}}}\n"},
		{REQUEST("4", "tools/list") ",\"params\":{\"_meta\":{" MODERN
					    ",\"io.modelcontextprotocol/logLevel\":\"loud\"}}}",
		 ERROR("4", "-32602",
		       "\\\"io.modelcontextprotocol/logLevel\\\" must be a log level, "
		       "\\\"debug\\\" to \\\"emergency\\\"")},
		{REQUEST("5", "ping") ",\"params\":{\"_meta\":{" MODERN "}}}",
		 ERROR("5", "-32601", "Method not found: ping")},
		{REQUEST("5", "initialize") ",\"params\":{\"_meta\":{" MODERN "}}}",
		 ERROR("5", "-32601", "Method not found: initialize")},
		{REQUEST("5", "logging/setLevel") ",\"params\":{\"_meta\":{" MODERN "}}}",
		 ERROR("5", "-32601", "Method not found: logging/setLevel")},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

Test(mcp, both_eras_live_on_one_connection)
{
	driver_initialize(&driver, "2025-06-18");
	cr_assert_str_eq(driver_ask(&driver, MODERN_CALL("1", "\"name\":\"tool\"")),
			 RESULT("1", CONTENT("c-1", "ok", "{}", "false") "," COMPLETE));
	cr_assert_str_eq(driver_ask(&driver, CALL("1", "\"name\":\"tool\"")),
			 RESULT("1", CONTENT("c-2", "ok", "{}", "false")));
	cr_assert_str_eq(driver_ask(&driver, REQUEST("2", "ping") "}"), RESULT("2", ""));
	cr_assert_not_null(
		strstr(driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\"}"), "\"result\""));
}

Test(mcp, ids_in_flight_are_refused_across_eras_and_kinds)
{
	driver.hold = true;
	driver_initialize(&driver, "2025-11-25");
	cr_assert_str_eq(driver_ask(&driver, CALL("1", "\"name\":\"tool\"")), "");
	cr_assert_str_eq(driver_ask(&driver, CALL("1", "\"name\":\"tool\"")),
			 ERROR("1", "-32600", "a request with this id is in flight"));
	cr_assert_str_eq(driver_ask(&driver, MODERN_CALL("1", "\"name\":\"tool\"")),
			 ERROR("1", "-32600", "a request with this id is in flight"));
	cr_assert_str_eq(driver_ask(&driver, REQUEST("1", "ping") "}"),
			 ERROR("1", "-32600", "a request with this id is in flight"));
	cr_assert_str_eq(driver_ask(&driver, CALL("\"1\"", "\"name\":\"tool\"")), "");
	cr_assert_str_eq(driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\"}"), "",
			 "the plain dialect has ids of its own");
	cr_assert_eq(driver.n_started, 3);
}

Test(mcp, nothing_is_sent_for_a_cancelled_call)
{
	static const char cancel[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
				     "\"params\":{\"requestId\":1,\"reason\":\"enough\"}}";

	driver.hold = true;
	driver_initialize(&driver, "2025-11-25");
	(void)driver_ask(&driver,
			 CALL("1", "\"name\":\"tool\",\"_meta\":{\"progressToken\":\"p\"}"));
	cr_assert_str_eq(driver_ask(&driver, cancel), "");
	cr_assert_eq(driver.n_cancelled, 1);
	cr_assert_str_eq(driver.reason, "enough");
	cr_assert_not(rpc_call_wants_progress(driver.calls[0]));
	rpc_call_progress(driver.calls[0], "late");
	cr_assert_str_eq(driver_ask(&driver, cancel), "", "a second cancel is of an unknown id");
	cr_assert_eq(driver.n_cancelled, 1);
	driver_answer(&driver, "stopped", "cancelled");
	cr_assert_str_eq(driver_take(&driver), "");
	cr_assert_str_eq(driver_ask(&driver, cancel), "");
}

Test(mcp, cancels_that_make_no_sense_are_silent)
{
	static const struct driver_row rows[] = {
		{"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}", ""},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":[]}", ""},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
		 "\"requestId\":{}}}",
		 ""},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
		 "\"requestId\":\"unknown\"}}",
		 ""},
	};

	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

Test(mcp, progress_carries_the_token_and_increases)
{
	driver.hold = true;
	(void)driver_ask(&driver,
			 CALL("1", "\"name\":\"tool\",\"_meta\":{" MODERN ",\"progressToken\":7}"));
	rpc_call_progress(driver.calls[0], "a");
	rpc_call_progress(driver.calls[0], "b");
	cr_assert_str_eq(driver_take(&driver),
			 "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			 "\"progressToken\":7,\"progress\":1,\"message\":\"a\"}}\n"
			 "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			 "\"progressToken\":7,\"progress\":2,\"message\":\"b\"}}\n");
	(void)driver_ask(&driver, MODERN_CALL("2", "\"name\":\"tool\""));
	cr_assert_not(rpc_call_wants_progress(driver.calls[1]), "no token, no progress");
	rpc_call_progress(driver.calls[1], "x");
	cr_assert_str_eq(driver_take(&driver), "");
}

static void add_tools(size_t n)
{
	char name[32];

	for (size_t i = 1; i < n; i++) {
		(void)snprintf(name, sizeof(name), "tool%zu", i);
		json_array_append_new(driver.tools, json_pack("{s:s, s:{s:s}}", "name", name,
							      "inputSchema", "type", "object"));
	}
}

/* How many tools a page has, and its cursor (or "") in @next. */
static size_t ask_page(const char *line, char *next, size_t cap)
{
	json_t *answer = json_loads(driver_ask(&driver, line), 0, NULL);
	json_t *result = json_object_get(answer, "result");
	const char *cursor = json_string_value(json_object_get(result, "nextCursor"));
	size_t n = json_array_size(json_object_get(result, "tools"));

	(void)snprintf(next, cap, "%s", cursor ? cursor : "");
	json_decref(answer);
	return n;
}

Test(mcp, lists_come_in_pages)
{
	char next[32];

	add_tools(101);
	driver_initialize(&driver, "2025-11-25");
	cr_assert_eq(ask_page(REQUEST("1", "tools/list") "}", next, sizeof(next)), 50);
	cr_assert_str_eq(next, "tools.50");
	cr_assert_eq(ask_page(REQUEST("2", "tools/list") ",\"params\":{\"cursor\":\"tools.100\"}}",
			      next, sizeof(next)),
		     1);
	cr_assert_str_eq(next, "");
}

Test(mcp, a_cursor_that_was_not_given_out_is_refused)
{
	static const char *const cursors[] = {
		"\"\"",
		"\"tools.0\"",
		"\"tools.7\"",
		"\"tools.150\"",
		"\"tools.50x\"",
		"\"resources.50\"",
		"\"tools\"",
		"50",
		"null",
		"\"tools.-50\"",
		"\"tools.99999999999999999999\"",
	};
	char line[256];

	add_tools(101);
	driver_initialize(&driver, "2025-11-25");
	for (size_t i = 0; i < ARRAY_SIZE(cursors); i++) {
		(void)snprintf(line, sizeof(line),
			       REQUEST("1", "tools/list") ",\"params\":{\"cursor\":%s}}",
			       cursors[i]);
		cr_expect_str_eq(driver_ask(&driver, line),
				 ERROR("1", "-32602",
				       "params.cursor is not one that this list gave out"),
				 "%s", cursors[i]);
	}
}

Test(mcp, resources_are_text_or_base64)
{
	static const struct driver_row rows[] = {
		{REQUEST("1", "resources/list") "}",
		 RESULT("1", "\"resources\":[{\"uri\":\"toolcell://out/1\",\"name\":"
			     "\"stdout of c-1\"}]")},
		{REQUEST("2", "resources/read") ",\"params\":{\"uri\":\"toolcell://text\"}}",
		 RESULT("2",
			"\"contents\":[{\"uri\":\"toolcell://text\",\"mimeType\":\"text/plain\","
			"\"text\":\"caf\xc3\xa9\\n\"}]")},
		{REQUEST("2", "resources/read") ",\"params\":{\"uri\":\"toolcell://bytes\"}}",
		 RESULT("2", "\"contents\":[{\"uri\":\"toolcell://bytes\",\"mimeType\":"
			     "\"text/plain\",\"blob\":\"/wB6\"}]")},
		{REQUEST("2", "resources/read") ",\"params\":{\"uri\":\"toolcell://image\"}}",
		 RESULT("2",
			"\"contents\":[{\"uri\":\"toolcell://image\",\"mimeType\":\"image/png\","
			"\"blob\":\"YWI=\"}]")},
		{REQUEST("2", "resources/read") ",\"params\":{\"uri\":\"toolcell://empty\"}}",
		 RESULT("2", "\"contents\":[{\"uri\":\"toolcell://empty\",\"mimeType\":"
			     "\"text/plain\",\"text\":\"\"}]")},
		{REQUEST("3", "resources/read") ",\"params\":{\"uri\":\"toolcell://none\"}}",
		 "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32002,\"message\":"
		 "\"Resource not found\",\"data\":{\"uri\":\"toolcell://none\"}}}\n"},
		{REQUEST("3", "resources/read") ",\"params\":{\"uri\":\"toolcell://"
						"none\",\"_meta\":{" MODERN "}}}",
		 "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32602,\"message\":"
		 "\"Resource not found\",\"data\":{\"uri\":\"toolcell://none\"}}}\n"},
		{REQUEST("3", "resources/read") ",\"params\":{\"uri\":\"toolcell://broken\"}}",
		 ERROR("3", "-32603",
		       "cannot read the resource: read spill file: Input/output error")},
		{REQUEST("3", "resources/read") ",\"params\":{}}",
		 ERROR("3", "-32602", "params.uri must be a string without NUL")},
	};

	driver_initialize(&driver, "2025-11-25");
	driver_check(&driver, rows, ARRAY_SIZE(rows));
}

#define LOG(level, text)                                                                           \
	"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"" level \
	"\",\"logger\":\"toolcell\",\"data\":\"" text "\"}}\n"

Test(mcp, log_messages_come_at_the_level_of_the_session)
{
	json_t *data = json_string("hi");

	rpc_log(driver.rpc, "error", data);
	cr_assert_str_eq(driver_take(&driver), "", "nobody is there to hear it");
	driver_initialize(&driver, "2025-06-18");
	rpc_log(driver.rpc, "debug", data);
	cr_assert_str_eq(driver_take(&driver), "");
	rpc_log(driver.rpc, "info", data);
	cr_assert_str_eq(driver_take(&driver), LOG("info", "hi"));
	cr_assert_str_eq(
		driver_ask(&driver,
			   REQUEST("1", "logging/setLevel") ",\"params\":{\"level\":\"error\"}}"),
		RESULT("1", ""));
	rpc_log(driver.rpc, "warning", data);
	cr_assert_str_eq(driver_take(&driver), "");
	rpc_log(driver.rpc, "error", data);
	cr_assert_str_eq(driver_take(&driver), LOG("error", "hi"));
	rpc_log(driver.rpc, "nonsense", data);
	cr_assert_str_eq(driver_take(&driver), "");
	cr_assert_str_eq(
		driver_ask(&driver,
			   REQUEST("1", "logging/setLevel") ",\"params\":{\"level\":\"loud\"}}"),
		ERROR("1", "-32602",
		      "params.level must be a log level, "
		      "\\\"debug\\\" to \\\"emergency\\\""));
	json_decref(data);
}

Test(mcp, modern_log_messages_come_only_while_a_request_wants_them)
{
	json_t *data = json_string("hi");

	driver.hold = true;
	(void)driver_ask(&driver, MODERN_CALL("1", "\"name\":\"tool\""));
	rpc_log(driver.rpc, "emergency", data);
	cr_assert_str_eq(driver_take(&driver), "");
	(void)driver_ask(&driver, CALL("2", "\"name\":\"tool\",\"_meta\":{" MODERN
					    ",\"io.modelcontextprotocol/logLevel\":\"notice\"}"));
	rpc_log(driver.rpc, "info", data);
	cr_assert_str_eq(driver_take(&driver), "");
	rpc_log(driver.rpc, "notice", data);
	cr_assert_str_eq(driver_take(&driver), LOG("notice", "hi"));
	driver_answer(&driver, "ok", "");
	driver_answer(&driver, "ok", "");
	(void)driver_take(&driver);
	rpc_log(driver.rpc, "notice", data);
	cr_assert_str_eq(driver_take(&driver), "");
	json_decref(data);
}

#define LISTEN(id)                          \
	REQUEST(id, "subscriptions/listen") \
	",\"params\":{\"notifications\":{\"toolsListChanged\":true},\"_meta\":{" MODERN "}}}"
#define ACKNOWLEDGED(id)                                                 \
	"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/" \
	"acknowledged\",\"params\":{"                                    \
	"\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":" id "},\"notifications\":{}}}\n"

Test(mcp, subscriptions_stay_open_until_cancelled_or_the_end)
{
	cr_assert_str_eq(driver_ask(&driver, LISTEN("1")), ACKNOWLEDGED("1"));
	cr_assert_str_eq(driver_ask(&driver, LISTEN("\"two\"")), ACKNOWLEDGED("\"two\""));
	cr_assert_str_eq(driver_ask(&driver, LISTEN("1")),
			 ERROR("1", "-32600", "a request with this id is in flight"));
	cr_assert_str_eq(driver_ask(&driver, "{\"jsonrpc\":\"2.0\",\"method\":"
					     "\"notifications/cancelled\",\"params\":{"
					     "\"requestId\":1}}"),
			 "");
	cr_assert_eq(driver.n_cancelled, 0, "the broker knows nothing of subscriptions");
	cr_assert_eq(rpc_end(driver.rpc), 0);
	cr_assert_str_eq(driver_take(&driver),
			 RESULT("\"two\"", "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":"
					   "\"two\"," SERVER_META "},\"resultType\":\"complete\""));
}

Test(mcp, batches_are_for_the_old_revisions_only)
{
	static const char batch[] = "[" REQUEST("1", "ping") "}]";

	cr_assert_str_eq(
		driver_ask(&driver, batch),
		"{\"id\":null,\"error\":{\"code\":\"invalid_request\",\"message\":\"batches "
		"are for sessions of MCP 2025-03-26 and 2024-11-05 only; send one object a "
		"line\"}}\n");
	driver_initialize(&driver, "2025-06-18");
	cr_assert_str_eq(driver_ask(&driver, batch),
			 ERROR("null", "-32600",
			       "batches are for sessions of MCP 2025-03-26 and "
			       "2024-11-05 only; send one object a line"));
	driver_initialize(&driver, "2025-03-26");
	cr_assert_str_eq(driver_ask(&driver, batch),
			 "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}]\n");
	cr_assert_str_eq(driver_ask(&driver, "[]"),
			 ERROR("null", "-32600", "a batch has 1 to 256 messages, not 0"));
	cr_assert_str_eq(driver_ask(&driver, "[1]"),
			 "[{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":"
			 "\"a message must be an object\"}}]\n");
	cr_assert_str_eq(driver_ask(&driver, "[{\"jsonrpc\":\"2.0\",\"method\":\"x\"}]"), "");
}

Test(mcp, answers_of_a_batch_leave_together)
{
	driver.hold = true;
	driver_initialize(&driver, "2025-03-26");
	cr_assert_str_eq(driver_ask(&driver,
				    "[" CALL("1", "\"name\":\"tool\"") "," REQUEST(
					    "2", "ping") "}," CALL("3", "\"name\":\"tool\"") "]"),
			 "");
	driver_answer(&driver, "ok", "one");
	cr_assert_str_eq(driver_take(&driver), "");
	cr_assert_str_eq(
		driver_ask(&driver, "{\"jsonrpc\":\"2.0\",\"method\":"
				    "\"notifications/cancelled\",\"params\":{"
				    "\"requestId\":3}}"),
		"[{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":1,"
		"\"result\":{" CONTENT("c-1", "ok", "one", "false") "}}]\n");
	driver_answer(&driver, "stopped", "");
	cr_assert_str_eq(driver_take(&driver), "");
}
