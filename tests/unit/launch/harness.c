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

static void add_system(struct making *m, const char *lower, const char *extra_bind)
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
	add_mount(m, IMAGE_MOUNT_WORKSPACE, NULL, NULL, 0, 0);
	add_rule(m, "/", IMAGE_ACCESS_READ | IMAGE_ACCESS_EXECUTE);
	add_rule(m, "/tmp", all);
	add_rule(m, "/home/me", all);
	add_rule(m, "/dev", IMAGE_ACCESS_READ | IMAGE_ACCESS_WRITE);
	add_rule(m, NULL, all);
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
	add_system(&m, h->lower, o->extra_bind);
	cell.mounts_count = m.n_mounts;
	cell.rules_count = m.n_rules;
	cell.insns_first = image_builder_insns(m.b, allow, 1);
	(void)image_builder_cell(m.b, &cell);
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

void harness_start(struct harness *h, const struct harness_options *options)
{
	const struct harness_options none = {0};
	int pair[2];
	int alive[2];
	const struct frame_head head = {FRAME_IMAGE, sizeof(head), 0};
	int image;
	int fds[LAUNCH_FD_N];

	(void)snprintf(h->workspace, sizeof(h->workspace), "/tmp/toolcell-test-XXXXXX");
	cr_assert_not_null(mkdtemp(h->workspace));
	cr_assert_eq(chmod(h->workspace, 0755), 0);
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
	cr_assert_eq(fd_send(h->sock, &head, sizeof(head), &image, 1), 0);
	(void)close(image);
	h->alive = alive[1];
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
}

void harness_stop(struct harness *h)
{
	int status;

	(void)close(h->sock);
	(void)close(h->alive);
	cr_assert_eq(waitpid(h->launcher, &status, 0), h->launcher);
	harness_remove(h);
}

void harness_remove(const struct harness *h)
{
	(void)rmdir(h->workspace);
	remove_lower(h);
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
	cr_assert_eq(plan_seal(argv, env, h->workspace, 0, &plan, NULL), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	{
		const int fds[] = {plan, in, out[1], out[1]};

		cr_assert_eq(fd_send(h->sock, frame, sizeof(*frame), fds, ARRAY_SIZE(fds)), 0);
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
	struct frame_call frame = {.cell = 0};

	harness_call(h, &frame, argv, ret);
}
