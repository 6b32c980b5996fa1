/* The environment of `exec`: nothing but what the policy says. The image's accessors are fakes. */
#include "cli/exec_env.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const char *const strings[] = {"/home/x", "PATH",       "/usr/bin", "LANG", "SECRET",
				      "HOME",	 "/elsewhere", "LAN",	   "PATH"};
static const struct image_env *records;
static uint32_t n_records;

const char *image_string(const struct image *image, uint32_t offset)
{
	(void)image;
	return offset < ARRAY_SIZE(strings) ? strings[offset] : NULL;
}

const struct image_env *image_env(const struct image *image, uint32_t index)
{
	(void)image;
	return index < n_records ? &records[index] : NULL;
}

static char *const operator_env[] = {(char *)(uintptr_t) "LANG=C.UTF-8",
				     (char *)(uintptr_t) "LANGUAGE=x",
				     (char *)(uintptr_t) "SECRETS=1",
				     (char *)(uintptr_t) "PATH=/evil",
				     (char *)(uintptr_t) "HOME=/root",
				     NULL};

static int build(const struct image_env *env, uint32_t n, uint32_t claimed, char ***ret)
{
	const struct image_cell cell = {.home = 0, .env_first = 0, .env_count = claimed};
	struct err err = {0};

	records = env;
	n_records = n;
	return exec_env_build(NULL, &cell, operator_env, ret, &err);
}

Test(exec_env, sets_and_passes_by_exact_name_only)
{
	static const struct image_env env[] = {{1, 2},
					       {3, IMAGE_NONE},
					       {4, IMAGE_NONE},
					       {7, IMAGE_NONE}};
	char **got = NULL;

	cr_assert_eq(build(env, 4, 4, &got), 0);
	cr_assert_str_eq(got[0], "HOME=/home/x");
	cr_assert_str_eq(got[1], "PATH=/usr/bin");
	cr_assert_str_eq(got[2], "LANG=C.UTF-8");
	cr_assert_null(got[3], "SECRET and LAN are not SECRETS and LANG");
	exec_env_free(got);
}

Test(exec_env, later_records_win_and_home_may_be_set)
{
	static const struct image_env env[] = {{5, 6}, {1, 2}, {8, IMAGE_NONE}};
	char **got = NULL;

	cr_assert_eq(build(env, 3, 3, &got), 0);
	cr_assert_str_eq(got[0], "HOME=/elsewhere");
	cr_assert_str_eq(got[1], "PATH=/evil",
			 "a policy that passes PATH after setting it says so");
	cr_assert_null(got[2]);
	exec_env_free(got);
}

Test(exec_env, refuses_a_record_that_is_not_there)
{
	static const struct image_env env[] = {{1, 2}};
	char **got = NULL;

	cr_assert_eq(build(env, 1, 2, &got), -EINVAL);
	cr_assert_null(got);
	exec_env_free(NULL);
}

static const struct {
	const char *current;
	const char *workspace;
	const char *cwd;
} rows[] = {
	{"/w", "/w", "/w"},	      {"/w/src", "/w", "/w/src"},
	{"/wide", "/w", "/w"},	      {"/", "/w", "/w"},
	{NULL, "/w", "/w"},	      {"(unreachable)/w", "/w", "/w"},
	{"/a/b", "/a/b/c", "/a/b/c"},
};

Test(exec_env, starts_in_the_current_directory_only_inside_the_workspace)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_assert_str_eq(exec_env_cwd(rows[i].current, rows[i].workspace), rows[i].cwd,
				 "row %zu", i);
}
