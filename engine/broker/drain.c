/*
 * Theory of operation: the broker's ends of a tool's three pipes.
 *
 * Each chunk goes, in this order, to the stream's own record, to the merged record, to the digest
 * and to progress. Then the limit of output bytes is looked at.
 *
 * Order of the two streams is order.c's business; once that has handed over, and for tools that do
 * not ask for it, of what is found in both pipes by one wait, stdout comes first. Within a stream
 * order is always exact, and no character is torn by bytes of the other stream.
 *
 * While the digest is behind, nothing is read and the tool blocks in write(2). Behind FRAME_ENDED
 * every process of the cell is dead, so end of file comes at once; should somebody hold a pipe all
 * the same, BROKER_DRAIN_MS of silence or DRAIN_BYTES more end it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "broker/cut.h"
#include "broker/order.h"
#include "broker/state.h"
#include "digest/protocol.h"

#define BYTES_PER_WAKE ((size_t)256 << 10) /* then the other descriptors have their turn */
#define READS_PER_WAKE 64
#define DRAIN_BYTES ((uint64_t)8 << 20)

static void stream_close(struct call_stream *s)
{
	loop_remove(&s->call->broker->loop, &s->watch);
	fd_closep(&s->fd);
	if (s->call->merged.ends)
		output_add(&s->call->merged, (const char *)s->held, s->held_len, NULL);
	s->held_len = 0;
}

/* The unfinished character at the end waits, so that bytes of the other stream cannot tear it. */
static void merge(struct call_stream *s, const char *data, size_t len)
{
	struct output *merged = &s->call->merged;
	char joined[sizeof(s->held) * 2];
	size_t open;

	if (len < sizeof(s->held)) {
		memcpy(joined, s->held, s->held_len);
		memcpy(joined + s->held_len, data, len);
		data = joined;
		len += s->held_len;
	} else {
		output_add(merged, (const char *)s->held, s->held_len, NULL);
	}
	open = cut_unfinished(data, len);
	output_add(merged, data, len - open, NULL);
	memcpy(s->held, data + len - open, open);
	s->held_len = open;
}

uint64_t drain_bytes(const struct call *c)
{
	return c->streams[STREAM_STDOUT].output.bytes + c->streams[STREAM_STDERR].output.bytes;
}

static void stream_add(struct call_stream *s, const char *data, size_t len)
{
	struct call *c = s->call;
	unsigned int which = (unsigned int)(s - c->streams);

	output_add(&s->output, data, len, &c->broker->budget);
	if (c->merged.ends)
		merge(s, data, len);
	if (c->digest.used)
		digest_io_feed(&c->digest, which == STREAM_STDOUT ? DIGEST_STDOUT : DIGEST_STDERR,
			       data, len);
	progress_add(&c->progress, which, data, len);
	if (c->state == CALL_RUNNING && c->kill_cause == FRAME_CAUSE_EXIT &&
	    drain_bytes(c) > c->cell->limits.output_bytes) {
		c->kill_cause = FRAME_CAUSE_OUTPUT_LIMIT;
		frames_kill(c);
	}
	if (c->state == CALL_DRAINING) {
		c->drain_left -= MIN(c->drain_left, (uint64_t)len);
		c->drain_deadline_ms = loop_now_ms() + BROKER_DRAIN_MS;
	}
}

size_t drain_read(struct call_stream *s)
{
	struct call *c = s->call;
	char *chunk = c->broker->chunk;
	ssize_t n = read(s->fd, chunk, BROKER_CHUNK_BYTES);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0 || (c->state == CALL_DRAINING && c->drain_left == 0)) {
		stream_close(s);
		return 0;
	}
	stream_add(s, chunk, (size_t)n);
	return (size_t)n;
}

static void stream_ready(void *owner, short revents)
{
	struct call_stream *s = owner;
	size_t total = 0;

	(void)revents;
	for (int i = 0; i < READS_PER_WAKE && total < BYTES_PER_WAKE; i++) {
		size_t n = digest_io_full(&s->call->digest) ? 0 : drain_read(s);

		if (n == 0)
			return;
		total += n;
	}
}

int drain_watch(struct call_stream *s)
{
	return loop_add(&s->call->broker->loop, &s->watch, s->fd, POLLIN, stream_ready, s);
}

static void stdin_close(struct call *c)
{
	loop_remove(&c->broker->loop, &c->stdin_watch);
	fd_closep(&c->stdin_fd);
}

static void stdin_ready(void *owner, short revents)
{
	struct call *c = owner;

	(void)revents;
	while (c->stdin_done < c->expanded.stdin_len) {
		ssize_t n = write(c->stdin_fd, c->expanded.stdin_text + c->stdin_done,
				  c->expanded.stdin_len - c->stdin_done);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			break; /* a tool need not read what it is given */
		c->stdin_done += (size_t)n;
	}
	stdin_close(c);
}

/* Takes @stdin_fd. */
static int stdin_start(struct call *c, int stdin_fd)
{
	int r;

	c->stdin_fd = stdin_fd;
	if (c->expanded.stdin_len == 0) {
		fd_closep(&c->stdin_fd);
		return 0;
	}
	r = fd_set_nonblock(stdin_fd, true);
	return r < 0 ? r
		     : loop_add(&c->broker->loop, &c->stdin_watch, stdin_fd, POLLOUT, stdin_ready,
				c);
}

int drain_start(struct call *c, int fds[STREAM_N], int stdin_fd)
{
	int r = stdin_start(c, stdin_fd);

	for (int i = 0; i < STREAM_N; i++) {
		struct call_stream *s = &c->streams[i];

		s->fd = fd_take(&fds[i]);
		if (r == 0)
			r = fd_set_nonblock(s->fd, true);
		if (r == 0 && !order_is_wanted(c))
			r = drain_watch(s);
	}
	if (r == 0 && order_is_wanted(c))
		r = order_start(c);
	return r;
}

void drain_update(struct call *c)
{
	short events = digest_io_full(&c->digest) ? 0 : POLLIN;

	for (int i = 0; i < STREAM_N; i++)
		c->streams[i].watch.events = events;
}

void drain_stop(struct call *c)
{
	order_stop(c);
	for (int i = 0; i < STREAM_N; i++)
		stream_close(&c->streams[i]);
	stdin_close(c);
}

bool drain_ended(const struct call *c)
{
	return c->streams[STREAM_STDOUT].fd < 0 && c->streams[STREAM_STDERR].fd < 0;
}

void drain_begin_end(struct call *c)
{
	c->drain_left = DRAIN_BYTES;
	c->drain_deadline_ms = loop_now_ms() + BROKER_DRAIN_MS;
	stdin_close(c);
}
