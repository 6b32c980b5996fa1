/* Theory of operation: see driver.h. Asserts on everything that cannot go wrong in a test. */
#include "driver.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void answer(struct rpc_call *call, const char *status, const char *text)
{
	json_t *result = json_pack("{s:s, s:s}", "call", rpc_call_id(call), "status", status);

	cr_assert_not_null(result);
	rpc_call_finish(call, result, text);
	json_decref(result);
}

static void on_call(void *ctx, struct rpc_call *call, const char *tool, json_t *arguments)
{
	struct driver *driver = ctx;
	char *text = json_dumps(arguments, JSON_COMPACT);
	size_t n = driver->n_calls;

	cr_assert(json_is_object(arguments));
	(void)snprintf(driver->session, sizeof(driver->session), "%s",
		       rpc_call_session(call) ? rpc_call_session(call) : "");
	driver->n_started++;
	if (driver->hold) {
		cr_assert_lt(n, DRIVER_CALLS_MAX);
		rpc_call_set_data(call, driver);
		driver->calls[driver->n_calls++] = call;
	} else {
		answer(call, strcmp(tool, "nope") == 0 ? "refused" : driver->status, text);
	}
	free(text);
}

static void on_cancel(void *ctx, struct rpc_call *call, const char *reason)
{
	struct driver *driver = ctx;

	cr_assert_eq(rpc_call_data(call), driver);
	driver->n_cancelled++;
	(void)snprintf(driver->reason, sizeof(driver->reason), "%s", reason ? reason : "");
}

static json_t *on_tools(void *ctx)
{
	return ((struct driver *)ctx)->tools;
}

static bool on_known(void *ctx, const char *name)
{
	(void)ctx;
	return strncmp(name, "tool", 4) == 0;
}

static json_t *on_resources(void *ctx)
{
	(void)ctx;
	return json_pack("[{s:s, s:s}]", "uri", "toolcell://out/1", "name", "stdout of c-1");
}

static int on_read(void *ctx, const char *uri, char **ret, size_t *ret_len, const char **ret_mime,
		   struct err *err)
{
	static const struct {
		const char *uri;
		const char *mime;
		const char *data;
		size_t len;
	} rows[] = {
		{"toolcell://text", "text/plain", "caf\xc3\xa9\n", 6},
		{"toolcell://bytes", "text/plain", "\xff\0z", 3},
		{"toolcell://image", "image/png", "ab", 2},
		{"toolcell://empty", "text/plain", "", 0},
	};

	(void)ctx;
	if (strcmp(uri, "toolcell://broken") == 0)
		return err_set(err, EIO, "read spill file");
	if (strcmp(uri, "toolcell://later") == 0)
		return -EINPROGRESS;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].uri, uri) != 0)
			continue;
		*ret = malloc(rows[i].len + 1);
		cr_assert_not_null(*ret);
		memcpy(*ret, rows[i].data, rows[i].len + 1);
		*ret_len = rows[i].len;
		*ret_mime = rows[i].mime;
		return 0;
	}
	return -ENOENT;
}

static void on_start(void *ctx, struct rpc_call *call, const char *uri)
{
	struct driver *driver = ctx;

	cr_assert_str_eq(uri, "toolcell://later");
	cr_assert_lt(driver->n_calls, DRIVER_CALLS_MAX);
	rpc_call_set_data(call, driver);
	driver->calls[driver->n_calls++] = call;
}

static json_t *on_status(void *ctx)
{
	return json_pack("{s:I}", "running", (json_int_t)((struct driver *)ctx)->n_calls);
}

static void on_send(void *ctx, const char *line, size_t len)
{
	struct driver *driver = ctx;

	cr_assert(len > 0 && line[len - 1] == '\n');
	cr_assert_null(memchr(line, '\n', len - 1), "one line at a time");
	cr_assert_eq(buf_append(&driver->out, line, len), 0);
}

static void on_answered(void *ctx, struct rpc_call *call, const struct rpc_answer *given)
{
	struct driver *driver = ctx;

	cr_assert_eq(rpc_call_data(call), driver);
	driver->n_answered++;
	driver_show(given, driver->answered, sizeof(driver->answered));
}

void driver_show(const struct rpc_answer *given, char *dst, size_t cap)
{
	static const char *const words[] = {
		[RPC_ACCEPTED] = "accept",	 [RPC_DECLINED] = "decline",
		[RPC_DISMISSED] = "cancel",	 [RPC_MALFORMED] = "malformed",
		[RPC_UNANSWERED] = "unanswered",
	};
	char *content = given->content ? json_dumps(given->content, JSON_COMPACT) : NULL;

	cr_assert_eq(given->action == RPC_MALFORMED, given->wrong != NULL);
	(void)snprintf(dst, cap, "%s%s%s", words[given->action], content ? " " : "",
		       content ? content : "");
	free(content);
}

static const struct rpc_ops ops = {
	.call = on_call,
	.cancel = on_cancel,
	.tools = on_tools,
	.tool_known = on_known,
	.resources = on_resources,
	.resource_read = on_read,
	.resource_start = on_start,
	.status = on_status,
	.send = on_send,
	.answered = on_answered,
};

void driver_init(struct driver *driver, bool fixtures)
{
	const struct rpc_config config = {.server_name = "toolcell",
					  .version = "1",
					  .fixtures = fixtures};

	memset(driver, 0, sizeof(*driver));
	driver->status = "ok";
	driver->tools = json_pack("[{s:s, s:s, s:{s:s}, s:[s]}]", "name", "tool", "description",
				  "A tool", "inputSchema", "type", "object", "argv", "/bin/secret");
	driver->rpc = rpc_new(&config, &ops, driver);
	cr_assert(driver->tools && driver->rpc);
}

void driver_fini(struct driver *driver)
{
	rpc_free(driver->rpc);
	json_decref(driver->tools);
	buf_fini(&driver->out);
	free(driver->taken);
}

void driver_feed(struct driver *driver, const char *text)
{
	cr_assert_eq(rpc_feed(driver->rpc, text, strlen(text)), 0);
}

const char *driver_take(struct driver *driver)
{
	free(driver->taken);
	driver->taken = buf_take(&driver->out, NULL);
	return driver->taken ? driver->taken : "";
}

const char *driver_ask(struct driver *driver, const char *line)
{
	driver_feed(driver, line);
	driver_feed(driver, "\n");
	return driver_take(driver);
}

void driver_answer(struct driver *driver, const char *status, const char *text)
{
	struct rpc_call *call = driver->calls[0];

	cr_assert_gt(driver->n_calls, 0);
	driver->n_calls--;
	memmove(driver->calls, driver->calls + 1, driver->n_calls * sizeof(driver->calls[0]));
	answer(call, status, text);
}

void driver_initialize(struct driver *driver, const char *version)
{
	char line[256];

	(void)snprintf(line, sizeof(line),
		       "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{"
		       "\"protocolVersion\":\"%s\"}}",
		       version);
	cr_assert_not_null(strstr(driver_ask(driver, line), "\"result\""));
}

void driver_check(struct driver *driver, const struct driver_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *out = driver_ask(driver, rows[i].in);

		cr_expect_str_eq(out, rows[i].out, "row %zu %s\ngot  %swant %s", i, rows[i].in, out,
				 rows[i].out);
	}
}
