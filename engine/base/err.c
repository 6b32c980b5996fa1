/*
 * Theory of operation: text is formatted straight into the caller's fixed buffer and cut there; no
 * allocation, so that an out-of-memory error can be described as well as any other.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool num_is_ours(int num)
{
	return num == EINVAL || num == EPERM || num == E2BIG || num == ECANCELED;
}

int err_set(struct err *err, int num, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (num <= 0)
		num = EIO;
	if (!err)
		return -num;
	err->num = num;
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n < 0)
		err->text[0] = '\0';
	else if ((size_t)n < sizeof(err->text) && !num_is_ours(num))
		(void)snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s",
			       strerrordesc_np(num));
	return -num;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (!err || err->num <= 0)
		return -EIO;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->text))
		(void)snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", old);
	return -err->num;
}
