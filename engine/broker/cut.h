/* Long text shortened to its beginning and its end. */
#ifndef TOOLCELL_BROKER_CUT_H
#define TOOLCELL_BROKER_CUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define CUT_SLACK_BYTES 512U /* how far a cut moves to fall between two lines */

/** cut_unfinished - bytes at the end that begin a UTF-8 sequence without ending it; 0-3 */
size_t cut_unfinished(const char *s, size_t len);

/**
 * cut_head - how much of the first @max bytes to keep
 * Ends behind a newline when one is near, else between two characters.
 */
size_t cut_head(const char *s, size_t len, size_t max);

/** cut_tail - the same for the end.  Return: how many of the last bytes to keep, at most @max. */
size_t cut_tail(const char *s, size_t len, size_t max);

/** cut_marker - the line between beginning and end; @uri: where the whole is, or NULL */
MUST_USE int cut_marker(struct buf *out, uint64_t omitted, const char *uri);

/** cut_append - @s, or its beginning, a marker and its end when it is longer than @max */
MUST_USE int cut_append(struct buf *out, const char *s, size_t len, size_t max, const char *uri);

#endif
