/*
 * Theory of operation: each use of a path is tried with the one call that stands for it, without
 * changing what is there: a file is opened for writing and not written, a new name is removed at once, a
 * program is ended the moment that its execution has succeeded. A program that is missing where
 * one can be made is made from this one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tools/cell/probe/probe.h"

#define NEW_NAME ".toolcell-probe"
#define BLOCK ((size_t)64 << 10)
#define PATH_BYTES 4200U

static const struct probe_answer ok = {PROBE_OK, 0};

struct probe_answer probe_read(char *path)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	char byte;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return probe_errno();
	if (S_ISDIR(st.st_mode))
		return ok;
	n = read(fd, &byte, 1);
	if (n < 0 && errno != EAGAIN)
		return probe_errno();
	return n == 0 ? (struct probe_answer){PROBE_EMPTY, 0} : ok;
}

struct probe_answer probe_list(char *path)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? probe_errno() : ok;
}

static struct probe_answer make(const char *path)
{
	CLEANUP(fd_closep)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return probe_errno();
	(void)unlink(path);
	return ok;
}

static struct probe_answer make_within(const char *folder)
{
	char path[PATH_BYTES];
	int n = snprintf(path, sizeof(path), "%s/%s", folder, NEW_NAME);

	if (n < 0 || (size_t)n >= sizeof(path))
		return (struct probe_answer){PROBE_MISUSE, 0};
	return make(path);
}

struct probe_answer probe_write(char *path)
{
	CLEANUP(fd_closep) int fd = -1;
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? make(path) : probe_errno();
	if (S_ISDIR(st.st_mode))
		return make_within(path);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? probe_errno() : ok;
}

struct probe_answer probe_create(char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? make_within(path) : make(path);
}

/* This program's own file under another name.  Return: whether it is there now. */
static bool copy_here(const char *path)
{
	CLEANUP(fd_closep) int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CLEANUP(fd_closep)
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
	char *block = malloc(BLOCK);
	ssize_t n = from < 0 || to < 0 || !block ? -1 : 1;

	while (n > 0) {
		n = fd_read_full(from, block, BLOCK);
		if (n > 0 && fd_write_full(to, block, (size_t)n) < 0)
			n = -1;
	}
	free(block);
	if (n < 0 && to >= 0)
		(void)unlink(path);
	return n == 0;
}

static _Noreturn void execute(char *path, int report)
{
	char *argv[] = {path, NULL};
	char *envp[] = {NULL};
	struct probe_answer answer;

	probe_own_streams();
	(void)execve(path, argv, envp);
	answer = probe_errno();
	(void)!write(report, &answer, sizeof(answer));
	_exit(0);
}

/* End of file on the pipe is the news that execution worked: no answer was written. */
static struct probe_answer execute_once(char *path)
{
	struct probe_answer answer = {PROBE_WORD_N, 0};
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return probe_errno();
	pid = fork();
	if (pid == 0)
		execute(path, ends[1]);
	(void)close(ends[1]);
	if (pid > 0 && fd_read_full(ends[0], &answer, sizeof(answer)) != sizeof(answer))
		answer = ok;
	(void)close(ends[0]);
	if (pid < 0)
		return probe_errno();
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return answer;
}

struct probe_answer probe_execute(char *path)
{
	struct probe_answer answer = execute_once(path);

	if (answer.word != PROBE_ERRNO || answer.number != ENOENT || !copy_here(path))
		return answer;
	answer = execute_once(path);
	(void)unlink(path);
	return answer;
}
