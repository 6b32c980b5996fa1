/* What serve, exec and run have in common: from options to a session, and into the broker's role.
 */
#ifndef TOOLCELL_CLI_ENGINE_H
#define TOOLCELL_CLI_ENGINE_H

#include "broker/broker.h"
#include "cli/args.h"
#include "cli/session.h"

/** engine_names_session - --session names one that is there, which knows its agent and policy */
bool engine_names_session(const struct args *args);

/** engine_need_policy - an agent or a policy is given, or @err names the shipped ones */
MUST_USE int engine_need_policy(const struct args *args, const char *command, struct err *err);

/**
 * engine_start - session_start with these options
 * @digest: whether findings are wanted
 */
MUST_USE int engine_start(const struct args *args, bool digest, struct session *ret,
			  struct err *err);

/**
 * engine_fork_broker - fork the process that speaks with the driver
 * @body: what it does behind session_become_broker; its return value is the exit status
 *
 * Return: exit status of the whole program, when the broker and the rest have ended.
 */
int engine_fork_broker(struct session *session, const struct args *args,
		       int (*body)(const struct broker_config *config, const struct args *args));

#endif
