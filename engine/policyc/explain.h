/* What `policy explain` prints besides its answers. */
#ifndef TOOLCELL_POLICYC_EXPLAIN_H
#define TOOLCELL_POLICYC_EXPLAIN_H

#include <jansson.h>

#include "policy/query.h"

/** explain_summary - what a policy opens, as {"TITLE": [{"what", "value", "rule"}]} */
json_t *explain_summary(const struct query *ask);

/** explain_print - the whole answer as text for people */
void explain_print(json_t *out);

#endif
