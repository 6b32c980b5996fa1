/* The harness of doctor's probes: answers, time limits, deaths. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/doctor.h"

static int answer(const void *arg, struct probe_answer *ret)
{
	const int *num = arg;

	ret->values[3] = 7;
	(void)strcpy(ret->text, "words");
	return -*num;
}

static int hang(const void *arg, struct probe_answer *ret)
{
	(void)arg;
	(void)ret;
	(void)pause();
	return 0;
}

static int die(const void *arg, struct probe_answer *ret)
{
	(void)arg;
	(void)ret;
	_exit(0);
}

Test(probe, brings_back_what_the_child_found)
{
	struct probe_answer got;

	for (int num = 0; num < 3; num++) {
		probe_run(answer, &num, PROBE_TIMEOUT_MS, &got);
		cr_assert_eq(got.num, num);
		cr_assert_eq(got.values[3], 7);
		cr_assert_str_eq(got.text, "words");
	}
}

Test(probe, that_hangs_is_killed)
{
	struct probe_answer got;

	probe_run(hang, NULL, 50, &got);
	cr_assert_eq(got.num, ETIMEDOUT);
	cr_assert_eq(waitpid(-1, NULL, 0), -1, "no child is left");
}

Test(probe, that_dies_is_no_success)
{
	struct probe_answer got;

	probe_run(die, NULL, PROBE_TIMEOUT_MS, &got);
	cr_assert_eq(got.num, ECHILD);
	cr_assert_eq(got.values[0], 0);
}

Test(probe, runs_programs_without_their_outliving_it)
{
	static const char *const argv[] = {"/nonexistent/program", NULL};

	cr_assert_eq(probe_exec(argv, argv + 1), -ENOENT);
}
