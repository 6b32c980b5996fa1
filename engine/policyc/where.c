/* Theory of operation: an origin is a file of the chain and a pointer; the line is found in its text. */
#include "policyc/where.h"

#include <stdio.h>
#include <string.h>

#include "policy/source.h"

json_t *where_json(const struct policy *policy, struct policy_origin at)
{
	const struct policy_source *source;
	struct source_place place;
	json_t *through;

	if (at.source >= policy->n_sources || !at.pointer)
		return json_null();
	source = &policy->sources[at.source];
	place = source_locate(source->text, source->len, at.pointer);
	through = json_array();
	for (uint32_t i = at.source; i < policy->n_sources; i++)
		(void)json_array_append_new(through, json_string(policy->sources[i].label));
	return json_pack("{ss si ss so}", "file", source->label, "line", (int)place.line, "pointer",
			 at.pointer, "through", through);
}

const char *where_text(json_t *where, char *dst, size_t cap)
{
	const char *file = json_string_value(json_object_get(where, "file"));
	const char *pointer = json_string_value(json_object_get(where, "pointer"));

	if (!file || !pointer)
		(void)snprintf(dst, cap, "built in");
	else
		(void)snprintf(dst, cap, "%s:%d %s", file,
			       (int)json_integer_value(json_object_get(where, "line")), pointer);
	return dst;
}

json_t *where_chain(const struct policy *policy)
{
	json_t *list = json_array();

	for (uint32_t i = policy->n_sources; i > 0; i--)
		(void)json_array_append_new(list, json_string(policy->sources[i - 1].label));
	return list;
}

char *where_dump(json_t *value)
{
	return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}
