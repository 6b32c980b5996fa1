/*
 * Theory of operation: a cell's answer is not a verdict yet: a call that is allowed may fail for
 * reasons of its own, and a path that may be written may not be there. What an answer shows beyond
 * doubt passes or fails; the rest is skipped with its reason, for plan and filter have been asked
 * about it already.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "policyc/live.h"

static const char *const words[] = {
	[LIVE_OK] = "ok",	    [LIVE_ERRNO] = "errno", [LIVE_SIGNAL] = "signal",
	[LIVE_BLOCKED] = "blocked", [LIVE_EMPTY] = "empty", [LIVE_VALUE] = "value",
	[LIVE_MISUSE] = "misuse",
};
static_assert(ARRAY_SIZE(words) == LIVE_WORD_N, "every word is spelt");

bool live_parse(const char *line, uint32_t *ret_row, struct live_answer *ret)
{
	char copy[128];
	char *save = NULL;
	const char *row;
	const char *word;
	const char *last;
	uint64_t number;

	if (strlen(line) >= sizeof(copy))
		return false;
	memcpy(copy, line, strlen(line) + 1);
	row = strtok_r(copy, " ", &save);
	word = strtok_r(NULL, " ", &save);
	last = strtok_r(NULL, " ", &save);
	if (!row || !word || !last || num_parse_u64(row, TABLE_ROWS_MAX, &number) < 0 ||
	    num_parse_u64(last, UINT64_MAX, &ret->number) < 0)
		return false;
	*ret_row = (uint32_t)number;
	for (size_t i = 0; i < LIVE_WORD_N; i++) {
		if (strcmp(words[i], word) != 0)
			continue;
		ret->word = (enum live_word)i;
		return true;
	}
	return false;
}

struct judge {
	const struct table_row *row;
	struct live_answer answer;
	struct table_result *ret;
};

static void say_answer(const struct judge *j, char *dst, size_t cap)
{
	const char *name = j->answer.word == LIVE_ERRNO	   ? strerrorname_np((int)j->answer.number)
			   : j->answer.word == LIVE_SIGNAL ? sigabbrev_np((int)j->answer.number)
							   : NULL;

	(void)snprintf(dst, cap, "%s%s", j->answer.word == LIVE_SIGNAL ? "SIG" : "",
		       name ? name : words[j->answer.word]);
}

static void settle(const struct judge *j, enum table_outcome outcome, const char *why)
{
	char text[64];

	j->ret->outcome = outcome;
	if (outcome == TABLE_PASSED)
		return;
	say_answer(j, text, sizeof(text));
	(void)snprintf(j->ret->text, sizeof(j->ret->text), "in a cell: %s%s%s", text,
		       why[0] ? ", " : "", why);
}

static bool is_errno(const struct judge *j, int num)
{
	return j->answer.word == LIVE_ERRNO && j->answer.number == (uint64_t)num;
}

static bool wants(const struct judge *j, const char *verdict)
{
	return strcmp(j->row->want, verdict) == 0;
}

static void judge_call(const struct judge *j)
{
	bool killed = j->answer.word == LIVE_SIGNAL && j->answer.number == SIGSYS;
	/* init answers a call that it was told of with EPERM as well. */
	enum call_verdict seen = killed		       ? CALL_KILL
				 : is_errno(j, EPERM)  ? CALL_EPERM
				 : is_errno(j, ENOSYS) ? CALL_ENOSYS
						       : CALL_ALLOW;

	if (wants(j, call_verdict_name(seen)))
		settle(j, TABLE_PASSED, "");
	else if (wants(j, "allow") && seen != CALL_KILL)
		settle(j, TABLE_SKIPPED, "which the kernel itself may say");
	else if (wants(j, "kill") && j->answer.word == LIVE_SIGNAL)
		settle(j, TABLE_SKIPPED, "this kernel does not know the architecture");
	else
		settle(j, TABLE_FAILED, "");
}

enum seen { SEEN_DONE, SEEN_EMPTY, SEEN_REFUSED, SEEN_ABSENT, SEEN_ELSE, SEEN_N };

static enum seen classify(const struct judge *j)
{
	if (j->answer.word == LIVE_OK || j->answer.word == LIVE_BLOCKED)
		return SEEN_DONE;
	if (j->answer.word == LIVE_EMPTY)
		return SEEN_EMPTY;
	if (is_errno(j, EACCES) || is_errno(j, EPERM) || is_errno(j, EROFS))
		return SEEN_REFUSED;
	return is_errno(j, ENOENT) ? SEEN_ABSENT : SEEN_ELSE;
}

/* What each verdict makes of what was seen. */
static const struct {
	enum table_outcome of[SEEN_N];
	const char *why; /* of what is skipped */
} path_rows[] = {
	[QUERY_ALLOW] = {{[SEEN_DONE] = TABLE_PASSED,
			  [SEEN_EMPTY] = TABLE_PASSED,
			  [SEEN_REFUSED] = TABLE_FAILED,
			  [SEEN_ABSENT] = TABLE_SKIPPED,
			  [SEEN_ELSE] = TABLE_SKIPPED},
			 "which policies have no part in"},
	[QUERY_REFUSED] = {{[SEEN_DONE] = TABLE_FAILED,
			    [SEEN_EMPTY] = TABLE_FAILED,
			    [SEEN_REFUSED] = TABLE_PASSED,
			    [SEEN_ABSENT] = TABLE_SKIPPED,
			    [SEEN_ELSE] = TABLE_SKIPPED},
			   "which policies have no part in"},
	[QUERY_HIDDEN] = {{[SEEN_DONE] = TABLE_FAILED,
			   [SEEN_EMPTY] = TABLE_PASSED,
			   [SEEN_REFUSED] = TABLE_FAILED,
			   [SEEN_ABSENT] = TABLE_PASSED,
			   [SEEN_ELSE] = TABLE_SKIPPED},
			  "which policies have no part in"},
	[QUERY_PROTECTED] = {{[SEEN_DONE] = TABLE_SKIPPED,
			      [SEEN_EMPTY] = TABLE_SKIPPED,
			      [SEEN_REFUSED] = TABLE_PASSED,
			      [SEEN_ABSENT] = TABLE_SKIPPED,
			      [SEEN_ELSE] = TABLE_SKIPPED},
			     "the rule holds when the call is over"},
};
static_assert(ARRAY_SIZE(path_rows) == QUERY_VERDICT_N, "every verdict has a row");

static void judge_path(const struct judge *j)
{
	enum query_verdict verdict = QUERY_REFUSED;
	enum seen seen = classify(j);
	enum table_outcome outcome = TABLE_FAILED;

	if (query_verdict_find(j->row->want, &verdict))
		outcome = path_rows[verdict].of[seen];
	/* Where nothing can be seen nothing can be made either; the kernel names the folder's reason. */
	if (verdict == QUERY_HIDDEN && seen == SEEN_REFUSED &&
	    (j->row->use == QUERY_WRITE || j->row->use == QUERY_CREATE))
		outcome = TABLE_PASSED;
	settle(j, outcome, outcome == TABLE_SKIPPED ? path_rows[verdict].why : "");
}

static void judge_env(const struct judge *j)
{
	bool there = j->answer.word == LIVE_OK;
	bool wanted = wants(j, "set") || (wants(j, "passed") && getenv(j->row->subject));

	settle(j, there == wanted ? TABLE_PASSED : TABLE_FAILED, "");
}

static void judge_network(const struct judge *j)
{
	bool sent = j->answer.word == LIVE_OK || j->answer.word == LIVE_BLOCKED ||
		    is_errno(j, ECONNREFUSED);

	settle(j, sent == wants(j, "allow") ? TABLE_PASSED : TABLE_FAILED, "");
}

static void judge_limit(const struct judge *j)
{
	for (size_t i = 0; i < POLICY_LIMIT_N; i++) {
		char text[64];

		if (strcmp(policy_limit_name((enum policy_limit)i), j->row->subject) != 0)
			continue;
		policy_limit_text((enum policy_limit)i, j->answer.number, text, sizeof(text));
		if (j->answer.word == LIVE_VALUE && wants(j, text))
			settle(j, TABLE_PASSED, "");
		else
			settle(j, TABLE_FAILED, text);
		return;
	}
	settle(j, TABLE_FAILED, "there is no such limit");
}

static void judge_nothing(const struct judge *j)
{
	settle(j, TABLE_SKIPPED, "");
}

static void (*const judges[])(const struct judge *j) = {
	[TABLE_CALL] = judge_call,   [TABLE_PATH] = judge_path, [TABLE_TOOL] = judge_nothing,
	[TABLE_LIMIT] = judge_limit, [TABLE_ENV] = judge_env,	[TABLE_NETWORK] = judge_network,
};
static_assert(ARRAY_SIZE(judges) == TABLE_KIND_N, "every kind is judged");

void live_judge(const struct table_row *row, struct live_answer answer, struct table_result *ret)
{
	struct judge j = {row, answer, ret};

	if (answer.word == LIVE_MISUSE)
		settle(&j, TABLE_SKIPPED, "it cannot be tried here");
	else
		judges[row->kind](&j);
}
