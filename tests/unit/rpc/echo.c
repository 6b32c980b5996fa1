/*
 * Theory of operation: rpc on stdin and stdout with nothing behind it: no broker, no cells. One
 * tool, "echo", answers at once with its arguments. For the conformance suite while the protocol
 * is worked on, and for a look at a dialect by hand.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "rpc/rpc.h"

struct echo {
	json_t *tools;
	bool lost; /* the reader of stdout is gone */
};

static void echo_call(void *ctx, struct rpc_call *call, const char *tool, json_t *arguments)
{
	bool known = strcmp(tool, "echo") == 0;
	json_t *result = json_pack("{s:s, s:s, s:s, s:s, s:O}", "schema", "toolcell.result/1",
				   "call", rpc_call_id(call), "tool", tool, "status",
				   known ? "ok" : "refused", "data", arguments);
	char *text = json_dumps(arguments, JSON_COMPACT);

	(void)ctx;
	rpc_call_progress(call, "echoing");
	rpc_call_finish(call, result, known && text ? text : "refused: no such tool");
	json_decref(result);
	free(text);
}

static void echo_cancel(void *ctx, struct rpc_call *call, const char *reason)
{
	(void)ctx;
	(void)call;
	(void)reason;
}

static json_t *echo_tools(void *ctx)
{
	struct echo *echo = ctx;

	return echo->tools;
}

static bool echo_known(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "echo") == 0;
}

static json_t *echo_resources(void *ctx)
{
	(void)ctx;
	return json_array();
}

static int echo_read(void *ctx, const char *uri, char **ret, size_t *ret_len, const char **ret_mime,
		     struct err *err)
{
	(void)ctx;
	(void)ret;
	(void)ret_len;
	(void)ret_mime;
	(void)uri;
	return err_set(err, ENOENT, "no resources here");
}

static json_t *echo_status(void *ctx)
{
	(void)ctx;
	return json_pack("{s:i, s:i}", "running", 0, "queued", 0);
}

static void echo_send(void *ctx, const char *line, size_t len)
{
	struct echo *echo = ctx;

	echo->lost |= fd_write_full(STDOUT_FILENO, line, len) < 0;
}

static const struct rpc_ops ops = {
	.call = echo_call,
	.cancel = echo_cancel,
	.tools = echo_tools,
	.tool_known = echo_known,
	.resources = echo_resources,
	.resource_read = echo_read,
	.status = echo_status,
	.send = echo_send,
};

static int serve(struct rpc *rpc, const struct echo *echo)
{
	static char data[65536];

	while (!echo->lost) {
		ssize_t n = read(STDIN_FILENO, data, sizeof(data));

		if (n == 0)
			return rpc_end(rpc);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || rpc_feed(rpc, data, (size_t)n) < 0)
			return -EIO;
	}
	return -EPIPE;
}

int main(void)
{
	struct rpc_config config = {
		.instructions = "A test server without cells.",
		.server_name = "toolcell",
		.version = "0",
		.fixtures = true,
	};
	struct echo echo = {0};
	struct rpc *rpc;
	int r = -ENOMEM;

	echo.tools = json_pack("[{s:s, s:s, s:{s:s, s:{s:{s:s}}}}]", "name", "echo", "description",
			       "Returns its arguments", "inputSchema", "type", "object",
			       "properties", "text", "type", "string");
	rpc = echo.tools ? rpc_new(&config, &ops, &echo) : NULL;
	if (rpc)
		r = serve(rpc, &echo);
	rpc_free(rpc);
	json_decref(echo.tools);
	return r < 0;
}
