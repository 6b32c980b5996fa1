/* A unified diff for a terminal: colours by kind of line, nothing that the terminal would obey. */
#ifndef TOOLCELL_CLI_DIFF_COLOUR_H
#define TOOLCELL_CLI_DIFF_COLOUR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/**
 * diff_colour - append @text, line by line
 *
 * Control characters in a line are made visible ("^M"), malformed UTF-8 becomes U+FFFD; a line stays one
 * line, so that no content can look like another line of the diff. Lines within a hunk are told by the
 * counts of its head: content that begins with "--- " is content.  Return: 0 or -errno of the buffer.
 */
MUST_USE int diff_colour(struct buf *out, const char *text, size_t len, bool color);

#endif
