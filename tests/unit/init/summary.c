/*
 * Theory of operation: as init does it, in a child with init's descriptors and under its filter; the
 * parent decodes what is in the memfd then.
 */
#include "init/summary.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "../workspace/changes_fixture.h"
#include "wire/changes.h"

static int memfd = -1;
static struct init_config config;
static unsigned char *data;
static const struct changes_header *header;

static void write_stack(void)
{
	struct stack stack = {.magic = STACK_MAGIC, .version = STACK_VERSION, .next_layer = 9};
	int fd = open(at("data", "stack"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	stack.branches[0] = branch;
	cr_assert_eq(write(fd, &stack, sizeof(stack)), (ssize_t)sizeof(stack));
	(void)close(fd);
}

static void setup_summary(void)
{
	setup();
	write_stack();
	memfd = memfd_create("summary", MFD_CLOEXEC);
	cr_assert_eq(ftruncate(memfd, CHANGES_BYTES_MAX), 0);
	config = (struct init_config){.summary = INIT_SUMMARY_LAYERS, .branch = 1};
	(void)snprintf(config.workspace, sizeof(config.workspace), "%s", at("base", ""));
}

static void teardown_summary(void)
{
	free(data);
	teardown();
}

TestSuite(summary, .init = setup_summary, .fini = teardown_summary);

/* @tool: what happens between begin and end */
static void run(const char *text, void (*tool)(void), bool over)
{
	struct err err = {0};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		static struct summary s;
		int base = fcntl(source.base, F_DUPFD_CLOEXEC, 20);
		int folder_fd = fcntl(source.data, F_DUPFD_CLOEXEC, 20);
		int memory = fcntl(memfd, F_DUPFD_CLOEXEC, 20);

		if (dup3(memory, INIT_FD_SUMMARY, O_CLOEXEC) < 0 ||
		    dup3(base, INIT_FD_BASE, O_CLOEXEC) < 0 ||
		    dup3(folder_fd, INIT_FD_DATA, O_CLOEXEC) < 0 ||
		    summary_begin(&s, &config, text) < 0)
			_exit(2);
		tool();
#ifndef TOOLCELL_SANITIZED
		summary_confine();
#endif
		summary_write(&s, &(struct quota){.held = {.files = 12345}, .over = over});
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
	data = aligned_alloc(8, CHANGES_BYTES_MAX);
	cr_assert_eq(pread(memfd, data, CHANGES_BYTES_MAX, 0), (ssize_t)CHANGES_BYTES_MAX);
	cr_assert_eq(changes_decode(data, CHANGES_BYTES_MAX, &header, &err), 0, "%s", err.text);
}

static void pause_a_tick(void)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
}

static void tool_that_edits(void)
{
	put(1, "src/new", "text");
	whiteout(1, "gone");
	put(1, ".vscode/tasks.json", "{}");
	put(1, "target/debug/x", "x");
	(void)close(open(at(tree_of(1), "binary"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	cr_assert_eq(truncate(at(tree_of(1), "binary"), 100), 0);
}

Test(summary, what_the_call_did_comes_first_and_is_marked)
{
	static const struct {
		const char *path;
		uint32_t kind;
		uint32_t verdict;
		uint32_t flags;
	} want[] = {
		{".vscode", CHANGE_ADDED, CHANGE_PROTECTED, CHANGES_BY_CALL | CHANGES_HAS_NEW},
		{".vscode/tasks.json", CHANGE_ADDED, CHANGE_PROTECTED,
		 CHANGES_BY_CALL | CHANGES_HAS_NEW},
		{"binary", CHANGE_ADDED, CHANGE_FREE,
		 CHANGES_BY_CALL | CHANGES_HAS_NEW | CHANGES_BINARY},
		{"gone", CHANGE_DELETED, CHANGE_FREE, CHANGES_BY_CALL | CHANGES_HAS_OLD},
		{"src", CHANGE_ADDED, CHANGE_FREE, CHANGES_BY_CALL | CHANGES_HAS_NEW},
		{"src/new", CHANGE_ADDED, CHANGE_FREE, CHANGES_BY_CALL | CHANGES_HAS_NEW},
		{"a", CHANGE_ADDED, CHANGE_FREE, CHANGES_HAS_NEW},
	};
	struct changes_entry entry;
	size_t offset = 0;

	put(0, "gone", "x");
	put(1, "a", "before");
	pause_a_tick();
	run("P\t.vscode\tpolicy#/protect/0\nS\ttarget\tp\n", tool_that_edits, false);
	cr_expect_eq(header->flags, CHANGES_COMPLETE);
	cr_expect_eq(header->kinds[CHANGE_ADDED], 6);
	cr_expect_eq(header->kinds[CHANGE_DELETED], 1);
	cr_expect_eq(header->scratch, 1);
	cr_expect_eq(header->layer_files, 12345);
	cr_expect_eq(header->held, 2);
	cr_assert_eq(header->n, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		cr_assert_eq(changes_next(header, &offset, &entry), 1);
		cr_expect_str_eq(entry.path, want[i].path);
		cr_expect_eq(entry.record.kind, want[i].kind, "%s", want[i].path);
		cr_expect_eq(entry.record.verdict, want[i].verdict, "%s", want[i].path);
		cr_expect_eq(entry.record.flags, want[i].flags, "%s: %#x", want[i].path,
			     entry.record.flags);
		cr_expect_str_eq(entry.pointer, want[i].verdict ? "policy#/protect/0" : "");
	}
}

static void tool_that_floods(void)
{
	for (unsigned i = 0; i < 2 * CHANGES_LIST_MAX; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "z%u", i);
		put(1, name, "x");
	}
}

Test(summary, the_list_is_cut_and_the_totals_are_not)
{
	put(1, "a", "before");
	pause_a_tick();
	run(NULL, tool_that_floods, true);
	cr_expect_eq(header->n, CHANGES_LIST_MAX);
	cr_expect_eq(header->flags, CHANGES_COMPLETE | CHANGES_LIST_CUT | CHANGES_OVER_QUOTA);
	cr_expect_eq(header->kinds[CHANGE_ADDED], 2 * CHANGES_LIST_MAX + 1);
}

static void tool_that_ruins(void)
{
	cr_assert_eq(rename(at("data/layers", "1"), at("data/layers", "2")), 0);
}

Test(summary, a_walk_that_fails_is_not_complete)
{
	run(NULL, tool_that_ruins, false);
	cr_expect_eq(header->flags, 0);
	cr_expect_eq(header->n, 0);
}

static void tool_that_protects_itself(void)
{
	put(0, ".mcp.json", "{}");
}

Test(summary, in_direct_mode_what_came_is_moved_aside)
{
	struct changes_entry entry;
	size_t offset = 0;

	config.summary = INIT_SUMMARY_DIRECT;
	run("P\t.mcp.json\tp#/0\n", tool_that_protects_itself, false);
	cr_assert_eq(changes_next(header, &offset, &entry), 1);
	cr_expect_str_eq(entry.path, ".mcp.json");
	cr_expect_str_eq(entry.from, ".mcp.json.refused-by-toolcell");
	cr_expect_str_eq(entry.pointer, "p#/0");
	cr_expect_eq(header->n, 1);
}

Test(summary, bad_rules_stacks_and_branches_are_refused)
{
	static struct summary s;

	config.summary = INIT_SUMMARY_DIRECT;
	cr_expect_eq(summary_begin(&s, &config, "X\n"), -EINVAL);
	(void)snprintf(config.workspace, sizeof(config.workspace), "%s", at("base", "none"));
	cr_expect_eq(summary_begin(&s, &config, NULL), -ENOENT);
	config.summary = INIT_SUMMARY_NONE;
	cr_expect_eq(summary_begin(&s, &config, "X\n"), 0);
}
