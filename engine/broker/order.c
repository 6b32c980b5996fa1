/*
 * Theory of operation: two pipes have no common clock, yet a reader of a shell's output wants to see
 * an error message where it came. Three properties of Linux together give the exact order:
 *
 *	packets (pipe2(2), O_DIRECT): each write(2) of up to a page is a buffer of its own
 *	a capacity of one page: a pipe holds one packet, so that the next write to it waits until we
 *		have read; at most one write of each stream is ever unseen
 *	epoll(7), edge-triggered: descriptors are reported in the order in which they became ready,
 *		so of two unseen writes we know which came first
 *
 * One packet is read per event; there is exactly one event per packet, because a packet can only be
 * written to an empty pipe. An event with EPOLLHUP is the last one, so then everything is read.
 *
 * This costs a switch between tool and broker for every write. After ORDERED_BYTES, which is more
 * than a result shows of the beginning, the pipes get their full size and the ordinary way of
 * drain.c goes on, where writes that are closer than a wake-up of the broker may change places with
 * those of the other stream.
 */
#include "broker/order.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/state.h"

#define ORDERED_BYTES ((uint64_t)64 << 10)
#define PIPE_BYTES_ORDERED 4096
#define PIPE_BYTES_BULK (1 << 20)

bool order_is_wanted(const struct call *c)
{
	return c->merged.ends && !c->digest_call;
}

int order_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC | O_DIRECT) < 0)
		return -1;
	/* The kernel rounds up to a page; where it refuses, order is only as good as in bulk. */
	(void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES_ORDERED);
	return 0;
}

void order_stop(struct call *c)
{
	loop_remove(&c->broker->loop, &c->order_watch);
	fd_closep(&c->order_fd);
}

static void hand_over(struct call *c)
{
	order_stop(c);
	for (int i = 0; i < STREAM_N; i++) {
		struct call_stream *s = &c->streams[i];

		if (s->fd < 0)
			continue;
		(void)fcntl(s->fd, F_SETPIPE_SZ, PIPE_BYTES_BULK);
		if (drain_watch(s) < 0)
			broker_lose(c->broker, ENOMEM, "cannot watch the tool's output");
	}
}

static void order_ready(void *owner, short revents)
{
	struct call *c = owner;
	struct epoll_event events[STREAM_N];
	int n = epoll_wait(c->order_fd, events, STREAM_N, 0);

	(void)revents;
	for (int i = 0; i < n; i++) {
		struct call_stream *s = events[i].data.ptr;
		size_t got;

		do
			got = s->fd >= 0 ? drain_read(s) : 0;
		while (got > 0 && (events[i].events & EPOLLHUP));
	}
	if (drain_ended(c))
		order_stop(c);
	else if (drain_bytes(c) > ORDERED_BYTES)
		hand_over(c);
}

int order_start(struct call *c)
{
	c->order_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->order_fd < 0)
		return -errno;
	for (int i = 0; i < STREAM_N; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLET,
					    .data.ptr = &c->streams[i]};

		if (epoll_ctl(c->order_fd, EPOLL_CTL_ADD, c->streams[i].fd, &event) < 0)
			return -errno;
	}
	return loop_add(&c->broker->loop, &c->order_watch, c->order_fd, POLLIN, order_ready, c);
}
