/* Doctor's report as text and as JSON. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "cli/doctor.h"

static struct doctor *sample(enum doctor_status second)
{
	static struct doctor d;

	d = (struct doctor){.root_mode = true, .n = 2};
	d.checks[0] = (struct doctor_check){.id = "kernel", .detail = "Linux"};
	d.checks[1] = (struct doctor_check){.id = "landlock", .status = second};
	doctor_detail(&d.checks[1], "ABI %d", 1);
	doctor_remedy(&d.checks[0], "not shown: nothing is wrong");
	doctor_remedy(&d.checks[1], "boot a \"newer\" kernel");
	return &d;
}

Test(doctor_report, text_shows_remedies_only_where_something_is_wrong)
{
	CLEANUP(buf_fini) struct buf out = {0};

	cr_assert_eq(doctor_text(sample(DOCTOR_MISSING), false, &out), 0);
	cr_assert_not_null(strstr(out.data, "missing  landlock"));
	cr_assert_not_null(strstr(out.data, "> boot a \"newer\" kernel"));
	cr_assert_not_null(strstr(out.data, "1 thing is missing"));
	cr_assert_null(strstr(out.data, "not shown"));
	cr_assert_null(strchr(out.data, '\033'));
}

Test(doctor_report, warnings_do_not_count_as_missing)
{
	CLEANUP(buf_fini) struct buf out = {0};

	cr_assert_eq(doctor_missing(sample(DOCTOR_WARNING)), 0);
	cr_assert_eq(doctor_missing(sample(DOCTOR_UNUSED)), 0);
	cr_assert_eq(doctor_missing(sample(DOCTOR_MISSING)), 1);
	cr_assert_eq(doctor_text(sample(DOCTOR_WARNING), true, &out), 0);
	cr_assert_not_null(strstr(out.data, "can work here, in root mode"));
	cr_assert_not_null(strchr(out.data, '\033'));
}

Test(doctor_report, wraps_long_words_of_advice_and_loses_none)
{
	CLEANUP(buf_fini) struct buf out = {0};
	struct doctor *d = sample(DOCTOR_MISSING);
	char *rest;
	size_t letters = 0;

	doctor_detail(&d->checks[1], "%s",
		      "aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa "
		      "aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa");
	doctor_remedy(&d->checks[1], "%0150d", 0);
	cr_assert_eq(doctor_text(d, false, &out), 0);
	cr_assert_not_null(strstr(out.data, d->checks[1].remedy),
			   "a word without spaces stays whole");
	rest = out.data;
	for (char *line; (line = strsep(&rest, "\n"));) {
		cr_assert(strlen(line) <= 100 || strchr(line, '0'), "%s", line);
		for (const char *p = strstr(line, "aaaa"); p; p = strstr(p + 4, "aaaa"))
			letters += 4;
	}
	cr_assert_eq(letters, 80);
}

Test(doctor_report, json_has_the_schemas_fields)
{
	CLEANUP(buf_fini) struct buf out = {0};
	json_t *root;
	json_t *check;

	cr_assert_eq(doctor_json(sample(DOCTOR_MISSING), &out), 0);
	root = json_loads(out.data, 0, NULL);
	cr_assert_str_eq(json_string_value(json_object_get(root, "schema")), "toolcell.doctor/1");
	cr_assert_str_eq(json_string_value(json_object_get(root, "mode")), "root");
	cr_assert(json_is_false(json_object_get(root, "enforceable")));
	cr_assert_eq(json_array_size(json_object_get(root, "checks")), 2);
	check = json_array_get(json_object_get(root, "checks"), 0);
	cr_assert_str_eq(json_string_value(json_object_get(check, "status")), "ok");
	cr_assert(json_is_null(json_object_get(check, "remedy")));
	check = json_array_get(json_object_get(root, "checks"), 1);
	cr_assert_str_eq(json_string_value(json_object_get(check, "id")), "landlock");
	cr_assert_str_eq(json_string_value(json_object_get(check, "detail")), "ABI 1");
	cr_assert_str_eq(json_string_value(json_object_get(check, "remedy")),
			 "boot a \"newer\" kernel");
	json_decref(root);
}

Test(doctor_report, json_survives_bytes_that_are_no_text)
{
	CLEANUP(buf_fini) struct buf out = {0};
	struct doctor *d = sample(DOCTOR_WARNING);

	doctor_detail(&d->checks[1], "\xff\xfe");
	cr_assert_eq(doctor_json(d, &out), 0);
}
