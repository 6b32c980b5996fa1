/*
 * Theory of operation: while the child already works, the parent writes its id maps and dresses the
 * mounts that only it may make: the workspace and the lower layers of overlays, idmapped so that the
 * owner's ids on disk are the cell's inside (root mode). They travel as descriptors with "go"; init's
 * configuration follows in the same queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "confine/mount.h"
#include "launch/launch.h"

struct layers {
	int fds[FD_PASS_MAX];
	size_t n;
};

static void layers_close(struct layers *layers)
{
	while (layers->n > 0)
		fd_closep(&layers->fds[--layers->n]);
}

static int add_layer(struct layers *layers, const char *path, bool readonly, int idmap)
{
	const uint64_t attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			       (readonly ? MOUNT_ATTR_RDONLY : 0);
	CLEANUP(fd_closep) int fd = -1;
	int r;

	if (layers->n == FD_PASS_MAX)
		return -E2BIG;
	r = mount_clone(AT_FDCWD, path, false, &fd);
	if (r == 0)
		r = mount_dress(fd, false, attrs, idmap);
	if (r == 0)
		layers->fds[layers->n++] = fd_take(&fd);
	return r;
}

static int explain_idmap(const char *what, int r, struct err *err)
{
	if (r == -EINVAL || r == -EOPNOTSUPP)
		return err_set(
			err, EINVAL,
			"the file system of %s does not support id-mapped mounts; keep it on ext4, "
			"xfs, btrfs or tmpfs (Linux 6.3), or run toolcell as its owner",
			what);
	return err_set(err, -r, "cannot mount %s for the cell", what);
}

/* Where the launcher's root has a mount's source, and how it is dressed for this call. */
struct layer {
	char path[32];
	const char *what; /* for messages */
	bool readonly;
	int idmap;
};

static int workspace_layer(const struct launcher *l, const struct call *call, struct layer *layer)
{
	layer->what = l->cells.workspace;
	layer->readonly = call->cell->flags & IMAGE_CELL_WORKSPACE_READONLY ||
			  call->workspace == FRAME_WORKSPACE_READONLY;
	if (call->workspace != FRAME_WORKSPACE_OVERLAY &&
	    call->workspace != FRAME_WORKSPACE_OVERLAY_MEMORY)
		return 0;
	layer->idmap = -1; /* its layers are */
	return overlay_path(call->branch, layer->path, sizeof(layer->path));
}

static int describe_layer(const struct launcher *l, const struct call *call, uint32_t index,
			  struct layer *layer)
{
	const struct image_mount *m = image_mount(&l->cells.image, index);

	*layer = (struct layer){.path = ROOT_WORKSPACE,
				.what = l->cells.workspace,
				.readonly = m->flags & IMAGE_MOUNT_READONLY,
				.idmap = l->identities[call_identity(call)].idmap};
	if (m->type == IMAGE_MOUNT_WORKSPACE)
		return workspace_layer(l, call, layer);
	if (m->type == IMAGE_MOUNT_BASE)
		return 0;
	if (m->type == IMAGE_MOUNT_DATA) {
		layer->what = "the session";
		layer->idmap = l->overlay.data_idmap;
		(void)snprintf(layer->path, sizeof(layer->path), ROOT_DATA);
		return 0;
	}
	layer->what = image_string(&l->cells.image, m->source);
	layer->readonly = m->type == IMAGE_MOUNT_OVERLAY;
	return cell_late_path(index, layer->path, sizeof(layer->path));
}

static int make_layer(const struct launcher *l, const struct call *call, uint32_t index,
		      struct layers *layers, struct err *err)
{
	struct layer layer;
	int r = describe_layer(l, call, index, &layer);

	if (r == 0)
		r = add_layer(layers, layer.path, layer.readonly, layer.idmap);
	return r == 0 ? 0 : explain_idmap(layer.what, r, err);
}

/* The order is the child's: as they come, the workspace last, then what init looks at. */
static int make_layers(const struct launcher *l, const struct call *call, struct layers *layers,
		       struct err *err)
{
	const struct cell_template *t = call->template;
	int r = 0;

	for (int pass = 0; pass < 2; pass++)
		for (uint32_t i = t->first; i < t->first + t->count && r == 0; i++) {
			const struct image_mount *m = image_mount(&l->cells.image, i);

			if (l->cells.mounts[i] == MOUNT_LATE && cell_is_layer(&l->cells, m) &&
			    (m->type == IMAGE_MOUNT_WORKSPACE) == (pass == 1))
				r = make_layer(l, call, i, layers, err);
		}
	if (r < 0 || session_init_summary(l, call) != INIT_SUMMARY_LAYERS)
		return r;
	r = add_layer(layers, ROOT_WORKSPACE, true, l->identities[call_identity(call)].idmap);
	if (r == 0)
		r = add_layer(layers, ROOT_DATA, true, l->overlay.data_idmap);
	return r == 0 ? 0 : explain_idmap("the session", r, err);
}

/*
 * RLIMIT_NPROC counts the user's processes within the cell's user namespace, init included. The pids
 * controller does the same and tells how often it refused, so where it is there the rlimit stands
 * behind it as a second line and must not answer first.
 */
static uint64_t nproc_of(const struct call *call)
{
	uint64_t processes = call->limits.processes + 1;

	return call->leaf.enforced & 1U << CGROUP_PIDS ? processes * 2 : processes;
}

/* Whether another call may be at work in the workspace itself. */
static bool is_beside(const struct launcher *l, const struct call *call)
{
	for (uint32_t i = 0; i < LAUNCH_CALLS_MAX; i++) {
		const struct call *other = &l->calls[i];

		if (other != call && other->workspace == FRAME_WORKSPACE_DIRECT &&
		    (other->state == CALL_SETUP || other->state == CALL_RUNNING))
			return true;
	}
	return false;
}

static int send_go(const struct launcher *l, struct call *call, const struct layers *layers,
		   struct err *err)
{
	struct cell_go go = {.n_fds = (uint32_t)layers->n};
	struct init_config config = {
		.cell = call->cell_index,
		.landlock_abi = l->missing & FRAME_LAYER_LANDLOCK ? 0 : l->landlock_abi,
		.readonly = call->cell->flags & IMAGE_CELL_WORKSPACE_READONLY ||
			    call->workspace == FRAME_WORKSPACE_READONLY,
		.summary = session_init_summary(l, call),
		.branch = call->branch,
		.beside = is_beside(l, call),
		.rlimit_nproc = nproc_of(call),
		.limits = call->limits,
	};
	int r;

	(void)snprintf(config.workspace, sizeof(config.workspace), "%s", l->cells.workspace);
	r = fd_send(call->control, &go, sizeof(go), layers->fds, layers->n);
	if (r == 0)
		r = fd_send(call->control, &config, sizeof(config), NULL, 0);
	return r < 0 ? err_set(err, -r, "cannot talk to the cell") : 0;
}

int prepare_child(struct launcher *l, struct call *call, struct err *err)
{
	struct ns_map map = {CELL_UID, l->identities[call_identity(call)].uid};
	struct layers layers = {.n = 0};
	int r = 0;

	if (l->cells.root_mode) {
		r = ns_write_maps(l->cells.proc, call->pid, map, map, 0);
		if (r < 0)
			return err_set(err, -r, "cannot write the cell's id maps");
		r = identity_map(l, call_identity(call), err);
		if (r < 0)
			return r;
		r = make_layers(l, call, &layers, err);
	}
	if (r == 0)
		r = send_go(l, call, &layers, err);
	layers_close(&layers);
	return r;
}
