/* Everything that one image is made from, loaded together. */
#ifndef TOOLCELL_POLICYC_COMPILE_H
#define TOOLCELL_POLICYC_COMPILE_H

#include <jansson.h>

#include "policy/plan.h"

struct compile_options {
	const char *agent;     /* NAME or FILE; NULL: none */
	const char *policy;    /* NAME or FILE; NULL: the agent's */
	const char *workspace; /* path inside; NULL: not known */
};

struct compile {
	struct policy_inputs inputs;
	struct policy_dirs policy_dirs;
	struct policy_dirs agent_dirs;
	struct policy_dirs tool_dirs;
	struct policy policy;
	struct policy_plan plan;
	json_t *manifests;
	json_t *agent; /* NULL: none */
	json_t *catalog;
	uint32_t first_cell;
};

/** compile_init - find the folders; compile_fini frees whatever of it was filled */
MUST_USE int compile_init(struct compile *c, struct err *err);
void compile_fini(struct compile *c);

/** compile_load - agent, policy, manifests, variables: everything but the image */
MUST_USE int compile_load(struct compile *c, const struct compile_options *options,
			  struct err *err);

/** compile_load_agent, compile_load_manifests, compile_load_policy - one of them */
MUST_USE int compile_load_agent(struct compile *c, const char *name_or_file, struct err *err);
MUST_USE int compile_load_manifests(struct compile *c, struct err *err);
MUST_USE int compile_load_policy(struct compile *c, const char *name_or_file, struct err *err);

/** compile_check_tools - every tool that the policy mentions must have a manifest */
MUST_USE int compile_check_tools(const struct compile *c, struct err *err);

/** compile_find_manifest - by name or alias; borrowed; NULL: none */
json_t *compile_find_manifest(json_t *manifests, const char *name);
/** compile_find_section - the policy's for a tool, by any of its names; NULL: none */
const struct policy_tool *compile_find_section(const struct compile *c, const char *tool);

/** compile_manifest - borrowed, by any of the tool's names; an error suggests what it may be called */
MUST_USE int compile_manifest(const struct compile *c, const char *tool, json_t **ret,
			      struct err *err);

/* asks.c */
/** compile_check_asks - whether every pattern that runs without a question can be held to */
MUST_USE int compile_check_asks(const struct compile *c, struct err *err);
/** compile_add_asks - to the catalog: what a person has to confirm */
MUST_USE int compile_add_asks(struct compile *c, struct err *err);

/** compile_catalog - fills c->catalog from what is loaded; c->first_cell counts */
MUST_USE int compile_catalog(struct compile *c, struct err *err);

/** compile_seal - the image; caller owns *ret_fd */
MUST_USE int compile_seal(struct compile *c, int *ret_fd, struct err *err);

#endif
