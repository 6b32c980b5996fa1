/* What a call has changed, as init tells it in a memfd of the broker's (wire/changes.h). */
#ifndef TOOLCELL_BROKER_CHANGES_H
#define TOOLCELL_BROKER_CHANGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

struct call;

/** changes_are_wanted - whether a call's cell can change the workspace in a way that is told */
bool changes_are_wanted(const struct call *c);

/** changes_open - make c->summary_fd, unless it is there.  Return: 0 or -errno. */
MUST_USE int changes_open(struct call *c);

/**
 * changes_take - the call has ended (c->ended): fill its part of the result
 *
 * Never fails the call: what cannot be told is null, and enforced.missing says so.
 */
void changes_take(struct call *c);

/**
 * changes_of_summary - `changes` of a call that had no broker (exec)
 * @fd: memfd as of changes_open; borrowed
 * @session: its name.  Return: new reference; NULL where nothing was told.
 */
json_t *changes_of_summary(int fd, const char *session);

/**
 * changes_refuse_over_quota - a call that writes where the session is full is DONE and says so
 * Return: whether it was refused.
 */
bool changes_refuse_over_quota(struct call *c);

#endif
