/*
 * Frames between broker and launcher: one fixed-width datagram each over SOCK_SEQPACKET, with
 * descriptors beside it. Every frame begins with struct frame_head; a frame whose length, count of
 * descriptors, state or values do not fit its row ends the session. The launcher never trusts the
 * broker: a frame names a cell of the sealed image by index and may only lower its limits.
 */
#ifndef TOOLCELL_WIRE_FRAME_H
#define TOOLCELL_WIRE_FRAME_H

#include <stdint.h>

#include "base/err.h"
#include "wire/image.h"

enum frame_type {
	/* supervisor -> launcher, before there is a broker */
	FRAME_IMAGE = 3, /* once, first; fds: the sealed policy image, and the data folder if any */
	/* broker -> launcher */
	FRAME_CALL = 1, /* fds: plan, stdin, stdout, stderr; and with FRAME_CALL_SUMMARY a memfd */
	FRAME_KILL = 2,
	FRAME_SESSION = 4,
	/* launcher -> broker */
	FRAME_READY = 16, /* once, first */
	FRAME_STARTED = 17,
	FRAME_ENDED = 18,	 /* exactly one for each FRAME_CALL, the last of that call */
	FRAME_FATAL = 19,	 /* the launcher cannot go on; it exits behind this */
	FRAME_SESSION_DONE = 20, /* exactly one for each FRAME_SESSION */
};

struct frame_head {
	uint32_t type;
	uint32_t bytes; /* of the whole frame */
	uint64_t call;	/* chosen by the broker, unique within the session; 0 outside of calls */
};

struct frame_image {
	struct frame_head head;
	/*
	 * Absolute path of the session's data folder (workspace/stack.h); "": none, and why. The
	 * launcher opens it by path, as mounts cannot be cloned through a descriptor of another
	 * namespace, and holds what it finds against the second descriptor.
	 */
	char data[4096];
	char why[ERR_TEXT_MAX];
	uint32_t maintenance; /* 1: another engine holds the session; only changes cells may run */
	uint32_t pad;
};

enum {
	FRAME_FD_PLAN,
	FRAME_FD_STDIN,
	FRAME_FD_STDOUT,
	FRAME_FD_STDERR,
	FRAME_CALL_FDS,
	FRAME_CALL_FDS_MAX = FRAME_CALL_FDS + 2,
};

/* frame_call.flags */
enum {
	FRAME_CALL_SUMMARY = 1U << 0, /* init writes a summary of the branch's changes */
	FRAME_CALL_RECORD = 1U << 1,  /* init records what the cell refuses */
	FRAME_CALL_FLAGS_ALL = (1U << 2) - 1,
};

/* Descriptors that are there with their flag only follow the others, in this order. */

/** frame_fd_summary - number of the memfd of CHANGES_BYTES_MAX bytes (wire/changes.h) */
static inline uint32_t frame_fd_summary(uint32_t flags)
{
	(void)flags;
	return FRAME_CALL_FDS;
}

/** frame_fd_record - number of the memfd of sizeof(struct record) bytes (wire/record.h) */
static inline uint32_t frame_fd_record(uint32_t flags)
{
	return FRAME_CALL_FDS + ((flags & FRAME_CALL_SUMMARY) != 0);
}

/** frame_call_fds - how many a frame with these flags comes with */
static inline uint32_t frame_call_fds(uint32_t flags)
{
	return frame_fd_record(flags) + ((flags & FRAME_CALL_RECORD) != 0);
}

/**
 * frame_call_flags - flags and places of the optional descriptors, -1 for one that is not there
 * @fds: FRAME_CALL_FDS_MAX; what is there is put behind the first FRAME_CALL_FDS
 */
static inline uint32_t frame_call_flags(int summary, int record, int *fds)
{
	uint32_t flags = (summary >= 0 ? FRAME_CALL_SUMMARY : 0U) |
			 (record >= 0 ? FRAME_CALL_RECORD : 0U);

	if (summary >= 0)
		fds[frame_fd_summary(flags)] = summary;
	if (record >= 0)
		fds[frame_fd_record(flags)] = record;
	return flags;
}

struct frame_call {
	struct frame_head head;
	uint32_t cell; /* index into the image */
	uint32_t flags;
	uint32_t branch; /* of the session, from 1; 0 where the cell has none of its data */
	uint32_t pad;
	/* Only lower than the cell's own; 0 leaves the cell's. */
	uint64_t wall_ms;
	uint64_t cpu_ms;
	uint64_t memory_bytes;
	uint64_t processes;
};

/* Why a call ended. The order is wire format. */
enum frame_cause {
	FRAME_CAUSE_EXIT = 0,
	FRAME_CAUSE_SIGNAL,
	FRAME_CAUSE_WALL_LIMIT,
	FRAME_CAUSE_CPU_LIMIT,
	FRAME_CAUSE_MEMORY_LIMIT,
	FRAME_CAUSE_PROCESS_LIMIT,
	FRAME_CAUSE_DISK_LIMIT,
	FRAME_CAUSE_OUTPUT_LIMIT,
	FRAME_CAUSE_CANCELLED,
	FRAME_CAUSE_POLICY, /* refused before it started */
	FRAME_CAUSE_LAUNCHER_ERROR,
	FRAME_CAUSE_N,
};

/* "exit", "wall_limit", ... as in the result object; NULL beyond. */
const char *frame_cause_name(uint32_t cause);

struct frame_kill {
	struct frame_head head;
	uint32_t cause; /* FRAME_CAUSE_CANCELLED or FRAME_CAUSE_OUTPUT_LIMIT */
	uint32_t pad;
};

/* What becomes of layers between calls; workspace/stack.h says what each means. */
enum frame_session_op {
	FRAME_SESSION_STATE = 0, /* nothing changes; the answer tells the layers */
	FRAME_SESSION_SNAPSHOT,
	FRAME_SESSION_ROLLBACK, /* arg: snapshot */
	FRAME_SESSION_FORK,
	FRAME_SESSION_DROP,
	FRAME_SESSION_OP_N,
};

struct frame_session {
	struct frame_head head; /* call: as for FRAME_CALL */
	uint32_t op;
	uint32_t branch; /* from 1 */
	uint32_t arg;
	uint32_t pad;
};

struct frame_session_done {
	struct frame_head head;
	int32_t num;	   /* 0, or a positive errno: EBUSY while calls of the branch run */
	uint32_t branch;   /* the one named, or the new one */
	uint32_t snapshot; /* the new one; 0 otherwise */
	uint32_t layers;   /* of @branch, the writable one included */
	uint32_t branches; /* bit B - 1 for each branch there is */
	uint32_t pad;
	char error[ERR_TEXT_MAX];
};

/* Where the workspace of a call's cell comes from. The order is wire format. */
enum frame_workspace {
	FRAME_WORKSPACE_NONE = 0, /* the cell has none */
	FRAME_WORKSPACE_READONLY,
	FRAME_WORKSPACE_DIRECT,
	FRAME_WORKSPACE_OVERLAY,
	FRAME_WORKSPACE_OVERLAY_MEMORY, /* layers on a tmpfs */
	FRAME_WORKSPACE_N,
};

/* "overlay", ...; "overlay in memory"; NULL beyond. */
const char *frame_workspace_name(uint32_t workspace);

/* Layers, as bits: what is enforced and what could not be. */
enum frame_layer {
	FRAME_LAYER_NS_USER = 1U << 0,
	FRAME_LAYER_NS_MNT = 1U << 1,
	FRAME_LAYER_NS_PID = 1U << 2,
	FRAME_LAYER_NS_NET = 1U << 3,
	FRAME_LAYER_NS_IPC = 1U << 4,
	FRAME_LAYER_NS_UTS = 1U << 5,
	FRAME_LAYER_NS_CGROUP = 1U << 6,
	FRAME_LAYER_NS_TIME = 1U << 7,
	FRAME_LAYER_SECCOMP = 1U << 8,
	FRAME_LAYER_LANDLOCK = 1U << 9,
	FRAME_LAYER_CGROUP_MEMORY = 1U << 10,
	FRAME_LAYER_CGROUP_PIDS = 1U << 11,
	FRAME_LAYER_CGROUP_CPU = 1U << 12,
	FRAME_LAYER_CGROUP_IO = 1U << 13,
	FRAME_LAYER_PRIVATE_UID = 1U << 14, /* root mode: a host uid of its own */
	FRAME_LAYER_GROUPS = 1U << 15,	    /* supplementary groups cleared */
	FRAME_LAYER_KEYRING = 1U << 16,
	FRAME_LAYER_CAPABILITIES = 1U << 17,
	FRAME_LAYER_ALL = (1U << 18) - 1,
};

/* "namespace:user", "seccomp", "cgroup:memory", ... for one bit; NULL for anything else. */
const char *frame_layer_name(uint32_t bit);

struct frame_ready {
	struct frame_head head;
	uint32_t root_mode;	 /* 1 or 0 */
	uint32_t landlock_abi;	 /* 0: the kernel has none */
	uint32_t cgroup_version; /* 0: none usable, 1, 2 */
	uint32_t layers;	 /* enum frame_layer that every cell will have */
	uint32_t missing;	 /* ... and those that this kernel or account cannot give */
	uint32_t calls_max;	 /* calls at once */
	uint32_t session;  /* enum frame_workspace: OVERLAY, OVERLAY_MEMORY; NONE without one */
	uint32_t branches; /* bit B - 1 for each branch of the session */
	char session_why
		[ERR_TEXT_MAX]; /* why a session that was wanted is not on disk, or not there */
};

struct frame_started {
	struct frame_head head;
	uint64_t setup_us; /* frame received to tool exec'd */
};

struct frame_usage {
	uint64_t wall_us;
	uint64_t user_us;
	uint64_t system_us;
	uint64_t memory_peak_bytes; /* UINT64_MAX: not known */
	uint64_t processes_peak;    /* UINT64_MAX: not known */
	uint64_t read_bytes;
	uint64_t written_bytes;
	uint64_t processes_refused; /* times that a fork met the limit of processes */
	uint64_t oom_kills;
};

struct frame_ended {
	struct frame_head head;
	uint32_t cause;	   /* enum frame_cause */
	int32_t exit_code; /* FRAME_CAUSE_EXIT; -1 otherwise */
	int32_t signal;	   /* FRAME_CAUSE_SIGNAL and limits that killed; 0 otherwise */
	uint32_t layers;   /* enforced for this call; 0 when it never started */
	uint32_t missing;
	uint32_t uid; /* host uid that it ran as */
	struct frame_usage usage;
	struct image_limits limits; /* in force for this call */
	/* FRAME_CAUSE_POLICY, FRAME_CAUSE_LAUNCHER_ERROR, or exec that failed (exit code 126, 127) */
	int32_t error_num;
	uint32_t workspace; /* enum frame_workspace */
	char error[ERR_TEXT_MAX];
};

struct frame_fatal {
	struct frame_head head;
	int32_t num;
	uint32_t pad;
	char text[ERR_TEXT_MAX];
};

#define FRAME_BYTES_MAX 2048

#endif
