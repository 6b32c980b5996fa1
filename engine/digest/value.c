/*
 * Theory of operation: everything foreign passes through here on its way into a reply. A line that
 * claims to be JSON is measured first (depth, number of values), so that neither the recursion of
 * the JSON library nor its memory is up to whoever wrote the line: at DIGEST_JSON_VALUES_MAX values
 * a parsed line stays below about 64 MiB. Strings are made safe to show and cut, paths are cleaned
 * lexically (no file system is at hand), and each finding pays for its bytes in the reply.
 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "digest/parse.h"

#define CUT_NOTE "\n[cut here by toolcell]"

bool text_starts(const char *line, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && memcmp(line, prefix, n) == 0;
}

/* Bytes of the string that begins behind @p, its closing quote included. */
static size_t string_len(const char *p, size_t left)
{
	size_t i = 0;

	while (i < left && p[i] != '"')
		i += p[i] == '\\' ? 2 : 1;
	return i + 1;
}

static bool within_caps(const char *line, size_t len)
{
	size_t depth = 0;
	size_t values = 0;

	for (size_t i = 0; i < len; i++) {
		switch (line[i]) {
		case '"':
			i += string_len(line + i + 1, len - i - 1);
			break;
		case '{':
		case '[':
			values++;
			if (++depth > DIGEST_JSON_DEPTH_MAX)
				return false;
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			break;
		case ',':
			values++;
			break;
		default:
			break;
		}
	}
	return values <= DIGEST_JSON_VALUES_MAX;
}

json_t *value_parse(struct digest *d, const char *line, size_t len)
{
	json_t *value = NULL;

	if (within_caps(line, len)) {
		value = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
		if (!value && !text_is_utf8(line, len)) {
			d->scratch.len = 0;
			if (text_append_safe(&d->scratch, line, len) == 0)
				value = json_loadb(d->scratch.data, d->scratch.len, JSON_ALLOW_NUL,
						   NULL);
		}
	}
	if (value && json_is_object(value))
		return value;
	json_decref(value);
	d->lines_skipped++;
	return NULL;
}

void value_put(struct digest *d, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		d->failed = -ENOMEM;
}

void value_put_count(struct digest *d, json_t *object, const char *key, uint64_t count)
{
	value_put(d, object, key, json_integer((json_int_t)MIN(count, (uint64_t)INT64_MAX)));
}

void value_put_bool(struct digest *d, json_t *object, const char *key, bool value)
{
	value_put(d, object, key, json_boolean(value));
}

/* Where to cut @text so that no UTF-8 sequence is torn. */
static size_t cut_at(const char *text, size_t cap)
{
	size_t n = cap;

	while (n > 0 && cap - n < 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

json_t *value_text(struct digest *d, const char *text, size_t len, size_t cap)
{
	bool cut = len > cap;
	int r;

	if (!text)
		return json_null();
	d->scratch.len = 0;
	r = text_append_safe(&d->scratch, text, cut ? cut_at(text, cap) : len);
	if (r == 0 && cut)
		r = buf_puts(&d->scratch, CUT_NOTE);
	if (r < 0)
		d->failed = r;
	return json_stringn(d->scratch.len ? d->scratch.data : "", d->scratch.len);
}

json_t *value_get_text(struct digest *d, json_t *object, const char *key, size_t cap)
{
	json_t *value = json_object_get(object, key);

	return value_text(d, json_string_value(value), json_string_length(value), cap);
}

const char *value_get_string(json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

bool value_charge(struct digest *d, size_t bytes)
{
	if (bytes > d->room)
		return false;
	d->room -= bytes;
	return true;
}

bool value_keep(struct digest *d, json_t *list, size_t max, json_t *item)
{
	size_t bytes = item ? json_dumpb(item, NULL, 0, JSON_COMPACT) : 0;

	if (!item || json_array_size(list) >= max || !value_charge(d, bytes + 1)) {
		json_decref(item);
		return false;
	}
	if (json_array_append_new(list, item) < 0) {
		d->failed = -ENOMEM;
		return false;
	}
	return true;
}

/* Drop the last component of the clean absolute path in @dst. */
static size_t path_up(const char *dst, size_t n)
{
	while (n > 0 && dst[n - 1] != '/')
		n--;
	return n > 0 ? n - 1 : 0;
}

/* Append the components of @path to the clean absolute path in @dst.  Return: false: too long. */
static bool path_append(char *dst, size_t *n, const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && memcmp(path, "..", 2) == 0) {
			*n = path_up(dst, *n);
		} else if (len > 0 && !(len == 1 && path[0] == '.')) {
			if (*n + len + 2 > DIGEST_PATH_BYTES_MAX)
				return false;
			dst[(*n)++] = '/';
			memcpy(dst + *n, path, len);
			*n += len;
		}
		path += len + (path[len] == '/');
	}
	return true;
}

json_t *value_path(struct digest *d, const char *base, const char *file)
{
	char path[DIGEST_PATH_BYTES_MAX];
	size_t root = strlen(d->workspace);
	size_t n = 0;

	/* "<anon>" and others of rustc's that are no path; without a base all is relative. */
	if (file[0] == '\0' || file[0] == '<' || (file[0] != '/' && base[0] != '/'))
		return value_text(d, file, strlen(file), DIGEST_PATH_BYTES_MAX);
	if ((file[0] != '/' && !path_append(path, &n, base)) || !path_append(path, &n, file))
		return value_text(d, file, strlen(file), DIGEST_PATH_BYTES_MAX);
	while (root > 0 && d->workspace[root - 1] == '/')
		root--;
	if (root > 0 && n > root + 1 && memcmp(path, d->workspace, root) == 0 && path[root] == '/')
		return value_text(d, path + root + 1, n - root - 1, DIGEST_PATH_BYTES_MAX);
	return value_text(d, path, n, DIGEST_PATH_BYTES_MAX);
}
