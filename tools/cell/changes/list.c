/*
 * Theory of operation: one walk; each change becomes an object of data and a line of text, until either
 * is full; the totals are of all. Lines are only counted (+12 -3) for files that are shown, and while a
 * budget of bytes lasts, so that a list of ten thousand changes costs what the walk costs.
 */
#include <errno.h>
#include <string.h>

#include "tools/cell/changes/changes_cell.h"
#include "workspace/diff.h"

#define COUNTED_FILE_MAX ((size_t)1 << 20)
#define COUNTED_BYTES_MAX ((size_t)16 << 20)

struct listing {
	struct cell *cell;
	json_t *changes;
	size_t n_data;
	size_t n_lines;
	uint64_t more;	/* changes without a line */
	size_t counted; /* bytes compared for line counts */
};

static int put(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

static json_t *size_of(bool is_there, const struct stat *st)
{
	return is_there && (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode))
		       ? json_integer((json_int_t)st->st_size)
		       : json_null();
}

static int put_verdict(const struct cell *cell, const struct change *change, json_t *object)
{
	int r = put(object, "verdict", json_string(change_verdict_name(change->verdict)));

	if (r == 0 && change->rule)
		r = put(object, "rule",
			answer_string(change->rule->pointer, change->rule->pointer_len));
	else if (r == 0 && change->verdict == CHANGE_LINK_OUT && cell->rules.links_pointer)
		r = put(object, "rule",
			answer_string(cell->rules.links_pointer, cell->rules.links_pointer_len));
	return r;
}

static json_t *change_object(const struct cell *cell, const struct change *change)
{
	json_t *object = json_object();
	int r = object ? 0 : -ENOMEM;

	if (r == 0)
		r = put(object, "path", cell_string(change->path));
	if (r == 0)
		r = put(object, "kind", json_string(change_kind_name(change->kind)));
	if (r == 0 && change->from)
		r = put(object, "from", cell_string(change->from));
	if (r == 0)
		r = put(object, "old_size", size_of(change->has_old, &change->old));
	if (r == 0)
		r = put(object, "new_size", size_of(change->has_new, &change->new));
	if (r == 0)
		r = put(object, "binary", json_boolean(cell_is_binary(cell, change)));
	if (r == 0 && change->scratch)
		r = put(object, "scratch", json_true());
	if (r == 0)
		r = put_verdict(cell, change, object);
	if (r < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* "(+12 -3)", "(binary)", or nothing. */
static void show_lines(struct listing *list, const struct change *change)
{
	struct answer *answer = &list->cell->answer;
	struct cell_sides sides;
	struct diff diff;

	if (list->counted >= COUNTED_BYTES_MAX || change->kind == CHANGE_MODE ||
	    change->kind == CHANGE_RENAMED ||
	    cell_sides_read(list->cell, change, COUNTED_FILE_MAX, &sides) < 0)
		return;
	list->counted += sides.old_len + sides.new_len;
	if (sides.binary) {
		answer_printf(answer, " (binary)");
	} else if (!sides.large && (sides.old || sides.new) &&
		   diff_make(sides.old ? sides.old : "", sides.old_len, sides.new ? sides.new : "",
			     sides.new_len, 0, &diff) == 0) {
		answer_printf(answer, " (+%zu -%zu)", diff.added, diff.removed);
		diff_fini(&diff);
	}
	cell_sides_fini(&sides);
}

static const char *folder_mark(const struct change *change)
{
	if (change->has_new ? S_ISDIR(change->new.st_mode)
			    : change->has_old && S_ISDIR(change->old.st_mode))
		return "/";
	return "";
}

static void show_line(struct listing *list, const struct change *change)
{
	struct answer *answer = &list->cell->answer;

	answer_printf(answer, "%c ", cell_mark(change->kind));
	cell_show_path(answer, change->path, change->from);
	answer_printf(answer, "%s", folder_mark(change));
	show_lines(list, change);
	if (change->scratch)
		answer_printf(answer, " [scratch]");
	if (change->verdict != CHANGE_FREE)
		answer_printf(answer, " [%s, will not be committed%s%.*s]",
			      change_verdict_name(change->verdict), change->rule ? ": " : "",
			      change->rule ? (int)change->rule->pointer_len : 0,
			      change->rule ? change->rule->pointer : "");
	answer_printf(answer, "\n");
}

static int visit(void *ctx, const struct change *change)
{
	struct listing *list = ctx;

	if (!select_change(&list->cell->what, change))
		return 0;
	if (list->n_lines < CELL_LINES_MAX) {
		list->n_lines++;
		show_line(list, change);
	} else {
		list->more++;
	}
	if (list->n_data < CELL_LIST_MAX) {
		list->n_data++;
		if (json_array_append_new(list->changes, change_object(list->cell, change)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static bool wants_scratch(const struct cell *cell)
{
	for (size_t i = 0; i < cell->what.n; i++)
		if (cell->what.names[i].scratch)
			return true;
	return false;
}

static void show_end(struct listing *list, const struct changes_totals *totals)
{
	struct answer *answer = &list->cell->answer;

	if (list->n_lines == 0)
		answer_printf(answer, "No changes.\n");
	if (list->more > 0)
		answer_printf(answer, "... and %llu more\n", (unsigned long long)list->more);
	if (totals->scratch > 0 && !wants_scratch(list->cell))
		answer_printf(answer, "(build output that is scratch: %llu, not listed)\n",
			      (unsigned long long)totals->scratch);
	if (!totals->complete)
		answer_printf(answer,
			      "This is not all: the session holds more than is looked at, or "
			      "something that cannot be read.\n");
	if (list->cell->pending)
		answer_printf(answer, "A commit was interrupted: part of this is in the workspace "
				      "already. The next commit or discard finishes it first.\n");
}

int cell_list(struct cell *cell, struct err *err)
{
	struct listing list = {.cell = cell, .changes = json_array()};
	struct changes_totals totals;
	int r;

	if (!list.changes)
		return err_set(err, ENOMEM, "cannot list changes");
	cell->source.scratch = wants_scratch(cell);
	r = changes_walk(&cell->source, visit, &list, &totals, err);
	if (r < 0) {
		json_decref(list.changes);
		return r;
	}
	show_end(&list, &totals);
	answer_put(&cell->answer, "session", cell_string(cell->shown));
	answer_put(&cell->answer, "changes", list.changes);
	answer_put(&cell->answer, "counts", cell_counts(&totals));
	answer_put_bool(&cell->answer, "truncated", list.n_lines + list.more > list.n_data);
	answer_put_bool(&cell->answer, "complete", totals.complete);
	answer_put_bool(&cell->answer, "interrupted", cell->pending);
	(void)cell_unmatched(cell);
	return 0;
}
