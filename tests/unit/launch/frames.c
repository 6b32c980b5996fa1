/*
 * Theory of operation: this process is a broker that has been taken over. Whatever it sends, the
 * launcher refuses the call or ends the session, and never gives a cell more than the image does.
 */
#include "harness.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/cgroup.h"
#include "confine/cgroup_file.h"
#include "wire/changes.h"
#include "wire/plan.h"
#include "wire/record.h"

static struct harness h;

static void start(void)
{
	harness_start(&h, NULL);
}

static void stop(void)
{
	harness_remove(&h);
}

TestSuite(frames, .init = start, .fini = stop, .timeout = 60);

static int good_plan(const char *command)
{
	const char *const argv[] = {"/bin/sh", "-c", command, NULL};
	int plan;

	cr_assert_eq(plan_seal(argv, NULL, h.workspace, 0, &plan, NULL), 0);
	return plan;
}

static struct frame_call good_call(void)
{
	return (struct frame_call){.head = {FRAME_CALL, sizeof(struct frame_call), 7}};
}

/* The next frame that is no FRAME_STARTED; 0 at end of file. */
static uint32_t next_frame(struct frame_ended *ret)
{
	for (;;) {
		struct pollfd fd = {h.sock, POLLIN, 0};
		ssize_t n;

		cr_assert_gt(poll(&fd, 1, 20000), 0, "the launcher says nothing");
		n = recv(h.sock, ret, sizeof(*ret), 0);
		if (n <= 0)
			return 0;
		if (ret->head.type != FRAME_STARTED)
			return ret->head.type;
	}
}

static void send_frame(const void *frame, size_t bytes, const int *fds, size_t n)
{
	cr_assert_eq(fd_send(h.sock, frame, bytes, fds, n), 0);
}

static void expect_session_end(const char *what)
{
	struct frame_ended frame;
	int status;

	cr_assert_eq(next_frame(&frame), FRAME_FATAL, "%s", what);
	/* What ran is told its end first. */
	while (next_frame(&frame) == FRAME_ENDED)
		cr_assert_eq(frame.cause, FRAME_CAUSE_CANCELLED);
	cr_assert_eq(next_frame(&frame), 0, "%s: the session goes on", what);
	cr_assert_eq(waitpid(h.launcher, &status, 0), h.launcher);
	cr_assert(WIFEXITED(status), "%s: the launcher crashed", what);
}

static const struct {
	const char *what;
	struct frame_call frame;
	size_t bytes;
	size_t n_fds;
} violations[] = {
	{"unknown type",
	 {.head = {999, sizeof(struct frame_call), 1}},
	 sizeof(struct frame_call),
	 4},
	{"launcher's own type",
	 {.head = {FRAME_ENDED, sizeof(struct frame_call), 1}},
	 sizeof(struct frame_call),
	 0},
	{"too short", {.head = {FRAME_CALL, 24, 1}}, 24, 4},
	{"a head that lies", {.head = {FRAME_CALL, 16, 1}}, sizeof(struct frame_call), 4},
	{"half a head", {.head = {FRAME_CALL, 8, 1}}, 8, 0},
	{"too few descriptors",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1}},
	 sizeof(struct frame_call),
	 3},
	{"too many descriptors",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1}},
	 sizeof(struct frame_call),
	 6},
	{"room for a summary that was not said",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1}},
	 sizeof(struct frame_call),
	 5},
	{"a summary without room for it",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1}, .flags = FRAME_CALL_SUMMARY},
	 sizeof(struct frame_call),
	 4},
	{"a record without room for it",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1}, .flags = FRAME_CALL_RECORD},
	 sizeof(struct frame_call),
	 4},
	{"a record with room for two",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1}, .flags = FRAME_CALL_RECORD},
	 sizeof(struct frame_call),
	 6},
	{"a summary and a record with room for one",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1},
	  .flags = FRAME_CALL_SUMMARY | FRAME_CALL_RECORD},
	 sizeof(struct frame_call),
	 5},
	{"a branch far beyond",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1}, .branch = 17},
	 sizeof(struct frame_call),
	 4},
	{"a session's operation that there is not",
	 {.head = {FRAME_SESSION, sizeof(struct frame_session), 1}, .cell = 99, .flags = 1},
	 sizeof(struct frame_session),
	 0},
	{"a session's branch 0",
	 {.head = {FRAME_SESSION, sizeof(struct frame_session), 1}, .cell = 0, .flags = 0},
	 sizeof(struct frame_session),
	 0},
	{"no such cell",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1}, .cell = 1},
	 sizeof(struct frame_call),
	 4},
	{"a cell far beyond",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1}, .cell = UINT32_MAX},
	 sizeof(struct frame_call),
	 4},
	{"unknown flags",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 1}, .flags = FRAME_CALL_FLAGS_ALL + 1},
	 sizeof(struct frame_call),
	 4},
	{"call number 0",
	 {.head = {FRAME_CALL, sizeof(struct frame_call), 0}},
	 sizeof(struct frame_call),
	 4},
	{"kill with a cause of the launcher's",
	 {.head = {FRAME_KILL, sizeof(struct frame_kill), 1}, .cell = FRAME_CAUSE_EXIT},
	 sizeof(struct frame_kill),
	 0},
};

ParameterizedTestParameters(frame_table, ends_the_session)
{
	static int rows[ARRAY_SIZE(violations)];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		rows[i] = (int)i;
	return cr_make_param_array(int, rows, ARRAY_SIZE(rows));
}

ParameterizedTest(int *row, frame_table, ends_the_session, .init = start, .fini = stop,
		  .timeout = 60)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int fds[] = {good_plan("true"), null, null, null, null, null};

	send_frame(&violations[*row].frame, violations[*row].bytes, fds, violations[*row].n_fds);
	expect_session_end(violations[*row].what);
}

Test(frames, a_call_number_in_use_ends_the_session)
{
	struct frame_call frame = good_call();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int fds[] = {good_plan("sleep 10"), null, null, null};

	send_frame(&frame, sizeof(frame), fds, 4);
	send_frame(&frame, sizeof(frame), fds, 4);
	expect_session_end("duplicate call");
}

static void expect_refusal(int plan, int in, const char *words)
{
	struct frame_call frame = good_call();
	struct frame_ended ended;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int fds[] = {plan, in, null, null};

	send_frame(&frame, sizeof(frame), fds, 4);
	cr_assert_eq(next_frame(&ended), FRAME_ENDED);
	cr_assert_eq(ended.cause, FRAME_CAUSE_LAUNCHER_ERROR);
	cr_assert_eq(ended.layers, 0, "it ran");
	cr_assert_not_null(strstr(ended.error, words), "%s", ended.error);
	(void)close(null);
}

Test(frames, folders_and_path_descriptors_are_no_stdio)
{
	int plan = good_plan("true");

	expect_refusal(plan, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "folder");
	expect_refusal(plan, open("/", O_PATH | O_CLOEXEC), "folder");
	expect_refusal(plan, open("/etc/passwd", O_PATH | O_CLOEXEC), "folder");
	harness_stop(&h);
}

Test(frames, a_plan_that_can_still_change_is_refused)
{
	int plan = memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	expect_refusal(plan, null, "sealed");
	expect_refusal(null, null, "memfd");
	cr_assert_eq(ftruncate(plan, 64 << 20), 0);
	cr_assert_eq(fd_seal(plan), 0);
	expect_refusal(plan, null, "at most");
	harness_stop(&h);
}

static void run_with_rooms(uint32_t flags, int first, int second, struct frame_ended *ret)
{
	struct frame_call frame = good_call();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int fds[] = {good_plan("true"), null, null, null, first, second};

	frame.flags = flags;
	send_frame(&frame, sizeof(frame), fds, frame_call_fds(flags));
	cr_assert_eq(next_frame(ret), FRAME_ENDED);
	(void)close(fds[0]);
	(void)close(null);
}

static void expect_room_refused(const char *what, uint32_t flags, int first, int second,
				const char *words)
{
	struct frame_ended ended;

	run_with_rooms(flags, first, second, &ended);
	cr_expect_eq(ended.cause, FRAME_CAUSE_LAUNCHER_ERROR, "%s", what);
	cr_expect_eq(ended.layers, 0, "%s: it ran", what);
	cr_expect(strstr(ended.error, words), "%s: %s", what, ended.error);
}

static int room(size_t bytes)
{
	int fd = -1;

	cr_assert_eq(fd_memfd_room("room", bytes, &fd), 0);
	return fd;
}

Test(frames, rooms_that_are_none_are_refused)
{
	int open_memfd = memfd_create("room", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int half_sealed = memfd_create("room", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int record = room(sizeof(struct record));
	int summary = room(CHANGES_BYTES_MAX);
	const struct {
		const char *what;
		int fd;
		const char *words;
	} rows[] = {
		{"no memfd", open("/dev/null", O_RDWR | O_CLOEXEC), "no sealed memfd"},
		{"a folder", open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "no sealed memfd"},
		{"not sealed", open_memfd, "no sealed memfd"},
		{"may shrink", half_sealed, "no sealed memfd"},
		{"empty", room(0), "bytes"},
		{"one byte less", room(sizeof(struct record) - 1), "bytes"},
		{"one byte more", room(sizeof(struct record) + 1), "bytes"},
		{"the other's", summary, "bytes"},
	};

	cr_assert_eq(ftruncate(open_memfd, sizeof(struct record)), 0);
	cr_assert_eq(ftruncate(half_sealed, sizeof(struct record)), 0);
	cr_assert_eq(fcntl(half_sealed, F_ADD_SEALS, F_SEAL_GROW), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		expect_room_refused(rows[i].what, FRAME_CALL_RECORD, rows[i].fd, -1, rows[i].words);
		expect_room_refused(rows[i].what, FRAME_CALL_RECORD, rows[i].fd, -1,
				    "record of denials");
	}
	expect_room_refused("in the wrong order", FRAME_CALL_SUMMARY | FRAME_CALL_RECORD, record,
			    summary, "summary of changes");
	harness_stop(&h);
}

Test(frames, a_record_is_given_to_init_alone_or_behind_a_summary)
{
	int summary = room(CHANGES_BYTES_MAX);

	for (int i = 0; i < 2; i++) {
		int fd = room(sizeof(struct record));
		struct frame_ended ended;
		uint32_t magic = 0;

		run_with_rooms(FRAME_CALL_RECORD | (i ? FRAME_CALL_SUMMARY : 0U), i ? summary : fd,
			       fd, &ended);
		cr_expect_eq(ended.cause, FRAME_CAUSE_EXIT, "%s", ended.error);
		cr_expect_eq(pread(fd, &magic, sizeof(magic), 0), (ssize_t)sizeof(magic));
		cr_expect_eq(magic, RECORD_MAGIC);
		(void)close(fd);
	}
	harness_stop(&h);
}

Test(frames, a_plan_of_nonsense_fails_inside_the_cell)
{
	struct frame_call frame = good_call();
	struct frame_ended ended;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int plan;
	int fds[4];

	cr_assert_eq(fd_memfd_sealed("plan", "nonsense", 8, &plan, NULL), 0);
	fds[0] = plan;
	fds[1] = fds[2] = fds[3] = null;
	send_frame(&frame, sizeof(frame), fds, 4);
	cr_assert_eq(next_frame(&ended), FRAME_ENDED);
	cr_assert_eq(ended.cause, FRAME_CAUSE_LAUNCHER_ERROR);
	cr_assert_not_null(strstr(ended.error, "call plan"), "%s", ended.error);
	harness_stop(&h);
}

Test(frames, killing_a_call_that_is_not_there_is_no_error)
{
	struct frame_kill kill_frame = {{FRAME_KILL, sizeof(kill_frame), 99},
					FRAME_CAUSE_CANCELLED,
					0};
	struct harness_result r;

	send_frame(&kill_frame, sizeof(kill_frame), NULL, 0);
	harness_run(&h, "echo on", &r);
	cr_assert_str_eq(r.out, "on\n");
	harness_stop(&h);
}

Test(frames, a_killed_call_says_who_wanted_it)
{
	struct frame_kill kill_frame = {{FRAME_KILL, sizeof(kill_frame), 7},
					FRAME_CAUSE_CANCELLED,
					0};
	struct frame_call frame = good_call();
	struct frame_ended ended;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int fds[] = {good_plan("sleep 100"), null, null, null};

	send_frame(&frame, sizeof(frame), fds, 4);
	send_frame(&kill_frame, sizeof(kill_frame), NULL, 0);
	cr_assert_eq(next_frame(&ended), FRAME_ENDED);
	cr_assert_eq(ended.cause, FRAME_CAUSE_CANCELLED);
	cr_assert_eq(ended.signal, SIGKILL);
	harness_stop(&h);
}

/* The tool holds the write end of a pipe (its read end at CELL_PIPE) for as long as it lives. */
#define CELL_PIPE 200

static void start_and_wait_for_life(void)
{
	struct frame_call frame = good_call();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int out[2];
	char byte;

	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	{
		const int fds[] = {good_plan("echo; exec sleep 100"), null, out[1], null};

		send_frame(&frame, sizeof(frame), fds, 4);
	}
	(void)close(out[1]);
	cr_assert_eq(read(out[0], &byte, 1), 1);
	cr_assert_geq(dup2(out[0], CELL_PIPE), 0);
}

/* The pipe ends when the last process of the cell is gone. */
static void expect_cell_gone(void)
{
	struct pollfd fd = {CELL_PIPE, POLLIN, 0};
	char byte;

	cr_assert_gt(poll(&fd, 1, 1000), 0, "the cell lives on");
	cr_assert_eq(read(CELL_PIPE, &byte, 1), 0);
}

Test(frames, cells_die_with_a_killed_launcher)
{
	struct cgroup_root root;
	struct err why = {0};
	int status;

	start_and_wait_for_life();
	cr_assert_eq(kill(h.launcher, SIGKILL), 0);
	expect_cell_gone();
	cr_assert_eq(waitpid(h.launcher, &status, 0), h.launcher);
	/* The supervisor's part. */
	cgroup_root_open(&root, getpid(), &why);
	cgroup_sweep(&root);
	for (int i = 0; i < CGROUP_N; i++)
		cr_assert(root.dir[i] < 0 || !cgroup_sweep_once(root.dir[i], root.prefix));
	cgroup_root_close(&root);
}

/*
 * At whatever step the launcher dies, the child dies too: the pipe ends when nobody holds it. The
 * launcher's copies of the child's socket must not keep the child waiting for "go".
 */
Test(frames, a_cell_in_the_making_dies_with_the_launcher)
{
	for (unsigned int us = 0; us < 4000; us += 100) {
		struct frame_call frame = good_call();
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		struct cgroup_root root;
		struct err why = {0};
		int out[2];
		int status;

		cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
		{
			const int fds[] = {good_plan("exec sleep 100"), null, out[1], null};

			send_frame(&frame, sizeof(frame), fds, 4);
			(void)close(fds[0]);
		}
		(void)close(out[1]);
		(void)close(null);
		(void)usleep(us);
		cr_assert_eq(kill(h.launcher, SIGKILL), 0);
		cr_assert_eq(waitpid(h.launcher, &status, 0), h.launcher);
		{
			struct pollfd fd = {out[0], POLLIN, 0};

			/* The frame itself may still wait in the socket, with the pipe in it. */
			(void)close(h.sock);
			cr_assert_gt(poll(&fd, 1, 2000), 0, "a child is left after %u us", us);
		}
		(void)close(out[0]);
		(void)close(h.alive);
		cgroup_root_open(&root, getpid(), &why);
		cgroup_sweep(&root);
		cgroup_root_close(&root);
		harness_remove(&h);
		harness_start(&h, NULL);
	}
	harness_stop(&h);
}

Test(frames, cells_die_with_the_broker)
{
	start_and_wait_for_life();
	(void)close(h.sock);
	expect_cell_gone();
}

Test(frames, cells_die_with_the_supervisor)
{
	start_and_wait_for_life();
	(void)close(h.alive);
	expect_cell_gone();
}
