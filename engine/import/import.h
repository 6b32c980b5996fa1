/*
 * Policies of other tools, taken over by intersection: what results is the base, made stricter by
 * what the other tool's file refuses. What that file allows beyond the base is listed and not
 * granted; what it demands and no policy of ours can say is an error, unless it is accepted by name.
 *
 *	document_open --> one importer --> rows + a narrower policy --> import_check_narrower
 *	  JSON or TOML	   claude, srt, codex, seccomp
 */
#ifndef TOOLCELL_IMPORT_IMPORT_H
#define TOOLCELL_IMPORT_IMPORT_H

#include <jansson.h>

#include "policy/policy.h"

#define IMPORT_FILE_BYTES_MAX ((size_t)256 << 10)
#define IMPORT_FILES_MAX 16U
#define IMPORT_ROWS_MAX 4096U
#define IMPORT_ACCEPT_MAX 64U

/* What became of a rule. */
enum import_verdict {
	IMPORT_TAKEN,	      /* the result says it */
	IMPORT_NARROWED,      /* it allows more than the base: not granted */
	IMPORT_REFUSED,	      /* it refuses what the base refuses already */
	IMPORT_IGNORED,	      /* it has no bearing on what a tool may reach */
	IMPORT_ACCEPTED,      /* it cannot be said, and the operator said that this is known */
	IMPORT_INEXPRESSIBLE, /* it cannot be said: an error */
	IMPORT_VERDICT_N,
};
extern const char *const import_verdict_names[IMPORT_VERDICT_N];

struct import_options {
	const char *format; /* one of import_formats; NULL: told from each file's content */
	const char *const *files;
	size_t n_files;
	const char *name;      /* of the result; NULL: "imported" */
	const char *workspace; /* absolute; what relative paths of the files are relative to */
	/* "POINTER" or "FILE#POINTER": what lies at or below it need not be expressible. */
	const char *const *accept;
	size_t n_accept;
	json_t *tools; /* object whose keys are the tools that there are; borrowed */
};

struct import_result {
	json_t *policy; /* NULL while something is inexpressible */
	json_t *rows;	/* array of {"file","line","column","pointer","rule","verdict","note"} */
	size_t n_inexpressible;
};

/** import_formats - NULL-terminated: "claude", "srt", "codex", "seccomp" */
extern const char *const import_formats[];

/**
 * import_policies - every file in turn narrows the base further
 * @base:   the policy that nothing goes beyond
 * @inputs: files and variables that were consulted are added
 * @ret:    import_result_fini frees; filled also when something is inexpressible, zeroed on failure
 *
 * Errors are for files that cannot be read or are no such format; a rule that cannot be expressed is
 * no error here but a row.
 */
MUST_USE int import_policies(const struct policy *base, const struct import_options *options,
			     struct policy_inputs *inputs, struct import_result *ret,
			     struct err *err);
void import_result_fini(struct import_result *result);

/**
 * import_flatten - a policy as one file without "extends"
 * Return: new object; NULL without memory.
 */
json_t *import_flatten(const struct policy *policy);

/**
 * import_check_narrower - proof, after the fact, that @narrow allows nothing that @base does not
 * Compares mounts on this host, system calls, limits, environment, tools, requirements.
 * Return: 0, or -EINVAL naming the first thing that is wider.
 */
MUST_USE int import_check_narrower(const struct policy *base, const struct policy *narrow,
				   struct policy_inputs *inputs, struct err *err);

#endif
