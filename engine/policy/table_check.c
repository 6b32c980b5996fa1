/*
 * Theory of operation: one function for each kind of row says what the policy answers, as the word that
 * a table uses; it passes when that is the word that stands there. A system call is asked of the
 * filters of both machines, whatever this one is.
 */
#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "policy/table.h"

struct check {
	struct table_run *run;
	const struct table_row *row;
	struct query ask;
	struct table_result *ret;
	struct err *err;
};

static void compare(const struct check *c, const char *got, const char *why)
{
	struct table_result *ret = c->ret;

	if (strcmp(got, c->row->want) == 0) {
		ret->outcome = TABLE_PASSED;
		return;
	}
	ret->outcome = TABLE_FAILED;
	(void)snprintf(ret->text, sizeof(ret->text), "%s%s%.300s", got, why[0] ? ": " : "", why);
}

static uint32_t net_of(const struct check *c)
{
	struct policy_origin rule;

	return c->row->net < IMAGE_NET_N ? c->row->net : query_net(&c->ask, &rule);
}

static int need_filters(const struct check *c, uint32_t net)
{
	int r;

	if (c->run->made[net])
		return 0;
	r = call_filters_init(&c->run->filters[net], c->run->plan->policy, net, c->err);
	c->run->made[net] = r == 0;
	return r;
}

/* One machine's answer; false: nothing to compare, or it is what was wanted. */
static int check_call_on(const struct check *c, enum call_arch machine, bool *ret_asked,
			 bool *ret_wrong)
{
	const struct call_filters *filters = &c->run->filters[net_of(c)];
	enum call_arch arch = c->row->call->arch == CALL_ARCH_N ? machine : c->row->call->arch;
	enum call_verdict verdict = CALL_KILL;
	struct query_answer answer;
	int r = query_call(&c->ask, filters, machine, arch, c->row->call, &verdict, &answer,
			   c->err);

	if (r <= 0)
		return r;
	*ret_asked = true;
	if (strcmp(call_verdict_name(verdict), c->row->want) == 0)
		return 0;
	*ret_wrong = true;
	c->ret->outcome = TABLE_FAILED;
	(void)snprintf(c->ret->text, sizeof(c->ret->text), "%s on %s: %.300s",
		       call_verdict_name(verdict), call_arch_name(machine), answer.why);
	return 0;
}

static int check_call(const struct check *c)
{
	bool asked = false;
	bool wrong = false;
	int r = need_filters(c, net_of(c));

	if (r == 0)
		r = check_call_on(c, CALL_X86_64, &asked, &wrong);
	if (r == 0 && !wrong)
		r = check_call_on(c, CALL_AARCH64, &asked, &wrong);
	if (r < 0 || wrong)
		return r;
	c->ret->outcome = asked ? TABLE_PASSED : TABLE_SKIPPED;
	if (!asked)
		(void)snprintf(c->ret->text, sizeof(c->ret->text), "no machine has this call");
	return 0;
}

static int check_path(const struct check *c)
{
	struct query_answer answer;
	struct query_place place;
	char path[PATH_MAX];
	int r = query_clean(&c->ask, c->row->subject, path, c->err);

	if (r == 0)
		r = query_place(&c->ask, path, &place, c->err);
	if (r < 0)
		return r;
	query_path(&c->ask, &place, c->row->use, &answer);
	compare(c, query_verdict_name(answer.verdict), answer.why);
	return 0;
}

static int check_tool(const struct check *c)
{
	struct query_answer answer;

	query_tool(policy_find_tool(c->run->plan->policy, c->row->subject), &answer);
	compare(c, answer.verdict == QUERY_ALLOW ? "granted" : "taken", answer.why);
	return 0;
}

/* "memory", or "Read/memory" for what a tool is narrowed to. */
static int check_limit(const struct check *c)
{
	const char *slash = strchr(c->row->subject, '/');
	const char *name = slash ? slash + 1 : c->row->subject;
	const struct policy *policy = c->run->plan->policy;
	const struct policy_tool *tool = NULL;
	char text[64];

	if (slash) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)(slash - c->row->subject),
			       c->row->subject);
		tool = policy_find_tool(policy, text);
	}
	for (size_t i = 0; i < POLICY_LIMIT_N; i++) {
		if (strcmp(policy_limit_name((enum policy_limit)i), name) != 0)
			continue;
		policy_limit_text((enum policy_limit)i, policy_effective_limit(policy, tool, i),
				  text, sizeof(text));
		compare(c, text, "");
		return 0;
	}
	compare(c, "unknown", "there is no such limit");
	return 0;
}

static int check_env(const struct check *c)
{
	const struct policy_plan *plan = c->run->plan;

	for (size_t i = 0; i < plan->n_env; i++) {
		if (strcmp(plan->env[i].name, c->row->subject) != 0)
			continue;
		compare(c, plan->env[i].value ? "set" : "passed", "");
		return 0;
	}
	compare(c, "absent", "");
	return 0;
}

static int check_network(const struct check *c)
{
	struct query_answer answer;
	struct policy_origin rule;
	int r;

	if (c->row->net < IMAGE_NET_N && c->row->net != query_net(&c->ask, &rule)) {
		c->ret->outcome = TABLE_SKIPPED;
		(void)snprintf(c->ret->text, sizeof(c->ret->text), "not the policy's own network");
		return 0;
	}
	r = query_host(&c->ask, c->row->subject, &answer, c->err);
	if (r == 0)
		compare(c, query_verdict_name(answer.verdict), answer.why);
	return r;
}

static int (*const checks[])(const struct check *c) = {
	[TABLE_CALL] = check_call,   [TABLE_PATH] = check_path, [TABLE_TOOL] = check_tool,
	[TABLE_LIMIT] = check_limit, [TABLE_ENV] = check_env,	[TABLE_NETWORK] = check_network,
};
static_assert(ARRAY_SIZE(checks) == TABLE_KIND_N, "every kind is checked");

int table_check(struct table_run *run, const struct table_row *row, struct table_result *ret,
		struct err *err)
{
	struct check c = {.run = run,
			  .row = row,
			  .ask = {.plan = run->plan, .workspace = run->workspace},
			  .ret = ret,
			  .err = err};

	*ret = (struct table_result){.outcome = TABLE_SKIPPED};
	if (row->tool) {
		c.ask.tool = policy_find_tool(run->plan->policy, row->tool);
		if (!c.ask.tool) {
			ret->outcome = TABLE_FAILED;
			(void)snprintf(ret->text, sizeof(ret->text),
				       "the policy has no section for %s", row->tool);
			return 0;
		}
	}
	return checks[row->kind](&c);
}

void table_run_fini(struct table_run *run)
{
	for (size_t i = 0; i < IMAGE_NET_N; i++)
		if (run->made[i])
			call_filters_fini(&run->filters[i]);
	*run = (struct table_run){0};
}

void policy_digest(const struct policy *policy, char *ret)
{
	uint8_t bytes[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	static_assert(sizeof(bytes) * 2 + 1 == POLICY_DIGEST_TEXT, "two digits a byte");
	sha256_init(&ctx);
	for (uint32_t i = 0; i < policy->n_sources; i++) {
		const struct policy_source *source = &policy->sources[i];
		char length[32];
		int n = snprintf(length, sizeof(length), "%zu\n", source->len);

		sha256_update(&ctx, (size_t)n, (const uint8_t *)length);
		sha256_update(&ctx, source->len, (const uint8_t *)source->text);
	}
	sha256_digest(&ctx, sizeof(bytes), bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}
