/* Theory of operation: format into a fixed line, write it whole; a full pipe loses the line. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static struct {
	const char *name;
	enum log_level most;
} log_state = {.name = "toolcell", .most = LOG_LEVEL_WARNING};

void log_open(const char *name, enum log_level most)
{
	log_state.name = name;
	log_state.most = most;
}

void log_event(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	char line[LINE_MAX_BYTES];
	va_list ap;
	int n;
	int m;

	if (level > log_state.most)
		return;
	n = snprintf(line, sizeof(line), "%s: level=%s ", log_state.name, names[level]);
	if (n < 0 || (size_t)n >= sizeof(line))
		return;
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if (m < 0)
		return;
	n = (int)MIN((size_t)n + (size_t)m, sizeof(line) - 2);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}
