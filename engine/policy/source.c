/*
 * Theory of operation: the text is measured before it is parsed (size, nesting), then jansson does
 * the parsing and refuses duplicates, NUL and malformed UTF-8. jansson keeps no positions; when an
 * error has to name one, source_locate walks the text again to the pointer in question. It runs on
 * text that jansson has accepted, but does not rely on it: the cursor never leaves the text.
 */
#include "policy/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/text.h"

static int check_depth(const char *label, const char *text, size_t len, struct err *err)
{
	unsigned int depth = 0;
	unsigned int line = 1;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			line++;
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (!in_string && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!in_string && (text[i] == '}' || text[i] == ']') && depth > 0)
			depth--;
		if (depth > POLICY_JSON_DEPTH_MAX)
			return err_set(err, E2BIG, "%s:%u: nested deeper than %u levels", label,
				       line, POLICY_JSON_DEPTH_MAX);
	}
	return 0;
}

int source_parse(const char *label, const char *text, size_t len, json_t **ret, struct err *err)
{
	json_error_t e;
	json_t *json;
	int r = check_depth(label, text, len, err);

	if (r < 0)
		return r;
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if (!json) {
		char quoted[JSON_ERROR_TEXT_LENGTH * 2];

		text_quote(quoted, sizeof(quoted), e.text, strlen(e.text));
		return err_set(err, EINVAL, "%s:%d:%d: not valid JSON: %s", label, e.line, e.column,
			       quoted);
	}
	if (!json_is_object(json)) {
		json_decref(json);
		return err_set(err, EINVAL, "%s:1:1: a policy is a JSON object", label);
	}
	*ret = json;
	return 0;
}

bool policy_name_is_sane(const char *name)
{
	bool begin = true;

	if (name[0] == '\0' || strlen(name) > 128)
		return false;
	for (const char *p = name; *p != '\0'; p++) {
		bool word = isalnum((unsigned char)*p) || *p == '_';

		if (begin ? !word : !(word || strchr("./-", *p)))
			return false;
		begin = *p == '/';
	}
	return !begin;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text);
	size_t m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_file(const char *name)
{
	return name[0] == '/' || strncmp(name, "./", 2) == 0 || strncmp(name, "../", 3) == 0 ||
	       ends_with(name, ".json");
}

/* The name that messages use: shipped files go by "policies/NAME.json" wherever they lie. */
static char *make_label(const char *dir, bool shipped, const char *name)
{
	const char *last = strrchr(dir, '/');
	char *label = NULL;
	int n = shipped ? asprintf(&label, "%s/%s.json", last ? last + 1 : dir, name)
			: asprintf(&label, "%s/%s.json", dir, name);

	return n < 0 ? NULL : label;
}

static int find_by_name(const char *name, const char *const *dirs, struct policy_inputs *inputs,
			struct policy_source *source, struct err *err)
{
	char quoted[160];

	for (size_t i = 0; dirs[i]; i++) {
		char *path = NULL;

		if (asprintf(&path, "%s/%s.json", dirs[i], name) < 0)
			return err_set(err, ENOMEM, "cannot look for policy %s", name);
		policy_inputs_file(inputs, path);
		if (access(path, F_OK) == 0) {
			source->path = path;
			source->label = make_label(dirs[i], !dirs[i + 1], name);
			return source->label ? 0
					     : err_set(err, ENOMEM, "cannot read policy %s", name);
		}
		free(path);
	}
	text_quote(quoted, sizeof(quoted), name, strlen(name));
	return err_set(err, EINVAL,
		       "there is no policy \"%s\" in %s%s%s; `toolcell policy list` shows them",
		       quoted, dirs[0] ? dirs[0] : "any folder", dirs[0] && dirs[1] ? " or " : "",
		       dirs[0] && dirs[1] ? dirs[1] : "");
}

static int find_source(const char *name, bool by_name, const char *const *dirs,
		       struct policy_inputs *inputs, struct policy_source *source, struct err *err)
{
	char quoted[160];

	if (!by_name && is_file(name)) {
		source->path = strdup(name);
		source->label = strdup(name);
		policy_inputs_file(inputs, name);
		return source->path && source->label ? 0
						     : err_set(err, ENOMEM, "cannot read a policy");
	}
	if (policy_name_is_sane(name))
		return find_by_name(name, dirs, inputs, source, err);
	text_quote(quoted, sizeof(quoted), name, strlen(name));
	return err_set(err, EINVAL,
		       "\"%s\" is no name of a policy: letters, digits, \"_\", \"-\", \".\" "
		       "and \"/\" between words",
		       quoted);
}

int source_open(const char *name_or_file, bool by_name, const char *const *dirs,
		struct policy_inputs *inputs, struct policy_source *ret, struct err *err)
{
	struct policy_source source = {0};
	int r = find_source(name_or_file, by_name, dirs, inputs, &source, err);

	/* The analyzer takes a failure with words for a success: err_set stands in another file. */
	if (r == 0)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		r = fd_read_file(AT_FDCWD, source.path, POLICY_FILE_BYTES_MAX, &source.text,
				 &source.len, err);
	if (r == 0)
		r = source_parse(source.label, source.text, source.len, &source.json, err);
	if (r < 0)
		source_fini(&source);
	else
		*ret = source;
	return r;
}

void source_fini(struct policy_source *source)
{
	free(source->path);
	free(source->label);
	free(source->text);
	json_decref(source->json);
	*source = (struct policy_source){0};
}

int source_pointer_add(char *dst, size_t cap, const char *key)
{
	size_t start = strlen(dst);
	size_t n = start;

	if (n + 1 < cap)
		dst[n++] = '/';
	for (; *key != '\0'; key++) {
		bool escape = *key == '~' || *key == '/';

		if (n + (escape ? 2 : 1) >= cap) {
			dst[start] = '\0';
			return -E2BIG;
		}
		if (escape)
			dst[n++] = '~';
		dst[n] = *key;
		if (escape && *key == '~')
			dst[n] = '0';
		else if (escape)
			dst[n] = '1';
		n++;
	}
	dst[n] = '\0';
	return 0;
}

/* Walking JSON text. */
struct cursor {
	const char *at;
	const char *end;
};

static char peek(struct cursor *c)
{
	while (c->at < c->end && strchr(" \t\r\n", *c->at) && *c->at != '\0')
		c->at++;
	if (c->at < c->end)
		return *c->at;
	return '\0';
}

/* Over a string; the cursor stands on its opening quote. */
static void skip_string(struct cursor *c)
{
	for (c->at++; c->at < c->end && *c->at != '"'; c->at++)
		if (*c->at == '\\' && c->at + 1 < c->end)
			c->at++;
	if (c->at < c->end)
		c->at++;
}

/* Over any value, without recursion: brackets are counted. */
static void skip_value(struct cursor *c)
{
	unsigned int depth = 0;

	do {
		char ch = peek(c);

		if (ch == '\0')
			return;
		if (ch == '"') {
			skip_string(c);
			continue;
		}
		if (ch == '{' || ch == '[')
			depth++;
		else if (depth > 0 && (ch == '}' || ch == ']'))
			depth--;
		c->at++;
		while (depth == 0 && c->at < c->end && !strchr(",]} \t\r\n", *c->at) && ch != '}' &&
		       ch != ']')
			c->at++; /* the rest of a number or word */
	} while (depth > 0 && c->at < c->end);
}

static bool key_equals(const char *raw, size_t len, const char *token)
{
	json_t *key = json_loadb(raw, len, JSON_DECODE_ANY, NULL);
	bool same = json_is_string(key) && strcmp(json_string_value(key), token) == 0;

	json_decref(key);
	return same;
}

/* From the opening brace to the key that equals @token; false: there is none. */
static bool enter_object(struct cursor *c, const char *token, const char **ret_key)
{
	c->at++;
	while (peek(c) == '"') {
		const char *key = c->at;
		size_t len;

		skip_string(c);
		len = (size_t)(c->at - key);
		if (peek(c) == ':')
			c->at++;
		(void)peek(c);
		if (key_equals(key, len, token)) {
			*ret_key = key;
			return true;
		}
		skip_value(c);
		if (peek(c) == ',')
			c->at++;
	}
	return false;
}

static bool enter_array(struct cursor *c, const char *token)
{
	uint64_t index;

	if (num_parse_u64(token, UINT32_MAX, &index) < 0)
		return false;
	for (c->at++; index > 0; index--) {
		skip_value(c);
		if (peek(c) != ',')
			return false;
		c->at++;
	}
	return peek(c) != '\0';
}

/* The next token of a pointer, unescaped; @pointer moves behind it. */
static bool next_token(const char **pointer, char *token, size_t cap)
{
	const char *p = *pointer;
	size_t n = 0;

	if (*p++ != '/')
		return false;
	for (; *p != '\0' && *p != '/' && n + 1 < cap; p++) {
		if (*p == '~' && (p[1] == '0' || p[1] == '1'))
			token[n++] = *++p == '0' ? '~' : '/';
		else
			token[n++] = *p;
	}
	token[n] = '\0';
	*pointer = p;
	return true;
}

static struct source_place place_of(const char *text, const char *at)
{
	struct source_place place = {1, 1};

	for (; text < at; text++) {
		if (*text == '\n') {
			place.line++;
			place.column = 1;
		} else {
			place.column++;
		}
	}
	return place;
}

struct source_place source_locate(const char *text, size_t len, const char *pointer)
{
	struct cursor c = {text, text + len};
	char token[POLICY_POINTER_MAX];
	const char *mark;

	(void)peek(&c);
	mark = c.at;
	while (next_token(&pointer, token, sizeof(token))) {
		char ch = peek(&c);

		if (ch == '{') {
			if (!enter_object(&c, token, &mark))
				break;
			continue;
		}
		if (ch != '[' || !enter_array(&c, token))
			break;
		mark = c.at;
	}
	return place_of(text, mark);
}
