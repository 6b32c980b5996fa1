/*
 * Theory of operation: multi round-trip requests. An exchange asks its first (and second) set of
 * questions by a result of the type input_required; the client sends the request again with the
 * answers and the state. A state names exchange and round and carries the process's nonce; any
 * other string is refused.
 *
 *	ask first --answered--> [ask second --answered-->] done
 *	  `-- not all answers there: ask again
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rpc/fixtures.h"

#define ASK_TEXT(key, message, field, type)                                                        \
	"\"" key "\":{\"method\":\"elicitation/create\",\"params\":{\"message\":\"" message "\","  \
	"\"requestedSchema\":{\"type\":\"object\",\"properties\":{\"" field "\":{\"type\":\"" type \
	"\"}},\"required\":[\"" field "\"]}}}"
#define ASK_MODEL(key, text)                                                                      \
	"\"" key "\":{\"method\":\"sampling/createMessage\",\"params\":{\"messages\":[{\"role\":" \
	"\"user\",\"content\":{\"type\":\"text\",\"text\":\"" text "\"}}],\"maxTokens\":100}}"
#define ASK_ROOTS(key) "\"" key "\":{\"method\":\"roots/list\",\"params\":{}}"

static const struct exchange {
	const char *name;
	const char *rounds[2]; /* inputRequests as JSON text */
	const char *done;
	bool state;  /* carries a requestState */
	bool filter; /* leaves out what the client cannot do, instead of an error */
	bool prompt;
} exchanges[] = {
	{.name = "test_input_required_result_elicitation",
	 .rounds = {"{" ASK_TEXT("user_name", "What is your name?", "name", "string") "}"},
	 .done = "Hello!"},
	{.name = "test_input_required_result_sampling",
	 .rounds = {"{" ASK_MODEL("sample_request", "What is the capital of France?") "}"},
	 .done = "Sampling result received"},
	{.name = "test_input_required_result_list_roots",
	 .rounds = {"{" ASK_ROOTS("roots_request") "}"},
	 .done = "Found the roots"},
	{.name = "test_input_required_result_request_state",
	 .rounds = {"{" ASK_TEXT("confirm", "Please confirm", "ok", "boolean") "}"},
	 .done = "state-ok: requestState validated",
	 .state = true},
	{.name = "test_input_required_result_multiple_inputs",
	 .rounds = {"{" ASK_TEXT("user_name", "What is your name?", "name", "string") "," ASK_MODEL(
		 "greeting", "Generate a greeting") "," ASK_ROOTS("client_roots") "}"},
	 .done = "Name, greeting and roots received",
	 .state = true},
	{.name = "test_input_required_result_multi_round",
	 .rounds = {"{" ASK_TEXT("step1", "Step 1: What is your name?", "name", "string") "}",
		    "{" ASK_TEXT("step2", "Step 2: What is your favorite color?", "color",
				 "string") "}"},
	 .done = "Multi-round complete",
	 .state = true},
	{.name = "test_input_required_result_tampered_state",
	 .rounds = {"{" ASK_TEXT("confirm", "Please confirm", "ok", "boolean") "}"},
	 .done = "integrity-ok: state verified",
	 .state = true},
	{.name = "test_input_required_result_capabilities",
	 .rounds = {"{" ASK_TEXT("elicit_input", "Elicitation input", "value",
				 "string") "," ASK_MODEL("sample_input", "Sample request") "}"},
	 .done = "capabilities-ok",
	 .filter = true},
	{.name = "test_input_required_result_prompt",
	 .rounds = {"{" ASK_TEXT("user_context", "What context should the prompt use?", "context",
				 "string") "}"},
	 .done = "Prompt with context",
	 .prompt = true},
};

static const struct {
	const char *method;
	const char *capability;
} needs[] = {
	{"elicitation/create", "elicitation"},
	{"sampling/createMessage", "sampling"},
	{"roots/list", "roots"},
};

const char *fixtures_mrtr_name(size_t n, bool prompt)
{
	for (size_t i = 0; i < ARRAY_SIZE(exchanges); i++)
		if (exchanges[i].prompt == prompt && n-- == 0)
			return exchanges[i].name;
	return NULL;
}

static bool has_capability(const struct mcp_request *req, const char *capability)
{
	json_t *declared = json_object_get(req->meta, MCP_META "clientCapabilities");

	return json_is_object(json_object_get(declared, capability));
}

bool fixtures_require(struct mcp_request *req, const char *capability)
{
	if (has_capability(req, capability))
		return true;
	mcp_error(req, MCP_MISSING_CAPABILITY,
		  json_pack("{s:{s:{}}}", "requiredCapabilities", capability),
		  "Missing required client capability: %s", capability);
	return false;
}

static const char *capability_of(const json_t *request)
{
	const char *method = json_string_value(json_object_get(request, "method"));

	for (size_t i = 0; method && i < ARRAY_SIZE(needs); i++)
		if (strcmp(needs[i].method, method) == 0)
			return needs[i].capability;
	return "";
}

/* False after an error was answered. */
static bool fit_to_client(struct mcp_request *req, const struct exchange *row, json_t *requests)
{
	const char *key;
	json_t *request;
	void *next;

	json_object_foreach_safe(requests, next, key, request) {
		const char *capability = capability_of(request);

		if (row->filter && !has_capability(req, capability))
			(void)json_object_del(requests, key);
		else if (!fixtures_require(req, capability))
			return false;
	}
	return true;
}

static bool all_answered(const struct mcp_request *req, json_t *requests)
{
	json_t *responses = json_object_get(req->params, "inputResponses");
	const char *key;
	json_t *request;

	json_object_foreach(requests, key, request) {
		if (!json_is_object(json_object_get(responses, key)))
			return false;
	}
	return true;
}

static void format_state(const struct mcp_request *req, const struct exchange *row, size_t round,
			 char *text, size_t cap)
{
	(void)snprintf(text, cap, "%s.%zu.%s", row->name, round, req->rpc->fixtures->nonce);
}

/* The round that the request answers: 0 or 1; -EINVAL for a state that is not ours. */
static int answered_round(const struct mcp_request *req, const struct exchange *row, size_t *ret)
{
	json_t *state = json_object_get(req->params, "requestState");
	const char *text = parse_string(state);
	char ours[160];

	*ret = 0;
	if (!row->state || !state)
		return 0;
	for (size_t i = 0; text && i < ARRAY_SIZE(row->rounds) && row->rounds[i]; i++) {
		format_state(req, row, i, ours, sizeof(ours));
		*ret = i;
		if (strcmp(ours, text) == 0)
			return 0;
	}
	return -EINVAL;
}

static void reply_ask(struct mcp_request *req, const struct exchange *row, size_t round,
		      json_t *requests)
{
	char state[160];

	format_state(req, row, round, state, sizeof(state));
	mcp_reply(req,
		  json_pack("{s:s, s:O, s:s*}", "resultType", "input_required", "inputRequests",
			    requests, "requestState", row->state ? state : NULL));
}

static void reply_done(struct mcp_request *req, const struct exchange *row)
{
	if (row->prompt)
		mcp_reply(req, json_pack("{s:[{s:s, s:{s:s, s:s}}]}", "messages", "role", "user",
					 "content", "type", "text", "text", row->done));
	else
		mcp_reply(req, fixtures_content(row->done));
}

static void run_round(struct mcp_request *req, const struct exchange *row, size_t round)
{
	bool last = round + 1 == ARRAY_SIZE(row->rounds) || !row->rounds[round + 1];
	bool begun = !row->state || json_object_get(req->params, "requestState");
	json_t *requests = fixtures_json(row->rounds[round]);

	if (!fit_to_client(req, row, requests)) {
		json_decref(requests);
		return;
	}
	if (!begun || !all_answered(req, requests)) {
		reply_ask(req, row, round, requests);
	} else if (last) {
		reply_done(req, row);
	} else {
		json_decref(requests);
		requests = fixtures_json(row->rounds[round + 1]);
		reply_ask(req, row, round + 1, requests);
	}
	json_decref(requests);
}

bool fixtures_mrtr(struct mcp_request *req, const char *name, bool prompt)
{
	const struct exchange *row = exchanges;
	const struct exchange *end = exchanges + ARRAY_SIZE(exchanges);
	size_t round;

	while (row < end && (row->prompt != prompt || strcmp(row->name, name) != 0))
		row++;
	if (row == end)
		return false;
	if (!req->modern)
		mcp_error(req, MCP_INVALID_PARAMS, NULL, "only MCP %s has round trips of this kind",
			  MCP_MODERN_VERSION);
	else if (answered_round(req, row, &round) < 0)
		mcp_error(req, MCP_INVALID_PARAMS, NULL, "params.requestState is not one of ours");
	else
		run_round(req, row, round);
	return true;
}
