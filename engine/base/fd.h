/* Descriptors: owned by a scope, closed once, close-on-exec at birth. See close(2), unix(7). */
#ifndef TOOLCELL_BASE_FD_H
#define TOOLCELL_BASE_FD_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/err.h"

/* For CLEANUP(fd_closep). Keeps errno; never retries close on EINTR (Linux has freed the number). */
static inline void fd_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

/* Ownership leaves the scope. */
static inline int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/**
 * fd_read_full - read until @len bytes or end of file; retries EINTR
 * Return: bytes read, or -errno.
 */
MUST_USE ssize_t fd_read_full(int fd, void *data, size_t len);

/** fd_pread_full - the same from @at on; the descriptor's own offset stays */
MUST_USE ssize_t fd_pread_full(int fd, void *data, size_t len, off_t at);

/** fd_write_full - write all of it; retries EINTR.  Return: 0 or -errno. */
MUST_USE int fd_write_full(int fd, const void *data, size_t len);

/**
 * fd_read_file - a whole regular file into memory
 * @dir:     directory descriptor or AT_FDCWD
 * @path:    opened O_NONBLOCK | O_CLOEXEC and fstat'ed: only a regular file is read
 * @cap:     largest size accepted, in bytes
 * @ret:     malloc'ed, NUL after the last byte; caller frees
 * @ret_len: without that NUL
 */
MUST_USE int fd_read_file(int dir, const char *path, size_t cap, char **ret, size_t *ret_len,
			  struct err *err);

/**
 * fd_memfd_sealed - bytes that nobody can change any more
 * @ret_fd: a memfd sealed against write, growing, shrinking and further seals; caller owns
 *
 * See memfd_create(2), "File sealing".
 */
MUST_USE int fd_memfd_sealed(const char *name, const void *data, size_t len, int *ret_fd,
			     struct err *err);

/**
 * fd_memfd_room - zeroes of a fixed size that another process may fill
 * Sealed against growing and shrinking: whoever has it cannot make us read past the end, nor fill memory.
 * @ret_fd: caller owns.  Return: 0 or -errno.
 */
MUST_USE int fd_memfd_room(const char *name, size_t bytes, int *ret_fd);

/** fd_seal - add those seals to a memfd that was written by hand.  Return: 0 or -errno. */
MUST_USE int fd_seal(int fd);

/** fd_check_sealed - 0 when @fd carries all seals of fd_memfd_sealed, else -EPERM */
MUST_USE int fd_check_sealed(int fd, struct err *err);

#define FD_PASS_MAX 16

/**
 * fd_send - one datagram with descriptors; sendmsg(2) with SCM_RIGHTS, MSG_NOSIGNAL
 * Return: 0 or -errno (-EAGAIN from a non-blocking socket).
 */
MUST_USE int fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds);

/**
 * fd_recv - one datagram with descriptors, which are close-on-exec
 * @fds:       room for FD_PASS_MAX; caller owns what is returned
 * @ret_n_fds: always written
 *
 * Return: its length, 0 at end of file, -errno; -EMSGSIZE when data or descriptors did not fit
 * (what arrived has been closed).
 */
MUST_USE ssize_t fd_recv(int sock, void *data, size_t cap, int *fds, size_t *ret_n_fds);

/**
 * fd_close_others - close every descriptor from 3 on but these
 * @keep: at most FD_KEEP_MAX numbers in any order, repeats allowed; those below 3 mean nothing
 *
 * System calls only, usable after clone; close_range(2), Linux 5.9.  Return: 0 or -errno.
 */
#define FD_KEEP_MAX 64
MUST_USE int fd_close_others(const int *keep, size_t n);

/** fd_set_nonblock - O_NONBLOCK on or off.  Return: 0 or -errno. */
MUST_USE int fd_set_nonblock(int fd, bool on);

#endif
