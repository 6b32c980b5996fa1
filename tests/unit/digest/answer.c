/* The answer of a program of ours: handed on whole, or not at all. */
#include "support.h"

#define GOOD                                                                                       \
	"{\"text\":\"1\\ta\\n\",\"data\":{\"content\":\"\\u001b[31m\\r\\n\",\"n\":1},\"success\":" \
	"true,\"denials\":[]}"
#define DENIAL "{\"operation\":\"read\",\"object\":\"/etc/shadow\",\"errno\":\"ENOENT\"}"

static json_t *answer(const char *out, size_t len, int status, size_t piece)
{
	return digest_run(&(struct call){.parser = "answer",
					 .call = "{\"argv\":[\"x\"],\"workspace\":\"/w\"}",
					 .out = out,
					 .out_len = len,
					 .err = "noise\n",
					 .status = status,
					 .piece = piece});
}

static bool success_is(json_t *reply, int type)
{
	const json_t *success = at(reply, "success");

	return success && (int)json_typeof(success) == type;
}

Test(answer, a_document_is_handed_on_as_it_is)
{
	static const size_t pieces[] = {0, 1, 7};

	for (size_t i = 0; i < 3; i++) {
		json_t *r = answer(GOOD, 0, 0, pieces[i]);

		EXPECT_STR(r, "text", "1\ta\n");
		EXPECT_STR(r, "data.content", "\x1b[31m\r\n");
		cr_assert_eq(json_object_size(at(r, "data")), 2, "nothing is added to data");
		cr_assert(success_is(r, JSON_TRUE));
		cr_assert_eq(json_array_size(at(r, "denials")), 0);
		cr_assert_null(at(r, "error"));
		json_decref(r);
	}
}

Test(answer, success_needs_the_answer_and_the_exit_status)
{
	static const char no[] = "{\"text\":\"\",\"data\":null,\"success\":false,\"denials\":[]}";
	json_t *r = answer(no, 0, 0, 0);
	const json_t *text = at(r, "text");

	cr_assert(success_is(r, JSON_FALSE));
	cr_assert(json_is_null(text));
	json_decref(r);
	r = answer(GOOD, 0, 1, 0);
	cr_assert(success_is(r, JSON_FALSE));
	json_decref(r);
}

Test(answer, denials_come_along_and_are_cut)
{
	char out[8192];
	json_t *r;

	r = answer("{\"text\":\"\",\"data\":null,\"success\":false,\"denials\":[" DENIAL "]}", 0, 1,
		   0);
	EXPECT_STR(r, "denials.0.operation", "read");
	EXPECT_STR(r, "denials.0.object", "/etc/shadow");
	EXPECT_STR(r, "denials.0.errno", "ENOENT");
	json_decref(r);
	(void)snprintf(out, sizeof(out),
		       "{\"text\":\"\",\"data\":null,\"success\":false,\"denials\":[{\"operation\":"
		       "\"read\",\"object\":\"%05000d\",\"errno\":\"ENOENT\"}]}",
		       0);
	r = answer(out, 0, 1, 0);
	cr_assert_lt(strlen(str_at(r, "denials.0.object")), 4096 + 64);
	json_decref(r);
}

static void expect_refused(const char *out, size_t len, const char *error)
{
	json_t *r = answer(out, len, 0, 0);
	const json_t *data = at(r, "data");

	cr_assert(json_is_null(data), "%s", out);
	cr_assert(success_is(r, JSON_FALSE), "%s", out);
	cr_assert_not_null(strstr(str_at(r, "error"), error), "%s: %s", out, str_at(r, "error"));
	cr_assert_null(at(r, "denials"));
	json_decref(r);
}

Test(answer, what_is_no_answer_is_none_at_all)
{
	static const struct {
		const char *out, *error;
	} rows[] = {
		{"", "without an answer"},
		{"hello\n", "no JSON object, or was cut off"},
		{"[]", "no JSON object"},
		{"{\"text\":\"a\",\"data\":{},\"succ", "cut off"},
		{GOOD GOOD, "no JSON object"},
		{"{\"data\":null,\"success\":true,\"denials\":[]}", "no string \"text\""},
		{"{\"text\":7,\"data\":null,\"success\":true,\"denials\":[]}",
		 "no string \"text\""},
		{"{\"text\":\"\",\"data\":[],\"success\":true,\"denials\":[]}", "\"data\""},
		{"{\"text\":\"\",\"success\":true,\"denials\":[]}", "\"data\""},
		{"{\"text\":\"\",\"data\":null,\"success\":1,\"denials\":[]}", "\"success\""},
		{"{\"text\":\"\",\"data\":null,\"success\":true}", "\"denials\""},
		{"{\"text\":\"\",\"data\":null,\"success\":true,\"denials\":[],\"x\":1}",
		 "not known"},
		{"{\"text\":\"\",\"data\":null,\"success\":true,\"denials\":[7]}", "not an object"},
		{"{\"text\":\"\",\"data\":null,\"success\":true,\"denials\":[{\"operation\":\"x\","
		 "\"object\":\"y\"}]}",
		 "errno"},
		{"{\"text\":\"\",\"data\":null,\"success\":true,\"denials\":[{\"operation\":\"x\","
		 "\"object\":\"y\",\"errno\":\"no such file\"}]}",
		 "errno"},
		{"{\"text\":\"\",\"data\":null,\"success\":true,\"denials\":[{\"operation\":\"x\","
		 "\"object\":\"y\",\"errno\":\"EIO\",\"remedy\":\"run me\"}]}",
		 "not known"},
		{"{\"text\":\"\\u0000\",\"data\":null,\"success\":true,\"denials\":[]}", "NUL"},
		{"{\"text\":\"\xff\",\"data\":null,\"success\":true,\"denials\":[]}", "UTF-8"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_refused(rows[i].out, 0, rows[i].error);
}

Test(answer, an_escaped_backslash_before_u0000_is_no_nul)
{
	json_t *r = answer("{\"text\":\"\\\\u0000\",\"data\":null,\"success\":true,\"denials\":[]}",
			   0, 0, 0);

	EXPECT_STR(r, "text", "\\u0000");
	json_decref(r);
}

Test(answer, bytes_depth_values_and_denials_have_an_end)
{
	size_t len = DIGEST_DOCUMENT_BYTES_MAX + 1;
	char *out = malloc(len);
	size_t n = 0;

	memset(out, ' ', len);
	memcpy(out, GOOD, sizeof(GOOD) - 1);
	expect_refused(out, len, "too long");
	memset(out, '[', len);
	memcpy(out, "{\"text\":", 8);
	expect_refused(out, len - 1, "no JSON object");
	n = (size_t)sprintf(out, "{\"text\":\"\",\"data\":null,\"success\":true,\"denials\":[");
	for (size_t i = 0; i < 65; i++)
		n += (size_t)sprintf(out + n, "%s" DENIAL, i ? "," : "");
	n += (size_t)sprintf(out + n, "]}");
	expect_refused(out, n, "more than 64 denials");
	free(out);
}

Test(answer, long_text_is_cut_and_the_reply_stays_within_its_size)
{
	size_t room = 6U << 20;
	char *out = malloc(room + 256);
	size_t n = (size_t)sprintf(out, "{\"success\":true,\"denials\":[],\"text\":\"");
	json_t *r;

	memset(out + n, 'x', 300000);
	n += 300000;
	n += (size_t)sprintf(out + n, "\",\"data\":{\"content\":\"");
	memset(out + n, 'y', room - n);
	n = room + (size_t)sprintf(out + room, "\"}}");
	r = answer(out, n, 0, 60000);
	cr_assert_eq(strlen(str_at(r, "text")), DIGEST_DOCUMENT_TEXT_MAX);
	cr_assert_gt(strlen(str_at(r, "data.content")), 5U << 20);
	json_decref(r);
	free(out);
}
