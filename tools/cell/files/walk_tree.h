/*
 * A tree of files, walked by a few threads: no link is followed, nothing but regular files is handed
 * out, what ignore files and the call's patterns leave out is not entered. Nothing is dropped in
 * silence: what could not be read is counted, and the first of it is named.
 */
#ifndef TOOLCELL_CELL_WALK_TREE_H
#define TOOLCELL_CELL_WALK_TREE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "tools/cell/files/globs.h"
#include "tools/cell/files/ignore.h"

#define WALK_WORKERS_MAX 4U
#define WALK_DEPTH_MAX 200U	/* folders one in another; each holds a descriptor open */
#define WALK_FILES_MAX 1000000U /* files looked at */
#define WALK_LISTING_MAX ((size_t)64 << 20) /* bytes of one folder's listing */
#define WALK_NAMED_MAX 5U		    /* of what was not read, so many are named */

struct walk_file {
	int dir;	  /* of the folder that holds it */
	const char *name; /* within it, and the end of path */
	const char *path; /* as results show it */
	size_t len;
	size_t name_at;
};

/* Called by worker number @worker, of which each is one thread. */
typedef void walk_visit(void *context, unsigned worker, const struct walk_file *file);

struct walk_options {
	int root;		   /* folder; borrowed until the walk has ended */
	const char *single;	   /* not the folder, but this one file in it; NULL: all */
	const char *prefix;	   /* of every path: "" or "src"; no final slash but for "/" */
	struct ignore *rules;	   /* of the folders above the root */
	const struct globs *globs; /* NULL: every file */
	const struct globs *types; /* the same again: a file is wanted by both */
	size_t globs_at;	   /* where in a path they begin to be matched */
	unsigned workers;	   /* 0, or too many: WALK_WORKERS_MAX */
	walk_visit *visit;
	void *context;
};

/* Things of one kind that were left aside: a count, and the first few by name. */
struct walk_list {
	size_t n;
	struct {
		char path[256]; /* cut; a name, not a path to open */
		int num;	/* positive errno */
	} named[WALK_NAMED_MAX];
};

void walk_list_add(struct walk_list *list, const char *path, size_t len, int num);
void walk_list_merge(struct walk_list *to, const struct walk_list *from);

struct walk_report {
	size_t files; /* handed out */
	size_t folders;
	size_t ignored;	    /* files and folders that ignore files left out */
	size_t bad_ignores; /* ignore files that were not used, or not wholly */
	bool files_capped;  /* WALK_FILES_MAX was reached: the tree was not walked to its end */
	bool stopped;	    /* walk_stop */
	struct walk_list unread; /* folders that could not be read, or lie too deep */
	int failed;		 /* -ENOMEM: nothing of the rest can be trusted */
};

struct walk;

/** walk_start - @ret: the caller ends it with walk_free.  Return: 0 or -ENOMEM. */
MUST_USE int walk_start(const struct walk_options *options, struct walk **ret);

/**
 * walk_wait - until the whole tree has been walked
 * @deadline_ms: of CLOCK_MONOTONIC
 *
 * Where no thread can be had (a limit of the cell), the caller's own does the work, and the deadline
 * is looked at between files.  Return: true when it has ended; false at the deadline.
 */
bool walk_wait(struct walk *w, int64_t deadline_ms);

/** walk_stop - hand out nothing more; what has begun goes on until it returns */
void walk_stop(struct walk *w);

/** walk_report - what happened so far; consistent also while it is going on */
void walk_report(struct walk *w, struct walk_report *ret);

/** walk_free - only after walk_wait has returned true: a thread that still works needs all of it */
void walk_free(struct walk *w);

/**
 * walk_open_parent - the folder that holds @path, opened again, a component at a time, no link followed
 * @ret_name: the last component, within @path
 * Return: descriptor, the caller's; -errno.
 */
MUST_USE int walk_open_parent(int root, const char *path, const char **ret_name);

/** walk_now_ms - CLOCK_MONOTONIC */
int64_t walk_now_ms(void);

#endif
