/*
 * Theory of operation:
 *
 *	commit_run: plan -> journal --+
 *	commit_resume: journal -------+-> carry_out: operations in their order, each with a mark
 *						|
 *				mark "clearing", synced: from here on the workspace is as it is to be
 *						|
 *				layers cleared of what was done; baseline, or a new begin
 *						|
 *				journal removed
 *
 * Killed before the journal is there, a commit has not begun; before the mark "clearing", operations
 * without a mark are done again; behind it, the layers are cleared again. Between a kill and the resume
 * tools may have run: a version in the layers that is not the one that was committed stays there.
 */
#include "workspace/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/fd.h"
#include "workspace/baseline.h"
#include "workspace/branch.h"
#include "workspace/clear.h"
#include "workspace/commit_apply.h"
#include "workspace/commit_plan.h"
#include "workspace/discard.h"
#include "workspace/journal.h"

#define PERMISSIONS 07777U

struct running {
	const struct commit *commit;
	struct changes_source source; /* with is_known */
	int dir;		      /* of the branch; locked */
	struct baseline baseline;
	struct journal journal;
	bool resumed;
	uint64_t left; /* by the plan */
	struct commit_totals *totals;
	struct err *err;
};

static bool is_known(void *ctx, const char *path, const struct stat *now)
{
	return baseline_has(ctx, path, now);
}

static void running_fini(struct running *run)
{
	fd_closep(&run->dir);
	baseline_fini(&run->baseline);
	journal_fini(&run->journal);
}

static int running_init(struct running *run, const struct commit *commit,
			struct commit_totals *totals, struct err *err)
{
	int r;

	*run = (struct running){.commit = commit,
				.source = *commit->source,
				.dir = -1,
				.totals = totals,
				.err = err};
	*totals = (struct commit_totals){.complete = true};
	journal_init(&run->journal);
	r = branch_open(run->source.data, run->source.branch_number, &run->dir, err);
	if (r < 0)
		return r;
	if (flock(run->dir, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, errno, "another commit of this branch is at work");
	r = baseline_read(run->source.data, run->source.branch_number, &run->baseline, err);
	run->source.is_known = is_known;
	run->source.known = &run->baseline;
	return r;
}

/* A renamed pair is two operations; it is told of once, by the one that decides. */
static void tell(struct running *run, uint32_t number, const char *why)
{
	const struct journal *journal = &run->journal;
	const struct journal_op *op = journal->ops[number];
	bool done = journal->marks[number].state == JOURNAL_DONE;
	struct commit_told told = {.path = journal_path(op),
				   .kind = op->change,
				   .verdict = CHANGE_CONFLICT,
				   .named = true,
				   .done = done,
				   .why = why};

	if (op->change == CHANGE_RENAMED && op->kind == JOURNAL_PUT && done)
		return;
	if (op->change == CHANGE_RENAMED && op->kind == JOURNAL_DELETE &&
	    op->link != JOURNAL_NONE) {
		if (journal->marks[op->link].state != JOURNAL_DONE)
			return;
		told.from = told.path;
		told.path = journal_path(journal->ops[op->link]);
	}
	if (done)
		told.verdict = CHANGE_FREE;
	run->totals->done += done;
	run->totals->held += !done;
	if (run->commit->tell)
		run->commit->tell(run->commit->ctx, &told);
}

static int apply_all(struct running *run, struct apply *apply)
{
	struct journal *journal = &run->journal;

	for (uint32_t i = 0; i < journal->header->n; i++) {
		const char *why = NULL;

		if (journal->marks[i].state == JOURNAL_OPEN) {
			int r = apply_one(apply, i, run->resumed, &why, run->err);

			if (r < 0)
				return r;
		} else if (journal->marks[i].state == JOURNAL_HELD) {
			why = "it was held before the commit was interrupted";
		}
		tell(run, i, why);
	}
	return 0;
}

static int apply_journal(struct running *run)
{
	struct apply apply;
	int r;

	if (run->journal.clearing) {
		for (uint32_t i = 0; i < run->journal.header->n; i++)
			tell(run, i,
			     run->journal.marks[i].state == JOURNAL_DONE
				     ? NULL
				     : "it was held before the commit was interrupted");
		return 0;
	}
	r = apply_init(&apply, &run->source, &run->journal, run->err);
	if (r < 0)
		return r;
	r = apply_all(run, &apply);
	if (r == 0)
		r = apply_finish(&apply, run->err);
	if (r == 0)
		r = apply_sync(&apply, run->err);
	apply_fini(&apply);
	return r < 0 ? r : journal_mark(&run->journal, JOURNAL_NONE, JOURNAL_DONE, NULL, run->err);
}

/* What the operations have left in the workspace is ours. */
static int write_baseline(struct running *run)
{
	const struct journal *journal = &run->journal;
	struct baseline_entry *entries = calloc((size_t)journal->header->n + 1, sizeof(*entries));
	size_t n = 0;
	int r;

	if (!entries)
		return err_set(run->err, ENOMEM, "cannot write the baseline");
	for (uint32_t i = 0; i < journal->header->n; i++) {
		const struct journal_op *op = journal->ops[i];
		const struct journal_mark *mark = &journal->marks[i];

		if (mark->state != JOURNAL_DONE)
			continue;
		/* The first name's mark was moved on with each further one. */
		if (op->kind == JOURNAL_PUT && op->link != JOURNAL_NONE &&
		    journal->marks[op->link].ino == mark->ino)
			mark = &journal->marks[op->link];
		entries[n++] = (struct baseline_entry){
			.path = journal_path(op),
			.dev = mark->dev,
			.ino = op->kind == JOURNAL_DELETE ? 0 : mark->ino,
			.ctime_s = mark->ctime_s,
			.ctime_ns = mark->ctime_ns,
		};
	}
	r = baseline_write(run->dir, &run->baseline, entries, n, run->err);
	free(entries);
	return r;
}

/* Whether the branch's topmost version of a path is still the one that was committed. */
static int is_committed_version(struct clearing *c, const struct journal_op *op)
{
	struct stat st;
	uint32_t i = c->n;
	int r = 0;

	while (r == 0 && i > 0)
		r = clearing_look(c->roots[--i], journal_path(op), &st);
	if (r <= 0)
		return r < 0 ? r : op->kind == JOURNAL_DELETE;
	if (op->kind == JOURNAL_DELETE)
		return clearing_is_whiteout(&st);
	if (op->kind == JOURNAL_FOLDER || op->kind == JOURNAL_ATTRS)
		return S_ISDIR(st.st_mode);
	return c->source->branch->layers[i] == op->layer && journal_id_same(&op->new, &st) &&
	       (st.st_mode & PERMISSIONS) == (op->new.mode &PERMISSIONS);
}

static int choose_cleared(struct running *run, struct clear_path *paths, size_t *ret_n)
{
	CLEANUP(clearing_fini) struct clearing c;
	const struct journal *journal = &run->journal;
	size_t n = 0;
	int r = clearing_init(&c, &run->source, run->err);

	for (uint32_t i = 0; r == 0 && i < journal->header->n; i++) {
		const struct journal_op *op = journal->ops[i];
		int same = 1;

		if (journal->marks[i].state != JOURNAL_DONE)
			continue;
		if (run->resumed)
			same = is_committed_version(&c, op);
		if (same < 0)
			return err_set(run->err, -same, "cannot look into the session's layers");
		if (same == 0)
			continue;
		paths[n++] = (struct clear_path){
			.path = journal_path(op),
			.kind = op->kind == JOURNAL_FOLDER || op->kind == JOURNAL_ATTRS
					? CLEAR_FOLDER
					: CLEAR_NAME,
			.made = op->kind == JOURNAL_FOLDER,
			.attrs = true,
		};
	}
	*ret_n = n;
	return r;
}

static int clear_done(struct running *run)
{
	struct clear_path *paths = calloc((size_t)run->journal.header->n + 1, sizeof(*paths));
	size_t n = 0;
	int r;

	if (!paths)
		return err_set(run->err, ENOMEM, "cannot clear the session's layers");
	r = choose_cleared(run, paths, &n);
	if (r == 0)
		r = clear_paths(&run->source, paths, n, run->err);
	free(paths);
	return r;
}

static int settle(struct running *run)
{
	struct timespec past = {0};

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &past);
	for (uint32_t i = 0; run->journal.header && i < run->journal.header->n; i++) {
		const struct journal_mark *mark = &run->journal.marks[i];

		if (mark->state == JOURNAL_DONE &&
		    (mark->ctime_s > past.tv_sec ||
		     (mark->ctime_s == past.tv_sec && mark->ctime_ns > past.tv_nsec)))
			past = (struct timespec){mark->ctime_s, (long)mark->ctime_ns};
	}
	return discard_settle(&run->source, run->commit->stack, &past, run->err);
}

static int count_left(struct running *run)
{
	if (run->resumed)
		return discard_count_left(&run->source, &run->totals->left, &run->totals->complete,
					  run->err);
	run->totals->left = run->left + run->totals->held;
	return 0;
}

static int clear_layers(struct running *run)
{
	bool whole = !run->resumed && (run->journal.header->flags & JOURNAL_WHOLE) &&
		     run->totals->held == 0;
	int r;

	if (whole)
		return settle(run);
	r = write_baseline(run);
	if (r == 0)
		r = clear_done(run);
	if (r == 0)
		r = count_left(run);
	if (r == 0 && run->totals->left == 0 && run->totals->complete)
		r = settle(run);
	return r;
}

static int carry_out(struct running *run)
{
	int r = apply_journal(run);

	if (r == 0)
		r = clear_layers(run);
	if (r == 0)
		r = branch_remove(run->dir, JOURNAL_FILE, run->err);
	return r < 0 ? r : stack_touch(run->source.data, run->commit->stack, run->err);
}

static int begin_again(struct running *run)
{
	int r = settle(run);

	return r < 0 ? r : stack_touch(run->source.data, run->commit->stack, run->err);
}

static int run_plan(struct running *run, struct plan *plan)
{
	uint32_t flags = 0;
	int r = plan_make(plan, &run->source, run->err);

	if (r < 0)
		return r;
	run->totals->held = plan->held;
	run->totals->complete = plan->complete;
	run->totals->left = plan->left + plan->held;
	run->left = plan->left;
	/* Copies that nobody wrote to may be there all the same. */
	if (plan->n_ops == 0)
		return run->totals->left == 0 && plan->complete ? begin_again(run) : 0;
	if (plan->left == 0 && plan->held == 0 && plan->complete)
		flags |= JOURNAL_WHOLE;
	r = journal_write(run->dir, run->commit->session, flags, &plan->ops, plan->n_ops,
			  &run->journal, run->err);
	return r < 0 ? r : 1;
}

int commit_run(const struct commit *commit, struct select *what, struct select *overwrite,
	       struct commit_totals *ret, struct err *err)
{
	CLEANUP(running_fini) struct running run;
	CLEANUP(commit_plan_fini) struct plan plan;
	int r = running_init(&run, commit, ret, err);

	plan_init(&plan, commit, what, overwrite);
	if (r == 0 && journal_is_there(run.dir) != 0)
		r = err_set(err, EBUSY, "an interrupted commit has to be finished first");
	if (r == 0)
		r = run_plan(&run, &plan);
	if (r <= 0)
		return r;
	return carry_out(&run);
}

int commit_resume(const struct commit *commit, struct commit_totals *ret, struct err *err)
{
	CLEANUP(running_fini) struct running run;
	int r = running_init(&run, commit, ret, err);

	if (r == 0)
		r = journal_read(run.dir, &run.journal, err);
	if (r < 0)
		return r;
	run.resumed = true;
	return carry_out(&run);
}
