/*
 * The life of one call; states in launch.h.
 *
 * Theory of operation: a frame has been checked by serve.c and names a cell by index. Limits may only
 * shrink. From clone on there is exactly one way out: the pidfd becomes readable when PID 1 of the
 * cell is dead and with it the whole pid namespace; then usage is read, FRAME_ENDED is sent, and the
 * cgroup goes. Whatever killed the cell has written its cause before.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "launch/launch.h"
#include "wire/changes.h"
#include "wire/plan.h"
#include "wire/record.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define CPU_CHECK_MIN_US 20000ULL
#define CPU_ROUNDING_US 50000ULL
#define SESSION_PATIENCE_US 10000000ULL
#define SESSION_RETRY_US 20000ULL
#define STOP_GRACE_US 500000ULL /* init looks at changes for 250 ms at most */
/* Where init moves protected paths aside: nobody else could, and hundreds of processes die slowly. */
#define STOP_GRACE_DIRECT_US 5000000ULL

static struct call *free_call(struct launcher *l)
{
	for (uint32_t i = 0; i < LAUNCH_CALLS_MAX; i++) {
		if (l->calls[i].state != CALL_FREE)
			continue;
		l->calls[i] = (struct call){.slot = i,
					    .control = -1,
					    .child_control = -1,
					    .pidfd = -1,
					    .mount_ns = -1,
					    .plan = -1,
					    .summary = -1,
					    .record = -1,
					    .stdio = {-1, -1, -1},
					    .kill_cause = FRAME_CAUSE_N};
		return &l->calls[i];
	}
	return NULL;
}

static void close_call_fds(struct call *call)
{
	for (int i = 0; i < 3; i++)
		fd_closep(&call->stdio[i]);
	fd_closep(&call->plan);
	fd_closep(&call->summary);
	fd_closep(&call->record);
	fd_closep(&call->child_control);
}

uint32_t call_identity(const struct call *call)
{
	return call->branch > 0 ? IDENTITY_SESSION : call->slot;
}

static uint32_t missing_of(const struct launcher *l, const struct call *call)
{
	static const struct {
		enum cgroup_controller controller;
		uint32_t layer;
	} rows[] = {
		{CGROUP_MEMORY, FRAME_LAYER_CGROUP_MEMORY},
		{CGROUP_PIDS, FRAME_LAYER_CGROUP_PIDS},
		{CGROUP_CPU, FRAME_LAYER_CGROUP_CPU},
		{CGROUP_IO, FRAME_LAYER_CGROUP_IO},
	};
	uint32_t missing = l->missing;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!(call->leaf.enforced & 1U << rows[i].controller))
			missing |= rows[i].layer;
	/* A limit that the policy does not set is not missing. */
	if (call->limits.cpu_permille == 0)
		missing &= ~(uint32_t)FRAME_LAYER_CGROUP_CPU;
	if (call->limits.io_bytes_per_s == 0)
		missing &= ~(uint32_t)FRAME_LAYER_CGROUP_IO;
	return missing;
}

static void send_ended(struct launcher *l, const struct call *call, struct frame_ended *frame)
{
	uint32_t missing = missing_of(l, call);
	uint32_t all = FRAME_LAYER_ALL;

	if (call->limits.cpu_permille == 0)
		all &= ~(uint32_t)FRAME_LAYER_CGROUP_CPU;
	if (call->limits.io_bytes_per_s == 0)
		all &= ~(uint32_t)FRAME_LAYER_CGROUP_IO;
	frame->head = (struct frame_head){FRAME_ENDED, sizeof(*frame), call->id};
	frame->limits = call->limits;
	if (call->pid > 0) {
		frame->missing = missing;
		frame->layers = all & ~missing;
		frame->uid = l->cells.root_mode ? l->identities[call_identity(call)].uid
						: (uint32_t)getuid();
		frame->workspace = call->workspace;
	}
	serve_send(l, frame, sizeof(*frame));
}

/* The call is over before anything of it ran. */
static void refuse(struct launcher *l, struct call *call, uint32_t cause, const struct err *err)
{
	struct frame_ended frame = {.cause = cause,
				    .exit_code = -1,
				    .error_num = err->num,
				    .usage = {.memory_peak_bytes = UINT64_MAX,
					      .processes_peak = UINT64_MAX}};

	(void)snprintf(frame.error, sizeof(frame.error), "%s", err->text);
	send_ended(l, call, &frame);
	session_leave(l, call);
	close_call_fds(call);
	call->state = CALL_FREE;
}

static uint64_t lower(uint64_t own, uint64_t asked)
{
	return asked == 0 ? own : own == 0 ? asked : MIN(own, asked);
}

static void narrow_limits(struct call *call, const struct frame_call *frame)
{
	call->limits = call->cell->limits;
	call->limits.wall_ms = lower(call->limits.wall_ms, frame->wall_ms);
	call->limits.cpu_ms = lower(call->limits.cpu_ms, frame->cpu_ms);
	call->limits.memory_bytes = lower(call->limits.memory_bytes, frame->memory_bytes);
	call->limits.processes = lower(call->limits.processes, frame->processes);
}

/* A broker may only hand over streams: a folder or a disk would be a way around the mounts. */
static int check_stdio(const struct call *call, struct err *err)
{
	for (int i = 0; i < 3; i++) {
		struct stat st;
		int flags = fcntl(call->stdio[i], F_GETFL);

		if (flags < 0 || fstat(call->stdio[i], &st) < 0)
			return err_set(err, errno, "descriptor %d of the call cannot be looked at",
				       i);
		if ((flags & O_PATH) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
			return err_set(err, EPERM,
				       "descriptor %d of the call is a folder or a device", i);
	}
	return 0;
}

static int check_plan(const struct call *call, struct err *err)
{
	struct stat st;
	int r = fd_check_sealed(call->plan, err);

	if (r < 0)
		return r;
	if (fstat(call->plan, &st) < 0)
		return err_set(err, errno, "the call plan cannot be looked at");
	if (st.st_size <= 0 || (uintmax_t)st.st_size > PLAN_BYTES_MAX)
		return err_set(err, E2BIG,
			       "arguments and environment have %jd bytes; at most %zu fit",
			       (intmax_t)st.st_size, PLAN_BYTES_MAX);
	return 0;
}

static const struct {
	uint32_t require;
	uint32_t layer;
} required[] = {
	{IMAGE_REQUIRE_CGROUP_MEMORY, FRAME_LAYER_CGROUP_MEMORY},
	{IMAGE_REQUIRE_CGROUP_PIDS, FRAME_LAYER_CGROUP_PIDS},
	{IMAGE_REQUIRE_CGROUP_CPU, FRAME_LAYER_CGROUP_CPU},
	{IMAGE_REQUIRE_PRIVATE_UID, FRAME_LAYER_PRIVATE_UID},
};

static int check_required(const struct launcher *l, const struct call *call, struct err *err)
{
	uint32_t missing = missing_of(l, call);

	for (size_t i = 0; i < ARRAY_SIZE(required); i++)
		if ((call->cell->require & required[i].require) && (missing & required[i].layer))
			return err_set(err, EPERM,
				       "policy %s requires %s, which this kernel or account does "
				       "not give; "
				       "see toolcell doctor",
				       image_string(&l->cells.image, call->cell->policy),
				       frame_layer_name(required[i].layer));
	if (call->cell->landlock_abi_min > 0 &&
	    ((missing & FRAME_LAYER_LANDLOCK) || l->landlock_abi < call->cell->landlock_abi_min))
		return err_set(err, EPERM, "policy %s requires Landlock ABI %u; this kernel has %u",
			       image_string(&l->cells.image, call->cell->policy),
			       call->cell->landlock_abi_min, l->landlock_abi);
	return 0;
}

static int make_leaf(struct launcher *l, struct call *call, struct err *err)
{
	const struct cgroup_limits limits = {
		.memory_bytes = call->limits.memory_bytes,
		.processes = call->limits.processes,
		.cpu_permille = call->limits.cpu_permille,
		.io_bytes_per_s = call->limits.io_bytes_per_s,
		.io_major = l->disk_major,
		.io_minor = l->disk_minor,
	};

	if (l->cgroups.version == 0)
		return 0;
	return cgroup_leaf_make(&l->cgroups, call->slot, &limits, &call->leaf, err);
}

static int clone_child(struct launcher *l, struct call *call, struct err *err)
{
	char path[32];
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "cannot make a socket for the cell");
	call->control = pair[0];
	call->child_control = pair[1];
	pid = ns_clone(NS_CELL_FLAGS, cgroup_leaf_fd(&call->leaf), &call->pidfd);
	if (pid == 0)
		cell_child_main(&(struct cell_child){
			.factory = &l->cells,
			.cell = call->cell,
			.template = call->template,
			.leaf = &call->leaf,
			.stdio = {call->stdio[0], call->stdio[1], call->stdio[2]},
			.plan = call->plan,
			.control = call->child_control,
			.workspace = call->workspace,
			.branch = call->branch,
			.summary = session_init_summary(l, call),
			.summary_fd = session_init_summary(l, call) == INIT_SUMMARY_NONE
					      ? -1
					      : call->summary,
			.record_fd = call->record,
		});
	if (pid < 0)
		return err_set(err, -pid, "cannot make the cell's namespaces");
	call->pid = pid;
	(void)snprintf(path, sizeof(path), "%d/ns/mnt", pid);
	call->mount_ns = openat(l->cells.proc, path, O_RDONLY | O_CLOEXEC);
	fd_closep(&call->child_control);
	return 0;
}

static void abandon(struct launcher *l, struct call *call, const struct err *err)
{
	fd_closep(&call->control);
	if (call->leaf.root && cgroup_leaf_remove(&call->leaf) < 0)
		call->leaf.root = NULL; /* the sweep at the end removes it */
	refuse(l, call, FRAME_CAUSE_LAUNCHER_ERROR, err);
}

/*
 * Init writes it with all that it may; a file of somebody else's it could be made to spoil, and one that
 * shrinks under a mapping would kill it.
 */
static int check_room(int fd, uintmax_t bytes, const char *what, struct err *err)
{
	static const int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fd < 0 ? wanted : fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & wanted) != wanted)
		return err_set(err, EPERM, "the room for the %s is no sealed memfd", what);
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_size < 0 || (uintmax_t)st.st_size != bytes))
		return err_set(err, EPERM, "the room for the %s has not %ju bytes", what, bytes);
	return 0;
}

static int validate(const struct call *call, struct err *err)
{
	int r = check_stdio(call, err);

	if (r == 0)
		r = check_plan(call, err);
	if (r == 0)
		r = check_room(call->summary, CHANGES_BYTES_MAX, "summary of changes", err);
	if (r == 0)
		r = check_room(call->record, sizeof(struct record), "record of denials", err);
	return r;
}

static void start_cell(struct launcher *l, struct call *call)
{
	struct err err = {0};
	int r = identity_take(l, call_identity(call), &err);

	if (r == 0)
		r = make_leaf(l, call, &err);
	if (r == 0 && check_required(l, call, &err) < 0) {
		if (call->leaf.root && cgroup_leaf_remove(&call->leaf) < 0)
			call->leaf.root = NULL;
		refuse(l, call, FRAME_CAUSE_POLICY, &err);
		return;
	}
	if (r == 0)
		r = clone_child(l, call, &err);
	if (r < 0) {
		abandon(l, call, &err);
		return;
	}
	call->state = CALL_SETUP;
	call->summary_wanted = session_init_summary(l, call) != INIT_SUMMARY_NONE;
	if (prepare_child(l, call, &err) < 0) {
		/* Through the one way out: the child dies, call_end tells why. */
		call->failed = (struct init_report){.type = REPORT_FAILED,
						    .step = STEP_GO,
						    .num = err.num};
		(void)snprintf(call->why, sizeof(call->why), "%s", err.text);
		call_kill(call, FRAME_CAUSE_LAUNCHER_ERROR);
	}
	close_call_fds(call);
}

/* A person's command, or another engine, holds the session for as long as it changes layers. */
static void admit(struct launcher *l, struct call *call)
{
	uint64_t now = serve_now_us();
	struct err err = {0};
	int r = session_enter(l, call, &err);

	if (r == -EBUSY && now < call->begun_us + SESSION_PATIENCE_US) {
		call->state = CALL_WAITING;
		call->retry_us = now + SESSION_RETRY_US;
	} else if (r < 0) {
		refuse(l, call,
		       call->policy_refuses ? FRAME_CAUSE_POLICY : FRAME_CAUSE_LAUNCHER_ERROR,
		       &err);
	} else {
		start_cell(l, call);
	}
}

static int optional_fd(const struct frame_call *frame, uint32_t flag, const int *fds, uint32_t at)
{
	return frame->flags & flag ? fds[at] : -1;
}

void call_start(struct launcher *l, const struct frame_call *frame, int *fds)
{
	struct call *call = free_call(l);
	struct err err = {0};

	if (!call) {
		struct call none = {.id = frame->head.call,
				    .stdio = {fds[1], fds[2], fds[3]},
				    .plan = fds[0],
				    .summary = optional_fd(frame, FRAME_CALL_SUMMARY, fds,
							   frame_fd_summary(frame->flags)),
				    .record = optional_fd(frame, FRAME_CALL_RECORD, fds,
							  frame_fd_record(frame->flags)),
				    .child_control = -1};

		(void)err_set(&err, EBUSY, "%u calls are running", LAUNCH_CALLS_MAX);
		refuse(l, &none, FRAME_CAUSE_LAUNCHER_ERROR, &err);
		return;
	}
	call->id = frame->head.call;
	call->plan = fds[FRAME_FD_PLAN];
	memcpy(call->stdio, fds + FRAME_FD_STDIN, sizeof(call->stdio));
	call->summary = optional_fd(frame, FRAME_CALL_SUMMARY, fds, frame_fd_summary(frame->flags));
	call->record = optional_fd(frame, FRAME_CALL_RECORD, fds, frame_fd_record(frame->flags));
	call->cell_index = frame->cell;
	call->branch_asked = frame->branch;
	call->cell = image_cell(&l->cells.image, frame->cell);
	call->template = cell_template_of(&l->cells, call->cell);
	narrow_limits(call, frame);
	call->begun_us = serve_now_us();
	call->deadline_us = call->begun_us + call->limits.wall_ms * 1000;
	call->cpu_check_us = call->limits.cpu_ms ? call->begun_us : 0;
	if (validate(call, &err) < 0)
		refuse(l, call, FRAME_CAUSE_LAUNCHER_ERROR, &err);
	else
		admit(l, call);
}

void call_retry_start(struct launcher *l, struct call *call, uint64_t now_us)
{
	struct err err = {0};

	if (call->kill_cause != FRAME_CAUSE_N)
		refuse(l, call, call->kill_cause, &err);
	else if (now_us >= call->deadline_us)
		refuse(l, call, FRAME_CAUSE_WALL_LIMIT, &err);
	else if (now_us >= call->retry_us)
		admit(l, call);
}

static void kill_cell(const struct call *call)
{
	(void)syscall(SYS_pidfd_send_signal, call->pidfd, SIGKILL, NULL, 0);
	cgroup_leaf_kill(&call->leaf);
}

/* Init ends the tool, as it still has to see what it changed. Return: false when it cannot be asked. */
static bool ask_init(struct call *call)
{
	const struct init_stop stop = {1};

	if (!call->summary_wanted || call->state != CALL_RUNNING || call->kill_us ||
	    send(call->control, &stop, sizeof(stop), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return false;
	call->kill_us = serve_now_us() + (call->workspace == FRAME_WORKSPACE_DIRECT
						  ? STOP_GRACE_DIRECT_US
						  : STOP_GRACE_US);
	return true;
}

void call_kill(struct call *call, uint32_t cause)
{
	if (call->state == CALL_WAITING)
		call->kill_cause = cause; /* call_retry_start sees it at once */
	if (call->state != CALL_SETUP && call->state != CALL_RUNNING)
		return;
	if (call->kill_cause == FRAME_CAUSE_N)
		call->kill_cause = cause;
	if (call->kill_us && serve_now_us() < call->kill_us && cause != FRAME_CAUSE_N)
		return; /* it is dying already */
	if (cause == FRAME_CAUSE_N || !ask_init(call))
		kill_cell(call);
}

void call_read_report(struct launcher *l, struct call *call)
{
	struct init_report report;
	ssize_t n = recv(call->control, &report, sizeof(report), MSG_DONTWAIT);

	if (n != (ssize_t)sizeof(report)) {
		/* End of file, or nonsense from a cell that somebody has taken over: either way no
		 * more is read, and the pidfd tells the rest. */
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		fd_closep(&call->control);
		call_kill(call, FRAME_CAUSE_N);
		return;
	}
	if (report.type == REPORT_FAILED && call->failed.type == 0) {
		call->failed = report;
	} else if (report.type == REPORT_ENDED && call->ended.type == 0) {
		call->ended = report;
	} else if (report.type == REPORT_STARTED && call->state == CALL_SETUP) {
		struct frame_started started = {{FRAME_STARTED, sizeof(started), call->id},
						serve_now_us() - call->begun_us};

		call->state = CALL_RUNNING;
		serve_send(l, &started, sizeof(started));
	}
}

static void describe_failure(const struct launcher *l, const struct call *call,
			     struct frame_ended *frame)
{
	const struct init_report *f = &call->failed;
	const char *step = report_step_name(f->step);
	const char *where = "";
	struct err err = {0};

	if (call->why[0]) {
		frame->error_num = f->num;
		(void)snprintf(frame->error, sizeof(frame->error), "%s", call->why);
		return;
	}
	if (f->step == STEP_MOUNT && image_mount(&l->cells.image, f->arg))
		where = image_string(&l->cells.image,
				     image_mount(&l->cells.image, f->arg)->pointer);
	else if (f->step == STEP_LANDLOCK && image_rule(&l->cells.image, f->arg))
		where = image_string(&l->cells.image, image_rule(&l->cells.image, f->arg)->pointer);
	(void)err_set(&err, f->num > 0 ? f->num : EPROTO, "the cell could not %s%s%s",
		      step ? step : "take an unknown step", where && where[0] ? ", " : "",
		      where ? where : "");
	frame->error_num = err.num;
	(void)snprintf(frame->error, sizeof(frame->error), "%s", err.text);
}

static void cause_of_failure(const struct launcher *l, const struct call *call,
			     struct frame_ended *frame)
{
	describe_failure(l, call, frame);
	if (call->failed.step == STEP_EXEC) {
		frame->cause = FRAME_CAUSE_EXIT;
		frame->exit_code = call->failed.num == ENOENT ? 127 : 126;
	} else {
		frame->cause = call->failed.step == STEP_CWD ? FRAME_CAUSE_POLICY
							     : FRAME_CAUSE_LAUNCHER_ERROR;
	}
}

/* What the kernel refused while the tool went down is the cause; a success has none. */
static uint32_t cause_of_status(const struct call *call, const struct cgroup_usage *usage,
				const struct frame_usage *used)
{
	int status = call->ended.status;
	bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	uint64_t cpu_us = call->limits.cpu_ms * 1000;

	if (ok)
		return FRAME_CAUSE_EXIT;
	if (usage->oom_kills > 0)
		return FRAME_CAUSE_MEMORY_LIMIT;
	if (call->ended.over_quota)
		return FRAME_CAUSE_DISK_LIMIT;
	if (usage->processes_refused > 0)
		return FRAME_CAUSE_PROCESS_LIMIT;
	/* A tool may send itself SIGXCPU; time used up is what counts (the kernel rounds to seconds). */
	if (cpu_us && used->user_us + used->system_us + CPU_ROUNDING_US >= cpu_us)
		return FRAME_CAUSE_CPU_LIMIT;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
		return FRAME_CAUSE_DISK_LIMIT;
	return WIFSIGNALED(status) ? FRAME_CAUSE_SIGNAL : FRAME_CAUSE_EXIT;
}

static void decide_cause(const struct launcher *l, const struct call *call,
			 const struct cgroup_usage *usage, struct frame_ended *frame)
{
	int status = call->ended.status;

	frame->exit_code = -1;
	if (call->ended.type == REPORT_ENDED && WIFSIGNALED(status))
		frame->signal = WTERMSIG(status);
	if (call->ended.type == REPORT_ENDED && WIFEXITED(status))
		frame->exit_code = WEXITSTATUS(status);
	if (call->ended.type == REPORT_ENDED && call->kill_us && frame->signal == SIGKILL &&
	    !call->ended.over_quota) {
		frame->cause = call->kill_cause; /* init has done it for us */
	} else if (call->ended.type == REPORT_ENDED) {
		frame->cause = cause_of_status(call, usage, &frame->usage);
	} else if (call->failed.type == REPORT_FAILED) {
		cause_of_failure(l, call, frame);
	} else if (call->kill_cause != FRAME_CAUSE_N) {
		frame->cause = call->kill_cause;
		frame->signal = SIGKILL;
	} else if (usage->oom_kills > 0) {
		frame->cause = FRAME_CAUSE_MEMORY_LIMIT;
		frame->signal = SIGKILL;
	} else {
		frame->cause = FRAME_CAUSE_LAUNCHER_ERROR;
		frame->error_num = EPROTO;
		(void)snprintf(frame->error, sizeof(frame->error),
			       "the cell's init died without a word");
	}
}

static void fill_usage(const struct call *call, const struct cgroup_usage *u,
		       struct frame_usage *ret)
{
	*ret = (struct frame_usage){
		.wall_us = serve_now_us() - call->begun_us,
		.user_us = u->user_us != UINT64_MAX ? u->user_us : call->ended.user_us,
		.system_us = u->system_us != UINT64_MAX ? u->system_us : call->ended.system_us,
		.memory_peak_bytes = u->memory_peak_bytes,
		.processes_peak = u->processes_peak,
		.read_bytes = call->ended.read_bytes,
		.written_bytes = call->ended.written_bytes,
		.processes_refused = u->processes_refused,
		.oom_kills = u->oom_kills,
	};
}

void call_end(struct launcher *l, struct call *call)
{
	struct frame_ended frame = {0};
	struct cgroup_usage usage;
	siginfo_t info;

	/* What init said last may still be in the queue. */
	while (call->control >= 0 && !(call->ended.type || call->failed.type)) {
		enum call_state before = call->state;

		call_read_report(l, call);
		if (call->state == before && !(call->ended.type || call->failed.type))
			break;
	}
	if (waitid((idtype_t)P_PIDFD, (id_t)call->pidfd, &info, WEXITED) < 0 && errno == EINTR)
		return;
	cgroup_leaf_usage(&call->leaf, &usage);
	fill_usage(call, &usage, &frame.usage);
	decide_cause(l, call, &usage, &frame);
	send_ended(l, call, &frame);
	fd_closep(&call->mount_ns);
	fd_closep(&call->control);
	fd_closep(&call->pidfd);
	close_call_fds(call);
	session_leave(l, call); /* its mounts are gone by now */
	call->state = CALL_LEFTOVER;
	call_retry_cleanup(call);
}

void call_retry_cleanup(struct call *call)
{
	if (cgroup_leaf_remove(&call->leaf) == 0)
		call->state = CALL_FREE;
}

void call_watch_limits(struct launcher *l, struct call *call, uint64_t now_us)
{
	if (call->kill_us && now_us >= call->kill_us) {
		kill_cell(call);
		call->kill_us = UINT64_MAX;
	}
	if (now_us >= call->deadline_us)
		call_kill(call, FRAME_CAUSE_WALL_LIMIT);
	if (call->cpu_check_us && now_us >= call->cpu_check_us) {
		uint64_t limit = call->limits.cpu_ms * 1000;
		uint64_t used = cgroup_leaf_cpu_us(&call->leaf);

		if (used == UINT64_MAX) {
			call->cpu_check_us = 0; /* RLIMIT_CPU alone, for each process */
		} else if (used >= limit) {
			call_kill(call, FRAME_CAUSE_CPU_LIMIT);
			call->cpu_check_us = now_us + CPU_CHECK_MIN_US;
		} else {
			/* All processors at once cannot use it up before this. */
			call->cpu_check_us = now_us +
					     MAX((limit - used) / l->n_cpus, CPU_CHECK_MIN_US);
		}
	}
}
