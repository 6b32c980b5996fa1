/*
 * A policy in the words of bubblewrap and of OCI runtimes: as near as they come. Everything that
 * they cannot hold is said, in the output itself and in @lost.
 */
#ifndef TOOLCELL_IMPORT_EXPORT_H
#define TOOLCELL_IMPORT_EXPORT_H

#include <jansson.h>

#include "base/buf.h"
#include "policy/plan.h"

#define EXPORT_UID 1000U /* as the shipped policies' /etc/passwd has it */

struct export_source {
	const struct policy_plan *plan;
	const char *workspace; /* real path */
};

/** export_bwrap - a bash script that executes bwrap(1) with its own arguments as the command */
MUST_USE int export_bwrap(const struct export_source *source, struct buf *out, json_t *lost,
			  struct err *err);

/** export_oci - a config.json; its rootfs is an empty folder "rootfs" beside it */
MUST_USE int export_oci(const struct export_source *source, struct buf *out, json_t *lost,
			struct err *err);

/** export_lose - one more thing that is not held */
void export_lose(json_t *lost, const char *fmt, ...) PRINTF(2, 3);
/** export_has - whether @m is there without anybody being asked; what is not is lost aloud */
bool export_has(const struct export_source *source, const struct policy_mount *m, json_t *lost);
/** export_lose_common - what neither format holds */
void export_lose_common(const struct export_source *source, json_t *lost);

/**
 * export_protected - each protected path that is there now, literal ones at the top of the workspace
 * @take: a negative return ends it and is returned
 */
MUST_USE int export_protected(const struct export_source *source,
			      int (*take)(void *ctx, const char *path), void *ctx, struct err *err);

/** export_seccomp - the filter of the policy's own cell as an OCI object; NULL after an error */
json_t *export_seccomp(const struct policy *policy, struct err *err);

#endif
