/* The loop of the process that writes the log: questions of wire.h in, lines out. */
#ifndef TOOLCELL_AUDIT_WRITER_H
#define TOOLCELL_AUDIT_WRITER_H

#include "audit/log.h"

#define AUDIT_OPEN_CALLS_MAX 512U

/**
 * audit_writer_run - until the other end of @sock is closed
 * Then calls that began and never ended are written as "lost", and the engine's end.
 */
void audit_writer_run(struct audit_log *log, int sock);

#endif
