/* Reading a log that is written to at the same time. */
#include "audit/read.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "audit_folder.h"

#define FILES 12U

TestSuite(read, .init = setup, .fini = teardown);

static uint64_t newest(void)
{
	static uint64_t numbers[AUDIT_FILES_MAX];
	ssize_t n = audit_files(dir, numbers);

	cr_assert_geq(n, 0);
	return n > 0 ? numbers[n - 1] : 0;
}

static void fill_files(struct audit_log *log, uint64_t n)
{
	for (uint64_t end = newest() + n; newest() < end;)
		cr_assert_eq(put(log), 0);
}

static const struct audit_log_options small = {.rotate_bytes = AUDIT_ROTATE_BYTES_MIN,
					       .keep = AUDIT_KEEP_MAX};

Test(read, a_log_that_begins_new_files_while_it_is_read_is_whole)
{
	struct audit_log log = open_log(&small);

	for (uint64_t before = 0; before < 3; before++) {
		static struct audit_reader reader;
		struct audit_verdict v;
		struct err err = {0};
		char words[512] = "";

		cr_assert_eq(audit_reader_open(&reader, dir, &err), 0, "%s", err.text);
		fill_files(&log, 2);
		cr_assert_eq(audit_verify(&reader, NULL, print, words, &v, &err), 0);
		cr_assert_eq(v.problems, 0, "%s", words);
		cr_assert_eq(v.files, 2 * before + 1);
		audit_reader_close(&reader);
	}
	audit_log_close(&log);
}

Test(read, a_file_that_is_removed_meanwhile_is_said_to_be)
{
	const struct audit_log_options few = {.rotate_bytes = AUDIT_ROTATE_BYTES_MIN, .keep = 2};
	static struct audit_reader reader;
	struct audit_log log = open_log(&few);
	struct audit_verdict v;
	struct err err = {0};
	char words[512] = "";

	fill_files(&log, 3);
	cr_assert_eq(audit_reader_open(&reader, dir, &err), 0, "%s", err.text);
	fill_files(&log, 1);
	cr_assert_eq(audit_verify(&reader, NULL, print, words, &v, &err), -ENOENT);
	cr_assert_not_null(strstr(err.text, "audit.000002.jsonl"), "%s", err.text);
	cr_assert_not_null(strstr(err.text, "try again"), "%s", err.text);
	cr_assert_str_eq(words, "");
	audit_reader_close(&reader);
	audit_log_close(&log);
}

Test(read, there_may_be_no_file_that_is_written_to)
{
	struct audit_log log = open_log(&plain);
	char words[512];

	cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
	cr_assert_eq(renameat(dir, AUDIT_FILE, dir, "audit.000001.jsonl"), 0);
	expect_whole(2);
	cr_assert_eq(unlinkat(dir, "audit.000001.jsonl", 0), 0);
	cr_assert_eq(verify(words).files, 0);
}

/* Whenever it is looked at: what is there is one chain, from the first line on. */
Test(read, is_whole_at_any_time)
{
	pid_t pid = fork();
	uint64_t last = 0;

	if (pid == 0) {
		struct audit_log log = open_log(&small);

		while (newest() < FILES)
			for (unsigned int i = 0; i < 50; i++)
				if (put(&log) < 0)
					_exit(1);
		_exit(0);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		char words[512];
		struct audit_verdict v = verify(words);

		cr_assert_eq(v.problems, 0, "%s", words);
		cr_assert_geq(v.last_seq, last);
		cr_assert(v.lines == 0 || v.first_seq == 1);
		last = v.last_seq;
	}
	cr_assert_eq(newest(), FILES);
}
