/*
 * Theory of operation: a call's record is made from its answer, and the answer waits until the writer
 * says that the record is in the log. One datagram there and one back:
 *
 *	RUNNING --BEGIN--> writer (keeps it, writes nothing)
 *	DONE --RECORD--> RECORDING --reply--> DONE, answered
 *			     `--reply with an error, or none in time: the answer says so
 *
 * Where the policy says "stop" a call that ran is then answered with status "error", with all that it
 * printed, and later calls are refused until a probe gets through, which each of them sends first. Where
 * it says "continue" the answer has a note. The writer counts what it could not write, and writes that
 * number when it can again.
 */
#include "broker/auditor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "audit/record.h"
#include "base/fd.h"
#include "broker/answer.h"
#include "broker/state.h"

#define REPLY_WAIT_MS 10000 /* a disk that hangs */
#define PROBE_WAIT_MS 1000
#define SEND_WAIT_MS 1000 /* the writer is behind */

static const struct broker_audit *config_of(const struct broker *b)
{
	return b->config->audit;
}

static bool is_on(const struct broker *b)
{
	return b->auditor.mask != NULL;
}

static void fail(struct auditor *r, const char *why)
{
	r->failed = true;
	(void)snprintf(r->why, sizeof(r->why), "%.*s", (int)sizeof(r->why) - 1, why);
}

static struct call *find_recording(struct broker *b, uint64_t id)
{
	for (struct call *c = b->first; c; c = c->next)
		if (c->id == id && c->state == CALL_RECORDING)
			return c;
	return NULL;
}

static bool add_missing(json_t *result)
{
	json_t *missing = json_object_get(json_object_get(result, "enforced"), "missing");

	return json_array_append_new(missing, json_string("audit")) == 0;
}

/* "...\nWORD: WHAT: why"; the text stays as it is without memory. */
static void add_line(char **text, const char *word, const char *what, const char *why)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s%s%s: %s: %s", *text, **text ? "\n" : "", word, what, why) < 0)
		return;
	free(*text);
	*text = longer;
}

static bool ran(const struct call *c)
{
	return c->frame_started || c->own_text;
}

/* How it ended, and all that it printed, stay as they are. */
static void mark_result(json_t *result, bool stop, const char *why)
{
	char text[ERR_TEXT_MAX + 128];

	(void)add_missing(result);
	if (!stop)
		return;
	(void)snprintf(text, sizeof(text),
		       "it ran, and is not in the audit log: %s; no further call runs until it can "
		       "be written to",
		       why);
	(void)json_object_set_new(result, "status", json_string("error"));
	(void)json_object_set_new(result, "error", json_string(text));
}

/* The record of @c is in no file: its answer says so. */
static void mark(struct call *c)
{
	const char *why = c->broker->auditor.why;
	bool stop = config_of(c->broker)->stop && ran(c);

	mark_result(c->audit.result, stop, why);
	add_line(&c->audit.text, stop ? "error" : "note",
		 stop ? "it ran, and is not in the audit log" : "this call is not in the audit log",
		 why);
}

int broker_result_unrecorded(char **json, bool stop, const char *why, struct err *err)
{
	json_t *result = json_loads(*json, 0, NULL);
	char *text = NULL;

	if (result) {
		mark_result(result, stop, why);
		text = json_dumps(result, RPC_DUMP_FLAGS);
	}
	json_decref(result);
	if (!text)
		return err_set(err, ENOMEM, "no memory for the result");
	free(*json);
	*json = text;
	return 0;
}

static void take_reply(struct broker *b, const struct audit_reply *reply)
{
	struct auditor *r = &b->auditor;
	struct call *c = reply->id ? find_recording(b, reply->id) : NULL;

	if (reply->num != 0)
		fail(r, reply->error[0] ? reply->error : "no reason was given");
	else
		r->failed = false;
	if (reply->type == AUDIT_ASK_PROBE)
		r->probed = true;
	if (!c)
		return;
	if (reply->num != 0)
		mark(c);
	c->state = CALL_DONE;
}

/* The writer is gone: nothing that waits for it will be answered. */
static void lose_writer(struct broker *b)
{
	struct auditor *r = &b->auditor;

	fail(r, "the process that writes it is gone");
	loop_remove(&b->loop, &r->watch);
	for (struct call *c = b->first; c; c = c->next) {
		if (c->state != CALL_RECORDING)
			continue;
		mark(c);
		c->state = CALL_DONE;
	}
}

static void reply_ready(void *owner, short revents)
{
	struct broker *b = owner;
	struct audit_reply reply;
	ssize_t n;

	(void)revents;
	while ((n = recv(config_of(b)->fd, &reply, sizeof(reply), MSG_DONTWAIT)) ==
	       (ssize_t)sizeof(reply)) {
		reply.error[sizeof(reply.error) - 1] = '\0';
		take_reply(b, &reply);
	}
	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		lose_writer(b);
}

static int add_names(struct mask *mask, json_t *list,
		     int (*add)(struct mask *mask, const char *text, struct err *err),
		     struct err *err)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *text = json_string_value(one);
		int r = text ? add(mask, text, err) : -EINVAL;

		if (r < 0)
			return err_wrap(err, "the policy's audit.mask");
	}
	return 0;
}

int auditor_init(struct broker *b, struct err *err)
{
	json_t *policy = json_object_get(b->catalog, "audit");
	const struct broker_audit *config = config_of(b);
	struct auditor *r = &b->auditor;
	int status;

	if (!config)
		return 0;
	r->mask = mask_new();
	if (!r->mask)
		return err_set(err, ENOMEM, "no memory for the audit log");
	status = add_names(r->mask, json_object_get(policy, "names"), mask_add_name, err);
	if (status == 0)
		status = add_names(r->mask, json_object_get(policy, "patterns"), mask_add_pattern,
				   err);
	if (status < 0)
		return status;
	if (config->fd < 0) {
		fail(r, config->why);
		return 0;
	}
	status = loop_add(&b->loop, &r->watch, config->fd, POLLIN, reply_ready, b);
	return status < 0 ? err_set(err, -status, "cannot watch the audit log") : 0;
}

void auditor_fini(struct broker *b)
{
	mask_free(b->auditor.mask);
	b->auditor.mask = NULL;
}

void audit_answer_fini(struct audit_answer *audit)
{
	json_decref(audit->arguments);
	json_decref(audit->result);
	free(audit->text);
	*audit = (struct audit_answer){0};
}

/* Return: 0 or -errno. A writer that is behind is waited for, for a while. */
static int post(struct broker *b, const struct audit_ask *ask, const char *text)
{
	struct iovec parts[] = {
		{(void *)(uintptr_t)ask, sizeof(*ask)},
		{(void *)(uintptr_t)text, text ? strlen(text) : 0},
	};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts)};
	struct pollfd writable = {.fd = config_of(b)->fd, .events = POLLOUT};
	int64_t until = loop_now_ms() + SEND_WAIT_MS;

	if (config_of(b)->fd < 0)
		return -EBADF;
	while (sendmsg(writable.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		int64_t left = until - loop_now_ms();

		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (left <= 0)
			return -ETIMEDOUT;
		(void)poll(&writable, 1, (int)left);
	}
	return 0;
}

/* A record to which nobody waits for an answer. */
static void post_and_go(struct broker *b, enum audit_kind kind, uint64_t id, char *text)
{
	const struct audit_ask ask = {AUDIT_ASK_RECORD, kind, id};

	if (!text || post(b, &ask, text) < 0)
		fail(&b->auditor, "a record could not be handed over");
	free(text);
}

void auditor_accept(struct call *c, const struct call_request *request)
{
	struct auditor *r = &c->broker->auditor;

	if (!is_on(c->broker))
		return;
	c->audit.by = request->verb			 ? "engine"
		      : request->person && !request->rpc ? "person"
							 : "driver";
	if (!request->arguments)
		return;
	c->audit.arguments = audit_arguments(r->mask, request->arguments,
					     config_of(c->broker)->text);
	if (!c->audit.arguments && c->state == CALL_QUEUED)
		broker_call_error(c, ENOMEM, "no memory for the audit log");
}

static void probe(struct broker *b)
{
	const struct audit_ask ask = {.type = AUDIT_ASK_PROBE};
	struct pollfd readable = {.fd = config_of(b)->fd, .events = POLLIN};
	int64_t until = loop_now_ms() + PROBE_WAIT_MS;

	b->auditor.probed = false;
	if (b->auditor.watch.slot == 0 || post(b, &ask, NULL) < 0)
		return;
	while (!b->auditor.probed && b->auditor.watch.slot != 0) {
		int64_t left = until - loop_now_ms();

		if (left <= 0 || poll(&readable, 1, (int)left) == 0)
			return;
		reply_ready(b, POLLIN);
	}
}

bool auditor_may_start(struct call *c)
{
	struct broker *b = c->broker;
	char rule[256];
	char text[AUDIT_ERROR_BYTES + 96];

	if (!is_on(b) || !config_of(b)->stop || !b->auditor.failed)
		return true;
	probe(b);
	if (!b->auditor.failed)
		return true;
	(void)snprintf(rule, sizeof(rule), "policies/%.128s.json#/audit/full", b->policy);
	(void)snprintf(text, sizeof(text),
		       "the audit log cannot be written to, and the policy says stop: %s",
		       b->auditor.why);
	broker_call_refuse(c, "call", "audit log", rule,
			   "tell the operator; it is tried again with each call", text);
	return false;
}

void auditor_begin(struct call *c)
{
	const struct audit_ask ask = {.type = AUDIT_ASK_BEGIN, .id = c->id};
	char *text;

	if (!is_on(c->broker) || config_of(c->broker)->fd < 0)
		return;
	text = audit_record_begin(c->name, c->tool_name, c->audit.arguments);
	/* One that is not told is missed only if we die before the call ends. */
	if (text)
		(void)!post(c->broker, &ask, text);
	free(text);
}

/* What changes a session's layers, or the workspace by them, is a decision; so is a refusal. */
static const char *decision_of(const struct call *c)
{
	const char *operation = json_string_value(json_object_get(c->own_data, "operation"));

	if (c->ended.cause == FRAME_CAUSE_POLICY && !c->frame_started)
		return "refused";
	if (!c->exclusive || (c->audit.by && strcmp(c->audit.by, "engine") == 0))
		return NULL;
	return operation ? operation : c->tool_name;
}

static char *make_record(struct call *c, const char *decision)
{
	struct broker *b = c->broker;

	return audit_record_call(
		&(struct audit_context){
			.mask = b->auditor.mask,
			.policy_digest = config_of(b)->digest,
			.driver = b->rpc ? rpc_client(b->rpc) : NULL,
		},
		&(struct audit_call){
			.result = c->audit.result,
			.arguments = c->audit.arguments,
			.by = c->audit.by,
			.cwd = c->cwd,
			.decision = decision,
		});
}

bool auditor_end(struct call *c)
{
	struct broker *b = c->broker;
	const char *decision = decision_of(c);
	const struct audit_ask ask = {
		AUDIT_ASK_RECORD,
		decision ? AUDIT_DECISION : AUDIT_CALL,
		c->id,
	};
	char *text;
	int r;

	if (!is_on(b) || c->audit.sent)
		return false;
	c->audit.sent = true;
	text = make_record(c, decision);
	r = text ? post(b, &ask, text) : -ENOMEM;
	free(text);
	if (r == 0) {
		c->audit.deadline_ms = loop_now_ms() + REPLY_WAIT_MS;
		c->state = CALL_RECORDING;
		return true;
	}
	if (r != -EBADF)
		fail(&b->auditor, r == -EPIPE || r == -ECONNRESET
					  ? "the process that writes it is gone"
					  : strerror(-r));
	mark(c);
	return false;
}

void auditor_tick(struct call *c, int64_t now_ms)
{
	if (c->state != CALL_RECORDING || now_ms < c->audit.deadline_ms)
		return;
	fail(&c->broker->auditor, "the process that writes it does not answer");
	mark(c);
	c->state = CALL_DONE;
}

void auditor_decide(struct broker *b, const char *decision, const char *by, const struct call *c)
{
	if (is_on(b) && config_of(b)->fd >= 0)
		post_and_go(b, AUDIT_DECISION, 0,
			    audit_record_decision(decision, by, c->name, c->tool_name));
}

void auditor_flush(struct broker *b)
{
	if (!is_on(b) || config_of(b)->fd < 0)
		return;
	for (struct call *c = b->first; c; c = c->next) {
		if (c->audit.sent)
			continue;
		if (c->state != CALL_DONE)
			broker_call_error(c, EPIPE,
					  "the driver was gone before the call had ended");
		if (!c->audit.result && answer_build(c, &c->audit.result, &c->audit.text) < 0)
			continue;
		post_and_go(b, AUDIT_CALL, c->id, make_record(c, NULL));
		c->audit.sent = true;
	}
}
