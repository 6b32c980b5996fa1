/* Signs of life for people while one long call runs. */
#ifndef TOOLCELL_CLI_PROGRESS_H
#define TOOLCELL_CLI_PROGRESS_H

/**
 * progress_start - a line on standard error every so often, until this process and its children end
 * @label:	 what runs; foreign bytes are quoted
 * @interval_ms: between lines
 *
 * Nothing happens when it cannot be had: progress is never worth a failure. Call it before anything
 * else is opened: the process that counts inherits nothing but standard error and a pipe.
 */
void progress_start(const char *label, int interval_ms);

#define PROGRESS_INTERVAL_MS 10000

#endif
