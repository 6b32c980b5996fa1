/*
 * Theory of operation: gathers what a call has left behind - report, streams, merged output, the
 * digest's reply, denials - and has result.c and text.c make the two halves. Hosts show a model only
 * one half, and cut what is long, so both are kept small: a stream that a digest has read gives only
 * its ends, as the findings are in `data`; whatever is cut, or was not text, can be read raw as a
 * resource.
 */
#include "broker/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker/cut.h"
#include "broker/result.h"
#include "broker/state.h"

#define BODY_BYTES ((size_t)10000)	  /* of the text half: what hosts show without cutting */
#define CONSUMED_BYTES ((size_t)204800)	  /* ... of a tool whose text is what was asked for */
#define DIGESTED_END_BYTES ((size_t)2048) /* of either end of a stream, when a digest has read it */

struct answer {
	struct call *call;
	const char *status;
	json_t *streams[STREAM_N];
	char *uris[STREAM_N];
	json_t *data;
	json_t *denials;
	json_t *granted;
	json_t *reported; /* denials of the tool's own program; NULL: none */
	struct buf digest_text;
	const char *data_error;
	char digest_error[160]; /* what the digest says of it */
	bool digest_denies;
	bool consumed; /* the digest's reply stands for stdout */
	struct buf error;
};

static void answer_fini(struct answer *a)
{
	for (int i = 0; i < STREAM_N; i++) {
		json_decref(a->streams[i]);
		free(a->uris[i]);
	}
	json_decref(a->data);
	json_decref(a->denials);
	json_decref(a->granted);
	json_decref(a->reported);
	buf_fini(&a->digest_text);
	buf_fini(&a->error);
}

static bool is_consumed(const struct call *c)
{
	return json_is_true(json_object_get(json_object_get(c->tool, "output"), "consumed"));
}

/* What the engine itself has to say, in place of a tool's output. */
static int take_own(struct answer *a)
{
	const char *text = a->call->own_text;

	a->data = json_incref(a->call->own_data);
	return text ? buf_puts(&a->digest_text, text) : 0;
}

/* A digest that lives can still have found no answer in what the tool wrote. */
static void take_digest_error(struct answer *a, json_t *error)
{
	const char *text = json_string_value(error);

	if (text)
		a->data_error = text_quote(a->digest_error, sizeof(a->digest_error), text,
					   json_string_length(error));
}

static int take_digest(struct answer *a)
{
	struct digest_io *digest = &a->call->digest;
	json_t *reply;
	json_t *text;
	int r = 0;

	if (!digest->used)
		return take_own(a);
	reply = digest->done ? digest_io_reply(digest, &a->data_error) : NULL;
	if (!digest->done)
		a->data_error = "the call ended before its digest did";
	if (!reply)
		return 0;
	take_digest_error(a, json_object_get(reply, "error"));
	a->consumed = is_consumed(a->call) && !a->data_error;
	a->reported = json_incref(json_object_get(reply, "denials"));
	if (json_is_object(json_object_get(reply, "data")))
		a->data = json_incref(json_object_get(reply, "data"));
	text = json_object_get(reply, "text");
	if (json_is_string(text)) {
		json_t *safe = result_safe_string(json_string_value(text));

		r = safe ? cut_append(&a->digest_text, json_string_value(safe),
				      json_string_length(safe),
				      a->consumed ? CONSUMED_BYTES : BODY_BYTES, NULL)
			 : -ENOMEM;
		json_decref(safe);
	}
	a->digest_denies = json_is_false(json_object_get(reply, "success"));
	json_decref(reply);
	return r;
}

/* Bytes of the text are the bytes of the tool: nothing was omitted, replaced or removed. */
static bool is_faithful(const struct output *out, const struct buf *text, uint64_t omitted)
{
	return omitted == 0 && text->len == out->bytes &&
	       strcmp(output_encoding(out), "utf-8") == 0;
}

static int take_stream(struct answer *a, int which, const char *name)
{
	struct output *out = &a->call->streams[which].output;
	size_t end_bytes = a->data ? DIGESTED_END_BYTES : OUTPUT_END_BYTES;
	struct buf text = {0};
	uint64_t omitted = 0;
	int r = 0;

	/* Its bytes were no text for a reader, and what they said is in `data`. */
	if (which == STREAM_STDOUT && a->consumed) {
		a->streams[which] = result_stream("", out->bytes, false, output_encoding(out),
						  NULL);
		return a->streams[which] ? 0 : -ENOMEM;
	}
	if (out->ends)
		r = output_append_text(out, end_bytes, NULL, &text, &omitted);
	if (r == 0 && out->ends && !is_faithful(out, &text, omitted))
		resources_keep(a->call, name, out, &a->uris[which]);
	if (r == 0 && omitted > 0 && a->uris[which]) {
		buf_fini(&text);
		r = output_append_text(out, end_bytes, a->uris[which], &text, &omitted);
	}
	if (r == 0)
		a->streams[which] = result_stream(text.data ? text.data : "", out->bytes,
						  omitted > 0, output_encoding(out),
						  a->uris[which]);
	buf_fini(&text);
	return r == 0 && a->streams[which] ? 0 : -ENOMEM;
}

/* Both streams as they arrived, for tools whose reader wants to see them like on a terminal. */
static int take_merged(struct answer *a)
{
	struct output *merged = &a->call->merged;
	struct buf text = {0};
	uint64_t omitted = 0;
	int r;

	if (!merged->ends || !a->call->frame_started || a->data_error)
		return 0;
	r = output_append_text(merged, OUTPUT_END_BYTES, NULL, &text, &omitted);
	if (r == 0 && !a->data)
		a->data = json_object();
	if (r == 0)
		r = json_object_set_new(a->data, "output",
					json_stringn(text.data ? text.data : "", text.len));
	if (r == 0)
		r = json_object_set_new(a->data, "truncated", json_boolean(omitted > 0));
	buf_fini(&text);
	return r == 0 ? 0 : -ENOMEM;
}

static int append_output(struct buf *body, const struct output *out, size_t bytes, const char *uri)
{
	uint64_t omitted;

	if (!out->ends || out->bytes == 0)
		return 0;
	return output_append_text(out, MIN(bytes / 2, OUTPUT_END_BYTES), uri, body, &omitted);
}

static int build_body(const struct answer *a, struct buf *body)
{
	const struct call *c = a->call;
	const struct output *out = &c->streams[STREAM_STDOUT].output;
	const struct output *err = &c->streams[STREAM_STDERR].output;
	bool both = out->bytes > 0 && err->bytes > 0;
	size_t share = both ? BODY_BYTES / 2 : BODY_BYTES;
	int r;

	if (a->digest_text.len > 0 || a->consumed)
		return buf_append(body, a->digest_text.data, a->digest_text.len);
	if (c->merged.ends)
		return append_output(
			body, &c->merged, BODY_BYTES,
			a->uris[out->bytes >= err->bytes ? STREAM_STDOUT : STREAM_STDERR]);
	r = append_output(body, out, share, a->uris[STREAM_STDOUT]);
	if (r == 0 && both && body->len > 0 && body->data[body->len - 1] != '\n')
		r = buf_puts(body, "\n");
	if (r == 0 && both)
		r = buf_puts(body, "[stderr]\n");
	if (r == 0)
		r = append_output(body, err, share, a->uris[STREAM_STDERR]);
	return r;
}

static int describe_error(struct answer *a)
{
	const struct call *c = a->call;
	const struct frame_ended *ended = &c->ended;
	const char *program = c->expanded.argv ? c->expanded.argv[0] : c->tool_name;
	const char *reason = ended->error[0] ? ended->error : "no reason was given";

	if (!result_exec_failed(ended))
		return buf_puts(&a->error, reason);
	if (ended->exit_code == 127)
		return buf_printf(
			&a->error,
			"%s: not found in the cell's PATH (%s); install it on this machine, or "
			"let policies/%s.json name its folder in filesystem.read and PATH",
			program, reason, c->broker->policy);
	return buf_printf(
		&a->error,
		"%s: found in the cell but cannot be executed (%s); see filesystem.read in "
		"policies/%s.json",
		program, reason, c->broker->policy);
}

static bool lacks_overlay(const struct call *c)
{
	return c->cell && c->cell->flags & IMAGE_CELL_OVERLAY &&
	       c->broker->config->ready->session == FRAME_WORKSPACE_NONE;
}

/* A compiler that has found errors in the code says why it failed. */
static bool is_explained(json_t *data)
{
	return json_integer_value(json_object_get(data, "errors")) > 0;
}

static int take_denials(struct answer *a)
{
	struct call *c = a->call;
	uint64_t output = c->streams[STREAM_STDOUT].output.bytes +
			  c->streams[STREAM_STDERR].output.bytes;

	a->denials = c->denials ? json_incref(c->denials) : json_array();
	if (!a->denials)
		return -ENOMEM;
	if (recorded_take(c, a->denials) < 0)
		return -ENOMEM;
	if (a->reported && denials_append_reported(a->denials, a->reported, c) < 0)
		return -ENOMEM;
	if (denials_append_limits(a->denials,
				  &(struct denial_source){.ended = &c->ended,
							  .origins = origins_of(c->broker,
										c->tool_name),
							  .wall_asked = c->wall_asked,
							  .no_overlay = lacks_overlay(c),
							  .over_quota = c->over_quota,
							  .output_bytes = output}) < 0)
		return -ENOMEM;
	if (consent_note_denials(c, a->denials) < 0)
		return -ENOMEM;
	return denials_weigh(a->denials, &c->ended, a->status, is_explained(a->data));
}

static int take_granted(struct answer *a)
{
	a->granted = consent_granted(a->call);
	return a->granted ? 0 : -ENOMEM;
}

static int gather(struct answer *a)
{
	bool described;
	int r = take_digest(a);

	a->status = result_status(&a->call->ended, a->digest_denies);
	if (r == 0)
		r = take_stream(a, STREAM_STDOUT, "stdout");
	if (r == 0)
		r = take_stream(a, STREAM_STDERR, "stderr");
	if (r == 0)
		r = take_merged(a);
	if (r == 0)
		r = take_denials(a);
	if (r == 0)
		r = take_granted(a);
	described = strcmp(a->status, "error") == 0 || strcmp(a->status, "refused") == 0;
	if (r == 0 && described)
		r = describe_error(a);
	return r;
}

static char *build_text(const struct answer *a)
{
	CLEANUP(buf_fini) struct buf granted = {0};
	struct buf body = {0};
	char *text = NULL;
	int r = build_body(a, &body);

	if (r == 0)
		r = consent_append_text(a->call, &granted);
	if (r == 0)
		text = text_half(&(struct text_parts){
			.status = a->status,
			.body = body.data,
			.error = a->error.data,
			.note = a->call->note,
			.data_error = a->data_error,
			.over_quota = a->call->over_quota,
			.granted = granted.data,
			.policy = a->call->digest_call || a->call->own_text
					  ? NULL
					  : a->call->broker->policy,
			.network = a->call->cell && a->call->cell->net != IMAGE_NET_NONE,
			.denials = a->denials,
			.recorded = a->call->observed >= IMAGE_OBSERVE_OPENS,
			.ended = &a->call->ended,
		});
	buf_fini(&body);
	return text;
}

static json_t *take_out(json_t **field)
{
	json_t *value = *field;

	*field = NULL;
	return value;
}

static json_t *build_result(struct answer *a)
{
	struct call *c = a->call;
	char session[BRANCH_NAME_BYTES];

	return result_new(&(struct result_source){
		.call = c->name,
		.agent = c->broker->agent,
		.tool = c->tool_name,
		.policy = c->broker->policy,
		.status = a->status,
		.ended = &c->ended,
		.ready = c->broker->config->ready,
		.error = a->error.data,
		.data_error = a->data_error,
		.session = branch_name(c->broker, c->branch, session),
		.changes_missing = c->changes_missing,
		.observed = c->observed,
		.unseen = c->unseen,
		.dropped = c->dropped,
		.out = take_out(&a->streams[STREAM_STDOUT]),
		.err = take_out(&a->streams[STREAM_STDERR]),
		.data = take_out(&a->data),
		.changes = take_out(&c->changes),
		.denials = take_out(&a->denials),
		.granted = take_out(&a->granted),
	});
}

int answer_build(struct call *c, json_t **ret_result, char **ret_text)
{
	CLEANUP(answer_fini) struct answer a = {.call = c, .error.cap = 4096};
	json_t *result;
	char *text;

	if (gather(&a) < 0)
		return -ENOMEM;
	text = build_text(&a);
	result = text ? build_result(&a) : NULL;
	if (!result) {
		free(text);
		return -ENOMEM;
	}
	*ret_result = result;
	*ret_text = text;
	return 0;
}
