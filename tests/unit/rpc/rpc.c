/* Theory of operation: what is the same in every dialect: framing, bounds, the end of a session. */
#include "rpc/rpc.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

TestSuite(rpc, .init = setup, .fini = teardown);

static const char session[] =
	"{\"id\":1,\"tool\":\"tool\",\"arguments\":{\"text\":\"caf\xc3\xa9\"}}\r\n\n"
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n"
	"nonsense\n"
	"{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"tool\",\"input\":{}}\r\n"
	"{\"type\":\"ping\"}";

Test(rpc, answers_do_not_depend_on_how_bytes_arrive)
{
	char *whole;

	driver_feed(&driver, session);
	cr_assert_eq(rpc_end(driver.rpc), 0);
	whole = strdup(driver_take(&driver));
	cr_assert_not_null(whole);
	for (size_t step = 1; step < 20; step++) {
		driver_fini(&driver);
		driver_init(&driver, false);
		for (size_t at = 0; at < sizeof(session) - 1; at += step)
			cr_assert_eq(rpc_feed(driver.rpc, session + at,
					      MIN(step, sizeof(session) - 1 - at)),
				     0);
		cr_assert_eq(rpc_end(driver.rpc), 0);
		cr_expect_str_eq(driver_take(&driver), whole, "in pieces of %zu", step);
	}
	free(whole);
}

Test(rpc, an_unreadable_line_is_answered_as_the_line_before)
{
	cr_assert_not_null(strstr(driver_ask(&driver, "{"), "\"code\":\"parse_error\""));
	cr_assert_not_null(strstr(driver_ask(&driver, "{\"jsonrpc\":\"2.0\","), "\"code\":-32700"));
	(void)driver_ask(&driver, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
	cr_assert_not_null(strstr(driver_ask(&driver, "{"), "\"code\":-32700"));
	(void)driver_ask(&driver, "{\"type\":\"ping\"}");
	cr_assert_not_null(strstr(driver_ask(&driver, "{"), "\"code\":\"parse_error\""));
}

Test(rpc, hostile_lines_are_answered_and_the_session_goes_on)
{
	static const struct driver_row rows[] = {
		{"\"\xff\"",
		 "{\"id\":null,\"error\":{\"code\":\"parse_error\",\"message\":\"not valid "
		 "JSON at byte 1: unable to decode byte 0xff near '\\\\x22'\"}}\n"},
		{"{\"id\":1,\"id\":2,\"tool\":\"tool\"}",
		 "{\"id\":null,\"error\":{\"code\":\"parse_error\",\"message\":\"not valid JSON at "
		 "byte 12: duplicate object key near '\\\\x22id\\\\x22'\"}}\n"},
		{"{\"type\":\"ping\"}", "{\"running\":0,\"type\":\"pong\"}\n"},
	};
	char *deep = malloc(100001);

	driver_check(&driver, rows, ARRAY_SIZE(rows));
	cr_assert_not_null(deep);
	memset(deep, '[', 100000);
	deep[100000] = '\0';
	cr_assert_not_null(strstr(driver_ask(&driver, deep), "JSON nested deeper than 128 levels"));
	cr_assert_str_eq(driver_ask(&driver, rows[2].in), rows[2].out);
	free(deep);
}

/* AddressSanitizer keeps freed memory for a while, up to 256 MiB. */
#if defined(__SANITIZE_ADDRESS__)
#define KEPT_KIB ((size_t)256 << 10)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEPT_KIB ((size_t)256 << 10)
#endif
#endif
#ifndef KEPT_KIB
#define KEPT_KIB ((size_t)0)
#endif

static size_t peak_kib(void)
{
	struct rusage usage;

	cr_assert_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return (size_t)usage.ru_maxrss;
}

Test(rpc, a_line_of_100_mb_costs_one_error_and_bounded_memory, .timeout = 60)
{
	const size_t chunk = (size_t)1 << 16;
	char *data = malloc(chunk);
	size_t before = peak_kib();

	cr_assert_not_null(data);
	memset(data, 'x', chunk);
	driver_feed(&driver, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"");
	for (size_t i = 0; i < 1600; i++)
		cr_assert_eq(rpc_feed(driver.rpc, data, chunk), 0);
	driver_feed(&driver, "\"}\n");
	cr_assert_str_eq(
		driver_take(&driver),
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"a "
		"line may have 67108864 bytes; the rest of this one is skipped\"}}\n");
	cr_assert_lt(peak_kib() - before, 2 * (RPC_LINE_BYTES_MAX >> 10) + KEPT_KIB,
		     "one line's buffer, and its copy while it grows");
	free(data);
	cr_assert_str_eq(driver_ask(&driver, "{\"type\":\"ping\"}"),
			 "{\"running\":0,\"type\":\"pong\"}\n");
}

Test(rpc, calls_have_names_of_their_own)
{
	driver.hold = true;
	(void)driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\"}");
	(void)driver_ask(&driver, "{\"id\":2,\"tool\":\"tool\"}");
	cr_assert_str_eq(rpc_call_id(driver.calls[0]), "c-1");
	cr_assert_str_eq(rpc_call_id(driver.calls[1]), "c-2");
	cr_assert_eq(rpc_call_data(driver.calls[0]), &driver);
}

Test(rpc, calls_are_answered_in_any_order_and_after_the_end_too)
{
	driver.hold = true;
	(void)driver_ask(&driver, "{\"id\":1,\"tool\":\"tool\"}");
	(void)driver_ask(&driver, "{\"id\":2,\"tool\":\"tool\"}");
	(void)driver_ask(&driver, "{\"id\":3,\"tool\":\"tool\"}");
	driver.calls[1] = driver.calls[0]; /* leaves 2 unanswered: rpc_free takes it */
	driver.calls[0] = driver.calls[2];
	driver.n_calls = 2;
	cr_assert_eq(rpc_end(driver.rpc), 0);
	driver_answer(&driver, "ok", "three");
	driver_answer(&driver, "ok", "one");
	cr_assert_str_eq(
		driver_take(&driver),
		"{\"id\":3,\"result\":{\"call\":\"c-3\",\"status\":\"ok\"},\"text\":\"three\"}\n"
		"{\"id\":1,\"result\":{\"call\":\"c-1\",\"status\":\"ok\"},\"text\":\"one\"}\n");
}
