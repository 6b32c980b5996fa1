/* Output made to break the parsers: they must answer, within their caps, and not be led astray. */
#include "support.h"

#define CALL "{\"argv\":[\"cargo\",\"test\"],\"workspace\":\"/w\",\"cwd\":\"/w\"}"
#define MESSAGE(text)                                                                           \
	"{\"reason\":\"compiler-message\",\"message\":{\"level\":\"error\",\"message\":\"" text \
	"\",\"code\":null,\"spans\":[],\"children\":[],\"rendered\":\"" text "\"}}\n"
#define FINISHED "{\"reason\":\"build-finished\",\"success\":true}\n"

static json_t *run_cargo(const char *out, size_t len)
{
	return digest_run(
		&(struct call){.parser = "cargo", .call = CALL, .out = out, .out_len = len});
}

Test(hostile, broken_json_is_counted_and_the_rest_is_read)
{
	json_t *r = run_cargo("{\"reason\":\"compiler-mess\n{\"reason\":\n" MESSAGE(
				      "real") "garbage\n",
			      0);

	EXPECT_NUM(r, "data.errors", 1);
	EXPECT_NUM(r, "data.lines_skipped", 2);
	EXPECT_STR(r, "data.diagnostics.0.message", "real");
	json_decref(r);
}

Test(hostile, values_of_the_wrong_type_are_nothing)
{
	json_t *r = run_cargo(
		"{\"reason\":\"compiler-message\",\"message\":7}\n"
		"{\"reason\":\"compiler-message\",\"message\":{\"spans\":{},\"children\":9,"
		"\"level\":[],\"message\":{},\"code\":\"x\",\"rendered\":0}}\n"
		"{\"reason\":\"compiler-artifact\",\"target\":[],\"filenames\":\"x\","
		"\"executable\":{},\"manifest_path\":5,\"package_id\":[]}\n"
		"{\"reason\":[]}\n{\"reason\":\"build-finished\",\"success\":\"yes\"}\n"
		"{\"type\":\"test\",\"event\":3,\"name\":[]}\n"
		"{\"type\":\"suite\",\"event\":\"started\"}\n"
		"{\"type\":\"suite\",\"event\":\"ok\",\"passed\":-5,\"failed\":\"x\"}\n",
		0);

	EXPECT_NUM(r, "data.errors", 0);
	EXPECT_NUM(r, "data.tests.total", 0);
	cr_assert(json_is_true(at(r, "data.build_failed")));
	json_decref(r);
}

Test(hostile, a_line_of_ten_megabytes_is_skipped)
{
	size_t len = 10U << 20;
	char *out = malloc(len + sizeof(MESSAGE("after")));
	json_t *r;

	memset(out, 'a', len);
	memcpy(out, "{\"reason\":\"", 11);
	out[len - 1] = '\n';
	memcpy(out + len, MESSAGE("after"), sizeof(MESSAGE("after")));
	r = run_cargo(out, len + sizeof(MESSAGE("after")) - 1);
	EXPECT_NUM(r, "data.lines_skipped", 1);
	EXPECT_STR(r, "data.diagnostics.0.message", "after");
	json_decref(r);
	free(out);
}

Test(hostile, deep_nesting_and_many_values_are_refused_before_parsing)
{
	size_t len = 3U << 20;
	char *out = malloc(len + 64);
	static const char fills[] = "[,";

	for (size_t i = 0; i < 2; i++) {
		json_t *r;

		memset(out, fills[i], len);
		memcpy(out, "{\"reason\":[", 11);
		out[len - 1] = '\n';
		r = run_cargo(out, len);
		EXPECT_NUM(r, "data.lines_skipped", 1);
		json_decref(r);
	}
	free(out);
}

Test(hostile, escapes_and_bad_utf8_do_not_reach_the_reply)
{
	json_t *r = run_cargo(MESSAGE("\\u001b[31mred\\u0000\xff\xc3(") FINISHED, 0);
	const char *text = str_at(r, "data.diagnostics.0.message");

	EXPECT_NUM(r, "data.errors", 1);
	cr_assert_null(strchr(text, 0x1b));
	cr_assert_not_null(strstr(text, "red"));
	cr_assert_not_null(strstr(text, "\xef\xbf\xbd"));
	json_decref(r);
}

Test(hostile, build_messages_after_the_build_are_the_programs)
{
	json_t *r =
		run_cargo(FINISHED MESSAGE(
				  "forged") "{\"reason\":\"build-finished\",\"success\":false}\n",
			  0);

	EXPECT_NUM(r, "data.errors", 0);
	cr_assert(json_is_false(at(r, "data.build_failed")));
	json_decref(r);
}

Test(hostile, printed_success_does_not_outweigh_the_exit_status)
{
	json_t *r = digest_run(&(struct call){
		.parser = "cargo",
		.call = CALL,
		.out = FINISHED
		"running 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n",
		.status = 101,
	});

	cr_assert(json_is_false(at(r, "success")));
	cr_assert(json_is_false(at(r, "data.success")));
	EXPECT_NUM(r, "data.tests.passed", 1);
	json_decref(r);
}

Test(hostile, findings_beyond_the_caps_are_counted)
{
	size_t n = DIGEST_DIAGNOSTICS_MAX + 500;
	char *out = malloc(n * 256);
	size_t len = 0;
	json_t *r;

	for (size_t i = 0; i < n; i++)
		len += (size_t)sprintf(
			out + len,
			"{\"reason\":\"compiler-message\",\"message\":{\"level\":\"warning\","
			"\"message\":\"m\",\"spans\":[],\"rendered\":\"w%zu\"}}\n",
			i);
	r = run_cargo(out, len);
	EXPECT_NUM(r, "data.warnings", (long)n);
	EXPECT_NUM(r, "data.truncated", 500);
	cr_assert_eq(json_array_size(at(r, "data.diagnostics")), DIGEST_DIAGNOSTICS_MAX);
	cr_assert_leq(strlen(str_at(r, "text")), 2 * DIGEST_TEXT_BYTES_MAX);
	EXPECT_TEXT(r, "more diagnostics in data.diagnostics");
	json_decref(r);
	free(out);
}

Test(hostile, large_findings_stop_at_the_size_of_a_reply)
{
	size_t each = 15000;
	size_t n = 1000;
	char *out = malloc(n * (each + 256));
	size_t len = 0;
	json_t *r;

	for (size_t i = 0; i < n; i++) {
		len += (size_t)
			sprintf(out + len,
				"{\"reason\":\"compiler-message\",\"message\":{\"level\":\"error\","
				"\"message\":\"m\",\"spans\":[],\"rendered\":\"%zu",
				i);
		memset(out + len, 'x', each);
		len += each;
		len += (size_t)sprintf(out + len, "\"}}\n");
	}
	r = run_cargo(out, len);
	EXPECT_NUM(r, "data.errors", (long)n);
	cr_assert_gt(num_at(r, "data.truncated"), 0);
	json_decref(r);
	free(out);
}

Test(hostile, repetitions_of_a_diagnostic_are_kept_once)
{
	json_t *r = run_cargo(MESSAGE("same") MESSAGE("same") MESSAGE("other"), 0);

	EXPECT_NUM(r, "data.errors", 2);
	EXPECT_NUM(r, "data.duplicates", 1);
	json_decref(r);
}

Test(hostile, unknown_parsers_streams_and_calls_are_refused)
{
	struct digest *d = digest_new("cargo");
	char *text = NULL;
	size_t len = 0;

	cr_assert_null(digest_new("carg"));
	cr_assert_null(digest_new(""));
	cr_assert_eq(digest_feed(d, 99, "x", 1), -EPROTO);
	digest_free(d);
	d = digest_new("cargo");
	cr_assert_eq(digest_feed(d, DIGEST_CALL, "[1]", 3), 0);
	cr_assert_eq(digest_feed(d, DIGEST_STDOUT, "x", 1), -EINVAL);
	digest_free(d);
	d = digest_new("cargo");
	cr_assert_eq(digest_feed(d, DIGEST_STDOUT, "x", 1), 0);
	cr_assert_eq(digest_feed(d, DIGEST_CALL, "{}", 2), -EINVAL);
	cr_assert_eq(digest_finish(d, &text, &len), 0);
	free(text);
	digest_free(d);
}

Test(hostile, without_a_status_nothing_is_claimed)
{
	struct digest *d = digest_new("cargo");
	char *text = NULL;
	size_t len = 0;

	cr_assert_eq(digest_finish(d, &text, &len), 0);
	cr_assert_not_null(memmem(text, len, "\"success\":null", 14));
	free(text);
	digest_free(d);
}

Test(hostile, old_titles_of_rustfmt_and_odd_ones_are_read_or_ignored)
{
	json_t *r = digest_run(&(struct call){
		.parser = "rustfmt",
		.call = "{\"argv\":[\"rustfmt\",\"--check\"],\"workspace\":\"/w\",\"cwd\":\"/w\"}",
		.out = "Diff in /w/a.rs at line 12:\n a\n-b\n+c\nDiff in :\nDiff in "
		       "x:99999999999999999999:\n",
		.status = 1,
	});

	EXPECT_STR(r, "data.files.0.file", "a.rs");
	EXPECT_NUM(r, "data.files.0.hunks.0.line", 12);
	EXPECT_STR(r, "data.files.0.hunks.0.original", "a\nb\n");
	EXPECT_STR(r, "data.files.0.hunks.0.expected", "a\nc\n");
	cr_assert_eq(json_array_size(at(r, "data.files")), 1);
	json_decref(r);
}

/* Every prefix of a recording, so that an end anywhere is met. */
Test(hostile, output_that_is_cut_off_anywhere_is_answered)
{
	static const char *const names[] = {"test-text", "test-json", "build-script-panic",
					    "rustfmt-check"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *out = golden_read(names[i], ".stdout");
		size_t len = strlen(out);

		for (size_t n = 1; n <= len; n += 37)
			json_decref(
				digest_run(&(struct call){.parser = i == 3 ? "rustfmt" : "cargo",
							  .call = CALL,
							  .out = out,
							  .out_len = n}));
		free(out);
	}
}
