/*
 * Theory of operation: policies, manifests and agents are read by toolcell-policyc alone, so that
 * the parsers of their formats are in one program. These commands become it, with the same words.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/data.h"
#include "cli/command.h"
#include "cli/learn.h"
#include "cli/ui.h"

static bool is_common(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
	       strncmp(word, "--color=", 8) == 0 || strcmp(word, "--color") == 0;
}

int delegate_take_common(char **words, struct args *args, struct err *err)
{
	static const struct args_table none = {NULL, 0, .stop = false};
	char **to = words;
	int r = 0;

	while (r == 0 && *words && strcmp(*words, "--") != 0) {
		char *taken[3] = {*words, NULL, NULL};
		int n = 1;

		if (!is_common(*words)) {
			*to++ = *words++;
			continue;
		}
		if (strcmp(*words++, "--color") == 0 && *words)
			taken[n++] = *words++;
		r = args_parse(&none, n, taken, args, err);
	}
	while (*words)
		*to++ = *words++;
	*to = NULL;
	return r;
}

/* policyc knows NO_COLOR, so that is how it hears of --color=never. */
static int pass_color(const char *color)
{
	return color && strcmp(color, "never") == 0 ? setenv("NO_COLOR", "1", 1) : 0;
}

/* These run cells or read what cells left, so they are not policyc's. */
static const struct {
	const char *command;
	const char *verb;
	int (*run)(const struct args *args);
	bool needs_words;
} own_verbs[] = {
	{"policy", "learn", learn_run, true},
	{"policy", "suggest", learn_suggest, false},
};

static int run_own(size_t verb, char **argv)
{
	struct args args = {0};
	struct err err = {0};
	int n = 0;

	while (argv[n])
		n++;
	if (args_parse(&commands_learn, n, argv, &args, &err) < 0) {
		ui_error(&err);
		return CLI_USAGE;
	}
	if (own_verbs[verb].needs_words && args.n_operands == 0) {
		(void)err_set(&err, EINVAL,
			      "policy learn needs a command: policy learn -- COMMAND...");
		ui_error(&err);
		return CLI_USAGE;
	}
	return own_verbs[verb].run(&args);
}

int command_delegate(const struct command *self, struct args *args, char **argv)
{
	char *program = NULL;
	char **words = NULL;
	size_t n = 0;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(own_verbs); i++)
		if (strcmp(self->name, own_verbs[i].command) == 0 && argv[0] &&
		    strcmp(argv[0], own_verbs[i].verb) == 0)
			return run_own(i, argv + 1);
	while (argv[n])
		n++;
	words = calloc(n + 3, sizeof(*words));
	if (!words || pass_color(args->color) < 0) {
		(void)err_set(&err, ENOMEM, "cannot start toolcell-policyc");
	} else if (data_program("toolcell-policyc", &program, &err) == 0) {
		words[0] = program;
		words[1] = (char *)(uintptr_t)self->name;
		memcpy(words + 2, argv, n * sizeof(*words));
		(void)execv(program, words);
		(void)err_set(&err, errno, "cannot start %s", program);
	}
	ui_error(&err);
	free(program);
	free(words);
	return CLI_REFUSED;
}
