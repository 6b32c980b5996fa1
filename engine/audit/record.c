/*
 * Theory of operation: a record is made from the result that the driver is told, so the two cannot say
 * different things. Output and findings stay out of it: they are the tool's words. Denials are taken as
 * they are, whatever members they have. When a record would be too long for a line, the longest parts go,
 * one after the other.
 */
#include "audit/record.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

struct digest {
	struct sha256_ctx ctx;
	size_t bytes;
};

static int take_piece(const char *data, size_t len, void *at)
{
	struct digest *digest = at;

	sha256_update(&digest->ctx, len, (const uint8_t *)data);
	digest->bytes += len;
	return 0;
}

static void hex_of(struct digest *digest, char hex[AUDIT_HEX_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[SHA256_DIGEST_SIZE];

	sha256_digest(&digest->ctx, sizeof(sum), sum);
	for (size_t i = 0; i < sizeof(sum); i++) {
		hex[2 * i] = digits[sum[i] >> 4];
		hex[2 * i + 1] = digits[sum[i] & 15];
	}
	hex[2 * sizeof(sum)] = '\0';
}

json_t *audit_arguments(const struct mask *mask, json_t *arguments, bool text)
{
	struct digest digest = {0};
	char hex[AUDIT_HEX_BYTES];
	json_t *shown = NULL;

	sha256_init(&digest.ctx);
	if (json_dump_callback(arguments, take_piece, &digest, JSON_SORT_KEYS | JSON_COMPACT) < 0)
		return NULL;
	hex_of(&digest, hex);
	if (text && digest.bytes <= AUDIT_ARGUMENTS_BYTES_MAX &&
	    mask_json(mask, arguments, &shown) == -ENOMEM)
		return NULL;
	return json_pack("{s:s, s:I, s:o}", "sha256", hex, "bytes", (json_int_t)digest.bytes,
			 "text", shown ? shown : json_null());
}

json_t *audit_safe_string(const struct mask *mask, const char *text)
{
	struct buf out = {0};
	json_t *string = NULL;

	if (mask_text(mask, text, strnlen(text, AUDIT_WORD_BYTES_MAX), &out) == 0)
		string = json_stringn(out.data ? out.data : "", out.len);
	buf_fini(&out);
	return string;
}

static json_t *copy_of(json_t *value)
{
	return value ? json_incref(value) : json_null();
}

/* Counts only: names of files are the tool's words, and can be many. */
static json_t *changes_counts(json_t *changes)
{
	json_t *out = json_is_object(changes) ? json_object() : json_null();
	const char *key;
	json_t *value;

	if (!json_is_object(out))
		return out;
	json_object_foreach(changes, key, value) {
		if (!json_is_integer(value) && !json_is_boolean(value))
			continue;
		if (json_object_set(out, key, value) < 0) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

/* The first of them; how many more there are is told in *ret_more. */
static json_t *some_denials(const struct mask *mask, json_t *denials, size_t *ret_more)
{
	size_t n = json_array_size(denials);
	json_t *first = json_array();
	json_t *masked = NULL;
	int r = first ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < MIN(n, (size_t)AUDIT_DENIALS_MAX); i++)
		r = json_array_append(first, json_array_get(denials, i)) < 0 ? -ENOMEM : 0;
	if (r == 0)
		r = mask_json(mask, first, &masked);
	json_decref(first);
	*ret_more = n - MIN(n, (size_t)AUDIT_DENIALS_MAX);
	if (r != -E2BIG)
		return masked;
	*ret_more = n;
	return json_array();
}

static json_t *output_counts(json_t *result, bool unseen)
{
	if (unseen)
		return json_null();
	return json_pack("{s:o, s:o}", "stdout",
			 copy_of(json_object_get(json_object_get(result, "stdout"), "bytes")),
			 "stderr",
			 copy_of(json_object_get(json_object_get(result, "stderr"), "bytes")));
}

static json_t *masked_text(const struct mask *mask, json_t *text)
{
	struct buf out = {0};
	json_t *string = NULL;

	if (!json_is_string(text))
		return json_null();
	if (mask_text(mask, json_string_value(text), json_string_length(text), &out) == 0)
		string = json_stringn(out.data ? out.data : "", out.len);
	buf_fini(&out);
	return string;
}

static json_t *masked_cwd(const struct mask *mask, const char *cwd)
{
	json_t *text = cwd ? json_string(cwd) : NULL;
	json_t *masked = text ? masked_text(mask, text) : json_null();

	json_decref(text);
	return masked;
}

static json_t *masked_driver(const struct mask *mask, json_t *driver)
{
	json_t *masked = NULL;

	return driver && mask_json(mask, driver, &masked) == 0 ? masked : json_null();
}

static json_t *record_new(const struct audit_context *x, const struct audit_call *c)
{
	json_t *r = c->result;
	json_t *enforced = json_object_get(r, "enforced");
	size_t more = 0;
	json_t *denials = some_denials(x->mask, json_object_get(r, "denials"), &more);

	return json_pack(
		"{s:o, s:s?, s:s, s:o, s:o, s:{s:o, s:s?}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
		" s:o, s:I, s:o, s:o, s:o, s:o}",
		"call", copy_of(json_object_get(r, "call")), "decision", c->decision, "by", c->by,
		"tool", copy_of(json_object_get(r, "tool")), "agent",
		copy_of(json_object_get(r, "agent")), "policy", "name",
		copy_of(json_object_get(r, "policy")), "digest", x->policy_digest, "driver",
		masked_driver(x->mask, x->driver), "session",
		copy_of(json_object_get(enforced, "session")), "arguments", copy_of(c->arguments),
		"cwd", masked_cwd(x->mask, c->cwd), "status", copy_of(json_object_get(r, "status")),
		"ended", copy_of(json_object_get(r, "ended")), "error",
		masked_text(x->mask, json_object_get(r, "error")), "output",
		output_counts(r, c->unseen), "denials", denials, "denials_more", (json_int_t)more,
		"usage", copy_of(json_object_get(r, "usage")), "limits",
		copy_of(json_object_get(r, "limits")), "changes",
		changes_counts(json_object_get(r, "changes")), "enforced", copy_of(enforced));
}

/* Takes out what is longest; returns false when there is nothing left to take. */
static bool shorten(json_t *record, unsigned int round)
{
	json_t *arguments = json_object_get(record, "arguments");
	json_t *denials = json_object_get(record, "denials");
	size_t n = json_array_size(denials);

	switch (round) {
	case 0:
		return !json_is_object(arguments) ||
		       json_object_set_new(arguments, "text", json_null()) == 0;
	case 1:
		n += (size_t)json_integer_value(json_object_get(record, "denials_more"));
		return json_object_set_new(record, "denials_more", json_integer((json_int_t)n)) ==
			       0 &&
		       json_array_clear(denials) == 0;
	case 2:
		return json_object_set_new(record, "driver", json_null()) == 0 &&
		       json_object_set_new(record, "error", json_null()) == 0 &&
		       json_object_set_new(record, "cwd", json_null()) == 0;
	default:
		return false;
	}
}

char *audit_record_call(const struct audit_context *context, const struct audit_call *call)
{
	json_t *record = record_new(context, call);
	char *text = record ? json_dumps(record, DUMP_FLAGS) : NULL;

	for (unsigned int round = 0; text && strlen(text) > AUDIT_RECORD_BYTES_MAX; round++) {
		free(text);
		text = shorten(record, round) ? json_dumps(record, DUMP_FLAGS) : NULL;
	}
	json_decref(record);
	return text;
}

/* Foreign text without what a line of the log refuses. */
static json_t *safe_string(const char *text)
{
	struct buf out = {0};
	json_t *string = NULL;

	if (!text)
		return json_null();
	if (text_append_safe(&out, text, strnlen(text, AUDIT_WORD_BYTES_MAX)) == 0)
		string = json_stringn(out.data ? out.data : "", out.len);
	buf_fini(&out);
	return string;
}

char *audit_record_begin(const char *call, const char *tool, json_t *arguments)
{
	json_t *record = json_pack("{s:o, s:o, s:o}", "call", safe_string(call), "tool",
				   safe_string(tool), "arguments",
				   copy_of(json_object_get(arguments, "sha256")));
	char *text = record ? json_dumps(record, DUMP_FLAGS) : NULL;

	json_decref(record);
	return text;
}

char *audit_record_decision(const char *decision, const char *by, const char *call,
			    const char *tool)
{
	json_t *record = json_pack("{s:s, s:s, s:o, s:o}", "decision", decision, "by", by, "call",
				   safe_string(call), "tool", safe_string(tool));
	char *text = record ? json_dumps(record, DUMP_FLAGS) : NULL;

	json_decref(record);
	return text;
}

json_t *audit_environment(const struct mask *mask, json_t *set, bool text)
{
	json_t *names = NULL;
	json_t *masked = NULL;
	const char *key;
	json_t *value;

	if (text)
		return mask_json(mask, set, &masked) == 0 ? masked : json_null();
	names = json_array();
	json_object_foreach(set, key, value) {
		if (json_array_append_new(names, audit_safe_string(mask, key)) < 0) {
			json_decref(names);
			return NULL;
		}
	}
	return names;
}
