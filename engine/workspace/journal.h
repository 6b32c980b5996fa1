/*
 * A commit on its way: what it is going to do, written before it does the first thing, and a mark for
 * every step that is behind it. Each step can be done again.
 *
 * data/branches/B/journal: a header, operations in the order in which they are done, then marks. What
 * follows the last whole mark was being written when the program died, and counts for nothing.
 */
#ifndef TOOLCELL_WORKSPACE_JOURNAL_H
#define TOOLCELL_WORKSPACE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"

#define JOURNAL_FILE "journal"
#define JOURNAL_MAGIC "TCJRNL1"
#define JOURNAL_BYTES_MAX ((size_t)512 << 20)
#define JOURNAL_OPS_MAX 1000000U
#define JOURNAL_NONE UINT32_MAX
#define JOURNAL_SESSION_BYTES 16
#define JOURNAL_TEMPORARY_BYTES 64
#define JOURNAL_PREFIX ".toolcell-" /* names of temporaries; no change may have such a name */

enum journal_kind {
	JOURNAL_FOLDER, /* is there; what it is like comes last */
	JOURNAL_PUT,	/* a regular file */
	JOURNAL_SYMLINK,
	JOURNAL_DELETE, /* of a folder: when it is empty */
	JOURNAL_ATTRS,	/* permissions and attributes of a folder that is in the workspace */
	JOURNAL_KIND_N,
};

enum {
	JOURNAL_HAS_OLD = 1U << 0,
	JOURNAL_FLAGS_ALL = (1U << 1) - 1,
};

struct journal_id {
	uint64_t dev;
	uint64_t ino;
	uint64_t size;
	int64_t mtime_s;
	int64_t ctime_s;
	int64_t atime_s;
	uint32_t mtime_ns;
	uint32_t ctime_ns;
	uint32_t atime_ns;
	uint32_t mode; /* st_mode */
	uint32_t nlink;
	uint32_t pad;
};

/* Followed by the path, a NUL, and padding to 8 bytes. */
struct journal_op {
	uint32_t bytes; /* all of it */
	uint8_t kind;
	uint8_t flags;
	uint16_t change; /* enum change_kind */
	uint32_t layer;	 /* number of the layer that holds the branch's version; 0: none */
	uint32_t link;	 /* PUT: an earlier one of the same file. DELETE: the PUT of a renamed pair.
			    JOURNAL_NONE: neither */
	struct journal_id new;
	struct journal_id old; /* what the workspace is expected to have; with JOURNAL_HAS_OLD */
};

/* journal_header.flags */
enum {
	JOURNAL_WHOLE = 1U << 0, /* nothing else was in the branch */
	JOURNAL_HEADER_FLAGS_ALL = (1U << 1) - 1,
};

struct journal_header {
	char magic[8];
	uint64_t bytes;	 /* of header and operations */
	uint64_t serial; /* temporaries are called by it and the operation's number */
	uint32_t n;
	uint32_t flags;
	char session[JOURNAL_SESSION_BYTES];
};

enum journal_state {
	JOURNAL_OPEN = 0,
	JOURNAL_DONE,
	JOURNAL_HELD, /* was not to be done: stays in the branch */
	JOURNAL_STATE_N,
};

struct journal_mark {
	uint32_t op; /* JOURNAL_NONE: all operations are behind us, layers are being cleared */
	uint32_t state;
	uint64_t dev; /* DONE: what is there now */
	uint64_t ino;
	int64_t ctime_s;
	uint32_t ctime_ns;
	uint32_t check; /* op ^ state ^ JOURNAL_MARK_CHECK */
};

#define JOURNAL_MARK_CHECK 0x4b52414dU

struct journal {
	int fd;	    /* for appending */
	char *data; /* owned */
	const struct journal_header *header;
	const struct journal_op **ops; /* owned; header->n of them, into data */
	struct journal_mark *marks;    /* owned; one for each op: the last that was made */
	bool clearing;
};

void journal_init(struct journal *journal);
void journal_fini(struct journal *journal);

/** journal_path - of an operation */
const char *journal_path(const struct journal_op *op);

void journal_id_of(const struct stat *st, struct journal_id *ret);

/* The same file, not written to since: what a rename leaves as it is. */
bool journal_id_same(const struct journal_id *id, const struct stat *st);
/*
 * ... and not touched at all; but a file with several names is touched by what we do to the others.
 */
bool journal_id_untouched(const struct journal_id *id, const struct stat *st);

/** journal_temporary - name of a temporary of an operation; @suffix: "tmp", "new" or "old" */
void journal_temporary(const struct journal *journal, uint32_t op, const char *suffix,
		       char ret[JOURNAL_TEMPORARY_BYTES]);
/** journal_is_temporary - whether some component of @path is such a name */
bool journal_is_temporary(const char *path);

/* Building: operations into a buffer, in their order. */
MUST_USE int journal_add(struct buf *ops, const struct journal_op *op, const char *path);

/**
 * journal_write - on disk, synchronously, and open for marks
 * @dir: of the branch
 * @ops: what journal_add has put together
 */
MUST_USE int journal_write(int dir, const char *session, uint32_t flags, const struct buf *ops,
			   uint32_t n, struct journal *ret, struct err *err);

/** journal_read - verified.  Return: 0; -ENOENT when there is none (without words); -errno. */
MUST_USE int journal_read(int dir, struct journal *ret, struct err *err);

/** journal_is_there - 1, 0 or -errno */
MUST_USE int journal_is_there(int dir);

/** journal_mark - an operation (or JOURNAL_NONE) has come so far; @st: of a DONE one, may be NULL */
MUST_USE int journal_mark(struct journal *journal, uint32_t op, enum journal_state state,
			  const struct stat *st, struct err *err);

#endif
