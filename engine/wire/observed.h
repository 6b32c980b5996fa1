/*
 * Allowed system calls that init looks at before the kernel does them (init/watch.h), so that a refusal
 * can be told with its object. One table for both sides: policyc leaves them out of what the watched
 * filter lets through, init knows where their paths are.
 */
#ifndef TOOLCELL_WIRE_OBSERVED_H
#define TOOLCELL_WIRE_OBSERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/image.h"

enum observed_kind {
	OBSERVED_OPEN,
	OBSERVED_MAKE,	 /* a name that must not be there yet */
	OBSERVED_MKDIR,	 /* likewise, with slashes behind it or not */
	OBSERVED_CHANGE, /* something that is there: mode, owner, times, attributes */
	OBSERVED_TRUNCATE,
	OBSERVED_REMOVE,
	OBSERVED_RENAME, /* two names: the second is that of OBSERVED_MAKE, and may be there */
	OBSERVED_LINK,	 /* OBSERVED_MAKE, and an old name that must be there */
	OBSERVED_LOOK,
	OBSERVED_EXEC,
	OBSERVED_CONNECT,
	OBSERVED_SEND,
	OBSERVED_BIND,
	OBSERVED_KILL,
	OBSERVED_KIND_N,
};

#define OBSERVED_NO_ARG (-1)

struct observed_call {
	const char *name;
	uint32_t nr;
	enum image_observe level; /* the lowest at which it is observed */
	enum observed_kind kind;
	/* Indexes of arguments, or OBSERVED_NO_ARG. */
	int8_t dir;
	int8_t path;
	int8_t flags;  /* of open(2) for OBSERVED_OPEN, else AT_SYMLINK_NOFOLLOW may be in it */
	int8_t other;  /* second path: the new one of a rename, the old one of a link; its folder is
			    the argument before it where there is @dir */
	bool nofollow; /* a link that is the last component is the object itself */
};

/** observed_call_of - the row of a call, NULL when there is none */
const struct observed_call *observed_call_of(uint32_t nr);

/** observed_call_named - likewise, by name */
const struct observed_call *observed_call_named(const char *name);

#endif
