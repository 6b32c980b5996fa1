/* Theory of operation: commits and discards over layers made by hand, on plain folders. */
#include "changes_fixture.h"

#include "base/buf.h"
#include "workspace/commit.h"
#include "workspace/discard.h"
#include "workspace/journal.h"

static struct stack stack;
static struct select what;
static struct select overwrite;
static struct commit_totals sums;
static char told_text[65536];

static void tell(void *ctx, const struct commit_told *told)
{
	size_t len = strlen(told_text);

	(void)ctx;
	(void)snprintf(told_text + len, sizeof(told_text) - len, "%s %s%s%s\n",
		       told->done ? "done" : "held", told->path, told->why ? ": " : "",
		       told->why ? told->why : "");
}

static void use_stack(void)
{
	stack = (struct stack){.magic = STACK_MAGIC, .version = STACK_VERSION, .next_layer = 10};
	stack.branches[0] = branch;
	(void)mkdir(at("data", "trash"), 0700);
}

static int commit(void)
{
	const struct commit c = {.source = &source,
				 .stack = &stack,
				 .session = "k3f9abcd",
				 .tell = tell};
	struct err err = {0};
	int r;

	told_text[0] = '\0';
	use_stack();
	r = commit_run(&c, &what, &overwrite, &sums, &err);
	cr_assert_eq(r, 0, "%s", err.text);
	return r;
}

static void name(struct select *select, const char *path)
{
	struct err err = {0};

	cr_assert_eq(select_add(select, path, "/home/me/project", &rules, &err), 0, "%s", err.text);
}

static void discard(const char *path)
{
	const struct discard d = {.source = &source, .stack = &stack, .session = "k3f9abcd"};
	struct discard_totals ret;
	struct err err = {0};

	use_stack();
	select_fini(&what);
	if (path)
		name(&what, path);
	cr_assert_eq(discard_run(&d, &what, &ret, &err), 0, "%s", err.text);
}

static void end(void)
{
	select_fini(&what);
	select_fini(&overwrite);
	teardown();
}

static void expect_content(const char *path, const char *want)
{
	char have[256] = "";
	int fd = open(at("base", path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (!want) {
		cr_expect(fd < 0 && errno == ENOENT, "%s should not be there", path);
		return;
	}
	cr_assert_geq(fd, 0, "%s: %m", path);
	cr_assert_geq(read(fd, have, sizeof(have) - 1), 0);
	cr_expect_str_eq(have, want, "%s", path);
	(void)close(fd);
}

static struct stat look(unsigned layer, const char *path)
{
	struct stat st;

	cr_assert_eq(lstat(at(tree_of(layer), path), &st), 0, "%s: %m", path);
	return st;
}

static bool is_there(unsigned layer, const char *path)
{
	struct stat st;

	return lstat(at(tree_of(layer), path), &st) == 0;
}

Test(commit, adopts_everything_and_leaves_nothing_behind, .init = setup, .fini = end)
{
	put(0, "a", "old");
	put(0, "gone", "old");
	put(0, "d/x", "old");
	put(1, "a", "new");
	put(1, "sub/deep/b", "b");
	whiteout(1, "gone");
	whiteout(1, "d");
	link_to(1, "l", "a");
	commit();
	expect_content("a", "new");
	expect_content("sub/deep/b", "b");
	expect_content("gone", NULL);
	expect_content("d/x", NULL);
	cr_expect(!is_there(0, "d"));
	cr_expect(is_there(0, "l"));
	cr_expect_eq(sums.left, 0);
	cr_expect(!is_there(1, "a") && !is_there(1, "sub") && !is_there(1, "d"));
	cr_expect_eq(look(0, "a").st_mtim.tv_sec, LONG_AGO);
	EXPECT();
}

/* A renamed file goes from where it was before the folder does, wherever its new name sorts. */
Test(commit, moves_a_folder_to_a_name_that_sorts_before_it, .init = setup, .fini = end)
{
	put(0, "g/h/x", "of some length");
	put(0, "g/y", "of another length");
	whiteout(1, "g");
	put(1, "c/h/x", "of some length");
	put(1, "c/y", "of another length");
	EXPECT("added c", "added c/h", "renamed c/h/x < g/h/x", "renamed c/y < g/y", "deleted g",
	       "deleted g/h");
	commit();
	cr_expect_eq(sums.held, 0, "%s", told_text);
	cr_expect(!is_there(0, "g"));
	expect_content("c/h/x", "of some length");
	EXPECT();
}

Test(commit, holds_a_conflict_until_it_is_named, .init = setup, .fini = end)
{
	put(0, "a", "theirs");
	put(1, "a", "ours");
	set_begin(LONG_AGO);
	commit();
	expect_content("a", "theirs");
	cr_expect_eq(sums.held, 1);
	EXPECT("modified a: conflict");
	name(&overwrite, "a");
	commit();
	expect_content("a", "ours");
	EXPECT();
}

Test(commit, knows_what_it_has_left_itself, .init = setup, .fini = end)
{
	put(0, "a", "1");
	put(1, "a", "2");
	put(1, "b", "b");
	set_begin(time(NULL) - 1);
	name(&overwrite, "a");
	name(&what, "a");
	commit();
	expect_content("a", "2");
	select_fini(&overwrite);
	put(1, "a", "3");
	commit();
	expect_content("a", "3");
	cr_expect_eq(sums.held, 0, "%s", told_text);
	cr_expect_eq(sums.left, 1);
}

Test(commit, strips_privilege_and_keeps_the_rest, .init = setup, .fini = end)
{
	put(1, "p", "p");
	attribute(1, "p", "user.note", "n");
	attribute(1, "p", "user.overlay.origin", "x");
	cr_assert_eq(chmod(at(tree_of(1), "p"), 06751), 0);
	commit();
	cr_expect_eq(look(0, "p").st_mode & 07777, 0751);
	char value[8];
	cr_expect_eq(getxattr(at("base", "p"), "user.note", value, sizeof(value)), 1);
	cr_expect_lt(getxattr(at("base", "p"), "user.overlay.origin", value, sizeof(value)), 0);
}

Test(commit, keeps_hard_links_and_holes, .init = setup, .fini = end)
{
	put(1, "one", "1");
	folder(1, "z");
	cr_assert_eq(link(at(tree_of(1), "one"), at(tree_of(1), "z/two")), 0);
	put(1, "sparse", "s");
	cr_assert_eq(truncate(at(tree_of(1), "sparse"), 64 << 20), 0);
	commit();
	cr_expect_eq(look(0, "one").st_ino, look(0, "z/two").st_ino);
	cr_expect_eq(look(0, "sparse").st_size, 64 << 20);
	cr_expect_lt(look(0, "sparse").st_blocks, 1024);
}

Test(commit, never_leaves_the_workspace_through_a_link, .init = setup, .fini = end)
{
	folder(0, "d");
	put(0, "d/f", "old");
	put(1, "d/f", "new");
	put(1, "d/g", "new");
	put(2, "f", "outside");
	cr_assert_eq(rename(at("base", "d"), at("base", "moved")), 0);
	link_to(0, "d", "../data/layers/2/u");
	commit();
	cr_expect(!is_there(2, "g"), "%s", told_text);
	cr_expect_eq(look(2, "f").st_size, 7);
}

Test(commit, holds_what_the_rules_protect_and_what_is_special, .init = setup, .fini = end)
{
	static const char text[] = "P\t**/.git/hooks\tp#/0\n";
	struct err err = {0};

	cr_assert_eq(rules_parse(text, &rules, &err), 0);
	put(1, ".git/hooks/post-commit", "x");
	put(1, "ok", "x");
	put(1, ".toolcell-k3f9abcd-7.tmp", "x");
	folder(1, "");
	cr_assert_eq(mkfifo(at(tree_of(1), "fifo"), 0600), 0);
	commit();
	expect_content("ok", "x");
	cr_expect(!is_there(0, ".git/hooks") && !is_there(0, "fifo") &&
		  !is_there(0, ".toolcell-k3f9abcd-7.tmp"));
	cr_expect_eq(sums.held, 4, "%s", told_text);
}

Test(commit, refuses_what_another_branch_shares, .init = setup, .fini = end)
{
	const struct commit c = {.source = &source,
				 .stack = &stack,
				 .session = "k3f9abcd",
				 .tell = tell};
	struct err err = {0};

	put(1, "a", "x");
	use_stack();
	stack.branches[1] = branch;
	cr_assert_eq(commit_run(&c, &what, &overwrite, &sums, &err), 0);
	cr_expect_str_eq(told_text, "held a: shared with session k3f9abcd.2: commit or drop that "
				    "first\n");
	expect_content("a", NULL);
}

Test(commit, of_one_path_keeps_deletions_in_an_opaque_folder, .init = setup, .fini = end)
{
	put(0, "d/gone", "old");
	put(0, "d/sub/x", "old");
	put(0, "d/kept", "old");
	opaque(1, "d");
	put(1, "d/kept", "new");
	folder(1, "d/sub");
	name(&what, "d/kept");
	commit();
	expect_content("d/kept", "new");
	expect_content("d/gone", "old");
	EXPECT("deleted d/gone", "deleted d/sub/x");
}

Test(commit, waits_for_an_interrupted_one, .init = setup, .fini = end)
{
	const struct commit c = {.source = &source, .stack = &stack, .session = "k3f9abcd"};
	struct err err = {0};
	int fd = open(at("data/branches/1", "journal"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	(void)close(fd);
	use_stack();
	cr_expect_eq(commit_run(&c, &what, &overwrite, &sums, &err), -EBUSY);
	cr_expect_eq(commit_resume(&c, &sums, &err), -EINVAL, "an empty journal is damaged");
	cr_assert_eq(unlink(at("data/branches/1", "journal")), 0);
	cr_expect_eq(commit_resume(&c, &sums, &err), -ENOENT);
}

Test(discard, brings_back_what_was_deleted_and_only_that, .init = setup, .fini = end)
{
	put(0, "d/a", "a");
	put(0, "d/b", "b");
	put(0, "gone", "g");
	opaque(1, "d");
	put(1, "d/new", "n");
	whiteout(1, "gone");
	discard("d/a");
	EXPECT("deleted d/b", "added d/new", "deleted gone");
	discard("gone");
	EXPECT("deleted d/b", "added d/new");
	discard(NULL);
	EXPECT();
	expect_content("d/b", "b");
	cr_expect(!is_there(1, "d"));
}

Test(discard, of_everything_leaves_shared_layers_alone, .init = setup, .fini = end)
{
	const struct discard d = {.source = &source, .stack = &stack, .session = "k3f9abcd"};
	struct discard_totals ret;
	struct err err = {0};

	put(1, "shared", "x");
	put(2, "own", "x");
	branch.n = 2;
	branch.layers[1] = 2;
	use_stack();
	stack.branches[1] = (struct stack_branch){.used = 1, .n = 1, .layers = {1}};
	cr_assert_eq(discard_run(&d, &what, &ret, &err), 0, "%s", err.text);
	cr_expect_eq(ret.left, 1);
	EXPECT("added shared");
}
