/*
 * Theory of operation: the linker sends every malloc, calloc and realloc of rpc and of the static
 * jansson through here (-Wl,--wrap). A session is run once for each allocation that it makes, with
 * that one failing: rpc ends the session with -ENOMEM or answers all the same; it never crashes and
 * never leaves a line without an answer. Allocations of jansson's parser are left out: some of them
 * end in an assertion of its own, which ends the broker and with it the session.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/rpc.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
json_t *__real_json_loadb(const char *data, size_t len, size_t flags, json_error_t *error);
json_t *__wrap_json_loadb(const char *data, size_t len, size_t flags, json_error_t *error);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static size_t count;   /* allocations since the start of the session */
static size_t failing; /* the one that fails; 0: none */

static bool parsing;

static bool fails(void)
{
	return !parsing && ++count == failing;
}

json_t *__wrap_json_loadb(const char *data, size_t len, size_t flags, json_error_t *error)
{
	json_t *value;

	parsing = true;
	value = __real_json_loadb(data, len, flags, error);
	parsing = false;
	return value;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

#define META                                                                     \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
	"\"io.modelcontextprotocol/clientCapabilities\":{\"elicitation\":{}},"   \
	"\"progressToken\":1}"
#define LEGACY(method, params) \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":{" params "}}\n"

static const char *const session[] = {
	LEGACY("initialize", "\"protocolVersion\":\"2025-03-26\""),
	LEGACY("tools/call", "\"name\":\"test_elicitation\""),
	"{\"jsonrpc\":\"2.0\",\"id\":\"ask-1\",\"result\":{\"action\":\"accept\"}}\n",
	"{\"id\":1,\"tool\":\"tool\",\"arguments\":{\"a\":[1,2.5]},\"progress\":true}\n",
	"{\"type\":\"ping\"}\n",
	"{\"type\":\"tools\"}\n",
	"{\"type\":\"pong\"}\n",
	"nonsense\n",
	"{\"type\":\"resource\",\"uri\":\"x\"}\n",
	"{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"tool\",\"toolcell\":true}\n",
	"{\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"tool\",\"arguments\":\"\"}}]}\n",
	LEGACY("tools/list", ""),
	LEGACY("tools/call", "\"name\":\"tool\""),
	LEGACY("prompts/list", ""),
	LEGACY("resources/read", "\"uri\":\"test://template/1/data\""),
	"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]\n",
	LEGACY("server/discover", META),
	LEGACY("tools/call", "\"name\":\"tool\"," META),
	LEGACY("tools/call", "\"name\":\"test_input_required_result_multi_round\"," META),
	LEGACY("subscriptions/listen", "\"notifications\":{}," META),
};

struct state {
	json_t *tools;
	json_t *result;
	size_t started;
	size_t answers;
};

static void on_call(void *ctx, struct rpc_call *call, const char *tool, json_t *arguments)
{
	struct state *state = ctx;

	(void)tool;
	(void)arguments;
	state->started++;
	rpc_call_progress(call, "going");
	rpc_call_finish(call, state->result, "text");
}

static void on_cancel(void *ctx, struct rpc_call *call, const char *reason)
{
	(void)ctx;
	(void)call;
	(void)reason;
}

static json_t *on_tools(void *ctx)
{
	return ((struct state *)ctx)->tools;
}

static bool on_known(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "tool") == 0;
}

static json_t *on_resources(void *ctx)
{
	(void)ctx;
	return json_array();
}

static int on_read(void *ctx, const char *uri, char **ret, size_t *ret_len, const char **ret_mime,
		   struct err *err)
{
	(void)ctx;
	(void)uri;
	*ret = strdup("\xff");
	if (!*ret)
		return err_set(err, ENOMEM, "read");
	*ret_len = 1;
	*ret_mime = NULL;
	return 0;
}

static json_t *on_status(void *ctx)
{
	(void)ctx;
	return json_object();
}

static bool starts_with(const char *line, size_t len, const char *start)
{
	return len >= strlen(start) && memcmp(line, start, strlen(start)) == 0;
}

static void on_send(void *ctx, const char *line, size_t len)
{
	cr_assert(len > 1 && line[len - 1] == '\n');
	if (!starts_with(line, len, "{\"type\":\"progress\"") &&
	    !starts_with(line, len, "{\"jsonrpc\":\"2.0\",\"method\"") &&
	    !starts_with(line, len, "{\"jsonrpc\":\"2.0\",\"id\":\"ask-"))
		((struct state *)ctx)->answers++;
}

static const struct rpc_ops ops = {on_call,	 on_cancel, on_tools,  on_known,
				   on_resources, on_read,   on_status, on_send};

/* One session; which allocation fails is set by the caller.  Return: 0 or -ENOMEM. */
static int run(struct state *state, size_t fail)
{
	const struct rpc_config config = {"words", "toolcell", "1", true};
	struct rpc *rpc;
	int r = 0;

	state->started = 0;
	state->answers = 0;
	count = 0;
	failing = fail;
	rpc = rpc_new(&config, &ops, state);
	for (size_t i = 0; rpc && r == 0 && i < ARRAY_SIZE(session); i++)
		r = rpc_feed(rpc, session[i], strlen(session[i]));
	if (rpc && r == 0)
		r = rpc_end(rpc);
	failing = 0;
	if (!rpc)
		return -ENOMEM;
	rpc_free(rpc);
	return r;
}

Test(memory, running_out_ends_the_session_and_nothing_else, .timeout = 120)
{
	struct state state = {0};
	size_t total;
	size_t answers;
	size_t ended = 0;

	state.tools = json_pack("[{s:s, s:{}}]", "name", "tool", "inputSchema");
	state.result = json_pack("{s:s}", "status", "ok");
	cr_assert_eq(run(&state, 0), 0);
	total = count;
	answers = state.answers;
	cr_assert_gt(total,
		     10); /* ours alone where jansson is shared, hundreds where it is static */
	cr_assert_eq(state.started, 5);
	for (size_t fail = 1; fail <= total; fail++) {
		int r = run(&state, fail);

		cr_assert(r == 0 || r == -ENOMEM, "allocation %zu: %d", fail, r);
		cr_assert_leq(state.answers, answers, "allocation %zu", fail);
		cr_assert(r == -ENOMEM || state.answers == answers,
			  "allocation %zu: %zu answers, not %zu", fail, state.answers, answers);
		ended += r == -ENOMEM;
	}
	cr_assert_gt(ended, total / 2);
	json_decref(state.tools);
	json_decref(state.result);
}
