/*
 * Theory of operation: round trips through a sealed memfd, then hostile bytes: each header field
 * wrong, every possible cut, every missing NUL.
 */
#include "wire/plan.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static const char *const argv3[] = {"/bin/echo", "", "a b\n", NULL};
static const char *const env2[] = {"PATH=/bin", "EMPTY=", NULL};

static size_t read_plan(int fd, char *data, size_t cap)
{
	ssize_t n = pread(fd, data, cap, 0);

	cr_assert_gt(n, 0);
	return (size_t)n;
}

static size_t make_plan(char *data, size_t cap)
{
	CLEANUP(fd_closep) int fd = -1;
	struct err err = {0};

	cr_assert_eq(plan_seal(argv3, env2, "/w", PLAN_TTY, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(fd_check_sealed(fd, &err), 0);
	return read_plan(fd, data, cap);
}

static int decode(const char *data, size_t len)
{
	struct plan plan = {.flags = 77};
	struct err err = {0};
	int r = plan_decode(data, len, &plan, &err);

	if (r == 0) {
		plan_fini(&plan);
		return 0;
	}
	cr_assert_eq(plan.flags, 77, "output untouched on failure");
	cr_assert_eq(err.num, -r);
	cr_assert_neq(err.text[0], '\0');
	return r;
}

Test(plan, what_goes_in_comes_out)
{
	char data[512];
	size_t len = make_plan(data, sizeof(data));
	struct plan plan = {0};
	struct err err = {0};

	cr_assert_eq(plan_decode(data, len, &plan, &err), 0, "%s", err.text);
	memset(data, 'x', sizeof(data)); /* it is a copy */
	for (size_t i = 0; i < 3; i++)
		cr_assert_str_eq(plan.argv[i], argv3[i]);
	cr_assert_null(plan.argv[3]);
	cr_assert_str_eq(plan.envp[0], "PATH=/bin");
	cr_assert_str_eq(plan.envp[1], "EMPTY=");
	cr_assert_null(plan.envp[2]);
	cr_assert_str_eq(plan.cwd, "/w");
	cr_assert_eq(plan.flags, PLAN_TTY);
	plan_fini(&plan);
	cr_assert_null(plan.block);
	plan_fini(&plan);
	plan_fini(NULL);
}

Test(plan, no_environment_is_an_empty_vector)
{
	CLEANUP(fd_closep) int fd = -1;
	char data[512];
	struct plan plan = {0};
	struct err err = {0};
	size_t len;

	cr_assert_eq(plan_seal(argv3, NULL, "/", 0, &fd, &err), 0, "%s", err.text);
	len = read_plan(fd, data, sizeof(data));
	cr_assert_eq(plan_decode(data, len, &plan, &err), 0, "%s", err.text);
	cr_assert_null(plan.envp[0]);
	plan_fini(&plan);
}

Test(plan, every_header_field_is_checked)
{
	static const struct {
		size_t offset;
		uint32_t value;
	} rows[] = {
		{offsetof(struct plan_header, magic), 0},
		{offsetof(struct plan_header, bytes), 0},
		{offsetof(struct plan_header, bytes), UINT32_MAX},
		{offsetof(struct plan_header, args), 0},
		{offsetof(struct plan_header, args), 2},
		{offsetof(struct plan_header, args), 4},
		{offsetof(struct plan_header, args), PLAN_ARGS_MAX},
		{offsetof(struct plan_header, args), PLAN_ARGS_MAX + 1},
		{offsetof(struct plan_header, args), UINT32_MAX},
		{offsetof(struct plan_header, env), 0},
		{offsetof(struct plan_header, env), 3},
		{offsetof(struct plan_header, env), UINT32_MAX},
		{offsetof(struct plan_header, flags), 2},
		{offsetof(struct plan_header, flags), UINT32_MAX},
		{offsetof(struct plan_header, pad), 1},
	};
	char good[512];
	size_t len = make_plan(good, sizeof(good));

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char bad[512];

		memcpy(bad, good, len);
		memcpy(bad + rows[i].offset, &rows[i].value, sizeof(uint32_t));
		cr_assert_eq(decode(bad, len), -EINVAL, "row %zu", i);
	}
}

Test(plan, every_cut_is_refused_even_when_the_header_agrees)
{
	char data[512];
	size_t len = make_plan(data, sizeof(data));

	for (size_t cut = 0; cut < len; cut++) {
		char *copy = malloc(
			cut ? cut : 1); /* exact size, so that a sanitizer sees a step too far */
		uint32_t bytes = (uint32_t)cut;

		memcpy(copy, data, cut);
		cr_assert_lt(decode(copy, cut), 0, "cut at %zu", cut);
		if (cut >= sizeof(struct plan_header)) {
			memcpy(copy + offsetof(struct plan_header, bytes), &bytes, sizeof(bytes));
			cr_assert_lt(decode(copy, cut), 0, "cut at %zu", cut);
		}
		free(copy);
	}
}

Test(plan, no_nul_may_be_missing_or_added)
{
	char good[512];
	size_t len = make_plan(good, sizeof(good));

	for (size_t i = sizeof(struct plan_header); i < len; i++) {
		char bad[512];

		memcpy(bad, good, len);
		bad[i] = bad[i] == '\0' ? 'x' : '\0';
		cr_assert_eq(decode(bad, len), -EINVAL, "byte %zu", i);
	}
}

Test(plan, sealing_refuses_what_decoding_would)
{
	static const char *const none[] = {NULL};
	static const char *const unnamed[] = {"", NULL};
	static const char *const bad_env[] = {"=x", NULL};
	static const char *const no_equals[] = {"PATH", NULL};
	struct err err = {0};
	int fd = -7;

	cr_assert_eq(plan_seal(none, NULL, "/", 0, &fd, &err), -EINVAL);
	cr_assert_eq(plan_seal(unnamed, NULL, "/", 0, &fd, &err), -EINVAL);
	cr_assert_eq(plan_seal(argv3, bad_env, "/", 0, &fd, &err), -EINVAL);
	cr_assert_eq(plan_seal(argv3, no_equals, "/", 0, &fd, &err), -EINVAL);
	cr_assert_eq(plan_seal(argv3, env2, "w", 0, &fd, &err), -EINVAL);
	cr_assert_eq(plan_seal(argv3, env2, "/", 2, &fd, &err), -EINVAL);
	cr_assert_eq(fd, -7, "output untouched on failure");
}

Test(plan, too_many_and_too_long_are_refused)
{
	size_t n = PLAN_ARGS_MAX + 1;
	const char **many = calloc(n + 1, sizeof(*many));
	char *large = malloc(PLAN_BYTES_MAX + 1);
	const char *const one[] = {large, NULL};
	struct err err = {0};
	int fd = -7;

	for (size_t i = 0; i < n; i++)
		many[i] = "a";
	cr_assert_eq(plan_seal(many, NULL, "/", 0, &fd, &err), -E2BIG);
	memset(large, 'a', PLAN_BYTES_MAX);
	large[PLAN_BYTES_MAX] = '\0';
	cr_assert_eq(plan_seal(one, NULL, "/", 0, &fd, &err), -E2BIG);
	many[PLAN_ARGS_MAX] = NULL;
	cr_assert_eq(plan_seal(many, NULL, "/", 0, &fd, &err), 0, "%s", err.text);
	fd_closep(&fd);
	free(many);
	free(large);
}
