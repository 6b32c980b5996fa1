/* Both halves of the answer to a call that is done. */
#ifndef TOOLCELL_BROKER_ANSWER_H
#define TOOLCELL_BROKER_ANSWER_H

#include <jansson.h>

#include "base/macros.h"

struct call;

/**
 * answer_build - the result object and the text
 * @ret_result: new reference
 * @ret_text:   malloc'ed
 * Return: 0 or -ENOMEM with nothing returned.
 */
MUST_USE int answer_build(struct call *c, json_t **ret_result, char **ret_text);

#endif
