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
	bool beside;   /* another call was writing into the workspace when this one began */
	struct quarantine_path {
		bool watched;
		bool existed; /* and then this was it */
		dev_t dev;
		ino_t ino;
		mode_t type;
		bool has_born;
		struct timespec born;	 /* its time of birth, where the file system says it */
		struct timespec changed; /* its ctime */
	} paths[RULES_MAX];
};

/**
 * quarantine_begin - note which protected paths without wildcards are there, and which are not
 * @workspace: absolute path
 * @beside: another call is writing there: what is there now may be that one's doing
 */
MUST_USE int quarantine_begin(struct quarantine *q, const struct rules *rules,
			      const char *workspace, bool beside);

/**
 * quarantine_look - move aside what has come
 * @last: everything that could undo it is dead: tell what could not be moved, too
 * One record for each: path is the protected one, `from` where it lies now; without
 * CHANGES_QUARANTINED it could not be moved and is still there.
 */
void quarantine_look(const struct quarantine *q, const struct rules *rules, bool last,
		     struct changes_writer *writer);

#endif
