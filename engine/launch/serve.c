/*
 * Theory of operation: one poll loop over the broker's socket, the supervisor's pipe, and for each
 * call its control socket and pidfd. Frames are held against one table; the first that does not fit
 * ends the session, because a broker that sends one has been taken over.
 *
 * Kill order at the end of the session: every cell, then wait for the pidfds, then the cgroups.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "launch/launch.h"

#define LEFTOVER_RETRY_US 10000ULL
#define STOP_TIMEOUT_US 5000000ULL

uint64_t serve_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void serve_send(struct launcher *l, const void *frame, size_t bytes)
{
	/* SO_SNDTIMEO bounds the wait: a broker that does not read for that long is lost. */
	if (fd_send(LAUNCH_FD_BROKER, frame, bytes, NULL, 0) < 0)
		l->stopping = true;
}

static struct call *call_by_id(struct launcher *l, uint64_t id)
{
	for (uint32_t i = 0; i < LAUNCH_CALLS_MAX; i++)
		if (l->calls[i].state != CALL_FREE && l->calls[i].state != CALL_LEFTOVER &&
		    l->calls[i].id == id)
			return &l->calls[i];
	return NULL;
}

static int handle_call(struct launcher *l, const void *data, int *fds, size_t n_fds)
{
	const struct frame_call *frame = data;

	if (!image_cell(&l->cells.image, frame->cell) ||
	    frame->flags & ~(uint32_t)FRAME_CALL_FLAGS_ALL || frame->pad != 0 ||
	    n_fds != frame_call_fds(frame->flags) || frame->branch > STACK_BRANCHES_MAX ||
	    frame->head.call == 0 || call_by_id(l, frame->head.call))
		return -EPROTO;
	call_start(l, frame, fds);
	return 0;
}

static int handle_kill(struct launcher *l, const void *data, int *fds, size_t n_fds)
{
	const struct frame_kill *frame = data;
	struct call *call = call_by_id(l, frame->head.call);

	(void)fds;
	(void)n_fds;
	if (frame->cause != FRAME_CAUSE_CANCELLED && frame->cause != FRAME_CAUSE_OUTPUT_LIMIT)
		return -EPROTO;
	/* A call that has just ended is no error: the frames crossed. */
	if (call)
		call_kill(call, frame->cause);
	return 0;
}

static int handle_session(struct launcher *l, const void *data, int *fds, size_t n_fds)
{
	const struct frame_session *frame = data;
	struct frame_session_done done = {
		.head = {FRAME_SESSION_DONE, sizeof(done), frame->head.call}};

	(void)fds;
	(void)n_fds;
	if (frame->op >= FRAME_SESSION_OP_N || frame->branch == 0 ||
	    frame->branch > STACK_BRANCHES_MAX || frame->pad != 0)
		return -EPROTO;
	overlay_operate(&l->overlay, frame, &done);
	serve_send(l, &done, sizeof(done));
	return 0;
}

/* Every frame that a broker may send; the session has one state, so no column for it. */
static const struct {
	uint32_t type;
	size_t bytes;
	size_t n_fds;
	size_t n_fds_max;
	int (*handle)(struct launcher *l, const void *frame, int *fds,
		      size_t n_fds); /* owns fds when it returns 0 */
} frames[] = {
	{FRAME_CALL, sizeof(struct frame_call), FRAME_CALL_FDS, FRAME_CALL_FDS_MAX, handle_call},
	{FRAME_KILL, sizeof(struct frame_kill), 0, 0, handle_kill},
	{FRAME_SESSION, sizeof(struct frame_session), 0, 0, handle_session},
};

static int dispatch(struct launcher *l, const void *data, size_t n, int *fds, size_t n_fds)
{
	struct frame_head head;

	if (n < sizeof(head))
		return -EPROTO;
	memcpy(&head, data, sizeof(head));
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		if (frames[i].type != head.type)
			continue;
		if (n != frames[i].bytes || head.bytes != n || n_fds < frames[i].n_fds ||
		    n_fds > frames[i].n_fds_max)
			return -EPROTO;
		return frames[i].handle(l, data, fds, n_fds);
	}
	return -EPROTO;
}

static void read_broker(struct launcher *l)
{
	union {
		struct frame_head head;
		struct frame_call call;
		struct frame_kill kill;
		struct frame_session session;
		unsigned char room[FRAME_BYTES_MAX];
	} frame;
	int fds[FD_PASS_MAX];
	size_t n_fds;
	ssize_t n = fd_recv(LAUNCH_FD_BROKER, &frame, sizeof(frame), fds, &n_fds);

	if (n > 0 && dispatch(l, &frame, (size_t)n, fds, n_fds) == 0)
		return;
	while (n_fds > 0)
		fd_closep(&fds[--n_fds]);
	if (n > 0) {
		struct frame_fatal fatal = {{FRAME_FATAL, sizeof(fatal), 0}, EPROTO, 0, ""};

		(void)snprintf(fatal.text, sizeof(fatal.text),
			       "a frame that no broker of ours sends; the session ends");
		serve_send(l, &fatal, sizeof(fatal));
	}
	l->stopping = true;
}

/* When to wake without an event: the nearest deadline, in milliseconds; -1 for never. */
static int poll_timeout(const struct launcher *l, uint64_t now)
{
	uint64_t at = UINT64_MAX;

	for (uint32_t i = 0; i < LAUNCH_CALLS_MAX; i++) {
		const struct call *call = &l->calls[i];

		if (call->state == CALL_LEFTOVER)
			at = MIN(at, now + LEFTOVER_RETRY_US);
		if (call->state == CALL_WAITING)
			at = call->kill_cause != FRAME_CAUSE_N ? now : MIN(at, call->retry_us);
		if (call->state != CALL_SETUP && call->state != CALL_RUNNING)
			continue;
		if (call->kill_cause == FRAME_CAUSE_N)
			at = MIN(at, call->deadline_us);
		if (call->kill_us)
			at = MIN(at, call->kill_us);
		if (call->cpu_check_us && call->kill_cause == FRAME_CAUSE_N)
			at = MIN(at, call->cpu_check_us);
	}
	if (at == UINT64_MAX)
		return -1;
	return at <= now ? 0 : (int)MIN((at - now + 999) / 1000, (uint64_t)INT32_MAX);
}

#define POLL_FIXED 2U
#define POLL_MAX (POLL_FIXED + 2U * LAUNCH_CALLS_MAX)

static void fill_poll(const struct launcher *l, struct pollfd *fds)
{
	fds[0] = (struct pollfd){l->stopping ? -1 : LAUNCH_FD_BROKER, POLLIN, 0};
	fds[1] = (struct pollfd){l->stopping ? -1 : LAUNCH_FD_ALIVE, 0, 0};
	for (uint32_t i = 0; i < LAUNCH_CALLS_MAX; i++) {
		const struct call *call = &l->calls[i];
		bool live = call->state == CALL_SETUP || call->state == CALL_RUNNING;

		fds[POLL_FIXED + 2 * i] = (struct pollfd){live ? call->control : -1, POLLIN, 0};
		fds[POLL_FIXED + 2 * i + 1] = (struct pollfd){live ? call->pidfd : -1, POLLIN, 0};
	}
}

static void handle_calls(struct launcher *l, const struct pollfd *fds)
{
	uint64_t now = serve_now_us();

	for (uint32_t i = 0; i < LAUNCH_CALLS_MAX; i++) {
		struct call *call = &l->calls[i];

		if (call->state == CALL_LEFTOVER)
			call_retry_cleanup(call);
		if (call->state == CALL_WAITING)
			call_retry_start(l, call, now);
		if (call->state != CALL_SETUP && call->state != CALL_RUNNING)
			continue;
		if (fds[POLL_FIXED + 2 * i].revents)
			call_read_report(l, call);
		if (fds[POLL_FIXED + 2 * i + 1].revents)
			call_end(l, call);
		else
			call_watch_limits(l, call, now);
	}
}

static int turn(struct launcher *l)
{
	struct pollfd fds[POLL_MAX];

	fill_poll(l, fds);
	if (poll(fds, POLL_MAX, poll_timeout(l, serve_now_us())) < 0)
		return errno == EINTR ? 0 : -errno;
	handle_calls(l, fds);
	if (fds[1].revents)
		l->stopping = true;
	else if (fds[0].revents)
		read_broker(l);
	return 0;
}

static bool idle(const struct launcher *l)
{
	for (uint32_t i = 0; i < LAUNCH_CALLS_MAX; i++)
		if (l->calls[i].state != CALL_FREE)
			return false;
	return true;
}

int serve(struct launcher *l)
{
	const struct timeval patience = {.tv_sec = 1};
	uint64_t until;
	int r = 0;

	if (setsockopt(LAUNCH_FD_BROKER, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	while (!l->stopping && r == 0)
		r = turn(l);
	l->stopping = true;
	until = serve_now_us() + STOP_TIMEOUT_US;
	for (uint32_t i = 0; i < LAUNCH_CALLS_MAX; i++)
		call_kill(&l->calls[i], FRAME_CAUSE_CANCELLED);
	while (!idle(l) && r == 0 && serve_now_us() < until)
		r = turn(l);
	cgroup_sweep(&l->cgroups);
	cgroup_root_close(&l->cgroups);
	return r;
}
