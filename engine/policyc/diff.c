/*
 * Theory of operation: both policies are resolved on this host and asked the same questions; where
 * the answers differ there is a change, and what B allows beyond A is wider. Keys are compared by
 * tables (diff_values.c), paths and calls by what plan and filter answer, so that two ways to write the
 * same thing are no difference. Wider changes stand first: they are what a reader has to think about.
 */
#include "policyc/diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/syscalls.h"
#include "policyc/command.h"
#include "policyc/where.h"

#define SYSCALLS_MAX 1024

static const struct {
	const char *word;
	const char *mark;
	const char *colour;
} directions[] = {
	[DIFF_WIDER] = {"wider", "+", "\033[31m"},
	[DIFF_CHANGED] = {"changed", "~", "\033[33m"},
	[DIFF_NARROWER] = {"narrower", "-", "\033[32m"},
};
static_assert(ARRAY_SIZE(directions) == DIFF_DIRECTION_N, "every direction has a row");

void diff_add(struct diff *diff, enum diff_direction direction, const char *section,
	      const char *object, const char *const words[DIFF_SIDE_N],
	      const struct policy_origin rules[DIFF_SIDE_N])
{
	json_t *one = json_pack("{ss ss ss ss ss so so}", "direction", directions[direction].word,
				"section", section, "object", object, "before", words[DIFF_A],
				"after", words[DIFF_B], "rule_before",
				where_json(diff->plans[DIFF_A]->policy, rules[DIFF_A]),
				"rule_after",
				where_json(diff->plans[DIFF_B]->policy, rules[DIFF_B]));

	(void)json_array_append_new(diff->changes[direction], one);
}

/* What one side says of a path: which uses it allows, and where that goes which is written. */
struct uses {
	uint32_t allowed; /* bit: enum query_use */
	enum query_fate fate;
	const struct policy_mount *mount; /* NULL: nothing shows it */
	struct policy_origin rule;	  /* of the first use that the sides differ in */
	enum query_verdict none;	  /* where nothing is allowed: why */
};

/* Strongest last. */
static const uint32_t fate_ranks[] = {
	[QUERY_KEPT_NOWHERE] = 0,
	[QUERY_KEPT_CALL] = 1,
	[QUERY_KEPT_SESSION] = 2,
	[QUERY_KEPT_HOST] = 3,
};
static_assert(ARRAY_SIZE(fate_ranks) == QUERY_FATE_N, "every fate has a rank");

static int ask_side(struct diff *diff, size_t side, const char *path, struct uses *ret)
{
	const struct query ask = {.plan = diff->plans[side], .workspace = DIFF_WORKSPACE};
	struct query_place place;
	int r = query_place(&ask, path, &place, diff->err);

	if (r < 0)
		return r;
	*ret = (struct uses){.mount = place.mount, .rule = {POLICY_BUILT_IN, NULL}};
	for (uint32_t use = 0; use < QUERY_USE_N; use++) {
		struct query_answer a;

		query_path(&ask, &place, (enum query_use)use, &a);
		if (a.verdict == QUERY_ALLOW)
			ret->allowed |= 1U << use;
		if (fate_ranks[a.fate] > fate_ranks[ret->fate])
			ret->fate = a.fate;
		if (use == QUERY_READ)
			ret->none = a.verdict;
	}
	if (place.mount)
		ret->rule = place.mount->origin;
	return 0;
}

/* "read, list, write (is gone after the call)", or the verdict that nothing is allowed by. */
static void say_uses(const struct uses *uses, char *dst, size_t cap)
{
	size_t used = 0;

	dst[0] = '\0';
	for (uint32_t use = 0; use < QUERY_USE_N; use++) {
		int n;

		if (!(uses->allowed & (1U << use)))
			continue;
		n = snprintf(dst + used, cap - used, "%s%s", used > 0 ? ", " : "",
			     query_use_name((enum query_use)use));
		used += n > 0 && (size_t)n < cap - used ? (size_t)n : 0;
	}
	if (used == 0)
		(void)snprintf(dst, cap, "%s", query_verdict_name(uses->none));
	else if (uses->fate != QUERY_KEPT_NOWHERE)
		(void)snprintf(dst + used, cap - used, " (%s)", query_fate_words(uses->fate));
}

static int diff_path(struct diff *diff, const char *path)
{
	struct uses u[DIFF_SIDE_N];
	char words[DIFF_SIDE_N][160];
	bool more[DIFF_SIDE_N];

	for (size_t side = 0; side < DIFF_SIDE_N; side++) {
		int r = ask_side(diff, side, path, &u[side]);

		if (r < 0)
			return r;
		say_uses(&u[side], words[side], sizeof(words[side]));
	}
	for (size_t side = 0; side < DIFF_SIDE_N; side++)
		more[side] = (u[side].allowed & ~u[!side].allowed) != 0 ||
			     fate_ranks[u[side].fate] > fate_ranks[u[!side].fate];
	if (!more[DIFF_A] && !more[DIFF_B])
		return 0;
	diff_add(diff, more[DIFF_B] ? DIFF_WIDER : DIFF_NARROWER, "path",
		 strcmp(path, DIFF_WORKSPACE) == 0 ? "${WORKSPACE}" : path,
		 (const char *const[]){words[DIFF_A], words[DIFF_B]},
		 (const struct policy_origin[]){u[DIFF_A].rule, u[DIFF_B].rule});
	return 0;
}

static const struct policy_mount *find_target(const struct policy_plan *plan, const char *target)
{
	for (size_t i = 0; i < plan->n_mounts; i++)
		if (plan->mounts[i].target && strcmp(plan->mounts[i].target, target) == 0)
			return &plan->mounts[i];
	return NULL;
}

/* The same place with other files: from elsewhere on the host, another content, another link. */
static void diff_source(struct diff *diff, const struct policy_mount *a)
{
	const struct policy_mount *b = find_target(diff->plans[DIFF_B], a->target);
	bool file = a->type == IMAGE_MOUNT_FILE;
	char words[DIFF_SIDE_N][128];

	if (!b ||
	    (a->type == b->type && (!a->source || !b->source || strcmp(a->source, b->source) == 0)))
		return;
	(void)snprintf(words[DIFF_A], sizeof(words[DIFF_A]), "%.120s",
		       file	   ? "a content"
		       : a->source ? a->source
				   : "empty");
	(void)snprintf(words[DIFF_B], sizeof(words[DIFF_B]), "%.120s",
		       b->type == IMAGE_MOUNT_FILE ? "another content"
		       : b->source		   ? b->source
						   : "empty");
	diff_add(diff, DIFF_CHANGED, "source", a->target,
		 (const char *const[]){words[DIFF_A], words[DIFF_B]},
		 (const struct policy_origin[]){a->origin, b->origin});
}

/* A folder in memory that holds more or less. */
static void diff_size(struct diff *diff, const struct policy_mount *a)
{
	const struct policy_mount *b = find_target(diff->plans[DIFF_B], a->target);
	char words[DIFF_SIDE_N][64];

	if (!b || a->size_bytes == 0 || b->size_bytes == 0 || a->size_bytes == b->size_bytes)
		return;
	policy_limit_text(POLICY_LIMIT_MEMORY, a->size_bytes, words[DIFF_A], sizeof(words[DIFF_A]));
	policy_limit_text(POLICY_LIMIT_MEMORY, b->size_bytes, words[DIFF_B], sizeof(words[DIFF_B]));
	diff_add(diff, b->size_bytes > a->size_bytes ? DIFF_WIDER : DIFF_NARROWER, "size",
		 a->target, (const char *const[]){words[DIFF_A], words[DIFF_B]},
		 (const struct policy_origin[]){a->origin, b->origin});
}

int diff_paths(struct diff *diff)
{
	int r = 0;

	for (size_t side = 0; side < DIFF_SIDE_N; side++) {
		const struct policy_plan *plan = diff->plans[side];

		for (size_t i = 0; i < plan->n_mounts && r == 0; i++) {
			const struct policy_mount *m = &plan->mounts[i];
			const char *path = m->target ? m->target : DIFF_WORKSPACE;

			if (side == DIFF_A && m->target) {
				diff_source(diff, m);
				diff_size(diff, m);
			}
			/* B's own places; the others have been asked about. */
			if (m->type == IMAGE_MOUNT_SYMLINK ||
			    (side == DIFF_B &&
			     (!m->target || find_target(diff->plans[DIFF_A], path))))
				continue;
			r = diff_path(diff, path);
		}
	}
	return r;
}

/* Calls that a filter decides by their arguments, as far as policies have a part in it. */
static const char *const variants[] = {
	"clone arg0=CLONE_VM|CLONE_THREAD",
	"clone arg0=SIGCHLD|CLONE_NEWUSER",
	"fchmod arg1=0755|S_ISUID",
	"openat arg2=O_WRONLY|O_CREAT arg3=0755|S_ISUID",
	"mknodat arg2=S_IFIFO",
	"mknodat arg2=S_IFCHR",
	"ioctl arg1=TIOCSTI",
	"personality arg0=0x0040000",
	"prlimit64 arg0=1 arg2=1",
	"socketpair arg0=AF_UNIX",
	"socket arg0=AF_UNIX arg1=SOCK_STREAM",
	"socket arg0=AF_INET arg1=SOCK_STREAM",
	"socket arg0=AF_INET arg1=SOCK_DGRAM",
	"socket arg0=AF_INET arg1=SOCK_RAW",
	"socket arg0=AF_INET6 arg1=SOCK_STREAM",
	"socket arg0=AF_INET6 arg1=SOCK_DGRAM",
	"socket arg0=AF_NETLINK arg1=SOCK_RAW",
	"socket arg0=AF_PACKET arg1=SOCK_RAW",
	"socket arg0=AF_VSOCK arg1=SOCK_STREAM",
	"socket arg0=AF_ALG arg1=SOCK_SEQPACKET",
};

struct calls {
	struct diff *diff;
	struct call_filters filters[DIFF_SIDE_N];
};

/* On one machine; *ret_said: a change was told, so the other machine's is no news. */
static int diff_call_on(struct calls *c, const char *text, const struct call *call,
			enum call_arch machine, bool *ret_said)
{
	enum call_verdict verdicts[DIFF_SIDE_N] = {CALL_KILL, CALL_KILL};
	struct query_answer a[DIFF_SIDE_N];
	enum diff_direction direction = DIFF_CHANGED;
	char object[CALL_TEXT_MAX + 16];

	for (size_t side = 0; side < DIFF_SIDE_N; side++) {
		const struct query ask = {.plan = c->diff->plans[side]};
		int r = query_call(&ask, &c->filters[side], machine, machine, call, &verdicts[side],
				   &a[side], c->diff->err);

		if (r <= 0)
			return r;
	}
	if (verdicts[DIFF_A] == verdicts[DIFF_B])
		return 0;
	if (verdicts[DIFF_B] == CALL_ALLOW)
		direction = DIFF_WIDER;
	else if (verdicts[DIFF_A] == CALL_ALLOW)
		direction = DIFF_NARROWER;
	(void)snprintf(object, sizeof(object), "%s%s", machine == call_native() ? "" : "@aarch64 ",
		       text);
	if (machine != call_native() && machine == CALL_X86_64)
		(void)snprintf(object, sizeof(object), "@x86_64 %s", text);
	*ret_said = true;
	diff_add(c->diff, direction, "syscall", object,
		 (const char *const[]){call_verdict_name(verdicts[DIFF_A]),
				       call_verdict_name(verdicts[DIFF_B])},
		 (const struct policy_origin[]){a[DIFF_A].rule, a[DIFF_B].rule});
	return 0;
}

static int diff_call(struct calls *c, const char *text)
{
	enum call_arch other = call_native() == CALL_X86_64 ? CALL_AARCH64 : CALL_X86_64;
	struct call call;
	bool said = false;
	int r = call_parse(text, &call, c->diff->err);

	if (r == 0)
		r = diff_call_on(c, text, &call, call_native(), &said);
	if (r == 0 && !said)
		r = diff_call_on(c, text, &call, other, &said);
	return r;
}

static bool has_variant(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
		if (strncmp(variants[i], name, len) == 0 && variants[i][len] == ' ')
			return true;
	return false;
}

static int diff_calls(struct calls *c)
{
	int r = 0;

	for (uint32_t i = 0; i < SYSCALLS_MAX && r == 0; i++) {
		const char *name = syscalls_name_at(i);

		if (!name)
			break;
		if (!has_variant(name))
			r = diff_call(c, name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(variants) && r == 0; i++)
		r = diff_call(c, variants[i]);
	return r;
}

int diff_syscalls(struct diff *diff)
{
	struct calls c = {.diff = diff};
	int r = 0;

	for (size_t side = 0; side < DIFF_SIDE_N && r == 0; side++) {
		const struct policy *policy = diff->plans[side]->policy;

		r = call_filters_init(&c.filters[side], policy, (uint32_t)policy->network.value,
				      diff->err);
	}
	if (r == 0)
		r = diff_calls(&c);
	for (size_t side = 0; side < DIFF_SIDE_N; side++)
		call_filters_fini(&c.filters[side]);
	return r;
}

static int compare(struct diff *diff)
{
	int r = diff_paths(diff);

	if (r == 0)
		r = diff_syscalls(diff);
	return r == 0 ? diff_values(diff) : r;
}

static int load(struct compile **c, const char *name, struct err *err)
{
	struct compile_options o = {.policy = name};
	int r;

	*c = malloc(sizeof(**c));
	if (!*c)
		return err_set(err, ENOMEM, "cannot compare policies");
	r = compile_init(*c, err);
	return r == 0 ? compile_load(*c, &o, err) : r;
}

static void print_changes(json_t *changes)
{
	json_t *one;
	char text[640];
	size_t i;

	json_array_foreach(changes, i, one) {
		const char *word = json_string_value(json_object_get(one, "direction"));
		json_t *rule = json_object_get(one, "rule_after");
		size_t d = 0;

		while (d + 1 < DIFF_DIRECTION_N && strcmp(directions[d].word, word) != 0)
			d++;
		(void)printf("%s%s %-8s%s %-11s %s: %s -> %s\n",
			     command_colour(directions[d].colour, false), directions[d].mark, word,
			     command_colour("\033[0m", false),
			     json_string_value(json_object_get(one, "section")),
			     json_string_value(json_object_get(one, "object")),
			     json_string_value(json_object_get(one, "before")),
			     json_string_value(json_object_get(one, "after")));
		if (json_is_null(rule))
			rule = json_object_get(one, "rule_before");
		(void)printf("  %s%s%s\n", command_colour("\033[2m", false),
			     where_text(rule, text, sizeof(text)),
			     command_colour("\033[0m", false));
	}
}

static int print(const struct command_line *line, const struct diff *diff)
{
	json_t *all = json_array();
	json_t *out;
	size_t n;
	int status = COMMAND_FINE;

	for (size_t d = 0; d < DIFF_DIRECTION_N; d++)
		(void)json_array_extend(all, diff->changes[d]);
	n = json_array_size(all);
	out = json_pack("{ss ss ss sI sI sI so}", "schema", "toolcell.policy-diff/1", "before",
			line->operands[0], "after", line->operands[1], "wider",
			(json_int_t)json_array_size(diff->changes[DIFF_WIDER]), "changed",
			(json_int_t)json_array_size(diff->changes[DIFF_CHANGED]), "narrower",
			(json_int_t)json_array_size(diff->changes[DIFF_NARROWER]), "changes", all);
	if (line->json)
		status = command_print_json(out);
	else
		print_changes(all);
	json_decref(out);
	return status == COMMAND_FINE && n > 0 ? COMMAND_WRONG : status;
}

int command_policy_diff(const struct command_line *line)
{
	struct compile *sides[DIFF_SIDE_N] = {NULL, NULL};
	struct err err = {0};
	struct diff diff = {.err = &err};
	int status = COMMAND_USAGE;
	int r = 0;

	for (size_t d = 0; d < DIFF_DIRECTION_N; d++)
		diff.changes[d] = json_array();
	for (size_t side = 0; side < DIFF_SIDE_N && r == 0; side++) {
		r = load(&sides[side], line->operands[side], &err);
		diff.plans[side] = r == 0 ? &sides[side]->plan : NULL;
	}
	if (r == 0)
		r = compare(&diff);
	if (r == 0)
		status = print(line, &diff);
	else
		(void)command_fail(&err);
	for (size_t d = 0; d < DIFF_DIRECTION_N; d++)
		json_decref(diff.changes[d]);
	for (size_t side = 0; side < DIFF_SIDE_N; side++) {
		if (sides[side])
			compile_fini(sides[side]);
		free(sides[side]);
	}
	return status;
}
