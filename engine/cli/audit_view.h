/* Records of an audit log for people, and which of them are shown. */
#ifndef TOOLCELL_CLI_AUDIT_VIEW_H
#define TOOLCELL_CLI_AUDIT_VIEW_H

#include <stdbool.h>

#include "audit/line.h"
#include "base/buf.h"
#include "base/err.h"

/* What is asked for. */
struct audit_filter {
	const char *call;  /* "c-1"; NULL: any */
	const char *since; /* a beginning of an RFC 3339 time, in UTC; NULL: any */
	bool denied;	   /* calls with denials, and refusals */
};

/** audit_view_wanted - whether @line is among those */
bool audit_view_wanted(const struct audit_filter *filter, const struct audit_line *line);

/**
 * audit_view_append - one record as one line, and a line for each denial
 * Whatever the record holds, the text has no control characters but newlines at ends of lines.
 */
MUST_USE int audit_view_append(const struct audit_line *line, bool color, struct buf *out);

/**
 * audit_view_since - what --since says, as the beginning of a time
 * @text: "2h", "30min" before now, or "2026-03-01", "2026-03-01T09:30", ...
 * @dst:  AUDIT_TIME_BYTES
 */
MUST_USE int audit_view_since(const char *text, int64_t now_us, char *dst, struct err *err);

#endif
