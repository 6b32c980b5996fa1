/*
 * Theory of operation: one case for each kind, each verdict, and each thing that a tool may try; then
 * layers over layers. changes_model.c holds random trees against an independent model.
 */
#include "changes_fixture.h"

TestSuite(changes, .init = setup, .fini = teardown);

static void use_rules(const char *text)
{
	struct err err = {0};

	cr_assert_eq(rules_parse(text, &rules, &err), 0, "%s", err.text);
}

Test(changes, an_empty_layer_changes_nothing)
{
	put(0, "src/a", "one");
	EXPECT();
	cr_expect(totals.complete);
	cr_expect_eq(totals.files, 0);
}

Test(changes, a_new_file_is_added_with_its_new_folders)
{
	folder(0, "old");
	put(1, "old/a", "one");
	put(1, "new/deep/b", "two");
	EXPECT("added new", "added new/deep", "added new/deep/b", "added old/a");
	cr_expect_eq(totals.kinds[CHANGE_ADDED], 4);
	cr_expect_eq(totals.files, 5);
	cr_expect_geq(totals.bytes, 2);
}

Test(changes, content_is_compared_when_the_size_is_the_same)
{
	put(0, "same", "one");
	put(0, "other", "one");
	put(0, "longer", "one");
	put(1, "same", "one");
	put(1, "other", "two");
	put(1, "longer", "three");
	EXPECT("modified longer", "modified other");
}

Test(changes, a_copy_with_other_times_is_no_change)
{
	struct timespec times[2] = {{5, 5}, {6, 6}};

	put(0, "a", "one");
	put(1, "a", "one");
	cr_assert_eq(utimensat(AT_FDCWD, at(tree_of(1), "a"), times, 0), 0);
	EXPECT();
}

Test(changes, mode_and_attributes_alone)
{
	put(0, "mode", "one");
	put(1, "mode", "one");
	cr_assert_eq(chmod(at(tree_of(1), "mode"), 0755), 0);
	put(0, "xattr", "one");
	put(1, "xattr", "one");
	attribute(1, "xattr", "user.mime", "text");
	put(0, "overlay", "one");
	put(1, "overlay", "one");
	attribute(1, "overlay", "user.overlay.origin", "x");
	put(0, "value", "one");
	attribute(0, "value", "user.mime", "text");
	put(1, "value", "one");
	attribute(1, "value", "user.mime", "html");
	put(0, "dir/a", "one");
	folder(1, "dir");
	cr_assert_eq(chmod(at(tree_of(1), "dir"), 0700), 0);
	EXPECT("mode dir", "mode mode", "mode value", "mode xattr");
}

Test(changes, whiteouts_delete_and_those_over_nothing_do_not)
{
	put(0, "a", "one");
	whiteout(1, "a");
	whiteout(1, "never");
	EXPECT("deleted a");
	cr_expect_eq(totals.files, 2);
}

Test(changes, a_deleted_folder_lists_what_it_held)
{
	put(0, "dir/a", "one");
	put(0, "dir/sub/b", "two");
	put(0, "kept", "x");
	whiteout(1, "dir");
	EXPECT("deleted dir", "deleted dir/a", "deleted dir/sub", "deleted dir/sub/b");
}

Test(changes, an_opaque_folder_deletes_what_it_does_not_hold)
{
	put(0, "dir/a", "one");
	put(0, "dir/same", "s");
	put(0, "dir/sub/b", "two");
	opaque(1, "dir");
	put(1, "dir/same", "s");
	put(1, "dir/new", "n");
	EXPECT("deleted dir/a", "added dir/new", "deleted dir/sub", "deleted dir/sub/b");
}

Test(changes, an_opaque_value_other_than_y_means_nothing)
{
	put(0, "dir/a", "one");
	put(1, "dir/b", "two");
	attribute(1, "dir", "user.overlay.opaque", "x");
	EXPECT("added dir/b");
	attribute(1, "dir", "user.overlay.opaque", "yes");
	EXPECT("added dir/b");
	attribute(1, "dir", "user.overlay.opaque", "y");
	EXPECT("deleted dir/a", "added dir/b");
}

Test(changes, types_change_both_ways)
{
	put(0, "dir/a", "one");
	put(0, "file", "one");
	put(1, "dir", "now a file");
	put(1, "file/b", "now a folder");
	EXPECT("type dir", "deleted dir/a", "type file", "added file/b");
}

Test(changes, links_are_compared_by_target)
{
	link_to(0, "same", "a");
	link_to(0, "other", "a");
	link_to(1, "same", "a");
	link_to(1, "other", "b");
	link_to(1, "loop", "loop");
	EXPECT("added loop", "symlink other");
}

Test(changes, a_renamed_file_is_one_change)
{
	put(0, "old", "the same content");
	put(0, "empty", "");
	whiteout(1, "old");
	whiteout(1, "empty");
	put(1, "dir/new", "the same content");
	put(1, "void", "");
	EXPECT("added dir", "renamed dir/new < old", "deleted empty", "added void");
	cr_expect_eq(totals.kinds[CHANGE_RENAMED], 1);
	cr_expect_eq(totals.kinds[CHANGE_DELETED], 1);
}

Test(changes, equal_size_and_time_with_other_content_is_no_rename)
{
	put(0, "old", "content 1");
	whiteout(1, "old");
	put(1, "new", "content 2");
	EXPECT("added new", "deleted old");
}

Test(changes, a_rename_of_something_protected_is_held)
{
	use_rules("P\t.vscode\tp#/0\n");
	put(0, ".vscode/tasks", "content");
	whiteout(1, ".vscode/tasks");
	put(1, "tasks", "content");
	EXPECT("renamed tasks < .vscode/tasks: protected");
	cr_expect_eq(totals.held, 1);
}

Test(changes, protected_paths_are_held_with_their_rule)
{
	use_rules("P\t**/.git/hooks\tp#/0\nF\t**/.git\tp#/1\n");
	put(1, "a/.git/hooks/x", "evil");
	put(1, "b/.GIT/Hooks/x", "evil");
	put(1, "c/.git", "gitdir: elsewhere");
	put(1, "d/.git/config", "fine");
	EXPECT("added a", "added a/.git", "added a/.git/hooks: protected",
	       "added a/.git/hooks/x: protected", "added b", "added b/.GIT",
	       "added b/.GIT/Hooks: protected", "added b/.GIT/Hooks/x: protected", "added c",
	       "added c/.git: protected", "added d", "added d/.git", "added d/.git/config");
	cr_expect_eq(totals.held, 5);
}

Test(changes, a_link_in_the_place_of_a_folder_of_a_protected_path_is_held)
{
	use_rules("P\t**/.cargo/config.toml\tp#/0\n");
	put(1, "x/config.toml", "evil");
	link_to(1, ".cargo", "x");
	link_to(1, "other", "x");
	EXPECT("added .cargo: protected", "added other", "added x", "added x/config.toml");
}

Test(changes, links_that_lead_out_are_held)
{
	use_rules("L\tinside\tp#/links\n");
	link_to(1, "up", "..");
	link_to(1, "d/root", "..");
	link_to(1, "d/up", "../..");
	link_to(1, "abs", "/etc/passwd");
	link_to(1, "own", "/home/me/project/a");
	link_to(1, "near", "/home/me/project2");
	link_to(1, "tricky", "/home/me/project/../x");
	link_to(1, "d/via", "a/../../x");
	EXPECT("added abs: link_out", "added d", "added d/root", "added d/up: link_out",
	       "added d/via: link_out", "added near: link_out", "added own",
	       "added tricky: link_out", "added up: link_out");
	rules.links_inside = false;
	walk();
	cr_expect_eq(totals.held, 0);
}

Test(changes, special_files_are_held_and_forged_devices_are_no_whiteouts)
{
	put(0, "a", "one");
	cr_assert_eq(mkfifo(at(tree_of(1), "fifo"), 0600), 0);
	cr_assert_eq(mkfifo(at(tree_of(1), "a"), 0600), 0);
	EXPECT("type a: special", "added fifo: special");
	if (mknod(at(tree_of(1), "null"), S_IFCHR | 0666, makedev(1, 3)) < 0)
		skip("devices need root");
	EXPECT("type a: special", "added fifo: special", "added null: special");
}

Test(changes, hard_links_within_the_layers_are_free_and_others_held)
{
	put(1, "a", "one");
	cr_assert_eq(link(at(tree_of(1), "a"), at(tree_of(1), "b")), 0);
	put(1, "c", "one");
	cr_assert_eq(link(at(tree_of(1), "c"), at("data", "outside")), 0);
	EXPECT("added a", "added b", "added c: hard_link");
}

Test(changes, a_hard_link_into_scratch_is_found_even_when_scratch_is_skipped)
{
	use_rules("S\ttarget\tp#/0\n");
	put(1, "a", "one");
	folder(1, "target/deep");
	cr_assert_eq(link(at(tree_of(1), "a"), at(tree_of(1), "target/deep/b")), 0);
	EXPECT("added a");
	source.skip_scratch = true;
	EXPECT("added a");
}

Test(changes, what_changed_beneath_is_a_conflict)
{
	put(0, "a", "one");
	put(0, "same", "s");
	put(0, "gone/a", "one");
	put(0, "dir/a", "x");
	put(1, "a", "two");
	put(1, "same", "s");
	put(1, "new", "n");
	folder(1, "dir");
	cr_assert_eq(chmod(at(tree_of(1), "dir"), 0700), 0);
	whiteout(1, "gone");
	set_begin(LONG_AGO);
	EXPECT("modified a: conflict", "mode dir", "deleted gone", "deleted gone/a: conflict",
	       "added new");
}

static bool knows_a(void *ctx, const char *path, const struct stat *now)
{
	(void)ctx;
	return strcmp(path, "a") == 0 && now && now->st_size == 3;
}

Test(changes, what_we_committed_ourselves_is_no_conflict)
{
	put(0, "a", "one");
	put(0, "b", "one");
	put(1, "a", "two");
	put(1, "b", "two");
	set_begin(LONG_AGO);
	source.is_known = knows_a;
	EXPECT("modified a", "modified b: conflict");
}

Test(changes, a_copy_whose_original_is_gone_is_a_conflict)
{
	put(1, "a", "edited");
	attribute(1, "a", "user.overlay.origin", "handle");
	put(1, "b", "new");
	EXPECT("added a", "added b");
	set_begin(LONG_AGO);
	EXPECT("added a: conflict", "added b");
}

Test(changes, scratch_is_counted_skipped_or_visited)
{
	use_rules("S\t**/target\tp#/0\n");
	put(0, "target/old", "o");
	whiteout(1, "target/old");
	put(1, "target/debug/x", "x");
	put(1, "src", "s");
	EXPECT("added src");
	cr_expect_eq(totals.scratch, 1);
	cr_expect_eq(totals.files, 5);
	source.skip_scratch = true;
	EXPECT("added src");
	cr_expect_eq(totals.scratch, 1);
	cr_expect_eq(totals.files, 2);
	source.scratch = true;
	EXPECT("added src", "added target/debug (scratch)", "added target/debug/x (scratch)",
	       "deleted target/old (scratch)");
	cr_expect_eq(totals.scratch, 3);
	cr_expect_eq(totals.kinds[CHANGE_ADDED], 1);
}

Test(changes, any_bytes_are_a_name)
{
	put(1, "a\nb", "x");
	put(1, "\xff\xfe\033[31m", "x");
	put(1, " ", "x");
	put(1, "...", "x");
	EXPECT("added  ", "added ...", "added a\nb", "added \xff\xfe\033[31m");
}

Test(changes, folders_deeper_than_the_limit_are_named_and_not_entered)
{
	int fd = open(at(tree_of(1), ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; i < CHANGES_DEPTH_MAX + 10; i++) {
		int below;

		cr_assert_eq(mkdirat(fd, "d", 0755), 0);
		below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd);
		fd = below;
	}
	(void)close(fd);
	walk();
	cr_expect(!totals.complete);
	cr_expect_eq(n_listed, CHANGES_DEPTH_MAX);
	cr_expect_not_null(strstr(listed[CHANGES_DEPTH_MAX - 1], ": name"));
	cr_expect_eq(totals.held, 1);
}

Test(changes, paths_longer_than_the_limit_are_held_and_never_shown)
{
	int fd = open(at(tree_of(1), ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[256] = {0};
	int half = -1;

	memset(name, 'n', 255);
	for (unsigned i = 0; i < 20; i++) {
		int below;

		cr_assert_eq(mkdirat(fd, name, 0755), 0);
		below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (i == 8)
			half = fcntl(below, F_DUPFD_CLOEXEC, 3);
		(void)close(fd);
		fd = below;
	}
	(void)close(fd);
	walk();
	cr_expect(!totals.complete);
	cr_expect_eq(n_listed, 16);
	cr_expect_eq(totals.held, 1);
	/* So that it can be removed by its name. */
	cr_assert_eq(renameat(half, name, AT_FDCWD, at(tree_of(1), "rest")), 0);
	(void)close(half);
}

Test(changes, a_folder_that_cannot_be_read_makes_the_list_incomplete)
{
	if (geteuid() == 0)
		skip("root reads everything");
	put(1, "dir/a", "x");
	cr_assert_eq(chmod(at(tree_of(1), "dir"), 0), 0);
	walk();
	cr_expect(!totals.complete);
	cr_expect_str_eq(listed[0], "added dir");
	cr_assert_eq(chmod(at(tree_of(1), "dir"), 0755), 0);
}

Test(changes, a_deadline_ends_the_walk)
{
	for (unsigned i = 0; i < 200; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "f%u", i);
		put(1, name, "x");
	}
	source.deadline_ns = 1;
	walk();
	cr_expect(!totals.complete);
	cr_expect_lt(n_listed, 200);
}

static int stop_at_once(void *ctx, const struct change *change)
{
	(void)change;
	++*(unsigned *)ctx;
	return -ECANCELED;
}

Test(changes, a_visitor_stops_the_walk)
{
	struct changes_totals untouched = {.held = 77};
	struct err err = {0};
	unsigned calls = 0;

	put(1, "a", "x");
	put(1, "b", "x");
	cr_expect_eq(changes_walk(&source, stop_at_once, &calls, &untouched, &err), -ECANCELED);
	cr_expect_eq(calls, 1);
	cr_expect_eq(untouched.held, 77);
}

Test(changes, a_layer_or_begin_that_is_missing_is_an_error)
{
	struct err err = {0};

	branch.layers[0] = 9;
	cr_expect_eq(changes_walk(&source, NULL, NULL, &totals, &err), -ENOENT);
	cr_expect_not_null(strstr(err.text, "layer 9"), "%s", err.text);
	cr_expect_eq(changes_count(&source, &totals, &err), -ENOENT);
	branch.layers[0] = 1;
	source.branch_number = 2;
	cr_expect_eq(changes_walk(&source, NULL, NULL, &totals, &err), -ENOENT);
	cr_expect_not_null(strstr(err.text, "branch 2"), "%s", err.text);
	branch.n = 0;
	cr_expect_eq(changes_count(&source, &totals, &err), -EINVAL);
}

Test(changes, a_layer_that_was_made_a_link_is_refused)
{
	struct err err = {0};

	cr_assert_eq(rename(at("data/layers", "1"), at("data/layers", "2")), 0);
	cr_assert_eq(symlink("2", at("data/layers", "1")), 0);
	cr_expect_lt(changes_walk(&source, NULL, NULL, &totals, &err), 0);
}

Test(changes, counting_takes_scratch_and_each_inode_once)
{
	use_rules("S\ttarget\tp#/0\n");
	put(1, "target/a", "some");
	cr_assert_eq(link(at(tree_of(1), "target/a"), at(tree_of(1), "b")), 0);
	struct err err = {0};
	struct stat st, dir;

	cr_assert_eq(stat(at(tree_of(1), "b"), &st), 0);
	cr_assert_eq(stat(at(tree_of(1), "target"), &dir), 0);
	cr_assert_eq(changes_count(&source, &totals, &err), 0, "%s", err.text);
	cr_expect_eq(totals.files, 3);
	cr_expect_eq(totals.bytes, (uint64_t)(st.st_blocks + dir.st_blocks) * 512);
	cr_expect_eq(totals.scratch, 0);
}

static struct change seen_change;
static char seen_path[64], seen_from[64];

static int keep_change(void *ctx, const struct change *c)
{
	(void)ctx;
	seen_change = *c;
	(void)snprintf(seen_path, sizeof(seen_path), "%s", c->path);
	(void)snprintf(seen_from, sizeof(seen_from), "%s", c->from ? c->from : "");
	seen_change.path = seen_path;
	seen_change.from = c->from ? seen_from : NULL;
	return 0;
}

Test(changes, both_versions_can_be_read_and_nothing_in_their_place)
{
	struct err err = {0};
	char text[8] = {0};
	int fd = -1;

	put(0, "d/a", "old");
	put(1, "d/a", "newer");
	cr_assert_eq(changes_walk(&source, keep_change, NULL, &totals, &err), 0);
	cr_assert_eq(changes_open_old(&source, &seen_change, &fd), 0);
	cr_expect_eq(read(fd, text, sizeof(text)), 3);
	(void)close(fd);
	cr_assert_eq(changes_open_new(&source, &seen_change, &fd), 0);
	cr_expect_eq(read(fd, text, sizeof(text)), 5);
	(void)close(fd);
	fd = 77;
	cr_assert_eq(rename(at(tree_of(1), "d/a"), at(tree_of(1), "b")), 0);
	link_to(1, "d/a", "../b");
	cr_expect_eq(changes_open_new(&source, &seen_change, &fd), -ELOOP);
	cr_assert_eq(rename(at(tree_of(1), "d"), at(tree_of(1), "e")), 0);
	cr_assert_eq(rename(at(tree_of(1), "b"), at(tree_of(1), "e/a")), 0);
	link_to(1, "d", "e");
	cr_expect_eq(changes_open_new(&source, &seen_change, &fd), -ENOTDIR);
	cr_expect_eq(fd, 77);
}

Test(changes, paths_that_are_not_clean_are_not_opened)
{
	static const char *const bad[] = {"", "/", "/etc", "..", "a/..", "a//b", "a/", "./a", "."};
	int fd = 77;

	folder(0, "a");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_eq(changes_open_beneath(source.base, bad[i], O_RDONLY, &fd), -EINVAL,
			     "%s", bad[i]);
	cr_expect_eq(fd, 77);
}
