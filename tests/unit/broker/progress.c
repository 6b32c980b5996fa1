/* Which line is shown, and when. */
#include "broker/progress.h"

#include <criterion/criterion.h>
#include <string.h>

static struct progress p;

static void add(unsigned int stream, const char *text)
{
	progress_add(&p, stream, text, strlen(text));
}

static void expect_message(int64_t now_ms, const char *want)
{
	struct buf out = {0};
	bool got = progress_take(&p, now_ms, false, &out);

	cr_expect_eq(got, want != NULL, "at %lld", (long long)now_ms);
	if (got && want)
		cr_expect_str_eq(out.data, want);
	buf_fini(&out);
}

Test(progress, last_complete_line_is_shown_at_most_ten_times_a_second)
{
	progress_init(&p, true, false, 1000);
	add(0, "one\ntwo\nthr");
	expect_message(1050, NULL);
	expect_message(1100, "two");
	add(0, "ee\n");
	expect_message(1150, NULL);
	expect_message(1200, "three");
	expect_message(1300, NULL);
}

Test(progress, silence_gives_a_sign_of_life)
{
	progress_init(&p, true, false, 0);
	cr_expect_eq(progress_deadline(&p), PROGRESS_HEARTBEAT_MS);
	expect_message(4999, NULL);
	expect_message(5000, "running for 5 s");
	expect_message(10000, "running for 10 s");
}

Test(progress, streams_do_not_mix_within_a_line)
{
	progress_init(&p, true, false, 0);
	add(0, "out ");
	add(1, "err\n");
	expect_message(100, "err");
	add(0, "end\n");
	expect_message(200, "out end");
}

Test(progress, lines_are_safe_and_short)
{
	char line[3000];

	progress_init(&p, true, false, 0);
	add(0, "\033[32m 10%\r 20%\tof\a it\n");
	expect_message(100, " 20% of\ufffd it");
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	progress_add(&p, 0, line, sizeof(line));
	line[PROGRESS_LINE_BYTES] = '\0';
	expect_message(200, line);
}

Test(progress, blank_lines_and_json_for_a_digest_are_skipped)
{
	progress_init(&p, true, true, 0);
	add(1, "Compiling serde\n");
	add(0, "{\"reason\":\"x\"}\n");
	add(0, "   \n");
	expect_message(100, "Compiling serde");
}

Test(progress, unwanted_progress_never_is_due)
{
	progress_init(&p, false, false, 0);
	add(0, "line\n");
	cr_expect_eq(progress_deadline(&p), INT64_MAX);
	expect_message(1000000, NULL);
}
