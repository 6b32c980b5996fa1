/*
 * Theory of operation: a profile of OCI or Docker against the rules that the base's own filter is
 * made of (syscalls_visit), call by call and for each architecture that the profile names and cells
 * can have. A call that the profile does not allow is taken out of the result. One that it allows
 * under conditions stays where they follow from what our filter checks already (seccomp_proof.c);
 * where they do not, it is a demand that no policy can hold.
 *
 * Of several rules for a call all that refuse count, and any that allows: stricter than what
 * libseccomp makes of them. Rules for capabilities do not apply: a cell has none.
 */
#include "import/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

/* libseccomp's numbers of architectures are the kernel's for audit. */
static const struct {
	const char *name;
	uint32_t number;
	const char *go; /* in includes and excludes */
} arches[] = {
	{"SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64, "amd64"},
	{"SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64, "arm64"},
};

static const struct {
	const char *name;
	bool allows;
} actions[] = {
	{"SCMP_ACT_ALLOW", true},	 {"SCMP_ACT_ERRNO", false},	   {"SCMP_ACT_KILL", false},
	{"SCMP_ACT_KILL_THREAD", false}, {"SCMP_ACT_KILL_PROCESS", false}, {"SCMP_ACT_TRAP", false},
	{"SCMP_ACT_TRACE", false},	 {"SCMP_ACT_NOTIFY", false},	   {"SCMP_ACT_LOG", true},
};

int seccomp_action(struct import *im, json_t *value, const char *pointer, bool *ret_allows)
{
	const char *text = json_string_value(value);

	for (size_t i = 0; text && i < ARRAY_SIZE(actions); i++) {
		if (strcmp(actions[i].name, text) != 0)
			continue;
		*ret_allows = actions[i].allows;
		return 0;
	}
	return import_shape(im, pointer, "must be an action: SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, ...");
}

static bool names_arch(json_t *list, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *text = json_string_value(
			json_is_object(one) ? json_object_get(one, "architecture") : one);

		if (text && strcmp(text, name) == 0)
			return true;
	}
	return false;
}

/* A cell has no capability, and a kernel newer than every "minKernel" that check_clause lets pass. */
static bool applies(json_t *entry, const char *go)
{
	json_t *includes = json_object_get(entry, "includes");
	json_t *excludes = json_object_get(entry, "excludes");
	json_t *only = json_object_get(includes, "arches");

	if (json_array_size(json_object_get(includes, "caps")) > 0 ||
	    json_object_get(excludes, "minKernel"))
		return false;
	if (json_array_size(only) > 0 && !names_arch(only, go))
		return false;
	return !names_arch(json_object_get(excludes, "arches"), go);
}

bool seccomp_counts(json_t *entry)
{
	for (size_t a = 0; a < ARRAY_SIZE(arches); a++)
		if (applies(entry, arches[a].go))
			return true;
	return false;
}

static bool same_rule(const struct syscalls_rule *a, const struct syscalls_rule *b)
{
	if (a->n != b->n || a->error != b->error)
		return false;
	for (unsigned int i = 0; i < a->n; i++)
		if (a->matches[i].arg != b->matches[i].arg ||
		    a->matches[i].mask != b->matches[i].mask ||
		    a->matches[i].value != b->matches[i].value)
			return false;
	return true;
}

/* The calls of the base on one architecture. */
static int add_call(void *ctx, const struct syscalls_rule *rule)
{
	struct profile *p = ctx;
	struct base_call *call = NULL;

	for (size_t i = 0; i < p->n_calls && !call; i++)
		if (strcmp(p->calls[i].name, rule->name) == 0)
			call = &p->calls[i];
	if (!call && rule->error && rule->n == 0)
		return 0; /* answered with ENOSYS: allowed to nobody */
	if (!call) {
		if (p->n_calls >= SECCOMP_CALLS_MAX)
			return err_set(p->im->err, E2BIG, "the base has too many system calls");
		call = &p->calls[p->n_calls++];
		*call = (struct base_call){0};
		(void)snprintf(call->name, sizeof(call->name), "%s", rule->name);
	}
	if (!rule->error)
		(void)json_object_set_new(p->known, rule->name, json_true());
	for (size_t i = 0; i < call->n; i++)
		if (same_rule(&call->rules[i], rule))
			return 0;
	if (call->n >= ARRAY_SIZE(call->rules))
		return err_set(p->im->err, E2BIG, "the base has too many rules for %s", rule->name);
	call->rules[call->n++] = *rule;
	return 0;
}

static int load_base(struct profile *p, uint32_t arch)
{
	struct syscalls_filter filter = {
		.policy = p->im->base,
		.sockets = policy_sockets(p->im->base, (uint32_t)p->im->base->network.value),
		.arch = arch,
	};

	p->n_calls = 0;
	return syscalls_visit(&filter, add_call, p, p->im->err);
}

/* @deny of our own that says the same as a single condition: "all but these" of ioctl(2). */
static bool base_refuses(const struct base_call *call, const struct seccomp_rule *rule)
{
	for (size_t i = 0; rule->n == 1 && i < call->n; i++)
		if (call->rules[i].error && call->rules[i].n == 1 &&
		    proof_implied(&call->rules[i], &rule->args[0]) &&
		    rule->args[0].op == COMPARE_EQ)
			return true;
	return false;
}

/* A rule that refuses has one index twice: runtimes make two rules of it. */
static bool rule_refuted(const struct syscalls_rule *ours, const struct seccomp_rule *rule)
{
	size_t n = 0;

	for (size_t i = 0; i < rule->n; i++)
		n += proof_refuted(ours, &rule->args[i]);
	return rule->repeated ? n == rule->n : n > 0;
}

static bool rule_implied(const struct syscalls_rule *ours, const struct seccomp_rule *rule)
{
	for (size_t i = 0; i < rule->n; i++)
		if (!proof_implied(ours, &rule->args[i]))
			return false;
	return true;
}

/* Every way in which our filter lets @call through, against all rules of the profile for it. */
static const struct seccomp_rule *find_unproven(const struct profile *p,
						const struct base_call *call)
{
	for (size_t b = 0; b < call->n; b++) {
		const struct seccomp_rule *open = NULL;
		bool allowed = p->otherwise;

		for (size_t i = 0; i < p->n_rules && !call->rules[b].error; i++) {
			const struct seccomp_rule *rule = &p->rules[i];

			if (strcmp(rule->name, call->name) != 0)
				continue;
			if (!rule->allows && !rule_refuted(&call->rules[b], rule) &&
			    !base_refuses(call, rule))
				return rule;
			if (rule->allows && rule_implied(&call->rules[b], rule))
				allowed = true;
			else if (rule->allows)
				open = rule;
		}
		if (!call->rules[b].error && !allowed)
			return open;
	}
	return NULL;
}

static int drop(struct profile *p, const struct base_call *call, size_t rule)
{
	if (json_object_get(p->dropped, call->name))
		return 0;
	return json_object_set_new(p->dropped, call->name,
				   rule == SIZE_MAX ? json_null()
						    : json_integer((json_int_t)rule)) < 0
		       ? err_set(p->im->err, ENOMEM, "cannot read the profile")
		       : 0;
}

static int judge(struct profile *p, const struct base_call *call)
{
	const struct seccomp_rule *rule;
	bool allowed = p->otherwise;
	char text[96];

	for (size_t i = 0; i < p->n_rules; i++) {
		rule = &p->rules[i];
		if (strcmp(rule->name, call->name) != 0)
			continue;
		if (!rule->allows && rule->n == 0)
			return drop(p, call, rule->entry);
		allowed = allowed || rule->allows;
	}
	if (!allowed)
		return drop(p, call, SIZE_MAX);
	rule = find_unproven(p, call);
	if (!rule || json_object_get(p->unproven, rule->pointer))
		return 0;
	(void)json_object_set_new(p->unproven, rule->pointer, json_true());
	(void)snprintf(text, sizeof(text), "%s with conditions", call->name);
	return import_row(
		p->im, rule->pointer, text, IMPORT_INEXPRESSIBLE,
		"the base allows %s under other conditions on its arguments, and a policy "
		"has none of its own; \"syscalls\": {\"deny\": [...]} in the base would "
		"refuse it as a whole",
		call->name);
}

static int judge_arch(struct profile *p, size_t a)
{
	int r = load_base(p, arches[a].number);

	p->n_rules = 0;
	if (r == 0)
		r = seccomp_load_rules(p, arches[a].go, applies);
	for (size_t i = 0; r == 0 && i < p->n_calls; i++)
		r = judge(p, &p->calls[i]);
	return r;
}

static bool in_group(json_t *groups, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(groups, i, one)
		for (size_t g = 0; g < syscalls_n_groups; g++)
			if (strcmp(syscalls_groups[g].name, json_string_value(one)) == 0 &&
			    syscalls_group_has(&syscalls_groups[g], name))
				return true;
	return false;
}

static int take_out(struct profile *p)
{
	json_t *calls = json_object_get(p->im->policy, "syscalls");
	json_t *allow = json_object_get(calls, "allow");
	json_t *deny = json_object_get(calls, "deny");
	const char *name;
	json_t *value;

	json_object_foreach(p->dropped, name, value) {
		bool denied = false;
		json_t *one;
		size_t i;

		json_array_foreach(deny, i, one)
			denied = denied || strcmp(json_string_value(one), name) == 0;
		json_array_foreach(allow, i, one) {
			if (strcmp(json_string_value(one), name) != 0)
				continue;
			(void)json_array_remove(allow, i);
			break;
		}
		if (denied || !in_group(json_object_get(calls, "groups"), name))
			continue;
		if (json_array_size(deny) >= POLICY_NAMES_MAX ||
		    json_array_append_new(deny, json_string(name)) < 0)
			return err_set(p->im->err, E2BIG, "too many system calls are refused");
	}
	return 0;
}

static int report_arches(struct profile *p, json_t *listed, const char *key)
{
	const char *missing = NULL;
	bool here = true;
	char pointer[POLICY_POINTER_MAX];
	int r = import_below(p->im, pointer, p->pointer, key);

	for (size_t a = 0; a < ARRAY_SIZE(arches); a++) {
		if (json_array_size(listed) == 0 || names_arch(listed, arches[a].name))
			continue;
		missing = arches[a].name;
		here = here && arches[a].number != NATIVE;
	}
	if (r < 0)
		return r;
	if (!here)
		return import_row(p->im, pointer, key, IMPORT_INEXPRESSIBLE,
				  "does not name the architecture of this machine: nothing of it "
				  "would hold here");
	return missing ? import_row(p->im, pointer, key, IMPORT_IGNORED,
				    "nothing is said of %s: import it for cells there anew",
				    missing)
		       : import_row(p->im, pointer, key, IMPORT_TAKEN,
				    "calls are looked at on each architecture of cells");
}

static int run(struct profile *p)
{
	const char *key = json_object_get(p->json, "architectures") ? "architectures" : "archMap";
	json_t *listed = json_object_get(p->json, key);
	bool any = false;
	int r = listed ? report_arches(p, listed, key) : 0;

	for (size_t a = 0; r == 0 && a < ARRAY_SIZE(arches); a++) {
		if (json_array_size(listed) > 0 && !names_arch(listed, arches[a].name))
			continue;
		any = true;
		r = judge_arch(p, a);
	}
	if (r == 0 && !any)
		return import_shape(p->im, p->pointer,
				    "names neither SCMP_ARCH_X86_64 nor SCMP_ARCH_AARCH64");
	if (r == 0)
		r = seccomp_report(p);
	return r == 0 ? take_out(p) : r;
}

static int find_profile(struct import *im, json_t **ret, char *pointer)
{
	json_t *config = json_object_get(im->doc->json, "linux");

	*ret = im->doc->json;
	pointer[0] = '\0';
	if (json_object_get(im->doc->json, "defaultAction"))
		return 0;
	*ret = json_object_get(config, "seccomp");
	(void)snprintf(pointer, POLICY_POINTER_MAX, "/linux/seccomp");
	if (!json_is_object(*ret))
		return import_shape(im, "",
				    "has neither a \"defaultAction\" nor \"linux\" with "
				    "\"seccomp\"");
	return import_row(im, "", "OCI config", IMPORT_IGNORED,
			  "only linux.seccomp is taken; mounts, resources and hooks are not");
}

int import_seccomp(struct import *im)
{
	struct profile *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(im->err, ENOMEM, "cannot read the profile");
	p->im = im;
	p->known = json_object();
	p->dropped = json_object();
	p->unproven = json_object();
	r = find_profile(im, &p->json, p->pointer);
	if (r == 0)
		r = seccomp_check_shape(p);
	if (r == 0)
		r = run(p);
	json_decref(p->known);
	json_decref(p->dropped);
	json_decref(p->unproven);
	free(p);
	return r;
}
