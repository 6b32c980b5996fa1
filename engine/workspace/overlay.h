/*
 * The launcher's view of a session: which overlay of which branch is mounted, who uses it, and when it
 * is out of date. System calls only, no allocation; everything lies in the launcher's own root.
 *
 *	a branch:  IDLE --overlay_enter--> USED (by n calls) --overlay_leave--> IDLE
 *		   IDLE --overlay_enter, exclusive--> CHANGED (by one call) --overlay_leave--> IDLE
 *
 * The gate (stack.h) is held shared while any call runs, exclusively while one changes layers. Whenever
 * it has been taken anew the stack is read again: another process may have changed it meanwhile, and an
 * overlay whose layers are not those of the stack any more is unmounted and made anew.
 */
#ifndef TOOLCELL_WORKSPACE_OVERLAY_H
#define TOOLCELL_WORKSPACE_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "wire/frame.h"
#include "workspace/stack.h"

/* Where the launcher's root has them. */
#define OVERLAY_ROOT_BASE "/workspace"
#define OVERLAY_ROOT_DATA "/data"
#define OVERLAY_ROOT_MOUNTS "/session" /* "/session/B" for branch B */
/* Places of the child that mounts, in its own namespace. */
#define OVERLAY_ROOT_LOWER "/lower"
#define OVERLAY_ROOT_UPPER "/upper"

struct overlay_branch {
	bool mounted;
	bool changing;
	uint32_t running; /* calls, a changing one included */
};

struct overlay {
	enum frame_workspace kind; /* FRAME_WORKSPACE_NONE: no session */
	bool maintenance;	   /* another engine runs the tools of this session */
	int data;
	int base_idmap; /* user namespaces for idmapped mounts; -1: none needed */
	int data_idmap;
	uid_t inside_uid; /* ids within the user namespace of base_idmap that are the cell's */
	gid_t inside_gid;
	struct stat workspace;
	int gate; /* -1: not held */
	uint32_t running;
	struct stack stack;
	struct overlay_branch branches[STACK_BRANCHES_MAX];
};

/** overlay_open - in the launcher's own root, before it serves; fills data and stack */
MUST_USE int overlay_open(struct overlay *o, struct err *err);

/**
 * overlay_enter - a call of @branch is to begin
 * @exclusive: it changes layers or the workspace
 * @mount:     its cell sees the overlay
 *
 * Return: 0; -EBUSY when other calls, or another process, are in the way; other -errno.
 */
MUST_USE int overlay_enter(struct overlay *o, uint32_t branch, bool exclusive, bool mount,
			   struct err *err);
void overlay_leave(struct overlay *o, uint32_t branch);

/** overlay_path - "/session/B" */
MUST_USE int overlay_path(uint32_t branch, char *path, size_t cap);

/** overlay_operate - snapshot, roll back, fork, drop; the answer but for its head */
void overlay_operate(struct overlay *o, const struct frame_session *frame,
		     struct frame_session_done *ret);

/** overlay_branches - bit B - 1 for each branch there is */
uint32_t overlay_branches(const struct overlay *o);

/**
 * overlay_mount - the overlay of @branch, detached
 *
 * A child makes it: as root of a user namespace that holds nothing but the cell's id, so that what
 * overlayfs does in its mounter's name can do no more than that id may; and in a mount namespace of its
 * own, since layers are named by path.
 */
MUST_USE int overlay_mount(const struct overlay *o, const struct stack_branch *branch, int *ret_fd,
			   struct err *err);

#endif
