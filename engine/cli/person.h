/* The person at the terminal, for grants that the policy marks with "ask". */
#ifndef TOOLCELL_CLI_PERSON_H
#define TOOLCELL_CLI_PERSON_H

#include <stdbool.h>

#include "broker/broker.h"

/**
 * person_find - the terminal of this process, when somebody can be asked there
 * @fd:  /dev/tty, owned by @ret; stays open for as long as questions may come
 * @ret: borrowed by whoever asks
 *
 * A job in the background has none, as its shell reads there. What has been typed before a question is no
 * answer to it and is thrown away.
 * Return: whether there is one.
 */
bool person_find(int *fd, struct broker_person *ret);

/** person_word_is_yes - "y" or "yes", as typed, and nothing else */
bool person_word_is_yes(const char *line);

#endif
