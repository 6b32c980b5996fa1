/*
 * Branches of the session whose layers take the calls' writes: their names, what is known of their
 * changes, and the gate that lets a call which changes layers have its branch for itself.
 */
#ifndef TOOLCELL_BROKER_BRANCH_H
#define TOOLCELL_BROKER_BRANCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "workspace/stack.h"

struct broker;
struct call;
struct image;
struct image_cell;

#define BRANCH_NAME_BYTES 48U
#define BRANCH_N (STACK_BRANCHES_MAX + 1U) /* branches count from 1; 0 stands for none */

struct branch {
	json_t *changes; /* of the last call that told, without its marks; NULL: not known */
	bool measured;	 /* @bytes and @files are */
	uint64_t bytes;	 /* in its layers */
	uint64_t files;
	uint64_t held; /* changes that will not be committed, when a driver was last told */
};

/** branch_is_there - whether the session has it */
bool branch_is_there(const struct broker *b, uint32_t branch);

/** branch_name - "k3f9abcd", "k3f9abcd.2"; NULL for 0 and for a session without a name */
const char *branch_name(const struct broker *b, uint32_t branch, char name[BRANCH_NAME_BYTES]);

/** branch_names - new array of all of them */
json_t *branch_names(const struct broker *b);

/** branch_find - by name.  Return: 0, or -ENOENT and @err says which there are. */
MUST_USE int branch_find(const struct broker *b, const char *name, uint32_t *ret, struct err *err);

/** branch_forget - its layers have been changed: nothing is known any more */
void branch_forget(struct broker *b, uint32_t branch);
/** branch_forget_changes - the workspace beneath all branches has been changed */
void branch_forget_changes(struct broker *b);
void branches_fini(struct broker *b);

/** branch_is_used - whether a cell sees a session's layers: by an overlay, or as they are */
bool branch_is_used(const struct image *image, const struct image_cell *cell);
/** branch_shows_data - ... as they are: a cell of toolcell-changes */
bool branch_shows_data(const struct image *image, const struct image_cell *cell);

/* Calls of each branch, while the list of calls is gone through in order. */
struct gate {
	unsigned int running[BRANCH_N];
	bool closed[BRANCH_N];	/* one that wants it for itself runs, or waits in front */
	bool waiting[BRANCH_N]; /* somebody waits in front */
};

/** gate_init - count what runs */
void gate_init(struct gate *gate, const struct broker *b);
/** gate_is_open - whether @c may start; else it waits, and those behind it know */
bool gate_is_open(const struct gate *gate, const struct call *c);
void gate_wait(struct gate *gate, const struct call *c);
void gate_enter(struct gate *gate, const struct call *c);

#endif
