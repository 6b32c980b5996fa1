/* The log on disk: chain over files and writers, what a crash or a full disk leaves, what is refused. */
#include "audit/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit_folder.h"

static const struct audit_log_options synced = {.keep = 8, .sync = true};

/* In the place of the C library's: a disk that fails is not to be had otherwise. */
static unsigned int failing_syncs;

int fdatasync(int fd)
{
	if (failing_syncs == 0)
		return (int)syscall(SYS_fdatasync, fd);
	failing_syncs--;
	errno = EIO;
	return -1;
}

TestSuite(log, .init = setup, .fini = teardown);

Test(log, begins_with_a_line_that_says_so_and_is_private)
{
	struct audit_log log = open_log(&plain);
	struct stat st;

	cr_assert_eq(put(&log), 0);
	expect_whole(2);
	cr_assert_eq(fstatat(dir, AUDIT_FILE, &st, 0), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	audit_log_close(&log);
}

Test(log, several_writers_make_one_chain)
{
	struct audit_log a = open_log(&plain);
	struct audit_log b = open_log(&plain);

	for (int i = 0; i < 20; i++)
		cr_assert_eq(put(i % 3 ? &a : &b), 0);
	audit_log_close(&a);
	audit_log_close(&b);
	a = open_log(&plain);
	cr_assert_eq(put(&a), 0);
	audit_log_close(&a);
	expect_whole(22);
}

Test(log, writers_at_the_same_time_make_one_chain)
{
	const struct audit_log_options small = {.rotate_bytes = AUDIT_ROTATE_BYTES_MIN, .keep = 50};

	for (int child = 0; child < 4; child++) {
		if (fork() != 0)
			continue;
		struct audit_log log = open_log(&small);

		for (int i = 0; i < 300; i++)
			if (put(&log) < 0)
				_exit(1);
		_exit(0);
	}
	for (int child = 0; child < 4; child++) {
		int status;

		cr_assert_gt(wait(&status), 0);
		cr_assert_eq(status, 0);
	}
	char words[512];
	struct audit_verdict v = verify(words);

	cr_assert_eq(v.problems, 0, "%s", words);
	cr_assert_gt(v.files, 3);
	cr_assert_eq(v.lines, 1200 + v.files);
}

Test(log, keeps_so_many_full_files_and_says_which_is_the_oldest)
{
	const struct audit_log_options small = {.rotate_bytes = AUDIT_ROTATE_BYTES_MIN, .keep = 2};
	struct audit_log log = open_log(&small);
	uint64_t *numbers = calloc(AUDIT_FILES_MAX, sizeof(*numbers));
	char words[512];
	struct audit_verdict v;

	for (int i = 0; i < 1500; i++)
		cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	cr_assert_eq(audit_files(dir, numbers), 2);
	v = verify(words);
	cr_assert_eq(v.problems, 0, "%s", words);
	cr_assert_gt(v.first_seq, 1);
	cr_assert_eq(v.files, 3);
	/* Without the oldest of those that are kept it is no longer whole. */
	cr_assert_eq(unlinkat(dir, audit_file_name(numbers[0], words), 0), 0);
	v = verify(words);
	cr_assert_eq(v.problems, 1);
	cr_assert_not_null(strstr(words, "is gone"), "%s", words);
	free(numbers);
}

Test(log, a_torn_line_is_said_and_carried_on_from)
{
	struct audit_log log = open_log(&plain);
	char words[512];
	struct audit_verdict v;
	int fd;

	cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	fd = openat(dir, AUDIT_FILE, O_WRONLY | O_APPEND | O_CLOEXEC);
	cr_assert_eq(write(fd, "{\"schema\":\"tool", 15), 15);
	(void)close(fd);
	v = verify(words);
	cr_assert_eq(v.problems, 0);
	cr_assert_eq(v.unfinished, 15);
	log = open_log(&plain);
	cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	v = verify(words);
	cr_assert_eq(v.problems, 0, "%s", words);
	cr_assert_eq(v.torn, 1);
	cr_assert_eq(v.lines, 4); /* log, call, torn, call */
}

Test(log, a_file_that_is_torn_at_its_first_line_goes_on)
{
	struct audit_log log;
	char words[512];
	struct audit_verdict v;
	int fd = openat(dir, AUDIT_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_eq(write(fd, "{\"sch", 5), 5);
	(void)close(fd);
	log = open_log(&plain);
	cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	v = verify(words);
	cr_assert_eq(v.problems, 0, "%s", words);
	cr_assert_eq(v.torn, 1);
}

/* Killed behind the rename, and behind the making of the new file. */
Test(log, a_rotation_that_was_cut_off_is_carried_on_from)
{
	struct audit_log log = open_log(&plain);

	cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	cr_assert_eq(renameat(dir, AUDIT_FILE, dir, "audit.000001.jsonl"), 0);
	log = open_log(&plain);
	cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	expect_whole(4);
	cr_assert_eq(renameat(dir, AUDIT_FILE, dir, "audit.000002.jsonl"), 0);
	(void)close(openat(dir, AUDIT_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	log = open_log(&plain);
	cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	expect_whole(6);
}

static void fill(struct audit_log *log, rlim_t more)
{
	struct stat st;
	struct rlimit limit;

	cr_assert_eq(fstat(log->file, &st), 0);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = more == RLIM_INFINITY ? limit.rlim_max : (rlim_t)st.st_size + more;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(log, what_does_not_fit_is_counted_and_told_when_there_is_room)
{
	struct audit_log log = open_log(&plain);
	char words[512];
	struct audit_verdict v;

	(void)signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(put(&log), 0);
	for (rlim_t room = 0; room < 400; room += 100) {
		fill(&log, room);
		cr_assert_eq(put(&log), -EFBIG);
		/* Nothing of it stays. */
		v = verify(words);
		cr_assert_eq(v.unfinished, 0);
		cr_assert_eq(v.problems, 0);
	}
	cr_assert_eq(log.lost, 4);
	fill(&log, RLIM_INFINITY);
	cr_assert_eq(put(&log), 0);
	cr_assert_eq(log.lost, 0);
	audit_log_close(&log);
	v = verify(words);
	cr_assert_eq(v.problems, 0, "%s", words);
	cr_assert_eq(v.gaps, 1);
	cr_assert_eq(v.lost_records, 4);
	cr_assert_eq(v.lines, 4); /* log, call, gap, call */
}

Test(log, a_lock_that_is_never_let_go_is_an_error)
{
	struct audit_log log = open_log(&plain);
	int lock = openat(dir, AUDIT_FILE_LOCK, O_RDONLY | O_CLOEXEC);

	cr_assert_eq(flock(lock, LOCK_EX), 0);
	cr_assert_eq(put(&log), -EBUSY);
	(void)close(lock);
	cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	expect_whole(3); /* log, gap, call */
}

Test(log, a_probe_writes_what_is_due_and_nothing_else)
{
	struct audit_log log = open_log(&plain);
	struct err err;

	cr_assert_eq(audit_log_probe(&log, &err), 0);
	expect_whole(1);
	audit_log_lose(&log, ENOSPC);
	cr_assert_eq(audit_log_probe(&log, &err), 0);
	expect_whole(2);
	audit_log_close(&log);
}

/* The kernel tells a descriptor once that writing back has failed; the next fdatasync(2) succeeds. */
Test(log, a_failed_sync_is_lost_until_a_sync_has_worked)
{
	struct audit_log log = open_log(&synced);
	char words[512];
	struct audit_verdict v;
	struct err err;

	cr_assert_eq(put(&log), 0);
	failing_syncs = 1;
	cr_assert_eq(put(&log), -EIO);
	expect_whole(2); /* log, call: what may not be on the disk is taken back */
	for (int i = 0; i < 3; i++) {
		failing_syncs = 1;
		cr_assert_eq(audit_log_probe(&log, &err), -EIO);
		cr_assert_eq(log.lost, 1);
	}
	expect_whole(2);
	failing_syncs = 1;
	cr_assert_eq(put(&log), -EIO);
	cr_assert_eq(log.lost, 2);
	cr_assert_eq(audit_log_probe(&log, &err), 0);
	cr_assert_eq(log.lost, 0);
	cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	v = verify(words);
	cr_assert_eq(v.problems, 0, "%s", words);
	cr_assert_eq(v.lost_records, 2);
	cr_assert_eq(v.lines, 4); /* log, call, gap, call */
}

Test(log, a_log_whose_first_line_cannot_be_synced_does_not_open)
{
	struct audit_log log;
	struct err err = {0};

	failing_syncs = 1;
	cr_assert_eq(audit_log_open(dir, &synced, NULL, &log, &err), -EIO);
	cr_assert_not_null(strstr(err.text, "durable"), "%s", err.text);
	log = open_log(&synced);
	cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	expect_whole(2);
}

/* Wherever in a rotation it fails: the first lines of the new file are taken back, too. */
Test(log, a_sync_that_fails_around_a_rotation_leaves_one_chain)
{
	const struct audit_log_options small = {.rotate_bytes = AUDIT_ROTATE_BYTES_MIN,
						.keep = 8,
						.sync = true};
	struct audit_log log = open_log(&small);
	static uint64_t numbers[AUDIT_FILES_MAX];
	char words[512];
	struct audit_verdict v;

	while (audit_files(dir, numbers) == 0) {
		failing_syncs = 1;
		cr_assert_eq(put(&log), -EIO);
		cr_assert_eq(put(&log), 0);
	}
	for (unsigned int n = 1; n < 3; n++) {
		failing_syncs = n;
		cr_assert_eq(put(&log), -EIO);
		failing_syncs = 0;
		cr_assert_eq(put(&log), 0);
	}
	audit_log_close(&log);
	v = verify(words);
	cr_assert_eq(v.problems, 0, "%s", words);
	cr_assert_eq(v.gaps, v.lost_records);
}

Test(log, a_malformed_record_is_refused_and_leaves_nothing)
{
	struct audit_log log = open_log(&plain);
	struct err err;

	cr_assert_eq(audit_log_append(&log, AUDIT_CALL, "{}\n{}", 5, &err), -EINVAL);
	cr_assert_eq(audit_log_append(&log, AUDIT_KIND_N, "{}", 2, &err), -EINVAL);
	audit_log_close(&log);
	expect_whole(1);
}

static void expect_refused(const char *word)
{
	struct audit_log log;
	struct err err = {0};

	cr_assert_lt(audit_log_open(dir, &plain, NULL, &log, &err), 0);
	cr_assert_not_null(strstr(err.text, word), "%s", err.text);
}

Test(log, links_and_foreign_things_are_refused)
{
	cr_assert_eq(symlinkat("/etc/passwd", dir, AUDIT_FILE), 0);
	expect_refused("cannot open");
	cr_assert_eq(unlinkat(dir, AUDIT_FILE, 0), 0);
	cr_assert_eq(mkfifoat(dir, AUDIT_FILE, 0600), 0);
	expect_refused("no file of yours");
	cr_assert_eq(unlinkat(dir, AUDIT_FILE, 0), 0);
	(void)close(openat(dir, AUDIT_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	cr_assert_eq(linkat(dir, AUDIT_FILE, dir, "other", 0), 0);
	expect_refused("no file of yours");
	cr_assert_eq(unlinkat(dir, "other", 0), 0);
	cr_assert_eq(fchmodat(dir, AUDIT_FILE, 0666, 0), 0);
	expect_refused("no file of yours");
}

Test(log, an_end_that_is_none_is_not_written_behind)
{
	int fd = openat(dir, AUDIT_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char *long_line = calloc(1, 4 * AUDIT_LINE_BYTES_MAX);

	cr_assert_eq(write(fd, "hello\n", 6), 6);
	expect_refused("cannot be carried on");
	memset(long_line, 'x', 4 * AUDIT_LINE_BYTES_MAX);
	cr_assert_eq(fd_write_full(fd, long_line, 4 * AUDIT_LINE_BYTES_MAX), 0);
	expect_refused("longer than any");
	(void)close(fd);
	free(long_line);
}

/* Wherever it is killed, what is there is whole but for the last line, and goes on. */
Test(log, is_whole_after_a_kill_at_any_point)
{
	const struct audit_log_options small = {.rotate_bytes = AUDIT_ROTATE_BYTES_MIN, .keep = 3};

	for (int round = 0; round < 20; round++) {
		pid_t pid = fork();
		char words[512];

		if (pid == 0) {
			struct audit_log log = open_log(&small);

			for (;;)
				if (put(&log) < 0)
					_exit(1);
		}
		(void)usleep(3000 + 1000 * (unsigned int)round);
		cr_assert_eq(kill(pid, SIGKILL), 0);
		cr_assert_eq(waitpid(pid, NULL, 0), pid);
		cr_assert_eq(verify(words).problems, 0, "%s", words);
		struct audit_log log = open_log(&small);

		cr_assert_eq(put(&log), 0);
		audit_log_close(&log);
		cr_assert_eq(verify(words).problems, 0, "%s", words);
	}
}

Test(log, names_of_files_are_read_strictly)
{
	char name[AUDIT_NAME_BYTES];

	cr_assert_str_eq(audit_file_name(0, name), "audit.jsonl");
	cr_assert_str_eq(audit_file_name(7, name), "audit.000007.jsonl");
	cr_assert_eq(audit_file_number("audit.000007.jsonl"), 7);
	cr_assert_eq(audit_file_number("audit.7.jsonl"), 0);
	cr_assert_eq(audit_file_number("audit.00000x.jsonl"), 0);
	cr_assert_eq(audit_file_number("audit.000007.jsonl~"), 0);
	cr_assert_eq(audit_file_number("audit.jsonl"), 0);
}
