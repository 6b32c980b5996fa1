/*
 * A patch in either of its two forms, taken apart: what is to become of which file, and the hunks.
 * Nothing here looks at a file; names are as the patch gives them, prefixes of git removed.
 */
#ifndef TOOLCELL_CELL_PATCH_PARSE_H
#define TOOLCELL_CELL_PATCH_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"

#define PATCH_BYTES_MAX ((size_t)10 << 20)
#define PATCH_FILES_MAX ((size_t)1000)
#define PATCH_HUNKS_MAX ((size_t)100000)
#define PATCH_LINES_MAX ((size_t)1000000)  /* in hunks and new files */
#define PATCH_ANCHORS_MAX ((size_t)100000) /* "@@ text" of the Begin Patch form */
#define PATCH_NUMBER_MAX 100000000U	   /* of a line, in the header of a hunk */

enum patch_op { PATCH_MODIFY = 0, PATCH_ADD, PATCH_DELETE, PATCH_RENAME, PATCH_COPY };

struct patch_line {
	const char
		*text; /* into the patch, without its line feed; may end with a carriage return */
	uint32_t len;
	char mark;	 /* ' ', '-' or '+' */
	bool no_newline; /* "\ No newline at end of file" stood below it */
};

struct patch_span {
	const char *text;
	size_t len;
};

struct patch_hunk {
	struct patch_span header; /* its line in the patch, "@@ -1,4 +1,5 @@ fn main()" */
	size_t line;		  /* where that is, 1-based */
	bool numbered;		  /* old_start means something */
	bool recounted;		  /* the header's numbers of lines were wrong */
	bool end_of_file;	  /* "*** End of File": ends where the file ends */
	size_t old_start;	  /* 1-based; the line before when old_lines is 0 */
	size_t old_lines;	  /* as counted, not as the header says */
	size_t new_lines;
	size_t first; /* into patch.lines */
	size_t count;
	size_t first_anchor; /* into patch.anchors */
	size_t n_anchors;
};

struct patch_file {
	enum patch_op op;
	char *path;	/* what is made, changed or removed */
	char *from;	/* PATCH_RENAME, PATCH_COPY; NULL otherwise */
	char *fallback; /* another reading of path, for when that does not exist; mostly NULL */
	size_t line;	/* where it begins in the patch */
	mode_t mode;	/* 0644 or 0755 when the patch sets one; 0 otherwise */
	bool whole;	/* PATCH_DELETE: whatever the content is */
	size_t first;	/* into patch.hunks */
	size_t n_hunks;
};

struct patch {
	struct patch_file *files;
	size_t n_files;
	struct patch_hunk *hunks;
	size_t n_hunks;
	struct patch_line *lines;
	size_t n_lines;
	struct patch_span *anchors;
	size_t n_anchors;
};

/**
 * patch_parse - @text in whichever form it is
 * @ret: points into @text, which must outlive it; patch_fini frees, also after a failure
 *
 * Return: 0; -EINVAL, -E2BIG with the line and what is wrong with it; -ENOMEM.
 */
MUST_USE int patch_parse(const char *text, size_t len, struct patch *ret, struct err *err);
void patch_fini(struct patch *patch);

/* What follows is between the parsers. */

struct patch_reader {
	const char *text;
	size_t len;
	size_t at;
	size_t line; /* lines that have been read */
};

/** patch_read - the next line, without its line feed.  Return: false at the end. */
bool patch_read(struct patch_reader *reader, struct patch_span *ret);
/** patch_peek - the same and stay */
bool patch_peek(const struct patch_reader *reader, struct patch_span *ret);

bool patch_starts(const struct patch_span *line, const char *word);
/** patch_chomp - without a carriage return and blanks at its end, for lines that are no content */
struct patch_span patch_chomp(struct patch_span line);
/** patch_is_blank - nothing but blanks */
bool patch_is_blank(const struct patch_span *line);

/** patch_wrong - -EINVAL: "line 12 of the patch: WORDS" */
int patch_wrong(struct err *err, size_t line, const char *fmt, ...) PRINTF(3, 4);
/** patch_wrong_at - the same with the line quoted at its end */
int patch_wrong_at(struct err *err, size_t line, const struct patch_span *at, const char *words);

MUST_USE int patch_add_file(struct patch *patch, size_t line, struct patch_file **ret,
			    struct err *err);
MUST_USE int patch_add_hunk(struct patch *patch, size_t line, struct patch_hunk **ret,
			    struct err *err);
/** patch_add_line - to the last hunk, whose counts go up; @text without the mark */
MUST_USE int patch_add_line(struct patch *patch, char mark, const struct patch_span *text,
			    struct err *err);
MUST_USE int patch_add_anchor(struct patch *patch, const struct patch_span *text, struct err *err);

/** patch_name - a copy of a name; refuses what no file can be called.  @ret: malloc'ed */
MUST_USE int patch_name(const char *text, size_t len, size_t line, char **ret, struct err *err);

/**
 * patch_unquote - the bytes of a name in double quotes, as git and diff(1) write them
 * Return: how many bytes of @text it took; 0: it is none.
 */
size_t patch_unquote(const struct patch_span *text, char *dst, size_t cap, size_t *ret_len);

/**
 * patch_name_word - a name and what follows it: "NAME", "NAME<tab>TIME", "\"NAME\""
 * @ret:      malloc'ed
 * @ret_rest: behind the name and one tab
 */
MUST_USE int patch_name_word(struct patch_span text, size_t line, char **ret,
			     struct patch_span *ret_rest, struct err *err);

MUST_USE int patch_parse_begin(struct patch_reader *reader, struct patch *patch, struct err *err);
MUST_USE int patch_parse_unified(struct patch_reader *reader, struct patch *patch, struct err *err);

#endif
