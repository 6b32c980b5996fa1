/*
 * toolcell-files: the file tools, one program with a verb each, run inside a cell:
 *
 *	/toolcell/bin/toolcell-files VERB < ARGUMENTS > ANSWER
 *
 * ARGUMENTS is the call's arguments object, ANSWER one JSON document (answer.h); TOOLCELL_WORKSPACE
 * in the environment is the absolute path of the workspace. Exit status: 0 done, 1 the tool says no
 * (the answer tells why), 2 misuse or a failure of our own (standard error tells).
 *
 * The cell is the wall: what it does not show is not there, what it shows read-only cannot be
 * written. These sources only make sure that nothing hangs on a special file, that a link in the
 * workspace is not written through to somewhere else, and that each answer is precise and bounded.
 */
#ifndef TOOLCELL_CELL_FILES_H
#define TOOLCELL_CELL_FILES_H

#include <jansson.h>

#include "base/macros.h"
#include "tools/cell/files/answer.h"

struct files_call {
	json_t *arguments;     /* an object within the caps of args.h; strings may hold NULs */
	const char *workspace; /* absolute, no links, no final slash but for "/" */
};

/*
 * A verb fills the answer, refusals included (answer_fail).  Return: 0; -errno for a failure of our
 * own, after which nothing is answered: -ENOMEM, -EIO.
 */
MUST_USE int files_read(const struct files_call *call, struct answer *answer);
MUST_USE int files_write(const struct files_call *call, struct answer *answer);
MUST_USE int files_edit(const struct files_call *call, struct answer *answer);
MUST_USE int files_multiedit(const struct files_call *call, struct answer *answer);
MUST_USE int files_glob(const struct files_call *call, struct answer *answer);
MUST_USE int files_grep(const struct files_call *call, struct answer *answer);
MUST_USE int files_patch(const struct files_call *call, struct answer *answer);

/**
 * files_run - everything behind main: verb, arguments, answer
 * @in, @out: descriptors; messages of misuse go to stderr
 * Return: the exit status.
 */
int files_run(const char *verb, const char *workspace, int in, int out);

#endif
