/* The launcher of the tests. Commands that begin with '@' make it misbehave; see launcher.c. */
#ifndef TESTS_UNIT_BROKER_LAUNCHER_H
#define TESTS_UNIT_BROKER_LAUNCHER_H

#include <stdint.h>

#include "wire/image.h"

/** launcher_run - serve frames on @fd until it closes; never returns */
__attribute__((noreturn)) void launcher_run(int fd, const struct image_limits *limits);

/** digest_run - serve digest requests on @fd; @mode: enum digest_mode */
__attribute__((noreturn)) void digest_run(int fd, int mode);

#endif
