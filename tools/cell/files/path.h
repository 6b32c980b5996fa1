/*
 * A path of the call's, resolved as the kernel would inside of the cell, but also where parts are
 * missing: so that an answer can tell "not there" from "the cell does not show it", and so that
 * nothing is written through a link that leads out of the workspace.
 */
#ifndef TOOLCELL_CELL_PATH_H
#define TOOLCELL_CELL_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "tools/cell/files/files.h"

#define PATH_LINKS_MAX 40U /* as the kernel; then ELOOP */

struct path {
	char asked[PATH_MAX]; /* absolute, as the call named it; lexically clean but for ".." */
	char real[PATH_MAX];  /* without links, ".." and "."; also where it does not exist */
	char shown
		[ANSWER_SHOWN_MAX]; /* for messages: relative to the workspace when inside, quoted */
	bool inside;		    /* real is the workspace or lies below it */
	bool asked_inside;	    /* ... and what was asked for, before links were followed */
	int num;		    /* 0: it exists; positive errno of the first step that failed */
	struct stat st;		    /* of what it leads to, when num is 0 */
};

/**
 * path_workspace - the workspace's path without links
 * @ret: of PATH_MAX bytes
 * Return: 0; -EINVAL when it is not absolute, -ENOTDIR, ...
 */
MUST_USE int path_workspace(const char *path, char *ret);

/**
 * path_resolve - @file_path (ARGS_PATH), absolute or relative to the workspace
 * Return: 0, also when it does not exist (path.num); -EINVAL: the answer says no (too long).
 */
MUST_USE int path_resolve(const struct files_call *call, const char *file_path, struct path *ret,
			  struct answer *a);

/**
 * path_refuse - the answer for a path on which @operation failed
 * @operation: "read", "write", "list"
 * @num: positive errno
 *
 * Outside of the workspace, ENOENT, EACCES, EPERM and EROFS become a denial; inside, EACCES, EPERM
 * and EROFS do, and a missing name comes with the nearest existing one. ELOOP, ENOTDIR, ENOSPC,
 * EDQUOT, ... have their words.  Return: 0, for a verb to end with.
 */
int path_refuse(const struct path *path, const char *operation, int num, struct answer *a);

/**
 * path_refuse_special - the same for what exists and is no regular file: folder, FIFO, device, ...
 * Return: 0, for a verb to end with.
 */
int path_refuse_special(const struct path *path, const char *operation, mode_t mode,
			struct answer *a);

/**
 * path_check_write - whether a link leads out of the workspace, which is a denial for writing
 * Return: 0; -EPERM: the answer says no.
 */
MUST_USE int path_check_write(const struct path *path, struct answer *a);

/**
 * path_open_parent - the folder that holds path.real, one component at a time, no link followed
 * @create:   make folders that are missing (0777 less the umask)
 * @ret_dir:  O_PATH descriptor, for *at calls; the caller's
 * @ret_name: the last component, within path.real
 * Return: 0; -errno: -EISDIR for "/", -ELOOP when a component has become a link.
 */
MUST_USE int path_open_parent(const struct path *path, bool create, int *ret_dir,
			      const char **ret_name);

/** path_relative - path.real seen from the workspace, "." for itself; absolute when outside */
const char *path_relative(const struct files_call *call, const struct path *path);

#endif
