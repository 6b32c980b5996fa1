/*
 * Theory of operation: a launcher without any cell. Each call is a child in a process group of its
 * own; a pidfd tells when it has ended. What stands in sh's command may ask for misbehaviour instead:
 *
 *	@policy, @error, @oom	end at once with that cause
 *	@die, @fatal		the launcher goes away
 *	@short, @unknown, @fd, @type	a frame that breaks the protocol
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/frame.h"
#include "wire/plan.h"

#define CHILDREN_MAX 64

struct child {
	uint64_t call;
	pid_t pid;
	int pidfd;
	uint32_t cause;
	int64_t deadline_ms;
	int exec_errno;
	uint32_t branch;
	uint32_t workspace;
	int summary; /* -1: none */
	char command[128];
};

static struct child children[CHILDREN_MAX];
static size_t n_children;
static int socket_fd;
static struct image_limits cell_limits;
static int log_fd;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint32_t ended_workspace; /* of the report that is sent next */

static void send_ended(uint64_t call, uint32_t cause, int code, int signal, int num,
		       const char *text)
{
	struct frame_ended e = {
		.head = {FRAME_ENDED, sizeof(e), call},
		.cause = cause,
		.exit_code = cause == FRAME_CAUSE_EXIT ? code : -1,
		.signal = signal,
		.layers = FRAME_LAYER_NS_USER | FRAME_LAYER_SECCOMP | FRAME_LAYER_LANDLOCK,
		.missing = FRAME_LAYER_CGROUP_IO,
		.workspace = ended_workspace,
		.usage = {.wall_us = 1500,
			  .memory_peak_bytes = UINT64_MAX,
			  .processes_peak = 3,
			  .oom_kills = cause == FRAME_CAUSE_MEMORY_LIMIT},
		.limits = cell_limits,
		.error_num = num,
	};

	(void)snprintf(e.error, sizeof(e.error), "%s", text);
	if (fd_send(socket_fd, &e, sizeof(e), NULL, 0) < 0)
		_exit(0);
}

static struct plan read_plan(int fd)
{
	struct stat st;
	struct plan plan;
	struct err err;
	char *data;

	if (fstat(fd, &st) < 0)
		_exit(9);
	data = malloc((size_t)st.st_size);
	if (pread(fd, data, (size_t)st.st_size, 0) != st.st_size ||
	    plan_decode(data, (size_t)st.st_size, &plan, &err) < 0)
		_exit(9);
	free(data);
	return plan;
}

static void misbehave(const char *what, uint64_t call)
{
	struct frame_fatal fatal = {.head = {FRAME_FATAL, sizeof(fatal), 0}, .num = 5};
	struct frame_head odd = {77, sizeof(odd), call};
	struct frame_started other = {.head = {FRAME_STARTED, sizeof(other), call + 1000}};

	if (strcmp(what, "@policy") == 0)
		send_ended(call, FRAME_CAUSE_POLICY, 0, 0, ENOSYS, "Landlock is required");
	else if (strcmp(what, "@error") == 0)
		send_ended(call, FRAME_CAUSE_LAUNCHER_ERROR, 0, 0, EIO, "cannot make a cgroup");
	else if (strcmp(what, "@oom") == 0)
		send_ended(call, FRAME_CAUSE_MEMORY_LIMIT, 0, SIGKILL, 0, "");
	else if (strcmp(what, "@short") == 0)
		(void)!write(socket_fd, "abc", 3);
	else if (strcmp(what, "@unknown") == 0)
		(void)!write(socket_fd, &other, sizeof(other));
	else if (strcmp(what, "@type") == 0)
		(void)!write(socket_fd, &odd, sizeof(odd));
	else if (strcmp(what, "@fatal") == 0) {
		(void)snprintf(fatal.text, sizeof(fatal.text), "out of cgroups");
		(void)!write(socket_fd, &fatal, sizeof(fatal));
	} else {
		_exit(0);
	}
}

static pid_t spawn(const struct plan *plan, const int *fds, int *ret_errno)
{
	int report[2];
	int num = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		_exit(9);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGPIPE, SIG_DFL);
		for (int i = 0; i < 3; i++)
			dup2(fds[FRAME_FD_STDIN + i], i);
		num = chdir(plan->cwd) < 0 ? errno : 0;
		if (num == 0)
			execvpe(plan->argv[0], plan->argv, plan->envp);
		num = errno;
		(void)!write(report[1], &num, sizeof(num));
		_exit(127);
	}
	close(report[1]);
	(void)!read(report[0], &num, sizeof(num));
	close(report[0]);
	*ret_errno = num;
	return pid;
}

/* "call CELL BRANCH FLAGS WHAT": what the broker wants, in the order in which it wants it. */
static void log_call(const struct frame_call *call, const struct plan *plan)
{
	const char *what = plan->argv[1] ? plan->argv[1] : "";

	if (strcmp(what, "-c") == 0 && plan->argv[2])
		what = plan->argv[2];
	if (log_fd >= 0)
		dprintf(log_fd, "call %u %u %u %.60s\n", call->cell, call->branch, call->flags,
			what);
}

static bool branch_is_busy(uint32_t branch)
{
	for (size_t i = 0; i < n_children; i++)
		if (children[i].branch == branch)
			return true;
	return false;
}

static void ask(const struct frame_session *frame)
{
	if (log_fd >= 0)
		dprintf(log_fd, "session %u %u %u\n", frame->op, frame->branch, frame->arg);
	layers_ask(socket_fd, frame, branch_is_busy(frame->branch));
}

static void start(const struct frame_call *call, const int *fds)
{
	struct frame_started started = {.head = {FRAME_STARTED, sizeof(started), call->head.call}};
	struct plan plan = read_plan(fds[FRAME_FD_PLAN]);
	uint64_t wall = call->wall_ms ? call->wall_ms : cell_limits.wall_ms;
	struct child *c = &children[n_children];

	log_call(call, &plan);
	ended_workspace = layers_workspace(call);
	if (plan.argv[1] && plan.argv[2] && plan.argv[2][0] == '@') {
		misbehave(plan.argv[2], call->head.call);
		return;
	}
	*c = (struct child){.call = call->head.call,
			    .deadline_ms = now_ms() + (int64_t)wall,
			    .branch = call->branch,
			    .workspace = ended_workspace,
			    .summary = -1};
	if (call->flags & FRAME_CALL_SUMMARY)
		c->summary = fcntl(fds[frame_fd_summary(call->flags)], F_DUPFD_CLOEXEC, 3);
	(void)snprintf(c->command, sizeof(c->command), "%s",
		       plan.argv[1] && plan.argv[2] ? plan.argv[2] : "");
	c->pid = spawn(&plan, fds, &c->exec_errno);
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0); /* glibc wraps it from 2.36 on */
	n_children++;
	if (c->exec_errno == 0)
		(void)!write(socket_fd, &started, sizeof(started));
	plan_fini(&plan);
}

static void reap(struct child *c)
{
	int status = 0;

	kill(-c->pid, SIGKILL);
	waitpid(c->pid, &status, 0);
	ended_workspace = c->workspace;
	if (c->summary >= 0 && c->cause == FRAME_CAUSE_EXIT)
		layers_summary(c->summary, c->command);
	fd_closep(&c->summary);
	if (strstr(c->command, "#quota"))
		c->cause = FRAME_CAUSE_DISK_LIMIT;
	if (c->cause != FRAME_CAUSE_EXIT)
		send_ended(c->call, c->cause, 0, SIGKILL, 0, "");
	else if (WIFSIGNALED(status))
		send_ended(c->call, FRAME_CAUSE_SIGNAL, 0, WTERMSIG(status), 0, "");
	else
		send_ended(c->call, FRAME_CAUSE_EXIT, WEXITSTATUS(status), 0, c->exec_errno,
			   c->exec_errno ? strerror(c->exec_errno) : "");
	close(c->pidfd);
	*c = children[--n_children];
}

static void stop(uint64_t call, uint32_t cause)
{
	for (size_t i = 0; i < n_children; i++)
		if (children[i].call == call) {
			children[i].cause = cause;
			kill(-children[i].pid, SIGKILL);
		}
}

static void end(void)
{
	for (size_t i = 0; i < n_children; i++)
		kill(-children[i].pid, SIGKILL);
	_exit(0);
}

static void take_frame(void)
{
	_Alignas(8) char frame[FRAME_BYTES_MAX];
	int fds[FD_PASS_MAX];
	size_t n_fds;
	ssize_t n = fd_recv(socket_fd, frame, sizeof(frame), fds, &n_fds);
	const struct frame_head *head = (const void *)frame;

	if (n <= 0)
		end();
	if (head->type == FRAME_CALL && n_fds >= FRAME_CALL_FDS && n_fds <= FRAME_CALL_FDS_MAX)
		start((const void *)frame, fds);
	else if (head->type == FRAME_SESSION && n_fds == 0)
		ask((const void *)frame);
	else if (head->type == FRAME_KILL)
		stop(head->call, ((const struct frame_kill *)(const void *)frame)->cause);
	else
		end();
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
}

void launcher_run(int fd, const struct image_limits *limits, int log)
{
	log_fd = log;
	socket_fd = fd;
	cell_limits = *limits;
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		struct pollfd polls[CHILDREN_MAX + 1] = {{fd, POLLIN, 0}};
		size_t n = n_children;

		for (size_t i = 0; i < n; i++)
			polls[i + 1] = (struct pollfd){children[i].pidfd, POLLIN, 0};
		(void)poll(polls, n + 1, 20);
		for (size_t i = n; i > 0; i--) {
			if (polls[i].revents)
				reap(&children[i - 1]);
			else if (children[i - 1].deadline_ms < now_ms())
				stop(children[i - 1].call, FRAME_CAUSE_WALL_LIMIT);
		}
		if (polls[0].revents)
			take_frame();
	}
}
