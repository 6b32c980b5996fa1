/* One stream of a tool: counted exactly, kept at both ends, the raw bytes spilled up to a cap. */
#ifndef TOOLCELL_BROKER_OUTPUT_H
#define TOOLCELL_BROKER_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define OUTPUT_END_BYTES ((size_t)8192)	       /* kept of the beginning, and as much of the end */
#define OUTPUT_SPILL_BYTES ((uint64_t)8 << 20) /* raw bytes kept of one stream */
#define OUTPUT_BUDGET_BYTES ((uint64_t)128 << 20) /* raw bytes kept of a session */

/* Raw bytes of all streams and kept resources together. */
struct output_budget {
	uint64_t used;
};

struct output {
	uint64_t bytes;
	char *ends; /* beginning, then a ring with the end; 2 * OUTPUT_END_BYTES */
	int spill_fd;
	uint64_t spilled;
	bool spill_stopped; /* cap or budget: the raw bytes are cut there */
	bool malformed;
	bool nul;
	unsigned char partial[4]; /* a UTF-8 sequence that the last chunk left open */
	unsigned int partial_len;
};

/** output_init - empty.  Return: 0 or -ENOMEM. */
MUST_USE int output_init(struct output *out);
void output_fini(struct output *out, struct output_budget *budget);

/** output_add - the next bytes; @budget NULL: raw bytes are not kept */
void output_add(struct output *out, const char *data, size_t len, struct output_budget *budget);

/** output_encoding - "utf-8", "utf-8-lossy" (malformed bytes) or "binary" (a NUL) */
const char *output_encoding(const struct output *out);

/**
 * output_append_text - beginning and end as safe text
 * @end_bytes: of either end, at most OUTPUT_END_BYTES
 * @uri:	   for the marker where bytes were omitted; may be NULL
 * @ret_omitted: 0 when all of it is there
 */
MUST_USE int output_append_text(const struct output *out, size_t end_bytes, const char *uri,
				struct buf *text, uint64_t *ret_omitted);

/**
 * output_take_raw - the raw bytes kept, from the first on; they leave @out with their share of the
 * budget
 * @ret_fd: memfd, owned by the caller
 * Return: 0 or -errno, -ENOSPC when the budget has no room.
 */
MUST_USE int output_take_raw(struct output *out, struct output_budget *budget, int *ret_fd,
			     uint64_t *ret_bytes);

#endif
