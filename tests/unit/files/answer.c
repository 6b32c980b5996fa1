/* The document: always UTF-8 without NULs, bounded, the same to hosts that show one half of it. */
#include "support.h"

static json_t *encode(struct answer *a)
{
	char *text = NULL;
	json_t *doc;

	cr_assert_eq(answer_encode(a, &text), 0);
	doc = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_not_null(doc);
	free(text);
	answer_fini(a);
	return doc;
}

Test(answer, an_empty_one_is_a_success_without_data)
{
	struct answer a;
	json_t *doc;

	answer_init(&a);
	doc = encode(&a);
	EXPECT_STR(doc, "text", "");
	cr_assert(is_null_at(doc, "data"));
	cr_assert(is_true_at(doc, "success"));
	expect_denials(doc, 0);
	cr_assert_eq(json_object_size(doc), 4);
	json_decref(doc);
}

Test(answer, foreign_bytes_become_utf8_without_nul)
{
	struct answer a;
	json_t *doc;

	answer_init(&a);
	answer_bytes(&a, "a\0b\xff\xc3", 5);
	answer_put(&a, "s", answer_string("\xed\xa0\x80\0", 4));
	doc = encode(&a);
	EXPECT_STR(doc, "text",
		   "a\xef\xbf\xbd"
		   "b\xef\xbf\xbd\xef\xbf\xbd");
	EXPECT_STR(doc, "data.s", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	json_decref(doc);
}

Test(answer, a_refusal_replaces_what_was_said)
{
	struct answer a;
	json_t *doc;

	answer_init(&a);
	answer_printf(&a, "half an answer");
	answer_put_count(&a, "half", 1);
	cr_assert_eq(answer_fail(&a, "broken", "It is %s.", "so"), 0);
	answer_fail_note(&a, " Really.");
	doc = encode(&a);
	expect_error(doc, "broken");
	EXPECT_STR(doc, "text", "It is so. Really.");
	cr_assert_null(at(doc, "data.half"));
	json_decref(doc);
}

Test(answer, long_text_is_cut_between_characters)
{
	struct answer a;
	json_t *doc;

	answer_init(&a);
	for (size_t i = 0; i < ANSWER_TEXT_MAX; i++)
		answer_printf(&a, "\xc3\xa9");
	doc = encode(&a);
	cr_assert_leq(json_string_length(at(doc, "text")), ANSWER_TEXT_MAX);
	EXPECT_TEXT(doc, "\xc3\xa9\n[text cut here at 200 kB]\n");
	json_decref(doc);
}

Test(answer, denials_stop_at_their_cap)
{
	struct answer a;
	json_t *doc;

	answer_init(&a);
	for (size_t i = 0; i < ANSWER_DENIALS_MAX + 10; i++)
		answer_deny(&a, "read", "/x\xff", EACCES);
	doc = encode(&a);
	expect_denials(doc, ANSWER_DENIALS_MAX);
	EXPECT_STR(doc, "denials.0.object", "/x\xef\xbf\xbd");
	EXPECT_STR(doc, "denials.0.errno", "EACCES");
	json_decref(doc);
}

Test(answer, a_document_that_is_too_long_is_refused)
{
	struct answer a;
	char *big = calloc(1, ANSWER_BYTES_MAX + 1);
	char *text = NULL;

	memset(big, 'x', ANSWER_BYTES_MAX);
	answer_init(&a);
	answer_put(&a, "big", answer_string(big, ANSWER_BYTES_MAX));
	cr_assert_eq(answer_encode(&a, &text), -E2BIG);
	cr_assert_null(text);
	answer_fini(&a);
	free(big);
}

Test(answer, names_are_shown_so_that_no_two_look_alike)
{
	static const char *const rows[][2] = {
		{"plain name", "plain name"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
		{"new\nline", "\"new\\x0aline\""},
		{"\x1b[31m", "\"\\x1b[31m\""},
		{"bad\xff", "\"bad\\xff\""},
		{"c1\xc2\x9b", "\"c1\\xc2\\x9b\""},
		{"\"", "\"\\x22\""},
	};
	char shown[ANSWER_SHOWN_MAX];
	char big[2 * ANSWER_SHOWN_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_assert_str_eq(answer_show(shown, rows[i][0]), rows[i][1]);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	cr_assert_lt(strlen(answer_show(shown, big)), sizeof(shown));
	cr_assert_not_null(strstr(shown, "...\""));
}
