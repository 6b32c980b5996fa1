/*
 * Theory of operation: readlink /proc/self/exe gives the folder of the running program. A build tree
 * has toolcell.tree there, whose first line is the source tree; else the program is PREFIX/bin/X or
 * PREFIX/libexec/toolcell/X. The file is as trustworthy as the program beside it: whoever may write
 * one may write the other.
 */
#include "base/data.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

struct place {
	char dir[PATH_MAX];    /* of the running program */
	char prefix[PATH_MAX]; /* when installed */
	char *tree;	       /* source tree; NULL when installed */
};

static int read_tree(const char *dir, char **ret, struct err *err)
{
	char path[PATH_MAX + 32];
	char *text;
	size_t len;
	int r;

	(void)snprintf(path, sizeof(path), "%s/toolcell.tree", dir);
	if (access(path, F_OK) < 0) {
		*ret = NULL;
		return 0;
	}
	r = fd_read_file(AT_FDCWD, path, PATH_MAX, &text, &len, err);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (text[0] != '/') {
		free(text);
		return err_set(err, EINVAL, "%s does not hold an absolute path", path);
	}
	*ret = text;
	return 0;
}

/* PREFIX of PREFIX/bin or PREFIX/libexec/toolcell; by the words alone, so that paths read well. */
static void find_prefix(struct place *p)
{
	static const char libexec[] = "/libexec/toolcell";
	size_t len = strlen(p->dir);
	const char *slash = strrchr(p->dir, '/');

	if (len >= sizeof(libexec) - 1 &&
	    strcmp(p->dir + len - (sizeof(libexec) - 1), libexec) == 0)
		len -= sizeof(libexec) - 1;
	else if (slash)
		len = (size_t)(slash - p->dir);
	memcpy(p->prefix, p->dir, len);
	p->prefix[len] = '\0';
}

static int find_place(struct place *p, struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", p->dir, sizeof(p->dir) - 1);
	char *slash;

	if (n < 0)
		return err_set(err, errno, "cannot read /proc/self/exe");
	p->dir[n] = '\0';
	slash = strrchr(p->dir, '/');
	if (!slash)
		return err_set(err, EINVAL, "/proc/self/exe is no absolute path");
	*slash = '\0';
	find_prefix(p);
	return read_tree(p->dir, &p->tree, err);
}

static int join(char **ret, struct err *err, const char *a, const char *b, const char *c)
{
	return asprintf(ret, "%s%s%s", a, b, c) < 0 ? err_set(err, ENOMEM, "no memory for a path")
						    : 0;
}

int data_path(const char *name, char **ret, struct err *err)
{
	struct place p;
	int r = find_place(&p, err);

	if (r < 0)
		return r;
	if (p.tree)
		r = join(ret, err, p.tree, "/", name);
	else
		r = join(ret, err, p.prefix, "/share/toolcell/", name);
	free(p.tree);
	return r;
}

int data_program(const char *name, char **ret, struct err *err)
{
	struct place p;
	int r = find_place(&p, err);

	if (r < 0)
		return r;
	if (p.tree)
		r = join(ret, err, p.dir, "/", name);
	else
		r = join(ret, err, p.prefix,
			 strcmp(name, "toolcell") == 0 ? "/bin/" : "/libexec/toolcell/", name);
	free(p.tree);
	return r;
}
