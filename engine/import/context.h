/* What all importers share while one file is taken over. Internal to import/. */
#ifndef TOOLCELL_IMPORT_CONTEXT_H
#define TOOLCELL_IMPORT_CONTEXT_H

#include "import/document.h"
#include "import/import.h"

#define PATH_RULES_MAX 1024U
#define IMPORT_NOTE_MAX 384

/* One path of the other tool's lists. */
struct path_rule {
	char *path;    /* absolute, clean, without links as far as it exists */
	char *pointer; /* where the file says so; NULL: gets no row */
	char *text;    /* as the file writes it */
	bool allow;
	bool hard; /* a refusal that no allowance below it undoes */
	bool met;  /* something of the base lies at, above or below it */
	bool link; /* the name of a link, as it is written, of the rule before it; has no row of its own */
};

struct path_rules {
	struct path_rule at[PATH_RULES_MAX];
	size_t n;
	bool otherwise;		       /* whether what no rule covers is allowed */
	char rest[POLICY_POINTER_MAX]; /* where the file says that it is not */
	bool ties_refuse;	       /* which of two rules for the same place wins */
};

struct import {
	const struct policy *base;
	const struct import_options *options;
	struct policy_inputs *inputs;
	const struct document *doc;
	json_t *policy; /* flat; being narrowed */
	json_t *rows;
	size_t n_inexpressible;
	bool accepted[IMPORT_ACCEPT_MAX];
	struct path_rules read;
	struct path_rules write;
	struct err *err;
};

/* The importers: each reads im->doc and narrows im->policy. */
MUST_USE int import_claude(struct import *im);
MUST_USE int import_srt(struct import *im);
MUST_USE int import_codex(struct import *im);
MUST_USE int import_seccomp(struct import *im);

/**
 * import_row - one line of the report
 * @rule: what the file says, shortened and quoted as needed
 * @fmt:  why, or what became of it
 *
 * IMPORT_INEXPRESSIBLE becomes IMPORT_ACCEPTED where the operator said so.  Return: 0 or -errno.
 */
MUST_USE int import_row(struct import *im, const char *pointer, const char *rule,
			enum import_verdict verdict, const char *fmt, ...) PRINTF(5, 6);

/** import_shape - "FILE:LINE:COLUMN: POINTER: ...": the file is not what its format is.  -EINVAL. */
int import_shape(struct import *im, const char *pointer, const char *fmt, ...) PRINTF(3, 4);

/** import_below - "POINTER/KEY" into @dst (POLICY_POINTER_MAX); refuses what does not fit */
MUST_USE int import_below(struct import *im, char *dst, const char *pointer, const char *key);
MUST_USE int import_item(struct import *im, char *dst, const char *pointer, size_t index);

#define IMPORT_HOST "is about the host, not about what its tools may reach"
#define IMPORT_ASKED "what the host asks about, it goes on asking about"

/* A key of the other tool's format. */
struct import_key {
	const char *name;
	json_type type; /* JSON_TRUE stands for both booleans */
	int (*take)(struct import *im, json_t *value, const char *pointer); /* NULL: no bearing */
	const char *why; /* for NULL: the note of its row */
};

/** import_keys - each member of @object by the table; a key that is not in it is inexpressible */
MUST_USE int import_keys(struct import *im, json_t *object, const char *pointer,
			 const struct import_key *keys, size_t n_keys);

/** import_each - @take for each item of a list; the first error ends it */
MUST_USE int import_each(struct import *im, json_t *list, const char *pointer,
			 int (*take)(struct import *im, json_t *item, const char *pointer));

/** import_strings - @take for each string of a list; anything else in it is a wrong shape */
MUST_USE int import_strings(struct import *im, json_t *list, const char *pointer,
			    int (*take)(struct import *im, const char *text, const char *pointer));

/** import_elsewhere - takes a key whose rows another key's taker, or the importer itself, makes */
MUST_USE int import_elsewhere(struct import *im, json_t *value, const char *pointer);

/** import_switch - the row of a boolean: "true" or "false", and what becomes of each */
MUST_USE int import_switch(struct import *im, const json_t *value, const char *pointer,
			   enum import_verdict when_true, enum import_verdict when_false,
			   const char *note);

/* narrow.c: each only ever makes im->policy stricter, and returns whether it changed (or -errno). */

/** narrow_tool - take a tool away; no tool of that name: 0 */
MUST_USE int narrow_tool(struct import *im, const char *name);
/** narrow_ask - a person confirms each call of a tool */
MUST_USE int narrow_ask(struct import *im, const char *name);
bool narrow_has_tool(const struct import *im, const char *name);
MUST_USE int narrow_readonly(struct import *im);
MUST_USE int narrow_no_network(struct import *im);
MUST_USE int narrow_socket(struct import *im, const char *family);
MUST_USE int narrow_protect(struct import *im, const char *pattern);
/** narrow_env - drop every variable for which @drop says so */
MUST_USE int narrow_env(struct import *im, bool passed_only,
			bool (*drop)(const void *ctx, const char *name), const void *ctx);
/** narrow_mode - policy_workspace of what there is now */
enum policy_workspace narrow_mode(const struct import *im);
/** narrow_is_direct - whether tools write, or may come to write, to the workspace itself */
bool narrow_is_direct(const struct import *im);

/* paths.c */

/**
 * paths_add - one path of a list; gives its row itself where the path cannot be used
 * @text: "/abs", "~/x", "x", "./x", each with or without a final slash or "/ **"
 */
MUST_USE int paths_add(struct import *im, struct path_rules *rules, const char *text, bool allow,
		       bool hard, const char *pointer);
/** paths_refuse_rest - what no rule covers is refused, as @pointer says */
void paths_refuse_rest(struct path_rules *rules, const char *pointer);
/** paths_apply - narrow the mounts by im->read and im->write, give a row for each rule */
MUST_USE int paths_apply(struct import *im);
void paths_fini(struct path_rules *rules);
/** paths_shown - whether the base shows some of what lies at @path (real) to its tools */
bool paths_shown(const struct import *im, const char *path);
/** paths_resolve - text of a file to a real path; malloc'ed in *ret; NULL there when it has wildcards */
MUST_USE int paths_resolve(const struct import *im, const char *text, char **ret);

/* carve.c */

/** rules_allow - what @rules say of @path itself */
bool rules_allow(const struct path_rules *rules, const char *path);
/** rules_differ_below - whether they say something else of anything strictly below it */
bool rules_differ_below(const struct path_rules *rules, const char *path, bool allowed);
/** carve_reads - rewrite the lists read, write and overlay so that im->read holds */
MUST_USE int carve_reads(struct import *im);
/** carve_writes - the same for the list write and im->write */
MUST_USE int carve_writes(struct import *im);
/** entry_source - real host path of an entry of those lists; malloc'ed; NULL: none or not there */
char *entry_source(const struct import *im, json_t *entry);

/* sandbox.c: the "network" and "filesystem" objects that Claude Code and sandbox-runtime share. */
MUST_USE int sandbox_network(struct import *im, json_t *value, const char *pointer);
MUST_USE int sandbox_filesystem(struct import *im, json_t *value, const char *pointer);
/** sandbox_built_in - what such a sandbox refuses without being told; @settings: the object at @pointer */
MUST_USE int sandbox_built_in(struct import *im, json_t *settings, const char *pointer);

#endif
