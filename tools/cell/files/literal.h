/* Text that whatever matches a regular expression must contain; and finding it fast. */
#ifndef TOOLCELL_CELL_LITERAL_H
#define TOOLCELL_CELL_LITERAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define LITERAL_MAX 256U

struct literal {
	char text[LITERAL_MAX];
	size_t len;  /* 0: none is known */
	size_t rare; /* index of the byte to look for */
	bool whole;  /* the expression is this text and nothing else */
	bool plain; /* nothing in the expression looks around itself: a match in a text is one in any
		     * part of that text that begins and ends at line ends and holds it */
};

/**
 * literal_find_out - look at an expression in PCRE2's syntax
 *
 * Careful to a fault: whatever is not understood ends in "none" and "not plain", which cost time only.
 */
void literal_find_out(const char *pattern, size_t len, bool ignore_case, struct literal *ret);

/** literal_search - the first place of it at or behind @from; NULL for none */
const char *literal_search(const struct literal *l, const char *from, const char *end);

#endif
