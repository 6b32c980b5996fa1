/*
 * Theory of operation: the path is walked from its first component, each opened below the one before
 * without following a link, and made where it is missing. What is asked of the folder - owner, mode, its
 * name - is asked of the descriptor, so there is no second look that could differ.
 */
#include "cli/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/store.h"

#define STATE_OF_ROOT "/var/lib/toolcell"

static int open_below(int dir, const char *name)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_SYMLINKS};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

/* A home folder may be a link; it is the operator's word, and where it leads is looked up once. */
static int default_place(const struct folder_words *w, char *dst, struct err *err)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	bool is_state = state && state[0] == '/';
	char *real;
	int n;

	if (geteuid() == 0) {
		(void)snprintf(dst, PATH_MAX, STATE_OF_ROOT "/%s", w->leaf);
		return 0;
	}
	if (!is_state && !(home && home[0] == '/'))
		return err_set(err, EINVAL,
			       "no place for the %s: neither %s, XDG_STATE_HOME nor HOME names a "
			       "folder",
			       w->what, w->variable);
	real = realpath(is_state ? state : home, NULL);
	n = snprintf(dst, PATH_MAX, "%s%s/toolcell/%s", real ? real : (is_state ? state : home),
		     is_state ? "" : "/.local/state", w->leaf);
	free(real);
	return n > 0 && n < PATH_MAX
		       ? 0
		       : err_set(err, ENAMETOOLONG, "the path of the %s is too long", w->what);
}

static int open_component(int dir, const char *name, bool make, int *ret_fd)
{
	*ret_fd = open_below(dir, name);
	if (*ret_fd >= 0)
		return 0;
	if (errno != ENOENT || !make)
		return -errno;
	/* Somebody may be quicker; what is there is then looked at like any other. */
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	*ret_fd = open_below(dir, name);
	return *ret_fd >= 0 ? 0 : -errno;
}

static int open_path(const char *path, bool make, int *ret_fd)
{
	CLEANUP(fd_closep) int at = open_below(AT_FDCWD, path[0] == '/' ? "/" : ".");
	char rest[PATH_MAX];
	char *state = NULL;
	int r = at < 0 ? -errno : 0;

	(void)snprintf(rest, sizeof(rest), "%s", path);
	for (char *name = strtok_r(rest, "/", &state); name && r == 0;
	     name = strtok_r(NULL, "/", &state)) {
		int next = -1;

		r = open_component(at, name, make, &next);
		fd_closep(&at);
		at = next;
	}
	if (r < 0)
		return r;
	/* O_PATH found it; to list it, it is opened once more through the descriptor. */
	*ret_fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd >= 0 ? 0 : -errno;
}

static int check_folder(const struct folder_words *w, int dir, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_set(err, errno, "%s %s", w->what, path);
	if (st.st_uid != geteuid())
		return err_set(err, EPERM,
			       "%s %s belongs to uid %u and not to you (uid %u); name one of your "
			       "own with %s or %s",
			       w->what, path, st.st_uid, geteuid(), w->option, w->variable);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, EPERM,
			       "%s %s can be written to by others; chmod 700 it, or name another "
			       "with %s",
			       w->what, path, w->option);
	return 0;
}

static int name_folder(const struct folder_words *w, int dir, char *dst, struct err *err)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, dst, PATH_MAX - 1);
	if (n <= 0 || dst[0] != '/')
		return err_set(err, EINVAL, "the %s has no path that begins with /", w->what);
	dst[n] = '\0';
	return 0;
}

int folder_place(const struct folder_words *words, const char *given, char *dst, struct err *err)
{
	int n;

	dst[0] = '\0';
	if (!given || given[0] == '\0')
		return default_place(words, dst, err);
	n = snprintf(dst, PATH_MAX, "%s", given);
	return n < PATH_MAX
		       ? 0
		       : err_set(err, ENAMETOOLONG, "the path of the %s is too long", words->what);
}

int folder_open(const struct folder_words *words, const char *path, bool make, int *ret_fd,
		char *real, struct err *err)
{
	CLEANUP(fd_closep) int dir = -1;
	int r = open_path(path, make, &dir);

	if (r == -ELOOP)
		return store_say(err, ELOOP,
				 "%s %s runs through a symbolic link, which could be made to lead "
				 "elsewhere; give the real path",
				 words->what, path);
	if (r < 0)
		return err_set(err, -r, "%s %s", words->what, path);
	r = check_folder(words, dir, path, err);
	if (r == 0)
		r = name_folder(words, dir, real, err);
	if (r < 0)
		return r;
	*ret_fd = fd_take(&dir);
	return 0;
}
