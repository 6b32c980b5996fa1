/*
 * Theory of operation:
 *
 *	QUEUED --gate--> ASKING --FRAME_SESSION--> (launcher) --FRAME_SESSION_DONE--> DONE
 *			   ^  `--cancelled while nothing is sent--> DONE	|
 *			   `---------- EBUSY: again in RETRY_MS ---------------'
 *
 * The gate has waited for the branch's calls, so EBUSY means that the launcher is still clearing away
 * behind them, that it wants other branches quiet too, or that another engine has the session in use.
 * While calls of ours run it is asked again after they have ended; after that for PATIENCE_MS.
 *
 * The answer is an ordinary result. Nothing ran, so it has neither streams nor usage.
 */
#include "broker/ask.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/result.h"
#include "broker/state.h"

#define RETRY_MS 20
#define PATIENCE_MS 5000

static const struct operation {
	const char *name;
	uint32_t op;
	bool changes;  /* layers: it waits for the calls of its branch */
	bool replaces; /* what was known of the branch is void */
	bool sheds;    /* layers that nobody needs any more are left for toolcell-changes purge */
} operations[] = {
	{"list", FRAME_SESSION_STATE, false, false, false},
	{"snapshot", FRAME_SESSION_SNAPSHOT, true, false, false},
	{"rollback", FRAME_SESSION_ROLLBACK, true, true, true},
	{"fork", FRAME_SESSION_FORK, true, false, false},
	{"drop", FRAME_SESSION_DROP, true, true, true},
};
static_assert(ARRAY_SIZE(operations) == FRAME_SESSION_OP_N, "every operation has a word");

static const struct operation *find_operation(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(operations); i++)
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	return NULL;
}

static const struct operation *operation_of(const struct call *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		if (operations[i].op == c->ask.op)
			return &operations[i];
	return &operations[0];
}

static void refuse(struct call *c, const char *pointer, const char *text, const char *remedy)
{
	char rule[128];

	(void)snprintf(rule, sizeof(rule), "tools/session.json#/input/properties/%s", pointer);
	broker_call_refuse(c, "argument", pointer, rule, remedy, text);
}

void ask_prepare(struct call *c, json_t *arguments)
{
	const struct operation *o = find_operation(
		json_string_value(json_object_get(arguments, "operation")));
	json_t *snapshot = json_object_get(arguments, "snapshot");
	bool named = json_is_string(json_object_get(arguments, "session"));

	if (!o) {
		refuse(c, "operation", "session: /operation: no such operation",
		       "give list, snapshot, rollback, fork or drop");
		return;
	}
	c->ask.op = o->op;
	c->exclusive = o->changes;
	if (o->op == FRAME_SESSION_ROLLBACK && !json_is_number(snapshot))
		refuse(c, "snapshot",
		       "session: /snapshot: rollback needs the snapshot to go back to",
		       "give the number that snapshot gave, or 0 for the workspace without "
		       "changes");
	else if (o->op == FRAME_SESSION_FORK && !c->broker->config->session_id)
		refuse(c, "operation",
		       "session: /operation: a session in memory has no name, and so no branches",
		       "use snapshot and rollback, or keep sessions on disk (--sessions)");
	else if (o->op == FRAME_SESSION_DROP && !named)
		refuse(c, "session", "session: /session: drop needs the branch to end",
		       "give its name, such as the one that fork gave");
	else if (o->op == FRAME_SESSION_DROP && c->branch == 1)
		refuse(c, "session", "session: /session: the first branch is the session itself",
		       "drop another branch, or discard the changes of this one");
	else if (o->op == FRAME_SESSION_ROLLBACK)
		c->ask.arg = (uint32_t)json_number_value(snapshot); /* bounded by the schema */
}

int ask_start(struct call *c)
{
	const struct frame_session frame = {
		.head = {FRAME_SESSION, sizeof(frame), c->id},
		.op = c->ask.op,
		.branch = c->branch,
		.arg = c->ask.arg,
	};
	int r = frames_send(c->broker, &frame, sizeof(frame), NULL, 0);

	if (r < 0)
		return r;
	c->state = CALL_ASKING;
	c->ask.sent = true;
	return 0;
}

void ask_tick(struct call *c, int64_t now_ms)
{
	/* A full socket is no answer: the next tick tries again. */
	if (c->state == CALL_ASKING && !c->ask.sent && now_ms >= c->ask.again_ms)
		(void)!ask_start(c);
}

/* Return: whether it will be asked again. */
static bool ask_later(struct call *c)
{
	int64_t now = loop_now_ms();

	/* As long as calls of ours run the end of waiting is theirs. */
	if (c->ask.give_up_ms == 0 || c->broker->running > 0)
		c->ask.give_up_ms = now + PATIENCE_MS;
	if (now >= c->ask.give_up_ms)
		return false;
	c->ask.sent = false;
	c->ask.again_ms = now + RETRY_MS;
	return true;
}

static int append_words(const struct call *c, const struct frame_session_done *done,
			struct buf *out)
{
	char name[BRANCH_NAME_BYTES];
	char other[BRANCH_NAME_BYTES];
	const char *session = branch_name(c->broker, c->branch, name);
	const char *now = branch_name(c->broker, done->branch, other);

	session = session ? session : "the session";
	switch ((enum frame_session_op)c->ask.op) {
	case FRAME_SESSION_SNAPSHOT:
		return buf_printf(out, "snapshot %u of %s", done->snapshot, session);
	case FRAME_SESSION_ROLLBACK:
		return buf_printf(out, "%s is back at snapshot %u", session, c->ask.arg);
	case FRAME_SESSION_FORK:
		return buf_printf(out,
				  "%s begins where %s is now; name it as the session of calls "
				  "that are meant for it",
				  now ? now : "a branch", session);
	case FRAME_SESSION_DROP:
		return buf_printf(out, "%s is gone", session);
	case FRAME_SESSION_STATE:
	case FRAME_SESSION_OP_N:
		break;
	}
	return 0;
}

static int append_sessions(json_t *names, struct buf *out)
{
	json_t *one;
	size_t i;
	int r = buf_printf(out, "%ssessions: ", out->len > 0 ? "\n" : "");

	json_array_foreach(names, i, one)
		if (r == 0)
			r = buf_printf(out, "%s%s", i > 0 ? ", " : "", json_string_value(one));
	return r;
}

/* The two halves of the answer. Return: 0 or -ENOMEM. */
static int say(struct call *c, const struct frame_session_done *done)
{
	char name[BRANCH_NAME_BYTES];
	uint32_t branch = c->ask.op == FRAME_SESSION_FORK ? done->branch : c->branch;
	bool gone = c->ask.op == FRAME_SESSION_DROP;
	json_t *names = branch_names(c->broker);
	struct buf text = {0};
	int r = names ? append_words(c, done, &text) : -ENOMEM;

	if (r == 0)
		r = append_sessions(names, &text);
	if (r == 0)
		c->own_text = buf_take(&text, NULL);
	buf_fini(&text);
	c->own_data = json_pack("{s:s, s:s?, s:o, s:o, s:o}", "operation", operation_of(c)->name,
				"session", branch_name(c->broker, branch, name), "snapshot",
				done->snapshot > 0 ? json_integer(done->snapshot) : json_null(),
				"layers", gone ? json_null() : json_integer(done->layers),
				"sessions", names);
	return r == 0 && c->own_data ? 0 : -ENOMEM;
}

static void end_well(struct call *c, const struct frame_session_done *done)
{
	const struct operation *o = operation_of(c);
	struct broker *b = c->broker;

	b->branch_bits = done->branches;
	if (o->replaces)
		branch_forget(b, c->branch);
	if (c->ask.op == FRAME_SESSION_FORK)
		branch_forget(b, done->branch);
	b->purge_wanted = b->purge_wanted || o->sheds;
	if (say(c, done) < 0) {
		broker_call_error(c, ENOMEM, "no memory for the answer");
		return;
	}
	c->ended.cause = FRAME_CAUSE_EXIT;
	c->ended.exit_code = 0;
	c->ended.workspace = b->config->ready->session;
	c->state = CALL_DONE;
}

static bool is_fault(int num)
{
	return num == EIO || num == EPROTO || num == ENOMEM || num == EPERM || num == EACCES;
}

/* What was asked for cannot be done, which is the asker's to know; the rest is our fault. */
static void end_badly(struct call *c, const struct frame_session_done *done)
{
	const char *why = done->error[0] ? done->error : strerror(done->num);
	struct buf text = {.cap = (size_t)2 * ERR_TEXT_MAX};

	if (is_fault(done->num)) {
		broker_call_error(c, done->num, why);
		return;
	}
	if (done->num == EBUSY && !done->error[0])
		why = "the session is in use by another engine";
	if (buf_printf(&text, "%s: %s", operation_of(c)->name, why) == 0)
		c->own_text = buf_take(&text, NULL);
	buf_fini(&text);
	c->ended.cause = FRAME_CAUSE_EXIT;
	c->ended.exit_code = 1;
	c->ended.workspace = c->broker->config->ready->session;
	c->state = CALL_DONE;
}

bool ask_is_sane(const struct frame_session_done *done)
{
	const uint32_t all = (1U << STACK_BRANCHES_MAX) - 1;

	if (!memchr(done->error, '\0', sizeof(done->error)) || done->num < 0)
		return false;
	return done->num != 0 ||
	       ((done->branches & ~all) == 0 && (done->branches & 1U) && done->branch >= 1 &&
		done->branch <= STACK_BRANCHES_MAX && done->snapshot <= STACK_LAYERS_MAX &&
		done->layers <= STACK_LAYERS_MAX);
}

void ask_end(struct call *c, const struct frame_session_done *done)
{
	if (done->num == EBUSY && c->kill_cause == FRAME_CAUSE_EXIT && ask_later(c))
		return;
	if (done->num == 0)
		end_well(c, done);
	else
		end_badly(c, done);
}
