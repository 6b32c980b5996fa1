/* Sessions: the real launcher's overlays, as root and as an ordinary user. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/cgroup.h"
#include "harness.h"
#include "workspace/stack.h"

static struct harness h;
static struct harness_result r;

static void begin(const struct harness_options *options)
{
	harness_start(&h, options);
}

static void start(void)
{
	begin(&(struct harness_options){.flags = IMAGE_CELL_OVERLAY});
}

static void stop(void)
{
	harness_stop(&h);
}

TestSuite(session, .timeout = 60);

static void put(const char *name, const char *text)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", h.workspace, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fd_write_full(fd, text, strlen(text)), 0);
	(void)close(fd);
}

static void make_folder(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", h.workspace, name);
	cr_assert_eq(mkdir(path, 0755), 0);
}

static bool exists(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", h.workspace, name);
	return access(path, F_OK) == 0;
}

static void run_in(uint32_t cell, uint32_t branch, const char *script)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	struct frame_call frame = {.cell = cell, .branch = branch};

	harness_call(&h, &frame, argv, &r);
}

static void expect_in(uint32_t cell, uint32_t branch, const char *script, const char *output)
{
	run_in(cell, branch, script);
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_EXIT, "%s: %s%s", script, r.ended.error, r.out);
	cr_assert_str_eq(r.out, output, "%s", script);
}

static struct frame_session_done operate(uint32_t op, uint32_t branch, uint32_t arg)
{
	struct frame_session frame = {{FRAME_SESSION, sizeof(frame), 77}, op, branch, arg, 0};
	struct frame_session_done done;

	cr_assert_eq(fd_send(h.sock, &frame, sizeof(frame), NULL, 0), 0);
	cr_assert_eq(recv(h.sock, &done, sizeof(done), 0), (ssize_t)sizeof(done));
	cr_assert_eq(done.head.type, FRAME_SESSION_DONE);
	cr_assert_eq(done.head.call, 77);
	return done;
}

Test(session, writes_stay_in_the_session, .init = start, .fini = stop)
{
	cr_assert_eq(h.ready.session, FRAME_WORKSPACE_OVERLAY, "%s", h.ready.session_why);
	cr_assert_eq(h.ready.branches, 1);
	put("old", "old\n");
	expect_in(0, 1,
		  "cat old; echo new >new; echo more >>old; mkdir d && echo x >d/x; rm -f gone",
		  "old\n");
	cr_assert_eq(r.ended.workspace, FRAME_WORKSPACE_OVERLAY);
	expect_in(0, 1, "cat old new d/x; ls", "old\nmore\nnew\nx\nd\nnew\nold\n");
	cr_assert_not(exists("new"));
	cr_assert_not(exists("d"));
}

Test(session, programs_in_it_can_be_executed, .init = start, .fini = stop)
{
	expect_in(0, 1, "cp /usr/bin/true t && ./t && echo ran", "ran\n");
	expect_in(0, 1, "./t && echo again; rm t; mkdir t && echo folder", "again\nfolder\n");
}

Test(session, concurrent_and_later_calls_see_one_state, .init = start, .fini = stop)
{
	put("f", "0\n");
	for (int i = 1; i <= 5; i++) {
		char script[64];
		char output[64];

		(void)snprintf(script, sizeof(script), "cat f; echo %d >f; sync f", i);
		(void)snprintf(output, sizeof(output), "%d\n", i - 1);
		expect_in(0, 1, script, output);
	}
}

Test(session, a_snapshot_can_be_gone_back_to, .init = start, .fini = stop)
{
	struct frame_session_done done;

	expect_in(0, 1, "echo one >f", "");
	done = operate(FRAME_SESSION_SNAPSHOT, 1, 0);
	cr_assert_eq(done.num, 0, "%s", done.error);
	cr_assert_eq(done.snapshot, 1);
	expect_in(0, 1, "cat f; echo two >f; echo g >g", "one\n");
	expect_in(0, 1, "cat f g", "two\ng\n");
	done = operate(FRAME_SESSION_ROLLBACK, 1, 1);
	cr_assert_eq(done.num, 0, "%s", done.error);
	expect_in(0, 1, "cat f; ls", "one\nf\n");
	done = operate(FRAME_SESSION_ROLLBACK, 1, 0);
	cr_assert_eq(done.num, 0, "%s", done.error);
	expect_in(0, 1, "ls", "");
	cr_assert_eq(operate(FRAME_SESSION_ROLLBACK, 1, 7).num, ENOENT);
}

Test(session, a_fork_goes_its_own_way, .init = start, .fini = stop)
{
	struct frame_session_done done;

	expect_in(0, 1, "echo one >f", "");
	done = operate(FRAME_SESSION_FORK, 1, 0);
	cr_assert_eq(done.num, 0, "%s", done.error);
	cr_assert_eq(done.branch, 2);
	cr_assert_eq(done.branches, 3);
	expect_in(0, 1, "echo a >>f", "");
	expect_in(0, 2, "echo b >>f", "");
	expect_in(0, 1, "cat f", "one\na\n");
	expect_in(0, 2, "cat f", "one\nb\n");
	cr_assert_eq(operate(FRAME_SESSION_DROP, 2, 0).num, 0);
	run_in(0, 2, "cat f");
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_LAUNCHER_ERROR);
	cr_assert_eq(operate(FRAME_SESSION_DROP, 1, 0).num, EPERM);
	expect_in(0, 1, "cat f", "one\na\n");
}

Test(session, layers_and_workspace_are_shown_to_the_cell_that_changes_them, .init = start,
     .fini = stop)
{
	put("f", "f\n");
	expect_in(0, 1, "echo new >n; rm f", "");
	expect_in(1, 1, "cd /data/layers/1/u && ls && cat n && test -c f && cat /base/f",
		  "f\nn\nnew\nf\n");
	expect_in(1, 1,
		  "mv /data/layers/1/u/n /data/n && cp /data/n /base/n && rm /data/n && id -u",
		  "1000\n");
	cr_assert(exists("n"));
	expect_in(0, 1, "cat n; ls", "new\nn\n");
}

Test(session, the_files_of_the_person_keep_their_owner, .init = start, .fini = stop)
{
	struct stat workspace;
	struct stat st;
	char path[256];

	expect_in(0, 1, "echo new >n; stat -c %u n", "1000\n");
	cr_assert_eq(stat(h.workspace, &workspace), 0);
	(void)snprintf(path, sizeof(path), "%s/layers/1/u/n", h.data);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_uid, workspace.st_uid);
}

Test(session, markers_of_layers_cannot_be_forged_through_it, .init = start, .fini = stop)
{
	run_in(0, 1, "mknod w c 0 0");
	cr_assert_neq(r.ended.exit_code, 0);
	expect_in(
		0, 1,
		"mkdir d; python3 -c \"import os; os.setxattr('d', 'user.overlay.opaque', b'y')\" "
		"2>/dev/null; true",
		"");
	expect_in(1, 1,
		  "python3 -c \"import os; print('user.overlay.opaque' in "
		  "os.listxattr('/data/layers/1/u/d'))\"",
		  "False\n");
}

Test(session, a_call_without_a_branch_is_refused, .init = start, .fini = stop)
{
	run_in(0, 0, "true");
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_LAUNCHER_ERROR);
	run_in(0, 9, "true");
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_LAUNCHER_ERROR);
}

/* Hold the gate as a person's command does, change layers, and let go: in a child, while a call waits. */
static pid_t change_layers_beside(unsigned int hold_us)
{
	CLEANUP(fd_closep) int data = open(h.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(fd_closep) int gate = -1;
	uint32_t snapshot = 0;
	struct stack stack;
	struct stat st;
	pid_t pid;

	/* The news of a call's end comes before its mounts are gone. */
	for (int i = 0; i < 1000 && stack_gate(data, true, &gate, NULL) < 0; i++)
		(void)usleep(1000);
	cr_assert_geq(gate, 0);
	pid = fork();
	if (pid != 0)
		return pid;
	(void)usleep(hold_us);
	if (stack_read(data, &stack, NULL) < 0 || stat(h.workspace, &st) < 0 ||
	    stack_snapshot(data, &stack, 1, &st, &snapshot, NULL) < 0 ||
	    stack_rollback(data, &stack, 1, 0, &st, NULL) < 0)
		_exit(1);
	_exit(0); /* and with it goes the lock */
}

Test(session, a_call_waits_while_another_process_changes_layers, .init = start, .fini = stop)
{
	int status;
	pid_t pid;

	expect_in(0, 1, "echo one >f", "");
	pid = change_layers_beside(300000);
	expect_in(0, 1, "ls; echo two >f", "");
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	expect_in(0, 1, "cat f", "two\n");
}

Test(session, a_damaged_list_of_layers_is_our_error_and_holds_no_gate, .init = start, .fini = stop)
{
	CLEANUP(fd_closep) int data = open(h.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(fd_closep) int stack = openat(data, "stack", O_WRONLY | O_CLOEXEC);
	CLEANUP(fd_closep) int gate = -1;

	expect_in(0, 1, "true", "");
	for (int i = 0; i < 1000 && stack_gate(data, true, &gate, NULL) < 0; i++)
		(void)usleep(1000);
	cr_assert_geq(gate, 0);
	cr_assert_eq(pwrite(stack, "x", 1, 0), 1);
	fd_closep(&gate);
	run_in(0, 1, "true");
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_LAUNCHER_ERROR);
	cr_assert_eq(stack_gate(data, true, &gate, NULL), 0, "the engine keeps the gate");
}

Test(session, a_call_that_waits_ends_at_its_limit_of_time, .init = start, .fini = stop)
{
	const char *const argv[] = {"/bin/sh", "-c", "echo ran", NULL};
	struct frame_call frame = {.cell = 0, .branch = 1, .wall_ms = 200};
	pid_t pid;

	expect_in(0, 1, "true", "");
	pid = change_layers_beside(1500000);
	harness_call(&h, &frame, argv, &r);
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_WALL_LIMIT);
	cr_assert_str_eq(r.out, "");
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

Test(session, goes_on_after_the_launcher_has_died)
{
	struct cgroup_root root;
	struct err why = {0};

	start();
	expect_in(0, 1, "echo kept >f", "");
	cr_assert_eq(kill(h.launcher, SIGKILL), 0);
	(void)close(h.sock);
	(void)close(h.alive);
	cr_assert_eq(waitpid(h.launcher, NULL, 0), h.launcher);
	cgroup_root_open(&root, getpid(), &why); /* as the supervisor does */
	cgroup_sweep(&root);
	cgroup_root_close(&root);
	start();
	expect_in(0, 1, "cat f", "kept\n");
	stop();
}

Test(session, without_a_place_on_disk_a_policy_may_want_memory)
{
	begin(&(struct harness_options){.flags = IMAGE_CELL_OVERLAY,
					.fallback = IMAGE_FALLBACK_MEMORY,
					.why = "the disk is full"});
	if (h.ready.session != FRAME_WORKSPACE_OVERLAY_MEMORY) {
		cr_log_warn("no overlay in memory here: %s", h.ready.session_why);
		stop();
		cr_skip_test("no overlay in memory on this kernel");
	}
	cr_assert_str_eq(h.ready.session_why, "the disk is full");
	expect_in(0, 1, "echo one >f; cat f", "one\n");
	cr_assert_eq(r.ended.workspace, FRAME_WORKSPACE_OVERLAY_MEMORY);
	expect_in(0, 1, "cat f", "one\n");
	expect_in(1, 1, "cat /data/layers/1/u/f; cp /data/layers/1/u/f /base/f", "one\n");
	cr_assert(exists("f"));
	stop();
}

Test(session, without_a_session_nothing_becomes_direct_by_itself)
{
	begin(&(struct harness_options){.flags = IMAGE_CELL_OVERLAY, .why = "the disk is full"});
	cr_assert_eq(h.ready.session, FRAME_WORKSPACE_NONE);
	run_in(0, 1, "echo x >f");
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_POLICY);
	cr_assert_not_null(strstr(r.ended.error, "the disk is full"), "%s", r.ended.error);
	cr_assert_not(exists("f"));
	stop();
}

Test(session, fallbacks_are_what_the_policy_says)
{
	begin(&(struct harness_options){.flags = IMAGE_CELL_OVERLAY,
					.fallback = IMAGE_FALLBACK_READONLY,
					.why = "no"});
	run_in(0, 0, "echo x >f");
	cr_assert_eq(r.ended.workspace, FRAME_WORKSPACE_READONLY);
	cr_assert_not(exists("f"));
	stop();
	begin(&(struct harness_options){.flags = IMAGE_CELL_OVERLAY,
					.fallback = IMAGE_FALLBACK_DIRECT,
					.why = "no"});
	run_in(0, 0, "echo x >f");
	cr_assert_eq(r.ended.workspace, FRAME_WORKSPACE_DIRECT);
	cr_assert(exists("f"));
	stop();
}

Test(session, a_folder_that_was_exchanged_is_no_session)
{
	begin(&(struct harness_options){.flags = IMAGE_CELL_OVERLAY, .maintenance = 1});
	run_in(0, 1, "true");
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_POLICY, "%s", r.ended.error);
	expect_in(1, 1, "ls /data/layers", "1\n");
	stop();
}

Test(session, protected_paths_of_a_direct_workspace_are_read_only)
{
	begin(&(struct harness_options){.rules = "P\t.git/hooks\tp#/0\nF\tlink\tp#/1\n"
						 "P\t.mcp.json\tp#/2\n"});
	make_folder(".git");
	make_folder(".git/hooks");
	make_folder("link");
	put(".git/hooks/a", "a\n");
	put(".mcp.json", "j\n");
	run_in(0, 0, "echo evil >.git/hooks/a");
	cr_assert_neq(r.ended.exit_code, 0);
	run_in(0, 0, "echo evil >.git/hooks/new");
	cr_assert_neq(r.ended.exit_code, 0);
	run_in(0, 0, "rm -f .mcp.json || mv .mcp.json x || echo evil >.mcp.json");
	cr_assert_neq(r.ended.exit_code, 0);
	expect_in(0, 0, "echo fine >link/f; echo fine >.git/HEAD; cat .git/hooks/a", "a\n");
	stop();
}

Test(session, protected_paths_that_are_made_do_not_stay_whoever_reads_the_summary)
{
	begin(&(struct harness_options){.rules = "P\t.git/hooks\tp#/0\nP\t.mcp.json\tp#/2\n"});
	expect_in(0, 0, "mkdir -p .git/hooks; echo a >.git/hooks/a; echo j >.mcp.json", "");
	cr_assert_not(exists(".git/hooks"));
	cr_assert_not(exists(".mcp.json"));
	cr_assert(exists(".mcp.json.refused-by-toolcell"));
	stop();
}
