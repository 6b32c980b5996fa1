/*
 * Theory of operation: two pipes and two bounded buffers.
 *
 *	feed --> queue --in_fd--> worker --out_fd--> reply
 *
 * While the queue is full the broker stops reading the tool, which then blocks in write(2): the
 * slowest of the three sets the pace and memory stays constant. The deadline runs while the queue is
 * full without progress, and from the end of the tool on. A worker that closes its input early may
 * have seen enough: what is left is dropped and its reply still counts.
 */
#include "broker/digest_io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "digest/protocol.h"

#define PIPE_BYTES (1 << 20)
#define READ_BYTES 65536

static void stop(struct digest_io *d, const char *error)
{
	loop_remove(d->loop, &d->in_watch);
	loop_remove(d->loop, &d->out_watch);
	fd_closep(&d->in_fd);
	fd_closep(&d->out_fd);
	buf_fini(&d->queue);
	d->deadline_ms = 0;
	d->error = error;
	d->done = true;
}

void digest_io_fini(struct digest_io *d)
{
	if (!d->used)
		return;
	stop(d, NULL);
	buf_fini(&d->reply);
	d->used = false;
}

static void close_input(struct digest_io *d)
{
	loop_remove(d->loop, &d->in_watch);
	fd_closep(&d->in_fd);
	buf_fini(&d->queue);
}

static void flush(struct digest_io *d)
{
	size_t done = 0;

	while (d->in_fd >= 0 && done < d->queue.len) {
		ssize_t n = write(d->in_fd, d->queue.data + done, d->queue.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			close_input(d);
			return;
		}
		done += (size_t)n;
	}
	buf_drop(&d->queue, done);
	if (done > 0 && !d->end_queued)
		d->deadline_ms = 0;
	if (d->queue.len == 0 && d->end_queued)
		close_input(d);
	else
		d->in_watch.events = d->queue.len > 0 ? POLLOUT : 0;
}

static void in_ready(void *owner, short revents)
{
	(void)revents;
	flush(owner);
}

static void out_ready(void *owner, short revents)
{
	struct digest_io *d = owner;
	ssize_t n;

	(void)revents;
	if (buf_reserve(&d->reply, READ_BYTES) < 0) {
		stop(d, "the digest's answer is too long");
		return;
	}
	n = read(d->out_fd, d->reply.data + d->reply.len, READ_BYTES);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stop(d, n < 0 ? "the digest's answer cannot be read" : NULL);
		return;
	}
	d->reply.len += (size_t)n;
	d->reply.data[d->reply.len] = '\0';
}

/* Both pipes and the request. Return: 0 or -errno. */
static int ask(struct digest_io *d, int socket, const char *name)
{
	CLEANUP(fd_closep) int worker_in = -1;
	CLEANUP(fd_closep) int worker_out = -1;
	struct digest_request request = {0};
	int fds[2];

	if (strlen(name) >= sizeof(request.name))
		return -EINVAL;
	memcpy(request.name, name, strlen(name));
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	worker_in = fds[0];
	d->in_fd = fds[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	d->out_fd = fds[0];
	worker_out = fds[1];
	/* Refused beyond the user's share of pipe memory; then it stays at 64 KiB. */
	(void)fcntl(d->in_fd, F_SETPIPE_SZ, PIPE_BYTES);
	fds[0] = worker_in;
	fds[1] = worker_out;
	return fd_send(socket, &request, sizeof(request), fds, 2);
}

static int watch_both(struct digest_io *d)
{
	int r = fd_set_nonblock(d->in_fd, true);

	if (r == 0)
		r = fd_set_nonblock(d->out_fd, true);
	if (r == 0)
		r = loop_add(d->loop, &d->in_watch, d->in_fd, 0, in_ready, d);
	if (r == 0)
		r = loop_add(d->loop, &d->out_watch, d->out_fd, POLLIN, out_ready, d);
	return r;
}

void digest_io_start(struct digest_io *d, struct loop *loop, int socket, const char *name,
		     const char *call_json)
{
	*d = (struct digest_io){.used = true, .loop = loop, .in_fd = -1, .out_fd = -1};
	d->reply.cap = DIGEST_REPLY_BYTES_MAX + READ_BYTES;
	if (socket < 0) {
		stop(d, "no digest runs in this session");
		return;
	}
	if (ask(d, socket, name) < 0 || watch_both(d) < 0) {
		stop(d, "the digest cannot be started");
		return;
	}
	digest_io_feed(d, DIGEST_CALL, call_json, strlen(call_json));
}

static int queue_chunk(struct digest_io *d, uint32_t stream, const char *data, size_t len)
{
	struct digest_chunk chunk = {.stream = stream, .bytes = (uint32_t)len};
	int r = buf_append(&d->queue, &chunk, sizeof(chunk));

	if (r == 0 && len > 0)
		r = buf_append(&d->queue, data, len);
	return r;
}

void digest_io_feed(struct digest_io *d, uint32_t stream, const char *data, size_t len)
{
	while (len > 0 && d->in_fd >= 0) {
		size_t n = MIN(len, (size_t)DIGEST_CHUNK_MAX);

		if (queue_chunk(d, stream, data, n) < 0) {
			stop(d, "no memory for the digest");
			return;
		}
		data += n;
		len -= n;
	}
	if (d->in_fd < 0)
		return;
	flush(d);
	if (digest_io_full(d) && d->deadline_ms == 0)
		d->deadline_ms = loop_now_ms() + DIGEST_LATE_MS;
}

void digest_io_end(struct digest_io *d, const char *status_json)
{
	if (d->done)
		return;
	digest_io_feed(d, DIGEST_STATUS, status_json, strlen(status_json));
	if (d->done)
		return;
	d->end_queued = true;
	d->deadline_ms = loop_now_ms() + DIGEST_LATE_MS;
	if (d->in_fd < 0)
		return;
	if (queue_chunk(d, DIGEST_END, NULL, 0) < 0)
		stop(d, "no memory for the digest");
	else
		flush(d);
}

bool digest_io_full(const struct digest_io *d)
{
	return d->used && !d->done && d->queue.len > DIGEST_QUEUE_BYTES;
}

void digest_io_tick(struct digest_io *d, int64_t now_ms)
{
	if (d->deadline_ms != 0 && now_ms >= d->deadline_ms)
		stop(d, d->end_queued ? "the digest did not answer in time"
				      : "the digest stopped reading");
}

json_t *digest_io_reply(struct digest_io *d, const char **ret_error)
{
	json_t *reply = NULL;

	if (!d->error && d->reply.len == 0)
		d->error = "the digest died without an answer";
	else if (!d->error && d->reply.len > DIGEST_REPLY_BYTES_MAX)
		d->error = "the digest's answer is too long";
	if (!d->error) {
		reply = json_loadb(d->reply.data, d->reply.len, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(reply)) {
			json_decref(reply);
			reply = NULL;
			d->error = "the digest's answer is not a JSON object";
		}
	}
	*ret_error = d->error;
	return reply;
}
