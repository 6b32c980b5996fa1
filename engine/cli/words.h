/* `run TOOL key=value key:=json`: words into one arguments object. */
#ifndef TOOLCELL_CLI_WORDS_H
#define TOOLCELL_CLI_WORDS_H

#include "base/err.h"

#define WORDS_MAX 256
#define WORDS_JSON_BYTES_MAX ((size_t)16 << 20) /* of arguments read from standard input */

/** words_check - every word has the form KEY=VALUE or KEY:=JSON and no key comes twice */
MUST_USE int words_check(char *const *words, struct err *err);

/**
 * words_to_json - checked words as the text of a JSON object
 * @ret: malloc'ed; caller frees
 *
 * A value that is not UTF-8, or not JSON behind ":=", is an error that names the key.
 */
MUST_USE int words_to_json(char *const *words, char **ret, struct err *err);

/** words_read_json - a whole descriptor, at most WORDS_JSON_BYTES_MAX; a NUL byte is an error */
MUST_USE int words_read_json(int fd, char **ret, struct err *err);

#endif
