/*
 * Theory of operation: the tools of a catalog as a driver would be told of them, in the dialect that is
 * asked for. Without agent and policy every tool is printed as its manifest has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest/manifest.h"
#include "policyc/command.h"

static int print_format(json_t *tools, const char *format)
{
	json_t *list = manifest_tools_format(tools, format);
	json_t *out;
	int status;

	if (!list) {
		(void)fprintf(stderr, "toolcell: a tool has no name or schema\n");
		return COMMAND_WRONG;
	}
	out = strcmp(format, "mcp") == 0 ? json_pack("{so}", "tools", list) : list;
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
	if (manifest_format_is_known(format))
		return print_format(tools, format);
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
