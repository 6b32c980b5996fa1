/* Records of an audit log, made by the process that knows: text of one JSON object each. */
#ifndef TOOLCELL_AUDIT_RECORD_H
#define TOOLCELL_AUDIT_RECORD_H

#include <jansson.h>
#include <stdbool.h>

#include "audit/line.h"
#include "audit/mask.h"
#include "base/err.h"

#define AUDIT_ARGUMENTS_BYTES_MAX ((size_t)256 << 10) /* that are kept as text, before masking */
#define AUDIT_DENIALS_MAX 64U
#define AUDIT_WORD_BYTES_MAX 200U /* of a name that a driver tells */

/**
 * audit_arguments - {"sha256", "bytes", "text"} of a call's arguments
 * @text: keep them, masked; else "text" is null, as it is for those that are too long
 *
 * The hash is of the compact text with sorted keys.  Return: NULL without memory.
 */
json_t *audit_arguments(const struct mask *mask, json_t *arguments, bool text);

/* Who asked, and under what; the same for all calls of an engine. Everything is borrowed. */
struct audit_context {
	const struct mask *mask;
	const char *policy_digest;
	json_t *driver; /* {"name", "version"}; NULL: not told */
};

struct audit_call {
	json_t *result;	      /* toolcell.result/1 */
	json_t *arguments;    /* of audit_arguments; NULL: none */
	const char *by;	      /* "driver", "person", "engine" */
	const char *cwd;      /* NULL: none */
	bool unseen;	      /* its output went elsewhere */
	const char *decision; /* what was decided, for AUDIT_DECISION; NULL: an ordinary call */
};

/**
 * audit_record_call - of a call that is answered
 * Output is counted, not kept. What is too long for a line is left out, and said to be.
 * Return: malloc'ed; NULL without memory.
 */
char *audit_record_call(const struct audit_context *context, const struct audit_call *call);

/** audit_record_begin - of a call that starts, kept by the writer until it ends */
char *audit_record_begin(const char *call, const char *tool, json_t *arguments);

/** audit_record_decision - of one that is no call's answer: {"decision", "by", "call", "tool"} */
char *audit_record_decision(const char *decision, const char *by, const char *call,
			    const char *tool);

/** audit_environment - names and, with @text, masked values of "NAME=VALUE"s, and those of @set */
json_t *audit_environment(const struct mask *mask, json_t *set, bool text);

/** audit_safe_string - a foreign text, safe, masked and short */
json_t *audit_safe_string(const struct mask *mask, const char *text);

#endif
