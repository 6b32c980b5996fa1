/*
 * toolcell-test-runner with programs that are shell scripts or files made up here: what is no test
 * harness of Rust's is started as it is. (tests/golden/digest holds what a real one answers.)
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/toolcell-runner-XXXXXX";

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	(void)!system(command);
}

TestSuite(runner, .init = make_folder, .fini = remove_folder, .timeout = 60);

static const char *make_program(char *path, size_t cap, const char *name)
{
	static const char script[] =
		"#!/bin/sh\necho \"args:$*\"\necho \"var:${RUSTC_BOOTSTRAP-unset}\"\n"
		"# RUST_TEST_TIME_DOCTEST only accepted on the nightly compiler\nexit 7\n";
	int fd;

	(void)snprintf(path, cap, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, script, sizeof(script) - 1), (ssize_t)sizeof(script) - 1);
	(void)close(fd);
	return path;
}

static int run(const char *arguments, char *out, size_t cap)
{
	char command[1024];
	FILE *pipe;
	size_t n;

	(void)snprintf(command, sizeof(command), "%s %s 2>&1", RUNNER_PROGRAM, arguments);
	pipe = popen(command, "re");
	cr_assert_not_null(pipe);
	n = fread(out, 1, cap - 1, pipe);
	out[n] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

Test(runner, programs_that_are_no_harness_are_started_unchanged)
{
	static const char *const names[] = {"demo", "demo-0123456789abcdef",
					    "demo-0123456789abcdeg"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[256];
		char arguments[512];
		char out[1024];

		(void)snprintf(arguments, sizeof(arguments), "%s --a 'b c'",
			       make_program(path, sizeof(path), names[i]));
		cr_assert_eq(run(arguments, out, sizeof(out)), 7, "row %zu", i);
		cr_assert_str_eq(out, "args:--a b c\nvar:unset\n", "row %zu", i);
	}
}

Test(runner, what_cannot_be_started_has_the_shells_exit_codes)
{
	char out[1024];

	cr_assert_eq(run("/nonexistent/program", out, sizeof(out)), 127);
	cr_assert_eq(run("/etc/passwd", out, sizeof(out)), 126);
	cr_assert_eq(run("", out, sizeof(out)), 2);
}
