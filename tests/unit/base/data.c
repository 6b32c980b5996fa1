/*
 * Theory of operation: this program lies in a build tree below the folder that holds toolcell.tree,
 * or not; each case runs a copy of it in a folder made for the purpose and reads what it finds.
 */
#include "base/data.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define PROGRAM_BYTES_MAX ((size_t)64 << 20)
#define PATH_BYTES 512

static void write_file(const char *path, mode_t mode, const char *data, size_t len)
{
	CLEANUP(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	cr_assert(fd >= 0, "%s", path);
	cr_assert(fd_write_full(fd, data, len) == 0);
}

/* A copy of the running program at @path. */
static void copy_self(const char *path)
{
	struct err err = {0};
	char *data;
	size_t len;

	cr_assert(fd_read_file(AT_FDCWD, "/proc/self/exe", PROGRAM_BYTES_MAX, &data, &len, &err) ==
			  0,
		  "%s", err.text);
	write_file(path, 0755, data, len);
	free(data);
}

/* Runs the copy at @path with UNIT_DATA set: report() then speaks on fd 1. */
static void ask(const char *path, char *out, size_t cap)
{
	int pipe_fds[2];
	pid_t pid;
	ssize_t n;
	int status;

	cr_assert(pipe(pipe_fds) == 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(pipe_fds[1], STDOUT_FILENO);
		(void)setenv("UNIT_DATA", "1", 1);
		(void)execl(path, path, (char *)NULL);
		_exit(127);
	}
	(void)close(pipe_fds[1]);
	n = fd_read_full(pipe_fds[0], out, cap - 1);
	cr_assert(n >= 0);
	out[n] = '\0';
	(void)close(pipe_fds[0]);
	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
}

/* Runs before Criterion's main in the copy. */
__attribute__((constructor)) static void report(void)
{
	struct err err = {0};
	char *folder;
	char *program;

	if (!getenv("UNIT_DATA"))
		return;
	if (data_path("policies", &folder, &err) < 0 ||
	    data_program("toolcell-launcher", &program, &err) < 0) {
		printf("error %s\n", err.text);
		(void)fflush(stdout);
		_exit(1);
	}
	printf("%s\n%s\n", folder, program);
	(void)fflush(stdout);
	_exit(0);
}

static char *make_folder(char *dir)
{
	(void)snprintf(dir, 32, "/tmp/unit-data-XXXXXX");
	cr_assert(mkdtemp(dir) != NULL);
	return dir;
}

static void remove_folder(const char *dir)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)execlp("rm", "rm", "-rf", dir, (char *)NULL);
		_exit(127);
	}
	cr_assert(waitpid(pid, NULL, 0) == pid);
}

static void join(char *dst, size_t cap, const char *dir, const char *path)
{
	int n = path[0] == '/' ? snprintf(dst, cap, "%s", path)
			       : snprintf(dst, cap, "%s/%s", dir, path);

	cr_assert(n > 0 && (size_t)n < cap);
}

static void make_parents(const char *dir, const char *program)
{
	char path[PATH_BYTES];

	for (const char *p = strchr(program, '/'); p; p = strchr(p + 1, '/')) {
		(void)snprintf(path, sizeof(path), "%s/%.*s", dir, (int)(p - program), program);
		cr_assert(mkdir(path, 0755) == 0);
	}
}

/* The answer of a copy that lies at @program below a new folder, toolcell.tree beside it. */
static void ask_from(char *dir, const char *program, const char *tree, char *out, size_t cap)
{
	char path[PATH_BYTES];

	(void)make_folder(dir);
	make_parents(dir, program);
	join(path, sizeof(path), dir, program);
	copy_self(path);
	if (tree) {
		char beside[PATH_BYTES];

		join(beside, sizeof(beside), dir, "build/toolcell.tree");
		write_file(beside, 0644, tree, strlen(tree));
	}
	ask(path, out, cap);
	remove_folder(dir);
}

/* Paths that do not begin with '/' are below the new folder. */
static void check_layout(const char *program, const char *tree, const char *want_folder,
			 const char *want_program)
{
	char dir[32];
	char out[2 * PATH_BYTES];
	char folder[PATH_BYTES];
	char sibling[PATH_BYTES];
	char want[4 * PATH_BYTES];

	ask_from(dir, program, tree, out, sizeof(out));
	join(folder, sizeof(folder), dir, want_folder);
	join(sibling, sizeof(sibling), dir, want_program);
	(void)snprintf(want, sizeof(want), "%s\n%s\n", folder, sibling);
	cr_expect_str_eq(out, want);
}

Test(data, build_tree_is_named_by_the_file_beside_the_program)
{
	check_layout("build/toolcell", "/src/toolcell\n", "/src/toolcell/policies",
		     "build/toolcell-launcher");
}

Test(data, installed_program_looks_below_its_prefix)
{
	check_layout("usr/bin/toolcell", NULL, "usr/share/toolcell/policies",
		     "usr/libexec/toolcell/toolcell-launcher");
}

Test(data, installed_helper_finds_its_siblings)
{
	check_layout("usr/libexec/toolcell/toolcell-policyc", NULL, "usr/share/toolcell/policies",
		     "usr/libexec/toolcell/toolcell-launcher");
}

Test(data, tree_file_without_an_absolute_path_is_refused)
{
	char dir[32];
	char out[2 * PATH_BYTES];

	ask_from(dir, "build/toolcell", "relative\n", out, sizeof(out));
	cr_assert(strncmp(out, "error ", 6) == 0 && strstr(out, "absolute path"), "got %s", out);
}
