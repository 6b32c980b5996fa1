/*
 * Theory of operation: question and answer go over /dev/tty, never over stdin and stdout, which may be
 * pipes and somebody else's words. One line is read; all but a plain yes is a no. A confined broker asks
 * over a descriptor that was opened before it was confined; it has no ioctl(2), so that of what was typed
 * before the question it can drop whole lines only.
 */
#include "cli/person.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define LINE_BYTES 64U

bool person_word_is_yes(const char *line)
{
	static const char *const words[] = {"y", "yes"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(line, words[i]) == 0)
			return true;
	return false;
}

static int64_t now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_ready(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) > 0;
}

/* Lines that stand there from before the question. */
static void drop_typed(int fd)
{
	char rest[256];

	(void)tcflush(fd, TCIFLUSH);
	while (is_ready(fd, 0) && read(fd, rest, sizeof(rest)) > 0)
		;
}

/* One line without its end. Return: bytes; -ETIMEDOUT; -EPIPE when the terminal has gone. */
static ssize_t read_line(int fd, int64_t until_ms, char line[LINE_BYTES])
{
	size_t len = 0;

	for (;;) {
		int64_t left = until_ms - now_ms();
		char c;
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (!is_ready(fd, (int)MIN(left, (int64_t)60000)))
			continue;
		n = read(fd, &c, 1);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return -EPIPE;
		if (c == '\n' || c == '\r')
			break;
		/* A longer one is no yes, whatever it begins with. */
		if (len < LINE_BYTES - 1)
			line[len++] = c;
	}
	line[len] = '\0';
	return (ssize_t)len;
}

static enum broker_person_answer ask(void *ctx, const char *message, const char *title,
				     int64_t timeout_ms)
{
	int fd = *(int *)ctx;
	CLEANUP(buf_fini) struct buf text = {0};
	char line[LINE_BYTES];
	ssize_t n;

	drop_typed(fd);
	if (buf_printf(&text, "%s%s%s [y/N] ", message ? message : "", message ? "\n" : "", title) <
		    0 ||
	    fd_write_full(fd, text.data, text.len) < 0)
		return BROKER_PERSON_GONE;
	n = read_line(fd, now_ms() + timeout_ms, line);
	if (n < 0) {
		(void)!fd_write_full(fd, "\n", 1); /* the cursor stands behind the question */
		return n == -ETIMEDOUT ? BROKER_PERSON_TIMEOUT : BROKER_PERSON_GONE;
	}
	return person_word_is_yes(line) ? BROKER_PERSON_YES : BROKER_PERSON_NO;
}

bool person_find(int *fd, struct broker_person *ret)
{
	*fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (*fd < 0)
		return false;
	if (tcgetpgrp(*fd) != getpgrp()) {
		fd_closep(fd);
		return false;
	}
	*ret = (struct broker_person){.ask = ask, .ctx = fd};
	return true;
}
