/*
 * Theory of operation: the parent clones and dresses the two mounts that layers lie in (the workspace's
 * folder and the session's data), because only it may make them idmapped; the child enters the user
 * namespace, attaches them in a mount namespace of its own, mounts the overlay by mount(2) - the one
 * call whose options take more than 255 bytes on every kernel - and sends a detached copy back.
 *
 * `userxattr` keeps the markers of layers in user.overlay.*, which the session's owner may read when
 * changes are looked at. It costs redirect_dir: renaming a folder of the workspace is EXDEV.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/mount.h"
#include "confine/ns.h"
#include "workspace/overlay.h"

#define PLACE "/new"
#define OPTIONS_MAX 4096
#define PATIENCE_S 10
#define SAFE_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

enum reply_step { REPLY_NAMESPACES, REPLY_IDENTITY, REPLY_LAYERS, REPLY_OVERLAY, REPLY_N };

static const char *const step_names[REPLY_N] = {
	[REPLY_NAMESPACES] = "enter its namespaces",
	[REPLY_IDENTITY] = "take the session's id",
	[REPLY_LAYERS] = "attach its layers",
	[REPLY_OVERLAY] = "mount",
};

struct reply {
	int32_t num; /* 0: the overlay is beside it */
	uint32_t step;
};

struct mounter {
	const struct overlay *o;
	const struct stack_branch *branch;
	int base;
	int data;
	int sock;
};

/* "lowerdir=/upper/layers/4/u:/lower,upperdir=/upper/layers/5/u,workdir=/upper/layers/5/w,userxattr" */
static int write_options(const struct stack_branch *b, char *text, size_t cap)
{
	uint32_t top = b->layers[b->n - 1];
	int n = snprintf(text, cap, "lowerdir=");
	size_t used = (size_t)n;

	for (uint32_t i = b->n - 1; i-- > 0; used += (size_t)n) {
		n = snprintf(text + used, cap - used,
			     OVERLAY_ROOT_UPPER "/layers/%u/u:", b->layers[i]);
		if (n < 0 || used + (size_t)n >= cap)
			return -E2BIG;
	}
	n = snprintf(text + used, cap - used,
		     "%s,upperdir=%s/layers/%u/u,workdir=%s/layers/%u/w,userxattr",
		     OVERLAY_ROOT_LOWER, OVERLAY_ROOT_UPPER, top, OVERLAY_ROOT_UPPER, top);
	return n > 0 && used + (size_t)n < cap ? 0 : -E2BIG;
}

static int enter_namespaces(const struct mounter *m)
{
	/* Rootless, the launcher is root of such a namespace already. */
	if (m->o->base_idmap >= 0 && setns(m->o->base_idmap, CLONE_NEWUSER) < 0)
		return -errno;
	return unshare(CLONE_NEWNS) < 0 ? -errno : 0;
}

/* The kernel's own calls: the C library's would signal threads that do not exist here. */
static int take_identity(const struct mounter *m)
{
	if (m->o->base_idmap < 0)
		return 0;
	if (syscall(SYS_setresgid, m->o->inside_gid, m->o->inside_gid, m->o->inside_gid) < 0 ||
	    syscall(SYS_setresuid, m->o->inside_uid, m->o->inside_uid, m->o->inside_uid) < 0)
		return -errno;
	return 0;
}

static int attach_layers(const struct mounter *m)
{
	int r = mount_attach(m->base, AT_FDCWD, OVERLAY_ROOT_LOWER);

	return r == 0 ? mount_attach(m->data, AT_FDCWD, OVERLAY_ROOT_UPPER) : r;
}

static int mount_it(const struct mounter *m, int *ret_fd)
{
	char options[OPTIONS_MAX];
	int r = write_options(m->branch, options, sizeof(options));

	if (r < 0)
		return r;
	if (mount("overlay", PLACE, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
		return -errno;
	return mount_clone(AT_FDCWD, PLACE, false, ret_fd);
}

static NORETURN void be_mounter(const struct mounter *m)
{
	const int keep[] = {m->base, m->data, m->sock, m->o->base_idmap};
	struct reply reply = {0};
	int fd = -1;
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    fd_close_others(keep, ARRAY_SIZE(keep)) < 0)
		_exit(1);
	r = enter_namespaces(m);
	if (r == 0) {
		reply.step = REPLY_IDENTITY;
		r = take_identity(m);
	}
	if (r == 0) {
		reply.step = REPLY_LAYERS;
		r = attach_layers(m);
	}
	if (r == 0) {
		reply.step = REPLY_OVERLAY;
		r = mount_it(m, &fd);
	}
	reply.num = -r;
	_exit(fd_send(m->sock, &reply, sizeof(reply), &fd, r == 0 ? 1 : 0) < 0);
}

static int clone_dressed(const char *path, uint64_t attrs, int idmap, int *ret_fd)
{
	CLEANUP(fd_closep) int fd = -1;
	int r = mount_clone(AT_FDCWD, path, false, &fd);

	/* Mounts below the workspace that a user namespace has locked in place come along. */
	if (r == -EINVAL)
		r = mount_clone(AT_FDCWD, path, true, &fd);
	if (r == 0)
		r = mount_dress(fd, true, attrs, idmap);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

static int explain(const struct reply *reply, struct err *err)
{
	const char *step = reply->step < REPLY_N ? step_names[reply->step] : "be made";

	if (reply->step == REPLY_OVERLAY && (reply->num == EINVAL || reply->num == EOPNOTSUPP))
		return err_set(err, EOPNOTSUPP,
			       "the kernel cannot keep an overlay's layers where the sessions are; "
			       "put them on ext4, xfs, btrfs or tmpfs with --sessions DIR");
	return err_set(err, reply->num > 0 ? reply->num : EPROTO,
		       "the session's overlay could not %s", step);
}

static int receive(int sock, int *ret_fd, struct err *err)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct reply reply;
	int fds[FD_PASS_MAX];
	size_t n_fds;
	ssize_t n;

	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return err_set(err, errno, "cannot wait for the session's overlay");
	n = fd_recv(sock, &reply, sizeof(reply), fds, &n_fds);
	if (n == (ssize_t)sizeof(reply) && reply.num == 0 && n_fds == 1) {
		*ret_fd = fds[0];
		return 0;
	}
	while (n_fds > 0)
		fd_closep(&fds[--n_fds]);
	if (n == (ssize_t)sizeof(reply))
		return explain(&reply, err);
	return err_set(err, n < 0 ? (int)-n : EPROTO, "the session's overlay was not made");
}

static int run_mounter(struct mounter *m, int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep) int pidfd = -1;
	CLEANUP(fd_closep) int ours = -1;
	CLEANUP(fd_closep) int theirs = -1;
	siginfo_t info;
	int pair[2];
	pid_t pid;
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "cannot make a socket");
	ours = pair[0];
	theirs = pair[1];
	m->sock = theirs;
	pid = ns_clone(0, -1, &pidfd);
	if (pid == 0)
		be_mounter(m);
	if (pid < 0)
		return err_set(err, -pid, "cannot start the process that mounts the overlay");
	fd_closep(&theirs);
	r = receive(ours, ret_fd, err);
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR)
		continue;
	return r;
}

int overlay_mount(const struct overlay *o, const struct stack_branch *branch, int *ret_fd,
		  struct err *err)
{
	CLEANUP(fd_closep) int base = -1;
	CLEANUP(fd_closep) int data = -1;
	struct mounter m = {.o = o, .branch = branch};
	int r = clone_dressed(OVERLAY_ROOT_BASE, SAFE_ATTRS | MOUNT_ATTR_RDONLY, o->base_idmap,
			      &base);

	if (r < 0)
		return err_set(err, -r, "the workspace's file system cannot lie below an overlay%s",
			       r == -EINVAL || r == -EOPNOTSUPP
				       ? ": it does not support id-mapped mounts; keep it on ext4, "
					 "xfs, btrfs or tmpfs, or run toolcell as its owner"
				       : "");
	r = clone_dressed(OVERLAY_ROOT_DATA, SAFE_ATTRS, o->data_idmap, &data);
	if (r < 0)
		return err_set(err, -r, "the sessions' file system cannot hold layers%s",
			       r == -EINVAL || r == -EOPNOTSUPP
				       ? ": it does not support id-mapped mounts; put sessions on "
					 "ext4, xfs, btrfs or tmpfs with --sessions DIR"
				       : "");
	m.base = base;
	m.data = data;
	return run_mounter(&m, ret_fd, err);
}
