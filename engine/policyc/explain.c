/*
 * Theory of operation: each question becomes answers, objects of one shape; the readable text is made
 * of those, so that text and JSON cannot differ. A question is a row: who answers it. A path is asked
 * for every use, a system call for every architecture that a program could be built for.
 *
 * Exit status as grep(1) has it: 0 when all that was asked is allowed, 1 when something is refused, 2
 * for a question that cannot be answered. A path without a use counts as allowed when it can be read,
 * a call when this machine's own architecture allows it.
 */
#include "policyc/explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "policyc/command.h"
#include "policyc/where.h"

struct explain {
	struct compile *c;
	const struct command_line *line;
	struct query ask;
	struct call_filters filters;
	bool refused;
	json_t *answers;
	struct err *err;
};

/* One answer; @counts: it decides on the exit status. */
static int add_answer(struct explain *x, const char *question, const char *object,
		      const char *operation, const char *verdict, const struct query_answer *a,
		      json_t *more)
{
	const char *fate = query_fate_words(a->fate);
	json_t *one = json_pack("{ss ss ss ss sb ss so}", "question", question, "object", object,
				"operation", operation, "verdict", verdict, "allowed",
				a->verdict == QUERY_ALLOW, "why", a->why, "rule",
				where_json(&x->c->policy, a->rule));

	if (one && fate[0] != '\0')
		(void)json_object_set_new(one, "written", json_string(fate));
	if (one && more)
		(void)json_object_update(one, more);
	json_decref(more);
	if (!one || json_array_append_new(x->answers, one) < 0)
		return err_set(x->err, ENOMEM, "cannot explain the policy");
	return 0;
}

/* {"remedy", "final"}: the fragment that would allow it, and what in the chain forbids that. */
static json_t *remedy_json(const struct explain *x, json_t *fragment, const char *pointer)
{
	const struct policy_name *fixed = fragment ? query_final(&x->c->policy, pointer) : NULL;

	return json_pack("{so so}", "remedy", fragment ? fragment : json_null(), "final",
			 fixed ? where_json(&x->c->policy, fixed->origin) : json_null());
}

static int answer_use(struct explain *x, const char *text, const struct query_place *place,
		      enum query_use use, bool counts)
{
	struct query_answer answer;
	const char *pointer = "";
	json_t *more = NULL;

	query_path(&x->ask, place, use, &answer);
	if (answer.verdict != QUERY_ALLOW) {
		json_t *fragment = query_remedy_path(&x->ask, place, use, &pointer);

		more = remedy_json(x, fragment, pointer);
	}

	if (place->followed) {
		more = more ? more : json_object();
		(void)json_object_set_new(more, "leads_to", json_string(place->path));
	}
	x->refused |= counts && answer.verdict != QUERY_ALLOW;
	return add_answer(x, "path", text, query_use_name(use), query_verdict_name(answer.verdict),
			  &answer, more);
}

/* "PATH", or "USE PATH" as in a verdict table. */
static int answer_path(struct explain *x, const char *text)
{
	size_t word = strcspn(text, " ");
	struct query_place place;
	char path[PATH_MAX];
	enum query_use only = QUERY_USE_N;
	int r;

	if (text[word] == ' ' && query_use_find(text, word, &only))
		text += word + strspn(text + word, " ");
	r = query_clean(&x->ask, text, path, x->err);
	if (r == 0)
		r = query_place(&x->ask, path, &place, x->err);
	for (uint32_t use = 0; r == 0 && use < QUERY_USE_N; use++)
		if (only == QUERY_USE_N || use == only)
			r = answer_use(x, path, &place, (enum query_use)use,
				       only != QUERY_USE_N || use == QUERY_READ);
	return r;
}

static int answer_arch(struct explain *x, const struct call *call, const char *text,
		       enum call_arch arch, bool only)
{
	enum call_arch native = call_native();
	/* What is built for i386 or x32 runs on x86_64. */
	enum call_arch machine = arch == CALL_AARCH64 ? CALL_AARCH64 : CALL_X86_64;
	enum call_verdict verdict = CALL_KILL;
	struct query_answer answer;
	const char *pointer = "";
	json_t *more = NULL;
	int r = query_call(&x->ask, &x->filters, machine, arch, call, &verdict, &answer, x->err);

	if (r <= 0)
		return r;
	if (verdict == CALL_EPERM) {
		json_t *fragment = query_remedy_call(&x->ask, call, &pointer);

		more = remedy_json(x, fragment, pointer);
	}

	more = more ? more : json_object();
	(void)json_object_set_new(more, "native", json_boolean(arch == native));
	if (only || arch == native)
		x->refused |= verdict != CALL_ALLOW;
	return add_answer(x, "syscall", text, call_arch_name(arch), call_verdict_name(verdict),
			  &answer, more);
}

static int need_filters(struct explain *x)
{
	struct policy_origin rule;

	if (x->filters.insns[0])
		return 0;
	return call_filters_init(&x->filters, &x->c->policy, query_net(&x->ask, &rule), x->err);
}

static int answer_syscall(struct explain *x, const char *text)
{
	size_t before = json_array_size(x->answers);
	struct call call;
	char quoted[96];
	int r = call_parse(text, &call, x->err);

	if (r == 0)
		r = need_filters(x);
	for (uint32_t arch = 0; r == 0 && arch < CALL_ARCH_N; arch++)
		if (call.arch == CALL_ARCH_N || call.arch == arch)
			r = answer_arch(x, &call, text, (enum call_arch)arch,
					call.arch != CALL_ARCH_N);
	if (r < 0 || json_array_size(x->answers) > before)
		return r;
	text_quote(quoted, sizeof(quoted), text, strlen(text));
	return err_set(x->err, EINVAL, "no architecture that is known has the call \"%s\"", quoted);
}

static int answer_host(struct explain *x, const char *text)
{
	struct query_answer answer;
	const char *pointer = "";
	json_t *more = NULL;
	int r = query_host(&x->ask, text, &answer, x->err);

	if (r < 0)
		return r;
	if (answer.verdict != QUERY_ALLOW) {
		json_t *fragment = query_remedy_host(&x->ask, text, &pointer);

		more = remedy_json(x, fragment, pointer);
	}

	x->refused |= answer.verdict != QUERY_ALLOW;
	return add_answer(x, "host", text, "connect", query_verdict_name(answer.verdict), &answer,
			  more);
}

static json_t *tool_limits(const struct explain *x, const struct policy_tool *section)
{
	const struct policy *p = &x->c->policy;
	json_t *out = json_object();

	for (size_t i = 0; i < POLICY_LIMIT_N; i++) {
		uint64_t value = policy_effective_limit(p, section, i);
		bool own = section && section->limits[i].set && value == section->limits[i].value;
		char text[64];

		policy_limit_text((enum policy_limit)i, value, text, sizeof(text));
		(void)json_object_set_new(out, policy_limit_name((enum policy_limit)i),
					  json_pack("{ss sb so}", "value", text, "narrowed", own,
						    "rule",
						    where_json(p, own ? section->limits[i].origin
								      : p->limits[i].origin)));
	}
	return out;
}

static json_t *tool_json(const struct explain *x, const struct policy_tool *section)
{
	const struct policy *p = &x->c->policy;
	struct query ask = {.plan = x->ask.plan, .tool = section};
	bool readonly = section && section->workspace.set;
	struct policy_origin rule;
	uint32_t net = query_net(&ask, &rule);

	return json_pack("{so s{ss so} s{ss so}}", "limits", tool_limits(x, section), "workspace",
			 "value",
			 readonly ? "readonly" : policy_workspace_names[p->workspace.value], "rule",
			 where_json(p, readonly ? section->workspace.origin : p->workspace.origin),
			 "network", "value", net == IMAGE_NET_NONE ? "none" : "loopback", "rule",
			 where_json(p, rule));
}

/* Whether the agent has it: the catalog holds what agent and policy leave. */
static bool agent_has(const struct explain *x, json_t *manifest)
{
	const char *name = json_string_value(json_object_get(manifest, "name"));
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(x->c->catalog, "tools"), i, one)
		if (name && strcmp(json_string_value(json_object_get(one, "name")), name) == 0)
			return true;
	return false;
}

static int answer_tool(struct explain *x, const char *text)
{
	const struct policy_tool *section;
	struct query_answer answer;
	json_t *manifest = NULL;
	int r = compile_manifest(x->c, text, &manifest, x->err);

	if (r < 0)
		return r;
	section = compile_find_section(x->c, text);
	query_tool(section, &answer);
	if (answer.verdict == QUERY_ALLOW && x->c->catalog && !agent_has(x, manifest)) {
		answer.verdict = QUERY_REFUSED;
		(void)snprintf(answer.why, sizeof(answer.why), "the agent %s is not granted it",
			       x->line->agent);
	}
	x->refused |= answer.verdict != QUERY_ALLOW;
	return add_answer(x, "tool", text, "call",
			  answer.verdict == QUERY_ALLOW ? "granted" : "taken away", &answer,
			  answer.verdict == QUERY_ALLOW ? tool_json(x, section) : NULL);
}

static int (*const questions[])(struct explain *x, const char *text) = {
	[ABOUT_PATH] = answer_path,
	[ABOUT_SYSCALL] = answer_syscall,
	[ABOUT_HOST] = answer_host,
	[ABOUT_TOOL] = answer_tool,
};
static_assert(ARRAY_SIZE(questions) == ABOUT_N, "every question is answered");

/* The folder that is asked about: named, else the current one where it can be a workspace. */
static int find_workspace(struct explain *x, char *room)
{
	const char *dir = x->line->dir ? x->line->dir : ".";

	if (!realpath(dir, room))
		return x->line->dir ? err_set(x->err, errno, "cannot look at %s", dir) : 0;
	x->ask.workspace = room;
	if (x->line->dir)
		return 0;
	for (size_t i = 0; i < x->c->plan.n_mounts; i++)
		if (x->c->plan.mounts[i].target && path_is_below(x->c->plan.mounts[i].target, room))
			x->ask.workspace = NULL;
	return 0;
}

static int load(struct explain *x)
{
	struct compile_options o = {.agent = x->line->agent,
				    .policy = x->line->operands[0],
				    .workspace = x->line->dir ? x->ask.workspace : NULL};
	int r = compile_load(x->c, &o, x->err);

	return r == 0 && o.agent ? compile_catalog(x->c, x->err) : r;
}

static int explain(struct explain *x)
{
	static char room[PATH_MAX];
	int r = compile_init(x->c, x->err);

	if (r == 0)
		r = load(x);
	x->ask.plan = &x->c->plan;
	if (r == 0)
		r = find_workspace(x, room);
	x->answers = json_array();
	for (size_t i = 0; r == 0 && i < x->line->n_questions; i++)
		r = questions[x->line->questions[i].about](x, x->line->questions[i].text);
	return r;
}

static int print(struct explain *x)
{
	bool asked = x->line->n_questions > 0;
	json_t *out = json_pack("{ss ss so so}", "schema", "toolcell.explain/1", "policy",
				x->c->policy.name, "files", where_chain(&x->c->policy), "workspace",
				x->ask.workspace ? json_string(x->ask.workspace) : json_null());
	int status = COMMAND_FINE;

	if (out && asked)
		(void)json_object_set(out, "answers", x->answers);
	else if (out)
		(void)json_object_set_new(out, "summary", explain_summary(&x->ask));
	if (x->line->json)
		status = command_print_json(out);
	else
		explain_print(out);
	json_decref(out);
	return status == COMMAND_FINE && x->refused ? COMMAND_WRONG : status;
}

int command_policy_explain(const struct command_line *line)
{
	struct compile *c = malloc(sizeof(*c));
	struct err err = {0};
	struct explain x = {.c = c, .line = line, .err = &err};
	int status = COMMAND_USAGE;

	if (!c)
		return COMMAND_USAGE;
	if (explain(&x) == 0)
		status = print(&x);
	else
		(void)command_fail(&err);
	json_decref(x.answers);
	call_filters_fini(&x.filters);
	compile_fini(c);
	free(c);
	return status;
}
