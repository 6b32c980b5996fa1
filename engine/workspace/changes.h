/*
 * The changeset of a branch: what its layers make of the workspace. Found by walking the layers alone,
 * so the cost grows with what changed. Layers are those of overlayfs with `userxattr`: a character
 * device 0:0 stands for "deleted", a folder with user.overlay.opaque = "y" hides what lies below it;
 * no other marker is honoured, and everything in a layer is hostile: folders are opened one component
 * at a time with O_NOFOLLOW, depth and counts are capped, nothing is ever followed. (openat2 is not to
 * be had inside a cell.)
 */
#ifndef TOOLCELL_WORKSPACE_CHANGES_H
#define TOOLCELL_WORKSPACE_CHANGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "workspace/rules.h"
#include "workspace/stack.h"

#define CHANGES_BATCH 16384U /* changes that are held for renames and hard links, then sorted */
#define CHANGES_COMPARED_MAX \
	((uint64_t)64 << 20) /* bytes of content; beyond, "modified" is assumed */
#define CHANGES_DEPTH_MAX 256U
#define CHANGES_PATH_MAX 4096U
#define CHANGES_SEEN_MAX \
	5000000U /* names looked at in one walk; beyond, the result is incomplete */

/* The order is wire format (wire/changes.h). */
enum change_kind {
	CHANGE_ADDED = 0,
	CHANGE_MODIFIED, /* content */
	CHANGE_DELETED,
	CHANGE_RENAMED, /* old path in `from`; content is the same */
	CHANGE_MODE,	/* permission bits or extended attributes alone */
	CHANGE_SYMLINK, /* target of a symbolic link */
	CHANGE_TYPE,	/* file became folder, and the like */
	CHANGE_KIND_N,
};

/* Why a change stays where it is at commit; the order is wire format. */
enum change_verdict {
	CHANGE_FREE = 0,
	CHANGE_PROTECTED, /* by a rule */
	CHANGE_LINK_OUT, /* a symbolic link that may lead out of the workspace (changes_link_is_inside) */
	CHANGE_SPECIAL,	  /* device, FIFO, socket */
	CHANGE_HARD_LINK, /* a name of a file whose other names are not in the changeset */
	CHANGE_CONFLICT,  /* the workspace's own has changed since the branch began */
	CHANGE_NAME,	  /* "." and "..", or a name that the path limits cannot hold */
	CHANGE_VERDICT_N,
};

const char *change_kind_name(uint32_t kind);	   /* "added", ...; NULL beyond */
const char *change_verdict_name(uint32_t verdict); /* "free", "protected", ...; NULL beyond */

struct change {
	enum change_kind kind;
	enum change_verdict verdict;
	const struct rule *rule; /* CHANGE_PROTECTED; NULL otherwise */
	const char *path;	 /* relative to the workspace; any bytes but NUL */
	const char *from;	 /* CHANGE_RENAMED; NULL otherwise */
	bool scratch;
	uint32_t layer; /* index within branch->layers that holds it */
	bool has_old;
	bool has_new;
	struct stat old; /* in the workspace; of `from` for CHANGE_RENAMED */
	struct stat new; /* in the layer */
	/*
	 * When the layers last changed it, at the latest: ctime of the file, or of the whiteout or
	 * opaque folder that hides it. Whiteouts share an inode, so the time of the folder that one
	 * stands in bounds it, too.
	 */
	struct timespec changed;
};

struct changes_totals {
	uint64_t kinds[CHANGE_KIND_N]; /* without scratch */
	uint64_t scratch;	       /* changes that are scratch */
	uint64_t held; /* changes whose verdict is not CHANGE_FREE, without scratch */
	uint64_t
		bytes; /* st_blocks of all layers of the branch, each inode once; see skip_scratch */
	uint64_t files; /* names in all layers of the branch; see skip_scratch */
	bool complete;	/* no cap was met */
};

struct changes_source {
	int base; /* the workspace's own folder */
	int data; /* the session's data folder (stack.h) */
	const struct stack_branch *branch;
	uint32_t branch_number;
	const struct rules *rules;
	const char *
		workspace; /* its absolute path, for absolute links below it; NULL: none is inside */
	/*
	 * Scratch is visited like anything else with @scratch. Without, a folder that is scratch is one
	 * of totals.scratch, and its names and bytes are counted in totals.files and totals.bytes;
	 * with @skip_scratch not even these, and the walk does not enter it.
	 */
	bool scratch;
	bool skip_scratch;
	/*
	 * CHANGE_CONFLICT: the workspace's own file has a ctime from branches/B/begin's mtime on, and
	 * is_known (NULL: never) does not know it as what we have put there ourselves. @path and @now
	 * are borrowed. For something that is gone from the workspace, @now is NULL: whether we removed it.
	 */
	bool (*is_known)(void *ctx, const char *path, const struct stat *now);
	void *known;
	uint64_t
		deadline_ns; /* CLOCK_MONOTONIC; past it the walk ends with complete = false; 0: none */
};

/**
 * changes_walk - every change, in an order in which a folder comes before what it holds
 * @visit: returns 0 to go on, a negative errno to stop; the change is borrowed
 */
MUST_USE int changes_walk(const struct changes_source *source,
			  int (*visit)(void *ctx, const struct change *change), void *ctx,
			  struct changes_totals *ret_totals, struct err *err);

/**
 * changes_count - totals.bytes, files and complete, of all layers and of scratch, too; the rest is 0
 * Looks at names and nothing else: not at base, rules or begin.
 */
MUST_USE int changes_count(const struct changes_source *source, struct changes_totals *ret_totals,
			   struct err *err);

/**
 * changes_link_is_inside - whether a link can only lead into the workspace, by its text
 * @path:      where it stands, relative to the workspace
 * @workspace: absolute path of it, or NULL
 *
 * "..", where it does not come first, follows what a name before it may be a link to; so it counts as
 * leading out, as does any in an absolute target.
 */
bool changes_link_is_inside(const char *path, const char *target, const char *workspace);

/**
 * changes_open_new - the branch's version of a file, in the layer that holds it, for reading
 * Return: 0 and an O_CLOEXEC descriptor of a regular file, or -errno.
 */
MUST_USE int changes_open_new(const struct changes_source *source, const struct change *change,
			      int *ret_fd);
/** changes_open_old - the workspace's version */
MUST_USE int changes_open_old(const struct changes_source *source, const struct change *change,
			      int *ret_fd);

/**
 * changes_open_beneath - @path below @dir, one component at a time, no link followed
 * @flags: of open(2), for the last component; O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK are added
 */
MUST_USE int changes_open_beneath(int dir, const char *path, int flags, int *ret_fd);

#endif
