/*
 * Theory of operation: lines of key=value, each key once, in a table that writer and reader share.
 * Control characters and '%' in values are written as %XX, so that a value is one line whatever a
 * folder is called. The file is the operator's own; it is read as if it were not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/text.h"
#include "cli/store.h"

#define META_VERSION 1
#define META_FILE "meta"
#define META_TEMPORARY ".meta"
#define LINES_MAX 32
#define TIME_LEN 20 /* 2026-11-23T02:30:00Z */
#define SHOWN_MAX 64

enum kind { KIND_VERSION, KIND_TEXT, KIND_U64, KIND_U32, KIND_TIME };

static const struct field {
	const char *key;
	size_t offset;
	size_t cap; /* KIND_TEXT */
	enum kind kind;
	bool path; /* absolute */
} fields[] = {
	{.key = "version", .kind = KIND_VERSION},
	{.key = "workspace",
	 .kind = KIND_TEXT,
	 .offset = offsetof(struct store_meta, workspace),
	 .cap = PATH_MAX,
	 .path = true},
	{.key = "dev", .kind = KIND_U64, .offset = offsetof(struct store_meta, dev)},
	{.key = "ino", .kind = KIND_U64, .offset = offsetof(struct store_meta, ino)},
	{.key = "uid", .kind = KIND_U32, .offset = offsetof(struct store_meta, uid)},
	{.key = "gid", .kind = KIND_U32, .offset = offsetof(struct store_meta, gid)},
	{.key = "agent",
	 .kind = KIND_TEXT,
	 .offset = offsetof(struct store_meta, agent),
	 .cap = STORE_NAME_BYTES},
	{.key = "policy",
	 .kind = KIND_TEXT,
	 .offset = offsetof(struct store_meta, policy),
	 .cap = STORE_NAME_BYTES},
	{.key = "created", .kind = KIND_TIME, .offset = offsetof(struct store_meta, created)},
};

const char *store_time_text(int64_t seconds, char *dst, size_t cap)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	dst[0] = '\0';
	if (!gmtime_r(&t, &tm) || strftime(dst, cap, "%Y-%m-%dT%H:%M:%SZ", &tm) != TIME_LEN)
		dst[0] = '\0';
	return dst;
}

/* The part of "2026-11-23T02:30:00Z" at @at; false unless it is @len digits and then @behind. */
static bool time_part(const char *text, size_t at, size_t len, char behind, int *ret)
{
	char digits[8] = "";
	uint64_t value;

	memcpy(digits, text + at, len);
	if (text[at + len] != behind || num_parse_u64(digits, 9999, &value) < 0)
		return false;
	*ret = (int)value;
	return true;
}

static int parse_time(const char *text, int64_t *ret)
{
	char again[TIME_LEN + 1];
	struct tm tm = {0};
	time_t seconds;

	if (strlen(text) != TIME_LEN || !time_part(text, 0, 4, '-', &tm.tm_year) ||
	    !time_part(text, 5, 2, '-', &tm.tm_mon) || !time_part(text, 8, 2, 'T', &tm.tm_mday) ||
	    !time_part(text, 11, 2, ':', &tm.tm_hour) || !time_part(text, 14, 2, ':', &tm.tm_min) ||
	    !time_part(text, 17, 2, 'Z', &tm.tm_sec))
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	seconds = timegm(&tm);
	/* timegm(3) takes the 99th of a month for a day of another one. */
	if (strcmp(store_time_text(seconds, again, sizeof(again)), text) != 0)
		return -EINVAL;
	*ret = seconds;
	return 0;
}

static int append_escaped(struct buf *out, const char *value)
{
	int r = 0;

	for (const char *p = value; *p && r == 0; p++) {
		unsigned char c = (unsigned char)*p;

		r = c < 0x20 || c == 0x7f || c == '%' ? buf_printf(out, "%%%02X", c)
						      : buf_append(out, p, 1);
	}
	return r;
}

static int append_field(struct buf *out, const struct field *f, const struct store_meta *meta)
{
	const char *place = (const char *)meta + f->offset;
	char time[TIME_LEN + 1];
	int r = buf_printf(out, "%s=", f->key);

	if (r < 0)
		return r;
	switch (f->kind) {
	case KIND_VERSION:
		r = buf_printf(out, "%d", META_VERSION);
		break;
	case KIND_TEXT:
		r = append_escaped(out, place);
		break;
	case KIND_U64:
		r = buf_printf(out, "%ju", (uintmax_t) * (const uint64_t *)(const void *)place);
		break;
	case KIND_U32:
		r = buf_printf(out, "%u", *(const uint32_t *)(const void *)place);
		break;
	case KIND_TIME:
		r = buf_puts(out, store_time_text(*(const int64_t *)(const void *)place, time,
						  sizeof(time)));
		break;
	}
	return r < 0 ? r : buf_puts(out, "\n");
}

int store_meta_write(int dir, const struct store_meta *meta, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.cap = STORE_META_BYTES_MAX};
	CLEANUP(fd_closep) int file = -1;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields) && r == 0; i++)
		r = append_field(&out, &fields[i], meta);
	if (r < 0)
		return err_set(err, -r, "cannot describe a session");
	file = openat(dir, META_TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		      0600);
	if (file < 0)
		return err_set(err, errno, "cannot describe a session");
	r = fd_write_full(file, out.data, out.len);
	if (r == 0 && renameat(dir, META_TEMPORARY, dir, META_FILE) < 0)
		r = -errno;
	return r < 0 ? err_set(err, -r, "cannot describe a session") : 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int unescape(const char *value, char *dst, size_t cap)
{
	size_t n = 0;

	for (const char *p = value; *p; p++) {
		int c = (unsigned char)*p;

		if (c == '%') {
			int high = hex_digit(p[1]);
			int low = high < 0 ? -1 : hex_digit(p[2]);

			if (low < 0 || (c = high * 16 + low) == 0)
				return -EINVAL;
			p += 2;
		}
		if (n + 1 >= cap)
			return -ENAMETOOLONG;
		dst[n++] = (char)c;
	}
	dst[n] = '\0';
	return 0;
}

static int take_number(const struct field *f, const char *value, char *place)
{
	uint64_t number;
	int r = num_parse_u64(value, f->kind == KIND_U64 ? UINT64_MAX : UINT32_MAX, &number);

	if (r < 0)
		return r;
	if (f->kind == KIND_VERSION)
		return number == META_VERSION ? 0 : -EINVAL;
	if (f->kind == KIND_U64)
		*(uint64_t *)(void *)place = number;
	else
		*(uint32_t *)(void *)place = (uint32_t)number;
	return 0;
}

static int take_value(const struct field *f, const char *value, struct store_meta *ret)
{
	char *place = (char *)ret + f->offset;
	int r;

	if (f->kind == KIND_TIME)
		return parse_time(value, (int64_t *)(void *)place);
	if (f->kind != KIND_TEXT)
		return take_number(f, value, place);
	r = unescape(value, place, f->cap);
	return r == 0 && f->path && place[0] != '/' ? -EINVAL : r;
}

static int take_line(char *line, uint32_t *seen, struct store_meta *ret, struct err *err)
{
	char *equals = strchr(line, '=');
	char shown[SHOWN_MAX];

	if (equals)
		*equals = '\0';
	for (size_t i = 0; equals && i < ARRAY_SIZE(fields); i++) {
		if (strcmp(fields[i].key, line) != 0)
			continue;
		if (*seen & (1U << i))
			return err_set(err, EINVAL, "%s is given twice", line);
		*seen |= 1U << i;
		if (take_value(&fields[i], equals + 1, ret) == 0)
			return 0;
		return err_set(err, EINVAL, "%s cannot be \"%s\"", line,
			       text_quote(shown, sizeof(shown), equals + 1, strlen(equals + 1)));
	}
	return err_set(err, EINVAL, "unknown key \"%s\"",
		       text_quote(shown, sizeof(shown), line, strlen(line)));
}

static int parse(char *text, struct store_meta *ret, struct err *err)
{
	uint32_t seen = 0;
	char *state = NULL;
	int lines = 0;

	for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		int r = ++lines > LINES_MAX ? err_set(err, EINVAL, "more than %d lines", LINES_MAX)
					    : take_line(line, &seen, ret, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!(seen & (1U << i)))
			return err_set(err, EINVAL, "%s is missing", fields[i].key);
	/* (uid_t)-1 means "leave as it is" to the calls that change ids. */
	if (ret->uid == UINT32_MAX || ret->gid == UINT32_MAX)
		return err_set(err, EINVAL, "uid and gid must be ids");
	return 0;
}

int store_meta_read(int dir, struct store_meta *ret, struct err *err)
{
	struct store_meta *meta = calloc(1, sizeof(*meta));
	char *text = NULL;
	size_t len = 0;
	int r;

	if (!meta)
		return err_set(err, ENOMEM, "no memory for a session");
	r = fd_read_file(dir, META_FILE, STORE_META_BYTES_MAX, &text, &len, err);
	if (r == 0 && strlen(text) != len)
		r = err_set(err, EINVAL, "a NUL byte");
	if (r == 0)
		r = parse(text, meta, err);
	if (r == 0)
		*ret = *meta;
	free(text);
	free(meta);
	return r < 0 ? err_wrap(err, "description of the session") : 0;
}
