/*
 * Theory of operation: toolcell-policyc, the only program that reads policies, manifests and agent
 * files. Options are a table; a command is a row that says which of them it takes. The command line
 * `toolcell policy ...` executes this program with the same arguments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "config.h"
#include "policyc/command.h"

enum {
	OPTION_AGENT = 1U << 0,
	OPTION_POLICY = 1U << 1,
	OPTION_WORKSPACE = 1U << 2,
	OPTION_OUT_FD = 1U << 3,
	OPTION_FORMAT = 1U << 4,
	OPTION_EFFECTIVE = 1U << 5,
	OPTION_JSON = 1U << 6,
	OPTION_DIR = 1U << 7,
	OPTION_QUESTION = 1U << 8,
	OPTION_STRICT = 1U << 9,
	OPTION_LIVE = 1U << 10,
	OPTION_BASE = 1U << 16,
	OPTION_NAME = 1U << 17,
	OPTION_OUTPUT = 1U << 18,
	OPTION_FORCE = 1U << 19,
	OPTION_ACCEPT = 1U << 20,
};

static const struct {
	const char *name;
	const char *value; /* NULL: a switch */
	uint32_t bit;
	size_t offset;
} options[] = {
	{"--agent", "NAME|FILE", OPTION_AGENT, offsetof(struct command_line, agent)},
	{"--policy", "NAME|FILE", OPTION_POLICY, offsetof(struct command_line, policy)},
	{"--workspace-name", "PATH", OPTION_WORKSPACE, offsetof(struct command_line, workspace)},
	{"--out-fd", "N", OPTION_OUT_FD, offsetof(struct command_line, out_fd)},
	{"--format", "mcp|anthropic|openai", OPTION_FORMAT, offsetof(struct command_line, format)},
	{"--effective", NULL, OPTION_EFFECTIVE, offsetof(struct command_line, effective)},
	{"--json", NULL, OPTION_JSON, offsetof(struct command_line, json)},
	{"--workspace", "DIR", OPTION_DIR, offsetof(struct command_line, dir)},
	{"--strict", NULL, OPTION_STRICT, offsetof(struct command_line, strict)},
	{"--live", NULL, OPTION_LIVE, offsetof(struct command_line, live)},
	{"--base", "POLICY", OPTION_BASE, offsetof(struct command_line, base)},
	{"-b", "POLICY", OPTION_BASE, offsetof(struct command_line, base)},
	{"-o", "FILE", OPTION_OUTPUT, offsetof(struct command_line, output)},
	{"--name", "NAME", OPTION_NAME, offsetof(struct command_line, name)},
	{"--output", "FILE", OPTION_OUTPUT, offsetof(struct command_line, output)},
	{"--force", NULL, OPTION_FORCE, offsetof(struct command_line, force)},
	{"--accept", "POINTER...", OPTION_ACCEPT, offsetof(struct command_line, accept)},
};

/* Options that can be given several times. */
static const struct {
	const char *name;
	const char *value;
} questions[] = {
	[ABOUT_PATH] = {"--path", "PATH"},
	[ABOUT_SYSCALL] = {"--syscall", "CALL"},
	[ABOUT_HOST] = {"--host", "HOST"},
	[ABOUT_TOOL] = {"--tool", "TOOL"},
};
static_assert(ARRAY_SIZE(questions) == ABOUT_N, "every question has an option");

static const struct command {
	const char *word;
	const char *verb; /* NULL: the word alone */
	const char *operands;
	size_t min;
	size_t max;
	uint32_t options;
	int (*run)(const struct command_line *line);
} commands[] = {
	{"image", NULL, "", 0, 0, OPTION_AGENT | OPTION_POLICY | OPTION_WORKSPACE | OPTION_OUT_FD,
	 command_image},
	{"policy", "check", " [NAME|FILE...]", 0, COMMAND_OPERANDS_MAX, OPTION_JSON,
	 command_policy_check},
	{"policy", "show", " NAME|FILE", 1, 1, OPTION_EFFECTIVE | OPTION_JSON, command_policy_show},
	{"policy", "explain", " NAME|FILE", 1, 1,
	 OPTION_AGENT | OPTION_DIR | OPTION_QUESTION | OPTION_JSON, command_policy_explain},
	{"policy", "diff", " NAME|FILE NAME|FILE", 2, 2, OPTION_JSON, command_policy_diff},
	{"policy", "lint", " [NAME|FILE...]", 0, COMMAND_OPERANDS_MAX, OPTION_STRICT | OPTION_JSON,
	 command_policy_lint},
	{"policy", "test", " [NAME|FILE...]", 0, COMMAND_OPERANDS_MAX, OPTION_LIVE | OPTION_JSON,
	 command_policy_test},
	{"policy", "list", "", 0, 0, OPTION_JSON, command_policy_list},
	{"policy", "schema", "", 0, 0, 0, command_policy_schema},
	{"policy", "import", " [claude|srt|codex|seccomp] FILE...", 1, COMMAND_OPERANDS_MAX,
	 OPTION_BASE | OPTION_NAME | OPTION_OUTPUT | OPTION_DIR | OPTION_FORCE | OPTION_ACCEPT |
		 OPTION_JSON,
	 command_policy_import},
	{"policy", "export", " bwrap|oci NAME|FILE", 2, 2, OPTION_DIR, command_policy_export},
	{"agent", "check", " [NAME|FILE...]", 0, COMMAND_OPERANDS_MAX, OPTION_POLICY | OPTION_JSON,
	 command_agent_check},
	{"agent", "show", " NAME|FILE", 1, 1, OPTION_POLICY | OPTION_JSON, command_agent_show},
	{"agent", "list", "", 0, 0, OPTION_JSON, command_agent_list},
	{"tools", NULL, "", 0, 0, OPTION_AGENT | OPTION_POLICY | OPTION_FORMAT | OPTION_JSON,
	 command_tools},
};

/* What a person types goes through toolcell, which hands it on (cli/delegate.c); images are its own affair. */
static void print_command(FILE *out, const struct command *c)
{
	const char *program = c->options & OPTION_OUT_FD ? "toolcell-policyc" : "toolcell";

	(void)fprintf(out, "  %s %s%s%s%s", program, c->word, c->verb ? " " : "",
		      c->verb ? c->verb : "", c->operands);
	for (size_t o = 0; o < ARRAY_SIZE(options); o++)
		if (c->options & options[o].bit)
			(void)fprintf(out, " [%s%s%s]", options[o].name,
				      options[o].value ? " " : "",
				      options[o].value ? options[o].value : "");
	for (size_t q = 0; q < ARRAY_SIZE(questions); q++)
		if (c->options & OPTION_QUESTION)
			(void)fprintf(out, " [%s %s]...", questions[q].name, questions[q].value);
	(void)fputc('\n', out);
}

/* @only: NULL for all */
static void print_usage(FILE *out, const struct command *only)
{
	(void)fprintf(out, "usage:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!only || only == &commands[i])
			print_command(out, &commands[i]);
}

static int usage(const struct command *c, const char *what, const char *word)
{
	char quoted[160];

	text_quote(quoted, sizeof(quoted), word, strlen(word));
	(void)fprintf(stderr, "toolcell: error: %s \"%s\"\n", what, quoted);
	print_usage(stderr, c);
	return COMMAND_USAGE;
}

static const struct command *find_command(char **argv, int *ret_next)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		if (!argv[1] || strcmp(argv[1], c->word) != 0)
			continue;
		if (c->verb && (!argv[2] || strcmp(argv[2], c->verb) != 0))
			continue;
		*ret_next = c->verb ? 3 : 2;
		return c;
	}
	return NULL;
}

static int take_question(const struct command *c, struct command_line *line,
			 enum command_about about, const char *text)
{
	if (!text)
		return usage(c, "needs a value:", questions[about].name);
	if (line->n_questions == COMMAND_QUESTIONS_MAX)
		return usage(c, "one question too many:", text);
	line->questions[line->n_questions++] = (struct command_question){about, text};
	return 0;
}

/* Takes one option, and its value from "=VALUE" or the next argument. */
static int take_option(const struct command *c, struct command_line *line, char **argv, int *at)
{
	size_t len = strcspn(argv[*at], "=");
	const char *value = argv[*at][len] == '=' ? argv[*at] + len + 1 : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
		if ((c->options & OPTION_QUESTION) && strlen(questions[i].name) == len &&
		    strncmp(questions[i].name, argv[*at], len) == 0)
			return take_question(c, line, (enum command_about)i,
					     value	     ? value
					     : argv[*at + 1] ? argv[++*at]
							     : NULL);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		void *field = (char *)line + options[i].offset;

		if (strlen(options[i].name) != len ||
		    strncmp(options[i].name, argv[*at], len) != 0 || !(c->options & options[i].bit))
			continue;
		if (!options[i].value) {
			*(bool *)field = true;
			return value ? usage(c, "takes no value:", argv[*at]) : 0;
		}
		if (!value && !argv[*at + 1])
			return usage(c, "needs a value:", argv[*at]);
		if (!value)
			value = argv[++*at];
		if (options[i].bit != OPTION_ACCEPT)
			*(const char **)field = value;
		else if (line->n_accept < COMMAND_REPEATS_MAX)
			line->accept[line->n_accept++] = value;
		else
			return usage(c, "given too often:", options[i].name);
		return 0;
	}
	return usage(c, "unknown option", argv[*at]);
}

static int parse(const struct command *c, struct command_line *line, char **argv, int at)
{
	bool only_operands = false;

	for (; argv[at]; at++) {
		int r = 0;

		if (!only_operands && strcmp(argv[at], "--") == 0)
			only_operands = true;
		else if (!only_operands && argv[at][0] == '-' && argv[at][1] != '\0')
			r = take_option(c, line, argv, &at);
		else if (line->n_operands < c->max)
			line->operands[line->n_operands++] = argv[at];
		else
			r = usage(c, "one argument too many:", argv[at]);
		if (r != 0)
			return r;
	}
	if (line->n_operands < c->min)
		return usage(c, "needs a name behind", c->verb ? c->verb : c->word);
	return 0;
}

int main(int argc, char **argv)
{
	struct command_line line = {0};
	const struct command *command;
	int next = 0;
	int r;

	if (argc < 2) {
		print_usage(stderr, NULL);
		return COMMAND_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || (argv[2] && strcmp(argv[argc - 1], "--help") == 0)) {
		print_usage(stdout, NULL);
		return COMMAND_FINE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("toolcell-policyc %s\n", TOOLCELL_VERSION);
		return COMMAND_FINE;
	}
	command = find_command(argv, &next);
	if (!command)
		return usage(NULL, "unknown command", argv[1]);
	r = parse(command, &line, argv, next);
	if (r == 0)
		r = command->run(&line);
	if (fflush(stdout) != 0 && r == 0)
		r = COMMAND_WRONG;
	return r;
}
