/*
 * Lines that match a regular expression, in a text that anybody may have written, for an expression
 * that anybody may have written. PCRE2 matches; what one match may cost is limited, and a limit that is
 * hit is an answer of its own (REGEX_LIMIT), never a line that silently does not match. How long all of
 * it takes is for the caller to watch: a single match cannot be interrupted.
 */
#ifndef TOOLCELL_CELL_REGEX_H
#define TOOLCELL_CELL_REGEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define REGEX_PATTERN_MAX 65536U   /* bytes */
#define REGEX_MATCH_LIMIT 2000000U /* see pcre2api(3), "match limit" */
#define REGEX_DEPTH_LIMIT 1000000U
#define REGEX_HEAP_KIB 65536U		  /* without a compiler for machine code */
#define REGEX_STACK_MAX ((size_t)8 << 20) /* with one */

struct regex;
struct regex_worker; /* what one thread needs */

struct regex_flags {
	bool ignore_case;
	bool multiline; /* a match may cross lines, "." matches line ends */
	bool slow;	/* without machine code and short cuts; for tests that compare both */
};

struct regex_error {
	size_t offset; /* in the pattern, bytes */
	char text[256];
	bool needs_multiline; /* "\n" in a pattern for single lines */
};

/**
 * regex_new - compile
 * Return: 0; -EINVAL with @error filled; -ENOMEM.
 */
MUST_USE int regex_new(const char *pattern, size_t len, const struct regex_flags *flags,
		       struct regex **ret, struct regex_error *error);
void regex_free(struct regex *re);

/** regex_has_jit - whether machine code was allowed to be made */
bool regex_has_jit(const struct regex *re);

MUST_USE int regex_worker_new(struct regex_worker **ret);
void regex_worker_free(struct regex_worker *w);

/* One text. Zeroed but for data and len before the first question about it. */
struct regex_text {
	const char *data;
	size_t len;
	bool looked;
	bool returns;	   /* has "\r" */
	bool plain;	   /* ASCII without "\r" */
	bool line_by_line; /* too many matches crossed lines */
	unsigned crossed;
	atomic_size_t at; /* where matching is at work, roughly; for who watches it */
};

/* Offsets into the text. */
struct regex_hit {
	size_t begin, end;	     /* of the match; of a line that hit a limit */
	size_t line_begin, line_end; /* of the lines it is on, without the last one's end */
};

enum regex_result { REGEX_NONE = 0, REGEX_MATCH, REGEX_LIMIT };

/**
 * regex_next - the next line (multiline: the next match) from @from on
 * @from: the begin of a line; multiline: the end of the match before, one more when that was empty
 *
 * Without multiline each line is a text of its own: "^" and "$" are its ends, "$" stands also before a
 * "\r" there, and "." is none. After REGEX_LIMIT the line at hit.line_begin was not decided; one may go on behind
 * it, except with multiline, where nothing behind it was decided.
 */
MUST_USE enum regex_result regex_next(const struct regex *re, struct regex_worker *w,
				      struct regex_text *t, size_t from, struct regex_hit *ret);

/**
 * regex_in_line - the next match within a line that regex_next has found, from @from on
 * Not for multiline.
 */
MUST_USE enum regex_result regex_in_line(const struct regex *re, struct regex_worker *w,
					 struct regex_text *t, const struct regex_hit *line,
					 size_t from, size_t *ret_begin, size_t *ret_end);

#endif
