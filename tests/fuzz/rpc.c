/*
 * Theory of operation: a session from hostile bytes. The first byte chooses how: bit 0 the
 * fixtures, bit 1 whether calls are answered at once, bits 2-7 the size of the pieces that are
 * fed. Whatever comes in, every line out must be one JSON value, and every call must be answered
 * once.
 */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "rpc/rpc.h"

#define CALLS_MAX 64

struct session {
	struct rpc_call *calls[CALLS_MAX];
	size_t n_calls;
	bool at_once;
	json_t *tools;
};

static void answer(struct rpc_call *call)
{
	json_t *result = json_pack("{s:s, s:s}", "call", rpc_call_id(call), "status", "ok");

	rpc_call_progress(call, "on its way");
	rpc_call_finish(call, result, "text \xff");
	json_decref(result);
}

/* Return: whether the call is gone with its question. */
static bool ask(struct rpc_call *call)
{
	enum rpc_ask how = rpc_call_ask_how(call);

	return how != RPC_ASK_NOT &&
	       rpc_call_ask(call, "Q?", json_pack("{s:s}", "type", "object"), "state") == 0 &&
	       how == RPC_ASK_AGAIN;
}

/* Of ids that nobody can guess. */
static void on_answered(void *ctx, struct rpc_call *call, const struct rpc_answer *answer)
{
	(void)ctx;
	(void)call;
	(void)answer;
	abort();
}

static void on_call(void *ctx, struct rpc_call *call, const char *tool, json_t *arguments)
{
	struct session *session = ctx;
	struct rpc_answer given;

	if (!json_is_object(arguments) || !tool)
		abort();
	if (rpc_call_state(call, &given) && given.action == RPC_ACCEPTED &&
	    !json_is_object(given.content))
		abort();
	if (tool[0] == 'q' && ask(call))
		return;
	if (session->at_once || session->n_calls == CALLS_MAX)
		answer(call);
	else
		session->calls[session->n_calls++] = call;
}

/* As the broker may: every second cancelled call is finished within the cancel. */
static void on_cancel(void *ctx, struct rpc_call *call, const char *reason)
{
	struct session *session = ctx;

	(void)reason;
	for (size_t i = 0; i < session->n_calls; i++) {
		if (session->calls[i] != call)
			continue;
		if (i % 2 == 0) {
			session->calls[i] = session->calls[--session->n_calls];
			answer(call);
		}
		return;
	}
	abort(); /* a call that is not running */
}

static json_t *on_tools(void *ctx)
{
	return ((struct session *)ctx)->tools;
}

static bool on_known(void *ctx, const char *name)
{
	(void)ctx;
	return name[0] != 'x';
}

static json_t *on_resources(void *ctx)
{
	(void)ctx;
	return json_array();
}

static int on_read(void *ctx, const char *uri, char **ret, size_t *ret_len, const char **ret_mime,
		   struct err *err)
{
	(void)ctx;
	if (uri[0] == 'n')
		return err_set(err, EIO, "cannot read");
	if (uri[0] == 'x')
		return -ENOENT;
	*ret = strdup(uri);
	*ret_len = strlen(uri);
	*ret_mime = "text/plain";
	return *ret ? 0 : -ENOMEM;
}

static json_t *on_status(void *ctx)
{
	(void)ctx;
	return json_object();
}

static void on_send(void *ctx, const char *line, size_t len)
{
	json_t *value = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	(void)ctx;
	if (!value || line[len - 1] != '\n' || memchr(line, '\n', len - 1))
		abort();
	json_decref(value);
}

static const struct rpc_ops ops = {on_call, on_cancel, on_tools, on_known, on_resources,
				   on_read, on_status, on_send,	 NULL,	   on_answered};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int mode = size > 0 ? data[0] : 0;
	const struct rpc_config config = {"instructions", "toolcell", "1", mode & 1};
	struct session session = {.at_once = mode & 2};
	size_t step = 1 + ((mode >> 2) << 4);
	struct rpc *rpc;

	session.tools = json_pack("[{s:s, s:{}}]", "name", "tool", "inputSchema");
	rpc = rpc_new(&config, &ops, &session);
	for (size_t at = 1; rpc && at < size; at += step)
		if (rpc_feed(rpc, (const char *)data + at, MIN(step, size - at)) < 0)
			break;
	if (rpc && rpc_end(rpc) != 0)
		abort();
	while (session.n_calls > 0)
		answer(session.calls[--session.n_calls]);
	rpc_free(rpc);
	json_decref(session.tools);
	return 0;
}
