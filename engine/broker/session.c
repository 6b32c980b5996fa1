/*
 * Theory of operation: what a session needs whether or not a driver is there: the catalog, the
 * watch on the launcher, and one step of the loop, used by both serve.c and one.c.
 *
 * System calls of a broker that serves, for the filter that session_become_broker installs. Nothing
 * here opens a path, makes a socket, starts a process or executes anything:
 *
 *	read write poll epoll_create1 epoll_ctl epoll_wait sendmsg recvmsg close fcntl pipe2 memfd_create ftruncate pread64 lseek fstat
 *	mmap munmap mremap mprotect brk madvise clock_gettime (vdso, with the call as fallback)
 *	rt_sigaction rt_sigprocmask rt_sigreturn restart_syscall futex getpid gettid tgkill
 *	getrandom exit exit_group; newfstatat as fstat of newer libcs
 *
 * ppoll and epoll_pwait too, as aarch64 has only those. jansson seeds its hashes from /dev/urandom
 * when the first object is made: whoever installs the filter calls json_object_seed(0) before.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "broker/catalog.h"
#include "broker/inner.h"
#include "broker/state.h"

static int load_catalog(struct broker *b, struct err *err)
{
	b->catalog = catalog_load(b->config->image, err);
	if (!b->catalog)
		return -EINVAL;
	if (!json_is_array(json_object_get(b->catalog, "tools")))
		return err_set(err, EINVAL, "the policy image's catalog has no array \"tools\"");
	b->policy = json_string_value(json_object_get(b->catalog, "policy"));
	if (!b->policy)
		return err_set(err, EINVAL, "the policy image's catalog names no policy");
	b->agent = json_string_value(json_object_get(json_object_get(b->catalog, "agent"), "name"));
	consents_init(b);
	return 0;
}

int broker_init(struct broker *b, const struct broker_config *config, struct err *err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	int r;

	*b = (struct broker){.config = config, .queue.fd = config->out_fd};
	if (config->ready->session != FRAME_WORKSPACE_NONE)
		b->branch_bits = config->ready->branches;
	r = load_catalog(b, err);
	if (r < 0)
		return r;
	/* A driver, tool or digest that stops reading is an error of write(2), not our end. */
	if (sigaction(SIGPIPE, &ignore, NULL) < 0)
		return err_set(err, errno, "cannot ignore SIGPIPE");
	r = auditor_init(b, err);
	if (r < 0)
		return r;
	r = frames_watch(b);
	if (r < 0)
		return err_set(err, -r, "cannot watch the launcher");
	/* A send to it may fail too, and does no harm then: digest_io reports it per call. */
	if (config->digest_fd >= 0) {
		r = fd_set_nonblock(config->digest_fd, true);
		if (r < 0)
			return err_set(err, -r, "cannot use the digest's socket");
	}
	return 0;
}

void broker_fini(struct broker *b)
{
	auditor_flush(b);
	calls_free_all(b);
	auditor_fini(b);
	consents_fini(b);
	resources_fini(b);
	branches_fini(b);
	queue_fini(&b->queue);
	loop_fini(&b->loop);
	json_decref(b->catalog);
	free(b->one_result);
	free(b->one_text);
}

void broker_lose(struct broker *b, int num, const char *text)
{
	if (b->failed != 0)
		return;
	b->failed = -num;
	b->failure.num = num;
	(void)snprintf(b->failure.text, sizeof(b->failure.text), "%s", text);
	loop_remove(&b->loop, &b->launcher_watch);
}

static int timeout_ms(const struct broker *b)
{
	int64_t deadline = calls_deadline(b);
	int64_t left;

	if (b->end_deadline_ms != 0)
		deadline = MIN(deadline, b->end_deadline_ms);
	if (deadline == INT64_MAX)
		return -1;
	left = deadline - loop_now_ms();
	return left < 0 ? 0 : (int)MIN(left, (int64_t)3600 * 1000);
}

int broker_step(struct broker *b)
{
	int r = loop_wait(&b->loop, timeout_ms(b));

	if (r < 0)
		return r;
	if (b->failed == 0)
		calls_tick(b, loop_now_ms());
	if (b->failed == 0)
		calls_pump(b);
	if (b->failed != 0)
		calls_lose_all(b, b->failure.text);
	calls_settle(b);
	if (inner_purge(b))
		calls_pump(b);
	return 0;
}
