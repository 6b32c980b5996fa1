/*
 * Landlock, landlock(7), by our own table of ABIs: Debian 12's headers stop at ABI 2.
 *
 * ABI 1 (5.13) is treated as none: it refuses every rename between folders (EXDEV), which breaks
 * builds without protecting anything. 2 (5.19) refer; 3 (6.2) truncate; 4 (6.7) TCP; 5 (6.10) device
 * ioctl; 6 (6.12) abstract sockets and signals; 7 (6.15) audit flags.
 */
#ifndef TOOLCELL_CONFINE_LANDLOCK_H
#define TOOLCELL_CONFINE_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define LANDLOCK_ABI_USEFUL 2U
#define LANDLOCK_ABI_SCOPES 6U /* abstract sockets and signals end at the domain */

struct landlock_rule {
	const char *path;
	uint32_t access; /* enum image_access of wire/image.h, or'ed */
};

struct landlock_domain {
	uint32_t abi;	 /* of this kernel; >= LANDLOCK_ABI_USEFUL */
	bool net_denied; /* no TCP bind or connect at all (ABI 4) */
	int ruleset;	 /* -1 before landlock_begin */
	uint64_t handled;
};

/** landlock_abi - of the running kernel; 0 where there is none or it is switched off */
uint32_t landlock_abi(void);

/** landlock_begin - a rule set that allows nothing.  Return: 0 or -errno. */
MUST_USE int landlock_begin(struct landlock_domain *domain, uint32_t abi, bool net_denied);

/** landlock_allow - open a hierarchy; a path that is not there is skipped.  Return: 0 or -errno. */
MUST_USE int landlock_allow(struct landlock_domain *domain, const struct landlock_rule *rule);

/** landlock_enter - restrict this thread and its children for ever; needs no_new_privs */
MUST_USE int landlock_enter(struct landlock_domain *domain);

#endif
