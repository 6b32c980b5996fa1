/* What real runs of cargo, clippy, rustc and rustfmt 1.95 become; tests/golden/digest. */
#include "support.h"

#define CHECK "[\"cargo\",\"check\",\"--message-format=json\"]"
#define TEST "[\"cargo\",\"test\",\"--message-format=json\"]"

/* Whatever the pieces that the bytes come in, the findings are the same. */
Test(recordings, check_error_gives_place_code_and_suggestion_in_any_pieces)
{
	static const size_t pieces[] = {0, 1, 13, 4096};
	json_t *first = NULL;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		json_t *r = golden_run("check-error", "cargo", "borrow", CHECK, pieces[i]);

		EXPECT_NUM(r, "data.errors", 3);
		EXPECT_STR(r, "data.diagnostics.0.code", "E0425");
		EXPECT_STR(r, "data.diagnostics.0.file", "src/part.rs");
		EXPECT_NUM(r, "data.diagnostics.0.line", 3);
		EXPECT_NUM(r, "data.diagnostics.0.column", 20);
		EXPECT_STR(r, "data.diagnostics.0.package", "borrow");
		EXPECT_STR(r, "data.diagnostics.0.suggestions.0.replacement", "total");
		EXPECT_STR(r, "data.diagnostics.0.suggestions.0.applicability", "MaybeIncorrect");
		EXPECT_STR(r, "data.diagnostics.2.code", "E0502");
		cr_assert(json_is_true(at(r, "data.build_failed")));
		cr_assert(json_is_false(at(r, "success")));
		EXPECT_TEXT(r, "cargo check: failed, 3 errors\n");
		EXPECT_TEXT(r, "mutable borrow occurs here");
		if (first)
			cr_assert(json_equal(first, r), "pieces of %zu bytes differ", pieces[i]);
		else
			first = json_incref(r);
		json_decref(r);
	}
	json_decref(first);
}

Test(recordings, warnings_alone_are_success)
{
	json_t *r = golden_run("check-warning", "cargo", "warn", CHECK, 0);

	cr_assert(json_is_true(at(r, "data.success")));
	cr_assert(json_is_false(at(r, "data.build_failed")));
	EXPECT_NUM(r, "data.warnings", 3);
	EXPECT_NUM(r, "data.errors", 0);
	EXPECT_STR(r, "data.artifacts.0.target", "warn");
	EXPECT_STR(r, "data.artifacts.0.kind", "bin");
	EXPECT_TEXT(r, "cargo check: ok, 3 warnings\n");
	json_decref(r);
}

Test(recordings, paths_of_a_member_start_at_the_workspace_and_not_at_cargos_root)
{
	json_t *r = golden_run("member", "cargo", "", CHECK, 0);

	EXPECT_STR(r, "data.diagnostics.0.file", "member/crates/inner/src/lib.rs");
	json_decref(r);
	r = golden_run("member", "cargo", "member/crates/inner", CHECK, 0);
	EXPECT_STR(r, "data.diagnostics.0.file", "src/lib.rs");
	json_decref(r);
	r = golden_run("member", "cargo", "elsewhere", CHECK, 0);
	EXPECT_STR(r, "data.diagnostics.0.file", "/workspace/member/crates/inner/src/lib.rs");
	json_decref(r);
}

Test(recordings, panic_of_a_build_script_is_found_on_standard_error)
{
	json_t *r = golden_run("build-script-panic", "cargo", "script", "[\"cargo\",\"build\"]", 0);

	EXPECT_STR(r, "data.build_script.package", "script");
	EXPECT_STR(r, "data.build_script.panic.place", "build.rs:4:5");
	EXPECT_STR(r, "data.build_script.panic.message", "cannot find libwidget\nset WIDGET_DIR");
	EXPECT_NUM(r, "data.errors", 1);
	EXPECT_NUM(r, "data.warnings", 1);
	EXPECT_STR(r, "data.diagnostics.0.package", "script");
	EXPECT_STR(r, "data.diagnostics.1.origin", "build-script");
	cr_assert(json_is_true(at(r, "data.build_failed")));
	json_decref(r);
}

/* The counts of the same run, as text and as events. */
static void expect_test_counts(json_t *r)
{
	EXPECT_NUM(r, "data.tests.total", 11);
	EXPECT_NUM(r, "data.tests.passed", 5);
	EXPECT_NUM(r, "data.tests.failed", 5);
	EXPECT_NUM(r, "data.tests.ignored", 1);
	EXPECT_NUM(r, "data.tests.unfinished", 0);
	EXPECT_NUM(r, "data.tests.suites", 3);
	cr_assert_eq(json_array_size(at(r, "data.tests.results")), 11);
	cr_assert(json_is_false(at(r, "data.build_failed")));
	cr_assert(json_is_false(at(r, "success")));
	EXPECT_TEXT(r, "cargo test: failed, 5 tests passed, 5 tests failed, 1 test ignored\n");
	EXPECT_TEXT(r, "assertion `left == right` failed: sum is wrong");
	EXPECT_TEXT(r, "index out of bounds: the len is 0 but the index is 3");
	EXPECT_TEXT(r, "[doc-tests]");
}

static json_t *find_result(json_t *r, const char *name)
{
	json_t *item;
	size_t i;

	json_array_foreach(at(r, "data.tests.results"), i, item)
		if (strcmp(str_at(item, "name"), name) == 0)
			return item;
	cr_assert(false, "no result of %s", name);
	return NULL;
}

Test(recordings, text_of_tests_gives_outcomes_and_output)
{
	json_t *r = golden_run("test-text", "cargo", "tests", TEST, 0);
	json_t *fails;

	expect_test_counts(r);
	fails = find_result(r, "unit::fails");
	EXPECT_STR(fails, "outcome", "failed");
	cr_assert_eq(strncmp(str_at(fails, "output"), "about to fail\non stderr\n", 24), 0);
	EXPECT_STR(find_result(r, "unit::should_panic_ok"), "outcome", "passed");
	EXPECT_STR(find_result(r, "src/lib.rs - add (line 5)"), "suite", "doc-tests");
	json_decref(r);
}

Test(recordings, events_of_tests_give_suites_and_durations_too)
{
	json_t *r = golden_run("test-json", "cargo", "tests", TEST, 0);

	expect_test_counts(r);
	EXPECT_STR(find_result(r, "unit::fails"), "suite", "tests (lib)");
	EXPECT_STR(find_result(r, "adds_from_outside"), "suite", "outer (test)");
	cr_assert_gt(json_real_value(at(find_result(r, "unit::slow"), "duration_ms")), 100.0);
	cr_assert_lt(json_real_value(at(find_result(r, "unit::slow"), "duration_ms")), 5000.0);
	EXPECT_STR(find_result(r, "unit::skipped"), "outcome", "ignored");
	EXPECT_STR(find_result(r, "unit::skipped"), "output", "slow");
	EXPECT_STR(find_result(r, "src/lib.rs - add (line 9)"), "outcome", "failed");
	json_decref(r);
}

Test(recordings, output_that_is_not_captured_does_not_hide_outcomes)
{
	static const char argv[] = "[\"cargo\",\"test\",\"--\",\"--nocapture\"]";
	static const char *const names[] = {"test-nocapture", "test-json-nocapture"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *r = golden_run(names[i], "cargo", "tests", argv, 0);

		EXPECT_NUM(r, "data.tests.passed", 3);
		EXPECT_NUM(r, "data.tests.failed", 4);
		EXPECT_STR(find_result(r, "unit::fails"), "outcome", "failed");
		EXPECT_TEXT(r, "on stderr");
		json_decref(r);
	}
}

Test(recordings, merged_doctests_are_read)
{
	json_t *r = golden_run("test-doctest-2024", "cargo", "doctwo", TEST, 0);

	EXPECT_NUM(r, "data.tests.total", 4);
	EXPECT_STR(find_result(r, "src/lib.rs - one (line 11)"), "outcome", "passed");
	EXPECT_STR(find_result(r, "src/lib.rs - one (line 7)"), "outcome", "failed");
	json_decref(r);
}

Test(recordings, tests_that_a_dying_process_leaves_are_unfinished)
{
	json_t *r = golden_run("test-abort", "cargo", "abort", TEST, 0);

	EXPECT_NUM(r, "data.tests.unfinished", 2);
	EXPECT_STR(find_result(r, "dies"), "outcome", "unfinished");
	EXPECT_NUM(r, "data.errors", 1);
	EXPECT_TEXT(r, "SIGABRT");
	json_decref(r);
}

Test(recordings, a_program_cannot_forge_diagnostics)
{
	json_t *r = golden_run("run", "cargo", "run", "[\"cargo\",\"r\",\"--\",\"a\",\"b\"]", 0);

	EXPECT_STR(r, "data.subcommand", "run");
	EXPECT_NUM(r, "data.errors", 0);
	cr_assert(json_is_false(at(r, "data.build_failed")));
	cr_assert(json_is_null(at(r, "data.tests")));
	EXPECT_TEXT(r, "error: from the program");
	EXPECT_TEXT(r, "hello");
	json_decref(r);
}

Test(recordings, clippy_lints_have_name_url_and_fixability)
{
	json_t *r = golden_run("clippy", "clippy", "lint", "[\"cargo\",\"clippy\"]", 0);

	EXPECT_NUM(r, "data.errors", 1);
	EXPECT_NUM(r, "data.warnings", 4);
	EXPECT_STR(r, "data.diagnostics.0.lint.name", "needless_return");
	cr_assert(json_is_true(at(r, "data.diagnostics.0.fixable")));
	cr_assert(json_is_false(at(r, "data.diagnostics.1.fixable")));
	EXPECT_STR(r, "data.diagnostics.2.lint.url",
		   "https://rust-lang.github.io/rust-clippy/rust-1.95.0/index.html#eq_op");
	json_decref(r);
	r = golden_run("clippy-fix", "clippy", "lintfix", "[\"cargo\",\"clippy\",\"--fix\"]", 0);
	EXPECT_NUM(r, "data.fixes_applied", 3);
	EXPECT_STR(r, "data.fixed_files.0", "src/lib.rs");
	json_decref(r);
}

Test(recordings, rustc_is_read_from_standard_error)
{
	json_t *r = golden_run("rustc-error", "rustc", "borrow", "[\"rustc\",\"src/lib.rs\"]", 5);

	EXPECT_NUM(r, "data.errors", 3);
	EXPECT_STR(r, "data.diagnostics.1.code", "E0308");
	EXPECT_STR(r, "data.diagnostics.1.file", "src/lib.rs");
	EXPECT_TEXT(r, "rustc: failed, 3 errors\n");
	json_decref(r);
	r = golden_run("rustc-artifact", "rustc", "warn", "[\"rustc\",\"src/main.rs\"]", 0);
	EXPECT_NUM(r, "data.warnings", 3);
	EXPECT_STR(r, "data.artifacts.0.kind", "metadata");
	json_decref(r);
}

Test(recordings, rustfmt_hunks_are_the_same_with_and_without_colour)
{
	static const struct {
		const char *name;
		const char *parser;
		const char *argv;
	} rows[] = {
		{"rustfmt-check", "rustfmt", "[\"rustfmt\",\"--check\"]"},
		{"rustfmt-colour", "rustfmt", "[\"rustfmt\",\"--check\"]"},
		{"fmt-check", "cargo", "[\"cargo\",\"fmt\",\"--check\"]"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *r = golden_run(rows[i].name, rows[i].parser, "fmt", rows[i].argv, 0);

		cr_assert_eq(json_array_size(at(r, "data.files")), 2, "row %zu", i);
		EXPECT_STR(r, "data.files.0.file", "src/main.rs");
		EXPECT_NUM(r, "data.files.0.hunks.0.line", 1);
		EXPECT_STR(r, "data.files.1.hunks.0.original",
			   "pub fn go(){ }\n\n\n\nstruct A{a:i32}\n\n");
		EXPECT_STR(r, "data.files.1.hunks.0.expected",
			   "pub fn go() {}\n\nstruct A {\n    a: i32,\n}\n\n");
		cr_assert(json_is_false(at(r, "data.formatted")));
		json_decref(r);
	}
}

Test(recordings, what_rustfmt_cannot_read_is_an_error_with_its_place)
{
	json_t *r = golden_run("rustfmt-syntax", "rustfmt", "syntax", "[\"rustfmt\",\"--check\"]",
			       0);

	EXPECT_NUM(r, "data.errors", 1);
	EXPECT_STR(r, "data.diagnostics.0.file", "src/main.rs");
	EXPECT_NUM(r, "data.diagnostics.0.line", 2);
	EXPECT_NUM(r, "data.diagnostics.0.column", 13);
	json_decref(r);
	r = golden_run("rustfmt-missing", "rustfmt", "fmt", "[\"rustfmt\",\"--check\"]", 0);
	EXPECT_STR(r, "data.diagnostics.0.message", "file `src/nofile.rs` does not exist");
	json_decref(r);
}

Test(recordings, errors_of_cargo_itself_are_diagnostics)
{
	static const struct {
		const char *name;
		const char *message;
	} rows[] = {
		{"no-manifest",
		 "could not find `Cargo.toml` in `/workspace/empty` or any parent directory"},
		{"bad-manifest", "unclosed table, expected `]`"},
		{"offline-missing", "no matching package named `serde` found"},
		{"unknown-subcommand", "no such command: `chekc`"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *r = golden_run(rows[i].name, "cargo", "x", CHECK, 0);

		EXPECT_STR(r, "data.diagnostics.0.message", rows[i].message);
		EXPECT_STR(r, "data.diagnostics.0.origin", "cargo");
		EXPECT_NUM(r, "data.errors", 1);
		cr_assert(json_is_null(at(r, "data.diagnostics.0.code")));
		cr_assert(json_is_true(at(r, "data.build_failed")), "row %zu", i);
		json_decref(r);
	}
}

Test(recordings, other_subcommands_leave_the_text_to_the_tool)
{
	json_t *r = golden_run("tree", "cargo", "run", "[\"cargo\",\"tree\"]", 0);

	cr_assert(json_is_null(at(r, "text")));
	cr_assert_eq(json_array_size(at(r, "data.diagnostics")), 0);
	cr_assert(json_is_true(at(r, "success")));
	json_decref(r);
}
