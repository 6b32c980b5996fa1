/*
 * A driver and a broker in one, for tests of rpc: what is fed goes through rpc_feed, calls are kept
 * until the test answers them (or answered at once), and every line sent is gathered.
 */
#ifndef TOOLCELL_TESTS_RPC_DRIVER_H
#define TOOLCELL_TESTS_RPC_DRIVER_H

#include <stdbool.h>

#include "base/buf.h"
#include "rpc/rpc.h"

#define DRIVER_CALLS_MAX 1100 /* beyond what rpc lets through */
/* What tools/list adds to each tool. */
#define RESULT_CHARS "\"_meta\":{\"anthropic/maxResultSizeChars\":250000}"

struct driver {
	struct rpc *rpc;
	struct buf out; /* lines sent since driver_take */
	char *taken;
	json_t *tools;
	bool hold;				  /* keep calls; else each is answered at once */
	struct rpc_call *calls[DRIVER_CALLS_MAX]; /* kept, oldest first */
	size_t n_calls;
	size_t n_started;
	size_t n_cancelled;
	char reason[64];    /* of the last cancel */
	char answered[160]; /* what the last answer to a question was: "accept {...}" */
	size_t n_answered;
	char session[80];   /* that the last call named; "" for none */
	const char *status; /* of the answers given at once */
};

void driver_init(struct driver *driver, bool fixtures);
void driver_fini(struct driver *driver);

/** driver_feed - text as it is, no newline added */
void driver_feed(struct driver *driver, const char *text);

/** driver_take - what was sent since the last time; lives until the next one */
const char *driver_take(struct driver *driver);

/** driver_ask - a line and its newline; returns what was sent */
const char *driver_ask(struct driver *driver, const char *line);

/** driver_answer - answer the oldest call that is kept */
void driver_answer(struct driver *driver, const char *status, const char *text);

/** driver_show - "decline", "accept {...}": an answer for comparing */
void driver_show(const struct rpc_answer *given, char *dst, size_t cap);

/** driver_initialize - a legacy session, its answer thrown away */
void driver_initialize(struct driver *driver, const char *version);

struct driver_row {
	const char *in;	 /* a line */
	const char *out; /* exactly what is sent for it */
};

/** driver_check - each row in turn, within one session */
void driver_check(struct driver *driver, const struct driver_row *rows, size_t n);

/* params._meta of the modern era, without the braces */
#define MODERN                                                        \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
	"\"io.modelcontextprotocol/clientCapabilities\":{}"
#define SERVER_META \
	"\"io.modelcontextprotocol/serverInfo\":{\"name\":\"toolcell\",\"version\":\"1\"}"

#endif
