/* The person at the terminal, for grants that the policy marks with "ask". */
#ifndef TOOLCELL_CLI_PERSON_H
#define TOOLCELL_CLI_PERSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "broker/broker.h"

/* person.c: by a process of the job that the terminal belongs to */

/**
 * person_find - the terminal of this process, when somebody can be asked there
 * @fd:  /dev/tty, owned by @ret; stays open for as long as questions may come
 * @ret: borrowed by whoever asks
 *
 * A job in the background has none, as its shell reads there. What has been typed before a question is no
 * answer to it and is thrown away; a job that is stopped while it asks leaves what is typed to the shell,
 * and asks anew when it is back in the foreground.
 * Return: whether there is one.
 */
bool person_find(int *fd, struct broker_person *ret);

/**
 * person_ask - put one question
 * @tty:  of person_find
 * @gone: readable when nobody waits for the answer any more; -1: somebody does
 * @text: person_text's; made safe for a terminal once more
 */
enum broker_person_answer person_ask(int tty, int gone, const char *text, int64_t timeout_ms);

/** person_text - what is written for a question; @message may be NULL.  Return: 0 or -errno. */
MUST_USE int person_text(struct buf *out, const char *message, const char *title);

/** person_word_is_yes - "y" or "yes", as typed, and nothing else */
bool person_word_is_yes(const char *line);

/** person_now_ms - CLOCK_MONOTONIC */
int64_t person_now_ms(void);

/* person_process.c: for a broker, which leaves the terminal's session */

/**
 * person_start - fork a process of this job, which asks for the broker
 * @tty:      of person_find; closed here
 * @ret_sock: to that process; for the broker alone, as its end ends it. -1 when it cannot be asked any more
 * @ret:      borrows @ret_sock
 *
 * It dies with this process, and has no right but to read and write at the terminal.
 */
MUST_USE int person_start(int *tty, int *ret_sock, struct broker_person *ret, struct err *err);

#endif
