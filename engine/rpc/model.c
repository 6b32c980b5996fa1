/*
 * Theory of operation: lines as models write them. A driver pastes the model's block in and the
 * answer back into the conversation, so an answer has exactly the members that the model's API
 * accepts (the Anthropic API refuses others): its content is the text half of the result. A driver
 * that wants the result object too puts "toolcell": true beside the block; then the answer carries
 * it under the same name. "session" beside the block names the session for all calls of the line.
 *
 *	{"type":"tool_use","id","name","input"}		 -> {"type":"tool_result",...}
 *	{"role":"assistant","content":[tool_use...]}	 -> one such line per tool_use
 *	{"tool_calls":[{"id","function":{...}}]}	 -> {"role":"tool",...}, one line each
 *	{"type":"function_call","call_id","name",...}	 -> {"type":"function_call_output",...}
 *
 * A block that cannot be a call is answered in kind when it has an id, natively when it has none.
 */
#include <string.h>

#include "rpc/internal.h"

/* One block, whatever its dialect. @arguments: NULL stands for none. */
struct block {
	json_t *id;
	json_t *name;
	json_t *arguments;
	json_t *session;
	bool whole;
};

static json_t *with_result(const struct rpc_call *call, json_t *answer, json_t *result)
{
	if (call->whole && json_object_set(answer, "toolcell", result) < 0) {
		json_decref(answer);
		return NULL;
	}
	return answer;
}

static json_t *tool_result(json_t *id, const char *text, bool is_error)
{
	return json_pack("{s:s, s:O, s:o, s:b}", "type", "tool_result", "tool_use_id", id,
			 "content", answer_text(text), "is_error", is_error);
}

static json_t *chat_message(json_t *id, const char *text)
{
	return json_pack("{s:s, s:O, s:o}", "role", "tool", "tool_call_id", id, "content",
			 answer_text(text));
}

static json_t *call_output(json_t *id, const char *text)
{
	return json_pack("{s:s, s:O, s:o}", "type", "function_call_output", "call_id", id, "output",
			 answer_text(text));
}

static json_t *anthropic_answer(const struct rpc_call *call, json_t *result, const char *text)
{
	return with_result(call, tool_result(call->id, text, answer_is_error(result)), result);
}

static json_t *chat_answer(const struct rpc_call *call, json_t *result, const char *text)
{
	return with_result(call, chat_message(call->id, text), result);
}

static json_t *responses_answer(const struct rpc_call *call, json_t *result, const char *text)
{
	return with_result(call, call_output(call->id, text), result);
}

static json_t *anthropic_error(json_t *id, enum fault fault, const char *text)
{
	return json_is_string(id) ? tool_result(id, text, true)
				  : dialect_native.error(id, fault, text);
}

static json_t *chat_error(json_t *id, enum fault fault, const char *text)
{
	return json_is_string(id) ? chat_message(id, text) : dialect_native.error(id, fault, text);
}

static json_t *responses_error(json_t *id, enum fault fault, const char *text)
{
	return json_is_string(id) ? call_output(id, text) : dialect_native.error(id, fault, text);
}

const struct dialect dialect_anthropic = {.answer = anthropic_answer, .error = anthropic_error};
const struct dialect dialect_openai_chat = {.answer = chat_answer, .error = chat_error};
const struct dialect dialect_openai_responses = {.answer = responses_answer,
						 .error = responses_error};

static void start_block(struct rpc *rpc, const struct dialect *dialect, const struct block *block)
{
	const char *name = parse_string(block->name);
	struct rpc_call *call;
	json_t *none = NULL;

	if (!json_is_string(block->id) || !parse_id(block->id)) {
		rpc_fail(rpc, dialect, NULL, FAULT_REQUEST,
			 "a call needs an id: a string of at most %zu bytes", PARSE_ID_BYTES_MAX);
		return;
	}
	if (!name || (block->arguments && !json_is_object(block->arguments))) {
		rpc_fail(rpc, dialect, block->id, FAULT_REQUEST, "%s",
			 name ? "the arguments must be an object"
			      : "the name must be a string without NUL");
		return;
	}
	if (!call_session_ok(block->session)) {
		rpc_fail(rpc, dialect, block->id, FAULT_REQUEST, "\"session\": %s",
			 CALL_SESSION_WORDS);
		return;
	}
	call = call_open_or_answer(rpc, dialect, block->id);
	if (!call)
		return;
	call->session = json_incref(block->session);
	call->whole = block->whole;
	if (!block->arguments)
		none = json_object();
	call_start(call, name, none ? none : block->arguments);
	json_decref(none);
}

/* OpenAI's arguments are JSON within a string; some servers put the object itself. */
static void start_encoded(struct rpc *rpc, const struct dialect *dialect, struct block *block)
{
	const char *text = json_string_value(block->arguments);
	size_t len = json_string_length(block->arguments);
	struct err err = {0};
	json_t *decoded = NULL;

	if (text && len > 0) {
		decoded = parse_json(text, len, &err);
		if (!decoded) {
			rpc_fail(rpc, dialect, parse_id(block->id) ? block->id : NULL,
				 FAULT_REQUEST, "the arguments are %s", err.text);
			return;
		}
	}
	if (text)
		block->arguments = decoded;
	start_block(rpc, dialect, block);
	json_decref(decoded);
}

static bool wants_whole(const json_t *line)
{
	return json_is_true(json_object_get(line, "toolcell"));
}

/* @line: the driver's own words around the block */
static void start_tool_use(struct rpc *rpc, const json_t *item, const json_t *line)
{
	const struct block block = {
		.id = json_object_get(item, "id"),
		.name = json_object_get(item, "name"),
		.arguments = json_object_get(item, "input"),
		.session = json_object_get(line, "session"),
		.whole = wants_whole(line),
	};

	start_block(rpc, &dialect_anthropic, &block);
}

void model_tool_use(struct rpc *rpc, json_t *line)
{
	start_tool_use(rpc, line, line);
}

void model_message(struct rpc *rpc, json_t *line)
{
	size_t found = 0;
	size_t i;
	json_t *item;

	json_array_foreach(json_object_get(line, "content"), i, item) {
		const char *type = json_string_value(json_object_get(item, "type"));

		if (!type || strcmp(type, "tool_use") != 0)
			continue;
		found++;
		start_tool_use(rpc, item, line);
	}
	if (found == 0)
		rpc_fail(rpc, &dialect_anthropic, NULL, FAULT_REQUEST,
			 "the message has no block of type \"tool_use\"");
}

static void start_tool_call(struct rpc *rpc, const json_t *item, const json_t *line)
{
	const json_t *function = json_object_get(item, "function");
	struct block block = {
		.id = json_object_get(item, "id"),
		.name = json_object_get(function, "name"),
		.arguments = json_object_get(function, "arguments"),
		.session = json_object_get(line, "session"),
		.whole = wants_whole(line),
	};

	start_encoded(rpc, &dialect_openai_chat, &block);
}

void model_tool_calls(struct rpc *rpc, json_t *line)
{
	json_t *items = json_object_get(line, "tool_calls");
	size_t i;
	json_t *item;

	if (json_array_size(items) == 0) {
		rpc_fail(rpc, &dialect_openai_chat, NULL, FAULT_REQUEST,
			 "\"tool_calls\" must be an array of at least one call");
		return;
	}
	json_array_foreach(items, i, item)
		start_tool_call(rpc, item, line);
}

void model_function_call(struct rpc *rpc, json_t *line)
{
	struct block block = {
		.id = json_object_get(line, "call_id"),
		.name = json_object_get(line, "name"),
		.arguments = json_object_get(line, "arguments"),
		.session = json_object_get(line, "session"),
		.whole = wants_whole(line),
	};

	start_encoded(rpc, &dialect_openai_responses, &block);
}
