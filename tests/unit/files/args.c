/* Arguments are measured before they are parsed. */
#include "support.h"

static int parse(const char *text, size_t len, struct err *err)
{
	json_t *value = NULL;
	int r = args_parse(text, len, &value, err);

	cr_assert_eq(value != NULL, r == 0);
	json_decref(value);
	return r;
}

Test(args, an_object_and_nothing_else)
{
	static const char *const bad[] =
		{"", "7", "[]", "{", "{}x", "{\"a\":1,\"a\":2}", "{\"\xff\":1}"};
	struct err err;

	cr_assert_eq(parse("{\"a\":\"b\\u0000c\"}", 16, &err), 0);
	cr_assert_eq(parse(" {} ", 4, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(parse(bad[i], strlen(bad[i]), &err), -EINVAL, "%s", bad[i]);
}

Test(args, depth_and_number_of_values_have_an_end)
{
	size_t len = 1U << 20;
	char *text = malloc(len);
	struct err err;

	memset(text, '[', len);
	cr_assert_eq(parse(text, len, &err), -E2BIG);
	memset(text, ',', len);
	cr_assert_eq(parse(text, len, &err), -E2BIG);
	/* Within a string they count for nothing. */
	memcpy(text, "{\"a\":\"", 6);
	memcpy(text + len - 2, "\"}", 2);
	cr_assert_eq(parse(text, len, &err), 0, "%s", err.text);
	free(text);
}

Test(args, twelve_megabytes_are_read_and_no_more)
{
	char *text = malloc(ARGS_BYTES_MAX + 1);
	json_t *value = NULL;
	struct err err;
	int fd = memfd_create("arguments", MFD_CLOEXEC);

	memset(text, ' ', ARGS_BYTES_MAX + 1);
	memcpy(text, "{}", 2);
	cr_assert_eq(fd_write_full(fd, text, ARGS_BYTES_MAX), 0);
	(void)lseek(fd, 0, SEEK_SET);
	cr_assert_eq(args_read(fd, &value, &err), 0, "%s", err.text);
	json_decref(value);
	(void)lseek(fd, 0, SEEK_END);
	cr_assert_eq(fd_write_full(fd, " ", 1), 0);
	(void)lseek(fd, 0, SEEK_SET);
	cr_assert_eq(args_read(fd, &value, &err), -E2BIG);
	cr_assert_not_null(strstr(err.text, "12582912"));
	(void)close(fd);
	free(text);
}

Test(args, the_program_answers_or_says_why_not)
{
	int in = memfd_create("in", MFD_CLOEXEC);
	int out = memfd_create("out", MFD_CLOEXEC);
	char text[4096] = "";

	ws_make();
	put("f", "x");
	cr_assert_eq(fd_write_full(in, "{\"file_path\":\"f\"}", 17), 0);
	(void)lseek(in, 0, SEEK_SET);
	cr_assert_eq(files_run("read", ws, in, out), 0);
	(void)lseek(out, 0, SEEK_SET);
	cr_assert_gt(fd_read_full(out, text, sizeof(text) - 1), 0);
	cr_assert_not_null(strstr(text, "\"content\":\"x\""));
	cr_assert_eq(files_run("raed", ws, in, out), 2);
	cr_assert_eq(files_run("read", NULL, in, out), 2);
	cr_assert_eq(files_run("read", "relative", in, out), 2);
	cr_assert_eq(files_run("read", "/nonexistent", in, out), 2);
	cr_assert_eq(files_run("read", ws, in, out), 2); /* no arguments are left */
	(void)lseek(in, 0, SEEK_SET);
	cr_assert_eq(unlink("f"), 0);
	cr_assert_eq(files_run("read", ws, in, out), 1);
	ws_remove();
}
