/*
 * Theory of operation: bytes are measured (size, depth, number of values) before the JSON library
 * sees them, so that neither its recursion nor its memory is up to whoever wrote them; then each
 * verb has a table of what it takes. The broker has checked all this against the manifest already;
 * here it is checked again because this program must be safe by itself.
 */
#include "tools/cell/files/args.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"

#define READ_STEP ((size_t)64 << 10)

/* Bytes of the string that begins behind its quote at @p, the closing one included. */
static size_t string_len(const char *p, size_t left)
{
	size_t i = 0;

	while (i < left && p[i] != '"')
		i += p[i] == '\\' ? 2 : 1;
	return i + 1;
}

static int measure(const char *text, size_t len, struct err *err)
{
	size_t depth = 0;
	size_t values = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"') {
			i += string_len(text + i + 1, len - i - 1);
		} else if (text[i] == '{' || text[i] == '[') {
			values++;
			depth++;
		} else if (text[i] == ',') {
			values++;
		} else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
			depth--;
		}
		if (depth > ARGS_DEPTH_MAX)
			return err_set(err, E2BIG, "arguments are nested more than %u deep",
				       ARGS_DEPTH_MAX);
		if (values > ARGS_VALUES_MAX)
			return err_set(err, E2BIG, "arguments have more than %u values",
				       ARGS_VALUES_MAX);
	}
	return 0;
}

int args_parse(const char *text, size_t len, json_t **ret, struct err *err)
{
	json_error_t why;
	json_t *value;
	int r = measure(text, len, err);

	if (r < 0)
		return r;
	value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (!value)
		return err_set(err, EINVAL, "arguments are no JSON: line %d, column %d", why.line,
			       why.column);
	if (!json_is_object(value)) {
		json_decref(value);
		return err_set(err, EINVAL, "arguments are no JSON object");
	}
	*ret = value;
	return 0;
}

int args_read(int fd, json_t **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.cap = ARGS_BYTES_MAX + READ_STEP};

	for (;;) {
		ssize_t n;
		int r = buf_reserve(&text, READ_STEP);

		if (r < 0 || text.len > ARGS_BYTES_MAX)
			return err_set(err, r == -ENOMEM ? ENOMEM : E2BIG,
				       "arguments have more than %zu bytes", ARGS_BYTES_MAX);
		n = fd_read_full(fd, text.data + text.len, READ_STEP);
		if (n < 0)
			return err_set(err, (int)-n, "cannot read the arguments");
		text.len += (size_t)n;
		if ((size_t)n < READ_STEP)
			break;
	}
	if (text.len > ARGS_BYTES_MAX)
		return err_set(err, E2BIG, "arguments have more than %zu bytes", ARGS_BYTES_MAX);
	return args_parse(text.len > 0 ? text.data : "", text.len, ret, err);
}

static bool is_string(const json_t *value)
{
	return json_is_string(value);
}

static bool is_path(const json_t *value)
{
	size_t len = json_string_length(value);

	return len > 0 && len < PATH_MAX && !memchr(json_string_value(value), '\0', len);
}

static bool is_bool(const json_t *value)
{
	return json_is_boolean(value);
}

static bool is_count(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool is_array(const json_t *value)
{
	return json_array_size(value) > 0;
}

static const struct {
	bool (*is)(const json_t *value);
	const char *words;
} types[] = {
	[ARGS_STRING] = {is_string, "a string"},
	[ARGS_PATH] = {is_path, "a path: not empty, without NUL, shorter than 4096 bytes"},
	[ARGS_BOOL] = {is_bool, "true or false"},
	[ARGS_COUNT] = {is_count, "a whole number that is not negative"},
	[ARGS_ARRAY] = {is_array, "a list that is not empty"},
};
static_assert(ARRAY_SIZE(types) == ARGS_TYPE_N, "every type has a row");

static const struct args_row *find_row(const struct args_row *rows, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static int refuse(struct answer *a, const char *where, const char *name, const char *why)
{
	char shown[ANSWER_SHOWN_MAX];

	(void)answer_fail(a, "arguments", "Argument %s%s %s.", where, answer_show(shown, name),
			  why);
	return -EINVAL;
}

int args_check(json_t *object, const char *where, const struct args_row *rows, size_t n,
	       struct answer *a)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object)) {
		(void)answer_fail(a, "arguments", "Argument %sis not an object.", where);
		return -EINVAL;
	}
	json_object_foreach(object, name, value)
		if (!find_row(rows, n, name))
			return refuse(a, where, name, "is not known");
	for (size_t i = 0; i < n; i++) {
		char why[128];

		value = json_object_get(object, rows[i].name);
		if (!value || json_is_null(value)) {
			if (rows[i].required)
				return refuse(a, where, rows[i].name, "is missing");
			continue;
		}
		if (types[rows[i].type].is(value))
			continue;
		(void)snprintf(why, sizeof(why), "must be %s", types[rows[i].type].words);
		return refuse(a, where, rows[i].name, why);
	}
	return 0;
}

const char *args_string(json_t *object, const char *name, const char *fallback)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : fallback;
}

size_t args_string_len(json_t *object, const char *name)
{
	return json_string_length(json_object_get(object, name));
}

bool args_bool(json_t *object, const char *name, bool fallback)
{
	json_t *value = json_object_get(object, name);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

size_t args_count(json_t *object, const char *name, size_t fallback)
{
	json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? (size_t)json_integer_value(value) : fallback;
}
