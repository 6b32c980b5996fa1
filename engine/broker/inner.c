/*
 * Theory of operation: an inner call is a call like others, accepted, gated and launched in its turn,
 * but for its end: c->finish gets the result instead of the driver.
 *
 *	diff	`changes diff` of the operator's catalog, for resources/read. The driver may cancel it.
 *	purge	`toolcell-changes purge`, when rollback or drop has left layers behind and nothing else is
 *		going on. It can be done again at any time, so a call that would have to wait for it
 *		ends it (calls_pump), and it is wanted again.
 */
#include "broker/inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/state.h"

#define DIFF_TOOL "changes"
#define DIFF_WORD "diff"
#define PURGE_TOOL "changes_commit" /* it runs where layers can be changed */
#define PURGE_WORD "purge"
#define MIME_DIFF "text/x-diff"

bool inner_has_diff(const struct broker *b)
{
	return b->config->session_id && b->config->ready->session != FRAME_WORKSPACE_NONE &&
	       manifest_find_operator_tool(b->catalog, DIFF_TOOL);
}

/* {ARGUMENT: "diff"}, by the property that offers the word; an empty object when none does. */
static json_t *diff_arguments(const struct broker *b)
{
	json_t *tool = manifest_find_operator_tool(b->catalog, DIFF_TOOL);
	json_t *properties = json_object_get(json_object_get(tool, "inputSchema"), "properties");
	json_t *property;
	const char *name;

	json_object_foreach(properties, name, property) {
		json_t *words = json_object_get(property, "enum"), *one;
		size_t i;

		json_array_foreach(words, i, one)
			if (json_is_string(one) && strcmp(json_string_value(one), DIFF_WORD) == 0)
				return json_pack("{s:s}", name, DIFF_WORD);
	}
	return json_object();
}

/*
 * The diff and nothing else, piece by piece from `data`; where it was cut, the text, which says so.
 * Return: 0, or -ENOMEM.
 */
static int append_diff(struct buf *out, json_t *result, const char *text)
{
	json_t *data = json_object_get(result, "data");
	json_t *files = json_object_get(data, "files"), *file;
	size_t i;
	int r = 0;

	if (!json_is_array(files) || !json_is_false(json_object_get(data, "truncated")))
		return buf_puts(out, text);
	json_array_foreach(files, i, file) {
		json_t *piece = json_object_get(file, "diff");

		if (r == 0 && json_is_string(piece))
			r = buf_append(out, json_string_value(piece), json_string_length(piece));
	}
	return r;
}

static void diff_finish(struct call *c, json_t *result, const char *text)
{
	const char *status = json_string_value(json_object_get(result, "status"));
	struct buf diff = {0};

	if (!status || strcmp(status, "ok") != 0)
		rpc_resource_fail(c->rpc, text);
	else if (append_diff(&diff, result, text) < 0)
		rpc_resource_fail(c->rpc, "no memory for the diff");
	else
		rpc_resource_finish(c->rpc, diff.data ? diff.data : "", diff.len, MIME_DIFF);
	buf_fini(&diff);
}

void inner_diff(struct broker *b, struct rpc_call *rpc, const char *session)
{
	json_t *arguments = diff_arguments(b);
	int r = -ENOMEM;

	if (arguments)
		r = broker_call_accept(b, &(struct call_request){.rpc = rpc,
								 .name = rpc_call_id(rpc),
								 .tool = DIFF_TOOL,
								 .arguments = arguments,
								 .session = session,
								 .person = true,
								 .finish = diff_finish});
	json_decref(arguments);
	if (r < 0) {
		rpc_resource_fail(rpc, "no memory for the resource");
		broker_lose(b, ENOMEM, "no memory for another call");
	}
}

static void purge_finish(struct call *c, json_t *result, const char *text)
{
	(void)result;
	(void)text;
	/* One that has failed will be tried again behind the next rollback: not now, and again, and again. */
	c->broker->purge = NULL;
}

bool inner_purge(struct broker *b)
{
	if (!b->purge_wanted || b->first || b->failed != 0 || b->input_ended)
		return false;
	b->purge_wanted = false;
	if (!manifest_find_operator_tool(b->catalog, PURGE_TOOL))
		return false;
	if (broker_call_accept(b, &(struct call_request){.name = "purge",
							 .tool = PURGE_TOOL,
							 .verb = PURGE_WORD,
							 .person = true,
							 .branch = 1,
							 .finish = purge_finish}) < 0)
		return false;
	b->purge = b->last;
	return true;
}
