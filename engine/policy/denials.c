/*
 * Theory of operation: the keys of /denials. They grant nothing: `observe` says how closely init looks at
 * what tools do, `absent` which paths are asked for by programs that can do without them, so that their
 * absence is no news. To look less closely is looser, to know of more absent paths too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "policy/plan.h"
#include "policy/values.h"

/* In order, strictest first: the reverse of enum image_observe. */
const char *const policy_observe_names[IMAGE_OBSERVE_N] = {"lookups", "opens", "writes", "refused",
							   "nothing"};

enum image_observe policy_observe(const struct policy *policy, const struct policy_tool *tool)
{
	const struct policy_value *value = tool && tool->observe.set ? &tool->observe
								     : &policy->observe;

	return (enum image_observe)(IMAGE_OBSERVE_N - 1 - value->value);
}

/* A tool may be looked at less closely than the policy says, unless that is final. */
static int apply_tool_observe(const struct walk_node *node)
{
	const struct walk *walk = node->walk;
	const struct policy_value *now = walk->tool->observe.set ? &walk->tool->observe
								 : &walk->policy->observe;
	uint64_t mode;
	int r = walk_choose(node, policy_observe_names, IMAGE_OBSERVE_N, &mode);

	if (r < 0)
		return r;
	if (mode > now->value && (node->final || walk_is_final(walk, "/denials/observe")))
		return value_refuse_looser(node, now);
	return value_store(node, &walk->tool->observe, mode);
}

static int apply_observe(const struct walk_node *node, uint32_t arg)
{
	(void)arg;
	if (node->walk->tool)
		return apply_tool_observe(node);
	return value_choose(node, policy_observe_names, IMAGE_OBSERVE_N,
			    &node->walk->policy->observe);
}

static bool has_control(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return true;
	return false;
}

static int apply_absent(const struct walk_node *node, uint32_t arg)
{
	const char *path = walk_text(node);
	char quoted[160];

	(void)arg;
	if (!path)
		return -EINVAL;
	text_quote(quoted, sizeof(quoted), path, strlen(path));
	if (path[0] != '/' && strncmp(path, "${", 2) != 0)
		return walk_refuse(node, "\"%s\" must begin with \"/\" or a variable", quoted);
	if (has_control(path))
		return walk_refuse(node, "\"%s\" has a control character", quoted);
	return names_put(node, &node->walk->policy->absent, path, NULL, false);
}

const struct walk_key policy_denials_keys[] = {
	{"observe", KEY_STRING, 0, apply_observe, NULL, 0},
	{"absent", KEY_LIST, 0, apply_absent, NULL, 0},
};
static_assert(ARRAY_SIZE(policy_denials_keys) == POLICY_DENIALS_KEYS, "the table is whole");

static int append_path(const struct policy *policy, const struct policy_name *name,
		       struct policy_inputs *inputs, struct buf *out, struct err *err)
{
	struct err why = {0};
	char *path = NULL;
	int r = policy_expand(name->name, inputs, &path, &why);

	if (r == 0 && !policy_path_is_clean(path))
		r = err_set(&why, EINVAL, "must be an absolute path without \"..\"");
	if (r == 0 && has_control(path)) /* of a variable; a line is a pattern */
		r = err_set(&why, EINVAL, "a variable in it has a control character");
	if (r < 0)
		r = policy_complain(policy, name->origin, err, "%s", why.text);
	else
		r = buf_printf(out, "%s\n", path);
	free(path);
	return r;
}

int policy_absent(const struct policy *policy, struct policy_inputs *inputs, char **ret,
		  struct err *err)
{
	struct buf out = {0};
	int r = 0;

	for (size_t i = 0; i < policy->absent.n && r == 0; i++)
		r = append_path(policy, &policy->absent.at[i], inputs, &out, err);
	if (r == 0)
		r = buf_append(&out, "", 1);
	if (r == 0)
		*ret = buf_take(&out, NULL);
	else if (r == -ENOMEM)
		r = err_set(err, ENOMEM, "cannot read the policy");
	buf_fini(&out);
	return r;
}
