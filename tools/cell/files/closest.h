/* Where a string that is not in a file nearly is: what an author of an edit needs to put it right. */
#ifndef TOOLCELL_CELL_CLOSEST_H
#define TOOLCELL_CELL_CLOSEST_H

#include <stddef.h>

#include "base/macros.h"
#include "tools/cell/files/answer.h"

#define CLOSEST_FILE_BYTES_MAX ((size_t)16 << 20) /* larger files are not searched */
#define CLOSEST_OLD_BYTES_MAX ((size_t)256 << 10)
#define CLOSEST_STEPS_MAX ((size_t)1 << 24) /* comparisons of lines */

enum closest_difference {
	CLOSEST_NONE = 0, /* nothing is near */
	CLOSEST_LINE_ENDING,
	CLOSEST_WHITESPACE,
	CLOSEST_CASE, /* and perhaps white space */
	CLOSEST_CONTENT,
	CLOSEST_DIFFERENCE_N,
};

struct closest {
	enum closest_difference difference;
	size_t line;	  /* of the file, from 1, where the near match begins */
	const char *text; /* that line's begin, within the file */
	size_t lines;	  /* how many lines of the file it covers */
};

/** closest_find - Return: 0, with CLOSEST_NONE for nothing near or caps met; -ENOMEM */
MUST_USE int closest_find(const char *file, size_t file_len, const char *old, size_t old_len,
			  struct closest *ret);

/** closest_note - what closest_find sees, in words (answer_fail_note) and as data.closest */
MUST_USE int closest_note(const char *file, size_t file_len, const char *old, size_t old_len,
			  struct answer *a);

#endif
