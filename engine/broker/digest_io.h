/*
 * One worker of toolcell-digest (digest/protocol.h): tool output goes in while the tool runs, one
 * JSON object comes back. A worker that is late, dead or wordy costs the call its data, never its
 * result.
 */
#ifndef TOOLCELL_BROKER_DIGEST_IO_H
#define TOOLCELL_BROKER_DIGEST_IO_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "broker/loop.h"

#define DIGEST_QUEUE_BYTES ((size_t)256 << 10) /* waiting for the worker; beyond: stop reading */
#define DIGEST_LATE_MS 5000

struct digest_io {
	bool used;
	bool done; /* reply complete, or given up (then @error says why) */
	const char *error;
	struct loop *loop;
	struct watch in_watch;
	struct watch out_watch;
	int in_fd;  /* to the worker */
	int out_fd; /* from it */
	bool end_queued;
	struct buf queue;
	struct buf reply;
	int64_t deadline_ms; /* 0: none */
};

/**
 * digest_io_start - ask the zygote for a worker
 * @socket:    non-blocking SOCK_SEQPACKET; -1: no digest in this session
 * @call_json: payload of DIGEST_CALL
 * Cannot fail the call: on trouble @d is done at once, with its error.
 */
void digest_io_start(struct digest_io *d, struct loop *loop, int socket, const char *name,
		     const char *call_json);
void digest_io_fini(struct digest_io *d);

/** digest_io_feed - output of the tool; @stream: enum digest_stream */
void digest_io_feed(struct digest_io *d, uint32_t stream, const char *data, size_t len);

/** digest_io_end - the tool has ended: last chunks, and the worker's time starts to run */
void digest_io_end(struct digest_io *d, const char *status_json);

/** digest_io_full - the worker is behind: read nothing more from the tool */
bool digest_io_full(const struct digest_io *d);

/** digest_io_tick - give up on a worker that is late */
void digest_io_tick(struct digest_io *d, int64_t now_ms);

/**
 * digest_io_reply - what the worker said
 * Return: new object {"data", "text", "success"}, or NULL and @ret_error says why (a literal).
 */
json_t *digest_io_reply(struct digest_io *d, const char **ret_error);

#endif
