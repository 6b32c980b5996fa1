/* A session without an engine: a child of the test plays the launcher by a script. */
#ifndef TOOLCELL_TESTS_CLI_FAKE_SESSION_H
#define TOOLCELL_TESTS_CLI_FAKE_SESSION_H

#include <stdbool.h>

#include "wire/frame.h"

enum fake_script {
	FAKE_END,	  /* STARTED, then `ended` */
	FAKE_END_ON_KILL, /* STARTED, a signal to the test, then `ended` once FRAME_KILL came */
	FAKE_DIE,	  /* closes without a word */
	FAKE_FATAL,
	FAKE_NONSENSE,	 /* a frame of a type that has no place */
	FAKE_SHORT,	 /* FRAME_ENDED, cut */
	FAKE_OTHER_CALL, /* FRAME_ENDED of another call */
};

/* What the fake engine does and saw. */
struct fake {
	enum fake_script script;
	struct frame_ended ended;
	int signal;    /* FAKE_END_ON_KILL: sent to the test's process */
	bool declined; /* the person says no */
	/* seen by the test's side */
	const char *agent;
	const char *policy;
	bool started;
	bool stopped;
	struct frame_ended result; /* of what a result was made */
	char result_denials[64];
	char plan_argv[64]; /* joined by spaces */
	char plan_cwd[256];
};

extern struct fake fake;

/* What the fake launcher saw: its exit status. */
#define FAKE_SAW_CALL 1	 /* a FRAME_CALL with four descriptors, for cell 1 */
#define FAKE_SAW_KILL 2	 /* FRAME_KILL, cancelled */
#define FAKE_SAW_LIMIT 4 /* FRAME_CALL with wall_ms 1000 */
int fake_launcher_saw(void);

#endif
