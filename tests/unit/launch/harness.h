/*
 * A launcher under test without the rest of the engine: an image built by hand (an ordinary root file
 * system, a filter that allows everything), and this process in the broker's place.
 */
#ifndef TOOLCELL_TESTS_LAUNCH_HARNESS_H
#define TOOLCELL_TESTS_LAUNCH_HARNESS_H

#include <sys/types.h>

#include "wire/frame.h"
#include "wire/image.h"

struct harness {
	pid_t launcher;
	int sock;
	int alive; /* write end; closing it is the supervisor's death */
	char workspace[64];
	char lower[64]; /* host folder below the overlay */
	char data[64];	/* of the session; "" without */
	int summary;	/* memfd for calls with FRAME_CALL_SUMMARY */
	struct frame_ready ready;
};

/* What a test may change before the image is sealed. */
struct harness_options {
	uint32_t require;
	uint32_t landlock_abi_min;
	enum image_net net;
	uint32_t flags;
	struct image_limits limits; /* 0 fields: defaults */
	const char *extra_bind;	    /* host path, bound read-only */
	const char *rules;	    /* text of workspace/rules.h */
	enum image_fallback fallback;
	uint32_t maintenance;
	const char *why;	/* no session on disk, for this reason */
	const char *other_data; /* the descriptor is of this folder instead */
};

void harness_start(struct harness *h, const struct harness_options *options);

/* End the session and remove its folders; or, when the test has ended it, only the folders. */
void harness_stop(struct harness *h);
void harness_remove(struct harness *h);

struct harness_result {
	struct frame_ended ended;
	char out[8192]; /* stdout and stderr together */
	size_t out_len;
};

/* Run /bin/sh -c SCRIPT in a cell and wait for its end. */
void harness_run(struct harness *h, const char *script, struct harness_result *ret);

/* The same with a frame of one's own making; @frame's head is filled in where it is 0. */
void harness_call(struct harness *h, struct frame_call *frame, const char *const *argv,
		  struct harness_result *ret);

#endif
