/*
 * Theory of operation: question and answer go over /dev/tty, never over stdin and stdout, which may be
 * pipes and somebody else's words. One line is read; all but a plain yes is a no.
 *
 *	flush --> shown --a line--> answer, if the terminal was ours all the time
 *	  ^         `--continued after a stop, or not ours any more--.
 *	  `----------------------------------------------------------'
 *
 * A terminal belongs to one job at a time. What is typed while it is another's (after Ctrl-Z, to the
 * shell) is no answer, and not ours to take. So whoever asks is a process of the job, and the kernel looks
 * at each flush and each read before it takes anything: a job in the background is stopped instead,
 * SIGTTOU and SIGTTIN of termios(3). Reads do not wait, as one that waits is not looked at a second time.
 * An answer counts when nobody has continued us since the question was put and the terminal is still
 * the job's: the shell takes a terminal from a job that is stopped, and gives it back with SIGCONT, which
 * a signalfd keeps even where the stop came between two of our steps. All else is asked anew.
 */
#include "cli/person.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

#define LINE_BYTES 64U
#define POLL_MS 60000

/* A question that stands. */
struct asking {
	int tty;
	int gone;    /* readable: nobody waits for the answer any more; -1: somebody does */
	int signals; /* signalfd of SIGCONT */
	int64_t until_ms;
	sigset_t old_mask;
	struct sigaction old_ttou;
};

enum turn {
	TURN_GO,    /* on with the next step */
	TURN_AGAIN, /* the terminal has been somebody else's */
	TURN_TIMEOUT,
	TURN_GONE,
};

bool person_word_is_yes(const char *line)
{
	static const char *const words[] = {"y", "yes"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(line, words[i]) == 0)
			return true;
	return false;
}

int64_t person_now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static bool is_ours(int tty)
{
	return tcgetpgrp(tty) == getpgrp();
}

/* Until the terminal is ready for @events, or nobody need wait for it any more. */
static enum turn wait_turn(const struct asking *a, short events)
{
	struct pollfd polls[] = {
		{.fd = a->tty, .events = events},
		{.fd = a->signals, .events = POLLIN},
		{.fd = a->gone, .events = POLLIN},
	};

	for (;;) {
		int64_t left = a->until_ms - person_now_ms();
		int n;

		if (left <= 0)
			return TURN_TIMEOUT;
		n = poll(polls, ARRAY_SIZE(polls), (int)MIN(left, (int64_t)POLL_MS));
		if (n < 0 && errno != EINTR)
			return TURN_GONE;
		if (n <= 0)
			continue;
		if (polls[2].revents)
			return TURN_GONE;
		return polls[1].revents ? TURN_AGAIN : TURN_GO;
	}
}

/* What was typed before the question. Here a job waits that is not in the foreground, stopped. */
static enum turn drop_typed(const struct asking *a)
{
	struct signalfd_siginfo info;
	char rest[256];

	if (tcflush(a->tty, TCIFLUSH) < 0 || tcgetpgrp(a->tty) < 0)
		return TURN_GONE; /* or it is the terminal of this session no more */
	if (person_now_ms() >= a->until_ms)
		return TURN_TIMEOUT;
	while (read(a->signals, &info, sizeof(info)) > 0)
		;
	if (!is_ours(a->tty))
		return TURN_AGAIN;
	while (is_ready(a->tty) && read(a->tty, rest, sizeof(rest)) > 0)
		;
	return TURN_GO;
}

static enum turn show(const struct asking *a, const struct buf *text)
{
	enum turn turn = TURN_GO;
	size_t done = 0;

	while (done < text->len && turn == TURN_GO) {
		ssize_t n = write(a->tty, text->data + done, text->len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			turn = wait_turn(a, POLLOUT);
		else if (n == 0 || errno != EINTR)
			turn = TURN_GONE;
	}
	return turn;
}

/* Return: whether the line has ended. What does not fit is dropped: a longer one is no yes. */
static bool take_typed(char line[LINE_BYTES], size_t *len, const char *typed, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (typed[i] == '\n' || typed[i] == '\r') {
			line[*len] = '\0';
			return true;
		}
		if (*len < LINE_BYTES - 1)
			line[(*len)++] = typed[i];
	}
	return false;
}

/* One line without its end. */
static enum turn read_line(const struct asking *a, char line[LINE_BYTES])
{
	char typed[LINE_BYTES];
	size_t len = 0;

	for (;;) {
		enum turn turn = wait_turn(a, POLLIN);
		ssize_t n;

		if (turn != TURN_GO)
			return turn;
		n = read(a->tty, typed, sizeof(typed));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return TURN_GONE;
		if (take_typed(line, &len, typed, (size_t)n))
			return is_ready(a->signals) || !is_ours(a->tty) ? TURN_AGAIN : TURN_GO;
	}
}

/* SIGCONT is kept; a stop is a stop, whatever the one who started us has made of it. */
static int begin(struct asking *a)
{
	sigset_t continued;
	sigset_t stops;

	(void)sigemptyset(&continued);
	(void)sigaddset(&continued, SIGCONT);
	(void)sigemptyset(&stops);
	(void)sigaddset(&stops, SIGTSTP);
	(void)sigaddset(&stops, SIGTTIN);
	(void)sigaddset(&stops, SIGTTOU);
	a->signals = signalfd(-1, &continued, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a->signals < 0)
		return -errno;
	/* No handler: it must stop us, also when it was ignored where we were started. */
	(void)sigaction(SIGTTOU, &(struct sigaction){.sa_handler = SIG_DFL}, &a->old_ttou);
	(void)sigprocmask(SIG_BLOCK, &continued, &a->old_mask);
	(void)sigprocmask(SIG_UNBLOCK, &stops, NULL);
	return 0;
}

static void end(struct asking *a)
{
	(void)sigprocmask(SIG_SETMASK, &a->old_mask, NULL);
	(void)sigaction(SIGTTOU, &a->old_ttou, NULL); /* as it was, without a handler */
	fd_closep(&a->signals);
}

static enum broker_person_answer answer_of(const struct asking *a, enum turn turn, const char *line)
{
	if (turn == TURN_GO)
		return person_word_is_yes(line) ? BROKER_PERSON_YES : BROKER_PERSON_NO;
	if (is_ours(a->tty))
		(void)!write(a->tty, "\n", 1); /* the cursor stands behind the question */
	return turn == TURN_TIMEOUT ? BROKER_PERSON_TIMEOUT : BROKER_PERSON_GONE;
}

enum broker_person_answer person_ask(int tty, int gone, const char *text, int64_t timeout_ms)
{
	struct asking a = {.tty = tty, .gone = gone, .until_ms = person_now_ms() + timeout_ms};
	CLEANUP(buf_fini) struct buf safe = {0};
	enum broker_person_answer answer;
	char line[LINE_BYTES] = "";
	enum turn turn;

	if (text_append_safe(&safe, text, strlen(text)) < 0 || begin(&a) < 0)
		return BROKER_PERSON_GONE;
	do {
		turn = drop_typed(&a);
		if (turn == TURN_GO)
			turn = show(&a, &safe);
		if (turn == TURN_GO)
			turn = read_line(&a, line);
	} while (turn == TURN_AGAIN);
	answer = answer_of(&a, turn, line);
	end(&a);
	return answer;
}

int person_text(struct buf *out, const char *message, const char *title)
{
	return buf_printf(out, "%s%s%s [y/N] ", message ? message : "", message ? "\n" : "", title);
}

static enum broker_person_answer ask(void *ctx, const char *message, const char *title,
				     int64_t timeout_ms)
{
	CLEANUP(buf_fini) struct buf text = {0};

	if (person_text(&text, message, title) < 0)
		return BROKER_PERSON_GONE;
	return person_ask(*(int *)ctx, -1, text.data, timeout_ms);
}

bool person_find(int *fd, struct broker_person *ret)
{
	*fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0)
		return false;
	if (!is_ours(*fd)) {
		fd_closep(fd);
		return false;
	}
	*ret = (struct broker_person){.ask = ask, .ctx = fd};
	return true;
}
