/*
 * Theory of operation: tools and resources. A cursor is the index of the next item with the list's
 * name before it ("tools.50"): nothing is kept between pages, a cursor of another list is refused,
 * and the order is the catalog's, which never changes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "manifest/manifest.h"
#include "rpc/fixtures.h"
#include "rpc/mcp.h"

#define QUOTED 96

/* Index of the first item of the page wanted, or -EINVAL. */
static int parse_cursor(const struct mcp_request *req, const char *key, size_t n, size_t *ret)
{
	json_t *cursor = json_object_get(req->params, "cursor");
	const char *text = parse_string(cursor);
	size_t len = strlen(key);
	uint64_t start = 0;

	if (cursor) {
		if (!text || strncmp(text, key, len) != 0 || text[len] != '.' ||
		    num_parse_u64(text + len + 1, n, &start) < 0 || start == 0 ||
		    start % MCP_PAGE != 0 || start >= n)
			return -EINVAL;
	}
	*ret = (size_t)start;
	return 0;
}

static json_t *slice(json_t *items, size_t start, size_t end)
{
	json_t *page = json_array();

	for (size_t i = start; i < end; i++) {
		if (json_array_append(page, json_array_get(items, i)) < 0) {
			json_decref(page);
			return NULL;
		}
	}
	return page;
}

void mcp_page(struct mcp_request *req, const char *key, json_t *items)
{
	size_t n = json_array_size(items);
	json_t *result;
	char next[64];
	size_t start;
	size_t end;

	if (parse_cursor(req, key, n, &start) < 0) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL,
			  "params.cursor is not one that this list gave out");
		json_decref(items);
		return;
	}
	end = MIN(n, start + MCP_PAGE);
	(void)snprintf(next, sizeof(next), "%s.%zu", key, end);
	result = json_pack("{s:o, s:s*}", key, items ? slice(items, start, end) : NULL,
			   "nextCursor", end < n ? next : NULL);
	if (result && req->modern &&
	    (json_object_set_new(result, "ttlMs", json_integer(0)) < 0 ||
	     json_object_set_new(result, "cacheScope", json_string("private")) < 0)) {
		json_decref(result);
		result = NULL;
	}
	json_decref(items);
	mcp_reply(req, result);
}

void mcp_tools_list(struct mcp_request *req)
{
	json_t *tools = manifest_tools_format(req->rpc->ops->tools(req->rpc->ctx), "mcp");

	if (req->rpc->fixtures)
		tools = fixtures_tools(tools);
	mcp_page(req, "tools", tools);
}

static bool token_ok(const json_t *token)
{
	return !token || json_is_string(token) || json_is_integer(token);
}

void mcp_tools_call(struct mcp_request *req)
{
	struct rpc *rpc = req->rpc;
	const char *name = mcp_param(req, "name");
	json_t *arguments = json_object_get(req->params, "arguments");
	json_t *token = json_object_get(req->meta, "progressToken");
	json_t *session = json_object_get(req->meta, MCP_META_SESSION);
	char quoted[QUOTED];
	struct rpc_call *call;
	json_t *none = NULL;

	if (!name)
		return;
	if ((arguments && !json_is_object(arguments)) || !token_ok(token)) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL, "%s",
			  token_ok(token) ? "params.arguments must be an object"
					  : "a progressToken must be a string or an integer");
		return;
	}
	if (!call_session_ok(session)) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL, "params._meta[\"%s\"]: %s",
			  MCP_META_SESSION, CALL_SESSION_WORDS);
		return;
	}
	if (rpc->fixtures && fixtures_call(req, name, arguments))
		return;
	if (!rpc->ops->tool_known(rpc->ctx, name)) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL, "Unknown tool: %s",
			  text_quote(quoted, sizeof(quoted), name, strlen(name)));
		return;
	}
	call = mcp_open(req, CALL_TOOL);
	if (!call)
		return;
	call->progress_token = json_incref(token);
	call->session = json_incref(session);
	if (!mcp_elicit_retry(req, call)) {
		call_free(call);
		return;
	}
	if (!arguments)
		arguments = none = json_object();
	call_start(call, name, arguments);
	json_decref(none);
}

void mcp_resources_list(struct mcp_request *req)
{
	json_t *resources = req->rpc->ops->resources(req->rpc->ctx);

	if (req->rpc->fixtures)
		resources = fixtures_resources(resources);
	mcp_page(req, "resources", resources);
}

void mcp_templates_list(struct mcp_request *req)
{
	mcp_page(req, "resourceTemplates",
		 req->rpc->fixtures ? fixtures_templates() : json_array());
}

static void not_found(struct mcp_request *req, const char *uri)
{
	enum mcp_code code = req->modern ? MCP_INVALID_PARAMS : MCP_NOT_FOUND_LEGACY;

	mcp_error(req, code, json_pack("{s:s}", "uri", uri), "Resource not found");
}

json_t *mcp_contents(json_t *content, bool modern)
{
	if (modern)
		return json_pack("{s:[o], s:i, s:s}", "contents", content, "ttlMs", 0, "cacheScope",
				 "private");
	return json_pack("{s:[o]}", "contents", content);
}

static void read_later(struct mcp_request *req, const char *uri)
{
	struct rpc_call *call = mcp_open(req, CALL_RESOURCE);

	if (call)
		call_read_resource(call, uri);
}

void mcp_resources_read(struct mcp_request *req)
{
	struct rpc *rpc = req->rpc;
	const char *uri = mcp_param(req, "uri");
	struct err err = {0};
	json_t *content = NULL;
	int r = -ENOENT;

	if (!uri)
		return;
	if (rpc->fixtures)
		r = fixtures_read(uri, &content);
	if (r == -ENOENT)
		r = answer_resource(rpc, uri, &content, &err);
	if (r == -ENOENT)
		not_found(req, uri);
	else if (r == -EINPROGRESS)
		read_later(req, uri);
	else if (r < 0)
		mcp_error(req, MCP_INTERNAL, NULL, "cannot read the resource: %s", err.text);
	else
		mcp_reply(req, mcp_contents(content, req->modern));
}
