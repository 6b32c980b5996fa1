/*
 * Theory of operation: names of tools travel through hosts that rewrite "-" to "_", and agents
 * spell them either way. Both are alike here; letters are not folded, so that "bash" does not
 * become "Bash" unless the manifest lists it as an alias.
 */
#include <string.h>

#include "manifest/manifest.h"

bool manifest_name_equal(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
			return false;
	return *a == *b;
}

bool manifest_is_named(json_t *tool, const char *name)
{
	const char *own = json_string_value(json_object_get(tool, "name"));
	json_t *alias;
	size_t i;

	if (own && manifest_name_equal(own, name))
		return true;
	json_array_foreach(json_object_get(tool, "aliases"), i, alias)
		if (json_is_string(alias) && manifest_name_equal(json_string_value(alias), name))
			return true;
	return false;
}

static json_t *find(json_t *tools, const char *name)
{
	json_t *tool;
	size_t i;

	json_array_foreach(tools, i, tool)
		if (manifest_is_named(tool, name))
			return tool;
	return NULL;
}

json_t *manifest_find_tool(json_t *catalog, const char *name)
{
	return find(json_object_get(catalog, "tools"), name);
}

json_t *manifest_find_operator_tool(json_t *catalog, const char *name)
{
	return find(json_object_get(catalog, "operator"), name);
}
