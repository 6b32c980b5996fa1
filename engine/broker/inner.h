/* Calls that the broker makes for itself; a driver sees what comes of them, never the calls. */
#ifndef TOOLCELL_BROKER_INNER_H
#define TOOLCELL_BROKER_INNER_H

#include <stdbool.h>

#include "rpc/rpc.h"

struct broker;

/** inner_has_diff - whether a session's changes can be read as a resource */
bool inner_has_diff(const struct broker *b);

/** inner_diff - answer @rpc with the unified diff of a branch, when it is there */
void inner_diff(struct broker *b, struct rpc_call *rpc, const char *session);

/**
 * inner_purge - begin to clear away layers that nobody needs, when that is wanted and nothing runs
 * Return: whether a call was begun.
 */
bool inner_purge(struct broker *b);

#endif
