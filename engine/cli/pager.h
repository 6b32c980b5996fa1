/* Long output on a terminal goes through the person's pager. */
#ifndef TOOLCELL_CLI_PAGER_H
#define TOOLCELL_CLI_PAGER_H

#include <sys/types.h>

/**
 * pager_start - standard output becomes a pipe to $PAGER (less, when it is not set)
 * Call it before anything else is opened: the pager inherits the standard streams and nothing else.
 * Nothing happens when standard output is no terminal, or PAGER is empty or "cat".
 * Return: for pager_end.
 */
pid_t pager_start(void);

/** pager_end - end of its input, then wait for it */
void pager_end(pid_t pager);

/**
 * pager_words - "less -R" as words for execvp(3); no quoting, no shell
 * @command: cut into words in place
 * Return: their number, at most @cap - 1; words[number] is NULL.
 */
size_t pager_words(char *command, char **words, size_t cap);

#endif
