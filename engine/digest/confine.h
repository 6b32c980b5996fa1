/*
 * What toolcell-digest takes away from itself. Built with sanitizers (meson's b_sanitize) the
 * filters and the limit on address space are left out, because a sanitizer maps memory and opens
 * files of its own; such a build is for tests and says so at its start.
 */
#ifndef TOOLCELL_DIGEST_CONFINE_H
#define TOOLCELL_DIGEST_CONFINE_H

#include "base/err.h"

/** confine_zygote - Landlock without any path, then the filter of a process that only forks */
MUST_USE int confine_zygote(struct err *err);

/** confine_limits - resource limits of a worker.  Return: 0 or -errno. */
MUST_USE int confine_limits(void);

/** confine_worker - from here on read(0), write(1), exit and nothing else.  Return: 0 or -errno. */
MUST_USE int confine_worker(void);

#endif
