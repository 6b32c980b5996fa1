/* A policy on this machine: variables expanded, host paths looked at, mounts in order. */
#ifndef TOOLCELL_POLICY_PLAN_H
#define TOOLCELL_POLICY_PLAN_H

#include "policy/policy.h"

struct policy_mount {
	enum image_mount_type type;
	uint32_t flags;
	char *source; /* NULL: none */
	char *target; /* NULL: the workspace */
	uint32_t mode;
	uint64_t size_bytes;
	uint64_t inodes;
	uint32_t access; /* enum image_access for Landlock; 0: no rule */
	uint32_t ask;	 /* bit in a set of grants; 0: always there */
	struct policy_origin origin;
};

struct policy_plan {
	const struct policy *policy; /* borrowed */
	struct policy_mount *mounts; /* parents before children; the workspace last */
	size_t n_mounts;
	uint32_t n_asks; /* mounts that a person has to grant; at most POLICY_ASKS_MAX */
	struct policy_env {
		const char *name; /* borrowed from the policy */
		char *value;	  /* NULL: passed */
		struct policy_origin origin;
	} * env;
	size_t n_env;
	char *home;
	char *tools; /* host folder of our own in-cell programs; NULL when no changes cell needs it */
	char *rules;  /* text of workspace/rules.h */
	char *absent; /* as policy_absent */
};

/**
 * policy_resolve - expand and order
 * @workspace: host path of the workspace, to find mounts that would lie within it; NULL: not known
 * @ret:       policy_plan_fini frees; zeroed on failure
 */
MUST_USE int policy_resolve(const struct policy *policy, const char *workspace,
			    struct policy_inputs *inputs, struct policy_plan *ret, struct err *err);
void policy_plan_fini(struct policy_plan *plan);

/**
 * policy_expand - "${HOME}/x" with its variables; "$${" stands for "${"
 * @ret: malloc'ed; caller frees
 * Errors are without a place: the caller knows it.
 */
MUST_USE int policy_expand(const char *text, struct policy_inputs *inputs, char **ret,
			   struct err *err);

/** policy_path_is_clean - absolute, no "//", "." or "..", no slash at the end, not "/" */
bool policy_path_is_clean(const char *path);

/** policy_plan_has - whether @mount is there when the asks in @granted (bits) are granted */
bool policy_plan_has(const struct policy_plan *plan, const struct policy_mount *mount,
		     uint32_t granted);

/**
 * policy_emit - mounts, rules, environment, filters and cells of a plan into an image
 * @ret_first: index of the policy's own cell; those of policy.tools follow in their order, but for
 *	       the ones that are taken away; with an overlay, POLICY_CHANGES_CELLS come behind;
 *	       then the policy's and the tools' again for each set of granted asks, 1 to 2^n - 1
 */
MUST_USE int policy_emit(const struct policy_plan *plan, struct image_builder *b,
			 uint32_t *ret_first, struct err *err);

/** policy_n_cells - the policy's own and one for each tool that it narrows */
uint32_t policy_n_cells(const struct policy *policy);

/* Behind the cells of tools: where toolcell-changes reads, and where it changes. */
enum { POLICY_CHANGES_READ, POLICY_CHANGES_WRITE, POLICY_CHANGES_CELLS };

/** policy_emit_inputs - last, when everything was consulted */
MUST_USE int policy_emit_inputs(const struct policy_inputs *inputs, struct image_builder *b,
				struct err *err);

#endif
