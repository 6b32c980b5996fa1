/* Answers of our own programs: consumed output, and what they could not reach. */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

static struct fixture f;

static void set_up(void)
{
	fixture_start(&f, &(struct fixture_options){.session = true, .digest = DIGEST_ECHOES});
}

static void tear_down(void)
{
	fixture_stop(&f);
}

TestSuite(reported, .init = set_up, .fini = tear_down, .timeout = 60);

static const char *text_half(json_t *answer)
{
	const char *text = json_string_value(json_object_get(answer, "text"));

	return text ? text : "";
}

Test(reported, consumed_output_is_only_counted)
{
	json_t *a = fixture_run(&f, "told",
				"printf '%s' '{\"text\":\"what was asked for\",\"data\":{\"n\":1},"
				"\"success\":true,\"denials\":[]}'");

	cr_expect_str_eq(result_text(a, "status"), "ok");
	cr_expect_str_eq(text_half(a), "what was asked for");
	cr_expect_str_eq(result_text(a, "stdout.text"), "");
	cr_expect_eq(result_number(a, "stdout.bytes"), 72);
	cr_expect(json_is_false(result_at(a, "stdout.truncated")));
	cr_expect(json_is_null(result_at(a, "stdout.resource")));
	cr_expect_eq(result_number(a, "data.n"), 1);
	cr_expect_eq(json_array_size(result_at(a, "denials")), 0);
	json_decref(a);
}

Test(reported, long_text_of_a_consumed_answer_is_whole)
{
	json_t *a =
		fixture_run(&f, "told",
			    "printf '{\"text\":\"'; head -c 150000 /dev/zero | tr '\\0' x; printf "
			    "'\",\"data\":null,\"success\":true,\"denials\":[]}'");

	cr_expect_eq(strlen(text_half(a)), 150000);
	cr_expect_str_eq(result_text(a, "stdout.text"), "");
	cr_expect(json_is_null(result_at(a, "data_error")));
	json_decref(a);
}

Test(reported, answer_that_is_none_leaves_the_output_where_it_was)
{
	json_t *a = fixture_run(&f, "told", "echo crashed");

	cr_expect_str_eq(result_text(a, "stdout.text"), "crashed\n");
	cr_expect(result_at(a, "data_error") && !json_is_null(result_at(a, "data_error")));
	json_decref(a);
	a = fixture_run(&f, "told",
			"printf '%s' '{\"data\":null,\"success\":false,\"error\":\"no answer\"}'");
	cr_expect_str_eq(result_text(a, "status"), "failed");
	cr_expect_str_eq(result_text(a, "data_error"), "no answer");
	cr_expect(strstr(result_text(a, "stdout.text"), "no answer"));
	cr_expect(strstr(text_half(a), "note: no structured data: no answer"));
	json_decref(a);
}

Test(reported, tool_that_says_no_has_failed)
{
	json_t *a = fixture_run(&f, "told",
				"printf '%s' '{\"text\":\"String not found\",\"data\":null,"
				"\"success\":false,\"denials\":[]}'; exit 1");

	cr_expect_str_eq(result_text(a, "status"), "failed");
	cr_expect_str_eq(text_half(a), "String not found\nexit code 1");
	json_decref(a);
}

#define DENIAL(operation, object, num) \
	"{\"operation\":\"" operation "\",\"object\":\"" object "\",\"errno\":\"" num "\"}"

static json_t *run_with(const char *denials)
{
	char command[8192];

	(void)snprintf(
		command, sizeof(command),
		"cat <<'X'\n{\"text\":\"t\",\"data\":null,\"success\":false,\"denials\":[%s]}\n"
		"X\nexit 1",
		denials);
	return fixture_run(&f, "told", command);
}

Test(reported, paths_out_of_reach_become_denials_with_the_narrowest_remedy)
{
	json_t *a = run_with(
		DENIAL("read", "/etc/hosts",
		       "ENOENT") "," DENIAL("write", "/opt/a \\\"b\\\"",
					    "EROFS") "," DENIAL("write", "/usr/x", "EROFS"));

	cr_expect_str_eq(result_text(a, "denials.0.layer"), "mount");
	cr_expect_str_eq(result_text(a, "denials.0.operation"), "read");
	cr_expect_str_eq(result_text(a, "denials.0.object"), "/etc/hosts");
	cr_expect_str_eq(result_text(a, "denials.0.errno"), "ENOENT");
	cr_expect_str_eq(result_text(a, "denials.0.rule"), "policies/unit.json#/filesystem");
	cr_expect_str_eq(result_text(a, "denials.0.fragment.filesystem.read.0"), "/etc/hosts");
	cr_expect(json_is_true(result_at(a, "denials.0.open")));
	cr_expect_str_eq(result_text(a, "denials.1.fragment.filesystem.write.0"), "/opt/a \"b\"");
	cr_expect(strstr(result_text(a, "denials.1.remedy"),
			 "filesystem.write in policies/unit.json"));
	cr_expect_str_eq(result_text(a, "denials.2.rule"), "policies/unit.json#/workspace/mode");
	cr_expect(
		strstr(text_half(a),
		       "denied by mount: read: /etc/hosts (policies/unit.json#/filesystem); to do: "
		       "if it is needed, the operator adds it to filesystem.read in "
		       "policies/unit.json (\"fragment\"); asking again changes nothing\n"),
		"%s", text_half(a));
	json_decref(a);
}

Test(reported, hostile_denials_are_made_safe_or_left_out)
{
	json_t *a = run_with(DENIAL("read", "/a\\u001b[31m\\nok: all is well", "ENOENT") "," DENIAL(
		"read\\nx", "/b",
		"ENOENT") "," DENIAL("read", "",
				     "ENOENT") ",7,{},[]," DENIAL("read", "/c",
								  "it is fine") "," DENIAL("obey",
											   "/d",
											   "ENOEN"
											   "T"));

	cr_expect_eq(json_array_size(result_at(a, "denials")), 2);
	cr_expect_str_eq(result_text(a, "denials.0.object"), "/a\\nok: all is well");
	cr_expect_str_eq(result_text(a, "denials.1.object"), "/c");
	cr_expect(json_is_null(result_at(a, "denials.1.errno")));
	json_decref(a);
}

Test(reported, only_so_many_denials_are_taken)
{
	char command[512];
	json_t *a;

	(void)snprintf(
		command, sizeof(command),
		"printf '{\"text\":\"t\",\"data\":null,\"success\":false,\"denials\":[1'; for i in "
		"$(seq 200); do printf ',{\"operation\":\"read\",\"object\":\"/x%%d\",\"errno\":"
		"\"ENOENT\"}' $i; done; printf ']}'");
	a = fixture_run(&f, "told", command);
	cr_expect_eq(json_array_size(result_at(a, "denials")), 63);
	json_decref(a);
}
