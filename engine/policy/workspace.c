/*
 * Theory of operation: the keys of /workspace, and the text that they become for those who look at
 * changes (workspace/rules.h). A name of a protected path or of scratch is a pattern below the
 * workspace; what could not be written into a line of that text is refused here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "policy/plan.h"
#include "policy/values.h"
#include "workspace/rules.h"

/* Each list stands in order, strictest first. */
const char *const policy_workspace_names[POLICY_WORKSPACE_N] = {
	[POLICY_WORKSPACE_READONLY] = "readonly",
	[POLICY_WORKSPACE_OVERLAY] = "overlay",
	[POLICY_WORKSPACE_DIRECT] = "direct",
};
const char *const policy_fallback_names[IMAGE_FALLBACK_N] = {
	[IMAGE_FALLBACK_REFUSE] = "refuse",
	[IMAGE_FALLBACK_MEMORY] = "memory",
	[IMAGE_FALLBACK_READONLY] = "readonly",
	[IMAGE_FALLBACK_DIRECT] = "direct",
};
static const char *const link_names[] = {
	[POLICY_LINKS_INSIDE] = "inside",
	[POLICY_LINKS_ANY] = "any",
};
static const char *const driver_names[] = {"list",     "diff",	   "commit", "discard",
					   "snapshot", "rollback", "fork"};
static const char *const only_names[] = {"file"};

static const struct {
	const char *const *names;
	size_t n;
	size_t offset;
} choice_rows[] = {
	{policy_workspace_names, POLICY_WORKSPACE_N, offsetof(struct policy, workspace)},
	{policy_fallback_names, IMAGE_FALLBACK_N, offsetof(struct policy, fallback)},
	{link_names, ARRAY_SIZE(link_names), offsetof(struct policy, links)},
};
enum { CHOICE_MODE, CHOICE_FALLBACK, CHOICE_LINKS };

static int apply_choice(const struct walk_node *node, uint32_t arg)
{
	struct policy_value *value = (void *)((char *)node->walk->policy + choice_rows[arg].offset);

	return value_choose(node, choice_rows[arg].names, choice_rows[arg].n, value);
}

static int apply_sync(const struct walk_node *node, uint32_t arg)
{
	(void)arg;
	return value_demand(node, &node->walk->policy->sync);
}

static int apply_driver(const struct walk_node *node, uint32_t arg)
{
	uint64_t i;
	int r = walk_choose(node, driver_names, ARRAY_SIZE(driver_names), &i);

	(void)arg;
	return r < 0 ? r
		     : names_put(node, &node->walk->policy->driver, driver_names[i], NULL, false);
}

/* "a/b", "target", "x/y*": relative, clean, and nothing that a line of rules could not hold. */
static bool pattern_is_sane(const char *pattern)
{
	size_t depth = 0;

	for (const char *at = pattern;; depth++) {
		size_t len = strcspn(at, "/");

		if (len == 0 || (at[0] == '.' && (len == 1 || (len == 2 && at[1] == '.'))))
			return false;
		at += len;
		if (*at++ == '\0')
			break;
	}
	for (const char *p = pattern; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return depth < RULES_DEPTH_MAX;
}

static int check_pattern(const struct walk_node *node, const char *pattern)
{
	char quoted[160];

	if (pattern_is_sane(pattern))
		return 0;
	text_quote(quoted, sizeof(quoted), pattern, strlen(pattern));
	return walk_refuse(
		node,
		"\"%s\" is no path below the workspace: give \"a/b\", with \"**\" for any "
		"folders between and \"*\" within a name",
		quoted);
}

/* {"path": PATTERN, "only": "file"}; the value is NULL where every kind of file is meant. */
static int read_protect(const struct walk_node *node, const char **ret_pattern,
			const char **ret_only)
{
	json_t *path = json_object_get(node->value, "path");
	json_t *only = json_object_get(node->value, "only");
	size_t known = (path ? 1U : 0U) + (only ? 1U : 0U);

	if (!json_is_object(node->value)) {
		*ret_pattern = walk_text(node);
		return *ret_pattern ? 0 : -EINVAL;
	}
	if (!json_is_string(path) || json_object_size(node->value) != known)
		return walk_refuse(node, "must be a path, or an object with \"path\" and \"only\"");
	if (only && (!json_is_string(only) || strcmp(json_string_value(only), only_names[0]) != 0))
		return walk_refuse(node, "\"only\" knows one value: \"%s\"", only_names[0]);
	*ret_pattern = json_string_value(path);
	*ret_only = only ? only_names[0] : NULL;
	return 0;
}

static int apply_protect(const struct walk_node *node, uint32_t arg)
{
	const struct policy_name *old;
	const char *pattern = NULL;
	const char *only = NULL;
	int r = read_protect(node, &pattern, &only);

	if (r == 0 && !pattern)
		r = -EINVAL;
	(void)arg;
	if (r == 0)
		r = check_pattern(node, pattern);
	if (r < 0)
		return r;
	/* More that is protected is stricter, so a final list may grow; but no entry may shrink. */
	old = names_find(&node->walk->policy->protect, pattern);
	if (node->final && old && !old->value && only)
		return walk_refuse(node, "\"%s\" is protected whatever it is, and that is final",
				   pattern);
	return names_put(node, &node->walk->policy->protect, pattern, only, true);
}

static int apply_scratch(const struct walk_node *node, uint32_t arg)
{
	const char *pattern = walk_text(node);
	int r = pattern ? check_pattern(node, pattern) : -EINVAL;

	(void)arg;
	return r < 0 ? r : names_put(node, &node->walk->policy->scratch, pattern, NULL, false);
}

const struct walk_key policy_workspace_keys[] = {
	{"mode", KEY_STRING, CHOICE_MODE, apply_choice, NULL, 0},
	{"fallback", KEY_STRING, CHOICE_FALLBACK, apply_choice, NULL, 0},
	{"links", KEY_STRING, CHOICE_LINKS, apply_choice, NULL, 0},
	{"sync", KEY_BOOL, 0, apply_sync, NULL, 0},
	{"driver", KEY_LIST, 0, apply_driver, NULL, 0},
	{"protect", KEY_LIST, 0, apply_protect, NULL, 0},
	{"scratch", KEY_LIST, 0, apply_scratch, NULL, 0},
};
static_assert(ARRAY_SIZE(policy_workspace_keys) == POLICY_WORKSPACE_KEYS, "the table is whole");

static int append_names(struct buf *out, const struct policy *policy,
			const struct policy_names *names, char type, char type_with_value)
{
	int r = 0;

	for (size_t i = 0; i < names->n && r == 0; i++) {
		char where[512];

		r = buf_printf(out, "%c\t%s\t%s\n", names->at[i].value ? type_with_value : type,
			       names->at[i].name,
			       policy_where(policy, names->at[i].origin, where, sizeof(where)));
	}
	return r;
}

char *policy_change_rules(const struct policy *policy)
{
	struct buf out = {0};
	char where[512];
	int r;

	if (policy->workspace.value == POLICY_WORKSPACE_READONLY)
		return strdup("");
	r = append_names(&out, policy, &policy->protect, 'P', 'F');
	if (r == 0)
		r = append_names(&out, policy, &policy->scratch, 'S', 'S');
	if (r == 0 && policy->links.value == POLICY_LINKS_INSIDE)
		r = buf_printf(&out, "L\tinside\t%s\n",
			       policy_where(policy, policy->links.origin, where, sizeof(where)));
	if (r == 0 && policy->sync.value)
		r = buf_printf(&out, "Y\t%s\n",
			       policy_where(policy, policy->sync.origin, where, sizeof(where)));
	if (r == 0)
		r = buf_append(&out, "", 1);
	if (r < 0) {
		buf_fini(&out);
		return NULL;
	}
	return buf_take(&out, NULL);
}
