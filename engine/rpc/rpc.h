/*
 * One driver on stdin/stdout. rpc frames lines, detects each line's dialect (MCP over JSON-RPC 2.0
 * in both eras; plain {"id","tool","arguments"}; Anthropic tool_use; OpenAI tool_calls,
 * function_call) and answers in kind. It knows nothing of cells: it turns lines into calls on
 * struct rpc_ops and results into lines. Single-threaded; every function runs on the broker's
 * event loop.
 *
 * States of a call:  accepted --rpc_call_finish--> answered (freed)
 *			 |--cancel from the driver: ops->cancel; the broker still calls
 *			    rpc_call_finish once; rpc sends what the dialect wants (MCP: nothing)
 */
#ifndef TOOLCELL_RPC_RPC_H
#define TOOLCELL_RPC_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A longer line is skipped and answered with an error. */
#define RPC_LINE_BYTES_MAX ((size_t)64 << 20)
#define RPC_DEPTH_MAX 128 /* nesting of JSON values */

/* jansson's own 17 digits show 3.985 as 3.9849999999999999; 15 give back every decimal of 15. */
#define RPC_DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

struct rpc;
struct rpc_call;

/* How a driver can put a question to the person who uses it. */
enum rpc_ask {
	RPC_ASK_NOT, /* not at all: no MCP, or a client that has not declared elicitation */
	RPC_ASK_NOW, /* by a request of ours while the call waits; ops->answered gets the answer */
	RPC_ASK_AGAIN, /* the call is answered by the question, and comes again with the answer */
};

/* What became of a question. */
enum rpc_action {
	RPC_ACCEPTED, /* the form was sent; its content still has to be read */
	RPC_DECLINED,
	RPC_DISMISSED,	/* closed without a choice; MCP calls it "cancel" */
	RPC_MALFORMED,	/* no answer that the protocol knows */
	RPC_UNANSWERED, /* a call that has come again without one */
};

struct rpc_answer {
	enum rpc_action action;
	json_t *content;   /* the form's fields: an object or NULL; borrowed */
	const char *wrong; /* RPC_MALFORMED: what was wrong with it; a literal */
};

struct rpc_ops {
	/**
	 * call - a tool call whose envelope is well-formed
	 * @call:      answered by exactly one rpc_call_finish, now or later
	 * @tool:      as the driver spelt it; unknown names are the broker's to refuse
	 * @arguments: object; borrowed for the duration of this function
	 */
	void (*call)(void *ctx, struct rpc_call *call, const char *tool, json_t *arguments);
	/** cancel - the driver no longer wants it; called at most once per call */
	void (*cancel)(void *ctx, struct rpc_call *call, const char *reason);
	/** tools - array of catalog tools (name, title, description, inputSchema, outputSchema,
	 * annotations); borrowed, never changes */
	json_t *(*tools)(void *ctx);
	/** tool_known - whether @name (or an alias) is granted; MCP answers -32602 otherwise */
	bool (*tool_known)(void *ctx, const char *name);
	/** resources - what a driver may read (full outputs that were cut, ...): new array of
	 * {uri, name, mimeType, size, description}; caller decrefs */
	json_t *(*resources)(void *ctx);
	/**
	 * resource_read - bytes of one resource
	 * @ret: malloc'ed; caller frees.  Return: 0, -ENOENT, -errno; -EINPROGRESS: it has to be
	 * made first, resource_start will be called for it.
	 */
	int (*resource_read)(void *ctx, const char *uri, char **ret, size_t *ret_len,
			     const char **ret_mime, struct err *err);
	/** status - new object for the native dialect's {"type":"ping"}: calls running, queued */
	json_t *(*status)(void *ctx);
	/** send - one line for the driver, newline included; the broker queues it */
	void (*send)(void *ctx, const char *line, size_t len);
	/**
	 * resource_start - make a resource for which resource_read said -EINPROGRESS; may be NULL when
	 *		    it never does
	 * @call: answered by exactly one rpc_resource_finish or rpc_resource_fail, now or later;
	 *	  cancelled like a call
	 */
	void (*resource_start)(void *ctx, struct rpc_call *call, const char *uri);
	/**
	 * answered - to the question that rpc_call_ask put for @call; once for each; may be NULL when
	 *	      rpc_call_ask is never called
	 */
	void (*answered)(void *ctx, struct rpc_call *call, const struct rpc_answer *answer);
};

struct rpc_config {
	const char *instructions; /* for the model: what these tools are; borrowed, may be NULL */
	const char *server_name;  /* "toolcell" */
	const char *version;
	bool fixtures; /* conformance fixtures: extra tools, prompts and resources, no cells */
};

struct rpc *rpc_new(const struct rpc_config *config, const struct rpc_ops *ops, void *ctx);
void rpc_free(struct rpc *rpc);

/**
 * rpc_feed - bytes from the driver
 * May call any of the ops before it returns.  Return: 0, or -ENOMEM after which the session ends.
 */
MUST_USE int rpc_feed(struct rpc *rpc, const char *data, size_t len);

/** rpc_end - stdin has ended: an unterminated last line is handled as a line */
MUST_USE int rpc_end(struct rpc *rpc);

/**
 * rpc_wants_results_after_eof - whether a driver that has closed its end still reads answers
 * A script that pipes its lines in does; an MCP host that closes stdin wants the server to end.
 */
bool rpc_wants_results_after_eof(const struct rpc *rpc);

/** rpc_call_id - printable id of a call, unique among running calls, for results and logs */
const char *rpc_call_id(const struct rpc_call *call);

/** rpc_call_set_data / rpc_call_data - the broker's own pointer */
void rpc_call_set_data(struct rpc_call *call, void *data);
void *rpc_call_data(const struct rpc_call *call);

/**
 * rpc_call_session - the session, or branch of one, that the driver names for the call
 * MCP: params._meta["toolcell/session"]; the other dialects: "session" beside the call.  NULL: none.
 */
const char *rpc_call_session(const struct rpc_call *call);

/** rpc_call_wants_progress - the driver asked (progressToken, "progress": true), no cancel yet */
bool rpc_call_wants_progress(const struct rpc_call *call);

/**
 * rpc_call_progress - tell the driver that a call lives
 * @message: text made safe already (UTF-8, no control characters), or NULL
 * Progress numbers are counted by rpc and strictly increase. Dropped silently where not wanted.
 */
void rpc_call_progress(struct rpc_call *call, const char *message);

/** rpc_call_ask_how - whether a person can be asked about @call, and by which way */
enum rpc_ask rpc_call_ask_how(const struct rpc_call *call);

/**
 * rpc_call_ask - put a question to the person, in the way that rpc_call_ask_how says
 * @message: what is asked; text made safe already
 * @schema:  of the form, a flat object; stolen
 * @state:   RPC_ASK_AGAIN: comes back with the answer; nobody else may be able to guess it
 *
 * RPC_ASK_NOW: @call waits, with at most one question open; RPC_ASK_AGAIN: @call is gone afterwards.
 * Return: 0, or -ENOMEM with @call as it was.
 */
MUST_USE int rpc_call_ask(struct rpc_call *call, const char *message, json_t *schema,
			  const char *state);

/** rpc_call_ask_end - take the question back, if one is open: the answer is wanted no more */
void rpc_call_ask_end(struct rpc_call *call);

/**
 * rpc_call_state - of a call that has come again: the state that its question had
 * @ret: the answer
 * Return: NULL for a call that answers nothing; "" when what it says is no state.
 */
const char *rpc_call_state(const struct rpc_call *call, struct rpc_answer *ret);

/**
 * rpc_call_finish - answer, in the call's dialect; @call is gone afterwards
 * @result: a toolcell.result/1 object; borrowed
 * @text:   the same for a reader who sees nothing else; borrowed
 *
 * MCP: content = [text], structuredContent = result, isError for the statuses refused, error and
 * stopped. Native: {"id", "result": result, "text"}. Anthropic: tool_result. OpenAI: role tool, or
 * function_call_output; these three carry the text alone, because the models' APIs refuse members
 * that they do not know, and the result too, as "toolcell", when the driver's line had
 * "toolcell": true.
 */
void rpc_call_finish(struct rpc_call *call, json_t *result, const char *text);

/**
 * rpc_resource_finish - the bytes that a resource_start was for; @call is gone afterwards
 * @data: borrowed
 */
void rpc_resource_finish(struct rpc_call *call, const char *data, size_t len, const char *mime);

/** rpc_resource_fail - there are none, and why; @call is gone afterwards */
void rpc_resource_fail(struct rpc_call *call, const char *text);

/** rpc_client - the name and version that the driver gives itself; borrowed, NULL: none (MCP only) */
json_t *rpc_client(const struct rpc *rpc);

/**
 * rpc_log - a log message for the driver, as its era and level allow
 * @level: an RFC 5424 name: "debug", "info", "notice", "warning", "error"
 * @data:  borrowed
 *
 * MCP only: to a legacy session at its level, or while a modern request that asked for it runs.
 */
void rpc_log(struct rpc *rpc, const char *level, json_t *data);

#endif
