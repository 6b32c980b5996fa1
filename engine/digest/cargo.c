/*
 * Theory of operation: standard output of cargo. With --message-format=json cargo writes one object
 * per line, each with a "reason"; the last one is "build-finished". Programs that cargo then starts
 * write to the same descriptor:
 *
 *	building --"build-finished"--> finished: a "reason" is now only text of the program's
 *
 * so that a program under test cannot forge diagnostics or artifacts. What cannot be told apart: a
 * procedural macro that prints while it is expanded, because cargo forwards the compiler's standard
 * output, before "build-finished". Such a line can add findings; it cannot turn a failure into a
 * success, which is the exit status alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "digest/parse.h"

#define NAME_BYTES_MAX ((size_t)256)

static const struct {
	const char *alias;
	const char *name;
} aliases[] = {
	{"b", "build"}, {"c", "check"}, {"d", "doc"}, {"r", "run"}, {"t", "test"}, {"rm", "remove"},
};

/* Options of cargo's own, before the subcommand, that take the next argument. */
static const char *const options_with_value[] = {"-Z", "-C", "--config", "--color"};

static bool takes_value(const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(options_with_value); i++)
		if (strcmp(option, options_with_value[i]) == 0)
			return true;
	return false;
}

static const char *find_subcommand(json_t *argv)
{
	for (size_t i = 1; i < json_array_size(argv); i++) {
		const char *arg = json_string_value(json_array_get(argv, i));

		if (!arg)
			return "";
		if (takes_value(arg))
			i++;
		else if (arg[0] != '-' && arg[0] != '+')
			return arg;
	}
	return "";
}

/* Only a name that is surely one goes into the label. */
static bool is_name(const char *s)
{
	return *s && strlen(s) < 32 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(s);
}

void cargo_call(struct digest *d)
{
	const char *name = find_subcommand(json_object_get(d->call, "argv"));

	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcmp(aliases[i].alias, name) == 0)
			name = aliases[i].name;
	if (!is_name(name))
		return;
	(void)memcpy(d->subcommand, name, strlen(name) + 1);
	(void)snprintf(d->label, sizeof(d->label), "cargo %s", name);
}

bool cargo_starts_program(const struct digest *d)
{
	static const char *const names[] = {"run", "test", "bench"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(d->subcommand, names[i]) == 0)
			return true;
	return false;
}

/* "demo (lib)": as cargo names targets in its own messages. */
static json_t *target_title(struct digest *d, json_t *target)
{
	const char *kind = json_string_value(json_array_get(json_object_get(target, "kind"), 0));
	const char *name = value_get_string(target, "name");
	json_t *title = json_sprintf("%s (%s)", name, kind ? kind : "?");
	const char *text = json_string_value(title);
	json_t *safe = value_text(d, text, json_string_length(title), NAME_BYTES_MAX);

	json_decref(title);
	return safe;
}

static json_t *path_list(struct digest *d, json_t *paths)
{
	json_t *list = json_array();
	json_t *path;
	size_t i;

	json_array_foreach(paths, i, path) {
		if (i == DIGEST_CHILDREN_MAX)
			break;
		if (json_is_string(path) &&
		    json_array_append_new(list, value_path(d, "", json_string_value(path))) < 0)
			d->failed = -ENOMEM;
	}
	return list;
}

static bool in_workspace(const struct digest *d, const char *path)
{
	size_t n = strlen(d->workspace);

	return n == 0 || (strncmp(path, d->workspace, n) == 0 &&
			  (path[n] == '/' || d->workspace[n - 1] == '/'));
}

static void add_artifact(struct digest *d, json_t *message)
{
	json_t *target = json_object_get(message, "target");
	const char *exe = value_get_string(message, "executable");
	bool fresh = json_is_true(json_object_get(message, "fresh"));
	json_t *item;

	/* Artifacts of dependencies are counted, not listed. */
	if (!in_workspace(d, value_get_string(message, "manifest_path"))) {
		d->cargo.dependencies_fresh += fresh;
		d->cargo.dependencies_built += !fresh;
		return;
	}
	if (exe[0] && json_object_size(d->tests.executables) < DIGEST_ARTIFACTS_MAX)
		value_put(d, d->tests.executables, exe, target_title(d, target));
	item = json_object();
	value_put(d, item, "package",
		  diagnostic_package(d, json_object_get(message, "package_id")));
	value_put(d, item, "target", value_get_text(d, target, "name", NAME_BYTES_MAX));
	value_put(d, item, "kind",
		  value_text(d,
			     json_string_value(json_array_get(json_object_get(target, "kind"), 0)),
			     json_string_length(json_array_get(json_object_get(target, "kind"), 0)),
			     NAME_BYTES_MAX));
	value_put(d, item, "files", path_list(d, json_object_get(message, "filenames")));
	value_put(d, item, "executable", exe[0] ? value_path(d, "", exe) : json_null());
	value_put_bool(d, item, "fresh", fresh);
	if (!value_keep(d, d->cargo.artifacts, DIGEST_ARTIFACTS_MAX, item))
		d->cargo.artifacts_truncated++;
}

static void add_message(struct digest *d, json_t *message)
{
	diagnostic_add(d, json_object_get(message, "message"), message);
}

static void finish_build(struct digest *d, json_t *message)
{
	d->cargo.finished = true;
	d->cargo.build_success = json_is_true(json_object_get(message, "success"));
}

static const struct {
	const char *reason;
	void (*take)(struct digest *d, json_t *message); /* NULL: nothing of interest in it */
} reasons[] = {
	{"compiler-message", add_message},
	{"compiler-artifact", add_artifact},
	{"build-script-executed", NULL},
	{"build-finished", finish_build},
};

static bool build_line(struct digest *d, const char *line, size_t len)
{
	json_t *message;
	const char *reason;
	bool known = false;

	if (d->cargo.finished || !text_starts(line, len, "{\"reason\":"))
		return false;
	message = value_parse(d, line, len);
	reason = value_get_string(message, "reason");
	for (size_t i = 0; i < ARRAY_SIZE(reasons) && !known; i++) {
		known = strcmp(reasons[i].reason, reason) == 0;
		if (known && reasons[i].take)
			reasons[i].take(d, message);
	}
	d->cargo.builds |= known;
	json_decref(message);
	return true;
}

static void stdout_line(struct digest *d, const char *line, size_t len)
{
	bool runs = strcmp(d->subcommand, "run") == 0;

	if (build_line(d, line, len))
		return;
	/* Of `cargo run`, nothing that the program writes means anything to us. */
	if (!runs && cargo_starts_program(d) && libtest_line(d, line, len))
		return;
	excerpt_add(d, &d->cargo.output, line, len);
}

void cargo_line(struct digest *d, enum digest_stream stream, const char *line, size_t len)
{
	if (strcmp(d->subcommand, "fmt") == 0)
		rustfmt_line(d, stream, line, len);
	else if (stream == DIGEST_STDOUT)
		stdout_line(d, line, len);
	else
		cargo_stderr_line(d, line, len);
}

static json_t *dependencies(struct digest *d)
{
	json_t *counts = json_object();

	value_put_count(d, counts, "built", d->cargo.dependencies_built);
	value_put_count(d, counts, "fresh", d->cargo.dependencies_fresh);
	return counts;
}

static void fill_data(struct digest *d, json_t *data, json_t *tests)
{
	bool build_failed = d->cargo.finished ? !d->cargo.build_success
					      : d->exit_known && !d->exit_success &&
							(d->cargo.builds || d->cargo.broken ||
							 d->findings.errors > 0);

	value_put(d, data, "subcommand",
		  d->subcommand[0] ? json_string(d->subcommand) : json_null());
	value_put(d, data, "success", d->exit_known ? json_boolean(d->exit_success) : json_null());
	value_put_bool(d, data, "build_failed", build_failed);
	diagnostic_fill(d, data);
	value_put(d, data, "artifacts", json_incref(d->cargo.artifacts));
	value_put_count(d, data, "artifacts_truncated", d->cargo.artifacts_truncated);
	value_put(d, data, "dependencies", dependencies(d));
	value_put(d, data, "tests", json_incref(tests));
	value_put(d, data, "build_script", json_incref(d->cargo.build_script));
	value_put_count(d, data, "fixes_applied", d->cargo.fixes);
	value_put(d, data, "fixed_files", json_incref(d->cargo.fixed));
}

/*
 * Without findings and without build messages (metadata, tree, --version) the tool's own output is
 * the answer and there is nothing to say instead of it.
 */
static bool has_text(const struct digest *d, json_t *tests)
{
	return d->cargo.builds || d->findings.errors > 0 || d->findings.warnings > 0 ||
	       !json_is_null(tests);
}

static bool asked_for_output(const struct digest *d)
{
	static const char *const options[] = {"--nocapture", "--no-capture", "--show-output"};
	json_t *argv = json_object_get(d->call, "argv");
	json_t *arg;
	size_t i;

	json_array_foreach(argv, i, arg) {
		for (size_t k = 0; k < ARRAY_SIZE(options); k++)
			if (json_is_string(arg) && strcmp(json_string_value(arg), options[k]) == 0)
				return true;
	}
	return false;
}

/* Of tests the results say it all, unless a failure has none to show. */
static bool wants_excerpt(const struct digest *d, json_t *tests)
{
	bool explained = d->exit_success || d->tests.totals[LIBTEST_FAILED] > 0 ||
			 d->tests.totals[LIBTEST_UNFINISHED] > 0;

	return json_is_null(tests) || !explained || asked_for_output(d);
}

void cargo_finish(struct digest *d, struct reply *reply)
{
	json_t *tests;

	if (strcmp(d->subcommand, "fmt") == 0) {
		rustfmt_finish(d, reply);
		return;
	}
	cargo_stderr_end(d);
	tests = libtest_summary(d);
	fill_data(d, reply->data, tests);
	if (has_text(d, tests)) {
		report_summary(d, &reply->text, d->exit_success, NULL);
		report_diagnostics(d, &reply->text);
		report_tests(d, &reply->text);
		if (wants_excerpt(d, tests))
			report_excerpt(d, &reply->text, &d->cargo.output);
	}
	json_decref(tests);
}
