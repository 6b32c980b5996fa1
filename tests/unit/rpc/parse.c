/* Theory of operation: rows of text and the start of the sentence that refuses them, or NULL. */
#include "rpc/parse.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "rpc/rpc.h"

#define TEXT(s) s, sizeof(s) - 1

Test(parse, refuses_what_is_not_json_with_the_byte)
{
	static const struct {
		const char *text;
		size_t len;
		const char *sentence; /* NULL: accepted */
	} rows[] = {
		{TEXT("{\"a\":[1,2.5,null,\"x\"]}"), NULL},
		{TEXT("1"), NULL},
		{TEXT("{"), "not valid JSON at byte 1:"},
		{TEXT("{} x"), "not valid JSON at byte 4:"},
		{TEXT("{\"a\":1,\"a\":2}"), "not valid JSON at byte 10: duplicate object key"},
		{TEXT("\"\xff\""), "not valid JSON at byte 1: unable to decode byte 0xff"},
		{TEXT("\"\xc3\x28\""), "not valid JSON at byte 1: unable to decode byte 0xc3"},
		{TEXT("\"a\\u0000b\""), NULL},
		{TEXT("{\"a\\u0000b\":1}"), "not valid JSON at byte 11: NUL byte in object key"},
		{TEXT("\"a\0b\""), "not valid JSON at byte 2: control character 0x0"},
		{TEXT("123456789012345678901234567890"),
		 "not valid JSON at byte 30: too big integer"},
		{TEXT("\"\\ud800\""), "not valid JSON"},
		{TEXT("\"open"), "not valid JSON at byte 5: premature end of input"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		json_t *value = parse_json(rows[i].text, rows[i].len, &err);

		cr_expect(!value == !!rows[i].sentence, "row %zu: %s", i, err.text);
		if (rows[i].sentence)
			cr_expect_eq(strncmp(err.text, rows[i].sentence, strlen(rows[i].sentence)),
				     0, "row %zu: %s", i, err.text);
		json_decref(value);
	}
}

static json_t *parse_nested(size_t depth, const char *inner, struct err *err)
{
	struct buf text = {0};
	json_t *value;

	for (size_t i = 0; i < depth; i++)
		cr_assert_eq(buf_puts(&text, "["), 0);
	cr_assert_eq(buf_puts(&text, inner), 0);
	for (size_t i = 0; i < depth; i++)
		cr_assert_eq(buf_puts(&text, "]"), 0);
	value = parse_json(text.data, text.len, err);
	buf_fini(&text);
	return value;
}

Test(parse, bounds_the_depth)
{
	struct err err = {0};
	json_t *value = parse_nested(RPC_DEPTH_MAX, "\"[[\\\"[[\"", &err);

	cr_assert_not_null(value, "brackets in strings do not count: %s", err.text);
	json_decref(value);
	cr_assert_null(parse_nested(RPC_DEPTH_MAX + 1, "", &err));
	cr_assert_str_eq(err.text, "JSON nested deeper than 128 levels at byte 129");
	cr_assert_null(parse_nested(1000000, "", &err));
}

Test(parse, bounds_the_number_of_values)
{
	struct buf text = {0};
	struct err err = {0};

	cr_assert_eq(buf_puts(&text, "[0"), 0);
	for (size_t i = 0; i < PARSE_VALUES_MAX; i++)
		cr_assert_eq(buf_puts(&text, ",0"), 0);
	cr_assert_eq(buf_puts(&text, "]"), 0);
	cr_assert_null(parse_json(text.data, text.len, &err));
	cr_assert_eq(strncmp(err.text, "JSON of more than 1048576 values", 32), 0, "%s", err.text);
	buf_fini(&text);
}

Test(parse, strings_with_nul_are_not_c_strings)
{
	struct err err = {0};
	json_t *plain = parse_json(TEXT("\"ab\""), &err);
	json_t *nul = parse_json(TEXT("\"a\\u0000b\""), &err);

	cr_assert_str_eq(parse_string(plain), "ab");
	cr_assert_null(parse_string(nul));
	cr_assert_null(parse_string(NULL));
	json_decref(plain);
	json_decref(nul);
}

Test(parse, ids_are_short_strings_and_integers)
{
	char long_id[PARSE_ID_BYTES_MAX + 2];
	json_t *ids = json_pack("[s, i, f, n, b, {}, []]", "x", -3, 1.5, 1);
	json_t *id;

	cr_assert(parse_id(json_array_get(ids, 0)) && parse_id(json_array_get(ids, 1)));
	for (size_t i = 2; i < json_array_size(ids); i++)
		cr_expect_not(parse_id(json_array_get(ids, i)), "id %zu", i);
	cr_assert_not(parse_id(NULL));
	memset(long_id, 'i', sizeof(long_id));
	id = json_stringn(long_id, PARSE_ID_BYTES_MAX);
	cr_assert(parse_id(id));
	json_decref(id);
	id = json_stringn(long_id, PARSE_ID_BYTES_MAX + 1);
	cr_assert_not(parse_id(id));
	json_decref(id);
	json_decref(ids);
}
