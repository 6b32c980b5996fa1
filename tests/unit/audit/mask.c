/* Secrets that are masked, and what looks like one and is none. */
#include "audit/mask.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct mask *mask;

static void setup(void)
{
	mask = mask_new();
	cr_assert_not_null(mask);
}

static void teardown(void)
{
	mask_free(mask);
}

TestSuite(mask, .init = setup, .fini = teardown);

static char *masked(const char *text)
{
	struct buf out = {0};

	cr_assert_eq(mask_text(mask, text, strlen(text), &out), 0);
	cr_assert_eq(buf_append(&out, "", 1), 0);
	return out.data;
}

/* The secret between < and > goes, and what stands around it stays. Split, so that no scanner of
 * repositories takes these for real. */
static const char *const secrets[] = {
	"aws <AK"
	"IAIOSFODNN7EXAMPLE> end",
	"aws <AS"
	"IAIOSFODNN7EXAMPLE> end",
	"curl <gh"
	"p_0123456789abcdefghijABCDEFGHIJ012345> x",
	"x <gh"
	"s_0123456789abcdefghijABCDEFGHIJ012345>",
	"x <github"
	"_pat_11ABCDEFG0123456789_abcdefghijklmnop>",
	"x <gl"
	"pat-0123456789abcdefghij>",
	"x <xo"
	"xb-123456789012-abcdefghij>",
	"https://<hooks.sl"
	"ack.com/services/T00000000/B00000000/XXXXXXXX>",
	"x <sk"
	"-ant-api03-0123456789abcdefghij_-ABC>.",
	"x <sk"
	"_live_0123456789abcdefghij>",
	"x <np"
	"m_0123456789abcdefghijABCDEFGHIJ012345>",
	"x <py"
	"pi-AgEIcHlwaS5vcmcCJDAwMDAwMDAw>",
	"x <AI"
	"zaSyA0123456789abcdefghijklmnopqrstu>",
	"x <hf"
	"_0123456789abcdefghijABCDEFGHIJ>",
	"x <ey"
	"JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fw>",
	"<-----BEGIN RSA PRIVATE "
	"KEY-----\nMIIEpAIBAAKCAQEA\nabc/+=\n-----END RSA PRIVATE KEY-----\n>",
	"-H 'Authorization: <Bea"
	"rer abcdefgh12345678>' https://x",
	"git clone https<://user:hun"
	"ter2@>example.org/x",
	"mysql --password <hun"
	"ter2> -u root",
	"mysql --password=<hun"
	"ter2> -u root",
	"PGPASSWORD=<hun"
	"ter2> psql",
	"export API_KEY='<hun"
	"ter2 three>' other",
	"{\"client_secret\": \"<hun"
	"ter2>\", \"x\": 1}",
	"{\\\"apiKey\\\":\\\"<hun"
	"ter2\\>\"}",
	"password: <hun"
	"ter2>\nuser: me",
	"X-Auth-Token: <abc"
	"def>",
	"Cookie: <sid="
	"abcdef; x=y>",
	"db_pwd=<hun"
	"ter2>",
	"AWS_SECRET_ACCESS_KEY=<wJalr"
	"XUtnFEMI/K7MDENG>",
	/* A quote or a blank that is escaped belongs to the secret, at whatever depth of quoting. */
	"{\"password\": \"<hun\\\"ter2>\", \"x\": 1}",
	"{\"password\": \"<hunter2\\\\>\", \"x\": 1}",
	"{\"password\": \"<hun\\\\\\\"ter2>\", \"x\": 1}",
	"{\\\"apiKey\\\":\\\"<hun\\\\\\\"ter2\\>\", \\\"x\\\": 1}",
	"'{\"a\": \"{\\\"token\\\": \\\"<hun\\\\\\\"ter\\\\\\\"2\\>\"}\"}'",
	"PGPASSWORD='<hun\\'ter2>' psql",
	"PGPASSWORD=<hun\\ ter\\\"2> psql",
	"curl -H \"X-Auth-Token: <abc\\\"def>\" -v",
	"sh -c \"curl -H \\\"X-Auth-Token: <abcdef\\>\" -v\"",
};

Test(mask, takes_out_each_shape_and_leaves_what_stands_around)
{
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		const char *from = strchr(secrets[i], '<');
		const char *to = strrchr(secrets[i], '>');
		char text[256] = "";
		char expected[256] = "";
		char *got;

		(void)snprintf(text, sizeof(text), "%.*s%.*s%s", (int)(from - secrets[i]),
			       secrets[i], (int)(to - from - 1), from + 1, to + 1);
		(void)snprintf(expected, sizeof(expected), "%.*s[masked: %d bytes]%s",
			       (int)(from - secrets[i]), secrets[i], (int)(to - from - 1), to + 1);
		got = masked(text);
		cr_assert_str_eq(got, expected, "row %zu", i);
		free(got);
	}
}

Test(mask, leaves_near_misses_alone)
{
	static const char *const plain[] = {
		"AK"
		"IAIOSFODNN7EXAMPL", /* a letter short */
		"task-runner sk-short",
		"gh"
		"p_tooshort",
		"max_tokens=100 tokenizer=bpe tokens: 5",
		"PWD=/home/me/project",
		"keyboard=de monkey=1 key=value",
		"ls --passwordless x",
		"-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
		"https://example.org:8080/path@2x.png",
		"git@github.com:owner/name.git",
		"author: someone",
		"eyJ.x.y",
		"secretary of state",
		"cargo test --workspace",
		"bearer of news",
		"--token --verbose",
	};

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		char *got = masked(plain[i]);

		cr_assert_str_eq(got, plain[i], "row %zu", i);
		free(got);
	}
}

/* What a terminal would show as one word must not hide behind an escape sequence. */
Test(mask, looks_at_what_a_reader_would_see)
{
	char *got = masked("gh"
			   "p_0123456789\033[1mabcdefghijABCDEFGHIJ012345");

	cr_assert_str_eq(got, "[masked: 40 bytes]");
	free(got);
}

Test(mask, cuts_long_text_and_says_so)
{
	char *text = malloc(20001);
	char *got;

	cr_assert_not_null(text);
	memset(text, 'x', 20000);
	text[20000] = '\0';
	memcpy(text + MASK_SHOWN_BYTES - 10,
	       " gh"
	       "p_0123456789abcdefghijABCDEFGHIJ012345 ",
	       42);
	got = masked(text);
	cr_assert_null(strstr(got, "gh"
				   "p_"));
	cr_assert_not_null(strstr(got, "[masked: 40 bytes]"));
	cr_assert_not_null(strstr(got, "[cut: "));
	cr_assert_lt(strlen(got), 5000);
	free(got);
	free(text);
}

/* A pattern is of bytes, and what is left must be text: else there is no record at all. */
Test(mask, characters_are_masked_as_a_whole)
{
	static const char *const patterns[] = {"acme_.{4}", "[^ -~].{2}z", "m.n", "[^a-z ]{4}q"};
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"acme_\u00e4\u00f6\u00fc end", "[masked: 9 bytes]\u00fc end"},
		{"acme_a\u00e4\u00f6\u00fc", "[masked: 10 bytes]\u00fc"},
		{"x \u20acz", "x [masked: 4 bytes]"},
		{"x \u00e4\u20acq", "x [masked: 6 bytes]"},
		{"m\U0001f511n m\u00e4n", "m\U0001f511n m\u00e4n"},
	};
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		cr_assert_eq(mask_add_pattern(mask, patterns[i], &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *value = json_string(rows[i].text);
		json_t *copy = NULL;

		cr_assert_eq(mask_json(mask, value, &copy), 0, "row %zu", i);
		cr_assert_str_eq(json_string_value(copy), rows[i].expected, "row %zu", i);
		json_decref(value);
		json_decref(copy);
	}
}

Test(mask, no_character_is_cut_where_the_text_is)
{
	for (size_t before = MASK_SHOWN_BYTES - 12; before <= MASK_SHOWN_BYTES + 1; before++) {
		struct buf text = {0};
		json_t *value;
		json_t *copy = NULL;

		cr_assert_eq(buf_puts(&text, "token=\""), 0);
		while (text.len < before)
			cr_assert_eq(buf_puts(&text, "x"), 0);
		cr_assert_eq(buf_puts(&text, "\"\u20ac\U0001f511 and more"), 0);
		value = json_stringn(text.data, text.len);
		cr_assert_eq(mask_json(mask, value, &copy), 0, "at %zu", before);
		cr_assert_not_null(strstr(json_string_value(copy), "[cut: "));
		json_decref(copy);
		copy = NULL;
		json_decref(value);
		/* The mask ends where the text is cut, and a character begins there. */
		text.len -= strlen("\"\u20ac\U0001f511 and more");
		cr_assert_eq(buf_puts(&text, "\n\u20ac\U0001f511 and more"), 0);
		value = json_stringn(text.data, text.len);
		cr_assert_eq(mask_json(mask, value, &copy), 0, "at %zu", before);
		json_decref(copy);
		json_decref(value);
		buf_fini(&text);
	}
}

static json_t *masked_json(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);
	json_t *copy = NULL;

	cr_assert_not_null(value, "%s", text);
	cr_assert_eq(mask_json(mask, value, &copy), 0);
	json_decref(value);
	return copy;
}

Test(mask, json_is_masked_by_key_by_shape_and_behind_an_option)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"{\"password\":\"x1\",\"user\":\"me\"}",
		 "{\"password\":\"[masked: 2 bytes]\",\"user\":\"me\"}"},
		{"{\"a\":{\"secrets\":{\"deep\":[\"x\",{\"y\":7}]}}}",
		 "{\"a\":{\"secrets\":{\"deep\":[\"[masked: 1 bytes]\",{\"y\":\"[masked: a "
		 "number]\"}]}}}"},
		{"[[[\"gh"
		 "p_0123456789abcdefghijABCDEFGHIJ012345\"]]]",
		 "[[[\"[masked: 40 bytes]\"]]]"},
		{"{\"argv\":[\"curl\",\"--password\",\"abc\",\"def\"]}",
		 "{\"argv\":[\"curl\",\"--password\",\"[masked: 3 bytes]\",\"def\"]}"},
		{"{\"argv\":[\"--token=abc\",\"x\"]}",
		 "{\"argv\":[\"--token=[masked: 3 bytes]\",\"x\"]}"},
		{"{\"apiKey\":null,\"token\":true}", "{\"apiKey\":null,\"token\":true}"},
		{"{\"gh"
		 "p_0123456789abcdefghijABCDEFGHIJ012345\":1}",
		 "{\"[masked: 40 bytes]\":1}"},
		{"{\"headers\":{\"Authorization\":\"abc\"}}",
		 "{\"headers\":{\"Authorization\":\"[masked: 3 bytes]\"}}"},
		{"{\"n\":5,\"key\":\"value\"}", "{\"n\":5,\"key\":\"value\"}"},
		{"\"plain\"", "\"plain\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *value = json_loads(rows[i].text, JSON_DECODE_ANY, NULL);
		json_t *copy = NULL;
		char *got;

		cr_assert_eq(mask_json(mask, value, &copy), 0, "row %zu", i);
		got = json_dumps(copy, JSON_COMPACT | JSON_ENCODE_ANY);
		cr_assert_str_eq(got, rows[i].expected, "row %zu", i);
		free(got);
		json_decref(copy);
		json_decref(value);
	}
}

/* Halves by themselves are no secret that a shape could know: a name has to say it. */
Test(mask, a_secret_that_is_split_over_keys_goes_by_their_names)
{
	json_t *copy = masked_json("{\"token_a\":\"gh"
				   "p_0123456789\",\"token_b\":\"abcdefghij\"}");
	char *got = json_dumps(copy, JSON_COMPACT);

	cr_assert_str_eq(got,
			 "{\"token_a\":\"[masked: 14 bytes]\",\"token_b\":\"[masked: 10 bytes]\"}");
	free(got);
	json_decref(copy);
}

Test(mask, json_has_caps)
{
	json_t *value = json_array();
	json_t *copy = NULL;

	for (unsigned int i = 0; i <= MASK_VALUES_MAX; i++)
		cr_assert_eq(json_array_append_new(value, json_integer(i)), 0);
	cr_assert_eq(mask_json(mask, value, &copy), -E2BIG);
	cr_assert_null(copy);
	json_decref(value);
	value = json_array();
	for (unsigned int i = 0; i < MASK_DEPTH_MAX; i++) {
		json_t *outer = json_array();

		cr_assert_eq(json_array_append_new(outer, value), 0);
		value = outer;
	}
	cr_assert_eq(mask_json(mask, value, &copy), -E2BIG);
	json_decref(value);
}

Test(mask, a_policy_adds_names_and_patterns)
{
	struct err err = {0};
	char *got;

	cr_assert_eq(mask_add_name(mask, "Badge-Number", &err), 0);
	cr_assert_eq(mask_add_pattern(mask, "acme_[a-z]{4,}", &err), 0);
	got = masked("badge_number=7 acme_abcdef acme_abc");
	cr_assert_str_eq(got, "badge_number=[masked: 1 bytes] [masked: 11 bytes] acme_abc");
	free(got);
	cr_assert_eq(mask_add_pattern(mask, "(a|b)", &err), -EINVAL);
	cr_assert_eq(mask_add_name(mask, "-_", &err), -EINVAL);
	got = masked("acme_abcdef");
	cr_assert_str_eq(got, "[masked: 11 bytes]");
	free(got);
}
