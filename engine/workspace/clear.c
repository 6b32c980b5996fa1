/*
 * Theory of operation: a name that leaves the layers lets the workspace show through. That takes more
 * than unlinking where a folder above it is opaque, or stands over a whiteout or a file of a lower
 * layer: there the workspace's folder is hidden as a whole. Such a folder is "opened", from the root
 * down, before the name goes:
 *
 *	1. what lower layers have below the hiding one shows nowhere: removed
 *	2. what the workspace has and the branch has not, is deleted by the branch: gets a whiteout; a
 *	   folder that both have becomes opaque in its turn, so that step 3 changes nothing in it
 *	3. the marker goes
 *
 * Each state in between looks the same to the branch, and every step may be done again. Names go from
 * the bottom layer up, so that the last unlink is the one that shows. Then empty folders go, from the
 * depth up, unless they are a change themselves.
 */
#include "workspace/clear.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "workspace/branch.h"
#include "workspace/copy.h"
#include "workspace/remove.h"

#define OPAQUE "user.overlay.opaque"
#define SHOWN_BYTES 256
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY)

bool clearing_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

bool clearing_is_opaque(int dir)
{
	char value[4];

	return fgetxattr(dir, OPAQUE, value, sizeof(value)) == 1 && value[0] == 'y';
}

static int fail(struct clearing *c, int num, const char *path)
{
	char shown[SHOWN_BYTES];

	if (c->err && c->err->num)
		return -num;
	return err_set(c->err, num, "cannot take %s out of the session's layers",
		       text_quote(shown, sizeof(shown), path, strlen(path)));
}

int clearing_init(struct clearing *c, const struct changes_source *source, struct err *err)
{
	*c = (struct clearing){.source = source, .n = source->branch->n, .err = err};
	for (uint32_t i = 0; i < STACK_LAYERS_MAX; i++)
		c->roots[i] = -1;
	for (uint32_t i = 0; i < c->n; i++) {
		int r = branch_layer_open(source->data, source->branch->layers[i], &c->roots[i],
					  err);

		if (r < 0) {
			clearing_fini(c);
			return r;
		}
	}
	return 0;
}

void clearing_fini(struct clearing *c)
{
	for (uint32_t i = 0; i < STACK_LAYERS_MAX; i++)
		fd_closep(&c->roots[i]);
}

/* A folder by path, also the root.  Return: 1, 0 when there is no such folder, -errno. */
int clearing_open_folder(int root, const char *path, int *ret_fd)
{
	int fd = -1;
	int r = 0;

	if (path[0] == '\0') {
		fd = openat(root, ".", DIR_FLAGS | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	} else {
		r = changes_open_beneath(root, path, DIR_FLAGS, &fd);
	}
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return 0;
	if (r < 0)
		return r;
	*ret_fd = fd;
	return 1;
}

int clearing_open_parent(int root, const char *path, int *ret_fd, const char **ret_leaf)
{
	const char *slash = strrchr(path, '/');
	char parent[CHANGES_PATH_MAX];
	size_t len = slash ? (size_t)(slash - path) : 0;

	*ret_leaf = slash ? slash + 1 : path;
	if (len >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, len);
	parent[len] = '\0';
	return clearing_open_folder(root, parent, ret_fd);
}

/* What a layer (or the workspace) has at @path.  Return: 1 with @ret, 0, -errno. */
int clearing_look(int root, const char *path, struct stat *ret)
{
	CLEANUP(fd_closep) int parent = -1;
	const char *leaf;
	int r = clearing_open_parent(root, path, &parent, &leaf);

	if (r <= 0)
		return r;
	if (fstatat(parent, leaf, ret, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int remove_path(struct clearing *c, uint32_t layer, const char *path)
{
	CLEANUP(fd_closep) int parent = -1;
	const char *leaf;
	int r = clearing_open_parent(c->roots[layer], path, &parent, &leaf);

	return r <= 0 ? r : remove_tree(parent, leaf, NULL, c->err);
}

static int compare_cleared(const void *path, const void *item)
{
	return strcmp(path, ((const struct clear_path *)item)->path);
}

static const struct clear_path *find_cleared(const struct clearing *c, const char *path)
{
	return bsearch(path, c->paths, c->n_paths, sizeof(*c->paths), compare_cleared);
}

/* The folders of a path that make up the branch's, and whether they hide what lies below. */
struct stacked {
	uint32_t lowest;
	bool any;
	bool hides;
};

static int find_stacked(struct clearing *c, const char *path, uint32_t bottom, struct stacked *ret)
{
	struct stacked found = {0};

	for (uint32_t i = c->n; i-- > bottom && !found.hides;) {
		CLEANUP(fd_closep) int fd = -1;
		struct stat st;
		int r = clearing_look(c->roots[i], path, &st);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (!S_ISDIR(st.st_mode)) {
			found.hides = true;
			break;
		}
		found.lowest = i;
		found.any = true;
		r = clearing_open_folder(c->roots[i], path, &fd);
		if (r < 0)
			return r;
		found.hides = r == 1 && clearing_is_opaque(fd);
	}
	*ret = found;
	return 0;
}

static int join(char ret[CHANGES_PATH_MAX], const char *folder, const char *name)
{
	size_t len = strlen(folder);
	size_t more = strlen(name);

	if (len + more + 2 > CHANGES_PATH_MAX)
		return -ENAMETOOLONG;
	/* The name follows, with its NUL. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
	memcpy(ret, folder, len);
	if (len > 0)
		ret[len++] = '/';
	memcpy(ret + len, name, more + 1);
	return 0;
}

/* Step 2 for one name of the workspace's folder. */
static int cover_name(struct clearing *c, const char *folder, int lowest_fd, uint32_t lowest,
		      int base, const char *name)
{
	struct stacked below;
	char path[CHANGES_PATH_MAX];
	struct stat st;
	int r = join(path, folder, name);

	if (r < 0 || find_cleared(c, path))
		return r;
	for (uint32_t i = c->n; i-- > lowest;) {
		r = clearing_look(c->roots[i], path, &st);
		if (r != 0)
			break;
	}
	if (r < 0)
		return r;
	if (r == 0)
		return mknodat(lowest_fd, name, S_IFCHR, makedev(0, 0)) < 0 ? -errno : 0;
	if (!S_ISDIR(st.st_mode) || fstatat(base, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode))
		return 0;
	r = find_stacked(c, path, lowest, &below);
	if (r == 0 && below.any && !below.hides) {
		CLEANUP(fd_closep) int fd = -1;

		r = clearing_open_folder(c->roots[below.lowest], path, &fd);
		if (r == 1 && fsetxattr(fd, OPAQUE, "y", 1, 0) < 0)
			r = -errno;
	}
	return r < 0 ? r : 0;
}

static void closep_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int cover_all(struct clearing *c, const char *folder, int lowest_fd, uint32_t lowest,
		     int base)
{
	CLEANUP(fd_closep) int own = openat(base, ".", DIR_FLAGS | O_CLOEXEC);
	CLEANUP(closep_dir) DIR *stream = own < 0 ? NULL : fdopendir(own);
	struct dirent *entry;

	if (!stream)
		return -errno;
	(void)fd_take(&own);
	while ((entry = remove_next(stream)) != NULL) {
		int r = cover_name(c, folder, lowest_fd, lowest, base, entry->d_name);
		if (r < 0)
			return r;
	}
	return -errno;
}

/* @path, a folder of the branch, no longer hides the workspace's. */
static int open_up(struct clearing *c, const char *path, bool made)
{
	CLEANUP(fd_closep) int base = -1;
	CLEANUP(fd_closep) int fd = -1;
	struct stacked found;
	int r = find_stacked(c, path, 0, &found);

	if (r < 0 || !found.any || !found.hides)
		return r;
	r = clearing_open_folder(c->source->base, path, &base);
	if (r <= 0)
		return r;
	r = clearing_open_folder(c->roots[found.lowest], path, &fd);
	if (r <= 0)
		return r;
	for (uint32_t i = 0; i < found.lowest; i++) {
		r = remove_path(c, i, path);
		if (r < 0)
			return r;
	}
	if (!made)
		r = cover_all(c, path, fd, found.lowest, base);
	if (r >= 0 && fremovexattr(fd, OPAQUE) < 0 && errno != ENODATA && errno != ENOTSUP)
		r = -errno;
	return r < 0 ? r : 0;
}

/* All folders above @path, from the root down. */
static int open_up_above(struct clearing *c, const char *path)
{
	char folder[CHANGES_PATH_MAX];

	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		size_t len = (size_t)(at - path);
		const struct clear_path *cleared;
		int r;

		if (len >= sizeof(folder))
			return -ENAMETOOLONG;
		memcpy(folder, path, len);
		folder[len] = '\0';
		cleared = find_cleared(c, folder);
		r = open_up(c, folder, cleared && cleared->made);
		if (r < 0)
			return r;
	}
	return 0;
}

/* From the bottom up; a folder where the branch has none any more is buried, and goes with it. */
static int clear_name(struct clearing *c, const char *path)
{
	for (uint32_t i = 0; i < c->n; i++) {
		int r = remove_path(c, i, path);

		if (r < 0)
			return r;
	}
	return 0;
}

static int parent_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash - path) : 0;
}

static bool same_parent(const char *a, const char *b)
{
	int len = parent_length(a);

	return len == parent_length(b) && strncmp(a, b, (size_t)len) == 0;
}

/* Attributes of the branch's folder as the workspace's own has them. */
static int reset_attrs(struct clearing *c, const char *path)
{
	CLEANUP(fd_closep) int base = -1;
	struct stat st;
	int r = clearing_open_folder(c->source->base, path, &base);

	if (r <= 0 || fstat(base, &st) < 0)
		return r < 0 ? r : 0;
	for (uint32_t i = 0; i < c->n; i++) {
		CLEANUP(fd_closep) int fd = -1;

		r = clearing_open_folder(c->roots[i], path, &fd);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		r = copy_attrs(base, fd, true);
		if (r == 0 && fchmod(fd, st.st_mode & 07777) < 0)
			r = -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

/* @opened: a path whose folders are open already; moved on */
static int clear_one(struct clearing *c, const struct clear_path *path, const char **opened)
{
	struct stat st;
	int r = clearing_look(c->source->base, path->path, &st);

	if (r < 0)
		return r;
	if (r == 1 && (!*opened || !same_parent(path->path, *opened))) {
		r = open_up_above(c, path->path);
		if (r < 0)
			return r;
		*opened = path->path;
	}
	if (path->kind == CLEAR_NAME)
		return clear_name(c, path->path);
	r = open_up(c, path->path, path->made);
	return r == 0 && path->attrs ? reset_attrs(c, path->path) : r;
}

/* Whether an empty folder of a layer says nothing that what lies below it does not say. */
static int says_nothing(struct clearing *c, uint32_t layer, int fd, const char *path)
{
	CLEANUP(fd_closep) int base = -1;
	struct stat mine;
	struct stat theirs;
	int r;

	for (uint32_t i = 0; i < layer; i++) {
		r = clearing_look(c->roots[i], path, &mine);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	if (clearing_is_opaque(fd))
		return 0;
	r = clearing_open_folder(c->source->base, path, &base);
	if (r <= 0)
		return r;
	if (fstat(fd, &mine) < 0 || fstat(base, &theirs) < 0)
		return -errno;
	if ((mine.st_mode & 07777) != (theirs.st_mode & 07777))
		return 0;
	return copy_attrs_equal(fd, base);
}

/* An opaque folder that hides nothing. */
static int open_up_empty(struct clearing *c, const char *path)
{
	CLEANUP(fd_closep) int base = -1;
	CLEANUP(closep_dir) DIR *stream = NULL;
	int r = clearing_open_folder(c->source->base, path, &base);

	if (r <= 0)
		return r;
	stream = fdopendir(base);
	if (!stream)
		return -errno;
	(void)fd_take(&base);
	if (remove_next(stream))
		return 0;
	return errno ? -errno : open_up(c, path, false);
}

/* Whiteouts and files under a folder that is about to go. */
static int remove_buried(struct clearing *c, const char *path)
{
	for (uint32_t i = 0; i < c->n; i++) {
		struct stat st;
		int r = clearing_look(c->roots[i], path, &st);

		if (r == 1 && !S_ISDIR(st.st_mode))
			r = remove_path(c, i, path);
		if (r < 0)
			return r;
	}
	return 0;
}

int clearing_prune(struct clearing *c, const char *path)
{
	bool cleared = find_cleared(c, path) != NULL;
	int r = open_up_empty(c, path);

	if (r == 0 && cleared)
		r = remove_buried(c, path);

	for (uint32_t i = 0; r >= 0 && i < c->n; i++) {
		CLEANUP(fd_closep) int parent = -1;
		CLEANUP(fd_closep) int fd = -1;
		const char *leaf;

		r = clearing_open_folder(c->roots[i], path, &fd);
		if (r <= 0)
			continue;
		r = cleared ? 1 : says_nothing(c, i, fd, path);
		if (r == 1)
			r = clearing_open_parent(c->roots[i], path, &parent, &leaf);
		if (r == 1 && unlinkat(parent, leaf, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY &&
		    errno != EEXIST && errno != ENOENT)
			r = -errno;
	}
	return r < 0 ? r : 0;
}

/* Every folder above a cleared name, each once, from the depth up. */
static int prune_all(struct clearing *c)
{
	char last[CHANGES_PATH_MAX] = "";
	char folder[CHANGES_PATH_MAX];

	for (size_t i = c->n_paths; i-- > 0;) {
		const char *path = c->paths[i].path;
		const char *next = i > 0 ? c->paths[i - 1].path : "";
		size_t len = strlen(path);
		bool first = c->paths[i].kind == CLEAR_FOLDER;

		/* Up to what the next path is below of, too: there is more to come. */
		while (len > 0) {
			memcpy(folder, path, len);
			folder[len] = '\0';
			if (strncmp(next, folder, len) == 0 && next[len] == '/')
				break;
			if (first && strcmp(folder, last) != 0) {
				int r = clearing_prune(c, folder);

				if (r < 0)
					return fail(c, -r, folder);
				memcpy(last, folder, len + 1);
			}
			first = true;
			len = (size_t)parent_length(folder);
		}
	}
	return 0;
}

static int compare_paths(const void *a, const void *b)
{
	const struct clear_path *left = a;
	const struct clear_path *right = b;

	return strcmp(left->path, right->path);
}

int clear_paths(const struct changes_source *source, struct clear_path *paths, size_t n,
		struct err *err)
{
	CLEANUP(clearing_fini) struct clearing c;
	const char *opened = NULL;
	int r = clearing_init(&c, source, err);

	if (r < 0 || n == 0)
		return r;
	qsort(paths, n, sizeof(*paths), compare_paths);
	c.paths = paths;
	c.n_paths = n;
	for (size_t i = 0; i < n; i++) {
		if (strlen(paths[i].path) >= CHANGES_PATH_MAX)
			return fail(&c, ENAMETOOLONG, paths[i].path);
		r = clear_one(&c, &paths[i], &opened);
		if (r < 0)
			return fail(&c, -r, paths[i].path);
	}
	return prune_all(&c);
}
