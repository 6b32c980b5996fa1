/* Places in policy files, for commands that point at lines. */
#ifndef TOOLCELL_POLICYC_WHERE_H
#define TOOLCELL_POLICYC_WHERE_H

#include <jansson.h>

#include "policy/policy.h"

/** where_json - {"file", "line", "pointer", "through"}; JSON null when it is built in
 *
 * "through" names the files by which the value came to @policy: from the one that says it down to the
 * policy itself.
 */
json_t *where_json(const struct policy *policy, struct policy_origin at);

/** where_text - "FILE:LINE POINTER", or "built in"; of where_json's value */
const char *where_text(json_t *where, char *dst, size_t cap);

/** where_chain - labels of a policy's files, the policy first */
json_t *where_chain(const struct policy *policy);

/** where_dump - compact JSON text, for a line of readable output; caller frees; NULL without memory */
char *where_dump(json_t *value);

#endif
