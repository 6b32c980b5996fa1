/*
 * Theory of operation: a question for the person who uses the driver, MCP's elicitation, as a form.
 *
 *	legacy	rpc_call_ask --request "ask-<random>"--> driver --response--> ops->answered
 *			`--rpc_call_ask_end: notifications/cancelled; a response that still comes finds
 *			   no call, and is noted
 *	modern	rpc_call_ask --result "input_required", the call is over--> driver
 *		--the same call again, with inputResponses and requestState--> ops->call, rpc_call_state
 *
 * Only these two ways lead to an answer. What a model writes are a tool's arguments, and nothing here
 * looks into those. An id is 128 random bits, so that an answer can only come from where the question
 * went; it is good for one answer. A modern state is the broker's to make and to know again.
 *
 * A host may fill in and send a form by itself. Forms of ours therefore have "no" as what is filled in.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/text.h"
#include "rpc/mcp.h"

#define METHOD "elicitation/create"
#define KEY "consent" /* of the one question in a modern result */
#define QUOTED 96

bool mcp_elicits(const json_t *capabilities)
{
	const json_t *elicitation = json_object_get(capabilities, "elicitation");

	if (!json_is_object(elicitation))
		return false;
	/* Before there were modes, forms were all there was; an empty object still says so. */
	return json_object_size(elicitation) == 0 ||
	       json_is_object(json_object_get(elicitation, "form"));
}

enum rpc_ask rpc_call_ask_how(const struct rpc_call *call)
{
	if (call->dialect != &dialect_mcp || call->kind != CALL_TOOL || call->cancelled)
		return RPC_ASK_NOT;
	if (call->modern)
		return call->elicits ? RPC_ASK_AGAIN : RPC_ASK_NOT;
	/* A batch leaves as a whole, and its driver may wait for it. */
	return call->rpc->elicits && !call->batch ? RPC_ASK_NOW : RPC_ASK_NOT;
}

static json_t *question(const struct rpc_call *call, const char *message, json_t *schema)
{
	bool modes = call->modern || (call->rpc->version && call->rpc->version->modes);

	return json_pack("{s:s*, s:o, s:o}", "mode", modes ? "form" : NULL, "message",
			 answer_text(message), "requestedSchema", schema);
}

static int ask_now(struct rpc_call *call, const char *message, json_t *schema)
{
	uint64_t random[2];
	int r;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		json_decref(schema);
		return -ENOMEM;
	}
	(void)snprintf(call->ask_id, sizeof(call->ask_id), "ask-%016" PRIx64 "%016" PRIx64,
		       random[0], random[1]);
	r = rpc_send(call->rpc,
		     json_pack("{s:s, s:s, s:s, s:o}", "jsonrpc", "2.0", "id", call->ask_id,
			       "method", METHOD, "params", question(call, message, schema)));
	if (r < 0)
		call->ask_id[0] = '\0';
	return r < 0 ? -ENOMEM : 0;
}

static int ask_again(struct rpc_call *call, const char *message, json_t *schema, const char *state)
{
	json_t *result = json_pack("{s:s, s:{s:{s:s, s:o}}, s:s}", "resultType", "input_required",
				   "inputRequests", KEY, "method", METHOD, "params",
				   question(call, message, schema), "requestState", state);

	if (!result || rpc_send(call->rpc, mcp_result_of(call, result)) < 0)
		return -ENOMEM;
	call_free(call);
	return 0;
}

int rpc_call_ask(struct rpc_call *call, const char *message, json_t *schema, const char *state)
{
	if (!schema)
		return -ENOMEM;
	return call->modern ? ask_again(call, message, schema, state)
			    : ask_now(call, message, schema);
}

void rpc_call_ask_end(struct rpc_call *call)
{
	if (call->ask_id[0] == '\0')
		return;
	mcp_notify(call->rpc, "notifications/cancelled",
		   json_pack("{s:s, s:s}", "requestId", call->ask_id, "reason",
			     "the question is no longer open"));
	call->ask_id[0] = '\0';
}

static struct rpc_answer malformed(const char *wrong)
{
	return (struct rpc_answer){.action = RPC_MALFORMED, .wrong = wrong};
}

/* @result: an ElicitResult, whichever way it came. */
static struct rpc_answer read_answer(const json_t *result)
{
	static const struct {
		const char *word;
		enum rpc_action action;
	} rows[] = {
		{"accept", RPC_ACCEPTED},
		{"decline", RPC_DECLINED},
		{"cancel", RPC_DISMISSED},
	};
	const char *word = parse_string(json_object_get(result, "action"));
	json_t *content = json_object_get(result, "content");

	if (!json_is_object(result))
		return malformed("the answer is no object");
	for (size_t i = 0; word && i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].word, word) != 0)
			continue;
		if (rows[i].action == RPC_ACCEPTED && !json_is_object(content))
			return malformed("the answer accepts without the form's fields");
		return (struct rpc_answer){.action = rows[i].action, .content = content};
	}
	return malformed("the answer's \"action\" is not accept, decline or cancel");
}

static struct rpc_call *find_asked(const struct rpc *rpc, const char *id)
{
	for (struct rpc_call *call = rpc->calls; call; call = call->next)
		if (call->ask_id[0] != '\0' && strcmp(call->ask_id, id) == 0)
			return call;
	return NULL;
}

/* Too late, a second time, or to what was never asked: of no effect, but somebody may want to know. */
static void note_stray(struct rpc *rpc, const json_t *id)
{
	const char *text = json_string_value(id);
	char quoted[QUOTED] = "";
	json_t *data;

	if (text)
		(void)text_quote(quoted, sizeof(quoted), text, json_string_length(id));
	data = json_pack("{s:s, s:s}", "message",
			 "an answer to a question that is not open was ignored", "id", quoted);
	if (data)
		rpc_log(rpc, "warning", data);
	json_decref(data);
}

bool mcp_elicit_response(struct rpc *rpc, const json_t *line)
{
	const json_t *id = json_object_get(line, "id");
	const char *text = parse_string(id);
	struct rpc_call *call = text ? find_asked(rpc, text) : NULL;
	struct rpc_answer answer;

	if (!call) {
		if (!rpc->fixtures)
			note_stray(rpc, id);
		return false;
	}
	call->ask_id[0] = '\0';
	if (json_object_get(line, "error"))
		answer = malformed("the driver answered the question with an error");
	else
		answer = read_answer(json_object_get(line, "result"));
	rpc->ops->answered(rpc->ctx, call, &answer);
	return true;
}

bool mcp_elicit_retry(struct mcp_request *req, struct rpc_call *call)
{
	json_t *responses = json_object_get(req->params, "inputResponses");

	if (!req->modern)
		return true;
	call->elicits = mcp_elicits(json_object_get(req->meta, MCP_META "clientCapabilities"));
	if (responses && !json_is_object(responses)) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL, "params.inputResponses must be an object");
		return false;
	}
	call->state = json_incref(json_object_get(req->params, "requestState"));
	call->responses = json_incref(responses);
	return true;
}

const char *rpc_call_state(const struct rpc_call *call, struct rpc_answer *ret)
{
	const json_t *response = json_object_get(call->responses, KEY);
	const char *state = parse_string(call->state);

	if (!call->state && !call->responses)
		return NULL;
	*ret = response ? read_answer(response) : (struct rpc_answer){.action = RPC_UNANSWERED};
	return state ? state : "";
}
