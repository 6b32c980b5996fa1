/*
 * Theory of operation: toolcell-digest is a zygote. It is started once with a SOCK_SEQPACKET socket
 * as descriptor 3, confines itself and then only answers requests, each by a fork:
 *
 *	start -> locked down -> wait --request, two pipes--> fork --> worker_run
 *			         ^--child ended, reaped--'
 *	end of file on 3, or a message that is not a request with two descriptors: exit
 *
 * It never looks at tool output. It needs no privilege, no environment, no file; started by root it
 * becomes the uid it is told.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "confine/privilege.h"
#include "digest/confine.h"
#include "digest/protocol.h"
#include "digest/worker.h"

/* Its only work is to interrupt ppoll. */
static void on_child(int signal_number)
{
	(void)signal_number;
}

static int set_signals(sigset_t *ret_open, struct err *err)
{
	struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
	sigset_t child;

	/* Handlers, not a signalfd: its calls would be two more in the filter of this process. */
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &child, NULL) < 0 || sigaction(SIGCHLD, &action, NULL) < 0)
		return err_set(err, errno, "cannot set up signals");
	/* A broker that has gone is an error of write(2). */
	action = (struct sigaction){.sa_handler = SIG_IGN};
	if (sigaction(SIGPIPE, &action, NULL) < 0)
		return err_set(err, errno, "cannot set up signals");
	(void)sigemptyset(ret_open);
	return 0;
}

static int lock_down(sigset_t *ret_open, struct err *err)
{
	int r;

	if (clearenv() != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_set(err, errno, "cannot become non-dumpable");
	r = set_signals(ret_open, err);
	return r < 0 ? r : confine_zygote(err);
}

static void reap(unsigned *workers)
{
	while (*workers > 0 && waitpid(-1, NULL, WNOHANG) > 0)
		--*workers;
}

static bool request_is_sound(const struct digest_request *request, ssize_t len, size_t n_fds)
{
	return len == (ssize_t)sizeof(*request) && n_fds == 2 &&
	       memchr(request->name, '\0', sizeof(request->name));
}

/* Return: 0; -errno or -EPROTO when the session is over. */
static int serve_request(unsigned *workers)
{
	struct digest_request request;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t len = fd_recv(DIGEST_SOCKET_FD, &request, sizeof(request), fds, &n_fds);
	int r = request_is_sound(&request, len, n_fds) ? 0 : -EPROTO;
	pid_t pid;

	if (r == 0) {
		pid = fork();
		if (pid == 0)
			worker_run(request.name, fds[0], fds[1]);
		/* No process: the pipes close, and the broker sees a worker without a reply. */
		*workers += pid > 0;
	}
	while (n_fds > 0)
		fd_closep(&fds[--n_fds]);
	return r;
}

static void serve(const sigset_t *open_signals)
{
	unsigned workers = 0;

	for (;;) {
		/* With all workers busy requests wait in the socket. */
		struct pollfd poll_fd = {.fd = DIGEST_SOCKET_FD};
		int n;

		reap(&workers);
		poll_fd.events = workers < DIGEST_WORKERS_MAX ? POLLIN : 0;
		n = ppoll(&poll_fd, 1, NULL, open_signals);
		if (n < 0 && errno != EINTR)
			return;
		if (n <= 0)
			continue;
		if (!(poll_fd.revents & POLLIN) || serve_request(&workers) < 0)
			return;
	}
}

/* The only argument: the uid to become, which the supervisor of an engine of root's chooses; or 0. */
static int give_up_root(int argc, char **argv, struct err *err)
{
	uint64_t uid;
	int r;

	if (argc != 2 || num_parse_u64(argv[1], UINT32_MAX, &uid) < 0)
		return err_set(err, EINVAL, "toolcell-digest is started by toolcell");
	r = privilege_become((uint32_t)uid);
	return r < 0 ? err_set(err, -r, "cannot give up root") : 0;
}

int main(int argc, char **argv)
{
	sigset_t open_signals;
	struct err err = {0};

	log_open("toolcell-digest", LOG_LEVEL_WARNING);
	if (give_up_root(argc, argv, &err) < 0 || lock_down(&open_signals, &err) < 0) {
		log_event(LOG_LEVEL_ERROR, "event=start error=\"%s\"", err.text);
		return EXIT_FAILURE;
	}
#ifdef DIGEST_SANITIZED
	log_event(LOG_LEVEL_WARNING, "event=start sanitized=yes filters=no");
#endif
	if (close_range(0, DIGEST_SOCKET_FD - 1, 0) < 0 ||
	    close_range(DIGEST_SOCKET_FD + 1, ~0U, 0) < 0)
		return EXIT_FAILURE;
	serve(&open_signals);
	_exit(EXIT_SUCCESS); /* nothing to flush, and a leak checker could not run in here */
}
