/*
 * What a cell in the making, and later its init, tells the launcher: fixed-size numbers, one datagram
 * each. The launcher renders the words. And what the launcher tells init before it starts the tool.
 */
#ifndef TOOLCELL_WIRE_REPORT_H
#define TOOLCELL_WIRE_REPORT_H

#include <limits.h>
#include <stdint.h>

#include "wire/image.h"

/* Descriptors of init, beside the tool's 0, 1 and 2. */
enum {
	INIT_FD_CONTROL = 3,
	INIT_FD_IMAGE,
	INIT_FD_PLAN,
	/* only with init_config.summary, else not open */
	INIT_FD_SUMMARY, /* memfd of CHANGES_BYTES_MAX bytes, wire/changes.h */
	INIT_FD_BASE,	 /* the workspace's own folder, read-only mount */
	INIT_FD_DATA,	 /* the session's data folder, read-only mount */
	/* only where the broker wants to know what was denied */
	INIT_FD_RECORD, /* memfd of sizeof(struct record) bytes, wire/record.h */
	INIT_FD_N
};

/* In the order in which they happen. */
enum report_step {
	STEP_NONE = 0,
	/* the cell's child, before it becomes init */
	STEP_ISOLATE,
	STEP_CGROUP_JOIN,
	STEP_CGROUP_NS,
	STEP_KEYRING,
	STEP_HOSTNAME,
	STEP_NET_NS,
	STEP_LOOPBACK,
	STEP_MAPS,
	STEP_GO,
	STEP_IDENTITY,
	STEP_ROOT,
	STEP_MOUNT, /* arg: index of the image's mount */
	STEP_SUMMARY,
	STEP_PIVOT,
	STEP_DESCRIPTORS,
	STEP_INIT_EXEC,
	/* init */
	STEP_CONFIG,
	STEP_IMAGE,
	STEP_PLAN,
	STEP_CAPABILITIES,
	STEP_NO_NEW_PRIVS,
	STEP_FORK,
	/* the tool's process */
	STEP_SESSION,
	STEP_CWD,
	STEP_LIMITS,   /* arg: resource of setrlimit(2) */
	STEP_LANDLOCK, /* arg: index of the image's rule */
	STEP_CLOSE,
	STEP_SECCOMP,
	STEP_EXEC,
	STEP_N,
};

/* "join the cgroup", "mount", ... for messages; NULL beyond. */
const char *report_step_name(uint32_t step);

enum report_type { REPORT_FAILED = 1, REPORT_STARTED = 2, REPORT_ENDED = 3 };

struct init_report {
	uint32_t type;
	uint32_t step; /* REPORT_FAILED */
	int32_t num;   /* REPORT_FAILED: positive errno */
	uint32_t arg;
	int32_t status; /* REPORT_ENDED: of wait(2) */
	uint32_t
		over_quota; /* REPORT_ENDED: init has ended the tool for its use of the session's quota */
	uint64_t user_us; /* REPORT_ENDED: the tool and the descendants that were waited for */
	uint64_t system_us;
	uint64_t read_bytes;
	uint64_t written_bytes;
};

/*
 * The one thing that the launcher says while the tool runs: end it. Init kills everything but itself,
 * still sees to changes, and reports; a launcher that is kept waiting kills the whole cell.
 */
struct init_stop {
	uint32_t stop; /* 1 */
};

/* What init does about changes when the tool has ended. */
enum init_summary {
	INIT_SUMMARY_NONE = 0,
	INIT_SUMMARY_LAYERS, /* walk the branch's layers; watch the quota while the tool runs */
	INIT_SUMMARY_DIRECT, /* move aside protected paths that were made; INIT_FD_DATA is not open */
};

struct init_config {
	uint32_t cell;
	uint32_t landlock_abi;	    /* 0: do not use Landlock */
	uint32_t readonly;	    /* the workspace is read-only */
	uint32_t summary;	    /* enum init_summary */
	uint32_t branch;	    /* of the session, from 1; 0 without */
	uint32_t beside;	    /* another call writes into the same workspace directly */
	uint64_t rlimit_nproc;	    /* see launch/prepare.c */
	struct image_limits limits; /* in force for this call */
	char workspace[PATH_MAX];
};

#endif
