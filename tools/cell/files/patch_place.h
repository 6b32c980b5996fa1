/*
 * Where in a file a hunk belongs. The lines that it expects (context and removed) are looked for at the
 * place that its header names, as far off as the hunks before it were; then anywhere behind the hunk
 * before it. A place must be the only one, or by far the nearest; otherwise the hunk is refused.
 */
#ifndef TOOLCELL_CELL_PATCH_PLACE_H
#define TOOLCELL_CELL_PATCH_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "tools/cell/files/patch_parse.h"

#define PATCH_COST_MAX ((uint64_t)100000000) /* steps for a whole patch; about a second */
#define PATCH_FUZZ_MAX 2U		     /* as patch(1) */
#define PATCH_NEAR_FACTOR 4U /* the nearest place wins when the next is so many times as far */
#define PATCH_PLACES_MAX 8U  /* that are listed */

enum patch_ending { PATCH_NO_END = 0, PATCH_LF, PATCH_CRLF };

struct patch_text_line {
	const char *text;
	size_t len; /* without its end */
	enum patch_ending ending;
};

struct patch_text {
	struct patch_text_line *lines;
	size_t n;
	enum patch_ending prevailing; /* LF or CRLF */
	bool uniform;		      /* all ends are alike */
	bool bom;		      /* a byte order mark stood before the first line */
};

/** patch_text_split - @ret: points into @data; patch_text_fini frees */
MUST_USE int patch_text_split(const char *data, size_t len, bool bom, struct patch_text *ret);
void patch_text_fini(struct patch_text *text);

/* What was forgiven, in the order in which it is tried. */
enum patch_leniency {
	PATCH_EXACT = 0,
	PATCH_LINE_ENDS, /* how lines end */
	PATCH_TRAILING,	 /* blanks at the end of lines */
	PATCH_BLANKS,	 /* blanks at both ends of lines */
	PATCH_LENIENCY_N,
};

struct patch_spot {
	size_t line;	   /* 0-based; where the first line that is held against the file stands */
	size_t skip_front; /* lines of context that were dropped */
	size_t skip_back;
	unsigned int fuzz;
	enum patch_leniency leniency;
	int64_t offset; /* from where the header said; 0 without numbers */
};

struct patch_search {
	const struct patch *patch;
	const struct patch_text *text;
	uint64_t *cost; /* of the whole patch */
	size_t from;	/* nothing before this line: the hunk before it ends there */
	int64_t drift;	/* how far off the hunk before it was */
};

/* Where it was found when that does not do. */
struct patch_places {
	size_t lines[PATCH_PLACES_MAX]; /* 0-based */
	size_t n;			/* all of them, also those not listed */
};

/**
 * patch_place - find one hunk
 * @ret_places: for -EEXIST
 *
 * Return: 0; -ENOENT nowhere; -ESRCH an "@@ LINE" of it is nowhere; -EEXIST in several places;
 * -EINVAL it only adds lines and says not where; -ELOOP PATCH_COST_MAX was met.
 */
MUST_USE int patch_place(const struct patch_search *search, const struct patch_hunk *hunk,
			 struct patch_spot *ret, struct patch_places *ret_places);

/** patch_old_line - the hunk's next line that the file should have, from index *at on; NULL: none */
const struct patch_line *patch_old_line(const struct patch *patch, const struct patch_hunk *hunk,
					size_t *at);

/** patch_line_matches - one expected line against one of the file */
bool patch_line_matches(const struct patch_line *want, const struct patch_text *text, size_t line,
			enum patch_leniency leniency, bool numbered);

/* The place that is most like what a hunk expects, for the words of a refusal. */
struct patch_closest {
	size_t line;	/* 0-based; of the hunk's first expected line */
	size_t matches; /* lines that are the same but for blanks */
	size_t wrong;	/* index of the first expected line that differs; old_lines when none */
};

/** patch_closest - Return: whether there is one with at least one line that is not blank */
bool patch_find_closest(const struct patch_search *search, const struct patch_hunk *hunk,
			struct patch_closest *ret);

#endif
