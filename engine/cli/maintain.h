/*
 * What `changes` and `sessions` have in common: a person's command on a session, by an engine that runs
 * the tools for changes and no others, also beside an engine that is at work in the same session.
 */
#ifndef TOOLCELL_CLI_MAINTAIN_H
#define TOOLCELL_CLI_MAINTAIN_H

#include <jansson.h>
#include <stdbool.h>

#include "broker/broker.h"
#include "cli/args.h"
#include "cli/store.h"

#define MAINTAIN_ID_BYTES (STORE_ID_BYTES + 4)

/**
 * maintain_find - the session used last of a workspace
 * @args: --sessions and --workspace; the current directory when there is none
 * @ret:  as a word for --session
 *
 * Return: 0; -ENOENT with words that name the workspace.
 */
MUST_USE int maintain_find(const struct args *args, char ret[MAINTAIN_ID_BYTES], struct err *err);

/**
 * maintain_run - start an engine on args->session and let @body speak with it
 * @reads_only: nothing is changed: no waiting for the calls of another engine
 * @body: runs without any privilege (engine_fork_broker)
 *
 * Return: exit status.
 */
int maintain_run(struct args *args, bool reads_only,
		 int (*body)(const struct broker_config *config, const struct args *args));

struct maintain_result {
	char *json; /* the result object as text; malloc'ed */
	char *text; /* its text half; malloc'ed */
	json_t *result;
};

/** maintain_call - one call of a tool, in @body */
MUST_USE int maintain_call(const struct broker_config *config, const char *tool, json_t *arguments,
			   struct maintain_result *ret, struct err *err);
void maintain_result_fini(struct maintain_result *result);

/** maintain_ok - whether the tool ran and succeeded */
bool maintain_ok(const struct maintain_result *result);

/**
 * maintain_fail - say why it did not
 * Return: exit status.
 */
int maintain_fail(const struct maintain_result *result);

/** maintain_ask - yes or no, at the terminal (maintain_can_ask); no at the end of the input */
bool maintain_ask(const char *question);

/** maintain_can_ask - standard input and error are terminals; not to be asked in @body: no ioctl there */
bool maintain_can_ask(void);

#endif
