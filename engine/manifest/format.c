/*
 * Theory of operation: the tools of a catalog, or of manifests, as the three dialects write them in a
 * request: MCP's tools/list, Anthropic's "tools" and OpenAI's "tools". Only names differ; schemas are
 * those of the manifests. A catalog holds more of a tool than a driver is told (argv templates,
 * environment, limits); only the members named here leave.
 */
#include <string.h>

#include "base/macros.h"
#include "manifest/manifest.h"

/* Members of an MCP Tool, in the order in which people read them. */
static const char *const mcp_members[] = {
	"name",		"title",       "description", "inputSchema",
	"outputSchema", "annotations", "icons",	      "_meta",
};

/*
 * Claude Code puts a result of more than 50,000 characters into a file and shows 2,000 of them, unless
 * the tool says how long its results are. This is what a page of Read comes to, with its JSON.
 */
#define RESULT_CHARS_KEY "anthropic/maxResultSizeChars"
#define RESULT_CHARS 250000

static int add_result_size(json_t *shown)
{
	json_t *meta = json_object_get(shown, "_meta");

	return meta ? 0
		    : json_object_set_new(shown, "_meta",
					  json_pack("{s:i}", RESULT_CHARS_KEY, RESULT_CHARS));
}

static json_t *mcp_tool(json_t *tool)
{
	json_t *shown = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(mcp_members); i++) {
		json_t *value = json_object_get(tool, mcp_members[i]);

		if (value && !json_is_null(value) &&
		    json_object_set(shown, mcp_members[i], value) < 0) {
			json_decref(shown);
			return NULL;
		}
	}
	if (shown && add_result_size(shown) < 0) {
		json_decref(shown);
		return NULL;
	}
	return shown;
}

static json_t *anthropic_tool(json_t *tool)
{
	return json_pack("{s:O, s:O*, s:O}", "name", json_object_get(tool, "name"), "description",
			 json_object_get(tool, "description"), "input_schema",
			 json_object_get(tool, "inputSchema"));
}

static json_t *openai_tool(json_t *tool)
{
	return json_pack("{s:s, s:{s:O, s:O*, s:O}}", "type", "function", "function", "name",
			 json_object_get(tool, "name"), "description",
			 json_object_get(tool, "description"), "parameters",
			 json_object_get(tool, "inputSchema"));
}

static const struct {
	const char *name;
	json_t *(*tool)(json_t *tool);
} formats[] = {
	{"mcp", mcp_tool},
	{"anthropic", anthropic_tool},
	{"openai", openai_tool},
};

bool manifest_format_is_known(const char *format)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (strcmp(formats[i].name, format) == 0)
			return true;
	return false;
}

json_t *manifest_tools_format(json_t *tools, const char *format)
{
	json_t *list;
	json_t *tool;
	size_t row = 0;
	size_t i;

	while (row < ARRAY_SIZE(formats) && strcmp(formats[row].name, format) != 0)
		row++;
	if (row == ARRAY_SIZE(formats))
		return NULL;
	list = json_array();
	json_array_foreach(tools, i, tool) {
		if (json_array_append_new(list, formats[row].tool(tool)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
