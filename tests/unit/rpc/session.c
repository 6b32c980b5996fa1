/* Sessions that a driver names, and resources that take a while to make. */
#include <criterion/criterion.h>
#include <string.h>

#include "driver.h"

static struct driver d;

static void set_up(void)
{
	driver_init(&d, false);
}

static void tear_down(void)
{
	driver_fini(&d);
}

TestSuite(session, .init = set_up, .fini = tear_down);

Test(session, each_dialect_can_name_one)
{
	static const struct {
		const char *line, *session;
	} rows[] = {
		{"{\"id\":1,\"tool\":\"tool\",\"session\":\"k3f9abcd\"}", "k3f9abcd"},
		{"{\"id\":1,\"tool\":\"tool\"}", ""},
		{"{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"tool\",\"input\":{},"
		 "\"session\":\"k3f9abcd.2\"}",
		 "k3f9abcd.2"},
		{"{\"role\":\"assistant\",\"session\":\"k3f9abcd.3\",\"content\":[{\"type\":"
		 "\"tool_use\",\"id\":\"a\",\"name\":\"tool\",\"input\":{}}]}",
		 "k3f9abcd.3"},
		{"{\"session\":\"k3f9abcd.4\",\"tool_calls\":[{\"id\":\"a\",\"function\":{"
		 "\"name\":\"tool\",\"arguments\":\"{}\"}}]}",
		 "k3f9abcd.4"},
		{"{\"type\":\"function_call\",\"call_id\":\"a\",\"name\":\"tool\",\"arguments\":"
		 "\"{}\",\"session\":\"k3f9abcd.5\"}",
		 "k3f9abcd.5"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
		 "\"tool\",\"_meta\":{" MODERN ",\"toolcell/session\":\"k3f9abcd.6\"}}}",
		 "k3f9abcd.6"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
		 "\"tool\",\"_meta\":{" MODERN "}}}",
		 ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		(void)driver_ask(&d, rows[i].line);
		cr_expect_eq(d.n_started, i + 1, "row %zu", i);
		cr_expect_str_eq(d.session, rows[i].session, "row %zu: %s", i, d.session);
	}
}

Test(session, legacy_mcp_names_it_in_meta_too)
{
	driver_initialize(&d, "2025-06-18");
	(void)driver_ask(&d, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{"
			     "\"name\":\"tool\",\"_meta\":{\"toolcell/session\":\"abcdefgh.2\"}}}");
	cr_expect_str_eq(d.session, "abcdefgh.2");
}

Test(session, what_cannot_be_a_name_starts_nothing)
{
	static const struct driver_row rows[] = {
		{"{\"id\":1,\"tool\":\"tool\",\"session\":7}",
		 "{\"id\":1,\"error\":{\"code\":\"invalid_request\",\"message\":\"\\\"session\\\": "
		 "a session is named by a string of 1 to 64 bytes\"}}\n"},
		{"{\"id\":1,\"tool\":\"tool\",\"session\":\"\"}",
		 "{\"id\":1,\"error\":{\"code\":\"invalid_request\",\"message\":\"\\\"session\\\": "
		 "a session is named by a string of 1 to 64 bytes\"}}\n"},
		{"{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"tool\",\"input\":{},\"session\":"
		 "\"a\\u0000b\"}",
		 "{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":\"\\\"session\\\": a "
		 "session is named by a string of 1 to 64 bytes\",\"is_error\":true}\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
		 "\"tool\",\"_meta\":{" MODERN ",\"toolcell/session\":[]}}}",
		 "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":"
		 "\"params._meta[\\\"toolcell/session\\\"]: a session is named by a string of 1 to "
		 "64 "
		 "bytes\"}}\n"},
	};

	driver_check(&d, rows, ARRAY_SIZE(rows));
	cr_expect_eq(d.n_started, 0);
}

#define READ(id, meta)                                                                  \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"resources/read\",\"params\":{" \
	"\"uri\":\"toolcell://later\"" meta "}}"

static struct rpc_call *taken(void)
{
	cr_assert_gt(d.n_calls, 0, "no read was started");
	return d.calls[--d.n_calls];
}

Test(session, resource_of_the_legacy_era_is_answered_when_it_is_there)
{
	driver_initialize(&d, "2025-06-18");
	cr_expect_str_eq(driver_ask(&d, READ("5", "")), "");
	rpc_resource_finish(taken(), "--- a\n", 6, "text/x-diff");
	cr_expect_str_eq(driver_take(&d),
			 "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"contents\":[{\"uri\":"
			 "\"toolcell://later\",\"mimeType\":\"text/x-diff\",\"text\":\"--- "
			 "a\\n\"}]}}\n");
}

Test(session, resource_of_the_modern_era_has_what_that_era_wants)
{
	cr_expect_str_eq(driver_ask(&d, READ("6", ",\"_meta\":{" MODERN "}")), "");
	rpc_resource_finish(taken(), "\xff", 1, "text/x-diff");
	cr_expect_str_eq(driver_take(&d),
			 "{\"jsonrpc\":\"2.0\",\"id\":6,\"result\":{\"contents\":[{\"uri\":"
			 "\"toolcell://later\",\"mimeType\":\"text/x-diff\",\"blob\":\"/w==\"}],"
			 "\"ttlMs\":0,\"cacheScope\":\"private\",\"resultType\":\"complete\","
			 "\"_meta\":{" SERVER_META "}}}\n");
}

Test(session, native_resource_is_answered_in_kind)
{
	cr_expect_str_eq(
		driver_ask(&d, "{\"type\":\"resource\",\"id\":1,\"uri\":\"toolcell://later\"}"),
		"");
	rpc_resource_finish(taken(), "x", 1, "text/x-diff");
	cr_expect_str_eq(driver_take(&d),
			 "{\"type\":\"resource\",\"id\":1,\"resource\":{\"uri\":\"toolcell://"
			 "later\",\"mimeType\":\"text/x-diff\",\"text\":\"x\"}}\n");
	(void)driver_ask(&d, "{\"type\":\"resource\",\"uri\":\"toolcell://later\"}");
	rpc_resource_fail(taken(), "there is no session");
	cr_expect_str_eq(driver_take(&d), "{\"id\":null,\"error\":{\"code\":\"internal_error\","
					  "\"message\":\"there is no session\"}}\n");
}

Test(session, resource_that_cannot_be_made_is_an_error_with_its_reason)
{
	driver_initialize(&d, "2025-06-18");
	(void)driver_ask(&d, READ("\"r\"", ""));
	rpc_resource_fail(taken(), "the tool ended by a signal");
	cr_expect_str_eq(driver_take(&d),
			 "{\"jsonrpc\":\"2.0\",\"id\":\"r\",\"error\":{\"code\":-32603,"
			 "\"message\":\"the tool ended by a signal\"}}\n");
}

Test(session, cancelled_resource_is_not_answered_and_its_id_is_free_again)
{
	struct rpc_call *call;

	driver_initialize(&d, "2025-06-18");
	(void)driver_ask(&d, READ("7", ""));
	cr_expect_str_eq(driver_ask(&d, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
					"cancelled\",\"params\":{\"requestId\":7,\"reason\":"
					"\"enough\"}}"),
			 "");
	cr_expect_eq(d.n_cancelled, 1);
	cr_expect_str_eq(d.reason, "enough");
	call = taken();
	(void)driver_ask(&d, READ("7", ""));
	rpc_resource_finish(call, "late", 4, "text/x-diff");
	cr_expect_str_eq(driver_take(&d), "");
	rpc_resource_finish(taken(), "new", 3, "text/x-diff");
	cr_expect(strstr(driver_take(&d), "\"text\":\"new\""));
}

Test(session, resource_in_a_batch_leaves_with_the_others)
{
	driver_initialize(&d, "2025-03-26");
	cr_expect_str_eq(driver_ask(&d, "[" READ("1", "") ",{\"jsonrpc\":\"2.0\",\"id\":2,"
							  "\"method\":\"ping\"}]"),
			 "");
	rpc_resource_finish(taken(), "x", 1, "text/x-diff");
	cr_expect_str_eq(
		driver_take(&d),
		"[{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":1,"
		"\"result\":{\"contents\":[{\"uri\":\"toolcell://later\",\"mimeType\":"
		"\"text/x-diff\",\"text\":\"x\"}]}}]\n");
}

Test(session, resource_outlives_the_end_of_input_until_it_is_answered)
{
	driver_initialize(&d, "2025-06-18");
	(void)driver_ask(&d, READ("8", ""));
	cr_assert_eq(rpc_end(d.rpc), 0);
	rpc_resource_finish(taken(), "x", 1, "text/x-diff");
	cr_expect(strstr(driver_take(&d), "\"id\":8"));
}
