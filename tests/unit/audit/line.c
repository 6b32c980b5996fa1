/* Lines of an audit log: one spelling, and nothing that a record could reach out of. */
#include "audit/line.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct audit_line example(const char *record)
{
	struct audit_line line = {
		.seq = 7,
		.time = "2026-03-01T09:30:00.000001Z",
		.engine = "k3f7abcd",
		.uid = 1000,
		.kind = AUDIT_CALL,
		.prev = AUDIT_NO_HASH,
		.record = record,
		.record_len = strlen(record),
	};

	return line;
}

Test(line, comes_back_as_it_went)
{
	struct audit_line line = example("{\"tool\":\"Bash\",\"n\":[1,{\"x\":\"}\\\"\"}]}");
	struct audit_line back;
	struct buf out = {0};
	const char *why;

	cr_assert_eq(audit_line_append(&out, &line), 0);
	cr_assert_eq(out.data[out.len - 1], '\n');
	cr_assert_eq(audit_line_parse(out.data, out.len - 1, &back, &why), 0, "%s", why);
	cr_assert_eq(back.seq, 7);
	cr_assert_eq(back.uid, 1000);
	cr_assert_eq(back.kind, AUDIT_CALL);
	cr_assert_str_eq(back.engine, "k3f7abcd");
	cr_assert_str_eq(back.hash, line.hash);
	cr_assert_eq(back.record_len, line.record_len);
	buf_fini(&out);
}

Test(line, every_changed_byte_is_seen)
{
	struct audit_line line = example("{\"tool\":\"Bash\"}");
	struct audit_line back;
	struct buf out = {0};
	const char *why = NULL;

	cr_assert_eq(audit_line_append(&out, &line), 0);
	for (size_t i = 0; i + 1 < out.len; i++) {
		out.data[i] ^= 1;
		cr_assert_eq(audit_line_parse(out.data, out.len - 1, &back, &why), -EBADMSG,
			     "byte %zu", i);
		cr_assert_not_null(why);
		out.data[i] ^= 1;
	}
	for (size_t n = 0; n + 1 < out.len; n++)
		cr_assert_eq(audit_line_parse(out.data, n, &back, &why), -EBADMSG, "%zu bytes", n);
	buf_fini(&out);
}

Test(line, records_that_reach_out_are_refused)
{
	static const char *const bad[] = {
		"",
		"{",
		"{}}",
		"{},\"kind\":\"call\"",
		"{}\n{}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"\x1b[2J\"}",
		"{\"a\":\"\x7f\"}",
		"{\"a\":[}]",
		"{\"a\":\"b}",
		"{\"a\":\"\\",
		"{\"a\":\"\xff\"}",
		"[]",
		" {}",
		"{} ",
		"{\"a\":\xc3\xa4}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct audit_line line = example(bad[i]);
		struct buf out = {0};

		cr_assert_not(audit_record_is_sane(bad[i], strlen(bad[i])), "row %zu", i);
		cr_assert_eq(audit_line_append(&out, &line), -EINVAL, "row %zu", i);
		buf_fini(&out);
	}
	cr_assert_not(audit_record_is_sane("{\"a\":\"\0\"}", 9));
	cr_assert(audit_record_is_sane("{\"a\":\"\xc3\xa4\\u0000\"}", 16));
}

Test(line, depth_and_length_have_caps)
{
	size_t room = AUDIT_RECORD_BYTES_MAX + 16;
	char *text = calloc(1, room);
	size_t n = 0;

	cr_assert_not_null(text);
	for (unsigned int deep = AUDIT_DEPTH_MAX; deep <= AUDIT_DEPTH_MAX + 1; deep++) {
		n = (size_t)snprintf(text, room, "{\"a\":");
		memset(text + n, '[', deep - 1);
		memset(text + n + deep - 1, ']', deep - 1);
		n += 2 * (deep - 1);
		text[n++] = '}';
		cr_assert_eq(audit_record_is_sane(text, n), deep == AUDIT_DEPTH_MAX);
	}
	for (size_t len = AUDIT_RECORD_BYTES_MAX; len <= AUDIT_RECORD_BYTES_MAX + 1; len++) {
		memset(text, 'x', len);
		memcpy(text, "{\"a\":\"", 6);
		memcpy(text + len - 2, "\"}", 2);
		cr_assert_eq(audit_record_is_sane(text, len), len == AUDIT_RECORD_BYTES_MAX);
	}
	free(text);
}

Test(line, every_kind_has_a_name)
{
	for (unsigned int i = 0; i < AUDIT_KIND_N; i++)
		cr_assert_not_null(audit_kind_name((enum audit_kind)i));
	cr_assert_null(audit_kind_name(AUDIT_KIND_N));
}

Test(line, times_are_utc_and_never_malformed)
{
	char text[AUDIT_TIME_BYTES];

	cr_assert_str_eq(audit_time_text(1772357400000001, text), "2026-03-01T09:30:00.000001Z");
	cr_assert_str_eq(audit_time_text(-1, text), "1970-01-01T00:00:00.000000Z");
	cr_assert_eq(strlen(audit_time_text(INT64_MAX, text)), 27);
}

Test(line, each_beginning_is_cut_and_nothing_that_was_changed_is)
{
	struct audit_line line = example("{\"tool\":\"B\\\"\u00e4\",\"n\":[1,{}]}");
	struct buf out = {0};
	size_t len;

	cr_assert_eq(audit_line_append(&out, &line), 0);
	len = out.len - 1;
	cr_assert_not(audit_line_is_cut(out.data, len));
	cr_assert_not(audit_line_is_cut(out.data, len + 1));
	for (size_t n = 0; n < len; n++)
		cr_assert(audit_line_is_cut(out.data, n), "%zu bytes", n);
	for (size_t i = 0; i < len; i++) {
		char old = out.data[i];

		out.data[i] = old == 'X' ? 'Y' : 'X';
		cr_assert_not(audit_line_is_cut(out.data, len), "byte %zu", i);
		out.data[i] = old;
	}
	cr_assert_not(audit_line_is_cut("hello", 5));
	cr_assert_not(audit_line_is_cut("{\"schema\":\"toolcell.audit/2", 27));
	buf_fini(&out);
}
