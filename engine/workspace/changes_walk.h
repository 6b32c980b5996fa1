/* One walk over the layers of a branch: what changes.c, changes_layers.c and changes_kind.c share. */
#ifndef TOOLCELL_WORKSPACE_CHANGES_WALK_H
#define TOOLCELL_WORKSPACE_CHANGES_WALK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "workspace/changes.h"

#define WALK_DENTS_BYTES ((size_t)32 << 10)
#define WALK_COMPARE_BYTES ((size_t)64 << 10) /* at least XATTR_SIZE_MAX and XATTR_LIST_MAX */
#define WALK_DIRS_BYTES_MAX ((size_t)32 << 20)
#define WALK_INODES_MAX ((size_t)1 << 18)

enum {
	DIR_BASE = 1U << 0,    /* the workspace has this folder, too */
	DIR_HIDDEN = 1U << 1,  /* but it does not show through */
	DIR_COUNT = 1U << 2,   /* only its names count */
	DIR_SCRATCH = 1U << 3, /* covered by a rule for scratch */
	DIR_MOVED = 1U << 4,   /* names may have left the workspace here since the branch began */
};

/* A folder that is still to be looked at; its path stands before it in struct dirs. */
struct dir {
	uint32_t mask; /* of layers that have it, by index in the branch */
	uint32_t flags;
	uint32_t depth; /* components of its path */
	uint32_t path_bytes;
	struct timespec changed; /* DIR_HIDDEN: when that came to be */
};

/* A stack of folders. */
struct dirs {
	char *data;
	size_t used;
	size_t alloc;
};

/* A folder that is being looked at. */
struct place {
	struct dir dir;
	size_t path_len;
	int base;		      /* -1 without */
	int layers[STACK_LAYERS_MAX]; /* -1 for those without */
};

/* What layers and workspace have of one name. */
struct sight {
	bool has_new;
	bool has_old;
	bool hidden;	 /* what the workspace has does not show through */
	uint32_t layer;	 /* that holds `new` */
	uint32_t top;	 /* first layer that has the name; STACK_LAYERS_MAX: none */
	uint32_t merged; /* layers whose folders make up the branch's */
	uint32_t buried; /* layers whose folders do not show through */
	struct stat new;
	struct stat old;
	struct timespec changed;
};

/* A change that waits for the end of its batch. */
struct held {
	struct change change;
	bool copied; /* added, though the layer's file was once copied from the workspace */
	bool paired; /* deleted, and part of a change that is "renamed" */
	char path[];
};

/* Inodes with more than one name: an open hash. */
struct inodes {
	struct inode_seen {
		uint64_t ino; /* 0: free */
		uint64_t names;
	} * table;
	size_t n;
	size_t slots; /* power of two */
};

struct walk {
	const struct changes_source *source;
	int (*visit)(void *ctx, const struct change *change);
	void *ctx;
	struct changes_totals totals;
	int roots[STACK_LAYERS_MAX];
	uint32_t n_roots;
	struct timespec begin;
	struct dirs dirs;
	struct dirs skipped; /* scratch that is entered only for the sake of hard links */
	struct inodes inodes;
	struct held **batch;
	size_t n_batch;
	uint64_t seen;
	uint64_t compared;
	bool stopped; /* a cap was met that ends the walk */
	char path[CHANGES_PATH_MAX];
	_Alignas(8) char dents[WALK_DENTS_BYTES];
	char left[WALK_COMPARE_BYTES];
	char right[WALK_COMPARE_BYTES];
	char names[WALK_COMPARE_BYTES];
};

bool time_before(const struct timespec *a, const struct timespec *b);
static inline bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* changes_layers.c */
MUST_USE int layers_open(struct walk *w, struct err *err);
void layers_close(struct walk *w);
/** place_open - what is not there any more is left out */
void place_open(struct walk *w, const struct dir *dir, struct place *ret);
void place_close(struct place *place);
/** layers_look - @name in the layers of @place from the top, and in the workspace */
void layers_look(struct walk *w, const struct place *place, const char *name, struct sight *ret);
/** layers_have - whether any layer of @place has @name, as a whiteout or otherwise */
bool layers_have(const struct place *place, const char *name);
/** layers_was_copied - whether the lowest of the branch's versions of a file came out of the workspace */
bool layers_was_copied(const struct place *place, const char *name, const struct sight *sight);

/* changes_kind.c */
/** kind_of - CHANGE_KIND_N when nothing has changed */
enum change_kind kind_of(struct walk *w, const struct place *place, const char *name,
			 const struct sight *sight);
/** verdict_of - all but hard links, which need all names; w->path is the change's */
void verdict_of(struct walk *w, const struct place *place, const char *name, struct held *held);
/** kind_same_file - the content of two regular files of the same size, within the walk's budget */
bool kind_same_file(struct walk *w, int left, int right, uint64_t bytes);

/* changes_batch.c */
bool inodes_note(struct inodes *inodes, uint64_t ino, uint64_t *ret_names);
/** batch_add - a copy; flushes when the batch is full */
MUST_USE int batch_add(struct walk *w, const struct held *held);
/** batch_flush - renames, hard links, sort, visit; @last: nothing may be kept for later */
MUST_USE int batch_flush(struct walk *w, bool last);
/** batch_lacks_names - whether a file waits for names of it that have not been seen */
bool batch_lacks_names(const struct walk *w);
void batch_fini(struct walk *w);

#endif
