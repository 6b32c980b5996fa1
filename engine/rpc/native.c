/*
 * Theory of operation: the plain dialect, for drivers without MCP. A call is
 * {"id", "tool", "arguments", "progress"?, "session"?}; lines with a "type" steer the session. Unknown members
 * are errors: nobody but the driver's author can have meant them.
 *
 *	{"id", "result", "text"}	answer to a call, also after it was cancelled
 *	{"id", "error": {"code", "message"}}
 *	{"type": "progress", "id", "progress", "message"}
 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "manifest/manifest.h"
#include "rpc/internal.h"

#define NAME_QUOTED 80

static json_t *native_answer(const struct rpc_call *call, json_t *result, const char *text)
{
	return json_pack("{s:O, s:O, s:o}", "id", call->id, "result", result, "text",
			 answer_text(text));
}

static json_t *native_progress(const struct rpc_call *call, const char *message)
{
	return json_pack("{s:s, s:O, s:I, s:o*}", "type", "progress", "id", call->id, "progress",
			 (json_int_t)call->progress, "message",
			 message ? answer_text(message) : NULL);
}

static json_t *native_error(json_t *id, enum fault fault, const char *text)
{
	return json_pack("{s:O?, s:{s:s, s:o}}", "id", id, "error", "code", rpc_faults[fault].word,
			 "message", answer_text(text));
}

static json_t *native_resource(const struct rpc_call *call, json_t *content)
{
	return json_pack("{s:s, s:O*, s:o}", "type", "resource", "id", call->id, "resource",
			 content);
}

const struct dialect dialect_native = {native_answer, native_progress, native_error,
				       native_resource};

/* True when every member of @line is one of @names; else answered. */
static bool check_members(struct rpc *rpc, json_t *line, json_t *id, const char *const *names,
			  size_t n)
{
	const char *key;
	json_t *value;

	json_object_foreach(line, key, value) {
		char quoted[NAME_QUOTED];
		const char *near;
		size_t i = 0;

		while (i < n && strcmp(key, names[i]) != 0)
			i++;
		if (i < n)
			continue;
		near = text_nearest(key, names, n);
		rpc_fail(rpc, &dialect_native, id, FAULT_REQUEST, "unknown member \"%s\"%s%s%s",
			 text_quote(quoted, sizeof(quoted), key, strlen(key)),
			 near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		return false;
	}
	return true;
}

void native_call(struct rpc *rpc, json_t *line)
{
	static const char *const names[] = {"id", "tool", "arguments", "progress", "session"};
	json_t *id = json_object_get(line, "id");
	json_t *arguments = json_object_get(line, "arguments");
	json_t *progress = json_object_get(line, "progress");
	json_t *session = json_object_get(line, "session");
	const char *tool = parse_string(json_object_get(line, "tool"));
	const char *wrong = NULL;
	struct rpc_call *call;
	json_t *none = NULL;

	if (!parse_id(id)) {
		wrong = "\"id\" must be a string of at most 1024 bytes or an integer";
		id = NULL;
	} else if (!tool) {
		wrong = "\"tool\" must be a string without NUL";
	} else if (arguments && !json_is_object(arguments)) {
		wrong = "\"arguments\" must be an object";
	} else if (progress && !json_is_boolean(progress)) {
		wrong = "\"progress\" must be true or false";
	} else if (!call_session_ok(session)) {
		wrong = "\"session\": " CALL_SESSION_WORDS;
	}
	if (wrong) {
		rpc_fail(rpc, &dialect_native, id, FAULT_REQUEST, "%s", wrong);
		return;
	}
	if (!check_members(rpc, line, id, names, ARRAY_SIZE(names)))
		return;
	call = call_open_or_answer(rpc, &dialect_native, id);
	if (!call)
		return;
	call->session = json_incref(session);
	if (json_is_true(progress))
		call->progress_token = json_incref(id);
	if (!arguments)
		arguments = none = json_object();
	call_start(call, tool, arguments);
	json_decref(none);
}

static void control_ping(struct rpc *rpc, json_t *line, json_t *id)
{
	json_t *pong = rpc->ops->status(rpc->ctx);

	(void)line;
	if (json_object_set_new(pong, "type", json_string("pong")) < 0 ||
	    (id && json_object_set(pong, "id", id) < 0)) {
		json_decref(pong);
		pong = NULL;
	}
	(void)rpc_send(rpc, pong);
}

static void control_cancel(struct rpc *rpc, json_t *line, json_t *id)
{
	const char *reason = parse_string(json_object_get(line, "reason"));
	struct rpc_call *call = id ? call_find(rpc, &dialect_native, id) : NULL;

	if (!id)
		rpc_fail(rpc, &dialect_native, NULL, FAULT_REQUEST,
			 "\"cancel\" needs the \"id\" of a call");
	else if (!call)
		rpc_fail(rpc, &dialect_native, id, FAULT_UNKNOWN_CALL,
			 "no call with this id is running");
	else
		call_cancel(call, reason);
}

static void control_tools(struct rpc *rpc, json_t *line, json_t *id)
{
	json_t *wish = json_object_get(line, "format");
	const char *format = wish ? parse_string(wish) : "mcp";
	json_t *tools = format ? manifest_tools_format(rpc->ops->tools(rpc->ctx), format) : NULL;

	if (!tools)
		rpc_fail(rpc, &dialect_native, id, FAULT_PARAMS,
			 "\"format\" is \"mcp\", \"anthropic\" or \"openai\"");
	else
		(void)rpc_send(rpc, json_pack("{s:s, s:O*, s:o}", "type", "tools", "id", id,
					      "tools", tools));
}

static void control_resources(struct rpc *rpc, json_t *line, json_t *id)
{
	(void)line;
	(void)rpc_send(rpc, json_pack("{s:s, s:O*, s:o}", "type", "resources", "id", id,
				      "resources", rpc->ops->resources(rpc->ctx)));
}

/* @id may be NULL, as for every line that only one answer can belong to. */
static void read_later(struct rpc *rpc, json_t *id, const char *uri)
{
	struct rpc_call *call = call_open_or_answer(rpc, &dialect_native, id);

	if (call)
		call_read_resource(call, uri);
}

static void control_resource(struct rpc *rpc, json_t *line, json_t *id)
{
	const char *uri = parse_string(json_object_get(line, "uri"));
	struct err err = {0};
	json_t *content = NULL;
	int r;

	if (!uri) {
		rpc_fail(rpc, &dialect_native, id, FAULT_PARAMS,
			 "\"uri\" must be a string without NUL");
		return;
	}
	r = answer_resource(rpc, uri, &content, &err);
	if (r == 0)
		r = rpc_send(rpc, json_pack("{s:s, s:O*, s:o}", "type", "resource", "id", id,
					    "resource", content));
	if (r == -ENOENT)
		rpc_fail(rpc, &dialect_native, id, FAULT_NOT_FOUND, "no such resource");
	else if (r == -EINPROGRESS)
		read_later(rpc, id, uri);
	else if (r == -E2BIG)
		rpc_fail(rpc, &dialect_native, id, FAULT_INTERNAL, "the resource is too large");
	else if (r < 0)
		rpc_fail(rpc, &dialect_native, id, FAULT_INTERNAL, "cannot read the resource: %s",
			 err.text);
}

static const struct control {
	const char *type;
	void (*run)(struct rpc *rpc, json_t *line, json_t *id); /* @id: NULL when there is none */
	const char *const members[4];
} controls[] = {
	{"ping", control_ping, {"type", "id"}},
	{"cancel", control_cancel, {"type", "id", "reason"}},
	{"tools", control_tools, {"type", "id", "format"}},
	{"resources", control_resources, {"type", "id"}},
	{"resource", control_resource, {"type", "id", "uri"}},
};

static void unknown_type(struct rpc *rpc, json_t *id, const char *type)
{
	const char *names[ARRAY_SIZE(controls)];
	char quoted[NAME_QUOTED];
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(controls); i++)
		names[i] = controls[i].type;
	near = text_nearest(type, names, ARRAY_SIZE(names));
	rpc_fail(rpc, &dialect_native, id, FAULT_METHOD, "unknown type \"%s\"%s%s%s",
		 text_quote(quoted, sizeof(quoted), type, strlen(type)),
		 near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

void native_control(struct rpc *rpc, json_t *line)
{
	json_t *id = json_object_get(line, "id");
	const char *type = parse_string(json_object_get(line, "type"));

	if ((id && !parse_id(id)) || !type) {
		rpc_fail(rpc, &dialect_native, parse_id(id) ? id : NULL, FAULT_REQUEST,
			 "\"%s\" must be a string%s", type ? "id" : "type",
			 type ? " or an integer" : "");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
		const struct control *row = &controls[i];
		size_t n = 0;

		if (strcmp(type, row->type) != 0)
			continue;
		while (n < ARRAY_SIZE(row->members) && row->members[n])
			n++;
		if (check_members(rpc, line, id, row->members, n))
			row->run(rpc, line, id);
		return;
	}
	unknown_type(rpc, id, type);
}
