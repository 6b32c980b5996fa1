/*
 * Theory of operation: a line is written and read by the same table of fixed texts, byte by byte, so
 * there is one spelling of each line and a reader needs no JSON parser to follow the chain. The record
 * in the middle comes from a process that is not trusted with the log. All that is asked of it is that
 * it ends where it says that it ends: scan() walks over it with a stack of bits, one for each bracket
 * that is open.
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
#define HASH_KEY ",\"hash\":\""
#define HASH_TAIL (sizeof(HASH_KEY) - 1 + AUDIT_HEX_BYTES - 1 + 2) /* with "} at the end */

static const char *const kind_names[] = {
	[AUDIT_LOG] = "log",	       [AUDIT_ENGINE] = "engine", [AUDIT_CALL] = "call",
	[AUDIT_DECISION] = "decision", [AUDIT_LOST] = "lost",	  [AUDIT_GAP] = "gap",
	[AUDIT_TORN] = "torn",
};
static_assert(ARRAY_SIZE(kind_names) == AUDIT_KIND_N, "every kind has a name");

const char *audit_kind_name(enum audit_kind kind)
{
	return (unsigned int)kind < AUDIT_KIND_N ? kind_names[kind] : NULL;
}

void audit_hash_hex(const void *data, size_t len, char hex[AUDIT_HEX_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, data);
	sha256_digest(&ctx, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[2 * sizeof(digest)] = '\0';
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

/* The bytes of the string that begins behind its quote at @p, the closing quote included; 0: none. */
static size_t string_len(const unsigned char *p, size_t left)
{
	size_t i = 0;

	while (i < left) {
		int n = text_utf8_len(p + i, left - i);

		if (n <= 0 || p[i] < 0x20 || p[i] == 0x7f)
			return 0;
		if (p[i] == '"')
			return i + 1;
		if (p[i] == '\\') {
			/* What stands behind it is the value's own affair, but for what ends a line. */
			if (i + 1 >= left || p[i + 1] < 0x20 || p[i + 1] > 0x7e)
				return 0;
			n = 2;
		}
		i += (size_t)n;
	}
	return 0;
}

/* Bytes of the object that begins at @p; 0: there is none. */
static size_t object_len(const unsigned char *p, size_t left)
{
	uint64_t arrays = 0; /* a bit for each open bracket, the innermost lowest */
	unsigned int depth = 0;

	if (left == 0 || p[0] != '{')
		return 0;
	for (size_t i = 0; i < left; i++) {
		if (p[i] == '"') {
			size_t n = string_len(p + i + 1, left - i - 1);

			if (n == 0)
				return 0;
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
	return 0;
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
};

static bool take_text(struct cursor *c, const char *text)
{
	size_t len = strlen(text);

	if (c->left < len || memcmp(c->at, text, len) != 0)
		return false;
	c->at += len;
	c->left -= len;
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
	if (n == 0 || (n > 1 && digits[0] == '0') || num_parse_u64(digits, max, ret) < 0)
		return false;
	c->at += n;
	c->left -= n;
	return true;
}

/* Exactly @n bytes, all of them of @set. */
static bool take_word(struct cursor *c, const char *set, size_t n, char *dst)
{
	if (c->left < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (c->at[i] == '\0' || !strchr(set, c->at[i]))
			return false;
	memcpy(dst, c->at, n);
	dst[n] = '\0';
	c->at += n;
	c->left -= n;
	return true;
}

static bool take_time(struct cursor *c, char dst[AUDIT_TIME_BYTES])
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
	size_t n = sizeof(form) - 1;

	if (c->left < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (form[i] == 'd' ? c->at[i] < '0' || c->at[i] > '9' : c->at[i] != form[i])
			return false;
	memcpy(dst, c->at, n);
	dst[n] = '\0';
	c->at += n;
	c->left -= n;
	return true;
}

static bool take_kind(struct cursor *c, enum audit_kind *ret)
{
	for (unsigned int i = 0; i < AUDIT_KIND_N; i++) {
		struct cursor at = *c;

		if (take_text(&at, kind_names[i]) && at.left > 0 && at.at[0] == '"') {
			*c = at;
			*ret = (enum audit_kind)i;
			return true;
		}
	}
	return false;
}

static const char *parse_head(struct cursor *c, struct audit_line *line)
{
	static const char hex[] = "0123456789abcdef";
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
	struct cursor c = {text, len};
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
	c.at += line.record_len;
	c.left -= line.record_len;
	audit_hash_hex(text, len - HASH_TAIL, line.hash);
	if (!take_text(&c, HASH_KEY) ||
	    !take_word(&c, "0123456789abcdef", AUDIT_HEX_BYTES - 1, found) ||
	    !take_text(&c, "\"}")) {
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
