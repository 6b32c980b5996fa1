/*
 * Theory of operation: what is to be dropped is found by the walk that lists changes, and taken out by
 * clear.c. A discard without names empties the layers that are the branch's own, whatever is in them.
 * Nothing here touches the workspace. An interrupted discard has dropped some and not others; it is
 * simply done again.
 */
#include "workspace/discard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "workspace/baseline.h"
#include "workspace/branch.h"
#include "workspace/clear.h"
#include "workspace/remove.h"

#define FIRST_ITEMS 256U
#define WHY_BYTES 128

struct item {
	char *path;
	char *from;
	enum change_kind kind;
	bool is_folder;
	bool meant;
};

struct collection {
	struct select *what;
	struct item *items;
	size_t n;
	size_t alloc;
};

static void collection_fini(struct collection *all)
{
	while (all->n > 0) {
		free(all->items[--all->n].path);
		free(all->items[all->n].from);
	}
	free(all->items);
}

static int collect(void *ctx, const struct change *change)
{
	struct collection *all = ctx;
	struct item *item;

	if (all->n == all->alloc) {
		size_t alloc = all->alloc ? all->alloc * 2 : FIRST_ITEMS;

		item = realloc(all->items, alloc * sizeof(*item));
		if (!item)
			return -ENOMEM;
		all->items = item;
		all->alloc = alloc;
	}
	item = &all->items[all->n];
	*item = (struct item){
		.path = strdup(change->path),
		.from = change->from ? strdup(change->from) : NULL,
		.kind = change->kind,
		.is_folder = change->has_new && S_ISDIR(change->new.st_mode),
		/* Scratch below a folder that is named goes with it: nothing of it would be left. */
		.meant = select_covers(all->what, change->path) ||
			 select_covers(all->what, change->from),
	};
	all->n++;
	return item->path && (!change->from || item->from) ? 0 : -ENOMEM;
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

static int compare_key(const void *key, const void *item)
{
	return select_key_compare(key, ((const struct item *)item)->path);
}

static struct item *find_item(const struct collection *all, const char *path, size_t len)
{
	const struct select_key key = {path, len};

	return bsearch(&key, all->items, all->n, sizeof(*all->items), compare_key);
}

/* A change that cannot be dropped alone.  Return: why, or NULL. */
static const char *why_not(const struct collection *all, const char *path, bool is_gone)
{
	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		const struct item *above = find_item(all, path, (size_t)(at - path));

		if (!above || above->meant)
			continue;
		if (above->kind == CHANGE_DELETED)
			return "the folder it was in is deleted: discard that";
		if (above->kind == CHANGE_TYPE && is_gone)
			return "something else stands where its folder was: discard that";
	}
	return NULL;
}

static void tell(const struct discard *d, const struct item *item, const char *why)
{
	const struct discard_told told = {.path = item->path,
					  .from = item->from,
					  .kind = item->kind,
					  .done = why == NULL,
					  .why = why};

	if (d->tell)
		d->tell(d->ctx, &told);
}

/* Whether a layer has @path, or something above it that hides it.  Return: 1, 0, -errno. */
static int layer_holds(int root, const char *path)
{
	char above[CHANGES_PATH_MAX];

	if (strlen(path) >= sizeof(above))
		return -ENAMETOOLONG;
	for (const char *at = strchr(path, '/');; at = strchr(at + 1, '/')) {
		CLEANUP(fd_closep) int fd = -1;
		size_t len = at ? (size_t)(at - path) : strlen(path);
		struct stat st;
		int r;

		memcpy(above, path, len);
		above[len] = '\0';
		r = clearing_look(root, above, &st);
		if (r <= 0 || !at || !S_ISDIR(st.st_mode))
			return r;
		/* A plain folder says nothing about what is not in it. */
		r = clearing_open_folder(root, above, &fd);
		if (r <= 0 || clearing_is_opaque(fd))
			return r;
	}
}

static uint32_t other_branch(const struct stack *stack, uint32_t branch, uint32_t layer)
{
	for (uint32_t b = 1; b <= STACK_BRANCHES_MAX; b++) {
		const struct stack_branch *other = &stack->branches[b - 1];

		for (uint32_t i = 0; b != branch && other->used && i < other->n; i++)
			if (other->layers[i] == layer)
				return b;
	}
	return 0;
}

int clear_sharer(const struct changes_source *source, const struct stack *stack, const char *path)
{
	for (uint32_t i = 0; i < source->branch->n; i++) {
		uint32_t layer = source->branch->layers[i];
		CLEANUP(fd_closep) int root = -1;
		int r;

		if (!stack_is_shared(stack, source->branch_number, layer))
			continue;
		r = branch_layer_open(source->data, layer, &root, NULL);
		if (r == 0)
			r = layer_holds(root, path);
		if (r != 0)
			return r < 0 ? r : (int)other_branch(stack, source->branch_number, layer);
	}
	return 0;
}

int clear_everything(const struct changes_source *source, const struct stack *stack,
		     struct err *err)
{
	/* From the bottom: what shows goes last. */
	for (uint32_t i = 0; i < source->branch->n; i++) {
		uint32_t layer = source->branch->layers[i];
		CLEANUP(fd_closep) int root = -1;
		int r;

		if (stack_is_shared(stack, source->branch_number, layer))
			continue;
		r = branch_layer_open(source->data, layer, &root, err);
		if (r == 0)
			r = remove_content(root, NULL, err);
		if (r < 0)
			return err_wrap(err, "cannot empty layer %u", layer);
	}
	return 0;
}

static int count_one(void *ctx, const struct change *change)
{
	uint64_t *n = ctx;

	(void)change;
	(*n)++;
	return 0;
}

int discard_count_left(const struct changes_source *source, uint64_t *ret, bool *ret_complete,
		       struct err *err)
{
	struct changes_source all = *source;
	struct changes_totals totals;
	uint64_t n = 0;
	int r;

	all.scratch = true;
	r = changes_walk(&all, count_one, &n, &totals, err);
	if (r < 0)
		return r;
	*ret = n;
	*ret_complete = totals.complete;
	return 0;
}

int discard_settle(const struct changes_source *source, const struct stack *stack,
		   const struct timespec *past, struct err *err)
{
	CLEANUP(fd_closep) int dir = -1;
	int r = branch_open(source->data, source->branch_number, &dir, err);

	if (r == 0)
		r = clear_everything(source, stack, err);
	/* The begin first: a baseline that is behind it says nothing, a begin without one too much. */
	if (r == 0)
		r = branch_begin_again(dir, past, err);
	return r < 0 ? r : branch_remove(dir, BASELINE_FILE, err);
}

static int count_after(const struct discard *d, struct discard_totals *ret, struct err *err)
{
	const struct timespec now = {0};
	int r = discard_count_left(d->source, &ret->left, &ret->complete, err);

	if (r == 0 && ret->left == 0 && ret->complete)
		r = discard_settle(d->source, d->stack, &now, err);
	return r < 0 ? r : stack_touch(d->source->data, d->stack, err);
}

static int discard_all(const struct discard *d, struct discard_totals *ret, struct err *err)
{
	uint64_t before = 0;
	bool complete = false;
	int r = discard_count_left(d->source, &before, &complete, err);

	if (r == 0)
		r = clear_everything(d->source, d->stack, err);
	if (r == 0)
		r = count_after(d, ret, err);
	if (r == 0)
		ret->done = before > ret->left ? before - ret->left : 0;
	ret->held = ret->left;
	return r;
}

/* Return: 1 when it can be dropped, 0 when not, with *ret_why; -errno. */
static int may_drop(const struct discard *d, const struct collection *all, const struct item *item,
		    char shared[WHY_BYTES], const char **ret_why)
{
	int sharer;

	*ret_why = why_not(all, item->path, item->kind == CHANGE_DELETED);
	if (!*ret_why && item->from)
		*ret_why = why_not(all, item->from, true);
	if (*ret_why)
		return 0;
	sharer = clear_sharer(d->source, d->stack, item->path);
	if (sharer == 0 && item->from)
		sharer = clear_sharer(d->source, d->stack, item->from);
	if (sharer <= 0)
		return sharer < 0 ? sharer : 1;
	(void)snprintf(shared, WHY_BYTES, "shared with session %s.%d: commit or drop that first",
		       d->session, sharer);
	*ret_why = shared;
	return 0;
}

static int add_paths(const struct discard *d, struct collection *all, struct clear_path *paths,
		     size_t *n, struct discard_totals *ret)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct item *item = &all->items[i];
		char shared[WHY_BYTES];
		const char *why;
		int r;

		if (!item->meant)
			continue;
		r = may_drop(d, all, item, shared, &why);
		if (r < 0)
			return r;
		tell(d, item, why);
		ret->held += r == 0;
		ret->done += r == 1;
		if (r == 0)
			continue;
		paths[(*n)++] = (struct clear_path){
			.path = item->path,
			.kind = item->is_folder ? CLEAR_FOLDER : CLEAR_NAME,
			.attrs = item->kind == CHANGE_MODE && item->is_folder,
		};
		if (item->from)
			paths[(*n)++] = (struct clear_path){.path = item->from};
	}
	return 0;
}

int discard_run(const struct discard *discard, struct select *what, struct discard_totals *ret,
		struct err *err)
{
	CLEANUP(collection_fini) struct collection all = {.what = what};
	struct changes_source source = *discard->source;
	struct clear_path *paths;
	struct changes_totals totals;
	size_t n = 0;
	int r;

	*ret = (struct discard_totals){0};
	if (what->n == 0)
		return discard_all(discard, ret, err);
	source.scratch = true;
	r = changes_walk(&source, collect, &all, &totals, err);
	if (r < 0)
		return r;
	if (all.n > 0)
		qsort(all.items, all.n, sizeof(*all.items), compare_items);
	paths = calloc(2 * all.n + 1, sizeof(*paths));
	if (!paths)
		return err_set(err, ENOMEM, "cannot discard %zu changes", all.n);
	r = add_paths(discard, &all, paths, &n, ret);
	if (r < 0)
		(void)err_set(err, -r, "cannot tell which layers are shared");
	if (r == 0)
		r = clear_paths(discard->source, paths, n, err);
	if (r == 0)
		r = count_after(discard, ret, err);
	free(paths);
	return r;
}
