/*
 * Theory of operation: the launcher lives in a root file system of its own that holds nothing but
 * what cells are made of:
 *
 *	/proc	     the host's procfs (a new one may only be mounted where an old one is visible)
 *	/workspace   the workspace
 *	/data	     the session's data folder (workspace/stack.h), when there is a session
 *	/session/B   the overlay of branch B, while it is mounted (workspace/overlay.h)
 *	/t/N	     one template tree for each set of mounts: read-only system folders, devices, links
 *	/l/M	     sources of mount M that must be made in each cell
 *	/new, /lower, /upper, /empty	places that a child uses before it pivots
 *
 * Host paths resolve while the old root is still the root: the new one is stacked over "/" unseen,
 * filled by descriptor, and entered at the end (mount_pivot, the caller's last step). After that the
 * launcher itself has no path to the host's files any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cell/cell.h"
#include "confine/mount.h"
#include "confine/tree.h"

#define ROOT_BYTES (64ULL << 20)
#define SAFE_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

struct builder {
	struct cell_factory *f;
	int root; /* the launcher's root */
	int tree; /* the template's root */
	struct err *err;
};

int cell_late_path(uint32_t mount, char *path, size_t cap)
{
	int n = snprintf(path, cap, "/l/%u", mount);

	return n > 0 && (size_t)n < cap ? 0 : -EINVAL;
}

static const char *text_of(const struct builder *b, uint32_t offset)
{
	const char *text = image_string(&b->f->image, offset);

	return text ? text : "";
}

static int fail(const struct builder *b, const struct image_mount *m, int r, const char *what)
{
	return err_set(b->err, -r, "%s: cannot %s %s at %s", text_of(b, m->pointer), what,
		       m->type == IMAGE_MOUNT_FILE ? "the file" : text_of(b, m->source),
		       text_of(b, m->target));
}

/* A detached, dressed copy of a host path, which policyc has freed of symbolic links. */
static int clone_source(const struct builder *b, const struct image_mount *m, int *ret_fd)
{
	CLEANUP(fd_closep) int path = -1;
	CLEANUP(fd_closep) int fd = -1;
	bool device = m->type == IMAGE_MOUNT_DEVICE;
	uint64_t attrs = MOUNT_ATTR_NOSUID;
	int r = mount_open_plain(text_of(b, m->source), &path);

	if (r == 0)
		r = mount_clone(path, "", !device, &fd);
	if (r < 0)
		return r;
	if (device) {
		struct stat st;

		if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))
			return -ENODEV;
	} else {
		attrs |= MOUNT_ATTR_NODEV;
	}
	if (m->flags & IMAGE_MOUNT_READONLY || m->type == IMAGE_MOUNT_OVERLAY)
		attrs |= MOUNT_ATTR_RDONLY;
	if (m->flags & IMAGE_MOUNT_NOEXEC)
		attrs |= MOUNT_ATTR_NOEXEC;
	r = mount_dress(fd, true, attrs, -1);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

/* Attach @fd at @path below @root, on a target of its own kind. */
static int attach_at(int root, const char *path, int fd)
{
	CLEANUP(fd_closep) int target = -1;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = tree_make_target(root, path, S_ISDIR(st.st_mode), &target);
	return r < 0 ? r : mount_attach(fd, target, "");
}

static bool source_is_optional(const struct image_mount *m, int r)
{
	return (m->flags & IMAGE_MOUNT_OPTIONAL) && (r == -ENOENT || r == -ENOTDIR);
}

static int bind_at(const struct builder *b, const struct image_mount *m, int root, const char *path,
		   bool *ret_skip)
{
	CLEANUP(fd_closep) int fd = -1;
	int r = clone_source(b, m, &fd);

	*ret_skip = source_is_optional(m, r);
	if (*ret_skip)
		return 0;
	return r < 0 ? r : attach_at(root, path, fd);
}

static int make_late(const struct builder *b, const struct image_mount *m, uint32_t index,
		     bool *ret_skip)
{
	char path[32];
	int r = cell_late_path(index, path, sizeof(path));

	*ret_skip = false;
	if (r < 0)
		return r;
	if (m->type == IMAGE_MOUNT_BIND || m->type == IMAGE_MOUNT_DEVICE ||
	    m->type == IMAGE_MOUNT_OVERLAY)
		return bind_at(b, m, b->root, path, ret_skip);
	if (m->type == IMAGE_MOUNT_FILE)
		return tree_make_file(b->root, path, text_of(b, m->source),
				      strlen(text_of(b, m->source)));
	return 0;
}

static int make_now(const struct builder *b, const struct image_mount *m, bool *ret_skip)
{
	const char *target = text_of(b, m->target);
	const char *source = text_of(b, m->source);

	*ret_skip = false;
	if (m->type == IMAGE_MOUNT_SYMLINK)
		return tree_make_symlink(b->tree, target, source);
	if (m->type == IMAGE_MOUNT_DIR)
		return tree_make_dir(b->tree, target, m->mode);
	if (m->type == IMAGE_MOUNT_FILE)
		return tree_make_file(b->tree, target, source, strlen(source));
	return bind_at(b, m, b->tree, target, ret_skip);
}

static const char *target_of(const struct builder *b, const struct image_mount *m)
{
	return m->type == IMAGE_MOUNT_WORKSPACE ? b->f->workspace : text_of(b, m->target);
}

bool cell_is_layer(const struct cell_factory *f, const struct image_mount *m)
{
	if (!f->root_mode)
		return false;
	return m->type == IMAGE_MOUNT_OVERLAY || m->type == IMAGE_MOUNT_WORKSPACE ||
	       m->type == IMAGE_MOUNT_DATA || m->type == IMAGE_MOUNT_BASE ||
	       (m->type == IMAGE_MOUNT_BIND && !(m->flags & IMAGE_MOUNT_READONLY));
}

static bool is_cells_own(const struct builder *b, const struct image_mount *m)
{
	uint32_t type = m->type;

	return cell_is_layer(b->f, m) || type == IMAGE_MOUNT_TMPFS || type == IMAGE_MOUNT_PROC ||
	       type == IMAGE_MOUNT_DEVPTS || type == IMAGE_MOUNT_OVERLAY ||
	       type == IMAGE_MOUNT_WORKSPACE || type == IMAGE_MOUNT_DATA ||
	       type == IMAGE_MOUNT_BASE;
}

static bool is_workspace(const struct builder *b, uint32_t index)
{
	return image_mount(&b->f->image, index)->type == IMAGE_MOUNT_WORKSPACE;
}

/*
 * Below a mount that each cell makes anew, everything must be made anew too. The workspace comes
 * last, so every other mount stands before it.
 */
static bool is_below_late(const struct builder *b, const struct cell_template *t, uint32_t index)
{
	const char *target = target_of(b, image_mount(&b->f->image, index));
	uint32_t end = is_workspace(b, index) ? t->first + t->count : index;

	for (uint32_t i = t->first; i < end; i++)
		if (i != index && !is_workspace(b, i) && b->f->mounts[i] == MOUNT_LATE &&
		    path_is_below(target, target_of(b, image_mount(&b->f->image, i))))
			return true;
	return false;
}

/* A mount inside the workspace would need a mount point that is made in the person's own files. */
static int refuse_inside_workspace(const struct builder *b, const struct image_mount *m)
{
	const char *target = target_of(b, m);

	if (m->type == IMAGE_MOUNT_WORKSPACE || !path_is_below(target, b->f->workspace))
		return 0;
	return err_set(
		b->err, EINVAL,
		"the workspace %s contains %s, which %s provides: choose a folder of the project",
		b->f->workspace, target, text_of(b, m->pointer));
}

/* The template has the mount point of what comes late, unless that is on a late mount itself. */
static int make_late_target(const struct builder *b, const struct image_mount *m, uint32_t index)
{
	CLEANUP(fd_closep) int source = -1;
	CLEANUP(fd_closep) int target = -1;
	char path[32];
	struct stat st;
	bool is_dir = true;
	int r = cell_late_path(index, path, sizeof(path));

	if (r == 0 && mount_open_target(b->root, path, &source) == 0)
		is_dir = fstat(source, &st) == 0 && S_ISDIR(st.st_mode);
	return r < 0 ? r : tree_make_target(b->tree, target_of(b, m), is_dir, &target);
}

static int build_mount(struct builder *b, const struct cell_template *t, uint32_t index)
{
	const struct image_mount *m = image_mount(&b->f->image, index);
	bool below = is_below_late(b, t, index);
	bool late = below || is_cells_own(b, m);
	bool skip;
	int r = refuse_inside_workspace(b, m);

	if (r < 0)
		return r;
	r = late ? make_late(b, m, index, &skip) : make_now(b, m, &skip);
	if (r == 0 && late && !below && !skip)
		r = make_late_target(b, m, index);
	if (r < 0)
		return fail(b, m, r, late ? "prepare" : "mount");
	b->f->mounts[index] = skip ? MOUNT_SKIP : late ? MOUNT_LATE : MOUNT_TEMPLATE;
	return 0;
}

static int attach_tmpfs(int root, const char *path, uint64_t bytes, int *ret_fd)
{
	CLEANUP(fd_closep) int fd = -1;
	int r = mount_make_tmpfs(bytes, 0, 0755, SAFE_ATTRS, &fd);

	if (r == 0)
		r = attach_at(root, path, fd);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

static int build_template(struct builder *b, const struct image_cell *cell)
{
	struct cell_template *t = &b->f->templates[b->f->n_templates];
	CLEANUP(fd_closep) int tree = -1;
	int r;

	*t = (struct cell_template){.first = cell->mounts_first, .count = cell->mounts_count};
	(void)snprintf(t->path, sizeof(t->path), "/t/%u", b->f->n_templates);
	r = attach_tmpfs(b->root, t->path, ROOT_BYTES, &tree);
	if (r < 0)
		return err_set(b->err, -r, "cannot make the template tree of policy %s",
			       text_of(b, cell->name));
	b->tree = tree;
	for (int pass = 0; pass < 2; pass++) /* the workspace last */
		for (uint32_t i = t->first; i < t->first + t->count && r == 0; i++)
			if (is_workspace(b, i) == (pass == 1))
				r = build_mount(b, t, i);
	if (r < 0)
		return r;
	r = mount_dress(tree, false, MOUNT_ATTR_RDONLY | SAFE_ATTRS, -1);
	if (r < 0)
		return err_set(b->err, -r, "cannot make a template tree read-only");
	b->f->n_templates++;
	return 0;
}

const struct cell_template *cell_template_of(const struct cell_factory *f,
					     const struct image_cell *cell)
{
	for (uint32_t i = 0; i < f->n_templates; i++)
		if (f->templates[i].first == cell->mounts_first &&
		    f->templates[i].count == cell->mounts_count)
			return &f->templates[i];
	return NULL;
}

/*
 * Between the supervisor's look at the session's folder and ours it may have been replaced: what is
 * found must be the very folder. Opened without following a link.
 */
static int attach_data(const struct builder *b)
{
	CLEANUP(fd_closep) int path = -1;
	CLEANUP(fd_closep) int tree = -1;
	struct stat st;
	int r = mount_open_plain(b->f->data, &path);

	if (r == 0 && fstat(path, &st) < 0)
		r = -errno;
	if (r == 0 && (st.st_dev != b->f->data_dev || st.st_ino != b->f->data_ino))
		r = -ESTALE;
	if (r == 0)
		r = mount_clone(path, "", false, &tree);
	if (r == 0)
		r = mount_dress(tree, false, SAFE_ATTRS | MOUNT_ATTR_NOEXEC, -1);
	if (r == 0)
		r = attach_at(b->root, ROOT_DATA, tree);
	return r < 0 ? err_set(b->err, -r, "cannot use the session's folder %s", b->f->data) : 0;
}

static int build_session(struct builder *b)
{
	char path[32];
	int r = tree_make_dir(b->root, ROOT_DATA, 0700);

	for (uint32_t branch = 1; branch <= STACK_BRANCHES_MAX && r == 0; branch++) {
		r = overlay_path(branch, path, sizeof(path));
		if (r == 0)
			r = tree_make_dir(b->root, path, 0755);
	}
	if (r < 0)
		return err_set(b->err, -r, "cannot prepare the places of the session");
	return b->f->data[0] ? attach_data(b) : 0;
}

int cell_make_memory(const struct cell_factory *f, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	int r = mount_make_tmpfs(f->data_bytes, f->data_inodes, 0700,
				 SAFE_ATTRS | MOUNT_ATTR_NOEXEC, &fd);

	if (r == 0)
		r = mount_attach(fd, AT_FDCWD, ROOT_DATA);
	return r < 0 ? err_set(err, -r, "cannot make a session in memory") : 0;
}

static int build_places(struct builder *b)
{
	static const char *const dirs[] = {ROOT_NEW, ROOT_LOWER, ROOT_UPPER, "/t", "/l"};
	CLEANUP(fd_closep) int proc = -1;
	CLEANUP(fd_closep) int workspace = -1;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && r == 0; i++)
		r = tree_make_dir(b->root, dirs[i], 0755);
	if (r == 0)
		r = tree_make_file(b->root, ROOT_EMPTY, "", 0);
	if (r == 0)
		r = mount_clone(AT_FDCWD, "/proc", true, &proc);
	if (r == 0)
		r = attach_at(b->root, ROOT_PROC, proc);
	if (r < 0)
		return err_set(b->err, -r, "cannot prepare the launcher's root file system");
	/* Mounts below the workspace are not the workspace's; where the kernel will not leave them
	 * out (they are locked in a user namespace), they come along. */
	r = mount_clone(AT_FDCWD, "", false, &workspace);
	if (r == -EINVAL)
		r = mount_clone(AT_FDCWD, "", true, &workspace);
	if (r == 0)
		r = mount_dress(workspace, true, SAFE_ATTRS, -1);
	if (r == 0)
		r = attach_at(b->root, ROOT_WORKSPACE, workspace);
	return r < 0 ? err_set(b->err, -r, "cannot mount the workspace %s", b->f->workspace) : 0;
}

int cell_build_templates(struct cell_factory *f, int *ret_root, struct err *err)
{
	CLEANUP(fd_closep) int root = -1;
	struct builder b = {.f = f, .err = err};
	int r = mount_private();

	if (r == 0)
		r = mount_make_tmpfs(ROOT_BYTES, 0, 0755, SAFE_ATTRS, &root);
	if (r == 0)
		r = mount_attach(root, AT_FDCWD, "/");
	if (r < 0)
		return err_set(err, -r, "cannot make the launcher's root file system");
	b.root = root;
	r = build_places(&b);
	if (r == 0)
		r = build_session(&b);
	for (uint32_t i = 0; r == 0 && i < f->image.header->cells.count; i++) {
		const struct image_cell *cell = image_cell(&f->image, i);

		if (cell_template_of(f, cell))
			continue;
		if (f->n_templates == CELL_TEMPLATES_MAX)
			return err_set(err, E2BIG, "the image has more than %u sets of mounts",
				       CELL_TEMPLATES_MAX);
		r = build_template(&b, cell);
	}
	if (r == 0)
		*ret_root = fd_take(&root);
	return r;
}
