/*
 * Theory of operation: for each change that is meant, a piece of diff as git and patch(1) read it: a
 * header that says what kind of change it is, then hunks when both sides are text. Pieces have a cap
 * each and together; what is beyond is named with its counts, so that nothing is left out unsaid.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tools/cell/changes/changes_cell.h"
#include "workspace/diff.h"

#define SIDE_MAX ((size_t)8 << 20)   /* bytes of each version */
#define PIECE_MAX ((size_t)64 << 10) /* of one file's diff */
#define TOTAL_MAX ((size_t)160 << 10)
#define PIECE_CAP ((size_t)32 << 20) /* while it is being made */

struct diffing {
	struct cell *cell;
	json_t *files;
	size_t shown;	   /* bytes of diff in the answer */
	size_t n_files;	   /* in data */
	uint64_t n;	   /* changes that are meant */
	uint64_t left_out; /* of these without their diff, or without a part of it */
};

struct piece {
	struct buf text;
	size_t added;
	size_t removed;
	bool binary;
	bool large;
	bool cut;
};

static unsigned mode_bits(const struct stat *st)
{
	return S_ISLNK(st->st_mode) ? S_IFLNK : (unsigned)st->st_mode & (S_IFMT | 07777U);
}

static int put_name(struct buf *out, const char *before, const char *path)
{
	char shown[ANSWER_SHOWN_MAX];

	return buf_printf(out, "%s%s\n", before, answer_show(shown, path));
}

/* As in the first line of git's: the prefix is within the quotes, if there are any. */
static int put_prefixed(struct buf *out, const char *before, const char *prefix, const char *path)
{
	CLEANUP(buf_fini) struct buf name = {0};
	char shown[ANSWER_SHOWN_MAX];
	int r = buf_printf(&name, "%s%s", prefix, path);

	return r < 0 ? r : buf_printf(out, "%s%s", before, answer_show(shown, name.data));
}

/* git knows no folders, and takes such a line between its pieces for a remark. */
static int put_folder_head(struct buf *out, const struct change *change)
{
	unsigned mode = mode_bits(change->has_new ? &change->new : &change->old) & 07777U;
	char shown[ANSWER_SHOWN_MAX];

	return buf_printf(out, "folder %s: %s, mode %04o\n", answer_show(shown, change->path),
			  change_kind_name(change->kind), mode);
}

static bool is_folder(const struct change *change)
{
	return (!change->has_old || S_ISDIR(change->old.st_mode)) &&
	       (!change->has_new || S_ISDIR(change->new.st_mode));
}

/* What is not said by lines. */
static int put_head(struct buf *out, const struct change *change)
{
	bool old_is = change->has_old && change->kind != CHANGE_ADDED;
	int r;

	if (is_folder(change))
		return put_folder_head(out, change);
	r = put_prefixed(out, "diff --git ", "a/", change->from ? change->from : change->path);
	if (r == 0)
		r = put_prefixed(out, " ", "b/", change->path);
	if (r == 0)
		r = buf_puts(out, "\n");
	if (r == 0 && change->from) {
		r = put_name(out, "rename from ", change->from);
		if (r == 0)
			r = put_name(out, "rename to ", change->path);
	}
	if (r == 0 && !old_is)
		r = buf_printf(out, "new file mode %06o\n", mode_bits(&change->new));
	else if (r == 0 && !change->has_new)
		r = buf_printf(out, "deleted file mode %06o\n", mode_bits(&change->old));
	else if (r == 0 && mode_bits(&change->old) != mode_bits(&change->new))
		r = buf_printf(out, "old mode %06o\nnew mode %06o\n", mode_bits(&change->old),
			       mode_bits(&change->new));
	return r;
}

static int prefixed(struct buf *out, const char *prefix, bool is_there, const char *path)
{
	int r = is_there ? buf_puts(out, prefix) : buf_puts(out, "/dev/null");

	return r == 0 && is_there ? buf_puts(out, path) : r;
}

static int put_hunks(struct piece *piece, const struct change *change,
		     const struct cell_sides *sides)
{
	CLEANUP(buf_fini) struct buf old_name = {0};
	CLEANUP(buf_fini) struct buf new_name = {0};
	struct diff diff;
	int r = diff_make(sides->old ? sides->old : "", sides->old_len,
			  sides->new ? sides->new : "", sides->new_len, DIFF_CONTEXT, &diff);

	if (r == -E2BIG)
		piece->large = true;
	if (r < 0)
		return r == -E2BIG ? 0 : r;
	piece->added = diff.added;
	piece->removed = diff.removed;
	r = prefixed(&old_name, "a/", sides->old, change->from ? change->from : change->path);
	if (r == 0)
		r = prefixed(&new_name, "b/", sides->new, change->path);
	if (r == 0 && diff.n_hunks > 0)
		r = diff_append_unified(&piece->text, &diff, old_name.data, new_name.data);
	diff_fini(&diff);
	if (r == -E2BIG)
		piece->large = true;
	return r == -E2BIG ? 0 : r;
}

/* Where the link points to on one side; false where that is no link, or cannot be read. */
static bool read_link(const struct cell *cell, const struct change *change, bool newer,
		      char target[PATH_MAX])
{
	const struct stat *st = newer ? &change->new : &change->old;
	const char *path = newer || !change->from ? change->path : change->from;
	CLEANUP(fd_closep) int fd = -1;
	CLEANUP(fd_closep) int root = -1;
	ssize_t n = -1;
	int r = 0;

	if (!(newer ? change->has_new : change->has_old) || !S_ISLNK(st->st_mode))
		return false;
	if (newer) {
		char layer[64];

		(void)snprintf(layer, sizeof(layer), "layers/%u/u",
			       cell->source.branch->layers[change->layer]);
		r = changes_open_beneath(cell->data, layer, O_RDONLY | O_DIRECTORY, &root);
	}
	if (r == 0)
		r = changes_open_beneath(newer ? root : cell->base, path, O_PATH, &fd);
	if (r == 0)
		n = readlinkat(fd, "", target, PATH_MAX - 1);
	target[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

/* As git shows links: the target is the only line, without an end. */
static int put_links(const struct cell *cell, struct piece *piece, const struct change *change)
{
	char old_target[PATH_MAX];
	char new_target[PATH_MAX];
	bool was = change->kind != CHANGE_ADDED && read_link(cell, change, false, old_target);
	bool is = read_link(cell, change, true, new_target);
	const struct cell_sides sides = {
		.old = was ? old_target : NULL,
		.old_len = was ? strlen(old_target) : 0,
		.new = is ? new_target : NULL,
		.new_len = is ? strlen(new_target) : 0,
	};

	return was || is ? put_hunks(piece, change, &sides) : 0;
}

static int make_piece(const struct cell *cell, const struct change *change, struct piece *piece)
{
	struct cell_sides sides;
	int r = put_head(&piece->text, change);

	if (r == 0)
		r = put_links(cell, piece, change);
	if (r < 0)
		return r;
	r = cell_sides_read(cell, change, SIDE_MAX, &sides);
	if (r < 0)
		return r == -ENOMEM ? r
				    : buf_printf(&piece->text, "(cannot be read: %s)\n",
						 strerrordesc_np(-r));
	piece->binary = sides.binary;
	piece->large = sides.large;
	if (sides.binary)
		r = buf_puts(&piece->text, "Binary files differ\n");
	else if (!sides.large && (sides.old || sides.new))
		r = put_hunks(piece, change, &sides);
	if (r == 0 && piece->large)
		r = buf_puts(&piece->text, "(too large to compare)\n");
	cell_sides_fini(&sides);
	return r;
}

/* Down to whole lines within the caps; says what is missing. */
static int cut_piece(struct diffing *d, struct piece *piece)
{
	size_t left = d->shown < TOTAL_MAX ? TOTAL_MAX - d->shown : 0;
	size_t room = MIN(PIECE_MAX, left);
	size_t lines = 0;
	size_t len = room;

	if (piece->text.len <= room)
		return 0;
	while (len > 0 && piece->text.data[len - 1] != '\n')
		len--;
	for (size_t i = len; i < piece->text.len; i++)
		lines += piece->text.data[i] == '\n';
	piece->text.len = len;
	piece->text.data[len] = '\0';
	piece->cut = true;
	d->left_out++;
	return buf_printf(&piece->text, "(... %zu more lines of this diff)\n", lines);
}

static int put_file(struct diffing *d, const struct change *change, const struct piece *piece)
{
	json_t *file;

	if (d->n_files == CELL_LIST_MAX)
		return 0;
	file = json_pack("{s:o, s:s, s:I, s:I, s:b, s:b, s:o}", "path", cell_string(change->path),
			 "kind", change_kind_name(change->kind), "added", (json_int_t)piece->added,
			 "removed", (json_int_t)piece->removed, "binary", (int)piece->binary,
			 "truncated", (int)(piece->cut || piece->large), "diff",
			 answer_string(piece->text.data, piece->text.len));
	if (!file || json_array_append_new(d->files, file) < 0)
		return -ENOMEM;
	d->n_files++;
	return 0;
}

static int visit(void *ctx, const struct change *change)
{
	struct piece piece = {.text = {.cap = PIECE_CAP}};
	struct diffing *d = ctx;
	int r;

	if (!select_change(&d->cell->what, change))
		return 0;
	d->n++;
	if (d->shown >= TOTAL_MAX || d->n_files == CELL_LIST_MAX) {
		d->left_out++;
		return 0;
	}
	r = make_piece(d->cell, change, &piece);
	if (r == 0)
		r = cut_piece(d, &piece);
	if (r == 0)
		r = put_file(d, change, &piece);
	if (r == 0) {
		answer_bytes(&d->cell->answer, piece.text.data, piece.text.len);
		d->shown += piece.text.len;
	}
	buf_fini(&piece.text);
	return r;
}

int cell_diff(struct cell *cell, struct err *err)
{
	struct diffing d = {.cell = cell, .files = json_array()};
	struct changes_totals totals;
	int r;

	if (!d.files)
		return err_set(err, ENOMEM, "cannot make a diff");
	for (size_t i = 0; i < cell->what.n; i++)
		cell->source.scratch = cell->source.scratch || cell->what.names[i].scratch;
	r = changes_walk(&cell->source, visit, &d, &totals, err);
	if (r < 0) {
		json_decref(d.files);
		return r;
	}
	if (d.n == 0)
		answer_printf(&cell->answer, "No changes.\n");
	if (d.left_out > 0)
		answer_printf(&cell->answer,
			      "(of %llu changes %llu are not, or not wholly, shown: name paths)\n",
			      (unsigned long long)d.n, (unsigned long long)d.left_out);
	if (cell->pending)
		answer_printf(&cell->answer,
			      "(A commit was interrupted; the next commit or discard "
			      "finishes it first.)\n");
	answer_put(&cell->answer, "session", cell_string(cell->shown));
	answer_put(&cell->answer, "files", d.files);
	answer_put_count(&cell->answer, "changes", d.n);
	answer_put_count(&cell->answer, "left_out", d.left_out);
	answer_put_bool(&cell->answer, "truncated", d.left_out > 0);
	(void)cell_unmatched(cell);
	return 0;
}
