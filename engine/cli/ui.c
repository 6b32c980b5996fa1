/*
 * Theory of operation: text is gathered in a buffer and written once, so that a pipe that closes or
 * a full disk is one error that can be checked. Colour is decided once per descriptor at the start.
 */
#include "cli/ui.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static bool ui_colored[STDERR_FILENO + 1];

static const char *const tones[] = {
	[UI_PLAIN] = "",       [UI_GOOD] = "\033[32m",	[UI_WARN] = "\033[33m",
	[UI_BAD] = "\033[31m", [UI_STRONG] = "\033[1m", [UI_FAINT] = "\033[2m",
};
static_assert(ARRAY_SIZE(tones) == UI_TONE_N, "every tone has a row");

bool ui_wants_color(const char *color, const char *no_color, const char *term, bool tty)
{
	if (color && strcmp(color, "always") == 0)
		return true;
	if (color && strcmp(color, "never") == 0)
		return false;
	if (no_color && no_color[0] != '\0')
		return false;
	return tty && term && strcmp(term, "dumb") != 0;
}

void ui_open(const char *color)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		ui_colored[fd] = ui_wants_color(color, no_color, term, isatty(fd) == 1);
}

bool ui_color(int fd)
{
	return fd >= STDOUT_FILENO && fd <= STDERR_FILENO && ui_colored[fd];
}

int ui_paint(struct buf *out, bool color, enum ui_tone tone, const char *text, int width)
{
	int pad = MAX(width - (int)strlen(text), 0);

	if (!color || tone == UI_PLAIN)
		return buf_printf(out, "%s%*s", text, pad, "");
	return buf_printf(out, "%s%s\033[0m%*s", tones[tone], text, pad, "");
}

int ui_write(int fd, const struct buf *text)
{
	return text->len == 0 ? 0 : fd_write_full(fd, text->data, text->len);
}

void ui_line(enum ui_tone tone, const char *label, const char *fmt, ...)
{
	CLEANUP(buf_fini) struct buf line = {0};
	char text[ERR_TEXT_MAX + 256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || buf_puts(&line, "toolcell: ") < 0)
		return;
	if (label && (ui_paint(&line, ui_color(STDERR_FILENO), tone, label, 0) < 0 ||
		      buf_puts(&line, ": ") < 0))
		return;
	if (buf_puts(&line, text) < 0 || buf_puts(&line, "\n") < 0)
		return;
	if (ui_write(STDERR_FILENO, &line) < 0)
		return; /* nobody is left to be told */
}

void ui_error(const struct err *err)
{
	ui_line(UI_BAD, "error", "%s", err->text);
}

/* One decimal where it says something. */
static const char *scaled(char *dst, size_t cap, uint64_t value, uint64_t unit, const char *name)
{
	uint64_t whole = value / unit;
	uint64_t tenth = value % unit * 10 / unit;

	if (tenth == 0 || whole >= 100)
		(void)snprintf(dst, cap, "%" PRIu64 " %s", whole, name);
	else
		(void)snprintf(dst, cap, "%" PRIu64 ".%" PRIu64 " %s", whole, tenth, name);
	return dst;
}

const char *ui_duration(char *dst, size_t cap, uint64_t ms)
{
	static const struct {
		uint64_t from;
		uint64_t unit;
		const char *name;
	} units[] = {{7200000, 3600000, "h"},
		     {120000, 60000, "min"},
		     {1000, 1000, "s"},
		     {0, 1, "ms"}};
	size_t i = 0;

	while (ms < units[i].from)
		i++;
	return scaled(dst, cap, ms, units[i].unit, units[i].name);
}

const char *ui_size(char *dst, size_t cap, uint64_t bytes)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(names) && bytes >> (10 * (i + 1)) != 0)
		i++;
	return scaled(dst, cap, bytes, 1ULL << (10 * i), names[i]);
}
