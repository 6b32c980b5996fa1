/*
 * Shared by the files of this module only.
 *
 *	lines -> rpc.c (which dialect?) -> native.c | model.c | mcp.c -> call_start -> broker
 *	broker -> rpc_call_finish -> call->dialect->answer -> rpc_send -> driver
 */
#ifndef TOOLCELL_RPC_INTERNAL_H
#define TOOLCELL_RPC_INTERNAL_H

#include "rpc/lines.h"
#include "rpc/parse.h"
#include "rpc/rpc.h"

#define RPC_CALLS_MAX ((size_t)1024)		 /* calls and subscriptions at once */
#define RPC_ANSWER_BYTES_MAX ((size_t)256 << 20) /* one line to the driver */
#define RPC_SESSION_BYTES_MAX ((size_t)64) /* a session's name; the broker knows which there are */

/* What is wrong with a line. A row of rpc_faults each. */
enum fault {
	FAULT_PARSE,
	FAULT_TOO_LONG,
	FAULT_REQUEST,
	FAULT_METHOD,
	FAULT_PARAMS,
	FAULT_DUPLICATE,
	FAULT_BUSY,
	FAULT_UNKNOWN_CALL,
	FAULT_NOT_FOUND,
	FAULT_INTERNAL,
	FAULT_N,
};

struct fault_row {
	int code;	  /* JSON-RPC */
	const char *word; /* native */
};

extern const struct fault_row rpc_faults[FAULT_N];

/* How one kind of driver is answered. Every function returns a new value, NULL without memory. */
struct dialect {
	json_t *(*answer)(const struct rpc_call *call, json_t *result, const char *text);
	json_t *(*progress)(const struct rpc_call *call, const char *message); /* NULL: has none */
	/* @id: NULL when it is not known */
	json_t *(*error)(json_t *id, enum fault fault, const char *text);
	/* @content: of answer_content, stolen; NULL: has no resources */
	json_t *(*resource)(const struct rpc_call *call, json_t *content);
};

extern const struct dialect dialect_mcp;
extern const struct dialect dialect_native;
extern const struct dialect dialect_anthropic;
extern const struct dialect dialect_openai_chat;
extern const struct dialect dialect_openai_responses;

struct mcp_batch;
struct fixture_ask;

enum call_kind {
	CALL_TOOL,     /* the broker's, until rpc_call_finish */
	CALL_RESOURCE, /* ... until rpc_resource_finish or rpc_resource_fail */
	CALL_LISTEN,   /* MCP subscriptions/listen: open until cancelled or the end */
	CALL_FIXTURE,  /* waits for the driver's answer to a request of ours */
};

struct rpc_call {
	struct rpc *rpc;
	struct rpc_call *next;
	struct rpc_call *prev;
	const struct dialect *dialect;
	enum call_kind kind;
	json_t *id;    /* as the driver wrote it */
	char name[32]; /* "c-17" */
	void *data;
	json_t *session; /* a string; NULL: none is named */
	json_t *uri;	 /* CALL_RESOURCE; NULL otherwise */
	bool cancelled;
	bool whole; /* model dialects: the driver wants the result object too */
	/* MCP */
	bool modern;
	int log_level;		/* a modern request's own; LOG_NONE: no messages */
	json_t *progress_token; /* any dialect: NULL when progress is not wanted */
	uint64_t progress;	/* the last number sent */
	struct mcp_batch *batch;
	bool elicits;	   /* the client of a modern request can ask a person */
	char ask_id[40];   /* of the question that is open; "": none */
	json_t *state;	   /* of a call that has come again: as sent; NULL: has not */
	json_t *responses; /* ... and the answers; NULL: none */
	/* CALL_FIXTURE */
	uint64_t ask;
	const struct fixture_ask *ask_row;
};

struct rpc {
	struct rpc_config config;
	const struct rpc_ops *ops;
	void *ctx;
	struct lines lines;
	struct rpc_call *calls;
	size_t n_calls;
	uint64_t last_call;
	const struct dialect
		*dialect; /* of the last line understood: how an unreadable one is answered */
	bool out_of_memory;
	/* MCP, legacy era */
	const struct mcp_version *version; /* NULL before initialize */
	bool elicits;			   /* the client can ask a person */
	int log_level;
	json_t *client;		   /* what it says of itself: {"name", "version"}; NULL: nothing */
	struct fixtures *fixtures; /* NULL unless config.fixtures */
};

/* rpc.c: what comes in */

/**
 * call_open - a call of the driver's, registered but not started
 * @ret: the call, when 0 is returned
 * Return: 0; -EEXIST when @id is in flight, -EBUSY beyond RPC_CALLS_MAX, -ENOMEM.
 */
MUST_USE int call_open(struct rpc *rpc, const struct dialect *dialect, json_t *id,
		       struct rpc_call **ret);

/** call_open_or_answer - call_open that tells the driver what went wrong.  Return: NULL then. */
struct rpc_call *call_open_or_answer(struct rpc *rpc, const struct dialect *dialect, json_t *id);

/** call_fault - text and fault for a failure of call_open; @r is negative */
enum fault call_fault(int r, const char **ret_text);

/** call_start - hand it to the broker; @call may be gone afterwards */
void call_start(struct rpc_call *call, const char *tool, json_t *arguments);

/** call_is_brokers - answered by the broker, which has to be told of a cancel */
bool call_is_brokers(const struct rpc_call *call);

/** call_session_ok - whether this can be a session's name; NULL is fine: none is named */
bool call_session_ok(const json_t *session);
#define CALL_SESSION_WORDS "a session is named by a string of 1 to 64 bytes"

/** call_read_resource - of a uri for which answer_resource said -EINPROGRESS; takes over @call */
void call_read_resource(struct rpc_call *call, const char *uri);

/** call_find - the driver's call by its own id; MCP calls and others are apart */
struct rpc_call *call_find(const struct rpc *rpc, const struct dialect *dialect, const json_t *id);

/** call_cancel - for the driver; @call may be gone afterwards */
void call_cancel(struct rpc_call *call, const char *reason);
void call_free(struct rpc_call *call);

/* answer.c: what goes out */

/**
 * rpc_send - one line; @message is stolen, NULL stands for "no memory"
 * Return: 0; -E2BIG beyond RPC_ANSWER_BYTES_MAX (nothing was sent); -ENOMEM, remembered in @rpc.
 */
int rpc_send(struct rpc *rpc, json_t *message);
void rpc_fail(struct rpc *rpc, const struct dialect *dialect, json_t *id, enum fault fault,
	      const char *fmt, ...) PRINTF(5, 6);
/* Text as a JSON string; malformed UTF-8 is mended, never fatal. */
json_t *answer_text(const char *text);
/* Whether the tool did not run to an end of its own: refused, stopped, error. */
bool answer_is_error(const json_t *result);
/* {uri, mimeType, text or blob}; NULL without memory. */
json_t *answer_content(const char *uri, const char *mime, const char *data, size_t len);
/* The content of ops->resource_read. 0, -ENOENT, -EINPROGRESS (see call_read_resource) or -errno. */
MUST_USE int answer_resource(struct rpc *rpc, const char *uri, json_t **ret, struct err *err);

/* native.c, model.c, mcp.c: handlers of lines whose shape rpc.c has recognised */
void native_call(struct rpc *rpc, json_t *line);
void native_control(struct rpc *rpc, json_t *line);
void model_tool_use(struct rpc *rpc, json_t *line);
void model_message(struct rpc *rpc, json_t *line);
void model_tool_calls(struct rpc *rpc, json_t *line);
void model_function_call(struct rpc *rpc, json_t *line);
void mcp_line(struct rpc *rpc, json_t *line);
void mcp_array(struct rpc *rpc, json_t *line);

#endif
