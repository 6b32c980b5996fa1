/*
 * The summary of a changeset that init writes when a call is over, into a memfd that the broker made
 * for the call: totals, then as many changes as fit. The broker holds every field against its bounds.
 */
#ifndef TOOLCELL_WIRE_CHANGES_H
#define TOOLCELL_WIRE_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CHANGES_MAGIC 0x47484354U /* "TCHG" */
#define CHANGES_BYTES_MAX ((size_t)128 << 10)
#define CHANGES_LIST_MAX 200U
#define CHANGES_KINDS 7U    /* enum change_kind of workspace/changes.h */
#define CHANGES_VERDICTS 7U /* enum change_verdict */

enum {
	CHANGES_COMPLETE = 1U << 0, /* the walk met no cap: the totals are true */
	CHANGES_LIST_CUT = 1U << 1, /* there are more changes than the list holds */
	CHANGES_OVER_QUOTA = 1U << 2,
	CHANGES_FLAGS_ALL = (1U << 3) - 1,
};

struct changes_header {
	uint32_t magic;
	uint32_t bytes; /* of header and records */
	uint32_t flags;
	uint32_t n; /* records */
	uint64_t kinds[CHANGES_KINDS];
	uint64_t scratch;
	uint64_t held;
	uint64_t layer_bytes;
	uint64_t layer_files;
};

enum {
	CHANGES_BY_CALL = 1U << 0, /* changed since the call began */
	CHANGES_BINARY = 1U << 1,
	CHANGES_HAS_OLD = 1U << 2,
	CHANGES_HAS_NEW = 1U << 3,
	CHANGES_QUARANTINED =
		1U << 4, /* direct mode: a protected path that was made, and moved aside */
	CHANGES_RECORD_ALL = (1U << 5) - 1,
};

/* Followed by path, from and rule pointer, each with a NUL, padded to 8 bytes. */
struct changes_record {
	uint32_t bytes; /* of record, strings and padding */
	uint16_t kind;
	uint16_t verdict;
	uint32_t flags;
	uint32_t old_mode; /* st_mode */
	uint32_t new_mode;
	uint32_t pad;
	uint64_t old_size;
	uint64_t new_size;
};

struct changes_entry {
	struct changes_record record;
	const char *path;    /* not empty */
	const char *from;    /* "" for none; with CHANGES_QUARANTINED where it lies now */
	const char *pointer; /* rule; "" for none */
};

/** changes_decode - verify the whole; @ret_header points into @data, which is 8-byte aligned */
MUST_USE int changes_decode(const void *data, size_t bytes,
			    const struct changes_header **ret_header, struct err *err);

/**
 * changes_next - records of a decoded summary, one after the other
 * @offset: 0 at first; moved on.  Return: 1 with *ret filled, 0 behind the last.
 */
int changes_next(const struct changes_header *header, size_t *offset, struct changes_entry *ret);

/* Writing: a fixed buffer, no allocation. */
struct changes_writer {
	unsigned char *data; /* CHANGES_BYTES_MAX, 8-byte aligned; the caller's */
	size_t used;
};

void changes_begin(struct changes_writer *w, void *data);
/** changes_add - false (and CHANGES_LIST_CUT set) when list or buffer is full */
bool changes_add(struct changes_writer *w, const struct changes_entry *entry);
/** changes_header_of - to fill in totals; bytes and n are kept up to date by changes_add */
struct changes_header *changes_header_of(struct changes_writer *w);

#endif
