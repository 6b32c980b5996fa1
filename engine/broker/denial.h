/* An entry of a result's `denials`: one shape, whoever found out. */
#ifndef TOOLCELL_BROKER_DENIAL_H
#define TOOLCELL_BROKER_DENIAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "broker/origins.h"
#include "wire/frame.h"

#define DENIAL_UNKNOWN UINT64_MAX

/* Texts are safe already (denial_line); borrowed but for @fragment. */
struct denial {
	const char
		*layer; /* mount, landlock, seccomp, network, namespace, limit, policy, protected */
	const char *operation;
	const char *object;
	const char *errno_name; /* as the tool saw it; NULL: it saw none */
	const char *rule;	/* "FILE#/POINTER"; NULL: no policy's */
	const char *remedy;
	json_t *fragment; /* of a policy, which would allow just this; new reference, taken; NULL: none */
	bool open;	  /* a policy may allow it: nothing built in or final stands against */
	const char *process; /* name; NULL: not known */
	uint32_t pid;	     /* in the cell */
	uint64_t count;	     /* 0 counts as 1 */
	uint64_t first_us;   /* since the call began; DENIAL_UNKNOWN */
	bool limited;	     /* the next two are told */
	uint64_t value;	     /* of the limit; DENIAL_UNKNOWN */
	uint64_t use;	     /* likewise */
};

/** denial_make - NULL without memory */
json_t *denial_make(const struct denial *denial);

/** denial_new - of a refusal that no process met, once */
json_t *denial_new(const char *layer, const char *operation, const char *object,
		   const char *errno_name, const char *rule, const char *remedy);

/** denial_line - foreign text as a single safe line.  Return: 0 or -errno of the buffer. */
MUST_USE int denial_line(struct buf *out, const char *text);

struct denial_source {
	const struct frame_ended *ended;
	struct origins origins;
	bool wall_asked; /* the time limit was the driver's own */
	bool no_overlay; /* the cell wants one, the launcher has none, and no fallback stands in */
	bool over_quota; /* ended for the session's quota, not for the size of a file */
	uint64_t output_bytes; /* UINT64_MAX: not known */
};

/** denials_append_limits - what limits the call met.  Return: 0 or -ENOMEM. */
MUST_USE int denials_append_limits(json_t *denials, const struct denial_source *source);

/**
 * denials_weigh - `relevance` of each: "cause", "possible", "none"
 * @status:    of the result
 * @explained: the tool itself has said what is wrong (errors of a compiler), so nothing is only possible
 *
 * A tool that succeeds has coped with what it was denied; what ends or refuses a call is its cause. In
 * between nobody can know.  Return: 0 or -ENOMEM.
 */
MUST_USE int denials_weigh(json_t *denials, const struct frame_ended *ended, const char *status,
			   bool explained);

#endif
