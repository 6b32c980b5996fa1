/* TOML as JSON, line by line of the standard; what it forbids, and what we do not read. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "import/toml.h"

static int parse(const char *text, size_t len, json_t **root, json_t **places, struct err *err)
{
	*root = NULL;
	*places = NULL;
	return toml_parse("t", text, len, root, places, err);
}

static const struct {
	const char *toml;
	const char *json;
} good[] = {
	{"", "{}"},
	{"# only a comment", "{}"},
	{"a = 1 # x\nb = -2\r\nc = +3\n", "{\"a\":1,\"b\":-2,\"c\":3}"},
	{"a = 0xFF\nb = 0o17\nc = 0b101\nd = 1_000", "{\"a\":255,\"b\":15,\"c\":5,\"d\":1000}"},
	{"a = 1.5\nb = 5e2\nc = true\nd = false", "{\"a\":1.5,\"b\":500.0,\"c\":true,\"d\":false}"},
	{"a = \"x\\ty\\\\\\\"\"\nb = 'c:\\x'", "{\"a\":\"x\\ty\\\\\\\"\",\"b\":\"c:\\\\x\"}"},
	{"a = \"\\u00e9\\U0001F600\"", "{\"a\":\"\xc3\xa9\xf0\x9f\x98\x80\"}"},
	{"a = \"\"\"\nx\\\n   y\"\"\"", "{\"a\":\"xy\"}"},
	{"a = '''\n'x'\n'''", "{\"a\":\"'x'\\n\"}"},
	{"a = \"\"\"x\"\"\"\"\"", "{\"a\":\"x\\\"\\\"\"}"},
	{"a = []\nb = [1, [2,\n# c\n3],\n]", "{\"a\":[],\"b\":[1,[2,3]]}"},
	{"a = {}\nb = {c = 1, \"d e\" = {f = 2}}", "{\"a\":{},\"b\":{\"c\":1,\"d e\":{\"f\":2}}}"},
	{"a.b.c = 1\na.b.d = 2", "{\"a\":{\"b\":{\"c\":1,\"d\":2}}}"},
	{"[a.b]\nc = 1\n[a]\nd = 2", "{\"a\":{\"b\":{\"c\":1},\"d\":2}}"},
	{"[ \"x/y\" . 'z~' ]\nk = 1", "{\"x/y\":{\"z~\":{\"k\":1}}}"},
	{"[[p]]\nn = 1\n[[p]]\n[p.q]\nr = 2", "{\"p\":[{\"n\":1},{\"q\":{\"r\":2}}]}"},
	{"1234 = 'bare'\n", "{\"1234\":\"bare\"}"},
};

Test(toml, reads_what_the_standard_allows)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		json_t *want = json_loads(good[i].json, 0, NULL);
		struct err err = {0};
		json_t *root;
		json_t *places;

		cr_assert_eq(parse(good[i].toml, strlen(good[i].toml), &root, &places, &err), 0,
			     "row %zu: %s", i, err.text);
		cr_assert(json_equal(root, want), "row %zu: %s", i, json_dumps(root, JSON_COMPACT));
		json_decref(root);
		json_decref(places);
		json_decref(want);
	}
}

static const struct {
	const char *toml;
	const char *text; /* of the error */
} bad[] = {
	{"a = 1\na = 2", "t:2:1: not valid TOML: the key \"a\" is given twice"},
	{"[a]\n[a]", "t:2:2: not valid TOML: the table \"a\" is given twice"},
	{"a = {b = 1}\n[a.c]", "t:2:2: not valid TOML: \"a\" has been given before"},
	{"a.b = 1\n[a]", "t:2:2: not valid TOML: the table \"a\" is given twice"},
	{"[a.b]\nc = 1\n[a]\nb.d = 2", "t:4:1: not valid TOML: \"b\" has been given before"},
	{"a = []\n[[a]]", "t:2:3: not valid TOML: is no list of tables"},
	{"a = 1\n[a.b]", "t:2:2: not valid TOML: \"a\" has been given before"},
	{"a = ", "t:1:5: not valid TOML: \"\" is no value"},
	{"a = yes", "\"yes\" is no value: strings stand in quotes"},
	{"a = 1 b = 2", "t:1:7: not valid TOML: the end of the line is expected"},
	{"a = 1979-05-27", "dates and times are not read"},
	{"a = 07:32:00", "dates and times are not read"},
	{"a = 01", "is no value"},
	{"a = 1__0", "is no value"},
	{"a = _1", "is no value"},
	{"a = 0x", "is no value"},
	{"a = 9223372036854775808", "is no value"},
	{"a = inf", "is no value"},
	{"a = \"x", "the string does not end"},
	{"a = \"x\ny\"", "the string does not end"},
	{"a = \"\\x41\"", "an unknown escape"},
	{"a = \"\\u0000\"", "an escape for no character"},
	{"a = \"\\ud800\"", "an escape for no character"},
	{"a = \"\\u12\"", "an escape needs 4 hexadecimal digits"},
	{"a = [1 2]", "\",\" or \"]\" is expected"},
	{"a = [", "is no value"},
	{"a = {b = 1", "\",\" or \"}\" is expected"},
	{"a = {b = 1,}", "a key is expected"},
	{"a = {b = 1\n}", "\",\" or \"}\" is expected"},
	{"= 1", "a key is expected"},
	{"a", "\"=\" is expected"},
	{"[a", "\"]\" is expected"},
	{"[[a]", "\"]]\" is expected"},
	{"a = \"\xff\"", "is not UTF-8"},
	{"a = 1\rb = 2", "a control character"},
	{"a = \"\x01\"", "a control character"},
};

Test(toml, refuses_the_rest_and_says_where)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = {0};
		json_t *root;
		json_t *places;

		cr_assert_lt(parse(bad[i].toml, strlen(bad[i].toml), &root, &places, &err), 0,
			     "row %zu", i);
		cr_assert_null(root, "row %zu", i);
		cr_assert_not_null(strstr(err.text, bad[i].text), "row %zu: %s", i, err.text);
	}
}

Test(toml, refuses_a_nul_byte)
{
	struct err err = {0};
	json_t *root;
	json_t *places;

	cr_assert_lt(parse("a = 1\0", 6, &root, &places, &err), 0);
	cr_assert_not_null(strstr(err.text, "a control character"), "%s", err.text);
}

Test(toml, bounds_depth_and_counts)
{
	char *text = calloc(1, 200000);
	struct err err = {0};
	json_t *root;
	json_t *places;

	memcpy(text, "a = ", 4);
	memset(text + 4, '[', 64);
	cr_assert_lt(parse(text, strlen(text), &root, &places, &err), 0);
	cr_assert_not_null(strstr(err.text, "deeper than 16 levels"), "%s", err.text);
	memset(text, 0, 200000);
	for (size_t i = 0; i < 40; i++)
		memcpy(text + 2 * i, "a.", 2);
	cr_assert_lt(parse(text, strlen(text), &root, &places, &err), 0);
	cr_assert_not_null(strstr(err.text, "more than 16 parts"), "%s", err.text);
	memcpy(text, "a = [", 5);
	for (size_t i = 0; i < 20000; i++)
		memcpy(text + 5 + 2 * i, "1,", 2);
	cr_assert_lt(parse(text, strlen(text), &root, &places, &err), 0);
	cr_assert_not_null(strstr(err.text, "more than 16384 values"), "%s", err.text);
	free(text);
}

Test(toml, knows_the_place_of_each_key)
{
	static const char text[] = "a = 1\n[b]\n  c = [\"x\",\n \"y\"]\n";
	struct err err = {0};
	json_t *root;
	json_t *places;
	json_t *place;

	cr_assert_eq(parse(text, strlen(text), &root, &places, &err), 0, "%s", err.text);
	place = json_object_get(places, "/b/c");
	cr_assert_eq(json_integer_value(json_array_get(place, 0)), 3);
	cr_assert_eq(json_integer_value(json_array_get(place, 1)), 3);
	place = json_object_get(places, "/b/c/1");
	cr_assert_eq(json_integer_value(json_array_get(place, 0)), 4);
	cr_assert_eq(json_integer_value(json_array_get(place, 1)), 2);
	json_decref(root);
	json_decref(places);
}

#define ROUNDS 16

/* Memory in use after reading too many values that often. */
static size_t in_use_after(const char *text, unsigned int rounds)
{
	size_t len = strlen(text);
	struct err err = {0};
	json_t *root;
	json_t *places;

	for (unsigned int i = 0; i < rounds; i++)
		cr_assert_lt(parse(text, len, &root, &places, &err), 0);
	cr_assert_not_null(strstr(err.text, "more than 16384 values"), "%s", err.text);
	return mallinfo2().uordblks;
}

/* A lost place has some 200 bytes; libraries and the allocator's own lists keep a little. */
Test(toml, an_end_at_the_cap_leaves_nothing_behind)
{
	size_t n = TOML_VALUES_MAX + 1;
	char *text = calloc(1, 5 + 2 * n + 1);
	size_t before;

	cr_assert_not_null(text);
	memcpy(text, "a = [", 5);
	for (size_t i = 0; i < n; i++)
		memcpy(text + 5 + 2 * i, "1,", 2);
	before = in_use_after(text, 2);
	cr_assert_lt(in_use_after(text, ROUNDS), before + (size_t)32 * ROUNDS);
	free(text);
}
