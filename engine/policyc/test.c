/*
 * Theory of operation: the table of a policy lies beside it, NAME.verdicts beside NAME.json. Its rows are
 * held against plan and filter, with --live also against a cell. A table that names another digest
 * than the policy has now was not looked at when the policy changed: that is a failure of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "policyc/command.h"
#include "policyc/live.h"

/* Stands for the workspace where no cell is made; no policy has anything there. */
#define NOWHERE "/toolcell-test-workspace"

static const char *const outcome_names[] = {
	[TABLE_PASSED] = "passed",
	[TABLE_FAILED] = "failed",
	[TABLE_SKIPPED] = "skipped",
};
static_assert(ARRAY_SIZE(outcome_names) == TABLE_OUTCOME_N, "every outcome has a name");

struct test {
	const struct command_line *line;
	const char *name;
	bool named; /* on the command line: a missing table is a failure */
	struct compile *c;
	struct table table;
	json_t *rows;
	json_int_t counts[TABLE_OUTCOME_N];
	struct err *err;
};

static void add_row(struct test *t, unsigned int line, const char *what, const char *how,
		    const struct table_result *result)
{
	t->counts[result->outcome]++;
	(void)json_array_append_new(t->rows, json_pack("{si ss ss ss ss}", "line", (int)line, "row",
						       what, "against", how, "outcome",
						       outcome_names[result->outcome], "text",
						       result->text));
}

/* "policies/strict.verdicts" for "policies/strict.json"; malloc'ed. */
static char *beside(const char *policy)
{
	size_t len = strlen(policy);
	size_t cut = len > 5 && strcmp(policy + len - 5, ".json") == 0 ? len - 5 : len;
	char *path = NULL;

	return asprintf(&path, "%.*s.verdicts", (int)cut, policy) < 0 ? NULL : path;
}

/* 1 with a table, 0 without one. */
static int load_table(struct test *t)
{
	const struct policy_source *source = &t->c->policy.sources[t->c->policy.n_sources - 1];
	char *path = beside(source->path);
	char *label = beside(source->label);
	char *text = NULL;
	size_t len = 0;
	int r = 1;

	if (!path || !label)
		r = err_set(t->err, ENOMEM, "cannot test %s", t->name);
	else if (access(path, F_OK) < 0 && errno == ENOENT)
		r = 0;
	if (r > 0 && path && label) {
		r = fd_read_file(AT_FDCWD, path, TABLE_BYTES_MAX, &text, &len, t->err);
		if (r == 0)
			r = table_parse(label, text, len, &t->table, t->err);
		r = r < 0 ? r : 1;
	}
	free(path);
	free(label);
	free(text);
	return r;
}

static void check_header(struct test *t)
{
	struct table_result result = {.outcome = TABLE_PASSED};
	char digest[POLICY_DIGEST_TEXT];

	policy_digest(&t->c->policy, digest);
	if (!t->table.policy || strcmp(t->table.policy, t->c->policy.name) != 0) {
		result.outcome = TABLE_FAILED;
		(void)snprintf(result.text, sizeof(result.text), "the table is of \"%.100s\"",
			       t->table.policy ? t->table.policy : "");
	} else if (!t->table.digest || strcmp(t->table.digest, digest) != 0) {
		result.outcome = TABLE_FAILED;
		(void)snprintf(
			result.text, sizeof(result.text),
			"the policy has changed since; look at the table, then write \"digest "
			"sha256:%s\"",
			digest);
	}
	add_row(t, 1, "digest", "policy", &result);
}

static void describe(const struct table_row *row, char *dst, size_t cap)
{
	static const char *const first[] =
		{[TABLE_CALL] = "",	   [TABLE_PATH] = NULL,	 [TABLE_TOOL] = "tool ",
		 [TABLE_LIMIT] = "limit ", [TABLE_ENV] = "env ", [TABLE_NETWORK] = "network "};
	bool path = row->kind == TABLE_PATH;

	(void)snprintf(dst, cap, "%s%s%s -> %s", path ? query_use_name(row->use) : first[row->kind],
		       path ? " " : "", row->subject, row->want);
}

static int check_rows(struct test *t)
{
	struct table_run run = {.plan = &t->c->plan, .workspace = NOWHERE};
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->table.n; i++) {
		struct table_result result;
		char what[TABLE_LINE_MAX + 32];

		r = table_check(&run, &t->table.rows[i], &result, t->err);
		describe(&t->table.rows[i], what, sizeof(what));
		if (r == 0)
			add_row(t, t->table.rows[i].line, what, "policy", &result);
		else
			(void)err_wrap(t->err, "%s:%u", t->table.label, t->table.rows[i].line);
	}
	table_run_fini(&run);
	return r;
}

static int check_live(struct test *t)
{
	struct table_result *results = calloc(t->table.n + 1, sizeof(*results));
	int r = results ? live_try(t->name, &t->c->plan, &t->table, results, t->err)
			: err_set(t->err, ENOMEM, "cannot test %s", t->name);

	for (size_t i = 0; r == 0 && results && i < t->table.n; i++) {
		char what[TABLE_LINE_MAX + 32];

		describe(&t->table.rows[i], what, sizeof(what));
		add_row(t, t->table.rows[i].line, what, "cell", &results[i]);
	}
	free(results);
	return r;
}

static int run(struct test *t)
{
	struct compile_options o = {.policy = t->name};
	struct table_result none = {.outcome = t->named ? TABLE_FAILED : TABLE_SKIPPED,
				    .text = "it has no verdict table beside it"};
	int r = compile_init(t->c, t->err);

	if (r == 0)
		r = compile_load(t->c, &o, t->err);
	if (r == 0)
		r = load_table(t);
	if (r == 0)
		add_row(t, 0, t->name, "policy", &none);
	if (r <= 0)
		return r;
	check_header(t);
	r = check_rows(t);
	return r == 0 && t->line->live ? check_live(t) : r;
}

static void print_row(const struct test *t, json_t *row)
{
	const char *outcome = json_string_value(json_object_get(row, "outcome"));
	bool failed = strcmp(outcome, outcome_names[TABLE_FAILED]) == 0;
	int line = (int)json_integer_value(json_object_get(row, "line"));
	char number[16] = "";

	if (strcmp(outcome, outcome_names[TABLE_PASSED]) == 0)
		return;
	if (line > 0) /* else it is about the whole */
		(void)snprintf(number, sizeof(number), "%d:", line);
	(void)printf("%s:%s %s%s%s %s%s%s\n", t->table.label ? t->table.label : t->name, number,
		     command_colour(failed ? "\033[31m" : "\033[33m", false), outcome,
		     command_colour("\033[0m", false),
		     line > 0 ? json_string_value(json_object_get(row, "row")) : "",
		     line > 0 ? ": " : "", json_string_value(json_object_get(row, "text")));
}

static json_t *report(struct test *t)
{
	json_t *row;
	size_t i;

	if (!t->line->json) {
		json_array_foreach(t->rows, i, row)
			print_row(t, row);
		(void)printf("%s%s%s: passed %lld, failed %lld, skipped %lld\n",
			     command_colour(t->counts[TABLE_FAILED] ? "\033[31m" : "\033[32m",
					    false),
			     t->name, command_colour("\033[0m", false),
			     (long long)t->counts[TABLE_PASSED], (long long)t->counts[TABLE_FAILED],
			     (long long)t->counts[TABLE_SKIPPED]);
	}
	return json_pack("{ss sI sI sI sO}", "policy", t->name, "passed", t->counts[TABLE_PASSED],
			 "failed", t->counts[TABLE_FAILED], "skipped", t->counts[TABLE_SKIPPED],
			 "rows", t->rows);
}

static int test_one(const struct command_line *line, const char *name, bool named, json_t *policies)
{
	struct err err = {0};
	struct test t = {.line = line,
			 .name = name,
			 .named = named,
			 .c = malloc(sizeof(*t.c)),
			 .rows = json_array(),
			 .err = &err};
	int status = COMMAND_FINE;

	if (!t.c || !t.rows) {
		free(t.c);
		json_decref(t.rows);
		return COMMAND_WRONG;
	}
	if (run(&t) < 0) {
		struct table_result broken = {.outcome = TABLE_FAILED};

		(void)snprintf(broken.text, sizeof(broken.text), "%.*s",
			       (int)sizeof(broken.text) - 1, err.text);
		add_row(&t, 0, name, "policy", &broken);
	}
	(void)json_array_append_new(policies, report(&t));
	if (t.counts[TABLE_FAILED] > 0)
		status = COMMAND_WRONG;
	table_fini(&t.table);
	json_decref(t.rows);
	compile_fini(t.c);
	free(t.c);
	return status;
}

int command_policy_test(const struct command_line *line)
{
	json_t *policies = json_array();
	json_t *names = NULL;
	json_t *name;
	json_t *out;
	struct err err = {0};
	int status = COMMAND_FINE;
	size_t i;

	if (command_policies(line, &names, &err) < 0) {
		json_decref(policies);
		return command_fail(&err);
	}
	json_array_foreach(names, i, name)
		status = MAX(status, test_one(line, json_string_value(name), line->n_operands > 0,
					      policies));
	if (line->json) {
		out = json_pack("{ss sO}", "schema", "toolcell.policy-test/1", "policies",
				policies);
		status = MAX(status, command_print_json(out));
		json_decref(out);
	}
	json_decref(names);
	json_decref(policies);
	return status;
}
