/* Look-ups in a catalog's rules, whole, damaged and without any. */
#include "broker/origins.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/macros.h"

static json_t *rules(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	cr_assert_not_null(json, "%s", text);
	return json;
}

Test(origins, a_tools_own_line_comes_before_the_policys)
{
	json_t *json = rules("{\"at\": {\"a\": \"p.json#/a\", \"b\": \"p.json#/b\"},"
			     " \"tools\": {\"T\": {\"a\": \"p.json#/tools/T/a\"}}}");
	static const struct {
		const char *tool;
		const char *key;
		const char *where;
	} rows[] = {
		{"T", "a", "p.json#/tools/T/a"},
		{"T", "b", "p.json#/b"},
		{"U", "a", "p.json#/a"},
		{NULL, "a", "p.json#/a"},
		{"T", "c", "policies/own.json#/c"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct origins o = {json, "own", rows[i].tool};
		char dst[ORIGINS_TEXT_BYTES];

		cr_expect_str_eq(origins_at(&o, rows[i].key, dst), rows[i].where, "row %zu", i);
	}
	json_decref(json);
}

Test(origins, a_final_pointer_closes_what_lies_at_it_and_below)
{
	static const struct {
		const char *final;
		const char *pointer;
		bool open;
	} rows[] = {
		{"/network", "/network", false},	   {"/network", "/network/mode", false},
		{"/network", "/networks", true},	   {"/network/mode", "/network", true},
		{"/network/mode", "/network/modes", true}, {"", "/anything", false},
		{"/syscalls", "/network", true},
	};
	struct origins none = {NULL, "own", NULL};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *json = json_pack("{s:[s, s]}", "final", "/other", rows[i].final);
		struct origins o = {json, "own", NULL};

		cr_expect_eq(origins_are_open(&o, rows[i].pointer), rows[i].open, "row %zu", i);
		json_decref(json);
	}
	cr_expect(origins_are_open(&none, "/network"));
}

Test(origins, calls_have_names_by_number)
{
	static const struct {
		const char *calls;
		uint32_t nr;
		const char *name;
	} rows[] = {
		{"read write - open", 0, "read"},
		{"read write - open", 1, "write"},
		{"read write - open", 3, "open"},
		{"read write - open", 2, "system call 2"},
		{"read write - open", 4, "system call 4"},
		{"read", UINT32_MAX, "system call 4294967295"},
		{"", 0, "system call 0"},
		{"read ", 1, "system call 1"},
		{"-x", 0, "-x"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *json = json_pack("{s:s}", "calls", rows[i].calls);
		struct origins o = {json, "own", NULL};
		char dst[48];

		cr_expect_str_eq(origins_call_name(&o, rows[i].nr, dst, sizeof(dst)), rows[i].name,
				 "row %zu", i);
		json_decref(json);
	}
}

Test(origins, long_names_are_cut_and_not_written_beyond)
{
	char name[4096];
	char dst[ORIGINS_TEXT_BYTES];
	char call[48];
	struct origins o = {NULL, name, NULL};
	json_t *json;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_expect_lt(strlen(origins_at(&o, name, dst)), sizeof(dst));
	cr_expect_lt(strlen(origins_file(&o, dst)), sizeof(dst));
	json = json_pack("{s:s, s:s, s:{s:s}}", "file", name, "calls", name, "at", "k", name);
	o.json = json;
	cr_expect_lt(strlen(origins_at(&o, "k", dst)), sizeof(dst));
	cr_expect_lt(strlen(origins_file(&o, dst)), sizeof(dst));
	cr_expect_eq(strlen(origins_call_name(&o, 0, call, sizeof(call))), sizeof(call) - 1);
	json_decref(json);
}

Test(origins, reasons_are_found_by_whole_words)
{
	json_t *json = rules(
		"{\"never\": {\"it reads\": \"ptrace kcmp\", \"it mounts\": \"mount\"},"
		" \"deny\": {\"mlock\": \"p.json#/syscalls/deny/0\"}}");
	struct origins o = {json, "own", NULL};
	struct origins none = {NULL, "own", NULL};

	cr_expect_str_eq(origins_never(&o, "ptrace"), "it reads");
	cr_expect_str_eq(origins_never(&o, "kcmp"), "it reads");
	cr_expect_str_eq(origins_never(&o, "mount"), "it mounts");
	cr_expect_null(origins_never(&o, "trace"));
	cr_expect_null(origins_never(&o, "ptrac"));
	cr_expect_null(origins_never(&o, ""));
	cr_expect_str_eq(origins_deny(&o, "mlock"), "p.json#/syscalls/deny/0");
	cr_expect_null(origins_deny(&o, "mlock2"));
	cr_expect_null(origins_never(&none, "ptrace"));
	cr_expect_null(origins_deny(&none, "mlock"));
	json_decref(json);
}

Test(origins, rules_of_another_shape_are_as_none)
{
	static const char damaged[] =
		"{\"at\": [], \"tools\": 1, \"final\": {}, \"calls\": [], \"never\": \"x\","
		" \"deny\": 5, \"file\": 3}";
	static const char *const shapes[] = {
		"[]",
		"{}",
		damaged,
		"{\"final\": [1, null], \"never\": {\"why\": 1}, \"at\": {\"k\": 1}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		json_t *json = rules(shapes[i]);
		struct origins o = {json, "own", "T"};
		char dst[ORIGINS_TEXT_BYTES];

		cr_expect_str_eq(origins_at(&o, "k", dst), "policies/own.json#/k", "row %zu", i);
		cr_expect_str_eq(origins_file(&o, dst), "policies/own.json", "row %zu", i);
		cr_expect_str_eq(origins_call_name(&o, 1, dst, sizeof(dst)), "system call 1",
				 "row %zu", i);
		cr_expect_null(origins_never(&o, "why"), "row %zu", i);
		cr_expect_null(origins_deny(&o, "x"), "row %zu", i);
		json_decref(json);
	}
}
