/* Paths: as the kernel resolves them, also where something is missing. */
#include "support.h"

TestSuite(path, .init = ws_make, .fini = ws_remove);

static struct path path; /* too large for a frame */

static int resolve(const char *name)
{
	struct files_call call = {.workspace = ws};
	struct answer a;
	int r;

	answer_init(&a);
	r = path_resolve(&call, name, &path, &a);
	answer_fini(&a);
	return r;
}

/* @want: relative to the workspace, or absolute */
static void expect(const char *name, const char *want, int num, bool inside, bool asked_inside)
{
	char full[2 * PATH_MAX];

	(void)snprintf(full, sizeof(full), "%s%s%s", want[0] == '/' ? "" : ws,
		       want[0] == '/' || !want[0] ? "" : "/", want);
	cr_assert_eq(resolve(name), 0, "%s", name);
	cr_assert_str_eq(path.real, full, "%s leads to %s", name, path.real);
	cr_assert_eq(path.num, num, "%s: %d", name, path.num);
	cr_assert_eq(path.inside, inside, "%s: inside", name);
	cr_assert_eq(path.asked_inside, asked_inside, "%s: asked inside", name);
}

Test(path, links_and_dots_are_followed)
{
	cr_assert_eq(mkdir("a", 0755), 0);
	cr_assert_eq(mkdir("a/b", 0755), 0);
	put("f", "");
	cr_assert_eq(symlink("a/b", "to_b"), 0);
	cr_assert_eq(symlink("/", "root"), 0);
	cr_assert_eq(symlink("../f", "a/b/up"), 0);
	cr_assert_eq(symlink("to_b/../../f", "twice"), 0);
	cr_assert_eq(symlink("nowhere/x", "dangling"), 0);
	cr_assert_eq(symlink("loop", "loop"), 0);
	expect("f", "f", 0, true, true);
	expect("./a//b/", "a/b", 0, true, true);
	expect(".", "", 0, true, true);
	expect("to_b/..", "a", 0, true, true);
	expect("to_b/../../f", "f", 0, true, false);
	expect("a/b/up", "a/f", ENOENT, true, true);
	expect("twice", "f", 0, true, true);
	expect("a/../f", "f", 0, true, true);
	expect("to_b/new", "a/b/new", ENOENT, true, true);
	expect("new/deep", "new/deep", ENOENT, true, true);
	expect("dangling", "nowhere/x", ENOENT, true, true);
	expect("f/x", "f/x", ENOTDIR, true, true);
	expect("loop", "loop", ELOOP, true, true);
	expect("/", "/", 0, false, false);
	expect("root", "/", 0, false, true);
	expect("root/nonexistent", "/nonexistent", ENOENT, false, true);
	expect("/nonexistent/../x", "/nonexistent/../x", ENOTDIR, false, false);
	expect("../../../../../../..", "/", 0, false, false);
}

Test(path, dots_behind_what_is_no_folder_lead_nowhere)
{
	put("f", "");
	expect("f/../f", "f/../f", ENOTDIR, true, true);
	expect("missing/../f", "missing/../f", ENOTDIR, true, true);
}

Test(path, names_beside_the_workspace_are_not_in_it)
{
	char beside[PATH_MAX + 8];

	(void)snprintf(beside, sizeof(beside), "%sx/f", ws);
	cr_assert_eq(resolve(beside), 0);
	cr_assert(!path.inside && !path.asked_inside);
}

Test(path, what_is_too_long_is_refused)
{
	char name[PATH_MAX];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_assert_eq(resolve(name), -EINVAL);
	name[NAME_MAX + 1] = '\0';
	cr_assert_eq(resolve(name), 0);
	cr_assert_eq(path.num, ENAMETOOLONG);
}

Test(path, forty_links_are_followed_and_no_more)
{
	char name[16];
	char target[16];

	put("l0", "");
	for (int i = 1; i <= 41; i++) {
		(void)snprintf(name, sizeof(name), "l%d", i);
		(void)snprintf(target, sizeof(target), "l%d", i - 1);
		cr_assert_eq(symlink(target, name), 0);
	}
	cr_assert_eq(resolve("l40"), 0);
	cr_assert_eq(path.num, 0);
	cr_assert_eq(resolve("l41"), 0);
	cr_assert_eq(path.num, ELOOP);
}

Test(path, a_folder_that_becomes_a_link_is_not_entered)
{
	const char *name = NULL;
	int dir = -1;

	cr_assert_eq(mkdir("a", 0755), 0);
	cr_assert_eq(resolve("a/new"), 0);
	cr_assert_eq(rmdir("a"), 0);
	cr_assert_eq(symlink("/tmp", "a"), 0);
	cr_assert_eq(path_open_parent(&path, true, &dir, &name), -ENOTDIR);
	cr_assert_eq(dir, -1);
}

Test(path, parents_are_made_on_demand_only)
{
	const char *name = NULL;
	int dir = -1;

	cr_assert_eq(resolve("a/b/c"), 0);
	cr_assert_eq(path_open_parent(&path, false, &dir, &name), -ENOENT);
	cr_assert_eq(path_open_parent(&path, true, &dir, &name), 0);
	cr_assert_str_eq(name, "c");
	cr_assert_eq(access("a/b", F_OK), 0);
	(void)close(dir);
}
