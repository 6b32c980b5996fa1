/* Giving things up for good: capabilities(7), prctl(2), seccomp(2), keyctl(2). */
#ifndef TOOLCELL_CONFINE_PRIVILEGE_H
#define TOOLCELL_CONFINE_PRIVILEGE_H

#include <linux/filter.h>
#include <stdint.h>

#include "base/macros.h"

/**
 * privilege_drop_bounding - nothing that is executed from here on can have a capability
 * Empties the bounding and ambient sets and locks securebits so that uid 0 means nothing either;
 * needs CAP_SETPCAP unless all of that is so already. System calls only.  Return: 0 or -errno.
 */
MUST_USE int privilege_drop_bounding(void);

/**
 * privilege_drop_capabilities - out of every set, for ever
 * privilege_drop_bounding, then permitted, effective and inheritable. Uses libcap, which allocates:
 * not between clone and exec.  Return: 0 or -errno.
 */
MUST_USE int privilege_drop_capabilities(void);

/**
 * privilege_become - root for good no more: capabilities, groups, then gid and uid @id
 * @id: 0 when there is no root to give up: an account without capabilities has nothing to empty
 * Return: 0 or -errno, after which the process must not go on.
 */
MUST_USE int privilege_become(uint32_t id);

/** privilege_no_new - no_new_privs, inherited for ever.  Return: 0 or -errno. */
MUST_USE int privilege_no_new(void);

/** privilege_filter - install a seccomp program on all threads (TSYNC).  Return: 0 or -errno. */
MUST_USE int privilege_filter(const struct sock_filter *insns, uint32_t count);

/**
 * privilege_filter_listen - likewise for this thread, with a listener for SECCOMP_RET_USER_NOTIF
 * @ret_listener: close-on-exec; caller owns. Calls that were received wait on through signals that do not
 *		  kill where the kernel can say so. KERNEL(5.19)
 *
 * See seccomp_unotify(2).  Return: 0 or -errno, and no filter then: -EBUSY below another listener.
 */
MUST_USE int privilege_filter_listen(const struct sock_filter *insns, uint32_t count,
				     int *ret_listener);

/** privilege_new_keyring - an empty session keyring in place of the inherited one */
MUST_USE int privilege_new_keyring(void);

/** privilege_hide - not dumpable, no core: neither ptrace nor /proc/PID of ours for others */
MUST_USE int privilege_hide(void);

#endif
