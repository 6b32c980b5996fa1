/*
 * Theory of operation: the tools of a catalog as the three dialects write them in a request: MCP's
 * tools/list result, Anthropic's "tools" and OpenAI's "tools". Only names differ; schemas are those
 * of the manifests. Without agent and policy every tool is printed as its manifest has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policyc/command.h"

static void copy_keys(json_t *to, json_t *tool, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *value = json_object_get(tool, keys[i]);

		if (value && !json_is_null(value))
			(void)json_object_set(to, keys[i], value);
	}
}

static json_t *to_mcp(json_t *tool)
{
	static const char *const keys[] = {"name",	  "title",	  "description",
					   "inputSchema", "outputSchema", "annotations"};
	json_t *out = json_object();

	copy_keys(out, tool, keys, ARRAY_SIZE(keys));
	return out;
}

static json_t *to_anthropic(json_t *tool)
{
	return json_pack("{sO sO sO}", "name", json_object_get(tool, "name"), "description",
			 json_object_get(tool, "description"), "input_schema",
			 json_object_get(tool, "inputSchema"));
}

static json_t *to_openai(json_t *tool)
{
	return json_pack("{ss s{sO sO sO}}", "type", "function", "function", "name",
			 json_object_get(tool, "name"), "description",
			 json_object_get(tool, "description"), "parameters",
			 json_object_get(tool, "inputSchema"));
}

static const struct {
	const char *name;
	json_t *(*convert)(json_t *tool);
} formats[] = {
	{"mcp", to_mcp},
	{"anthropic", to_anthropic},
	{"openai", to_openai},
};

static int print_format(json_t *tools, json_t *(*convert)(json_t *tool), bool wrapped)
{
	json_t *list = json_array();
	json_t *out;
	json_t *tool;
	size_t i;
	int status;

	json_array_foreach(tools, i, tool) {
		json_t *one = convert(tool);

		if (!one || json_array_append_new(list, one) < 0) {
			json_decref(list);
			(void)fprintf(stderr,
				      "toolcell: a tool has no name, description or schema\n");
			return COMMAND_WRONG;
		}
	}
	out = wrapped ? json_pack("{so}", "tools", list) : list;
	status = command_print_json(out);
	json_decref(out);
	return status;
}

static int print_text(json_t *tools)
{
	json_t *tool;
	size_t i;

	json_array_foreach(tools, i, tool) {
		const char *title = json_string_value(json_object_get(tool, "title"));

		(void)printf("%-18s %s\n", json_string_value(json_object_get(tool, "name")),
			     title ? title : "");
	}
	return COMMAND_FINE;
}

/* From the catalog, when there is something that narrows; else from the manifests, by name. */
static json_t *tools_of(struct compile *c, const struct command_line *line, struct err *err)
{
	struct compile_options o = {.agent = line->agent, .policy = line->policy};
	json_t *list = NULL;
	json_t *manifest;
	const char *name;
	int r;

	if (o.agent || o.policy) {
		r = compile_load(c, &o, err);
		if (r == 0)
			r = compile_catalog(c, err);
		return r < 0 ? NULL : json_incref(json_object_get(c->catalog, "tools"));
	}
	r = compile_load_manifests(c, err);
	if (r < 0)
		return NULL;
	list = json_array();
	json_object_foreach(c->manifests, name, manifest)
		(void)json_array_append(list, manifest);
	return list;
}

static int print_tools(const struct command_line *line, json_t *tools)
{
	const char *format = line->format ? line->format : "mcp";

	if (!line->format && !line->json)
		return print_text(tools);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (strcmp(formats[i].name, format) == 0)
			return print_format(tools, formats[i].convert, i == 0);
	(void)fprintf(stderr, "toolcell-policyc: --format is mcp, anthropic or openai\n");
	return COMMAND_USAGE;
}

int command_tools(const struct command_line *line)
{
	struct compile *c = malloc(sizeof(*c));
	struct err err = {0};
	json_t *tools = NULL;
	int status;

	if (!c)
		return COMMAND_WRONG;
	if (compile_init(c, &err) == 0)
		tools = tools_of(c, line, &err);
	status = tools ? print_tools(line, tools) : command_fail(&err);
	json_decref(tools);
	compile_fini(c);
	free(c);
	return status;
}
