/* The subcommands of `toolcell`: one table for dispatch, --help, the man page and completions. */
#ifndef TOOLCELL_CLI_COMMAND_H
#define TOOLCELL_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "cli/args.h"

/* Exit codes; `exec` adds the tool's own and 128 + signal (cli/verdict.h). */
enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_STOPPED = 124, /* a limit on wall time; with `run` any limit, or cancelled */
	CLI_REFUSED = 125, /* refused by policy, or an error of the engine */
	CLI_NOT_EXECUTABLE = 126,
	CLI_NOT_FOUND = 127,
};

struct command {
	const char *name;
	const char *summary;	  /* one line, no period */
	const char *synopsis;	  /* behind "toolcell NAME " */
	const char *details;	  /* paragraphs of --help; NULL: none */
	const char *const *verbs; /* first operand, NULL-terminated; NULL: free */
	struct args_table table;
	bool passed_on; /* another program reads the words; only --help is ours */
	/* @argv: the words behind the name, for passed_on; @args: parsed, for the others */
	int (*run)(const struct command *self, struct args *args, char **argv);
};

extern const struct command commands[];
extern const size_t commands_n;

/* Options before the subcommand. */
extern const struct args_table commands_top;

/* Options of `policy learn` and `policy suggest`, which are not passed on. */
extern const struct args_table commands_learn;

const struct command *command_find(const char *name);

/** command_suggest - the subcommand that @word most likely means, or NULL */
const char *command_suggest(const char *word);

int command_serve(const struct command *self, struct args *args, char **argv);
int command_exec(const struct command *self, struct args *args, char **argv);
int command_run(const struct command *self, struct args *args, char **argv);
int command_doctor(const struct command *self, struct args *args, char **argv);
int command_sessions(const struct command *self, struct args *args, char **argv);
int command_audit(const struct command *self, struct args *args, char **argv);
int command_changes(const struct command *self, struct args *args, char **argv);
int command_delegate(const struct command *self, struct args *args, char **argv);

/**
 * delegate_take_common - take --help and --color out of words that another program reads
 * @words: NULL-terminated; shortened in place; what stands behind "--" is left alone
 */
MUST_USE int delegate_take_common(char **words, struct args *args, struct err *err);

/** help_command - the text of `toolcell NAME --help`.  Return: 0 or -errno of the buffer. */
MUST_USE int help_command(const struct command *command, bool color, struct buf *out);

/** help_top - the text of `toolcell --help` */
MUST_USE int help_top(bool color, struct buf *out);

#endif
