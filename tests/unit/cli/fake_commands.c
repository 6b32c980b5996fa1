/* The commands' functions, for tests of their tables: nothing of an engine is linked. */
#include <stdlib.h>

#include "cli/command.h"

int command_serve(const struct command *self, struct args *args, char **argv)
{
	(void)self;
	(void)args;
	(void)argv;
	abort();
}

int command_exec(const struct command *self, struct args *args, char **argv)
{
	return command_serve(self, args, argv);
}

int command_run(const struct command *self, struct args *args, char **argv)
{
	return command_serve(self, args, argv);
}

int command_doctor(const struct command *self, struct args *args, char **argv)
{
	return command_serve(self, args, argv);
}

int command_changes(const struct command *self, struct args *args, char **argv)
{
	return command_serve(self, args, argv);
}

int command_audit(const struct command *self, struct args *args, char **argv)
{
	return command_serve(self, args, argv);
}

int command_sessions(const struct command *self, struct args *args, char **argv)
{
	return command_serve(self, args, argv);
}
