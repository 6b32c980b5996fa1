/*
 * What denials ask for: fragments of a policy, each once, with the evidence for it. `policy learn` and
 * `policy suggest` collect them and put them together on top of a base.
 */
#ifndef TOOLCELL_CLI_GRANTS_H
#define TOOLCELL_CLI_GRANTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define GRANTS_MAX 512U	       /* of one proposal */
#define GRANTS_EVIDENCE_MAX 8U /* that are kept for one grant; the others are counted */
#define GRANTS_FOLD 4U	       /* so many files of one folder become the folder */
#define GRANTS_NAME_BYTES 192U

/*
 * A list of {"fragment", "risk": text or null, "count", "evidence": [{"operation", "object", "errno",
 * "process", "rule"}, ...]}.
 */
struct grants {
	json_t *list;
	char *homes[2]; /* the operator's, as it is named, and where that leads; NULL: not known */
	bool here; /* paths are this host's: what is not there cannot be granted, nor was it missed */
	size_t closed; /* denials that no fragment would have helped */
	bool overflowed;
};

/** grants_init - @home: the operator's, as HOME has it, or NULL.  Return: 0 or -ENOMEM. */
MUST_USE int grants_init(struct grants *grants, const char *home);
void grants_fini(struct grants *grants);

/**
 * grants_add - what one entry of a result's `denials` asks for
 * Without a fragment, with "relevance": "none" or "open": false it asks for nothing.
 * @ret_new: whether there is a grant now that was not there before
 * Return: 0 or -ENOMEM; a denial of another shape asks for nothing.
 */
MUST_USE int grants_add(struct grants *grants, json_t *denial, bool *ret_new);

/** grants_fold - many files of one folder become the folder, but for folders that hold too much */
MUST_USE int grants_fold(struct grants *grants);

/**
 * grants_policy - a policy of every grant
 * @risky: with those that have a risk, too
 * @without: index of a grant to leave out; SIZE_MAX: none
 * Return: a new reference; NULL without memory.
 */
json_t *grants_policy(const struct grants *grants, const char *name, const char *base, bool risky,
		      size_t without);

/** grants_merge - objects merge, lists append what they do not have, single values replace */
MUST_USE int grants_merge(json_t *into, json_t *fragment);

/** grants_risk - why a fragment is more than it seems; NULL: it is not */
const char *grants_risk(const struct grants *grants, json_t *fragment);

/** grants_path_risk - why to read @path is a risk, or NULL; a home is one by each of its names */
const char *grants_path_risk(const struct grants *grants, const char *path);

#endif
