/*
 * Theory of operation: session_start forks a child that holds the other end of a socket pair and
 * plays the launcher; its exit status tells what it was sent. The image has two cells, of which the
 * second is the policy's own.
 */
#include "fake_session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/broker.h"
#include "cli/audited.h"
#include "cli/session.h"
#include "wire/plan.h"

struct fake fake;
static pid_t launcher;

static const char *const strings[] = {"strict/Bash", "strict", "/home/x"};
static const struct image_cell cells[] = {
	{.name = 0,
	 .policy = 1,
	 .home = 2,
	 .change_rules = IMAGE_NONE,
	 .limits = {.wall_ms = 60000}},
	{.name = 1,
	 .policy = 1,
	 .home = 2,
	 .change_rules = IMAGE_NONE,
	 .limits = {.wall_ms = 60000}},
};

const struct image_cell *image_cell(const struct image *image, uint32_t index)
{
	(void)image;
	return index < ARRAY_SIZE(cells) ? &cells[index] : NULL;
}

const struct image_env *image_env(const struct image *image, uint32_t index)
{
	(void)image;
	(void)index;
	return NULL;
}

const char *image_string(const struct image *image, uint32_t offset)
{
	(void)image;
	return offset < ARRAY_SIZE(strings) ? strings[offset] : NULL;
}

int plan_seal(const char *const *argv, const char *const *envp, const char *cwd, uint32_t flags,
	      int *ret_fd, struct err *err)
{
	(void)envp;
	(void)flags;
	(void)err;
	for (size_t i = 0; argv[i]; i++)
		(void)strcat(strcat(fake.plan_argv, i ? " " : ""), argv[i]);
	(void)strncpy(fake.plan_cwd, cwd, sizeof(fake.plan_cwd) - 1);
	*ret_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
}

static void send_ended(int sock, uint64_t call, size_t bytes)
{
	fake.ended.head = (struct frame_head){FRAME_ENDED, sizeof(fake.ended), call};
	if (fd_send(sock, &fake.ended, bytes, NULL, 0) < 0)
		_exit(0);
}

static int saw_call(const struct frame_call *call, ssize_t n, size_t n_fds)
{
	int saw = 0;

	if (n == (ssize_t)sizeof(*call) && call->head.type == FRAME_CALL &&
	    n_fds == FRAME_CALL_FDS && call->head.bytes == sizeof(*call) && call->cell == 1 &&
	    call->flags == 0)
		saw |= FAKE_SAW_CALL;
	if (call->wall_ms == 1000)
		saw |= FAKE_SAW_LIMIT;
	return saw;
}

static int wait_kill(int sock)
{
	struct frame_kill frame;
	int fds[FD_PASS_MAX];
	size_t n_fds;

	(void)kill(getppid(), fake.signal);
	if (fd_recv(sock, &frame, sizeof(frame), fds, &n_fds) != (ssize_t)sizeof(frame))
		return 0;
	return frame.head.type == FRAME_KILL && frame.cause == FRAME_CAUSE_CANCELLED ? FAKE_SAW_KILL
										     : 0;
}

static void play(int sock, const struct frame_call *call, int *saw)
{
	struct frame_started started = {.head = {FRAME_STARTED, sizeof(started), call->head.call}};
	struct frame_fatal fatal = {.head = {FRAME_FATAL, sizeof(fatal), 0},
				    .text = "no \033cells"};

	if (fake.script == FAKE_FATAL && fd_send(sock, &fatal, sizeof(fatal), NULL, 0) < 0)
		return;
	if (fake.script == FAKE_DIE || fake.script == FAKE_FATAL)
		return;
	if (fake.script == FAKE_NONSENSE)
		started.head.type = FRAME_READY;
	if (fd_send(sock, &started, sizeof(started), NULL, 0) < 0 || fake.script == FAKE_NONSENSE)
		return;
	if (fake.script == FAKE_END_ON_KILL)
		*saw |= wait_kill(sock);
	send_ended(sock, fake.script == FAKE_OTHER_CALL ? 77 : call->head.call,
		   fake.script == FAKE_SHORT ? sizeof(fake.ended) - 8 : sizeof(fake.ended));
}

static void NORETURN play_launcher(int sock)
{
	struct frame_call call = {0};
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n = fd_recv(sock, &call, sizeof(call), fds, &n_fds);
	int saw = saw_call(&call, n, n_fds);

	if (n > 0)
		play(sock, &call, &saw);
	_exit(saw);
}

int session_start(const struct session_options *options, struct session *ret, struct err *err)
{
	int pair[2];

	fake.agent = options->agent;
	fake.policy = options->policy;
	if (options->policy && strcmp(options->policy, "absent") == 0)
		return err_set(err, ENOENT, "no policy absent");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "no socket pair");
	*ret = (struct session){.launcher_fd = pair[0], .digest_fd = -1, .workspace_fd = -1};
	ret->workspace = strdup("/workspace");
	ret->environ_kept = calloc(1, sizeof(char *));
	launcher = fork();
	if (launcher == 0) {
		(void)close(pair[0]);
		play_launcher(pair[1]);
	}
	(void)close(pair[1]);
	fake.started = true;
	return 0;
}

int session_wait_ready(struct session *session, struct frame_ready *ret, struct err *err)
{
	(void)session;
	(void)err;
	*ret = (struct frame_ready){.calls_max = 1};
	return 0;
}

int session_die_with(pid_t supervisor, struct err *err)
{
	(void)supervisor;
	return err_set(err, ENOSYS, "exec has no broker");
}

int session_become_broker(struct session *session, pid_t supervisor, struct err *err)
{
	(void)session;
	(void)supervisor;
	return err_set(err, ENOSYS, "exec has no broker");
}

int session_supervise(struct session *session, pid_t broker)
{
	(void)session;
	(void)broker;
	return 1;
}

void session_abort(struct session *session)
{
	session_stop(session);
}

void session_stop(struct session *session)
{
	fd_closep(&session->launcher_fd);
	free(session->workspace);
	free(session->environ_kept);
	fake.stopped = true;
}

int fake_launcher_saw(void)
{
	int status;

	if (waitpid(launcher, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

bool audited_is_on(const struct session *session)
{
	return session->audit != NULL;
}

bool audited_stops(const struct session *session)
{
	(void)session;
	return false;
}

int audited_start(struct session *session, struct err *err)
{
	(void)session;
	return err_set(err, ENOSYS, "exec has no writer");
}

int audited_exec(struct session *session, const struct audited_exec *exec, struct err *err)
{
	(void)session;
	(void)exec;
	(void)err;
	return 0;
}

int broker_result_unrecorded(char **json, bool stop, const char *why, struct err *err)
{
	(void)json;
	(void)stop;
	return err_set(err, ENOSYS, "%s", why);
}

int broker_result_from_frame(const struct broker_exec *exec, char **ret, struct err *err)
{
	(void)err;
	fake.result = *exec->ended;
	(void)strncpy(fake.result_denials, exec->denials ? exec->denials : "",
		      sizeof(fake.result_denials) - 1);
	*ret = strdup(exec->tool);
	return 0;
}

/* A policy that asks about nothing, or a person who says no. */
int broker_exec_consent(const struct image *image, uint32_t *cell, char *const *argv,
			const char *cwd, const struct broker_person *person,
			struct broker_refusal *ret, struct err *err)
{
	(void)image;
	(void)cell;
	(void)argv;
	(void)cwd;
	(void)person;
	if (!fake.declined)
		return 0;
	ret->ended.cause = FRAME_CAUSE_POLICY;
	ret->denials = strdup("[{}]");
	return err_set(err, EPERM, "refused: you have declined");
}
