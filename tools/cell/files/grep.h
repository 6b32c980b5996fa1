/* The verb grep, in parts: what is asked (grep_args.c), the search (search.h), the page (grep_show.c). */
#ifndef TOOLCELL_CELL_GREP_H
#define TOOLCELL_CELL_GREP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "tools/cell/files/files.h"
#include "tools/cell/files/globs.h"
#include "tools/cell/files/regex.h"
#include "tools/cell/files/search.h"
#include "tools/cell/files/target.h"

#define GREP_TEXT_MAX ((size_t)100 << 10) /* bytes of one page */
#define GREP_LINE_MAX 500U		  /* characters of a line that are shown */
#define GREP_HEAD_LIMIT 250U
#define GREP_CONTEXT_MAX 1000U /* lines around a match */

enum grep_mode { GREP_FILES = 0, GREP_CONTENT, GREP_COUNT, GREP_MODE_N };

const char *grep_mode_name(enum grep_mode mode);

struct grep {
	enum grep_mode mode;
	size_t before, after;
	bool number, only, ignore_case, multiline;
	size_t head_limit; /* 0: none but GREP_TEXT_MAX */
	size_t offset;
	struct regex *re;
	struct globs globs, types;
};

/**
 * grep_take_args - everything but path
 * Return: 0; -EPERM: the answer says no; -ENOMEM. grep_fini in any case.
 */
MUST_USE int grep_take_args(const struct files_call *call, struct grep *ret, struct answer *a);
void grep_fini(struct grep *g);

/** grep_show - text and data of a page.  Return: 0 or -ENOMEM. */
MUST_USE int grep_show(const struct grep *g, const struct files_call *call,
		       const struct target *target, const struct search_result *found,
		       struct answer *a);

/** grep_append_line - foreign text of one line, cut at GREP_LINE_MAX so that @match is seen */
MUST_USE int grep_append_line(struct buf *out, const char *data, size_t len, size_t match);

/* How long a search may take; tests shorten it. */
extern int64_t grep_deadline_ms;

#endif
