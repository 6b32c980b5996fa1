/* Lines on their way to the driver. */
#ifndef TOOLCELL_BROKER_QUEUE_H
#define TOOLCELL_BROKER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/* More than this unread: progress is dropped and nothing more is read from the driver. */
#define QUEUE_FULL_BYTES ((size_t)32 << 20)

struct queue_line;

struct queue {
	int fd; /* borrowed */
	struct queue_line *first;
	struct queue_line *last;
	size_t bytes; /* not yet written */
	bool broken;  /* nobody reads any more: everything is dropped */
};

void queue_fini(struct queue *queue);

/** queue_push - append, and write what the driver takes at once.  Return: 0 or -ENOMEM. */
MUST_USE int queue_push(struct queue *queue, const char *data, size_t len);

/** queue_flush - write until the driver takes no more, or until the end */
void queue_flush(struct queue *queue);

bool queue_is_full(const struct queue *queue);

#endif
