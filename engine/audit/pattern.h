/*
 * Shapes of secrets: a sequence of sets of bytes, each so many times. Matched in one pass over the text,
 * whatever the text is: nothing is ever tried again.
 *
 *	AKIA[A-Z0-9]{16}	sk-[A-Za-z0-9_-]{20,}	acme_\w{8,40}
 *
 * An item is a byte, \ and a byte that means itself, \d (digits), \w (letters, digits, "_"), "."
 * (anything but a blank or a quote), or [SET] with ranges and a leading ^. Behind it may stand {N},
 * {N,}, {N,M}, "?", "*" or "+". There are no groups and no choices: those are two patterns.
 */
#ifndef TOOLCELL_AUDIT_PATTERN_H
#define TOOLCELL_AUDIT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PATTERN_TEXT_MAX 256U
#define PATTERN_STATES_MAX 128U /* items, counted as often as they must or may occur */
#define PATTERN_SETS_MAX 64U

struct pattern {
	uint64_t sets[PATTERN_SETS_MAX][4]; /* bit per byte */
	uint32_t n_sets;
	struct pattern_state {
		uint8_t set;
		bool optional; /* may be left out */
		bool loops;    /* may be met again */
	} states[PATTERN_STATES_MAX];
	uint32_t n_states;
};

/**
 * pattern_parse - from its text
 * Refused, with words: what is no pattern, what has too many states, and what matches nothing at all or
 * begins with something that may be left out (it would mask whatever it meets).
 */
MUST_USE int pattern_parse(const char *text, struct pattern *ret, struct err *err);

struct pattern_span {
	size_t from;
	size_t to;
};

/**
 * pattern_find - all that matches, as spans that neither touch nor overlap, in order
 * @spans: room for @max; the last one grows where there are more, up to the end of the last match
 *
 * One pass: each byte meets each state once.  Return: their number.
 */
size_t pattern_find(const struct pattern *p, const char *text, size_t len,
		    struct pattern_span *spans, size_t max);

#endif
