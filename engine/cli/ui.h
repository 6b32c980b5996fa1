/* What people see: colour where it is wanted, one form of error, numbers with units. */
#ifndef TOOLCELL_CLI_UI_H
#define TOOLCELL_CLI_UI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum ui_tone { UI_PLAIN, UI_GOOD, UI_WARN, UI_BAD, UI_STRONG, UI_FAINT, UI_TONE_N };

/** ui_open - @color: "always", "never", "auto" or NULL; auto looks at each of stdout and stderr */
void ui_open(const char *color);

/** ui_color - whether what goes to @fd (1 or 2) is coloured */
bool ui_color(int fd);

/**
 * ui_wants_color - the rule by itself
 * @color:    as for ui_open
 * @no_color: value of NO_COLOR, or NULL
 * @term:     value of TERM, or NULL
 * @tty:      whether the descriptor is a terminal
 */
bool ui_wants_color(const char *color, const char *no_color, const char *term, bool tty);

/** ui_paint - append @text in a tone, padded with spaces to @width columns; plain when not @color
 */
MUST_USE int ui_paint(struct buf *out, bool color, enum ui_tone tone, const char *text, int width);

/** ui_write - the whole buffer to @fd.  Return: 0 or -errno. */
MUST_USE int ui_write(int fd, const struct buf *text);

/** ui_line - one line to standard error: "toolcell: TEXT", the first word(s) in a tone */
void ui_line(enum ui_tone tone, const char *label, const char *fmt, ...) PRINTF(3, 4);

/** ui_error - "toolcell: error: TEXT" */
void ui_error(const struct err *err);

/** ui_duration - "250 ms", "1.5 s", "10 min", "2 h".  Return: @dst. */
const char *ui_duration(char *dst, size_t cap, uint64_t ms);

/** ui_size - "64 KiB", "4 GiB", "1.5 MiB".  Return: @dst. */
const char *ui_size(char *dst, size_t cap, uint64_t bytes);

#endif
