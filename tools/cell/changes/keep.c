/*
 * Theory of operation: commit, discard and purge, as the driver hears of them. An interrupted commit is
 * finished first; then what was asked for is done; what stays is listed with its reason. The answer
 * says no when something that was asked for did not happen: a named path that is held, a conflict, an
 * error. That a protected path stays behind a commit of everything is what the rules are for.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tools/cell/changes/changes_cell.h"
#include "workspace/commit.h"
#include "workspace/discard.h"
#include "workspace/remove.h"

struct telling {
	struct cell *cell;
	const char *verb; /* "committed" */
	json_t *done;
	json_t *held;
	struct buf held_text;
	struct buf done_text;
	size_t n_done; /* lines, also those without room */
	size_t n_held;
	bool no; /* something that was asked for did not happen */
	int failed;
};

static int telling_init(struct telling *t, struct cell *cell, const char *verb)
{
	*t = (struct telling){.cell = cell,
			      .verb = verb,
			      .done = json_array(),
			      .held = json_array()};
	return t->done && t->held ? 0 : -ENOMEM;
}

static void telling_fini(struct telling *t)
{
	json_decref(t->done);
	json_decref(t->held);
	buf_fini(&t->held_text);
	buf_fini(&t->done_text);
}

static void keep(struct telling *t, int r)
{
	if (r < 0 && t->failed == 0)
		t->failed = r;
}

static int set(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

static json_t *told_object(const struct commit_told *told)
{
	json_t *object = json_object();
	int r = object ? 0 : -ENOMEM;

	if (r == 0)
		r = set(object, "path", cell_string(told->path));
	if (r == 0)
		r = set(object, "kind", json_string(change_kind_name(told->kind)));
	if (r == 0 && told->from)
		r = set(object, "from", cell_string(told->from));
	if (r == 0 && told->why)
		r = set(object, "verdict", json_string(change_verdict_name(told->verdict)));
	if (r == 0 && told->why)
		r = set(object, "reason", cell_string(told->why));
	if (r == 0 && told->rule)
		r = set(object, "rule",
			answer_string(told->rule->pointer, told->rule->pointer_len));
	if (r < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static int put_line(struct buf *text, const struct commit_told *told)
{
	char shown[ANSWER_SHOWN_MAX];
	int r = buf_printf(text, "%c ", cell_mark(told->kind));

	if (r == 0 && told->from)
		r = buf_printf(text, "%s -> ", answer_show(shown, told->from));
	if (r == 0)
		r = buf_puts(text, answer_show(shown, told->path));
	if (r == 0 && told->why)
		r = buf_printf(text, ": %s", told->why);
	if (r == 0 && told->rule)
		r = buf_printf(text, " (%.*s)", (int)told->rule->pointer_len, told->rule->pointer);
	return r < 0 ? r : buf_puts(text, "\n");
}

static void tell(void *ctx, const struct commit_told *told)
{
	struct telling *t = ctx;
	json_t *list = told->done ? t->done : t->held;
	size_t *n = told->done ? &t->n_done : &t->n_held;

	if (!told->done && (told->verdict == CHANGE_CONFLICT || told->named))
		t->no = true;
	if (json_array_size(list) < CELL_LIST_MAX)
		keep(t, json_array_append_new(list, told_object(told)) < 0 ? -ENOMEM : 0);
	if ((*n)++ < CELL_LINES_MAX)
		keep(t, put_line(told->done ? &t->done_text : &t->held_text, told));
}

static void tell_discard(void *ctx, const struct discard_told *told)
{
	const struct commit_told same = {
		.path = told->path,
		.from = told->from,
		.kind = told->kind,
		.done = told->done,
		.named = true,
		.why = told->why,
	};

	tell(ctx, &same);
}

static void show_lines(struct answer *answer, const struct buf *text, size_t n)
{
	if (text->len > 0)
		answer_bytes(answer, text->data, text->len);
	if (n > CELL_LINES_MAX)
		answer_printf(answer, "... and %zu more\n", n - CELL_LINES_MAX);
}

static void show_told(struct telling *t, uint64_t done, uint64_t held)
{
	struct answer *answer = &t->cell->answer;

	answer_printf(answer, "%s: %llu\n", t->verb, (unsigned long long)done);
	show_lines(answer, &t->done_text, t->n_done);
	if (held > 0) {
		answer_printf(answer, "Not %s, and still in the session: %llu\n", t->verb,
			      (unsigned long long)held);
		show_lines(answer, &t->held_text, t->n_held);
	}
}

/* Takes the lists. */
static void put_told(struct telling *t, uint64_t done, uint64_t held, uint64_t left, bool resumed)
{
	struct answer *answer = &t->cell->answer;

	answer_put(answer, "session", cell_string(t->cell->shown));
	answer_put_bool(answer, "truncated",
			t->n_done > json_array_size(t->done) ||
				t->n_held > json_array_size(t->held));
	answer_put(answer, t->verb, json_incref(t->done));
	answer_put(answer, "held", json_incref(t->held));
	answer_put_count(answer, "count", done);
	answer_put_count(answer, "held_count", held);
	answer_put_count(answer, "left", left);
	answer_put_bool(answer, "resumed", resumed);
}

static struct commit make_commit(struct telling *t)
{
	return (struct commit){
		.source = &t->cell->source,
		.stack = &t->cell->stack,
		.session = t->cell->session,
		.tell = tell,
		.ctx = t,
	};
}

/* The workspace could not take more: said with what it has taken, and the journal stays. */
static int stopped(struct telling *t, const struct commit_totals *totals, const struct err *err,
		   bool resumed)
{
	struct answer *answer = &t->cell->answer;

	(void)answer_fail(
		answer, "stopped",
		"The commit stopped: %s. Committed until then: %llu. Nothing is lost; when "
		"the cause is gone, commit again to finish it.",
		err->text, (unsigned long long)totals->done);
	put_told(t, totals->done, totals->held, totals->left, resumed);
	show_lines(answer, &t->done_text, t->n_done);
	return 0;
}

/* Errors that a driver can do something about; others are ours. */
static bool is_the_disk(int r)
{
	static const int nums[] = {ENOSPC, EDQUOT, EROFS, EIO, EACCES, EPERM};

	for (size_t i = 0; i < ARRAY_SIZE(nums); i++)
		if (r == -nums[i])
			return true;
	return false;
}

/* Return: 1 when one was finished, 0 when there was none, -errno. */
static int finish_interrupted(struct telling *t, struct commit_totals *ret, struct err *err)
{
	const struct commit commit = make_commit(t);
	int r = commit_resume(&commit, ret, err);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : 1;
}

static int commit_now(struct telling *t, struct err *err)
{
	struct cell *cell = t->cell;
	struct commit commit = make_commit(t);
	struct commit_totals before = {0};
	struct commit_totals totals = {0};
	int resumed = finish_interrupted(t, &before, err);
	int r = resumed < 0 ? resumed
			    : commit_run(&commit, &cell->what, &cell->overwrite, &totals, err);

	if (resumed < 0)
		totals = (struct commit_totals){0};
	totals.done += before.done;
	totals.held += resumed < 0 ? before.held : 0;
	if (r < 0)
		return is_the_disk(r) ? stopped(t, &totals, err, resumed != 0) : r;
	if (resumed > 0)
		answer_printf(&cell->answer, "An interrupted commit was finished first.\n");
	show_told(t, totals.done, totals.held);
	put_told(t, totals.done, totals.held, totals.left, resumed > 0);
	if (totals.left > totals.held)
		answer_printf(&cell->answer, "Other changes in the session: %llu\n",
			      (unsigned long long)(totals.left - totals.held));
	if (!totals.complete) {
		answer_printf(&cell->answer,
			      "The session holds more than is looked at at once, or what "
			      "cannot be read: commit again.\n");
		t->no = true;
	}
	if (cell_unmatched(cell) > 0 && resumed == 0)
		t->no = true;
	cell->answer.success = !t->no && t->failed == 0;
	return t->failed;
}

int cell_commit(struct cell *cell, struct err *err)
{
	struct telling t;
	int r = telling_init(&t, cell, "committed");

	if (r == 0)
		r = commit_now(&t, err);
	telling_fini(&t);
	return r < 0 && !err->num ? err_set(err, -r, "cannot commit") : r;
}

static int discard_now(struct telling *t, struct err *err)
{
	struct cell *cell = t->cell;
	const struct discard discard = {
		.source = &cell->source,
		.stack = &cell->stack,
		.session = cell->session,
		.tell = tell_discard,
		.ctx = t,
	};
	struct commit_totals before = {0};
	struct discard_totals totals = {0};
	struct telling resumed_telling;
	int resumed;
	int r = telling_init(&resumed_telling, cell, "committed");

	resumed = r < 0 ? r : finish_interrupted(&resumed_telling, &before, err);
	if (resumed > 0) {
		answer_printf(&cell->answer, "An interrupted commit was finished first.\n");
		show_told(&resumed_telling, before.done, before.held);
	} else if (resumed < 0 && is_the_disk(resumed)) {
		r = stopped(&resumed_telling, &before, err, true);
		telling_fini(&resumed_telling);
		return r;
	}
	telling_fini(&resumed_telling);
	r = resumed < 0 ? resumed : discard_run(&discard, &cell->what, &totals, err);
	if (r < 0)
		return r;
	show_told(t, totals.done, totals.held);
	put_told(t, totals.done, totals.held, totals.left, resumed > 0);
	if (cell->what.n == 0 && totals.left > 0) {
		answer_printf(&cell->answer,
			      "They are in snapshots that this branch shares with another one: "
			      "commit them, or drop this branch.\n");
		t->no = true;
	}
	if (cell_unmatched(cell) > 0)
		t->no = true;
	cell->answer.success = !t->no && t->failed == 0;
	return t->failed;
}

int cell_discard(struct cell *cell, struct err *err)
{
	struct telling t;
	int r = telling_init(&t, cell, "discarded");

	if (r == 0)
		r = discard_now(&t, err);
	telling_fini(&t);
	return r < 0 && !err->num ? err_set(err, -r, "cannot discard") : r;
}

int cell_purge(struct cell *cell, struct err *err)
{
	CLEANUP(fd_closep)
	int trash = openat(cell->data, "trash", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t n = 0;
	int r;

	if (trash < 0)
		return err_set(err, errno, "cannot open the session's trash");
	r = remove_content(trash, &n, err);
	if (r < 0)
		return r;
	answer_printf(&cell->answer, "Removed %llu names of layers that nobody needs.\n",
		      (unsigned long long)n);
	answer_put_count(&cell->answer, "removed", n);
	return 0;
}
