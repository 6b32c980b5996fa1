/*
 * What a person has to confirm before a call runs: tools, and paths, that the policy marks with "ask".
 *
 *	accept --needs nothing, or granted for the session--> QUEUED
 *	   `--> HELD --legacy MCP: asked, answered--> QUEUED, or DONE (refused)
 *		 |--modern MCP: DONE, as the call is over; it comes again with the answer
 *		 |--the terminal: asked and answered at once
 *		 `--nobody can be asked--> DONE (refused)
 *
 * Grants are bits: one for each path of the policy, and one for the tool itself.
 */
#ifndef TOOLCELL_BROKER_CONSENT_H
#define TOOLCELL_BROKER_CONSENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "rpc/rpc.h"
#include "wire/image.h"

#define CONSENT_PATHS_MAX 4U			 /* POLICY_ASKS_MAX */
#define CONSENT_TOOL (1U << CONSENT_PATHS_MAX)	 /* the bit of a call's own tool */
#define CONSENT_PATHS (CONSENT_TOOL - 1)	 /* those of paths */
#define CONSENT_HELD_MAX 16U			 /* calls that wait for a person */
#define CONSENT_PENDING_MAX 16U			 /* questions of the modern era that stand */
#define CONSENT_PENDING_BYTES ((size_t)16 << 20) /* ... and what their calls hold */
#define CONSENT_WANTED_MAX 8U			 /* calls that met a path that was not granted */
#define CONSENT_TURN_MS 10000 /* behind a modern question, which may be forgotten */

struct broker;
struct call;
struct call_request;

/* A path that a cell of the image has or has not. Borrowed from the catalog. */
struct consent_path {
	const char *path;
	const char *rule;
	const char *fragment; /* of a policy that grants it without a question */
	bool write;
	bool upgrade; /* it can be read without */
};

/* One call, known again when it comes again. */
struct consent_key {
	char *tool;
	json_t *arguments;
	char *session; /* NULL: none named */
};

struct consent_pending {
	char state[40]; /* "": free */
	struct consent_key key;
	uint32_t bits;
	size_t bytes;
	int64_t deadline_ms;
};

/* Of a session; it ends with the engine. */
struct consents {
	struct consent_path paths[CONSENT_PATHS_MAX];
	uint32_t n_paths;
	uint32_t cells;	     /* of one set of answers */
	uint32_t first_cell; /* of the first set that grants anything */
	int64_t timeout_ms;
	bool session;	  /* "for the session" is an answer */
	uint32_t granted; /* paths, for the session */
	json_t *tools;	  /* names, for the session; NULL: none */
	struct consent_pending pending[CONSENT_PENDING_MAX];
	struct {
		struct consent_key key;
		uint32_t bits;
	} wanted[CONSENT_WANTED_MAX];
	uint32_t next_wanted;
	unsigned int held;
};

/* Of a call. */
struct call_consent {
	uint32_t needs; /* bits, whether granted or not */
	uint32_t once;	/* bits granted to this call alone */
	uint32_t fresh; /* bits that this call's own answer granted */
	uint32_t had;	/* paths of the cell that it ran in */
	uint32_t asked; /* bits of the question that is open; 0: none is */
	struct consent_key key;
	int64_t deadline_ms; /* asked: when "no answer" becomes the answer */
	int64_t turn_ms; /* not asked: when it waits no longer for the question before it; 0: unset */
};

/* Why a call does not run. */
enum consent_refusal {
	CONSENT_NOBODY,
	CONSENT_DECLINED,
	CONSENT_DISMISSED,
	CONSENT_TIMEOUT,
	CONSENT_MALFORMED,
	CONSENT_STALE,
	CONSENT_FULL,
	CONSENT_REFUSAL_N,
};

/* consent.c */
void consents_init(struct broker *b);
void consents_fini(struct broker *b);
/** consent_begin - a call that is QUEUED and could start: hold it when a person has to be asked */
void consent_begin(struct call *c, const struct call_request *request);
/** consent_tick - ask when it is its turn; a question that has stood too long is answered by "no" */
void consent_tick(struct call *c, int64_t now_ms);
/** consent_deadline - when consent_tick has something to do for a held call */
int64_t consent_deadline(const struct call *c);
/** consent_answered - ops->answered */
void consent_answered(struct call *c, const struct rpc_answer *answer);
/** consent_driver_gone - nobody is left who could answer */
void consent_driver_gone(struct broker *b);
/** consent_choose_cell - the cell with what is granted now; false when the image has none */
bool consent_choose_cell(struct call *c);
/** consent_leave - the call waits for nobody any more, whatever comes next */
void consent_leave(struct call *c);
void consent_fini(struct call *c);

/* consent_key.c */
/** consent_key_set - @key is empty before.  Return: 0 or -ENOMEM with it empty. */
int consent_key_set(struct consent_key *key, const char *tool, json_t *arguments,
		    const char *session);
void consent_key_fini(struct consent_key *key);
bool consent_key_equal(const struct consent_key *a, const struct consent_key *b);

/**
 * consent_pending_add - a question that the next call like @c answers
 * @ret: its state, "": a call of this size cannot wait.  Return: 0 or -ENOMEM.
 */
int consent_pending_add(struct call *c, uint32_t bits, const char **ret);
/** consent_pending_take - the bits that the question of @state was about, once; 0: no such question */
uint32_t consent_pending_take(struct call *c, const char *state);
/** consent_pending_asks - a question about one of @bits stands for another call than @c's */
bool consent_pending_asks(const struct call *c, uint32_t bits, int64_t now_ms);
void consent_pending_free(struct consent_pending *pending);

/* consent_need.c */
/** consent_needs - bits that @c's own words ask for */
uint32_t consent_needs(const struct call *c, json_t *arguments);
/** consent_missing - what of them is not granted yet */
uint32_t consent_missing(const struct call *c);
/** consent_path_in - whether @text, words of a command, names @path or something below it */
bool consent_path_in(const char *text, const char *path, const char *cwd, const char *home);

/* consent_text.c */
/** consent_message - what the person is shown.  Return: 0 or -errno of the buffer. */
int consent_message(const struct call *c, json_t *arguments, uint32_t bits, struct buf *out);
/** consent_schema - the form; NULL without memory */
json_t *consent_schema(const struct call *c, uint32_t bits);
/** consent_field - name of the field for one bit */
const char *consent_field(uint32_t bit);
/** consent_title - "Run this call of Bash?" */
int consent_title(const struct call *c, uint32_t bit, struct buf *out);
/** consent_append_shown - foreign text with nothing hidden: on one line, marks that cannot be seen named */
int consent_append_shown(struct buf *out, const char *text, size_t len);

/* consent_exec.c */
/** consent_exec_granted - "granted" of a command's result, by the cell that it ran in */
json_t *consent_exec_granted(const struct image *image, uint32_t cell);
/** consent_exec_explain - consent_explain_denials for a command.  Return: 0 or -errno. */
int consent_exec_explain(const struct image *image, uint32_t cell, json_t *denials);

/* consent_result.c */
/** consent_refuse - the call is DONE, with a denial for each of @bits; @note: a literal or NULL */
void consent_refuse(struct call *c, uint32_t bits, enum consent_refusal why, const char *note);
/** consent_granted - "granted" of the result; NULL without memory */
json_t *consent_granted(const struct call *c);
/** consent_append_text - a line for each answer that this call brought.  Return: 0 or -errno. */
int consent_append_text(const struct call *c, struct buf *out);
/**
 * consent_explain_denials - denials of paths that a person could grant name the rule and what to do
 * @ret_bits: what they are about.  Return: 0 or -ENOMEM.
 */
int consent_explain_denials(const struct call *c, json_t *denials, uint32_t *ret_bits);
/** consent_note_denials - likewise; the same call again is then asked about.  Return: 0 or -ENOMEM. */
int consent_note_denials(struct call *c, json_t *denials);

#endif
