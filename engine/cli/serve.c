/* Theory of operation: start the engine, become supervisor and broker; the broker serves. */
#include <errno.h>

#include "cli/command.h"
#include "cli/engine.h"
#include "cli/ui.h"

static int serve_body(const struct broker_config *config, const struct args *args)
{
	struct err err;

	(void)args;
	if (broker_serve(config, &err) == 0)
		return CLI_OK;
	ui_error(&err);
	return CLI_FAILED;
}

static int check_usage(const struct command *self, const struct args *args, struct err *err)
{
	if (args->n_operands > 0)
		return err_set(err, EINVAL,
			       "`toolcell serve` takes no operands; tools are called on "
			       "standard input, `toolcell exec` runs a command");
	return engine_need_policy(args, self->name, err);
}

int command_serve(const struct command *self, struct args *args, char **argv)
{
	struct session session;
	struct err err;

	(void)argv;
	if (check_usage(self, args, &err) < 0) {
		ui_error(&err);
		return CLI_USAGE;
	}
	args->announce = true;
	if (engine_start(args, true, &session, &err) < 0) {
		ui_error(&err);
		return CLI_REFUSED;
	}
	return engine_fork_broker(&session, args, serve_body);
}
