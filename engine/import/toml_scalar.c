/*
 * Theory of operation: strings are copied byte by byte into a buffer, escapes resolved on the way;
 * numbers are cut out, underscores dropped, and read by base/num.h or, with a point or exponent, by
 * jansson, whose numbers have the same form. A string with \u0000 is refused: nothing that we read
 * can hold one.
 */
#include "import/toml_scalar.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/text.h"

#define STRING_BYTES_MAX ((size_t)64 << 10)
#define NUMBER_BYTES_MAX 64U

struct toml_place toml_place(struct toml_cursor *c, const char *at)
{
	struct toml_place place;

	if (!c->seen || at < c->seen) {
		c->seen = c->text;
		c->line_begin = c->text;
		c->line = 1;
	}
	for (; c->seen < at; c->seen++) {
		if (*c->seen != '\n')
			continue;
		c->line++;
		c->line_begin = c->seen + 1;
	}
	place = (struct toml_place){c->line, (int)(at - c->line_begin) + 1};
	return place;
}

int toml_fail(struct toml_cursor *c, const char *at, const char *fmt, ...)
{
	struct toml_place place = toml_place(c, at);
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(c->err, EINVAL, "%s:%d:%d: not valid TOML: %s", c->label, place.line,
		       place.column, text);
}

char toml_peek(const struct toml_cursor *c)
{
	if (c->at < c->end)
		return *c->at;
	return '\0';
}

bool toml_is_bare(char ch)
{
	return isalnum((unsigned char)ch) || ch == '_' || ch == '-';
}

void toml_blanks(struct toml_cursor *c)
{
	while (toml_peek(c) == ' ' || toml_peek(c) == '\t')
		c->at++;
}

static void skip_comment(struct toml_cursor *c)
{
	if (toml_peek(c) == '#')
		while (c->at < c->end && *c->at != '\n')
			c->at++;
}

static bool skip_newline(struct toml_cursor *c)
{
	if (toml_peek(c) == '\r' && c->at + 1 < c->end && c->at[1] == '\n')
		c->at++;
	if (toml_peek(c) != '\n')
		return false;
	c->at++;
	return true;
}

int toml_blank_lines(struct toml_cursor *c)
{
	do {
		toml_blanks(c);
		skip_comment(c);
	} while (skip_newline(c));
	return 0;
}

int toml_line_end(struct toml_cursor *c)
{
	toml_blanks(c);
	skip_comment(c);
	if (c->at >= c->end || skip_newline(c))
		return 0;
	return toml_fail(c, c->at, "the end of the line is expected here");
}

static int append_char(struct toml_cursor *c, const char *at, struct buf *out, uint32_t code)
{
	char bytes[4];
	size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return toml_fail(c, at, "an escape for no character");
	for (size_t i = n - 1; i > 0; i--, code >>= 6)
		bytes[i] = (char)(0x80 | (code & 0x3f));
	bytes[0] = (char)(n == 1 ? code : (0xf00U >> n & 0xffU & ~(0xffU >> n)) | code);
	return buf_append(out, bytes, n) < 0 ? toml_fail(c, at, "the string is too long") : 0;
}

static int hex_escape(struct toml_cursor *c, struct buf *out, unsigned int digits)
{
	const char *at = c->at;
	uint32_t code = 0;

	for (unsigned int i = 0; i < digits; i++, c->at++) {
		char ch = toml_peek(c);

		if (!isxdigit((unsigned char)ch))
			return toml_fail(c, at, "an escape needs %u hexadecimal digits", digits);
		code = code << 4 | (uint32_t)(isdigit((unsigned char)ch)
						      ? ch - '0'
						      : tolower((unsigned char)ch) - 'a' + 10);
	}
	return append_char(c, at, out, code);
}

/* The cursor stands behind the backslash. */
static int escape(struct toml_cursor *c, struct buf *out, bool lines)
{
	static const char from[] = "btnfr\"\\";
	static const char to[] = "\b\t\n\f\r\"\\";
	const char *at = c->at;
	char ch = toml_peek(c);
	const char *found = ch != '\0' ? strchr(from, ch) : NULL;

	if (lines && (ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n')) {
		toml_blanks(c);
		if (!skip_newline(c))
			return toml_fail(c, at, "an unknown escape");
		do
			toml_blanks(c);
		while (skip_newline(c));
		return 0;
	}
	c->at++;
	if (found)
		return append_char(c, at, out, (uint32_t)to[found - from]);
	if (ch == 'u' || ch == 'U')
		return hex_escape(c, out, ch == 'u' ? 4 : 8);
	return toml_fail(c, at, "an unknown escape");
}

static bool at_quotes(const struct toml_cursor *c, char quote, size_t n)
{
	if ((size_t)(c->end - c->at) < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (c->at[i] != quote)
			return false;
	return true;
}

/* What stands between the quotes; the cursor ends behind the closing ones. */
static int string_body(struct toml_cursor *c, char quote, size_t n, struct buf *out)
{
	const char *begin = c->at;

	while (c->at < c->end) {
		int r;

		if (at_quotes(c, quote, n)) {
			/* """" and """"" end with one or two quotes of the text's own */
			while (n == 3 && at_quotes(c, quote, 4))
				if (buf_append(out, c->at++, 1) < 0)
					return toml_fail(c, begin, "the string is too long");
			c->at += n;
			return 0;
		}
		if (n == 1 && (*c->at == '\n' || *c->at == '\r'))
			break;
		if (quote == '"' && *c->at == '\\') {
			c->at++;
			r = escape(c, out, n == 3);
		} else {
			r = buf_append(out, c->at++, 1);
			if (r < 0)
				r = toml_fail(c, begin, "the string is too long");
		}
		if (r < 0)
			return r;
	}
	return toml_fail(c, begin, "the string does not end");
}

static int read_string(struct toml_cursor *c, size_t quotes, char **ret)
{
	CLEANUP(buf_fini) struct buf out = {.cap = STRING_BYTES_MAX};
	char quote = toml_peek(c);
	int r;

	c->at += quotes;
	if (quotes == 3)
		(void)skip_newline(c);
	r = string_body(c, quote, quotes, &out);
	if (r < 0)
		return r;
	*ret = out.len > 0 ? buf_take(&out, NULL) : strdup("");
	return *ret ? 0 : err_set(c->err, ENOMEM, "cannot read TOML");
}

int toml_line_string(struct toml_cursor *c, char **ret)
{
	return read_string(c, 1, ret);
}

static int scalar_string(struct toml_cursor *c, json_t **ret)
{
	char *text = NULL;
	int r = read_string(c, at_quotes(c, toml_peek(c), 3) ? 3 : 1, &text);

	if (r == 0) {
		*ret = json_string(text);
		if (!*ret)
			r = err_set(c->err, ENOMEM, "cannot read TOML");
	}
	free(text);
	return r;
}

/* Digits without underscores, each of which must stand between two digits. */
static bool cut_number(const char *at, size_t len, char *dst)
{
	size_t n = 0;

	if (len >= NUMBER_BYTES_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool between = i > 0 && i + 1 < len && isxdigit((unsigned char)at[i - 1]) &&
			       isxdigit((unsigned char)at[i + 1]);

		if (at[i] == '_' && !between)
			return false;
		if (at[i] != '_')
			dst[n++] = at[i];
	}
	dst[n] = '\0';
	return n > 0;
}

static bool read_based(const char *text, json_int_t *ret)
{
	unsigned int shift = text[1] == 'x' ? 4 : text[1] == 'o' ? 3 : 1;
	uint64_t value = 0;

	if (text[2] == '\0')
		return false;
	for (const char *p = text + 2; *p != '\0'; p++) {
		uint64_t digit = isdigit((unsigned char)*p)
					 ? (uint64_t)(*p - '0')
					 : (uint64_t)(tolower((unsigned char)*p) - 'a' + 10);

		if (!isxdigit((unsigned char)*p) || digit >> shift != 0 ||
		    value >> (63 - shift) != 0)
			return false;
		value = value << shift | digit;
	}
	*ret = (json_int_t)value;
	return true;
}

static json_t *read_number(const char *text)
{
	const char *digits = text + (text[0] == '+' || text[0] == '-');
	bool negative = text[0] == '-';
	uint64_t value;
	json_int_t based;
	json_t *real;

	if (text[0] == '0' && text[1] != '\0' && strchr("xob", text[1]))
		return read_based(text, &based) ? json_integer(based) : NULL;
	if (digits[0] == '0' && isdigit((unsigned char)digits[1]))
		return NULL;
	if (num_parse_u64(digits, (uint64_t)INT64_MAX, &value) == 0)
		return json_integer(negative ? -(json_int_t)value : (json_int_t)value);
	if (!isdigit((unsigned char)digits[0]))
		return NULL;
	real = json_loads(text[0] == '+' ? digits : text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL,
			  NULL);
	if (json_is_real(real) && strpbrk(text, ".eE"))
		return real;
	json_decref(real);
	return NULL;
}

static bool looks_like_date(const char *at, size_t len)
{
	return (len >= 5 && at[4] == '-' && isdigit((unsigned char)at[0])) ||
	       (len >= 3 && at[2] == ':');
}

int toml_scalar(struct toml_cursor *c, json_t **ret)
{
	const char *at = c->at;
	char text[NUMBER_BYTES_MAX];
	char quoted[96];
	size_t len = 0;

	if (toml_peek(c) == '"' || toml_peek(c) == '\'')
		return scalar_string(c, ret);
	while (at + len < c->end && !strchr(" \t\r\n,]}#", at[len]))
		len++;
	text_quote(quoted, sizeof(quoted), at, len);
	if (len == 4 && strncmp(at, "true", 4) == 0)
		*ret = json_true();
	else if (len == 5 && strncmp(at, "false", 5) == 0)
		*ret = json_false();
	else if (looks_like_date(at, len))
		return toml_fail(c, at, "\"%s\": dates and times are not read", quoted);
	else
		*ret = cut_number(at, len, text) ? read_number(text) : NULL;
	if (!*ret)
		return toml_fail(c, at, "\"%s\" is no value: strings stand in quotes", quoted);
	c->at += len;
	return 0;
}
