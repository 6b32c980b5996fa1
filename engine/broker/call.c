/*
 * Theory of operation: the life of a call; the states are drawn in state.h. Everything that waits is
 * driven by calls_tick, which looks at every call between two waits of the loop; there are at most
 * BROKER_QUEUED_MAX + BROKER_RUNNING_MAX of them and each look is a few comparisons. Calls are kept
 * in the order in which they came, so that the first one found in the queue is the next to start.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "broker/answer.h"
#include "broker/ask.h"
#include "broker/changes.h"
#include "broker/result.h"
#include "broker/state.h"

static struct call *call_new(struct broker *b, const char *name, const char *tool)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->broker = b;
	c->id = ++b->next_id;
	c->stdin_fd = -1;
	c->summary_fd = -1;
	c->record_fd = -1;
	c->order_fd = -1;
	for (int i = 0; i < STREAM_N; i++)
		c->streams[i] = (struct call_stream){.call = c, .fd = -1, .output.spill_fd = -1};
	c->merged.spill_fd = -1;
	result_ended_init(&c->ended);
	c->name = strdup(name);
	c->tool_name = strdup(tool);
	if (c->name && c->tool_name)
		return c;
	free(c->name);
	free(c->tool_name);
	free(c);
	return NULL;
}

static void call_free(struct call *c)
{
	struct broker *b = c->broker;

	drain_stop(c);
	digest_io_fini(&c->digest);
	for (int i = 0; i < STREAM_N; i++)
		output_fini(&c->streams[i].output, &b->budget);
	output_fini(&c->merged, NULL);
	manifest_call_fini(&c->expanded);
	json_decref(c->denials);
	json_decref(c->changes);
	json_decref(c->own_data);
	audit_answer_fini(&c->audit);
	consent_fini(c);
	fd_closep(&c->summary_fd);
	fd_closep(&c->record_fd);
	free(c->own_text);
	free(c->note);
	free(c->cwd);
	free(c->digest_call);
	free(c->name);
	free(c->tool_name);
	free(c);
}

static void append(struct broker *b, struct call *c)
{
	c->prev = b->last;
	if (b->last)
		b->last->next = c;
	else
		b->first = c;
	b->last = c;
}

static void unlink_call(struct broker *b, struct call *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		b->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		b->last = c->prev;
}

void broker_call_error(struct call *c, int num, const char *text)
{
	c->state = CALL_DONE;
	c->ended.cause = FRAME_CAUSE_LAUNCHER_ERROR;
	c->ended.exit_code = -1;
	c->ended.error_num = num;
	(void)snprintf(c->ended.error, sizeof(c->ended.error), "%s", text);
}

static void refuse_busy(struct call *c)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "busy: %u calls are running and %u wait already",
		       c->broker->running, c->broker->queued);
	broker_call_refuse(c, "call", "queue of the session", NULL,
			   "wait for the answers of earlier calls, then call again", text);
}

/* What would have been in force, for results of calls that never start. */
static void init_limits(struct call *c)
{
	const struct image_cell *cell = c->cell ? c->cell : image_cell(c->broker->config->image, 0);

	if (cell)
		c->ended.limits = cell->limits;
	if (c->wall_ms > 0)
		c->ended.limits.wall_ms = c->wall_ms;
}

int broker_call_accept(struct broker *b, const struct call_request *request)
{
	struct call *c = call_new(b, request->name, request->tool);
	struct rpc_call *rpc = request->rpc;

	if (!c)
		return -ENOMEM;
	c->rpc = rpc;
	c->finish = request->finish;
	append(b, c);
	if (rpc)
		rpc_call_set_data(rpc, c);
	broker_call_prepare(c, request);
	auditor_accept(c, request);
	init_limits(c);
	if (c->state != CALL_QUEUED)
		return 0;
	if (b->queued >= BROKER_QUEUED_MAX || b->queued_bytes + c->bytes > BROKER_QUEUED_BYTES) {
		refuse_busy(c);
		return 0;
	}
	b->queued++;
	b->queued_bytes += c->bytes;
	progress_init(&c->progress, rpc && rpc_call_wants_progress(rpc), c->digest_call != NULL,
		      loop_now_ms());
	consent_begin(c, request);
	return 0;
}

static void leave_queue(struct call *c)
{
	if (c->state == CALL_HELD) {
		consent_leave(c);
		return;
	}
	if (c->state != CALL_QUEUED)
		return;
	c->broker->queued--;
	c->broker->queued_bytes -= c->bytes;
}

void broker_call_cancel(struct call *c)
{
	switch (c->state) {
	case CALL_QUEUED:
	case CALL_HELD:
		leave_queue(c);
		c->ended.cause = FRAME_CAUSE_CANCELLED;
		c->state = CALL_DONE;
		break;
	case CALL_ASKING:
		/* What the launcher has begun is done in a moment, and its answer is awaited. */
		c->kill_cause = FRAME_CAUSE_CANCELLED;
		if (c->ask.sent)
			break;
		c->ended.cause = FRAME_CAUSE_CANCELLED;
		c->state = CALL_DONE;
		break;
	case CALL_RUNNING:
		if (!c->kill_sent)
			c->kill_cause = FRAME_CAUSE_CANCELLED;
		frames_kill(c);
		break;
	case CALL_DRAINING:
	case CALL_DIGESTING:
		c->state = CALL_DONE; /* with what it has */
		break;
	case CALL_RECORDING:
	case CALL_DONE:
		break;
	}
}

void calls_cancel_all(struct broker *b)
{
	for (struct call *c = b->first; c; c = c->next)
		broker_call_cancel(c);
}

void calls_lose_all(struct broker *b, const char *text)
{
	for (struct call *c = b->first; c; c = c->next) {
		leave_queue(c);
		if (c->state == CALL_QUEUED || c->state == CALL_ASKING || c->state == CALL_RUNNING)
			broker_call_error(c, EPIPE, text);
		if (c->state != CALL_RECORDING)
			c->state = CALL_DONE;
	}
}

static char *status_text(const struct frame_ended *ended)
{
	char name[32];
	bool exited = ended->cause == FRAME_CAUSE_EXIT;
	json_t *status = json_pack("{s:s, s:o, s:s?}", "cause", frame_cause_name(ended->cause),
				   "exit_code",
				   exited ? json_integer(ended->exit_code) : json_null(), "signal",
				   result_signal_name(ended->signal, name, sizeof(name)));
	char *text = status ? json_dumps(status, JSON_COMPACT) : NULL;

	json_decref(status);
	return text;
}

void broker_call_end(struct call *c, const struct frame_ended *ended)
{
	struct image_limits limits = c->ended.limits;

	c->ended = *ended;
	/* A call that the launcher refused has none of its own. */
	if (c->ended.limits.wall_ms == 0)
		c->ended.limits = limits;
	changes_take(c);
	c->state = CALL_DRAINING;
	drain_begin_end(c);
}

/* All output is here. A tool that never ran has nothing that a digest could read. */
static void end_drain(struct call *c)
{
	bool ran = c->ended.cause != FRAME_CAUSE_POLICY &&
		   c->ended.cause != FRAME_CAUSE_LAUNCHER_ERROR && !result_exec_failed(&c->ended);
	char *status;

	drain_stop(c);
	if (!ran)
		digest_io_fini(&c->digest);
	if (!ran || !c->digest.used) {
		c->state = CALL_DONE;
		return;
	}
	c->state = CALL_DIGESTING;
	status = status_text(&c->ended);
	if (status)
		digest_io_end(&c->digest, status);
	else
		c->state = CALL_DONE;
	free(status);
}

static void send_progress(struct call *c, int64_t now_ms)
{
	struct buf line = {0};

	if (!c->progress.wanted || !c->rpc || queue_is_full(&c->broker->queue))
		return;
	if (progress_take(&c->progress, now_ms, c->state == CALL_QUEUED, &line))
		rpc_call_progress(c->rpc, c->state == CALL_HELD ? "waiting for a person's answer"
								: line.data);
	buf_fini(&line);
}

static void tick(struct call *c, int64_t now_ms)
{
	if (c->state == CALL_QUEUED || c->state == CALL_HELD || c->state == CALL_RUNNING)
		send_progress(c, now_ms);
	consent_tick(c, now_ms);
	ask_tick(c, now_ms);
	if (c->state == CALL_RUNNING)
		frames_kill(c);
	if (c->digest.used)
		digest_io_tick(&c->digest, now_ms);
	if (c->state == CALL_DRAINING && digest_io_full(&c->digest))
		c->drain_deadline_ms = now_ms + BROKER_DRAIN_MS;
	else if (c->state == CALL_DRAINING && (drain_ended(c) || now_ms >= c->drain_deadline_ms))
		end_drain(c);
	if (c->state == CALL_DIGESTING && c->digest.done)
		c->state = CALL_DONE;
	auditor_tick(c, now_ms);
	drain_update(c);
}

void calls_tick(struct broker *b, int64_t now_ms)
{
	for (struct call *c = b->first; c; c = c->next)
		tick(c, now_ms);
}

int64_t calls_deadline(const struct broker *b)
{
	int64_t deadline = INT64_MAX;

	for (const struct call *c = b->first; c; c = c->next) {
		if (c->state == CALL_DONE)
			return 0;
		if (c->state == CALL_RECORDING) {
			deadline = MIN(deadline, c->audit.deadline_ms);
			continue;
		}
		if (c->state == CALL_ASKING && !c->ask.sent)
			deadline = MIN(deadline, c->ask.again_ms);
		if (c->state == CALL_HELD)
			deadline = MIN(deadline, consent_deadline(c));
		if (c->state == CALL_DRAINING)
			deadline = MIN(deadline, c->drain_deadline_ms);
		else if (c->state != CALL_DIGESTING && !queue_is_full(&b->queue))
			deadline = MIN(deadline, progress_deadline(&c->progress));
		if (c->digest.used && c->digest.deadline_ms != 0)
			deadline = MIN(deadline, c->digest.deadline_ms);
	}
	return deadline;
}

static bool wants_merged(const struct call *c)
{
	return json_is_true(json_object_get(json_object_get(c->tool, "output"), "interleave"));
}

static int init_outputs(struct call *c)
{
	int r = 0;

	if (c->streams[0].output.ends)
		return 0; /* a launch that the launcher had no room for, tried again */
	for (int i = 0; i < STREAM_N && r == 0; i++)
		r = output_init(&c->streams[i].output);
	if (r == 0 && wants_merged(c))
		r = output_init(&c->merged);
	return r;
}

/* The engine's own tool. Return: -EAGAIN when the launcher takes no more now. */
static int ask(struct call *c)
{
	int r = ask_start(c);

	if (r == -EAGAIN)
		return r;
	c->broker->queued--;
	c->broker->queued_bytes -= c->bytes;
	return 0; /* a launcher that is lost ends every call */
}

/* What has come to be while it waited. Return: whether it may still start. */
static bool may_launch(struct call *c)
{
	if (place_is_there(c) && !(c->cell && changes_refuse_over_quota(c)) && auditor_may_start(c))
		return true;
	c->broker->queued--;
	c->broker->queued_bytes -= c->bytes;
	return false;
}

/* Return: -EAGAIN when the launcher takes no more now. */
static int launch(struct call *c)
{
	struct err err = {0};
	int r;

	if (!may_launch(c))
		return 0;
	if (!c->cell)
		return ask(c);
	if (!consent_choose_cell(c)) {
		c->broker->queued--;
		c->broker->queued_bytes -= c->bytes;
		broker_call_error(c, EINVAL, "the policy image has no cell for what was granted");
		return 0;
	}
	r = init_outputs(c);
	resources_make_room(c->broker);
	if (r == 0)
		r = frames_launch(c, &err);
	else
		err_set(&err, -r, "no memory for the tool's output");
	if (r == -EAGAIN)
		return r;
	c->broker->queued--;
	c->broker->queued_bytes -= c->bytes;
	if (r == -E2BIG)
		broker_call_refuse(c, "argument", c->tool_name, NULL,
				   "pass less: by a file in the workspace, for example", err.text);
	else if (r < 0)
		broker_call_error(c, -r, err.text);
	else
		auditor_begin(c);
	if (r == 0 && c->digest_call)
		digest_io_start(&c->digest, &c->broker->loop, c->broker->config->digest_fd,
				json_string_value(json_object_get(c->tool, "digest")),
				c->digest_call);
	return 0;
}

/* A call that waits for what can be done again at any time shall not. */
static void give_way(struct broker *b, const struct call *c)
{
	if (!b->purge || b->purge == c || b->purge->branch != c->branch)
		return;
	b->purge_wanted = true;
	broker_call_cancel(b->purge);
}

void calls_pump(struct broker *b)
{
	uint32_t calls_max = b->config->ready->calls_max;
	unsigned int least = MIN((unsigned int)calls_max, BROKER_RUNNING_MAX);
	unsigned int most = MAX(least, 1U);
	struct gate gate;

	gate_init(&gate, b);
	for (struct call *c = b->first; c && b->failed == 0; c = c->next) {
		bool room = b->running < most || !c->cell;

		if (c->state != CALL_QUEUED)
			continue;
		if (!room || !gate_is_open(&gate, c)) {
			gate_wait(&gate, c);
			give_way(b, c);
			continue;
		}
		if (launch(c) == -EAGAIN)
			return;
		if (c->state == CALL_RUNNING || c->state == CALL_ASKING)
			gate_enter(&gate, c);
	}
}

static void deliver(struct broker *b, struct call *c)
{
	struct audit_answer *answer = &c->audit;

	if (c->finish) {
		c->finish(c, answer->result, answer->text);
	} else if (c->rpc) {
		rpc_call_finish(c->rpc, answer->result, answer->text);
	} else {
		b->one_result = json_dumps(answer->result, RPC_DUMP_FLAGS);
		b->one_text = answer->text;
		b->one_done = b->failed == 0;
		answer->text = NULL;
		if (!b->one_result)
			broker_lose(b, ENOMEM, "no memory for the result of a call");
	}
}

static void settle(struct broker *b, struct call *c)
{
	struct audit_answer *answer = &c->audit;

	/* The pipes of a call that was cut short are still open; their data is no longer wanted. */
	drain_stop(c);
	if (!answer->result && answer_build(c, &answer->result, &answer->text) < 0)
		broker_lose(b, ENOMEM, "no memory for the result of a call");
	else if (auditor_end(c))
		return;
	else
		deliver(b, c);
	unlink_call(b, c);
	call_free(c);
}

void calls_settle(struct broker *b)
{
	struct call *next;

	for (struct call *c = b->first; c; c = next) {
		next = c->next;
		if (c->state == CALL_DONE)
			settle(b, c);
	}
}

void calls_free_all(struct broker *b)
{
	struct call *next;

	for (struct call *c = b->first; c; c = next) {
		next = c->next;
		call_free(c);
	}
	b->first = NULL;
	b->last = NULL;
}
