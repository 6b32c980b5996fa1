/*
 * Theory of operation: a row per kind of call. What reads is judged by words first: most paths lie where
 * the cell shows the host's files, and what is missing there is missing on the host. What writes is
 * judged by looking: the object, or the folder that it would be made in, is opened (O_PATH) and asked
 * whether its mount is read-only, so that links and ".." lead where they lead the kernel.
 *
 *	path -> missing?     --where the cell shows nothing--> RECORD_HIDDEN, ENOENT
 *	     -> read-only?   --the mount of the object, or of its folder--> RECORD_READONLY, EROFS
 *	     -> no programs? --the mount--> RECORD_NOEXEC, EACCES
 *
 * Whatever cannot be told - memory that cannot be read, a link of /proc, a folder outside of the tree -
 * is left to the kernel. A refusal of the tool's own making (EEXIST, a file of mode 0444) is no denial.
 */
#include "init/judge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/look.h"

#define OPENERS_SHARE 8U

/* One path of a call. */
struct object {
	char raw[PATH_MAX];   /* absolute, otherwise as the tool gave it: what is opened */
	char clean[PATH_MAX]; /* by words: what the table of mounts is asked for */
	bool nofollow;
};

static uint64_t argument(const struct judged *j, int index)
{
	return j->notif->data.args[index];
}

static int refuse(struct judged *j, uint32_t what, uint32_t mount, const char *path, int num)
{
	struct record_entry *e = j->entry;
	size_t len = strlen(path);

	e->what = what;
	e->mount = mount;
	e->cut = len > sizeof(e->path);
	e->path_bytes = (uint32_t)MIN(len, sizeof(e->path));
	memcpy(e->path, path, e->path_bytes);
	return num;
}

/* False: where it begins cannot be told, or it is too long. */
static bool name_object(const struct judged *j, int dir, const char *text, struct object *o)
{
	char base[PATH_MAX] = "";
	int n;

	if (text[0] != '/' && look_folder((pid_t)j->notif->pid, dir, base) < 0)
		return false;
	n = snprintf(o->raw, sizeof(o->raw), "%s%s%s", base, text[0] == '/' ? "" : "/", text);
	return n > 0 && (size_t)n < sizeof(o->raw) && places_clean(o->raw, o->clean) == 0;
}

/* False: nothing can be said of it. */
static bool take_path(struct judged *j, int dir, int path, struct object *o)
{
	char text[PATH_MAX];
	ssize_t n = look_text((pid_t)j->notif->pid, argument(j, path), text);

	if (n < 0) {
		j->unseen = n != -ENAMETOOLONG; /* the kernel refuses those */
		return false;
	}
	o->nofollow = j->call->nofollow ||
		      (j->call->kind != OBSERVED_OPEN && j->call->flags != OBSERVED_NO_ARG &&
		       (argument(j, j->call->flags) & AT_SYMLINK_NOFOLLOW));
	return n > 0 &&
	       name_object(j, dir == OBSERVED_NO_ARG ? AT_FDCWD : (int)argument(j, dir), text, o);
}

static const struct image_mount *mount_of(const struct judged *j, uint32_t mount)
{
	return image_mount(j->watch->places.image, mount);
}

static int open_object(const struct object *o)
{
	return look_open(o->raw, o->nofollow ? O_NOFOLLOW : 0);
}

/* Cut @path in two: the folder that holds its last component, and that. False: there is none. */
static bool split(char *path, const char **ret_name)
{
	size_t len = strlen(path);
	char *slash;

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	slash = strrchr(path, '/');
	*ret_name = slash + 1;
	if (strcmp(*ret_name, "") == 0 || strcmp(*ret_name, ".") == 0 ||
	    strcmp(*ret_name, "..") == 0)
		return false;
	*slash = '\0';
	return true;
}

/* Where a link leads that leads to nothing; only of absolute ones it can be told by words. */
static bool follow_dangling(const struct object *o, char *dst)
{
	char target[PATH_MAX];
	ssize_t n = o->nofollow ? -1 : readlink(o->raw, target, sizeof(target) - 1);

	if (n <= 0 || target[0] != '/')
		return false;
	target[n] = '\0';
	return places_clean(target, dst) == 0;
}

/* The real path of something that is missing: its folder's, and its name. */
static bool name_missing(const struct object *o, char *dst)
{
	char path[PATH_MAX];
	const char *name;
	size_t len;

	if (follow_dangling(o, dst))
		return true;
	memcpy(path, o->raw, sizeof(path));
	if (!split(path, &name))
		return false;
	CLEANUP(fd_closep) int fd = look_open(path[0] ? path : "/", O_DIRECTORY);

	if (fd < 0 || look_real_path(fd, dst) < 0)
		return false;
	len = strlen(dst);
	if (len + strlen(name) + 2 > PATH_MAX)
		return false;
	(void)snprintf(dst + len, PATH_MAX - len, "%s%s", len > 1 ? "/" : "", name);
	return true;
}

/* Where tools can make links, words do not tell where a path leads. */
static bool may_hold_links(const struct judged *j, uint32_t mount)
{
	const struct image_mount *m = mount_of(j, mount);

	return m && (m->type == IMAGE_MOUNT_WORKSPACE || m->type == IMAGE_MOUNT_TMPFS ||
		     m->type == IMAGE_MOUNT_OVERLAY);
}

/* A path that is missing: by the policy, or by itself. */
static int judge_missing(struct judged *j, const struct object *o)
{
	const struct places *places = &j->watch->places;
	uint32_t mount = places_find(places, o->clean);
	char real[PATH_MAX];

	if (!places_hides(places, mount) && !may_hold_links(j, mount))
		return 0;
	CLEANUP(fd_closep) int fd = open_object(o);

	if (fd != -ENOENT && fd != -ENOTDIR && fd != -EACCES)
		return 0;
	if (!name_missing(o, real))
		memcpy(real, o->clean, sizeof(real));
	mount = places_find(places, real);
	if (!places_hides(places, mount) || places_is_absent(places, real))
		return 0;
	return refuse(j, RECORD_HIDDEN, mount, real, -fd);
}

/* The mount that an open object lies on, and its own path. */
static uint32_t place_of(const struct judged *j, int fd, const struct object *o, char *real)
{
	if (look_real_path(fd, real) < 0)
		(void)snprintf(real, PATH_MAX, "%s", o->clean);
	return places_find(&j->watch->places, real);
}

/* Protected paths are mounts of the cell's that no policy lists (cell/protect.h). */
static uint32_t what_of(const struct judged *j, uint32_t mount)
{
	const struct image_mount *m = mount_of(j, mount);
	bool own = m && m->type == IMAGE_MOUNT_WORKSPACE && !(m->flags & IMAGE_MOUNT_READONLY);

	return own && !j->watch->config->readonly ? RECORD_PROTECTED : RECORD_READONLY;
}

/* @name: the component below @fd that would be made or removed; NULL: @fd itself is changed. */
static int judge_readonly(struct judged *j, int fd, const struct object *o, const char *name)
{
	char real[PATH_MAX];
	struct statvfs fs;
	uint32_t mount;
	size_t len;

	if (fstatvfs(fd, &fs) < 0 || !(fs.f_flag & ST_RDONLY))
		return 0;
	mount = place_of(j, fd, o, real);
	len = strlen(real);
	if (name && len + strlen(name) + 2 <= sizeof(real))
		(void)snprintf(real + len, sizeof(real) - len, "%s%s", len > 1 ? "/" : "", name);
	return refuse(j, what_of(j, mount), mount, real, EROFS);
}

/* The folder in which a name would be made or removed. */
static int judge_folder(struct judged *j, const struct object *o)
{
	char path[PATH_MAX];
	const char *name;
	const char *folder;

	memcpy(path, o->raw, sizeof(path));
	if (!split(path, &name))
		return 0;
	folder = path[0] ? path : "/";
	CLEANUP(fd_closep) int fd = look_open(folder, O_DIRECTORY);

	if (fd >= 0)
		return judge_readonly(j, fd, o, name);
	/* A folder that is missing in a place of the tool's own is its own affair. */
	return places_find(&j->watch->places, o->clean) == PLACE_NONE ? judge_missing(j, o) : 0;
}

static bool is_link(const struct object *o)
{
	CLEANUP(fd_closep) int fd = look_open(o->raw, O_NOFOLLOW);

	return fd >= 0;
}

static int judge_open(struct judged *j)
{
	static const int writes = O_WRONLY | O_RDWR | O_TRUNC;
	int flags = j->call->flags == OBSERVED_NO_ARG ? O_CREAT | O_WRONLY | O_TRUNC /* creat(2) */
						      : (int)argument(j, j->call->flags);
	bool made = (flags & O_TMPFILE) == O_TMPFILE;
	struct object o;

	if (!take_path(j, j->call->dir, j->call->path, &o))
		return 0;
	o.nofollow = flags & O_NOFOLLOW;
	if ((flags & O_PATH) || !((flags & (writes | O_CREAT)) || made))
		return judge_missing(j, &o);
	CLEANUP(fd_closep) int fd = open_object(&o);

	/* Through a link that leads to nothing the kernel makes a file elsewhere, or finds init's "self". */
	if (fd == -ENOENT && (flags & O_CREAT))
		return is_link(&o) ? 0 : judge_folder(j, &o);
	if (fd < 0)
		return fd == -ENOENT ? judge_missing(j, &o) : 0;
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return 0; /* EEXIST, whatever the mount is */
	return (flags & writes) || made ? judge_readonly(j, fd, &o, NULL) : 0;
}

/* A name that is to be made: when it is there already, that is why it cannot be. */
static int judge_new(struct judged *j, const struct object *o)
{
	CLEANUP(fd_closep) int fd = open_object(o);

	return fd == -ENOENT ? judge_folder(j, o) : 0;
}

static int judge_make(struct judged *j)
{
	struct object o;

	return take_path(j, j->call->dir, j->call->path, &o) ? judge_new(j, &o) : 0;
}

static int judge_change(struct judged *j)
{
	struct object o;

	if (argument(j, j->call->path) == 0) /* utimensat(2) on a descriptor */
		return 0;
	if (!take_path(j, j->call->dir, j->call->path, &o))
		return 0;
	CLEANUP(fd_closep) int fd = open_object(&o);

	if (fd < 0)
		return fd == -ENOENT ? judge_missing(j, &o) : 0;
	return judge_readonly(j, fd, &o, NULL);
}

static int judge_remove(struct judged *j)
{
	struct object o;

	if (!take_path(j, j->call->dir, j->call->path, &o))
		return 0;
	CLEANUP(fd_closep) int fd = open_object(&o);

	if (fd < 0)
		return fd == -ENOENT ? judge_missing(j, &o) : 0;
	return judge_folder(j, &o);
}

static bool take_other(struct judged *j, struct object *o)
{
	int dir = j->call->dir == OBSERVED_NO_ARG ? OBSERVED_NO_ARG : j->call->other - 1;

	return take_path(j, dir, j->call->other, o);
}

static int judge_rename(struct judged *j)
{
	struct object o;
	int num = judge_remove(j);

	if (num != 0 || !take_other(j, &o))
		return num;
	return judge_folder(j, &o);
}

static int judge_link(struct judged *j)
{
	struct object old;
	int num = take_other(j, &old) ? judge_missing(j, &old) : 0;

	return num != 0 ? num : judge_make(j);
}

static int judge_look(struct judged *j)
{
	struct object o;

	return take_path(j, j->call->dir, j->call->path, &o) ? judge_missing(j, &o) : 0;
}

static int judge_exec(struct judged *j)
{
	const struct image_mount *m;
	struct object o;
	struct stat st;
	uint32_t mount;

	if (!take_path(j, j->call->dir, j->call->path, &o))
		return 0;
	CLEANUP(fd_closep) int fd = open_object(&o);

	if (fd < 0)
		return fd == -ENOENT ? judge_missing(j, &o) : 0;
	char real[PATH_MAX];

	mount = place_of(j, fd, &o, real);
	m = mount_of(j, mount);
	if (!m || !(m->flags & IMAGE_MOUNT_NOEXEC) || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !(st.st_mode & 0111))
		return 0;
	return refuse(j, RECORD_NOEXEC, mount, real, EACCES);
}

static int judge_socket_file(struct judged *j, const struct sockaddr_un *address, size_t len)
{
	struct object o = {.nofollow = j->call->nofollow};
	char text[sizeof(address->sun_path) + 1];
	size_t n = strnlen(address->sun_path, len - offsetof(struct sockaddr_un, sun_path));

	memcpy(text, address->sun_path, n);
	text[n] = '\0';
	/* An abstract one is the cell's own, or nobody's. */
	if (n == 0 || !name_object(j, AT_FDCWD, text, &o))
		return 0;
	return j->call->kind == OBSERVED_BIND ? judge_new(j, &o) : judge_missing(j, &o);
}

static bool is_own_v4(struct in_addr address)
{
	uint32_t host = ntohl(address.s_addr);

	return host >> 24 == 127 || host == INADDR_ANY;
}

static bool is_own_v6(const struct in6_addr *address)
{
	struct in_addr mapped;

	if (IN6_IS_ADDR_V4MAPPED(address)) {
		memcpy(&mapped, address->s6_addr + 12, sizeof(mapped));
		return is_own_v4(mapped);
	}
	return IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_UNSPECIFIED(address);
}

/* With a loopback of its own a cell reaches nothing else; without, it has no such sockets at all. */
static int judge_address(struct judged *j, uint64_t at, uint64_t bytes)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
		char room[sizeof(struct sockaddr_un) + 1];
	} a = {0};
	char host[INET6_ADDRSTRLEN];
	char text[INET6_ADDRSTRLEN + 16];
	size_t len = MIN((size_t)bytes, sizeof(struct sockaddr_un));

	if (at == 0 || len < sizeof(sa_family_t))
		return 0;
	if (look_bytes((pid_t)j->notif->pid, at, &a, len) < 0) {
		j->unseen = true;
		return 0;
	}
	if (a.any.sa_family == AF_UNIX && len > offsetof(struct sockaddr_un, sun_path))
		return judge_socket_file(j, &a.local, len);
	if (j->watch->places.cell->net != IMAGE_NET_LOOPBACK)
		return 0;
	if (a.any.sa_family == AF_INET && len >= sizeof(a.v4) && !is_own_v4(a.v4.sin_addr))
		(void)snprintf(text, sizeof(text), "%s:%u",
			       inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof(host)),
			       ntohs(a.v4.sin_port));
	else if (a.any.sa_family == AF_INET6 && len >= sizeof(a.v6) && !is_own_v6(&a.v6.sin6_addr))
		(void)snprintf(text, sizeof(text), "[%s]:%u",
			       inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof(host)),
			       ntohs(a.v6.sin6_port));
	else
		return 0;
	return refuse(j, RECORD_UNREACHABLE, PLACE_NONE, text,
		      j->call->kind == OBSERVED_BIND ? EADDRNOTAVAIL : ENETUNREACH);
}

/* connect(2) and bind(2) */
static int judge_connect(struct judged *j)
{
	return judge_address(j, argument(j, 1), argument(j, 2) & UINT32_MAX);
}

static int judge_send(struct judged *j)
{
	return judge_address(j, argument(j, 4), argument(j, 5) & UINT32_MAX);
}

/* Init itself, and ids that no process of the cell has ever had. */
static int judge_kill(struct judged *j)
{
	pid_t pid = (pid_t)argument(j, 0);

	if (pid == 1)
		return refuse(j, RECORD_SIGNAL, PLACE_NONE, "", EPERM);
	if (pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
		return 0;
	if ((uint64_t)pid <= look_last_pid())
		return 0;
	return refuse(j, RECORD_SIGNAL, PLACE_NONE, "", ESRCH);
}

static int (*const judges[])(struct judged *j) = {
	[OBSERVED_OPEN] = judge_open,	    [OBSERVED_MAKE] = judge_make,
	[OBSERVED_CHANGE] = judge_change,   [OBSERVED_REMOVE] = judge_remove,
	[OBSERVED_RENAME] = judge_rename,   [OBSERVED_LINK] = judge_link,
	[OBSERVED_LOOK] = judge_look,	    [OBSERVED_EXEC] = judge_exec,
	[OBSERVED_CONNECT] = judge_connect, [OBSERVED_SEND] = judge_send,
	[OBSERVED_BIND] = judge_connect,    [OBSERVED_KILL] = judge_kill,
};
static_assert(ARRAY_SIZE(judges) == OBSERVED_KIND_N, "every kind has a judge");

/*
 * To ask /proc at every open would be a fourth of what all of this costs: it is asked of who has opened an
 * eighth of the limit by now, which leaves room for some threads that open in turn.
 */
static bool may_be_full(struct watch *w, uint32_t tid)
{
	struct watch_opener *o = &w->openers[tid % WATCH_OPENERS];

	if (o->tid != tid)
		*o = (struct watch_opener){.tid = tid};
	return ++o->opens >= w->config->limits.open_files / OPENERS_SHARE;
}

static bool is_full(struct judged *j)
{
	uint64_t limit = j->watch->config->limits.open_files;

	return j->call->kind == OBSERVED_OPEN && may_be_full(j->watch, j->notif->pid) &&
	       look_files_full((pid_t)j->notif->pid, limit);
}

int judge_call(struct judged *j)
{
	int num = judges[j->call->kind](j);

	if (num == 0 && !j->unseen && is_full(j))
		num = refuse(j, RECORD_FILES, PLACE_NONE, "", EMFILE);
	return num;
}
