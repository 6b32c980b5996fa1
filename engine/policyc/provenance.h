/* Where each rule of a policy stands, for whoever has to explain a refusal without reading policies. */
#ifndef TOOLCELL_POLICYC_PROVENANCE_H
#define TOOLCELL_POLICYC_PROVENANCE_H

#include <jansson.h>

#include "policy/policy.h"

/**
 * provenance_new - the catalog's "rules" (broker/origins.h reads them)
 *
 *	{"file": "policies/x.json",			the policy itself, which a remedy is for
 *	 "at": {"limits/wall": "policies/y.json#/limits/wall", ...},	what decides, inherited or not
 *	 "tools": {"Bash": {"limits/wall": "..."}},		... where a tool's section does
 *	 "final": ["/network"],				what a parent lets nobody loosen
 *	 "deny": {"mbind": "policies/x.json#/syscalls/deny/0"},
 *	 "never": {"it reads ...": "ptrace kcmp ..."},	calls that no policy can allow, by reason
 *	 "calls": "read write open ..."}			names of system calls by number; "-" for none
 *
 * Return: a new reference; NULL without memory.
 */
json_t *provenance_new(const struct policy *policy);

#endif
