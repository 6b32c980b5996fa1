/* Theory of operation: control files are read like any others, so plain files stand for them. */
#include "confine/cgroup_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static char path[64];
static int dir = -1;

static void make_dir(void)
{
	(void)snprintf(path, sizeof(path), "/tmp/toolcell-cgroup-XXXXXX");
	cr_assert_not_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir, 0);
}

static void remove_dir(void)
{
	(void)unlinkat(dir, "file", 0);
	(void)rmdir(path);
}

TestSuite(cgroup_file, .init = make_dir, .fini = remove_dir);

static void put(const char *text)
{
	int fd = openat(dir, "file", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert_eq(fd_write_full(fd, text, strlen(text)), 0);
	(void)close(fd);
}

Test(cgroup_file, reads_one_number)
{
	put("4096\n");
	cr_assert_eq(cgroup_read_u64(dir, "file"), 4096);
	put("max\n");
	cr_assert_eq(cgroup_read_u64(dir, "file"), UINT64_MAX);
	cr_assert_eq(cgroup_read_u64(dir, "absent"), UINT64_MAX);
}

Test(cgroup_file, reads_a_number_behind_its_own_key_only)
{
	put("oom 1\noom_kill 7\noom_kill_group 9\n");
	cr_assert_eq(cgroup_read_key(dir, "file", "oom_kill"), 7);
	cr_assert_eq(cgroup_read_key(dir, "file", "oom"), 1);
	cr_assert_eq(cgroup_read_key(dir, "file", "kill"), UINT64_MAX);
	put("max 3");
	cr_assert_eq(cgroup_read_key(dir, "file", "max"), 3);
	put("");
	cr_assert_eq(cgroup_read_key(dir, "file", "max"), UINT64_MAX);
}

Test(cgroup_file, writes_say_why_they_failed)
{
	put("");
	cr_assert_eq(cgroup_write_u64(dir, "file", 12), 0);
	cr_assert_eq(cgroup_read_u64(dir, "file"), 12);
	cr_assert_eq(cgroup_write(dir, "absent", "1"), -ENOENT);
}

Test(cgroup_file, sweeps_groups_of_its_own_prefix_only)
{
	cr_assert_eq(mkdirat(dir, "toolcell-12-0", 0755), 0);
	cr_assert_eq(mkdirat(dir, "toolcell-12", 0755), 0);
	cr_assert_eq(mkdirat(dir, "toolcell-123-0", 0755), 0);
	cr_assert_eq(mkdirat(dir, "other", 0755), 0);
	cr_assert(!cgroup_sweep_once(dir, "toolcell-12"));
	cr_assert_eq(faccessat(dir, "toolcell-12-0", F_OK, 0), -1);
	cr_assert_eq(faccessat(dir, "toolcell-12", F_OK, 0), -1);
	cr_assert_eq(faccessat(dir, "toolcell-123-0", F_OK, 0), 0);
	cr_assert_eq(faccessat(dir, "other", F_OK, 0), 0);
	(void)unlinkat(dir, "toolcell-123-0", AT_REMOVEDIR);
	(void)unlinkat(dir, "other", AT_REMOVEDIR);
}
