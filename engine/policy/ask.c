/*
 * Theory of operation: grants that a person has to confirm when they are wanted. A tool's section says
 * "ask"; so does an entry of filesystem.read or write, which entry.c reads; /ask says how long a question
 * stands and which answers there are. A file that gives a tool's "ask" replaces what its parents said of
 * it, words and all; below a "final" it may only ask more often.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "policy/source.h"
#include "policy/values.h"
#include "policy/walk.h"

#define ASK_TIMEOUT_MAX_MS (24ULL * 3600 * 1000)

int ask_apply_timeout(const struct walk_node *node, uint32_t arg)
{
	struct policy_value *value = &node->walk->policy->ask_timeout;
	const char *text = json_string_value(node->value);
	uint64_t ms = 0;
	int r = text ? num_parse_ms(text, &ms) : -EINVAL;

	(void)arg;
	if (r == -EINVAL)
		return walk_refuse(node, "must be a time with its unit: \"30s\", \"5min\", \"1h\"");
	if (r < 0 || ms < 1000 || ms > ASK_TIMEOUT_MAX_MS)
		return walk_refuse(node, "is out of range: a second to a day");
	if (node->final && ms > value->value)
		return value_refuse_looser(node, value);
	return value_store(node, value, ms);
}

int ask_apply_session(const struct walk_node *node, uint32_t arg)
{
	struct policy_value *value = &node->walk->policy->ask_session;
	bool on = json_is_true(node->value);

	(void)arg;
	if (node->final && on && !value->value)
		return value_refuse_looser(node, value);
	return value_store(node, value, on);
}

static int refuse_key(const struct walk_node *node, const char *key)
{
	char quoted[96];

	text_quote(quoted, sizeof(quoted), key, strlen(key));
	return walk_refuse(node, "unknown key \"%s\"; there is \"patterns\" alone", quoted);
}

/* One more command that runs without a question. */
static int add_pattern(const struct walk_node *node, const struct policy_names *old,
		       struct policy_names *list)
{
	const char *pattern = walk_text(node);
	struct policy_name *grown;
	struct policy_origin origin;

	if (!pattern)
		return -EINVAL;
	if (names_find(list, pattern))
		return walk_refuse(node, "\"%s\" is listed twice", pattern);
	if (node->final && !names_find(old, pattern))
		return walk_refuse(node, "\"%s\" cannot be added: a parent made this list final",
				   pattern);
	origin = walk_origin(node);
	if (!origin.pointer)
		return err_set(node->walk->err, ENOMEM, "cannot read the policy");
	grown = walk_grow(node, list->at, &list->n, sizeof(*grown), POLICY_ASK_PATTERNS_MAX);
	if (!grown)
		return -EINVAL;
	list->at = grown;
	grown[list->n - 1] = (struct policy_name){.name = pattern, .origin = origin};
	return 0;
}

static int read_patterns(const struct walk_node *node, const struct policy_names *old,
			 struct policy_names *list)
{
	json_t *patterns = json_object_get(node->value, "patterns");
	const char *key;
	json_t *one;
	size_t i;

	json_object_foreach(node->value, key, one)
		if (strcmp(key, "patterns") != 0)
			return refuse_key(node, key);
	if (!json_is_array(patterns) || json_array_size(patterns) == 0)
		return walk_refuse(node,
				   "must be true, false, or an object with \"patterns\", a list "
				   "of commands that run without a question");
	json_array_foreach(patterns, i, one) {
		char pointer[POLICY_POINTER_MAX];
		struct walk_node child = *node;
		char index[24];
		int r;

		(void)snprintf(index, sizeof(index), "%zu", i);
		(void)snprintf(pointer, sizeof(pointer), "%s", node->pointer);
		if (source_pointer_add(pointer, sizeof(pointer), "patterns") < 0 ||
		    source_pointer_add(pointer, sizeof(pointer), index) < 0)
			return walk_refuse(node, "is too deep");
		child.value = one;
		child.key = NULL;
		child.pointer = pointer;
		r = add_pattern(&child, old, list);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What a final one without patterns asks about is everything already. */
static bool asks_less(const struct policy_tool *tool, const struct policy_names *patterns)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (!names_find(&tool->ask_patterns, patterns->at[i].name))
			return true;
	return false;
}

int ask_apply_tool(const struct walk_node *node, uint32_t arg)
{
	struct policy_tool *tool = node->walk->tool;
	struct policy_names patterns = {0};
	bool on = !json_is_false(node->value);
	struct walk_node inner = *node;
	int r = 0;

	(void)arg;
	/* Nobody can have fixed patterns of what nobody asked about. */
	inner.final = node->final && tool->ask.value;
	if (json_is_object(node->value))
		r = read_patterns(&inner, &tool->ask_patterns, &patterns);
	else if (!json_is_boolean(node->value))
		r = walk_refuse(node, "must be true, false or an object with \"patterns\"");
	if (r == 0 && inner.final && (!on || asks_less(tool, &patterns)))
		r = value_refuse_looser(node, &tool->ask);
	if (r == 0)
		r = value_store(node, &tool->ask, on);
	if (r < 0) {
		free(patterns.at);
		return r;
	}
	free(tool->ask_patterns.at);
	tool->ask_patterns = patterns;
	return 0;
}
