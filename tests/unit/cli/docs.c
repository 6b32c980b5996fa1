/* The man page and the completions name exactly the options and commands that there are. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "cli/command.h"

#define DOC_BYTES_MAX (1U << 20)
#define NAME_BYTES 64

static char *read_doc(const char *name)
{
	const char *docs = getenv("TOOLCELL_DOCS");
	char path[4096];
	struct err err = {0};
	char *text = NULL;
	size_t len;

	cr_assert_not_null(docs, "TOOLCELL_DOCS names the folder docs/");
	(void)snprintf(path, sizeof(path), "%s/%s", docs, name);
	cr_assert_eq(fd_read_file(AT_FDCWD, path, DOC_BYTES_MAX, &text, &len, &err), 0, "%s",
		     err.text);
	return text;
}

/* The next "--name" at or behind *at; false at the end. */
static bool next_option(const char **at, char *name)
{
	for (const char *p = strstr(*at, "--"); p; p = strstr(p + 1, "--")) {
		size_t n = 0;

		if (p > *at && (p[-1] == '-' || isalnum((unsigned char)p[-1])))
			continue;
		while (n + 1 < NAME_BYTES && (islower((unsigned char)p[n + 2]) || p[n + 2] == '-'))
			n++;
		if (n == 0 || p[2] == '-')
			continue;
		memcpy(name, p + 2, n);
		name[n] = '\0';
		*at = p + 2 + n;
		return true;
	}
	return false;
}

static bool in_table(const struct args_option *rows, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return !rows[i].hidden;
	return false;
}

static bool has_option(const char *text, const char *name)
{
	char found[NAME_BYTES];

	while (next_option(&text, found))
		if (strcmp(found, name) == 0)
			return true;
	return false;
}

/* The part of the man page below "## toolcell NAME"; malloc'ed. */
static char *section_of(const char *page, const char *name)
{
	char head[64];
	const char *start;
	const char *end;

	(void)snprintf(head, sizeof(head), "\n## toolcell %s\n", name);
	start = strstr(page, head);
	cr_assert_not_null(start, "the man page has no section for %s", name);
	start += strlen(head);
	end = strstr(start, "\n#");
	return end ? strndup(start, (size_t)(end - start)) : strdup(start);
}

Test(docs, man_page_sections_have_exactly_the_commands_options)
{
	char *page = read_doc("toolcell.1.scd");

	for (size_t i = 0; i < commands_n; i++) {
		const struct args_table *t = &commands[i].table;
		char *section = section_of(page, commands[i].name);
		const char *at = section;
		char name[NAME_BYTES];

		for (size_t n = 0; n < t->n; n++)
			cr_assert(t->own[n].hidden || has_option(section, t->own[n].name),
				  "toolcell(1), %s: --%s is missing", commands[i].name,
				  t->own[n].name);
		while (next_option(&at, name))
			cr_assert(in_table(t->own, t->n, name),
				  "toolcell(1), %s: --%s does not exist", commands[i].name, name);
		for (size_t v = 0; commands[i].verbs && commands[i].verbs[v]; v++)
			cr_assert_not_null(strstr(section, commands[i].verbs[v]), "%s %s",
					   commands[i].name, commands[i].verbs[v]);
		free(section);
	}
	for (size_t n = 0; n < args_common_n; n++)
		cr_assert(has_option(page, args_common[n].name), "--%s", args_common[n].name);
	for (size_t n = 0; n < commands_top.n; n++)
		cr_assert(has_option(page, commands_top.own[n].name), "--%s",
			  commands_top.own[n].name);
	free(page);
}

/* Letters stand beside their long names: "*-a*, *--agent*". */
Test(docs, man_page_gives_the_letters)
{
	char *page = read_doc("toolcell.1.scd");

	for (size_t i = 0; i < commands_n; i++) {
		char *section = section_of(page, commands[i].name);

		for (size_t n = 0; n < commands[i].table.n; n++) {
			const struct args_option *o = &commands[i].table.own[n];
			char both[80];

			if (o->letter == '\0')
				continue;
			(void)snprintf(both, sizeof(both), "*-%c*, *--%s*", o->letter, o->name);
			cr_assert_not_null(strstr(section, both), "%s: %s", commands[i].name, both);
		}
		free(section);
	}
	free(page);
}

static bool anywhere(const char *name)
{
	if (in_table(args_common, args_common_n, name) ||
	    in_table(commands_top.own, commands_top.n, name))
		return true;
	for (size_t i = 0; i < commands_n; i++)
		if (in_table(commands[i].table.own, commands[i].table.n, name))
			return true;
	return false;
}

static void assert_completion(const char *file, const char *prefix)
{
	char *text = read_doc(file);
	const char *at = text;
	char word[NAME_BYTES + 8];
	char name[NAME_BYTES];

	for (size_t i = 0; i < commands_n; i++) {
		cr_assert_not_null(strstr(text, commands[i].name), "%s: %s", file,
				   commands[i].name);
		for (size_t n = 0; n < commands[i].table.n; n++) {
			const struct args_option *o = &commands[i].table.own[n];

			(void)snprintf(word, sizeof(word), "%s%s", prefix, o->name);
			cr_assert_eq(strstr(text, word) == NULL, o->hidden, "%s: %s", file, word);
		}
	}
	while (strcmp(prefix, "--") == 0 && next_option(&at, name))
		cr_assert(anywhere(name), "%s: --%s does not exist", file, name);
	free(text);
}

Test(docs, completions_know_every_option)
{
	assert_completion("completions/toolcell.bash", "--");
	assert_completion("completions/toolcell.zsh", "--");
	assert_completion("completions/toolcell.fish", "-l ");
}

/* The line of the bash completion for a command lists that command's options and no others. */
Test(docs, bash_completion_is_exact_for_each_command)
{
	char *text = read_doc("completions/toolcell.bash");

	for (size_t i = 0; i < commands_n; i++) {
		const struct args_table *t = &commands[i].table;
		char head[40];
		char name[NAME_BYTES];
		char *start;
		char *line;
		const char *at;

		(void)snprintf(head, sizeof(head), "\n\t%s)", commands[i].name);
		start = strstr(text, head);
		cr_assert_not_null(start, "%s", commands[i].name);
		at = strstr(start, ";;");
		line = strndup(start, (size_t)(at - start));
		for (size_t n = 0; n < t->n; n++)
			cr_assert(t->own[n].hidden || has_option(line, t->own[n].name), "%s --%s",
				  commands[i].name, t->own[n].name);
		at = line;
		while (next_option(&at, name))
			cr_assert(in_table(t->own, t->n, name), "%s --%s", commands[i].name, name);
		free(line);
	}
	free(text);
}
