/*
 * The lines of one text that a search shows: matching ones, those around them, gaps between groups.
 * Each is one entry of the result, so that a page of it can be cut anywhere.
 */
#ifndef TOOLCELL_CELL_LINES_H
#define TOOLCELL_CELL_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "tools/cell/files/regex.h"

#define LINES_LIMITS_MAX 8U /* lines of one file that cost too much, before the rest is left */

enum lines_mode {
	LINES_FIRST, /* is there one? */
	LINES_COUNT, /* how many? */
	LINES_SHOW,  /* which? */
};

struct lines_options {
	enum lines_mode mode;
	size_t before, after;
	bool only; /* what matched instead of its lines */
	bool multiline;
};

enum lines_kind { LINES_MATCH = 0, LINES_CONTEXT, LINES_GAP, LINES_KIND_N };

struct lines_entry {
	enum lines_kind kind;
	const char *data; /* without line end */
	size_t len;
	size_t match;  /* offset of the match within data, or 0 */
	size_t number; /* 1-based */
};

/* Return: whether to go on. */
typedef bool lines_show(void *context, const struct lines_entry *entry);

struct lines_result {
	size_t matches;	   /* lines; with multiline: matches */
	size_t entries;	   /* LINES_SHOW: lines and gaps */
	size_t limits;	   /* lines that were not decided, see REGEX_LIMIT */
	size_t limit_line; /* number of the first of them */
	bool cut;	   /* what is behind the last one was not looked at */
};

/**
 * lines_search - one text
 * @show: NULL: entries are only counted
 */
void lines_search(const struct regex *re, struct regex_worker *w, struct regex_text *t,
		  const struct lines_options *options, lines_show *show, void *context,
		  struct lines_result *ret);

/** lines_number - of the line that holds @at */
size_t lines_number(const char *data, size_t len, size_t at);

#endif
