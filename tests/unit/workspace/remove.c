/* Theory of operation: trees that a careless removal would follow, recurse into, or stop at. */
#include "changes_fixture.h"

#include "workspace/copy.h"
#include "workspace/remove.h"

#define DEEP 2000

Test(remove, takes_a_tree_deeper_than_any_path, .init = setup, .fini = teardown)
{
	struct err err = {0};
	uint64_t n = 0;
	int fd = dup(source.base);

	for (int i = 0; i < DEEP; i++) {
		int next;

		cr_assert_eq(mkdirat(fd, "d", 0700), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd);
		fd = next;
	}
	(void)close(fd);
	cr_assert_eq(remove_content(source.base, &n, &err), 0, "%s", err.text);
	cr_expect_eq(n, DEEP);
}

Test(remove, opens_folders_without_permissions_and_follows_nothing, .init = setup, .fini = teardown)
{
	struct err err = {0};

	put(1, "outside/kept", "x");
	put(0, "closed/inner/f", "x");
	link_to(0, "closed/link", "../../data/layers/1/u/outside");
	cr_assert_eq(chmod(at("base", "closed/inner"), 0), 0);
	cr_assert_eq(chmod(at("base", "closed"), 0), 0);
	cr_assert_eq(remove_tree(source.base, "closed", NULL, &err), 0, "%s", err.text);
	cr_expect_eq(access(at("base", "closed"), F_OK), -1);
	cr_expect_eq(access(at(tree_of(1), "outside/kept"), F_OK), 0);
	cr_expect_eq(remove_tree(source.base, "not-there", NULL, &err), 0);
}

Test(remove, of_a_link_removes_the_link, .init = setup, .fini = teardown)
{
	struct err err = {0};

	put(1, "kept", "x");
	link_to(0, "link", "../data/layers/1/u");
	cr_assert_eq(remove_tree(source.base, "link", NULL, &err), 0, "%s", err.text);
	cr_expect_eq(access(at(tree_of(1), "kept"), F_OK), 0);
}

Test(copy, keeps_content_and_holes_and_compares_them, .init = setup, .fini = teardown)
{
	struct stat st;
	int from;
	int to;

	put(0, "from", "head");
	cr_assert_eq(truncate(at("base", "from"), 8 << 20), 0);
	put(0, "to", "");
	from = open(at("base", "from"), O_RDONLY | O_CLOEXEC);
	to = open(at("base", "to"), O_RDWR | O_CLOEXEC);
	cr_assert_eq(copy_content(from, to, 8 << 20), 0);
	cr_expect_eq(copy_content_equal(from, to), 1);
	cr_assert_eq(fstat(to, &st), 0);
	cr_expect_lt(st.st_blocks, 1024);
	cr_assert_eq(pwrite(to, "x", 1, 7 << 20), 1);
	cr_expect_eq(copy_content_equal(from, to), 0);
	(void)close(from);
	(void)close(to);
}
