/*
 * Theory of operation: any bytes as an agent file, then as an agent in a catalog; the checks of
 * libFuzzer and the sanitizers are the assertions, and one of ours: what grants nothing must not
 * name a tool.
 */
#include <stdint.h>
#include <stdlib.h>

#include "manifest/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *agent = NULL, *grant;
	struct err err = {0};
	size_t i;

	if (agent_parse("agents/fuzz.md", (const char *)data, size, &agent, &err) < 0) {
		if (agent || err.text[0] == '\0')
			abort();
		return 0;
	}
	json_array_foreach(json_object_get(agent, "grants"), i, grant) {
		const char *tool = json_string_value(json_object_get(grant, "tool"));

		if (!tool || !*tool || i >= AGENT_TOOLS_MAX)
			abort();
	}
	json_decref(agent);
	return 0;
}
