/*
 * Theory of operation: every rule of a file ends as one row, made here, so that the report is as
 * complete as the importers are. Whether an inexpressible rule was accepted is decided here too: by a
 * pointer that is the rule's or lies above it, with or without the file's name before it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "import/context.h"

const char *const import_verdict_names[IMPORT_VERDICT_N] = {
	[IMPORT_TAKEN] = "taken",
	[IMPORT_NARROWED] = "narrowed by base",
	[IMPORT_REFUSED] = "already refused",
	[IMPORT_IGNORED] = "no bearing",
	[IMPORT_ACCEPTED] = "accepted",
	[IMPORT_INEXPRESSIBLE] = "not expressible",
};

static bool covers(const char *accept, const char *label, const char *pointer)
{
	size_t len = strlen(label);

	if (strncmp(accept, label, len) == 0 && accept[len] == '#')
		accept += len + 1;
	len = strlen(accept);
	return strncmp(accept, pointer, len) == 0 && (pointer[len] == '\0' || pointer[len] == '/');
}

static bool is_accepted(struct import *im, const char *pointer)
{
	bool found = false;

	for (size_t i = 0; i < im->options->n_accept && i < IMPORT_ACCEPT_MAX; i++) {
		if (!covers(im->options->accept[i], im->doc->label, pointer))
			continue;
		im->accepted[i] = true;
		found = true;
	}
	return found;
}

int import_row(struct import *im, const char *pointer, const char *rule,
	       enum import_verdict verdict, const char *fmt, ...)
{
	struct source_place place = document_place(im->doc, pointer);
	char note[IMPORT_NOTE_MAX];
	char quoted[256];
	json_t *row;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(note, sizeof(note), fmt, ap);
	va_end(ap);
	if (verdict == IMPORT_INEXPRESSIBLE && is_accepted(im, pointer))
		verdict = IMPORT_ACCEPTED;
	if (json_array_size(im->rows) >= IMPORT_ROWS_MAX)
		return err_set(im->err, E2BIG, "%s: more than %u rules", im->doc->label,
			       IMPORT_ROWS_MAX);
	for (char *p = note; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	im->n_inexpressible += verdict == IMPORT_INEXPRESSIBLE;
	row = json_pack("{ss si si ss ss ss ss}", "file", im->doc->label, "line", place.line,
			"column", place.column, "pointer", pointer, "rule",
			text_quote(quoted, sizeof(quoted), rule, strlen(rule)), "verdict",
			import_verdict_names[verdict], "note", note);
	return row && json_array_append_new(im->rows, row) == 0
		       ? 0
		       : err_set(im->err, ENOMEM, "cannot report on %s", im->doc->label);
}

int import_shape(struct import *im, const char *pointer, const char *fmt, ...)
{
	struct source_place place = document_place(im->doc, pointer);
	char quoted[160];
	char text[IMPORT_NOTE_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(im->err, EINVAL, "%s:%u:%u: %s%s%s", im->doc->label, place.line,
		       place.column, text_quote(quoted, sizeof(quoted), pointer, strlen(pointer)),
		       pointer[0] ? ": " : "", text);
}

int import_below(struct import *im, char *dst, const char *pointer, const char *key)
{
	if (snprintf(dst, POLICY_POINTER_MAX, "%s", pointer) >= (int)POLICY_POINTER_MAX ||
	    source_pointer_add(dst, POLICY_POINTER_MAX, key) < 0)
		return import_shape(im, pointer, "holds a key that is too long");
	return 0;
}

int import_item(struct import *im, char *dst, const char *pointer, size_t index)
{
	char key[24];

	(void)snprintf(key, sizeof(key), "%zu", index);
	return import_below(im, dst, pointer, key);
}

static const struct import_key *find_key(const struct import_key *keys, size_t n_keys,
					 const char *name)
{
	for (size_t i = 0; i < n_keys; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static const char *type_words(json_type type)
{
	static const char *const words[] = {
		[JSON_OBJECT] = "an object",   [JSON_ARRAY] = "a list",
		[JSON_STRING] = "a string",    [JSON_INTEGER] = "a number",
		[JSON_TRUE] = "true or false",
	};

	return words[type];
}

static bool type_fits(const json_t *value, json_type type)
{
	return type == JSON_NULL || json_typeof(value) == type ||
	       (type == JSON_TRUE && json_is_false(value));
}

static int unknown_key(struct import *im, const char *pointer, const char *name,
		       const struct import_key *keys, size_t n_keys)
{
	const char *names[128];
	const char *near;
	size_t n = MIN(n_keys, ARRAY_SIZE(names));

	for (size_t i = 0; i < n; i++)
		names[i] = keys[i].name;
	near = text_nearest(name, names, n);
	if (near)
		return import_row(im, pointer, name, IMPORT_INEXPRESSIBLE,
				  "an unknown key; did the file mean \"%s\"?", near);
	return import_row(im, pointer, name, IMPORT_INEXPRESSIBLE,
			  "an unknown key: what it demands is not known");
}

int import_keys(struct import *im, json_t *object, const char *pointer,
		const struct import_key *keys, size_t n_keys)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value) {
		const struct import_key *key = find_key(keys, n_keys, name);
		char below[POLICY_POINTER_MAX];
		int r = import_below(im, below, pointer, name);

		if (r == 0 && key && !type_fits(value, key->type))
			r = import_shape(im, below, "must be %s", type_words(key->type));
		else if (r == 0 && !key)
			r = unknown_key(im, below, name, keys, n_keys);
		else if (r == 0 && key->take)
			r = key->take(im, value, below);
		else if (r == 0)
			r = import_row(im, below, name, IMPORT_IGNORED, "%s", key->why);
		if (r < 0)
			return r;
	}
	return 0;
}

int import_elsewhere(struct import *im, json_t *value, const char *pointer)
{
	(void)im;
	(void)value;
	(void)pointer;
	return 0;
}

int import_switch(struct import *im, const json_t *value, const char *pointer,
		  enum import_verdict when_true, enum import_verdict when_false, const char *note)
{
	bool on = json_is_true(value);

	return import_row(im, pointer, on ? "true" : "false", on ? when_true : when_false, "%s",
			  note);
}

int import_each(struct import *im, json_t *list, const char *pointer,
		int (*take)(struct import *im, json_t *item, const char *pointer))
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		char item[POLICY_POINTER_MAX];
		int r = import_item(im, item, pointer, i);

		if (r == 0)
			r = take(im, one, item);
		if (r < 0)
			return r;
	}
	return 0;
}

int import_strings(struct import *im, json_t *list, const char *pointer,
		   int (*take)(struct import *im, const char *text, const char *pointer))
{
	json_t *one;
	size_t i;

	if (!json_is_array(list))
		return import_shape(im, pointer, "must be a list of strings");
	json_array_foreach(list, i, one) {
		char item[POLICY_POINTER_MAX];
		int r = import_item(im, item, pointer, i);

		if (r == 0 && (!json_is_string(one) || json_string_length(one) == 0))
			r = import_shape(im, item, "must be a string that is not empty");
		if (r == 0)
			r = take(im, json_string_value(one), item);
		if (r < 0)
			return r;
	}
	return 0;
}
