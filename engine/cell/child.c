/*
 * The cell's first process, from clone to init: a table of steps, system calls only.
 *
 * Theory of operation: clone3 has put the child into new namespaces (all but the cgroup one); its
 * user namespace has no maps yet, but it holds every capability in it. Why in this order:
 *
 *	isolate	    nothing of the launcher's is held any longer, and its death is noticed
 *	cgroup	    early, so that all that follows is charged and limited; then the cgroup namespace,
 *		    whose root is the group that the process is in at that moment
 *	host name, network namespace, loopback	need the capabilities but no identity: done while the
 *		    parent still writes the id maps and prepares mounts
 *	go	    the parent is done; the workspace and overlay layers arrive as detached mounts
 *	identity    the cell's uid; from here on everything that is made is the cell's
 *	keyring	    after the identity: keys are charged to a uid
 *	mounts, pivot	the old root is detached with everything in it
 *	capabilities	the bounding set, while there is still the right to empty it
 *	init	    execve drops the last of the launcher's memory
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "cell/cell.h"
#include "cell/protect.h"
#include "confine/mount.h"
#include "confine/ns.h"
#include "confine/privilege.h"
#include "confine/tree.h"
#include "wire/proc.h"

#define SAFE_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define FD_ABOVE 64 /* sources of dup2 move out of the way of 0..INIT_FD_N */

struct child {
	const struct cell_factory *f;
	const struct cell_child *in;
	int root;	      /* the cell's root, once attached */
	int fds[FD_PASS_MAX]; /* of "go": workspace, then overlay layers in order; root mode only */
	uint32_t n_fds;
	uint32_t next_layer;
	int base; /* for init's look at changes; -1 without */
	int data;
	int init; /* toolcell-init, above the numbers that init expects its descriptors at */
};

static const char *text_of(const struct child *c, uint32_t offset)
{
	const char *text = image_string(&c->f->image, offset);

	return text ? text : "";
}

/*
 * A copy of the launcher has the launcher's end of every cell's socket, its own included: held here,
 * they would hide the launcher's death from this cell and from others. Everything goes but what the
 * steps below use. The parent-death signal comes first, for what is between here and the change of
 * ids, which clears it.
 */
static int do_isolate(struct child *c, uint32_t *arg)
{
	int keep[32];
	size_t n = 0;

	(void)arg;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	for (int i = 0; i < 3; i++)
		keep[n++] = c->in->stdio[i];
	keep[n++] = c->in->plan;
	keep[n++] = c->in->control;
	keep[n++] = c->f->image_fd;
	keep[n++] = c->f->proc;
	keep[n++] = c->f->init;
	keep[n++] = c->in->summary_fd;
	keep[n++] = c->in->record_fd;
	for (int i = 0; i < CGROUP_N; i++)
		if (c->in->leaf->root && c->in->leaf->join[i] >= 0)
			keep[n++] = c->in->leaf->join[i];
	return fd_close_others(keep, n);
}

static int do_cgroup_join(struct child *c, uint32_t *arg)
{
	(void)arg;
	return c->in->leaf->root ? cgroup_leaf_join(c->in->leaf) : 0;
}

static int do_cgroup_ns(struct child *c, uint32_t *arg)
{
	(void)c;
	(void)arg;
	return unshare(CLONE_NEWCGROUP) < 0 ? -errno : 0;
}

static int do_hostname(struct child *c, uint32_t *arg)
{
	const char *name = text_of(c, c->in->cell->hostname);

	(void)arg;
	return sethostname(name, strlen(name)) < 0 || setdomainname("", 0) < 0 ? -errno : 0;
}

static int do_net_ns(struct child *c, uint32_t *arg)
{
	(void)c;
	(void)arg;
	return unshare(CLONE_NEWNET) < 0 ? -errno : 0;
}

static int do_loopback(struct child *c, uint32_t *arg)
{
	(void)arg;
	return c->in->cell->net == IMAGE_NET_LOOPBACK ? ns_loopback_up() : 0;
}

/* The cell dies before anything of the host's. It is manners, no wall: a failure changes nothing. */
static void raise_oom_score(const struct child *c)
{
	CLEANUP(fd_closep) int fd = openat(c->f->proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "1000", 4);
}

/*
 * Rootless, the launcher may not write to /proc files of a process that is not dumpable, as its
 * children are; the child may map the one id that it has by itself. Dumpable for three writes, while
 * nothing but the launcher can see it.
 */
static int do_maps(struct child *c, uint32_t *arg)
{
	const struct ns_map map = {CELL_UID, 0};
	int r;

	(void)arg;
	if (c->f->root_mode) {
		raise_oom_score(c);
		return 0;
	}
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	raise_oom_score(c);
	r = ns_write_maps(c->f->proc, 0, map, map, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return r;
}

static int do_go(struct child *c, uint32_t *arg)
{
	struct cell_go go;
	size_t n_fds;
	ssize_t n = fd_recv(c->in->control, &go, sizeof(go), c->fds, &n_fds);

	(void)arg;
	if (n < 0)
		return (int)n;
	/* End of file: the launcher died, or gave up and reports the reason itself. */
	if (n != (ssize_t)sizeof(go) || go.num != 0 || go.n_fds != n_fds)
		return -EPROTO;
	c->n_fds = go.n_fds;
	return 0;
}

static int do_identity(struct child *c, uint32_t *arg)
{
	(void)c;
	(void)arg;
	/* The kernel's own calls: libc's would signal threads that do not exist here. The launcher
	 * has cleared supplementary groups where it may. */
	if (syscall(SYS_setresgid, CELL_UID, CELL_UID, CELL_UID) < 0 ||
	    syscall(SYS_setresuid, CELL_UID, CELL_UID, CELL_UID) < 0)
		return -errno;
	(void)umask(022);
	/* Cleared by a change of ids, so only now; the launcher may have died before it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static int do_keyring(struct child *c, uint32_t *arg)
{
	(void)c;
	(void)arg;
	return privilege_new_keyring();
}

static int do_root(struct child *c, uint32_t *arg)
{
	CLEANUP(fd_closep) int tree = -1;
	int r = mount_clone(AT_FDCWD, c->in->template->path, true, &tree);

	(void)arg;
	if (r == 0)
		r = mount_attach(tree, AT_FDCWD, ROOT_NEW);
	if (r == 0)
		c->root = fd_take(&tree);
	return r;
}

/* Put a detached mount on @path of the cell, on a target of its own kind. */
static int attach_in_cell(const struct child *c, int fd, const char *path)
{
	CLEANUP(fd_closep) int target = -1;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = tree_make_target(c->root, path, S_ISDIR(st.st_mode), &target);
	return r < 0 ? r : mount_attach(fd, target, "");
}

/* The next detached mount that the launcher has sent, or (rootless) a copy of our own. */
static int take_layer(struct child *c, const char *own, bool recursive, int *ret_fd)
{
	if (!c->f->root_mode)
		return mount_clone(AT_FDCWD, own, recursive, ret_fd);
	if (c->next_layer >= c->n_fds)
		return -EPROTO;
	*ret_fd = c->fds[c->next_layer++];
	return 0;
}

static int mount_bind(struct child *c, const struct image_mount *m, uint32_t index)
{
	CLEANUP(fd_closep) int fd = -1;
	char path[32];
	int r = cell_late_path(index, path, sizeof(path));

	if (r == 0)
		r = cell_is_layer(c->f, m) ? take_layer(c, path, true, &fd)
					   : mount_clone(AT_FDCWD, path, true, &fd);
	if (r == 0 && m->type == IMAGE_MOUNT_FILE)
		r = mount_dress(fd, false, MOUNT_ATTR_RDONLY | SAFE_ATTRS, -1);
	return r < 0 ? r : attach_in_cell(c, fd, text_of(c, m->target));
}

static uint64_t attrs_of(const struct image_mount *m)
{
	return SAFE_ATTRS | (m->flags & IMAGE_MOUNT_READONLY ? MOUNT_ATTR_RDONLY : 0U) |
	       (m->flags & IMAGE_MOUNT_NOEXEC ? MOUNT_ATTR_NOEXEC : 0U);
}

static int mount_tmpfs(struct child *c, const struct image_mount *m, uint32_t index)
{
	CLEANUP(fd_closep) int fd = -1;
	int r = mount_make_tmpfs(m->size_bytes, m->inodes, m->mode, attrs_of(m), &fd);

	(void)index;
	return r < 0 ? r : attach_in_cell(c, fd, text_of(c, m->target));
}

static int cover_one(int how, int target)
{
	CLEANUP(fd_closep) int fd = -1;
	int r;

	if (how == PROC_COVER_FILE)
		r = mount_clone(AT_FDCWD, ROOT_EMPTY, false, &fd);
	else if (how == PROC_COVER_DIR)
		r = mount_make_tmpfs(4096, 2, 0555, SAFE_ATTRS | MOUNT_ATTR_RDONLY, &fd);
	else
		r = mount_clone(target, "", true, &fd);
	if (r == 0)
		r = mount_dress(fd, true, MOUNT_ATTR_RDONLY | SAFE_ATTRS | MOUNT_ATTR_NOEXEC, -1);
	return r < 0 ? r : mount_attach(fd, target, "");
}

static int cover_proc(const struct child *c, const char *where)
{
	for (size_t i = 0; i < proc_n_covers; i++) {
		CLEANUP(fd_closep) int target = -1;
		char path[PATH_MAX];
		int r;

		(void)snprintf(path, sizeof(path), "%s/%s", where, proc_covers[i].name);
		r = mount_open_target(c->root, path, &target);
		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = cover_one((int)proc_covers[i].how, target);
		if (r < 0)
			return r;
	}
	return 0;
}

static int mount_proc(struct child *c, const struct image_mount *m, uint32_t index)
{
	static const struct mount_option subset[] = {{"hidepid", "invisible"}, {"subset", "pid"}};
	CLEANUP(fd_closep) int fd = -1;
	bool masked = m->flags & IMAGE_MOUNT_PROC_MASKED;
	int r = mount_make("proc", subset, masked ? 1 : 2, SAFE_ATTRS | MOUNT_ATTR_NOEXEC, &fd);

	(void)index;
	if (r == 0)
		r = attach_in_cell(c, fd, text_of(c, m->target));
	return r == 0 && masked ? cover_proc(c, text_of(c, m->target)) : r;
}

static int mount_devpts(struct child *c, const struct image_mount *m, uint32_t index)
{
	static const struct mount_option options[] = {{"newinstance", NULL},
						      {"ptmxmode", "0666"},
						      {"mode", "0620"},
						      {"max", "64"}};
	CLEANUP(fd_closep) int fd = -1;
	int r = mount_make("devpts", options, ARRAY_SIZE(options),
			   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &fd);

	(void)index;
	return r < 0 ? r : attach_in_cell(c, fd, text_of(c, m->target));
}

/*
 * Lower and upper layer stand in the launcher's root, which the cell leaves behind: the overlay
 * holds private copies of both mounts and the tool never sees them. Later ones stack on top.
 */
static int mount_overlay(struct child *c, const struct image_mount *m, uint32_t index)
{
	static const struct mount_option options[] = {{"lowerdir", ROOT_LOWER},
						      {"upperdir", ROOT_UPPER "/u"},
						      {"workdir", ROOT_UPPER "/w"},
						      {"userxattr", NULL}};
	CLEANUP(fd_closep) int lower = -1;
	CLEANUP(fd_closep) int upper = -1;
	CLEANUP(fd_closep) int fd = -1;
	char own[32];
	int r = cell_late_path(index, own, sizeof(own));

	if (r == 0)
		r = take_layer(c, own, true, &lower);
	if (r == 0)
		r = mount_attach(lower, AT_FDCWD, ROOT_LOWER);
	if (r == 0)
		r = mount_make_tmpfs(m->size_bytes, m->inodes, 0755, SAFE_ATTRS, &upper);
	if (r == 0)
		r = mount_attach(upper, AT_FDCWD, ROOT_UPPER);
	if (r == 0 && (mkdirat(upper, "u", 0755) < 0 || mkdirat(upper, "w", 0755) < 0))
		r = -errno;
	if (r == 0)
		r = mount_make("overlay", options, ARRAY_SIZE(options), attrs_of(m), &fd);
	return r < 0 ? r : attach_in_cell(c, fd, text_of(c, m->target));
}

/* Where the launcher's root has what this cell sees as its workspace. */
static int workspace_source(const struct child *c, char *path, size_t cap)
{
	if (c->in->workspace == FRAME_WORKSPACE_OVERLAY ||
	    c->in->workspace == FRAME_WORKSPACE_OVERLAY_MEMORY)
		return overlay_path(c->in->branch, path, cap);
	(void)snprintf(path, cap, "%s", ROOT_WORKSPACE);
	return 0;
}

static int mount_workspace(struct child *c, const struct image_mount *m, uint32_t index)
{
	CLEANUP(fd_closep) int fd = -1;
	bool readonly = c->in->cell->flags & IMAGE_CELL_WORKSPACE_READONLY ||
			c->in->workspace == FRAME_WORKSPACE_READONLY;
	char source[32];
	int r = workspace_source(c, source, sizeof(source));

	(void)index;
	if (r == 0)
		r = take_layer(c, source, true, &fd);
	if (r == 0)
		r = mount_dress(fd, true, attrs_of(m) | (readonly ? MOUNT_ATTR_RDONLY : 0U), -1);
	if (r == 0)
		r = attach_in_cell(c, fd, c->f->workspace);
	if (r == 0 && c->in->workspace == FRAME_WORKSPACE_DIRECT)
		r = protect_paths(c->root, c->f->workspace, text_of(c, c->in->cell->change_rules));
	return r;
}

/* The session's data, or the workspace beneath its overlay. */
static int mount_session(struct child *c, const struct image_mount *m, uint32_t index)
{
	CLEANUP(fd_closep) int fd = -1;
	int r = take_layer(c, m->type == IMAGE_MOUNT_DATA ? ROOT_DATA : ROOT_WORKSPACE, true, &fd);

	(void)index;
	if (r == 0)
		r = mount_dress(fd, true, attrs_of(m) | MOUNT_ATTR_NOEXEC, -1);
	return r < 0 ? r : attach_in_cell(c, fd, text_of(c, m->target));
}

static int mount_link(struct child *c, const struct image_mount *m, uint32_t index)
{
	(void)index;
	return tree_make_symlink(c->root, text_of(c, m->target), text_of(c, m->source));
}

static int mount_dir(struct child *c, const struct image_mount *m, uint32_t index)
{
	(void)index;
	return tree_make_dir(c->root, text_of(c, m->target), m->mode);
}

static int (*const mounters[])(struct child *, const struct image_mount *, uint32_t) = {
	[IMAGE_MOUNT_BIND] = mount_bind,       [IMAGE_MOUNT_TMPFS] = mount_tmpfs,
	[IMAGE_MOUNT_PROC] = mount_proc,       [IMAGE_MOUNT_DEVPTS] = mount_devpts,
	[IMAGE_MOUNT_DEVICE] = mount_bind,     [IMAGE_MOUNT_SYMLINK] = mount_link,
	[IMAGE_MOUNT_DIR] = mount_dir,	       [IMAGE_MOUNT_FILE] = mount_bind,
	[IMAGE_MOUNT_OVERLAY] = mount_overlay, [IMAGE_MOUNT_WORKSPACE] = mount_workspace,
	[IMAGE_MOUNT_DATA] = mount_session,    [IMAGE_MOUNT_BASE] = mount_session,
};
static_assert(ARRAY_SIZE(mounters) == IMAGE_MOUNT_TYPE_N, "every type of mount has a row");

static int do_mounts(struct child *c, uint32_t *arg)
{
	const struct cell_template *t = c->in->template;

	for (int pass = 0; pass < 2; pass++) /* the workspace last: others may lie above it */
		for (uint32_t i = t->first; i < t->first + t->count; i++) {
			const struct image_mount *m = image_mount(&c->f->image, i);
			int r;

			if (c->f->mounts[i] != MOUNT_LATE ||
			    (m->type == IMAGE_MOUNT_WORKSPACE) != (pass == 1))
				continue;
			*arg = i;
			r = mounters[m->type](c, m, i);
			if (r < 0)
				return r;
		}
	return 0;
}

/* Both folders that changes are found by, read-only; they are never attached anywhere. */
static int do_summary(struct child *c, uint32_t *arg)
{
	const uint64_t attrs = SAFE_ATTRS | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC;
	int r;

	(void)arg;
	if (c->in->summary != INIT_SUMMARY_LAYERS)
		return 0;
	r = take_layer(c, ROOT_WORKSPACE, false, &c->base);
	if (r == 0)
		r = take_layer(c, ROOT_DATA, false, &c->data);
	if (r == 0)
		r = mount_dress(c->base, true, attrs, -1);
	return r == 0 ? mount_dress(c->data, true, attrs, -1) : r;
}

static int do_pivot(struct child *c, uint32_t *arg)
{
	(void)arg;
	return mount_pivot(c->root);
}

/*
 * An exec by an ordinary uid clears every set but this one. Init could not empty it any more, since
 * exec will have taken CAP_SETPCAP as well.
 */
static int do_capabilities(struct child *c, uint32_t *arg)
{
	(void)c;
	(void)arg;
	return privilege_drop_bounding();
}

static int do_descriptors(struct child *c, uint32_t *arg)
{
	int from[INIT_FD_N] = {
		c->in->stdio[0], c->in->stdio[1],  c->in->stdio[2],   c->in->control,
		c->f->image_fd,	 c->in->plan,	   c->in->summary_fd, c->base,
		c->data,	 c->in->record_fd,
	};

	c->init = fcntl(c->f->init, F_DUPFD_CLOEXEC, FD_ABOVE);
	if (c->init < 0)
		return -errno;
	for (int i = 0; i < INIT_FD_N; i++) {
		*arg = (uint32_t)i;
		if (from[i] < 0)
			continue;
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FD_ABOVE);
		if (from[i] < 0)
			return -errno;
	}
	for (int i = 0; i < INIT_FD_N; i++) {
		*arg = (uint32_t)i;
		if (from[i] < 0)
			(void)close(i); /* whatever the launcher had there */
		else if (dup2(from[i], i) < 0)
			return -errno;
	}
	return 0;
}

static int do_init(struct child *c, uint32_t *arg)
{
	static char name[] = "toolcell-init";
	char *argv[] = {name, NULL};
	char *envp[] = {NULL};

	(void)arg;
	(void)syscall(SYS_execveat, c->init, "", argv, envp, AT_EMPTY_PATH);
	return -errno;
}

static const struct {
	enum report_step step;
	int (*run)(struct child *c, uint32_t *arg); /* 0 or -errno */
} steps[] = {
	{STEP_ISOLATE, do_isolate},
	{STEP_CGROUP_JOIN, do_cgroup_join},
	{STEP_CGROUP_NS, do_cgroup_ns},
	{STEP_HOSTNAME, do_hostname},
	{STEP_NET_NS, do_net_ns},
	{STEP_LOOPBACK, do_loopback},
	{STEP_MAPS, do_maps},
	{STEP_GO, do_go},
	{STEP_IDENTITY, do_identity},
	{STEP_KEYRING, do_keyring},
	{STEP_ROOT, do_root},
	{STEP_MOUNT, do_mounts},
	{STEP_SUMMARY, do_summary},
	{STEP_PIVOT, do_pivot},
	{STEP_CAPABILITIES, do_capabilities},
	{STEP_DESCRIPTORS, do_descriptors},
	{STEP_INIT_EXEC, do_init},
};

void cell_child_main(const struct cell_child *child)
{
	struct child c = {.f = child->factory, .in = child, .root = -1, .base = -1, .data = -1};
	struct init_report report = {.type = REPORT_FAILED};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i].run(&c, &report.arg);

		if (r < 0) {
			report.step = steps[i].step;
			report.num = -r;
			break;
		}
		report.arg = 0;
	}
	(void)send(child->control, &report, sizeof(report), MSG_NOSIGNAL);
	_exit(1);
}
