/*
 * The Model Context Protocol over JSON lines, inside this module. Two eras live on one connection:
 * a request whose params._meta names a protocol version is answered by the modern revision,
 * without any state; all others belong to the session that `initialize` opened.
 */
#ifndef TOOLCELL_RPC_MCP_H
#define TOOLCELL_RPC_MCP_H

#include "rpc/internal.h"

#define MCP_MODERN_VERSION "2026-07-28"
#define MCP_META "io.modelcontextprotocol/"
#define MCP_META_SESSION "toolcell/session" /* in params._meta of tools/call */
#define MCP_PAGE 50			    /* items of a list in one answer */
#define LOG_NONE (-1)

enum mcp_code {
	MCP_NOT_FOUND_LEGACY = -32002,
	MCP_MISSING_CAPABILITY = -32021,
	MCP_UNSUPPORTED_VERSION = -32022,
	MCP_INVALID_REQUEST = -32600,
	MCP_METHOD_NOT_FOUND = -32601,
	MCP_INVALID_PARAMS = -32602,
	MCP_INTERNAL = -32603,
};

struct mcp_version {
	const char *name;
	bool batches;
	bool elicits; /* has elicitation/create */
	bool modes;   /* ... of several modes, which are named */
};

/* Legacy revisions, newest first. */
extern const struct mcp_version mcp_versions[];
extern const size_t mcp_n_versions;

/* A request or a notification whose envelope is well-formed. Everything is borrowed. */
struct mcp_request {
	struct rpc *rpc;
	json_t *id; /* NULL: a notification */
	const char *method;
	json_t *params; /* object or NULL */
	json_t *meta;	/* params._meta: object or NULL */
	bool modern;
	int log_level; /* modern: what the request asks for, or LOG_NONE */
	struct mcp_batch *batch;
};

enum { ERA_LEGACY = 1 << 0, ERA_MODERN = 1 << 1, ERA_BOTH = ERA_LEGACY | ERA_MODERN };

struct mcp_method {
	const char *name;
	unsigned int eras;
	bool early; /* legacy: allowed before initialize */
	void (*run)(struct mcp_request *req);
};

extern const struct mcp_method mcp_methods[];
extern const size_t mcp_n_methods;

/* mcp.c */
/** mcp_reply - @result is stolen; what the era wants is added */
void mcp_reply(struct mcp_request *req, json_t *result);
/** mcp_error - @data is stolen, NULL for none */
void mcp_error(struct mcp_request *req, enum mcp_code code, json_t *data, const char *fmt, ...)
	PRINTF(4, 5);
void mcp_notify(struct rpc *rpc, const char *method, json_t *params);
/** mcp_open - a call of @req that is answered later; NULL after an error was answered */
struct rpc_call *mcp_open(struct mcp_request *req, enum call_kind kind);
/** mcp_result_of - the envelope of a late answer; @result is stolen */
json_t *mcp_result_of(const struct rpc_call *call, json_t *result);
/** mcp_param - a string of the params; NULL after an error was answered */
const char *mcp_param(struct mcp_request *req, const char *name);

/* mcp_session.c */
/** mcp_log_level - index of an RFC 5424 name, LOG_NONE for anything else */
int mcp_log_level(const char *name);
/** mcp_log - for one request: as its session's or its own level allows */
void mcp_log(struct mcp_request *req, const char *level, json_t *data);
/** mcp_end - subscriptions are told that they end */
void mcp_end(struct rpc *rpc);
void mcp_initialize(struct mcp_request *req);
void mcp_discover(struct mcp_request *req);
/** mcp_note_client - remember what a clientInfo says; anything else is no news */
void mcp_note_client(struct rpc *rpc, json_t *info);
void mcp_ping(struct mcp_request *req);
void mcp_set_level(struct mcp_request *req);
void mcp_listen(struct mcp_request *req);

/* mcp_elicit.c: questions for the person */
/** mcp_elicits - whether @capabilities of a client declare forms; NULL: none */
bool mcp_elicits(const json_t *capabilities);
/** mcp_elicit_response - the driver's answer to a request of ours.  Return: false for no question. */
bool mcp_elicit_response(struct rpc *rpc, const json_t *line);
/** mcp_elicit_retry - what a call that has come again says; false after an error was answered */
bool mcp_elicit_retry(struct mcp_request *req, struct rpc_call *call);

/* mcp_lists.c */
void mcp_tools_list(struct mcp_request *req);
void mcp_tools_call(struct mcp_request *req);
void mcp_resources_list(struct mcp_request *req);
void mcp_templates_list(struct mcp_request *req);
void mcp_resources_read(struct mcp_request *req);
/** mcp_contents - the result of resources/read; @content is stolen */
json_t *mcp_contents(json_t *content, bool modern);
/** mcp_page - answer with one page of @items (stolen; NULL: no memory) under @key */
void mcp_page(struct mcp_request *req, const char *key, json_t *items);

/* mcp_batch.c: answers of a batch leave together, in one array */
struct mcp_batch *mcp_batch_new(struct rpc *rpc);
struct mcp_batch *mcp_batch_hold(struct mcp_batch *batch);
/** mcp_batch_release - the last one sends what was gathered; NULL is fine */
void mcp_batch_release(struct mcp_batch *batch);
/** mcp_batch_add - @answer is stolen.  Return: 0 or -ENOMEM. */
int mcp_batch_add(struct mcp_batch *batch, json_t *answer);

#endif
