/*
 * Theory of operation:
 *
 *	grep_take_args -> target_open -> search_run (which files, how many entries) -> grep_show (a page)
 *
 * Entries are numbered through the whole result, files in the order of their paths, so a page is the
 * same wherever its lines were found first, and offset leads on without a gap.
 *
 * A match cannot be interrupted, so two clocks watch it. The search's own deadline answers with what
 * was found till then. Behind it an alarm answers for everything that the deadline does not see:
 * compiling, the second reading, a cell in which no second thread may be started. Its answer is written
 * beforehand, since a signal handler may not write one.
 */
#include "tools/cell/files/grep.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tools/cell/files/args.h"

#define ALARM_EXTRA_S 10 /* behind the deadline */

int64_t grep_deadline_ms = SEARCH_DEADLINE_MS;

static const char late_answer[] =
	"{\"text\": \"The search was stopped because a single match took too long; nothing of it "
	"can "
	"be shown. Nested repetitions such as (a+)+ and long lines cause this: use a simpler "
	"pattern, or fewer files with path, glob or type.\", \"data\": {\"type\": \"error\", "
	"\"error\": \"time\", \"message\": \"a single match took too long\"}, \"success\": false, "
	"\"denials\": []}\n";

static void on_alarm(int number)
{
	ssize_t n = write(STDOUT_FILENO, late_answer, sizeof(late_answer) - 1);

	(void)number;
	_exit(n == (ssize_t)sizeof(late_answer) - 1 ? 1 : 2);
}

static void set_alarm(bool on)
{
	struct sigaction action = {.sa_handler = on ? on_alarm : SIG_DFL};

	/* Off before the handler goes, on after it is there. */
	(void)alarm(0);
	(void)sigaction(SIGALRM, &action, NULL);
	if (on)
		(void)alarm((unsigned)(grep_deadline_ms / 1000) + ALARM_EXTRA_S);
}

static int run(const struct files_call *call, struct grep *g, const struct target *target,
	       int64_t deadline_ms, struct answer *a)
{
	const struct search_query query = {
		.re = g->re,
		.lines = {.mode = g->mode == GREP_FILES	  ? LINES_FIRST
				  : g->mode == GREP_COUNT ? LINES_COUNT
							  : LINES_SHOW,
			  .before = g->before,
			  .after = g->after,
			  .only = g->only,
			  .multiline = g->multiline},
		.globs = g->globs.n > 0 ? &g->globs : NULL,
		.types = g->types.n > 0 ? &g->types : NULL,
		.deadline_ms = deadline_ms,
	};
	struct search_result found;
	int r = search_run(target, &query, &found);

	if (r == 0)
		r = grep_show(g, call, target, &found, a);
	if (found.still) {
		/* A thread still matches with them; the process is about to end. */
		g->re = NULL;
		globs_init(&g->globs);
		globs_init(&g->types);
	}
	search_result_fini(&found);
	return r;
}

int files_grep(const struct files_call *call, struct answer *answer)
{
	int64_t begin = walk_now_ms();
	CLEANUP(target_fini) struct target target = {.fd = -1};
	CLEANUP(grep_fini) struct grep g = {0};
	int r;

	set_alarm(true);
	r = grep_take_args(call, &g, answer);
	if (r == 0)
		r = target_open(call, args_string(call->arguments, "path", NULL), true, &target,
				answer);
	if (r == 0)
		r = run(call, &g, &target, begin + grep_deadline_ms, answer);
	if (r == 0 && answer->success)
		answer_put_count(answer, "duration_ms", (uint64_t)(walk_now_ms() - begin));
	set_alarm(false);
	return r == -EPERM ? 0 : r;
}
