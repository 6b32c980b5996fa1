/* The catalog's "rules" (policyc/provenance.h): which line of which policy stands behind a refusal. */
#ifndef TOOLCELL_BROKER_ORIGINS_H
#define TOOLCELL_BROKER_ORIGINS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All borrowed. */
struct origins {
	json_t *json;	    /* NULL: the image has none; names are made of the policy's then */
	const char *policy; /* its name */
	const char *tool;   /* NULL: none */
};

#define ORIGINS_TEXT_BYTES 512

/** origins_at - "policies/base/build.json#/limits/wall" for "limits/wall".  Return: @dst. */
const char *origins_at(const struct origins *origins, const char *key,
		       char dst[ORIGINS_TEXT_BYTES]);

/** origins_file - the policy that a remedy is for: "policies/x.json".  Return: @dst. */
const char *origins_file(const struct origins *origins, char dst[ORIGINS_TEXT_BYTES]);

/** origins_are_open - whether the policy may loosen @pointer ("/network/mode"): no parent made it final */
bool origins_are_open(const struct origins *origins, const char *pointer);

/** origins_call_name - of a system call; @dst is used for a number without a name.  Return: @dst. */
const char *origins_call_name(const struct origins *origins, uint32_t nr, char *dst, size_t cap);

/** origins_never - why no policy can allow a call; NULL when one can */
const char *origins_never(const struct origins *origins, const char *name);

/** origins_deny - where a policy denies a call by name; NULL: nowhere */
const char *origins_deny(const struct origins *origins, const char *name);

#endif
