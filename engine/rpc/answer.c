/*
 * Theory of operation: an answer is built as a JSON value and dumped once, straight into the buffer
 * that the broker queues from. Values of the broker's (a result may be megabytes) are referenced,
 * not copied.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "rpc/base64.h"
#include "rpc/internal.h"

const struct fault_row rpc_faults[FAULT_N] = {
	[FAULT_PARSE] = {-32700, "parse_error"},
	[FAULT_TOO_LONG] = {-32700, "line_too_long"},
	[FAULT_REQUEST] = {-32600, "invalid_request"},
	[FAULT_METHOD] = {-32601, "unknown_type"},
	[FAULT_PARAMS] = {-32602, "invalid_arguments"},
	[FAULT_DUPLICATE] = {-32600, "duplicate_id"},
	[FAULT_BUSY] = {-32603, "busy"},
	[FAULT_UNKNOWN_CALL] = {-32602, "unknown_call"},
	[FAULT_NOT_FOUND] = {-32602, "not_found"},
	[FAULT_INTERNAL] = {-32603, "internal_error"},
};

struct dump {
	struct buf buf;
	int error;
};

static int dump_append(const char *data, size_t len, void *ctx)
{
	struct dump *dump = ctx;

	dump->error = buf_append(&dump->buf, data, len);
	return dump->error < 0 ? -1 : 0;
}

int rpc_send(struct rpc *rpc, json_t *message)
{
	struct dump dump = {.buf = {.cap = RPC_ANSWER_BYTES_MAX}};
	int r = -ENOMEM;

	if (message && json_dump_callback(message, dump_append, &dump, RPC_DUMP_FLAGS) == 0)
		r = buf_append(&dump.buf, "\n", 1);
	else if (dump.error < 0)
		r = dump.error;
	if (r == 0)
		rpc->ops->send(rpc->ctx, dump.buf.data, dump.buf.len);
	else if (r == -ENOMEM)
		rpc->out_of_memory = true;
	buf_fini(&dump.buf);
	json_decref(message);
	return r;
}

void rpc_fail(struct rpc *rpc, const struct dialect *dialect, json_t *id, enum fault fault,
	      const char *fmt, ...)
{
	char text[ERR_TEXT_MAX + 128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut is good enough */
	va_end(ap);
	(void)rpc_send(rpc, dialect->error(id, fault, text));
}

json_t *answer_text(const char *text)
{
	struct buf safe = {.cap = RPC_ANSWER_BYTES_MAX};
	json_t *value;

	if (!text)
		text = "";
	value = json_string(text);
	if (value)
		return value;
	if (text_append_safe(&safe, text, strlen(text)) == 0)
		value = json_stringn(safe.data ? safe.data : "", safe.len);
	buf_fini(&safe);
	return value;
}

bool answer_is_error(const json_t *result)
{
	static const char *const statuses[] = {"refused", "stopped", "error"};
	const char *status = json_string_value(json_object_get(result, "status"));

	for (size_t i = 0; status && i < ARRAY_SIZE(statuses); i++)
		if (strcmp(status, statuses[i]) == 0)
			return true;
	return !status; /* a result that does not say is no success */
}

static bool is_text(const char *mime, const char *data, size_t len)
{
	bool named = !mime || strncmp(mime, "text/", 5) == 0 ||
		     strcmp(mime, "application/json") == 0;

	return named && text_is_utf8(data, len);
}

json_t *answer_content(const char *uri, const char *mime, const char *data, size_t len)
{
	json_t *value = NULL;
	char *blob;

	if (is_text(mime, data ? data : "", len))
		return json_pack("{s:s, s:s*, s:o}", "uri", uri, "mimeType", mime, "text",
				 json_stringn(data ? data : "", len));
	blob = base64_encode(data, len);
	if (blob)
		value = json_pack("{s:s, s:s, s:s}", "uri", uri, "mimeType",
				  mime ? mime : "application/octet-stream", "blob", blob);
	free(blob);
	return value;
}

int answer_resource(struct rpc *rpc, const char *uri, json_t **ret, struct err *err)
{
	const char *mime = NULL;
	char *data = NULL;
	size_t len = 0;
	json_t *value;
	int r = rpc->ops->resource_read(rpc->ctx, uri, &data, &len, &mime, err);

	if (r < 0)
		return r;
	value = answer_content(uri, mime, data, len);
	free(data);
	if (!value)
		return err_set(err, ENOMEM, "cannot hold %zu bytes", len);
	*ret = value;
	return 0;
}
