/* Lines while a call runs, and none once it has ended. */
#include "cli/progress.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

static size_t lines_of(int fd)
{
	char all[8192] = "";
	size_t n = 0;

	cr_assert_geq(pread(fd, all, sizeof(all) - 1, 0), 0);
	for (const char *p = strchr(all, '\n'); p; p = strchr(p + 1, '\n'))
		n++;
	if (n > 0)
		cr_assert_not_null(strstr(all, "toolcell: running: ca\\x1brgo, 20 ms so far"), "%s",
				   all);
	return n;
}

Test(progress, counts_while_the_process_lives_and_stops_with_it)
{
	CLEANUP(fd_closep) int said = memfd_create("said", MFD_CLOEXEC);
	size_t lines;
	pid_t pid = fork();

	if (pid == 0) {
		if (dup2(said, STDERR_FILENO) < 0)
			_exit(1);
		progress_start("ca\033rgo", 20);
		(void)poll(NULL, 0, 300);
		_exit(waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD);
	}
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the counter is no child of ours");
	(void)poll(NULL, 0, 100);
	lines = lines_of(said);
	cr_assert_gt(lines, 1);
	(void)poll(NULL, 0, 200);
	cr_assert_eq(lines_of(said), lines, "it goes on after the end");
}
