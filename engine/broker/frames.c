/*
 * Theory of operation: the broker's side of wire/frame.h. What arrives is checked against one row of
 * a table: length, no descriptors, and the call's state. The launcher is trusted more than a tool,
 * but a frame that does not fit means that the two no longer agree on what runs; then nothing that
 * either says is worth much, and the session ends.
 *
 * The socket is non-blocking. A full one delays launches and kills until poll reports room.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "broker/ask.h"
#include "broker/changes.h"
#include "broker/order.h"
#include "broker/state.h"
#include "wire/plan.h"

#define FRAMES_PER_WAKE 64
#define PIPE_BYTES (1 << 20)

static struct call *find_call(struct broker *b, uint64_t id)
{
	for (struct call *c = b->first; c; c = c->next)
		if (c->id == id)
			return c;
	return NULL;
}

static void on_started(struct broker *b, struct call *c, const void *frame)
{
	(void)b;
	(void)frame;
	c->frame_started = true;
}

static bool ended_is_sane(const struct frame_ended *e)
{
	return e->cause < FRAME_CAUSE_N && e->workspace < FRAME_WORKSPACE_N &&
	       (e->layers & ~(uint32_t)FRAME_LAYER_ALL) == 0 &&
	       (e->missing & ~(uint32_t)FRAME_LAYER_ALL) == 0 &&
	       memchr(e->error, '\0', sizeof(e->error)) != NULL;
}

static void on_ended(struct broker *b, struct call *c, const void *frame)
{
	const struct frame_ended *ended = frame;

	if (!ended_is_sane(ended)) {
		broker_lose(b, EPROTO, "the launcher sent a report that makes no sense");
		return;
	}
	b->running--;
	broker_call_end(c, ended);
}

static void on_session_done(struct broker *b, struct call *c, const void *frame)
{
	const struct frame_session_done *done = frame;

	if (!c->ask.sent || !ask_is_sane(done))
		broker_lose(b, EPROTO, "the launcher's answer about the session makes no sense");
	else
		ask_end(c, done);
}

static void on_fatal(struct broker *b, struct call *c, const void *frame)
{
	const struct frame_fatal *fatal = frame;

	(void)c;
	if (memchr(fatal->text, '\0', sizeof(fatal->text)))
		broker_lose(b, fatal->num > 0 ? fatal->num : EIO, fatal->text);
	else
		broker_lose(b, EPROTO, "the launcher ended with a malformed message");
}

static const struct frame_row {
	uint32_t type;
	enum call_state state; /* of the call that it names; CALL_DONE: it names none */
	size_t bytes;
	void (*handle)(struct broker *b, struct call *c, const void *frame);
} rows[] = {
	{FRAME_STARTED, CALL_RUNNING, sizeof(struct frame_started), on_started},
	{FRAME_ENDED, CALL_RUNNING, sizeof(struct frame_ended), on_ended},
	{FRAME_SESSION_DONE, CALL_ASKING, sizeof(struct frame_session_done), on_session_done},
	{FRAME_FATAL, CALL_DONE, sizeof(struct frame_fatal), on_fatal},
};

static const struct frame_row *find_row(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

static void take_frame(struct broker *b, const void *frame, size_t len)
{
	struct frame_head head;
	const struct frame_row *row;
	struct call *c = NULL;

	if (len < sizeof(head)) {
		broker_lose(b, EPROTO, "the launcher sent a frame without a head");
		return;
	}
	memcpy(&head, frame, sizeof(head));
	row = find_row(head.type);
	if (!row || head.bytes != len || row->bytes != len) {
		broker_lose(b, EPROTO, "the launcher sent a frame of unknown type or length");
		return;
	}
	if (row->state != CALL_DONE) {
		c = find_call(b, head.call);
		if (!c || c->state != row->state ||
		    (head.type == FRAME_STARTED && c->frame_started)) {
			broker_lose(b, EPROTO,
				    "the launcher sent a frame for a call that does not run");
			return;
		}
	}
	row->handle(b, c, frame);
}

static void launcher_ready(void *owner, short revents)
{
	struct broker *b = owner;
	_Alignas(uint64_t) unsigned char frame[FRAME_BYTES_MAX];
	int fds[FD_PASS_MAX];

	if (revents & POLLOUT)
		b->launcher_watch.events = POLLIN; /* calls_tick and calls_pump try again */
	for (int i = 0; i < FRAMES_PER_WAKE && b->failed == 0; i++) {
		size_t n_fds = 0;
		ssize_t n = fd_recv(b->config->launcher_fd, frame, sizeof(frame), fds, &n_fds);

		for (size_t k = 0; k < n_fds; k++)
			fd_closep(&fds[k]);
		if (n == -EAGAIN)
			return;
		if (n <= 0)
			broker_lose(b, n == -EMSGSIZE ? EPROTO : EPIPE,
				    n == -EMSGSIZE ? "the launcher sent a frame that is too long"
						   : "the launcher is gone");
		else if (n_fds > 0)
			broker_lose(b, EPROTO, "the launcher sent descriptors");
		else
			take_frame(b, frame, (size_t)n);
	}
}

int frames_watch(struct broker *b)
{
	int r = fd_set_nonblock(b->config->launcher_fd, true);

	if (r < 0)
		return r;
	return loop_add(&b->loop, &b->launcher_watch, b->config->launcher_fd, POLLIN,
			launcher_ready, b);
}

int frames_send(struct broker *b, const void *frame, size_t len, const int *fds, size_t n)
{
	int r = fd_send(b->config->launcher_fd, frame, len, fds, n);

	if (r == -EAGAIN || r == -ENOBUFS || r == -ETOOMANYREFS) {
		b->launcher_watch.events = POLLIN | POLLOUT;
		return -EAGAIN;
	}
	if (r < 0)
		broker_lose(b, -r, "the launcher takes no more calls");
	return r;
}

void frames_kill(struct call *c)
{
	struct frame_kill kill = {
		.head = {FRAME_KILL, sizeof(kill), c->id},
		.cause = c->kill_cause,
	};

	if (c->state == CALL_RUNNING && !c->kill_sent && c->kill_cause != FRAME_CAUSE_EXIT)
		c->kill_sent = frames_send(c->broker, &kill, sizeof(kill), NULL, 0) == 0;
}

struct pipes {
	int theirs[3]; /* stdin, stdout, stderr of the tool */
	int ours[3];
};

static void pipes_fini(struct pipes *p)
{
	for (int i = 0; i < 3; i++) {
		fd_closep(&p->theirs[i]);
		fd_closep(&p->ours[i]);
	}
}

/* @ordered: as order.h wants them for stdout and stderr */
static int pipes_init(struct pipes *p, bool ordered)
{
	*p = (struct pipes){{-1, -1, -1}, {-1, -1, -1}};
	for (int i = 0; i < 3; i++) {
		bool output = i > 0;
		int fds[2];
		int r = output && ordered ? order_pipe(fds) : pipe2(fds, O_CLOEXEC);

		if (r < 0)
			return -errno;
		p->theirs[i] = fds[output ? 1 : 0];
		p->ours[i] = fds[output ? 0 : 1];
		/* Refused beyond the user's share of pipe memory; then it stays at 64 KiB. */
		if (output && !ordered)
			(void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	}
	return 0;
}

static int seal_plan(struct call *c, int *ret_fd, struct err *err)
{
	char **env = vars_build(c);
	int r;

	if (!env)
		return err_set(err, ENOMEM, "cannot build the environment of the tool");
	r = plan_seal((const char *const *)c->expanded.argv, (const char *const *)env, c->cwd, 0,
		      ret_fd, err);
	vars_free(env);
	return r;
}

static int send_call(struct call *c, int plan, const struct pipes *pipes)
{
	int fds[FRAME_CALL_FDS_MAX] = {
		[FRAME_FD_PLAN] = plan,
		[FRAME_FD_STDIN] = pipes->theirs[0],
		[FRAME_FD_STDOUT] = pipes->theirs[1],
		[FRAME_FD_STDERR] = pipes->theirs[2],
	};
	struct frame_call frame = {
		.head = {FRAME_CALL, sizeof(frame), c->id},
		.cell = c->cell_index,
		.flags = frame_call_flags(c->summary_fd, c->record_fd, fds),
		.branch = c->branch,
		.wall_ms = c->wall_ms,
	};

	return frames_send(c->broker, &frame, sizeof(frame), fds, frame_call_fds(frame.flags));
}

int frames_launch(struct call *c, struct err *err)
{
	CLEANUP(fd_closep) int plan = -1;
	CLEANUP(pipes_fini) struct pipes pipes;
	int stdin_fd;
	int r = pipes_init(&pipes, order_is_wanted(c));

	if (r < 0)
		return err_set(err, -r, "cannot make pipes for the tool");
	r = seal_plan(c, &plan, err);
	if (r < 0)
		return r;
	r = changes_are_wanted(c) ? changes_open(c) : 0;
	if (r == 0)
		r = recorded_open(c);
	if (r < 0)
		return err_set(err, -r, "cannot make room for what the tool changes");
	/* Before the tool can write: what became ready unwatched would have lost its order. */
	stdin_fd = fd_take(&pipes.ours[0]);
	r = drain_start(c, &pipes.ours[1], stdin_fd);
	if (r < 0)
		err_set(err, -r, "cannot watch the tool's output");
	if (r == 0)
		r = send_call(c, plan, &pipes);
	if (r < 0) {
		drain_stop(c);
		return r == -EAGAIN || err->num != 0
			       ? r
			       : err_set(err, -r, "cannot reach the launcher");
	}
	c->state = CALL_RUNNING;
	c->broker->running++;
	return 0;
}
