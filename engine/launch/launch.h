/*
 * toolcell-launcher: the privileged process that makes cells. It speaks no JSON, parses no policy text
 * and allocates nothing once it serves. One struct, owned by main.
 */
#ifndef TOOLCELL_LAUNCH_LAUNCH_H
#define TOOLCELL_LAUNCH_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "cell/cell.h"
#include "confine/cgroup.h"
#include "confine/ns.h"
#include "wire/frame.h"
#include "wire/image.h"
#include "wire/report.h"

/* Descriptors that the supervisor leaves at these numbers (cli/session.c). */
enum {
	LAUNCH_FD_BROKER = 3, /* SOCK_SEQPACKET */
	LAUNCH_FD_WORKSPACE,  /* O_PATH | O_DIRECTORY */
	LAUNCH_FD_ALIVE,      /* read end of a pipe; its end means that the supervisor died */
	LAUNCH_FD_N,
};

#define LAUNCH_CALLS_MAX 32U

/* Uids of the range: the first few are for our own helpers, cells come behind. */
enum { UID_BROKER = 0, UID_DIGEST = 1, UID_CELLS = 16 };

enum call_state { CALL_FREE = 0, CALL_WAITING, CALL_SETUP, CALL_RUNNING, CALL_LEFTOVER };

/*
 *	FREE --FRAME_CALL: call_start--> SETUP --REPORT_STARTED--> RUNNING
 *	FREE --FRAME_CALL--> WAITING (its session is in use) --call_retry_start--> SETUP, or refused
 *	SETUP, RUNNING --pidfd readable: call_end, FRAME_ENDED--> FREE, or LEFTOVER while its cgroup
 *	is busy --call_retry_cleanup--> FREE
 */
struct call {
	enum call_state state;
	uint32_t slot;
	uint64_t id;
	const struct image_cell *cell;
	const struct cell_template *template;
	uint32_t cell_index;
	int stdio[3];
	int plan;
	int summary;			/* memfd for init; -1: the broker wants none */
	int record;			/* likewise */
	enum frame_workspace workspace; /* where the cell's comes from */
	uint32_t branch;		/* entered with overlay_enter; 0: nothing of a session */
	uint32_t branch_asked;
	int control; /* socket to the child, then init */
	int child_control;
	int pidfd;
	int mount_ns; /* held so that its unmounting does not delay the news of the cell's end */
	pid_t pid;
	struct cgroup_leaf leaf;
	struct image_limits limits;
	uint64_t begun_us;
	uint64_t deadline_us;
	uint64_t retry_us;     /* CALL_WAITING: when to ask for the session again */
	uint64_t cpu_check_us; /* 0: no limit of processor time to watch */
	uint32_t kill_cause;   /* enum frame_cause; FRAME_CAUSE_N while nobody has killed it */
	uint64_t
		kill_us; /* init was asked to end the tool: when it has had its time; 0: not asked */
	bool policy_refuses; /* a call that did not start: the policy says so, nothing of ours failed */
	bool summary_wanted; /* init has something to see to when the tool ends */
	struct init_report failed;
	struct init_report ended;
	char why[ERR_TEXT_MAX]; /* words for a failure of our own while the cell was made */
};

/* A host uid that a slot keeps for the session, with the mapping of its idmapped mounts. */
struct identity {
	uint32_t uid; /* 0: none yet */
	int idmap;    /* user namespace; -1: none yet */
};

/* Calls that see a session run under one uid: overlayfs cannot show owners in two ways at once. */
#define IDENTITY_SESSION LAUNCH_CALLS_MAX

struct launcher {
	struct cell_factory cells;
	struct overlay overlay;
	char session_why[ERR_TEXT_MAX]; /* why a session that was wanted is not as it was wanted */
	pid_t engine;			/* the supervisor */
	uint32_t uid_base;
	uint32_t uid_count;
	int uid_locks; /* one byte for each uid; -1 in rootless mode */
	uint32_t landlock_abi;
	uint32_t missing; /* enum frame_layer that no cell of this session can have */
	struct cgroup_root cgroups;
	uid_t owner_uid; /* of the workspace */
	gid_t owner_gid;
	uint32_t disk_major; /* of the workspace */
	uint32_t disk_minor;
	uint32_t n_cpus;
	struct identity identities[LAUNCH_CALLS_MAX + 1];
	struct call calls[LAUNCH_CALLS_MAX];
	bool stopping;
};

/* identity.c */
MUST_USE int identity_open(struct launcher *l, struct err *err);
MUST_USE int identity_take(struct launcher *l, uint32_t slot, struct err *err);
MUST_USE int identity_map(struct launcher *l, uint32_t slot, struct err *err);

/* call.c */
void call_start(struct launcher *l, const struct frame_call *frame, int *fds);
void call_retry_start(struct launcher *l, struct call *call, uint64_t now_us);
void call_kill(struct call *call, uint32_t cause);
void call_read_report(struct launcher *l, struct call *call);
void call_end(struct launcher *l, struct call *call);
void call_retry_cleanup(struct call *call);
void call_watch_limits(struct launcher *l, struct call *call, uint64_t now_us);

/* prepare.c: what the parent does for a child between clone and "go" */
MUST_USE int prepare_child(struct launcher *l, struct call *call, struct err *err);

/** call_identity - the slot of the uid that a call runs as */
uint32_t call_identity(const struct call *call);

/* session.c */
/** session_receive - before the launcher leaves the host: what the supervisor says of a session */
void session_receive(struct launcher *l, const struct frame_image *frame);
/** session_open - in the launcher's own root: mount the overlay, or do as the policy's fallback says */
MUST_USE int session_open(struct launcher *l, struct err *err);
/** session_enter - decide where the call's workspace comes from.  -EBUSY: later */
MUST_USE int session_enter(struct launcher *l, struct call *call, struct err *err);
void session_leave(struct launcher *l, struct call *call);
/** session_init_summary - what init shall do about changes when the tool has ended */
enum init_summary session_init_summary(const struct launcher *l, const struct call *call);

/* serve.c */
uint64_t serve_now_us(void);
void serve_send(struct launcher *l, const void *frame, size_t bytes);
int serve(struct launcher *l);

#endif
