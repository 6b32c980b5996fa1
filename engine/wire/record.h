/*
 * What init saw refused while a call ran, in a memfd that the broker made for the call. Init maps it and
 * adds entries as they happen, so that a cell that is killed has told what it knew. The broker reads a copy
 * when the cell is dead and holds every field against its bounds; paths and names are the tool's words.
 */
#ifndef TOOLCELL_WIRE_RECORD_H
#define TOOLCELL_WIRE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/image.h"

#define RECORD_MAGIC 0x43455254U /* "TREC" */
#define RECORD_ENTRIES_MAX 64U
#define RECORD_PATH_BYTES 1024U
#define RECORD_NAME_BYTES 16U /* TASK_COMM_LEN */

enum record_what {
	RECORD_REFUSED = 0, /* by the filter: nr, args */
	RECORD_HIDDEN,	    /* a path at which the cell shows nothing */
	RECORD_READONLY,    /* a path on a read-only mount */
	RECORD_PROTECTED,   /* a path below the workspace that a read-only mount protects */
	RECORD_NOEXEC,	    /* a program on a mount that none may be started from */
	RECORD_UNREACHABLE, /* path holds "ADDRESS:PORT" */
	RECORD_SIGNAL,	    /* args: process and signal; a process that is not the cell's */
	RECORD_FILES,	    /* a process had as many files open as it may */
	RECORD_SPACE,	    /* a file system in memory, or its inodes, was used up */
	RECORD_WHAT_N,
};

struct record_entry {
	uint32_t what;
	uint32_t nr;  /* system call; UINT32_MAX: none */
	uint32_t num; /* errno that the tool was given */
	uint32_t count;
	uint32_t pid;	   /* in the cell; 0: not known */
	uint32_t mount;	   /* index of the image's mount; UINT32_MAX: none */
	uint64_t first_us; /* since the tool was started */
	uint64_t args[6];
	uint32_t path_bytes;
	uint32_t cut;		      /* 1: the path was longer */
	char name[RECORD_NAME_BYTES]; /* of the process */
	char path[RECORD_PATH_BYTES];
};

struct record {
	uint32_t magic;
	uint32_t
		observed; /* enum image_observe in force; below the cell's own: the kernel has no more */
	uint32_t n;	  /* entries that are whole */
	uint32_t dropped; /* ... and those that found no room */
	uint32_t unseen;  /* calls whose arguments could not be read */
	uint32_t pad;
	struct record_entry entries[RECORD_ENTRIES_MAX];
};

/** record_check - a copy that no longer changes; -EINVAL when it is not what init writes */
MUST_USE int record_check(const struct record *record, size_t bytes, struct err *err);

/**
 * record_add - count @entry in one that is like it, or append it
 * Alike are entries with the same what, nr, num, path, and decisive argument. Written so that a reader at
 * any moment sees whole entries.
 */
void record_add(struct record *record, const struct record_entry *entry);

/** record_argument - index of the argument that decides over @nr, such as socket(2)'s family; -1: none */
int record_argument(uint32_t nr);

#endif
