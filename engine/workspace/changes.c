/*
 * Theory of operation: a stack of folders that at least one layer has, beginning with the root. Each
 * name of a folder, layer by layer from the top, is looked up in all layers and in the workspace by
 * the first layer that has it (changes_layers.c), what differs becomes a change (changes_kind.c), and
 * folders below are pushed:
 *
 *	a folder of the branch		 -> with the layers that make it up
 *	a folder of the workspace	 -> hidden: all that is in it and not in the branch is deleted
 *	that is hidden or replaced
 *	a layer's folder that is buried	 -> counted: its names use up quota and may be names of hard
 *	under a later layer, or scratch	    links, but make no change
 *
 * A folder of the workspace is read only when it is hidden, so the cost grows with what changed.
 * Everything is bounded: names (CHANGES_SEEN_MAX), depth, the stack's bytes, bytes compared, and by
 * the caller's deadline. A walk that met a bound says so.
 */
#include "workspace/changes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "workspace/changes_walk.h"

#define DEADLINE_EVERY 64U /* names between looks at the clock */
#define BLOCK_BYTES 512U   /* of st_blocks */

static bool past_deadline(const struct walk *w)
{
	struct timespec now;

	if (w->source->deadline_ns == 0 || clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		return false;
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec > w->source->deadline_ns;
}

/* One more name. Return: false when the walk must end. */
static bool may_go_on(struct walk *w)
{
	w->seen++;
	if (w->seen > CHANGES_SEEN_MAX || (w->seen % DEADLINE_EVERY == 0 && past_deadline(w))) {
		w->totals.complete = false;
		w->stopped = true;
	}
	return !w->stopped;
}

static bool dirs_reserve(struct dirs *dirs, size_t more)
{
	size_t alloc = MAX(dirs->alloc, (size_t)4096);
	char *data;

	if (more > WALK_DIRS_BYTES_MAX - dirs->used)
		return false;
	while (alloc < dirs->used + more)
		alloc *= 2;
	if (alloc == dirs->alloc)
		return true;
	data = realloc(dirs->data, alloc);
	if (!data)
		return false;
	dirs->data = data;
	dirs->alloc = alloc;
	return true;
}

/* The path in w->path, then the record. A folder for which there is no room stays unseen. */
static void dirs_push(struct walk *w, struct dirs *dirs, const struct dir *dir)
{
	size_t bytes = strlen(w->path) + 1;
	struct dir copy = *dir;

	if (dir->depth >= CHANGES_DEPTH_MAX || !dirs_reserve(dirs, bytes + sizeof(copy))) {
		w->totals.complete = false;
		return;
	}
	copy.path_bytes = (uint32_t)bytes;
	memcpy(dirs->data + dirs->used, w->path, bytes);
	memcpy(dirs->data + dirs->used + bytes, &copy, sizeof(copy));
	dirs->used += bytes + sizeof(copy);
}

static bool dirs_pop(struct walk *w, struct dirs *dirs, struct dir *ret)
{
	if (dirs->used == 0)
		return false;
	memcpy(ret, dirs->data + dirs->used - sizeof(*ret), sizeof(*ret));
	dirs->used -= sizeof(*ret) + ret->path_bytes;
	memcpy(w->path, dirs->data + dirs->used, ret->path_bytes);
	return true;
}

/* w->path becomes the place's path and @name. Return: false when that is longer than paths may be. */
static bool set_name(struct walk *w, const struct place *place, const char *name)
{
	size_t at = place->path_len + (place->path_len > 0);
	size_t len = strlen(name);

	if (at + len >= sizeof(w->path)) {
		w->totals.complete = false;
		w->totals.held++;
		return false;
	}
	if (place->path_len > 0)
		w->path[place->path_len] = '/';
	memcpy(w->path + at, name, len + 1);
	return true;
}

static void unset_name(struct walk *w, const struct place *place)
{
	w->path[place->path_len] = '\0';
}

/* What a name in a layer uses up; an inode's blocks count once. */
static void note(struct walk *w, const struct stat *st)
{
	uint64_t names = 1;

	w->totals.files++;
	if (S_ISREG(st->st_mode) && st->st_nlink > 1 &&
	    !inodes_note(&w->inodes, st->st_ino, &names))
		w->totals.complete = false;
	if (names == 1)
		w->totals.bytes += (uint64_t)st->st_blocks * BLOCK_BYTES;
}

static void note_name(struct walk *w, int layer, const char *name)
{
	struct stat st;

	if (fstatat(layer, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		note(w, &st);
}

static int add_change(struct walk *w, const struct place *place, const char *name,
		      const struct sight *s, enum change_kind kind)
{
	struct held h = {
		.change = {.kind = kind,
			   .scratch = place->dir.flags & DIR_SCRATCH,
			   .layer = s->layer,
			   .has_old = s->has_old,
			   .has_new = s->has_new,
			   .changed = s->changed},
	};

	if (s->has_old)
		h.change.old = s->old;
	if (s->has_new)
		h.change.new = s->new;
	h.copied = kind == CHANGE_ADDED && S_ISREG(s->new.st_mode) &&
		   (place->dir.flags & DIR_MOVED) && layers_was_copied(place, name, s);
	verdict_of(w, place, name, &h);
	/* What is in it is not looked at. */
	if (h.change.verdict == CHANGE_FREE && place->dir.depth + 1 >= CHANGES_DEPTH_MAX &&
	    ((s->has_new && S_ISDIR(s->new.st_mode)) || (s->has_old && S_ISDIR(s->old.st_mode))))
		h.change.verdict = CHANGE_NAME;
	return batch_add(w, &h);
}

/* What is below the name in w->path is to be looked at, too. */
static void push_below(struct walk *w, const struct place *place, const struct sight *s)
{
	uint32_t keep = place->dir.flags & (DIR_SCRATCH | DIR_MOVED);
	struct dir dir = {
		.mask = s->merged,
		.flags = keep,
		.depth = place->dir.depth + 1,
		.changed = place->dir.flags & DIR_HIDDEN ? place->dir.changed : s->changed,
	};

	if (s->has_old && S_ISDIR(s->old.st_mode)) {
		dir.flags |= DIR_BASE;
		if (s->hidden || !s->has_new || !S_ISDIR(s->new.st_mode))
			dir.flags |= DIR_HIDDEN;
	}
	if (dir.mask || (dir.flags & DIR_HIDDEN))
		dirs_push(w, &w->dirs, &dir);
	if (s->buried) {
		struct dir buried = {s->buried, DIR_COUNT, place->dir.depth + 1, 0, {0}};

		dirs_push(w, &w->dirs, &buried);
	}
}

static void skip_scratch(struct walk *w, const struct place *place, const struct sight *s)
{
	struct dir dir = {s->merged | s->buried, DIR_COUNT, place->dir.depth + 1, 0, {0}};

	w->totals.scratch++;
	if (dir.mask)
		dirs_push(w, w->source->skip_scratch ? &w->skipped : &w->dirs, &dir);
}

/* Whether w->path is scratch; below a folder that is, everything is. */
static bool is_scratch(const struct walk *w, const struct place *place, const struct sight *s)
{
	bool dir = s->has_new ? S_ISDIR(s->new.st_mode) : s->has_old && S_ISDIR(s->old.st_mode);

	return (place->dir.flags & DIR_SCRATCH) || rules_find(w->source->rules, 'S', w->path, dir);
}

/* A name that layer @i has: the first layer that has it speaks for all. */
static int handle_name(struct walk *w, struct place *place, uint32_t i, const char *name)
{
	uint32_t flags = place->dir.flags;
	enum change_kind kind;
	struct sight s;
	int r = 0;

	layers_look(w, place, name, &s);
	if (s.top == i && s.has_new && s.layer == i)
		note(w, &s.new);
	else
		note_name(w, place->layers[i], name);
	if (s.top != i || !set_name(w, place, name))
		return 0;
	if (is_scratch(w, place, &s)) {
		if (!w->source->scratch) {
			skip_scratch(w, place, &s);
			return 0;
		}
		place->dir.flags |= DIR_SCRATCH;
	}
	kind = kind_of(w, place, name, &s);
	if (kind != CHANGE_KIND_N)
		r = add_change(w, place, name, &s, kind);
	push_below(w, place, &s);
	place->dir.flags = flags;
	return r;
}

/* A name that the workspace has in a folder of it that is hidden. */
static int handle_hidden(struct walk *w, struct place *place, const char *name)
{
	struct sight s = {.hidden = true, .changed = place->dir.changed};
	uint32_t flags = place->dir.flags;
	int r;

	if (layers_have(place, name) ||
	    fstatat(place->base, name, &s.old, AT_SYMLINK_NOFOLLOW) < 0 || is_whiteout(&s.old) ||
	    !set_name(w, place, name))
		return 0;
	s.has_old = true;
	if (is_scratch(w, place, &s)) {
		if (!w->source->scratch) {
			w->totals.scratch++;
			return 0;
		}
		place->dir.flags |= DIR_SCRATCH;
	}
	r = add_change(w, place, name, &s, CHANGE_DELETED);
	push_below(w, place, &s);
	place->dir.flags = flags;
	return r;
}

/* A name whose bytes count, and whatever is below it. */
static int handle_count(struct walk *w, const struct place *place, uint32_t i, const char *name)
{
	struct dir dir = {1U << i, DIR_COUNT, place->dir.depth + 1, 0, {0}};
	struct stat st;

	if (fstatat(place->layers[i], name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	note(w, &st);
	if (S_ISDIR(st.st_mode) && set_name(w, place, name))
		dirs_push(w, &w->dirs, &dir);
	return 0;
}

static bool is_name(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && name[0] != '\0' &&
	       !strchr(name, '/');
}

/* @i: the layer that @fd is of, or STACK_LAYERS_MAX for the workspace */
static int each_name(struct walk *w, struct place *place, int fd, uint32_t i)
{
	for (;;) {
		ssize_t n = getdents64(fd, w->dents, sizeof(w->dents));

		if (n <= 0) {
			if (n < 0)
				w->totals.complete = false;
			return 0;
		}
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(w->dents + at);
			int r = 0;

			at += d->d_reclen;
			if (!is_name(d->d_name))
				continue;
			if (!may_go_on(w))
				return 0;
			if (place->dir.flags & DIR_COUNT)
				r = handle_count(w, place, i, d->d_name);
			else if (i < STACK_LAYERS_MAX)
				r = handle_name(w, place, i, d->d_name);
			else
				r = handle_hidden(w, place, d->d_name);
			unset_name(w, place);
			if (r < 0)
				return r;
		}
	}
}

static int walk_folder(struct walk *w, const struct dir *dir)
{
	struct place place;
	int r = 0;

	place_open(w, dir, &place);
	for (uint32_t i = STACK_LAYERS_MAX; i-- > 0 && r == 0 && !w->stopped;)
		if (place.layers[i] >= 0)
			r = each_name(w, &place, place.layers[i], i);
	if (r == 0 && !w->stopped && place.base >= 0 && (place.dir.flags & DIR_HIDDEN))
		r = each_name(w, &place, place.base, STACK_LAYERS_MAX);
	place_close(&place);
	return r;
}

static int walk_all(struct walk *w, uint32_t flags)
{
	struct dir dir = {.mask = (uint32_t)(((uint64_t)1 << w->n_roots) - 1), .flags = flags};
	int r = 0;

	w->path[0] = '\0';
	dirs_push(w, &w->dirs, &dir);
	for (;;) {
		while (r == 0 && !w->stopped && dirs_pop(w, &w->dirs, &dir))
			r = walk_folder(w, &dir);
		if (r < 0 || w->stopped || w->skipped.used == 0 || !batch_lacks_names(w))
			break;
		/* The names that a file lacks may be in scratch. */
		struct dirs empty = w->dirs;

		w->dirs = w->skipped;
		w->skipped = empty;
	}
	return r < 0 ? r : batch_flush(w, true);
}

static int open_begin(struct walk *w, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	char path[64];
	struct stat st;
	int r;

	(void)snprintf(path, sizeof(path), "branches/%u/begin", w->source->branch_number);
	r = changes_open_beneath(w->source->data, path, O_PATH, &fd);
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, -r, "cannot tell when branch %u of the session began",
			       w->source->branch_number);
	w->begin = st.st_mtim;
	return 0;
}

static struct walk *walk_new(const struct changes_source *source)
{
	struct walk *w = malloc(sizeof(*w));

	if (!w)
		return NULL;
	/* The buffers at its end need no zeroes. */
	memset(w, 0, offsetof(struct walk, dents));
	w->source = source;
	w->totals.complete = true;
	return w;
}

static void walk_free(struct walk *w)
{
	batch_fini(w);
	layers_close(w);
	free(w->dirs.data);
	free(w->skipped.data);
	free(w);
}

int changes_walk(const struct changes_source *source,
		 int (*visit)(void *ctx, const struct change *change), void *ctx,
		 struct changes_totals *ret_totals, struct err *err)
{
	struct walk *w = walk_new(source);
	int r;

	if (!w)
		return err_set(err, ENOMEM, "cannot look for changes");
	w->visit = visit;
	w->ctx = ctx;
	r = open_begin(w, err);
	if (r == 0)
		r = layers_open(w, err);
	if (r == 0) {
		r = walk_all(w, DIR_BASE);
		if (r < 0)
			(void)err_set(err, -r, "cannot list the changes of the session");
	}
	if (r == 0)
		*ret_totals = w->totals;
	walk_free(w);
	return r;
}

int changes_count(const struct changes_source *source, struct changes_totals *ret_totals,
		  struct err *err)
{
	struct walk *w = walk_new(source);
	int r;

	if (!w)
		return err_set(err, ENOMEM, "cannot count what the session holds");
	r = layers_open(w, err);
	if (r == 0)
		r = walk_all(w, DIR_COUNT);
	if (r == 0)
		*ret_totals = w->totals;
	walk_free(w);
	return r;
}
