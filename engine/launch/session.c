/*
 * Theory of operation: the supervisor names the folder of a session, or says why there is none; the policy
 * says what then. The overlay is tried once before the launcher serves, so that a kernel or file system
 * that cannot keep one is found out before the first call, which then already finds it mounted:
 *
 *	disk --cannot--> memory (if the policy's fallback says so) --cannot--> no session
 *
 * Without a session, cells that want one get what the fallback says: the workspace read-only, the
 * workspace itself, or nothing (the call is refused, with the reason). Never anything wider by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "launch/launch.h"
#include "wire/changes.h"

void session_receive(struct launcher *l, const struct frame_image *frame)
{
	l->overlay.maintenance = frame->maintenance != 0;
	(void)snprintf(l->cells.data, sizeof(l->cells.data), "%.*s", (int)sizeof(frame->data) - 1,
		       frame->data);
	(void)snprintf(l->session_why, sizeof(l->session_why), "%.*s", (int)sizeof(frame->why) - 1,
		       frame->why);
}

static const struct image_cell *cell_with_session(const struct launcher *l)
{
	const struct image_cell *cell;

	for (uint32_t i = 0; (cell = image_cell(&l->cells.image, i)); i++)
		if (cell->flags & IMAGE_CELL_OVERLAY)
			return cell;
	return NULL;
}

static int take_identity(struct launcher *l, struct err *err)
{
	struct overlay *o = &l->overlay;
	int r;

	o->base_idmap = -1;
	o->data_idmap = -1;
	if (!l->cells.root_mode) {
		/* As the launcher's user namespace calls the account. */
		o->workspace.st_uid = geteuid();
		o->workspace.st_gid = getegid();
		return 0;
	}
	r = identity_take(l, IDENTITY_SESSION, err);
	if (r == 0)
		r = identity_map(l, IDENTITY_SESSION, err);
	if (r < 0)
		return r;
	o->base_idmap = l->identities[IDENTITY_SESSION].idmap;
	o->inside_uid = l->owner_uid;
	o->inside_gid = l->owner_gid;
	return 0;
}

/* A maintenance engine mounts nothing: the overlay is another's. */
static int try_overlay(struct launcher *l, struct err *err)
{
	int r = overlay_open(&l->overlay, err);

	if (r < 0 || l->overlay.maintenance)
		return r;
	r = overlay_enter(&l->overlay, 1, false, true, err);
	if (r == 0)
		overlay_leave(&l->overlay, 1);
	/* Somebody changes its layers at this moment; the first call tries again. */
	return r == -EBUSY ? 0 : r;
}

static int open_on_disk(struct launcher *l, struct err *err)
{
	int r;

	if (!l->cells.data[0]) {
		(void)snprintf(err->text, sizeof(err->text), "%s",
			       l->session_why[0] ? l->session_why : "no session was begun");
		return -ENOENT;
	}
	l->overlay.kind = FRAME_WORKSPACE_OVERLAY;
	l->overlay.data_idmap = l->overlay.base_idmap;
	r = try_overlay(l, err);
	if (r < 0)
		fd_closep(&l->overlay.data);
	return r;
}

/* Its files belong to the cell's own id: there is no owner on disk to keep. */
static int open_in_memory(struct launcher *l, const struct image_cell *cell, struct err *err)
{
	struct overlay *o = &l->overlay;
	int r;

	l->cells.data_bytes = cell->limits.session_bytes;
	l->cells.data_inodes = cell->limits.session_files;
	r = cell_make_memory(&l->cells, err);
	if (r < 0)
		return r;
	o->kind = FRAME_WORKSPACE_OVERLAY_MEMORY;
	o->data_idmap = -1;
	if (l->cells.root_mode) {
		o->workspace.st_uid = l->identities[IDENTITY_SESSION].uid;
		o->workspace.st_gid = l->identities[IDENTITY_SESSION].uid;
	}
	o->data = open(ROOT_DATA, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->data < 0 || fchown(o->data, o->workspace.st_uid, o->workspace.st_gid) < 0)
		return err_set(err, errno, "cannot use the session in memory");
	r = stack_create(o->data, &o->workspace, err);
	fd_closep(&o->data);
	return r == 0 ? try_overlay(l, err) : r;
}

int session_open(struct launcher *l, struct err *err)
{
	const struct image_cell *cell = cell_with_session(l);
	struct err why = {0};
	int r;

	l->overlay.gate = -1;
	l->overlay.data = -1;
	if (!cell)
		return 0;
	r = take_identity(l, err);
	if (r < 0)
		return r;
	r = open_on_disk(l, &why);
	if (r < 0 && cell->fallback == IMAGE_FALLBACK_MEMORY && !l->overlay.maintenance) {
		(void)snprintf(l->session_why, sizeof(l->session_why), "%s", why.text);
		r = open_in_memory(l, cell, &why);
	}
	if (r == 0)
		return 0;
	l->overlay.kind = FRAME_WORKSPACE_NONE;
	fd_closep(&l->overlay.data);
	(void)snprintf(l->session_why, sizeof(l->session_why), "%s", why.text);
	return 0;
}

static bool has_mount(const struct launcher *l, const struct image_cell *cell,
		      enum image_mount_type type)
{
	for (uint32_t i = 0; i < cell->mounts_count; i++)
		if (image_mount(&l->cells.image, cell->mounts_first + i)->type == type)
			return true;
	return false;
}

/* What stands in for an overlay that cannot be had. */
static int fall_back(const struct launcher *l, struct call *call, struct err *err)
{
	const char *policy = image_string(&l->cells.image, call->cell->policy);

	if (call->cell->fallback == IMAGE_FALLBACK_READONLY)
		call->workspace = FRAME_WORKSPACE_READONLY;
	else if (call->cell->fallback == IMAGE_FALLBACK_DIRECT)
		call->workspace = FRAME_WORKSPACE_DIRECT;
	else {
		call->policy_refuses = true;
		return err_set(err, EPERM,
			       "policy %s wants the workspace as an overlay, which cannot be had: "
			       "%s",
			       policy, l->session_why);
	}
	if (call->cell->flags & IMAGE_CELL_WORKSPACE_READONLY)
		call->workspace = FRAME_WORKSPACE_READONLY;
	return 0;
}

/*
 * Protected paths and the quota are seen to by init whether or not somebody wants to read what it tells:
 * then it writes into a file that nobody reads.
 */
static int make_summary(struct call *call, struct err *err)
{
	if (call->summary >= 0)
		return 0;
	call->summary = memfd_create("toolcell-changes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (call->summary < 0 || ftruncate(call->summary, (off_t)CHANGES_BYTES_MAX) < 0)
		return err_set(err, errno, "cannot make room for a summary of changes");
	return 0;
}

static int choose_workspace(struct launcher *l, struct call *call, struct err *err)
{
	const struct image_cell *cell = call->cell;
	bool overlay = cell->flags & IMAGE_CELL_OVERLAY;
	bool data = has_mount(l, cell, IMAGE_MOUNT_DATA);
	int r;

	if (!overlay && !data) {
		if (!has_mount(l, cell, IMAGE_MOUNT_WORKSPACE))
			call->workspace = FRAME_WORKSPACE_NONE;
		else
			call->workspace = cell->flags & IMAGE_CELL_WORKSPACE_READONLY
						  ? FRAME_WORKSPACE_READONLY
						  : FRAME_WORKSPACE_DIRECT;
		return 0;
	}
	if (overlay && l->overlay.kind == FRAME_WORKSPACE_NONE)
		return fall_back(l, call, err);
	/* Tools of a session run in one engine; who only maintains it is told so. */
	call->policy_refuses = overlay && l->overlay.maintenance;
	r = overlay_enter(&l->overlay, call->branch_asked, cell->flags & IMAGE_CELL_EXCLUSIVE,
			  overlay, err);
	if (r < 0)
		return r;
	call->branch = call->branch_asked;
	call->workspace = overlay ? l->overlay.kind : FRAME_WORKSPACE_NONE;
	return 0;
}

int session_enter(struct launcher *l, struct call *call, struct err *err)
{
	int r = choose_workspace(l, call, err);

	if (r < 0 || session_init_summary(l, call) == INIT_SUMMARY_NONE)
		return r;
	r = make_summary(call, err);
	if (r < 0)
		session_leave(l, call);
	return r;
}

void session_leave(struct launcher *l, struct call *call)
{
	if (call->branch > 0)
		overlay_leave(&l->overlay, call->branch);
	call->branch = 0;
}

enum init_summary session_init_summary(const struct launcher *l, const struct call *call)
{
	const char *rules = image_string(&l->cells.image, call->cell->change_rules);

	if (call->cell->flags & IMAGE_CELL_WORKSPACE_READONLY)
		return INIT_SUMMARY_NONE;
	if (call->workspace == FRAME_WORKSPACE_OVERLAY ||
	    call->workspace == FRAME_WORKSPACE_OVERLAY_MEMORY)
		return INIT_SUMMARY_LAYERS;
	if (call->workspace == FRAME_WORKSPACE_DIRECT && rules && rules[0])
		return INIT_SUMMARY_DIRECT;
	return INIT_SUMMARY_NONE;
}
