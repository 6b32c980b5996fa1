/* Records: what a result becomes, what is left out, and that each fits a line. */
#include "audit/record.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct mask *mask;

static void setup(void)
{
	mask = mask_new();
}

static void teardown(void)
{
	mask_free(mask);
}

TestSuite(record, .init = setup, .fini = teardown);

static json_t *load(char *text)
{
	json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	cr_assert_not_null(value);
	cr_assert(audit_record_is_sane(text, strlen(text)));
	free(text);
	return value;
}

static json_t *a_result(void)
{
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:{s:s}, s:{s:s, s:i}, s:{s:s, s:i}, s:[{s:s, s:s, s:i}],"
		" s:{s:i, s:b, s:[s]}, s:{s:s}, s:s, s:s}",
		"call", "c-1", "tool", "Bash", "policy", "p", "status", "ok", "ended", "cause",
		"exit", "stdout", "text", "printed words", "bytes", 13, "stderr", "text", "",
		"bytes", 0, "denials", "layer", "new\x7f", "anything", "else", "n", 7, "changes",
		"added", 2, "complete", 1, "files", "name", "enforced", "session", "k3f7abcd",
		"data", "findings", "error", "password=hunter2 wrong");
}

Test(record, keeps_what_happened_and_not_what_was_printed)
{
	json_t *result = a_result();
	json_t *arguments = json_pack("{s:s}", "command",
				      "echo gh"
				      "p_0123456789abcdefghijABCDEFGHIJ012345");
	json_t *kept = audit_arguments(mask, arguments, true);
	json_t *driver = json_pack("{s:s, s:s}", "name", "ho\x7fst", "version", "1");
	char *text = audit_record_call(&(struct audit_context){.mask = mask,
							       .policy_digest = "d",
							       .driver = driver},
				       &(struct audit_call){.result = result,
							    .arguments = kept,
							    .by = "driver",
							    .cwd = "/w\x7fs"});
	json_t *record;

	cr_assert_null(strstr(text, "printed words"));
	cr_assert_null(strstr(text, "findings"));
	cr_assert_null(strstr(text, "hunter2"));
	cr_assert_null(strstr(text, "gh"
				    "p_0"));
	record = load(text);
	cr_assert_eq(json_integer_value(
			     json_object_get(json_object_get(record, "output"), "stdout")),
		     13);
	cr_assert_eq(json_integer_value(
			     json_object_get(json_object_get(record, "changes"), "added")),
		     2);
	cr_assert_null(json_object_get(json_object_get(record, "changes"), "files"));
	/* Whatever members denials have. */
	cr_assert_str_eq(json_string_value(
				 json_object_get(json_array_get(json_object_get(record, "denials"),
								0),
						 "anything")),
			 "else");
	cr_assert_str_eq(json_string_value(json_object_get(record, "session")), "k3f7abcd");
	json_decref(record);
	json_decref(kept);
	json_decref(arguments);
	json_decref(driver);
	json_decref(result);
}

Test(record, a_digest_is_of_the_sorted_compact_text)
{
	json_t *a = json_loads("{\"b\": 1, \"a\": [\"x\"]}", 0, NULL);
	json_t *b = json_loads("{\"a\":[\"x\"],\"b\":1}", 0, NULL);
	json_t *x = audit_arguments(mask, a, false);
	json_t *y = audit_arguments(mask, b, false);
	char hex[AUDIT_HEX_BYTES];

	audit_hash_hex("{\"a\":[\"x\"],\"b\":1}", 17, hex);
	cr_assert_str_eq(json_string_value(json_object_get(x, "sha256")), hex);
	cr_assert(json_equal(x, y));
	cr_assert(json_is_null(json_object_get(x, "text")));
	json_decref(a);
	json_decref(b);
	json_decref(x);
	json_decref(y);
}

Test(record, long_arguments_are_kept_as_a_digest)
{
	char *big = malloc(AUDIT_ARGUMENTS_BYTES_MAX + 1);
	json_t *arguments;
	json_t *kept;

	memset(big, 'x', AUDIT_ARGUMENTS_BYTES_MAX);
	big[AUDIT_ARGUMENTS_BYTES_MAX] = '\0';
	arguments = json_pack("{s:s}", "content", big);
	kept = audit_arguments(mask, arguments, true);
	cr_assert(json_is_null(json_object_get(kept, "text")));
	cr_assert_gt(json_integer_value(json_object_get(kept, "bytes")),
		     (json_int_t)AUDIT_ARGUMENTS_BYTES_MAX);
	json_decref(kept);
	json_decref(arguments);
	free(big);
}

Test(record, always_fits_a_line)
{
	json_t *result = a_result();
	json_t *denials = json_array();
	json_t *arguments = json_array();
	json_t *kept;
	json_t *record;
	char text[3001];

	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 200; i++)
		cr_assert_eq(json_array_append_new(denials, json_pack("{s:s}", "object", text)), 0);
	for (int i = 0; i < 60; i++)
		cr_assert_eq(json_array_append_new(arguments, json_string(text)), 0);
	cr_assert_eq(json_object_set_new(result, "denials", denials), 0);
	kept = audit_arguments(mask, arguments, true);
	cr_assert_not(json_is_null(json_object_get(kept, "text")));
	record = load(audit_record_call(&(struct audit_context){.mask = mask},
					&(struct audit_call){.result = result,
							     .arguments = kept,
							     .by = "driver"}));
	cr_assert(json_is_null(json_object_get(json_object_get(record, "arguments"), "text")));
	cr_assert_eq(json_integer_value(json_object_get(record, "denials_more")), 200);
	json_decref(record);
	json_decref(kept);
	json_decref(arguments);
	json_decref(result);
}

Test(record, small_ones_are_safe_whatever_a_driver_calls_itself)
{
	json_decref(load(audit_record_begin("c\x7f\x1b[1m", "Ba\nsh", NULL)));
	json_decref(load(audit_record_decision("cancelled", "driver", "\xff", NULL)));
}

Test(record, environment_is_names_or_masked_values)
{
	json_t *set = json_pack("{s:s, s:s}", "PATH", "/bin", "MY_TOKEN", "abc");
	json_t *names = audit_environment(mask, set, false);
	json_t *values = audit_environment(mask, set, true);

	cr_assert_eq(json_array_size(names), 2);
	cr_assert_str_eq(json_string_value(json_object_get(values, "PATH")), "/bin");
	cr_assert_str_eq(json_string_value(json_object_get(values, "MY_TOKEN")),
			 "[masked: 3 bytes]");
	json_decref(names);
	json_decref(values);
	json_decref(set);
}
