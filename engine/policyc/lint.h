/* `policy lint`: grants that undo the sandbox, and rules that do nothing. */
#ifndef TOOLCELL_POLICYC_LINT_H
#define TOOLCELL_POLICYC_LINT_H

#include "policyc/compile.h"

enum lint_id {
	LINT_INVALID,
	LINT_ENGINE_SOCKET,
	LINT_HOME,
	LINT_SECRETS,
	LINT_SYSTEM_TREE,
	LINT_WRITABLE_PATH,
	LINT_WRITABLE_STARTUP,
	LINT_WRITABLE_TOOLCELL,
	LINT_UNPROTECTED,
	LINT_FALLBACK_DIRECT,
	LINT_SET_ID,
	LINT_ENV_SECRET,
	LINT_ENV_LOADER,
	LINT_LIMIT_ABSENT,
	LINT_LIMIT_MACHINE,
	LINT_SHADOWED,
	LINT_DENY_NOTHING,
	LINT_ALLOW_TWICE,
	LINT_SECTION_EMPTY,
	LINT_NEEDS_OVERLAY,
	LINT_REQUIRE_WEAKER,
	LINT_N,
};

enum lint_severity { LINT_ERROR, LINT_WARNING, LINT_NOTE, LINT_SEVERITY_N };

struct lint {
	const struct compile *c; /* loaded and resolved */
	json_t *findings;
};

/** lint_add - one finding at a value of the policy */
void lint_add(struct lint *lint, enum lint_id id, struct policy_origin at, const char *fmt, ...)
	PRINTF(4, 5);

/* The checks, each of which may add findings. */
void lint_grants(struct lint *lint);	  /* lint_grants.c: what mounts show of the host */
void lint_environment(struct lint *lint); /* lint_values.c: everything else */
void lint_limits(struct lint *lint);
void lint_syscalls(struct lint *lint);
void lint_workspace(struct lint *lint);
void lint_tools(struct lint *lint);
void lint_require(struct lint *lint);

#endif
