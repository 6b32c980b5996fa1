/*
 * Theory of operation: the pager is a child that reads the other end of our standard output. It is
 * started before the engine, so that it has none of its descriptors, and waited for behind it. A pager
 * that cannot be executed is replaced by a plain copy: the text is what counts.
 */
#include "cli/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define PAGER_DEFAULT "less"
#define WORDS_CAP 16
#define COPY_BYTES 8192

size_t pager_words(char *command, char **words, size_t cap)
{
	char *state = NULL;
	size_t n = 0;

	for (char *word = strtok_r(command, " \t", &state); word && n + 1 < cap;
	     word = strtok_r(NULL, " \t", &state))
		words[n++] = word;
	words[n] = NULL;
	return n;
}

static void NORETURN copy(void)
{
	char data[COPY_BYTES];
	ssize_t n;

	while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0)
		if (fd_write_full(STDOUT_FILENO, data, (size_t)n) < 0)
			_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

static void NORETURN become_pager(char *command, int in)
{
	char *words[WORDS_CAP];

	if (dup2(in, STDIN_FILENO) < 0)
		_exit(EXIT_FAILURE);
	(void)close(in);
	/* As git does: leave when one screen is enough, show colours, leave the text behind. */
	if (setenv("LESS", "FRX", 0) == 0 && setenv("LV", "-c", 0) == 0 &&
	    pager_words(command, words, WORDS_CAP) > 0)
		(void)execvp(words[0], words);
	copy();
}

pid_t pager_start(void)
{
	const char *wanted = getenv("PAGER");
	char *command;
	int ends[2];
	pid_t pid;

	if (isatty(STDOUT_FILENO) != 1 || (wanted && (!*wanted || strcmp(wanted, "cat") == 0)))
		return -1;
	command = strdup(wanted ? wanted : PAGER_DEFAULT);
	if (!command || pipe2(ends, O_CLOEXEC) < 0) {
		free(command);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		become_pager(command, ends[0]);
	free(command);
	(void)close(ends[0]);
	/* Without close-on-exec, as a standard stream must be. */
	if (pid > 0 && dup2(ends[1], STDOUT_FILENO) < 0)
		pid = -1; /* it sees the end of its input at once */
	(void)close(ends[1]);
	return pid;
}

void pager_end(pid_t pager)
{
	int null;

	if (pager <= 0)
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
		(void)close(STDOUT_FILENO);
	fd_closep(&null);
	/* ECHILD: the supervisor, who waits for any child, has met its end already. */
	while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
		;
}
