/* What crashes leave at the end of a log, one after the other, and what only looks as if one had. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "audit_folder.h"

#define TEXT_BYTES 8192U
#define FRAGMENT 20 /* bytes of a line that a crash lets through */

TestSuite(torn, .init = setup, .fini = teardown);

static size_t load(char text[TEXT_BYTES])
{
	CLEANUP(fd_closep) int fd = openat(dir, AUDIT_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd_pread_full(fd, text, TEXT_BYTES, 0);

	cr_assert_gt(n, 0);
	cr_assert_lt(n, (ssize_t)TEXT_BYTES);
	return (size_t)n;
}

static void store(const char *text, size_t len)
{
	CLEANUP(fd_closep)
	int fd = openat(dir, AUDIT_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_eq(fd_write_full(fd, text, len), 0);
}

static void put_some(unsigned int n)
{
	struct audit_log log = open_log(&plain);

	for (unsigned int i = 0; i < n; i++)
		cr_assert_eq(put(&log), 0);
	audit_log_close(&log);
}

/* Groups of pieces that are no lines, as a reader without any code of the log's would count them. */
static uint64_t count_torn(const char *text, size_t len)
{
	uint64_t n = 0;
	bool within = false;

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t piece = end ? (size_t)(end - text) - at : len - at;
		struct audit_line line;
		const char *why;
		bool none = audit_line_parse(text + at, piece, &line, &why) < 0;

		n += none && !within;
		within = none;
		at += piece + 1;
	}
	return n;
}

/* Back to the first byte of the @lines'th line from the end. */
static size_t begin_of_last(const char *text, size_t len, unsigned int lines)
{
	while (len > 0 && (lines > 0 || text[len - 1] != '\n'))
		lines -= text[--len] == '\n' && lines > 0;
	return len;
}

static void expect_carried_on_from_each_cut(const char *text, size_t len)
{
	size_t from = begin_of_last(text, len, 2);

	cr_assert_gt(from, 0);
	for (size_t cut = from; cut <= len; cut++) {
		char words[512];
		struct audit_verdict v;

		store(text, cut);
		v = verify(words);
		cr_assert_eq(v.problems, 0, "before, cut at %zu of %zu: %s", cut, len, words);
		put_some(1);
		v = verify(words);
		cr_assert_eq(v.problems, 0, "cut at %zu of %zu: %s", cut, len, words);
		cr_assert_eq(v.unfinished, 0);
		cr_assert_eq(v.torn, count_torn(text, cut), "cut at %zu of %zu: %lu", cut, len,
			     (unsigned long)v.torn);
	}
}

Test(torn, a_log_that_is_cut_anywhere_in_its_last_lines_is_carried_on)
{
	static char text[TEXT_BYTES];

	put_some(3);
	expect_carried_on_from_each_cut(text, load(text));
}

/* The second crash comes while the line is written that tells of the first. */
Test(torn, a_crash_while_a_torn_line_is_told_of_is_carried_on_from)
{
	static char text[TEXT_BYTES];
	size_t len;

	put_some(3);
	len = load(text);
	for (size_t fragment = 1; fragment < 280; fragment += 93) {
		size_t whole;

		store(text, begin_of_last(text, len, 1) + fragment);
		put_some(1);
		whole = load(text);
		expect_carried_on_from_each_cut(text, whole); /* torn, call */
		expect_carried_on_from_each_cut(text, begin_of_last(text, whole, 1));
		len = begin_of_last(text, whole, 2); /* fragment */
		len = begin_of_last(text, len, 1);
		store(text, len);
		put_some(1);
		len = load(text);
	}
}

Test(torn, so_many_crashes_in_a_row_are_carried_on_from_and_no_more)
{
	static char text[TEXT_BYTES];
	struct audit_log log;
	struct err err = {0};
	char words[512];
	size_t len;

	put_some(1);
	len = load(text);
	store(text, len - FRAGMENT);
	len -= FRAGMENT;
	for (unsigned int pieces = 1; pieces < AUDIT_TORN_LINES_MAX; pieces++) {
		put_some(0);
		(void)load(text);
		len += 1 + FRAGMENT;
		store(text, len);
		cr_assert_eq(verify(words).problems, 0, "%u: %s", pieces, words);
	}
	put_some(1);
	cr_assert_eq(verify(words).problems, 0, "%s", words);
	cr_assert_eq(verify(words).torn, 1);
	(void)load(text);
	store(text, len + 1 + FRAGMENT);
	cr_assert_eq(audit_log_open(dir, &plain, NULL, &log, &err), -EBADMSG);
	cr_assert_not_null(strstr(err.text, "cannot be carried on"), "%s", err.text);
}

Test(torn, a_file_that_is_torn_at_birth_behind_full_ones_goes_on)
{
	static const char *const births[] = {"{\"sch", "{\"sch\n", "{\"sch\n{\"schema\":"};
	char words[512];

	for (size_t i = 0; i < ARRAY_SIZE(births); i++) {
		put_some(1);
		(void)snprintf(words, sizeof(words), "audit.%06zu.jsonl", i + 1);
		cr_assert_eq(renameat(dir, AUDIT_FILE, dir, words), 0);
		store(births[i], strlen(births[i]));
		put_some(1);
		cr_assert_eq(verify(words).problems, 0, "row %zu: %s", i, words);
		cr_assert_eq(verify(words).torn, i + 1);
	}
}

/* Not what a crash leaves: somebody has changed it, and it is not papered over. */
Test(torn, a_last_line_that_was_edited_is_not_written_behind)
{
	static char text[TEXT_BYTES];
	struct audit_log log;
	struct err err;
	size_t len;

	put_some(1);
	len = load(text);
	for (size_t at = begin_of_last(text, len, 1); at + 1 < len; at++) {
		char old = text[at];

		text[at] = old == 'X' ? 'Y' : 'X';
		store(text, len);
		cr_assert_eq(audit_log_open(dir, &plain, NULL, &log, &err), -EBADMSG, "byte %zu",
			     at);
		text[at] = old;
	}
	text[len] = '\n';
	store(text, len + 1);
	cr_assert_eq(audit_log_open(dir, &plain, NULL, &log, &err), -EBADMSG);
}
