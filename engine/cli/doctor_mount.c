/*
 * Theory of operation: mounts are made in a mount namespace of the probe's own, by the functions
 * that make a cell's; they vanish with the probe. What is only tried detached is never attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/doctor.h"
#include "confine/mount.h"
#include "confine/ns.h"

#define TMPFS_BYTES (1U << 20)

/* Where cells' mounts are made: as root directly, otherwise in a user namespace. */
static int enter_mounts(bool root_mode)
{
	int r = root_mode ? 0 : probe_enter_userns();

	if (r == 0 && unshare(CLONE_NEWNS) < 0)
		r = -errno;
	return r < 0 ? r : mount_private();
}

static int make_attached_tmpfs(const char *path)
{
	CLEANUP(fd_closep) int fd = -1;
	int r = mount_make_tmpfs(TMPFS_BYTES, 0, 0755, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, &fd);

	return r < 0 ? r : mount_attach(fd, AT_FDCWD, path);
}

static int fail_at(struct probe_answer *ret, const char *what, int r)
{
	if (r < 0)
		(void)snprintf(ret->text, sizeof(ret->text), "%s", what);
	return r;
}

static int probe_mount_api(const void *arg, struct probe_answer *ret)
{
	const bool *root_mode = arg;
	CLEANUP(fd_closep) int clone = -1;
	int r = fail_at(ret, "a mount namespace", enter_mounts(*root_mode));

	if (r == 0)
		r = fail_at(ret, "fsopen, move_mount", make_attached_tmpfs("/proc"));
	if (r == 0)
		r = fail_at(ret, "open_tree", mount_clone(AT_FDCWD, "/usr", true, &clone));
	if (r == 0)
		r = fail_at(ret, "mount_setattr",
			    mount_dress(clone, true, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, -1));
	return r;
}

void doctor_mount_api(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct probe_answer answer;

	(void)row;
	probe_run(probe_mount_api, &d->root_mode, PROBE_TIMEOUT_MS, &answer);
	doctor_judge(ret, answer.num == 0, true);
	if (answer.num == 0) {
		doctor_detail(ret, "fsopen, open_tree, move_mount and mount_setattr work");
		return;
	}
	doctor_detail(ret, "%s failed: %s", answer.text, strerrordesc_np(answer.num));
	if (answer.num == ENOSYS)
		doctor_remedy(
			ret,
			"use Linux 5.12 or newer; in a container, a seccomp profile that knows the "
			"calls (a newer container engine)");
	else
		doctor_remedy(
			ret, "in a container, grant CAP_SYS_ADMIN or lift its seccomp and AppArmor "
			     "profiles; else see namespace.user and namespace.mnt");
}

/* The first process of a new pid namespace, which is the one that may mount its proc. */
static int mount_proc_inside(void)
{
	CLEANUP(fd_closep) int fd = -1;

	return mount_make("proc", NULL, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
			  &fd);
}

static int probe_proc(const void *arg, struct probe_answer *ret)
{
	int status;
	pid_t pid;
	int r = probe_enter_userns();

	(void)arg;
	(void)ret;
	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(-mount_proc_inside() & 0xff); /* errno of mounting fits a byte */
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

void doctor_proc(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct probe_answer answer;

	(void)d;
	(void)row;
	probe_run(probe_proc, NULL, PROBE_TIMEOUT_MS, &answer);
	doctor_judge(ret, answer.num == 0, true);
	if (answer.num == 0) {
		doctor_detail(ret, "a fresh proc can be mounted in a cell");
		return;
	}
	doctor_detail(ret, "no fresh proc can be mounted in a cell: %s",
		      strerrordesc_np(answer.num));
	doctor_remedy(ret, "parts of /proc are masked, as containers do: docker run --security-opt "
			   "systempaths=unconfined; podman run --security-opt unmask=ALL; "
			   "Kubernetes: procMount: "
			   "Unmasked");
}

static int probe_overlay(const void *arg, struct probe_answer *ret)
{
	static const char *const folders[] = {"/proc/lower", "/proc/upper", "/proc/work"};
	static const struct mount_option options[] = {
		{"lowerdir", "/proc/lower"},
		{"upperdir", "/proc/upper"},
		{"workdir", "/proc/work"},
		{"userxattr", NULL}, /* what an overlay in a user namespace needs */
	};
	const bool *root_mode = arg;
	CLEANUP(fd_closep) int fd = -1;
	int r = enter_mounts(*root_mode);

	(void)ret;
	if (r == 0)
		r = make_attached_tmpfs("/proc"); /* a folder that is on every machine */
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		r = mkdir(folders[i], 0755) < 0 ? -errno : 0;
	if (r < 0)
		return r;
	return mount_make("overlay", options, ARRAY_SIZE(options) - (*root_mode ? 1 : 0), 0, &fd);
}

void doctor_overlay(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct probe_answer answer;

	(void)row;
	probe_run(probe_overlay, &d->root_mode, PROBE_TIMEOUT_MS, &answer);
	doctor_judge(ret, answer.num == 0, true);
	if (answer.num == 0) {
		doctor_detail(ret, "an overlay on tmpfs was made%s",
			      d->root_mode ? "" : " in a user namespace");
		return;
	}
	doctor_detail(ret, "no overlay can be made: %s", strerrordesc_np(answer.num));
	doctor_remedy(ret, "%s",
		      answer.num == ENODEV ? "as root: modprobe overlay"
					   : "use Linux 5.11 or newer, where user namespaces "
					     "may mount overlays");
}

static int probe_idmap(const void *arg, struct probe_answer *ret)
{
	const struct doctor *d = arg;
	CLEANUP(fd_closep) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(fd_closep) int userns = -1;
	CLEANUP(fd_closep) int clone = -1;
	struct stat st = {0};
	int r = proc < 0 || stat(d->workspace, &st) < 0 ? -errno : 0;

	if (r == 0)
		r = enter_mounts(true);
	if (r == 0)
		r = fail_at(ret, "the mapping",
			    ns_make_idmap(proc, (struct ns_map){st.st_uid, d->uid},
					  (struct ns_map){st.st_gid, d->uid}, &userns));
	if (r == 0)
		r = fail_at(ret, "open_tree", mount_clone(AT_FDCWD, d->workspace, false, &clone));
	return r < 0 ? r : fail_at(ret, "MOUNT_ATTR_IDMAP", mount_dress(clone, false, 0, userns));
}

void doctor_idmap(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct probe_answer answer;
	struct statfs fs;

	(void)row;
	if (!d->root_mode) {
		doctor_detail(ret, "not used in rootless mode: cells share this account's uid");
		ret->status = DOCTOR_UNUSED;
		return;
	}
	probe_run(probe_idmap, d, PROBE_TIMEOUT_MS, &answer);
	doctor_judge(ret, answer.num == 0, true);
	if (statfs(d->workspace, &fs) < 0)
		(void)memset(&fs, 0, sizeof(fs));
	if (answer.num == 0) {
		doctor_detail(
			ret,
			"the workspace's file system (type 0x%lx) can be mounted with other ids",
			(unsigned long)fs.f_type);
		return;
	}
	doctor_detail(ret,
		      "the workspace's file system (type 0x%lx) cannot be mounted with other ids: "
		      "%s%s%s",
		      (unsigned long)fs.f_type, answer.text, answer.text[0] ? ": " : "",
		      strerrordesc_np(answer.num));
	doctor_remedy(ret,
		      "put the workspace on ext4, xfs, btrfs (Linux 5.15) or tmpfs (6.3), or run "
		      "toolcell from the owner's account");
}
