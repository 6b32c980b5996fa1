/*
 * Theory of operation: one line at a time. A table of shapes, tried in order, names the dialect of
 * a line by its telltale members; the dialect's handler opens calls. All calls of the session
 * stand in one list, under the driver's id and under a name of our own ("c-17"):
 *
 *	call_open -> call_start -> (broker) -> rpc_call_finish -> call_free
 *	               `-- call_cancel: MCP calls keep silent from here on; their id is free again
 */
#include "rpc/rpc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/fixtures.h"
#include "rpc/internal.h"
#include "rpc/mcp.h"

#define GUESS_BYTES ((size_t)4096) /* of an unreadable line are searched for "jsonrpc" */

static bool has_jsonrpc(const json_t *line)
{
	return json_object_get(line, "jsonrpc");
}

static bool has_type(const json_t *line, const char *type)
{
	const char *got = json_string_value(json_object_get(line, "type"));

	return got && strcmp(got, type) == 0;
}

static bool is_tool_use(const json_t *line)
{
	return has_type(line, "tool_use");
}

static bool has_tool_calls(const json_t *line)
{
	return json_object_get(line, "tool_calls");
}

static bool is_function_call(const json_t *line)
{
	return has_type(line, "function_call");
}

static bool is_message(const json_t *line)
{
	return json_is_array(json_object_get(line, "content"));
}

static bool has_tool(const json_t *line)
{
	return json_object_get(line, "tool");
}

static bool has_any_type(const json_t *line)
{
	return json_object_get(line, "type");
}

static const struct {
	bool (*match)(const json_t *line);
	void (*handle)(struct rpc *rpc, json_t *line);
	const struct dialect *dialect;
} shapes[] = {
	{has_jsonrpc, mcp_line, &dialect_mcp},
	{is_tool_use, model_tool_use, &dialect_anthropic},
	{has_tool_calls, model_tool_calls, &dialect_openai_chat},
	{is_function_call, model_function_call, &dialect_openai_responses},
	{has_tool, native_call, &dialect_native},
	{is_message, model_message, &dialect_anthropic},
	{has_any_type, native_control, &dialect_native},
};

static void handle_value(struct rpc *rpc, json_t *line)
{
	json_t *id = json_object_get(line, "id");

	if (json_is_array(line)) {
		mcp_array(rpc, line);
		return;
	}
	for (size_t i = 0; json_is_object(line) && i < ARRAY_SIZE(shapes); i++) {
		if (!shapes[i].match(line))
			continue;
		rpc->dialect = shapes[i].dialect;
		shapes[i].handle(rpc, line);
		return;
	}
	if (json_object_get(line, "method"))
		rpc_fail(rpc, &dialect_mcp, parse_id(id) ? id : NULL, FAULT_REQUEST,
			 "a request needs \"jsonrpc\": \"2.0\"");
	else
		rpc_fail(rpc, rpc->dialect, parse_id(id) ? id : NULL, FAULT_REQUEST,
			 "a line is a JSON object with \"jsonrpc\", \"tool\", \"tool_calls\" or "
			 "\"type\"");
}

/* Nothing is known of the line but its bytes: JSON-RPC if it says so, else as the last one. */
static const struct dialect *guess(const struct rpc *rpc, const char *data, size_t len)
{
	static const char mark[] = "\"jsonrpc\"";

	if (memmem(data, MIN(len, GUESS_BYTES), mark, sizeof(mark) - 1))
		return &dialect_mcp;
	return rpc->dialect;
}

static void on_line(void *ctx, const char *data, size_t len)
{
	struct rpc *rpc = ctx;
	struct err err = {0};
	json_t *line;

	if (rpc->out_of_memory)
		return;
	line = parse_json(data, len, &err);
	if (line)
		handle_value(rpc, line);
	else if (err.num == ENOMEM)
		rpc->out_of_memory = true;
	else
		rpc_fail(rpc, guess(rpc, data, len), NULL, FAULT_PARSE, "%s", err.text);
	json_decref(line);
}

static void on_too_long(void *ctx, const char *head, size_t len)
{
	struct rpc *rpc = ctx;

	rpc_fail(rpc, guess(rpc, head, len), NULL, FAULT_TOO_LONG,
		 "a line may have %zu bytes; the rest of this one is skipped", RPC_LINE_BYTES_MAX);
}

struct rpc *rpc_new(const struct rpc_config *config, const struct rpc_ops *ops, void *ctx)
{
	struct rpc *rpc = calloc(1, sizeof(*rpc));

	if (!rpc)
		return NULL;
	rpc->config = *config;
	rpc->ops = ops;
	rpc->ctx = ctx;
	rpc->dialect = &dialect_native;
	rpc->log_level = mcp_log_level("info");
	lines_init(&rpc->lines, RPC_LINE_BYTES_MAX);
	if (config->fixtures) {
		rpc->fixtures = fixtures_new();
		if (!rpc->fixtures) {
			rpc_free(rpc);
			return NULL;
		}
	}
	return rpc;
}

void rpc_free(struct rpc *rpc)
{
	struct rpc_call *next;

	if (!rpc)
		return;
	for (struct rpc_call *call = rpc->calls; call; call = next) {
		next = call->next;
		call_free(call);
	}
	json_decref(rpc->client);
	fixtures_free(rpc->fixtures);
	lines_fini(&rpc->lines);
	free(rpc);
}

static struct lines_sink sink_of(struct rpc *rpc)
{
	return (struct lines_sink){.ctx = rpc, .line = on_line, .too_long = on_too_long};
}

int rpc_feed(struct rpc *rpc, const char *data, size_t len)
{
	const struct lines_sink sink = sink_of(rpc);
	int r = lines_feed(&rpc->lines, data, len, &sink);

	return rpc->out_of_memory ? -ENOMEM : r;
}

int rpc_end(struct rpc *rpc)
{
	const struct lines_sink sink = sink_of(rpc);

	lines_end(&rpc->lines, &sink);
	mcp_end(rpc);
	return rpc->out_of_memory ? -ENOMEM : 0;
}

struct rpc_call *call_find(const struct rpc *rpc, const struct dialect *dialect, const json_t *id)
{
	for (struct rpc_call *call = rpc->calls; call; call = call->next) {
		bool mcp = call->dialect == &dialect_mcp;

		/* A cancelled MCP call is over for the driver; others are still answered. */
		if (mcp == (dialect == &dialect_mcp) && !(mcp && call->cancelled) &&
		    json_equal(call->id, id))
			return call;
	}
	return NULL;
}

int call_open(struct rpc *rpc, const struct dialect *dialect, json_t *id, struct rpc_call **ret)
{
	struct rpc_call *call;

	if (call_find(rpc, dialect, id))
		return -EEXIST;
	if (rpc->n_calls >= RPC_CALLS_MAX)
		return -EBUSY;
	call = calloc(1, sizeof(*call));
	if (!call) {
		rpc->out_of_memory = true;
		return -ENOMEM;
	}
	call->rpc = rpc;
	call->dialect = dialect;
	call->id = json_incref(id);
	call->log_level = LOG_NONE;
	(void)snprintf(call->name, sizeof(call->name), "c-%" PRIu64, ++rpc->last_call);
	call->next = rpc->calls;
	if (call->next)
		call->next->prev = call;
	rpc->calls = call;
	rpc->n_calls++;
	*ret = call;
	return 0;
}

enum fault call_fault(int r, const char **ret_text)
{
	if (r == -EEXIST) {
		*ret_text = "a call with this id is still running";
		return FAULT_DUPLICATE;
	}
	if (r == -EBUSY) {
		*ret_text = "too many calls at once; wait for one to end";
		return FAULT_BUSY;
	}
	*ret_text = "out of memory";
	return FAULT_INTERNAL;
}

struct rpc_call *call_open_or_answer(struct rpc *rpc, const struct dialect *dialect, json_t *id)
{
	struct rpc_call *call = NULL;
	int r = call_open(rpc, dialect, id, &call);

	if (r < 0) {
		const char *text;
		enum fault fault = call_fault(r, &text);

		rpc_fail(rpc, dialect, id, fault, "%s", text);
	}
	return call;
}

void call_free(struct rpc_call *call)
{
	struct rpc *rpc = call->rpc;

	if (call->prev)
		call->prev->next = call->next;
	else
		rpc->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	rpc->n_calls--;
	mcp_batch_release(call->batch);
	json_decref(call->id);
	json_decref(call->session);
	json_decref(call->uri);
	json_decref(call->progress_token);
	json_decref(call->state);
	json_decref(call->responses);
	free(call);
}

bool call_is_brokers(const struct rpc_call *call)
{
	return call->kind == CALL_TOOL || call->kind == CALL_RESOURCE;
}

bool call_session_ok(const json_t *session)
{
	const char *name = parse_string(session);

	return !session || (name && name[0] && strlen(name) <= RPC_SESSION_BYTES_MAX);
}

void call_read_resource(struct rpc_call *call, const char *uri)
{
	struct rpc *rpc = call->rpc;

	call->kind = CALL_RESOURCE;
	call->uri = json_string(uri);
	if (!call->uri || !rpc->ops->resource_start)
		rpc_resource_fail(call, "the resource cannot be made");
	else
		rpc->ops->resource_start(rpc->ctx, call, uri);
}

void call_start(struct rpc_call *call, const char *tool, json_t *arguments)
{
	struct rpc *rpc = call->rpc;

	rpc->ops->call(rpc->ctx, call, tool, arguments);
}

void call_cancel(struct rpc_call *call, const char *reason)
{
	struct rpc *rpc = call->rpc;

	if (call->cancelled)
		return;
	call->cancelled = true;
	if (call_is_brokers(call)) {
		mcp_batch_release(call->batch);
		call->batch = NULL;
		rpc->ops->cancel(rpc->ctx, call, reason);
	} else {
		call_free(call);
	}
}

const char *rpc_call_id(const struct rpc_call *call)
{
	return call->name;
}

void rpc_call_set_data(struct rpc_call *call, void *data)
{
	call->data = data;
}

void *rpc_call_data(const struct rpc_call *call)
{
	return call->data;
}

const char *rpc_call_session(const struct rpc_call *call)
{
	return json_string_value(call->session);
}

static bool is_silent(const struct rpc_call *call)
{
	return call->cancelled && call->dialect == &dialect_mcp;
}

bool rpc_call_wants_progress(const struct rpc_call *call)
{
	return call->progress_token && call->dialect->progress && !call->cancelled;
}

void rpc_call_progress(struct rpc_call *call, const char *message)
{
	if (!rpc_call_wants_progress(call))
		return;
	call->progress++;
	(void)rpc_send(call->rpc, call->dialect->progress(call, message));
}

/* Steals @answer; NULL stands for "no memory". */
static void emit(struct rpc_call *call, json_t *answer)
{
	struct rpc *rpc = call->rpc;
	int r = call->batch ? mcp_batch_add(call->batch, answer) : rpc_send(rpc, answer);

	if (r == -E2BIG)
		rpc_fail(rpc, call->dialect, call->id, FAULT_INTERNAL,
			 "the result has more than %zu bytes", RPC_ANSWER_BYTES_MAX);
}

void rpc_call_finish(struct rpc_call *call, json_t *result, const char *text)
{
	rpc_call_ask_end(call);
	if (!is_silent(call))
		emit(call, call->dialect->answer(call, result, text));
	call_free(call);
}

void rpc_resource_finish(struct rpc_call *call, const char *data, size_t len, const char *mime)
{
	json_t *content = NULL;

	if (!is_silent(call))
		content = answer_content(json_string_value(call->uri), mime, data, len);
	if (content)
		emit(call, call->dialect->resource(call, content));
	else if (!is_silent(call))
		emit(call, NULL);
	call_free(call);
}

void rpc_resource_fail(struct rpc_call *call, const char *text)
{
	if (!is_silent(call))
		emit(call, call->dialect->error(call->id, FAULT_INTERNAL, text));
	call_free(call);
}

bool rpc_wants_results_after_eof(const struct rpc *rpc)
{
	return rpc->dialect != &dialect_mcp;
}
