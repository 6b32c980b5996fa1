/*
 * Theory of operation: what tools wrote is removed by a process that has no more rights than its
 * owner: in root mode a child becomes the owner's uid and gid without a capability, and every child
 * loses the way to new privileges. It gets one descriptor, data/, and standard error. What is left
 * then - data/ itself, meta, lock - is the operator's own and removed by name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/store.h"
#include "confine/privilege.h"
#include "workspace/remove.h"
#include "workspace/stack.h"

#define OWN_FILES_MAX 64 /* names in a session's own folder; there are four */

static int become_owner(const struct store_meta *meta)
{
	int r;

	if (geteuid() != 0)
		return 0;
	r = privilege_drop_bounding();
	if (r < 0)
		return r;
	if (setgroups(0, NULL) < 0 || setresgid(meta->gid, meta->gid, meta->gid) < 0 ||
	    setresuid(meta->uid, meta->uid, meta->uid) < 0)
		return -errno;
	return privilege_drop_capabilities();
}

struct job {
	const struct store_meta *owner;
	const int *fds;
	size_t n_fds;
	int (*fn)(int data, void *ctx);
	void *ctx;
};

/* In the child. Return: 0 or -errno. */
static int run_as_owner(const struct job *job, pid_t parent)
{
	int r = fd_close_others(job->fds, job->n_fds);

	if (r == 0)
		r = become_owner(job->owner);
	if (r == 0)
		r = privilege_no_new();
	if (r == 0)
		r = privilege_hide(); /* processes of the owner's have no business with this one */
	/* Last: a change of ids clears it. */
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	if (r < 0 || getppid() != parent)
		return r < 0 ? r : -ESRCH;
	return job->fn(job->fds[0], job->ctx);
}

static pid_t wait_for(pid_t pid, int *ret_status)
{
	pid_t got;

	do
		got = waitpid(pid, ret_status, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

int store_as_owner(const struct store_meta *meta, const int *fds, size_t n_fds,
		   int (*fn)(int data, void *ctx), void *ctx, struct err *err)
{
	const struct job job = {meta, fds, n_fds, fn, ctx};
	pid_t parent = getpid();
	pid_t pid = fork();
	int status = 0;

	if (pid < 0)
		return err_set(err, errno, "cannot start a process");
	if (pid == 0)
		_exit(-run_as_owner(&job, parent) & 0xff); /* an errno fits a byte */
	if (wait_for(pid, &status) != pid || !WIFEXITED(status))
		return err_set(err, ECHILD, "a process of uid %u was ended", meta->uid);
	if (WEXITSTATUS(status) != 0)
		return err_set(err, WEXITSTATUS(status), "cannot work on the layers of a session");
	return 0;
}

static int open_beneath(int dir, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* Whether a folder has no names in it; not when that cannot be told. */
static bool is_bare(int dir, const char *path)
{
	int fd = open_beneath(dir, path);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool bare = true;

	if (!stream) {
		fd_closep(&fd);
		return false;
	}
	errno = 0;
	while (bare && (entry = readdir(stream)))
		bare = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	bare = bare && errno == 0;
	(void)closedir(stream);
	return bare;
}

bool store_is_empty(const struct store_session *session)
{
	const struct stack_branch *branch;
	struct stack stack;

	if (stack_read(session->data, &stack, NULL) < 0)
		return false;
	for (size_t i = 1; i < STACK_BRANCHES_MAX; i++)
		if (stack.branches[i].used)
			return false;
	branch = &stack.branches[0];
	for (uint32_t i = 0; i < branch->n; i++) {
		char path[48];

		(void)snprintf(path, sizeof(path), "layers/%u/u", branch->layers[i]);
		if (!is_bare(session->data, path))
			return false;
	}
	return true;
}

static int remove_all(int data, void *ctx)
{
	(void)ctx;
	return remove_content(data, NULL, NULL);
}

static int remove_trash(int data, void *ctx)
{
	CLEANUP(fd_closep) int trash = open_beneath(data, "trash");

	(void)ctx;
	if (trash < 0)
		return errno == ENOENT ? 0 : -errno;
	return remove_content(trash, NULL, NULL);
}

/* What the operator has in a session's folder: plain files. */
static int remove_own(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	int n = 0;
	int r = 0;

	if (!stream) {
		fd_closep(&copy);
		return -errno;
	}
	while (r == 0 && n++ < OWN_FILES_MAX && (entry = readdir(stream))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dir, entry->d_name, 0) < 0 && errno != ENOENT)
			r = -errno;
	}
	(void)closedir(stream);
	return r;
}

/* @name has a dot by now: nobody else takes it for a session. */
static int remove_folder(const struct store *store, const char *name, int dir, struct err *err)
{
	CLEANUP(fd_closep) int data = open_beneath(dir, "data");
	struct store_meta owner = {0};
	struct stat st;
	int r = 0;

	if (data >= 0 && fstat(data, &st) == 0) {
		owner.uid = st.st_uid;
		owner.gid = st.st_gid;
		r = store_as_owner(&owner, &data, 1, remove_all, NULL, err);
	}
	if (r < 0)
		return err_wrap(err, "%s/%s", store->path, name);
	if (data >= 0 && unlinkat(dir, "data", AT_REMOVEDIR) < 0)
		return err_set(err, errno, "cannot remove %s/%s/data", store->path, name);
	r = remove_own(dir);
	if (r == 0 && unlinkat(store->dir, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r < 0 ? err_set(err, -r, "cannot remove %s/%s", store->path, name) : 0;
}

int store_remove(const struct store *store, struct store_session *session, struct err *err)
{
	char name[STORE_ID_BYTES + 8];

	if (!session->locked)
		return store_say(err, EBUSY, "session %s is not ours to remove", session->id);
	(void)snprintf(name, sizeof(name), ".old-%s", session->id);
	if (renameat2(store->dir, session->id, store->dir, name, RENAME_NOREPLACE) < 0)
		return err_set(err, errno, "cannot remove session %s", session->id);
	return remove_folder(store, name, session->dir, err);
}

int store_remove_remains(const struct store *store, const char *name, struct err *err)
{
	CLEANUP(fd_closep) int dir = -1;
	CLEANUP(fd_closep) int lock = -1;
	struct stat st;

	if (name[0] != '.' || strchr(name, '/'))
		return err_set(err, EINVAL, "%s is no remains of a session", name);
	dir = open_beneath(store->dir, name);
	if (dir < 0 || fstat(dir, &st) < 0)
		return err_set(err, errno, "%s/%s", store->path, name);
	if (st.st_uid != geteuid())
		return err_set(err, EPERM, "%s/%s is somebody else's", store->path, name);
	/* Somebody may be at it: whoever makes or removes a session holds its lock. */
	lock = openat(dir, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0)
		return store_say(err, EBUSY, "%s/%s is in use", store->path, name);
	return remove_folder(store, name, dir, err);
}

int store_empty_trash(const struct store_session *session, struct err *err)
{
	/* Most sessions have none; a process is not started for that. */
	if (is_bare(session->data, "trash"))
		return 0;
	return store_as_owner(&session->meta, &session->data, 1, remove_trash, NULL, err);
}
