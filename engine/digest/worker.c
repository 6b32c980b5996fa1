/*
 * Theory of operation:
 *
 *	forked -> descriptors -> limits -> parser made, hash seed drawn -> filter -> chunks -> reply
 *
 * What needs the kernel comes before the filter. After it memory comes from a region that is there
 * (heap.h), and an abort or a stray system call is a death by SIGSYS: the broker sees the end of
 * file without a reply and says that there are no findings.
 */
#include "digest/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "digest/confine.h"
#include "digest/digest.h"
#include "digest/protocol.h"

enum { WORKER_SETUP = 2, WORKER_INPUT = 3, WORKER_REPLY = 4 };

/* Above the numbers that are to be 0 and 1, or dup2 of the one would close the other. */
static int move_fd(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int take_descriptors(int in_fd, int out_fd)
{
	int in = move_fd(in_fd);
	int out = move_fd(out_fd);

	if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0)
		return -errno;
	return close_range(2, ~0U, 0) < 0 ? -errno : 0;
}

/* The JSON library would open /dev/urandom at its first object. */
static int seed_hashes(void)
{
	size_t seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return -EIO;
	json_object_seed(seed ? seed : 1);
	return 0;
}

static struct digest *prepare(const char *name, int in_fd, int out_fd)
{
	struct digest *d;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || take_descriptors(in_fd, out_fd) < 0 ||
	    confine_limits() < 0 || seed_hashes() < 0)
		return NULL;
	d = digest_new(name);
	if (!d || confine_worker() < 0)
		return NULL;
	return d;
}

/* Return: 0 at DIGEST_END; -EPROTO for a bad chunk or an end of file without DIGEST_END. */
static int read_chunks(struct digest *d)
{
	static char data[DIGEST_CHUNK_MAX];

	for (;;) {
		struct digest_chunk chunk;
		int r;

		if (fd_read_full(0, &chunk, sizeof(chunk)) != (ssize_t)sizeof(chunk))
			return -EPROTO;
		if (chunk.bytes > sizeof(data) ||
		    fd_read_full(0, data, chunk.bytes) != (ssize_t)chunk.bytes)
			return -EPROTO;
		if (chunk.stream == DIGEST_END)
			return chunk.bytes == 0 ? 0 : -EPROTO;
		r = digest_feed(d, chunk.stream, data, chunk.bytes);
		if (r < 0)
			return r;
	}
}

void worker_run(const char *name, int in_fd, int out_fd)
{
	struct digest *d = prepare(name, in_fd, out_fd);
	char *reply = NULL;
	size_t len = 0;

	if (!d)
		_exit(WORKER_SETUP);
	if (read_chunks(d) < 0)
		_exit(WORKER_INPUT);
	if (digest_finish(d, &reply, &len) < 0 || fd_write_full(1, reply, len) < 0)
		_exit(WORKER_REPLY);
	_exit(0);
}
