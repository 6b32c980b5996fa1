/*
 * Theory of operation: the keys of /audit. What is stricter, for a parent that makes them final:
 *
 *	path		nothing but what it is; a log may be added where there was none ("off")
 *	arguments	nothing but what it is: more evidence is less privacy, and the other way round
 *	sync, full	"call", "stop"
 *	rotate		more: what is kept for a shorter time is gone sooner
 *	mask		more names, more patterns
 */
#include <errno.h>
#include <string.h>

#include "audit/log.h"
#include "audit/pattern.h"
#include "base/num.h"
#include "base/text.h"
#include "policy/values.h"

#define MASKED_NAME_BYTES_MAX 128U

/* Each list stands in order, strictest first; of arguments there is no stricter one. */
const char *const policy_audit_arguments_names[POLICY_AUDIT_ARGUMENTS_N] = {
	[POLICY_AUDIT_DIGEST] = "digest",
	[POLICY_AUDIT_TEXT] = "text",
};
const char *const policy_audit_sync_names[POLICY_AUDIT_SYNC_N] = {
	[POLICY_AUDIT_SYNC_CALL] = "call",
	[POLICY_AUDIT_SYNC_NONE] = "none",
};
const char *const policy_audit_full_names[POLICY_AUDIT_FULL_N] = {
	[POLICY_AUDIT_STOP] = "stop",
	[POLICY_AUDIT_CONTINUE] = "continue",
};

enum { CHOICE_SYNC, CHOICE_FULL };

static const struct {
	const char *const *names;
	size_t n;
	size_t offset;
} choice_rows[] = {
	[CHOICE_SYNC] = {policy_audit_sync_names, POLICY_AUDIT_SYNC_N,
			 offsetof(struct policy, audit.sync)},
	[CHOICE_FULL] = {policy_audit_full_names, POLICY_AUDIT_FULL_N,
			 offsetof(struct policy, audit.full)},
};

static int apply_choice(const struct walk_node *node, uint32_t arg)
{
	struct policy_value *value = (void *)((char *)node->walk->policy + choice_rows[arg].offset);

	return value_choose(node, choice_rows[arg].names, choice_rows[arg].n, value);
}

static int apply_arguments(const struct walk_node *node, uint32_t arg)
{
	struct policy_value *value = &node->walk->policy->audit.arguments;
	char where[256];
	uint64_t mode;
	int r = walk_choose(node, policy_audit_arguments_names, POLICY_AUDIT_ARGUMENTS_N, &mode);

	(void)arg;
	if (r < 0)
		return r;
	if (node->final && mode != value->value)
		return walk_refuse(node, "is not what %s says, which is final",
				   policy_where(node->walk->policy, value->origin, where,
						sizeof(where)));
	return value_store(node, value, mode);
}

/* "/a/b": absolute and clean, so that it names one folder. */
static bool path_is_clean(const char *path)
{
	if (path[0] != '/' || path[1] == '\0' || strlen(path) > POLICY_AUDIT_PATH_MAX)
		return false;
	for (const char *at = path; *at;) {
		size_t len = strcspn(at + 1, "/");

		if (len == 0 || (at[1] == '.' && (len == 1 || (len == 2 && at[2] == '.'))))
			return false;
		at += len + 1;
	}
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return true;
}

static int apply_path(const struct walk_node *node, uint32_t arg)
{
	struct policy_audit *audit = &node->walk->policy->audit;
	const char *text = walk_text(node);
	char where[256];
	struct policy_origin origin;

	(void)arg;
	if (!text)
		return -EINVAL;
	if (strcmp(text, POLICY_AUDIT_OFF) != 0 && strcmp(text, POLICY_AUDIT_DEFAULT) != 0 &&
	    !path_is_clean(text))
		return walk_refuse(node,
				   "must be \"off\", \"default\" (the operator's state folder) or "
				   "an absolute path without \".\" and \"..\"");
	if (node->final && strcmp(audit->path, POLICY_AUDIT_OFF) != 0 &&
	    strcmp(audit->path, text) != 0)
		return walk_refuse(node, "is not what %s says, which is final",
				   policy_where(node->walk->policy, audit->path_origin, where,
						sizeof(where)));
	origin = walk_origin(node);
	if (!origin.pointer)
		return err_set(node->walk->err, ENOMEM, "cannot read the policy");
	audit->path = text;
	audit->path_origin = origin;
	return 0;
}

/* What keeps less is looser. */
static int keep_more(const struct walk_node *node, struct policy_value *value, uint64_t n)
{
	if (node->final && n < value->value)
		return value_refuse_looser(node, value);
	return value_store(node, value, n);
}

static int apply_size(const struct walk_node *node, uint32_t arg)
{
	const char *text = json_string_value(node->value);
	uint64_t n = 0;
	int r = text ? num_parse_size(text, &n) : -EINVAL;

	(void)arg;
	if (r == -EINVAL)
		return walk_refuse(node,
				   "must be a size with its unit: \"64KiB\", \"64MiB\", \"1GiB\"");
	if (r < 0 || n < AUDIT_ROTATE_BYTES_MIN || n > POLICY_AUDIT_SIZE_MAX)
		return walk_refuse(node, "is out of range: 64KiB to 1TiB");
	return keep_more(node, &node->walk->policy->audit.rotate_size, n);
}

static int apply_keep(const struct walk_node *node, uint32_t arg)
{
	json_int_t n = json_integer_value(node->value);

	(void)arg;
	if (n < 1 || n > (json_int_t)AUDIT_KEEP_MAX)
		return walk_refuse(node, "must be a number of files, 1 to %u", AUDIT_KEEP_MAX);
	return keep_more(node, &node->walk->policy->audit.rotate_keep, (uint64_t)n);
}

static int apply_masked_name(const struct walk_node *node, uint32_t arg)
{
	const char *name = walk_text(node);

	(void)arg;
	if (!name)
		return -EINVAL;
	if (strlen(name) > MASKED_NAME_BYTES_MAX || strspn(name, "-_") == strlen(name))
		return walk_refuse(node, "must be a name of at most %u bytes",
				   MASKED_NAME_BYTES_MAX);
	return names_put(node, &node->walk->policy->audit.names, name, NULL, true);
}

static int apply_pattern(const struct walk_node *node, uint32_t arg)
{
	struct policy_names *patterns = &node->walk->policy->audit.patterns;
	const char *text = walk_text(node);
	struct pattern pattern;
	struct err err = {0};

	(void)arg;
	if (!text)
		return -EINVAL;
	if (pattern_parse(text, &pattern, &err) < 0)
		return walk_refuse(node, "%s", err.text);
	if (patterns->n >= POLICY_AUDIT_PATTERNS_MAX && !names_find(patterns, text))
		return walk_refuse(node, "more than %u patterns are not taken",
				   POLICY_AUDIT_PATTERNS_MAX);
	return names_put(node, patterns, text, NULL, true);
}

static const struct walk_key rotate_keys[] = {
	{"size", KEY_STRING, 0, apply_size, NULL, 0},
	{"keep", KEY_COUNT, 0, apply_keep, NULL, 0},
};

static const struct walk_key mask_keys[] = {
	{"names", KEY_LIST, 0, apply_masked_name, NULL, 0},
	{"patterns", KEY_LIST, 0, apply_pattern, NULL, 0},
};

const struct walk_key policy_audit_keys[] = {
	{"path", KEY_STRING, 0, apply_path, NULL, 0},
	{"arguments", KEY_STRING, 0, apply_arguments, NULL, 0},
	{"sync", KEY_STRING, CHOICE_SYNC, apply_choice, NULL, 0},
	{"full", KEY_STRING, CHOICE_FULL, apply_choice, NULL, 0},
	{"rotate", KEY_OBJECT, 0, NULL, rotate_keys, ARRAY_SIZE(rotate_keys)},
	{"mask", KEY_OBJECT, 0, NULL, mask_keys, ARRAY_SIZE(mask_keys)},
};
static_assert(ARRAY_SIZE(policy_audit_keys) == POLICY_AUDIT_KEYS, "the table is whole");

void policy_audit_defaults(struct policy_audit *audit)
{
	const struct policy_origin nowhere = {POLICY_BUILT_IN, NULL};

	*audit = (struct policy_audit){
		.path = POLICY_AUDIT_OFF,
		.path_origin = nowhere,
		.arguments = {POLICY_AUDIT_DIGEST, false, nowhere},
		.sync = {POLICY_AUDIT_SYNC_NONE, false, nowhere},
		.full = {POLICY_AUDIT_STOP, false, nowhere},
		.rotate_size = {AUDIT_ROTATE_BYTES_DEFAULT, false, nowhere},
		.rotate_keep = {AUDIT_KEEP_DEFAULT, false, nowhere},
	};
}

bool policy_audit_is_fixed(const struct policy *policy)
{
	return strcmp(policy->audit.path, POLICY_AUDIT_OFF) != 0 &&
	       (names_find(&policy->finals, "/audit") ||
		names_find(&policy->finals, "/audit/path"));
}
