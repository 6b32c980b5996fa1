/*
 * An audit log on disk, as its writer sees it: a folder with the file that is written to and those that
 * were full before it.
 *
 *	audit.jsonl	    the newest lines
 *	audit.000007.jsonl  the file before it, and so on
 *	lock		    flock(2) for each line: several engines may write to one log
 *
 * Each file begins with a line of kind "log", whose "prev" is the last hash of the file before.
 */
#ifndef TOOLCELL_AUDIT_LOG_H
#define TOOLCELL_AUDIT_LOG_H

#include <stdbool.h>
#include <sys/types.h>

#include "audit/line.h"
#include "base/err.h"

#define AUDIT_FILE "audit.jsonl"
#define AUDIT_FILE_LOCK "lock"
#define AUDIT_NAME_BYTES 32U /* of a file */
#define AUDIT_NUMBER_MAX 999999U
#define AUDIT_FILES_MAX 4096U /* that are looked at */
#define AUDIT_ROTATE_BYTES_MIN ((uint64_t)64 << 10)
#define AUDIT_ROTATE_BYTES_DEFAULT ((uint64_t)64 << 20)
#define AUDIT_KEEP_DEFAULT 8U
#define AUDIT_KEEP_MAX 1000U
#define AUDIT_TORN_LINES_MAX 16U /* fragments in a row: each crash while one is told of adds one */

struct audit_log_options {
	uint64_t rotate_bytes; /* a file that would grow beyond is closed; 0: never */
	uint32_t keep;	       /* files that were full before; older ones are removed */
	bool sync;	       /* fdatasync(2) behind each line */
};

/* What the end of a file says. */
struct audit_end {
	uint64_t seq; /* of its last line */
	char prev[AUDIT_HEX_BYTES];
	bool unended;  /* that line is whole but for its newline */
	uint64_t torn; /* bytes behind it: what crashes have left */
	char torn_hash[AUDIT_HEX_BYTES];
};

/* Where the file and its gap stood before something was written. */
struct audit_mark {
	dev_t dev;
	ino_t ino;
	off_t size;
	uint64_t lost;
};

struct audit_log {
	struct audit_log_options options;
	char engine[AUDIT_ENGINE_BYTES];
	uint32_t uid;
	int dir;
	int lock;
	int file;
	/* The end of the file, as we know it. */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct audit_end end;
	/* Records that are not in it. */
	uint64_t lost;
	int64_t lost_since_us;
	int lost_num;
	bool unsynced; /* something was written since the last fdatasync(2) */
	struct audit_mark begin;
};

#define AUDIT_LOG_NONE ((struct audit_log){.dir = -1, .lock = -1, .file = -1})

/**
 * audit_log_open - take the folder and find the end of the log
 * @dir:    of the caller's own; a copy is kept
 * @engine: AUDIT_ENGINE_BYTES - 1 characters, or NULL: eight random ones
 *
 * Refused: files that are no regular files of ours with one name, or that others may write to.
 */
MUST_USE int audit_log_open(int dir, const struct audit_log_options *options, const char *engine,
			    struct audit_log *ret, struct err *err);
void audit_log_close(struct audit_log *log);

/**
 * audit_log_append - one line, whole or not at all
 * @record: as of audit_record_is_sane; another one is -EINVAL and does not count as lost
 *
 * What could not be written, or not be synced where that is wanted, counts as lost and is taken back;
 * the next line that can be is preceded by a "gap" that says how many. A line that another writer left
 * torn is closed and said first.
 * Return: 0 or -errno with @err.
 */
MUST_USE int audit_log_append(struct audit_log *log, enum audit_kind kind, const char *record,
			      size_t len, struct err *err);

/**
 * audit_log_probe - whether writing works: writes what is due, if anything is, and syncs it
 * When records have been lost, there must be room for the longest line again.
 */
MUST_USE int audit_log_probe(struct audit_log *log, struct err *err);

/** audit_log_lose - a record that never got here counts as lost, too */
void audit_log_lose(struct audit_log *log, int num);

/** audit_file_number - of "audit.000007.jsonl"; 0 for any other name */
uint64_t audit_file_number(const char *name);

/** audit_file_name - the reverse; 0 is the file that is written to.  Return: @dst. */
const char *audit_file_name(uint64_t number, char dst[AUDIT_NAME_BYTES]);

/** audit_files - numbers of the full files in @dir, the oldest first.  Return: how many, or -errno. */
MUST_USE ssize_t audit_files(int dir, uint64_t numbers[AUDIT_FILES_MAX]);

#endif
