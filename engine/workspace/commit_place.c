/*
 * Theory of operation: how a finished temporary becomes the file, and how a file goes, without ever
 * losing what somebody else puts there at that moment. Nothing is overwritten and nothing unlinked by
 * name alone:
 *
 *	new:	  N.tmp --NOREPLACE--> name
 *	replaced: N.tmp -> N.new; N.new <--EXCHANGE--> name; what came out is looked at:
 *			as expected: unlinked.  Else: exchanged back, and held as a conflict
 *	deleted:  name --NOREPLACE--> N.old; looked at: unlinked, or renamed back
 *
 * A temporary that is found when an interrupted commit is resumed tells by its name how far it came:
 * N.tmp is ours alone. N.new is our finished file as long as the name still has the old one, and what
 * came out afterwards. N.old is what came out.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "workspace/commit_apply.h"
#include "workspace/copy.h"
#include "workspace/remove.h"

#define WHY_CHANGED "it was changed in the workspace meanwhile"
#define WHY_NAME_TAKEN "the workspace has something of that name now"
#define WHY_NOT_EMPTY "the folder holds what is not part of this commit"
#define WHY_NO_EXCHANGE "the file system of the workspace cannot exchange two names"

static int held(struct step *step, const char *why)
{
	step->why = why;
	return 0;
}

/* Return: 1 with @ret filled, 0 when there is nothing, -errno. */
static int look(const struct step *step, const char *name, struct stat *ret)
{
	if (fstatat(step->parent, name, ret, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

int step_source_open(struct step *step, int *ret_fd)
{
	CLEANUP(fd_closep) int fd = -1;
	struct stat st;
	int r;

	if (step->source < 0 || fstatat(step->source, step->leaf, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !journal_id_same(&step->op->new, &st))
		return -ESTALE;
	r = copy_open(step->source, step->leaf, &fd, &st);
	if (r == -EACCES) {
		mode_t mode = st.st_mode & 07777;
		int back;

		/* Its owner may not read it. It is ours: for a moment it says otherwise. */
		r = remove_chmod(step->source, step->leaf, &st, S_IRUSR);
		if (r < 0)
			return -EACCES;
		r = copy_open(step->source, step->leaf, &fd, &st);
		back = remove_chmod(step->source, step->leaf, &st, mode);
		if (r == 0)
			r = back;
	}
	if (r < 0)
		return r;
	if (!journal_id_same(&step->op->new, &st))
		return -ESTALE;
	*ret_fd = fd_take(&fd);
	return 0;
}

static int identical_file(struct step *step, const char *name)
{
	CLEANUP(fd_closep) int a = -1;
	CLEANUP(fd_closep) int b = -1;
	struct stat st;
	int r = copy_open(step->parent, name, &a, &st);

	if (r < 0)
		return r == -EACCES ? 0 : r;
	if ((uint64_t)st.st_size != step->op->new.size ||
	    (st.st_mode & 0777) != (step->op->new.mode & 0777))
		return 0;
	r = step_source_open(step, &b);
	if (r < 0)
		return r == -ESTALE || r == -EACCES ? 0 : r;
	r = copy_attrs_equal(a, b);
	return r == 1 ? copy_content_equal(a, b) : r;
}

static int identical_link(struct step *step, const char *name)
{
	char a[PATH_MAX];
	char b[PATH_MAX];
	ssize_t n = readlinkat(step->parent, name, a, sizeof(a));

	return n >= 0 && step->source >= 0 &&
	       readlinkat(step->source, step->leaf, b, sizeof(b)) == n &&
	       memcmp(a, b, (size_t)n) == 0;
}

int place_identical(struct step *step, const char *name)
{
	struct stat st;
	int r = look(step, name, &st);

	if (r <= 0)
		return r;
	if ((st.st_mode & S_IFMT) != (step->op->new.mode &S_IFMT))
		return 0;
	if (S_ISREG(st.st_mode))
		return identical_file(step, name);
	return S_ISLNK(st.st_mode) ? identical_link(step, name) : S_ISDIR(st.st_mode);
}

/* @name is what somebody wanted gone.  Return: 1, 0 for a folder with something in it, -errno. */
static int drop(const struct step *step, const char *name, const struct stat *st)
{
	if (unlinkat(step->parent, name, S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0) == 0 ||
	    errno == ENOENT)
		return 1;
	return errno == ENOTEMPTY || errno == EEXIST ? 0 : -errno;
}

void place_undo(const struct step *step, const char *made)
{
	/* What stays has a name that the next run removes. */
	if (remove_tree(step->parent, made, NULL, NULL) < 0)
		return;
}

static int swap(const struct step *step, const char *a, const char *b)
{
	return renameat2(step->parent, a, step->parent, b, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

static int move(const struct step *step, const char *from, const char *to)
{
	return renameat2(step->parent, from, step->parent, to, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

/* What @made took the place of is not what was expected: it goes back. */
static int put_back(struct step *step, const char *made, const char *why)
{
	int r = swap(step, made, step->leaf);

	if (r == -ENOENT)
		r = move(step, made, step->leaf); /* ours is gone, too */
	else if (r == 0)
		r = remove_tree(step->parent, made, NULL, NULL);
	return r < 0 ? r : held(step, why);
}

static int check_out(struct step *step, const char *made)
{
	struct stat st;
	int r = look(step, made, &st);

	if (r <= 0)
		return r < 0 ? r : 1;
	if (!journal_id_same(&step->op->old, &st))
		return put_back(step, made, WHY_CHANGED);
	r = drop(step, made, &st);
	return r == 0 ? put_back(step, made, WHY_NOT_EMPTY) : r;
}

int place_target(struct step *step, const char *made)
{
	char new[JOURNAL_TEMPORARY_BYTES];
	int r;

	if (!(step->op->flags & JOURNAL_HAS_OLD)) {
		r = move(step, made, step->leaf);
		if (r == 0)
			return 1;
		place_undo(step, made);
		return r == -EEXIST ? held(step, WHY_NAME_TAKEN) : r;
	}
	journal_temporary(step->apply->journal, step->number, "new", new);
	r = move(step, made, new);
	if (r == 0)
		r = swap(step, new, step->leaf);
	if (r < 0) {
		place_undo(step, made);
		place_undo(step, new);
		if (r == -EINVAL)
			return held(step, WHY_NO_EXCHANGE);
		return r == -ENOENT ? held(step, WHY_CHANGED) : r;
	}
	return check_out(step, new);
}

int place_delete(struct step *step)
{
	char old[JOURNAL_TEMPORARY_BYTES];
	struct stat st;
	int r = look(step, step->leaf, &st);

	if (r <= 0)
		return r < 0 ? r : 1;
	if (!journal_id_untouched(&step->op->old, &st))
		return held(step, WHY_CHANGED);
	if (S_ISDIR(st.st_mode)) {
		r = drop(step, step->leaf, &st);
		return r == 0 ? held(step, WHY_NOT_EMPTY) : r;
	}
	journal_temporary(step->apply->journal, step->number, "old", old);
	r = move(step, step->leaf, old);
	if (r < 0)
		return r == -ENOENT ? 1 : r;
	if (fstatat(step->parent, old, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (journal_id_same(&step->op->old, &st))
		return unlinkat(step->parent, old, 0) < 0 ? -errno : 1;
	r = move(step, old, step->leaf);
	return r < 0 ? r : held(step, WHY_CHANGED);
}

static int recover_old(struct step *step, const char *old)
{
	struct stat st;
	int r = look(step, old, &st);

	if (r <= 0)
		return r < 0 ? r : 1;
	if (journal_id_same(&step->op->old, &st))
		return unlinkat(step->parent, old, 0) < 0 ? -errno : 1;
	r = move(step, old, step->leaf);
	if (r == -EEXIST)
		return held(step,
			    "a version of it that was written meanwhile lies beside it, in a file "
			    "called .toolcell-*.old");
	return r < 0 ? r : held(step, WHY_CHANGED);
}

static int recover_new(struct step *step, const char *new)
{
	struct stat came;
	struct stat there;
	int r = look(step, new, &came);

	if (r <= 0)
		return r < 0 ? r : 1;
	if (journal_id_same(&step->op->old, &came)) {
		r = drop(step, new, &came);
		return r == 0 ? put_back(step, new, WHY_NOT_EMPTY) : r;
	}
	r = look(step, step->leaf, &there);
	if (r < 0)
		return r;
	/* Not exchanged yet, or equal to what the branch has: nobody loses anything. */
	if (r == 1 && journal_id_same(&step->op->old, &there))
		r = 1;
	else
		r = place_identical(step, new);
	if (r == 1)
		return remove_tree(step->parent, new, NULL, NULL) < 0 ? -EIO : 1;
	if (r < 0)
		return r;
	if (place_identical(step, step->leaf) == 1)
		return put_back(step, new, WHY_CHANGED);
	return held(step,
		    "a version of it that was written meanwhile lies beside it, in a file called "
		    ".toolcell-*.new");
}

int place_recover(struct step *step)
{
	char name[JOURNAL_TEMPORARY_BYTES];
	int r;

	if (step->op->kind == JOURNAL_DELETE) {
		journal_temporary(step->apply->journal, step->number, "old", name);
		return recover_old(step, name);
	}
	journal_temporary(step->apply->journal, step->number, "tmp", name);
	r = remove_tree(step->parent, name, NULL, NULL);
	if (r < 0 || !(step->op->flags & JOURNAL_HAS_OLD))
		return r < 0 ? r : 1;
	journal_temporary(step->apply->journal, step->number, "new", name);
	return recover_new(step, name);
}
