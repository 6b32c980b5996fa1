/*
 * Theory of operation: holds calls until a person has said yes to what they need. One question at a time
 * stands for each thing to be granted: a call that needs the same waits for that answer, as a "session"
 * or a "no" is an answer for it too; after a "once" it asks in its turn.
 *
 *	begin --> try_ask --legacy--> asked --answered, timeout, cancel--> release or refuse --> settle_others
 *		    |  `--modern--> pending; the call is over, and its answer comes with the next (take_retry)
 *		    |--terminal--> asked and answered at once
 *		    `--another asks--> tick: try_ask again
 *
 * An answer reaches this file from rpc (mcp_elicit.c), which has it from the driver's own answer to our
 * question, or from the terminal. There is no other way in: a tool's arguments are only ever shown.
 */
#include "broker/consent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/state.h"

#define TIMEOUT_MS (5LL * 60 * 1000) /* of a catalog that does not say */
#define TURN_LOOK_MS 500

static void load_paths(struct consents *s, json_t *grants)
{
	json_t *one;
	size_t i;

	json_array_foreach(grants, i, one) {
		struct consent_path path = {
			.path = json_string_value(json_object_get(one, "path")),
			.rule = json_string_value(json_object_get(one, "rule")),
			.fragment = json_string_value(json_object_get(one, "fragment")),
			.write = json_is_true(json_object_get(one, "write")),
			.upgrade = json_is_true(json_object_get(one, "upgrade")),
		};

		/* Of more, or of half a one, nothing is granted. */
		if (i >= CONSENT_PATHS_MAX || !path.path || !path.rule || !path.fragment)
			return;
		s->paths[s->n_paths++] = path;
	}
}

void consents_init(struct broker *b)
{
	struct consents *s = &b->consents;
	json_t *ask = json_object_get(b->catalog, "ask");
	json_int_t timeout = json_integer_value(json_object_get(ask, "timeout_ms"));

	s->timeout_ms = timeout > 0 ? timeout : TIMEOUT_MS;
	s->session = !json_is_false(json_object_get(ask, "session"));
	s->cells = (uint32_t)json_integer_value(json_object_get(ask, "cells"));
	s->first_cell = (uint32_t)json_integer_value(json_object_get(ask, "first_cell"));
	load_paths(s, json_object_get(ask, "grants"));
}

void consents_fini(struct broker *b)
{
	struct consents *s = &b->consents;

	for (size_t i = 0; i < CONSENT_PENDING_MAX; i++)
		consent_pending_free(&s->pending[i]);
	for (size_t i = 0; i < CONSENT_WANTED_MAX; i++)
		consent_key_fini(&s->wanted[i].key);
	json_decref(s->tools);
	s->tools = NULL;
}

void consent_leave(struct call *c)
{
	if (c->state != CALL_HELD)
		return;
	c->broker->consents.held--;
	c->broker->queued--;
	c->broker->queued_bytes -= c->bytes;
	c->consent.asked = 0;
	c->state = CALL_QUEUED; /* whoever called goes on from here, uncounted */
}

/* Back into the queue, where it stands for as long as it has waited. */
static void release(struct call *c)
{
	c->broker->consents.held--;
	c->consent.asked = 0;
	c->state = CALL_QUEUED;
}

void consent_fini(struct call *c)
{
	consent_key_fini(&c->consent.key);
}

static bool grant_session(struct call *c, uint32_t bits)
{
	struct consents *s = &c->broker->consents;

	s->granted |= bits & CONSENT_PATHS;
	if (!(bits & CONSENT_TOOL))
		return true;
	if (!s->tools)
		s->tools = json_object();
	return json_object_set_new(s->tools, c->tool_name, json_true()) == 0;
}

static void grant(struct call *c, uint32_t once, uint32_t session)
{
	c->consent.once |= once;
	c->consent.fresh |= once | session;
	if (session && !grant_session(c, session))
		c->consent.once |= session; /* without memory it is not kept for others */
}

/*
 * The fields of a form, all of which have to say yes in words of ours.
 * Return: bits that do not; @ret_no: a field says no in so many words.
 */
static uint32_t read_form(const struct call *c, uint32_t bits, json_t *content, uint32_t *ret_once,
			  uint32_t *ret_session, bool *ret_no)
{
	uint32_t left = 0;

	for (uint32_t bit = 1; bit <= CONSENT_TOOL; bit <<= 1) {
		json_t *field = json_object_get(content, consent_field(bit));
		const char *word = json_string_value(field);
		bool whole = word && strlen(word) == json_string_length(field);

		if (!(bits & bit))
			continue;
		if (whole && strcmp(word, "once") == 0)
			*ret_once |= bit;
		else if (whole && strcmp(word, "session") == 0 && c->broker->consents.session)
			*ret_session |= bit;
		else
			left |= bit;
		*ret_no = *ret_no || (whole && strcmp(word, "decline") == 0);
	}
	return left;
}

/* A "no" to a path is one for all who wait for it; to a call, for the same call only. */
static uint32_t shared_bits(const struct call *c, const struct call *other, uint32_t bits)
{
	uint32_t shared = bits & consent_missing(other) & CONSENT_PATHS;

	if ((bits & CONSENT_TOOL) && consent_key_equal(&c->consent.key, &other->consent.key))
		shared |= CONSENT_TOOL;
	return shared;
}

/* An answer that could not be read is nobody's else: who waits asks in turn. */
static void refuse_waiting(struct call *c, uint32_t bits, enum consent_refusal why)
{
	for (struct call *other = c->broker->first; other; other = other->next) {
		uint32_t shared;

		if (other == c || other->state != CALL_HELD || other->consent.asked ||
		    why == CONSENT_MALFORMED)
			continue;
		shared = shared_bits(c, other, bits);
		if (shared)
			consent_refuse(other, shared, why, NULL);
	}
}

static void refuse(struct call *c, uint32_t bits, enum consent_refusal why, const char *note)
{
	consent_refuse(c, bits, why, note);
	refuse_waiting(c, bits, why);
}

/* The answer to a question about @bits: a yes to all of them, or the call is DONE. Return: whether it is. */
static bool is_yes(struct call *c, uint32_t bits, const struct rpc_answer *answer,
		   uint32_t *ret_once, uint32_t *ret_session)
{
	static const enum consent_refusal whys[] = {
		[RPC_ACCEPTED] = CONSENT_MALFORMED,   [RPC_DECLINED] = CONSENT_DECLINED,
		[RPC_DISMISSED] = CONSENT_DISMISSED,  [RPC_MALFORMED] = CONSENT_MALFORMED,
		[RPC_UNANSWERED] = CONSENT_MALFORMED,
	};
	uint32_t left = bits;
	bool no = false;

	if (answer->action == RPC_ACCEPTED)
		left = read_form(c, bits, answer->content, ret_once, ret_session, &no);
	if (left == 0)
		return true;
	refuse(c, left, no ? CONSENT_DECLINED : whys[answer->action],
	       answer->action == RPC_ACCEPTED && !no
		       ? "a field of the form holds no word that it offers"
		       : answer->wrong);
	return false;
}

static void take_answer(struct call *c, uint32_t bits, const struct rpc_answer *answer)
{
	uint32_t session = 0;
	uint32_t once = 0;

	if (!is_yes(c, bits, answer, &once, &session))
		return;
	grant(c, once, session);
	release(c);
}

/*
 * The answer to a question that is gone. It grants nothing; where nothing has to be granted any more, as
 * another answer was "session", it is still what the person has said to this call.
 */
static void take_late_answer(struct call *c, const struct rpc_answer *answer)
{
	uint32_t missing = consent_missing(c);
	uint32_t unused = 0;

	if (missing)
		consent_refuse(c, missing, CONSENT_STALE, NULL);
	else if (is_yes(c, c->consent.needs, answer, &unused, &unused))
		release(c);
}

static bool asks_the_same(const struct call *other, const struct call *c, uint32_t bits)
{
	uint32_t theirs = other->consent.asked & bits;

	return (theirs & CONSENT_PATHS) ||
	       ((theirs & CONSENT_TOOL) && strcmp(other->tool_name, c->tool_name) == 0);
}

/* Whether a question that stands will answer one of @bits, so that it need not be put twice. */
static bool is_asked_already(struct call *c, uint32_t bits)
{
	int64_t now = loop_now_ms();

	for (const struct call *other = c->broker->first; other; other = other->next)
		if (other != c && other->state == CALL_HELD && asks_the_same(other, c, bits))
			return true;
	if (!consent_pending_asks(c, bits, now))
		return false;
	if (c->consent.turn_ms == 0)
		c->consent.turn_ms = now + CONSENT_TURN_MS;
	return now < c->consent.turn_ms;
}

/* The call is answered by the question: nothing is left to be said for it. */
static void drop(struct call *c, json_t *result, const char *text)
{
	(void)c;
	(void)result;
	(void)text;
}

/* Modern: the question stands without the call. */
static int ask_again(struct call *c, uint32_t bits, const char *message)
{
	const char *state = "";
	int r = consent_pending_add(c, bits, &state);

	if (r == 0 && state[0] == '\0') {
		consent_refuse(c, bits, CONSENT_FULL,
			       "the call is too large to be kept for an answer");
		return 0;
	}
	if (r == 0)
		r = rpc_call_ask(c->rpc, message, consent_schema(c, bits), state);
	if (r < 0) {
		(void)consent_pending_take(c, state);
		return r;
	}
	consent_leave(c);
	c->rpc = NULL;
	c->finish = drop;
	c->ended.cause = FRAME_CAUSE_POLICY;
	c->state = CALL_DONE;
	return 0;
}

static int ask_now(struct call *c, uint32_t bits, const char *message)
{
	int r = rpc_call_ask(c->rpc, message, consent_schema(c, bits), "");

	if (r < 0)
		return r;
	c->consent.asked = bits;
	c->consent.deadline_ms = loop_now_ms() + c->broker->consents.timeout_ms;
	return 0;
}

/* At the terminal: one thing after the other; the first "no" ends it. */
static int ask_person(struct call *c, uint32_t bits, const char *message)
{
	static const enum consent_refusal whys[] = {
		[BROKER_PERSON_NO] = CONSENT_DECLINED,
		[BROKER_PERSON_TIMEOUT] = CONSENT_TIMEOUT,
		[BROKER_PERSON_GONE] = CONSENT_NOBODY,
	};
	const struct broker_person *person = c->broker->config->person;
	const struct consents *s = &c->broker->consents;

	for (uint32_t bit = CONSENT_TOOL; bit > 0; bit >>= 1) {
		CLEANUP(buf_fini) struct buf title = {0};
		enum broker_person_answer answer;

		if (!(bits & bit))
			continue;
		if (consent_title(c, bit, &title) < 0)
			return -ENOMEM;
		answer = person->ask(person->ctx, message, title.data, s->timeout_ms);
		message = NULL;
		if (answer != BROKER_PERSON_YES) {
			consent_refuse(c, bit, whys[answer], NULL);
			return 0;
		}
		grant(c, bit, 0);
	}
	release(c);
	return 0;
}

static int ask(struct call *c, uint32_t bits)
{
	CLEANUP(buf_fini) struct buf message = {0};
	int r = consent_message(c, c->consent.key.arguments, bits, &message);

	if (r < 0)
		return r;
	if (!c->rpc)
		return ask_person(c, bits, message.data);
	switch (rpc_call_ask_how(c->rpc)) {
	case RPC_ASK_NOW:
		return ask_now(c, bits, message.data);
	case RPC_ASK_AGAIN:
		return ask_again(c, bits, message.data);
	case RPC_ASK_NOT:
		break;
	}
	consent_refuse(c, bits, CONSENT_NOBODY, NULL);
	return 0;
}

static void try_ask(struct call *c)
{
	uint32_t bits = consent_missing(c);

	if (bits == 0) {
		release(c);
		return;
	}
	if (is_asked_already(c, bits))
		return;
	if (ask(c, bits) < 0) {
		consent_leave(c);
		broker_call_error(c, ENOMEM, "no memory for the question to the person");
	}
}

static bool can_ask(const struct call *c)
{
	if (!c->rpc)
		return c->broker->config->person;
	return rpc_call_ask_how(c->rpc) != RPC_ASK_NOT;
}

/* From QUEUED, and counted there as before: what waits is bounded, whatever it waits for. */
static void hold(struct call *c)
{
	struct consents *s = &c->broker->consents;

	c->state = CALL_HELD;
	s->held++;
	if (!can_ask(c))
		consent_refuse(c, consent_missing(c), CONSENT_NOBODY, NULL);
	else if (s->held > CONSENT_HELD_MAX)
		consent_refuse(c, consent_missing(c), CONSENT_FULL, NULL);
	else
		try_ask(c);
}

/* A call that has come again with an answer. Return: whether it goes on. */
static bool take_retry(struct call *c)
{
	struct rpc_answer answer;
	const char *state = c->rpc ? rpc_call_state(c->rpc, &answer) : NULL;
	uint32_t bits;

	if (!state)
		return true;
	bits = consent_pending_take(c, state);
	if (answer.action == RPC_UNANSWERED)
		return true; /* it is asked again, and the first question is void */
	if (bits == 0 && c->consent.needs == 0)
		return true; /* nobody is asked about such a call */
	/* Held for as long as it takes, so that a refusal is counted like others. */
	c->state = CALL_HELD;
	c->broker->consents.held++;
	if (bits == 0)
		take_late_answer(c, &answer);
	else
		take_answer(c, bits, &answer);
	return c->state == CALL_QUEUED;
}

/* What the engine does for itself, and what a person does with changes at the command line. */
static bool is_free(const struct call *c, const struct call_request *request)
{
	bool own = json_object_get(c->tool, "builtin") || json_object_get(c->tool, "cell_kind");

	return c->finish || (request->person && own);
}

void consent_begin(struct call *c, const struct call_request *request)
{
	const struct consents *s = &c->broker->consents;

	if (is_free(c, request) || (s->n_paths == 0 && !json_object_get(c->tool, "ask")))
		return;
	if (consent_key_set(&c->consent.key, c->tool_name, request->arguments, request->session) <
	    0) {
		c->broker->queued--;
		c->broker->queued_bytes -= c->bytes;
		broker_call_error(c, ENOMEM, "no memory for the call");
		return;
	}
	c->consent.needs = consent_needs(c, request->arguments);
	if (take_retry(c) && consent_missing(c))
		hold(c);
}

void consent_answered(struct call *c, const struct rpc_answer *answer)
{
	/* By what was asked: a no to something that is granted meanwhile is still one to this call. */
	if (c->state == CALL_HELD && c->consent.asked)
		take_answer(c, c->consent.asked, answer);
}

void consent_tick(struct call *c, int64_t now_ms)
{
	if (c->state != CALL_HELD)
		return;
	if (!c->consent.asked)
		try_ask(c);
	else if (now_ms >= c->consent.deadline_ms)
		refuse(c, c->consent.asked, CONSENT_TIMEOUT, NULL);
}

int64_t consent_deadline(const struct call *c)
{
	/* Whose turn it is changes with answers, which wake us, and with the time-outs of others. */
	return c->consent.asked ? c->consent.deadline_ms : loop_now_ms() + TURN_LOOK_MS;
}

void consent_driver_gone(struct broker *b)
{
	for (struct call *c = b->first; c; c = c->next) {
		uint32_t bits = c->consent.asked ? c->consent.asked : consent_missing(c);

		if (c->state != CALL_HELD)
			continue;
		if (bits)
			consent_refuse(c, bits, CONSENT_NOBODY, NULL);
		else
			release(c);
	}
}

bool consent_choose_cell(struct call *c)
{
	const struct consents *s = &c->broker->consents;
	uint32_t bits = (s->granted | c->consent.once) & CONSENT_PATHS;

	if (!c->cell || bits == 0 || c->cell_index >= s->cells)
		return true;
	c->consent.had = bits;
	c->cell_index += s->first_cell + (bits - 1) * s->cells;
	c->cell = image_cell(c->broker->config->image, c->cell_index);
	return c->cell;
}
