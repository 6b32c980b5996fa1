/*
 * Theory of operation: two pipes per call. Their far ends travel to the zygote and are closed here
 * at once, so that the end of a worker is an end of file.
 */
#include "digest/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

int digest_start(int sock, const char *name, int *ret_in_fd, int *ret_out_fd, struct err *err)
{
	struct digest_request request = {0};
	int in[2] = {-1, -1};
	int out[2] = {-1, -1};
	size_t len = strlen(name);
	int r = 0;

	if (len >= sizeof(request.name))
		return err_set(err, EINVAL, "the digest's name has more than %zu bytes",
			       sizeof(request.name) - 1);
	(void)memcpy(request.name, name, len);
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0)
		r = fd_set_nonblock(in[1], true);
	if (r == 0)
		r = fd_set_nonblock(out[0], true);
	if (r == 0)
		r = fd_send(sock, &request, sizeof(request), (int[]){in[0], out[1]}, 2);
	if (r == 0) {
		*ret_in_fd = fd_take(&in[1]);
		*ret_out_fd = fd_take(&out[0]);
	}
	for (size_t i = 0; i < 2; i++) {
		fd_closep(&in[i]);
		fd_closep(&out[i]);
	}
	return r < 0 ? err_set(err, -r, "cannot start digest %s", name) : 0;
}

size_t digest_encode(enum digest_stream stream, size_t left, struct digest_chunk *ret_head)
{
	size_t n = MIN(left, (size_t)DIGEST_CHUNK_MAX);

	*ret_head = (struct digest_chunk){.stream = stream, .bytes = (uint32_t)n};
	return n;
}
