/* One call's parsing, in a process of its own: chunks on descriptor 0, the reply on 1. */
#ifndef TOOLCELL_DIGEST_WORKER_H
#define TOOLCELL_DIGEST_WORKER_H

#include "base/macros.h"

/**
 * worker_run - take the two pipes as 0 and 1, close all else, lock down, parse, answer, exit
 * @name: row of the parser table
 */
void worker_run(const char *name, int in_fd, int out_fd) NORETURN;

#endif
