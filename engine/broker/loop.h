/* Descriptors that the broker waits for, and what is called when one is ready. See poll(2). */
#ifndef TOOLCELL_BROKER_LOOP_H
#define TOOLCELL_BROKER_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct pollfd;

/* Embedded in its owner; a zeroed one is not watched. */
struct watch {
	int fd;
	short events; /* poll(2); 0 waits for nothing, unless @errors */
	bool errors;  /* with events 0: still report POLLERR and POLLHUP */
	void (*ready)(void *owner, short revents);
	void *owner;
	size_t slot; /* index + 1 in loop.watches; 0: not watched */
};

struct loop {
	struct watch **watches; /* NULL where one was removed since the last wait */
	struct pollfd *polls;
	size_t n;
	size_t alloc;
};

void loop_fini(struct loop *loop);

/** loop_add - wait for @events on @fd.  Return: 0 or -ENOMEM. */
MUST_USE int loop_add(struct loop *loop, struct watch *watch, int fd, short events,
		      void (*ready)(void *owner, short revents), void *owner);

/** loop_remove - no more calls, also not for what is ready already; fine when not watched */
void loop_remove(struct loop *loop, struct watch *watch);

/**
 * loop_wait - sleep until something is ready or @timeout_ms has passed (-1: for ever), call the rest
 * Callbacks may add and remove any watch.  Return: 0 or -errno.
 */
MUST_USE int loop_wait(struct loop *loop, int timeout_ms);

/** loop_now_ms - CLOCK_MONOTONIC */
int64_t loop_now_ms(void);

#endif
