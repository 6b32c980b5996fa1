/*
 * Theory of operation: a digest of the tests. It counts what it is told; or dies, sleeps or answers
 * with something that is no JSON.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "digest/protocol.h"
#include "fixture.h"
#include "launcher.h"

static void count(int in, int out)
{
	static char payload[DIGEST_CHUNK_MAX + 1];
	unsigned long long bytes[5] = {0};
	char status[256] = "";
	struct digest_chunk chunk;

	while (fd_read_full(in, &chunk, sizeof(chunk)) == (ssize_t)sizeof(chunk)) {
		if (chunk.stream > 4 || chunk.bytes > DIGEST_CHUNK_MAX)
			_exit(8);
		if (fd_read_full(in, payload, chunk.bytes) != (ssize_t)chunk.bytes)
			_exit(8);
		bytes[chunk.stream] += chunk.bytes;
		if (chunk.stream == DIGEST_STATUS)
			memcpy(status, payload, chunk.bytes);
		if (chunk.stream == DIGEST_END)
			break;
	}
	dprintf(out, "{\"data\":{\"out\":%llu,\"err\":%llu,\"call\":%s,\"status\":%s},", bytes[1],
		bytes[2], bytes[3] > 0 ? "true" : "false", status[0] ? status : "null");
	dprintf(out, "\"text\":\"counted \\u001b[31mred\",\"success\":null}");
}

static void echo(int in, int out)
{
	static char payload[DIGEST_CHUNK_MAX];
	struct digest_chunk chunk;

	while (fd_read_full(in, &chunk, sizeof(chunk)) == (ssize_t)sizeof(chunk) &&
	       chunk.bytes <= sizeof(payload) &&
	       fd_read_full(in, payload, chunk.bytes) == (ssize_t)chunk.bytes)
		if (chunk.stream == DIGEST_STDOUT)
			(void)!fd_write_full(out, payload, chunk.bytes);
}

static void work(int mode, int in, int out)
{
	if (mode == DIGEST_ECHOES)
		echo(in, out);
	if (mode == DIGEST_COUNTS)
		count(in, out);
	else if (mode == DIGEST_SLEEPS)
		sleep(30);
	else if (mode == DIGEST_LIES)
		dprintf(out, "[1,2");
	_exit(0);
}

void digest_run(int fd, int mode)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		struct digest_request request;
		int fds[FD_PASS_MAX];
		size_t n = 0;

		if (fd_recv(fd, &request, sizeof(request), fds, &n) <= 0)
			_exit(0);
		if (n == 2 && fork() == 0)
			work(mode, fds[0], fds[1]);
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
	}
}
