/*
 * Control groups, cgroups(7): version 2 alone, and version 1 or hybrid, where controllers have trees
 * of their own. A *root* is where this engine may make groups; a *leaf* is the group of one call.
 *
 * How a process gets in decides the cost. v2: CLONE_INTO_CGROUP. v1: the child itself writes "0" to
 * `tasks`, which moves one thread and takes no global lock (15 us); `cgroup.procs` would wait for an
 * RCU grace period on an idle machine (7 ms). The child is single-threaded, so both mean the same.
 */
#ifndef TOOLCELL_CONFINE_CGROUP_H
#define TOOLCELL_CONFINE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum cgroup_controller {
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_CPU,
	CGROUP_CPUACCT, /* v1 only; v2 counts in cpu.stat */
	CGROUP_IO,	/* v1: blkio */
	CGROUP_N,
};

struct cgroup_root {
	int version;	   /* 0: none can be made, 1, 2 */
	int dir[CGROUP_N]; /* v1: parent of leaves for each controller, -1 without; v2: all in dir[0] */
	uint32_t available; /* 1U << enum cgroup_controller */
	char prefix[48];    /* of leaf names: "toolcell-PID.PIDNAMESPACE" */
};

struct cgroup_limits {
	uint64_t memory_bytes;	 /* 0: none set */
	uint64_t processes;	 /* 0: none set */
	uint64_t cpu_permille;	 /* 0: none set */
	uint64_t io_bytes_per_s; /* 0: none set */
	uint32_t io_major;	 /* block device of the workspace */
	uint32_t io_minor;
};

struct cgroup_leaf {
	const struct cgroup_root *root; /* borrowed */
	char name[72];
	int dir[CGROUP_N];
	int join[CGROUP_N]; /* v1: open `tasks` files */
	uint32_t enforced;  /* limits really set: 1U << enum cgroup_controller */
};

struct cgroup_usage {
	uint64_t memory_peak_bytes; /* UINT64_MAX: not known, as in each */
	uint64_t processes_peak;
	uint64_t user_us;
	uint64_t system_us;
	uint64_t oom_kills;	    /* 0 when not known */
	uint64_t processes_refused; /* 0 when not known */
};

/**
 * cgroup_root_open - find where groups can be made; removes what dead engines left there
 * @ret:    version 0 with @why filled when there is no such place (no failure)
 * @engine: pid of the supervisor, which names the groups
 *
 * Reads /proc/self/cgroup and mountinfo. v2: makes "toolcell-PID" with controllers enabled below it,
 * in the process's own group or, when that may not have children with controllers, beside it.
 */
void cgroup_root_open(struct cgroup_root *ret, pid_t engine, struct err *why);

/**
 * cgroup_disk_of - the disk that io limits of files on @device are set for
 * A partition stands for its whole disk. Reads /sys; without it the numbers are @device's own.
 */
void cgroup_disk_of(dev_t device, uint32_t *ret_major, uint32_t *ret_minor);

/** cgroup_root_close - remove what this engine made and close.  Tolerates a zeroed or failed root. */
void cgroup_root_close(struct cgroup_root *root);

/**
 * cgroup_sweep - kill the members of, and remove, every leaf below @root
 * For the supervisor, when the launcher is dead. Bounded: gives up after a second.
 */
void cgroup_sweep(const struct cgroup_root *root);

/** cgroup_leaf_make - a group for call @n with its limits.  Return: 0 or -errno, nothing left. */
MUST_USE int cgroup_leaf_make(const struct cgroup_root *root, uint32_t n,
			      const struct cgroup_limits *limits, struct cgroup_leaf *ret,
			      struct err *err);

/** cgroup_leaf_fd - v2: descriptor for CLONE_INTO_CGROUP; -1 otherwise */
int cgroup_leaf_fd(const struct cgroup_leaf *leaf);

/** cgroup_leaf_join - v1: move the calling thread in; in the child.  Return: 0 or -errno. */
MUST_USE int cgroup_leaf_join(const struct cgroup_leaf *leaf);

/** cgroup_leaf_kill - v2: cgroup.kill; elsewhere nothing (the pid namespace's death does it) */
void cgroup_leaf_kill(const struct cgroup_leaf *leaf);

void cgroup_leaf_usage(const struct cgroup_leaf *leaf, struct cgroup_usage *ret);

/** cgroup_leaf_cpu_us - user and system time so far; UINT64_MAX when not known */
uint64_t cgroup_leaf_cpu_us(const struct cgroup_leaf *leaf);

/**
 * cgroup_leaf_remove - rmdir and close
 * Return: 0, or -EBUSY while members are still dying: call again later.
 */
MUST_USE int cgroup_leaf_remove(struct cgroup_leaf *leaf);

#endif
