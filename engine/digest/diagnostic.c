/*
 * Theory of operation: rustc, cargo and clippy share one shape of a diagnostic. It is flattened to
 * what a reader acts on: where, what, and the edits that the compiler proposes. rustc's own closing
 * lines ("aborting due to ...", "For more information ...") are no findings and are left out, and
 * what several targets of one package report alike is kept once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "digest/parse.h"

#define MESSAGE_BYTES_MAX ((size_t)4096)
#define PACKAGE_BYTES_MAX ((size_t)256)

json_t *diagnostic_package(struct digest *d, json_t *package_id)
{
	const char *id = json_string_value(package_id);
	const char *name;
	const char *hash;

	if (!id)
		return json_null();
	hash = strrchr(id, '#');
	if (!hash) /* before cargo 1.77: "demo 0.1.0 (path+file:///x/demo)" */
		return value_text(d, id, strcspn(id, " "), PACKAGE_BYTES_MAX);
	if (strchr(hash, '@'))
		return value_text(d, hash + 1, strcspn(hash + 1, "@"), PACKAGE_BYTES_MAX);
	for (name = hash; name > id && name[-1] != '/';)
		name--;
	return value_text(d, name, (size_t)(hash - name), PACKAGE_BYTES_MAX);
}

/*
 * The folder that rustc's relative paths start at is the root of cargo's workspace, which no
 * message names. It is the package's folder or one above, and the longest path from there to the package
 * that @file begins with tells which.
 */
static void find_base(struct digest *d, json_t *envelope, const char *file, char *dst)
{
	const char *manifest = value_get_string(envelope, "manifest_path");
	const char *slash = strrchr(manifest, '/');
	size_t len = slash ? (size_t)(slash - manifest) : 0;

	if (len == 0 || len >= DIGEST_PATH_BYTES_MAX || manifest[0] != '/') {
		(void)memcpy(dst, "", 1);
		if (strlen(d->cwd) < DIGEST_PATH_BYTES_MAX)
			(void)memcpy(dst, d->cwd, strlen(d->cwd) + 1);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		size_t rest = len - i - 1;

		if (manifest[i] == '/' && strncmp(manifest + i + 1, file, rest) == 0 &&
		    file[rest] == '/' && rest > 0) {
			len = i;
			break;
		}
	}
	(void)memcpy(dst, manifest, len);
	dst[len] = '\0';
}

static json_t *span_path(struct digest *d, json_t *envelope, json_t *span)
{
	const char *file = value_get_string(span, "file_name");
	char base[DIGEST_PATH_BYTES_MAX];

	if (!span)
		return json_null();
	find_base(d, envelope, file, base);
	return value_path(d, base, file);
}

static void put_number(struct digest *d, json_t *object, const char *key, json_t *span,
		       const char *span_key)
{
	json_t *n = json_object_get(span, span_key);

	value_put(d, object, key, json_is_integer(n) ? json_incref(n) : json_null());
}

static void put_place(struct digest *d, json_t *object, json_t *envelope, json_t *span)
{
	value_put(d, object, "file", span_path(d, envelope, span));
	put_number(d, object, "line", span, "line_start");
	put_number(d, object, "column", span, "column_start");
	put_number(d, object, "end_line", span, "line_end");
	put_number(d, object, "end_column", span, "column_end");
}

static json_t *primary_span(json_t *message)
{
	json_t *spans = json_object_get(message, "spans");
	json_t *span;
	size_t i;

	json_array_foreach(spans, i, span) {
		if (json_is_true(json_object_get(span, "is_primary")))
			return span;
	}
	return json_array_get(spans, 0);
}

/* The edits of one "help:" of the compiler's; several spans of it belong together. */
static bool add_suggestions(struct digest *d, json_t *list, json_t *envelope, json_t *child)
{
	json_t *spans = json_object_get(child, "spans");
	bool any = false;
	json_t *span;
	size_t i;

	json_array_foreach(spans, i, span) {
		json_t *item;

		if (!json_is_string(json_object_get(span, "suggested_replacement")))
			continue;
		any = true;
		if (json_array_size(list) >= DIGEST_CHILDREN_MAX)
			break;
		item = json_object();
		value_put(d, item, "message",
			  value_get_text(d, child, "message", MESSAGE_BYTES_MAX));
		put_place(d, item, envelope, span);
		value_put(d, item, "replacement",
			  value_get_text(d, span, "suggested_replacement",
					 DIGEST_STRING_BYTES_MAX));
		value_put(d, item, "applicability",
			  value_get_text(d, span, "suggestion_applicability", 32));
		if (json_array_append_new(list, item) < 0)
			d->failed = -ENOMEM;
	}
	return any;
}

static void add_note(struct digest *d, json_t *list, json_t *envelope, json_t *child)
{
	json_t *span = primary_span(child);
	json_t *note = json_object();

	value_put(d, note, "level", value_get_text(d, child, "level", 32));
	value_put(d, note, "message", value_get_text(d, child, "message", MESSAGE_BYTES_MAX));
	value_put(d, note, "file", span_path(d, envelope, span));
	put_number(d, note, "line", span, "line_start");
	if (json_array_append_new(list, note) < 0)
		d->failed = -ENOMEM;
}

static void put_children(struct digest *d, json_t *item, json_t *envelope, json_t *message)
{
	json_t *children = json_object_get(message, "children");
	json_t *notes = json_array();
	json_t *suggestions = json_array();
	json_t *child;
	size_t i;

	json_array_foreach(children, i, child) {
		if (!add_suggestions(d, suggestions, envelope, child) &&
		    json_array_size(notes) < DIGEST_CHILDREN_MAX)
			add_note(d, notes, envelope, child);
	}
	value_put(d, item, "children", notes);
	value_put(d, item, "suggestions", suggestions);
}

/* The word behind @before in one of the diagnostic's notes, ended by one of @stop; new or null. */
static json_t *note_word(struct digest *d, json_t *item, const char *before, const char *stop)
{
	json_t *note;
	size_t i;

	json_array_foreach(json_object_get(item, "children"), i, note) {
		const char *message = value_get_string(note, "message");
		const char *at = strstr(message, before);

		if (!at)
			continue;
		at += strlen(before);
		return value_text(d, at, strcspn(at, stop), MESSAGE_BYTES_MAX);
	}
	return json_null();
}

/*
 * The group is known only where the compiler says
 * "`#[warn(X)]` implied by `#[warn(clippy::GROUP)]`", since 1.90 "(part of `...`)". "all" is not a group but most of them.
 */
static json_t *lint_group(struct digest *d, json_t *item)
{
	json_t *old = note_word(d, item, "implied by `", "`");
	json_t *by = json_is_null(old) ? note_word(d, item, "(part of `", "`") : json_incref(old);
	const char *text = json_string_value(by);
	const char *at = text ? strstr(text, "clippy::") : NULL;
	json_t *group = json_null();

	json_decref(old);
	if (at && strncmp(at, "clippy::all", 11) != 0)
		group = value_text(d, at + 8, strcspn(at + 8, ")]` "), MESSAGE_BYTES_MAX);
	json_decref(by);
	return group;
}

static void put_lint(struct digest *d, json_t *item)
{
	const char *code = value_get_string(item, "code");
	json_t *lint;

	if (strncmp(code, "clippy::", 8) != 0)
		return;
	lint = json_object();
	value_put(d, lint, "name", value_text(d, code + 8, strlen(code + 8), MESSAGE_BYTES_MAX));
	value_put(d, lint, "group", lint_group(d, item));
	value_put(d, lint, "url", note_word(d, item, "for further information visit ", " \n"));
	value_put(d, item, "lint", lint);
}

static bool is_fixable(json_t *item)
{
	json_t *suggestion;
	size_t i;

	json_array_foreach(json_object_get(item, "suggestions"), i, suggestion) {
		if (strcmp(value_get_string(suggestion, "applicability"), "MachineApplicable") == 0)
			return true;
	}
	return false;
}

/* "3 warnings emitted", "aborting due to 2 previous errors; 1 warning emitted" */
static bool is_closing_line(json_t *message)
{
	const char *text = value_get_string(message, "message");
	const char *level = value_get_string(message, "level");

	if (strcmp(level, "failure-note") == 0)
		return true;
	if (json_array_size(json_object_get(message, "spans")) > 0)
		return false;
	return strncmp(text, "aborting due to ", 16) == 0 ||
	       (strcmp(level, "warning") == 0 && text[0] >= '0' && text[0] <= '9' &&
		(strstr(text, " warning emitted") || strstr(text, " warnings emitted")));
}

static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
	return hash;
}

static bool is_repeated(struct digest *d, uint64_t hash)
{
	size_t n = json_array_size(d->findings.list);

	for (size_t i = 0; i < n; i++)
		if (d->findings.hashes[i] == hash)
			return true;
	return false;
}

/* Count it and, where there is room, keep it; @item is stolen. */
static json_t *keep(struct digest *d, json_t *item, uint64_t hash)
{
	const char *level = value_get_string(item, "level");
	size_t n = json_array_size(d->findings.list);

	if (is_repeated(d, hash)) {
		d->findings.duplicates++;
		json_decref(item);
		return NULL;
	}
	d->findings.errors += strcmp(level, "error") == 0;
	d->findings.warnings += strcmp(level, "warning") == 0;
	if (!value_keep(d, d->findings.list, DIGEST_DIAGNOSTICS_MAX, item)) {
		d->findings.truncated++;
		return NULL;
	}
	d->findings.hashes[n] = hash;
	return item;
}

static json_t *level_of(struct digest *d, json_t *message)
{
	const char *level = value_get_string(message, "level");

	/* "error: internal compiler error" is an error, too. */
	if (strncmp(level, "error", 5) == 0)
		return json_string("error");
	return value_text(d, level, strlen(level), 32);
}

void diagnostic_add(struct digest *d, json_t *message, json_t *envelope)
{
	json_t *span = primary_span(message);
	json_t *code = json_object_get(message, "code");
	json_t *item;

	if (!json_is_object(message) || is_closing_line(message))
		return;
	item = json_object();
	value_put(d, item, "level", level_of(d, message));
	value_put(d, item, "code", value_get_text(d, code, "code", 128));
	value_put(d, item, "message", value_get_text(d, message, "message", MESSAGE_BYTES_MAX));
	put_place(d, item, envelope, span);
	value_put(d, item, "rendered",
		  value_get_text(d, message, "rendered", DIGEST_STRING_BYTES_MAX));
	value_put(d, item, "label", value_get_text(d, span, "label", MESSAGE_BYTES_MAX));
	put_children(d, item, envelope, message);
	value_put_bool(d, item, "fixable", is_fixable(item));
	put_lint(d, item);
	value_put(d, item, "package",
		  diagnostic_package(d, json_object_get(envelope, "package_id")));
	value_put(d, item, "target",
		  value_get_text(d, json_object_get(envelope, "target"), "name", 256));
	value_put(d, item, "origin", json_string("rustc"));
	(void)keep(d, item, hash_text(value_get_string(item, "rendered")));
}

/* " --> FILE:LINE:COLUMN" somewhere in the text. */
static void put_text_place(struct digest *d, json_t *item, const char *text)
{
	const char *arrow = strstr(text, "--> ");
	json_t *numbers[2] = {NULL, NULL};
	size_t len = arrow ? strcspn(arrow + 4, "\n") : 0;
	char place[DIGEST_PATH_BYTES_MAX];

	place[0] = '\0';
	if (arrow && len < sizeof(place)) {
		(void)memcpy(place, arrow + 4, len);
		place[len] = '\0';
	}
	for (size_t i = ARRAY_SIZE(numbers); i-- > 0;) {
		char *colon = strrchr(place, ':');
		uint64_t n;

		if (!colon || num_parse_u64(colon + 1, INT32_MAX, &n) < 0)
			break;
		*colon = '\0';
		numbers[i] = json_integer((json_int_t)n);
	}
	value_put(d, item, "file", place[0] ? value_path(d, d->cwd, place) : json_null());
	value_put(d, item, "line", numbers[0] ? numbers[0] : json_null());
	value_put(d, item, "column", numbers[1] ? numbers[1] : json_null());
	value_put(d, item, "end_line", json_null());
	value_put(d, item, "end_column", json_null());
}

/* "error[E0308]: mismatched types" */
static void put_text_head(struct digest *d, json_t *item, const char *text)
{
	size_t line = strcspn(text, "\n");
	size_t head = strcspn(text, ":[\n");
	const char *close = text[head] == '[' ? memchr(text, ']', line) : NULL;
	const char *colon = memchr(text, ':', line);

	value_put(d, item, "code",
		  close ? value_text(d, text + head + 1, (size_t)(close - text) - head - 1, 128)
			: json_null());
	if (close)
		colon = close[1] == ':' ? close + 1 : NULL;
	colon = colon ? colon + 1 : text;
	while (*colon == ' ')
		colon++;
	value_put(d, item, "message",
		  value_text(d, colon, line - (size_t)(colon - text), MESSAGE_BYTES_MAX));
}

json_t *diagnostic_add_text(struct digest *d, const char *level, const char *origin,
			    const char *text, size_t len)
{
	json_t *rendered = value_text(d, text, len, DIGEST_STRING_BYTES_MAX);
	const char *safe = json_string_value(rendered);
	json_t *item = json_object();

	if (!safe || !item) {
		d->failed = -ENOMEM;
		json_decref(rendered);
		json_decref(item);
		return NULL;
	}
	value_put(d, item, "level", json_string(level));
	put_text_head(d, item, safe);
	put_text_place(d, item, safe);
	value_put(d, item, "rendered", json_incref(rendered));
	value_put(d, item, "label", json_null());
	value_put(d, item, "children", json_array());
	value_put(d, item, "suggestions", json_array());
	value_put_bool(d, item, "fixable", false);
	value_put(d, item, "package", json_null());
	value_put(d, item, "target", json_null());
	value_put(d, item, "origin", json_string(origin));
	item = keep(d, item, hash_text(safe));
	json_decref(rendered);
	return item;
}

void diagnostic_fill(struct digest *d, json_t *data)
{
	value_put_count(d, data, "errors", d->findings.errors);
	value_put_count(d, data, "warnings", d->findings.warnings);
	value_put_count(d, data, "duplicates", d->findings.duplicates);
	value_put_count(d, data, "truncated", d->findings.truncated);
	value_put(d, data, "diagnostics", json_incref(d->findings.list));
}
