/*
 * Theory of operation: positions are compared with ones counted by hand in small texts; parsing is
 * tried with what JSON files go wrong by.
 */
#include "policy/source.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

Test(source, locate_finds_keys_elements_and_values)
{
	static const char text[] = "{\n"
				   "  \"a\": {\"b\": [1, {\"c\": \"}]\\\"\"}, [2, 3]]},\n"
				   "\t\"x/y\": {\"~\": null},\n"
				   "  \"\\u0064\": true\n"
				   "}\n";
	static const struct {
		const char *pointer;
		unsigned int line;
		unsigned int column;
	} rows[] = {
		{"", 1, 1},	   {"/a", 2, 3},	{"/a/b", 2, 9},	   {"/a/b/0", 2, 15},
		{"/a/b/1", 2, 18}, {"/a/b/1/c", 2, 19}, {"/a/b/2", 2, 33}, {"/a/b/2/1", 2, 37},
		{"/x~1y", 3, 2},   {"/x~1y/~0", 3, 10}, {"/d", 4, 3},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct source_place p = source_locate(text, strlen(text), rows[i].pointer);

		cr_expect_eq(p.line, rows[i].line, "row %zu: line %u", i, p.line);
		cr_expect_eq(p.column, rows[i].column, "row %zu: column %u", i, p.column);
	}
}

Test(source, locate_survives_every_cut_and_missing_pointers)
{
	static const char text[] = "{\"a\": [1, {\"b\": \"x\\\"\"}], \"c\": -1.5e3}";

	for (size_t len = 0; len <= strlen(text); len++) {
		char copy[64];

		memcpy(copy, text, len);
		cr_assert_geq(source_locate(copy, len, "/a/1/b").line, 1);
		cr_assert_geq(source_locate(copy, len, "/c/d").line, 1);
		cr_assert_geq(source_locate(copy, len, "/zzz").line, 1);
		cr_assert_geq(source_locate(copy, len, "/a/99").line, 1);
	}
}

Test(source, pointers_escape_and_are_bounded)
{
	char pointer[16] = "/a";

	cr_assert_eq(source_pointer_add(pointer, sizeof(pointer), "x/y~"), 0);
	cr_assert_str_eq(pointer, "/a/x~1y~0");
	cr_assert_eq(source_pointer_add(pointer, sizeof(pointer), "longer"), -E2BIG);
	cr_assert_str_eq(pointer, "/a/x~1y~0");
}

Test(source, parse_refuses_what_is_no_policy_file)
{
	static const struct {
		const char *text;
		const char *says;
	} rows[] = {
		{"", "t.json:1:"},
		{"{\"a\": 1,\n \"a\": 2}", "t.json:2:"},
		{"{\"a\": \"\\u0000\"}", "t.json:1:"},
		{"{\"a\": \"\xff\"}", "t.json:1:"},
		{"{\"a\": 1}x", "t.json:1:"},
		{"{\n\"a\": }", "t.json:2:"},
		{"[]", "is a JSON object"},
		{"[[[[[[[[[[[[[[[[[", "nested deeper"},
		{"{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", "nested deeper"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *json = NULL;
		struct err err = {0};

		cr_assert_lt(source_parse("t.json", rows[i].text, strlen(rows[i].text), &json,
					  &err),
			     0, "row %zu", i);
		cr_assert_null(json, "row %zu", i);
		cr_assert_not_null(strstr(err.text, rows[i].says), "row %zu: %s", i, err.text);
	}
}

Test(source, brackets_in_strings_are_not_depth)
{
	static const char text[] = "{\"a\": \"[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"}";
	json_t *json = NULL;
	struct err err = {0};

	cr_assert_eq(source_parse("t", text, strlen(text), &json, &err), 0, "%s", err.text);
	json_decref(json);
}

Test(source, names_do_not_leave_their_folder)
{
	static const char *const bad[] = {"",	"/a",	"a/",  "a//b", "..",   "../a", "a/../b",
					  ".a", "a/.b", "a b", "a\n",  "a\\b", "-a"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_not(policy_name_is_sane(bad[i]), "%s", bad[i]);
	cr_assert(policy_name_is_sane("base/build"));
	cr_assert(policy_name_is_sane("rust-engineer"));
	cr_assert(policy_name_is_sane("a.b_c-1"));
}
