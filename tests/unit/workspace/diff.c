/*
 * Theory of operation: hunks are held against what they promise. hunks_hold() rebuilds the new text from
 * the old one and the hunks, checking numbers, marks and context on the way; random texts go through
 * it by the thousand, and the rendered form of some hundred goes through patch(1) in one run.
 */
#include "workspace/diff.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 3000
#define PATCH_FILES 300

static uint32_t seed;

static uint32_t next(uint32_t below)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % below;
}

static size_t line_end(const char *text, size_t len, size_t at)
{
	const char *end = memchr(text + at, '\n', len - at);

	return end ? (size_t)(end - text) + 1 : len;
}

struct rebuild {
	const char *old;
	size_t old_len;
	size_t at;   /* byte in old */
	size_t line; /* lines of old before it */
	size_t new_line;
	struct buf out;
};

static bool copy_line(struct rebuild *r)
{
	size_t end;

	if (r->at >= r->old_len)
		return false;
	end = line_end(r->old, r->old_len, r->at);
	cr_assert_eq(buf_append(&r->out, r->old + r->at, end - r->at), 0);
	r->at = end;
	r->line++;
	r->new_line++;
	return true;
}

/* Whether this line of the diff is what old has here. */
static bool old_line_is(const struct rebuild *r, const struct diff_line *line)
{
	size_t end;

	if (r->at >= r->old_len)
		return false;
	end = line_end(r->old, r->old_len, r->at);
	return end - r->at == line->len + (line->no_newline ? 0 : 1) &&
	       memcmp(r->old + r->at, line->text, line->len) == 0;
}

static bool hunk_holds(struct rebuild *r, const struct diff *diff, const struct diff_hunk *h,
		       size_t context)
{
	size_t old_line = h->old_lines > 0 ? h->old_start - 1 : h->old_start;
	size_t new_line = h->new_lines > 0 ? h->new_start - 1 : h->new_start;
	size_t quiet = 0;

	while (r->line < old_line)
		if (!copy_line(r))
			return false;
	if (r->line != old_line || r->new_line != new_line)
		return false;
	for (size_t i = h->first; i < h->first + h->count; i++) {
		const struct diff_line *line = &diff->lines[i];

		quiet = line->mark == ' ' ? quiet + 1 : 0;
		if (quiet > 2 * context)
			return false;
		if (line->mark == '+') {
			cr_assert_eq(buf_append(&r->out, line->text, line->len), 0);
			if (!line->no_newline)
				cr_assert_eq(buf_puts(&r->out, "\n"), 0);
			r->new_line++;
		} else if (!old_line_is(r, line)) {
			return false;
		} else if (line->mark == '-') {
			r->at = line_end(r->old, r->old_len, r->at);
			r->line++;
		} else if (line->mark != ' ' || !copy_line(r)) {
			return false;
		}
	}
	return r->line - old_line == h->old_lines && r->new_line - new_line == h->new_lines;
}

static bool hunks_hold(const char *old, size_t old_len, const char *new, size_t new_len,
		       const struct diff *diff, size_t context)
{
	struct rebuild r = {.old = old, .old_len = old_len};
	size_t lines = 0;
	bool holds = true;

	for (size_t i = 0; holds && i < diff->n_hunks; i++) {
		holds = diff->hunks[i].first == lines &&
			hunk_holds(&r, diff, &diff->hunks[i], context);
		lines += diff->hunks[i].count;
	}
	while (holds && copy_line(&r))
		continue;
	holds = holds && lines == diff->n_lines && r.out.len == new_len &&
		(new_len == 0 || memcmp(r.out.data, new, new_len) == 0);
	buf_fini(&r.out);
	return holds;
}

/* Lines of few words and any bytes; sometimes no last line feed. */
static void random_text(struct buf *out, size_t lines, uint32_t words)
{
	for (size_t i = 0; i < lines; i++) {
		if (next(12) == 0)
			cr_assert_eq(buf_append(out, "\xff\r\x80", 3), 0);
		cr_assert_eq(buf_printf(out, "%u%s", next(words),
					i + 1 < lines || next(4) ? "\n" : ""),
			     0);
	}
}

static void random_edit(const struct buf *old, struct buf *out)
{
	uint32_t rate = 2 + next(30);

	for (size_t at = 0; at < old->len;) {
		size_t end = line_end(old->data, old->len, at);

		if (next(rate) == 0 && (at == 0 || out->len > 0) && next(2))
			cr_assert_eq(buf_printf(out, "new %u\n", next(5)), 0);
		if (next(rate) != 0)
			cr_assert_eq(buf_append(out, old->data + at, end - at), 0);
		at = end;
	}
	if (next(4) == 0 && out->len > 0 && out->data[out->len - 1] == '\n')
		cr_assert_eq(buf_puts(out, "tail"), 0);
}

static const char *text_of(const struct buf *b)
{
	return b->data ? b->data : "";
}

Test(diff, random_texts_are_rebuilt_from_their_hunks)
{
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct buf old = {0};
		struct buf new = {0};
		struct diff diff;
		size_t context = round % 5;

		seed = round;
		random_text(&old, next(60), 1 + next(20));
		if (round % 3)
			random_edit(&old, &new);
		else
			random_text(&new, next(60), 1 + next(20));
		cr_assert_eq(diff_make(old.data, old.len, new.data, new.len, context, &diff), 0);
		cr_assert(hunks_hold(text_of(&old), old.len, text_of(&new), new.len, &diff,
				     context),
			  "round %u", round);
		diff_fini(&diff);
		buf_fini(&old);
		buf_fini(&new);
	}
}

static void write_file(const char *dir, const char *name, const char *data, size_t len)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	cr_assert(f, "%s", path);
	cr_assert_eq(fwrite(data, 1, len, f), len);
	cr_assert_eq(fclose(f), 0);
}

static bool file_is(const char *dir, const char *name, const struct buf *want)
{
	char path[256];
	static char data[65536];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return want->len == 0; /* patch(1) removes what becomes empty */
	n = fread(data, 1, sizeof(data), f);
	(void)fclose(f);
	return n == want->len && memcmp(data, text_of(want), n) == 0;
}

static int run_patch(const char *dir)
{
	int status = 0;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		(void)execlp("patch", "patch", "-s", "-f", "-F0", "-p0", "-d", dir, "-i",
			     "all.diff", (char *)NULL);
		_exit(127);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(diff, patch_1_makes_the_new_text_of_the_unified_form)
{
	static struct buf wants[PATCH_FILES];
	char dir[] = "/tmp/unit-diff-XXXXXX";
	char name[64];
	struct buf all = {0};
	int status;

	cr_assert(mkdtemp(dir));
	for (unsigned int i = 0; i < PATCH_FILES; i++) {
		struct buf old = {0};
		struct diff diff;

		seed = 7919 * (i + 1);
		(void)snprintf(name, sizeof(name), i % 2 ? "f%u.txt" : "a file %u.txt", i);
		random_text(&old, 1 + next(80), 1 + next(40));
		random_edit(&old, &wants[i]);
		write_file(dir, name, old.data, old.len);
		cr_assert_eq(diff_make(old.data, old.len, wants[i].data, wants[i].len, 3, &diff),
			     0);
		cr_assert_eq(diff_append_unified(&all, &diff, name, name), 0);
		diff_fini(&diff);
		buf_fini(&old);
	}
	write_file(dir, "all.diff", all.data, all.len);
	status = run_patch(dir);
	for (unsigned int i = 0; i < PATCH_FILES && status == 0; i++) {
		(void)snprintf(name, sizeof(name), i % 2 ? "f%u.txt" : "a file %u.txt", i);
		cr_expect(file_is(dir, name, &wants[i]), "%s/%s", dir, name);
		buf_fini(&wants[i]);
	}
	buf_fini(&all);
	if (status == 127)
		cr_skip_test("patch(1) is not installed");
	cr_assert_eq(status, 0, "patch(1) says %d", status);
	(void)snprintf(name, sizeof(name), "rm -rf %s", dir);
	cr_expect_eq(system(name), 0);
}

struct row {
	const char *old;
	const char *new;
	const char *out;
};

Test(diff, unified_form_is_as_git_writes_it)
{
	static const struct row rows[] = {
		{"a\n", "a\n", ""},
		{"", "", ""},
		{"", "a\nb\n", "--- o\n+++ n\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"a\nb\n", "", "--- o\n+++ n\n@@ -1,2 +0,0 @@\n-a\n-b\n"},
		{"a\n", "a", "--- o\n+++ n\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n"},
		{"a", "a\n", "--- o\n+++ n\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{"x\na", "y\na",
		 "--- o\n+++ n\n@@ -1,2 +1,2 @@\n-x\n+y\n a\n\\ No newline at end of file\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
		 "--- o\n+++ n\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
		{"a\r\nb\r\n", "a\r\nc\r\n", "--- o\n+++ n\n@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n"},
		{"\n", "\n\n", "--- o\n+++ n\n@@ -1 +1,2 @@\n \n+\n"},
		/* What is added between two alike ends as low as it can. */
		{"{\na\n}\n", "{\na\n}\n{\nb\n}\n",
		 "--- o\n+++ n\n@@ -1,3 +1,6 @@\n {\n a\n }\n+{\n+b\n+}\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf out = {0};
		struct diff diff;

		cr_assert_eq(diff_make(rows[i].old, strlen(rows[i].old), rows[i].new,
				       strlen(rows[i].new), DIFF_CONTEXT, &diff),
			     0);
		cr_assert_eq(diff_append_unified(&out, &diff, "o", "n"), 0);
		cr_expect_str_eq(text_of(&out), rows[i].out, "row %zu: %s", i, text_of(&out));
		diff_fini(&diff);
		buf_fini(&out);
	}
}

Test(diff, names_are_quoted_as_git_does)
{
	static const struct {
		const char *name;
		const char *line;
	} rows[] = {
		{"a/src/lib.rs", "--- a/src/lib.rs\n"},
		{"a/\xc3\xa9", "--- a/\xc3\xa9\n"},
		{"a/b c", "--- a/b c\t\n"},
		{"a\nb", "--- \"a\\nb\"\n"},
		{"a\"\\\t", "--- \"a\\\"\\\\\\t\"\n"},
		{"\x1b\x7f", "--- \"\\033\\177\"\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf out = {0};
		struct diff diff;

		cr_assert_eq(diff_make("a", 1, "b", 1, DIFF_CONTEXT, &diff), 0);
		cr_assert_eq(diff_append_unified(&out, &diff, rows[i].name, "n"), 0);
		cr_expect_eq(strncmp(out.data, rows[i].line, strlen(rows[i].line)), 0,
			     "row %zu: %s", i, out.data);
		diff_fini(&diff);
		buf_fini(&out);
	}
}

Test(diff, small_edits_give_the_smallest_script)
{
	struct diff diff;
	const char *old = "a\nb\nc\na\nb\nb\na\n";
	const char *new = "c\nb\na\nb\na\nc\n";

	/* The example of Myers' paper: five edits. */
	cr_assert_eq(diff_make(old, strlen(old), new, strlen(new), 3, &diff), 0);
	cr_expect_eq(diff.added + diff.removed, 5U);
	diff_fini(&diff);
}

static double seconds(void)
{
	struct timespec t;

	cr_assert_eq(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 200,000 lines: unrelated ones, shuffled ones, ones of two words. */
static void big_text(struct buf *out, unsigned int kind, unsigned int side)
{
	for (unsigned int i = 0; i < 200000; i++) {
		unsigned int word = i;

		if (kind == 1)
			word = side ? (unsigned int)(i * 7919ULL % 200000ULL) : i;
		else if (kind == 2)
			word = next(2);
		else if (kind == 3)
			word = side && next(10) == 0 ? i + 200000 : i % 1000;
		else if (kind == 0)
			word = i + side * 200000;
		cr_assert_eq(buf_printf(out, "line %u\n", word), 0);
	}
}

Test(diff, hostile_sizes_take_seconds_at_most)
{
	for (unsigned int kind = 0; kind < 4; kind++) {
		struct buf old = {0};
		struct buf new = {0};
		struct diff diff;
		double start;
		double took;

		seed = kind;
		big_text(&old, kind, 0);
		big_text(&new, kind, 1);
		start = seconds();
		cr_assert_eq(diff_make(old.data, old.len, new.data, new.len, 3, &diff), 0);
		took = seconds() - start;
		cr_expect_lt(took, 4.0, "kind %u: %f s", kind, took);
		cr_log_info("kind %u: %f s, +%zu -%zu in %zu hunks", kind, took, diff.added,
			    diff.removed, diff.n_hunks);
		cr_expect(hunks_hold(old.data, old.len, new.data, new.len, &diff, 3), "kind %u",
			  kind);
		diff_fini(&diff);
		buf_fini(&old);
		buf_fini(&new);
	}
}

Test(diff, too_many_lines_are_refused)
{
	size_t n = DIFF_LINES_MAX + 1;
	char *text = malloc(n);
	struct diff diff;

	cr_assert(text);
	memset(text, '\n', n);
	cr_expect_eq(diff_make(text, n, "", 0, 3, &diff), -E2BIG);
	cr_expect_eq(diff_make("", 0, text, n, 3, &diff), -E2BIG);
	cr_expect_null(diff.lines);
	cr_expect_eq(diff_make(text, n - 1, "", 0, SIZE_MAX, &diff), 0);
	cr_expect_eq(diff.removed, n - 1);
	diff_fini(&diff);
	free(text);
}

Test(diff, binary_is_a_nul_among_the_first_8000_bytes)
{
	char data[9000];

	memset(data, 'a', sizeof(data));
	cr_expect_not(diff_is_binary(NULL, 0));
	cr_expect_not(diff_is_binary(data, sizeof(data)));
	data[8000] = '\0';
	cr_expect_not(diff_is_binary(data, sizeof(data)));
	data[7999] = '\0';
	cr_expect(diff_is_binary(data, sizeof(data)));
	cr_expect_not(diff_is_binary(data, 7999));
}
