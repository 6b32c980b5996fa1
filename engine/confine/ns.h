/* Namespaces: namespaces(7), clone(2), user_namespaces(7). Plain system calls, no allocation. */
#ifndef TOOLCELL_CONFINE_NS_H
#define TOOLCELL_CONFINE_NS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

/*
 * What clone3 makes for a cell. The cgroup namespace follows once the child is in its cgroup; the
 * network namespace, half of the cost of all, the child makes while its parent prepares mounts.
 */
#define NS_CELL_FLAGS \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWTIME)

/**
 * ns_clone - clone3(2) in the manner of fork: a copy of this process in new namespaces
 * @cgroup: directory of a v2 cgroup to be born in (CLONE_INTO_CGROUP), or -1
 * @ret_pidfd: close-on-exec; written in the parent only
 *
 * Return: 0 in the child, the pid in the parent, or -errno.
 */
MUST_USE pid_t ns_clone(uint64_t flags, int cgroup, int *ret_pidfd);

/* One line of uid_map or gid_map: a single id. */
struct ns_map {
	uint32_t inside;
	uint32_t outside;
};

/**
 * ns_write_maps - uid_map, gid_map of @pid's user namespace
 * @pid: 0 for the calling process
 * @deny_setgroups: needed when the writer is not privileged over the parent namespace
 */
MUST_USE int ns_write_maps(int proc, pid_t pid, struct ns_map uid, struct ns_map gid,
			   int deny_setgroups);

/**
 * ns_make_idmap - a user namespace that only serves as the mapping of idmapped mounts
 * @proc: directory descriptor of a procfs that shows this process's children
 *
 * Ids @uid.inside on disk show as @uid.outside.  Return: 0 or -errno; caller owns *ret_fd.
 */
MUST_USE int ns_make_idmap(int proc, struct ns_map uid, struct ns_map gid, int *ret_fd);

/** ns_loopback_up - "lo" of the current network namespace.  Return: 0 or -errno. */
MUST_USE int ns_loopback_up(void);

#endif
