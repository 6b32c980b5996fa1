/*
 * Theory of operation: poll(2) over an array that is built anew for each wait. poll and not epoll,
 * because a driver may hand us regular files and /dev/null, which epoll refuses; and because at the
 * few dozen descriptors that a session has, rebuilding costs less than one more system call for
 * every change of interest that back-pressure makes.
 *
 * A watch removed during dispatch leaves NULL in its slot, so that an event which poll had reported
 * already finds nobody. One added during dispatch stands behind the dispatched range. Holes close at
 * the next wait, which keeps the order: stdout of a call is always asked before its stderr.
 */
#include "broker/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

void loop_fini(struct loop *loop)
{
	for (size_t i = 0; i < loop->n; i++)
		if (loop->watches[i])
			loop->watches[i]->slot = 0;
	free(loop->watches);
	free(loop->polls);
	*loop = (struct loop){0};
}

static int grow(struct loop *loop)
{
	size_t alloc = loop->alloc ? loop->alloc * 2 : 64;
	struct watch **watches = reallocarray(loop->watches, alloc, sizeof(struct watch *));
	struct pollfd *polls;

	if (!watches)
		return -ENOMEM;
	loop->watches = watches;
	polls = reallocarray(loop->polls, alloc, sizeof(*polls));
	if (!polls)
		return -ENOMEM;
	loop->polls = polls;
	loop->alloc = alloc;
	return 0;
}

int loop_add(struct loop *loop, struct watch *watch, int fd, short events,
	     void (*ready)(void *owner, short revents), void *owner)
{
	if (loop->n == loop->alloc && grow(loop) < 0)
		return -ENOMEM;
	*watch = (struct watch){.fd = fd, .events = events, .ready = ready, .owner = owner};
	loop->watches[loop->n++] = watch;
	watch->slot = loop->n;
	return 0;
}

void loop_remove(struct loop *loop, struct watch *watch)
{
	if (watch->slot == 0)
		return;
	loop->watches[watch->slot - 1] = NULL;
	watch->slot = 0;
}

static void build(struct loop *loop)
{
	size_t n = 0;

	for (size_t i = 0; i < loop->n; i++) {
		struct watch *w = loop->watches[i];

		if (!w)
			continue;
		/* A negative fd is skipped by poll: POLLHUP of a pipe that we do not want to read
		 * now would otherwise wake us without end. */
		loop->polls[n] = (struct pollfd){
			.fd = w->events || w->errors ? w->fd : -1,
			.events = w->events,
		};
		loop->watches[n++] = w;
		w->slot = n;
	}
	loop->n = n;
}

int loop_wait(struct loop *loop, int timeout_ms)
{
	size_t n;
	int r;

	build(loop);
	n = loop->n;
	r = poll(loop->polls, (nfds_t)n, timeout_ms);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	for (size_t i = 0; i < n && r > 0; i++) {
		short revents = loop->polls[i].revents;

		if (revents == 0)
			continue;
		r--;
		if (loop->watches[i])
			loop->watches[i]->ready(loop->watches[i]->owner, revents);
	}
	return 0;
}

int64_t loop_now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
