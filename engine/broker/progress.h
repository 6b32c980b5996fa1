/* The last complete line of a tool, now and then, for a driver that wants to see it live. */
#ifndef TOOLCELL_BROKER_PROGRESS_H
#define TOOLCELL_BROKER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define PROGRESS_LINE_BYTES 500U
#define PROGRESS_EVERY_MS 100
#define PROGRESS_HEARTBEAT_MS 5000
#define PROGRESS_STREAMS 2

struct progress_line {
	char data[PROGRESS_LINE_BYTES];
	size_t len;
};

struct progress {
	bool wanted;
	bool skip_json; /* a digest reads this tool: lines that begin with '{' are not for people */
	bool fresh;	/* @last has not been sent */
	struct progress_line last;
	struct progress_line open[PROGRESS_STREAMS]; /* not ended by a newline yet */
	int64_t began_ms;
	int64_t sent_ms;
};

void progress_init(struct progress *p, bool wanted, bool skip_json, int64_t now_ms);
void progress_add(struct progress *p, unsigned int stream, const char *data, size_t len);

/** progress_deadline - when something is to be sent; INT64_MAX: never */
int64_t progress_deadline(const struct progress *p);

/**
 * progress_take - the message due now, if any
 * @waiting: in the queue, nothing runs yet
 * @out:     empty; filled with one safe line of at most PROGRESS_LINE_BYTES
 * Return: whether there is one.
 */
bool progress_take(struct progress *p, int64_t now_ms, bool waiting, struct buf *out);

#endif
