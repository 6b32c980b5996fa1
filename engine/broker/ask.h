/* The tool "session": what becomes of layers between calls, asked of the launcher. */
#ifndef TOOLCELL_BROKER_ASK_H
#define TOOLCELL_BROKER_ASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "wire/frame.h"

struct call;

/**
 * ask_prepare - from validated arguments to an operation; on refusal the call is DONE and says why
 * c->branch is known already.
 */
void ask_prepare(struct call *c, json_t *arguments);

/** ask_start - send it.  Return: 0 or -EAGAIN; anything else has lost the launcher. */
MUST_USE int ask_start(struct call *c);

/** ask_tick - send again what was answered by "busy" */
void ask_tick(struct call *c, int64_t now_ms);

/** ask_end - FRAME_SESSION_DONE is here */
void ask_end(struct call *c, const struct frame_session_done *done);

/** ask_is_sane - whether an answer can be one */
bool ask_is_sane(const struct frame_session_done *done);

#endif
