/* --help is complete: every command, every option that is not hidden, and no other. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static void assert_option(const char *text, const char *where, const struct args_option *o)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "--%s", o->name);
	if (o->hidden) {
		cr_assert_null(strstr(text, name), "%s shows hidden %s", where, name);
		return;
	}
	cr_assert_not_null(strstr(text, name), "%s lacks %s", where, name);
	cr_assert_not_null(strstr(text, o->help), "%s does not explain %s", where, name);
}

Test(help, covers_every_option_of_every_command)
{
	for (size_t i = 0; i < commands_n; i++) {
		const struct command *c = &commands[i];
		CLEANUP(buf_fini) struct buf text = {0};

		cr_assert_eq(help_command(c, false, &text), 0);
		for (size_t n = 0; n < c->table.n; n++)
			assert_option(text.data, c->name, &c->table.own[n]);
		for (size_t n = 0; n < args_common_n; n++)
			assert_option(text.data, c->name, &args_common[n]);
		cr_assert_not_null(strstr(text.data, c->synopsis), "%s", c->name);
		cr_assert_null(strchr(text.data, '\033'), "%s has colour", c->name);
	}
}

Test(help, of_the_top_names_every_command)
{
	CLEANUP(buf_fini) struct buf text = {0};

	cr_assert_eq(help_top(false, &text), 0);
	for (size_t i = 0; i < commands_n; i++)
		cr_assert_not_null(strstr(text.data, commands[i].summary), "%s", commands[i].name);
	cr_assert_not_null(strstr(text.data, "--version"));
}

Test(help, lines_fit_a_hundred_columns)
{
	for (size_t i = 0; i < commands_n; i++) {
		CLEANUP(buf_fini) struct buf text = {0};
		char *rest;

		cr_assert_eq(help_command(&commands[i], false, &text), 0);
		rest = text.data;
		for (char *line; (line = strsep(&rest, "\n"));)
			cr_assert_leq(strlen(line), 100, "%s: %s", commands[i].name, line);
	}
}

Test(help, colours_when_asked)
{
	CLEANUP(buf_fini) struct buf text = {0};

	cr_assert_eq(help_top(true, &text), 0);
	cr_assert_not_null(strchr(text.data, '\033'));
}

Test(commands, have_unique_names_letters_and_rows_that_parse)
{
	for (size_t i = 0; i < commands_n; i++) {
		const struct args_table *t = &commands[i].table;

		cr_assert_not_null(commands[i].run, "%s", commands[i].name);
		cr_assert_eq(command_find(commands[i].name), &commands[i]);
		for (size_t a = 0; a < t->n; a++) {
			const struct args_option *o = &t->own[a];

			cr_assert_eq(o->kind == ARGS_FLAG ||
					     (o->kind == ARGS_PASSED && !o->takes_value),
				     o->value == NULL, "%s --%s", commands[i].name, o->name);
			cr_assert_neq(o->letter, 'h');
			for (size_t b = a + 1; b < t->n; b++) {
				cr_assert_str_neq(o->name, t->own[b].name, "%s", commands[i].name);
				cr_assert(!o->letter || o->letter != t->own[b].letter, "%s -%c",
					  commands[i].name, o->letter);
			}
		}
	}
}

static const struct {
	const char *word;
	const char *near;
} near_rows[] = {
	{"serv", "serve"},    {"exec2", "exec"}, {"docter", "doctor"},
	{"polciy", "policy"}, {"tool", "tools"}, {"xyzzy", NULL},
};

Test(commands, misspelt_are_suggested_but_never_run)
{
	for (size_t i = 0; i < ARRAY_SIZE(near_rows); i++) {
		const char *near = command_suggest(near_rows[i].word);

		cr_assert_null(command_find(near_rows[i].word), "row %zu", i);
		if (near_rows[i].near)
			cr_assert(near && strcmp(near, near_rows[i].near) == 0, "row %zu: %s", i,
				  near ? near : "nothing");
	}
	cr_assert_null(command_suggest("xyzzy"));
}
