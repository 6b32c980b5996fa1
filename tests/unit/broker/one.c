/* One call without a driver, and the result of a call that the broker did not see. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static struct fixture f;

static void set_up(void)
{
	fixture_prepare(&f, &(struct fixture_options){0});
}

static void tear_down(void)
{
	fixture_stop(&f);
}

TestSuite(one, .init = set_up, .fini = tear_down, .timeout = 30);

static int run(const char *tool, const char *arguments, char **result, char **text, struct err *err)
{
	struct broker_config config = fixture_config(&f);

	return broker_run_one(&config, tool, arguments, result, text, err);
}

Test(one, gives_both_halves)
{
	char *result = NULL;
	char *text = NULL;
	struct err err = {0};

	cr_assert_eq(run("sh", "{\"command\":\"echo hi; exit 2\"}", &result, &text, &err), 0, "%s",
		     err.text);
	cr_expect(strstr(result, "\"status\":\"failed\""), "%s", result);
	cr_expect_str_eq(text, "hi\nexit code 2\ncell: no network; only what policy unit grants is "
			       "visible: a hidden path looks absent, "
			       "a refused system call answers \"Operation not permitted\"; trying "
			       "again changes neither");
	free(result);
	free(text);
}

Test(one, refusal_is_a_result_and_no_error)
{
	char *result = NULL;
	char *text = NULL;
	struct err err = {0};

	cr_assert_eq(run("nothing", "{}", &result, &text, &err), 0, "%s", err.text);
	cr_expect(strstr(result, "\"status\":\"refused\""), "%s", result);
	free(result);
	free(text);
}

Test(one, arguments_must_be_an_object)
{
	static const char *const wrong[] = {"", "[]", "{", "{\"a\":1,\"a\":2}", "1"};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char *result = NULL;
		char *text = NULL;
		struct err err = {0};

		cr_expect_eq(run("sh", wrong[i], &result, &text, &err), -EINVAL, "row %zu", i);
		cr_expect_null(result);
		cr_expect_eq(strncmp(err.text, "arguments: ", 11), 0, "row %zu: %s", i, err.text);
	}
}

Test(one, lost_launcher_is_an_error)
{
	char *result = NULL;
	char *text = NULL;
	struct err err = {0};

	cr_expect_lt(run("sh", "{\"command\":\"@die\"}", &result, &text, &err), 0);
	cr_expect_null(result);
	cr_expect(strstr(err.text, "the launcher is gone"), "%s", err.text);
}

Test(one, result_from_a_frame_has_limits_that_were_met)
{
	struct frame_ended ended = {
		.cause = FRAME_CAUSE_EXIT,
		.usage = {.processes_refused = 7,
			  .processes_peak = 64,
			  .memory_peak_bytes = UINT64_MAX},
		.limits = image_cell(&f.image, 0)->limits,
	};
	char *text = NULL;
	struct err err;
	json_t *result;
	json_t *denial;

	cr_assert_eq(broker_result_from_frame(
			     &(struct broker_exec){
				     .image = &f.image,
				     .cell = image_cell(&f.image, 0),
				     .ended = &ended,
				     .ready = &f.ready,
				     .tool = "exec",
				     .summary = -1,
			     },
			     &text, &err),
		     0);
	result = json_loads(text, 0, NULL);
	denial = json_array_get(json_object_get(result, "denials"), 0);
	cr_expect_str_eq(json_string_value(json_object_get(result, "status")), "ok");
	cr_expect_eq(json_integer_value(json_object_get(denial, "count")), 7);
	cr_expect_str_eq(json_string_value(json_object_get(denial, "errno")), "EAGAIN");
	json_decref(result);
	free(text);
}

Test(one, person_has_the_tools_for_changes_whatever_the_driver_has)
{
	struct broker_config config;
	char *result = NULL;
	char *text = NULL;
	struct err err = {0};

	fixture_stop(&f);
	fixture_prepare(&f, &(struct fixture_options){.session = true, .digest = DIGEST_ECHOES});
	config = fixture_config(&f);
	cr_assert_eq(broker_run_one(&config, "changes", "{\"what\":\"diff\"}", &result, &text,
				    &err),
		     0, "%s", err.text);
	cr_expect(strstr(result, "\"status\":\"ok\""), "%s", result);
	cr_expect_str_eq(text, "a diff");
	free(result);
	free(text);
	config.branch = 2;
	cr_assert_eq(broker_run_one(&config, "changes", "{\"what\":\"list\"}", &result, &text,
				    &err),
		     0);
	cr_expect(strstr(result, "\"status\":\"refused\""), "there is no branch 2: %s", result);
	free(result);
	free(text);
	config.branch = 0;
	cr_assert_eq(broker_run_one(&config, "session", "{\"operation\":\"fork\"}", &result, &text,
				    &err),
		     0);
	cr_expect(strstr(result, "\"session\":\"k3f9abcd.2\""), "%s", result);
	free(result);
	free(text);
}

Test(one, rollback_is_purged_before_it_returns)
{
	struct broker_config config;
	char *result = NULL;
	char *text = NULL;
	struct err err = {0};

	fixture_stop(&f);
	fixture_prepare(&f, &(struct fixture_options){.session = true});
	config = fixture_config(&f);
	cr_assert_eq(broker_run_one(&config, "session",
				    "{\"operation\":\"rollback\",\"snapshot\":0}", &result, &text,
				    &err),
		     0, "%s", err.text);
	cr_expect(strstr(result, "\"operation\":\"rollback\""), "%s", result);
	cr_expect_str_eq(fixture_log(&f), "session 2 1 0\ncall 4 1 0 purge\n");
	free(result);
	free(text);
}
