/* What the bytes of a file are: encoding, line ends, lines. */
#ifndef TOOLCELL_CELL_TEXT_H
#define TOOLCELL_CELL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

enum text_encoding {
	TEXT_UTF8 = 0,
	TEXT_UTF8_BOM,
	TEXT_UTF16LE, /* with its byte order mark */
	TEXT_UTF16BE,
	TEXT_BYTES, /* no encoding that we know: shown with replacement characters */
	TEXT_ENCODING_N,
};

const char *text_encoding_name(enum text_encoding encoding); /* "utf-8", ... */

/* Of line ends: "\r\n" everywhere, "\n" everywhere, both, none at all. */
enum text_ending { TEXT_NONE = 0, TEXT_LF, TEXT_CRLF, TEXT_MIXED, TEXT_ENDING_N };

const char *text_ending_name(enum text_ending ending); /* "none", "lf", "crlf", "mixed" */

struct text {
	enum text_encoding encoding;
	enum text_ending ending;
	const char *data; /* UTF-8 (or bytes) without a byte order mark */
	size_t len;
	size_t lines;	    /* line ends, and one more for text behind the last of them */
	struct buf decoded; /* holds data when it had to be decoded */
};

/**
 * text_look - find out; UTF-16 is decoded
 * @data: borrowed by @ret
 * Return: 0; -EILSEQ for UTF-16 that is not well-formed; -ENOMEM, -E2BIG.
 */
MUST_USE int text_look(const char *data, size_t len, struct text *ret);
void text_fini(struct text *t);

/** text_encode - back to what text_look was given, mark included; @encoding but TEXT_BYTES appends as is */
MUST_USE int text_encode(struct buf *out, enum text_encoding encoding, const char *data,
			 size_t len);

/** text_lines - as text.lines counts; @ret_ending may be NULL */
size_t text_lines(const char *data, size_t len, enum text_ending *ret_ending);

/** text_binary_name - "PNG image", "ELF program", ... by its first bytes; NULL for none that is known */
const char *text_binary_name(const char *data, size_t len);

#endif
