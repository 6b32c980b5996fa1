/*
 * What the MCP conformance suite expects of a server under test: its tools, prompts and resources.
 * They touch no cell and reach nothing; they exist only in a session with rpc_config.fixtures.
 */
#ifndef TOOLCELL_RPC_FIXTURES_H
#define TOOLCELL_RPC_FIXTURES_H

#include "rpc/mcp.h"

struct fixtures {
	char nonce[33]; /* makes request states of this process unlike any other's */
};

struct fixtures *fixtures_new(void);
void fixtures_free(struct fixtures *fixtures);

/** fixtures_method - prompts, completion, resource subscriptions; NULL for others */
const struct mcp_method *fixtures_method(const char *name);
/** fixtures_capabilities - add what those methods need to @all.  Return: 0 or -1. */
MUST_USE int fixtures_capabilities(json_t *all);

/* Each takes a list (stolen; NULL: no memory) and returns it with the fixtures behind it. */
json_t *fixtures_tools(json_t *list);
json_t *fixtures_resources(json_t *list);
json_t *fixtures_templates(void);

/** fixtures_read - 0, -ENOENT for what is not a fixture, -ENOMEM */
MUST_USE int fixtures_read(const char *uri, json_t **ret);

/** fixtures_call - answer a tool call, now or later.  Return: false for what is no fixture. */
bool fixtures_call(struct mcp_request *req, const char *name, json_t *arguments);

/** fixtures_response - the driver's answer to a request of a fixture */
void fixtures_response(struct rpc *rpc, const json_t *line);

/* fixtures_mrtr.c: multi round-trip requests of the modern era */
/** fixtures_mrtr - run the exchange named @name, a tool or a prompt.  Return: false for others. */
bool fixtures_mrtr(struct mcp_request *req, const char *name, bool prompt);
/** fixtures_mrtr_name - name of the nth exchange of that kind; NULL beyond the last */
const char *fixtures_mrtr_name(size_t n, bool prompt);
/** fixtures_require - whether the request's client declared it; answers -32021 if not */
bool fixtures_require(struct mcp_request *req, const char *capability);

/* fixtures_lists.c */
void fixtures_prompts_list(struct mcp_request *req);
void fixtures_prompts_get(struct mcp_request *req);

/** fixtures_json - a literal of ours; NULL without memory */
json_t *fixtures_json(const char *text);
/** fixtures_content - {"content": [{"type": "text", "text": @text}]} */
json_t *fixtures_content(const char *text);

#define FIXTURE_PNG                                                                        \
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAA" \
	"AABJRU5ErkJggg=="
#define FIXTURE_WAV "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="

#endif
