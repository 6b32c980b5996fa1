/*
 * Theory of operation: how changes look in an answer. Names are foreign: in text they are quoted when
 * they are not plain, in data they are made valid UTF-8. Content is read through the walk's own
 * descriptors and under a cap.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tools/cell/changes/changes_cell.h"
#include "workspace/diff.h"

#define PEEK_BYTES 8000U

static const char marks[] = {
	[CHANGE_ADDED] = 'A',	[CHANGE_MODIFIED] = 'M', [CHANGE_DELETED] = 'D',
	[CHANGE_RENAMED] = 'R', [CHANGE_MODE] = 'P',	 [CHANGE_SYMLINK] = 'L',
	[CHANGE_TYPE] = 'T',
};
static_assert(ARRAY_SIZE(marks) == CHANGE_KIND_N, "every kind has a letter");

json_t *cell_string(const char *text)
{
	return answer_string(text, strlen(text));
}

char cell_mark(enum change_kind kind)
{
	if ((size_t)kind >= ARRAY_SIZE(marks))
		return '?';
	return marks[kind];
}

void cell_show_path(struct answer *answer, const char *path, const char *from)
{
	char shown[ANSWER_SHOWN_MAX];

	if (from)
		answer_printf(answer, "%s -> ", answer_show(shown, from));
	answer_printf(answer, "%s", answer_show(shown, path));
}

json_t *cell_counts(const struct changes_totals *totals)
{
	json_t *counts = json_object();

	if (!counts)
		return NULL;
	for (uint32_t i = 0; i < CHANGE_KIND_N; i++)
		if (json_object_set_new(counts, change_kind_name(i),
					json_integer((json_int_t)totals->kinds[i])) < 0)
			goto undo;
	if (json_object_set_new(counts, "scratch", json_integer((json_int_t)totals->scratch)) < 0 ||
	    json_object_set_new(counts, "held", json_integer((json_int_t)totals->held)) < 0 ||
	    json_object_set_new(counts, "bytes", json_integer((json_int_t)totals->bytes)) < 0 ||
	    json_object_set_new(counts, "files", json_integer((json_int_t)totals->files)) < 0)
		goto undo;
	return counts;
undo:
	json_decref(counts);
	return NULL;
}

size_t cell_unmatched(struct cell *cell)
{
	json_t *names = json_array();
	size_t n = 0;

	for (size_t i = 0; i < cell->what.n; i++) {
		const struct select_name *name = &cell->what.names[i];

		if (name->hit)
			continue;
		answer_printf(&cell->answer, "No change at ");
		cell_show_path(&cell->answer, name->path[0] ? name->path : ".", NULL);
		answer_printf(&cell->answer, ".\n");
		if (names)
			(void)json_array_append_new(names, cell_string(name->path));
		n++;
	}
	if (n > 0 || !names)
		answer_put(&cell->answer, "unmatched", names);
	else
		json_decref(names);
	return n;
}

void cell_sides_fini(struct cell_sides *sides)
{
	free(sides->old);
	free(sides->new);
	*sides = (struct cell_sides){0};
}

static int read_side(int fd, const struct stat *st, size_t cap, char **ret, size_t *ret_len,
		     bool *large)
{
	size_t size = st->st_size > 0 ? (size_t)st->st_size : 0;
	ssize_t n;

	if (size > cap) {
		*large = true;
		return 0;
	}
	*ret = malloc(size + 1);
	if (!*ret)
		return -ENOMEM;
	n = fd_read_full(fd, *ret, size);
	if (n < 0)
		return (int)n;
	(*ret)[n] = '\0';
	*ret_len = (size_t)n;
	return 0;
}

int cell_sides_read(const struct cell *cell, const struct change *change, size_t cap,
		    struct cell_sides *ret)
{
	CLEANUP(fd_closep) int old = -1;
	CLEANUP(fd_closep) int new = -1;
	struct cell_sides sides = {0};
	int r = 0;

	if (change->has_old && S_ISREG(change->old.st_mode)) {
		r = changes_open_old(&cell->source, change, &old);
		if (r == 0)
			r = read_side(old, &change->old, cap, &sides.old, &sides.old_len,
				      &sides.large);
	}
	if (r == 0 && change->has_new && S_ISREG(change->new.st_mode)) {
		r = changes_open_new(&cell->source, change, &new);
		if (r == 0)
			r = read_side(new, &change->new, cap, &sides.new, &sides.new_len,
				      &sides.large);
	}
	if (r < 0) {
		cell_sides_fini(&sides);
		return r;
	}
	sides.binary = (sides.old && diff_is_binary(sides.old, sides.old_len)) ||
		       (sides.new &&diff_is_binary(sides.new, sides.new_len));
	*ret = sides;
	return 0;
}

static bool peek(int fd)
{
	char head[PEEK_BYTES];
	ssize_t n = fd_read_full(fd, head, sizeof(head));

	return n > 0 && diff_is_binary(head, (size_t)n);
}

bool cell_is_binary(const struct cell *cell, const struct change *change)
{
	CLEANUP(fd_closep) int old = -1;
	CLEANUP(fd_closep) int new = -1;

	if (change->has_new && S_ISREG(change->new.st_mode) &&
	    changes_open_new(&cell->source, change, &new) == 0 && peek(new))
		return true;
	return change->has_old && S_ISREG(change->old.st_mode) &&
	       changes_open_old(&cell->source, change, &old) == 0 && peek(old);
}
