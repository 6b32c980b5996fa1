/*
 * Theory of operation: two questions can only be answered when everything has been seen: whether a file
 * that was added is one that was deleted elsewhere (renamed), and whether all names of a file with
 * hard links are in the layers. So changes are collected, and a batch of them is matched, sorted by path
 * and handed over at once. A branch with more changes than one batch holds gets several; files that
 * still lack names are carried over, up to half a batch of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "workspace/changes_walk.h"

#define RENAME_TRIES 4U /* deleted files of the same size and time that one is compared with */
#define INODES_FIRST ((size_t)256)

static struct inode_seen *find_slot(const struct inodes *inodes, uint64_t ino)
{
	size_t at = (size_t)(ino * 0x9E3779B97F4A7C15ULL >> 20) & (inodes->slots - 1);

	while (inodes->table[at].ino != 0 && inodes->table[at].ino != ino)
		at = (at + 1) & (inodes->slots - 1);
	return &inodes->table[at];
}

static bool grow(struct inodes *inodes)
{
	struct inodes bigger = {.slots = inodes->slots ? inodes->slots * 2 : INODES_FIRST};

	if (bigger.slots > 2 * WALK_INODES_MAX)
		return false;
	bigger.table = calloc(bigger.slots, sizeof(*bigger.table));
	if (!bigger.table)
		return false;
	for (size_t i = 0; i < inodes->slots; i++) {
		if (inodes->table[i].ino == 0)
			continue;
		*find_slot(&bigger, inodes->table[i].ino) = inodes->table[i];
		bigger.n++;
	}
	free(inodes->table);
	*inodes = bigger;
	return true;
}

bool inodes_note(struct inodes *inodes, uint64_t ino, uint64_t *ret_names)
{
	struct inode_seen *slot;

	if (inodes->n >= inodes->slots / 2 && !grow(inodes))
		return false;
	slot = find_slot(inodes, ino);
	inodes->n += slot->ino == 0;
	slot->ino = ino;
	*ret_names = ++slot->names;
	return true;
}

static bool lacks_names(const struct walk *w, const struct held *h)
{
	const struct change *c = &h->change;

	if (!c->has_new || !S_ISREG(c->new.st_mode) || c->new.st_nlink < 2)
		return false;
	return w->inodes.slots == 0 ||
	       find_slot(&w->inodes, c->new.st_ino)->names < c->new.st_nlink;
}

bool batch_lacks_names(const struct walk *w)
{
	for (size_t i = 0; i < w->n_batch; i++)
		if (lacks_names(w, w->batch[i]))
			return true;
	return false;
}

int batch_add(struct walk *w, const struct held *held)
{
	size_t len = strlen(w->path) + 1;
	struct held *copy;

	if (!w->batch) {
		w->batch = calloc(CHANGES_BATCH, sizeof(struct held *));
		if (!w->batch)
			return -ENOMEM;
	}
	copy = malloc(sizeof(*copy) + len);
	if (!copy)
		return -ENOMEM;
	*copy = *held;
	memcpy(copy->path, w->path, len);
	copy->change.path = copy->path;
	w->batch[w->n_batch++] = copy;
	return w->n_batch == CHANGES_BATCH ? batch_flush(w, false) : 0;
}

static int by_path(const void *a, const void *b)
{
	const struct held *const *x = a;
	const struct held *const *y = b;

	return strcmp((*x)->path, (*y)->path);
}

/* A file that may have got another name: its size, then the time of its content. */
static int by_content(const struct stat *x, const struct stat *y)
{
	if (x->st_size != y->st_size)
		return x->st_size < y->st_size ? -1 : 1;
	if (time_before(&x->st_mtim, &y->st_mtim))
		return -1;
	return time_before(&y->st_mtim, &x->st_mtim);
}

static int by_old_content(const void *a, const void *b)
{
	const struct held *const *x = a;
	const struct held *const *y = b;
	int order = by_content(&(*x)->change.old, &(*y)->change.old);

	return order ? order : by_path(a, b);
}

static bool is_file_gone(const struct change *c)
{
	return c->kind == CHANGE_DELETED && S_ISREG(c->old.st_mode) && c->old.st_size > 0;
}

static bool is_file_new(const struct change *c)
{
	return c->kind == CHANGE_ADDED && S_ISREG(c->new.st_mode) && c->new.st_size > 0;
}

static bool is_same_content(struct walk *w, const struct held *gone, const struct held *added)
{
	CLEANUP(fd_closep) int old = -1;
	CLEANUP(fd_closep) int new = -1;

	if (changes_open_old(w->source, &gone->change, &old) < 0 ||
	    changes_open_new(w->source, &added->change, &new) < 0)
		return false;
	return kind_same_file(w, old, new, (uint64_t)added->change.new.st_size);
}

static void make_rename(struct held *gone, struct held *added)
{
	struct change *c = &added->change;

	gone->paired = true;
	c->kind = CHANGE_RENAMED;
	c->from = gone->path;
	c->has_old = true;
	c->old = gone->change.old;
	/* That the workspace has no file of the new name is what a new name means. */
	if (c->verdict == CHANGE_CONFLICT && added->copied)
		c->verdict = CHANGE_FREE;
	if (c->verdict == CHANGE_FREE) {
		c->verdict = gone->change.verdict;
		c->rule = gone->change.rule;
	}
}

/* @gone: sorted by content. */
static void match_one(struct walk *w, struct held **gone, size_t n_gone, struct held *added)
{
	size_t low = 0, high = n_gone;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (by_content(&gone[mid]->change.old, &added->change.new) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t i = low, tries = 0; i < n_gone && tries < RENAME_TRIES; i++) {
		if (by_content(&gone[i]->change.old, &added->change.new) != 0)
			return;
		if (gone[i]->paired || gone[i]->change.scratch != added->change.scratch)
			continue;
		tries++;
		if (is_same_content(w, gone[i], added)) {
			make_rename(gone[i], added);
			return;
		}
	}
}

static int match_renames(struct walk *w)
{
	struct held **gone;
	size_t n = 0;

	for (size_t i = 0; i < w->n_batch; i++)
		n += is_file_gone(&w->batch[i]->change);
	if (n == 0)
		return 0;
	gone = calloc(n, sizeof(struct held *));
	if (!gone)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < w->n_batch; i++)
		if (is_file_gone(&w->batch[i]->change))
			gone[n++] = w->batch[i];
	qsort(gone, n, sizeof(struct held *), by_old_content);
	for (size_t i = 0; i < w->n_batch; i++)
		if (is_file_new(&w->batch[i]->change))
			match_one(w, gone, n, w->batch[i]);
	free(gone);
	return 0;
}

static void count(struct walk *w, const struct change *c)
{
	if (c->scratch) {
		w->totals.scratch++;
		return;
	}
	w->totals.kinds[c->kind]++;
	w->totals.held += c->verdict != CHANGE_FREE;
}

static int hand_over(struct walk *w, struct held *h)
{
	if (h->paired)
		return 0;
	if (h->change.verdict == CHANGE_FREE && lacks_names(w, h))
		h->change.verdict = CHANGE_HARD_LINK;
	count(w, &h->change);
	return w->visit ? w->visit(w->ctx, &h->change) : 0;
}

int batch_flush(struct walk *w, bool last)
{
	size_t kept = 0;
	int r;

	if (w->n_batch == 0)
		return 0;
	r = match_renames(w);
	if (r < 0)
		return r;
	qsort(w->batch, w->n_batch, sizeof(struct held *), by_path);
	for (size_t i = 0; i < w->n_batch; i++) {
		struct held *h = w->batch[i];

		/* One that is renamed points to the path of another, which ends with the batch. */
		if (!last && h->change.kind != CHANGE_RENAMED && kept < CHANGES_BATCH / 2 &&
		    lacks_names(w, h)) {
			w->batch[i] = w->batch[kept];
			w->batch[kept++] = h;
			continue;
		}
		r = hand_over(w, h);
		if (r < 0)
			return r;
	}
	for (size_t i = kept; i < w->n_batch; i++)
		free(w->batch[i]);
	w->n_batch = kept;
	return 0;
}

void batch_fini(struct walk *w)
{
	for (size_t i = 0; i < w->n_batch; i++)
		free(w->batch[i]);
	free(w->batch);
	free(w->inodes.table);
	w->batch = NULL;
	w->n_batch = 0;
	w->inodes = (struct inodes){0};
}
