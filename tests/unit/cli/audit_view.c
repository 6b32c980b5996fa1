/* Records for people: a line for each, and nothing that an agent's words could do to a terminal. */
#include "cli/audit_view.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct audit_line line_of(enum audit_kind kind, const char *record)
{
	return (struct audit_line){
		.seq = 1,
		.time = "2026-03-01T09:30:00.000001Z",
		.kind = kind,
		.record = record,
		.record_len = strlen(record),
	};
}

static char *shown(enum audit_kind kind, const char *record)
{
	struct audit_line line = line_of(kind, record);
	struct buf out = {0};

	cr_assert_eq(audit_view_append(&line, false, &out), 0);
	cr_assert_eq(buf_append(&out, "", 1), 0);
	return out.data;
}

#define TIME "2026-03-01 09:30:00  "

static const struct {
	enum audit_kind kind;
	const char *record;
	const char *text;
} rows[] = {
	{AUDIT_CALL,
	 "{\"status\":\"ok\",\"tool\":\"Bash\",\"usage\":{\"wall_ms\":1500},"
	 "\"arguments\":{\"text\":{\"command\":\"echo hi\"}}}",
	 TIME "ok       Bash              1.5 s  echo hi\n"},
	{AUDIT_CALL,
	 "{\"status\":\"ok\",\"tool\":\"sh\",\"arguments\":{\"text\":{\"argv\":[\"sh\",\"-c\",7]}}"
	 "}",
	 TIME "ok       sh                       sh -c ?\n"},
	{AUDIT_DECISION,
	 "{\"decision\":\"refused\",\"status\":\"refused\",\"tool\":\"Nope\",\"error\":\"no tool\","
	 "\"denials\":[{\"layer\":\"policy\",\"operation\":\"call\",\"object\":\"Nope\","
	 "\"rule\":\"r\",\"new\":1}]}",
	 TIME "refused  Nope                     \n"
	      "                     no tool\n"
	      "                     denied by policy: call: Nope (r)\n"},
	{AUDIT_DECISION, "{\"decision\":\"cancelled\",\"by\":\"driver\",\"tool\":\"Bash\"}",
	 TIME "decided  Bash                     cancelled by driver\n"},
	{AUDIT_GAP, "{\"lost\":3,\"since\":\"then\",\"errno\":\"ENOSPC\"}",
	 TIME "gap      3 records could not be written since then: ENOSPC\n"},
	{AUDIT_TORN, "{\"bytes\":15}", TIME "torn     a line was cut off after 15 bytes\n"},
	{AUDIT_LOST, "{\"tool\":\"Bash\"}",
	 TIME "unknown  Bash          it began, and its engine was gone before it had ended\n"},
	{AUDIT_ENGINE, "{\"event\":\"start\",\"policy\":{\"name\":\"p\"},\"workspace\":\"/w\"}",
	 TIME "engine   start: policy p on /w\n"},
	{AUDIT_ENGINE, "{\"event\":\"end\",\"lost\":2}",
	 TIME "engine   end: 2 records of it are lost\n"},
	{AUDIT_LOG, "{\"after\":null}", TIME "log      a file begins\n"},
	/* Whatever stands there. */
	{AUDIT_CALL, "{}", TIME "?        ?                        \n"},
	{AUDIT_CALL, "{not json}", TIME "?        ?                        \n"},
	{AUDIT_CALL,
	 "{\"status\":\"\\u001b[2Jok\",\"tool\":\"a\\nb\",\"arguments\":{\"text\":{\"command\":"
	 "\"x\\u009b\\u202e\\u0007\\ty\"}}}",
	 TIME "ok       a b                      x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd y\n"},
};

Test(audit_view, has_a_line_for_each_kind_and_none_that_could_do_harm)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = shown(rows[i].kind, rows[i].record);

		cr_assert_str_eq(text, rows[i].text, "row %zu: %s", i, text);
		free(text);
	}
}

Test(audit_view, long_words_are_cut_at_a_character)
{
	char record[2048] = "{\"status\":\"ok\",\"tool\":\"x";
	char *text;

	for (int i = 0; i < 300; i++)
		(void)strncat(record, "\xc3\xa4", 3);
	(void)strncat(record, "\"}", 3);
	text = shown(AUDIT_CALL, record);
	cr_assert_not_null(strstr(text, "\xc3\xa4..."));
	cr_assert_lt(strlen(text), 260);
	free(text);
}

Test(audit_view, picks_by_call_time_and_denial)
{
	const char *call = "{\"call\":\"c-1\",\"status\":\"ok\",\"denials\":[]}";
	const char *denied = "{\"call\":\"c-2\",\"status\":\"ok\",\"denials\":[{}]}";
	struct audit_line a = line_of(AUDIT_CALL, call);
	struct audit_line b = line_of(AUDIT_CALL, denied);

	cr_assert(audit_view_wanted(&(struct audit_filter){0}, &a));
	cr_assert(audit_view_wanted(&(struct audit_filter){.call = "c-1"}, &a));
	cr_assert_not(audit_view_wanted(&(struct audit_filter){.call = "c-1"}, &b));
	cr_assert_not(audit_view_wanted(&(struct audit_filter){.denied = true}, &a));
	cr_assert(audit_view_wanted(&(struct audit_filter){.denied = true}, &b));
	cr_assert_not(audit_view_wanted(&(struct audit_filter){.call = "c-1", .denied = true}, &b));
	cr_assert(audit_view_wanted(&(struct audit_filter){.since = "2026-03-01"}, &a));
	cr_assert_not(audit_view_wanted(&(struct audit_filter){.since = "2026-03-02"}, &a));
}

Test(audit_view, since_is_a_time_or_how_long_ago)
{
	static const char *const bad[] = {"",	      "x",
					  "2026-3-1", "20",
					  "tomorrow", "2026-03-01x",
					  "-5min",    "2026-03-01T09:30:00.000001ZZ"};
	const int64_t now = 1772357400000000; /* 2026-03-01T09:30:00Z */
	char text[AUDIT_TIME_BYTES];
	struct err err;

	cr_assert_eq(audit_view_since("30min", now, text, &err), 0);
	cr_assert_str_eq(text, "2026-03-01T09:00:00.000000Z");
	cr_assert_eq(audit_view_since("2026-03-01 09:30", now, text, &err), 0);
	cr_assert_str_eq(text, "2026-03-01T09:30");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(audit_view_since(bad[i], now, text, &err), -EINVAL, "row %zu", i);
}
