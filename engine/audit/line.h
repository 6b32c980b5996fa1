/*
 * One line of an audit log, toolcell.audit/1: what the writer vouches for, around a record that others
 * made, and the hashes that chain it.
 *
 *	{"schema":"toolcell.audit/1","seq":7,"time":"2026-03-01T09:30:00.000001Z","engine":"k3f7abcd",
 *	 "uid":1000,"kind":"call","prev":"HASH","record":{...},"hash":"HASH"}
 *
 * in exactly this order, without spaces, on one line. "hash" is the SHA-256 of the bytes before
 * ,"hash": and "prev" that of the line before; both are 64 digits in lower case.
 */
#ifndef TOOLCELL_AUDIT_LINE_H
#define TOOLCELL_AUDIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define AUDIT_SCHEMA "toolcell.audit/1"
#define AUDIT_HEX_BYTES 65U /* a hash as text, with its NUL */
#define AUDIT_NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"
#define AUDIT_TIME_BYTES 32U
#define AUDIT_ENGINE_BYTES 9U /* eight of [a-z2-7] and a NUL */
#define AUDIT_RECORD_BYTES_MAX ((size_t)64 << 10)
#define AUDIT_LINE_BYTES_MAX (AUDIT_RECORD_BYTES_MAX + 1024U) /* newline included */
#define AUDIT_DEPTH_MAX 64U

enum audit_kind {
	AUDIT_LOG,	/* the first line of each file */
	AUDIT_ENGINE,	/* an engine starts or ends */
	AUDIT_CALL,	/* a call has ended */
	AUDIT_DECISION, /* somebody decided something */
	AUDIT_LOST,	/* a call began, and its engine ended before it could say more */
	AUDIT_GAP,	/* records that could not be written */
	AUDIT_TORN,	/* the line before was cut off */
	AUDIT_KIND_N,
};

/** audit_kind_name - "call"; NULL beyond the last */
const char *audit_kind_name(enum audit_kind kind);

struct audit_line {
	uint64_t seq;
	char time[AUDIT_TIME_BYTES];
	char engine[AUDIT_ENGINE_BYTES];
	uint32_t uid;
	enum audit_kind kind;
	char prev[AUDIT_HEX_BYTES];
	char hash[AUDIT_HEX_BYTES];
	const char *record; /* an object; points into the text */
	size_t record_len;
};

/**
 * audit_record_is_sane - one object that cannot reach out of its place in a line
 *
 * UTF-8 without control characters, strings and brackets closed, at most AUDIT_DEPTH_MAX deep and
 * AUDIT_RECORD_BYTES_MAX long. Whether it is JSON in every detail is its reader's to find out.
 */
bool audit_record_is_sane(const char *record, size_t len);

/**
 * audit_line_append - the line with its newline
 * @line: hash is filled in; everything else is given
 *
 * Return: 0; -EINVAL for a record that is not sane; -errno of the buffer.
 */
MUST_USE int audit_line_append(struct buf *out, struct audit_line *line);

/**
 * audit_line_parse - the reverse, for text that may be anything
 * @text:    without its newline
 * @ret_why: on failure, what is wrong: a constant
 *
 * The hash is worked out and compared.  Return: 0 or -EBADMSG.
 */
MUST_USE int audit_line_parse(const char *text, size_t len, struct audit_line *ret,
			      const char **ret_why);

/**
 * audit_line_is_cut - whether this is what a crash leaves of a line
 *
 * The beginning of one, to the last byte; nothing at all is one, too. A line that is there to its end and
 * does not fit its hash is none: that has been changed.
 */
bool audit_line_is_cut(const char *text, size_t len);

/** audit_time_text - RFC 3339 in UTC with microseconds.  Return: @dst. */
const char *audit_time_text(int64_t time_us, char dst[AUDIT_TIME_BYTES]);

/** audit_hash_hex - SHA-256 of @data as text */
void audit_hash_hex(const void *data, size_t len, char dst[AUDIT_HEX_BYTES]);

#endif
