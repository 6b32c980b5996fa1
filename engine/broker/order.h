/* stdout and stderr of one tool in the order in which they were written. */
#ifndef TOOLCELL_BROKER_ORDER_H
#define TOOLCELL_BROKER_ORDER_H

#include <stdbool.h>

#include "base/macros.h"

struct call;

/** order_is_wanted - the tool's reader sees both streams as one, and nothing else holds them up */
bool order_is_wanted(const struct call *c);

/** order_pipe - pipe2(2) with room for a single write.  Return: 0, or -1 and errno. */
MUST_USE int order_pipe(int fds[2]);

/** order_start - read both streams of @c in order.  Return: 0 or -errno. */
MUST_USE int order_start(struct call *c);
void order_stop(struct call *c);

#endif
