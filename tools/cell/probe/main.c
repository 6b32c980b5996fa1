/*
 * Theory of operation: toolcell-probe runs in a cell and tries what it is told to, so that a verdict
 * table can be held against what the kernel really answers:
 *
 *	NUMBER VERB TEXT  -->  NUMBER WORD [N]
 *
 * a line of input and one of output each, until input ends. It decides nothing: whoever started it
 * knows what should have come out. What could end, block or change the process is tried in a
 * child; what was made is removed again. Static, and it needs only the calls that every program needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "tools/cell/probe/probe.h"

#define WAIT_MS 500

static const char *const words[] = {
	[PROBE_OK] = "ok",	     [PROBE_ERRNO] = "errno", [PROBE_SIGNAL] = "signal",
	[PROBE_BLOCKED] = "blocked", [PROBE_EMPTY] = "empty", [PROBE_VALUE] = "value",
	[PROBE_MISUSE] = "misuse",
};
static_assert(ARRAY_SIZE(words) == PROBE_WORD_N, "every word is spelt");

static const struct {
	const char *name;
	probe_try attempt;
	bool apart;
} verbs[] = {
	{"read", probe_read, true},	   {"list", probe_list, true},
	{"write", probe_write, true},	   {"create", probe_create, true},
	{"execute", probe_execute, false}, {"call", probe_call, true},
	{"connect", probe_connect, true},  {"env", probe_env, false},
	{"limit", probe_limit, false},
};

struct probe_answer probe_errno(void)
{
	return (struct probe_answer){PROBE_ERRNO, (uint64_t)errno};
}

void probe_own_streams(void)
{
	int own[2];

	if (pipe2(own, O_CLOEXEC) < 0)
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		if (dup2(own[fd > 0], fd) < 0)
			_exit(1);
}

static _Noreturn void attempt_apart(probe_try attempt, char *text, int report)
{
	struct probe_answer answer;

	probe_own_streams();
	answer = attempt(text);
	(void)!write(report, &answer, sizeof(answer));
	_exit(0);
}

static struct probe_answer ended(int status)
{
	if (WIFSIGNALED(status))
		return (struct probe_answer){PROBE_SIGNAL, (uint64_t)WTERMSIG(status)};
	return (struct probe_answer){PROBE_OK, 0};
}

struct probe_answer probe_apart(probe_try attempt, char *text)
{
	struct probe_answer answer = {PROBE_OK, 0};
	struct pollfd wait = {.events = POLLIN};
	bool late;
	int status = 0;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return probe_errno();
	pid = fork();
	if (pid == 0)
		attempt_apart(attempt, text, ends[1]);
	(void)close(ends[1]);
	wait.fd = ends[0];
	late = pid > 0 && poll(&wait, 1, WAIT_MS) == 0;
	if (pid > 0 && (late || fd_read_full(ends[0], &answer, sizeof(answer)) != sizeof(answer)))
		answer.word = PROBE_WORD_N;
	(void)close(ends[0]);
	if (pid < 0)
		return probe_errno();
	if (late)
		(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	if (late)
		return (struct probe_answer){PROBE_BLOCKED, 0};
	return answer.word == PROBE_WORD_N ? ended(status) : answer;
}

static struct probe_answer try_line(char *verb)
{
	char *text = strchr(verb, ' ');

	if (text)
		*text++ = '\0';
	for (size_t i = 0; text && i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, verb) != 0)
			continue;
		return verbs[i].apart ? probe_apart(verbs[i].attempt, text)
				      : verbs[i].attempt(text);
	}
	return (struct probe_answer){PROBE_MISUSE, 0};
}

int main(void)
{
	static char line[PROBE_LINE_MAX];

	(void)signal(SIGPIPE, SIG_IGN);
	while (fgets(line, sizeof(line), stdin)) {
		char *rest = strchr(line, ' ');
		struct probe_answer answer;
		uint64_t number;

		line[strcspn(line, "\n")] = '\0';
		if (rest)
			*rest++ = '\0';
		if (!rest || num_parse_u64(line, UINT32_MAX, &number) < 0)
			return 2;
		answer = try_line(rest);
		(void)printf("%llu %s %llu\n", (unsigned long long)number, words[answer.word],
			     (unsigned long long)answer.number);
		if (fflush(stdout) != 0)
			return 1;
	}
	return 0;
}
