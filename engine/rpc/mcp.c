/*
 * Theory of operation: the envelope. A line is checked as JSON-RPC first (an answer to a broken
 * request still carries its id), then its era is told, then a row of the method table runs. A row
 * answers at once by mcp_reply or mcp_error, or opens a call and answers later.
 *
 *	fresh --initialize--> session (legacy methods work)
 *	any state: a request with _meta io.modelcontextprotocol/protocolVersion needs no session
 *
 * Before initialize a legacy client may only ping.
 */
#include "rpc/mcp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "rpc/fixtures.h"

#define BATCH_MAX ((size_t)256)
#define QUOTED 96

const struct mcp_method mcp_methods[] = {
	{"server/discover", ERA_MODERN, false, mcp_discover},
	{"subscriptions/listen", ERA_MODERN, false, mcp_listen},
	{"initialize", ERA_LEGACY, true, mcp_initialize},
	{"ping", ERA_LEGACY, true, mcp_ping},
	{"logging/setLevel", ERA_LEGACY, false, mcp_set_level},
	{"tools/list", ERA_BOTH, false, mcp_tools_list},
	{"tools/call", ERA_BOTH, false, mcp_tools_call},
	{"resources/list", ERA_BOTH, false, mcp_resources_list},
	{"resources/templates/list", ERA_BOTH, false, mcp_templates_list},
	{"resources/read", ERA_BOTH, false, mcp_resources_read},
};

const size_t mcp_n_methods = ARRAY_SIZE(mcp_methods);

static void emit(struct rpc *rpc, struct mcp_batch *batch, json_t *message)
{
	if (batch)
		(void)mcp_batch_add(batch, message);
	else
		(void)rpc_send(rpc, message);
}

static json_t *error_message(json_t *id, int code, json_t *data, const char *text)
{
	return json_pack("{s:s, s:O?, s:{s:i, s:o, s:o*}}", "jsonrpc", "2.0", "id", id, "error",
			 "code", code, "message", answer_text(text), "data", data);
}

static json_t *mcp_dialect_error(json_t *id, enum fault fault, const char *text)
{
	return error_message(id, rpc_faults[fault].code, NULL, text);
}

static json_t *mcp_progress(const struct rpc_call *call, const char *message)
{
	return json_pack("{s:s, s:s, s:{s:O, s:I, s:o*}}", "jsonrpc", "2.0", "method",
			 "notifications/progress", "params", "progressToken", call->progress_token,
			 "progress", (json_int_t)call->progress, "message",
			 message ? answer_text(message) : NULL);
}

static json_t *server_info(const struct rpc *rpc)
{
	return json_pack("{s:s, s:s}", "name", rpc->config.server_name, "version",
			 rpc->config.version);
}

/* Everything that the modern era wants in each result, whatever the method. */
static int add_modern(const struct rpc *rpc, json_t *result)
{
	json_t *meta = json_object_get(result, "_meta");

	if (!json_object_get(result, "resultType") &&
	    json_object_set_new(result, "resultType", json_string("complete")) < 0)
		return -ENOMEM;
	if (!meta) {
		meta = json_object();
		if (json_object_set_new(result, "_meta", meta) < 0)
			return -ENOMEM;
	}
	return json_object_set_new(meta, MCP_META "serverInfo", server_info(rpc)) < 0 ? -ENOMEM : 0;
}

static json_t *result_message(const struct rpc *rpc, json_t *id, bool modern, json_t *result)
{
	if (modern && result && add_modern(rpc, result) < 0) {
		json_decref(result);
		return NULL;
	}
	return json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result);
}

json_t *mcp_result_of(const struct rpc_call *call, json_t *result)
{
	return result_message(call->rpc, call->id, call->modern, result);
}

static json_t *mcp_answer(const struct rpc_call *call, json_t *result, const char *text)
{
	return mcp_result_of(call, json_pack("{s:[{s:s, s:o}], s:O, s:b}", "content", "type",
					     "text", "text", answer_text(text), "structuredContent",
					     result, "isError", answer_is_error(result)));
}

static json_t *mcp_resource(const struct rpc_call *call, json_t *content)
{
	return mcp_result_of(call, mcp_contents(content, call->modern));
}

const struct dialect dialect_mcp = {mcp_answer, mcp_progress, mcp_dialect_error, mcp_resource};

void mcp_reply(struct mcp_request *req, json_t *result)
{
	json_t *message = result_message(req->rpc, req->id, req->modern, result);

	if (req->batch)
		(void)mcp_batch_add(req->batch, message);
	else if (rpc_send(req->rpc, message) == -E2BIG)
		mcp_error(req, MCP_INTERNAL, NULL, "the answer has more than %zu bytes",
			  RPC_ANSWER_BYTES_MAX);
}

void mcp_error(struct mcp_request *req, enum mcp_code code, json_t *data, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX + 128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut is good enough */
	va_end(ap);
	emit(req->rpc, req->batch, error_message(req->id, (int)code, data, text));
}

void mcp_notify(struct rpc *rpc, const char *method, json_t *params)
{
	(void)rpc_send(rpc, json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method,
				      "params", params));
}

const char *mcp_param(struct mcp_request *req, const char *name)
{
	const char *value = parse_string(json_object_get(req->params, name));

	if (!value)
		mcp_error(req, MCP_INVALID_PARAMS, NULL, "params.%s must be a string without NUL",
			  name);
	return value;
}

struct rpc_call *mcp_open(struct mcp_request *req, enum call_kind kind)
{
	struct rpc_call *call = NULL;
	int r = call_open(req->rpc, &dialect_mcp, req->id, &call);

	if (r < 0) {
		const char *text;
		enum fault fault = call_fault(r, &text);

		mcp_error(req, (enum mcp_code)rpc_faults[fault].code, NULL, "%s", text);
		return NULL;
	}
	call->kind = kind;
	call->modern = req->modern;
	call->log_level = req->log_level;
	call->batch = mcp_batch_hold(req->batch);
	return call;
}

static void notified_cancelled(struct mcp_request *req)
{
	json_t *id = json_object_get(req->params, "requestId");
	const char *reason = parse_string(json_object_get(req->params, "reason"));
	struct rpc_call *call = parse_id(id) ? call_find(req->rpc, &dialect_mcp, id) : NULL;

	/* One that is unknown may have been answered meanwhile: no error, by the protocol. */
	if (call)
		call_cancel(call, reason);
}

/* Others (notifications/initialized, roots/list_changed, ...) change nothing here. */
static void handle_notification(struct mcp_request *req)
{
	if (strcmp(req->method, "notifications/cancelled") == 0)
		notified_cancelled(req);
}

static bool check_modern(struct mcp_request *req)
{
	json_t *version = json_object_get(req->meta, MCP_META "protocolVersion");
	json_t *level = json_object_get(req->meta, MCP_META "logLevel");
	const char *name = parse_string(version);

	if (!name) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL, "params._meta needs a string \"%s\"",
			  MCP_META "protocolVersion");
		return false;
	}
	if (strcmp(name, MCP_MODERN_VERSION) != 0) {
		mcp_error(req, MCP_UNSUPPORTED_VERSION,
			  json_pack("{s:[s], s:O}", "supported", MCP_MODERN_VERSION, "requested",
				    version),
			  "Unsupported protocol version");
		return false;
	}
	if (!json_is_object(json_object_get(req->meta, MCP_META "clientCapabilities"))) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL, "params._meta needs an object \"%s\"",
			  MCP_META "clientCapabilities");
		return false;
	}
	mcp_note_client(req->rpc, json_object_get(req->meta, MCP_META "clientInfo"));
	req->log_level = level ? mcp_log_level(parse_string(level)) : LOG_NONE;
	if (level && req->log_level == LOG_NONE) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL,
			  "\"%s\" must be a log level, \"debug\" to \"emergency\"",
			  MCP_META "logLevel");
		return false;
	}
	return true;
}

static const struct mcp_method *find_method(const struct mcp_request *req)
{
	for (size_t i = 0; i < mcp_n_methods; i++)
		if (strcmp(mcp_methods[i].name, req->method) == 0)
			return &mcp_methods[i];
	return req->rpc->fixtures ? fixtures_method(req->method) : NULL;
}

static void run_request(struct mcp_request *req)
{
	const struct mcp_method *method = find_method(req);
	char quoted[QUOTED];

	/* A method that only the modern era has tells the era where the version is missing. */
	req->modern = json_object_get(req->meta, MCP_META "protocolVersion") ||
		      json_object_get(req->meta, MCP_META "clientCapabilities") ||
		      (method && method->eras == ERA_MODERN);
	if (req->modern && !check_modern(req))
		return;
	if (!req->modern && !req->rpc->version && !(method && method->early)) {
		mcp_error(
			req, MCP_INVALID_REQUEST, NULL,
			"send \"initialize\" first, or name the protocol version in params._meta");
		return;
	}
	if (!method || !(method->eras & (req->modern ? ERA_MODERN : ERA_LEGACY))) {
		mcp_error(req, MCP_METHOD_NOT_FOUND, NULL, "Method not found: %s",
			  text_quote(quoted, sizeof(quoted), req->method, strlen(req->method)));
		return;
	}
	if (call_find(req->rpc, &dialect_mcp, req->id)) {
		mcp_error(req, MCP_INVALID_REQUEST, NULL, "a request with this id is in flight");
		return;
	}
	method->run(req);
}

/* The sentence for an envelope that is not one, or NULL. */
static const char *check_envelope(const json_t *line, const json_t *id)
{
	const char *version = json_string_value(json_object_get(line, "jsonrpc"));

	if (!json_is_object(line))
		return "a message must be an object";
	if (!version || strcmp(version, "2.0") != 0)
		return "\"jsonrpc\" must be \"2.0\"";
	if (id && !parse_id(id))
		return "\"id\" must be a string of at most 1024 bytes or an integer";
	if (!parse_string(json_object_get(line, "method")))
		return "\"method\" must be a string without NUL";
	return NULL;
}

static bool is_response(const json_t *line)
{
	return !json_object_get(line, "method") &&
	       (json_object_get(line, "result") || json_object_get(line, "error"));
}

static void handle_message(struct rpc *rpc, struct mcp_batch *batch, json_t *line)
{
	struct mcp_request req = {.rpc = rpc, .batch = batch, .log_level = LOG_NONE};
	json_t *id = json_object_get(line, "id");
	const char *wrong;

	/* An answer to nothing is not answered. */
	if (is_response(line)) {
		if (!mcp_elicit_response(rpc, line) && rpc->fixtures)
			fixtures_response(rpc, line);
		return;
	}
	wrong = check_envelope(line, id);
	req.id = parse_id(id) ? id : NULL;
	if (wrong) {
		mcp_error(&req, MCP_INVALID_REQUEST, NULL, "%s", wrong);
		return;
	}
	req.method = json_string_value(json_object_get(line, "method"));
	req.params = json_object_get(line, "params");
	req.meta = json_object_get(req.params, "_meta");
	if (!id)
		handle_notification(&req);
	else if (req.params && !json_is_object(req.params))
		mcp_error(&req, MCP_INVALID_PARAMS, NULL, "\"params\" must be an object");
	else if (req.meta && !json_is_object(req.meta))
		mcp_error(&req, MCP_INVALID_PARAMS, NULL, "params._meta must be an object");
	else
		run_request(&req);
}

void mcp_line(struct rpc *rpc, json_t *line)
{
	handle_message(rpc, NULL, line);
}

void mcp_array(struct rpc *rpc, json_t *line)
{
	size_t n = json_array_size(line);
	struct mcp_batch *batch;

	if (!rpc->version || !rpc->version->batches) {
		rpc_fail(rpc, rpc->dialect, NULL, FAULT_REQUEST,
			 "batches are for sessions of MCP 2025-03-26 and 2024-11-05 only; "
			 "send one object a line");
		return;
	}
	if (n == 0 || n > BATCH_MAX) {
		rpc_fail(rpc, &dialect_mcp, NULL, FAULT_REQUEST,
			 "a batch has 1 to %zu messages, not %zu", BATCH_MAX, n);
		return;
	}
	batch = mcp_batch_new(rpc);
	if (!batch) {
		rpc->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		handle_message(rpc, batch, json_array_get(line, i));
	mcp_batch_release(batch);
}
