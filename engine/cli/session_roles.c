/*
 * What the processes of a session become.
 *
 * Theory of operation: the supervisor (P0) keeps its privilege and therefore does next to nothing: it
 * waits for signals. Any of these ends the session, always in the same order:
 *
 *	broker ended, or SIGTERM/SIGINT/SIGHUP	-> broker told to end; launcher loses its pipe, kills its
 *						   cells, removes its cgroups, ends
 *	launcher killed				-> its cells die with it (PDEATHSIG, pid namespace); the
 *						   cgroups that it left are removed here
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/audited.h"
#include "cli/kept.h"
#include "cli/session.h"
#include "confine/cgroup.h"
#include "confine/filter.h"
#include "confine/landlock.h"
#include "confine/privilege.h"

#define LAUNCHER_PATIENCE_S 6
#define BROKER_PATIENCE_S 3
#define WRITER_PATIENCE_S 10 /* its last lines may wait for a disk */
#define BROKER_FILES 4096

#if !defined(TOOLCELL_SANITIZED) /* a sanitizer's runtime needs more */
/* engine/broker says what it needs; no open, no exec, no fork, no new socket. */
static const int broker_calls[] = {
	SYS_read,
	SYS_write,
	SYS_readv,
	SYS_writev,
	SYS_pread64,
	SYS_pwrite64,
	SYS_close,
	SYS_fstat,
	SYS_lseek,
	SYS_mmap,
	SYS_munmap,
	SYS_mremap,
	SYS_mprotect,
	SYS_madvise,
	SYS_brk,
	SYS_fcntl,
	SYS_ftruncate,
	SYS_pipe2,
	SYS_splice,
	SYS_tee,
	SYS_memfd_create,
	SYS_sendmsg,
	SYS_recvmsg,
	SYS_sendto,
	SYS_recvfrom,
	SYS_ppoll,
	SYS_epoll_create1,
	SYS_epoll_ctl,
	SYS_epoll_pwait,
	SYS_timerfd_create,
	SYS_timerfd_settime,
	SYS_timerfd_gettime,
	SYS_clock_gettime,
	SYS_clock_nanosleep,
	SYS_nanosleep,
	SYS_gettimeofday,
	SYS_getpid,
	SYS_gettid,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_sigaltstack,
	SYS_restart_syscall,
	SYS_futex,
	SYS_getrandom,
	SYS_exit,
	SYS_exit_group,
	SYS_sched_yield,
	SYS_newfstatat,
	SYS_uname,
	SYS_eventfd2,
#ifdef SYS_poll /* absent on aarch64 */
	SYS_poll,
	SYS_epoll_wait,
#endif
};

static int restrict_calls(void)
{
	return filter_install(broker_calls, ARRAY_SIZE(broker_calls), SECCOMP_RET_ERRNO | EPERM);
}
#else
static int restrict_calls(void)
{
	return 0;
}
#endif

static int restrict_files(struct err *err)
{
	const struct rlimit files = {BROKER_FILES, BROKER_FILES};
	struct landlock_domain domain;
	uint32_t abi = landlock_abi();
	int r = 0;

	(void)setrlimit(RLIMIT_NOFILE, &files); /* lower where the hard limit is lower */
	if (abi >= LANDLOCK_ABI_USEFUL) {
		r = landlock_begin(&domain, abi, true);
		if (r == 0)
			r = landlock_enter(&domain);
	}
	return r < 0 ? err_set(err, -r, "the broker cannot enter its Landlock domain") : 0;
}

int session_die_with(pid_t supervisor, struct err *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_set(err, errno, "cannot tie a process to its supervisor");
	/* It may have died before this line, and then nobody sends the signal. */
	return getppid() == supervisor ? 0 : err_set(err, ESRCH, "the supervisor has died");
}

int session_become_broker(struct session *session, pid_t supervisor, struct err *err)
{
	int r;

	fd_closep(&session->alive_fd);
	fd_closep(&session->workspace_fd);
	fd_closep(&session->image_fd);
	kept_close(session);
	/* Out of the terminal's reach, and the other way round; the supervisor stays in it. */
	if (setsid() < 0)
		return err_set(err, errno, "the broker cannot make a session");
	r = privilege_become(session->broker_uid);
	if (r < 0)
		return err_set(err, -r, "the broker cannot give up root");
	/* The kernel forgets the signal when ids change: PR_SET_PDEATHSIG of prctl(2). */
	r = session_die_with(supervisor, err);
	if (r < 0)
		return r;
	r = privilege_hide();
	if (r == 0)
		r = privilege_no_new();
	if (r < 0)
		return err_set(err, -r, "the broker cannot be hardened");
	json_object_seed(0); /* reads random bytes from a file, while there still are files */
	r = restrict_files(err);
	if (r < 0)
		return r;
	r = restrict_calls();
	return r < 0 ? err_set(err, -r, "the broker cannot install its filter") : 0;
}

/* Wait for @pid for a while, then kill it. */
/* Return: the status of waitpid(2); that of a plain failure when there was nothing to wait for. */
static int reap_or_kill(pid_t pid, int patience_s)
{
	const struct timespec pause = {.tv_nsec = 5L * 1000 * 1000};
	int status = W_EXITCODE(EXIT_FAILURE, 0);
	struct timespec now;
	time_t until;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	until = now.tv_sec + patience_s;
	while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > until) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			break;
		}
		(void)nanosleep(&pause, NULL);
	}
	return status;
}

static void sweep(void)
{
	struct cgroup_root root;
	struct err why = {0};

	cgroup_root_open(&root, getpid(), &why);
	cgroup_sweep(&root);
	cgroup_root_close(&root);
}

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Until one of the children ends or somebody wants the end. Fills *ret_status for the broker. */
static bool wait_for_end(struct session *s, pid_t broker, int signals, int *ret_status)
{
	for (;;) {
		struct signalfd_siginfo info;
		pid_t pid;
		int status;

		if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD)
			return false;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid == s->launcher_pid)
				s->launcher_pid = -1;
			else if (pid == s->digest_pid)
				s->digest_pid = -1;
			else if (s->audit && pid == s->audit->pid)
				s->audit->pid = -1; /* the broker sees it, and says so */
			if (pid == broker) {
				*ret_status = exit_status(status);
				return true;
			}
		}
		if (s->launcher_pid < 0) {
			/*
			 * The broker sees it too, answers what is still open and fails. Or it was
			 * the first to end: its socket closes, and the launcher with it, before
			 * its own end can be seen here.
			 */
			*ret_status = exit_status(reap_or_kill(broker, BROKER_PATIENCE_S));
			return true;
		}
	}
}

/* Last of all: it writes down that the others have ended. */
static void end_writer(struct session *session)
{
	audited_let_go(session);
	if (session->audit && session->audit->pid > 0)
		(void)reap_or_kill(session->audit->pid, WRITER_PATIENCE_S);
	audited_close(session);
}

void session_abort(struct session *session)
{
	struct kept *kept = session->kept;

	session->kept = NULL; /* not before the last cell has ended */
	end_writer(session);
	session_stop(session);
	if (session->launcher_pid > 0)
		(void)reap_or_kill(session->launcher_pid, LAUNCHER_PATIENCE_S);
	if (session->digest_pid > 0)
		(void)reap_or_kill(session->digest_pid, 1);
	sweep();
	session->kept = kept;
	kept_end(session);
}

int session_supervise(struct session *session, pid_t broker)
{
	sigset_t set;
	int signals;
	int status = EXIT_FAILURE;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	/* The broker alone may hold these: their end is how the others learn of its death. */
	fd_closep(&session->launcher_fd);
	fd_closep(&session->digest_fd);
	fd_closep(&session->person_fd);
	audited_let_go(session);
	(void)kill(getpid(), SIGCHLD); /* a child may have ended before the mask was set */
	if (signals < 0 || !wait_for_end(session, broker, signals, &status)) {
		status = 128 + SIGTERM;
		(void)kill(broker, SIGTERM);
		(void)reap_or_kill(broker, BROKER_PATIENCE_S);
	}
	fd_closep(&session->alive_fd);
	if (session->launcher_pid > 0)
		(void)reap_or_kill(session->launcher_pid, LAUNCHER_PATIENCE_S);
	if (session->digest_pid > 0)
		(void)reap_or_kill(session->digest_pid, 1);
	sweep();
	kept_end(session);
	end_writer(session);
	fd_closep(&signals);
	return status;
}
