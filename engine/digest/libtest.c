/*
 * Theory of operation: results of Rust's test harness, in either of its forms. JSON events (asked
 * for by toolcell-test-runner, which also writes the "toolcell-start" line that names the program)
 * and the stable text (doctests, older toolchains) end in the same calls:
 *
 *	libtest_suite_start -> libtest_add ... libtest_set_output ... -> libtest_suite_end
 *
 * A suite that never ends (abort, signal, limit) leaves its tests in `pending`; they are reported
 * as "unfinished", because one of them is the one that died.
 *
 * What cannot be told apart: a test that writes to descriptor 1 behind the harness's back, or runs
 * with --nocapture, can print lines just like the harness's. The verdict on the call therefore
 * rests on cargo's exit status, never on these lines.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "digest/parse.h"

#define NAME_BYTES_MAX ((size_t)1024)
#define PENDING_MAX 20000U

static const char *const outcomes[] = {
	[LIBTEST_PASSED] = "passed",
	[LIBTEST_FAILED] = "failed",
	[LIBTEST_IGNORED] = "ignored",
	[LIBTEST_UNFINISHED] = "unfinished",
};

static void add_unfinished(struct digest *d)
{
	const char *name;
	json_t *value;

	json_object_foreach(d->tests.pending, name, value)
		libtest_add(d, &(struct libtest_result){.name = name,
							.name_len = strlen(name),
							.outcome = LIBTEST_UNFINISHED,
							.seconds = -1});
	if (json_object_clear(d->tests.pending) < 0)
		d->failed = -ENOMEM;
}

void libtest_suite_end(struct digest *d, const uint64_t counts[3], uint64_t filtered)
{
	struct libtest *t = &d->tests;

	if (!t->open)
		return;
	libtest_section_end(d);
	if (!counts)
		add_unfinished(d);
	for (size_t i = 0; i < ARRAY_SIZE(t->totals); i++) {
		/* The harness's own sums know of tests that its terse form did not name. */
		uint64_t n = counts && i < 3 ? MAX(counts[i], t->seen[i]) : t->seen[i];

		if (__builtin_add_overflow(t->totals[i], n, &t->totals[i]))
			t->totals[i] = UINT64_MAX;
		t->seen[i] = 0;
	}
	if (__builtin_add_overflow(t->filtered, filtered, &t->filtered))
		t->filtered = UINT64_MAX;
	t->open = false;
	t->in_failures = false;
	(void)json_object_clear(t->pending);
	(void)json_object_clear(t->failed);
	json_decref(t->suite);
	t->suite = json_null();
	free(t->waiting);
	t->waiting = NULL;
}

void libtest_suite_start(struct digest *d)
{
	json_t *suite = json_incref(d->tests.suite);

	libtest_suite_end(d, NULL, 0);
	/* The runner's line came first and named what starts now. */
	json_decref(d->tests.suite);
	d->tests.suite = suite;
	d->tests.open = true;
	d->tests.suites++;
}

static json_t *result_suite(struct digest *d, const struct libtest_result *result)
{
	static const char line[] = " (line ";

	if (!json_is_null(d->tests.suite))
		return json_incref(d->tests.suite);
	/* "src/lib.rs - add (line 5)": no path of a function looks like this. */
	if (memmem(result->name, result->name_len, line, sizeof(line) - 1))
		return json_string("doc-tests");
	return json_null();
}

static json_t *duration(double seconds)
{
	if (!(seconds >= 0) || seconds > 1e9)
		return json_null();
	return json_real((double)(int64_t)(seconds * 1e6 + 0.5) / 1e3); /* whole microseconds */
}

void libtest_add(struct digest *d, const struct libtest_result *result)
{
	json_t *item = json_object();
	json_t *name = value_text(d, result->name, result->name_len, NAME_BYTES_MAX);

	d->tests.seen[result->outcome]++;
	if (name && result->outcome != LIBTEST_UNFINISHED)
		(void)json_object_del(d->tests.pending, json_string_value(name));
	value_put(d, item, "name", json_incref(name));
	value_put(d, item, "suite", result_suite(d, result));
	value_put(d, item, "outcome", json_string(outcomes[result->outcome]));
	value_put(d, item, "duration_ms", duration(result->seconds));
	value_put(d, item, "output",
		  value_text(d, result->output, result->output_len, DIGEST_STRING_BYTES_MAX));
	if (!value_keep(d, d->tests.results, DIGEST_TESTS_MAX, item))
		d->tests.truncated++;
	else if (name && result->outcome == LIBTEST_FAILED)
		value_put(d, d->tests.failed, json_string_value(name), json_incref(item));
	json_decref(name);
}

void libtest_set_output(struct digest *d, const char *name, const char *output, size_t len)
{
	json_t *result = json_object_get(d->tests.failed, name);
	json_t *text;

	if (!result || !json_is_null(json_object_get(result, "output")))
		return;
	text = value_text(d, output, len, DIGEST_STRING_BYTES_MAX);
	/* Twice: quotes and newlines take two bytes in the reply. */
	if (text && value_charge(d, 2 * json_string_length(text)))
		value_put(d, result, "output", text);
	else
		json_decref(text);
}

static uint64_t get_count(json_t *event, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(event, key));

	return n > 0 ? (uint64_t)n : 0;
}

static void suite_event(struct digest *d, json_t *event, const char *what)
{
	const char *exe = value_get_string(event, "executable");
	json_t *known = json_object_get(d->tests.executables, exe);

	if (strcmp(what, "toolcell-start") == 0) {
		libtest_suite_end(d, NULL, 0);
		json_decref(d->tests.suite);
		d->tests.suite = known ? json_incref(known) : value_path(d, "", exe);
	} else if (strcmp(what, "started") == 0) {
		libtest_suite_start(d);
	} else if (strcmp(what, "ok") == 0 || strcmp(what, "failed") == 0) {
		libtest_suite_end(d,
				  (uint64_t[]){get_count(event, "passed"),
					       get_count(event, "failed"),
					       get_count(event, "ignored")},
				  get_count(event, "filtered_out"));
	}
}

static bool find_outcome(const char *event, enum libtest_outcome *ret)
{
	static const struct {
		const char *event;
		enum libtest_outcome outcome;
	} rows[] = {
		{"ok", LIBTEST_PASSED},
		{"failed", LIBTEST_FAILED},
		{"ignored", LIBTEST_IGNORED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].event, event) == 0) {
			*ret = rows[i].outcome;
			return true;
		}
	}
	return false;
}

static void remember_started(struct digest *d, const char *name)
{
	json_t *key;

	if (json_object_size(d->tests.pending) >= PENDING_MAX)
		return;
	key = value_text(d, name, strlen(name), NAME_BYTES_MAX);
	if (key)
		value_put(d, d->tests.pending, json_string_value(key), json_true());
	json_decref(key);
}

static void test_event(struct digest *d, json_t *event, const char *what)
{
	json_t *name = json_object_get(event, "name");
	json_t *out = json_object_get(event, "stdout");
	struct libtest_result result = {.seconds = -1};

	if (!json_is_string(name))
		return;
	if (strcmp(what, "started") == 0) {
		remember_started(d, json_string_value(name));
		return;
	}
	if (!find_outcome(what, &result.outcome))
		return;
	if (!json_is_string(out))
		out = json_object_get(event, "message");
	if (json_is_number(json_object_get(event, "exec_time")))
		result.seconds = json_number_value(json_object_get(event, "exec_time"));
	result.name = json_string_value(name);
	result.name_len = json_string_length(name);
	result.output = json_string_value(out);
	result.output_len = json_string_length(out);
	libtest_add(d, &result);
}

static bool event_line(struct digest *d, const char *line, size_t len)
{
	json_t *event = value_parse(d, line, len);
	const char *type = value_get_string(event, "type");
	const char *what = value_get_string(event, "event");
	bool is_suite = strcmp(type, "suite") == 0;
	bool is_test = strcmp(type, "test") == 0;

	if (is_suite)
		suite_event(d, event, what);
	else if (is_test)
		test_event(d, event, what);
	json_decref(event);
	return is_suite || is_test;
}

bool libtest_line(struct digest *d, const char *line, size_t len)
{
	static const char mark[] = "{ \"type\": \"";
	const char *at;

	if (text_starts(line, len, "{\"type\":"))
		return event_line(d, line, len);
	/* A test that printed without a newline has the event behind its own text. */
	at = len > 0 && line[len - 1] == '}' ? memmem(line, len, mark, sizeof(mark) - 1) : NULL;
	if (at)
		return event_line(d, at, len - (size_t)(at - line));
	return libtest_text_line(d, line, len);
}

json_t *libtest_summary(struct digest *d)
{
	struct libtest *t = &d->tests;
	json_t *summary;

	libtest_suite_end(d, NULL, 0);
	if (t->suites == 0)
		return json_null();
	summary = json_object();
	value_put_count(d, summary, "total",
			t->totals[LIBTEST_PASSED] + t->totals[LIBTEST_FAILED] +
				t->totals[LIBTEST_IGNORED] + t->totals[LIBTEST_UNFINISHED]);
	for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
		value_put_count(d, summary, outcomes[i], t->totals[i]);
	value_put_count(d, summary, "filtered", t->filtered);
	value_put_count(d, summary, "suites", t->suites);
	value_put_count(d, summary, "truncated", t->truncated);
	value_put(d, summary, "results", json_incref(t->results));
	return summary;
}
