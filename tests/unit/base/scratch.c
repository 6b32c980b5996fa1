/* Theory of operation: TMPDIR is set for each case; each test is a process of its own. */
#include "base/scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dst[PATH_MAX];
static struct err err;

static void refused(const char *parent, int num)
{
	cr_assert_eq(setenv("TMPDIR", parent, 1), 0);
	memset(dst, 'x', sizeof(dst));
	cr_expect_eq(scratch_make("scratch", dst, &err), -num, "%.40s", parent);
	cr_expect_eq(err.num, num);
	cr_expect(strstr(err.text, "TMPDIR") != NULL, "%s", err.text);
	cr_expect_str_eq(dst, "");
}

Test(scratch, the_folder_is_new_and_ours_alone)
{
	struct stat st;

	cr_assert_eq(unsetenv("TMPDIR"), 0);
	cr_assert_eq(scratch_make("scratch", dst, &err), 0, "%s", err.text);
	cr_expect_eq(lstat(dst, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0700U);
	cr_expect_eq(st.st_uid, geteuid());
	cr_expect_eq(rmdir(dst), 0, "it is empty");
}

Test(scratch, it_lies_where_tmpdir_says_however_long_that_is)
{
	char outer[PATH_MAX];
	char parent[PATH_MAX + 256];

	cr_assert_eq(scratch_make("scratch", outer, &err), 0, "%s", err.text);
	(void)snprintf(parent, sizeof(parent), "%s/%0200d", outer, 0);
	cr_assert_eq(mkdir(parent, 0700), 0);
	cr_assert_eq(setenv("TMPDIR", parent, 1), 0);
	cr_expect_eq(scratch_make("scratch", dst, &err), 0, "%s", err.text);
	cr_expect_eq(strncmp(dst, parent, strlen(parent)), 0, "%s", dst);
	cr_expect_eq(rmdir(dst), 0);
	cr_expect_eq(rmdir(parent), 0);
	cr_expect_eq(rmdir(outer), 0);
}

Test(scratch, a_place_that_cannot_be_is_refused_with_its_reason)
{
	char much[PATH_MAX + 1];

	memset(much, 'a', sizeof(much) - 1);
	much[0] = '/';
	much[PATH_MAX] = '\0';
	refused("/nonesuch/folder", ENOENT);
	refused("relative", EINVAL);
	refused(much, ENAMETOOLONG);
}
