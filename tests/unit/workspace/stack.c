/* The layers of a session on disk, without any overlay. */
#include "workspace/stack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static char dir[] = "/tmp/toolcell-stack-XXXXXX";
static struct stat like;
static struct stack stack;
static struct err err;
static int data = -1;

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
	data = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(data, 0);
	like = (struct stat){.st_uid = geteuid(), .st_gid = getegid(), .st_mode = S_IFDIR | 0751};
	cr_assert_eq(stack_create(data, &like, &err), 0, "%s", err.text);
	cr_assert_eq(stack_read(data, &stack, &err), 0, "%s", err.text);
}

static void tear_down(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(stack, .init = set_up, .fini = tear_down);

static bool is_there(const char *name)
{
	struct stat st;

	return fstatat(data, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void expect_same_on_disk(void)
{
	struct stack read;

	cr_assert_eq(stack_read(data, &read, &err), 0, "%s", err.text);
	cr_assert_eq(memcmp(&read, &stack, sizeof(read)), 0);
}

Test(stack, a_new_session_has_one_branch_of_one_empty_layer)
{
	struct stat st;

	cr_assert_eq(stack.branches[0].n, 1);
	cr_assert_eq(stack.branches[0].layers[0], 1);
	cr_assert(is_there("layers/1/w"));
	cr_assert(is_there("branches/1/begin"));
	cr_assert(is_there("trash"));
	cr_assert_eq(fstatat(data, "layers/1/u", &st, 0), 0);
	cr_assert_eq(st.st_mode & 0777, 0751, "the topmost folder looks like the workspace");
	cr_assert_eq(fstatat(data, "layers/1", &st, 0), 0);
	cr_assert_eq(st.st_mode & 0777, 0700);
}

Test(stack, a_snapshot_freezes_and_a_rollback_buries)
{
	uint64_t generation = stack.generation;
	uint32_t snapshot = 0;
	int fd = openat(data, "layers/1/u/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)close(fd);
	cr_assert_eq(stack_snapshot(data, &stack, 1, &like, &snapshot, &err), 0, "%s", err.text);
	cr_assert_eq(snapshot, 1);
	cr_assert_eq(stack.branches[0].n, 2);
	cr_assert_gt(stack.generation, generation);
	expect_same_on_disk();
	cr_assert_eq(stack_rollback(data, &stack, 1, 1, &like, &err), 0, "%s", err.text);
	cr_assert_eq(stack.branches[0].n, 2);
	cr_assert_eq(stack.branches[0].layers[0], 1);
	cr_assert_eq(stack.branches[0].layers[1], 3);
	cr_assert(is_there("trash/2"));
	cr_assert_eq(stack_rollback(data, &stack, 1, 0, &like, &err), 0, "%s", err.text);
	cr_assert_eq(stack.branches[0].n, 1);
	cr_assert(is_there("trash/1/u/x"));
	expect_same_on_disk();
	cr_assert_eq(stack_rollback(data, &stack, 1, 1, &like, &err), -ENOENT);
	expect_same_on_disk();
}

Test(stack, branches_share_what_was_before_the_fork)
{
	uint32_t branch = 0;

	cr_assert_eq(stack_fork(data, &stack, 1, &like, &branch, &err), 0, "%s", err.text);
	cr_assert_eq(branch, 2);
	cr_assert_eq(stack.branches[0].n, 2);
	cr_assert_eq(stack.branches[1].n, 2);
	cr_assert_eq(stack.branches[1].layers[0], 1);
	cr_assert_neq(stack.branches[0].layers[1], stack.branches[1].layers[1]);
	cr_assert(stack_is_shared(&stack, 1, 1));
	cr_assert_not(stack_is_shared(&stack, 1, stack.branches[0].layers[1]));
	cr_assert(is_there("branches/2/begin"));
	expect_same_on_disk();
	cr_assert_eq(stack_rollback(data, &stack, 1, 0, &like, &err), 0, "%s", err.text);
	cr_assert_not(is_there("trash/1"), "the other branch still has it");
	cr_assert_eq(stack_drop(data, &stack, 2, &err), 0, "%s", err.text);
	cr_assert(is_there("trash/1"));
	cr_assert_not(is_there("branches/2"));
	cr_assert_eq(stack_drop(data, &stack, 2, &err), -ENOENT);
	cr_assert_eq(stack_drop(data, &stack, 1, &err), -EPERM);
	expect_same_on_disk();
}

Test(stack, a_fork_began_when_its_parent_did)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct stat st;
	uint32_t branch = 0;

	cr_assert_eq(utimensat(data, "branches/1/begin", old, 0), 0);
	cr_assert_eq(stack_fork(data, &stack, 1, &like, &branch, &err), 0, "%s", err.text);
	cr_assert_eq(fstatat(data, "branches/2/begin", &st, 0), 0);
	cr_assert_eq(st.st_mtim.tv_sec, 1000);
}

Test(stack, layers_and_branches_are_bounded)
{
	uint32_t n = 0;
	int r = 0;

	for (uint32_t i = 1; i < STACK_LAYERS_MAX && r == 0; i++)
		r = stack_snapshot(data, &stack, 1, &like, &n, &err);
	cr_assert_eq(r, 0, "%s", err.text);
	cr_assert_eq(stack_snapshot(data, &stack, 1, &like, &n, &err), -ENOSPC);
	cr_assert_eq(stack_fork(data, &stack, 1, &like, &n, &err), -ENOSPC);
	expect_same_on_disk();
	cr_assert_eq(stack_rollback(data, &stack, 1, 0, &like, &err), 0);
	for (uint32_t i = 1; i < STACK_BRANCHES_MAX && r == 0; i++)
		r = stack_fork(data, &stack, i, &like, &n, &err);
	cr_assert_eq(r, 0, "%s", err.text);
	cr_assert_eq(stack_fork(data, &stack, 1, &like, &n, &err), -ENOSPC);
	expect_same_on_disk();
}

static size_t layers_on_disk(void)
{
	size_t n = 0;

	for (uint32_t i = 1; i < 20; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "layers/%u", i);
		n += is_there(name);
	}
	return n;
}

Test(stack, a_change_that_fails_leaves_nothing_behind)
{
	uint32_t n = 0;

	cr_assert_eq(stack_snapshot(data, &stack, 1, &like, &n, &err), 0);
	cr_assert_eq(mkdirat(data, "stack.new", 0700), 0); /* in the way of the new list */
	cr_assert_lt(stack_snapshot(data, &stack, 1, &like, &n, &err), 0);
	cr_assert_lt(stack_rollback(data, &stack, 1, 0, &like, &err), 0);
	cr_assert_lt(stack_fork(data, &stack, 1, &like, &n, &err), 0);
	cr_assert_eq(layers_on_disk(), 2);
	cr_assert_not(is_there("branches/2"));
	expect_same_on_disk();
	cr_assert_eq(unlinkat(data, "stack.new", AT_REMOVEDIR), 0);
	cr_assert_eq(stack_fork(data, &stack, 1, &like, &n, &err), 0, "%s", err.text);
	expect_same_on_disk();
}

Test(stack, numbers_of_interrupted_changes_are_passed_over)
{
	uint32_t n = 0;

	cr_assert_eq(mkdirat(data, "layers/2", 0700), 0);
	cr_assert_eq(stack_snapshot(data, &stack, 1, &like, &n, &err), 0, "%s", err.text);
	cr_assert_eq(stack.branches[0].layers[1], 3);
}

static void damage(size_t offset, uint32_t value)
{
	int fd = openat(data, "stack", O_WRONLY | O_CLOEXEC);

	cr_assert_eq(pwrite(fd, &value, sizeof(value), (off_t)offset), (ssize_t)sizeof(value));
	(void)close(fd);
}

Test(stack, a_damaged_list_is_refused)
{
	static const struct {
		size_t offset;
		uint32_t value;
	} rows[] = {
		{0, 0},
		{offsetof(struct stack, version), 9},
		{offsetof(struct stack, next_layer), 0},
		{offsetof(struct stack, next_layer), UINT32_MAX},
		{offsetof(struct stack, branches[0].used), 2},
		{offsetof(struct stack, branches[0].used), 0},
		{offsetof(struct stack, branches[0].n), 0},
		{offsetof(struct stack, branches[0].n), STACK_LAYERS_MAX + 1},
		{offsetof(struct stack, branches[0].layers[0]), 0},
		{offsetof(struct stack, branches[0].layers[0]), 77},
		{offsetof(struct stack, branches[3].n), 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = openat(data, "stack", O_WRONLY | O_TRUNC | O_CLOEXEC);
		struct stack read = {.generation = 4711};

		cr_assert_eq(fd_write_full(fd, &stack, sizeof(stack)), 0);
		(void)close(fd);
		damage(rows[i].offset, rows[i].value);
		cr_assert_eq(stack_read(data, &read, &err), -EBADMSG, "row %zu", i);
		cr_assert_eq(read.generation, 4711, "untouched on failure");
	}
	cr_assert_eq(unlinkat(data, "stack", 0), 0);
	cr_assert_eq(symlinkat("/etc/passwd", data, "stack"), 0);
	cr_assert_lt(stack_read(data, &stack, &err), 0, "no link is followed");
}

Test(stack, the_gate_lets_many_in_or_one)
{
	int shared = -1;
	int more = -1;
	int alone = -1;

	cr_assert_eq(stack_gate(data, false, &shared, &err), 0);
	cr_assert_eq(stack_gate(data, false, &more, &err), 0);
	cr_assert_eq(stack_gate(data, true, &alone, &err), -EAGAIN);
	cr_assert_eq(alone, -1);
	(void)close(shared);
	(void)close(more);
	cr_assert_eq(stack_gate(data, true, &alone, &err), 0);
	cr_assert_eq(stack_gate(data, false, &shared, &err), -EAGAIN);
	(void)close(alone);
}

Test(stack, who_cannot_have_the_gate_alone_keeps_what_he_has)
{
	int mine = -1;
	int other = -1;
	int alone = -1;

	cr_assert_eq(stack_gate(data, false, &mine, &err), 0);
	cr_assert_eq(stack_gate(data, false, &other, &err), 0);
	cr_assert_eq(stack_gate_change(mine, true), -EAGAIN);
	(void)close(other);
	cr_assert_eq(stack_gate(data, true, &alone, &err), -EAGAIN);
	cr_assert_eq(stack_gate_change(mine, true), 0);
	cr_assert_eq(stack_gate(data, false, &other, &err), -EAGAIN);
	(void)close(mine);
}
