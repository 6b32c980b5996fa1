/*
 * The one error value. Libraries fill a caller-owned struct err and return 0 or a negative errno;
 * they never log and never exit. A refusal of our own (policy, bad input) has its number too, so
 * that -errno alone is always enough to tell that something went wrong.
 */
#ifndef TOOLCELL_BASE_ERR_H
#define TOOLCELL_BASE_ERR_H

#include "base/macros.h"

#define ERR_TEXT_MAX 512

struct err {
	int num;		 /* positive errno */
	char text[ERR_TEXT_MAX]; /* one line, foreign bytes already quoted */
};

/**
 * err_set - describe a failure
 * @err: filled; may be NULL when the caller does not want words
 * @num: positive errno; its text is appended as ": No such file ..." unless it is EINVAL, EPERM,
 *	 E2BIG or ECANCELED, which are ours and say nothing more than the sentence before them
 * @fmt: what failed and where, without a final period or newline
 *
 * Cuts at ERR_TEXT_MAX. Allocates nothing.  Return: -@num.
 */
int err_set(struct err *err, int num, const char *fmt, ...) PRINTF(3, 4);

/**
 * err_wrap - put context before what is already there
 *
 * "CONTEXT: OLD TEXT".  Return: -err->num (or -EIO when @err is NULL or unset).
 */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);

#endif
