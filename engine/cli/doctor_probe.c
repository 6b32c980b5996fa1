/*
 * Theory of operation: a child runs the probe and writes one fixed-size answer into a pipe; the
 * parent waits for it with a deadline and kills what does not answer. Namespaces, mounts and
 * filters of a probe end with its process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/doctor.h"

static_assert(sizeof(struct probe_answer) <= 4096, "one answer is one write of at most PIPE_BUF");

static void NORETURN probe_child(int (*fn)(const void *arg, struct probe_answer *ret),
				 const void *arg, int out)
{
	struct probe_answer answer = {0};
	int r = fn(arg, &answer);

	answer.num = r < 0 ? -r : 0;
	_exit(fd_write_full(out, &answer, sizeof(answer)) < 0);
}

static void probe_read(int in, uint32_t timeout_ms, struct probe_answer *ret)
{
	struct pollfd p = {.fd = in, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, (int)timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		ret->num = n == 0 ? ETIMEDOUT : errno;
	else if (fd_read_full(in, ret, sizeof(*ret)) != (ssize_t)sizeof(*ret))
		*ret = (struct probe_answer){.num = ECHILD};
	ret->text[sizeof(ret->text) - 1] = '\0';
}

void probe_run(int (*fn)(const void *arg, struct probe_answer *ret), const void *arg,
	       uint32_t timeout_ms, struct probe_answer *ret)
{
	CLEANUP(fd_closep) int in = -1;
	CLEANUP(fd_closep) int out = -1;
	int ends[2];
	pid_t pid;

	*ret = (struct probe_answer){0};
	if (pipe2(ends, O_CLOEXEC) < 0) {
		ret->num = errno;
		return;
	}
	in = ends[0];
	out = ends[1];
	pid = fork();
	if (pid < 0) {
		ret->num = errno;
		return;
	}
	if (pid == 0)
		probe_child(fn, arg, out);
	fd_closep(&out);
	probe_read(in, timeout_ms, ret);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int write_file(const char *path, const char *text)
{
	CLEANUP(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_write_full(fd, text, strlen(text));
}

int probe_enter_userns(void)
{
	char uids[64];
	char gids[64];
	int r;

	(void)snprintf(uids, sizeof(uids), "0 %u 1", geteuid());
	(void)snprintf(gids, sizeof(gids), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	r = write_file("/proc/self/setgroups", "deny");
	if (r == 0)
		r = write_file("/proc/self/uid_map", uids);
	return r < 0 ? r : write_file("/proc/self/gid_map", gids);
}

int probe_exec(const char *const *argv, const char *const *envp)
{
	pid_t parent = getppid();

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != parent)
		return -ECHILD;
	(void)execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
	return -errno;
}

void doctor_detail(struct doctor_check *check, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(check->detail, sizeof(check->detail), fmt, ap);
	va_end(ap);
}

void doctor_remedy(struct doctor_check *check, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(check->remedy, sizeof(check->remedy), fmt, ap);
	va_end(ap);
}

void doctor_judge(struct doctor_check *check, bool fine, bool needed)
{
	if (fine)
		check->status = DOCTOR_OK;
	else
		check->status = needed ? DOCTOR_MISSING : DOCTOR_WARNING;
}
