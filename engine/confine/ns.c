/* Theory of operation: thin wrappers; glibc 2.36 has none for clone3. */
#include "confine/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

pid_t ns_clone(uint64_t flags, int cgroup, int *ret_pidfd)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (__u64)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	long pid;

	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (__u64)cgroup;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return -errno;
	if (pid > 0)
		*ret_pidfd = pidfd;
	return (pid_t)pid;
}

static int write_file(int proc, pid_t pid, const char *name, const char *text)
{
	char path[64];
	CLEANUP(fd_closep) int fd = -1;

	if (pid == 0)
		(void)snprintf(path, sizeof(path), "self/%s", name);
	else
		(void)snprintf(path, sizeof(path), "%d/%s", pid, name);
	fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fd_write_full(fd, text, strlen(text));
}

static int write_map(int proc, pid_t pid, const char *name, struct ns_map map)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "%u %u 1\n", map.inside, map.outside);
	return write_file(proc, pid, name, line);
}

int ns_write_maps(int proc, pid_t pid, struct ns_map uid, struct ns_map gid, int deny_setgroups)
{
	int r = 0;

	if (deny_setgroups)
		r = write_file(proc, pid, "setgroups", "deny");
	if (r == 0)
		r = write_map(proc, pid, "gid_map", gid);
	if (r == 0)
		r = write_map(proc, pid, "uid_map", uid);
	return r;
}

/*
 * Only there until somebody has opened /proc/PID/ns/user. Holds none of its parent's descriptors, whose
 * ends others wait for, and does not outlive it.
 */
static NORETURN void be_a_namespace(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent ||
	    fd_close_others(NULL, 0) < 0)
		_exit(1);
	for (;;)
		(void)pause();
}

int ns_make_idmap(int proc, struct ns_map uid, struct ns_map gid, int *ret_fd)
{
	CLEANUP(fd_closep) int pidfd = -1;
	char path[64];
	siginfo_t info;
	pid_t parent = getpid();
	pid_t pid = ns_clone(CLONE_NEWUSER, -1, &pidfd);
	int r;

	if (pid < 0)
		return (int)pid;
	if (pid == 0)
		be_a_namespace(parent);
	r = ns_write_maps(proc, pid, uid, gid, 0);
	if (r == 0) {
		(void)snprintf(path, sizeof(path), "%d/ns/user", pid);
		*ret_fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
		if (*ret_fd < 0)
			r = -errno;
	}
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	(void)waitid(P_PID, (id_t)pid, &info, WEXITED);
	return r;
}

int ns_loopback_up(void)
{
	CLEANUP(fd_closep) int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_name = "lo"};

	if (sock < 0 || ioctl(sock, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP);
	return ioctl(sock, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}
