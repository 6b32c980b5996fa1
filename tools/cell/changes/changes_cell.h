/* toolcell-changes: what its verbs share. */
#ifndef TOOLCELL_CELL_CHANGES_H
#define TOOLCELL_CELL_CHANGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "tools/cell/files/answer.h"
#include "workspace/baseline.h"
#include "workspace/changes.h"
#include "workspace/rules.h"
#include "workspace/select.h"
#include "workspace/stack.h"

#define CELL_SESSION_BYTES 24
#define CELL_LIST_MAX 2000U /* changes in data */
#define CELL_LINES_MAX 200U /* lines of a list in text */
#define CELL_RULES_MAX ((size_t)1 << 20)

enum cell_exit { CELL_EXIT_DONE = 0, CELL_EXIT_NO = 1, CELL_EXIT_BROKEN = 2 };

struct cell {
	/* by option */
	const char *verb;
	const char *data_path;
	const char *base_path;
	const char *rules_path;
	const char
		*workspace; /* absolute path of the workspace; NULL when the caller did not say */
	char session[CELL_SESSION_BYTES]; /* "k3f9abcd" */
	char shown[CELL_SESSION_BYTES];	  /* with its branch, "k3f9abcd.2" */
	uint32_t number;

	int base;
	int data;
	char *rules_text;
	struct rules rules;
	struct stack stack;
	struct baseline baseline;
	struct changes_source source;
	bool pending; /* an interrupted commit */
	json_t *arguments;
	struct select what;
	struct select overwrite;
	struct answer answer;
};

/** cell_options - argv into *cell.  Return: 0; -EINVAL with words. */
MUST_USE int cell_options(struct cell *cell, int argc, char **argv, struct err *err);
void cell_usage(void);

/** cell_arguments - the call's arguments from @fd; paths cleaned.  Return: 0; 1: the answer says no; -errno. */
MUST_USE int cell_arguments(struct cell *cell, int fd, struct err *err);

/* Verbs: 0 with the answer, whatever it says; -errno with words for an error of our own. */
MUST_USE int cell_list(struct cell *cell, struct err *err);
MUST_USE int cell_diff(struct cell *cell, struct err *err);
MUST_USE int cell_commit(struct cell *cell, struct err *err);
MUST_USE int cell_discard(struct cell *cell, struct err *err);
MUST_USE int cell_purge(struct cell *cell, struct err *err);

/* Of the answer's making. */
json_t *cell_string(const char *text);
/** cell_mark - the letter that a list shows for a kind */
char cell_mark(enum change_kind kind);
/** cell_show_path - a path into the text, quoted when it is no plain text; "from -> path" */
void cell_show_path(struct answer *answer, const char *path, const char *from);
/** cell_counts - totals as an object */
json_t *cell_counts(const struct changes_totals *totals);
/** cell_unmatched - names that no change was covered by, into text and data.  Return: how many */
size_t cell_unmatched(struct cell *cell);

struct cell_sides {
	char *old; /* content; NULL when there is no regular file */
	char *new;
	size_t old_len;
	size_t new_len;
	bool binary; /* either side */
	bool large;  /* either side is beyond the cap: nothing was read */
};

/** cell_sides_read - both versions of a file, each at most @cap bytes.  Return: 0 or -errno. */
MUST_USE int cell_sides_read(const struct cell *cell, const struct change *change, size_t cap,
			     struct cell_sides *ret);
void cell_sides_fini(struct cell_sides *sides);
/** cell_is_binary - by the first bytes of both versions */
bool cell_is_binary(const struct cell *cell, const struct change *change);

#endif
