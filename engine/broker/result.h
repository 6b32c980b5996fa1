/* The result object, toolcell.result/1: every key is always there. */
#ifndef TOOLCELL_BROKER_RESULT_H
#define TOOLCELL_BROKER_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "broker/output.h"
#include "wire/frame.h"

struct result_source {
	const char *call;
	const char *agent; /* NULL: none */
	const char *tool;
	const char *policy;
	const char *status;
	const struct frame_ended *ended;
	const struct frame_ready *ready;
	const char *error;	/* NULL: none; may be foreign */
	const char *data_error; /* NULL: none */
	const char *session;	/* the branch whose layers it saw; NULL: none */
	bool changes_missing;	/* what was changed could not be told */
	uint32_t observed;	/* enum image_observe: how closely init has looked for denials */
	bool unseen;		/* ... but not at every call */
	bool dropped;		/* there were more than are told */
	/*
	 * New references, taken even on failure; NULL counts as out of memory but for @data and
	 * @changes, and stands for an empty @granted.
	 */
	json_t *out;
	json_t *err;
	json_t *data;
	json_t *changes;
	json_t *denials;
	json_t *granted;
};

/** result_new - the object.  Return: NULL without memory. */
json_t *result_new(const struct result_source *source);

/**
 * result_status - "ok", "failed", "stopped", "refused" or "error"
 * @digest_denies: the digest says that the tool did not succeed, whatever its exit code
 */
const char *result_status(const struct frame_ended *ended, bool digest_denies);

/** result_exec_failed - the tool's program could not be started at all */
bool result_exec_failed(const struct frame_ended *ended);

/** result_signal_name - "SIGSEGV"; NULL for no signal */
const char *result_signal_name(int number, char *buffer, size_t cap);

/** result_stream - {"text", "bytes", "truncated", "encoding", "resource"} */
json_t *result_stream(const char *text, uint64_t bytes, bool truncated, const char *encoding,
		      const char *resource);

/** result_safe_string - foreign text as a JSON string */
json_t *result_safe_string(const char *text);

/** result_ended_init - a report for a call that never started */
void result_ended_init(struct frame_ended *ended);

#endif
