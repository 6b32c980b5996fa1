/*
 * Theory of operation: what a difference is, and why it is held back. Two files are the same when
 * size, content, permission bits and extended attributes are; times do not count, so a copy that
 * overlayfs made and nobody wrote to is no change. Content is compared only when the sizes are equal,
 * and the bytes of one walk are capped: past the cap a file counts as modified.
 *
 * Verdicts are tried in the order of verdict_tests; the first that holds is the one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "wire/changes.h"
#include "workspace/changes_walk.h"

#define OPEN_READ (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define PERMISSIONS 07777U

static const char *const kind_names[] = {
	[CHANGE_ADDED] = "added",     [CHANGE_MODIFIED] = "modified", [CHANGE_DELETED] = "deleted",
	[CHANGE_RENAMED] = "renamed", [CHANGE_MODE] = "mode",	      [CHANGE_SYMLINK] = "symlink",
	[CHANGE_TYPE] = "type",
};
static_assert(ARRAY_SIZE(kind_names) == CHANGE_KIND_N, "every kind has a name");

static const char *const verdict_names[] = {
	[CHANGE_FREE] = "free",		  [CHANGE_PROTECTED] = "protected",
	[CHANGE_LINK_OUT] = "link_out",	  [CHANGE_SPECIAL] = "special",
	[CHANGE_HARD_LINK] = "hard_link", [CHANGE_CONFLICT] = "conflict",
	[CHANGE_NAME] = "name",
};
static_assert(ARRAY_SIZE(verdict_names) == CHANGE_VERDICT_N, "every verdict has a name");
static_assert(CHANGES_KINDS == (int)CHANGE_KIND_N && CHANGES_VERDICTS == (int)CHANGE_VERDICT_N,
	      "wire format");

const char *change_kind_name(uint32_t kind)
{
	return kind < ARRAY_SIZE(kind_names) ? kind_names[kind] : NULL;
}

const char *change_verdict_name(uint32_t verdict)
{
	return verdict < ARRAY_SIZE(verdict_names) ? verdict_names[verdict] : NULL;
}

bool kind_same_file(struct walk *w, int left, int right, uint64_t bytes)
{
	if (bytes > CHANGES_COMPARED_MAX || w->compared > CHANGES_COMPARED_MAX - bytes)
		return false;
	w->compared += bytes;
	while (bytes > 0) {
		size_t want = bytes < WALK_COMPARE_BYTES ? (size_t)bytes : WALK_COMPARE_BYTES;
		ssize_t n = fd_read_full(left, w->left, want);

		if (n != (ssize_t)want || fd_read_full(right, w->right, want) != n ||
		    memcmp(w->left, w->right, want) != 0)
			return false;
		bytes -= want;
	}
	return true;
}

/* Overlayfs keeps its own below user.overlay; labels and capabilities of files are never committed. */
static bool attribute_counts(const char *name)
{
	if (strncmp(name, "user.", 5) == 0)
		return strncmp(name, "user.overlay.", 13) != 0;
	return strncmp(name, "system.posix_acl_", 17) == 0;
}

/* Names that count; -1 when they cannot be listed. A file system without attributes has none. */
static ssize_t list_attributes(int fd, char *names, size_t cap, size_t *ret_n)
{
	ssize_t len = flistxattr(fd, names, cap);

	if (len < 0 && errno == ENOTSUP)
		len = 0;
	*ret_n = 0;
	for (const char *at = names; at < names + len; at += strlen(at) + 1)
		*ret_n += attribute_counts(at);
	return len;
}

static bool same_attributes(struct walk *w, int left, int right)
{
	size_t n_left, n_right;
	ssize_t len;

	if (list_attributes(right, w->names, sizeof(w->names), &n_right) < 0)
		return false;
	len = list_attributes(left, w->names, sizeof(w->names), &n_left);
	if (len < 0 || n_left != n_right)
		return false;
	for (const char *at = w->names; at < w->names + len; at += strlen(at) + 1) {
		ssize_t n;

		if (!attribute_counts(at))
			continue;
		n = fgetxattr(left, at, w->left, sizeof(w->left));
		if (n < 0 || fgetxattr(right, at, w->right, sizeof(w->right)) != n ||
		    memcmp(w->left, w->right, (size_t)n) != 0)
			return false;
	}
	return true;
}

static enum change_kind kind_of_mode(const struct sight *s)
{
	return (s->old.st_mode & PERMISSIONS) != (s->new.st_mode &PERMISSIONS) ? CHANGE_MODE
									       : CHANGE_KIND_N;
}

static bool open_both(const struct place *place, const char *name, const struct sight *s, int flags,
		      int *ret_old, int *ret_new)
{
	struct stat st;

	*ret_old = openat(place->base, name, OPEN_READ | flags);
	*ret_new = openat(place->layers[s->layer], name, OPEN_READ | flags);
	return *ret_old >= 0 && *ret_new >= 0 && fstat(*ret_old, &st) == 0 &&
	       st.st_ino == s->old.st_ino && fstat(*ret_new, &st) == 0 &&
	       st.st_ino == s->new.st_ino;
}

static enum change_kind kind_of_file(struct walk *w, const struct place *place, const char *name,
				     const struct sight *s)
{
	CLEANUP(fd_closep) int old = -1;
	CLEANUP(fd_closep) int new = -1;

	if (s->old.st_size != s->new.st_size)
		return CHANGE_MODIFIED;
	/* What cannot be read cannot be called equal. */
	if (!open_both(place, name, s, 0, &old, &new) ||
	    !kind_same_file(w, old, new, (uint64_t)s->new.st_size))
		return CHANGE_MODIFIED;
	if (!same_attributes(w, old, new))
		return CHANGE_MODE;
	return kind_of_mode(s);
}

static enum change_kind kind_of_folder(struct walk *w, const struct place *place, const char *name,
				       const struct sight *s)
{
	CLEANUP(fd_closep) int old = -1;
	CLEANUP(fd_closep) int new = -1;

	if (open_both(place, name, s, O_DIRECTORY, &old, &new) && !same_attributes(w, old, new))
		return CHANGE_MODE;
	return kind_of_mode(s);
}

static enum change_kind kind_of_link(struct walk *w, const struct place *place, const char *name,
				     const struct sight *s)
{
	ssize_t n = readlinkat(place->base, name, w->left, sizeof(w->left));

	if (n < 0 || readlinkat(place->layers[s->layer], name, w->right, sizeof(w->right)) != n ||
	    memcmp(w->left, w->right, (size_t)n) != 0)
		return CHANGE_SYMLINK;
	return CHANGE_KIND_N;
}

enum change_kind kind_of(struct walk *w, const struct place *place, const char *name,
			 const struct sight *sight)
{
	if (!sight->has_old)
		return sight->has_new ? CHANGE_ADDED : CHANGE_KIND_N;
	if (!sight->has_new)
		return CHANGE_DELETED;
	if ((sight->old.st_mode & S_IFMT) != (sight->new.st_mode &S_IFMT))
		return CHANGE_TYPE;
	if (S_ISREG(sight->new.st_mode))
		return kind_of_file(w, place, name, sight);
	if (S_ISDIR(sight->new.st_mode))
		return kind_of_folder(w, place, name, sight);
	if (S_ISLNK(sight->new.st_mode))
		return kind_of_link(w, place, name, sight);
	return sight->old.st_rdev != sight->new.st_rdev ? CHANGE_TYPE : kind_of_mode(sight);
}

bool changes_link_is_inside(const char *path, const char *target, const char *workspace)
{
	bool absolute = target[0] == '/';
	bool named = absolute;
	size_t depth = 0;

	if (absolute && (!workspace || !path_is_below(target, workspace)))
		return false;
	for (; *path; path++)
		depth += *path == '/';
	while (*target) {
		size_t len = strcspn(target, "/");

		if (len == 2 && memcmp(target, "..", 2) == 0) {
			if (named || depth == 0)
				return false;
			depth--;
		} else if (len > 1 || (len == 1 && target[0] != '.')) {
			named = true;
		}
		target += len + (target[len] == '/');
	}
	return true;
}

static bool is_special(struct walk *w, const struct place *place, const char *name, struct held *h)
{
	const struct change *c = &h->change;

	(void)w;
	(void)place;
	(void)name;
	return c->has_new && !S_ISREG(c->new.st_mode) && !S_ISDIR(c->new.st_mode) &&
	       !S_ISLNK(c->new.st_mode);
}

static bool is_protected(struct walk *w, const struct place *place, const char *name,
			 struct held *h)
{
	struct change *c = &h->change;
	bool dir = (!c->has_new || S_ISDIR(c->new.st_mode)) &&
		   (!c->has_old || S_ISDIR(c->old.st_mode));

	(void)place;
	(void)name;
	c->rule = rules_find(w->source->rules, 'P', w->path, dir);
	if (!c->rule && c->has_new && S_ISLNK(c->new.st_mode))
		c->rule = rules_find_link(w->source->rules, w->path);
	return c->rule;
}

static bool is_link_out(struct walk *w, const struct place *place, const char *name, struct held *h)
{
	const struct change *c = &h->change;
	char target[PATH_MAX];
	ssize_t n;

	if (!w->source->rules->links_inside || !c->has_new || !S_ISLNK(c->new.st_mode))
		return false;
	n = readlinkat(place->layers[c->layer], name, target, sizeof(target));
	if (n <= 0 || n == (ssize_t)sizeof(target))
		return true;
	target[n] = '\0';
	return !changes_link_is_inside(w->path, target, w->source->workspace);
}

/* What the workspace's owner, or another branch's commit, has done since the branch began. */
static bool is_conflict(struct walk *w, const struct place *place, const char *name, struct held *h)
{
	const struct changes_source *source = w->source;
	const struct change *c = &h->change;

	(void)name;
	if (!c->has_old)
		return h->copied && (place->dir.flags & DIR_MOVED) &&
		       !(source->is_known && source->is_known(source->known, w->path, NULL));
	if (time_before(&c->old.st_ctim, &w->begin))
		return false;
	/*
	 * The ctime of a folder moves with the names in it, which are changes of their own; then its
	 * mtime is the same. Alone it moves when the folder's mode is set.
	 */
	if (S_ISDIR(c->old.st_mode))
		return c->kind == CHANGE_MODE && time_before(&c->old.st_mtim, &c->old.st_ctim);
	return !(source->is_known && source->is_known(source->known, w->path, &c->old));
}

static const struct {
	enum change_verdict verdict;
	bool (*holds)(struct walk *w, const struct place *place, const char *name, struct held *h);
} verdict_tests[] = {
	{CHANGE_PROTECTED, is_protected},
	{CHANGE_SPECIAL, is_special},
	{CHANGE_LINK_OUT, is_link_out},
	{CHANGE_CONFLICT, is_conflict},
};

void verdict_of(struct walk *w, const struct place *place, const char *name, struct held *held)
{
	held->change.verdict = CHANGE_FREE;
	for (size_t i = 0; i < ARRAY_SIZE(verdict_tests); i++) {
		if (verdict_tests[i].holds(w, place, name, held)) {
			held->change.verdict = verdict_tests[i].verdict;
			return;
		}
	}
}
