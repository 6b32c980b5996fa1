/*
 * Log lines of long-running processes (floors 3 and up), once per failure:
 *	toolcell-launcher: level=error event=cgroup-create path="..." error="..."
 */
#ifndef TOOLCELL_BASE_LOG_H
#define TOOLCELL_BASE_LOG_H

#include "base/macros.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/** log_open - name of this process and the highest level that is written; no file is opened */
void log_open(const char *name, enum log_level most);

/** log_event - one line to standard error, in one write(2); foreign text must be quoted already */
void log_event(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#endif
