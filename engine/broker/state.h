/*
 * The broker's inner state, shared by the files of this folder only.
 *
 *	broker_call_accept --refused, or no room--------------------------------------------+
 *	    |                                                                        v
 *	    v   gate, launch                 FRAME_ENDED                           DONE --calls_settle-->
 *	  QUEUED --> (frame sent) RUNNING --> DRAINING --EOF, 200 ms--> DIGESTING --^      answered, freed
 *	    |                                     `------no digest-------------------|
 *	    |<-yes-- HELD <--consent_begin-- (accept); "no": DONE, refused	     |
 *	    |--gate--> (the engine's own tool, ask.c) ASKING --FRAME_SESSION_DONE----|
 *	    `--cancel, launcher lost-------------------------------------------------+
 *
 * With an audit log DONE --record sent--> RECORDING --the writer's answer, or none--> DONE comes first.
 *
 * Callbacks move a call to DONE and leave it in the list; only calls_settle, which runs between two
 * waits, answers and frees. So no callback can meet a call that is gone.
 */
#ifndef TOOLCELL_BROKER_STATE_H
#define TOOLCELL_BROKER_STATE_H

#include <jansson.h>

#include "broker/auditor.h"
#include "broker/branch.h"
#include "broker/broker.h"
#include "broker/consent.h"
#include "broker/denial.h"
#include "broker/digest_io.h"
#include "broker/loop.h"
#include "broker/output.h"
#include "broker/progress.h"
#include "broker/queue.h"
#include "manifest/manifest.h"
#include "rpc/rpc.h"
#include "wire/frame.h"
#include "wire/image.h"

#define BROKER_RUNNING_MAX 8U /* calls at once, when the launcher takes as many */
#define BROKER_QUEUED_MAX 256U
#define BROKER_QUEUED_BYTES ((size_t)64 << 20) /* arguments that wait */
#define BROKER_CHUNK_BYTES 65536U
#define BROKER_KEPT_MAX 128U /* resources of calls that have ended */
#define BROKER_DRAIN_MS 200  /* for end of file behind FRAME_ENDED */
#define BROKER_END_MS 1000   /* from end of input to exit, for calls that are killed */

#define BROKER_URI_CHANGES "toolcell://changes/" /* and the name of a branch */

enum call_state {
	CALL_QUEUED,
	CALL_HELD,   /* a person has to say yes first (consent.h) */
	CALL_ASKING, /* FRAME_SESSION is with the launcher, or will be again */
	CALL_RUNNING,
	CALL_DRAINING,
	CALL_DIGESTING,
	CALL_RECORDING,
	CALL_DONE
};

enum { STREAM_STDOUT, STREAM_STDERR, STREAM_N };

struct call_stream {
	struct call *call;
	struct watch watch;
	int fd;
	struct output output;
	unsigned char held[4]; /* an unfinished character, kept back from the merged output */
	size_t held_len;
};

/* How the answer to an inner call is taken; @text may be NULL only with @result. */
typedef void call_finish(struct call *c, json_t *result, const char *text);

/* What is asked for. Everything is borrowed. */
struct call_request {
	struct rpc_call *rpc; /* NULL: broker_run_one, or a call of the broker's own */
	const char *name;     /* for the result */
	const char *tool;
	json_t *arguments; /* object; NULL with @verb */
	const char *verb;  /* the tool's program with this word alone; NULL: as the manifest says */
	const char *session; /* as the driver names it; NULL: @branch */
	uint32_t branch;     /* 0: the first */
	bool person; /* ... at the command line, or we ourselves: the operator's tools, too */
	call_finish *finish; /* NULL: the driver gets the answer */
};

/* Of the tool "session". */
struct call_ask {
	uint32_t op;  /* enum frame_session_op */
	uint32_t arg; /* snapshot */
	bool sent;
	int64_t again_ms;   /* not @sent: when to send again */
	int64_t give_up_ms; /* 0: never met a busy session */
};

struct call {
	struct call *next;
	struct call *prev;
	struct broker *broker;
	struct rpc_call *rpc; /* NULL: broker_run_one, or inner */
	call_finish *finish;  /* NULL: not inner */
	uint64_t id;	      /* in frames */
	char *name;	      /* for the result: rpc_call_id */
	char *tool_name;
	json_t *tool; /* in the catalog; NULL when unknown */
	const struct image_cell *cell;
	uint32_t cell_index;
	enum call_state state;
	uint32_t branch; /* of the session; 0: uses none of it */
	bool exclusive;	 /* nothing else of the branch runs meanwhile */
	bool purge;	 /* clears away layers that nobody needs */

	struct call_consent consent;
	struct call_ask ask;
	json_t *own_data; /* answered by the broker itself: `data`; NULL: null */
	char *own_text;	  /* ... and what stands for output; NULL: the tool is a program */

	struct manifest_call expanded;
	char *cwd;
	char *digest_call; /* payload of DIGEST_CALL; NULL: no digest */
	size_t bytes;	   /* of what waits in the queue for this call */
	uint64_t wall_ms;  /* sent to the launcher; 0: the cell's */
	bool wall_asked;   /* ... because the driver asked */

	uint32_t kill_cause; /* FRAME_CAUSE_EXIT: none wanted */
	bool kill_sent;
	bool frame_started;

	struct call_stream streams[STREAM_N];
	struct output merged; /* both, as they arrived; .ends NULL: not wanted */
	struct watch order_watch;
	int order_fd; /* epoll of order.c; -1: not in use */
	struct watch stdin_watch;
	int stdin_fd;
	size_t stdin_done;
	struct digest_io digest;
	struct progress progress;

	int64_t drain_deadline_ms;
	uint64_t drain_left; /* bytes still read after FRAME_ENDED */
	struct frame_ended ended;
	json_t *denials; /* found by the broker itself; NULL: none */

	int summary_fd;	      /* memfd of wire/changes.h; -1: none */
	int record_fd;	      /* memfd of wire/record.h; -1: none */
	uint32_t observed;    /* enum image_observe: how closely init has looked */
	bool unseen;	      /* ... but not at every call */
	bool dropped;	      /* there were more denials than a record holds */
	json_t *changes;      /* NULL: null */
	bool changes_missing; /* what was changed could not be told */
	bool over_quota;      /* of the session: init has ended the tool for it */
	char *note;	      /* a line for the text half, safe; NULL: none */
	struct audit_answer audit;
};

/* Raw output that the driver may still read. */
struct kept {
	char *uri;
	char *name;
	const char *mime;
	int fd;
	uint64_t bytes;
	uint64_t total; /* of the stream; more than @bytes when cut */
};

struct broker {
	const struct broker_config *config;
	json_t *catalog;
	const char *agent; /* NULL: none */
	const char *policy;
	struct rpc *rpc; /* NULL in broker_run_one */
	struct loop loop;
	struct queue queue;
	struct watch in_watch;
	struct watch out_watch;
	struct watch launcher_watch;
	bool input_ended;
	int64_t end_deadline_ms; /* 0: none */

	struct call *first;
	struct call *last;
	unsigned int queued;
	unsigned int running; /* as the launcher counts: FRAME_CALL sent, FRAME_ENDED not seen */
	size_t queued_bytes;
	uint64_t next_id;

	struct auditor auditor;
	struct branch branches[BRANCH_N]; /* [0] stays empty */
	uint32_t branch_bits;		  /* bit B - 1 for each branch there is */
	struct call *purge;		  /* runs or waits to; NULL: none */
	bool purge_wanted;
	struct consents consents;

	struct output_budget budget;
	struct kept kept[BROKER_KEPT_MAX]; /* oldest first */
	size_t n_kept;

	char chunk[BROKER_CHUNK_BYTES]; /* what is read goes through here */

	int failed; /* -errno: the session cannot go on */
	struct err failure;
	bool one_done; /* broker_run_one: its call has been answered */
	char *one_result;
	char *one_text;
};

/* serve.c */
MUST_USE int broker_init(struct broker *b, const struct broker_config *config, struct err *err);
void broker_fini(struct broker *b);
/** broker_lose - the session cannot go on; the first reason stays */
void broker_lose(struct broker *b, int num, const char *text);
/** broker_step - wait once, then timers, launches, answers */
MUST_USE int broker_step(struct broker *b);
extern const struct rpc_ops broker_rpc_ops; /* ctx: struct broker */

/* call.c */
/**
 * broker_call_accept - a new call; answered by calls_settle, whatever becomes of it
 * Return: 0 or -ENOMEM, which ends the session: there is no memory even to refuse.
 */
MUST_USE int broker_call_accept(struct broker *b, const struct call_request *request);
void broker_call_cancel(struct call *c);
void calls_cancel_all(struct broker *b);
/** calls_lose_all - the launcher is gone: what is not answered yet becomes an error */
void calls_lose_all(struct broker *b, const char *text);
void calls_tick(struct broker *b, int64_t now_ms);
void calls_pump(struct broker *b);
void calls_settle(struct broker *b);
/** calls_free_all - without an answer: nobody listens any more */
void calls_free_all(struct broker *b);
/** calls_deadline - when calls_tick has something to do; INT64_MAX: never */
int64_t calls_deadline(const struct broker *b);
/** broker_call_end - FRAME_ENDED is here */
void broker_call_end(struct call *c, const struct frame_ended *ended);
/** broker_call_error - ours: status "error" */
void broker_call_error(struct call *c, int num, const char *text);

/* prepare.c */
/** broker_call_prepare - find the tool, validate, expand; on refusal the call is DONE and says why */
void broker_call_prepare(struct call *c, const struct call_request *request);
/** broker_call_refuse - policy said no before anything ran; formatted text becomes the reason */
void broker_call_refuse(struct call *c, const char *operation, const char *object, const char *rule,
			const char *remedy, const char *text);

/* place.c */
#define PLACE_PATH_MAX 4095U
/**
 * place_join - @path, lexically clean, appended to @out component by component
 * Return: 0; -EPERM when ".." would leave "/" or the path is too long for Linux.
 */
MUST_USE int place_join(struct buf *out, const char *path);
/** place_cwd - where the tool starts; refused outside of the workspace */
void place_cwd(struct call *c);
/**
 * place_branch - which branch of the session the call belongs to, and whether it needs it for itself
 * Return: false when it was refused.
 */
bool place_branch(struct call *c, const struct call_request *request);
/** place_is_there - whether its branch still is when it could start; refused otherwise */
bool place_is_there(struct call *c);

/* vars.c */
/** vars_build - the environment of @c; NULL-terminated; vars_free frees.  NULL without memory. */
char **vars_build(const struct call *c);
void vars_free(char **vars);

/* frames.c */
/**
 * frames_launch - hand @c to the launcher
 * Return: 0; -EAGAIN: later; other -errno: this call cannot be started, @err says why.
 */
MUST_USE int frames_launch(struct call *c, struct err *err);
/** frames_send - a frame for the launcher.  Return: 0; -EAGAIN: later; else the launcher is lost. */
MUST_USE int frames_send(struct broker *b, const void *frame, size_t len, const int *fds, size_t n);
/** frames_kill - send c->kill_cause, now or when the launcher reads again */
void frames_kill(struct call *c);
MUST_USE int frames_watch(struct broker *b);

/* drain.c */
MUST_USE int drain_start(struct call *c, int fds[STREAM_N], int stdin_fd);
/** drain_update - read from the tool, or not, as the digest keeps up */
void drain_update(struct call *c);
/** drain_read - one read(2).  Return: bytes; 0 when there is nothing now or the stream has ended. */
size_t drain_read(struct call_stream *s);
MUST_USE int drain_watch(struct call_stream *s);
uint64_t drain_bytes(const struct call *c);
/** drain_begin_end - the tool is dead: take what is left in the pipes */
void drain_begin_end(struct call *c);
void drain_stop(struct call *c);
bool drain_ended(const struct call *c);

/** origins_of - of what the policy says for @tool, NULL: for any */
struct origins origins_of(const struct broker *b, const char *tool);

/* recorded.c */
/** recorded_open - room for what init records, when the cell's policy wants it.  Return: 0 or -errno. */
MUST_USE int recorded_open(struct call *c);

/** recorded_take - what was recorded for @c, as denials.  Return: 0 or -ENOMEM. */
MUST_USE int recorded_take(struct call *c, json_t *denials);

/* reported.c */
/** denials_append_reported - what the tool's own program could not reach.  Return: 0 or -ENOMEM. */
MUST_USE int denials_append_reported(json_t *denials, json_t *reported, const struct call *c);

/* resources.c */
json_t *resources_list(struct broker *b);
MUST_USE int resources_read(struct broker *b, const char *uri, char **ret, size_t *ret_len,
			    const char **ret_mime, struct err *err);
/**
 * resources_keep - the raw bytes of a stream of @c, for later
 * @ret_uri: malloc'ed; NULL when nothing could be kept
 */
void resources_keep(struct call *c, const char *stream, struct output *out, char **ret_uri);
void resources_fini(struct broker *b);
/** resources_make_room - forget the oldest until the budget has room for one more stream */
void resources_make_room(struct broker *b);

/* text.c */
struct text_parts {
	const char *status;
	const char *body;	/* safe already; NULL or "" without */
	const char *error;	/* foreign; NULL without */
	const char *note;	/* NULL without */
	const char *data_error; /* NULL without */
	bool over_quota;
	const char *granted; /* lines of ours; NULL without */
	const char *policy;  /* NULL: a failure speaks for itself (the digest has explained it) */
	bool network;	     /* the cell has one */
	bool recorded;	     /* what the tool was denied stands in @denials */
	json_t *denials;
	const struct frame_ended *ended;
};
/** text_half - malloc'ed; NULL without memory */
char *text_half(const struct text_parts *parts);

#endif
