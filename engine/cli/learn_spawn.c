/*
 * Theory of operation: a signal that would end us is handed on, as SIGTERM, to the run of the moment, which
 * takes its cell down; then our caller removes what it has made, and we end by that signal:
 *
 *	begin --signal--> stopped: the run ends, no other begins --undisturbed--> clean --end--> raise(3)
 *
 * The handler knows the run by its pid. A pid is its own from before the signals are let through until
 * after waitid(2) with WNOWAIT has seen its end: only then is it reaped, and may be another's.
 */
#include "cli/learn_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};

static volatile sig_atomic_t stopped; /* by this signal */
static volatile sig_atomic_t running; /* a pid */
static bool undisturbed;

extern char **environ;

static void on_signal(int signal)
{
	int saved = errno;

	stopped = signal;
	if (running > 0)
		(void)kill(running, SIGTERM);
	errno = saved;
}

static void ending_set(sigset_t *set)
{
	(void)sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		(void)sigaddset(set, ending[i]);
}

int spawn_begin(struct spawner *s, struct err *err)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	ssize_t n = readlink("/proc/self/exe", s->self, sizeof(s->self) - 1);

	if (n <= 0)
		return err_set(err, errno, "cannot find our own program");
	s->self[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++) {
		struct sigaction old;

		/* Handlers, not a signalfd: nothing is read while a run is waited for. */
		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN &&
		    sigaction(ending[i], &action, NULL) < 0)
			return err_set(err, errno, "cannot handle signals");
	}
	return 0;
}

static int add_files(posix_spawn_file_actions_t *actions, const char *output, bool shown)
{
	int r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

	/* Our own standard output is for the policy. */
	if (r == 0 && shown)
		return posix_spawn_file_actions_adddup2(actions, 2, 1);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, 1, output ? output : "/dev/null",
						     O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0);
	return r;
}

/* @mask: of the child, in which nothing is blocked that was not when we began. */
static int start(const struct spawner *s, const char *const *words, const char *output,
		 const sigset_t *mask, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return r;
	r = posix_spawnattr_init(&attr);
	if (r == 0) {
		r = add_files(&actions, output, s->verbose && !output);
		if (r == 0)
			r = posix_spawnattr_setsigmask(&attr, mask);
		if (r == 0)
			r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
		if (r == 0)
			r = posix_spawn(ret, s->self, &actions, &attr,
					(char *const *)(uintptr_t)words, environ);
		(void)posix_spawnattr_destroy(&attr);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int wait_for(pid_t pid, int *ret_status, struct err *err)
{
	siginfo_t info;
	int r;

	do
		r = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	while (r < 0 && errno == EINTR);
	running = 0;
	if (r < 0 || waitpid(pid, ret_status, 0) < 0)
		return err_set(err, errno, "cannot wait for a run");
	return 0;
}

int spawn_self(const struct spawner *s, const char *const *words, const char *output,
	       int *ret_status, struct err *err)
{
	sigset_t set;
	sigset_t old;
	pid_t pid = -1;
	int r = EINTR;

	ending_set(&set);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	if (!stopped || undisturbed) {
		r = start(s, words, output, &old, &pid);
		running = r == 0 ? pid : 0;
	}
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (r == 0)
		r = wait_for(pid, ret_status, err);
	else if (r != EINTR)
		return err_set(err, r, "cannot start %s", s->self);
	if (stopped && !undisturbed)
		return err_set(err, EINTR, "stopped by a signal");
	return r;
}

void spawn_undisturbed(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		(void)signal(ending[i], SIG_IGN);
	undisturbed = true;
}

void spawn_end(void)
{
	int by = stopped;
	sigset_t set;

	if (by == 0)
		return;
	ending_set(&set);
	(void)signal(by, SIG_DFL);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(by);
}
