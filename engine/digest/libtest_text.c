/*
 * Theory of operation: the stable text of Rust's test harness and of rustdoc:
 *
 *	running 2 tests
 *	test a::b ... ok
 *	test a::c - should panic ... FAILED
 *
 *	failures:
 *
 *	---- a::c stdout ----
 *	what it printed
 *
 *	failures:
 *	    a::c
 *
 *	test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; ...
 *
 * With --nocapture the outcome may stand on a later line by itself; `waiting` holds the name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "digest/parse.h"

#define DOTS " ... "

/* Names carry remarks behind them that the section titles do not have. */
static size_t name_len(const char *name, size_t len)
{
	static const char *const remarks[] = {" - should panic", " - compile fail", " - compile"};

	for (size_t i = 0; i < ARRAY_SIZE(remarks); i++) {
		size_t n = strlen(remarks[i]);

		if (len > n && memcmp(name + len - n, remarks[i], n) == 0)
			return len - n;
	}
	return len;
}

/* "ok", "FAILED", "ignored, slow", each perhaps with " <0.120s>" behind it */
static bool read_outcome(const char *text, size_t len, enum libtest_outcome *ret)
{
	static const struct {
		const char *word;
		enum libtest_outcome outcome;
	} rows[] = {
		{"ok", LIBTEST_PASSED},
		{"FAILED", LIBTEST_FAILED},
		{"ignored", LIBTEST_IGNORED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].word);

		if (!text_starts(text, len, rows[i].word))
			continue;
		if (len == n || text[n] == ',' || text[n] == ' ') {
			*ret = rows[i].outcome;
			return true;
		}
	}
	return false;
}

static void wait_for_outcome(struct digest *d, const char *name, size_t len)
{
	free(d->tests.waiting);
	d->tests.waiting = strndup(name, len);
	if (!d->tests.waiting)
		d->failed = -ENOMEM;
}

static bool test_line(struct digest *d, const char *line, size_t len)
{
	const char *name = line + 5;
	const char *dots;
	struct libtest_result result = {.name = name, .seconds = -1};

	if (!text_starts(line, len, "test "))
		return false;
	dots = memmem(name, len - 5, DOTS, sizeof(DOTS) - 1);
	if (!dots)
		return false;
	result.name_len = name_len(name, (size_t)(dots - name));
	dots += sizeof(DOTS) - 1;
	if (!read_outcome(dots, len - (size_t)(dots - line), &result.outcome)) {
		wait_for_outcome(d, name, result.name_len);
		return true;
	}
	libtest_add(d, &result);
	return true;
}

/* The outcome of a test that has printed in between. */
static bool late_outcome(struct digest *d, const char *line, size_t len)
{
	struct libtest_result result = {.name = d->tests.waiting, .seconds = -1};

	if (!d->tests.waiting || !read_outcome(line, len, &result.outcome))
		return false;
	result.name_len = strlen(d->tests.waiting);
	libtest_add(d, &result);
	free(d->tests.waiting);
	d->tests.waiting = NULL;
	return true;
}

void libtest_section_end(struct digest *d)
{
	struct libtest *t = &d->tests;
	size_t len = t->output.len;

	if (!t->section)
		return;
	while (len > 0 && t->output.data[len - 1] == '\n')
		len--;
	libtest_set_output(d, t->section, len ? t->output.data : "", len);
	free(t->section);
	t->section = NULL;
	t->output.len = 0;
}

/* "---- NAME stdout ----" */
static bool section_title(struct digest *d, const char *line, size_t len)
{
	static const char tail[] = " stdout ----";
	size_t n = sizeof(tail) - 1;

	if (!d->tests.in_failures || !text_starts(line, len, "---- ") || len <= 5 + n ||
	    memcmp(line + len - n, tail, n) != 0)
		return false;
	libtest_section_end(d);
	d->tests.section = strndup(line + 5, name_len(line + 5, len - n - 5));
	if (!d->tests.section)
		d->failed = -ENOMEM;
	return true;
}

static bool is_running_line(const char *line, size_t len)
{
	static const char *const tails[] = {" tests", " test"};

	if (!text_starts(line, len, "running ") || len < 9 || line[8] < '0' || line[8] > '9')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		size_t n = strlen(tails[i]);

		if (len > n && memcmp(line + len - n, tails[i], n) == 0)
			return true;
	}
	return false;
}

/* The number that stands before @word; 0 when there is none. */
static uint64_t count_before(const char *text, const char *word)
{
	const char *at = strstr(text, word);
	const char *start = at;
	char digits[24];
	uint64_t n;

	if (!at)
		return 0;
	while (start > text && start[-1] >= '0' && start[-1] <= '9')
		start--;
	if ((size_t)(at - start) >= sizeof(digits))
		return 0;
	(void)memcpy(digits, start, (size_t)(at - start));
	digits[at - start] = '\0';
	return num_parse_u64(digits, UINT32_MAX, &n) == 0 ? n : 0;
}

static void result_line(struct digest *d, const char *line, size_t len)
{
	char text[256];
	size_t n = MIN(len, sizeof(text) - 1);

	(void)memcpy(text, line, n);
	text[n] = '\0';
	libtest_suite_end(d,
			  (uint64_t[]){count_before(text, " passed"), count_before(text, " failed"),
				       count_before(text, " ignored")},
			  count_before(text, " filtered out"));
}

static void section_line(struct digest *d, const char *line, size_t len)
{
	int r;

	if (d->tests.output.len > DIGEST_STRING_BYTES_MAX)
		return; /* value_text cuts and says so */
	r = buf_append(&d->tests.output, line, len);
	if (r == 0)
		r = buf_append(&d->tests.output, "\n", 1);
	if (r < 0)
		d->failed = r;
}

bool libtest_text_line(struct digest *d, const char *line, size_t len)
{
	struct libtest *t = &d->tests;

	if (is_running_line(line, len)) {
		libtest_suite_start(d);
		return true;
	}
	if (!t->open)
		return false;
	if (text_starts(line, len, "test result: ")) {
		result_line(d, line, len);
		return true;
	}
	if (len == 9 && text_starts(line, len, "failures:")) {
		libtest_section_end(d);
		t->in_failures = true;
		return true;
	}
	if (section_title(d, line, len))
		return true;
	if (t->section) {
		section_line(d, line, len);
		return true;
	}
	if (t->in_failures && text_starts(line, len, "    "))
		return true; /* a name that has had its result */
	return test_line(d, line, len) || late_outcome(d, line, len);
}
