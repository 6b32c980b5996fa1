/*
 * Policies: JSON files (policies/NAME.json, /etc/toolcell/policies/NAME.json) to one checked
 * struct, and that to records of the policy image. The only code that reads policy text; runs in
 * toolcell-policyc, which exits before anything is served.
 *
 *	policy_load --> struct policy --policy_resolve--> struct policy_plan --policy_emit--> image
 *	  files, inheritance, checks	  variables, host paths, order of mounts
 */
#ifndef TOOLCELL_POLICY_POLICY_H
#define TOOLCELL_POLICY_POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/image.h"

#define POLICY_FILE_BYTES_MAX ((size_t)1 << 20)
#define POLICY_JSON_DEPTH_MAX 16U
#define POLICY_EXTENDS_MAX 8U /* files in a chain, the policy itself included */
#define POLICY_ENTRIES_MAX 1024U
#define POLICY_NAMES_MAX 1024U /* of one list of names */
#define POLICY_TOOLS_MAX 128U
#define POLICY_INPUTS_MAX 512U
#define POLICY_POINTER_MAX 256U
#define POLICY_ASKS_MAX 4U /* entries with "ask": each doubles the cells of the image */
#define POLICY_ASK_PATTERNS_MAX 64U

/* A value of a file: which file of the chain and where in it. */
struct policy_origin {
	uint32_t source;     /* index into policy.sources; POLICY_BUILT_IN: no file says so */
	const char *pointer; /* JSON pointer; "" is the whole file; NULL when built in */
};
#define POLICY_BUILT_IN UINT32_MAX

struct policy_source {
	char *path;  /* as opened */
	char *label; /* for people: "policies/base/build.json", or the path */
	char *text;
	size_t len;
	json_t *json;
};

struct policy_name {
	const char *name;
	const char *value; /* environment.set only */
	struct policy_origin origin;
};

struct policy_names {
	struct policy_name *at;
	size_t n;
};

enum policy_kind {
	POLICY_READ,
	POLICY_WRITE,
	POLICY_TMPFS,
	POLICY_OVERLAY,
	POLICY_FILE,
	POLICY_SYMLINK,
	POLICY_DIRECTORY,
	POLICY_DEVICE,
	POLICY_KIND_N,
};

/* One entry of a filesystem list, before variables are expanded. */
struct policy_entry {
	enum policy_kind kind;
	const char *path;
	const char *target;  /* where inside (default: path); for a symlink the text of the link */
	const char *content; /* files */
	uint64_t size_bytes;
	uint64_t inodes; /* 0: derived from the size */
	uint64_t mode;
	bool optional;
	bool execute;
	bool ask; /* not there until a person has said yes */
	struct policy_origin origin;
};

enum policy_proc { POLICY_PROC_NONE, POLICY_PROC_PID, POLICY_PROC_MASKED, POLICY_PROC_N };
/* In order, strictest first. */
enum policy_workspace {
	POLICY_WORKSPACE_READONLY,
	POLICY_WORKSPACE_OVERLAY,
	POLICY_WORKSPACE_DIRECT,
	POLICY_WORKSPACE_N
};
enum policy_links { POLICY_LINKS_INSIDE, POLICY_LINKS_ANY };

/* In the order of struct image_limits. */
enum policy_limit {
	POLICY_LIMIT_WALL,
	POLICY_LIMIT_CPU,
	POLICY_LIMIT_MEMORY,
	POLICY_LIMIT_PROCESSES,
	POLICY_LIMIT_OPEN_FILES,
	POLICY_LIMIT_FILE_SIZE,
	POLICY_LIMIT_OUTPUT,
	POLICY_LIMIT_CPUS,
	POLICY_LIMIT_IO,
	POLICY_LIMIT_SESSION_SIZE,
	POLICY_LIMIT_SESSION_FILES,
	POLICY_LIMIT_N,
};

/* A single number or choice. */
struct policy_value {
	uint64_t value;
	bool set; /* a file says so */
	struct policy_origin origin;
};

/* What a tool narrows; values that are not set are the policy's. */
struct policy_tool {
	const char *name;
	bool taken_away;
	struct policy_value limits[POLICY_LIMIT_N];
	struct policy_value workspace;
	struct policy_value network;
	struct policy_value observe;
	struct policy_value ask;	  /* bool: a person confirms each call */
	struct policy_names ask_patterns; /* ... but for these commands */
	struct policy_origin origin;
};

enum policy_audit_arguments { POLICY_AUDIT_DIGEST, POLICY_AUDIT_TEXT, POLICY_AUDIT_ARGUMENTS_N };
/* In order, strictest first. */
enum policy_audit_sync { POLICY_AUDIT_SYNC_CALL, POLICY_AUDIT_SYNC_NONE, POLICY_AUDIT_SYNC_N };
enum policy_audit_full { POLICY_AUDIT_STOP, POLICY_AUDIT_CONTINUE, POLICY_AUDIT_FULL_N };

#define POLICY_AUDIT_OFF "off"
#define POLICY_AUDIT_DEFAULT "default"
#define POLICY_AUDIT_PATH_MAX 1024U
#define POLICY_AUDIT_PATTERNS_MAX 64U
#define POLICY_AUDIT_SIZE_MAX (1ULL << 40)

struct policy_audit {
	const char *path; /* POLICY_AUDIT_OFF, POLICY_AUDIT_DEFAULT, or absolute */
	struct policy_origin path_origin;
	struct policy_value arguments; /* enum policy_audit_arguments */
	struct policy_value sync;      /* enum policy_audit_sync */
	struct policy_value full;      /* enum policy_audit_full */
	struct policy_value rotate_size;
	struct policy_value rotate_keep;
	struct policy_names names; /* whose values are masked */
	struct policy_names patterns;
};

enum policy_socket {
	POLICY_SOCKET_UNIX = 1U << 0,
	POLICY_SOCKET_INET = 1U << 1,
	POLICY_SOCKET_INET6 = 1U << 2,
	POLICY_SOCKET_NETLINK_ROUTE = 1U << 3,
};

struct policy {
	struct policy_source sources[POLICY_EXTENDS_MAX]; /* the root of the inheritance first */
	uint32_t n_sources;
	const char *name;
	const char *description;
	struct policy_entry *entries;
	size_t n_entries;
	struct policy_value proc;      /* enum policy_proc */
	struct policy_value pts;       /* bool */
	struct policy_value workspace; /* enum policy_workspace */
	struct policy_value fallback;  /* enum image_fallback */
	struct policy_value links;     /* enum policy_links */
	struct policy_value sync;      /* bool: commits are made durable, fsync(2) */
	struct policy_names driver;    /* what the driver may do with changes */
	struct policy_names protect;   /* value "file": not folders */
	struct policy_names scratch;
	struct policy_value network; /* enum image_net */
	struct policy_value limits[POLICY_LIMIT_N];
	struct policy_names groups;
	struct policy_names allow;
	struct policy_names deny;
	struct policy_names sockets;
	struct policy_names env_set;
	struct policy_names env_pass;
	struct policy_tool *tools;
	size_t n_tools;
	struct policy_value landlock_abi;
	struct policy_value private_uid;
	struct policy_value ask_timeout; /* ms that a question stands */
	struct policy_value ask_session; /* bool: "for the session" is an answer */
	struct policy_names cgroup;
	struct policy_names finals;
	struct policy_value observe; /* index of policy_observe_names */
	struct policy_names absent;
	struct policy_audit audit;
	/* Every text above that is not in a source's JSON. */
	char **texts;
	size_t n_texts;
};

/* What was consulted, so that a cached image can be told from a stale one. */
struct policy_inputs {
	struct policy_input {
		enum image_input_type type;
		char *name;
		char *value;		   /* environment only; NULL: unset */
		struct image_input record; /* dev ... ctime_ns of a file */
	} at[POLICY_INPUTS_MAX];
	size_t n;
	bool overflowed;
};

/** policy_inputs_file - a file or link that was looked at, by lstat(2); absent ones are noted so */
void policy_inputs_file(struct policy_inputs *inputs, const char *path);
void policy_inputs_env(struct policy_inputs *inputs, const char *name);
void policy_inputs_fini(struct policy_inputs *inputs);

/** policy_dirs - where NAMEs are looked for, in order: the operator's, then the shipped ones */
struct policy_dirs {
	const char *at[3]; /* NULL-terminated */
	char *shipped;
};
MUST_USE int policy_dirs_init(struct policy_dirs *dirs, const char *kind, struct err *err);
void policy_dirs_fini(struct policy_dirs *dirs);

/** policy_name_is_sane - "rust-engineer", "base/build": words and no way out of the folder */
bool policy_name_is_sane(const char *name);

/**
 * policy_load - read a policy and all that it extends, check each, put them together
 * @name_or_file: a FILE begins with "/", "./" or "../" or ends in ".json"; anything else is a NAME
 * @dirs:	  NULL-terminated, searched for NAMEs
 * @inputs:	  every file that was read or looked for is added
 * @ret:	  policy_fini frees; zeroed on failure
 *
 * Errors name file, line, column and JSON pointer.
 */
MUST_USE int policy_load(const char *name_or_file, const char *const *dirs,
			 struct policy_inputs *inputs, struct policy *ret, struct err *err);
void policy_fini(struct policy *policy);

/**
 * policy_complain - "FILE:LINE:COLUMN: POINTER: ..." for a value of a policy
 * Return: -EINVAL, always.
 */
int policy_complain(const struct policy *policy, struct policy_origin at, struct err *err,
		    const char *fmt, ...) PRINTF(4, 5);

/** policy_where - "policies/base/build.json#/limits/wall", or "built in" */
const char *policy_where(const struct policy *policy, struct policy_origin at, char *dst,
			 size_t cap);

/** policy_strdup - a text that lives as long as the policy; NULL without memory */
char *policy_strdup(struct policy *policy, const char *text);

/** policy_find_tool - borrowed; NULL when the policy does not mention it */
const struct policy_tool *policy_find_tool(const struct policy *policy, const char *name);

/** policy_tool_names_equal - "-" and "_" are alike in names of tools */
bool policy_tool_names_equal(const char *a, const char *b);

/** policy_sockets - enum policy_socket, or'ed; families that @net cannot have are left out */
uint32_t policy_sockets(const struct policy *policy, uint32_t net);

/** policy_effective_limits - the policy's, lowered by @tool (NULL: none) */
struct image_limits policy_effective_limits(const struct policy *policy,
					    const struct policy_tool *tool);

/** policy_effective_limit - one of them; 0: none */
uint64_t policy_effective_limit(const struct policy *policy, const struct policy_tool *tool,
				size_t limit);

/** policy_change_rules - text of workspace/rules.h; malloc'ed; NULL without memory */
char *policy_change_rules(const struct policy *policy);

/** policy_observe - how closely init looks at what @tool (NULL: any other) does */
enum image_observe policy_observe(const struct policy *policy, const struct policy_tool *tool);

/** policy_absent - /denials/absent with variables expanded, a line each; @ret: malloc'ed */
MUST_USE int policy_absent(const struct policy *policy, struct policy_inputs *inputs, char **ret,
			   struct err *err);
/** policy_audit_defaults - of a policy that says nothing of it */
void policy_audit_defaults(struct policy_audit *audit);

/** policy_audit_is_fixed - the command line cannot move the log, or switch it off */
bool policy_audit_is_fixed(const struct policy *policy);

/* Words of the file format. */
extern const char *const policy_observe_names[IMAGE_OBSERVE_N];
extern const char *const policy_workspace_names[POLICY_WORKSPACE_N];
extern const char *const policy_fallback_names[IMAGE_FALLBACK_N];
extern const char *const policy_audit_arguments_names[POLICY_AUDIT_ARGUMENTS_N];
extern const char *const policy_audit_sync_names[POLICY_AUDIT_SYNC_N];
extern const char *const policy_audit_full_names[POLICY_AUDIT_FULL_N];
const char *policy_limit_name(enum policy_limit limit);
/** policy_limit_text - as a file would say it: "4GiB", "10min", "512", "0.5"; "none" */
void policy_limit_text(enum policy_limit limit, uint64_t value, char *dst, size_t cap);
const char *policy_kind_name(enum policy_kind kind);

#endif
