/*
 * Direct mode: the tool writes to the workspace itself. A protected path that is there is mounted
 * read-only by the launcher; one that is not cannot be, so init looks whether it has come into being
 * and moves it out of the way. So it does with another thing in the place of one that was there: a
 * folder above a mount can be renamed, and a new one made where it was.
 */
#ifndef TOOLCELL_INIT_QUARANTINE_H
#define TOOLCELL_INIT_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/changes.h"
#include "workspace/rules.h"

#define QUARANTINE_SUFFIX ".refused-by-toolcell"

struct quarantine {
	int workspace; /* owned; opened before the tool ran */
	struct quarantine_path {
		bool watched;
		bool existed; /* and then this was it */
		dev_t dev;
		ino_t ino;
	} paths[RULES_MAX];
};

/**
 * quarantine_begin - note which protected paths without wildcards are there, and which are not
 * @workspace: absolute path
 */
MUST_USE int quarantine_begin(struct quarantine *q, const struct rules *rules,
			      const char *workspace);

/**
 * quarantine_end - move aside what has come; everything that could hold it open is dead
 * One record for each: path is the protected one, `from` where it lies now; without
 * CHANGES_QUARANTINED it could not be moved and is still there.
 */
void quarantine_end(const struct quarantine *q, const struct rules *rules,
		    struct changes_writer *writer);

#endif
