/* The session's quota, watched while a tool runs: layers are ordinary folders without one of their own. */
#ifndef TOOLCELL_INIT_QUOTA_H
#define TOOLCELL_INIT_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/report.h"
#include "workspace/changes.h"

#define QUOTA_TICK_MS 100

/* Of a file system, or of layers. */
struct quota_use {
	uint64_t bytes;
	uint64_t files;
};

struct quota {
	const struct changes_source *source; /* NULL: there is nothing to watch */
	struct quota_use limit;
	struct quota_use room;	 /* that was left at the last walk */
	struct quota_use before; /* use of the file system then */
	struct quota_use start;	 /* and when the call began */
	struct quota_use held;	 /* by the layers at the last walk; 0 before one */
	uint64_t next_ns;	 /* CLOCK_MONOTONIC: no walk before this */
	uint64_t looked_ns;	 /* when quota_tick looked last */
	uint64_t due_ns;	 /* a walk even if the file system has not grown */
	bool over;
};

/**
 * quota_begin - @source: borrowed for good; NULL for none
 * @data: descriptor on the file system of the layers
 */
void quota_begin(struct quota *q, const struct changes_source *source,
		 const struct image_limits *limits);

/** quota_look - Return: whether the layers hold more than they may. */
bool quota_look(struct quota *q);

/** quota_tick - as quota_look, which is asked at most every QUOTA_TICK_MS; else what it said last */
bool quota_tick(struct quota *q);

/** quota_look_last - when the tool has ended: as quota_look, whenever the last walk was */
bool quota_look_last(struct quota *q);

#endif
