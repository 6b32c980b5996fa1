/*
 * Theory of operation: who asks at the terminal for `run`. The broker has left the terminal's session and
 * is another account's, so the kernel would not hold it to what job control allows (person.c); the
 * supervisor does next to nothing. So it is a process of its own, which stays in the job:
 *
 *	broker --struct question--> toolcell-ask --enum broker_person_answer--> broker
 *
 * It keeps the terminal and its socket and gives up the rest: capabilities, every other descriptor, every
 * system call but those of person.c, and of ioctl(2) all but "whose is the terminal" and "drop what was
 * typed": typing into it (TIOCSTI) is not among them. The signals that end an engine are the supervisor's;
 * this one ends with the broker's end of the socket, and is killed when the supervisor dies.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/person.h"
#include "confine/filter.h"
#include "confine/privilege.h"

#define TEXT_BYTES ((size_t)64 << 10) /* a message is a few KiB, see broker/consent_text.c */
#define TIMEOUT_MS_MAX (24LL * 60 * 60 * 1000)
#define ANSWER_MS 1000 /* who asks says himself that nobody has answered */

struct question {
	int64_t timeout_ms;
	char text[TEXT_BYTES]; /* sent without what is not used, and without NUL */
};

#if !defined(TOOLCELL_SANITIZED) /* a sanitizer's runtime needs more */
static const int asker_calls[] = {
	SYS_read,	   SYS_write,	       SYS_close,	 SYS_ioctl,
	SYS_ppoll,	   SYS_recvfrom,       SYS_sendto,	 SYS_signalfd4,
	SYS_rt_sigaction,  SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_restart_syscall,
	SYS_clock_gettime, SYS_getpgid,	       SYS_mmap,	 SYS_munmap,
	SYS_mremap,	   SYS_madvise,	       SYS_brk,		 SYS_exit,
	SYS_exit_group,
#ifdef SYS_poll /* absent on aarch64 */
	SYS_poll,	   SYS_getpgrp,
#endif
};

/* The number of the call is the kernel's, and of the request it takes 32 bits; both are little-endian. */
static const struct sock_filter terminal_insns[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCGPGRP, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TCFLSH, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static int restrict_calls(void)
{
	int r = privilege_filter(terminal_insns, ARRAY_SIZE(terminal_insns));

	return r == 0 ? filter_install(asker_calls, ARRAY_SIZE(asker_calls),
				       SECCOMP_RET_ERRNO | EPERM)
		      : r;
}
#else
static int restrict_calls(void)
{
	return 0;
}
#endif

static int become_asker(int tty, int sock, pid_t supervisor)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
	const int keep[] = {tty, sock};
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != supervisor)
		return -ESRCH;
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)prctl(PR_SET_NAME, "toolcell-ask"); /* what ps(1) shows */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fd != tty && fd != sock)
			(void)close(fd);
	r = fd_close_others(keep, ARRAY_SIZE(keep));
	if (r == 0 && geteuid() == 0)
		r = privilege_drop_capabilities();
	if (r == 0)
		r = privilege_hide();
	if (r == 0)
		r = privilege_no_new();
	return r == 0 ? restrict_calls() : r;
}

/* Return: length of the text; -1 when there is no question any more, or none that is one. */
static ssize_t next_question(int sock, struct question *q)
{
	const size_t head = offsetof(struct question, text);
	ssize_t n;

	do
		n = recv(sock, q, sizeof(*q) - 1, 0);
	while (n < 0 && errno == EINTR);
	return n < (ssize_t)head || q->timeout_ms < 0 ? -1 : n - (ssize_t)head;
}

static void NORETURN asker_main(int tty, int sock, pid_t supervisor)
{
	struct question *q = malloc(sizeof(*q));
	ssize_t len;

	if (!q || become_asker(tty, sock, supervisor) < 0)
		_exit(EXIT_FAILURE);
	while ((len = next_question(sock, q)) >= 0) {
		enum broker_person_answer answer;

		q->text[len] = '\0';
		answer = person_ask(tty, sock, q->text, MIN(q->timeout_ms, TIMEOUT_MS_MAX));
		if (send(sock, &answer, sizeof(answer), MSG_NOSIGNAL) != (ssize_t)sizeof(answer))
			break;
	}
	_exit(EXIT_SUCCESS);
}

static int send_question(int sock, const char *message, const char *title, int64_t timeout_ms)
{
	CLEANUP(buf_fini) struct buf text = {0};
	CLEANUP(buf_fini) struct buf out = {0};
	int r = person_text(&text, message, title);

	if (r == 0 && text.len >= TEXT_BYTES)
		r = -EMSGSIZE;
	if (r == 0)
		r = buf_append(&out, &timeout_ms, sizeof(timeout_ms));
	if (r == 0)
		r = buf_append(&out, text.data, text.len);
	return r == 0 ? fd_send(sock, out.data, out.len, NULL, 0) : r;
}

static enum broker_person_answer take_answer(int sock, int64_t until_ms)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	enum broker_person_answer answer;
	int64_t left;
	int n = 0;

	while (n <= 0 && (left = until_ms - person_now_ms()) > 0) {
		n = poll(&p, 1, (int)MIN(left, TIMEOUT_MS_MAX));
		if (n < 0 && errno != EINTR)
			return BROKER_PERSON_GONE;
	}
	if (n <= 0)
		return BROKER_PERSON_TIMEOUT; /* its job may be stopped */
	if (recv(sock, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
		return BROKER_PERSON_GONE;
	return answer <= BROKER_PERSON_GONE ? answer : BROKER_PERSON_GONE;
}

static enum broker_person_answer ask(void *ctx, const char *message, const char *title,
				     int64_t timeout_ms)
{
	enum broker_person_answer answer = BROKER_PERSON_GONE;
	int *sock = ctx;

	if (*sock >= 0 && send_question(*sock, message, title, timeout_ms) == 0)
		answer = take_answer(*sock, person_now_ms() + timeout_ms + ANSWER_MS);
	/* A late answer must not be one to the next question. */
	if (answer != BROKER_PERSON_YES && answer != BROKER_PERSON_NO)
		fd_closep(sock);
	return answer;
}

int person_start(int *tty, int *ret_sock, struct broker_person *ret, struct err *err)
{
	pid_t supervisor = getpid();
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "cannot make a socket");
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		asker_main(*tty, pair[1], supervisor);
	}
	fd_closep(&pair[1]);
	fd_closep(tty);
	if (pid < 0) {
		(void)err_set(err, errno, "cannot fork the process that asks at the terminal");
		fd_closep(&pair[0]);
		return -EAGAIN;
	}
	*ret_sock = pair[0];
	*ret = (struct broker_person){.ask = ask, .ctx = ret_sock};
	return 0;
}
