/*
 * Theory of operation: a cursor over text that has been held to be UTF-8 without NUL; one function
 * for each construct of toml.io's grammar, which leaves the cursor behind what it took. Strings and
 * numbers are toml_scalar.c's.
 *
 * Tables are jansson objects. What a header may open again depends on how a table came to be, so
 * each has a mark under its JSON pointer: made on the way to another (may be opened once), opened by
 * a header or by dotted keys (closed to headers), written inline (closed for good).
 */
#include "import/toml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "import/toml_scalar.h"
#include "policy/source.h"

enum mark { MARK_NONE, MARK_IMPLIED, MARK_HEADER, MARK_DOTTED, MARK_INLINE, MARK_LIST };

struct parser {
	struct toml_cursor c;
	json_t *places;
	json_t *marks;
	unsigned int values;
};

/* A table and the JSON pointer that leads to it. */
struct spot {
	json_t *table; /* borrowed */
	char pointer[POLICY_POINTER_MAX];
};

static enum mark mark_of(const struct parser *p, const char *pointer)
{
	return (enum mark)json_integer_value(json_object_get(p->marks, pointer));
}

static int set_mark(struct parser *p, const char *pointer, enum mark mark)
{
	return json_object_set_new(p->marks, pointer, json_integer(mark)) < 0
		       ? err_set(p->c.err, ENOMEM, "cannot read TOML")
		       : 0;
}

static int note_place(struct parser *p, const char *pointer, const char *at)
{
	struct toml_place place;
	json_t *pair;

	if (p->values++ >= TOML_VALUES_MAX)
		return toml_fail(&p->c, at, "more than %u values", TOML_VALUES_MAX);
	place = toml_place(&p->c, at);
	pair = json_pack("[ii]", place.line, place.column);
	return json_object_set_new(p->places, pointer, pair) < 0
		       ? err_set(p->c.err, ENOMEM, "cannot read TOML")
		       : 0;
}

static int step(struct parser *p, struct spot *spot, const char *key, const char *at)
{
	if (source_pointer_add(spot->pointer, sizeof(spot->pointer), key) < 0)
		return toml_fail(&p->c, at, "the key is too long or too deep");
	return 0;
}

static int bare_key(struct parser *p, char *key)
{
	size_t n = 0;

	while (toml_is_bare(toml_peek(&p->c))) {
		if (n + 1 >= TOML_KEY_BYTES_MAX)
			return toml_fail(&p->c, p->c.at, "the key is too long");
		key[n++] = *p->c.at++;
	}
	key[n] = '\0';
	return n > 0 ? 0 : toml_fail(&p->c, p->c.at, "a key is expected here");
}

/* One component of a key, with the blanks around it. */
static int key_part(struct parser *p, char *key)
{
	char quote;
	char *text = NULL;
	int r;

	toml_blanks(&p->c);
	quote = toml_peek(&p->c);
	if (quote != '"' && quote != '\'') {
		r = bare_key(p, key);
	} else {
		const char *at = p->c.at;

		r = toml_line_string(&p->c, &text);
		if (r == 0 && strlen(text) >= TOML_KEY_BYTES_MAX)
			r = toml_fail(&p->c, at, "the key is too long");
		if (r == 0)
			memcpy(key, text, strlen(text) + 1);
		free(text);
	}
	toml_blanks(&p->c);
	return r;
}

static bool another_part(struct parser *p)
{
	if (toml_peek(&p->c) != '.')
		return false;
	p->c.at++;
	return true;
}

/* Into the table at @key, made when it is not there; the last table of a list of tables. */
static int descend(struct parser *p, struct spot *spot, const char *key, const char *at,
		   enum mark made)
{
	json_t *next = json_object_get(spot->table, key);
	char quoted[96];
	enum mark mark;
	int r = step(p, spot, key, at);

	if (r < 0)
		return r;
	if (!next) {
		next = json_object();
		if (json_object_set_new(spot->table, key, next) < 0)
			return err_set(p->c.err, ENOMEM, "cannot read TOML");
		spot->table = next;
		r = note_place(p, spot->pointer, at);
		return r < 0 ? r : set_mark(p, spot->pointer, made);
	}
	mark = mark_of(p, spot->pointer);
	text_quote(quoted, sizeof(quoted), key, strlen(key));
	if (mark == MARK_LIST && made == MARK_IMPLIED) {
		char index[24];

		(void)snprintf(index, sizeof(index), "%zu", json_array_size(next) - 1);
		spot->table = json_array_get(next, json_array_size(next) - 1);
		return step(p, spot, index, at);
	}
	if (!json_is_object(next) || mark == MARK_INLINE ||
	    (made == MARK_DOTTED && mark != MARK_DOTTED))
		return toml_fail(&p->c, at, "\"%s\" has been given before and takes nothing more",
				 quoted);
	spot->table = next;
	return 0;
}

static int parse_value(struct parser *p, const char *pointer, unsigned int depth, json_t **ret);

/* KEY = VALUE into @table, whose pointer is @pointer. */
/* NOLINTNEXTLINE(misc-no-recursion): parse_value counts the depth */
static int key_value(struct parser *p, json_t *table, const char *pointer, unsigned int depth)
{
	struct spot spot = {.table = table};
	char key[TOML_KEY_BYTES_MAX];
	char quoted[96];
	json_t *value = NULL;
	const char *at;
	int r;

	(void)snprintf(spot.pointer, sizeof(spot.pointer), "%s", pointer);
	for (unsigned int parts = 0;; parts++) {
		toml_blanks(&p->c);
		at = p->c.at;
		r = key_part(p, key);
		if (r < 0 || !another_part(p))
			break;
		if (parts >= TOML_DEPTH_MAX)
			return toml_fail(&p->c, at, "more than %u parts in a key", TOML_DEPTH_MAX);
		r = descend(p, &spot, key, at, MARK_DOTTED);
		if (r < 0)
			return r;
	}
	if (r == 0 && toml_peek(&p->c) != '=')
		r = toml_fail(&p->c, p->c.at, "\"=\" is expected behind a key");
	if (r < 0)
		return r; /* key may hold nothing yet */
	text_quote(quoted, sizeof(quoted), key, strlen(key));
	if (json_object_get(spot.table, key))
		r = toml_fail(&p->c, at, "the key \"%s\" is given twice", quoted);
	if (r == 0)
		r = step(p, &spot, key, at);
	if (r == 0)
		r = note_place(p, spot.pointer, at);
	if (r < 0)
		return r;
	p->c.at++;
	toml_blanks(&p->c);
	r = parse_value(p, spot.pointer, depth, &value);
	if (r == 0 && json_object_set_new(spot.table, key, value) < 0)
		r = err_set(p->c.err, ENOMEM, "cannot read TOML");
	return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): parse_value counts the depth */
static int parse_array(struct parser *p, const char *pointer, unsigned int depth, json_t *array)
{
	int r;

	for (p->c.at++;; p->c.at++) {
		char item[POLICY_POINTER_MAX];
		char index[24];
		json_t *value = NULL;

		r = toml_blank_lines(&p->c);
		if (r < 0)
			return r;
		if (toml_peek(&p->c) == ']')
			break;
		(void)snprintf(index, sizeof(index), "%zu", json_array_size(array));
		(void)snprintf(item, sizeof(item), "%s", pointer);
		if (source_pointer_add(item, sizeof(item), index) < 0)
			return toml_fail(&p->c, p->c.at, "nested too deep");
		r = note_place(p, item, p->c.at);
		if (r == 0)
			r = parse_value(p, item, depth, &value);
		if (r == 0 && json_array_append_new(array, value) < 0)
			r = err_set(p->c.err, ENOMEM, "cannot read TOML");
		if (r == 0)
			r = toml_blank_lines(&p->c);
		if (r < 0)
			return r;
		if (toml_peek(&p->c) == ']')
			break;
		if (toml_peek(&p->c) != ',')
			return toml_fail(&p->c, p->c.at, "\",\" or \"]\" is expected in an array");
	}
	p->c.at++;
	return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): parse_value counts the depth */
static int parse_inline(struct parser *p, const char *pointer, unsigned int depth, json_t *table)
{
	int r = set_mark(p, pointer, MARK_INLINE);

	p->c.at++;
	toml_blanks(&p->c);
	if (r == 0 && toml_peek(&p->c) == '}') {
		p->c.at++;
		return 0;
	}
	while (r == 0) {
		r = key_value(p, table, pointer, depth);
		if (r < 0)
			return r;
		toml_blanks(&p->c);
		if (toml_peek(&p->c) == '}')
			break;
		if (toml_peek(&p->c) != ',')
			return toml_fail(&p->c, p->c.at,
					 "\",\" or \"}\" is expected in an inline table");
		p->c.at++;
	}
	p->c.at++;
	return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TOML_DEPTH_MAX */
static int parse_value(struct parser *p, const char *pointer, unsigned int depth, json_t **ret)
{
	char first = toml_peek(&p->c);
	int r;

	if (first != '[' && first != '{')
		return toml_scalar(&p->c, ret);
	if (depth >= TOML_DEPTH_MAX)
		return toml_fail(&p->c, p->c.at, "nested deeper than %u levels", TOML_DEPTH_MAX);
	*ret = first == '[' ? json_array() : json_object();
	if (!*ret)
		return err_set(p->c.err, ENOMEM, "cannot read TOML");
	r = first == '[' ? parse_array(p, pointer, depth + 1, *ret)
			 : parse_inline(p, pointer, depth + 1, *ret);
	if (r < 0) {
		json_decref(*ret);
		*ret = NULL;
	}
	return r;
}

/* [[a.b]]: one more table of a list. */
static int open_list(struct parser *p, struct spot *spot, const char *key, const char *at)
{
	json_t *list = json_object_get(spot->table, key);
	json_t *table = json_object();
	char index[24];
	int r = step(p, spot, key, at);

	if (r == 0 && !list) {
		list = json_array();
		if (json_object_set_new(spot->table, key, list) < 0)
			r = err_set(p->c.err, ENOMEM, "cannot read TOML");
		if (r == 0)
			r = note_place(p, spot->pointer, at);
		if (r == 0)
			r = set_mark(p, spot->pointer, MARK_LIST);
	}
	if (r == 0 && mark_of(p, spot->pointer) != MARK_LIST)
		r = toml_fail(&p->c, at, "is no list of tables: it has been given before");
	if (r < 0 || json_array_append_new(list, table) < 0) {
		if (r < 0)
			json_decref(table);
		return r < 0 ? r : err_set(p->c.err, ENOMEM, "cannot read TOML");
	}
	(void)snprintf(index, sizeof(index), "%zu", json_array_size(list) - 1);
	spot->table = table;
	r = step(p, spot, index, at);
	if (r == 0)
		r = note_place(p, spot->pointer, at);
	return r < 0 ? r : set_mark(p, spot->pointer, MARK_HEADER);
}

/* [a.b]: a table that no header has opened yet. */
static int open_table(struct parser *p, struct spot *spot, const char *key, const char *at)
{
	bool fresh = !json_object_get(spot->table, key);
	char quoted[96];
	int r = descend(p, spot, key, at, MARK_HEADER);

	if (r < 0 || fresh)
		return r;
	if (mark_of(p, spot->pointer) == MARK_IMPLIED)
		return set_mark(p, spot->pointer, MARK_HEADER);
	text_quote(quoted, sizeof(quoted), key, strlen(key));
	return toml_fail(&p->c, at, "the table \"%s\" is given twice", quoted);
}

static int header(struct parser *p, json_t *root, struct spot *spot)
{
	bool list = p->c.at + 1 < p->c.end && p->c.at[1] == '[';
	char key[TOML_KEY_BYTES_MAX];
	const char *at;
	int r;

	spot->table = root;
	spot->pointer[0] = '\0';
	p->c.at += list ? 2 : 1;
	for (unsigned int parts = 0;; parts++) {
		toml_blanks(&p->c);
		at = p->c.at;
		r = key_part(p, key);
		if (r < 0)
			return r;
		if (!another_part(p))
			break;
		if (parts >= TOML_DEPTH_MAX)
			return toml_fail(&p->c, at, "more than %u parts in a key", TOML_DEPTH_MAX);
		r = descend(p, spot, key, at, MARK_IMPLIED);
		if (r < 0)
			return r;
	}
	for (int i = 0; i < (list ? 2 : 1); i++, p->c.at++)
		if (toml_peek(&p->c) != ']')
			return toml_fail(&p->c, p->c.at,
					 "\"%s\" is expected behind the table's name",
					 list ? "]]" : "]");
	return list ? open_list(p, spot, key, at) : open_table(p, spot, key, at);
}

static int parse_lines(struct parser *p, json_t *root)
{
	struct spot spot = {.table = root};
	int r = 0;

	while (r == 0) {
		char first;

		r = toml_blank_lines(&p->c);
		if (r < 0 || p->c.at >= p->c.end)
			return r;
		first = toml_peek(&p->c);
		r = first == '[' ? header(p, root, &spot)
				 : key_value(p, spot.table, spot.pointer, 0);
		if (r == 0)
			r = toml_line_end(&p->c);
	}
	return r;
}

static int check_text(struct parser *p)
{
	const unsigned char *text = (const unsigned char *)p->c.text;
	size_t len = (size_t)(p->c.end - p->c.text);

	for (size_t i = 0; i < len;) {
		int n = text_utf8_len(text + i, len - i);

		if (n <= 0)
			return toml_fail(&p->c, p->c.text + i, "is not UTF-8");
		if ((text[i] < 0x20 && text[i] != '\t' && text[i] != '\n' &&
		     !(text[i] == '\r' && i + 1 < len && text[i + 1] == '\n')) ||
		    text[i] == 0x7f)
			return toml_fail(&p->c, p->c.text + i, "a control character");
		i += (size_t)n;
	}
	return 0;
}

int toml_parse(const char *label, const char *text, size_t len, json_t **ret, json_t **ret_places,
	       struct err *err)
{
	struct parser p = {
		.c = {.label = label, .text = text, .at = text, .end = text + len, .err = err},
		.places = json_object(),
		.marks = json_object(),
	};
	json_t *root = json_object();
	int r;

	if (!p.places || !p.marks || !root)
		r = err_set(err, ENOMEM, "cannot read %s", label);
	else
		r = check_text(&p);
	if (r == 0)
		r = parse_lines(&p, root);
	json_decref(p.marks);
	if (r < 0) {
		json_decref(root);
		json_decref(p.places);
		return r;
	}
	*ret = root;
	*ret_places = p.places;
	return 0;
}
