/*
 * Theory of operation: an operation opens the folder of the workspace that its name is in, and works
 * through that descriptor alone; whatever is done to the path above it meanwhile, nothing lands anywhere
 * else. Then it looks at what is there:
 *
 *	as expected		-> make a temporary beside it (content, attributes, permissions, times,
 *				   in this order: writing moves the times), and place it (commit_place.c)
 *	what the branch has	-> done, by an interrupted run or by somebody else
 *	anything else		-> held as a conflict
 *
 * So every operation may be done again. Errors of one path hold that path; those that would meet the
 * next one, too (a full disk), stop the commit with its journal in place.
 *
 * A file must be on disk before it takes its place, and all places before the journal says so. A sync
 * for each file waits for the disk as often as there are files; so where they are many, files are made
 * in batches, the file system is synced once for a batch, and once more at the end:
 *
 *	few:	each file: make, fsync, place; each folder: fsync
 *	many:	batch: make, make, ...; syncfs; place, place, ...;  in the end: syncfs
 *
 * The journal knows no batches: a temporary that was made and not placed is one of an operation that
 * is still open, and is removed as such when the commit is resumed.
 */
#include "workspace/commit_apply.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "workspace/branch.h"
#include "workspace/copy.h"
#include "workspace/remove.h"

#define SHOWN_BYTES 256

int apply_init(struct apply *apply, const struct changes_source *source, struct journal *journal,
	       struct err *err)
{
	*apply = (struct apply){.base = source->base,
				.branch = source->branch,
				.journal = journal,
				.sync = source->rules->sync,
				.synced = -1};
	struct stat st;

	for (uint32_t i = 0; i < STACK_LAYERS_MAX; i++)
		apply->roots[i] = -1;
	if (apply->sync && journal->header->n > APPLY_SYNC_FEW && fstat(source->base, &st) == 0) {
		apply->batch = calloc(1, sizeof(*apply->batch));
		if (!apply->batch)
			return err_set(err, ENOMEM, "cannot commit");
		apply->many = true;
		apply->device = st.st_dev;
	}
	for (uint32_t i = 0; i < source->branch->n; i++) {
		int r = branch_layer_open(source->data, source->branch->layers[i], &apply->roots[i],
					  err);

		if (r < 0) {
			apply_fini(apply);
			return r;
		}
	}
	return 0;
}

/* All that has been written to the workspace's file system so far. */
static int sync_all(const struct apply *apply, struct err *err)
{
	return syncfs(apply->base) < 0 ? err_set(err, errno, "cannot sync the workspace") : 0;
}

/* Whether @fd is on disk when the file system is. */
static bool is_synced_later(const struct apply *apply, int fd)
{
	struct stat st;

	return apply->many && fstat(fd, &st) == 0 && st.st_dev == apply->device;
}

static int sync_folder(struct apply *apply, struct err *err)
{
	int r = 0;

	if (apply->synced >= 0 && fsync(apply->synced) < 0 && errno != EINVAL)
		r = err_set(err, errno, "cannot sync a folder of the workspace");
	fd_closep(&apply->synced);
	return r;
}

int apply_sync(struct apply *apply, struct err *err)
{
	int r = apply->many ? sync_all(apply, err) : 0;

	return r == 0 ? sync_folder(apply, err) : r;
}

/* The folder that an operation has changed; the one before it is synced when it was another one. */
static int note_changed(struct step *step, struct err *err)
{
	struct apply *apply = step->apply;
	struct stat st;
	int r;

	if (!apply->sync || is_synced_later(apply, step->parent) || fstat(step->parent, &st) < 0)
		return 0;
	if (apply->synced >= 0 && st.st_dev == apply->synced_st.st_dev &&
	    st.st_ino == apply->synced_st.st_ino)
		return 0;
	r = sync_folder(apply, err);
	apply->synced = fd_take(&step->parent);
	apply->synced_st = st;
	return r;
}

/* The folder that @path is in.  @ret_leaf: the last component, in @path */
static int open_parent(int root, const char *path, int *ret_fd, const char **ret_leaf)
{
	const char *slash = strrchr(path, '/');
	char parent[CHANGES_PATH_MAX];
	int fd;

	*ret_leaf = slash ? slash + 1 : path;
	if (!slash) {
		fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		*ret_fd = fd;
		return 0;
	}
	if ((size_t)(slash - path) >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	return changes_open_beneath(root, parent, O_RDONLY | O_DIRECTORY, ret_fd);
}

static void step_fini(struct step *step)
{
	fd_closep(&step->parent);
	fd_closep(&step->source);
}

static int open_step(struct step *step)
{
	const char *leaf;
	int r = open_parent(step->apply->base, journal_path(step->op), &step->parent, &step->leaf);

	for (uint32_t i = 0; r == 0 && step->op->layer && i < step->apply->branch->n; i++)
		if (step->apply->branch->layers[i] == step->op->layer &&
		    open_parent(step->apply->roots[i], journal_path(step->op), &step->source,
				&leaf) < 0)
			step->source = -1; /* gone: whoever needs it says so */
	return r;
}

static void times_of(const struct journal_id *id, struct timespec ret[2])
{
	ret[0] = (struct timespec){.tv_sec = id->atime_s, .tv_nsec = (long)id->atime_ns};
	ret[1] = (struct timespec){.tv_sec = id->mtime_s, .tv_nsec = (long)id->mtime_ns};
}

static mode_t mode_of(const struct journal_op *op)
{
	const struct stat new = {.st_mode = op->new.mode};
	const struct stat old = {.st_mode = op->old.mode};

	return copy_mode(&new, op->flags & JOURNAL_HAS_OLD ? &old : NULL);
}

static int fill_file(struct step *step, int to)
{
	CLEANUP(fd_closep) int from = -1;
	struct timespec times[2];
	int r = step_source_open(step, &from);

	if (r == 0)
		r = copy_content(from, to, step->op->new.size);
	if (r == 0)
		r = copy_attrs(from, to, false);
	if (r == 0 && fchmod(to, mode_of(step->op)) < 0)
		r = -errno;
	times_of(&step->op->new, times);
	if (r == 0 && futimens(to, times) < 0)
		r = -errno;
	if (r == 0 && step->apply->sync && !step->later && fsync(to) < 0)
		r = -errno;
	return r;
}

static int make_file(struct step *step, const char *made)
{
	CLEANUP(fd_closep)
	int to = openat(step->parent, made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);

	return to < 0 ? -errno : fill_file(step, to);
}

/* A further name of a file that has been committed already. */
static int make_link(struct step *step, const char *made)
{
	struct journal *journal = step->apply->journal;
	const struct journal_mark *mark = &journal->marks[step->op->link];
	CLEANUP(fd_closep) int dir = -1;
	const char *leaf;
	struct stat st;
	int r;

	if (mark->state != JOURNAL_DONE)
		return -ENOENT;
	r = open_parent(step->apply->base, journal_path(journal->ops[step->op->link]), &dir, &leaf);
	if (r < 0)
		return r;
	if (linkat(dir, leaf, step->parent, made, 0) < 0)
		return -errno;
	if (fstatat(step->parent, made, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* Somebody has put another file there. */
	if (st.st_ino == mark->ino && st.st_dev == mark->dev)
		return 0;
	return unlinkat(step->parent, made, 0) < 0 ? -errno : -ENOENT;
}

static int make_put(struct step *step, const char *made)
{
	if (step->op->link != JOURNAL_NONE && make_link(step, made) == 0)
		return 0;
	return make_file(step, made);
}

static int make_symlink(struct step *step, const char *made)
{
	struct timespec times[2];
	char target[PATH_MAX];
	ssize_t n = step->source < 0 ? -1
				     : readlinkat(step->source, step->leaf, target, sizeof(target));

	if (n <= 0 || n == (ssize_t)sizeof(target) || (uint64_t)n != step->op->new.size)
		return -ESTALE;
	target[n] = '\0';
	if (symlinkat(target, step->parent, made) < 0)
		return -errno;
	times_of(&step->op->new, times);
	return utimensat(step->parent, made, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int make_folder(struct step *step, const char *made)
{
	return mkdirat(step->parent, made, 0700) < 0 ? -errno : 0;
}

/* Whether the name may be worked on.  Return: 1 yes, 0 no (held or done: *ret_done), -errno. */
static int check_target(struct step *step, bool *ret_done)
{
	bool has_old = step->op->flags & JOURNAL_HAS_OLD;
	struct stat st;
	int r;

	if (fstatat(step->parent, step->leaf, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return -errno;
		step->why = "it is gone from the workspace meanwhile";
		return !has_old;
	}
	if (has_old && journal_id_untouched(&step->op->old, &st))
		return 1;
	r = place_identical(step, step->leaf);
	if (r == 1)
		*ret_done = true;
	step->why = has_old ? "it was changed in the workspace meanwhile"
			    : "the workspace has something of that name now";
	return r < 0 ? r : 0;
}

static int do_make(struct step *step, int (*make)(struct step *step, const char *made))
{
	char made[JOURNAL_TEMPORARY_BYTES];
	bool done = false;
	int r = check_target(step, &done);

	journal_temporary(step->apply->journal, step->number, "tmp", made);
	if (r <= 0) {
		if (step->made)
			place_undo(step, made);
		return r < 0 ? r : done;
	}
	if (!step->made)
		r = make(step, made);
	if (r < 0) {
		/* One that was there before is not ours. */
		if (r != -EEXIST)
			place_undo(step, made);
		return r;
	}
	return place_target(step, made);
}

static int do_put(struct step *step)
{
	return do_make(step, make_put);
}

static int do_symlink(struct step *step)
{
	return do_make(step, make_symlink);
}

static int do_folder(struct step *step)
{
	/* In place of nothing a folder needs no temporary: it appears at once, and empty. */
	if (!(step->op->flags & JOURNAL_HAS_OLD) && mkdirat(step->parent, step->leaf, 0700) == 0)
		return 1;
	return do_make(step, make_folder);
}

static int do_delete(struct step *step)
{
	const struct journal *journal = step->apply->journal;

	/* The other half of a rename: the content must be where it has gone to. */
	if (step->op->link != JOURNAL_NONE &&
	    journal->marks[step->op->link].state != JOURNAL_DONE) {
		step->why = "its new name could not be committed";
		return 0;
	}
	return place_delete(step);
}

static int open_folder(const struct step *step, int *ret_fd)
{
	int fd = openat(step->parent, step->leaf,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int set_folder(struct step *step, int fd, bool prune)
{
	CLEANUP(fd_closep) int from = -1;
	struct stat st;
	int r;

	if (step->source < 0)
		return -ESTALE;
	r = remove_open(step->source, step->leaf, &from);
	if (r == 0 && (fstat(from, &st) < 0 || st.st_ino != step->op->new.ino))
		r = -ESTALE;
	if (r == 0)
		r = copy_attrs(from, fd, prune);
	if (r == 0 && fchmod(fd, mode_of(step->op)) < 0)
		r = -errno;
	return r;
}

static int do_attrs(struct step *step)
{
	CLEANUP(fd_closep) int fd = -1;
	struct stat st;
	int r = open_folder(step, &fd);

	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP ||
	    (r == 0 && !journal_id_same(&step->op->old, &st))) {
		step->why = "the workspace has another folder there now";
		return 0;
	}
	if (r == 0)
		r = set_folder(step, fd, true);
	return r < 0 ? r : 1;
}

static int (*const kinds[])(struct step *step) = {
	[JOURNAL_FOLDER] = do_folder, [JOURNAL_PUT] = do_put,	  [JOURNAL_SYMLINK] = do_symlink,
	[JOURNAL_DELETE] = do_delete, [JOURNAL_ATTRS] = do_attrs,
};
static_assert(ARRAY_SIZE(kinds) == JOURNAL_KIND_N, "every kind of operation has a row");

/* Errors that the next path would meet, too. */
static bool is_general(int num)
{
	static const int nums[] = {ENOSPC, EDQUOT, EROFS, EIO, ENOMEM, EMFILE, ENFILE};

	for (size_t i = 0; i < ARRAY_SIZE(nums); i++)
		if (nums[i] == num)
			return true;
	return false;
}

static const char *why_of(int num)
{
	switch (num) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
		return "its folder is not in the workspace, or is a symbolic link there";
	case ESTALE:
		return "the branch's version has changed since the commit began";
	case EACCES:
	case EPERM:
		return "permission denied in the workspace";
	case EEXIST:
		return "a file called .toolcell-*.tmp is in the way";
	default:
		return strerrordesc_np(num);
	}
}

static int mark(struct step *step, enum journal_state state, struct err *err)
{
	struct stat st = {0};
	int r;

	if (state == JOURNAL_DONE && step->op->kind != JOURNAL_DELETE && step->parent >= 0 &&
	    fstatat(step->parent, step->leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		st = (struct stat){0};
	r = journal_mark(step->apply->journal, step->number, state, &st, err);
	/* Another name has moved the ctime of the first one. */
	if (r == 0 && state == JOURNAL_DONE && step->op->kind == JOURNAL_PUT &&
	    step->op->link != JOURNAL_NONE &&
	    step->apply->journal->marks[step->op->link].ino == st.st_ino)
		r = journal_mark(step->apply->journal, step->op->link, JOURNAL_DONE, &st, err);
	return r;
}

/* One file of a batch.  Return: 1 when it is there; 0 when that is left to apply_one; -errno */
static int make_early(struct step *step, bool recover)
{
	char made[JOURNAL_TEMPORARY_BYTES];
	bool done = false;
	int r = open_step(step);

	if (r < 0 || !is_synced_later(step->apply, step->parent))
		return 0;
	r = recover ? place_recover(step) : 1;
	if (r == 1)
		r = check_target(step, &done);
	if (r != 1)
		return 0;
	journal_temporary(step->apply->journal, step->number, "tmp", made);
	step->later = true;
	r = make_file(step, made);
	if (r == 0)
		return 1;
	if (r != -EEXIST)
		place_undo(step, made);
	return is_general(-r) ? r : 0;
}

/* The files of the operations from @first on. */
static int make_batch(struct apply *apply, uint32_t first, bool recover, struct err *err)
{
	const struct journal *journal = apply->journal;
	struct batch *batch = apply->batch;
	uint64_t bytes = 0;
	uint32_t n = 0;

	*batch = (struct batch){.first = first, .end = first};
	for (; batch->end < journal->header->n && batch->end - first < APPLY_BATCH &&
	       bytes < APPLY_BATCH_BYTES;
	     batch->end++) {
		CLEANUP(step_fini)
		struct step step = {.apply = apply,
				    .number = batch->end,
				    .parent = -1,
				    .source = -1};
		int r = 0;

		step.op = journal->ops[batch->end];
		/* A further name of a file has to wait for the first one. */
		if (step.op->kind == JOURNAL_PUT && step.op->link == JOURNAL_NONE &&
		    journal->marks[batch->end].state == JOURNAL_OPEN)
			r = make_early(&step, recover);
		if (r < 0)
			return err_set(err, -r, "cannot commit so many files");
		batch->made[batch->end - first] = r == 1;
		bytes += r == 1 ? step.op->new.size : 0;
		n += r == 1;
	}
	return n > 0 ? sync_all(apply, err) : 0;
}

/* Return: whether the batch has made the file of @number. */
static bool take_made(struct batch *batch, uint32_t number)
{
	bool made = batch && number >= batch->first && number < batch->end &&
		    batch->made[number - batch->first];

	if (made)
		batch->made[number - batch->first] = false;
	return made;
}

/* What was made and will not be placed, because the commit has stopped. */
static void drop_batch(struct apply *apply)
{
	char made[JOURNAL_TEMPORARY_BYTES];

	for (uint32_t i = apply->batch->first; i < apply->batch->end; i++) {
		CLEANUP(step_fini)
		struct step step = {.apply = apply, .number = i, .parent = -1, .source = -1};

		step.op = apply->journal->ops[i];
		journal_temporary(apply->journal, i, "tmp", made);
		if (take_made(apply->batch, i) && open_step(&step) == 0)
			place_undo(&step, made);
	}
}

static int settle(struct step *step, enum journal_state state, struct err *err)
{
	int r = mark(step, state, err);

	if (r == 0 && state == JOURNAL_DONE && step->parent >= 0)
		r = note_changed(step, err);
	return r < 0 ? r : (int)state;
}

int apply_one(struct apply *apply, uint32_t number, bool recover, const char **ret_why,
	      struct err *err)
{
	CLEANUP(step_fini)
	struct step step = {.apply = apply, .number = number, .parent = -1, .source = -1};
	char shown[SHOWN_BYTES];
	int r;

	step.op = apply->journal->ops[number];
	/* Not before all new folders are there. */
	if (apply->many && step.op->kind == JOURNAL_PUT && number >= apply->batch->end) {
		r = make_batch(apply, number, recover, err);
		if (r < 0)
			return r;
	}
	step.made = take_made(apply->batch, number);
	r = open_step(&step);
	/* What is gone with its folder is deleted. */
	if (r == -ENOENT && step.op->kind == JOURNAL_DELETE)
		r = 1;
	else if (r == 0)
		r = recover && !step.made ? place_recover(&step) : 1;
	if (r == 1 && step.parent >= 0)
		r = kinds[step.op->kind](&step);
	if (r < 0 && is_general(-r)) {
		(void)text_quote(shown, sizeof(shown), journal_path(step.op),
				 strlen(journal_path(step.op)));
		return err_set(err, -r, "cannot commit %s", shown);
	}
	if (r < 0)
		step.why = why_of(-r);
	*ret_why = r == 1 ? NULL : step.why;
	return settle(&step, r == 1 ? JOURNAL_DONE : JOURNAL_HELD, err);
}

static int finish_folder(struct apply *apply, uint32_t number, struct err *err)
{
	CLEANUP(step_fini)
	struct step step = {.apply = apply, .number = number, .parent = -1, .source = -1};
	CLEANUP(fd_closep) int fd = -1;
	struct timespec times[2];
	int r;

	step.op = apply->journal->ops[number];
	r = open_step(&step);
	if (r == 0)
		r = open_folder(&step, &fd);
	if (r == 0)
		r = set_folder(&step, fd, false);
	times_of(&step.op->new, times);
	if (r == 0 && futimens(fd, times) < 0)
		r = -errno;
	if (r == 0 && apply->sync && !is_synced_later(apply, fd) && fsync(fd) < 0 &&
	    errno != EINVAL)
		r = -errno;
	/* Removed, replaced or given away meanwhile: nothing to finish. */
	if (r < 0)
		return is_general(-r) ? err_set(err, -r, "cannot set what a folder is like") : 0;
	return mark(&step, JOURNAL_DONE, err);
}

int apply_finish(struct apply *apply, struct err *err)
{
	for (uint32_t i = apply->journal->header->n; i-- > 0;) {
		int r;

		if (apply->journal->ops[i]->kind != JOURNAL_FOLDER ||
		    apply->journal->marks[i].state != JOURNAL_DONE)
			continue;
		r = finish_folder(apply, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void apply_fini(struct apply *apply)
{
	if (apply->batch)
		drop_batch(apply);
	free(apply->batch);
	apply->batch = NULL;
	for (uint32_t i = 0; i < STACK_LAYERS_MAX; i++)
		fd_closep(&apply->roots[i]);
	fd_closep(&apply->synced);
}
