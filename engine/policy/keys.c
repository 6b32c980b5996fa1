/*
 * Theory of operation: the tables that say what a policy file may hold, and the handlers behind
 * them. Each handler does three things: read the value, compare it with what a parent may have made
 * final, store it with its origin.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "policy/syscalls.h"
#include "policy/values.h"
#include "policy/walk.h"

static const char *const network_names[] = {
	[IMAGE_NET_NONE] = "none",
	[IMAGE_NET_LOOPBACK] = "loopback",
};
/* Without index 0: a policy that does not name it has no /proc. */
static const char *const proc_names[] = {"pid", "masked"};
static const char *const socket_names[] = {"unix", "inet", "inet6", "netlink-route"};
static const char *const cgroup_names[] = {"memory", "pids", "cpu"};
static const char *const device_names[] = {"null", "zero", "full", "random", "urandom", "tty"};

enum unit { UNIT_TIME, UNIT_SIZE, UNIT_COUNT, UNIT_PROCESSORS };

static const struct {
	const char *name;
	enum unit unit;
	uint64_t max;
} limit_rows[] = {
	[POLICY_LIMIT_WALL] = {"wall", UNIT_TIME, 30ULL * 24 * 3600 * 1000},
	[POLICY_LIMIT_CPU] = {"cpu", UNIT_TIME, 30ULL * 24 * 3600 * 1000},
	[POLICY_LIMIT_MEMORY] = {"memory", UNIT_SIZE, 1ULL << 50},
	[POLICY_LIMIT_PROCESSES] = {"processes", UNIT_COUNT, 4194304},
	[POLICY_LIMIT_OPEN_FILES] = {"open_files", UNIT_COUNT, 1048576},
	[POLICY_LIMIT_FILE_SIZE] = {"file_size", UNIT_SIZE, 1ULL << 50},
	[POLICY_LIMIT_OUTPUT] = {"output", UNIT_SIZE, 1ULL << 50},
	[POLICY_LIMIT_CPUS] = {"cpus", UNIT_PROCESSORS, 8192000},
	[POLICY_LIMIT_IO] = {"io", UNIT_SIZE, 1ULL << 50},
	[POLICY_LIMIT_SESSION_SIZE] = {"session_size", UNIT_SIZE, 1ULL << 50},
	[POLICY_LIMIT_SESSION_FILES] = {"session_files", UNIT_COUNT, 1ULL << 32},
};
static_assert(ARRAY_SIZE(limit_rows) == POLICY_LIMIT_N, "every limit has a row");

const char *policy_limit_name(enum policy_limit limit)
{
	return limit_rows[limit].name;
}

void policy_limit_text(enum policy_limit limit, uint64_t value, char *dst, size_t cap)
{
	static const struct {
		uint64_t each;
		const char *unit;
	} sizes[] = {{1ULL << 30, "GiB"}, {1ULL << 20, "MiB"}, {1ULL << 10, "KiB"}, {1, "B"}},
	  times[] = {{3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
	enum unit unit = limit_rows[limit].unit;

	if (value == 0)
		(void)snprintf(dst, cap, "none");
	else if (unit == UNIT_PROCESSORS)
		(void)snprintf(dst, cap, "%g", (double)value / 1000);
	else if (unit == UNIT_COUNT)
		(void)snprintf(dst, cap, "%llu", (unsigned long long)value);
	for (size_t i = 0; value != 0 && i < ARRAY_SIZE(sizes); i++) {
		uint64_t each = unit == UNIT_TIME ? times[i].each : sizes[i].each;

		if ((unit != UNIT_TIME && unit != UNIT_SIZE) || value % each != 0)
			continue;
		(void)snprintf(dst, cap, "%llu%s", (unsigned long long)(value / each),
			       unit == UNIT_TIME ? times[i].unit : sizes[i].unit);
		return;
	}
}

static const char *const kind_names[] = {
	[POLICY_READ] = "read",
	[POLICY_WRITE] = "write",
	[POLICY_TMPFS] = "tmpfs",
	[POLICY_OVERLAY] = "overlay",
	[POLICY_FILE] = "files",
	[POLICY_SYMLINK] = "symlinks",
	[POLICY_DIRECTORY] = "directories",
	[POLICY_DEVICE] = "devices",
};
static_assert(ARRAY_SIZE(kind_names) == POLICY_KIND_N, "every kind has a name");

const char *policy_kind_name(enum policy_kind kind)
{
	return kind_names[kind];
}

static int apply_network(const struct walk_node *node, uint32_t arg)
{
	(void)arg;
	return value_choose(node, network_names, ARRAY_SIZE(network_names),
			    &node->walk->policy->network);
}

static int apply_proc(const struct walk_node *node, uint32_t arg)
{
	struct policy_value *value = &node->walk->policy->proc;
	uint64_t mode;
	int r = walk_choose(node, proc_names, ARRAY_SIZE(proc_names), &mode);

	(void)arg;
	if (r < 0)
		return r;
	if (node->final && mode + POLICY_PROC_PID > value->value)
		return value_refuse_looser(node, value);
	return value_store(node, value, mode + POLICY_PROC_PID);
}

static int apply_pts(const struct walk_node *node, uint32_t arg)
{
	struct policy_value *value = &node->walk->policy->pts;
	bool on = json_is_true(node->value);

	(void)arg;
	if (node->final && on && !value->value)
		return value_refuse_looser(node, value);
	return value_store(node, value, on);
}

static int read_limit(const struct walk_node *node, enum policy_limit limit, uint64_t *ret)
{
	const char *text = json_string_value(node->value);
	enum unit unit = limit_rows[limit].unit;
	uint64_t n = 0;
	int r = 0;

	if (unit == UNIT_COUNT && json_is_integer(node->value) &&
	    json_integer_value(node->value) > 0)
		n = (uint64_t)json_integer_value(node->value);
	else if (unit == UNIT_COUNT)
		return walk_refuse(node, "must be a whole number above 0");
	else if (unit == UNIT_PROCESSORS && json_is_number(node->value) &&
		 json_number_value(node->value) >= 0.01 && json_number_value(node->value) <= 8192)
		n = (uint64_t)(json_number_value(node->value) * 1000);
	else if (unit == UNIT_PROCESSORS)
		return walk_refuse(node, "must be a number of processors, 0.01 to 8192");
	else
		r = !text		? -EINVAL
		    : unit == UNIT_TIME ? num_parse_ms(text, &n)
					: num_parse_size(text, &n);
	if (r == -EINVAL)
		return walk_refuse(
			node, "must be a %s",
			unit == UNIT_TIME
				? "time with its unit: \"500ms\", \"30s\", \"10min\", \"1h\""
				: "size with its unit: \"64KiB\", \"512MiB\", \"4GiB\", \"200MB\"");
	if (r < 0 || n > limit_rows[limit].max || n == 0)
		return walk_refuse(node, "is out of range: above 0 and at most %llu%s",
				   (unsigned long long)limit_rows[limit].max,
				   unit == UNIT_TIME   ? " milliseconds"
				   : unit == UNIT_SIZE ? " bytes"
						       : "");
	*ret = n;
	return 0;
}

static int apply_limit(const struct walk_node *node, uint32_t arg)
{
	struct policy_tool *tool = node->walk->tool;
	struct policy_value *value = tool ? &tool->limits[arg] : &node->walk->policy->limits[arg];
	uint64_t n = 0;
	int r = read_limit(node, (enum policy_limit)arg, &n);

	if (r < 0)
		return r;
	if (node->final && value->value != 0 && n > value->value)
		return value_refuse_looser(node, value);
	return value_store(node, value, n);
}

enum { NAMES_SOCKET, NAMES_CGROUP };

static const struct {
	const char *const *names;
	size_t n;
	size_t offset;
	bool may_grow; /* though final: more of it is stricter */
} choice_rows[] = {
	[NAMES_SOCKET] = {socket_names, ARRAY_SIZE(socket_names), offsetof(struct policy, sockets),
			  false},
	[NAMES_CGROUP] = {cgroup_names, ARRAY_SIZE(cgroup_names), offsetof(struct policy, cgroup),
			  true},
};

static int apply_choices(const struct walk_node *node, uint32_t arg)
{
	void *names = (char *)node->walk->policy + choice_rows[arg].offset;
	uint64_t i;
	int r = walk_choose(node, choice_rows[arg].names, choice_rows[arg].n, &i);

	return r < 0 ? r
		     : names_put(node, names, choice_rows[arg].names[i], NULL,
				 choice_rows[arg].may_grow);
}

static int apply_group(const struct walk_node *node, uint32_t arg)
{
	const char *names[SYSCALLS_GROUPS_MAX];
	size_t n = syscalls_group_names(names);
	uint64_t i;
	int r = walk_choose(node, names, n, &i);

	(void)arg;
	return r < 0 ? r : names_put(node, &node->walk->policy->groups, names[i], NULL, false);
}

static int apply_syscall(const struct walk_node *node, uint32_t deny)
{
	struct policy *policy = node->walk->policy;
	const char *name = walk_text(node);
	const char *why;
	char quoted[96];

	if (!name)
		return -EINVAL;
	text_quote(quoted, sizeof(quoted), name, strlen(name));
	if (!syscalls_is_known(name)) {
		const char *near = syscalls_nearest(name);

		return near ? walk_refuse(node,
					  "no system call is named \"%s\"; did you mean \"%s\"?",
					  quoted, near)
			    : walk_refuse(node, "no system call is named \"%s\"", quoted);
	}
	why = syscalls_never(name);
	if (why && !deny)
		return walk_refuse(node, "\"%s\" is never allowed: %s", quoted, why);
	return deny ? names_put(node, &policy->deny, name, NULL, true)
		    : names_put(node, &policy->allow, name, NULL, false);
}

static int check_variable(const struct walk_node *node, const char *name)
{
	size_t len = strlen(name);
	char quoted[96];

	if (len > 0 && len <= 128 && !(name[0] >= '0' && name[0] <= '9') &&
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == len)
		return 0;
	text_quote(quoted, sizeof(quoted), name, len);
	return walk_refuse(node, "\"%s\" is no name of a variable: letters, digits and \"_\"",
			   quoted);
}

static int refuse_twice(const struct walk_node *node, const struct policy_names *other,
			const char *name)
{
	struct policy_name *old = names_find(other, name);

	if (old && old->origin.source == node->walk->source)
		return walk_refuse(node, "\"%s\" is both set and passed", name);
	return 0;
}

/* The last file that mentions a variable decides whether it is set or passed. */
static int apply_env_set(const struct walk_node *node, uint32_t arg)
{
	struct policy *policy = node->walk->policy;
	int r = check_variable(node, node->key);

	(void)arg;
	if (r == 0 && !json_is_string(node->value))
		r = walk_refuse(node, "must be a string");
	if (r == 0)
		r = refuse_twice(node, &policy->env_pass, node->key);
	if (r == 0)
		r = names_put(node, &policy->env_set, node->key, json_string_value(node->value),
			      false);
	if (r == 0)
		names_drop(&policy->env_pass, node->key);
	return r;
}

static int apply_env_pass(const struct walk_node *node, uint32_t arg)
{
	struct policy *policy = node->walk->policy;
	const char *name = walk_text(node);
	int r = name ? check_variable(node, name) : -EINVAL;

	(void)arg;
	if (r == 0)
		r = refuse_twice(node, &policy->env_set, name);
	if (r == 0)
		r = names_put(node, &policy->env_pass, name, NULL, false);
	if (r == 0)
		names_drop(&policy->env_set, name);
	return r;
}

static int apply_landlock(const struct walk_node *node, uint32_t arg)
{
	struct policy_value *value = &node->walk->policy->landlock_abi;
	uint64_t abi = (uint64_t)json_integer_value(node->value);

	(void)arg;
	if (abi > 100)
		return walk_refuse(node, "must be at most 100");
	if (node->final && abi < value->value)
		return value_refuse_looser(node, value);
	return value_store(node, value, abi);
}

static int apply_private_uid(const struct walk_node *node, uint32_t arg)
{
	(void)arg;
	return value_demand(node, &node->walk->policy->private_uid);
}

static int apply_final(const struct walk_node *node, uint32_t arg)
{
	const char *pointer = walk_text(node);
	char quoted[160];

	(void)arg;
	if (!pointer)
		return -EINVAL;
	if (policy_pointer_is_known(pointer))
		return names_put(node, &node->walk->policy->finals, pointer, NULL, true);
	text_quote(quoted, sizeof(quoted), pointer, strlen(pointer));
	return walk_refuse(node,
			   "\"%s\" points at no key of a policy; for example \"/limits/wall\"",
			   quoted);
}

static int apply_text(const struct walk_node *node, uint32_t arg)
{
	struct policy *policy = node->walk->policy;
	const char *text = walk_text(node);

	if (!text)
		return -EINVAL;
	if (arg == 0 && !policy_name_is_sane(text))
		return walk_refuse(node,
				   "must be a name: letters, digits, \"_\", \"-\", \".\" and \"/\" "
				   "between words");
	if (arg == 0)
		policy->name = text;
	else
		policy->description = text;
	return 0;
}

static int apply_tool_workspace(const struct walk_node *node, uint32_t arg)
{
	struct policy_value *value = &node->walk->tool->workspace;
	uint64_t mode;
	int r = walk_choose(node, policy_workspace_names, 1, &mode);

	(void)arg;
	return r < 0 ? r : value_store(node, value, mode);
}

static int apply_tool_network(const struct walk_node *node, uint32_t arg)
{
	struct policy_value *value = &node->walk->tool->network;
	uint64_t mode;
	int r = walk_choose(node, network_names, 1, &mode);

	(void)arg;
	return r < 0 ? r : value_store(node, value, mode);
}

static struct policy_tool *open_tool(const struct walk_node *node)
{
	struct policy *policy = node->walk->policy;
	struct policy_tool *grown;

	for (size_t i = 0; i < policy->n_tools; i++)
		if (policy_tool_names_equal(policy->tools[i].name, node->key))
			return &policy->tools[i];
	grown = walk_grow(node, policy->tools, &policy->n_tools, sizeof(*grown), POLICY_TOOLS_MAX);
	if (!grown)
		return NULL;
	policy->tools = grown;
	grown[policy->n_tools - 1].name = node->key;
	return &grown[policy->n_tools - 1];
}

static bool tool_name_is_sane(const char *name)
{
	return policy_name_is_sane(name) && !strchr(name, '/') && strlen(name) <= 48;
}

static int apply_tool(const struct walk_node *node, uint32_t arg)
{
	struct walk_node inner = *node;
	struct walk walk = *node->walk;
	bool taken_away = json_is_false(node->value);
	struct policy_tool *tool;

	(void)arg;
	if (!tool_name_is_sane(node->key))
		return walk_refuse(node, "is no name of a tool");
	if (!taken_away && !json_is_object(node->value))
		return walk_refuse(
			node, "must be an object that narrows the tool, or false to take it away");
	tool = open_tool(node);
	if (!tool)
		return -EINVAL;
	if (node->final && tool->taken_away && !taken_away)
		return walk_refuse(node, "a parent took the tool away and made that final");
	tool->taken_away = taken_away;
	tool->origin = walk_origin(node);
	if (!tool->origin.pointer)
		return err_set(node->walk->err, ENOMEM, "cannot read the policy");
	if (taken_away)
		return 0;
	walk.tool = tool;
	inner.walk = &walk;
	return walk_object(&inner, policy_tool_keys, policy_n_tool_keys);
}

static int apply_device(const struct walk_node *node, uint32_t arg)
{
	uint64_t i;
	int r = walk_choose(node, device_names, ARRAY_SIZE(device_names), &i);

	return r < 0 ? r : entry_apply(node, arg);
}

#define KEYS(table) table, ARRAY_SIZE(table)

static const struct walk_key network_keys[] = {{"mode", KEY_STRING, 0, apply_network, NULL, 0}};

static const struct walk_key filesystem_keys[] = {
	{"read", KEY_LIST, POLICY_READ, entry_apply, NULL, 0},
	{"write", KEY_LIST, POLICY_WRITE, entry_apply, NULL, 0},
	{"tmpfs", KEY_LIST, POLICY_TMPFS, entry_apply, NULL, 0},
	{"overlay", KEY_LIST, POLICY_OVERLAY, entry_apply, NULL, 0},
	{"files", KEY_LIST, POLICY_FILE, entry_apply, NULL, 0},
	{"symlinks", KEY_LIST, POLICY_SYMLINK, entry_apply, NULL, 0},
	{"directories", KEY_LIST, POLICY_DIRECTORY, entry_apply, NULL, 0},
	{"devices", KEY_LIST, POLICY_DEVICE, apply_device, NULL, 0},
	{"proc", KEY_STRING, 0, apply_proc, NULL, 0},
	{"pts", KEY_BOOL, 0, apply_pts, NULL, 0},
};

static const struct walk_key syscalls_keys[] = {
	{"groups", KEY_LIST, 0, apply_group, NULL, 0},
	{"allow", KEY_LIST, 0, apply_syscall, NULL, 0},
	{"deny", KEY_LIST, 1, apply_syscall, NULL, 0},
	{"sockets", KEY_LIST, NAMES_SOCKET, apply_choices, NULL, 0},
};

static const struct walk_key limits_keys[] = {
	{"wall", KEY_STRING, POLICY_LIMIT_WALL, apply_limit, NULL, 0},
	{"cpu", KEY_STRING, POLICY_LIMIT_CPU, apply_limit, NULL, 0},
	{"memory", KEY_STRING, POLICY_LIMIT_MEMORY, apply_limit, NULL, 0},
	{"processes", KEY_COUNT, POLICY_LIMIT_PROCESSES, apply_limit, NULL, 0},
	{"open_files", KEY_COUNT, POLICY_LIMIT_OPEN_FILES, apply_limit, NULL, 0},
	{"file_size", KEY_STRING, POLICY_LIMIT_FILE_SIZE, apply_limit, NULL, 0},
	{"output", KEY_STRING, POLICY_LIMIT_OUTPUT, apply_limit, NULL, 0},
	{"cpus", KEY_NUMBER, POLICY_LIMIT_CPUS, apply_limit, NULL, 0},
	{"io", KEY_STRING, POLICY_LIMIT_IO, apply_limit, NULL, 0},
	{"session_size", KEY_STRING, POLICY_LIMIT_SESSION_SIZE, apply_limit, NULL, 0},
	{"session_files", KEY_COUNT, POLICY_LIMIT_SESSION_FILES, apply_limit, NULL, 0},
};

static const struct walk_key environment_keys[] = {
	{"set", KEY_MAP, 0, apply_env_set, NULL, 0},
	{"pass", KEY_LIST, 0, apply_env_pass, NULL, 0},
};

static const struct walk_key require_keys[] = {
	{"landlock_abi", KEY_COUNT, 0, apply_landlock, NULL, 0},
	{"cgroup", KEY_LIST, NAMES_CGROUP, apply_choices, NULL, 0},
	{"private_uid", KEY_BOOL, 0, apply_private_uid, NULL, 0},
};

static const struct walk_key tool_workspace_keys[] = {
	{"mode", KEY_STRING, 0, apply_tool_workspace, NULL, 0}};
static const struct walk_key tool_network_keys[] = {
	{"mode", KEY_STRING, 0, apply_tool_network, NULL, 0}};

static const struct walk_key ask_keys[] = {
	{"timeout", KEY_STRING, 0, ask_apply_timeout, NULL, 0},
	{"session", KEY_BOOL, 0, ask_apply_session, NULL, 0},
};

const struct walk_key policy_tool_keys[] = {
	{"denials", KEY_OBJECT, 0, NULL, policy_denials_keys, 1}, /* the first one: observe */
	{"limits", KEY_OBJECT, 0, NULL, KEYS(limits_keys)},
	{"workspace", KEY_OBJECT, 0, NULL, KEYS(tool_workspace_keys)},
	{"network", KEY_OBJECT, 0, NULL, KEYS(tool_network_keys)},
	{"ask", KEY_ANY, 0, ask_apply_tool, NULL, 0},
};
const size_t policy_n_tool_keys = ARRAY_SIZE(policy_tool_keys);

const struct walk_key policy_keys[] = {
	{"$schema", KEY_STRING, 0, NULL, NULL, 0},
	{"name", KEY_STRING, 0, apply_text, NULL, 0},
	{"description", KEY_STRING, 1, apply_text, NULL, 0},
	{"extends", KEY_STRING, 0, NULL, NULL, 0},
	{"workspace", KEY_OBJECT, 0, NULL, policy_workspace_keys, POLICY_WORKSPACE_KEYS},
	{"filesystem", KEY_OBJECT, 0, NULL, KEYS(filesystem_keys)},
	{"network", KEY_OBJECT, 0, NULL, KEYS(network_keys)},
	{"syscalls", KEY_OBJECT, 0, NULL, KEYS(syscalls_keys)},
	{"limits", KEY_OBJECT, 0, NULL, KEYS(limits_keys)},
	{"environment", KEY_OBJECT, 0, NULL, KEYS(environment_keys)},
	{"tools", KEY_MAP, 0, apply_tool, NULL, 0},
	{"ask", KEY_OBJECT, 0, NULL, KEYS(ask_keys)},
	{"require", KEY_OBJECT, 0, NULL, KEYS(require_keys)},
	{"denials", KEY_OBJECT, 0, NULL, policy_denials_keys, POLICY_DENIALS_KEYS},
	{"audit", KEY_OBJECT, 0, NULL, policy_audit_keys, POLICY_AUDIT_KEYS},
	{"final", KEY_LIST, 0, apply_final, NULL, 0},
};
const size_t policy_n_keys = ARRAY_SIZE(policy_keys);
