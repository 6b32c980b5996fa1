/* The cursor over a TOML document, and what stands on one place of it: strings and numbers. */
#ifndef TOOLCELL_IMPORT_TOML_SCALAR_H
#define TOOLCELL_IMPORT_TOML_SCALAR_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct toml_cursor {
	const char *label;
	const char *text;
	const char *at;
	const char *end;
	struct err *err;
	/* How far lines have been counted: places are asked for in order. */
	const char *seen;
	const char *line_begin;
	int line;
};

struct toml_place {
	int line;   /* from 1 */
	int column; /* from 1, in bytes */
};

struct toml_place toml_place(struct toml_cursor *c, const char *at);

/** toml_fail - "LABEL:LINE:COLUMN: not valid TOML: ..."  Return: -EINVAL. */
int toml_fail(struct toml_cursor *c, const char *at, const char *fmt, ...) PRINTF(3, 4);

/** toml_peek - the byte under the cursor; NUL at the end, since the text has none */
char toml_peek(const struct toml_cursor *c);
bool toml_is_bare(char ch);
void toml_blanks(struct toml_cursor *c);

/** toml_blank_lines - over blanks, comments and ends of lines */
MUST_USE int toml_blank_lines(struct toml_cursor *c);
/** toml_line_end - nothing but a comment may stand before the end of the line */
MUST_USE int toml_line_end(struct toml_cursor *c);

/** toml_line_string - "..." or '...' on one line; @ret: malloc'ed, caller frees */
MUST_USE int toml_line_string(struct toml_cursor *c, char **ret);
/** toml_scalar - a string, number or boolean; @ret: new value, caller decrefs */
MUST_USE int toml_scalar(struct toml_cursor *c, json_t **ret);

#endif
