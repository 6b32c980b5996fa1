/*
 * toolcell-init, PID 1 of a cell.
 *
 * Theory of operation: the launcher's child has built the cell around itself (cell/child.c) and
 * executed this static program, so nothing of the launcher's memory, environment or address-space
 * layout is left. Init learns what to run from three descriptors (wire/report.h), gives up all
 * privilege, starts the tool in a process of its own (tool.c) and then only waits:
 *
 *	starting --tool exec'd: REPORT_STARTED--> running --tool ends: summary, REPORT_ENDED--> exit
 *	   |--a step failed: REPORT_FAILED--> exit      |--launcher gone: exit
 *							 |--over the quota: kill all, tool ends
 *
 * Its exit makes the kernel kill whatever else lives in the pid namespace, daemons included; where
 * changes are to be told (summary.c), init does so itself before, so that nothing changes any more.
 * Init stands outside of the tool's Landlock domain and filter and is not dumpable: the tool can
 * neither trace nor signal it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/privilege.h"
#include "init/quota.h"
#include "init/summary.h"
#include "init/tool.h"
#include "init/watch.h"
#include "wire/report.h"

struct init {
	struct init_config config;
	struct image image;
	struct plan plan;
	struct summary summary;
	struct quota quota;
	struct watch watch;
	bool has[INIT_FD_N]; /* descriptors that the launcher gave us */
	int signals;	     /* signalfd */
	pid_t tool;
};

static void send_report(const struct init_report *report)
{
	/* A launcher that is gone needs no report; the loop sees the end of file. */
	(void)!send(INIT_FD_CONTROL, report, sizeof(*report), MSG_NOSIGNAL);
}

static NORETURN void fail(enum report_step step, int num, uint32_t arg)
{
	struct init_report report = {.type = REPORT_FAILED,
				     .step = step,
				     .num = num < 0 ? -num : num,
				     .arg = arg};

	send_report(&report);
	_exit(EXIT_FAILURE);
}

static void read_config(struct init_config *config)
{
	ssize_t n = recv(INIT_FD_CONTROL, config, sizeof(*config), 0);

	if (n != (ssize_t)sizeof(*config))
		fail(STEP_CONFIG, n < 0 ? errno : EPROTO, 0);
	if (!memchr(config->workspace, '\0', sizeof(config->workspace)))
		fail(STEP_CONFIG, EPROTO, 0);
}

static void read_plan(struct plan *plan)
{
	struct stat st;
	void *data;
	int r;

	if (fstat(INIT_FD_PLAN, &st) < 0)
		fail(STEP_PLAN, errno, 0);
	if (st.st_size <= 0 || (uintmax_t)st.st_size > PLAN_BYTES_MAX)
		fail(STEP_PLAN, E2BIG, 0);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, INIT_FD_PLAN, 0);
	if (data == MAP_FAILED)
		fail(STEP_PLAN, errno, 0);
	r = plan_decode(data, (size_t)st.st_size, plan, NULL);
	if (r < 0)
		fail(STEP_PLAN, r, 0);
	(void)munmap(data, (size_t)st.st_size);
}

/* What is forwarded to the tool's process group, and the death of children. */
static void open_signals(struct init *in)
{
	static const int wanted[] = {SIGCHLD, SIGTERM, SIGINT,	SIGHUP,
				     SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		(void)sigaddset(&set, wanted[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		fail(STEP_CONFIG, errno, 0);
	in->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (in->signals < 0)
		fail(STEP_CONFIG, errno, 0);
}

static void give_up_privilege(void)
{
	int r = privilege_drop_capabilities();

	if (r < 0)
		fail(STEP_CAPABILITIES, r, 0);
	r = privilege_no_new();
	if (r < 0)
		fail(STEP_NO_NEW_PRIVS, r, 0);
}

/* One message of the tool's process. Return: whether there will be more. */
static bool hear_tool(struct init *in, int socket)
{
	struct tool_failure failure = {0};
	int fds[FD_PASS_MAX];
	size_t n_fds;
	ssize_t n = fd_recv(socket, &failure, sizeof(failure), fds, &n_fds);

	if (n == 0)
		return false;
	if (n != (ssize_t)sizeof(failure))
		fail(STEP_FORK, n < 0 ? (int)n : EPROTO, 0);
	if (failure.step != STEP_NONE)
		fail(failure.step, failure.num, failure.arg);
	if (n_fds != 1 || in->watch.listener >= 0)
		fail(STEP_SECCOMP, EPROTO, 0);
	watch_listen(&in->watch, fds[0]);
	return true;
}

/*
 * End of file means that exec has happened: the socket is close-on-exec. The exec itself is a call that
 * the listener may have to answer.
 */
static void hear_exec(struct init *in, int socket)
{
	for (;;) {
		struct pollfd fds[] = {{socket, POLLIN, 0}, {in->watch.listener, POLLIN, 0}};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			fail(STEP_FORK, errno, 0);
		if (fds[0].revents && !hear_tool(in, socket))
			return;
		watch_hear(&in->watch, fds[1].revents);
	}
}

static void start_tool(struct init *in)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		fail(STEP_FORK, errno, 0);
	in->tool = fork();
	if (in->tool < 0)
		fail(STEP_FORK, errno, 0);
	if (in->tool == 0)
		tool_main(&in->config, &in->image, &in->plan, watch_wanted(&in->watch), pair[1]);
	(void)close(pair[1]);
	hear_exec(in, pair[0]);
	(void)close(pair[0]);
	in->watch.started = true;
}

static uint64_t us_of(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * 1000000 + (uint64_t)tv.tv_usec;
}

/* What is left of the tool dies before the look at what it did, and its use is still counted. */
static void settle(struct init *in, struct init_report *report)
{
	if (in->config.summary == INIT_SUMMARY_NONE)
		return;
	report->over_quota = in->quota.over;
	summary_kill_all(&in->summary);
	summary_confine();
	(void)quota_look_last(&in->quota);
	summary_write(&in->summary, &in->quota);
}

static NORETURN void finish(struct init *in, int status)
{
	struct init_report report = {.type = REPORT_ENDED, .status = status};
	struct rusage usage;

	watch_look(&in->watch);
	settle(in, &report);
	if (getrusage(RUSAGE_CHILDREN, &usage) == 0) {
		report.user_us = us_of(usage.ru_utime);
		report.system_us = us_of(usage.ru_stime);
		report.read_bytes = (uint64_t)usage.ru_inblock * 512;
		report.written_bytes = (uint64_t)usage.ru_oublock * 512;
	}
	send_report(&report);
	_exit(EXIT_SUCCESS);
}

static void reap(struct init *in)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid <= 0)
			return;
		if (pid == in->tool)
			finish(in, status);
	}
}

static void handle_signal(struct init *in)
{
	struct signalfd_siginfo info;

	if (read(in->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD)
		reap(in);
	else
		(void)kill(-in->tool, (int)info.ssi_signo);
}

/* A stop, or the end of the launcher. */
static void hear_launcher(void)
{
	struct init_stop stop;
	ssize_t n = recv(INIT_FD_CONTROL, &stop, sizeof(stop), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(stop) || stop.stop != 1)
		_exit(EXIT_FAILURE);
	summary_kill();
}

static NORETURN void wait_for_end(struct init *in)
{
	int tick_ms = in->config.summary == INIT_SUMMARY_LAYERS ? QUOTA_TICK_MS
		      : in->watch.record			? WATCH_TICK_MS
								: -1;

	for (;;) {
		struct pollfd fds[] = {{in->signals, POLLIN, 0},
				       {INIT_FD_CONTROL, POLLIN, 0},
				       {in->watch.listener, POLLIN, 0}};

		if (poll(fds, ARRAY_SIZE(fds), tick_ms) < 0 && errno != EINTR)
			_exit(EXIT_FAILURE);
		if (fds[1].revents)
			hear_launcher();
		if (fds[0].revents)
			handle_signal(in);
		watch_hear(&in->watch, fds[2].revents);
		watch_tick(&in->watch);
		/* Again and again: somebody may have been unborn at the last. */
		if (quota_tick(&in->quota))
			summary_kill();
	}
}

/* The first three are always there, the others as init_config.summary says. */
static void take_descriptors(struct init *in)
{
	for (int fd = INIT_FD_CONTROL; fd < INIT_FD_N; fd++) {
		in->has[fd] = fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
		if (!in->has[fd] && fd < INIT_FD_SUMMARY)
			fail(STEP_DESCRIPTORS, errno, (uint32_t)fd);
	}
}

static void begin_summary(struct init *in)
{
	static const int last[] = {
		[INIT_SUMMARY_NONE] = INIT_FD_PLAN,
		[INIT_SUMMARY_LAYERS] = INIT_FD_DATA,
		[INIT_SUMMARY_DIRECT] = INIT_FD_SUMMARY,
	};
	const struct init_config *config = &in->config;
	const struct image_cell *cell = image_cell(&in->image, config->cell);
	bool layers = config->summary == INIT_SUMMARY_LAYERS;
	int r;

	if (config->summary >= ARRAY_SIZE(last))
		fail(STEP_CONFIG, EPROTO, config->summary);
	for (int fd = INIT_FD_SUMMARY; fd <= last[config->summary]; fd++)
		if (!in->has[fd])
			fail(STEP_DESCRIPTORS, EBADF, (uint32_t)fd);
	r = summary_begin(&in->summary, config, image_string(&in->image, cell->change_rules));
	if (r < 0)
		fail(STEP_CONFIG, r, config->summary);
	quota_begin(&in->quota, layers ? &in->summary.source : NULL, &config->limits);
}

/* NULL: the broker wants none. */
static struct record *map_record(const struct init *in)
{
	void *record;

	if (!in->has[INIT_FD_RECORD])
		return NULL;
	record = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED,
		      INIT_FD_RECORD, 0);
	if (record == MAP_FAILED)
		fail(STEP_CONFIG, errno, INIT_FD_RECORD);
	return record;
}

int main(void)
{
	/* Not on the stack: the workspace's name and a list of layers are in it. */
	static struct init in = {.signals = -1};
	struct init_report started = {.type = REPORT_STARTED};
	int r;

	if (close_range(INIT_FD_N, ~0U, 0) < 0 || privilege_hide() < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fail(STEP_CONFIG, errno, 0);
	take_descriptors(&in);
	open_signals(&in);
	read_config(&in.config);
	r = image_map(INIT_FD_IMAGE, &in.image, NULL);
	if (r < 0 || !image_cell(&in.image, in.config.cell))
		fail(STEP_IMAGE, r < 0 ? r : EPROTO, in.config.cell);
	read_plan(&in.plan);
	give_up_privilege();
	begin_summary(&in);
	watch_begin(&in.watch, &in.config, &in.image, map_record(&in));
	start_tool(&in);
	/* The tool has its own copies; holding these would keep its readers from seeing the end. */
	for (int fd = 0; fd < INIT_FD_CONTROL; fd++)
		(void)close(fd);
	send_report(&started);
	wait_for_end(&in);
}
