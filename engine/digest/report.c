/*
 * Theory of operation: the half of a reply that a model reads first. One line says how it went, the
 * rest is what the compiler or the test said, errors before warnings, until the room is used up;
 * then a line says what was left out and where it is. All strings that come here are safe already
 * (value_text) but those of an excerpt, which digest_finish makes safe with the whole text.
 */
#include <string.h>

#include "base/text.h"
#include "digest/parse.h"

#define EXCERPT_HALF ((size_t)3 << 10)

void report_puts(struct digest *d, struct buf *text, const char *s)
{
	int r = buf_puts(text, s);

	if (r < 0)
		d->failed = r;
}

static bool has_room(const struct buf *text, size_t more)
{
	return text->len + more <= DIGEST_TEXT_BYTES_MAX;
}

static void put_count(struct digest *d, struct buf *text, uint64_t n, const char *one,
		      const char *many)
{
	int r = n > 0 ? buf_printf(text, ", %ju %s", (uintmax_t)n, n == 1 ? one : many) : 0;

	if (r < 0)
		d->failed = r;
}

void report_summary(struct digest *d, struct buf *text, bool success, const char *extra)
{
	const uint64_t *totals = d->tests.totals;

	report_puts(d, text, d->label);
	report_puts(d, text, !d->exit_known ? ": ended" : success ? ": ok" : ": failed");
	put_count(d, text, d->findings.errors, "error", "errors");
	put_count(d, text, d->findings.warnings, "warning", "warnings");
	put_count(d, text, totals[LIBTEST_PASSED], "test passed", "tests passed");
	put_count(d, text, totals[LIBTEST_FAILED], "test failed", "tests failed");
	put_count(d, text, totals[LIBTEST_IGNORED], "test ignored", "tests ignored");
	put_count(d, text, totals[LIBTEST_UNFINISHED], "test unfinished", "tests unfinished");
	put_count(d, text, d->cargo.fixes, "fix applied", "fixes applied");
	if (extra)
		report_puts(d, text, extra);
	report_puts(d, text, "\n");
}

/* Rendered diagnostics whose being an error is @errors.  Return: how many had no room. */
static uint64_t put_rendered(struct digest *d, struct buf *text, bool errors)
{
	uint64_t left_out = 0;
	json_t *item;
	size_t i;

	json_array_foreach(d->findings.list, i, item) {
		const char *rendered = value_get_string(item, "rendered");
		size_t len = strlen(rendered);

		if ((strcmp(value_get_string(item, "level"), "error") == 0) != errors)
			continue;
		if (rendered[0] == '\0') {
			rendered = value_get_string(item, "message");
			len = strlen(rendered);
		}
		if (!has_room(text, len + 2)) {
			left_out++;
			continue;
		}
		report_puts(d, text, "\n");
		report_puts(d, text, rendered);
		while (text->len > 0 && text->data[text->len - 1] == '\n')
			text->len--;
		report_puts(d, text, "\n");
	}
	return left_out;
}

static void put_left_out(struct digest *d, struct buf *text, uint64_t n, const char *what,
			 const char *where)
{
	int r = n > 0 ? buf_printf(text, "\n[%ju more %s in %s]\n", (uintmax_t)n, what, where) : 0;

	if (r < 0)
		d->failed = r;
}

void report_diagnostics(struct digest *d, struct buf *text)
{
	uint64_t left_out = put_rendered(d, text, true);

	left_out += put_rendered(d, text, false);
	put_left_out(d, text, left_out, "diagnostics", "data.diagnostics");
	put_left_out(d, text, d->findings.truncated, "diagnostics were counted and not kept;",
		     "the output only");
}

static void put_test(struct digest *d, struct buf *text, json_t *item)
{
	const char *suite = value_get_string(item, "suite");
	const char *output = value_get_string(item, "output");
	size_t room = DIGEST_TEXT_BYTES_MAX - MIN(text->len, DIGEST_TEXT_BYTES_MAX);
	size_t len = strlen(output);
	int r;

	r = buf_printf(text, "\n%s: %s%s%s%s\n", value_get_string(item, "outcome"),
		       value_get_string(item, "name"), suite[0] ? " [" : "", suite,
		       suite[0] ? "]" : "");
	while (len > 0 && output[len - 1] == '\n')
		len--;
	if (r == 0 && len > 0 && len < room)
		r = buf_printf(text, "%.*s\n", (int)len, output);
	else if (r == 0 && len > 0)
		r = buf_puts(text, "[output in data.tests.results]\n");
	if (r < 0)
		d->failed = r;
}

void report_tests(struct digest *d, struct buf *text)
{
	uint64_t left_out = 0;
	json_t *item;
	size_t i;

	json_array_foreach(d->tests.results, i, item) {
		const char *outcome = value_get_string(item, "outcome");

		if (strcmp(outcome, "failed") != 0 && strcmp(outcome, "unfinished") != 0)
			continue;
		if (has_room(text, strlen(value_get_string(item, "name")) + 128))
			put_test(d, text, item);
		else
			left_out++;
	}
	put_left_out(d, text, left_out, "tests", "data.tests.results");
}

static bool text_ends_empty(const struct buf *b)
{
	return b->len == 1 || b->data[b->len - 2] == '\n';
}

void excerpt_add(struct digest *d, struct excerpt *excerpt, const char *line, size_t len)
{
	bool to_head = excerpt->omitted == 0 && excerpt->tail.len == 0 &&
		       excerpt->head.len + len < EXCERPT_HALF;
	struct buf *to = to_head ? &excerpt->head : &excerpt->tail;
	int r;

	/* One empty line between two texts is enough, and none is needed at the start. */
	if (len == 0 && (to->len == 0 || text_ends_empty(to)))
		return;
	if (len > EXCERPT_HALF) {
		excerpt->omitted += to->len * !to_head + len - EXCERPT_HALF;
		to->len = to_head ? to->len : 0;
		line += len - EXCERPT_HALF;
		len = EXCERPT_HALF;
	}
	r = buf_append(to, line, len);
	if (r == 0)
		r = buf_append(to, "\n", 1);
	if (r < 0)
		d->failed = r;
	/* Dropped in large steps, so that a byte is moved once and not once per line. */
	if (!to_head && to->len > 8 * EXCERPT_HALF) {
		excerpt->omitted += to->len - EXCERPT_HALF;
		buf_drop(to, to->len - EXCERPT_HALF);
	}
}

void report_excerpt(struct digest *d, struct buf *text, const struct excerpt *excerpt)
{
	size_t room = DIGEST_TEXT_BYTES_MAX - MIN(text->len, DIGEST_TEXT_BYTES_MAX);
	size_t head = MIN(excerpt->head.len, room / 2);
	size_t half = MIN(EXCERPT_HALF, room / 2);
	size_t tail = MIN(excerpt->tail.len, half);
	uint64_t omitted = excerpt->omitted + excerpt->head.len - head + excerpt->tail.len - tail;
	int r;

	if (head + tail == 0 || room < 256)
		return;
	report_puts(d, text, "\noutput of the program:\n");
	r = text_append_safe(text, excerpt->head.data, head);
	if (r == 0 && omitted > 0)
		r = buf_printf(text, "\n[%ju bytes left out]\n", (uintmax_t)omitted);
	if (r == 0 && tail > 0)
		r = text_append_safe(text, excerpt->tail.data + excerpt->tail.len - tail, tail);
	if (r < 0)
		d->failed = r;
}
