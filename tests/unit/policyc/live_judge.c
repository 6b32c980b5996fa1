/* Theory of operation: lines as a cell might write them, and every verdict against what was seen. */
#include "policyc/live.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

Test(live_judge, only_whole_answers_are_answers)
{
	static const struct {
		const char *line;
		bool good;
	} lines[] = {
		{"0 ok 0", true},      {"4096 errno 13", true},
		{"7 signal 31", true}, {"7 value 18446744073709551615", true},
		{"", false},	       {"7", false},
		{"7 ok", false},       {"x ok 0", false},
		{"-1 ok 0", false},    {"4097 ok 0", false},
		{"7 okay 0", false},   {"7 ok 99999999999999999999", false},
		{"7 ok 0x1", false},   {"                                  ", false},
	};
	char longer[256];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct live_answer answer;
		uint32_t row;

		cr_assert_eq(live_parse(lines[i].line, &row, &answer), lines[i].good, "row %zu", i);
	}
	memset(longer, '1', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	{
		struct live_answer answer;
		uint32_t row;

		cr_assert_not(live_parse(longer, &row, &answer));
	}
}

#define E(num)                  \
	{                       \
		LIVE_ERRNO, num \
	}
#define OK                 \
	{                  \
		LIVE_OK, 0 \
	}

static const struct {
	enum table_kind kind;
	enum query_use use;
	const char *subject;
	const char *want;
	struct live_answer answer;
	enum table_outcome outcome;
} rows[] = {
	{TABLE_CALL, 0, "x", "allow", OK, TABLE_PASSED},
	{TABLE_CALL, 0, "x", "allow", {LIVE_BLOCKED, 0}, TABLE_PASSED},
	{TABLE_CALL, 0, "x", "allow", {LIVE_SIGNAL, SIGSEGV}, TABLE_PASSED},
	{TABLE_CALL, 0, "x", "allow", E(EFAULT), TABLE_PASSED},
	{TABLE_CALL, 0, "x", "allow", E(EPERM), TABLE_SKIPPED},
	{TABLE_CALL, 0, "x", "allow", E(ENOSYS), TABLE_SKIPPED},
	{TABLE_CALL, 0, "x", "allow", {LIVE_SIGNAL, SIGSYS}, TABLE_FAILED},
	{TABLE_CALL, 0, "x", "EPERM", E(EPERM), TABLE_PASSED},
	{TABLE_CALL, 0, "x", "EPERM", E(EFAULT), TABLE_FAILED},
	{TABLE_CALL, 0, "x", "EPERM", E(ENOSYS), TABLE_FAILED},
	{TABLE_CALL, 0, "x", "EPERM", OK, TABLE_FAILED},
	{TABLE_CALL, 0, "x", "ENOSYS", E(ENOSYS), TABLE_PASSED},
	{TABLE_CALL, 0, "x", "ENOSYS", E(EPERM), TABLE_FAILED},
	{TABLE_CALL, 0, "x", "kill", {LIVE_SIGNAL, SIGSYS}, TABLE_PASSED},
	{TABLE_CALL, 0, "x", "kill", {LIVE_SIGNAL, SIGSEGV}, TABLE_SKIPPED},
	{TABLE_CALL, 0, "x", "kill", E(EPERM), TABLE_FAILED},
	{TABLE_CALL, 0, "x", "kill", {LIVE_MISUSE, 0}, TABLE_SKIPPED},
	{TABLE_PATH, QUERY_READ, "/x", "allow", OK, TABLE_PASSED},
	{TABLE_PATH, QUERY_READ, "/x", "allow", {LIVE_EMPTY, 0}, TABLE_PASSED},
	{TABLE_PATH, QUERY_READ, "/x", "allow", E(EACCES), TABLE_FAILED},
	{TABLE_PATH, QUERY_READ, "/x", "allow", E(ENOENT), TABLE_SKIPPED},
	{TABLE_PATH, QUERY_READ, "/x", "hidden", E(ENOENT), TABLE_PASSED},
	{TABLE_PATH, QUERY_READ, "/x", "hidden", {LIVE_EMPTY, 0}, TABLE_PASSED},
	{TABLE_PATH, QUERY_READ, "/x", "hidden", OK, TABLE_FAILED},
	{TABLE_PATH, QUERY_READ, "/x", "hidden", E(EACCES), TABLE_FAILED},
	{TABLE_PATH, QUERY_WRITE, "/x", "hidden", E(EROFS), TABLE_PASSED},
	{TABLE_PATH, QUERY_WRITE, "/x", "refused", E(EROFS), TABLE_PASSED},
	{TABLE_PATH, QUERY_WRITE, "/x", "refused", OK, TABLE_FAILED},
	{TABLE_PATH, QUERY_WRITE, "/x", "refused", E(ENOENT), TABLE_SKIPPED},
	{TABLE_PATH, QUERY_WRITE, "/x", "protected", E(EROFS), TABLE_PASSED},
	{TABLE_PATH, QUERY_WRITE, "/x", "protected", OK, TABLE_SKIPPED},
	{TABLE_PATH, QUERY_EXECUTE, "/x", "refused", E(EACCES), TABLE_PASSED},
	{TABLE_PATH, QUERY_EXECUTE, "/x", "refused", OK, TABLE_FAILED},
	{TABLE_ENV, 0, "X", "set", OK, TABLE_PASSED},
	{TABLE_ENV, 0, "X", "set", E(ENOENT), TABLE_FAILED},
	{TABLE_ENV, 0, "X", "absent", E(ENOENT), TABLE_PASSED},
	{TABLE_ENV, 0, "X", "absent", OK, TABLE_FAILED},
	{TABLE_ENV, 0, "TOOLCELL_NONE", "passed", E(ENOENT), TABLE_PASSED},
	{TABLE_ENV, 0, "TOOLCELL_NONE", "passed", OK, TABLE_FAILED},
	{TABLE_NETWORK, 0, "x", "allow", E(ECONNREFUSED), TABLE_PASSED},
	{TABLE_NETWORK, 0, "x", "allow", E(ENETUNREACH), TABLE_FAILED},
	{TABLE_NETWORK, 0, "x", "refused", E(ENETUNREACH), TABLE_PASSED},
	{TABLE_NETWORK, 0, "x", "refused", {LIVE_BLOCKED, 0}, TABLE_FAILED},
	{TABLE_LIMIT, 0, "open_files", "512", {LIVE_VALUE, 512}, TABLE_PASSED},
	{TABLE_LIMIT, 0, "open_files", "512", {LIVE_VALUE, 513}, TABLE_FAILED},
	{TABLE_LIMIT, 0, "file_size", "1GiB", {LIVE_VALUE, 1 << 30}, TABLE_PASSED},
	{TABLE_TOOL, 0, "x", "granted", OK, TABLE_SKIPPED},
};

Test(live_judge, what_was_seen_passes_fails_or_tells_nothing)
{
	cr_assert_eq(unsetenv("TOOLCELL_NONE"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct table_row row = {.kind = rows[i].kind,
					      .use = rows[i].use,
					      .subject = rows[i].subject,
					      .want = rows[i].want};
		struct table_result result = {.outcome = TABLE_OUTCOME_N};

		live_judge(&row, rows[i].answer, &result);
		cr_expect_eq(result.outcome, rows[i].outcome, "row %zu: %s", i, result.text);
		cr_expect(result.outcome == TABLE_PASSED || result.text[0] != '\0', "row %zu", i);
	}
}
