/*
 * What our own partial commits have left in the workspace. Such a file has changed since the branch
 * began and is no conflict, as long as it is still the one that was left.
 *
 * data/branches/B/baseline: a header, records sorted by path, then the paths, each with a NUL.
 */
#ifndef TOOLCELL_WORKSPACE_BASELINE_H
#define TOOLCELL_WORKSPACE_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

#define BASELINE_FILE "baseline"
#define BASELINE_MAGIC "TCBASE1"
#define BASELINE_BYTES_MAX ((size_t)128 << 20)
#define BASELINE_ENTRIES_MAX 1000000U

struct baseline_header {
	char magic[8];
	uint64_t bytes; /* of the whole file */
	uint32_t n;
	uint32_t pad;
};

struct baseline_record {
	uint64_t dev;
	uint64_t ino;
	int64_t ctime_s;
	uint32_t ctime_ns;
	uint32_t path; /* offset from the first path */
};

/* Zeroed: empty. */
struct baseline {
	char *data; /* owned */
	const struct baseline_record *records;
	const char *paths;
	uint32_t n;
};

/**
 * baseline_read - verified; no file is an empty baseline
 * @data: the session's data folder
 * @branch: from 1
 */
MUST_USE int baseline_read(int data, uint32_t branch, struct baseline *ret, struct err *err);
void baseline_fini(struct baseline *baseline);

/**
 * baseline_has - whether what is at @path is what a commit of ours left there
 * @st: NULL: nothing is there, and a commit of ours removed it
 */
bool baseline_has(const struct baseline *baseline, const char *path, const struct stat *st);

struct baseline_entry {
	const char *path;
	uint64_t dev;
	uint64_t ino; /* 0: removed */
	int64_t ctime_s;
	uint32_t ctime_ns;
};

/**
 * baseline_write - @entries over what is there already; sorts @entries
 * @dir: of the branch (branch_open)
 */
MUST_USE int baseline_write(int dir, const struct baseline *old, struct baseline_entry *entries,
			    size_t n, struct err *err);

#endif
