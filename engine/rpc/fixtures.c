/*
 * Theory of operation: one table of tools; a row's function answers, from the row's JSON text where
 * that is all there is to it. A tool that asks the client something opens a CALL_FIXTURE, sends a
 * request of ours with the id "ask-N", and answers its own call when the response comes:
 *
 *	run_ask --request to the driver--> fixtures_response -> answer, call_free
 */
#include "rpc/fixtures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define NO_ARGUMENTS "{\"type\":\"object\",\"properties\":{}}"
#define TEXT_ARGUMENT(name)                            \
	"{\"type\":\"object\",\"properties\":{\"" name \
	"\":{\"type\":\"string\"}},\"required\":[\"" name "\"]}"
#define TEXT_RESULT(text) "{\"content\":[{\"type\":\"text\",\"text\":\"" text "\"}]}"
#define IMAGE "{\"type\":\"image\",\"data\":\"" FIXTURE_PNG "\",\"mimeType\":\"image/png\"}"

struct fixture_tool {
	const char *name;
	const char *description;
	const char *schema;
	void (*run)(struct mcp_request *req, const struct fixture_tool *row, json_t *arguments);
	const char *text; /* run_static: the result; run_ask: the schema asked for, or NULL */
};

struct fixtures *fixtures_new(void)
{
	struct fixtures *fixtures = calloc(1, sizeof(*fixtures));
	uint64_t random[2];

	if (!fixtures || getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		free(fixtures);
		return NULL;
	}
	(void)snprintf(fixtures->nonce, sizeof(fixtures->nonce), "%016" PRIx64 "%016" PRIx64,
		       random[0], random[1]);
	return fixtures;
}

void fixtures_free(struct fixtures *fixtures)
{
	free(fixtures);
}

json_t *fixtures_json(const char *text)
{
	return parse_json(text, strlen(text), NULL);
}

json_t *fixtures_content(const char *text)
{
	return json_pack("{s:[{s:s, s:o}]}", "content", "type", "text", "text", answer_text(text));
}

static void run_static(struct mcp_request *req, const struct fixture_tool *row, json_t *arguments)
{
	(void)arguments;
	mcp_reply(req, fixtures_json(row->text));
}

static void run_progress(struct mcp_request *req, const struct fixture_tool *row, json_t *arguments)
{
	json_t *token = json_object_get(req->meta, "progressToken");

	for (int done = 0; token && done <= 100; done += 50)
		mcp_notify(req->rpc, "notifications/progress",
			   json_pack("{s:O, s:i, s:i}", "progressToken", token, "progress", done,
				     "total", 100));
	run_static(req, row, arguments);
}

static void run_logging(struct mcp_request *req, const struct fixture_tool *row, json_t *arguments)
{
	static const char *const messages[] = {
		"Tool execution started",
		"Tool processing data",
		"Tool execution completed",
	};

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		json_t *data = json_string(messages[i]);

		mcp_log(req, "info", data);
		json_decref(data);
	}
	run_static(req, row, arguments);
}

static void run_sampling_required(struct mcp_request *req, const struct fixture_tool *row,
				  json_t *arguments)
{
	if (fixtures_require(req, "sampling"))
		run_static(req, row, arguments);
}

static json_t *ask_params(const struct fixture_tool *row, json_t *arguments,
			  const char **ret_method)
{
	const char *prompt = json_string_value(json_object_get(arguments, "prompt"));
	const char *message = json_string_value(json_object_get(arguments, "message"));

	if (!row->text) {
		*ret_method = "sampling/createMessage";
		return json_pack("{s:[{s:s, s:{s:s, s:s}}], s:i}", "messages", "role", "user",
				 "content", "type", "text", "text", prompt ? prompt : "Hello",
				 "maxTokens", 100);
	}
	*ret_method = "elicitation/create";
	return json_pack("{s:s, s:o}", "message", message ? message : "Please fill in the form",
			 "requestedSchema", fixtures_json(row->text));
}

static void run_ask(struct mcp_request *req, const struct fixture_tool *row, json_t *arguments)
{
	struct rpc_call *call;
	const char *method;
	json_t *params;
	char id[32];

	if (req->modern) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL,
			  "this fixture sends a request, which only legacy sessions allow");
		return;
	}
	call = mcp_open(req, CALL_FIXTURE);
	if (!call)
		return;
	call->ask = req->rpc->last_call;
	(void)snprintf(id, sizeof(id), "ask-%" PRIu64, call->ask);
	params = ask_params(row, arguments, &method);
	(void)rpc_send(req->rpc, json_pack("{s:s, s:s, s:s, s:o}", "jsonrpc", "2.0", "id", id,
					   "method", method, "params", params));
}

/* "accept" and its content of an elicitation, or the text that a model answered. */
static json_t *ask_result(const json_t *line)
{
	json_t *result = json_object_get(line, "result");
	json_t *said = json_object_get(json_object_get(result, "content"), "text");
	const char *action = json_string_value(json_object_get(result, "action"));
	char *content = json_dumps(json_object_get(result, "content"), JSON_COMPACT);
	char *text = NULL;
	json_t *shown = NULL;
	int n;

	if (!result)
		n = asprintf(&text, "The client answered with an error");
	else if (action)
		n = asprintf(&text, "Elicitation completed: action=%s, content=%s", action,
			     content ? content : "{}");
	else
		n = asprintf(&text, "LLM response: %s",
			     json_is_string(said) ? json_string_value(said) : "No response");
	if (n >= 0) {
		shown = fixtures_content(text);
		free(text);
	}
	free(content);
	return shown;
}

void fixtures_response(struct rpc *rpc, const json_t *line)
{
	const char *id = json_string_value(json_object_get(line, "id"));
	struct rpc_call *call = rpc->calls;

	for (; id && call; call = call->next) {
		char name[32];

		if (call->kind != CALL_FIXTURE)
			continue;
		(void)snprintf(name, sizeof(name), "ask-%" PRIu64, call->ask);
		if (strcmp(name, id) == 0)
			break;
	}
	if (!id || !call)
		return;
	(void)rpc_send(rpc, mcp_result_of(call, ask_result(line)));
	call_free(call);
}

static const struct fixture_tool tools[] = {
	{"test_simple_text", "Plain text", NO_ARGUMENTS, run_static,
	 TEXT_RESULT("This is a simple text response for testing.")},
	{"test_image_content", "An image", NO_ARGUMENTS, run_static, "{\"content\":[" IMAGE "]}"},
	{"test_audio_content", "A sound", NO_ARGUMENTS, run_static,
	 "{\"content\":[{\"type\":\"audio\",\"data\":\"" FIXTURE_WAV
	 "\",\"mimeType\":\"audio/wav\"}]}"},
	{"test_embedded_resource", "An embedded resource", NO_ARGUMENTS, run_static,
	 "{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":\"test://embedded-resource\","
	 "\"mimeType\":\"text/plain\",\"text\":\"This is an embedded resource content.\"}}]}"},
	{"test_multiple_content_types", "Text, image and resource", NO_ARGUMENTS, run_static,
	 "{\"content\":[{\"type\":\"text\",\"text\":\"Multiple content types test:\"}," IMAGE
	 ",{\"type\":\"resource\",\"resource\":{\"uri\":\"test://mixed-content-resource\","
	 "\"mimeType\":\"application/json\",\"text\":\"{\\\"test\\\":\\\"data\\\","
	 "\\\"value\\\":123}\"}}]}"},
	{"test_error_handling", "A tool that fails", NO_ARGUMENTS, run_static,
	 "{\"content\":[{\"type\":\"text\",\"text\":"
	 "\"This tool intentionally returns an error for testing\"}],\"isError\":true}"},
	{"test_tool_with_progress", "Three steps of progress", NO_ARGUMENTS, run_progress,
	 TEXT_RESULT("Progress completed")},
	{"test_tool_with_logging", "Three log messages", NO_ARGUMENTS, run_logging,
	 TEXT_RESULT("Tool with logging executed successfully")},
	{"test_logging_tool", "Log messages, if asked for", NO_ARGUMENTS, run_logging,
	 TEXT_RESULT("Logging evaluated")},
	{"test_streaming_elicitation", "Progress before the result", NO_ARGUMENTS, run_progress,
	 TEXT_RESULT("Streaming complete")},
	{"test_missing_capability", "Needs a client that can sample", NO_ARGUMENTS,
	 run_sampling_required, TEXT_RESULT("Success")},
	{"test_sampling", "Asks the client's model", TEXT_ARGUMENT("prompt"), run_ask, NULL},
	{"test_elicitation", "Asks the user", TEXT_ARGUMENT("message"), run_ask,
	 "{\"type\":\"object\",\"properties\":{\"response\":{\"type\":\"string\","
	 "\"description\":\"User's response\"}},\"required\":[\"response\"]}"},
	{"test_elicitation_sep1034_defaults", "Asks with defaults", NO_ARGUMENTS, run_ask,
	 "{\"type\":\"object\",\"properties\":{"
	 "\"name\":{\"type\":\"string\",\"default\":\"John Doe\"},"
	 "\"age\":{\"type\":\"integer\",\"default\":30},"
	 "\"score\":{\"type\":\"number\",\"default\":95.5},"
	 "\"status\":{\"type\":\"string\",\"enum\":[\"active\",\"inactive\",\"pending\"],"
	 "\"default\":\"active\"},"
	 "\"verified\":{\"type\":\"boolean\",\"default\":true}},\"required\":[]}"},
	{"test_elicitation_sep1330_enums", "Asks with enumerations", NO_ARGUMENTS, run_ask,
	 "{\"type\":\"object\",\"properties\":{"
	 "\"untitledSingle\":{\"type\":\"string\",\"enum\":[\"option1\",\"option2\",\"option3\"]},"
	 "\"titledSingle\":{\"type\":\"string\",\"oneOf\":["
	 "{\"const\":\"value1\",\"title\":\"First Option\"},"
	 "{\"const\":\"value2\",\"title\":\"Second Option\"},"
	 "{\"const\":\"value3\",\"title\":\"Third Option\"}]},"
	 "\"legacyEnum\":{\"type\":\"string\",\"enum\":[\"opt1\",\"opt2\",\"opt3\"],"
	 "\"enumNames\":[\"Option One\",\"Option Two\",\"Option Three\"]},"
	 "\"untitledMulti\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":3,\"items\":"
	 "{\"type\":\"string\",\"enum\":[\"option1\",\"option2\",\"option3\"]}},"
	 "\"titledMulti\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":3,\"items\":{\"anyOf\":["
	 "{\"const\":\"value1\",\"title\":\"First Choice\"},"
	 "{\"const\":\"value2\",\"title\":\"Second Choice\"},"
	 "{\"const\":\"value3\",\"title\":\"Third Choice\"}]}}},\"required\":[]}"},
	{"json_schema_2020_12_tool", "A schema with 2020-12 vocabulary",
	 "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","
	 "\"$defs\":{\"address\":{\"$anchor\":\"addressDef\",\"type\":\"object\",\"properties\":{"
	 "\"street\":{\"type\":\"string\"},\"city\":{\"type\":\"string\"}}}},"
	 "\"properties\":{\"name\":{\"type\":\"string\"},\"address\":{\"$ref\":\"#/$defs/"
	 "address\"},"
	 "\"contactMethod\":{\"type\":\"string\",\"enum\":[\"phone\",\"email\"]},"
	 "\"phone\":{\"type\":\"string\"},\"email\":{\"type\":\"string\"}},"
	 "\"allOf\":[{\"anyOf\":[{\"required\":[\"phone\"]},{\"required\":[\"email\"]}]}],"
	 "\"if\":{\"properties\":{\"contactMethod\":{\"const\":\"phone\"}},"
	 "\"required\":[\"contactMethod\"]},\"then\":{\"required\":[\"phone\"]},"
	 "\"else\":{\"required\":[\"email\"]},\"additionalProperties\":false}",
	 run_static, TEXT_RESULT("JSON Schema 2020-12 tool called")},
};

bool fixtures_call(struct mcp_request *req, const char *name, json_t *arguments)
{
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		if (strcmp(tools[i].name, name) != 0)
			continue;
		tools[i].run(req, &tools[i], arguments);
		return true;
	}
	return fixtures_mrtr(req, name, false);
}

static int add_tool(json_t *list, const char *name, const char *description, const char *schema)
{
	return json_array_append_new(list,
				     json_pack("{s:s, s:s, s:o}", "name", name, "description",
					       description, "inputSchema", fixtures_json(schema)));
}

json_t *fixtures_tools(json_t *list)
{
	const char *name;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
		r |= add_tool(list, tools[i].name, tools[i].description, tools[i].schema);
	for (size_t i = 0; (name = fixtures_mrtr_name(i, false)); i++)
		r |= add_tool(list, name, "Takes more than one round trip", NO_ARGUMENTS);
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}
