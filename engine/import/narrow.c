/*
 * Theory of operation: small steps on the flat policy, each of which can only take something away
 * or demand more. They answer 1 when something changed and 0 when it was so already, which is what
 * the report is made of.
 */
#include <errno.h>
#include <string.h>

#include "import/context.h"
#include "workspace/rules.h"

static json_t *section(const struct import *im, const char *name)
{
	return json_object_get(im->policy, name);
}

static int changed(struct import *im, int json_result)
{
	return json_result < 0 ? err_set(im->err, ENOMEM, "cannot narrow the policy") : 1;
}

/* The key of an object of tools under which @name goes, with "-" for "_". */
static const char *tool_key(json_t *tools, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach(tools, key, value)
		if (policy_tool_names_equal(key, name))
			return key;
	return NULL;
}

bool narrow_has_tool(const struct import *im, const char *name)
{
	json_t *tools = section(im, "tools");
	const char *key = tool_key(tools, name);

	return tool_key(im->options->tools, name) &&
	       !(key && json_is_false(json_object_get(tools, key)));
}

int narrow_tool(struct import *im, const char *name)
{
	json_t *tools = section(im, "tools");
	const char *key = tool_key(tools, name);

	if (!narrow_has_tool(im, name))
		return 0;
	if (!key)
		key = tool_key(im->options->tools, name);
	return changed(im, json_object_set_new(tools, key, json_false()));
}

int narrow_ask(struct import *im, const char *name)
{
	json_t *tools = section(im, "tools");
	const char *key = tool_key(tools, name);

	if (!narrow_has_tool(im, name))
		return 0;
	if (!key) {
		key = tool_key(im->options->tools, name);
		if (json_object_set_new(tools, key, json_object()) < 0)
			return changed(im, -1);
	}
	if (json_is_true(json_object_get(json_object_get(tools, key), "ask")))
		return 0;
	return changed(im, json_object_set_new(json_object_get(tools, key), "ask", json_true()));
}

enum policy_workspace narrow_mode(const struct import *im)
{
	const char *mode = json_string_value(json_object_get(section(im, "workspace"), "mode"));
	size_t i = 0;

	while (mode && i + 1 < POLICY_WORKSPACE_N && strcmp(mode, policy_workspace_names[i]) != 0)
		i++;
	return (enum policy_workspace)i;
}

bool narrow_is_direct(const struct import *im)
{
	const char *fallback = json_string_value(
		json_object_get(section(im, "workspace"), "fallback"));

	return narrow_mode(im) == POLICY_WORKSPACE_DIRECT ||
	       (narrow_mode(im) == POLICY_WORKSPACE_OVERLAY && fallback &&
		strcmp(fallback, policy_fallback_names[IMAGE_FALLBACK_DIRECT]) == 0);
}

int narrow_readonly(struct import *im)
{
	if (narrow_mode(im) == POLICY_WORKSPACE_READONLY)
		return 0;
	return changed(im, json_object_set_new(section(im, "workspace"), "mode",
					       json_string("readonly")));
}

int narrow_no_network(struct import *im)
{
	const char *mode = json_string_value(json_object_get(section(im, "network"), "mode"));

	if (!mode || strcmp(mode, "none") == 0)
		return 0;
	return changed(im,
		       json_object_set_new(section(im, "network"), "mode", json_string("none")));
}

static bool drop_string(json_t *list, const char *text)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		if (!json_is_string(one) || strcmp(json_string_value(one), text) != 0)
			continue;
		(void)json_array_remove(list, i);
		return true;
	}
	return false;
}

int narrow_socket(struct import *im, const char *family)
{
	return drop_string(json_object_get(section(im, "syscalls"), "sockets"), family);
}

int narrow_protect(struct import *im, const char *pattern)
{
	json_t *workspace = section(im, "workspace");
	json_t *list = json_object_get(workspace, "protect");
	json_t *one;
	size_t i;

	if (!list) {
		list = json_array();
		if (json_object_set_new(workspace, "protect", list) < 0)
			return changed(im, -1);
	}
	json_array_foreach(list, i, one) {
		const char *old = json_string_value(
			json_is_object(one) ? json_object_get(one, "path") : one);

		if (!old || strcmp(old, pattern) != 0)
			continue;
		if (json_is_string(one))
			return 0;
		return changed(im, json_array_set_new(list, i, json_string(pattern)));
	}
	if (json_array_size(list) >= RULES_MAX / 2)
		return err_set(im->err, E2BIG, "more than %u protected paths", RULES_MAX / 2);
	return changed(im, json_array_append_new(list, json_string(pattern)));
}

int narrow_env(struct import *im, bool passed_only, bool (*drop)(const void *ctx, const char *name),
	       const void *ctx)
{
	json_t *values = json_object_get(section(im, "environment"), "set");
	json_t *pass = json_object_get(section(im, "environment"), "pass");
	const char *name;
	json_t *value;
	void *next;
	int r = 0;

	for (size_t i = json_array_size(pass); i > 0; i--) {
		if (!drop(ctx, json_string_value(json_array_get(pass, i - 1))))
			continue;
		(void)json_array_remove(pass, i - 1);
		r = 1;
	}
	json_object_foreach_safe(values, next, name, value) {
		if (passed_only || !drop(ctx, name))
			continue;
		(void)json_object_del(values, name);
		r = 1;
	}
	return r;
}
