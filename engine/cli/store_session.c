/*
 * Theory of operation: a session is made under a name with a dot and gets its own by rename, complete
 * and locked; it is removed the other way round. So whatever has a session's name is whole, and what
 * a crash leaves has a dot and nobody's lock.
 *
 *	.new-ID --rename: store_create--> ID --rename: store_remove--> .old-ID --> nothing
 *
 * The lock is a file's flock(2), which ends with the last descriptor of it. Between opening and
 * locking it the session may have been removed, so the name is looked at again behind the lock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "cli/store.h"
#include "workspace/stack.h"

#define ID_TRIES 16
#define PID_BYTES 16
#define LOCK_TRIES 3
#define LOCK_PAUSE_NS 2000000L

static int make_id(char id[STORE_ID_BYTES])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char bytes[STORE_ID_LEN];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < STORE_ID_LEN; i++)
		id[i] = letters[bytes[i] % (i == 0 ? 26 : 32)];
	id[STORE_ID_LEN] = '\0';
	return 0;
}

static int open_dir_in(int dir, const char *name)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

/* A free name with its folder, still with the dot. */
static int make_folder(const struct store *store, char id[STORE_ID_BYTES], char *name, size_t cap,
		       int *ret_dir)
{
	for (int i = 0; i < ID_TRIES; i++) {
		int r = make_id(id);

		if (r < 0)
			return r;
		(void)snprintf(name, cap, ".new-%s", id);
		if (mkdirat(store->dir, name, 0700) == 0) {
			*ret_dir = open_dir_in(store->dir, name);
			return *ret_dir >= 0 ? 0 : -errno;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static void write_holder(int lock)
{
	char pid[PID_BYTES];
	int n = snprintf(pid, sizeof(pid), "%d\n", getpid());

	/* For people only: without it they are told "another process". */
	if (ftruncate(lock, 0) == 0 && n > 0)
		(void)!pwrite(lock, pid, (size_t)n, 0);
}

static int make_lock(struct store_session *s)
{
	s->lock = openat(s->dir, "lock", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	s->locked = true;
	write_holder(s->lock);
	return 0;
}

static int make_data(struct store_session *s, mode_t mode, struct err *err)
{
	const struct store_meta *m = &s->meta;
	struct stat st;

	if (mkdirat(s->dir, "data", 0700) < 0)
		return err_set(err, errno, "cannot make a session's data folder");
	s->data = open_dir_in(s->dir, "data");
	if (s->data < 0 || fstat(s->data, &st) < 0)
		return err_set(err, errno, "cannot open a session's data folder");
	if ((st.st_uid != m->uid || st.st_gid != m->gid) && fchown(s->data, m->uid, m->gid) < 0)
		return err_set(err, errno,
			       "cannot give a session's data folder to uid %u, gid %u, the "
			       "workspace's owner",
			       m->uid, m->gid);
	if (fchmod(s->data, 0700) < 0) /* a default ACL or a set-gid folder may have added bits */
		return err_set(err, errno, "cannot close a session's data folder");
	/* As the workspace will be seen: an ordinary account's cells own what it may write. */
	st.st_uid = m->uid;
	st.st_gid = m->gid;
	st.st_mode = mode;
	return stack_create(s->data, &st, err);
}

int store_create(const struct store *store, const struct store_meta *meta, mode_t mode,
		 struct store_session *ret, struct err *err)
{
	char name[STORE_ID_BYTES + 8] = "";
	struct err ignored;
	int r;

	*ret = STORE_SESSION_NONE;
	ret->meta = *meta;
	r = make_folder(store, ret->id, name, sizeof(name), &ret->dir);
	if (r < 0)
		return err_set(err, -r, "cannot make a session in %s", store->path);
	r = make_lock(ret);
	if (r < 0)
		r = err_set(err, -r, "cannot lock the new session %s", ret->id);
	if (r == 0)
		r = store_meta_write(ret->dir, meta, err);
	if (r == 0)
		r = make_data(ret, mode, err);
	if (r == 0 && renameat2(store->dir, name, store->dir, ret->id, RENAME_NOREPLACE) < 0)
		r = err_set(err, errno, "cannot name the new session %s", ret->id);
	if (r == 0)
		return 0;
	store_session_close(ret);
	(void)!store_remove_remains(store, name, &ignored);
	return r;
}

static int check_own(int fd, mode_t type)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
			       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0
		       ? 0
		       : -EPERM;
}

/* data/ must be what store_create made: the owner's, and closed to everybody else. */
static int open_data(struct store_session *s, struct err *err)
{
	struct stat st;

	s->data = open_dir_in(s->dir, "data");
	if (s->data < 0 || fstat(s->data, &st) < 0)
		return err_set(err, errno, "session %s: data", s->id);
	if (st.st_uid == s->meta.uid && (st.st_mode & 07777) == 0700)
		return 0;
	return err_set(err, EPERM, "session %s: data is not a private folder of uid %u", s->id,
		       s->meta.uid);
}

static int open_parts(struct store_session *s, struct err *err)
{
	struct stat st = {0};
	int r = check_own(s->dir, S_IFDIR);

	if (r == 0) {
		s->lock = openat(s->dir, "lock", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		r = s->lock < 0 ? -errno : check_own(s->lock, S_IFREG);
	}
	if (r == 0 && fstat(s->lock, &st) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, -r, "session %s is not a private folder with a lock in it",
			       s->id);
	s->used = st.st_mtim.tv_sec;
	r = store_meta_read(s->dir, &s->meta, err);
	if (r < 0)
		return err_wrap(err, "session %s", s->id);
	return open_data(s, err);
}

int store_find(const struct store *store, const char *id, struct store_session *ret,
	       struct err *err)
{
	int r;

	*ret = STORE_SESSION_NONE;
	(void)snprintf(ret->id, sizeof(ret->id), "%s", id);
	ret->dir = open_dir_in(store->dir, ret->id);
	if (ret->dir < 0)
		return errno == ENOENT ? store_say(err, ENOENT, "there is no session %s in %s", id,
						   store->path)
				       : err_set(err, errno, "session %s", id);
	r = open_parts(ret, err);
	if (r < 0)
		store_session_close(ret);
	return r;
}

/* Whether the folder that we have open still has the session's name. */
static bool is_in_place(const struct store *store, const struct store_session *s)
{
	struct stat here;
	struct stat there;

	return fstat(s->dir, &here) == 0 &&
	       fstatat(store->dir, s->id, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

pid_t store_holder(const struct store_session *session)
{
	char text[PID_BYTES] = "";
	uint64_t pid;
	ssize_t n;

	if (session->locked)
		return getpid();
	/* Who asks at the same time shares; who wants to lock tries again (store_lock). */
	if (flock(session->lock, LOCK_SH | LOCK_NB) == 0) {
		(void)flock(session->lock, LOCK_UN);
		return 0;
	}
	n = pread(session->lock, text, sizeof(text) - 1, 0);
	text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
	return num_parse_u64(text, INT32_MAX, &pid) == 0 && pid > 0 ? (pid_t)pid : -1;
}

/* Again after a moment: `sessions list` holds a lock for as long as it takes to ask for it. */
static int lock_file(int lock)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(lock, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			break;
		(void)nanosleep(&pause, NULL);
	}
	return -errno;
}

int store_lock(const struct store *store, struct store_session *session, struct err *err)
{
	if (lock_file(session->lock) < 0) {
		pid_t holder = errno == EWOULDBLOCK ? store_holder(session) : -1;

		if (holder > 0)
			return store_say(err, EBUSY, "session %s is in use by process %d",
					 session->id, holder);
		return store_say(err, EBUSY, "session %s is in use by another process",
				 session->id);
	}
	if (!is_in_place(store, session)) {
		(void)flock(session->lock, LOCK_UN);
		return store_say(err, ENOENT, "session %s has just been removed", session->id);
	}
	session->locked = true;
	write_holder(session->lock);
	return 0;
}

void store_used(const struct store_session *session)
{
	(void)futimens(session->lock, NULL);
}

void store_session_close(struct store_session *session)
{
	fd_closep(&session->data);
	fd_closep(&session->lock);
	fd_closep(&session->dir);
	session->locked = false;
}

static int by_use(const void *a, const void *b)
{
	const struct store_entry *x = a;
	const struct store_entry *y = b;

	if (x->used != y->used)
		return x->used < y->used ? 1 : -1;
	return strcmp(x->id, y->id);
}

static int64_t last_use(const struct store *store, const char *id)
{
	char path[STORE_ID_BYTES + 8];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/lock", id);
	return fstatat(store->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mtim.tv_sec : 0;
}

int store_list(const struct store *store, struct store_entry **ret, size_t *ret_n, struct err *err)
{
	int copy = openat(store->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct store_entry *list = calloc(STORE_SESSIONS_MAX, sizeof(*list));
	const struct dirent *entry;
	size_t n = 0;

	if (!dir || !list) {
		int r = err_set(err, errno, "cannot list %s", store->path);

		free(list);
		if (dir)
			(void)closedir(dir);
		else
			fd_closep(&copy);
		return r;
	}
	while (n < STORE_SESSIONS_MAX && (entry = readdir(dir))) {
		if (!store_is_id(entry->d_name, strlen(entry->d_name)))
			continue;
		memcpy(list[n].id, entry->d_name, STORE_ID_BYTES);
		list[n].used = last_use(store, list[n].id);
		n++;
	}
	(void)closedir(dir);
	qsort(list, n, sizeof(*list), by_use);
	*ret = list;
	*ret_n = n;
	return 0;
}
