/*
 * Theory of operation: each tool is looked for where policies let cells find it - CARGO_HOME, then
 * the system's folders - and asked for its version, since rustup leaves a proxy behind for
 * components that are not installed. A program of another account's is run as that account, never
 * as root.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "cli/doctor.h"

struct toolchain {
	const char *program;
	const char *remedy;
	bool needed;
};

static const struct toolchain toolchains[] = {
	{"cargo", "install Rust: https://rustup.rs, or apt install cargo", true},
	{"rustc", "install Rust: https://rustup.rs, or apt install rustc", true},
	{"cargo-clippy", "rustup component add clippy, or apt install rust-clippy", false},
	{"rustfmt", "rustup component add rustfmt, or apt install rustfmt", false},
};

struct toolchain_probe {
	const char *path;
	char *env[6]; /* NULL-terminated */
};

/* As its owner, from "/", so that no rust-toolchain.toml of the workspace is read. */
static int become_owner(const char *path)
{
	struct stat st;

	if (chdir("/") < 0 || stat(path, &st) < 0)
		return -errno;
	if (geteuid() != 0 || st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
		return -errno;
	return 0;
}

static void NORETURN become_tool(const struct toolchain_probe *probe, int out)
{
	const char *const argv[] = {probe->path, "--version", NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0 || become_owner(probe->path) < 0)
		_exit(127);
	_exit(probe_exec(argv, (const char *const *)probe->env) < 0 ? 127 : 0);
}

static int probe_version(const void *arg, struct probe_answer *ret)
{
	CLEANUP(fd_closep) int in = -1;
	CLEANUP(fd_closep) int out = -1;
	char line[128] = "";
	ssize_t n;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	in = ends[0];
	out = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_tool(arg, out);
	fd_closep(&out);
	n = fd_read_full(in, line, sizeof(line) - 1);
	if (n <= 0)
		return -ENOEXEC;
	(void)text_quote(ret->text, sizeof(ret->text), line, strcspn(line, "\n"));
	return 0;
}

static char *joined(const char *a, const char *b)
{
	char *text;

	return asprintf(&text, "%s%s", a, b) < 0 ? NULL : text;
}

/* CARGO_HOME/bin, where rustup puts its proxies, and the distribution's folders; malloc'ed or NULL.
 */
static char *find_program(const char *name)
{
	const char *cargo_home = getenv("CARGO_HOME");
	const char *home = getenv("HOME");
	const char *const folders[][2] = {
		{cargo_home, "/bin/"},
		{cargo_home ? NULL : home, "/.cargo/bin/"},
		{"/usr/local", "/bin/"},
		{"/usr", "/bin/"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		char *folder = folders[i][0] ? joined(folders[i][0], folders[i][1]) : NULL;
		char *path = folder ? joined(folder, name) : NULL;

		free(folder);
		if (path && path[0] == '/' && access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static void fill_env(char **env)
{
	static const char *const kept[] = {"HOME", "CARGO_HOME", "RUSTUP_HOME"};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		const char *value = getenv(kept[i]);

		if (!value || asprintf(&env[n], "%s=%s", kept[i], value) < 0)
			continue;
		n++;
	}
	env[n] = strdup("PATH=/usr/local/bin:/usr/bin:/bin");
	if (env[n])
		env[++n] = strdup("RUSTUP_AUTO_INSTALL=0"); /* a probe downloads nothing */
}

void doctor_toolchain(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	const struct toolchain *tool = &toolchains[row->flag];
	char *path = find_program(tool->program);
	struct toolchain_probe probe = {.path = path};
	struct probe_answer answer;

	(void)d;
	doctor_remedy(ret, "%s", tool->remedy);
	if (!path) {
		doctor_detail(ret, "%s is in none of CARGO_HOME/bin, /usr/local/bin, /usr/bin",
			      tool->program);
		doctor_judge(ret, false, tool->needed);
		return;
	}
	fill_env(probe.env);
	probe_run(probe_version, &probe, PROBE_PROGRAM_TIMEOUT_MS, &answer);
	doctor_judge(ret, answer.num == 0, tool->needed);
	if (answer.num == 0)
		doctor_detail(ret, "%.120s: %.120s", path, answer.text);
	else
		doctor_detail(ret, "%.200s does not run: %s", path,
			      answer.num == ETIMEDOUT ? "no answer"
						      : "the component is not installed");
	for (size_t i = 0; i < ARRAY_SIZE(probe.env); i++)
		free(probe.env[i]);
	free(path);
}
