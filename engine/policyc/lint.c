/*
 * Theory of operation: every finding is a row of one table, which has its name, how bad it is and what to
 * do about it; the checks (lint_grants.c, lint_values.c) say where it was found and what. A policy
 * that cannot be read is a finding too, so that the others are looked at all the same.
 */
#include "policyc/lint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/source.h"
#include "policyc/command.h"

static const char *const severity_names[] = {
	[LINT_ERROR] = "error",
	[LINT_WARNING] = "warning",
	[LINT_NOTE] = "note",
};
static_assert(ARRAY_SIZE(severity_names) == LINT_SEVERITY_N, "every severity has a name");

static const char *const severity_colours[] = {
	[LINT_ERROR] = "\033[31m",
	[LINT_WARNING] = "\033[33m",
	[LINT_NOTE] = "\033[36m",
};
static_assert(ARRAY_SIZE(severity_colours) == LINT_SEVERITY_N, "every severity has a colour");

static const struct {
	const char *name;
	enum lint_severity severity;
	const char *remedy;
} rows[] = {
	[LINT_INVALID] = {"invalid", LINT_ERROR,
			  "correct the file; `toolcell policy check` reads it"},
	[LINT_ENGINE_SOCKET] =
		{"engine-socket", LINT_ERROR,
		 "who can speak with a container engine is root on the host; take the entry away"},
	[LINT_HOME] = {"home", LINT_ERROR,
		       "name the files or folders that are needed, one by one, in filesystem.read"},
	[LINT_SECRETS] = {"secrets", LINT_ERROR,
			  "take the entry away; pass what is needed some other way, or name a file "
			  "that holds no secret"},
	[LINT_SYSTEM_TREE] = {"system-tree", LINT_ERROR,
			      "filesystem.proc, devices, pts and tmpfs give a cell its own"},
	[LINT_WRITABLE_PATH] =
		{"writable-path", LINT_ERROR,
		 "grant it in filesystem.read, or as an overlay, whose changes go away"},
	[LINT_WRITABLE_STARTUP] =
		{"writable-startup", LINT_ERROR,
		 "what is written there runs outside of any cell later; use an overlay"},
	[LINT_WRITABLE_TOOLCELL] = {"writable-toolcell", LINT_ERROR,
				    "a tool could change its own policy or the engine; use "
				    "filesystem.read"},
	[LINT_UNPROTECTED] = {"unprotected", LINT_ERROR,
			      "extend base/build, which has a list of protected paths, or use the "
			      "mode \"overlay\""},
	[LINT_FALLBACK_DIRECT] =
		{"fallback-direct", LINT_WARNING,
		 "\"memory\" or \"refuse\" keep the workspace untouched where there is "
		 "no overlay"},
	[LINT_SET_ID] =
		{"set-id", LINT_NOTE,
		 "a cell has one user, so the calls change little; leave them out if no tool "
		 "needs them"},
	[LINT_ENV_SECRET] = {"environment-secret", LINT_WARNING,
			     "every program of the tool can read it; take it away"},
	[LINT_ENV_LOADER] = {"environment-loader", LINT_WARNING,
			     "it decides which code programs load; set it to a value instead"},
	[LINT_LIMIT_ABSENT] = {"limit-absent", LINT_WARNING, "set the limit"},
	[LINT_LIMIT_MACHINE] = {"limit-above-machine", LINT_NOTE,
				"lower it, so that one call cannot take the whole machine"},
	[LINT_SHADOWED] = {"no-effect", LINT_NOTE, "take the entry away"},
	[LINT_DENY_NOTHING] =
		{"deny-nothing", LINT_WARNING,
		 "nothing allows the call: take the entry away, or look for a misspelt name"},
	[LINT_ALLOW_TWICE] = {"allow-twice", LINT_NOTE, "take the entry away"},
	[LINT_SECTION_EMPTY] = {"section-empty", LINT_NOTE,
				"say what the tool gets less of, or take the section away"},
	[LINT_NEEDS_OVERLAY] = {"needs-overlay", LINT_NOTE,
				"the key counts with workspace.mode \"overlay\" only"},
	[LINT_REQUIRE_WEAKER] = {"require-weaker", LINT_WARNING,
				 "require at least what the parent requires"},
};
static_assert(ARRAY_SIZE(rows) == LINT_N, "every finding has a row");

static void append(json_t *findings, enum lint_id id, json_t *place, const char *message)
{
	json_t *one = json_pack("{ss ss ss ss}", "id", rows[id].name, "severity",
				severity_names[rows[id].severity], "message", message, "remedy",
				rows[id].remedy);

	if (one)
		(void)json_object_update(one, place);
	json_decref(place);
	(void)json_array_append_new(findings, one);
}

void lint_add(struct lint *lint, enum lint_id id, struct policy_origin at, const char *fmt, ...)
{
	const struct policy *policy = &lint->c->policy;
	const struct policy_source *source;
	struct policy_origin there = at;
	struct source_place place;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* What no file says stands at the top of the policy's own. */
	if (there.source >= policy->n_sources || !there.pointer)
		there = (struct policy_origin){policy->n_sources - 1, ""};
	source = &policy->sources[there.source];
	place = source_locate(source->text, source->len, there.pointer);
	append(lint->findings, id,
	       json_pack("{ss si si ss}", "file", source->label, "line", (int)place.line, "column",
			 (int)place.column, "pointer", there.pointer),
	       text);
}

static void (*const checks[])(struct lint *lint) = {lint_grants,   lint_environment, lint_limits,
						    lint_syscalls, lint_workspace,   lint_tools,
						    lint_require};

static json_t *lint_one(const char *name)
{
	struct compile *c = calloc(1, sizeof(*c));
	struct compile_options o = {.policy = name};
	struct lint lint = {.c = c, .findings = json_array()};
	struct err err = {0};
	int r = c && lint.findings ? compile_init(c, &err) : -ENOMEM;

	if (r == 0)
		r = compile_load(c, &o, &err);
	/* What this host lacks, a path for instance, keeps nobody from looking at the rest. */
	for (size_t i = 0; c && c->policy.n_sources > 0 && i < ARRAY_SIZE(checks); i++)
		checks[i](&lint);
	if (r < 0 && lint.findings)
		append(lint.findings, LINT_INVALID, json_pack("{ss}", "policy", name), err.text);
	if (c)
		compile_fini(c);
	free(c);
	return json_pack("{ss so?}", "policy", name, "findings", lint.findings);
}

static void print_finding(json_t *f)
{
	const char *file = json_string_value(json_object_get(f, "file"));
	const char *severity = json_string_value(json_object_get(f, "severity"));
	const char *colour = "";

	for (size_t i = 0; i < LINT_SEVERITY_N; i++)
		if (strcmp(severity_names[i], severity) == 0)
			colour = severity_colours[i];
	/* Messages of the reader name their place themselves. */
	if (file)
		(void)printf("%s:%d:%d: ", file,
			     (int)json_integer_value(json_object_get(f, "line")),
			     (int)json_integer_value(json_object_get(f, "column")));
	(void)printf("%s%s%s: %s [%s]\n", command_colour(colour, false), severity,
		     command_colour("\033[0m", false),
		     json_string_value(json_object_get(f, "message")),
		     json_string_value(json_object_get(f, "id")));
	if (file)
		(void)printf("    %s\n", json_string_value(json_object_get(f, "pointer")));
	(void)printf("    remedy: %s\n", json_string_value(json_object_get(f, "remedy")));
}

static void count(json_t *findings, json_int_t counts[LINT_SEVERITY_N])
{
	json_t *f;
	size_t i;

	json_array_foreach(findings, i, f)
		for (size_t s = 0; s < LINT_SEVERITY_N; s++)
			if (strcmp(json_string_value(json_object_get(f, "severity")),
				   severity_names[s]) == 0)
				counts[s]++;
}

static int print(const struct command_line *line, json_t *policies)
{
	json_int_t counts[LINT_SEVERITY_N] = {0};
	json_t *one;
	json_t *f;
	json_t *out;
	size_t i;
	size_t j;
	int status = COMMAND_FINE;

	json_array_foreach(policies, i, one)
		count(json_object_get(one, "findings"), counts);
	if (line->json) {
		out = json_pack("{ss sO sI sI sI}", "schema", "toolcell.lint/1", "policies",
				policies, "errors", counts[LINT_ERROR], "warnings",
				counts[LINT_WARNING], "notes", counts[LINT_NOTE]);
		status = command_print_json(out);
		json_decref(out);
	} else {
		json_array_foreach(policies, i, one)
			json_array_foreach(json_object_get(one, "findings"), j, f)
				print_finding(f);
		(void)printf("policies %zu, errors %lld, warnings %lld, notes %lld\n",
			     json_array_size(policies), (long long)counts[LINT_ERROR],
			     (long long)counts[LINT_WARNING], (long long)counts[LINT_NOTE]);
	}
	if (counts[LINT_ERROR] > 0 || (line->strict && counts[LINT_WARNING] > 0))
		return COMMAND_WRONG;
	return status;
}

int command_policy_lint(const struct command_line *line)
{
	json_t *policies = json_array();
	json_t *names = NULL;
	json_t *name;
	struct err err = {0};
	size_t i;
	int status;
	int r = command_policies(line, &names, &err);

	json_array_foreach(names, i, name)
		if (r == 0)
			(void)json_array_append_new(policies, lint_one(json_string_value(name)));
	status = r < 0 ? command_fail(&err) : print(line, policies);
	json_decref(names);
	json_decref(policies);
	return status;
}
