/*
 * Theory of operation:
 *
 *	command --engine_start--> session --fork--> broker: wait_ready, become_broker, body, _exit
 *					      `---> supervisor: session_supervise, exit
 *
 * The broker gives its privileges up before it reads one byte of the driver's.
 */
#include "cli/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/audited.h"
#include "cli/command.h"
#include "cli/shipped.h"
#include "cli/ui.h"

bool engine_names_session(const struct args *args)
{
	return args->session && strcmp(args->session, "new") != 0;
}

int engine_need_policy(const struct args *args, const char *command, struct err *err)
{
	char agents[160];
	char policies[160];

	if (args->agent || args->policy || engine_names_session(args))
		return 0;
	return err_set(err, EINVAL,
		       "`toolcell %s` needs --agent (shipped: %s), --policy (shipped: %s), or "
		       "--session with the ID of a session that has them",
		       command, shipped_list("agents", ".md", agents, sizeof(agents)),
		       shipped_list("policies", ".json", policies, sizeof(policies)));
}

int engine_start(const struct args *args, bool digest, struct session *ret, struct err *err)
{
	struct session_options options = {
		.agent = args->agent,
		.policy = args->policy,
		.workspace = args->workspace,
		.uid_base = args->uids.base,
		.uid_count = args->uids.count,
		.digest = digest,
		.announce = args->announce,
		.session = args->session,
		.sessions = args->sessions,
		.audit = args->audit,
		.maintenance = args->maintenance,
		.beside = args->beside,
	};

	return session_start(&options, ret, err);
}

static int broker_main(struct session *session, pid_t supervisor, const struct args *args,
		       int (*body)(const struct broker_config *config, const struct args *args))
{
	struct frame_ready ready;
	struct err err;
	struct broker_config config = {
		.in_fd = STDIN_FILENO,
		.out_fd = STDOUT_FILENO,
		.launcher_fd = session->launcher_fd,
		.digest_fd = session->digest_fd,
		.image = &session->image,
		.ready = &ready,
		.workspace = session->workspace,
		.environ = (const char *const *)session->environ_kept,
		.fixtures = args->fixtures,
		.session_id = session->id[0] ? session->id : NULL,
		.session_note = session->note[0] ? session->note : NULL,
		.branch = session->branch,
		.audit = session->audit ? &session->audit->broker : NULL,
	};

	/* A driver that closes its end is an error of write(2), not the end of the broker. */
	(void)signal(SIGPIPE, SIG_IGN);
	log_open("toolcell-broker", LOG_LEVEL_WARNING);
	if (session_die_with(supervisor, &err) < 0 ||
	    session_wait_ready(session, &ready, &err) < 0 ||
	    session_become_broker(session, supervisor, &err) < 0) {
		ui_error(&err);
		return CLI_REFUSED;
	}
	return body(&config, args);
}

int engine_fork_broker(struct session *session, const struct args *args,
		       int (*body)(const struct broker_config *config, const struct args *args))
{
	struct err err;
	pid_t supervisor = getpid();
	pid_t pid;

	if (audited_start(session, &err) < 0) {
		ui_error(&err);
		session_abort(session);
		return CLI_REFUSED;
	}
	pid = fork();
	if (pid < 0) {
		(void)err_set(&err, errno, "cannot fork the broker");
		ui_error(&err);
		session_stop(session);
		return CLI_REFUSED;
	}
	if (pid == 0)
		_exit(broker_main(session, supervisor, args, body));
	return session_supervise(session, pid);
}
