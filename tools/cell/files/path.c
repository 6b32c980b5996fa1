/*
 * Theory of operation: a path is taken apart from the left. What is done is absolute and free of
 * links; what is to do grows when a link is met, by its target:
 *
 *	done "/w/a"  todo "link/c"  --readlink "../b"-->  done "/w/a"  todo "../b/c"  --> "/w/b/c"
 *
 * From the first component that is not there (or that the cell does not let us see) on, the rest is
 * taken lexically: nothing that is not there is a link. Links are counted as the kernel does.
 *
 * Between resolving and using a path others may change the tree. Reading may lead anywhere within the cell
 * anyway. Writing goes through path_open_parent, which opens the resolved path one component at a time and
 * follows nothing, so that the answer to "does it lie in the workspace" cannot go stale.
 */
#include "tools/cell/files/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"

#define NEAREST_NAMES_MAX 4096U /* of a folder that are compared with a misspelt one */

struct walk {
	char *done; /* of PATH_MAX bytes; "" stands for "/" */
	size_t len;
	char todo[2 * PATH_MAX];
	unsigned links;
	int num; /* of the first component that could not be looked at */
	struct stat st;
};

/* Put the target of the link at done/@name before what is left to do (@rest). */
static int follow(struct walk *w, const char *rest)
{
	char target[PATH_MAX];
	size_t rest_len = strlen(rest);
	ssize_t n;

	if (++w->links > PATH_LINKS_MAX)
		return -ELOOP;
	n = readlink(w->done, target, sizeof(target));
	if (n <= 0)
		return -EAGAIN; /* it was a link a moment ago */
	if ((size_t)n + 1 + rest_len + 1 > sizeof(w->todo) || (size_t)n >= sizeof(target))
		return -ENAMETOOLONG;
	(void)memmove(w->todo + n + 1, rest, rest_len + 1);
	(void)memcpy(w->todo, target, (size_t)n);
	w->todo[n] = '/';
	w->len = target[0] == '/' ? 0 : (size_t)((char *)memrchr(w->done, '/', w->len) - w->done);
	w->done[w->len] = '\0';
	w->st.st_mode = S_IFDIR; /* where the link lies, which ".." may come next to leave */
	return 0;
}

/* One component, @len bytes at @name within todo.  Return: 1: todo is new; 0; -errno. */
static int step(struct walk *w, const char *name, size_t len)
{
	int r;

	if (len == 0 || (len == 1 && name[0] == '.'))
		return 0;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		/* As the kernel: nothing lies above what is not there. */
		if (w->num || (w->len > 0 && !S_ISDIR(w->st.st_mode)))
			return -ENOTDIR;
		while (w->len > 0 && w->done[--w->len] != '/')
			;
		w->done[w->len] = '\0';
		return 0;
	}
	if (w->len + 1 + len >= PATH_MAX || len > NAME_MAX)
		return -ENAMETOOLONG;
	w->done[w->len] = '/';
	(void)memcpy(w->done + w->len + 1, name, len);
	w->len += 1 + len;
	w->done[w->len] = '\0';
	if (w->num)
		return 0;
	if (lstat(w->done, &w->st) < 0) {
		w->num = errno;
		return 0;
	}
	if (!S_ISLNK(w->st.st_mode))
		return 0;
	r = follow(w, name + len);
	return r < 0 ? r : 1;
}

/* @path is absolute.  Return: 0; -ENAMETOOLONG, -ELOOP, -errno of readlink. */
static int walk_all(struct walk *w, const char *path)
{
	const char *p = w->todo;

	(void)memcpy(w->todo, path, strlen(path) + 1);
	w->done[0] = '\0';
	while (*p) {
		size_t len = strcspn(p, "/");
		int r = step(w, p, len);

		if (r < 0)
			return r;
		p = r > 0 ? w->todo : p + len + (p[len] == '/');
	}
	/* What was looked at last need not be where ".." has led since. */
	if (w->len == 0)
		(void)memcpy(w->done, "/", 2);
	if (w->num == 0 && lstat(w->done, &w->st) < 0)
		w->num = errno;
	return 0;
}

int path_workspace(const char *path, char *ret)
{
	struct walk w = {.done = ret};
	int r;

	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return -EINVAL;
	r = walk_all(&w, path);
	if (r == 0 && w.num)
		r = -w.num;
	if (r == 0 && !S_ISDIR(w.st.st_mode))
		r = -ENOTDIR;
	return r;
}

const char *path_relative(const struct files_call *call, const struct path *path)
{
	size_t root = strcmp(call->workspace, "/") == 0 ? 0 : strlen(call->workspace);

	if (!path->inside)
		return path->real;
	return path->real[root] && path->real[root + 1] ? path->real + root + 1 : ".";
}

/* Drop "." and doubled slashes; ".." stays, a link before it may lead elsewhere. */
static int make_asked(const char *workspace, const char *file_path, char *dst)
{
	const char *parts[] = {file_path[0] == '/' ? "" : workspace, file_path};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const char *p = parts[i];

		while (*p) {
			size_t len = strcspn(p, "/");

			if (len > 0 && !(len == 1 && p[0] == '.')) {
				if (n + 1 + len >= PATH_MAX)
					return -ENAMETOOLONG;
				dst[n++] = '/';
				(void)memcpy(dst + n, p, len);
				n += len;
			}
			p += len + (p[len] == '/');
		}
	}
	if (n == 0)
		dst[n++] = '/';
	dst[n] = '\0';
	return 0;
}

/* Whether ".." in @path leaves @dir; lexically. */
static bool is_lexically_below(const char *path, const char *dir)
{
	const char *p = path + strlen(dir);
	size_t depth = 0;

	if (!path_is_below(path, dir))
		return false;
	while (*p) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.') {
			if (depth-- == 0)
				return false;
		} else if (len > 0) {
			depth++;
		}
		p += len + (p[len] == '/');
	}
	return true;
}

int path_resolve(const struct files_call *call, const char *file_path, struct path *ret,
		 struct answer *a)
{
	struct walk w = {0};
	int r;

	*ret = (struct path){0};
	w.done = ret->real;
	r = make_asked(call->workspace, file_path, ret->asked);
	if (r < 0) {
		(void)answer_fail(a, "arguments", "The path is longer than the %d bytes allowed.",
				  PATH_MAX - 1);
		return -EINVAL;
	}
	r = walk_all(&w, ret->asked);
	/* A chain of links without end, or one that cannot be read, leads nowhere: the name itself. */
	ret->num = r < 0 ? -r : w.num;
	ret->st = w.st;
	if (r < 0)
		(void)memcpy(ret->real, ret->asked, sizeof(ret->real));
	ret->asked_inside = is_lexically_below(ret->asked, call->workspace);
	ret->inside = is_lexically_below(ret->real, call->workspace);
	(void)answer_show(ret->shown, ret->asked_inside ? path_relative(call, ret) : ret->asked);
	if (ret->asked_inside && !ret->inside)
		(void)answer_show(ret->shown, ret->asked);
	return 0;
}

/* The folder of @path that exists and is nearest to it, into @dir; the component that does not into @name. */
static bool nearest_folder(const char *path, char *dir, char *name)
{
	(void)memcpy(dir, path, strlen(path) + 1);
	for (;;) {
		char *slash = strrchr(dir, '/');
		struct stat st;
		size_t len;

		if (!slash || !slash[1])
			return false;
		len = strlen(slash + 1);
		if (len > NAME_MAX)
			return false;
		(void)memcpy(name, slash + 1, len + 1);
		*(slash == dir ? slash + 1 : slash) = '\0';
		if (lstat(dir, &st) == 0)
			return S_ISDIR(st.st_mode);
	}
}

struct names {
	char **list; /* of NEAREST_NAMES_MAX */
	size_t n;
};

static void names_fini(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
	free((void *)names->list);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* The same but for case, or a misspelling of few letters. */
static const char *choose(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcasecmp(names->list[i], name) == 0)
			return names->list[i];
	return text_nearest(name, (const char *const *)names->list, names->n);
}

static void read_names(DIR *folder, struct names *names)
{
	const struct dirent *entry;

	names->list = (char **)calloc(NEAREST_NAMES_MAX, sizeof(*names->list));
	/* The stream is ours alone, and there is one thread. */
	while (names->list && names->n < NEAREST_NAMES_MAX && (entry = readdir(folder))) {
		names->list[names->n] = strdup(entry->d_name);
		if (!names->list[names->n])
			return;
		names->n++;
	}
}

static void note_nearest(const struct path *path, struct answer *a)
{
	struct names names = {0};
	CLEANUP(closedirp) DIR *folder = NULL;
	char dir[PATH_MAX];
	char name[NAME_MAX + 1];
	char shown_dir[ANSWER_SHOWN_MAX];
	char shown[ANSWER_SHOWN_MAX];
	const char *found;

	if (!nearest_folder(path->real, dir, name))
		return;
	folder = opendir(dir);
	if (!folder)
		return;
	read_names(folder, &names);
	found = choose(&names, name);
	(void)answer_show(shown_dir, dir);
	if (found)
		answer_fail_note(a, " Did you mean %s in %s?", answer_show(shown, found),
				 shown_dir);
	else
		answer_fail_note(a, " %s exists and has no %s.", shown_dir,
				 answer_show(shown, name));
	names_fini(&names);
}

static const struct {
	const char *code;
	const char *words;
	int num;
	bool refusal; /* of the cell's, wherever the path lies */
} refusals[] = {
	{"not_found", "does not exist", ENOENT, false},
	{"not_found", "does not exist: a part of the path is a file and not a folder", ENOTDIR,
	 false},
	{"denied", "may not be %s: permission denied", EACCES, true},
	{"denied", "may not be %s: operation not permitted", EPERM, true},
	{"denied", "may not be %s: it is on a read-only file system", EROFS, true},
	{"link_loop", "is a chain of symbolic links without end", ELOOP, false},
	{"arguments", "has a name that is too long", ENAMETOOLONG, false},
	{"no_space", "cannot be %s: no space is left on the file system", ENOSPC, false},
	{"no_space", "cannot be %s: the quota is used up", EDQUOT, false},
	{"too_large", "cannot be %s: it would be larger than the limit on file sizes", EFBIG,
	 false},
	{"is_directory", "is a folder", EISDIR, false},
	{"busy", "cannot be %s: it is a program that runs", ETXTBSY, false},
	{"busy", "cannot be %s: it is a mount point or in use", EBUSY, false},
};

static const char *past_tense(const char *operation)
{
	static const char *const words[][2] = {{"read", "read"},
					       {"write", "written"},
					       {"list", "listed"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i][0], operation) == 0)
			return words[i][1];
	return "used";
}

/* Kept out of the table's format: words with "%s" name the operation once. */
static void fail_with(const struct path *path, const char *operation, const char *code,
		      const char *words, struct answer *a)
{
	const char *hole = strstr(words, "%s");
	int head = hole ? (int)(hole - words) : (int)strlen(words);

	(void)answer_fail(a, code, "%s %.*s%s%s.", path->shown, head, words,
			  hole ? past_tense(operation) : "", hole ? hole + 2 : "");
}

int path_refuse(const struct path *path, const char *operation, int num, struct answer *a)
{
	const char *code = "failed";
	const char *words = strerrordesc_np(num);
	bool refusal = false;
	bool absent = num == ENOENT || num == ENOTDIR;
	char shown[ANSWER_SHOWN_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (refusals[i].num == num) {
			code = refusals[i].code;
			words = refusals[i].words;
			refusal = refusals[i].refusal;
		}
	}
	fail_with(path, operation, absent && !path->inside ? "denied" : code, words, a);
	if (!path->inside && absent)
		answer_fail_note(
			a, " It is outside of the workspace, and the sandbox shows nothing there.");
	else if (!path->inside)
		answer_fail_note(a, " It is outside of the workspace.");
	if (!path->inside && path->asked_inside)
		answer_fail_note(a, " A symbolic link leads there: %s.",
				 answer_show(shown, path->real));
	if (refusal || (absent && !path->inside))
		answer_deny(a, operation, path->real, num);
	if (path->inside && absent)
		note_nearest(path, a);
	answer_put(a, "file_path", answer_string(path->asked, strlen(path->asked)));
	return 0;
}

static const struct {
	mode_t type;
	const char *code;
	const char *words;
} specials[] = {
	{S_IFDIR, "is_directory", "is a folder (EISDIR)"},
	{S_IFIFO, "special", "is a FIFO: reading it would wait for whoever writes"},
	{S_IFSOCK, "special", "is a socket"},
	{S_IFCHR, "special", "is a character device"},
	{S_IFBLK, "special", "is a block device"},
	{S_IFLNK, "special", "is a symbolic link"},
};

int path_refuse_special(const struct path *path, const char *operation, mode_t mode,
			struct answer *a)
{
	const char *code = "special";
	const char *words = "is no regular file";
	bool reads = strcmp(operation, "read") == 0;

	for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
		if ((mode & S_IFMT) == specials[i].type) {
			code = specials[i].code;
			words = specials[i].words;
		}
	}
	(void)answer_fail(a, code, "%s %s.", path->shown, words);
	if (S_ISDIR(mode))
		answer_fail_note(a, reads ? " Use Glob, or ls with Bash, to see what it holds."
					  : " Name a file in it.");
	else
		answer_fail_note(a, " Only regular files can be %s.", past_tense(operation));
	answer_put(a, "file_path", answer_string(path->asked, strlen(path->asked)));
	return 0;
}

int path_check_write(const struct path *path, struct answer *a)
{
	char shown[ANSWER_SHOWN_MAX];

	if (path->inside || !path->asked_inside)
		return 0;
	(void)answer_fail(a, "denied",
			  "%s may not be written: a symbolic link leads out of the workspace, to "
			  "%s.",
			  path->shown, answer_show(shown, path->real));
	answer_deny(a, "write", path->real, EPERM);
	answer_put(a, "file_path", answer_string(path->asked, strlen(path->asked)));
	return -EPERM;
}

/* Into the folder @name of *@dir; made when it is missing and @create. */
static int descend(int *dir, const char *name, bool create)
{
	int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int next = openat(*dir, name, flags);

	if (next < 0 && errno == ENOENT && create) {
		if (mkdirat(*dir, name, 0777) < 0 && errno != EEXIST)
			return -errno;
		next = openat(*dir, name, flags);
	}
	if (next < 0)
		return -errno;
	(void)close(*dir);
	*dir = next;
	return 0;
}

int path_open_parent(const struct path *path, bool create, int *ret_dir, const char **ret_name)
{
	CLEANUP(fd_closep) int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *p = path->real + 1;
	char name[NAME_MAX + 1];

	if (dir < 0)
		return -errno;
	if (!*p)
		return -EISDIR;
	for (const char *slash = strchr(p, '/'); slash; slash = strchr(p, '/')) {
		size_t len = (size_t)(slash - p);
		int r;

		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		(void)memcpy(name, p, len);
		name[len] = '\0';
		r = descend(&dir, name, create);
		if (r < 0)
			return r;
		p = slash + 1;
	}
	*ret_dir = fd_take(&dir);
	*ret_name = p;
	return 0;
}
