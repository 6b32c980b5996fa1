/*
 * What cells are made of: the template trees, built once by the launcher, and the steps that a cell's
 * first process takes from clone to the execution of toolcell-init.
 */
#ifndef TOOLCELL_CELL_CELL_H
#define TOOLCELL_CELL_CELL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "confine/cgroup.h"
#include "wire/image.h"
#include "wire/report.h"
#include "workspace/overlay.h"

#define CELL_UID 1000U /* inside every cell, and its gid */
#define CELL_OVERLAYS_MAX 6U
#define CELL_TEMPLATES_MAX \
	40U /* 16 sets of answers to "ask", twice, and where changes are looked at */

/* How one of the image's mounts is made. */
enum mount_when {
	MOUNT_SKIP = 0, /* optional and not there */
	MOUNT_TEMPLATE, /* once, in the template tree */
	MOUNT_LATE,	/* in each cell: it is the cell's own, or lies below something that is */
};

/* The launcher's own root file system, seen only by it and by children before they pivot. */
#define ROOT_NEW "/new"		      /* where a child puts its cell's root */
#define ROOT_LOWER OVERLAY_ROOT_LOWER /* ... the lower layer of an overlay */
#define ROOT_UPPER OVERLAY_ROOT_UPPER /* ... and the tmpfs of its upper layer */
#define ROOT_WORKSPACE OVERLAY_ROOT_BASE
#define ROOT_DATA OVERLAY_ROOT_DATA
#define ROOT_PROC "/proc"
#define ROOT_EMPTY "/empty" /* an empty file, to cover others with */

struct cell_template {
	uint32_t first; /* range of the image's mounts */
	uint32_t count;
	char path[16]; /* "/t/0" */
};

/* What every cell of a session has in common; all of it stays the same once the templates are built. */
struct cell_factory {
	struct image image;
	int image_fd; /* sealed memfd */
	bool root_mode;
	int proc; /* the host's /proc */
	int init; /* toolcell-init, on a read-only mount of its own */
	char workspace[PATH_MAX];
	/* The session's data folder: a host path, or "" and then a tmpfs of this size; 0: none. */
	char data[PATH_MAX];
	uint64_t data_bytes;
	uint64_t data_inodes;
	dev_t data_dev; /* what must be found at the path */
	ino_t data_ino;
	struct cell_template templates[CELL_TEMPLATES_MAX];
	uint32_t n_templates;
	uint8_t mounts[IMAGE_MOUNTS_MAX]; /* enum mount_when */
};

/**
 * cell_build_templates - the launcher's own root with every template in it
 * @ret_root: its root, to be entered with mount_pivot; caller owns
 *
 * The working directory must be the workspace, in a mount namespace of the launcher's own.
 */
MUST_USE int cell_build_templates(struct cell_factory *factory, int *ret_root, struct err *err);

/** cell_template_of - the template for a cell of the image; NULL when none was built */
const struct cell_template *cell_template_of(const struct cell_factory *factory,
					     const struct image_cell *cell);

/**
 * cell_is_layer - whether the launcher makes this mount for each cell and sends it with "go"
 * Root mode: what a cell writes to, and the lower layers of overlays, are idmapped so that the owner's
 * ids on disk are the cell's inside.
 */
bool cell_is_layer(const struct cell_factory *factory, const struct image_mount *mount);

/** cell_make_memory - put an empty tmpfs at ROOT_DATA, once the launcher lives in its own root */
MUST_USE int cell_make_memory(const struct cell_factory *factory, struct err *err);

/** cell_late_path - where the launcher's root keeps the source of a late mount */
MUST_USE int cell_late_path(uint32_t mount, char *path, size_t cap);

/* What the parent says when maps and mounts are ready; descriptors: layers in the order of the mounts. */
struct cell_go {
	int32_t num; /* 0, or the errno that stopped the launcher */
	uint32_t n_fds;
};

/* One cell in the making. Descriptors are the parent's copies, inherited by clone. */
struct cell_child {
	const struct cell_factory *factory;
	const struct image_cell *cell;
	const struct cell_template *template;
	const struct cgroup_leaf *leaf;
	int stdio[3];
	int plan;
	int control; /* socket: "go" and init's configuration come in, reports go out */
	enum frame_workspace workspace; /* where the cell's comes from */
	uint32_t branch;		/* of the session; 0: the cell has nothing of it */
	enum init_summary summary;
	int summary_fd; /* -1 without */
	int record_fd;	/* likewise */
};

/** cell_child_main - in the child of ns_clone: become the init of a cell, or report and exit */
NORETURN void cell_child_main(const struct cell_child *child);

#endif
