/*
 * Theory of operation: a system call is made by its number with the arguments of the table, in a
 * process that is thrown away afterwards: it may end, block, fork or narrow itself. What the call
 * does when it is allowed is of no interest; that its arguments are mostly zeros keeps it harmless.
 * Calls of i386 go through the old gate, those of x32 carry their bit in the number.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "tools/cell/probe/probe.h"

#define ARGS 6U
#define CONNECT_MS 300

static const struct probe_answer misuse = {PROBE_MISUSE, 0};
static const struct probe_answer ok = {PROBE_OK, 0};

#ifdef __x86_64__
/* 0, or -errno; only the lower halves of arguments get there. */
static long call_i386(uint64_t nr, const uint64_t *args)
{
	uint32_t result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"((uint32_t)nr), "b"((uint32_t)args[0]), "c"((uint32_t)args[1]),
			   "d"((uint32_t)args[2]), "S"((uint32_t)args[3]), "D"((uint32_t)args[4])
			 : "memory", "r8", "r9", "r10", "r11");
	return (int32_t)result;
}
#endif

static struct probe_answer of_result(long result)
{
	if (result >= 0 || result < -4095)
		return ok;
	return (struct probe_answer){PROBE_ERRNO, (uint64_t)-result};
}

static struct probe_answer make_call(const char *arch, uint64_t nr, const uint64_t *a)
{
	pid_t me = getpid();
	long result;

	if (strcmp(arch, "i386") == 0) {
#ifdef __x86_64__
		return of_result(call_i386(nr, a));
#else
		return misuse;
#endif
	}
	errno = 0;
	result = syscall((long)nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (getpid() != me) /* it was a kind of fork, and this is the child */
		_exit(0);
	return result == -1 && errno != 0 ? probe_errno() : of_result(result);
}

/* "ARCH NUMBER A0 A1 A2 A3 A4 A5" */
struct probe_answer probe_call(char *text)
{
	uint64_t numbers[1 + ARGS];
	char *save = NULL;
	char *arch = strtok_r(text, " ", &save);

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		char *word = strtok_r(NULL, " ", &save);

		if (!arch || !word || num_parse_u64(word, UINT64_MAX, &numbers[i]) < 0)
			return misuse;
	}
	return make_call(arch, numbers[0], numbers + 1);
}

static struct probe_answer connect_to(const struct sockaddr *to, socklen_t len)
{
	CLEANUP(fd_closep)
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	int num = 0;
	socklen_t size = sizeof(num);

	if (fd < 0)
		return probe_errno();
	if (connect(fd, to, len) == 0)
		return ok;
	if (errno != EINPROGRESS)
		return probe_errno();
	if (poll(&wait, 1, CONNECT_MS) == 0) /* it was sent, and nobody answers */
		return (struct probe_answer){PROBE_BLOCKED, 0};
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &num, &size) < 0)
		return probe_errno();
	return num == 0 ? ok : (struct probe_answer){PROBE_ERRNO, (uint64_t)num};
}

/* "ADDRESS PORT" */
struct probe_answer probe_connect(char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	char *space = strchr(text, ' ');
	uint64_t port;

	if (!space || num_parse_u64(space + 1, 65535, &port) < 0)
		return misuse;
	*space = '\0';
	v4.sin_port = htons((uint16_t)port);
	v6.sin6_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return connect_to((const struct sockaddr *)&v4, sizeof(v4));
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		return connect_to((const struct sockaddr *)&v6, sizeof(v6));
	return misuse;
}

struct probe_answer probe_env(char *name)
{
	return getenv(name) ? ok : (struct probe_answer){PROBE_ERRNO, ENOENT};
}

/* Those that a process can ask for itself. */
struct probe_answer probe_limit(char *name)
{
	static const struct {
		const char *name;
		int resource;
	} rows[] = {{"open_files", RLIMIT_NOFILE}, {"file_size", RLIMIT_FSIZE}};
	struct rlimit limit;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return getrlimit((__rlimit_resource_t)rows[i].resource, &limit) < 0
				       ? probe_errno()
				       : (struct probe_answer){PROBE_VALUE, limit.rlim_max};
	return misuse;
}
