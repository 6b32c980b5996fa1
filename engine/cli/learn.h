/* `toolcell policy learn` and `toolcell policy suggest`: from denials to a policy that a person reads. */
#ifndef TOOLCELL_CLI_LEARN_H
#define TOOLCELL_CLI_LEARN_H

#include <jansson.h>

#include "cli/args.h"
#include "cli/grants.h"

#define LEARN_BASE "base/build"
#define LEARN_NAME "learned"
#define LEARN_ROUNDS 64U
#define LEARN_FILE_BYTES_MAX ((size_t)64 << 20)

/* What has been found out, for whoever prints it. */
struct proposal {
	const struct grants *grants;
	json_t *policy;	  /* without what is set apart */
	const char *base; /* policy that it extends */
	bool tried;	  /* a command was run; else the denials are somebody's */
	bool passes;	  /* ... and succeeds under @policy */
	unsigned int runs;
	const char *why; /* it does not pass; NULL */
};

/**
 * learn_print - the report on standard error, the policy on standard output or in --output
 * An existing file is replaced with --force only.  Return: 0 or -errno with @err filled.
 */
MUST_USE int learn_print(const struct proposal *proposal, const struct args *args, struct err *err);

/**
 * learn_check_output - refuse an --output that learn_print() would refuse, before minutes are spent
 * Return: 0 or -errno with @err filled.
 */
MUST_USE int learn_check_output(const struct args *args, struct err *err);

/** learn_run - `policy learn -- COMMAND`.  Return: an exit code. */
int learn_run(const struct args *args);

/** learn_suggest - `policy suggest [FILE...]`.  Return: an exit code. */
int learn_suggest(const struct args *args);

#endif
