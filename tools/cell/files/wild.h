/*
 * Shell patterns over paths, as git and ripgrep read them: "*" and "?" stay within a component, "**"
 * that is a whole component stands for any number of them, "[...]" with "!" or "^", ranges and
 * [:names:], a backslash takes the next byte as it is. Matching takes a time that is bounded by the
 * lengths multiplied, whatever the pattern.
 */
#ifndef TOOLCELL_CELL_WILD_H
#define TOOLCELL_CELL_WILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wild_kind {
	WILD_NEVER = 0, /* not well-formed: matches nothing, as in git */
	WILD_LITERAL,
	WILD_SUFFIX, /* "*" and literal text behind it; names only */
	WILD_PATTERN,
	WILD_KIND_N,
};

struct wild {
	const char *text; /* borrowed */
	size_t len;
	uint8_t kind;
	bool path; /* has a "/": held against the whole path, else against the name alone */
	bool utf8; /* "?" takes a character, not a byte */
};

/**
 * wild_prepare - look at a pattern once
 * @text: without a slash at either end; must outlive @ret
 * @anchored: hold it against the whole path, whether or not it has a slash
 */
void wild_prepare(const char *text, size_t len, bool anchored, bool utf8, struct wild *ret);

/**
 * wild_match - whether @w matches
 * @path: without a slash at either end
 * @name_at: where its last component begins
 */
bool wild_match(const struct wild *w, const char *path, size_t len, size_t name_at);

#endif
