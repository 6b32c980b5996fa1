/*
 * Theory of operation: the walk's changes are kept, sorted by path, so that a folder stands before what
 * it holds. A change that is meant takes the new folders above it along. What may not be committed is
 * told at once; the rest becomes operations in passes, such that each finds what it needs:
 *
 *	new folders (parents first), files, links		add, lose nothing
 *	deletions of files					after the additions: a rename's
 *								content is there before it goes
 *	deletions of folders (children first)			what was in them has gone or moved
 *	what stands where a folder was				its content has gone before
 *	permissions of folders (children first)			nothing below is cut off
 */
#include "workspace/commit_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "workspace/discard.h"
#include "workspace/journal.h"

#define FIRST_ITEMS 256U
#define WHY_BYTES 128

static const char *const verdict_whys[] = {
	[CHANGE_FREE] = "",
	[CHANGE_PROTECTED] = "the path is protected",
	[CHANGE_LINK_OUT] = "the link leads out of the workspace",
	[CHANGE_SPECIAL] = "devices, FIFOs and sockets are not committed",
	[CHANGE_HARD_LINK] = "the file has other names, which are not in the changeset",
	[CHANGE_CONFLICT] =
		"the workspace's own has changed since; name it in overwrite to replace it",
	[CHANGE_NAME] = "the name cannot be held",
};
static_assert(ARRAY_SIZE(verdict_whys) == CHANGE_VERDICT_N, "every verdict has words");

void plan_init(struct plan *plan, const struct commit *commit, struct select *what,
	       struct select *overwrite)
{
	*plan = (struct plan){.commit = commit,
			      .what = what,
			      .overwrite = overwrite,
			      .ops = {.cap = JOURNAL_BYTES_MAX}};
}

void commit_plan_fini(struct plan *plan)
{
	while (plan->n > 0) {
		free(plan->items[--plan->n].path);
		free(plan->items[plan->n].from);
	}
	free(plan->items);
	plan->items = NULL;
	buf_fini(&plan->ops);
}

static int collect(void *ctx, const struct change *change)
{
	struct plan *plan = ctx;
	struct plan_item *item;

	if (plan->n >= JOURNAL_OPS_MAX)
		return -E2BIG;
	if (plan->n == plan->alloc) {
		size_t alloc = plan->alloc ? plan->alloc * 2 : FIRST_ITEMS;

		item = realloc(plan->items, alloc * sizeof(*item));
		if (!item)
			return -ENOMEM;
		plan->items = item;
		plan->alloc = alloc;
	}
	item = &plan->items[plan->n++];
	*item = (struct plan_item){
		.change = *change,
		.path = strdup(change->path),
		.from = change->from ? strdup(change->from) : NULL,
		.meant = select_change(plan->what, change),
		.op = JOURNAL_NONE,
	};
	item->change.path = item->path;
	item->change.from = item->from;
	/* To decide a conflict is to mean the change. */
	if (!item->meant && change->verdict == CHANGE_CONFLICT &&
	    (select_covers(plan->overwrite, change->path) ||
	     select_covers(plan->overwrite, change->from)))
		item->meant = !change->scratch;
	return item->path && (!change->from || item->from) ? 0 : -ENOMEM;
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(((const struct plan_item *)a)->path, ((const struct plan_item *)b)->path);
}

static bool is_new_folder(const struct plan_item *item)
{
	return item->change.has_new && S_ISDIR(item->change.new.st_mode) &&
	       (item->change.kind == CHANGE_ADDED || item->change.kind == CHANGE_TYPE);
}

static int compare_key(const void *key, const void *item)
{
	return select_key_compare(key, ((const struct plan_item *)item)->path);
}

static struct plan_item *find_item(const struct plan *plan, const char *path, size_t len)
{
	const struct select_key key = {path, len};

	return bsearch(&key, plan->items, plan->n, sizeof(*plan->items), compare_key);
}

/* The folders that a change needs come along. */
static void mean_folders(struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		const char *path = plan->items[i].path;

		if (!plan->items[i].meant)
			continue;
		for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
			struct plan_item *above = find_item(plan, path, (size_t)(at - path));

			if (above && is_new_folder(above))
				above->meant = true;
		}
	}
}

static void tell_held(struct plan *plan, const struct plan_item *item, const char *why)
{
	const struct commit_told told = {
		.path = item->path,
		.from = item->from,
		.kind = item->change.kind,
		.verdict = item->change.verdict,
		.rule = item->change.rule,
		.named = select_covers(plan->what, item->path) ||
			 select_covers(plan->overwrite, item->path),
		.why = why,
	};

	plan->held++;
	if (plan->commit->tell)
		plan->commit->tell(plan->commit->ctx, &told);
}

/* Return: 0, or -errno. */
static int judge(struct plan *plan, const struct changes_source *source, struct plan_item *item)
{
	const struct change *change = &item->change;
	char shared[WHY_BYTES];
	int sharer;

	if (journal_is_temporary(item->path)) {
		tell_held(plan, item, "names of this form are temporaries of a commit");
		return 0;
	}
	if (change->verdict != CHANGE_FREE &&
	    (change->verdict != CHANGE_CONFLICT || (!select_covers(plan->overwrite, item->path) &&
						    !select_covers(plan->overwrite, item->from)))) {
		tell_held(plan, item, verdict_whys[change->verdict]);
		return 0;
	}
	sharer = clear_sharer(source, plan->commit->stack, item->path);
	if (sharer == 0 && item->from)
		sharer = clear_sharer(source, plan->commit->stack, item->from);
	if (sharer < 0)
		return sharer;
	if (sharer > 0) {
		(void)snprintf(shared, sizeof(shared),
			       "shared with session %s.%d: commit or drop that first",
			       plan->commit->session, sharer);
		tell_held(plan, item, shared);
		return 0;
	}
	item->free = true;
	return 0;
}

struct name_of {
	uint64_t dev;
	uint64_t ino;
	size_t item;
};

static int compare_names(const void *a, const void *b)
{
	const struct name_of *left = a;
	const struct name_of *right = b;

	if (left->ino != right->ino)
		return left->ino < right->ino ? -1 : 1;
	if (left->dev != right->dev)
		return left->dev < right->dev ? -1 : 1;
	return left->item < right->item ? -1 : left->item > right->item;
}

/* Names of the same file: each knows the first one. */
static int find_links(struct plan *plan)
{
	struct name_of *names = calloc(plan->n + 1, sizeof(*names));
	size_t n = 0;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n; i++) {
		const struct change *change = &plan->items[i].change;

		plan->items[i].first = i;
		if (plan->items[i].free && change->has_new && S_ISREG(change->new.st_mode) &&
		    change->new.st_nlink > 1)
			names[n++] = (struct name_of){change->new.st_dev, change->new.st_ino, i};
	}
	if (n > 0)
		qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 1; i < n; i++)
		if (names[i].ino == names[i - 1].ino && names[i].dev == names[i - 1].dev)
			plan->items[names[i].item].first = plan->items[names[i - 1].item].first;
	free(names);
	return 0;
}

static int add_op(struct plan *plan, const struct changes_source *source, struct plan_item *item,
		  enum journal_kind kind, const char *path, uint32_t link)
{
	const struct change *change = &item->change;
	struct journal_op op = {.kind = (uint8_t)kind,
				.change = (uint16_t)change->kind,
				.link = link};

	if (change->has_new && kind != JOURNAL_DELETE) {
		op.layer = source->branch->layers[change->layer];
		journal_id_of(&change->new, &op.new);
	}
	/* What was there under the old name of a renamed file is not what the new one replaces. */
	if (change->has_old && (change->kind != CHANGE_RENAMED || kind == JOURNAL_DELETE)) {
		op.flags |= JOURNAL_HAS_OLD;
		journal_id_of(&change->old, &op.old);
	}
	plan->n_ops++;
	return journal_add(&plan->ops, &op, path);
}

static bool replaces_folder(const struct plan_item *item)
{
	return item->change.kind == CHANGE_TYPE && item->change.has_old &&
	       S_ISDIR(item->change.old.st_mode);
}

static bool is_file_item(const struct plan_item *item)
{
	return item->change.has_new && S_ISREG(item->change.new.st_mode);
}

static bool is_link_item(const struct plan_item *item)
{
	return item->change.has_new && S_ISLNK(item->change.new.st_mode);
}

static int add_leaf(struct plan *plan, const struct changes_source *source, struct plan_item *item)
{
	const struct plan_item *first = &plan->items[item->first];
	uint32_t link = first != item ? first->op : JOURNAL_NONE;

	item->op = plan->n_ops;
	return add_op(plan, source, item, is_file_item(item) ? JOURNAL_PUT : JOURNAL_SYMLINK,
		      item->path, is_file_item(item) ? link : JOURNAL_NONE);
}

static int pass_folders(struct plan *plan, const struct changes_source *source,
			struct plan_item *item)
{
	if (!is_new_folder(item))
		return 0;
	item->op = plan->n_ops;
	return add_op(plan, source, item, JOURNAL_FOLDER, item->path, JOURNAL_NONE);
}

static int pass_files(struct plan *plan, const struct changes_source *source,
		      struct plan_item *item)
{
	return is_file_item(item) && !replaces_folder(item) ? add_leaf(plan, source, item) : 0;
}

static int pass_links(struct plan *plan, const struct changes_source *source,
		      struct plan_item *item)
{
	return is_link_item(item) && !replaces_folder(item) ? add_leaf(plan, source, item) : 0;
}

static bool is_deleted_file(const struct plan_item *item)
{
	return item->change.has_old && !S_ISDIR(item->change.old.st_mode);
}

/* The old names of renamed files are not in the order of the items. */
static int pass_deleted_files(struct plan *plan, const struct changes_source *source,
			      struct plan_item *item)
{
	if (item->from)
		return add_op(plan, source, item, JOURNAL_DELETE, item->from, item->op);
	if (item->change.kind != CHANGE_DELETED || !is_deleted_file(item))
		return 0;
	return add_op(plan, source, item, JOURNAL_DELETE, item->path, JOURNAL_NONE);
}

static int pass_deleted_folders(struct plan *plan, const struct changes_source *source,
				struct plan_item *item)
{
	if (item->change.kind != CHANGE_DELETED || is_deleted_file(item))
		return 0;
	return add_op(plan, source, item, JOURNAL_DELETE, item->path, JOURNAL_NONE);
}

static int pass_replaced(struct plan *plan, const struct changes_source *source,
			 struct plan_item *item)
{
	return replaces_folder(item) ? add_leaf(plan, source, item) : 0;
}

static int pass_attrs(struct plan *plan, const struct changes_source *source,
		      struct plan_item *item)
{
	if (item->change.kind != CHANGE_MODE || !S_ISDIR(item->change.new.st_mode))
		return 0;
	return add_op(plan, source, item, JOURNAL_ATTRS, item->path, JOURNAL_NONE);
}

static const struct {
	int (*add)(struct plan *plan, const struct changes_source *source, struct plan_item *item);
	bool backwards;
} passes[] = {
	{pass_folders, false},	    {pass_files, false},	  {pass_links, false},
	{pass_deleted_files, true}, {pass_deleted_folders, true}, {pass_replaced, false},
	{pass_attrs, true},
};

static int add_ops(struct plan *plan, const struct changes_source *source)
{
	int r = find_links(plan);

	for (size_t p = 0; r == 0 && p < ARRAY_SIZE(passes); p++)
		for (size_t i = 0; r == 0 && i < plan->n; i++) {
			size_t at = passes[p].backwards ? plan->n - 1 - i : i;

			if (plan->items[at].free)
				r = passes[p].add(plan, source, &plan->items[at]);
		}
	return r;
}

int plan_make(struct plan *plan, const struct changes_source *source, struct err *err)
{
	struct changes_source all = *source;
	struct changes_totals totals;
	int r;

	all.scratch = false;
	for (size_t i = 0; i < plan->what->n; i++)
		all.scratch = all.scratch || plan->what->names[i].scratch;
	r = changes_walk(&all, collect, plan, &totals, err);
	if (r < 0)
		return r;
	plan->complete = totals.complete;
	/* Folders that are scratch and were not entered. */
	plan->left = all.scratch ? 0 : totals.scratch;
	if (plan->n > 0)
		qsort(plan->items, plan->n, sizeof(*plan->items), compare_items);
	mean_folders(plan);
	for (size_t i = 0; i < plan->n; i++) {
		plan->left += !plan->items[i].meant;
		r = plan->items[i].meant ? judge(plan, source, &plan->items[i]) : 0;
		if (r < 0)
			return err_set(err, -r, "cannot tell which layers are shared");
	}
	r = add_ops(plan, source);
	return r < 0 ? err_set(err, -r, "cannot plan the commit of %zu changes", plan->n) : 0;
}
