/*
 * The broker's side of the audit log: records of calls and decisions to the process that writes them, and
 * what becomes of calls whose record could not be written.
 */
#ifndef TOOLCELL_BROKER_AUDITOR_H
#define TOOLCELL_BROKER_AUDITOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "audit/mask.h"
#include "audit/wire.h"
#include "base/err.h"
#include "broker/loop.h"

struct broker;
struct call;
struct call_request;

struct auditor {
	struct mask *mask; /* NULL: there is no log */
	struct watch watch;
	bool failed; /* the last record could not be written */
	bool probed; /* an answer to PROBE has come */
	char why[AUDIT_ERROR_BYTES];
};

/* Of a call. */
struct audit_answer {
	json_t *arguments; /* of audit_arguments */
	const char *by;	   /* "driver", "person", "engine" */
	bool sent;
	int64_t deadline_ms; /* for the writer's answer */
	/* What the driver will be told, made before the record that is made from it. */
	json_t *result;
	char *text;
};

MUST_USE int auditor_init(struct broker *b, struct err *err);
void auditor_fini(struct broker *b);
void audit_answer_fini(struct audit_answer *audit);

/** auditor_accept - what is kept of the arguments, while they are there; a call without memory ends */
void auditor_accept(struct call *c, const struct call_request *request);

/** auditor_may_start - false: refused, as the policy says "stop" and nothing can be written */
bool auditor_may_start(struct call *c);

/** auditor_begin - the call runs: should we die, the writer still says that it did */
void auditor_begin(struct call *c);

/**
 * auditor_end - the answer is made: record it
 * Return: whether the writer's answer is to be waited for (CALL_RECORDING).
 */
bool auditor_end(struct call *c);

/** auditor_tick - the writer has not answered in time */
void auditor_tick(struct call *c, int64_t now_ms);

/** auditor_decide - a decision that is no call's answer; not waited for */
void auditor_decide(struct broker *b, const char *decision, const char *by, const struct call *c);

/** auditor_flush - calls that nobody will be answered; not waited for */
void auditor_flush(struct broker *b);

#endif
