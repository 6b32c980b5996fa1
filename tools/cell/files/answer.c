/*
 * Theory of operation: text and data grow side by side; answer_encode makes one JSON object of
 * them. jansson refuses strings that are not UTF-8, and the readers behind us refuse NULs within
 * strings, so every foreign byte comes in through answer_append_utf8, which replaces both.
 */
#include "tools/cell/files/answer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define CUT_NOTE "\n[text cut here at %zu kB]\n"
#define CUT_NOTE_MAX ((size_t)64)

static void keep(struct answer *a, int r)
{
	if (r < 0 && a->failed == 0)
		a->failed = r;
}

static void keep_made(struct answer *a, const json_t *value)
{
	if (!value)
		keep(a, -ENOMEM);
}

void answer_init(struct answer *a)
{
	*a = (struct answer){.success = true};
	a->denials = json_array();
	keep_made(a, a->denials);
}

void answer_fini(struct answer *a)
{
	if (!a)
		return;
	json_decref(a->data);
	json_decref(a->denials);
	buf_fini(&a->text);
	*a = (struct answer){0};
}

/* Bytes from @p that are UTF-8 and hold no NUL. */
static size_t good_len(const unsigned char *p, size_t left)
{
	size_t i = 0;

	while (i < left) {
		int n = p[i] >= 0x80 ? text_utf8_len(p + i, left - i) : p[i] != 0;

		if (n <= 0)
			break;
		i += (size_t)n;
	}
	return i;
}

int64_t answer_append_utf8(struct buf *out, const void *data, size_t len)
{
	const unsigned char *p = data;
	int64_t replaced = 0;
	size_t i = 0;
	int r = 0;

	while (i < len && r == 0) {
		size_t n = good_len(p + i, len - i);

		r = buf_append(out, p + i, n);
		i += n;
		if (r < 0 || i >= len)
			break;
		r = buf_puts(out, REPLACEMENT);
		replaced++;
		i++;
	}
	return r < 0 ? r : replaced;
}

json_t *answer_string(const void *data, size_t len)
{
	struct buf safe = {0};
	json_t *value = NULL;

	if (good_len(data, len) == len)
		return json_stringn_nocheck(len > 0 ? data : "", len);
	if (answer_append_utf8(&safe, data, len) >= 0)
		value = json_stringn_nocheck(safe.data, safe.len);
	buf_fini(&safe);
	return value;
}

static void append_v(struct answer *a, const char *fmt, va_list ap) PRINTF(2, 0);

static void append_v(struct answer *a, const char *fmt, va_list ap)
{
	va_list again;
	int n;
	int r;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0) {
		keep(a, -EINVAL);
		return;
	}
	r = buf_reserve(&a->text, (size_t)n);
	keep(a, r);
	if (r < 0)
		return;
	/* buf keeps a byte for the NUL beyond what is reserved. */
	(void)vsnprintf(a->text.data + a->text.len, (size_t)n + 1, fmt, ap);
	a->text.len += (size_t)n;
}

void answer_printf(struct answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append_v(a, fmt, ap);
	va_end(ap);
}

void answer_bytes(struct answer *a, const void *data, size_t len)
{
	int64_t r = answer_append_utf8(&a->text, data, len);

	keep(a, r < 0 ? (int)r : 0);
}

void answer_put(struct answer *a, const char *key, json_t *value)
{
	keep_made(a, value);
	if (!a->data) {
		a->data = json_object();
		keep_made(a, a->data);
	}
	if (json_object_set_new(a->data, key, value) < 0)
		keep(a, -ENOMEM);
}

void answer_put_count(struct answer *a, const char *key, uint64_t count)
{
	answer_put(a, key, json_integer((json_int_t)MIN(count, (uint64_t)INT64_MAX)));
}

void answer_put_bool(struct answer *a, const char *key, bool value)
{
	answer_put(a, key, json_boolean(value));
}

/* The text as it stands is also what programs get: some hosts show nothing but data. */
static void put_message(struct answer *a)
{
	answer_put(a, "message", answer_string(a->text.len > 0 ? a->text.data : "", a->text.len));
}

int answer_fail(struct answer *a, const char *code, const char *fmt, ...)
{
	va_list ap;

	a->success = false;
	a->text.len = 0;
	json_decref(a->data);
	a->data = NULL;
	va_start(ap, fmt);
	append_v(a, fmt, ap);
	va_end(ap);
	answer_put(a, "type", json_string("error"));
	answer_put(a, "error", json_string(code));
	put_message(a);
	return 0;
}

void answer_fail_note(struct answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append_v(a, fmt, ap);
	va_end(ap);
	put_message(a);
}

void answer_deny(struct answer *a, const char *operation, const char *object, int num)
{
	const char *name = strerrorname_np(num);
	json_t *denial;

	if (json_array_size(a->denials) >= ANSWER_DENIALS_MAX)
		return;
	denial = json_pack("{s:s, s:o, s:s}", "operation", operation, "object",
			   answer_string(object, strlen(object)), "errno", name ? name : "EIO");
	keep_made(a, denial);
	if (json_array_append_new(a->denials, denial) < 0)
		keep(a, -ENOMEM);
}

/* Control characters (C0, DEL, C1) and quotes' own escape would make two names look like one. */
static bool is_plain(const char *name)
{
	const unsigned char *p = (const unsigned char *)name;
	size_t left = strlen(name);

	while (left > 0) {
		int n = text_utf8_len(p, left);

		if (n <= 0 || p[0] < 0x20 || p[0] == 0x7f || p[0] == '"' || p[0] == '\\' ||
		    (p[0] == 0xc2 && p[1] < 0xa0))
			return false;
		p += n;
		left -= (size_t)n;
	}
	return true;
}

const char *answer_show(char *dst, const char *name)
{
	size_t len = strlen(name);

	if (len < ANSWER_SHOWN_MAX && is_plain(name)) {
		(void)memcpy(dst, name, len + 1);
		return dst;
	}
	dst[0] = '"';
	(void)text_quote(dst + 1, ANSWER_SHOWN_MAX - 2, name, len);
	len = strlen(dst);
	dst[len] = '"';
	dst[len + 1] = '\0';
	return dst;
}

/* Where to cut so that no UTF-8 sequence is torn. */
static size_t cut_at(const char *text, size_t len, size_t cap)
{
	size_t n = MIN(len, cap);

	while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static json_t *encode_text(const struct answer *a)
{
	char note[CUT_NOTE_MAX];
	struct buf cut = {0};
	json_t *value = NULL;
	int r;

	if (a->text.len <= ANSWER_TEXT_MAX)
		return answer_string(a->text.len > 0 ? a->text.data : "", a->text.len);
	(void)snprintf(note, sizeof(note), CUT_NOTE, ANSWER_TEXT_MAX >> 10);
	r = buf_append(&cut, a->text.data,
		       cut_at(a->text.data, a->text.len, ANSWER_TEXT_MAX - sizeof(note)));
	if (r == 0)
		r = buf_puts(&cut, note);
	if (r == 0)
		value = answer_string(cut.data, cut.len);
	buf_fini(&cut);
	return value;
}

int answer_encode(const struct answer *a, char **ret)
{
	json_t *root;
	char *document;

	if (a->failed)
		return a->failed;
	root = json_pack("{s:o, s:O?, s:b, s:O}", "text", encode_text(a), "data", a->data,
			 "success", a->success, "denials", a->denials);
	if (!root)
		return -ENOMEM;
	document = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (!document)
		return -ENOMEM;
	if (strlen(document) > ANSWER_BYTES_MAX) {
		free(document);
		return -E2BIG;
	}
	*ret = document;
	return 0;
}
