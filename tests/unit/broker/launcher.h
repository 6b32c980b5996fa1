/* The launcher of the tests. Commands that begin with '@' make it misbehave; see launcher.c. */
#ifndef TESTS_UNIT_BROKER_LAUNCHER_H
#define TESTS_UNIT_BROKER_LAUNCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/image.h"

/**
 * launcher_run - serve frames on @fd until it closes; never returns
 * @log: descriptor that gets a line for each frame; -1: none
 */
__attribute__((noreturn)) void launcher_run(int fd, const struct image_limits *limits, int log);

struct frame_call;
struct frame_session;

/** layers_summary - what init would write behind a tool whose command is @command; see layers.c */
void layers_summary(int fd, const char *command);
/** layers_workspace - enum frame_workspace of a call */
uint32_t layers_workspace(const struct frame_call *call);
/** layers_ask - answer on @socket; @busy: calls of the branch run */
void layers_ask(int socket, const struct frame_session *frame, bool busy);

/** digest_run - serve digest requests on @fd; @mode: enum digest_mode */
__attribute__((noreturn)) void digest_run(int fd, int mode);

#endif
