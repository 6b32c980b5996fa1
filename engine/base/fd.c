/*
 * Theory of operation: thin loops around the system calls. What is received is owned by the caller
 * at once and carries close-on-exec from birth, so that no window exists in which another thread of
 * control could leak it through an exec.
 */
#include "base/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

ssize_t fd_read_full(int fd, void *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, (char *)data + got, len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

ssize_t fd_pread_full(int fd, void *data, size_t len, off_t at)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, (char *)data + got, len - got, at + (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

int fd_write_full(int fd, const void *data, size_t len)
{
	size_t put = 0;

	while (put < len) {
		ssize_t n = write(fd, (const char *)data + put, len - put);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		put += (size_t)n;
	}
	return 0;
}

int fd_read_file(int dir, const char *path, size_t cap, char **ret, size_t *ret_len,
		 struct err *err)
{
	CLEANUP(fd_closep) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *data = NULL;
	ssize_t n;

	if (fd < 0)
		return err_set(err, errno, "cannot open %s", path);
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s is not a regular file", path);
	if (st.st_size < 0 || (uintmax_t)st.st_size > cap)
		return err_set(err, E2BIG, "%s has %jd bytes; at most %zu are read", path,
			       (intmax_t)st.st_size, cap);
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return err_set(err, ENOMEM, "cannot read %s", path);
	n = fd_read_full(fd, data, (size_t)st.st_size);
	if (n < 0) {
		free(data);
		return err_set(err, (int)-n, "cannot read %s", path);
	}
	data[n] = '\0';
	*ret = data;
	*ret_len = (size_t)n;
	return 0;
}

int fd_memfd_room(const char *name, size_t bytes, int *ret_fd)
{
	CLEANUP(fd_closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

int fd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

int fd_check_sealed(int fd, struct err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return err_set(err, errno, "descriptor %d is no memfd", fd);
	if ((seals & SEALS) != SEALS)
		return err_set(err, EPERM, "descriptor %d is not sealed", fd);
	return 0;
}

int fd_memfd_sealed(const char *name, const void *data, size_t len, int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return err_set(err, errno, "cannot make memfd %s", name);
	r = fd_write_full(fd, data, len);
	if (r == 0)
		r = fd_seal(fd);
	if (r < 0)
		return err_set(err, -r, "cannot fill memfd %s", name);
	*ret_fd = fd_take(&fd);
	return 0;
}

int fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > FD_PASS_MAX)
		return -EMSGSIZE;
	if (n_fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		ssize_t n = sendmsg(sock, &msg, MSG_NOSIGNAL);

		if (n >= 0)
			return (size_t)n == len ? 0 : -EMSGSIZE;
		if (errno != EINTR)
			return -errno;
	}
}

static void take_rights(struct msghdr *msg, int *fds, size_t *n_fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*n_fds < FD_PASS_MAX)
				fds[(*n_fds)++] = fd;
			else
				fd_closep(&fd);
		}
	}
}

ssize_t fd_recv(int sock, void *data, size_t cap, int *fds, size_t *ret_n_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = cap};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.room,
			     .msg_controllen = sizeof(control.room)};
	ssize_t n;

	*ret_n_fds = 0;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_rights(&msg, fds, ret_n_fds);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		while (*ret_n_fds > 0)
			fd_closep(&fds[--*ret_n_fds]);
		return -EMSGSIZE;
	}
	return n;
}

int fd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int fd_close_others(const int *keep, size_t n)
{
	unsigned int from = 3;

	if (n > FD_KEEP_MAX)
		return -E2BIG;
	/* The next one to keep, in order, without sorting: n is small. */
	for (;;) {
		unsigned int next = ~0U;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= 0 && (unsigned int)keep[i] >= from)
				next = MIN(next, (unsigned int)keep[i]);
		if (next > from &&
		    syscall(SYS_close_range, from, next == ~0U ? ~0U : next - 1, 0U) < 0)
			return -errno;
		if (next == ~0U)
			return 0;
		from = next + 1;
	}
}
