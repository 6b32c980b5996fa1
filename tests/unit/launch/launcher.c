/* Theory of operation: the real launcher and init, one cell each; see harness.h. */
#include "harness.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

static struct harness h;
static struct harness_result r;

static void start(void)
{
	harness_start(&h, NULL);
}

static void stop(void)
{
	harness_stop(&h);
}

TestSuite(launcher, .init = start, .fini = stop, .timeout = 60);

static void expect(const char *script, const char *output)
{
	harness_run(&h, script, &r);
	cr_assert_str_eq(r.out, output, "%s: cause %u, exit %d: %s / %s", script, r.ended.cause,
			 r.ended.exit_code, r.ended.error, r.out);
}

Test(launcher, runs_a_command_and_reports_its_end)
{
	expect("echo hello", "hello\n");
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_EXIT);
	cr_assert_eq(r.ended.exit_code, 0);
	cr_assert_gt(r.ended.usage.wall_us, 0);
	harness_run(&h, "exit 42", &r);
	cr_assert_eq(r.ended.exit_code, 42);
	harness_run(&h, "kill -TERM $$", &r);
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_SIGNAL);
	cr_assert_eq(r.ended.signal, SIGTERM);
}

Test(launcher, gives_the_tool_no_privilege)
{
	expect("id -u; grep -E 'Cap(Eff|Prm|Inh|Bnd|Amb)|NoNewPrivs|Seccomp:|Groups' "
	       "/proc/self/status"
	       " | tr -d '\\t '",
	       "1000\nGroups:\nCapInh:0000000000000000\nCapPrm:0000000000000000\n"
	       "CapEff:0000000000000000\nCapBnd:0000000000000000\nCapAmb:0000000000000000\n"
	       "NoNewPrivs:1\nSeccomp:2\n");
}

Test(launcher, shows_the_tool_only_its_own_processes)
{
	expect("set -- /proc/[0-9]*; echo $#", "1\n"); /* the shell; PID 1 is hidden */
	expect("cat /proc/1/environ; echo $?",
	       "cat: /proc/1/environ: No such file or directory\n1\n");
	/* Landlock's scope (ABI 6) refuses; without it the signals do nothing to a PID 1. */
	expect("kill -9 1 2>/dev/null; kill -STOP 1 2>/dev/null; echo alive", "alive\n");
}

Test(launcher, builds_the_root_that_the_image_says)
{
	expect("ls /", "bin\ndev\netc\nhome\nlib\nlib64\nproc\ntmp\nusr\n");
	expect("cat /etc/passwd", "root:x:0:0::/:/bin/sh\n");
	expect("touch /x /usr/x /etc/x 2>&1 | grep -c Read-only", "3\n");
	expect("ls /sys /run /absent 2>&1 | grep -c 'No such file'", "3\n");
	expect("echo x > /dev/null && head -c 3 /dev/zero | wc -c", "3\n");
	expect("hostname", "cell\n");
}

Test(launcher, makes_late_what_lies_below_a_mount_of_the_cell)
{
	expect("cat /home/me/.config; test -d /home/me/share/doc && echo bound", "late\nbound\n");
	expect("echo x > /home/me/.config; echo x > /home/me/share/x; echo y > /home/me/own && cat "
	       "/home/me/own",
	       "/bin/sh: 1: cannot create /home/me/.config: Read-only file system\n"
	       "/bin/sh: 1: cannot create /home/me/share/x: Read-only file system\ny\n");
}

Test(launcher, overlays_a_host_folder_with_writes_of_the_cell)
{
	char path[128];

	expect("cd /home/me/over && cat kept && echo cells-own > kept && cat kept && mkdir new && "
	       "rm removed && ls",
	       "host\ncells-own\nkept\nnew\n");
	expect("cd /home/me/over && cat kept removed", "host\nhost\n");
	(void)snprintf(path, sizeof(path), "%s/removed", h.lower);
	cr_assert_eq(access(path, F_OK), 0, "the host's folder was changed");
}

Test(launcher, lets_the_workspace_owner_keep_the_files)
{
	char path[128];
	struct stat st;

	expect("echo text > file && stat -c %u:%g file", "1000:1000\n");
	(void)snprintf(path, sizeof(path), "%s/file", h.workspace);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_uid, getuid());
	cr_assert_eq(st.st_gid, getgid());
	cr_assert_eq(unlink(path), 0);
}

Test(launcher, keeps_nothing_of_one_call_for_the_next)
{
	expect("touch /tmp/a /home/me/a; (setsid sleep 100 &) ; echo done", "done\n");
	expect("ls /tmp/a /home/me/a 2>&1 | grep -c 'No such'; set -- /proc/[0-9]*; echo $#",
	       "2\n1\n");
}

Test(launcher, ends_the_whole_tree_at_the_wall_limit)
{
	const char *const argv[] = {"/bin/sh", "-c", "sleep 100 & sleep 100", NULL};
	struct frame_call frame = {.wall_ms = 300};

	harness_call(&h, &frame, argv, &r);
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_WALL_LIMIT);
	cr_assert_lt(r.ended.usage.wall_us, 1300000);
	cr_assert_eq(r.ended.limits.wall_ms, 300);
}

Test(launcher, tells_a_missing_command_from_one_that_may_not_run)
{
	const char *const missing[] = {"no-such-command", NULL};
	const char *const folder[] = {"/usr", NULL};
	struct frame_call frame = {.cell = 0};

	harness_call(&h, &frame, missing, &r);
	cr_assert_eq(r.ended.cause, FRAME_CAUSE_EXIT);
	cr_assert_eq(r.ended.exit_code, 127);
	frame.head.call = 0;
	harness_call(&h, &frame, folder, &r);
	cr_assert_eq(r.ended.exit_code, 126);
	cr_assert_neq(r.ended.error[0], '\0');
}

Test(launcher, bounds_the_processes_of_a_fork_bomb)
{
	harness_run(&h, "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1; false", &r);
	cr_assert_neq(r.ended.cause, FRAME_CAUSE_LAUNCHER_ERROR, "%s", r.ended.error);
	if (!(r.ended.missing & FRAME_LAYER_CGROUP_PIDS)) {
		cr_assert_gt(r.ended.usage.processes_refused, 0);
		cr_assert_leq(r.ended.usage.processes_peak, 64);
	}
	expect("echo fine", "fine\n");
}

Test(launcher, never_raises_a_limit)
{
	const char *const argv[] = {"/bin/true", NULL};
	struct frame_call frame = {.wall_ms = 1000000000,
				   .memory_bytes = UINT64_MAX,
				   .processes = 1 << 30};

	harness_call(&h, &frame, argv, &r);
	cr_assert_eq(r.ended.limits.wall_ms, 10000);
	cr_assert_eq(r.ended.limits.memory_bytes, 512U << 20);
	cr_assert_eq(r.ended.limits.processes, 64);
}
