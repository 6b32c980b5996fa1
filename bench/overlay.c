/*
 * Theory of operation: the launcher's work on a session, without a launcher around it: a user namespace
 * with a small root of its own, in which the workspace and a new session lie where overlay.h wants them.
 * Then rounds of: take the gate and mount the overlay (open), snapshot, roll back, fork, drop; each
 * timed by CLOCK_MONOTONIC. Output is one line for each: its samples in microseconds, in the order of
 * rounds, as a JSON array; bench/workspace does the arithmetic.
 *
 *	overlay WORKSPACE DATA CHANGED ROUNDS
 *
 * DATA is an empty folder for the session, CHANGED the number of files that the branch holds.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "workspace/overlay.h"

#define ROUNDS_MAX 1000U
#define CHANGED_MAX 1000000U
#define FOLDER_FILES 100U
#define ROOT "/mnt"

enum op { OP_OPEN, OP_SNAPSHOT, OP_ROLLBACK, OP_FORK, OP_DROP, OP_N };

struct bench {
	struct overlay overlay;
	uint64_t rounds;
	double samples[OP_N][ROUNDS_MAX];
};

static double now_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) < 0)
		return 0;
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int fail(const char *what, const char *why)
{
	(void)fprintf(stderr, "overlay: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

static bool write_file(const char *path, const char *text)
{
	CLEANUP(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	return fd >= 0 && fd_write_full(fd, text, strlen(text)) == 0;
}

/* Root of a user namespace: what an ordinary account's launcher is. */
static bool enter_namespaces(void)
{
	char uid[64];
	char gid[64];

	(void)snprintf(uid, sizeof(uid), "0 %u 1", (unsigned)geteuid());
	(void)snprintf(gid, sizeof(gid), "0 %u 1", (unsigned)getegid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       write_file("/proc/self/setgroups", "deny") &&
	       write_file("/proc/self/uid_map", uid) && write_file("/proc/self/gid_map", gid);
}

static bool make_root(const char *workspace, const char *data)
{
	static const char *const folders[] = {
		OVERLAY_ROOT_BASE,
		OVERLAY_ROOT_DATA,
		OVERLAY_ROOT_MOUNTS,
		OVERLAY_ROOT_MOUNTS "/1",
		OVERLAY_ROOT_LOWER,
		OVERLAY_ROOT_UPPER,
		"/new",
	};
	char path[64];

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", ROOT, "tmpfs", 0, "") < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		(void)snprintf(path, sizeof(path), ROOT "%s", folders[i]);
		if (mkdir(path, 0755) < 0)
			return false;
	}
	return mount(workspace, ROOT OVERLAY_ROOT_BASE, NULL, MS_BIND | MS_REC, NULL) == 0 &&
	       mount(data, ROOT OVERLAY_ROOT_DATA, NULL, MS_BIND | MS_REC, NULL) == 0 &&
	       chroot(ROOT) == 0 && chdir("/") == 0;
}

static bool make_session(struct bench *b, uint64_t changed, struct err *err)
{
	char path[128];

	b->overlay = (struct overlay){.kind = FRAME_WORKSPACE_OVERLAY,
				      .base_idmap = -1,
				      .data_idmap = -1,
				      .gate = -1,
				      .data = open(OVERLAY_ROOT_DATA,
						   O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (b->overlay.data < 0 || stat(OVERLAY_ROOT_BASE, &b->overlay.workspace) < 0 ||
	    stack_create(b->overlay.data, &b->overlay.workspace, err) < 0)
		return false;
	fd_closep(&b->overlay.data);
	for (uint64_t i = 0; i < changed; i++) {
		(void)snprintf(path, sizeof(path), OVERLAY_ROOT_DATA "/layers/1/u/d%lu",
			       (unsigned long)(i / FOLDER_FILES));
		if (i % FOLDER_FILES == 0 && mkdir(path, 0755) < 0)
			return false;
		(void)snprintf(path, sizeof(path), OVERLAY_ROOT_DATA "/layers/1/u/d%lu/f%lu",
			       (unsigned long)(i / FOLDER_FILES), (unsigned long)i);
		if (!write_file(path, path))
			return false;
	}
	return overlay_open(&b->overlay, err) == 0;
}

static bool operate(struct bench *b, uint64_t round, enum op op, struct frame_session *frame,
		    struct err *err)
{
	struct frame_session_done done = {0};
	double begin = now_us();

	overlay_operate(&b->overlay, frame, &done);
	b->samples[op][round] = now_us() - begin;
	if (done.num != 0)
		(void)err_set(err, done.num, "%s", done.error);
	/* What the next operation is about. */
	frame->arg = op == OP_SNAPSHOT ? done.snapshot : 0;
	frame->branch = op == OP_FORK ? done.branch : 1;
	return done.num == 0;
}

static bool run_round(struct bench *b, uint64_t round, struct err *err)
{
	static const struct {
		enum op op;
		enum frame_session_op frame;
	} rows[] = {
		{OP_SNAPSHOT, FRAME_SESSION_SNAPSHOT},
		{OP_ROLLBACK, FRAME_SESSION_ROLLBACK},
		{OP_FORK, FRAME_SESSION_FORK},
		{OP_DROP, FRAME_SESSION_DROP},
	};
	struct frame_session frame = {.branch = 1};
	struct frame_session back = {.op = FRAME_SESSION_ROLLBACK, .branch = 1, .arg = 1};
	struct frame_session_done done = {0};
	double begin = now_us();

	if (overlay_enter(&b->overlay, 1, false, true, err) < 0)
		return false;
	b->samples[OP_OPEN][round] = now_us() - begin;
	overlay_leave(&b->overlay, 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		frame.op = rows[i].frame;
		if (!operate(b, round, rows[i].op, &frame, err))
			return false;
	}
	/* Layers are few: as it was in the beginning, out of the timing. */
	overlay_operate(&b->overlay, &back, &done);
	return done.num == 0;
}

static void show(const struct bench *b)
{
	for (size_t op = 0; op < OP_N; op++)
		for (uint64_t i = 0; i < b->rounds; i++)
			(void)printf("%s%.1f%s", i == 0 ? "[" : ", ", b->samples[op][i],
				     i + 1 == b->rounds ? "]\n" : "");
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct err err = {0};
	uint64_t changed;

	if (argc != 5 || num_parse_u64(argv[3], CHANGED_MAX, &changed) < 0 ||
	    num_parse_u64(argv[4], ROUNDS_MAX, &b.rounds) < 0 || b.rounds == 0)
		return fail("usage", "overlay WORKSPACE DATA CHANGED ROUNDS");
	if (!enter_namespaces() || !make_root(argv[1], argv[2]))
		return fail("a root of its own", "cannot be made here");
	if (!make_session(&b, changed, &err))
		return fail("cannot begin a session", err.text);
	for (uint64_t i = 0; i < b.rounds; i++)
		if (!run_round(&b, i, &err))
			return fail("a round failed", err.text);
	show(&b);
	return EXIT_SUCCESS;
}
