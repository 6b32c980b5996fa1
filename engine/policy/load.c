/*
 * Theory of operation: the chain of `extends` is read first, from the policy up to its root; then
 * the files are applied onto one struct policy from the root down, so that a later file sees what
 * the earlier ones fixed. What no single file can be wrong about (a limit that nobody set, a tool
 * that would widen) is looked at when all are in.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policy/source.h"
#include "policy/walk.h"

/* For a policy that says nothing: small, so that forgetting is not generous. */
static const uint64_t built_in_limits[POLICY_LIMIT_N] = {
	[POLICY_LIMIT_WALL] = 2ULL * 60 * 1000,
	[POLICY_LIMIT_CPU] = 0,
	[POLICY_LIMIT_MEMORY] = 1ULL << 30,
	[POLICY_LIMIT_PROCESSES] = 128,
	[POLICY_LIMIT_OPEN_FILES] = 1024,
	[POLICY_LIMIT_FILE_SIZE] = 1ULL << 30,
	[POLICY_LIMIT_OUTPUT] = 64ULL << 20,
	[POLICY_LIMIT_CPUS] = 0,
	[POLICY_LIMIT_IO] = 0,
	[POLICY_LIMIT_SESSION_SIZE] = 4ULL << 30,
	[POLICY_LIMIT_SESSION_FILES] = 500000,
};

#define ASK_TIMEOUT_MS (5ULL * 60 * 1000)

char *policy_strdup(struct policy *policy, const char *text)
{
	char **grown = reallocarray(policy->texts, policy->n_texts + 1, sizeof(*grown));
	char *copy;

	if (!grown)
		return NULL;
	policy->texts = grown;
	copy = strdup(text);
	if (copy)
		grown[policy->n_texts++] = copy;
	return copy;
}

int policy_complain(const struct policy *policy, struct policy_origin at, struct err *err,
		    const char *fmt, ...)
{
	struct source_place place = {1, 1};
	const char *label = "built in";
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (at.source < policy->n_sources) {
		const struct policy_source *source = &policy->sources[at.source];

		label = source->label;
		place = source_locate(source->text, source->len, at.pointer);
	}
	(void)err_set(err, EINVAL, "%s:%u:%u: %s%s%s", label, place.line, place.column,
		      at.pointer ? at.pointer : "", at.pointer && at.pointer[0] ? ": " : "", text);
	/* Keys and texts of the file may be in it; an error is one line and steers no terminal. */
	for (char *p = err ? err->text : text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return -EINVAL;
}

const char *policy_where(const struct policy *policy, struct policy_origin at, char *dst,
			 size_t cap)
{
	if (at.source >= policy->n_sources || !at.pointer)
		(void)snprintf(dst, cap, "built in");
	else
		(void)snprintf(dst, cap, "%s#%s", policy->sources[at.source].label, at.pointer);
	return dst;
}

static int refuse_cycle(const struct policy *policy, const struct policy_source *again,
			struct err *err)
{
	const struct policy_source *last = &policy->sources[policy->n_sources - 1];
	struct policy_origin at = {policy->n_sources - 1, "/extends"};

	return policy_complain(policy, at, err, "a cycle: %s extends %s, which extends it",
			       last->label, again->label);
}

/* Reads one more file behind those that are there, refusing one that is there already. */
static int open_next(struct policy *policy, const char *name, bool by_name, const char *const *dirs,
		     struct policy_inputs *inputs, struct err *err)
{
	struct policy_source source;
	int r;

	r = source_open(name, by_name, dirs, inputs, &source, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < policy->n_sources; i++) {
		if (strcmp(policy->sources[i].path, source.path) != 0)
			continue;
		source_fini(&source);
		return refuse_cycle(policy, &policy->sources[i], err);
	}
	policy->sources[policy->n_sources++] = source;
	return 0;
}

static int follow_extends(struct policy *policy, const char *const *dirs,
			  struct policy_inputs *inputs, struct err *err)
{
	for (;;) {
		uint32_t last = policy->n_sources - 1;
		struct policy_origin at = {last, "/extends"};
		json_t *extends = json_object_get(policy->sources[last].json, "extends");
		int r;

		if (!extends)
			return 0;
		if (!json_is_string(extends))
			return policy_complain(policy, at, err, "must be the name of a policy");
		if (policy->n_sources >= POLICY_EXTENDS_MAX)
			return policy_complain(policy, at, err, "more than %u policies in a chain",
					       POLICY_EXTENDS_MAX);
		r = open_next(policy, json_string_value(extends), true, dirs, inputs, err);
		if (r < 0 && policy->n_sources == last + 1 && err && err->num == EINVAL &&
		    strncmp(err->text, "there is no policy", 18) == 0) {
			char text[ERR_TEXT_MAX];

			memcpy(text, err->text, sizeof(text));
			return policy_complain(policy, at, err, "%s", text);
		}
		if (r < 0)
			return r;
	}
}

static void reverse_sources(struct policy *policy)
{
	for (uint32_t i = 0, j = policy->n_sources - 1; i < j; i++, j--) {
		struct policy_source swap = policy->sources[i];

		policy->sources[i] = policy->sources[j];
		policy->sources[j] = swap;
	}
}

static void set_defaults(struct policy *policy)
{
	struct policy_origin nowhere = {POLICY_BUILT_IN, NULL};

	for (size_t i = 0; i < POLICY_LIMIT_N; i++)
		policy->limits[i] = (struct policy_value){built_in_limits[i], false, nowhere};
	policy->workspace = (struct policy_value){POLICY_WORKSPACE_READONLY, false, nowhere};
	policy->fallback = (struct policy_value){IMAGE_FALLBACK_REFUSE, false, nowhere};
	policy->links = (struct policy_value){POLICY_LINKS_INSIDE, false, nowhere};
	policy->sync = (struct policy_value){1, false, nowhere};
	policy->network = (struct policy_value){IMAGE_NET_NONE, false, nowhere};
	policy->proc = (struct policy_value){POLICY_PROC_NONE, false, nowhere};
	policy->pts = (struct policy_value){0, false, nowhere};
	policy->landlock_abi = (struct policy_value){0, false, nowhere};
	policy->private_uid = (struct policy_value){0, false, nowhere};
	policy->observe = (struct policy_value){IMAGE_OBSERVE_N - 1 - IMAGE_OBSERVE_OPENS, false,
						nowhere};
	policy_audit_defaults(&policy->audit);
	policy->ask_timeout = (struct policy_value){ASK_TIMEOUT_MS, false, nowhere};
	policy->ask_session = (struct policy_value){1, false, nowhere};
}

static int apply_source(struct policy *policy, uint32_t source, struct err *err)
{
	struct walk walk = {.policy = policy, .source = source, .err = err};
	struct walk_node root = {.walk = &walk,
				 .value = policy->sources[source].json,
				 .pointer = ""};

	return walk_object(&root, policy_keys, policy_n_keys);
}

/* A policy that was found by NAME goes by that name; one from a FILE by what it says. */
static int check_name(struct policy *policy, const char *name_or_file, bool by_name,
		      struct err *err)
{
	uint32_t last = policy->n_sources - 1;
	struct policy_origin at = {last, "/name"};
	bool named = json_object_get(policy->sources[last].json, "name") != NULL;
	char quoted[160];

	if (!named && by_name)
		policy->name = policy_strdup(policy, name_or_file);
	else if (!named)
		return policy_complain(policy, (struct policy_origin){last, ""}, err,
				       "a policy file needs a \"name\"");
	if (!policy->name)
		return err_set(err, ENOMEM, "cannot read the policy");
	if (!by_name || strcmp(policy->name, name_or_file) == 0)
		return 0;
	text_quote(quoted, sizeof(quoted), name_or_file, strlen(name_or_file));
	return policy_complain(policy, at, err, "must be \"%s\", as the file is called", quoted);
}

static int check_tool_limit(const struct policy *policy, const struct policy_tool *tool, size_t i,
			    struct err *err)
{
	const struct policy_value *mine = &tool->limits[i];
	const struct policy_value *policys = &policy->limits[i];
	char where[256];

	if (!mine->set || policys->value == 0 || mine->value <= policys->value)
		return 0;
	/* A file further down lowered the policy's limit: that one holds for the tool too. */
	if (policys->set && policys->origin.source > mine->origin.source)
		return 0;
	return policy_complain(
		policy, mine->origin, err,
		"is more than the policy's own limit (%s); a tool's section may only narrow",
		policy_where(policy, policys->origin, where, sizeof(where)));
}

static int check_whole(const struct policy *policy, struct err *err)
{
	struct policy_origin whole = {policy->n_sources - 1, ""};

	if (policy->groups.n == 0 && policy->allow.n == 0)
		return policy_complain(policy, whole, err,
				       "\"/syscalls/groups\" is empty: no program could start; "
				       "\"base\", \"files\" and \"processes\" are the least");
	for (size_t t = 0; t < policy->n_tools; t++) {
		for (size_t i = 0; i < POLICY_LIMIT_N; i++) {
			int r = check_tool_limit(policy, &policy->tools[t], i, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static bool names_a_file(const char *name)
{
	size_t len = strlen(name);

	return name[0] == '/' || name[0] == '.' ||
	       (len > 5 && strcmp(name + len - 5, ".json") == 0);
}

static int load(const char *name_or_file, const char *const *dirs, struct policy_inputs *inputs,
		struct policy *policy, struct err *err)
{
	int r = open_next(policy, name_or_file, false, dirs, inputs, err);

	if (r == 0)
		r = follow_extends(policy, dirs, inputs, err);
	if (r < 0)
		return r;
	reverse_sources(policy);
	set_defaults(policy);
	for (uint32_t i = 0; i < policy->n_sources; i++) {
		r = apply_source(policy, i, err);
		if (r < 0)
			return r;
	}
	r = check_name(policy, name_or_file, !names_a_file(name_or_file), err);
	return r == 0 ? check_whole(policy, err) : r;
}

int policy_load(const char *name_or_file, const char *const *dirs, struct policy_inputs *inputs,
		struct policy *ret, struct err *err)
{
	struct policy policy = {0};
	int r = load(name_or_file, dirs, inputs, &policy, err);

	if (r < 0)
		policy_fini(&policy);
	*ret = policy;
	return r;
}

void policy_fini(struct policy *policy)
{
	struct policy_names *lists[] = {&policy->groups,      &policy->allow,
					&policy->deny,	      &policy->sockets,
					&policy->env_set,     &policy->env_pass,
					&policy->cgroup,      &policy->finals,
					&policy->driver,      &policy->absent,
					&policy->protect,     &policy->scratch,
					&policy->audit.names, &policy->audit.patterns};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		free(lists[i]->at);
	for (size_t i = 0; i < policy->n_tools; i++)
		free(policy->tools[i].ask_patterns.at);
	for (uint32_t i = 0; i < policy->n_sources; i++)
		source_fini(&policy->sources[i]);
	for (size_t i = 0; i < policy->n_texts; i++)
		free(policy->texts[i]);
	free(policy->texts);
	free(policy->entries);
	free(policy->tools);
	*policy = (struct policy){0};
}

static char fold(char c)
{
	if (c == '-')
		return '_';
	return c;
}

/* Agents and hosts write "rust-analyzer" and "rust_analyzer" alike. */
bool policy_tool_names_equal(const char *a, const char *b)
{
	while (*a != '\0' && fold(*a) == fold(*b)) {
		a++;
		b++;
	}
	return *a == *b;
}

const struct policy_tool *policy_find_tool(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->n_tools; i++)
		if (policy_tool_names_equal(policy->tools[i].name, name))
			return &policy->tools[i];
	return NULL;
}

uint32_t policy_sockets(const struct policy *policy, uint32_t net)
{
	static const struct {
		const char *name;
		uint32_t bit;
		bool needs_net;
	} rows[] = {
		{"unix", POLICY_SOCKET_UNIX, false},
		{"inet", POLICY_SOCKET_INET, true},
		{"inet6", POLICY_SOCKET_INET6, true},
		{"netlink-route", POLICY_SOCKET_NETLINK_ROUTE, false},
	};
	uint32_t bits = 0;

	for (size_t i = 0; i < policy->sockets.n; i++)
		for (size_t j = 0; j < ARRAY_SIZE(rows); j++)
			if (strcmp(policy->sockets.at[i].name, rows[j].name) == 0 &&
			    (!rows[j].needs_net || net != IMAGE_NET_NONE))
				bits |= rows[j].bit;
	return bits;
}

static_assert(sizeof(struct image_limits) == POLICY_LIMIT_N * sizeof(uint64_t), "same order");

uint64_t policy_effective_limit(const struct policy *policy, const struct policy_tool *tool,
				size_t limit)
{
	uint64_t lower = tool && tool->limits[limit].set ? tool->limits[limit].value : 0;
	uint64_t value = policy->limits[limit].value;

	return lower != 0 && (value == 0 || lower < value) ? lower : value;
}

struct image_limits policy_effective_limits(const struct policy *policy,
					    const struct policy_tool *tool)
{
	uint64_t values[POLICY_LIMIT_N];
	struct image_limits limits;

	for (size_t i = 0; i < POLICY_LIMIT_N; i++)
		values[i] = policy_effective_limit(policy, tool, i);
	memcpy(&limits, values, sizeof(limits));
	return limits;
}
