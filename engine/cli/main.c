/*
 * Theory of operation: options of the top level, then a row of the table of commands. Nothing is
 * looked up in passwd or anywhere else: this program is linked statically and starts in
 * microseconds, and what it needs to know comes from its words and its environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/ui.h"
#include "config.h"

/* A descriptor 0, 1 or 2 that is closed would be given to the next thing opened, a policy or a
 * socket, and the tool would then read or write that. */
static int open_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int got;

		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number, which is fd. Not close-on-exec: children need it too. */
		got = open("/dev/null", fd == STDIN_FILENO
						? O_RDONLY
						: O_WRONLY); /* NOLINT(android-cloexec-open) */
		if (got != fd)
			return -EBADF;
	}
	return 0;
}

static int print(const struct buf *text)
{
	struct err err;
	int r = ui_write(STDOUT_FILENO, text);

	if (r == 0)
		return CLI_OK;
	(void)err_set(&err, -r, "cannot write to standard output");
	ui_error(&err);
	return CLI_FAILED;
}

static int usage_error(const struct err *err, const char *command)
{
	ui_error(err);
	ui_line(UI_PLAIN, NULL, "`toolcell %s%s--help` lists the options", command ? command : "",
		command ? " " : "");
	return CLI_USAGE;
}

static int show_help(const struct command *command)
{
	CLEANUP(buf_fini) struct buf text = {0};
	bool color = ui_color(STDOUT_FILENO);
	int r = command ? help_command(command, color, &text) : help_top(color, &text);

	return r < 0 ? CLI_FAILED : print(&text);
}

static int show_version(void)
{
	CLEANUP(buf_fini) struct buf text = {0};

	return buf_puts(&text, "toolcell " TOOLCELL_VERSION "\n") < 0 ? CLI_FAILED : print(&text);
}

/* `policy`, `agent`, `tools`: the words are another program's; --help and --color are ours. */
static int dispatch_passed(const struct command *command, struct args *args, char **words)
{
	struct err err;

	if (delegate_take_common(words, args, &err) < 0)
		return usage_error(&err, command->name);
	ui_open(args->color);
	return args->help ? show_help(command) : command->run(command, args, words);
}

static int dispatch(const struct command *command, struct args *args)
{
	int argc = args->n_operands - 1;
	char **argv = args->operands + 1;
	struct err err;

	if (command->passed_on)
		return dispatch_passed(command, args, argv);
	if (args_parse(&command->table, argc, argv, args, &err) < 0)
		return usage_error(&err, command->name);
	ui_open(args->color);
	if (args->help)
		return show_help(command);
	return command->run(command, args, argv);
}

/* "serve, exec, run, ..." */
static void list_commands(char *dst, size_t cap)
{
	size_t used = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < commands_n; i++) {
		int n = snprintf(dst + used, cap - used, "%s%s", i ? ", " : "", commands[i].name);

		if (n < 0 || (size_t)n >= cap - used)
			return;
		used += (size_t)n;
	}
}

static int unknown_command(const char *word)
{
	const char *near = command_suggest(word);
	char shown[80];
	char list[200];
	struct err err;

	(void)text_quote(shown, sizeof(shown), word, strlen(word));
	list_commands(list, sizeof(list));
	if (near)
		(void)err_set(&err, EINVAL, "unknown command \"%s\"; did you mean \"%s\"?", shown,
			      near);
	else
		(void)err_set(&err, EINVAL, "unknown command \"%s\"; there are %s", shown, list);
	return usage_error(&err, NULL);
}

/* `toolcell help [COMMAND]`, because people type it. */
static int help_words(const struct args *args)
{
	const struct command *command;

	if (args->n_operands == 1)
		return show_help(NULL);
	command = command_find(args->operands[1]);
	return command ? show_help(command) : unknown_command(args->operands[1]);
}

int main(int argc, char **argv)
{
	struct args args = {0};
	const struct command *command;
	struct err err;

	/* What the caller forgot to close would reach the broker, the launcher and init. */
	if (open_standard_fds() < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) < 0 || argc < 1)
		return CLI_REFUSED;
	ui_open(NULL);
	if (args_parse(&commands_top, argc - 1, argv + 1, &args, &err) < 0)
		return usage_error(&err, NULL);
	ui_open(args.color);
	if (args.help)
		return show_help(NULL);
	if (args.version)
		return show_version();
	if (args.n_operands == 0) {
		(void)err_set(&err, EINVAL, "no command is given");
		return usage_error(&err, NULL);
	}
	if (strcmp(args.operands[0], "help") == 0)
		return help_words(&args);
	command = command_find(args.operands[0]);
	return command ? dispatch(command, &args) : unknown_command(args.operands[0]);
}
