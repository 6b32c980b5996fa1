/*
 * The broker's side of protocol.h: a worker for one call, and the heads of the chunks that it is
 * fed. Reading and writing the pipes is the broker's own, non-blocking loop.
 */
#ifndef TOOLCELL_DIGEST_CLIENT_H
#define TOOLCELL_DIGEST_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "digest/protocol.h"

/**
 * digest_start - ask the zygote for a worker
 * @sock:	the zygote's socket; borrowed
 * @name:	row of the parser table
 * @ret_in_fd:	write chunks here; non-blocking, close-on-exec, caller owns
 * @ret_out_fd: read the reply here until end of file; likewise
 *
 * An unknown @name is not known here: its worker ends without a reply.
 */
MUST_USE int digest_start(int sock, const char *name, int *ret_in_fd, int *ret_out_fd,
			  struct err *err);

/**
 * digest_encode - head of the next chunk of @left bytes; the payload follows it
 * @ret_head: sizeof(struct digest_chunk) bytes
 * Return: how many of the @left bytes belong to this chunk.
 */
size_t digest_encode(enum digest_stream stream, size_t left, struct digest_chunk *ret_head);

#endif
