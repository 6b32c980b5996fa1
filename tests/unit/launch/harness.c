/*
 * Theory of operation: fork and exec of the real toolcell-launcher with its descriptors at their
 * numbers, as cli/session.c does it; frames are sent and received by hand.
 */
#include "harness.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "launch/launch.h"
#include "wire/plan.h"
#include "workspace/stack.h"

#define UID_BASE "1879113728"
#define UID_COUNT "4096"
#define REPLY_TIMEOUT_MS 20000

static const struct image_limits default_limits = {
	.wall_ms = 10000,
	.memory_bytes = 512U << 20,
	.processes = 64,
	.open_files = 256,
	.file_bytes = 64U << 20,
	.output_bytes = 1U << 30,
	.session_bytes = 64U << 20,
	.session_files = 10000,
};

struct making {
	struct image_builder *b;
	uint32_t n_mounts;
	uint32_t n_rules;
};

static void add_mount(struct making *m, uint32_t type, const char *source, const char *target,
		      uint32_t flags, uint64_t size)
{
	struct image_mount mount = {
		.type = type,
		.flags = flags,
		.source = image_builder_string(m->b, source),
		.target = image_builder_string(m->b, target),
		.mode = type == IMAGE_MOUNT_TMPFS ? 01777 : 0,
		.pointer = image_builder_string(m->b, "policies/test.json#/filesystem"),
		.size_bytes = size,
		.inodes = size / 1024,
	};

	(void)image_builder_mount(m->b, &mount);
	m->n_mounts++;
}

static void add_rule(struct making *m, const char *path, uint32_t access)
{
	struct image_rule rule = {
		.path = image_builder_string(m->b, path),
		.access = access,
		.pointer = image_builder_string(m->b, "policies/test.json#/filesystem"),
	};

	(void)image_builder_rule(m->b, &rule);
	m->n_rules++;
}

static void add_system(struct making *m, const char *lower, const char *extra_bind, bool changes)
{
	const uint32_t all = IMAGE_ACCESS_READ | IMAGE_ACCESS_WRITE | IMAGE_ACCESS_EXECUTE;

	add_mount(m, IMAGE_MOUNT_BIND, "/usr", "/usr", IMAGE_MOUNT_READONLY, 0);
	add_mount(m, IMAGE_MOUNT_SYMLINK, "usr/bin", "/bin", 0, 0);
	add_mount(m, IMAGE_MOUNT_SYMLINK, "usr/lib", "/lib", 0, 0);
	add_mount(m, IMAGE_MOUNT_SYMLINK, "usr/lib64", "/lib64", 0, 0);
	add_mount(m, IMAGE_MOUNT_FILE, "root:x:0:0::/:/bin/sh\n", "/etc/passwd", 0, 0);
	add_mount(m, IMAGE_MOUNT_DEVICE, "/dev/null", "/dev/null", 0, 0);
	add_mount(m, IMAGE_MOUNT_DEVICE, "/dev/zero", "/dev/zero", 0, 0);
	add_mount(m, IMAGE_MOUNT_BIND, "/nowhere/at/all", "/absent",
		  IMAGE_MOUNT_READONLY | IMAGE_MOUNT_OPTIONAL, 0);
	add_mount(m, IMAGE_MOUNT_PROC, NULL, "/proc", 0, 0);
	add_mount(m, IMAGE_MOUNT_DEVPTS, NULL, "/dev/pts", 0, 0);
	add_mount(m, IMAGE_MOUNT_TMPFS, NULL, "/tmp", 0, 8U << 20);
	add_mount(m, IMAGE_MOUNT_TMPFS, NULL, "/home/me", 0, 8U << 20);
	/* Below the home that each cell makes anew: must come late as well. */
	add_mount(m, IMAGE_MOUNT_BIND, "/usr/share", "/home/me/share", IMAGE_MOUNT_READONLY, 0);
	add_mount(m, IMAGE_MOUNT_FILE, "late\n", "/home/me/.config", 0, 0);
	add_mount(m, IMAGE_MOUNT_OVERLAY, lower, "/home/me/over", 0, 8U << 20);
	if (extra_bind)
		add_mount(m, IMAGE_MOUNT_BIND, extra_bind, "/extra", IMAGE_MOUNT_READONLY, 0);
	if (changes) {
		add_mount(m, IMAGE_MOUNT_DATA, NULL, "/data", 0, 0);
		add_mount(m, IMAGE_MOUNT_BASE, NULL, "/base", 0, 0);
		add_rule(m, "/data", all);
		add_rule(m, "/base", all);
	} else {
		add_mount(m, IMAGE_MOUNT_WORKSPACE, NULL, NULL, 0, 0);
		add_rule(m, NULL, all);
	}
	add_rule(m, "/", IMAGE_ACCESS_READ | IMAGE_ACCESS_EXECUTE);
	add_rule(m, "/tmp", all);
	add_rule(m, "/home/me", all);
	add_rule(m, "/dev", IMAGE_ACCESS_READ | IMAGE_ACCESS_WRITE);
}

/* Cell 1: what a session is made of, to be looked at and changed by /bin/sh. */
static void add_changes_cell(struct making *m, const struct harness *h, struct image_cell cell)
{
	cell.mounts_first = m->n_mounts;
	cell.rules_first = m->n_rules;
	add_system(m, h->lower, NULL, true);
	cell.name = image_builder_string(m->b, "test/changes");
	cell.flags = IMAGE_CELL_EXCLUSIVE;
	cell.mounts_count = m->n_mounts - cell.mounts_first;
	cell.rules_count = m->n_rules - cell.rules_first;
	(void)image_builder_cell(m->b, &cell);
}

static int make_image(const struct harness *h, const struct harness_options *o)
{
	const struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct making m = {.b = image_builder_new()};
	struct image_cell cell = {
		.name = image_builder_string(m.b, "test"),
		.policy = image_builder_string(m.b, "test"),
		.flags = o->flags,
		.require = o->require,
		.landlock_abi_min = o->landlock_abi_min,
		.net = o->net,
		.hostname = image_builder_string(m.b, "cell"),
		.home = image_builder_string(m.b, "/home/me"),
		.limits = default_limits,
		.insns_count = 1,
	};
	struct err err = {0};
	int fd = -1;

	if (o->limits.wall_ms)
		cell.limits.wall_ms = o->limits.wall_ms;
	if (o->limits.cpu_ms)
		cell.limits.cpu_ms = o->limits.cpu_ms;
	if (o->limits.memory_bytes)
		cell.limits.memory_bytes = o->limits.memory_bytes;
	if (o->limits.processes)
		cell.limits.processes = o->limits.processes;
	if (o->limits.file_bytes)
		cell.limits.file_bytes = o->limits.file_bytes;
	add_system(&m, h->lower, o->extra_bind, false);
	cell.mounts_count = m.n_mounts;
	cell.rules_count = m.n_rules;
	cell.insns_first = image_builder_insns(m.b, allow, 1);
	cell.change_rules = o->rules ? image_builder_string(m.b, o->rules) : IMAGE_NONE;
	cell.fallback = o->fallback;
	(void)image_builder_cell(m.b, &cell);
	if (o->flags & IMAGE_CELL_OVERLAY)
		add_changes_cell(&m, h, cell);
	image_builder_catalog(m.b, "{}", 2);
	cr_assert_eq(image_builder_seal(m.b, &fd, &err), 0, "%s", err.text);
	image_builder_free(m.b);
	return fd;
}

static void exec_launcher(const int *fds, const char *workspace, pid_t engine)
{
	const char *programs = getenv("TOOLCELL_TEST_PROGRAMS"); /* set by meson test */
	char launcher[PATH_MAX];
	char init[PATH_MAX];
	char pid[16];
	int copies[LAUNCH_FD_N];

	if (!programs)
		_exit(1);
	(void)snprintf(launcher, sizeof(launcher), "%s/toolcell-launcher", programs);
	(void)snprintf(init, sizeof(init), "%s/toolcell-init", programs);
	for (int i = LAUNCH_FD_BROKER; i < LAUNCH_FD_N; i++)
		copies[i] = fcntl(fds[i], F_DUPFD, 32);
	for (int i = LAUNCH_FD_BROKER; i < LAUNCH_FD_N; i++)
		if (dup2(copies[i], i) < 0 || close(copies[i]) < 0)
			_exit(1);
	(void)snprintf(pid, sizeof(pid), "%d", engine);
	execl(launcher, "toolcell-launcher", pid, workspace, init, UID_BASE, UID_COUNT,
	      (char *)NULL);
	_exit(1);
}

static void make_lower(struct harness *h)
{
	static const char *const names[] = {"kept", "removed"};

	(void)snprintf(h->lower, sizeof(h->lower), "/tmp/toolcell-lower-XXXXXX");
	cr_assert_not_null(mkdtemp(h->lower));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[128];
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%s", h->lower, names[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		cr_assert_geq(fd, 0);
		cr_assert_eq(fd_write_full(fd, "host\n", 5), 0);
		(void)close(fd);
	}
}

static void remove_lower(const struct harness *h)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/kept", h->lower);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/removed", h->lower);
	(void)unlink(path);
	(void)rmdir(h->lower);
}

static void make_session(struct harness *h)
{
	struct stat st;
	int data;

	if (h->data[0]) /* of a test that goes on with it */
		return;
	cr_assert_eq(stat(h->workspace, &st), 0);
	(void)snprintf(h->data, sizeof(h->data), "/tmp/toolcell-data-XXXXXX");
	cr_assert_not_null(mkdtemp(h->data));
	data = open(h->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(stack_create(data, &st, NULL), 0);
	(void)close(data);
}

/* Not inlined, here and below: frames with paths in them add up to more stack than one function may have. */
static __attribute__((noinline)) void send_image(struct harness *h, const struct harness_options *o,
						 int image)
{
	struct frame_image frame = {.head = {FRAME_IMAGE, sizeof(frame), 0},
				    .maintenance = o->maintenance};
	int fds[2] = {image, -1};
	size_t n = 1;

	if (o->flags & IMAGE_CELL_OVERLAY && !o->why) {
		make_session(h);
		(void)snprintf(frame.data, sizeof(frame.data), "%s", h->data);
		fds[n++] = open(o->other_data ? o->other_data : h->data,
				O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (o->why)
		(void)snprintf(frame.why, sizeof(frame.why), "%s", o->why);
	cr_assert_eq(fd_send(h->sock, &frame, sizeof(frame), fds, n), 0);
	if (fds[1] >= 0)
		(void)close(fds[1]);
}

static __attribute__((noinline)) void take_ready(struct harness *h)
{
	union {
		struct frame_head head;
		struct frame_ready ready;
		struct frame_fatal fatal;
	} frame;
	ssize_t n = recv(h->sock, &frame, sizeof(frame), 0);

	cr_assert_gt(n, 0, "the launcher said nothing");
	cr_assert_neq(frame.head.type, FRAME_FATAL, "%s", frame.fatal.text);
	cr_assert_eq(frame.head.type, FRAME_READY);
	h->ready = frame.ready;
}

void harness_start(struct harness *h, const struct harness_options *options)
{
	const struct harness_options none = {0};
	int pair[2];
	int alive[2];
	int image;
	int fds[LAUNCH_FD_N];

	if (!h->workspace[0]) {
		(void)snprintf(h->workspace, sizeof(h->workspace), "/tmp/toolcell-test-XXXXXX");
		cr_assert_not_null(mkdtemp(h->workspace));
		cr_assert_eq(chmod(h->workspace, 0755), 0);
	}
	make_lower(h);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(pipe2(alive, O_CLOEXEC), 0);
	fds[LAUNCH_FD_BROKER] = pair[1];
	fds[LAUNCH_FD_WORKSPACE] = open(h->workspace, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fds[LAUNCH_FD_ALIVE] = alive[0];
	h->launcher = fork();
	if (h->launcher == 0)
		exec_launcher(fds, h->workspace, getppid());
	for (int i = LAUNCH_FD_BROKER; i < LAUNCH_FD_N; i++)
		(void)close(fds[i]);
	h->sock = pair[0];
	image = make_image(h, options ? options : &none);
	send_image(h, options ? options : &none, image);
	(void)close(image);
	h->alive = alive[1];
	take_ready(h);
}

void harness_stop(struct harness *h)
{
	int status;

	(void)close(h->sock);
	(void)close(h->alive);
	cr_assert_eq(waitpid(h->launcher, &status, 0), h->launcher);
	harness_remove(h);
}

/* rm(1), only of what mkdtemp made here. */
static void remove_tree(const char *path)
{
	pid_t pid;

	if (strncmp(path, "/tmp/toolcell-", 14) != 0)
		return;
	pid = fork();
	if (pid == 0) {
		(void)execlp("rm", "rm", "-rf", "--", path, (char *)NULL);
		_exit(1);
	}
	(void)waitpid(pid, NULL, 0);
}

void harness_remove(struct harness *h)
{
	remove_lower(h);
	remove_tree(h->workspace);
	remove_tree(h->data);
	h->workspace[0] = '\0';
	h->data[0] = '\0';
}

static void collect(struct harness *h, int out, struct harness_result *ret)
{
	bool ended = false;
	bool eof = false;

	while (!ended || !eof) {
		struct pollfd fds[] = {{ended ? -1 : h->sock, POLLIN, 0},
				       {eof ? -1 : out, POLLIN, 0}};

		cr_assert_gt(poll(fds, 2, REPLY_TIMEOUT_MS), 0, "no answer from the launcher");
		if (fds[1].revents) {
			char sink[4096];
			size_t room = sizeof(ret->out) - 1 - ret->out_len;
			ssize_t n = room ? read(out, ret->out + ret->out_len, room)
					 : read(out, sink, sizeof(sink));

			if (n <= 0)
				eof = true;
			else if (room)
				ret->out_len += (size_t)n;
		}
		if (fds[0].revents) {
			ssize_t n = recv(h->sock, &ret->ended, sizeof(ret->ended), 0);

			cr_assert_gt(n, 0, "the launcher is gone");
			ended = ret->ended.head.type == FRAME_ENDED;
		}
	}
	ret->out[ret->out_len] = '\0';
}

void harness_call(struct harness *h, struct frame_call *frame, const char *const *argv,
		  struct harness_result *ret)
{
	static const char *const env[] = {"PATH=/usr/bin", "HOME=/home/me", NULL};
	static uint64_t next = 1;
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out[2];
	int plan;

	memset(ret, 0, sizeof(*ret));
	frame->head.type = frame->head.type ? frame->head.type : FRAME_CALL;
	frame->head.bytes = frame->head.bytes ? frame->head.bytes : sizeof(*frame);
	frame->head.call = frame->head.call ? frame->head.call : next++;
	cr_assert_eq(plan_seal(argv, env, frame->cell == 0 ? h->workspace : "/", 0, &plan, NULL),
		     0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	{
		const int fds[] = {plan, in, out[1], out[1], h->summary};
		size_t n = frame->flags & FRAME_CALL_SUMMARY ? 5 : 4;

		cr_assert_eq(fd_send(h->sock, frame, sizeof(*frame), fds, n), 0);
	}
	(void)close(plan);
	(void)close(in);
	(void)close(out[1]);
	collect(h, out[0], ret);
	(void)close(out[0]);
}

void harness_run(struct harness *h, const char *script, struct harness_result *ret)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	struct frame_call frame = {.cell = 0, .branch = h->data[0] ? 1 : 0};

	harness_call(h, &frame, argv, ret);
}
