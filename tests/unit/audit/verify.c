/* What is done to a log, and what a look at it finds. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/read.h"
#include "base/fd.h"

#define LINES 6U

struct text {
	char lines[LINES][1024];
	char hash[LINES][AUDIT_HEX_BYTES];
};

static void make(struct text *t)
{
	char prev[AUDIT_HEX_BYTES] = AUDIT_NO_HASH;

	for (size_t i = 0; i < LINES; i++) {
		struct audit_line line = {
			.seq = i + 1,
			.time = "2026-03-01T09:30:00.000001Z",
			.engine = "k3f7abcd",
			.kind = i == 0 ? AUDIT_LOG : AUDIT_CALL,
			.record = i == 0 ? "{\"after\":null,\"oldest\":0}" : "{\"tool\":\"Bash\"}",
		};
		struct buf out = {0};

		line.record_len = strlen(line.record);
		memcpy(line.prev, prev, sizeof(prev));
		cr_assert_eq(audit_line_append(&out, &line), 0);
		cr_assert_lt(out.len, sizeof(t->lines[i]));
		memcpy(t->lines[i], out.data, out.len);
		t->lines[i][out.len] = '\0';
		memcpy(prev, line.hash, sizeof(prev));
		memcpy(t->hash[i], line.hash, sizeof(prev));
		buf_fini(&out);
	}
}

struct found {
	uint64_t n;
	char first[512];
};

static void take(void *ctx, const char *text)
{
	struct found *found = ctx;

	if (found->n++ == 0)
		(void)snprintf(found->first, sizeof(found->first), "%s", text);
}

static struct audit_verdict look(const char *data, size_t len, const char *expect,
				 struct found *found)
{
	struct audit_reader *reader = calloc(1, sizeof(*reader));
	struct audit_verdict verdict;
	struct err err = {0};
	int fd = memfd_create("log", MFD_CLOEXEC);

	*found = (struct found){0};
	cr_assert_eq(fd_write_full(fd, data, len), 0);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	audit_reader_file(reader, fd, "audit.jsonl");
	cr_assert_eq(audit_verify(reader, expect, take, found, &verdict, &err), 0);
	cr_assert_eq(verdict.problems, found->n);
	audit_reader_close(reader);
	free(reader);
	return verdict;
}

static void join(const struct text *t, const size_t *order, size_t n, char *dst)
{
	dst[0] = '\0';
	for (size_t i = 0; i < n; i++)
		dst = stpcpy(dst, t->lines[order[i]]);
}

Test(verify, what_was_not_touched_is_whole)
{
	static const size_t all[] = {0, 1, 2, 3, 4, 5};
	static struct text t;
	static char text[8192];
	struct found found;
	struct audit_verdict v;

	make(&t);
	join(&t, all, LINES, text);
	v = look(text, strlen(text), t.hash[2], &found);
	cr_assert_eq(v.problems, 0, "%s", found.first);
	cr_assert_eq(v.lines, LINES);
	cr_assert(v.expected);
	cr_assert_str_eq(v.head, t.hash[LINES - 1]);
	cr_assert_not(look(text, strlen(text), AUDIT_NO_HASH, &found).expected);
}

Test(verify, finds_lines_that_are_removed_moved_added_or_doubled)
{
	static const struct {
		const char *what;
		size_t order[8];
		size_t n;
		uint64_t problems;
		const char *where;
	} rows[] = {
		{"removed", {0, 1, 3, 4, 5}, 5, 1, "audit.jsonl:3:"},
		{"two removed", {0, 3, 4, 5}, 4, 1, "audit.jsonl:2:"},
		{"swapped", {0, 2, 1, 3, 4, 5}, 6, 3, "audit.jsonl:2:"},
		{"doubled", {0, 1, 1, 2, 3, 4}, 6, 1, "audit.jsonl:3:"},
		{"first removed", {1, 2, 3}, 3, 1, "audit.jsonl:1:"},
		{"moved to the end", {0, 2, 3, 4, 5, 1}, 6, 2, "audit.jsonl:2:"},
	};
	static struct text t;

	make(&t);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static char text[8192];
		struct found found;

		join(&t, rows[i].order, rows[i].n, text);
		cr_assert_eq(look(text, strlen(text), NULL, &found).problems, rows[i].problems,
			     "%s: %lu, %s", rows[i].what, (unsigned long)found.n, found.first);
		cr_assert_eq(strncmp(found.first, rows[i].where, strlen(rows[i].where)), 0,
			     "%s: %s", rows[i].what, found.first);
	}
}

Test(verify, finds_an_edit_of_each_byte)
{
	static const size_t all[] = {0, 1, 2};
	static struct text t;
	static char text[8192];
	struct found found;

	make(&t);
	join(&t, all, 3, text);
	for (size_t i = 0; i < strlen(text); i++) {
		char old = text[i];

		text[i] = old == 'X' ? 'Y' : 'X';
		/* The last newline makes a whole line a torn one: what a crash would leave. */
		if (i + 1 < strlen(text))
			cr_assert_gt(look(text, strlen(text), NULL, &found).problems, 0, "byte %zu",
				     i);
		text[i] = old;
	}
}

/* Said where it can be, and honest where it cannot: the newest lines have nobody behind them. */
Test(verify, a_tail_that_is_cut_off_needs_a_hash_from_elsewhere)
{
	static const size_t cut[] = {0, 1, 2, 3};
	static struct text t;
	static char text[8192];
	struct found found;
	struct audit_verdict v;

	make(&t);
	join(&t, cut, 4, text);
	v = look(text, strlen(text), t.hash[5], &found);
	cr_assert_eq(v.problems, 0);
	cr_assert_not(v.expected);
	v = look(text, strlen(text) - 5, NULL, &found);
	cr_assert_eq(v.problems, 0);
	cr_assert_gt(v.unfinished, 0);
}

Test(verify, a_lie_about_a_torn_line_is_found)
{
	struct audit_line line = {
		.seq = 7,
		.time = "2026-03-01T09:30:00.000001Z",
		.engine = "k3f7abcd",
		.kind = AUDIT_TORN,
		.record = "{\"bytes\":3,\"sha256\":\"" AUDIT_NO_HASH "\"}",
	};
	static const size_t all[] = {0, 1, 2, 3, 4, 5};
	static struct text t;
	static char text[8192];
	struct buf out = {0};
	struct found found;

	make(&t);
	join(&t, all, LINES, text);
	line.record_len = strlen(line.record);
	memcpy(line.prev, t.hash[LINES - 1], sizeof(line.prev));
	cr_assert_eq(buf_puts(&out, text), 0);
	cr_assert_eq(buf_puts(&out, "abc\n"), 0);
	cr_assert_eq(audit_line_append(&out, &line), 0);
	cr_assert_eq(look(out.data, out.len, NULL, &found).problems, 2, "%s", found.first);
	buf_fini(&out);
}

Test(verify, garbage_is_read_to_its_end_and_named)
{
	size_t len = 3 * AUDIT_LINE_BYTES_MAX;
	char *data = malloc(len);
	struct found found;

	memset(data, 'x', len);
	data[len - 1] = '\n';
	cr_assert_eq(look(data, len, NULL, &found).problems, 1);
	cr_assert_not_null(strstr(found.first, "longer than any"), "%s", found.first);
	memset(data, '\n', len);
	cr_assert_eq(look(data, 100, NULL, &found).problems, 100);
	cr_assert_eq(look(data, 0, NULL, &found).problems, 0);
	free(data);
}
