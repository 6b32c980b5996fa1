/*
 * Questions to a policy that is resolved: may this path, call, address, tool be used, which value of
 * which file says so, and what would be the least to change. Answers follow from the same plan and the
 * same filter that cells are made from; nothing here decides anything for a cell.
 */
#ifndef TOOLCELL_POLICY_QUERY_H
#define TOOLCELL_POLICY_QUERY_H

#include <limits.h>

#include "policy/call.h"
#include "policy/plan.h"

enum query_use { QUERY_READ, QUERY_LIST, QUERY_WRITE, QUERY_CREATE, QUERY_EXECUTE, QUERY_USE_N };

enum query_verdict {
	QUERY_ALLOW,
	QUERY_REFUSED,
	QUERY_HIDDEN,	 /* nothing shows the path */
	QUERY_PROTECTED, /* by workspace.protect: what is written never reaches the workspace */
	QUERY_VERDICT_N,
};

/* Where that goes which is written. */
enum query_fate {
	QUERY_KEPT_NOWHERE,
	QUERY_KEPT_HOST,
	QUERY_KEPT_CALL,
	QUERY_KEPT_SESSION,
	QUERY_FATE_N
};

#define QUERY_WHY_MAX 384U
#define QUERY_LINKS_MAX 40U /* as the kernel's own bound */

struct query_answer {
	enum query_verdict verdict;
	enum query_fate fate;	   /* of QUERY_WRITE and QUERY_CREATE that are allowed */
	struct policy_origin rule; /* what decides; POLICY_BUILT_IN: no file says it */
	char why[QUERY_WHY_MAX];   /* one line for people */
};

/* A path inside, looked up in the plan. */
struct query_place {
	char path[PATH_MAX];		  /* after the plan's own links */
	bool followed;			  /* ... which stood on the way */
	const struct policy_mount *mount; /* what shows it; NULL: nothing does */
	bool way;			  /* no mount, but a folder on the way to one */
	bool folder_made;		  /* an empty folder of the plan within @mount */
	uint32_t access;		  /* of all Landlock rules that cover it */
};

/* Who asks: a policy, or one tool of it, on a workspace. */
struct query {
	const struct policy_plan *plan;
	const struct policy_tool *tool; /* NULL: none that narrows */
	const char *workspace;		/* path inside; NULL: not known */
};

const char *query_use_name(enum query_use use);
bool query_use_find(const char *name, size_t len, enum query_use *ret);
const char *query_verdict_name(enum query_verdict verdict);
bool query_verdict_find(const char *name, enum query_verdict *ret);
const char *query_fate_words(enum query_fate fate);

/**
 * query_clean - a path as asked for to one that the plan can be asked about
 * Variables and ${WORKSPACE} are expanded; what is relative lies in the workspace; "." and ".." are
 * taken out as text.
 * @ret: PATH_MAX bytes
 */
MUST_USE int query_clean(const struct query *ask, const char *text, char *ret, struct err *err);

/** query_place - @path is clean; -ELOOP for links that lead in a circle, -ENAMETOOLONG */
MUST_USE int query_place(const struct query *ask, const char *path, struct query_place *ret,
			 struct err *err);

/** query_path - what becomes of @use at a place */
void query_path(const struct query *ask, const struct query_place *place, enum query_use use,
		struct query_answer *ret);

/**
 * query_call - a system call, as @arch makes it on @machine
 * @ret_verdict: what the filter answers
 * Return: 1; 0 when there is no such call there; -errno.
 */
MUST_USE int query_call(const struct query *ask, const struct call_filters *filters,
			enum call_arch machine, enum call_arch arch, const struct call *call,
			enum call_verdict *ret_verdict, struct query_answer *ret, struct err *err);

/** query_host - "HOST", "HOST:PORT", "[IPV6]:PORT" */
MUST_USE int query_host(const struct query *ask, const char *text, struct query_answer *ret,
			struct err *err);

/** query_net - the network that ask->tool has: enum image_net; @ret_rule: what says so */
uint32_t query_net(const struct query *ask, struct policy_origin *ret_rule);

/** query_tool - whether the policy leaves a tool, by its section; NULL: it has none */
void query_tool(const struct policy_tool *tool, struct query_answer *ret);

/**
 * query_final - the entry of `final` in the chain that keeps policies which extend this one from
 * loosening @pointer; NULL: none does
 */
const struct policy_name *query_final(const struct policy *policy, const char *pointer);

/*
 * The least that would allow what was refused, as a policy that extends this one.
 * @ret_pointer: the key that would change, for query_final; a static string
 * Return: new object; NULL when no policy can allow it.
 */
json_t *query_remedy_path(const struct query *ask, const struct query_place *place,
			  enum query_use use, const char **ret_pointer);
json_t *query_remedy_call(const struct query *ask, const struct call *call,
			  const char **ret_pointer);
json_t *query_remedy_host(const struct query *ask, const char *text, const char **ret_pointer);

#endif
