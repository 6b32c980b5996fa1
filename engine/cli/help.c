/* Theory of operation: --help is rendered from the tables that the parser reads, never typed twice.
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/ui.h"

#define COLUMN 28 /* where the explanation of an option begins */

static int heading(struct buf *out, bool color, const char *text)
{
	int r = ui_paint(out, color, UI_STRONG, text, 0);

	return r < 0 ? r : buf_puts(out, "\n");
}

static int option_line(struct buf *out, bool color, const struct args_option *o)
{
	char left[COLUMN * 2];
	int r;

	(void)snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
		       o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
		       o->value ? " " : "", o->value ? o->value : "");
	r = buf_puts(out, "  ");
	if (r == 0)
		r = ui_paint(out, color, UI_STRONG, left, COLUMN);
	return r < 0 ? r : buf_printf(out, " %s\n", o->help);
}

static int options(struct buf *out, bool color, const struct args_table *table)
{
	int r = heading(out, color, "Options:");

	for (size_t i = 0; r == 0 && i < table->n; i++)
		if (!table->own[i].hidden)
			r = option_line(out, color, &table->own[i]);
	for (size_t i = 0; r == 0 && i < args_common_n; i++)
		r = option_line(out, color, &args_common[i]);
	return r;
}

int help_command(const struct command *command, bool color, struct buf *out)
{
	int r = ui_paint(out, color, UI_STRONG, "Usage:", 0);

	if (r == 0)
		r = buf_printf(out, " toolcell %s %s\n\n%c%s.\n", command->name, command->synopsis,
			       command->summary[0] - 'a' + 'A', command->summary + 1);
	if (r == 0 && command->details)
		r = buf_printf(out, "%s\n", command->details);
	else if (r == 0)
		r = buf_puts(out, "\n");
	return r < 0 ? r : options(out, color, &command->table);
}

int help_top(bool color, struct buf *out)
{
	int r = ui_paint(out, color, UI_STRONG, "Usage:", 0);

	if (r == 0)
		r = buf_puts(out,
			     " toolcell COMMAND [OPTION...]\n\n"
			     "Runs the tools of AI agents in cells: namespaces, seccomp, Landlock "
			     "and limits,\n"
			     "as the agent's policy says; each call has a structured result.\n\n");
	if (r == 0)
		r = heading(out, color, "Commands:");
	for (size_t i = 0; r == 0 && i < commands_n; i++) {
		r = buf_puts(out, "  ");
		if (r == 0)
			r = ui_paint(out, color, UI_STRONG, commands[i].name, 9);
		if (r == 0)
			r = buf_printf(out, " %s\n", commands[i].summary);
	}
	if (r == 0)
		r = buf_puts(out, "\n");
	if (r == 0)
		r = options(out, color, &commands_top);
	return r < 0 ? r
		     : buf_puts(out,
				"\n`toolcell COMMAND --help` tells more; so does toolcell(1).\n");
}
