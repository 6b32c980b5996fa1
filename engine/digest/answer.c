/*
 * Theory of operation: programs of ours that run inside of a cell answer with one JSON document:
 *
 *	{"text": "...", "data": {...} | null, "success": true, "denials": [{"operation", "object", "errno"}]}
 *
 * They are ours and still in a cell with whatever the tool before them left there, so the document is as
 * hostile as any output: it is kept whole up to DIGEST_DOCUMENT_BYTES_MAX, measured before it is
 * parsed, and taken only when every key is known and every value has its type. Data is handed on as
 * it is: a file's content must not change on its way. When the document will not do there is no
 * half of it: no data, success is false, and `error` says why.
 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "digest/parse.h"

#define DENIALS_MAX 64U
#define WORD_BYTES_MAX ((size_t)64)
#define ERRNO_BYTES_MAX ((size_t)16)

void document_bytes(struct digest *d, enum digest_stream stream, const char *data, size_t len)
{
	struct document *doc = &d->document;
	int r;

	if (stream != DIGEST_STDOUT || doc->too_long)
		return;
	if (len > DIGEST_DOCUMENT_BYTES_MAX - doc->text.len) {
		doc->too_long = true;
		buf_fini(&doc->text);
		return;
	}
	r = buf_append(&doc->text, data, len);
	if (r < 0)
		d->failed = r;
}

/* The broker's reader takes no NUL within a string, and no path or text of ours has one. */
static bool has_nul(const char *text, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (text[i] != '\\')
			continue;
		if (len - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
			return true;
		i++;
	}
	return false;
}

static bool is_string(const json_t *value)
{
	return json_is_string(value);
}

static bool is_data(const json_t *value)
{
	return json_is_object(value) || json_is_null(value);
}

static bool is_bool(const json_t *value)
{
	return json_is_boolean(value);
}

static bool is_list(const json_t *value)
{
	return json_is_array(value);
}

static bool is_errno(const json_t *value)
{
	size_t len = json_string_length(value);

	return len > 1 && len <= ERRNO_BYTES_MAX && json_string_value(value)[0] == 'E' &&
	       strspn(json_string_value(value), "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == len;
}

struct key {
	const char *name;
	bool (*is)(const json_t *value);
	const char *error;
};

static const struct key document_keys[] = {
	{"text", is_string, "the tool's answer has no string \"text\""},
	{"data", is_data, "the tool's answer has no object or null \"data\""},
	{"success", is_bool, "the tool's answer has no boolean \"success\""},
	{"denials", is_list, "the tool's answer has no list \"denials\""},
};

static const struct key denial_keys[] = {
	{"operation", is_string, "a denial in the tool's answer has no string \"operation\""},
	{"object", is_string, "a denial in the tool's answer has no string \"object\""},
	{"errno", is_errno, "a denial in the tool's answer has no \"errno\" that is a name"},
};

/* Each key of @keys with its type, and no other.  Return: what is wrong, or NULL. */
static const char *check_keys(json_t *object, const struct key *keys, size_t n)
{
	if (!json_is_object(object))
		return "a denial in the tool's answer is not an object";
	for (size_t i = 0; i < n; i++)
		if (!keys[i].is(json_object_get(object, keys[i].name)))
			return keys[i].error;
	return json_object_size(object) == n ? NULL
					     : "the tool's answer has a key that is not known";
}

static const char *check_document(json_t *document)
{
	const char *error = check_keys(document, document_keys, ARRAY_SIZE(document_keys));
	json_t *denials = json_object_get(document, "denials");
	json_t *denial;
	size_t i;

	if (error)
		return error;
	if (json_array_size(denials) > DENIALS_MAX)
		return "the tool's answer has more than 64 denials";
	json_array_foreach(denials, i, denial) {
		error = check_keys(denial, denial_keys, ARRAY_SIZE(denial_keys));
		if (error)
			return error;
	}
	return NULL;
}

/* Return: the document, checked; NULL with *ret_error. */
static json_t *parse(struct digest *d, const char **ret_error)
{
	const struct buf *text = &d->document.text;
	json_t *document = NULL;

	*ret_error = NULL;
	if (d->document.too_long)
		*ret_error = "the tool's answer is too long";
	else if (text->len == 0)
		*ret_error = "the tool ended without an answer";
	else if (!text_is_utf8(text->data, text->len) || has_nul(text->data, text->len))
		*ret_error = "the tool's answer is not UTF-8, or holds a NUL";
	else if (!(document = value_parse(d, text->data, text->len)))
		*ret_error = "the tool's answer is no JSON object, or was cut off";
	else
		*ret_error = check_document(document);
	if (*ret_error) {
		json_decref(document);
		return NULL;
	}
	return document;
}

static json_t *copy_denials(struct digest *d, json_t *denials)
{
	json_t *list = json_array();
	json_t *denial;
	size_t i;

	json_array_foreach(denials, i, denial) {
		json_t *copy = json_object();

		value_put(d, copy, "operation",
			  value_get_text(d, denial, "operation", WORD_BYTES_MAX));
		value_put(d, copy, "object",
			  value_get_text(d, denial, "object", DIGEST_PATH_BYTES_MAX));
		value_put(d, copy, "errno", json_incref(json_object_get(denial, "errno")));
		if (json_array_append_new(list, copy) < 0)
			d->failed = -ENOMEM;
	}
	if (!list)
		d->failed = -ENOMEM;
	return list;
}

void document_finish(struct digest *d, struct reply *reply)
{
	json_t *document = parse(d, &reply->error);
	json_t *text = json_object_get(document, "text");
	size_t len = MIN(json_string_length(text), DIGEST_DOCUMENT_TEXT_MAX);
	int r;

	json_decref(reply->data);
	reply->data = json_null();
	reply->decides = true;
	if (!document)
		return;
	reply->data = json_incref(json_object_get(document, "data"));
	reply->success = json_is_true(json_object_get(document, "success"));
	reply->denials = copy_denials(d, json_object_get(document, "denials"));
	reply->text.cap = DIGEST_DOCUMENT_TEXT_MAX;
	/* A sequence that the cut tears becomes a replacement character when the reply is made safe. */
	r = buf_append(&reply->text, json_string_value(text), len);
	if (r < 0)
		d->failed = r;
	json_decref(document);
}
