/*
 * Where sessions are kept between engines: a folder of the operator's, with a folder for each session
 * (workspace/stack.h draws it). Everything here is the operator's own, 0700, and reached by
 * descriptor; only data/ belongs to the workspace's owner, and what tools wrote lies below it: nobody
 * with more rights than that owner walks there (store_purge.c).
 */
#ifndef TOOLCELL_CLI_STORE_H
#define TOOLCELL_CLI_STORE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define STORE_ID_LEN 8
#define STORE_ID_BYTES (STORE_ID_LEN + 1)
#define STORE_SESSIONS_MAX 4096U /* that are looked at */
#define STORE_META_BYTES_MAX ((size_t)32 << 10)
#define STORE_NAME_BYTES 1024	   /* of an agent or a policy in meta */
#define STORE_KEEP_DAYS_DEFAULT 30 /* without use; TOOLCELL_SESSIONS_KEEP */
#define STORE_KEEP_DAYS_MAX 36500
#define STORE_SWEEP_PERIOD_S 3600

struct store {
	int dir; /* O_RDONLY | O_DIRECTORY; -1: not open */
	char path[PATH_MAX];
};

/* Whose session it is and of which workspace. */
struct store_meta {
	char workspace[PATH_MAX];
	uint64_t dev;
	uint64_t ino;
	uint32_t uid; /* owner of data/ */
	uint32_t gid;
	char agent[STORE_NAME_BYTES];  /* "": none; a name, or an absolute path */
	char policy[STORE_NAME_BYTES]; /* "": the agent's */
	int64_t created;	       /* seconds since 1970 */
};

struct store_session {
	char id[STORE_ID_BYTES];
	int dir;      /* -1: not open */
	int data;     /* data/, O_RDONLY | O_DIRECTORY */
	int lock;     /* open file; locked or not */
	bool locked;  /* by us */
	int64_t used; /* mtime of lock when it was opened, seconds */
	struct store_meta meta;
};

#define STORE_SESSION_NONE ((struct store_session){.dir = -1, .data = -1, .lock = -1})

/* store.c: the folder */

/** store_say - err_set for a sentence that says everything: the text of @num is not added */
int store_say(struct err *err, int num, const char *fmt, ...) PRINTF(3, 4);

/**
 * store_place - the folder that holds for this process
 * @option: value of --sessions, or NULL: TOOLCELL_SESSIONS, then the default of the account
 * @dst:    PATH_MAX bytes
 */
MUST_USE int store_place(const char *option, char *dst, struct err *err);

/**
 * store_open - open the folder, and make it when it is not there
 * @make: false: -ENOENT when it is not there
 * @ret:  store_close ends it
 *
 * Refused: a path through a symbolic link, a folder of somebody else's, one that others may write to.
 */
MUST_USE int store_open(const char *option, bool make, struct store *ret, struct err *err);
void store_close(struct store *store);

/** store_check_place - 0, or why @store must not serve @workspace: one lies in the other */
MUST_USE int store_check_place(const struct store *store, const char *workspace, struct err *err);

/** store_check_layers - 0, or -EOPNOTSUPP and why an overlay's layers cannot lie in @store */
MUST_USE int store_check_layers(const struct store *store, struct err *err);

/** store_is_id - eight characters of [a-z2-7], the first a letter */
bool store_is_id(const char *text, size_t len);

/**
 * store_parse_id - "k3f9abcd" or "k3f9abcd.2"
 * @ret_branch: 0 when none is named
 */
MUST_USE int store_parse_id(const char *text, char ret_id[STORE_ID_BYTES], uint32_t *ret_branch,
			    struct err *err);

/* store_meta.c: the file meta */

/** store_meta_write - as a new file "meta" in @dir */
MUST_USE int store_meta_write(int dir, const struct store_meta *meta, struct err *err);
/** store_meta_read - every key once and in range, nothing else; -EINVAL names what is wrong */
MUST_USE int store_meta_read(int dir, struct store_meta *ret, struct err *err);
/** store_time_text - RFC 3339 in UTC, 20 characters.  Return: @dst, "" when it cannot be said. */
const char *store_time_text(int64_t seconds, char *dst, size_t cap);

/* store_session.c: one session */

/**
 * store_create - a new session with an empty layer, locked by us
 * @meta: complete
 * @mode: of the workspace, which the layers stand for
 */
MUST_USE int store_create(const struct store *store, const struct store_meta *meta, mode_t mode,
			  struct store_session *ret, struct err *err);

/** store_find - open a session that is there, without locking it; -ENOENT when there is none */
MUST_USE int store_find(const struct store *store, const char *id, struct store_session *ret,
			struct err *err);

/** store_lock - take the session for this engine; -EBUSY names the process that has it */
MUST_USE int store_lock(const struct store *store, struct store_session *session, struct err *err);

/** store_holder - the process that has the session locked; 0: nobody, -1: somebody unnamed */
pid_t store_holder(const struct store_session *session);

/** store_used - note that the session is in use now */
void store_used(const struct store_session *session);

void store_session_close(struct store_session *session);

struct store_entry {
	char id[STORE_ID_BYTES];
	int64_t used;
};

/**
 * store_list - sessions, the one used last first
 * @ret: malloc'ed; caller frees
 */
MUST_USE int store_list(const struct store *store, struct store_entry **ret, size_t *ret_n,
			struct err *err);

/* store_purge.c: removal */

/** store_is_empty - one branch, and nothing in any of its layers.  false also when unsure. */
bool store_is_empty(const struct store_session *session);

/** store_remove - for good; the session must be locked by us */
MUST_USE int store_remove(const struct store *store, struct store_session *session,
			  struct err *err);

/** store_empty_trash - what stack_rollback and the like have moved there */
MUST_USE int store_empty_trash(const struct store_session *session, struct err *err);

/**
 * store_as_owner - run @fn in a child that has the owner's ids, no capability and no way to more
 * @fds: stay open in the child, as does standard error; everything else is closed. The first is @fn's.
 * @fn:	 returns 0 or -errno
 */
MUST_USE int store_as_owner(const struct store_meta *meta, const int *fds, size_t n_fds,
			    int (*fn)(int data, void *ctx), void *ctx, struct err *err);

/** store_remove_remains - of a removal or a creation that was cut off; @name begins with a dot */
MUST_USE int store_remove_remains(const struct store *store, const char *name, struct err *err);

/* store_count.c */

/**
 * store_count - how many changes a branch holds, build output not counted
 * @workspace: its folder; O_PATH will do
 * @rules:     text of workspace/rules.h, or NULL
 *
 * Bounded: -ECHILD when it takes too long.
 */
MUST_USE int store_count(const struct store_session *session, uint32_t branch, int workspace,
			 const char *rules, uint64_t *ret, struct err *err);

/* store_age.c: what nobody wants any more */

/** store_keep_days - TOOLCELL_SESSIONS_KEEP, or the default; 0: for ever */
MUST_USE int store_keep_days(uint32_t *ret, struct err *err);

/** store_sweep - remove empty sessions, and those unused for @days (0: none); held ones stay */
MUST_USE int store_sweep(const struct store *store, uint32_t days, int64_t now, struct err *err);

/**
 * store_sweep_start - store_sweep in a child of its own, when the last one is an hour ago
 * The child ends with this process. What it did not get to is left for the next.
 */
void store_sweep_start(const struct store *store);

#endif
