/*
 * Theory of operation: the rules that our own filter is compiled from, as entries of an OCI profile:
 * calls without conditions together, the others one entry for each way to be allowed. "All but
 * these" has no words there, and an entry that refuses next to one that allows without conditions
 * is lost in libseccomp; so what is left when some values of 32 bits are taken away is said as what
 * differs from all of them in its upper bits: one masked comparison for each branch of the tree of
 * bits that holds none of the values.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/export.h"
#include "policy/syscalls.h"

#define REFUSED_MAX 16U
#define LOW32 0xffffffffULL

struct profile {
	json_t *plain;	 /* names that are allowed whatever their arguments */
	json_t *old;	 /* names that are answered with ENOSYS */
	json_t *entries; /* with conditions */
	uint32_t refused[REFUSED_MAX];
	size_t n_refused;
};

static json_t *condition(unsigned int arg, uint64_t mask, uint64_t value)
{
	if (mask == UINT64_MAX)
		return json_pack("{si sI ss}", "index", (int)arg, "value", (json_int_t)value, "op",
				 "SCMP_CMP_EQ");
	return json_pack("{si sI sI ss}", "index", (int)arg, "value", (json_int_t)mask, "valueTwo",
			 (json_int_t)value, "op", "SCMP_CMP_MASKED_EQ");
}

static int add_entry(struct profile *p, const char *name, json_t *args)
{
	return json_array_append_new(p->entries, json_pack("{s[s] ss so}", "names", name, "action",
							   "SCMP_ACT_ALLOW", "args", args)) < 0
		       ? -ENOMEM
		       : 0;
}

static int add_rule(void *ctx, const struct syscalls_rule *rule)
{
	struct profile *p = ctx;
	json_t *args;

	if (rule->error && rule->n == 1 && p->n_refused < REFUSED_MAX) {
		p->refused[p->n_refused++] = (uint32_t)rule->matches[0].value;
		return 0;
	}
	if (rule->n == 0)
		return json_object_set_new(rule->error ? p->old : p->plain, rule->name,
					   json_true()) < 0
			       ? -ENOMEM
			       : 0;
	args = json_array();
	for (unsigned int i = 0; i < rule->n; i++)
		(void)json_array_append_new(args,
					    condition(rule->matches[i].arg, rule->matches[i].mask,
						      rule->matches[i].value));
	return add_entry(p, rule->name, args);
}

static bool holds_any(const struct profile *p, uint32_t mask, uint32_t value)
{
	for (size_t i = 0; i < p->n_refused; i++)
		if ((p->refused[i] & mask) == value)
			return true;
	return false;
}

/* Down the tree of bits along each refused value; branches beside it that hold none are allowed. */
static int add_all_but(struct profile *p, const char *name, unsigned int arg)
{
	json_t *seen = json_object();
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n_refused; i++) {
		for (unsigned int up = 1; r == 0 && up <= 32; up++) {
			unsigned int bit = 32 - up;
			uint32_t mask = ~0U << bit;
			uint32_t value = (p->refused[i] ^ 1U << bit) & mask;
			char key[32];

			(void)snprintf(key, sizeof(key), "%x/%u", value, bit);
			if (holds_any(p, mask, value) || json_object_get(seen, key))
				continue;
			(void)json_object_set_new(seen, key, json_true());
			r = add_entry(p, name,
				      json_pack("[o]", condition(arg, mask & LOW32, value)));
		}
	}
	json_decref(seen);
	return r;
}

static json_t *names_of(json_t *object)
{
	json_t *out = json_array();
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
		(void)json_array_append_new(out, json_string(name));
	return out;
}

static int collect(struct profile *p, const struct policy *policy, struct err *err)
{
	struct syscalls_filter filter = {
		.policy = policy,
		.sockets = policy_sockets(policy, (uint32_t)policy->network.value),
	};
	int r = syscalls_visit(&filter, add_rule, p, err);

	if (r == 0 && p->n_refused > 0 && json_object_get(p->plain, "ioctl")) {
		(void)json_object_del(p->plain, "ioctl");
		r = add_all_but(p, "ioctl", 1);
	}
	return r;
}

json_t *export_seccomp(const struct policy *policy, struct err *err)
{
	struct profile p = {json_object(), json_object(), json_array(), {0}, 0};
	json_t *out = NULL;

	if (collect(&p, policy, err) == 0) {
		json_t *list = json_array();

		(void)json_array_append_new(list, json_pack("{so ss si}", "names", names_of(p.old),
							    "action", "SCMP_ACT_ERRNO", "errnoRet",
							    ENOSYS));
		(void)json_array_append_new(list, json_pack("{so ss}", "names", names_of(p.plain),
							    "action", "SCMP_ACT_ALLOW"));
		(void)json_array_extend(list, p.entries);
		out = json_pack("{ss si s[s] so}", "defaultAction", "SCMP_ACT_ERRNO",
				"defaultErrnoRet", EPERM, "architectures",
#if defined(__aarch64__)
				"SCMP_ARCH_AARCH64",
#else
				"SCMP_ARCH_X86_64",
#endif
				"syscalls", list);
	}
	if (!out)
		(void)err_set(err, ENOMEM, "cannot write the profile");
	json_decref(p.plain);
	json_decref(p.old);
	json_decref(p.entries);
	return out;
}
