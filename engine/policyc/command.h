/* The commands of toolcell-policyc, one function each; they print and return an exit status. */
#ifndef TOOLCELL_POLICYC_COMMAND_H
#define TOOLCELL_POLICYC_COMMAND_H

#include <stdbool.h>

#include "policyc/compile.h"

enum { COMMAND_FINE = 0, COMMAND_WRONG = 1, COMMAND_USAGE = 2 };

#define COMMAND_OPERANDS_MAX 64
#define COMMAND_QUESTIONS_MAX 64
#define COMMAND_REPEATS_MAX 64 /* of an option that may be given again and again */

/* What `policy explain` is asked, in the order of the command line. */
enum command_about { ABOUT_PATH, ABOUT_SYSCALL, ABOUT_HOST, ABOUT_TOOL, ABOUT_N };

struct command_question {
	enum command_about about;
	const char *text;
};

/* Options of every command; each command accepts some of them. */
struct command_line {
	const char *agent;
	const char *policy;
	const char *workspace;
	const char *out_fd;
	const char *format;
	bool effective;
	bool json;
	const char *dir; /* a workspace to ask about */
	bool strict;
	bool live;
	struct command_question questions[COMMAND_QUESTIONS_MAX];
	size_t n_questions;
	const char *base;
	const char *name;
	const char *output;
	bool force;
	const char *accept[COMMAND_REPEATS_MAX];
	size_t n_accept;
	const char *operands[COMMAND_OPERANDS_MAX];
	size_t n_operands;
};

int command_image(const struct command_line *line);
int command_policy_check(const struct command_line *line);
int command_policy_show(const struct command_line *line);
int command_policy_list(const struct command_line *line);
int command_policy_import(const struct command_line *line);
int command_policy_export(const struct command_line *line);
int command_policy_schema(const struct command_line *line);
int command_policy_explain(const struct command_line *line);
int command_policy_diff(const struct command_line *line);
int command_policy_lint(const struct command_line *line);
int command_policy_test(const struct command_line *line);
int command_agent_check(const struct command_line *line);
int command_agent_show(const struct command_line *line);
int command_agent_list(const struct command_line *line);
int command_tools(const struct command_line *line);

/** command_fail - "toolcell: ..." on standard error.  Return: COMMAND_WRONG. */
int command_fail(const struct err *err);

/** command_print_json - indented, with a newline.  Return: COMMAND_FINE or COMMAND_WRONG. */
int command_print_json(json_t *json);

/** command_write_file - a new file; an existing one only with @force, and never through a link */
MUST_USE int command_write_file(const char *path, const char *text, bool force, struct err *err);

/** command_colour - escape sequence when @on_stderr's stream is a terminal and NO_COLOR is unset */
const char *command_colour(const char *sequence, bool on_stderr);

/**
 * command_names - every NAME of a kind, sorted, without duplicates
 * @dirs: as policy_dirs.at; folders below are searched too, two levels deep
 * @ret:  new list of {"name", "file"}; caller decrefs
 */
MUST_USE int command_names(const char *const *dirs, const char *suffix, json_t **ret,
			   struct err *err);

/** command_policies - names of the policies that a command is about: its operands, else all there are */
MUST_USE int command_policies(const struct command_line *line, json_t **ret, struct err *err);

/** show_policy - readable text on standard output; @plan is NULL without --effective */
void show_policy(const struct policy *policy, const struct policy_plan *plan);
/** show_policy_json - the same as an object; NULL without memory */
json_t *show_policy_json(const struct policy *policy, const struct policy_plan *plan);

#endif
