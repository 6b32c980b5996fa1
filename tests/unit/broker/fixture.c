/*
 * Theory of operation: everything is forked, so that a test which fails leaves nothing: all of them
 * end when the descriptors of the test close.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "launcher.h"

/* JSON in which ` stands for ". */
/* clang-format off */
#define ARGUMENTS                                                                       \
	"`inputSchema`:{`type`:`object`,`properties`:{`command`:{`type`:`string`},"     \
	"`timeout_ms`:{`type`:`integer`},`cwd`:{`type`:`string`},"                      \
	"`input`:{`type`:`string`}},`required`:[`command`]},"                           \
	"`driver`:{`timeout`:`timeout_ms`,`cwd`:`cwd`,`stdin`:`input`},"                \
	"`env`:{},`limits`:{},`patterns`:[],"
#define TOOL(cell, name, extra)                                                         \
	"{`name`:`" name "`,`aliases`:[`" name "-alias`],`title`:`t`,`description`:`d`," \
	ARGUMENTS "`cell`:" cell "," extra "}"
#define SHELL "`argv`:[`/bin/sh`,`-c`,`{command}`]"
#define NO_DIGEST "`digest`:null,"

/* Tools of the session: programs of ours are a shell here, which shows what it is given. */
#define CHANGES_INPUT(words)                                                            \
	"`inputSchema`:{`type`:`object`,`properties`:{`what`:{`type`:`string`,"         \
	"`enum`:[" words "]},`script`:{`type`:`string`},`session`:{`type`:`string`}}}," \
	"`driver`:{`stdin`:`@arguments`},`env`:{},`limits`:{},`patterns`:[],"
#define DIFF                                                                            \
	"{{\\`text\\`:\\`a diff\\`,\\`data\\`:{{\\`files\\`:[{{\\`diff\\`:\\`--- a/x\\\\n\\`}}," \
	"{{\\`diff\\`:\\`--- a/y\\\\n\\`}}],\\`truncated\\`:false}},"                    \
	"\\`success\\`:true,\\`denials\\`:[]}}"
#define CHANGES(words)                                                                  \
	"{`name`:`changes`,`cell`:3,`cell_kind`:`changes`," CHANGES_INPUT(words)        \
	"`digest`:`answer`,`output`:{`consumed`:true},"                                 \
	"`argv`:[`/bin/sh`,`-c`,`cat >/dev/null; printf '%s' '" DIFF "'`]}"
#define COMMIT                                                                          \
	"{`name`:`changes_commit`,`cell`:4,`cell_kind`:`changes-exclusive`,"            \
	CHANGES_INPUT("`x`") NO_DIGEST "`argv`:[`/bin/sh`,`-c`,`{script}`]}"
#define SESSION                                                                         \
	"{`name`:`session`,`builtin`:`session`,`cell`:null,`inputSchema`:{`type`:`object`," \
	"`properties`:{`operation`:{`type`:`string`,"                                   \
	"`enum`:[`list`,`snapshot`,`rollback`,`fork`,`drop`]},"                         \
	"`snapshot`:{`type`:`integer`,`minimum`:0,`maximum`:31},"                       \
	"`session`:{`type`:`string`}},`required`:[`operation`]},`patterns`:[]}"

static const char catalog_text[] =
	"{`schema`:`toolcell.catalog/1`,`agent`:{`name`:`tester`,`description`:`d`,"
	"`prompt`:`Be exact.`,`file`:`agents/tester.md`},`policy`:`unit`,`warnings`:[],"
	"`env`:{},`pass`:[],`home`:`/tmp`,`tools`:["
	TOOL("0", "sh", NO_DIGEST SHELL) ","
	TOOL("0", "both", NO_DIGEST "`output`:{`interleave`:true},"
				    "`argv`:[`/bin/bash`,`-c`,`{command}`]") ","
	TOOL("0", "counted", "`digest`:`count`," SHELL) ","
	TOOL("0", "gone", NO_DIGEST "`argv`:[`no-such-program`,`{command}`]") ","
	TOOL("1", "write", NO_DIGEST SHELL) ","
	TOOL("2", "look", NO_DIGEST SHELL) ","
	TOOL("5", "direct", NO_DIGEST SHELL) ","
	TOOL("2", "told", "`digest`:`answer`,`output`:{`consumed`:true}," SHELL) ","
	CHANGES("`list`") "," COMMIT "," SESSION "],`operator`:["
	CHANGES("`list`,`diff`") "," COMMIT "," SESSION "]}";
/* clang-format on */

static void add_catalog(struct image_builder *b)
{
	char *text = strdup(catalog_text);

	cr_assert(text);
	for (char *p = text; *p; p++)
		if (*p == '`')
			*p = '"';
	image_builder_catalog(b, text, strlen(text));
	free(text);
}

static const struct image_limits limits_default = {
	.wall_ms = 60000,
	.cpu_ms = 60000,
	.memory_bytes = (uint64_t)1 << 30,
	.processes = 64,
	.open_files = 1024,
	.file_bytes = (uint64_t)1 << 30,
	.session_bytes = (uint64_t)4 << 30,
	.session_files = 1000,
};

static const struct {
	const char *name;
	uint32_t flags;
	bool data; /* the session's data folder is mounted */
	bool rules;
} cells[CELL_N] = {
	[CELL_PLAIN] = {"unit", 0, false, false},
	[CELL_OVERLAY] = {"unit/write", IMAGE_CELL_OVERLAY, false, true},
	[CELL_LOOK] = {"unit/look", IMAGE_CELL_OVERLAY | IMAGE_CELL_WORKSPACE_READONLY, false,
		       true},
	[CELL_CHANGES] = {"unit/changes/read", 0, true, true},
	[CELL_EXCLUSIVE] = {"unit/changes/write", IMAGE_CELL_EXCLUSIVE, true, true},
	[CELL_DIRECT] = {"unit/direct", 0, false, true},
};

static uint32_t add_env(struct image_builder *b, const char *name, const char *value)
{
	struct image_env env = {image_builder_string(b, name), image_builder_string(b, value)};

	return image_builder_env(b, &env);
}

static struct image build_image(const struct image_limits *limits)
{
	struct image_builder *b = image_builder_new();
	struct sock_filter insn = {.code = 6, .k = 0x7fff0000};
	struct image_cell cell = {.limits = *limits, .env_count = 3, .insns_count = 1};
	struct image_mount data = {.type = IMAGE_MOUNT_DATA, .source = IMAGE_NONE};
	struct image image;
	struct err err = {0};
	int fd = -1;

	data.target = image_builder_string(b, "/toolcell/data");
	data.pointer = image_builder_string(b, "policies/unit.json#/workspace/mode");
	(void)image_builder_mount(b, &data);
	cell.policy = image_builder_string(b, "unit");
	cell.hostname = image_builder_string(b, "cell");
	cell.home = image_builder_string(b, "/tmp");
	cell.env_first = add_env(b, "PATH", "/usr/bin:/bin");
	(void)add_env(b, "PASSED", NULL);
	(void)add_env(b, "ABSENT", NULL);
	cell.insns_first = image_builder_insns(b, &insn, 1);
	for (size_t i = 0; i < CELL_N; i++) {
		cell.name = image_builder_string(b, cells[i].name);
		cell.flags = cells[i].flags;
		cell.mounts_count = cells[i].data;
		cell.change_rules = cells[i].rules ? image_builder_string(b, "Y\tx\n") : IMAGE_NONE;
		(void)image_builder_cell(b, &cell);
	}
	add_catalog(b);
	cr_assert_eq(image_builder_seal(b, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(image_map(fd, &image, &err), 0, "%s", err.text);
	close(fd);
	image_builder_free(b);
	return image;
}

static void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
}

void fixture_prepare(struct fixture *f, const struct fixture_options *options)
{
	struct image_limits limits = limits_default;
	int launcher[2];
	int digest[2];

	*f = (struct fixture){.in = -1, .out = -1, .digest_fd = -1, .session = options->session};
	f->log_fd = memfd_create("log", MFD_CLOEXEC);
	cr_assert_geq(f->log_fd, 0);
	limits.output_bytes = options->output_bytes ? options->output_bytes
						    : ((uint64_t)1 << 30) + 1;
	f->image = build_image(&limits);
	f->ready = (struct frame_ready){
		.head = {FRAME_READY, sizeof(f->ready), 0},
		.landlock_abi = 4,
		.cgroup_version = 2,
		.calls_max = options->calls_max ? options->calls_max : 4,
		.session = options->session ? FRAME_WORKSPACE_OVERLAY : FRAME_WORKSPACE_NONE,
		.branches = options->session,
	};
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, launcher), 0);
	f->launcher = fork();
	if (f->launcher == 0) {
		die_with_parent();
		close(launcher[0]);
		launcher_run(launcher[1], &limits, f->log_fd);
	}
	close(launcher[1]);
	f->launcher_fd = launcher[0];
	if (options->digest == DIGEST_NONE)
		return;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, digest), 0);
	f->digest = fork();
	if (f->digest == 0) {
		die_with_parent();
		close(digest[0]);
		close(f->launcher_fd);
		digest_run(digest[1], (int)options->digest);
	}
	close(digest[1]);
	f->digest_fd = digest[0];
}

struct broker_config fixture_config(const struct fixture *f)
{
	static const char *const variables[] = {"PASSED=by name", "SECRET=not", NULL};

	return (struct broker_config){
		.in_fd = -1,
		.out_fd = -1,
		.launcher_fd = f->launcher_fd,
		.digest_fd = f->digest_fd,
		.image = &f->image,
		.ready = &f->ready,
		.workspace = "/usr",
		.environ = variables,
		.session_id = f->session ? "k3f9abcd" : NULL,
		.session_note = f->session ? "It holds 3 changes." : NULL,
	};
}

void fixture_start(struct fixture *f, const struct fixture_options *options)
{
	int in[2];
	int out[2];

	signal(SIGPIPE, SIG_IGN);
	fixture_prepare(f, options);
	cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	f->broker = fork();
	if (f->broker == 0) {
		struct broker_config config = fixture_config(f);
		struct err err = {0};
		int r;

		die_with_parent();
		close(in[1]);
		close(out[0]);
		config.in_fd = in[0];
		config.out_fd = out[1];
		r = broker_serve(&config, &err);
		if (r < 0)
			fprintf(stderr, "broker: %s\n", err.text);
		_exit(r < 0 ? 1 : 0);
	}
	close(in[0]);
	close(out[1]);
	close(f->launcher_fd);
	fd_closep(&f->digest_fd);
	f->launcher_fd = -1;
	f->in = in[1];
	f->out = out[0];
}

const char *fixture_log(struct fixture *f)
{
	ssize_t n = pread(f->log_fd, f->log, sizeof(f->log) - 1, 0);

	f->log[MAX(n, 0)] = '\0';
	return f->log;
}

void fixture_stop(struct fixture *f)
{
	fd_closep(&f->log_fd);
	fd_closep(&f->in);
	fd_closep(&f->out);
	fd_closep(&f->launcher_fd);
	fd_closep(&f->digest_fd);
	if (f->broker > 0)
		kill(f->broker, SIGKILL);
	kill(f->launcher, SIGTERM);
	if (f->digest > 0)
		kill(f->digest, SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	free(f->pending);
}

void fixture_send(struct fixture *f, const char *line)
{
	cr_assert_eq(fd_write_full(f->in, line, strlen(line)), 0);
	cr_assert_eq(fd_write_full(f->in, "\n", 1), 0);
}

void fixture_call(struct fixture *f, int id, const char *tool, const char *command)
{
	json_t *line = json_pack("{s:i, s:s, s:{s:s}, s:b}", "id", id, "tool", tool, "arguments",
				 "command", command, "progress", 1);
	char *text = json_dumps(line, JSON_COMPACT);

	fixture_send(f, text);
	free(text);
	json_decref(line);
}

/* More bytes. Return: false at the end. */
static bool read_more(struct fixture *f, int seconds)
{
	struct pollfd p = {f->out, POLLIN, 0};
	int r = poll(&p, 1, seconds * 1000);
	ssize_t n;

	cr_assert_gt(r, 0, "nothing from the broker within %d s", seconds);
	f->pending = realloc(f->pending, f->pending_len + 65536);
	n = read(f->out, f->pending + f->pending_len, 65536);
	if (n > 0)
		f->pending_len += (size_t)n;
	return n > 0;
}

json_t *fixture_line(struct fixture *f, int seconds)
{
	json_error_t where;
	json_t *line;
	char *end;

	while (!f->pending_len || !(end = memchr(f->pending, '\n', f->pending_len)))
		if (!read_more(f, seconds))
			return NULL;
	line = json_loadb(f->pending, (size_t)(end - f->pending), 0, &where);
	cr_assert(line, "not JSON: %s: %.*s", where.text, (int)(end - f->pending), f->pending);
	f->pending_len -= (size_t)(end + 1 - f->pending);
	memmove(f->pending, end + 1, f->pending_len);
	return line;
}

json_t *fixture_answer(struct fixture *f, int id)
{
	for (;;) {
		json_t *line = fixture_line(f, 60);

		cr_assert(line, "the broker ended without an answer to %d", id);
		if (json_integer_value(json_object_get(line, "id")) == id &&
		    (json_object_get(line, "result") || json_object_get(line, "error")))
			return line;
		json_decref(line);
	}
}

json_t *fixture_run(struct fixture *f, const char *tool, const char *command)
{
	static int id = 1000;

	fixture_call(f, ++id, tool, command);
	return fixture_answer(f, id);
}

int fixture_wait(struct fixture *f, int seconds)
{
	int status = 0;

	for (int i = 0; i < seconds * 100; i++) {
		if (waitpid(f->broker, &status, WNOHANG) == f->broker) {
			f->broker = -1;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	cr_assert_fail("the broker did not end within %d s", seconds);
	return -1;
}

json_t *result_at(json_t *answer, const char *path)
{
	json_t *at = json_object_get(answer, "result");
	char name[64];

	while (at && *path) {
		size_t len = strcspn(path, ".");

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, path);
		at = json_is_array(at) ? json_array_get(at, (size_t)(name[0] - '0'))
				       : json_object_get(at, name);
		path += len + (path[len] == '.');
	}
	return at;
}

const char *result_text(json_t *answer, const char *path)
{
	const char *text = json_string_value(result_at(answer, path));

	return text ? text : "";
}

json_int_t result_number(json_t *answer, const char *path)
{
	json_t *n = result_at(answer, path);

	return json_is_integer(n) ? json_integer_value(n) : -1;
}
