/*
 * Theory of operation: a list of lines, the first of which may be partly written. A line that finds
 * the list empty is written at once, and only what the driver did not take is copied. Memory is
 * bounded by the broker: beyond QUEUE_FULL_BYTES it sends no progress and reads no further requests,
 * so that only the results of calls which already run can still come.
 */
#include "broker/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct queue_line {
	struct queue_line *next;
	size_t len;
	size_t done;
	char data[];
};

void queue_fini(struct queue *queue)
{
	while (queue->first) {
		struct queue_line *line = queue->first;

		queue->first = line->next;
		free(line);
	}
	queue->last = NULL;
	queue->bytes = 0;
}

/* Bytes taken; 0 when the driver takes none now. Anything but "later" means nobody reads. */
static size_t write_some(struct queue *queue, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(queue->fd, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			queue->broken = true;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

int queue_push(struct queue *queue, const char *data, size_t len)
{
	struct queue_line *line;
	size_t done = 0;

	if (!queue->broken && !queue->first)
		done = write_some(queue, data, len);
	if (queue->broken || done == len)
		return 0;
	line = malloc(sizeof(*line) + (len - done));
	if (!line)
		return -ENOMEM;
	*line = (struct queue_line){.len = len - done};
	memcpy(line->data, data + done, len - done);
	if (queue->last)
		queue->last->next = line;
	else
		queue->first = line;
	queue->last = line;
	queue->bytes += line->len;
	return 0;
}

void queue_flush(struct queue *queue)
{
	while (queue->first && !queue->broken) {
		struct queue_line *line = queue->first;
		size_t n = write_some(queue, line->data + line->done, line->len - line->done);

		line->done += n;
		queue->bytes -= n;
		if (line->done < line->len)
			break;
		queue->first = line->next;
		if (!queue->first)
			queue->last = NULL;
		free(line);
	}
	if (queue->broken)
		queue_fini(queue);
}

bool queue_is_full(const struct queue *queue)
{
	return queue->bytes > QUEUE_FULL_BYTES;
}
