/*
 * toolcell-launcher, the privileged process.
 *
 * Theory of operation: everything that needs the host - cgroups, uid locks, the policy image (which the
 * supervisor sends meanwhile), system folders - is looked up once, in this order; then the host's file
 * system is left for good, FRAME_READY goes out and serve() begins. A failure before that is one FRAME_FATAL.
 *
 * Root of the machine is root mode. Anybody else becomes root of a user namespace of its own, where
 * the same code makes the same cells, less a uid of their own and usually less cgroups.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "confine/landlock.h"
#include "confine/mount.h"
#include "confine/privilege.h"
#include "launch/launch.h"

enum { ARG_ENGINE = 1, ARG_WORKSPACE, ARG_INIT, ARG_UID_BASE, ARG_UID_COUNT, ARG_N };

static struct launcher the_launcher;

static int read_number(const char *text, uint32_t *ret, struct err *err)
{
	uint64_t value = 0;

	if (num_parse_u64(text, UINT32_MAX, &value) < 0)
		return err_set(
			err, EINVAL,
			"the launcher's argument is not a number; it is started by toolcell");
	*ret = (uint32_t)value;
	return 0;
}

static int read_arguments(struct launcher *l, int argc, char **argv, struct err *err)
{
	uint32_t engine = 0;
	struct stat st;
	int r;

	if (argc != ARG_N)
		return err_set(err, EINVAL, "the launcher is started by toolcell, not by hand");
	r = read_number(argv[ARG_ENGINE], &engine, err);
	if (r == 0)
		r = read_number(argv[ARG_UID_BASE], &l->uid_base, err);
	if (r == 0)
		r = read_number(argv[ARG_UID_COUNT], &l->uid_count, err);
	if (r < 0)
		return r;
	l->engine = (pid_t)engine;
	if (argv[ARG_WORKSPACE][0] != '/' ||
	    strlen(argv[ARG_WORKSPACE]) >= sizeof(l->cells.workspace))
		return err_set(err, EINVAL, "the workspace is no absolute path");
	(void)snprintf(l->cells.workspace, sizeof(l->cells.workspace), "%s", argv[ARG_WORKSPACE]);
	if (fstat(LAUNCH_FD_WORKSPACE, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, EINVAL, "the workspace descriptor is no folder");
	l->owner_uid = st.st_uid;
	l->owner_gid = st.st_gid;
	l->overlay.workspace = st;
	cgroup_disk_of(st.st_dev, &l->disk_major, &l->disk_minor);
	return 0;
}

static int keep_to_ourselves(struct err *err)
{
	if (close_range(LAUNCH_FD_N, ~0U, 0) < 0)
		return err_set(err, errno, "cannot close what was inherited");
	for (int fd = LAUNCH_FD_BROKER; fd < LAUNCH_FD_N; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return err_set(err, errno, "descriptor %d is not there", fd);
	(void)umask(022); /* trees for cells are made with it; what is private names its mode */
	if (privilege_hide() < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return err_set(err, errno, "cannot harden the launcher");
	return 0;
}

/*
 * /proc/1/exe of a cell leads to the program of its init. The mount that it was opened on is
 * read-only, so nobody can write through that link (CVE-2019-5736).
 */
static int open_init(struct launcher *l, const char *path, struct err *err)
{
	CLEANUP(fd_closep) int tree = -1;
	char link[64];
	int r = mount_clone(AT_FDCWD, path, false, &tree);

	if (r == 0)
		r = mount_dress(tree, false,
				MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, -1);
	if (r < 0)
		return err_set(err, -r, "cannot prepare %s", path);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", tree);
	l->cells.init = open(link, O_RDONLY | O_CLOEXEC);
	return l->cells.init < 0 ? err_set(err, errno, "cannot open %s", path) : 0;
}

/* What to do about a user namespace that is refused; each row is a switch that distributions have. */
static const char *userns_remedy(int num)
{
	static const struct {
		const char *path;
		char forbids;
		const char *remedy;
	} switches[] = {
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1',
		 "AppArmor forbids it (Ubuntu 23.10 and later): as root, sysctl "
		 "kernel.apparmor_restrict_unprivileged_userns=0, or install an AppArmor profile "
		 "for toolcell"},
		{"/proc/sys/kernel/unprivileged_userns_clone", '0',
		 "as root, sysctl kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/user/max_user_namespaces", '0',
		 "as root, sysctl user.max_user_namespaces=65536"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		CLEANUP(fd_closep) int fd = open(switches[i].path, O_RDONLY | O_CLOEXEC);
		char first;

		if (fd >= 0 && read(fd, &first, 1) == 1 && first == switches[i].forbids)
			return switches[i].remedy;
	}
	return num == EPERM ? "a container's seccomp profile may forbid it: allow unshare and "
			      "clone with "
			      "CLONE_NEWUSER, or run toolcell as root"
			    : "see toolcell doctor";
}

static int become_root_of_namespace(struct err *err)
{
	struct ns_map uid = {0, geteuid()};
	struct ns_map gid = {0, getegid()};
	CLEANUP(fd_closep) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (unshare(CLONE_NEWUSER) < 0) {
		int num = errno;

		return err_set(err, EPERM, "this account may not make user namespaces (%s): %s",
			       strerrordesc_np(num), userns_remedy(num));
	}
	/* A new namespace makes the process non-dumpable in some kernels' eyes; its own /proc files
	 * then belong to root. Dumpable for the length of three writes, while nothing else runs. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	r = proc < 0 ? -EIO : ns_write_maps(proc, 0, uid, gid, 1);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return r < 0 ? err_set(err, EPERM, "this account's user namespace got no id maps: %s",
			       userns_remedy(-r))
		     : 0;
}

static int take_mode(struct launcher *l, struct err *err)
{
	l->cells.root_mode = geteuid() == 0;
	if (l->cells.root_mode) {
		if (setgroups(0, NULL) < 0)
			return err_set(err, errno, "cannot clear supplementary groups");
		return 0;
	}
	l->missing |= FRAME_LAYER_PRIVATE_UID;
	if (getgroups(0, NULL) > 1)
		l->missing |= FRAME_LAYER_GROUPS;
	return become_root_of_namespace(err);
}

static void look_at_kernel(struct launcher *l)
{
	struct err why = {0};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	l->n_cpus = cpus > 0 ? (uint32_t)cpus : 1;
	l->landlock_abi = landlock_abi();
	if (l->landlock_abi < LANDLOCK_ABI_USEFUL)
		l->missing |= FRAME_LAYER_LANDLOCK;
	cgroup_root_open(&l->cgroups, l->engine, &why);
	if (!(l->cgroups.available & 1U << CGROUP_MEMORY))
		l->missing |= FRAME_LAYER_CGROUP_MEMORY;
	if (!(l->cgroups.available & 1U << CGROUP_PIDS))
		l->missing |= FRAME_LAYER_CGROUP_PIDS;
	if (!(l->cgroups.available & 1U << CGROUP_CPU))
		l->missing |= FRAME_LAYER_CGROUP_CPU;
	if (!(l->cgroups.available & 1U << CGROUP_IO))
		l->missing |= FRAME_LAYER_CGROUP_IO;
}

/*
 * A descriptor stays with the mounts of the namespace it was opened in, which may not be copied from
 * here on; the working directory moves along. So the workspace travels as the working directory.
 */
static int enter_mount_namespace(struct err *err)
{
	if (fchdir(LAUNCH_FD_WORKSPACE) < 0)
		return err_set(err, errno, "cannot enter the workspace");
	if (unshare(CLONE_NEWNS) < 0)
		return err_set(err, errno,
			       "cannot make a mount namespace; the launcher needs CAP_SYS_ADMIN");
	return 0;
}

/* The supervisor finds or compiles the image while everything above happens. */
static int receive_image(struct launcher *l, struct err *err)
{
	static struct frame_image frame;
	int fds[FD_PASS_MAX];
	size_t n_fds;
	ssize_t n = fd_recv(LAUNCH_FD_BROKER, &frame, sizeof(frame), fds, &n_fds);
	bool session = n == (ssize_t)sizeof(frame) && frame.data[0] != '\0';
	struct stat st;

	if (n != (ssize_t)sizeof(frame) || frame.head.type != FRAME_IMAGE ||
	    frame.head.bytes != sizeof(frame) || n_fds != (session ? 2 : 1) ||
	    (session && fstat(fds[1], &st) < 0)) {
		while (n_fds > 0)
			fd_closep(&fds[--n_fds]);
		return err_set(err, EPROTO, "no policy image has come");
	}
	l->cells.image_fd = fds[0];
	if (session) {
		l->cells.data_dev = st.st_dev;
		l->cells.data_ino = st.st_ino;
		fd_closep(&fds[1]);
	}
	session_receive(l, &frame);
	return image_map(l->cells.image_fd, &l->cells.image, err);
}

static int start(struct launcher *l, int argc, char **argv, struct err *err)
{
	CLEANUP(fd_closep) int root = -1;
	int r = keep_to_ourselves(err);

	if (r == 0)
		r = read_arguments(l, argc, argv, err);
	if (r < 0)
		return r;
	look_at_kernel(l);
	l->cells.root_mode = geteuid() == 0;
	r = identity_open(l, err);
	if (r == 0)
		r = take_mode(l, err);
	if (r == 0)
		r = enter_mount_namespace(err);
	if (r == 0)
		r = open_init(l, argv[ARG_INIT], err);
	if (r == 0)
		r = receive_image(l, err);
	if (r == 0)
		r = cell_build_templates(&l->cells, &root, err);
	if (r < 0)
		return r;
	/* From here on no path leads to the host's files. */
	r = mount_pivot(root);
	if (r < 0)
		return err_set(err, -r, "cannot leave the host's root file system");
	l->cells.proc = open(ROOT_PROC, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->cells.proc < 0)
		return err_set(err, errno, "cannot open /proc");
	return session_open(l, err);
}

static void announce(struct launcher *l)
{
	struct frame_ready ready = {
		.head = {FRAME_READY, sizeof(ready), 0},
		.root_mode = l->cells.root_mode,
		.landlock_abi = l->landlock_abi,
		.cgroup_version = (uint32_t)l->cgroups.version,
		.layers = FRAME_LAYER_ALL & ~l->missing,
		.missing = l->missing,
		.calls_max = LAUNCH_CALLS_MAX,
		.session = l->overlay.kind,
		.branches = overlay_branches(&l->overlay),
	};

	(void)snprintf(ready.session_why, sizeof(ready.session_why), "%s", l->session_why);
	serve_send(l, &ready, sizeof(ready));
}

int main(int argc, char **argv)
{
	struct frame_fatal fatal = {{FRAME_FATAL, sizeof(fatal), 0}, 0, 0, ""};
	struct err err = {0};

	if (start(&the_launcher, argc, argv, &err) == 0) {
		announce(&the_launcher);
		return serve(&the_launcher) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	fatal.num = err.num;
	(void)snprintf(fatal.text, sizeof(fatal.text), "%s", err.text);
	serve_send(&the_launcher, &fatal, sizeof(fatal));
	cgroup_root_close(&the_launcher.cgroups);
	return EXIT_FAILURE;
}
