/* Theory of operation: a temporary folder stands for the tree under construction. */
#include "confine/tree.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static char dir[64];
static int root = -1;

static void make_root(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/toolcell-tree-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(root, 0);
	(void)umask(022);
}

static void remove_root(void)
{
	char command[128];
	pid_t pid = fork();

	(void)snprintf(command, sizeof(command), "%s", dir);
	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--", command, (char *)NULL);
		_exit(1);
	}
	cr_assert_gt(pid, 0);
}

TestSuite(tree, .init = make_root, .fini = remove_root);

static mode_t mode_of(const char *path)
{
	struct stat st;

	cr_assert_eq(fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW), 0, "%s", path);
	return st.st_mode;
}

Test(tree, makes_a_folder_with_its_parents)
{
	cr_assert_eq(tree_make_dir(root, "/a/b/c", 0700), 0);
	cr_assert_eq(mode_of("a"), S_IFDIR | 0755);
	cr_assert_eq(mode_of("a/b"), S_IFDIR | 0755);
	cr_assert_eq(mode_of("a/b/c"), S_IFDIR | 0700);
}

Test(tree, leaves_what_is_there_as_it_is)
{
	cr_assert_eq(tree_make_dir(root, "/a", 0700), 0);
	cr_assert_eq(tree_make_dir(root, "/a", 0755), 0);
	cr_assert_eq(mode_of("a"), S_IFDIR | 0700);
	cr_assert_eq(tree_make_dir(root, "/", 0755), 0);
}

Test(tree, refuses_a_path_that_is_not_absolute)
{
	cr_assert_eq(tree_make_dir(root, "a", 0755), -EINVAL);
	cr_assert_eq(tree_make_file(root, "a", "", 0), -EINVAL);
}

Test(tree, links_of_the_tree_lead_into_the_tree_only)
{
	char outside[96];

	cr_assert_eq(tree_make_symlink(root, "/bin", "usr/bin"), 0);
	cr_assert_eq(tree_make_dir(root, "/usr/bin", 0755), 0);
	cr_assert_eq(tree_make_file(root, "/bin/x", "x", 1), 0);
	cr_assert_eq(mode_of("usr/bin/x"), S_IFREG | 0444);
	/* An absolute link that leads to a folder of the host means one of the tree. */
	cr_assert_eq(tree_make_symlink(root, "/evil", "/../../etc"), 0);
	cr_assert_eq(tree_make_dir(root, "/etc", 0755), 0);
	cr_assert_eq(tree_make_file(root, "/evil/toolcell-test", "x", 1), 0);
	cr_assert_eq(mode_of("etc/toolcell-test"), S_IFREG | 0444);
	(void)snprintf(outside, sizeof(outside), "/etc/toolcell-test");
	cr_assert_neq(access(outside, F_OK), 0);
}

Test(tree, replaces_nothing)
{
	cr_assert_eq(tree_make_file(root, "/f", "one", 3), 0);
	cr_assert_eq(tree_make_file(root, "/f", "two", 3), -EEXIST);
	cr_assert_eq(tree_make_symlink(root, "/f", "g"), -EEXIST);
	cr_assert_eq(tree_make_dir(root, "/f/g", 0755), -ENOTDIR);
}

Test(tree, a_target_has_the_kind_of_what_is_mounted_on_it)
{
	int fd = -1;

	cr_assert_eq(tree_make_target(root, "/d/e", true, &fd), 0);
	cr_assert_eq(mode_of("d/e"), S_IFDIR | 0755);
	(void)close(fd);
	cr_assert_eq(tree_make_target(root, "/d/f", false, &fd), 0);
	cr_assert_eq(mode_of("d/f"), S_IFREG | 0444);
	(void)close(fd);
}
