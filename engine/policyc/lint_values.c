/*
 * Theory of operation: one function for each section of a policy other than filesystem. Values are
 * compared with what they would mean on this machine, with their parents', and with each other.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policy/syscalls.h"
#include "policyc/lint.h"

/* Parts of names of variables that hold secrets. */
static const char *const secret_words[] = {
	"TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL",   "APIKEY", "API_KEY",
	"_KEY",	 "KEY_",   "AUTH",     "COOKIE", "SESSION_ID", "DATABASE_URL", "_PAT",	 "_DSN",
};

/* Beginnings of names of variables that make programs load code. */
static const char *const loader_words[] = {
	"LD_",
	"DYLD_",
	"PYTHONPATH",
	"PYTHONSTARTUP",
	"PERL5LIB",
	"PERL5OPT",
	"RUBYOPT",
	"RUBYLIB",
	"NODE_OPTIONS",
	"BASH_ENV",
	"ENV",
	"RUSTC_WRAPPER",
	"RUSTC_BOOTSTRAP",
	"JAVA_TOOL_OPTIONS",
	"GIT_SSH",
	"GIT_EXTERNAL_DIFF",
};

/* Calls that change who the caller is. */
static const char *const id_calls[] = {
	"setuid",    "setgid",	 "setreuid", "setregid",  "setresuid",
	"setresgid", "setfsuid", "setfsgid", "setgroups", "capset",
};

static bool is_secret(const char *name)
{
	char upper[160];
	size_t n = 0;

	for (; name[n] != '\0' && n + 1 < sizeof(upper); n++)
		upper[n] = (char)toupper((unsigned char)name[n]);
	upper[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(secret_words); i++)
		if (strstr(upper, secret_words[i]))
			return true;
	return strcmp(upper, "KEY") == 0;
}

static bool is_loader(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(loader_words); i++) {
		size_t len = strlen(loader_words[i]);
		bool prefix = loader_words[i][len - 1] == '_';

		if (prefix ? strncmp(name, loader_words[i], len) == 0
			   : strcmp(name, loader_words[i]) == 0)
			return true;
	}
	return false;
}

void lint_environment(struct lint *lint)
{
	const struct policy *p = &lint->c->policy;

	for (size_t i = 0; i < p->env_pass.n; i++) {
		const struct policy_name *name = &p->env_pass.at[i];

		if (is_secret(name->name))
			lint_add(lint, LINT_ENV_SECRET, name->origin,
				 "passes %s, which by its name is a secret", name->name);
		if (is_loader(name->name))
			lint_add(lint, LINT_ENV_LOADER, name->origin,
				 "passes %s, by which programs load code", name->name);
	}
	for (size_t i = 0; i < p->env_set.n; i++)
		if (is_secret(p->env_set.at[i].name) && p->env_set.at[i].value[0] != '\0')
			lint_add(lint, LINT_ENV_SECRET, p->env_set.at[i].origin,
				 "sets %s, which by its name is a secret, in a file that anybody "
				 "may read",
				 p->env_set.at[i].name);
}

static uint64_t machine_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	long size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

static uint64_t machine_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (uint64_t)n * 1000 : 0;
}

static uint64_t machine_processes(void)
{
	long n = sysconf(_SC_CHILD_MAX);

	return n > 0 ? (uint64_t)n : 0;
}

static const struct {
	enum policy_limit limit;
	bool needed;		/* absent is a finding */
	uint64_t (*most)(void); /* what the machine has; NULL: nothing to compare with */
} limit_rows[] = {
	{POLICY_LIMIT_CPU, true, NULL},
	{POLICY_LIMIT_MEMORY, true, machine_memory},
	{POLICY_LIMIT_CPUS, false, machine_cpus},
	{POLICY_LIMIT_PROCESSES, true, machine_processes},
};

void lint_limits(struct lint *lint)
{
	const struct policy *p = &lint->c->policy;

	for (size_t i = 0; i < ARRAY_SIZE(limit_rows); i++) {
		const struct policy_value *value = &p->limits[limit_rows[i].limit];
		uint64_t most = limit_rows[i].most ? limit_rows[i].most() : 0;
		const char *name = policy_limit_name(limit_rows[i].limit);
		char text[64];
		char has[64];

		policy_limit_text(limit_rows[i].limit, value->value, text, sizeof(text));
		policy_limit_text(limit_rows[i].limit, most, has, sizeof(has));
		if (value->value == 0 && limit_rows[i].needed)
			lint_add(lint, LINT_LIMIT_ABSENT, value->origin, "limits.%s is absent",
				 name);
		if (most != 0 && value->value > most)
			lint_add(lint, LINT_LIMIT_MACHINE, value->origin,
				 "limits.%s is %s, more than this machine has (%s)", name, text,
				 has);
	}
}

static const char *group_of(const struct policy *p, const char *call)
{
	for (size_t i = 0; i < p->groups.n; i++)
		for (size_t g = 0; g < syscalls_n_groups; g++)
			if (strcmp(syscalls_groups[g].name, p->groups.at[i].name) == 0 &&
			    syscalls_group_has(&syscalls_groups[g], call))
				return syscalls_groups[g].name;
	return NULL;
}

static bool has_name(const struct policy_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->at[i].name, name) == 0)
			return true;
	return false;
}

static bool changes_ids(const char *call)
{
	for (size_t i = 0; i < ARRAY_SIZE(id_calls); i++)
		if (strcmp(id_calls[i], call) == 0)
			return true;
	return false;
}

void lint_syscalls(struct lint *lint)
{
	const struct policy *p = &lint->c->policy;

	for (size_t i = 0; i < p->groups.n; i++)
		if (strcmp(p->groups.at[i].name, "ids-write") == 0)
			lint_add(lint, LINT_SET_ID, p->groups.at[i].origin,
				 "the group \"ids-write\" has the calls that change ids");
	for (size_t i = 0; i < p->allow.n; i++) {
		const struct policy_name *name = &p->allow.at[i];
		const char *group = group_of(p, name->name);

		if (changes_ids(name->name) && !has_name(&p->deny, name->name))
			lint_add(lint, LINT_SET_ID, name->origin, "allows %s, which changes ids",
				 name->name);
		if (group)
			lint_add(lint, LINT_ALLOW_TWICE, name->origin,
				 "the group \"%s\" has %s already", group, name->name);
		if (has_name(&p->deny, name->name))
			lint_add(lint, LINT_SHADOWED, name->origin,
				 "%s is denied as well, and that wins", name->name);
	}
	for (size_t i = 0; i < p->deny.n; i++)
		if (!group_of(p, p->deny.at[i].name) && !has_name(&p->allow, p->deny.at[i].name))
			lint_add(lint, LINT_DENY_NOTHING, p->deny.at[i].origin,
				 "denies %s, which nothing allows", p->deny.at[i].name);
}

void lint_workspace(struct lint *lint)
{
	const struct policy *p = &lint->c->policy;
	bool overlay = p->workspace.value == POLICY_WORKSPACE_OVERLAY;
	const struct {
		const char *name;
		const struct policy_names *names;
	} lists[] = {{"driver", &p->driver}, {"scratch", &p->scratch}};

	if (p->workspace.value == POLICY_WORKSPACE_DIRECT && p->protect.n == 0)
		lint_add(lint, LINT_UNPROTECTED, p->workspace.origin,
			 "tools write to the workspace itself, and nothing in it is protected: not "
			 "its "
			 "git hooks, not its editor's settings");
	if (overlay && p->fallback.value == IMAGE_FALLBACK_DIRECT)
		lint_add(lint, LINT_FALLBACK_DIRECT, p->fallback.origin,
			 "where no overlay can be kept, tools write to the workspace itself");
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (!overlay && lists[i].names->n > 0)
			lint_add(lint, LINT_NEEDS_OVERLAY, lists[i].names->at[0].origin,
				 "workspace.%s has no effect: the mode is \"%s\"", lists[i].name,
				 policy_workspace_names[p->workspace.value]);
}

static bool narrows(const struct policy *p, const struct policy_tool *tool)
{
	for (size_t i = 0; i < POLICY_LIMIT_N; i++)
		if (tool->limits[i].set &&
		    policy_effective_limit(p, tool, i) != policy_effective_limit(p, NULL, i))
			return true;
	return tool->taken_away || tool->workspace.set || tool->network.set;
}

void lint_tools(struct lint *lint)
{
	const struct policy *p = &lint->c->policy;

	for (size_t i = 0; i < p->n_tools; i++)
		if (!narrows(p, &p->tools[i]))
			lint_add(lint, LINT_SECTION_EMPTY, p->tools[i].origin,
				 "the section of %s takes nothing away", p->tools[i].name);
}

static json_t *required(const struct policy *p, uint32_t source, const char *key)
{
	return json_object_get(json_object_get(p->sources[source].json, "require"), key);
}

/* Lists of requirements only grow; a number or a switch is replaced by the last file that has it. */
void lint_require(struct lint *lint)
{
	const struct policy *p = &lint->c->policy;
	json_int_t abi = 0;
	bool private_uid = false;

	for (uint32_t i = 0; i < p->n_sources; i++) {
		json_t *number = required(p, i, "landlock_abi");
		json_t *flag = required(p, i, "private_uid");

		if (number && json_integer_value(number) < abi)
			lint_add(lint, LINT_REQUIRE_WEAKER,
				 (struct policy_origin){i, "/require/landlock_abi"},
				 "requires Landlock ABI %lld, the parent %lld",
				 (long long)json_integer_value(number), (long long)abi);
		if (flag && !json_is_true(flag) && private_uid)
			lint_add(lint, LINT_REQUIRE_WEAKER,
				 (struct policy_origin){i, "/require/private_uid"},
				 "does not require a uid of the call's own, the parent does");
		abi = number ? json_integer_value(number) : abi;
		private_uid = flag ? json_is_true(flag) : private_uid;
	}
}
