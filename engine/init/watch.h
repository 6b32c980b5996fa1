/*
 * What the cell refuses, seen by init and told (wire/record.h).
 *
 * The tool's filter sends two kinds of calls here: those that it refuses, which init answers with the
 * error, always; and those of wire/observed.h, which init looks at. If the cell would refuse one - a
 * read-only mount, a path that is not shown - init refuses it with the error that the kernel would have
 * given, so that what is recorded is what happened. Everything else goes on to the kernel, which decides
 * as if init had not looked: init never lets a call through that the policy's filter would not, and what
 * a tool changes in memory meanwhile changes only what is written down.
 */
#ifndef TOOLCELL_INIT_WATCH_H
#define TOOLCELL_INIT_WATCH_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "init/places.h"
#include "wire/record.h"
#include "wire/report.h"

#define WATCH_TICK_MS 200

#define WATCH_OPENERS 256U /* threads whose opens are counted at once */

/* Opens of a thread since it was last seen in its slot: who has opened few has few open. */
struct watch_opener {
	uint32_t tid;
	uint32_t opens;
};

struct watch {
	const struct init_config *config; /* borrowed */
	struct places places;
	const struct sock_filter
		*strict; /* the policy's program, which decides over what is observed */
	uint32_t n_strict;
	struct record *record; /* NULL: nobody wants one, nothing is watched */
	int listener;	       /* -1: none */
	uint64_t begun_us;
	bool scoped;  /* the tool's Landlock domain keeps signals in. KERNEL(6.12) */
	bool started; /* the tool has been executed: until then its process is init's own copy */
	struct watch_opener openers[WATCH_OPENERS];
	uint64_t looked_us; /* when watch_look was called last */
	uint64_t full;	    /* places that were found full, a bit each; the first 64 tell */
};

/** watch_begin - @record: INIT_FD_RECORD mapped, or NULL */
void watch_begin(struct watch *w, const struct init_config *config, const struct image *image,
		 struct record *record);

/** watch_wanted - whether the tool's process shall install the watched program */
bool watch_wanted(const struct watch *w);

/** watch_listen - @listener: taken from the tool's process; owned from here on */
void watch_listen(struct watch *w, int listener);

/** watch_hear - what poll(2) says of the listener: answer one call, or let go when nobody is left */
void watch_hear(struct watch *w, short revents);

/** watch_look - for file systems that are full */
void watch_look(struct watch *w);

/** watch_tick - watch_look, but at most every WATCH_TICK_MS */
void watch_tick(struct watch *w);

#endif
