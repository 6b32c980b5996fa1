/*
 * Theory of operation: a union lookup as overlayfs does it. From the top, the first layer that has the
 * name decides: a whiteout ends the search, so does anything that is no folder; a folder goes on to
 * collect the folders below it until one is opaque, or something that is no folder lies in between.
 * What lies below that is "hidden" (the workspace) or "buried" (layers), which matters for what was
 * deleted and for what the layers hold on disk.
 *
 * Folders are opened from the layer's root down, one component at a time, so that no link is ever
 * followed although other calls of the branch may be changing the tree. What has gone meanwhile is
 * taken for absent.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "workspace/changes_walk.h"

#define DIR_OPEN (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)
#define OPAQUE "user.overlay.opaque"
#define ORIGIN "user.overlay.origin"

bool time_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

int changes_open_beneath(int dir, const char *path, int flags, int *ret_fd)
{
	CLEANUP(fd_closep) int at = -1;
	char name[NAME_MAX + 1];

	if (path[0] == '\0' || path[0] == '/')
		return -EINVAL;
	for (;;) {
		size_t len = strcspn(path, "/");
		bool last = path[len] == '\0';
		int fd;

		if (len == 0 || len > NAME_MAX)
			return len == 0 ? -EINVAL : -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = '\0';
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			return -EINVAL;
		fd = openat(at >= 0 ? at : dir, name,
			    last ? flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK
				 : DIR_OPEN | O_CLOEXEC,
			    0600);
		if (fd < 0)
			return -errno;
		fd_closep(&at);
		if (last) {
			*ret_fd = fd;
			return 0;
		}
		at = fd;
		path += len + 1;
	}
}

int layers_open(struct walk *w, struct err *err)
{
	const struct stack_branch *branch = w->source->branch;

	if (branch->n == 0 || branch->n > STACK_LAYERS_MAX)
		return err_set(err, EINVAL, "a branch of %u layers; 1 to %u are possible",
			       branch->n, STACK_LAYERS_MAX);
	for (; w->n_roots < branch->n; w->n_roots++) {
		char path[64];
		int r;

		(void)snprintf(path, sizeof(path), "layers/%u/u", branch->layers[w->n_roots]);
		r = changes_open_beneath(w->source->data, path, O_RDONLY | O_DIRECTORY,
					 &w->roots[w->n_roots]);
		if (r < 0)
			return err_set(err, -r, "cannot open layer %u of the session",
				       branch->layers[w->n_roots]);
	}
	return 0;
}

void layers_close(struct walk *w)
{
	while (w->n_roots > 0)
		fd_closep(&w->roots[--w->n_roots]);
}

/* A folder of its own even for the root: its place among the names is read from the start. */
static int open_folder(struct walk *w, int root, const char *path)
{
	int fd = -1;
	int r = 0;

	if (path[0] == '\0') {
		fd = openat(root, ".", DIR_OPEN | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	} else {
		r = changes_open_beneath(root, path, O_RDONLY | O_DIRECTORY, &fd);
	}
	if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -ELOOP)
		w->totals.complete = false;
	return r < 0 ? -1 : fd;
}

void place_open(struct walk *w, const struct dir *dir, struct place *ret)
{
	ret->dir = *dir;
	ret->dir.mask = 0;
	ret->path_len = strlen(w->path);
	ret->base = -1;
	for (uint32_t i = 0; i < STACK_LAYERS_MAX; i++) {
		ret->layers[i] = dir->mask >> i & 1 ? open_folder(w, w->roots[i], w->path) : -1;
		if (ret->layers[i] >= 0)
			ret->dir.mask |= 1U << i;
	}
	if (dir->flags & DIR_BASE)
		ret->base = open_folder(w, w->source->base, w->path);
	if (ret->base >= 0) {
		struct stat st;

		ret->dir.flags &= ~(uint32_t)DIR_MOVED;
		if (fstat(ret->base, &st) < 0 || !time_before(&st.st_mtim, &w->begin))
			ret->dir.flags |= DIR_MOVED;
	}
}

void place_close(struct place *place)
{
	for (uint32_t i = 0; i < STACK_LAYERS_MAX; i++)
		fd_closep(&place->layers[i]);
	fd_closep(&place->base);
}

static bool is_opaque(struct walk *w, int dir, const char *name)
{
	CLEANUP(fd_closep) int fd = openat(dir, name, DIR_OPEN | O_CLOEXEC);
	char value[2];

	if (fd < 0 && errno != ENOENT)
		w->totals.complete = false;
	return fd >= 0 && fgetxattr(fd, OPAQUE, value, sizeof(value)) == 1 && value[0] == 'y';
}

/* Whiteouts share one inode, whose ctime moves with every new one; that of their folder bounds it. */
static struct timespec whiteout_time(int dir, const struct stat *whiteout)
{
	struct stat st;

	if (fstat(dir, &st) == 0 && time_before(&st.st_ctim, &whiteout->st_ctim))
		return st.st_ctim;
	return whiteout->st_ctim;
}

/* One layer's entry. Return: whether what lies below it is hidden. */
static bool look_at(struct walk *w, const struct place *place, const char *name, uint32_t i,
		    const struct stat *st, struct sight *s)
{
	bool below = place->base >= 0 || (place->dir.mask & ((1U << i) - 1)) != 0;

	if (is_whiteout(st)) {
		if (!s->has_new)
			s->changed = whiteout_time(place->layers[i], st);
		return true;
	}
	if (s->has_new && !S_ISDIR(st->st_mode))
		return true;
	if (!s->has_new) {
		s->has_new = true;
		s->new = *st;
		s->layer = i;
		s->changed = st->st_ctim;
	}
	if (!S_ISDIR(st->st_mode))
		return true;
	s->merged |= 1U << i;
	return below && is_opaque(w, place->layers[i], name);
}

void layers_look(struct walk *w, const struct place *place, const char *name, struct sight *ret)
{
	struct sight s = {.top = STACK_LAYERS_MAX};

	for (uint32_t i = STACK_LAYERS_MAX; i-- > 0;) {
		struct stat st;

		if (place->layers[i] < 0)
			continue;
		if (fstatat(place->layers[i], name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				w->totals.complete = false;
			continue;
		}
		if (s.top == STACK_LAYERS_MAX)
			s.top = i;
		if (!s.hidden)
			s.hidden = look_at(w, place, name, i, &st, &s);
		else if (S_ISDIR(st.st_mode))
			s.buried |= 1U << i;
	}
	/* In the workspace, too, overlayfs takes the device for "not there". */
	if (place->base >= 0) {
		s.has_old = fstatat(place->base, name, &s.old, AT_SYMLINK_NOFOLLOW) == 0 &&
			    !is_whiteout(&s.old);
	}
	if (place->dir.flags & DIR_HIDDEN)
		s.hidden = true;
	*ret = s;
}

bool layers_have(const struct place *place, const char *name)
{
	for (uint32_t i = 0; i < STACK_LAYERS_MAX; i++) {
		struct stat st;

		if (place->layers[i] >= 0 &&
		    fstatat(place->layers[i], name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}

bool layers_was_copied(const struct place *place, const char *name, const struct sight *sight)
{
	uint32_t lowest = sight->layer;

	for (uint32_t i = sight->layer; i-- > 0;) {
		struct stat st;

		if (place->layers[i] < 0 ||
		    fstatat(place->layers[i], name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!S_ISREG(st.st_mode))
			break;
		lowest = i;
	}
	CLEANUP(fd_closep)
	int fd = openat(place->layers[lowest], name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && fgetxattr(fd, ORIGIN, NULL, 0) >= 0;
}

/* @want: the file that the walk saw; anything else at its place is refused. */
static int open_regular(int root, const char *path, const struct stat *want, int *ret_fd)
{
	CLEANUP(fd_closep) int fd = -1;
	struct stat st;
	int r = changes_open_beneath(root, path, O_RDONLY, &fd);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_ino != want->st_ino || st.st_dev != want->st_dev)
		return -ESTALE;
	*ret_fd = fd_take(&fd);
	return 0;
}

int changes_open_new(const struct changes_source *source, const struct change *change, int *ret_fd)
{
	CLEANUP(fd_closep) int root = -1;
	char path[64];
	int r;

	if (!change->has_new || !S_ISREG(change->new.st_mode) || change->layer >= source->branch->n)
		return -EINVAL;
	(void)snprintf(path, sizeof(path), "layers/%u/u", source->branch->layers[change->layer]);
	r = changes_open_beneath(source->data, path, O_RDONLY | O_DIRECTORY, &root);
	return r < 0 ? r : open_regular(root, change->path, &change->new, ret_fd);
}

int changes_open_old(const struct changes_source *source, const struct change *change, int *ret_fd)
{
	if (!change->has_old || !S_ISREG(change->old.st_mode))
		return -EINVAL;
	return open_regular(source->base, change->from ? change->from : change->path, &change->old,
			    ret_fd);
}
