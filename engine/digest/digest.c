/*
 * Theory of operation: bytes are cut into lines per stream and handed to the row of the parser
 * table that the call asked for:
 *
 *	digest_feed --DIGEST_CALL--> call_text --first other chunk--> parser.call
 *		    --DIGEST_STDOUT, DIGEST_STDERR--> line_reader --> parser.line; or parser.bytes
 *		    --DIGEST_STATUS--> exit_success
 *	digest_finish --> last lines without newline --> parser.finish --> reply
 *
 * Success is what the exit status says: all other facts come from output that the program under test
 * may have written. A program of ours may take it back in its answer, never claim it.
 */
#include "digest/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "digest/parse.h"

static const struct digest_parser parsers[] = {
	{"cargo", "cargo", cargo_call, cargo_line, NULL, cargo_finish},
	{"clippy", "cargo clippy", cargo_call, cargo_line, NULL, cargo_finish},
	{"rustc", "rustc", NULL, rustc_line, NULL, rustc_finish},
	{"rustfmt", "rustfmt", rustfmt_call, rustfmt_line, NULL, rustfmt_finish},
	{"answer", "answer", NULL, NULL, document_bytes, document_finish},
};

const char *digest_parser_name(size_t index)
{
	return index < ARRAY_SIZE(parsers) ? parsers[index].name : NULL;
}

static const struct digest_parser *find_parser(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parsers); i++)
		if (strcmp(parsers[i].name, name) == 0)
			return &parsers[i];
	return NULL;
}

static bool all_made(const struct digest *d)
{
	return d->findings.list && d->findings.hashes && d->tests.results && d->tests.pending &&
	       d->tests.failed && d->tests.executables && d->tests.suite && d->cargo.artifacts &&
	       d->cargo.build_script && d->cargo.fixed && d->fmt.files && d->artifacts;
}

struct digest *digest_new(const char *name)
{
	const struct digest_parser *parser = find_parser(name);
	struct digest *d = parser ? calloc(1, sizeof(*d)) : NULL;

	if (!d)
		return NULL;
	d->parser = parser;
	d->room = DIGEST_FINDINGS_BYTES_MAX;
	d->workspace = "";
	d->cwd = "";
	(void)memcpy(d->label, parser->label, strlen(parser->label) + 1);
	d->findings.list = json_array();
	d->findings.hashes = calloc(DIGEST_DIAGNOSTICS_MAX, sizeof(uint64_t));
	d->tests.results = json_array();
	d->tests.pending = json_object();
	d->tests.failed = json_object();
	d->tests.executables = json_object();
	d->tests.suite = json_null();
	d->cargo.artifacts = json_array();
	d->cargo.build_script = json_null();
	d->cargo.fixed = json_array();
	d->fmt.files = json_array();
	d->artifacts = json_array();
	if (!all_made(d)) {
		digest_free(d);
		return NULL;
	}
	return d;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	json_t *values[] = {d->findings.list,	d->tests.results,      d->tests.pending,
			    d->tests.failed,	d->tests.executables,  d->tests.suite,
			    d->cargo.artifacts, d->cargo.build_script, d->cargo.fixed,
			    d->fmt.files,	d->artifacts,	       d->call};
	struct buf *bufs[] = {&d->readers[0].part,   &d->readers[1].part,   &d->call_text,
			      &d->scratch,	     &d->tests.output,	    &d->cargo.block,
			      &d->cargo.output.head, &d->cargo.output.tail, &d->fmt.original,
			      &d->fmt.expected,	     &d->document.text};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		json_decref(values[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bufs); i++)
		buf_fini(bufs[i]);
	free(d->findings.hashes);
	free(d->tests.section);
	free(d->tests.waiting);
	free(d);
}

/* The call is complete as soon as something else comes. */
static int call_end(struct digest *d)
{
	if (d->call_done)
		return 0;
	d->call_done = true;
	if (d->call_text.len == 0)
		return 0;
	d->call = value_parse(d, d->call_text.data, d->call_text.len);
	buf_fini(&d->call_text);
	if (!d->call)
		return -EINVAL;
	d->workspace = value_get_string(d->call, "workspace");
	d->cwd = value_get_string(d->call, "cwd");
	if (d->cwd[0] == '\0')
		d->cwd = d->workspace;
	if (d->parser->call)
		d->parser->call(d);
	return 0;
}

static int take_call(struct digest *d, const char *data, size_t len)
{
	if (d->call_done || d->call_text.len + len > DIGEST_CALL_BYTES_MAX)
		return -EINVAL;
	return buf_append(&d->call_text, data, len);
}

static int take_status(struct digest *d, const char *data, size_t len)
{
	json_t *status = value_parse(d, data, len);

	if (!status)
		return -EINVAL;
	d->exit_known = true;
	d->exit_success = strcmp(value_get_string(status, "cause"), "exit") == 0 &&
			  json_integer_value(json_object_get(status, "exit_code")) == 0 &&
			  json_is_integer(json_object_get(status, "exit_code"));
	json_decref(status);
	return 0;
}

static void hand_over(struct digest *d, enum digest_stream stream, const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\r')
		len--;
	d->parser->line(d, stream, line, len);
}

/* The rest of a chunk, which has no newline: kept, or the line is given up. */
static void keep_part(struct digest *d, struct line_reader *reader, const char *data, size_t len)
{
	int r;

	if (reader->skipping || len == 0)
		return;
	if (reader->part.len + len > DIGEST_LINE_BYTES_MAX) {
		reader->skipping = true;
		buf_fini(&reader->part);
		d->lines_skipped++;
		return;
	}
	r = buf_append(&reader->part, data, len);
	if (r < 0)
		d->failed = r;
}

static void take_line(struct digest *d, enum digest_stream stream, struct line_reader *reader,
		      const char *data, size_t len)
{
	if (!reader->skipping && reader->part.len == 0) {
		hand_over(d, stream, data, len);
		return;
	}
	keep_part(d, reader, data, len);
	if (!reader->skipping)
		hand_over(d, stream, reader->part.data, reader->part.len);
	reader->skipping = false;
	reader->part.len = 0;
}

static void take_bytes(struct digest *d, enum digest_stream stream, const char *data, size_t len)
{
	struct line_reader *reader = &d->readers[stream == DIGEST_STDERR];

	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;

		if (!end) {
			keep_part(d, reader, data, n);
			return;
		}
		take_line(d, stream, reader, data, n);
		data += n + 1;
		len -= n + 1;
	}
}

int digest_feed(struct digest *d, uint32_t stream, const void *data, size_t len)
{
	int r;

	if (stream == DIGEST_CALL)
		return take_call(d, data, len);
	r = call_end(d);
	if (r < 0)
		return r;
	if (stream == DIGEST_STATUS)
		return take_status(d, data, len);
	if (stream != DIGEST_STDOUT && stream != DIGEST_STDERR)
		return -EPROTO;
	if (d->parser->bytes)
		d->parser->bytes(d, (enum digest_stream)stream, data, len);
	else
		take_bytes(d, (enum digest_stream)stream, data, len);
	return d->failed;
}

static void flush_readers(struct digest *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(d->readers); i++) {
		struct line_reader *reader = &d->readers[i];

		if (!reader->skipping && reader->part.len > 0)
			hand_over(d, i ? DIGEST_STDERR : DIGEST_STDOUT, reader->part.data,
				  reader->part.len);
		reader->part.len = 0;
	}
}

/* A tool that says no in its answer has not succeeded, whatever its exit status. */
static json_t *verdict(const struct digest *d, const struct reply *reply)
{
	if (reply->decides && !reply->success)
		return json_false();
	return d->exit_known ? json_boolean(d->exit_success) : json_null();
}

static int encode(struct digest *d, struct reply *reply, char **ret, size_t *ret_len)
{
	json_t *root = json_object();
	char *text;
	size_t n;

	if (!root)
		return -ENOMEM;
	value_put(d, root, "data", json_incref(reply->data));
	value_put(d, root, "text",
		  reply->text.len ? value_text(d, reply->text.data, reply->text.len, SIZE_MAX)
				  : json_null());
	value_put(d, root, "success", verdict(d, reply));
	if (reply->denials)
		value_put(d, root, "denials", json_incref(reply->denials));
	if (reply->error)
		value_put(d, root, "error", json_string(reply->error));
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (!text || d->failed) {
		free(text);
		return d->failed ? d->failed : -ENOMEM;
	}
	n = strlen(text);
	if (n > DIGEST_REPLY_BYTES_MAX) {
		free(text);
		return -E2BIG;
	}
	*ret = text;
	*ret_len = n;
	return 0;
}

int digest_finish(struct digest *d, char **ret, size_t *ret_len)
{
	struct reply reply = {.text = {.cap = 2 * DIGEST_TEXT_BYTES_MAX}};
	int r = call_end(d);

	if (r < 0)
		return r;
	flush_readers(d);
	reply.data = json_object();
	if (!reply.data)
		return -ENOMEM;
	d->parser->finish(d, &reply);
	if (!d->parser->bytes)
		value_put_count(d, reply.data, "lines_skipped", d->lines_skipped);
	r = encode(d, &reply, ret, ret_len);
	json_decref(reply.data);
	json_decref(reply.denials);
	buf_fini(&reply.text);
	return r;
}
