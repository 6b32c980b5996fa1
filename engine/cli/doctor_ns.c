/*
 * Theory of operation: every namespace is unshared for real, once as this account and once inside a
 * user namespace, which is how cells get it in both modes. Where user namespaces are forbidden, the
 * switch that forbids them is looked for, so that the remedy is one command.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/doctor.h"
#include "wire/image.h"

#define NOBODY 65534U

static int probe_direct(const void *arg, struct probe_answer *ret)
{
	const uint64_t *flag = arg;

	(void)ret;
	return unshare((int)*flag) < 0 ? -errno : 0;
}

static int probe_inside(const void *arg, struct probe_answer *ret)
{
	const uint64_t *flag = arg;
	int r = probe_enter_userns();

	if (r < 0 ||
	    *flag == CLONE_NEWUSER) /* AppArmor lets one be made, and takes its capabilities */
		return r < 0 ? r : unshare(CLONE_NEWNS) < 0 ? -errno : 0;
	return probe_direct(arg, ret);
}

bool doctor_can_enter(void)
{
	static const uint64_t flag = CLONE_NEWNS;
	struct probe_answer answer;

	probe_run(probe_direct, &flag, PROBE_TIMEOUT_MS, &answer);
	return answer.num == 0;
}

/* Switches that forbid user namespaces, and the value that does. */
static const struct {
	const char *path;
	const char *forbids;
	const char *remedy;
} switches[] = {
	{"/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0",
	 "sysctl -w kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
	 "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or load an AppArmor profile "
	 "that "
	 "grants \"userns,\" to toolcell-launcher"},
};

static bool switch_is(const char *path, const char *value)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, value) == 0;
}

static void userns_remedy(struct doctor_check *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		if (switch_is(switches[i].path, switches[i].forbids)) {
			doctor_remedy(ret, "as root: %s", switches[i].remedy);
			return;
		}
	doctor_remedy(
		ret,
		"no sysctl forbids it: in a container, allow unshare(2), clone3(2) and mount(2) "
		"in its seccomp profile (docker: --security-opt seccomp=unconfined --security-opt "
		"apparmor=unconfined); else use a kernel with CONFIG_USER_NS=y");
}

void doctor_namespace(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct probe_answer direct = {.num = EPERM};
	struct probe_answer inside;

	if (d->root_mode)
		probe_run(probe_direct, &row->flag, PROBE_TIMEOUT_MS, &direct);
	probe_run(probe_inside, &row->flag, PROBE_TIMEOUT_MS, &inside);
	doctor_judge(ret, inside.num == 0, true);
	if (inside.num == 0) {
		doctor_detail(ret, "%s",
			      direct.num == 0 ? "as root, and in a user namespace"
					      : "in a user namespace");
		return;
	}
	doctor_detail(ret, "%sin a user namespace: %s",
		      direct.num == 0 ? "works as root, but not " : "cannot be made ",
		      strerrordesc_np(inside.num));
	if (inside.num == EINVAL)
		doctor_remedy(ret, "this kernel was built without it; use a distribution's kernel");
	else
		userns_remedy(ret);
}

static int become_nobody(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	/* Changing uid made us undumpable, and /proc/self root's, where the id maps are written. */
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? -errno : 0;
}

static int probe_nobody(const void *arg, struct probe_answer *ret)
{
	static const uint64_t flag = CLONE_NEWUSER;
	int r = become_nobody();

	(void)arg;
	return r < 0 ? r : probe_inside(&flag, ret);
}

/* As root only: whether ordinary accounts could work here too. */
void doctor_userns(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	static const uint64_t flag = CLONE_NEWUSER;
	struct probe_answer answer;

	(void)row;
	if (d->root_mode)
		probe_run(probe_nobody, NULL, PROBE_TIMEOUT_MS, &answer);
	else
		probe_run(probe_inside, &flag, PROBE_TIMEOUT_MS, &answer);
	doctor_judge(ret, answer.num == 0, !d->root_mode);
	if (answer.num == 0) {
		doctor_detail(ret, "ordinary accounts may use rootless mode");
		return;
	}
	doctor_detail(ret, "ordinary accounts cannot use rootless mode: %s",
		      strerrordesc_np(answer.num));
	if (d->root_mode)
		ret->status = DOCTOR_UNUSED;
	userns_remedy(ret);
}

static int probe_uid(const void *arg, struct probe_answer *ret)
{
	const uint32_t *uid = arg;

	(void)ret;
	if (setresgid(*uid, *uid, *uid) < 0 || setresuid(*uid, *uid, *uid) < 0)
		return -errno;
	return 0;
}

void doctor_uids(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct probe_answer answer;

	(void)row;
	if (!d->root_mode) {
		doctor_detail(
			ret, "cells share this account's uid %u: only root can give them their own",
			geteuid());
		doctor_judge(ret, false, d->require & IMAGE_REQUIRE_PRIVATE_UID);
		doctor_remedy(ret, "run toolcell as root for a uid per cell");
		return;
	}
	probe_run(probe_uid, &d->uid, PROBE_TIMEOUT_MS, &answer);
	doctor_judge(ret, answer.num == 0, true);
	if (answer.num == 0) {
		doctor_detail(ret, "cells can run under uids of their own, such as %u", d->uid);
		return;
	}
	doctor_detail(ret, "uid %u cannot be taken: %s", d->uid, strerrordesc_np(answer.num));
	doctor_remedy(ret,
		      "/proc/self/uid_map lists the uids of this container; give toolcell some of "
		      "them with --uid-range, or map more of them");
}
