/* What the tool did to the workspace, told when it has ended (wire/changes.h). */
#ifndef TOOLCELL_INIT_SUMMARY_H
#define TOOLCELL_INIT_SUMMARY_H

#include <stdbool.h>
#include <time.h>

#include "init/quarantine.h"
#include "init/quota.h"
#include "wire/report.h"
#include "workspace/changes.h"
#include "workspace/rules.h"
#include "workspace/stack.h"

struct summary {
	const struct init_config *config;
	struct rules *rules;
	struct timespec began;	      /* CLOCK_REALTIME_COARSE, as files get it */
	struct quarantine quarantine; /* INIT_SUMMARY_DIRECT ... */
	struct changes_writer moved;  /* ... and what it has moved aside */
	struct stack stack;	      /* INIT_SUMMARY_LAYERS */
	struct changes_source source;
};

/**
 * summary_begin - before the tool starts; with INIT_SUMMARY_NONE nothing is done, now or later
 * @config: borrowed for good
 * @rules: text of workspace/rules.h, or NULL
 * Return: 0 or -errno, and the tool must not start.
 */
MUST_USE int summary_begin(struct summary *s, const struct init_config *config, const char *rules);

/** summary_kill - everything in the pid namespace but the caller; nothing unless that is PID 1 */
void summary_kill(void);
/**
 * summary_kill_all - and reap it
 * Protected places are looked at meanwhile: whoever dies slowly may make the launcher's patience end.
 */
void summary_kill_all(struct summary *s);

/** summary_confine - a filter of what summary_write and an end need; fails only towards more right */
void summary_confine(void);

/**
 * summary_write - into INIT_FD_SUMMARY; whatever goes wrong, a summary that says so
 * @quota: what it knows of scratch, too, which the walk for the summary does not enter
 */
void summary_write(struct summary *s, const struct quota *quota);

#endif
