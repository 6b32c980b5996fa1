/*
 * Theory of operation: the process that writes the log is forked from the supervisor and keeps its uid,
 * whose files those are. It gives up everything else: capabilities, descriptors, standard streams, the
 * terminal, every path but the log's folder, every system call but those of audit/log.c. It ends when the
 * broker's end of its socket is closed by whatever closes it, and not by the signals that end an engine:
 * it has to write what the others' end was.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/wire.h"
#include "audit/writer.h"
#include "base/fd.h"
#include "cli/audited.h"
#include "confine/filter.h"
#include "confine/landlock.h"
#include "confine/privilege.h"
#include "wire/image.h"

#if !defined(TOOLCELL_SANITIZED) /* a sanitizer's runtime needs more */
static const int writer_calls[] = {
	SYS_read,
	SYS_write,
	SYS_pread64,
	SYS_close,
	SYS_fstat,
	SYS_newfstatat,
	SYS_openat,
	SYS_fcntl,
	SYS_getdents64,
	SYS_lseek,
	SYS_flock,
	SYS_nanosleep,
	SYS_clock_nanosleep,
	SYS_fallocate,
	SYS_prlimit64,
	SYS_fdatasync,
	SYS_ftruncate,
	SYS_renameat,
	SYS_unlinkat,
	SYS_recvfrom,
	SYS_sendto,
	SYS_recvmsg,
	SYS_sendmsg,
	SYS_mmap,
	SYS_munmap,
	SYS_mremap,
	SYS_mprotect,
	SYS_madvise,
	SYS_brk,
	SYS_clock_gettime,
	SYS_gettimeofday,
	SYS_getpid,
	SYS_gettid,
	SYS_geteuid,
	SYS_getuid,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_restart_syscall,
	SYS_futex,
	SYS_getrandom,
	SYS_exit,
	SYS_exit_group,
	SYS_statx,
};

/* Of a command that reads: it waits for its pager, too. */
static const int reader_calls[] = {
	SYS_read,	  SYS_write,	       SYS_writev,	   SYS_pread64,
	SYS_close,	  SYS_fstat,	       SYS_newfstatat,	   SYS_openat,
	SYS_fcntl,	  SYS_getdents64,      SYS_lseek,	   SYS_mmap,
	SYS_munmap,	  SYS_mremap,	       SYS_mprotect,	   SYS_madvise,
	SYS_brk,	  SYS_wait4,	       SYS_dup3,	   SYS_clock_gettime,
	SYS_nanosleep,	  SYS_clock_nanosleep, SYS_getpid,	   SYS_gettid,
	SYS_rt_sigaction, SYS_futex,	       SYS_rt_sigprocmask, SYS_getrandom,
	SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit,	   SYS_exit_group,
	SYS_tgkill,
#ifdef SYS_dup2 /* absent on aarch64 */
	SYS_dup2,
#endif
};

#define INSTALL(calls) filter_install(calls, ARRAY_SIZE(calls), SECCOMP_RET_ERRNO | EPERM)
#else
#define INSTALL(calls) 0
#endif

static int restrict_paths(const char *folder, uint32_t access)
{
	const struct landlock_rule rule = {folder, access};
	struct landlock_domain domain;
	uint32_t abi = landlock_abi();
	int r;

	if (abi < LANDLOCK_ABI_USEFUL)
		return 0;
	r = landlock_begin(&domain, abi, true);
	if (r == 0 && folder)
		r = landlock_allow(&domain, &rule);
	return r == 0 ? landlock_enter(&domain) : r;
}

static int become_writer(const struct audited *a, int sock)
{
	static const int ignored[] = {SIGTERM, SIGINT,	SIGHUP,	 SIGQUIT, SIGPIPE,
				      SIGXFSZ, SIGTSTP, SIGTTIN, SIGTTOU};
	const int keep[] = {sock, a->log.dir, a->log.lock, a->log.file};
	CLEANUP(fd_closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)prctl(PR_SET_NAME, "toolcell-audit"); /* what ps(1) shows */
	if (null < 0 || setsid() < 0)
		return -errno;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	r = fd_close_others(keep, ARRAY_SIZE(keep));
	(void)fd_take(&null); /* it was among the others */
	if (r == 0 && geteuid() == 0)
		r = privilege_drop_capabilities();
	if (r == 0)
		r = privilege_hide();
	if (r == 0)
		r = privilege_no_new();
	if (r == 0)
		r = restrict_paths(a->path, IMAGE_ACCESS_READ | IMAGE_ACCESS_WRITE);
	return r == 0 ? INSTALL(writer_calls) : r;
}

int audited_confine(const char *folder, struct err *err)
{
	int r;

	json_object_seed(0); /* reads random bytes from a file, while there still are files */
	r = geteuid() == 0 ? privilege_drop_capabilities() : 0;
	if (r == 0)
		r = privilege_no_new();
	if (r == 0)
		r = restrict_paths(folder, IMAGE_ACCESS_READ);
	if (r == 0)
		r = INSTALL(reader_calls);
	return r < 0 ? err_set(err, -r, "the reader of the audit log cannot be confined") : 0;
}

static void NORETURN writer_main(struct audited *a, int sock)
{
	struct audit_reply ready = {.type = AUDIT_ASK_PROBE};
	int r;

	/* The C library has looked at the time zone by now: the start has been recorded, with its time. */
	r = become_writer(a, sock);
	ready.num = -r;
	if (send(sock, &ready, sizeof(ready), MSG_NOSIGNAL) != (ssize_t)sizeof(ready) || r < 0)
		_exit(EXIT_FAILURE);
	audit_writer_run(&a->log, sock);
	_exit(EXIT_SUCCESS);
}

/* Return: 0 when the writer is as it should be. */
static int wait_ready(int sock, struct err *err)
{
	struct audit_reply ready = {0};
	ssize_t n;

	do
		n = recv(sock, &ready, sizeof(ready), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(ready))
		return err_set(err, EPIPE, "the process that writes the audit log has ended");
	return ready.num == 0 ? 0
			      : err_set(err, ready.num,
					"the process that writes the audit log cannot be confined");
}

int audited_start(struct session *session, struct err *err)
{
	struct audited *a = session->audit;
	int pair[2];
	int r = 0;

	if (!a)
		return 0;
	a->broker = (struct broker_audit){.fd = -1,
					  .why = a->why,
					  .digest = a->digest,
					  .text = a->text,
					  .stop = a->stop};
	if (a->why[0])
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "cannot make a socket");
	a->pid = fork();
	if (a->pid == 0)
		writer_main(a, pair[1]);
	if (a->pid < 0)
		r = err_set(err, errno, "cannot fork the process that writes the audit log");
	(void)close(pair[1]);
	a->sock = pair[0];
	if (r == 0)
		r = wait_ready(a->sock, err);
	audit_log_close(&a->log);
	a->broker.fd = a->sock;
	return r;
}
