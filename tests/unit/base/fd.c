/* Theory of operation: real descriptors; what must be closed, sealed or close-on-exec is asked of
 * the kernel. */
#include "base/fd.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int count_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += is_open(fd) ? 1 : 0;
	return n;
}

static void make_folder(char *dir)
{
	(void)snprintf(dir, 32, "/tmp/unit-fd-XXXXXX");
	cr_assert(mkdtemp(dir) != NULL);
}

Test(fd, closep_closes_once_and_keeps_errno)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int number = fd;

	errno = ENOTTY;
	fd_closep(&fd);
	cr_assert(fd == -1 && errno == ENOTTY && !is_open(number));
	errno = ENOTTY;
	fd_closep(&fd);
	cr_assert(errno == ENOTTY);
}

Test(fd, take_leaves_nothing_to_close)
{
	int fd = 7;

	cr_assert(fd_take(&fd) == 7 && fd == -1);
}

Test(fd, read_full_stops_at_the_end_of_file)
{
	int p[2];
	char data[16];

	cr_assert(pipe2(p, O_CLOEXEC) == 0);
	cr_assert(fd_write_full(p[1], "abcdef", 6) == 0);
	fd_closep(&p[1]);
	cr_assert(fd_read_full(p[0], data, 4) == 4);
	cr_assert(fd_read_full(p[0], data, sizeof(data)) == 2);
	cr_assert(fd_read_full(-1, data, 1) == -EBADF);
	cr_assert(fd_write_full(p[0], data, 1) == -EBADF);
	fd_closep(&p[0]);
}

Test(fd, read_file_returns_the_bytes_and_a_nul)
{
	char dir[32];
	char path[64];
	char *data;
	size_t len;
	int fd;

	make_folder(dir);
	(void)snprintf(path, sizeof(path), "%s/f", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(fd_write_full(fd, "a\0b", 3) == 0);
	fd_closep(&fd);
	cr_assert(fd_read_file(AT_FDCWD, path, 3, &data, &len, NULL) == 0);
	cr_assert(len == 3 && memcmp(data, "a\0b", 4) == 0);
	free(data);
	cr_assert(unlink(path) == 0 && rmdir(dir) == 0);
}

Test(fd, read_file_refuses_what_is_no_regular_file_or_too_big)
{
	char dir[32];
	char path[64];
	char *data = (char *)1;
	size_t len = 77;
	struct err err = {0};
	int before = count_open();

	make_folder(dir);
	(void)snprintf(path, sizeof(path), "%s/f", dir);
	cr_assert(mkfifo(path, 0600) == 0);
	cr_expect(fd_read_file(AT_FDCWD, path, 100, &data, &len, &err) == -EINVAL, "a fifo");
	cr_expect(fd_read_file(AT_FDCWD, dir, 100, &data, &len, &err) < 0, "a folder");
	cr_expect(fd_read_file(AT_FDCWD, "/dev/zero", 100, &data, &len, &err) == -EINVAL,
		  "a device");
	cr_expect(fd_read_file(AT_FDCWD, "/nonexistent", 100, &data, &len, &err) == -ENOENT);
	cr_expect(strstr(err.text, "/nonexistent") != NULL, "%s", err.text);
	cr_expect(unlink(path) == 0);
	cr_expect(fd_read_file(AT_FDCWD, "/proc/self/exe", 100, &data, &len, &err) == -E2BIG);
	cr_expect(data == (char *)1 && len == 77, "outputs were touched");
	cr_expect(count_open() == before, "a descriptor was left open");
	cr_expect(rmdir(dir) == 0);
}

Test(fd, memfd_sealed_cannot_be_changed)
{
	int fd = -1;
	char data[8];

	cr_assert(fd_memfd_sealed("unit", "abc", 3, &fd, NULL) == 0);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_assert(fd_check_sealed(fd, NULL) == 0);
	cr_assert(pwrite(fd, "x", 1, 0) == -1 && errno == EPERM);
	cr_assert(ftruncate(fd, 0) == -1 && errno == EPERM);
	cr_assert(ftruncate(fd, 100) == -1 && errno == EPERM);
	cr_assert(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == -1 && errno == EPERM);
	cr_assert(mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	cr_assert(pread(fd, data, sizeof(data), 0) == 3 && memcmp(data, "abc", 3) == 0);
	fd_closep(&fd);
}

Test(fd, check_sealed_refuses_a_missing_seal_and_other_files)
{
	static const struct {
		int seals;
		int verdict;
	} rows[] = {
		{0, -EPERM},
		{F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, -EPERM},
		{F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW, -EPERM},
		{F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_WRITE, -EPERM},
		{F_SEAL_SEAL | F_SEAL_GROW | F_SEAL_WRITE, -EPERM},
		{F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, 0},
	};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(fd_closep) int fd = memfd_create("unit", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		cr_assert(fd >= 0 && fcntl(fd, F_ADD_SEALS, rows[i].seals) == 0);
		cr_expect(fd_check_sealed(fd, &err) == rows[i].verdict, "row %zu", i);
	}
	cr_expect(fd_check_sealed(STDIN_FILENO, &err) < 0, "standard input is no memfd");
	cr_expect(fd_check_sealed(-1, &err) == -EBADF);
}

Test(fd, datagram_carries_descriptors_that_close_on_exec)
{
	int s[2];
	int sent[2];
	int got[FD_PASS_MAX];
	size_t n = 99;
	char data[16];

	cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) == 0);
	cr_assert(pipe2(sent, O_CLOEXEC) == 0);
	cr_assert(fd_send(s[0], "hello", 5, sent, 2) == 0);
	cr_assert(fd_recv(s[1], data, sizeof(data), got, &n) == 5);
	cr_assert(n == 2 && memcmp(data, "hello", 5) == 0);
	for (size_t i = 0; i < n; i++)
		cr_expect(fcntl(got[i], F_GETFD) & FD_CLOEXEC, "descriptor %zu", i);
	cr_assert(fd_write_full(got[1], "x", 1) == 0);
	cr_assert(fd_read_full(sent[0], data, 1) == 1 && data[0] == 'x');
}

Test(fd, datagram_too_long_is_refused_and_its_descriptors_closed)
{
	int s[2];
	int sent;
	int got[FD_PASS_MAX];
	size_t n = 99;
	char data[4];
	int before;

	cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) == 0);
	sent = open("/dev/null", O_RDONLY | O_CLOEXEC);
	before = count_open();
	cr_assert(fd_send(s[0], "too long", 8, &sent, 1) == 0);
	cr_assert(fd_recv(s[1], data, sizeof(data), got, &n) == -EMSGSIZE);
	cr_assert(n == 0);
	cr_assert(count_open() == before, "a descriptor was left open");
}

Test(fd, recv_tells_the_end_and_send_to_nobody_raises_no_signal)
{
	int s[2];
	int got[FD_PASS_MAX];
	int many[FD_PASS_MAX + 1] = {0};
	size_t n = 99;
	char data[4];

	cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) == 0);
	cr_assert(fd_send(s[0], "x", 1, many, ARRAY_SIZE(many)) == -EMSGSIZE);
	fd_closep(&s[0]);
	cr_assert(fd_recv(s[1], data, sizeof(data), got, &n) == 0 && n == 0);
	cr_assert(fd_send(s[1], "x", 1, NULL, 0) == -EPIPE);
}

Test(fd, set_nonblock_switches_both_ways)
{
	int s[2];
	int got[FD_PASS_MAX];
	size_t n;
	char data[4];

	cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) == 0);
	cr_assert(fd_set_nonblock(s[0], true) == 0);
	cr_assert(fd_recv(s[0], data, sizeof(data), got, &n) == -EAGAIN);
	cr_assert(fd_set_nonblock(s[0], false) == 0);
	cr_assert(!(fcntl(s[0], F_GETFL) & O_NONBLOCK));
	cr_assert(fd_set_nonblock(-1, true) == -EBADF);
}

Test(fd, memfd_room_is_zeroes_of_one_size_for_ever)
{
	static const size_t sizes[] = {1, 4096, 70000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		CLEANUP(fd_closep) int fd = -1;
		char byte = 'x';
		struct stat st;
		char *map;

		cr_assert_eq(fd_memfd_room("t", sizes[i], &fd), 0);
		cr_assert_eq(fstat(fd, &st), 0);
		cr_expect_eq((size_t)st.st_size, sizes[i]);
		cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
		cr_expect_eq(fcntl(fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
		cr_expect_eq(pread(fd, &byte, 1, (off_t)sizes[i] - 1), 1);
		cr_expect_eq(byte, 0);
		cr_expect(ftruncate(fd, 0) < 0 && errno == EPERM);
		cr_expect(ftruncate(fd, (off_t)sizes[i] + 1) < 0 && errno == EPERM);
		cr_expect_lt(pwrite(fd, "y", 1, (off_t)sizes[i]), 0);
		map = mmap(NULL, sizes[i], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		cr_assert_neq(map, MAP_FAILED);
		map[sizes[i] - 1] = 'z';
		cr_expect_eq(pread(fd, &byte, 1, (off_t)sizes[i] - 1), 1);
		cr_expect_eq(byte, 'z');
		(void)munmap(map, sizes[i]);
	}
}

Test(fd, memfd_room_that_cannot_be_had_leaves_nothing_open)
{
	int before = count_open();
	int fd = 77;

	cr_expect_lt(fd_memfd_room("t", SIZE_MAX, &fd), 0, "a size that is none");
	cr_expect_eq(fd, 77);
	cr_expect_eq(count_open(), before);
}
