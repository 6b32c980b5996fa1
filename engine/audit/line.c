/*
 * Theory of operation: a line is written and read by the same table of fixed texts, byte by byte, so
 * there is one spelling of each line and a reader needs no JSON parser to follow the chain. The record
 * in the middle comes from a process that is not trusted with the log. All that is asked of it is that
 * it ends where it says that it ends: object_len() walks over it with a stack of bits, one for each
 * bracket that is open.
 *
 * Reading tells text that is wrong from text that is right and ends too early, because that is how a crash
 * leaves a line.
 */
#include "audit/line.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "base/text.h"

#define DIGITS_MAX 20U
#define OPEN SIZE_MAX /* it is well-formed and does not end within the text */
#define HASH_KEY ",\"hash\":\""
#define HASH_TAIL (sizeof(HASH_KEY) - 1 + AUDIT_HEX_BYTES - 1 + 2) /* with "} at the end */

static const char *const kind_names[] = {
	[AUDIT_LOG] = "log",	       [AUDIT_ENGINE] = "engine", [AUDIT_CALL] = "call",
	[AUDIT_DECISION] = "decision", [AUDIT_LOST] = "lost",	  [AUDIT_GAP] = "gap",
	[AUDIT_TORN] = "torn",
};
static_assert(ARRAY_SIZE(kind_names) == AUDIT_KIND_N, "every kind has a name");

static const char hex[] = "0123456789abcdef";

const char *audit_kind_name(enum audit_kind kind)
{
	return (unsigned int)kind < AUDIT_KIND_N ? kind_names[kind] : NULL;
}

void audit_hash_hex(const void *data, size_t len, char dst[AUDIT_HEX_BYTES])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, data);
	sha256_digest(&ctx, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		dst[2 * i] = hex[digest[i] >> 4];
		dst[2 * i + 1] = hex[digest[i] & 15];
	}
	dst[2 * sizeof(digest)] = '\0';
}

const char *audit_time_text(int64_t time_us, char dst[AUDIT_TIME_BYTES])
{
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm tm;
	size_t n;

	if (time_us < 0 || !gmtime_r(&seconds, &tm) || tm.tm_year + 1900 > 9999) {
		seconds = 0;
		time_us = 0;
		(void)gmtime_r(&seconds, &tm);
	}
	n = strftime(dst, AUDIT_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(dst + n, AUDIT_TIME_BYTES - n, ".%06uZ", (unsigned int)(time_us % 1000000));
	return dst;
}

/* The bytes of the string that begins behind its quote at @p, with the closing quote; 0: none; OPEN. */
static size_t string_len(const unsigned char *p, size_t left)
{
	size_t i = 0;

	while (i < left) {
		int n = text_utf8_len(p + i, left - i);

		if (n < 0)
			return OPEN;
		if (n == 0 || p[i] < 0x20 || p[i] == 0x7f)
			return 0;
		if (p[i] == '"')
			return i + 1;
		if (p[i] == '\\') {
			/* What stands behind it is the value's own affair, but for what ends a line. */
			if (i + 1 < left && (p[i + 1] < 0x20 || p[i + 1] > 0x7e))
				return 0;
			n = 2;
		}
		i += (size_t)n;
	}
	return OPEN;
}

/* Bytes of the object that begins at @p; 0: there is none; OPEN. */
static size_t object_len(const unsigned char *p, size_t left)
{
	uint64_t arrays = 0; /* a bit for each open bracket, the innermost lowest */
	unsigned int depth = 0;

	if (left > 0 && p[0] != '{')
		return 0;
	for (size_t i = 0; i < left; i++) {
		if (p[i] == '"') {
			size_t n = string_len(p + i + 1, left - i - 1);

			if (n == 0 || n == OPEN)
				return n;
			i += n;
		} else if (p[i] == '{' || p[i] == '[') {
			if (depth++ == AUDIT_DEPTH_MAX)
				return 0;
			arrays = arrays << 1 | (p[i] == '[');
		} else if (p[i] == '}' || p[i] == ']') {
			if ((arrays & 1) != (p[i] == ']'))
				return 0;
			arrays >>= 1;
			if (--depth == 0)
				return i + 1;
		} else if (p[i] < 0x20 || p[i] > 0x7e) {
			return 0;
		}
	}
	return OPEN;
}

bool audit_record_is_sane(const char *record, size_t len)
{
	return len >= 2 && len <= AUDIT_RECORD_BYTES_MAX &&
	       object_len((const unsigned char *)record, len) == len;
}

int audit_line_append(struct buf *out, struct audit_line *line)
{
	size_t begin = out->len;
	const char *kind = audit_kind_name(line->kind);
	int r;

	if (!kind || !audit_record_is_sane(line->record, line->record_len))
		return -EINVAL;
	r = buf_printf(out,
		       "{\"schema\":\"" AUDIT_SCHEMA "\",\"seq\":%" PRIu64
		       ",\"time\":\"%s\",\"engine\":\"%s\",\"uid\":%" PRIu32
		       ",\"kind\":\"%s\",\"prev\":\"%s\",\"record\":",
		       line->seq, line->time, line->engine, line->uid, kind, line->prev);
	if (r == 0)
		r = buf_append(out, line->record, line->record_len);
	if (r < 0)
		return r;
	audit_hash_hex(out->data + begin, out->len - begin, line->hash);
	return buf_printf(out, HASH_KEY "%s\"}\n", line->hash);
}

/* What is left of a line that is read. */
struct cursor {
	const char *at;
	size_t left;
	bool ends; /* something was not there for want of text, not because of other text */
};

static void skip(struct cursor *c, size_t n)
{
	c->at += n;
	c->left -= n;
}

/* Whether @n bytes are there. */
static bool has(struct cursor *c, size_t n)
{
	c->ends = c->left < n;
	return !c->ends;
}

static bool take_text(struct cursor *c, const char *text)
{
	size_t len = strlen(text);

	if (memcmp(c->at, text, MIN(len, c->left)) != 0 || !has(c, len))
		return false;
	skip(c, len);
	return true;
}

/* A number as we write it: without sign and without a zero in front. */
static bool take_number(struct cursor *c, uint64_t max, uint64_t *ret)
{
	char digits[DIGITS_MAX + 1];
	size_t n = 0;

	while (n < c->left && n < DIGITS_MAX && c->at[n] >= '0' && c->at[n] <= '9') {
		digits[n] = c->at[n];
		n++;
	}
	digits[n] = '\0';
	if (!has(c, 1) || n == 0 || (n > 1 && digits[0] == '0') ||
	    num_parse_u64(digits, max, ret) < 0)
		return false;
	skip(c, n);
	return true;
}

/* Exactly @n bytes, all of them of @set. */
static bool take_word(struct cursor *c, const char *set, size_t n, char *dst)
{
	for (size_t i = 0; i < MIN(n, c->left); i++)
		if (c->at[i] == '\0' || !strchr(set, c->at[i]))
			return false;
	if (!has(c, n))
		return false;
	memcpy(dst, c->at, n);
	dst[n] = '\0';
	skip(c, n);
	return true;
}

static bool take_time(struct cursor *c, char dst[AUDIT_TIME_BYTES])
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
	size_t n = sizeof(form) - 1;

	for (size_t i = 0; i < MIN(n, c->left); i++)
		if (form[i] == 'd' ? c->at[i] < '0' || c->at[i] > '9' : c->at[i] != form[i])
			return false;
	if (!has(c, n))
		return false;
	memcpy(dst, c->at, n);
	dst[n] = '\0';
	skip(c, n);
	return true;
}

/* No name is the beginning of another one. */
static bool take_kind(struct cursor *c, enum audit_kind *ret)
{
	for (unsigned int i = 0; i < AUDIT_KIND_N; i++) {
		if (take_text(c, kind_names[i])) {
			*ret = (enum audit_kind)i;
			return true;
		}
		if (c->ends)
			return false;
	}
	return false;
}

static bool take_hash(struct cursor *c, char dst[AUDIT_HEX_BYTES])
{
	return take_text(c, HASH_KEY) && take_word(c, hex, AUDIT_HEX_BYTES - 1, dst) &&
	       take_text(c, "\"}");
}

static const char *parse_head(struct cursor *c, struct audit_line *line)
{
	static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint64_t uid = 0;

	if (!take_text(c, "{\"schema\":\"" AUDIT_SCHEMA "\",\"seq\":"))
		return "it is no record of toolcell.audit/1";
	if (!take_number(c, UINT64_MAX, &line->seq) || !take_text(c, ",\"time\":\""))
		return "its sequence number is malformed";
	if (!take_time(c, line->time) || !take_text(c, "\",\"engine\":\""))
		return "its time is malformed";
	if (!take_word(c, base32, AUDIT_ENGINE_BYTES - 1, line->engine) ||
	    !take_text(c, "\",\"uid\":"))
		return "its engine is malformed";
	if (!take_number(c, UINT32_MAX, &uid) || !take_text(c, ",\"kind\":\""))
		return "its uid is malformed";
	line->uid = (uint32_t)uid;
	if (!take_kind(c, &line->kind) || !take_text(c, "\",\"prev\":\""))
		return "it is of no known kind";
	if (!take_word(c, hex, AUDIT_HEX_BYTES - 1, line->prev) || !take_text(c, "\",\"record\":"))
		return "its hash of the line before is malformed";
	return NULL;
}

int audit_line_parse(const char *text, size_t len, struct audit_line *ret, const char **ret_why)
{
	struct cursor c = {text, len, false};
	struct audit_line line = {0};
	char found[AUDIT_HEX_BYTES];

	*ret_why = len > AUDIT_LINE_BYTES_MAX ? "it is too long" : parse_head(&c, &line);
	if (*ret_why)
		return -EBADMSG;
	line.record = c.at;
	line.record_len = object_len((const unsigned char *)c.at, c.left);
	if (!audit_record_is_sane(line.record, line.record_len) ||
	    c.left != line.record_len + HASH_TAIL) {
		*ret_why = "its record is malformed";
		return -EBADMSG;
	}
	skip(&c, line.record_len);
	audit_hash_hex(text, len - HASH_TAIL, line.hash);
	if (!take_hash(&c, found)) {
		*ret_why = "its hash is malformed";
		return -EBADMSG;
	}
	if (strcmp(found, line.hash) != 0) {
		*ret_why = "its bytes are not those that its hash was made of: it has been changed";
		return -EBADMSG;
	}
	*ret = line;
	return 0;
}

/* A record whose closing bracket was changed swallows the hash behind it. */
static bool ends_as_a_line(const char *text, size_t len)
{
	struct cursor c = {text, len, false};
	char found[AUDIT_HEX_BYTES];

	if (len < HASH_TAIL)
		return false;
	skip(&c, len - HASH_TAIL);
	return take_hash(&c, found);
}

bool audit_line_is_cut(const char *text, size_t len)
{
	struct cursor c = {text, len, false};
	struct audit_line line = {0};
	char found[AUDIT_HEX_BYTES];
	size_t record;

	if (len > AUDIT_LINE_BYTES_MAX || ends_as_a_line(text, len))
		return false;
	if (parse_head(&c, &line))
		return c.ends;
	record = object_len((const unsigned char *)c.at, c.left);
	if (record == 0 || record == OPEN)
		return record == OPEN;
	skip(&c, record);
	return !take_hash(&c, found) && c.ends;
}
