/*
 * Theory of operation: the path is resolved (path.h), then the folder is opened as what it was resolved
 * to, without following anything. Ignore files between the workspace and that folder count as well, as
 * git has it; each is read on the way down, a component at a time. The folder itself is never ignored:
 * whoever names it wants to look into it. Above the workspace nothing is looked at, though the cell may
 * show it: the same call has the same answer wherever the workspace lies.
 */
#include "tools/cell/files/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "tools/cell/files/path.h"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)

/* Rules of the folder at @dir, in which a path goes on at @base. */
static int add_rules(struct target *t, int dir, size_t base)
{
	static const char *const names[] = {".gitignore", ".ignore", ".git"};
	struct ignore *above = t->rules;
	unsigned has = 0;
	struct stat st;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			has |= ignore_has(names[i]);
	r = ignore_load(dir, has, base, above, &t->rules, &t->bad_ignores);
	if (r == 0)
		ignore_put(above);
	return r;
}

/* From the workspace down to the folder above the target; one that cannot be opened ends it. */
static int load_above(struct target *t, const char *workspace)
{
	CLEANUP(fd_closep) int dir = open(workspace, OPEN_FOLDER | O_CLOEXEC);
	size_t at = 0;

	while (dir >= 0 && t->prefix[at]) {
		size_t len = strcspn(t->prefix + at, "/");
		char name[NAME_MAX + 1];
		int below, r;

		r = add_rules(t, dir, at);
		if (r < 0 || t->prefix[at + len] == '\0' || len > NAME_MAX)
			return r;
		memcpy(name, t->prefix + at, len);
		name[len] = '\0';
		below = openat(dir, name, OPEN_FOLDER | O_CLOEXEC);
		fd_closep(&dir);
		dir = below;
		at += len + 1;
	}
	return 0;
}

static int open_folder(const struct path *path, struct target *t)
{
	t->fd = open(path->real, OPEN_FOLDER | O_CLOEXEC);
	return t->fd < 0 ? -errno : 0;
}

static int open_file(const struct path *path, struct target *t)
{
	char *slash = strrchr(t->prefix, '/');
	const char *name;
	int r = path_open_parent(path, false, &t->fd, &name);

	if (r < 0)
		return r;
	t->is_file = true;
	memcpy(t->name, name, strlen(name) + 1);
	/* Of "/file" the slash stays. */
	t->prefix[slash ? (size_t)(slash - t->prefix) + (slash == t->prefix ? 1 : 0) : 0] = '\0';
	return 0;
}

int target_open(const struct files_call *call, const char *name, bool files, struct target *ret,
		struct answer *a)
{
	struct path path;
	const char *prefix;
	size_t n;
	int r;

	*ret = (struct target){.fd = -1};
	r = path_resolve(call, name && name[0] ? name : call->workspace, &path, a);
	if (r < 0)
		return -EPERM;
	memcpy(ret->shown, path.shown, sizeof(ret->shown));
	if (path.num)
		r = -path.num;
	if (r == 0) {
		prefix = path_relative(call, &path);
		if (strcmp(prefix, ".") != 0)
			memcpy(ret->prefix, prefix, strlen(prefix) + 1);
		if (!S_ISDIR(path.st.st_mode) && !(files && S_ISREG(path.st.st_mode))) {
			(void)path_refuse_special(&path, files ? "read" : "list", path.st.st_mode,
						  a);
			return -EPERM;
		}
		r = S_ISDIR(path.st.st_mode) ? open_folder(&path, ret) : open_file(&path, ret);
	}
	if (r < 0 && r != -ENOMEM) {
		(void)path_refuse(&path, S_ISREG(path.st.st_mode) ? "read" : "list", -r, a);
		return -EPERM;
	}
	n = strlen(ret->prefix);
	ret->globs_at = n > 0 && ret->prefix[n - 1] != '/' ? n + 1 : n;
	if (r == 0 && path.inside && !ret->is_file)
		r = load_above(ret, call->workspace);
	return r;
}

void target_fini(struct target *t)
{
	fd_closep(&t->fd);
	ignore_put(t->rules);
	t->rules = NULL;
}

void target_walk(const struct target *t, struct walk_options *ret)
{
	ret->root = t->fd;
	ret->single = t->is_file ? t->name : NULL;
	ret->prefix = t->prefix;
	ret->rules = t->rules;
	ret->globs_at = t->globs_at;
}
