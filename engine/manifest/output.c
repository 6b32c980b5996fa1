/*
 * Theory of operation: the outputSchema that hosts see is toolcell.result/1 with the tool's own
 * schema of `data` put in. Some hosts replace a result that violates it, so it must hold on every
 * path: refused, stopped, failed, without data. Hence a type only where a value of it is always
 * there, no type where null is possible (the description says so; `properties` binds objects
 * only), "required" only for what every result carries, and no closed objects.
 */
#include <string.h>

#include "manifest/check.h"

static const char wrapper[] =
	"{\"type\":\"object\","
	"\"required\":[\"schema\",\"tool\",\"status\",\"ended\",\"denials\"],"
	"\"properties\":{"
	"\"schema\":{\"type\":\"string\",\"description\":\"toolcell.result/1\"},"
	"\"call\":{\"type\":\"string\",\"description\":\"Id of this call.\"},"
	"\"agent\":{\"description\":\"Name of the agent, or null.\"},"
	"\"tool\":{\"type\":\"string\"},"
	"\"policy\":{\"description\":\"Name of the policy, or null.\"},"
	"\"status\":{\"type\":\"string\",\"enum\":[\"ok\",\"failed\",\"stopped\",\"refused\","
	"\"error\"],"
	"\"description\":\"ok: ran and succeeded. failed: ran and says no. stopped: a limit or a "
	"cancel. "
	"refused: not allowed, nothing ran. error: fault of the engine.\"},"
	"\"ended\":{\"type\":\"object\",\"required\":[\"cause\"],\"properties\":{"
	"\"cause\":{\"type\":\"string\",\"description\":\"exit, signal, wall_limit, cpu_limit, "
	"memory_limit, "
	"process_limit, disk_limit, output_limit, cancelled, policy or launcher_error.\"},"
	"\"exit_code\":{\"description\":\"Integer; null unless the cause is exit.\"},"
	"\"signal\":{\"description\":\"What killed it, or null.\"}}},"
	"\"error\":{\"description\":\"What went wrong, when the tool did not run, or null.\"},"
	"\"data_error\":{\"description\":\"Why there is no data, or null.\"},"
	"\"stdout\":{\"description\":\"Null when nothing ran.\",\"properties\":{"
	"\"text\":{\"type\":\"string\"},\"bytes\":{\"type\":\"integer\"},"
	"\"truncated\":{\"type\":\"boolean\"},\"encoding\":{\"type\":\"string\"},"
	"\"resource\":{\"description\":\"URI of the full output, or null.\"}}},"
	"\"stderr\":{\"description\":\"Shaped like stdout.\"},"
	"\"usage\":{\"description\":\"Time, memory, processes and bytes used; null when nothing "
	"ran.\"},"
	"\"limits\":{\"description\":\"Limits in force; null when nothing ran.\"},"
	"\"denials\":{\"type\":\"array\",\"description\":\"What the sandbox refused; empty: it was "
	"not the "
	"sandbox.\",\"items\":{\"type\":\"object\",\"properties\":{"
	"\"layer\":{\"description\":\"Which layer refused.\"},"
	"\"operation\":{\"description\":\"What was tried.\"},"
	"\"object\":{\"description\":\"On what, or null.\"},"
	"\"rule\":{\"description\":\"The policy's line, or null.\"},"
	"\"remedy\":{\"description\":\"What to do, or null.\"},"
	"\"fragment\":{\"description\":\"What a person would have to add to the policy to allow "
	"just this, or null.\"},"
	"\"relevance\":{\"description\":\"cause, possible, or none: it is not why the tool "
	"failed.\"}}}},"
	"\"granted\":{\"type\":\"array\",\"description\":\"What this call had because a person "
	"said "
	"yes to it.\",\"items\":{\"type\":\"object\",\"properties\":{"
	"\"object\":{\"type\":\"string\",\"description\":\"The tool, or the path.\"},"
	"\"for\":{\"type\":\"string\",\"enum\":[\"once\",\"session\"]},"
	"\"rule\":{\"description\":\"The policy's line that asked.\"}}}},"
	"\"changes\":{\"description\":\"What is not committed yet: counts, files with their kind, "
	"whether this call changed them (by_call) and what holds them back (verdict), the URI of "
	"the diff; null without a session, or when it is not known.\"},"
	"\"enforced\":{\"description\":\"Layers in force and layers missing; null when nothing "
	"ran.\"}}}";

static json_t *no_data(void)
{
	return json_pack("{s:s}", "description",
			 "Null: this tool's output is in stdout and stderr.");
}

json_t *output_schema(json_t *data)
{
	json_t *schema = json_loads(wrapper, JSON_REJECT_DUPLICATES, NULL);
	json_t *copy = data ? json_deep_copy(data) : no_data();

	if (!schema ||
	    json_object_set_new(json_object_get(schema, "properties"), "data", copy) < 0) {
		json_decref(schema);
		return NULL;
	}
	return schema;
}
