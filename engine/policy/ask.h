/*
 * Questions to a policy that is resolved: may this path, call, address, tool be used, which value of
 * which file says so, and what would be the least to change. Answers follow from the same plan and the
 * same filter that cells are made from; nothing here decides anything for a cell.
 */
#ifndef TOOLCELL_POLICY_ASK_H
#define TOOLCELL_POLICY_ASK_H

#include <limits.h>

#include "policy/call.h"
#include "policy/plan.h"

enum ask_use { ASK_READ, ASK_LIST, ASK_WRITE, ASK_CREATE, ASK_EXECUTE, ASK_USE_N };

enum ask_verdict {
	ASK_ALLOW,
	ASK_REFUSED,
	ASK_HIDDEN,    /* nothing shows the path */
	ASK_PROTECTED, /* by workspace.protect: what is written never reaches the workspace */
	ASK_VERDICT_N,
};

/* Where that goes which is written. */
enum ask_fate { ASK_KEPT_NOWHERE, ASK_KEPT_HOST, ASK_KEPT_CALL, ASK_KEPT_SESSION, ASK_FATE_N };

#define ASK_WHY_MAX 384U
#define ASK_LINKS_MAX 40U /* as the kernel's own bound */

struct ask_answer {
	enum ask_verdict verdict;
	enum ask_fate fate;	   /* of ASK_WRITE and ASK_CREATE that are allowed */
	struct policy_origin rule; /* what decides; POLICY_BUILT_IN: no file says it */
	char why[ASK_WHY_MAX];	   /* one line for people */
};

/* A path inside, looked up in the plan. */
struct ask_place {
	char path[PATH_MAX];		  /* after the plan's own links */
	bool followed;			  /* ... which stood on the way */
	const struct policy_mount *mount; /* what shows it; NULL: nothing does */
	bool way;			  /* no mount, but a folder on the way to one */
	bool folder_made;		  /* an empty folder of the plan within @mount */
	uint32_t access;		  /* of all Landlock rules that cover it */
};

/* Who asks: a policy, or one tool of it, on a workspace. */
struct ask {
	const struct policy_plan *plan;
	const struct policy_tool *tool; /* NULL: none that narrows */
	const char *workspace;		/* path inside; NULL: not known */
};

const char *ask_use_name(enum ask_use use);
bool ask_use_find(const char *name, size_t len, enum ask_use *ret);
const char *ask_verdict_name(enum ask_verdict verdict);
bool ask_verdict_find(const char *name, enum ask_verdict *ret);
const char *ask_fate_words(enum ask_fate fate);

/**
 * ask_clean - a path as asked for to one that the plan can be asked about
 * Variables and ${WORKSPACE} are expanded; what is relative lies in the workspace; "." and ".." are
 * taken out as text.
 * @ret: PATH_MAX bytes
 */
MUST_USE int ask_clean(const struct ask *ask, const char *text, char *ret, struct err *err);

/** ask_place - @path is clean; -ELOOP for links that lead in a circle, -ENAMETOOLONG */
MUST_USE int ask_place(const struct ask *ask, const char *path, struct ask_place *ret,
		       struct err *err);

/** ask_path - what becomes of @use at a place */
void ask_path(const struct ask *ask, const struct ask_place *place, enum ask_use use,
	      struct ask_answer *ret);

/**
 * ask_call - a system call, as @arch makes it on @machine
 * @ret_verdict: what the filter answers
 * Return: 1; 0 when there is no such call there; -errno.
 */
MUST_USE int ask_call(const struct ask *ask, const struct call_filters *filters,
		      enum call_arch machine, enum call_arch arch, const struct call *call,
		      enum call_verdict *ret_verdict, struct ask_answer *ret, struct err *err);

/** ask_host - "HOST", "HOST:PORT", "[IPV6]:PORT" */
MUST_USE int ask_host(const struct ask *ask, const char *text, struct ask_answer *ret,
		      struct err *err);

/** ask_net - the network that ask->tool has: enum image_net; @ret_rule: what says so */
uint32_t ask_net(const struct ask *ask, struct policy_origin *ret_rule);

/** ask_tool - whether the policy leaves a tool, by its section; NULL: it has none */
void ask_tool(const struct policy_tool *tool, struct ask_answer *ret);

/**
 * ask_final - the entry of `final` in the chain that keeps policies which extend this one from
 * loosening @pointer; NULL: none does
 */
const struct policy_name *ask_final(const struct policy *policy, const char *pointer);

/*
 * The least that would allow what was refused, as a policy that extends this one.
 * @ret_pointer: the key that would change, for ask_final; a static string
 * Return: new object; NULL when no policy can allow it.
 */
json_t *ask_remedy_path(const struct ask *ask, const struct ask_place *place, enum ask_use use,
			const char **ret_pointer);
json_t *ask_remedy_call(const struct ask *ask, const struct call *call, const char **ret_pointer);
json_t *ask_remedy_host(const struct ask *ask, const char *text, const char **ret_pointer);

#endif
