/* A seccomp profile while it is held against the base. Internal to import/. */
#ifndef TOOLCELL_IMPORT_SECCOMP_H
#define TOOLCELL_IMPORT_SECCOMP_H

#include "import/context.h"
#include "import/seccomp_proof.h"

#define SECCOMP_CALLS_MAX 512U
#define SECCOMP_RULES_MAX 4096U
#define SECCOMP_ARGS_MAX 6U

/* One name of one entry of "syscalls". */
struct seccomp_rule {
	const char *name; /* borrowed from the JSON */
	bool allows;
	bool repeated; /* two conditions on one argument */
	size_t n;
	struct condition args[SECCOMP_ARGS_MAX];
	size_t entry;
	char pointer[96];
};

struct base_call {
	char name[64];
	size_t n;
	struct syscalls_rule rules[24]; /* their names are not used */
};

struct profile {
	struct import *im;
	json_t *json;
	char pointer[POLICY_POINTER_MAX]; /* of the profile in its file */
	bool otherwise;			  /* defaultAction allows */
	struct base_call calls[SECCOMP_CALLS_MAX];
	size_t n_calls;
	struct seccomp_rule rules[SECCOMP_RULES_MAX];
	size_t n_rules;
	json_t *known;	  /* names of the base's calls, on any of the architectures */
	json_t *dropped;  /* call -> entry that refuses it, or null: the default action */
	json_t *unproven; /* pointers that have their row */
};

/** seccomp_action - of an entry or the default.  -EINVAL: no action that there is */
MUST_USE int seccomp_action(struct import *im, json_t *value, const char *pointer,
			    bool *ret_allows);
/** seccomp_check_shape - keys and types, before anything is judged; fills p->otherwise */
MUST_USE int seccomp_check_shape(struct profile *p);
/** seccomp_load_rules - p->rules from the entries that apply on one architecture */
MUST_USE int seccomp_load_rules(struct profile *p, const char *go,
				bool (*applies)(json_t *entry, const char *go));
/** seccomp_counts - whether an entry applies in cells of any architecture */
bool seccomp_counts(json_t *entry);
/** seccomp_report - a row for the default action and for each entry */
MUST_USE int seccomp_report(struct profile *p);

#endif
