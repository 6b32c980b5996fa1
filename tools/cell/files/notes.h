/* What a search has to say besides its result: everything that was not looked at, and why. */
#ifndef TOOLCELL_CELL_NOTES_H
#define TOOLCELL_CELL_NOTES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/macros.h"
#include "tools/cell/files/answer.h"
#include "tools/cell/files/walk_tree.h"

enum notes_value { NOTES_ERROR, NOTES_LINE, NOTES_NAME }; /* what walk_list.named.num is */

struct notes {
	struct answer *a;
	size_t n;
	json_t *list;
	struct buf text; /* each a sentence with a line end */
};

void notes_init(struct notes *n, struct answer *a);
void notes_fini(struct notes *n);

/** notes_add - one sentence, without line end; failures to allocate stick to the answer */
void notes_add(struct notes *n, const char *fmt, ...) PRINTF(2, 3);

/**
 * notes_add_list - "3 folders were not read: a (Permission denied), b (...), 1 more."
 * @one, @many: what they are and what became of it
 */
void notes_add_list(struct notes *n, const struct walk_list *list, const char *one,
		    const char *many, enum notes_value value);

/** notes_add_walk - what a walk left aside; what the cell refused becomes a denial */
void notes_add_walk(struct notes *n, const struct walk_report *report, size_t bad_ignores,
		    const char *workspace);

/** notes_deny - a denial for each named thing that was refused */
void notes_deny(struct notes *n, const struct walk_list *list, const char *operation,
		const char *workspace);

/** notes_put - into text and data ("notes") of the answer, at the end of both */
void notes_put(struct notes *n);

#endif
