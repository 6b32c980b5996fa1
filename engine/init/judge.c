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
 * Whatever cannot be told - memory that cannot be read, a link of /proc, a folder outside of the tree
 * - is left to the kernel. So is what it refuses for another reason first, in its own order of checks:
 * EEXIST, EISDIR, EXDEV, by which programs steer, or EINVAL (senseless.c). Nothing is refused here that
 * the kernel would do, and nothing with another error - but where memory that is no path makes no sense
 * (times, the name of an attribute), which may change under whoever looks. judge_kernel.c of the unit
 * tests holds every call against it.
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
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/look.h"
#include "init/senseless.h"

#define OPENERS_SHARE 8U
#define DEPTH_MAX 32U  /* of what is missing below the deepest folder that is there */
#define FOLLOWS_MAX 8U /* links that are followed by hand */

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
static bool name_object(struct judged *j, int dir, const char *text, struct object *o)
{
	char base[PATH_MAX] = "";
	int n;

	if (text[0] != '/') {
		if (j->n_dirs >= ARRAY_SIZE(j->dirs) ||
		    look_folder((pid_t)j->notif->pid, dir, base) < 0)
			return false;
		j->dirs[j->n_dirs++] = dir;
	}
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

/* Of a path the deepest folder that is there, open, and what follows it. -errno: none within DEPTH_MAX. */
static int open_deepest(const char *path, const char **ret_rest)
{
	static char part[PATH_MAX]; /* init has one thread; on the stack stand enough of them */
	size_t len = strlen(path);
	int fd = -ENOENT;

	memcpy(part, path, len + 1);
	for (unsigned int i = 0; i < DEPTH_MAX && fd < 0 && len > 1; i++) {
		while (len > 1 && part[len - 1] == '/')
			len--;
		while (len > 1 && part[len - 1] != '/')
			len--;
		part[len] = '\0';
		fd = look_open(part, O_DIRECTORY);
	}
	*ret_rest = path + len;
	return fd;
}

/*
 * Whether the first component of @rest, below @fd, is missing: 0. It is a link: 1, and @path leads where it
 * does. -errno: something is there, or it cannot be told.
 */
static int follow_by_hand(int fd, char *path, const char *rest, bool nofollow)
{
	static char joined[PATH_MAX];
	static char target[PATH_MAX];
	char name[NAME_MAX + 1];
	size_t len = strcspn(rest, "/");
	const char *behind = rest + len;
	struct stat st;
	ssize_t got;
	int n;

	if (len >= sizeof(name))
		return -ENAMETOOLONG;
	memcpy(name, rest, len);
	name[len] = '\0';
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISLNK(st.st_mode) || (nofollow && behind[strspn(behind, "/")] == '\0'))
		return -EEXIST;
	got = readlinkat(fd, name, target, sizeof(target));
	if (got <= 0 || (size_t)got >= sizeof(target))
		return -ENAMETOOLONG;
	n = snprintf(joined, sizeof(joined), "%.*s%.*s%s",
		     target[0] == '/' ? 0 : (int)(rest - path), path, (int)got, target, behind);
	if (n < 0 || (size_t)n >= sizeof(joined))
		return -ENAMETOOLONG;
	memcpy(path, joined, (size_t)n + 1);
	return 1;
}

/* @rest below the open folder, clean. */
static bool name_below(int fd, const char *rest, char *dst)
{
	static char path[PATH_MAX];
	size_t len;

	if (look_real_path(fd, path) < 0)
		return false;
	len = strlen(path);
	if (len + strlen(rest) + 2 > sizeof(path))
		return false;
	(void)snprintf(path + len, sizeof(path) - len, "/%s", rest);
	return places_clean(path, dst) == 0;
}

/*
 * The real path of something that is missing. Links are followed by hand: one into /proc/self leads init
 * elsewhere than the tool, and what is missing there tells nothing. False: it cannot be told.
 */
static bool name_missing(const struct object *o, char *dst)
{
	static char path[PATH_MAX];

	memcpy(path, o->raw, sizeof(path));
	for (unsigned int i = 0; i < FOLLOWS_MAX; i++) {
		const char *rest = NULL;
		CLEANUP(fd_closep) int fd = open_deepest(path, &rest);
		int r = fd < 0 ? fd : follow_by_hand(fd, path, rest, o->nofollow);

		if (r <= 0)
			return r == 0 && name_below(fd, rest, dst);
	}
	return false;
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

	if (fd != -ENOENT || !name_missing(o, real))
		return 0;
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

/* The folder in which a name would be made or removed, open; -EINVAL when the last component is no name. */
static int open_folder(const struct object *o, char *path, const char **ret_name)
{
	memcpy(path, o->raw, sizeof(o->raw));
	if (!split(path, ret_name))
		return -EINVAL;
	return look_open(path[0] ? path : "/", O_DIRECTORY);
}

/* A folder that is missing in a place of the tool's own is its own affair. */
static int judge_no_folder(struct judged *j, const struct object *o, int num)
{
	return num == -ENOENT && places_find(&j->watch->places, o->clean) == PLACE_NONE
		       ? judge_missing(j, o)
		       : 0;
}

static int judge_folder(struct judged *j, const struct object *o)
{
	char path[PATH_MAX];
	const char *name = NULL;
	CLEANUP(fd_closep) int fd = open_folder(o, path, &name);

	return fd >= 0 ? judge_readonly(j, fd, o, name) : judge_no_folder(j, o, fd);
}

static bool is_link(const struct object *o)
{
	CLEANUP(fd_closep) int fd = look_open(o->raw, O_NOFOLLOW);

	return fd >= 0;
}

static bool is_of_type(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static bool ends_with_slash(const struct object *o)
{
	return o->raw[strlen(o->raw) - 1] == '/';
}

static int open_flags(const struct judged *j)
{
	return j->call->flags == OBSERVED_NO_ARG ? O_CREAT | O_WRONLY | O_TRUNC /* creat(2) */
						 : (int)argument(j, j->call->flags);
}

/* Only content of files is the mount's: pipes and devices are opened whatever it is, folders never. */
static int judge_open_there(struct judged *j, int fd, const struct object *o, int flags)
{
	bool made = (flags & O_TMPFILE) == O_TMPFILE;

	if ((flags & O_CREAT) && (flags & O_EXCL))
		return 0; /* EEXIST, whatever the mount is */
	if (!made && (!(flags & (O_ACCMODE | O_TRUNC)) || (flags & O_DIRECTORY)))
		return 0;
	return is_of_type(fd, made ? S_IFDIR : S_IFREG) ? judge_readonly(j, fd, o, NULL) : 0;
}

static int judge_open(struct judged *j)
{
	int flags = open_flags(j);
	struct object o;

	if (!take_path(j, j->call->dir, j->call->path, &o))
		return 0;
	o.nofollow = flags & O_NOFOLLOW;
	if (flags & O_PATH)
		return judge_missing(j, &o);
	if ((flags & O_CREAT) && ends_with_slash(&o))
		return 0;
	if (!(flags & (O_ACCMODE | O_TRUNC | O_CREAT)))
		return judge_missing(j, &o);
	CLEANUP(fd_closep) int fd = open_object(&o);

	/* Through a link that leads to nothing the kernel makes a file elsewhere, or finds init's "self". */
	if (fd == -ENOENT && (flags & O_CREAT))
		return is_link(&o) ? 0 : judge_folder(j, &o);
	if (fd < 0)
		return fd == -ENOENT ? judge_missing(j, &o) : 0;
	return judge_open_there(j, fd, &o, flags);
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

	/* With a slash behind it: ENOENT, whatever the mount is. */
	if (!take_path(j, j->call->dir, j->call->path, &o) || ends_with_slash(&o))
		return 0;
	return judge_new(j, &o);
}

/* Slashes behind the name are nothing to mkdir(2), and a link there is there. */
static int judge_mkdir(struct judged *j)
{
	struct object o;

	if (!take_path(j, j->call->dir, j->call->path, &o))
		return 0;
	for (size_t len = strlen(o.raw); len > 1 && o.raw[len - 1] == '/'; len--)
		o.raw[len - 1] = '\0';
	return judge_new(j, &o);
}

static int judge_truncate(struct judged *j)
{
	struct object o;

	if (!take_path(j, j->call->dir, j->call->path, &o))
		return 0;
	CLEANUP(fd_closep) int fd = open_object(&o);

	if (fd < 0)
		return fd == -ENOENT ? judge_missing(j, &o) : 0;
	return is_of_type(fd, S_IFREG) ? judge_readonly(j, fd, &o, NULL) : 0;
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

/*
 * In the kernel the mount comes before the name: what is hidden in a read-only folder is EROFS. So is what
 * is missing on the host as well, but that is the tool's own affair, and the kernel's to tell.
 */
static int judge_entry(struct judged *j, int folder, const struct object *o, const char *name)
{
	CLEANUP(fd_closep) int fd = open_object(o);
	int hidden = fd == -ENOENT ? judge_missing(j, o) : 0;
	int num = 0;

	if (folder >= 0 && (fd >= 0 || hidden))
		num = judge_readonly(j, folder, o, name);
	return num ? num : hidden;
}

static int judge_remove(struct judged *j)
{
	static struct object o;
	static char path[PATH_MAX];
	const char *name = NULL;

	if (!take_path(j, j->call->dir, j->call->path, &o))
		return 0;
	CLEANUP(fd_closep) int folder = open_folder(&o, path, &name);

	return judge_entry(j, folder, &o, name);
}

static bool take_other(struct judged *j, struct object *o)
{
	int dir = j->call->dir == OBSERVED_NO_ARG ? OBSERVED_NO_ARG : j->call->other - 1;

	return take_path(j, dir, j->call->other, o);
}

/* KERNEL(5.8) */
static bool is_same_mount(int a, int b)
{
	struct statx first;
	struct statx second;

	return statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &first) == 0 &&
	       statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &second) == 0 &&
	       (first.stx_mask & second.stx_mask & STATX_MNT_ID) &&
	       first.stx_mnt_id == second.stx_mnt_id;
}

/* Both folders must be there, on one mount (else EXDEV, and mv(1) copies), before its being read-only counts. */
static int judge_rename(struct judged *j)
{
	static struct object old; /* static: two of them are more than a frame may be */
	static struct object new;
	static char path[PATH_MAX];
	static char other[PATH_MAX];
	const char *name = NULL;
	const char *other_name = NULL;

	if (!take_path(j, j->call->dir, j->call->path, &old) || !take_other(j, &new))
		return 0;
	CLEANUP(fd_closep) int from = open_folder(&old, path, &name);

	if (from < 0)
		return judge_no_folder(j, &old, from);
	CLEANUP(fd_closep) int to = open_folder(&new, other, &other_name);

	if (to < 0)
		return judge_no_folder(j, &new, to);
	return is_same_mount(from, to) ? judge_entry(j, from, &old, name) : 0;
}

/* The old name is looked up first; a link itself is linked, but for who asks to follow it. */
static int judge_link(struct judged *j)
{
	static struct object old;

	if (!take_other(j, &old))
		return 0;
	old.nofollow = j->call->nr != SYS_linkat || !(argument(j, 4) & AT_SYMLINK_FOLLOW);
	CLEANUP(fd_closep) int fd = open_object(&old);

	if (fd < 0)
		return fd == -ENOENT ? judge_missing(j, &old) : 0;
	return judge_make(j);
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
	struct statvfs fs;
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
	    !(st.st_mode & 0111) || fstatvfs(fd, &fs) < 0 || !(fs.f_flag & ST_NOEXEC))
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
	if (j->call->kind != OBSERVED_BIND)
		return judge_missing(j, &o);
	return ends_with_slash(&o) ? 0 : judge_new(j, &o);
}

/* Groups too: a socket that is bound to the loopback reaches them on it. */
static bool is_own_v4(struct in_addr address)
{
	uint32_t host = ntohl(address.s_addr);

	return host >> 24 == 127 || host == INADDR_ANY || host == INADDR_BROADCAST ||
	       IN_MULTICAST(host);
}

static bool is_own_v6(const struct in6_addr *address)
{
	struct in_addr mapped;

	if (IN6_IS_ADDR_V4MAPPED(address)) {
		memcpy(&mapped, address->s6_addr + 12, sizeof(mapped));
		return is_own_v4(mapped);
	}
	return IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_UNSPECIFIED(address) ||
	       IN6_IS_ADDR_MULTICAST(address) || IN6_IS_ADDR_LINKLOCAL(address); /* EINVAL */
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

	if (at == 0 || len < sizeof(sa_family_t) || bytes > sizeof(struct sockaddr_storage))
		return 0;
	if (look_bytes((pid_t)j->notif->pid, at, &a, len) < 0) {
		j->unseen = true;
		return 0;
	}
	if (a.any.sa_family == AF_UNIX && bytes > offsetof(struct sockaddr_un, sun_path) &&
	    bytes <= sizeof(struct sockaddr_un))
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
	uint64_t last;

	if (pid == 1)
		return j->watch->scoped ? refuse(j, RECORD_SIGNAL, PLACE_NONE, "", EPERM) : 0;
	if (pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
		return 0;
	last = look_last_pid();
	if (last == 0 || (uint64_t)pid <= last)
		return 0;
	return refuse(j, RECORD_SIGNAL, PLACE_NONE, "", ESRCH);
}

static int (*const judges[])(struct judged *j) = {
	[OBSERVED_OPEN] = judge_open,	      [OBSERVED_MAKE] = judge_make,
	[OBSERVED_MKDIR] = judge_mkdir,	      [OBSERVED_CHANGE] = judge_change,
	[OBSERVED_TRUNCATE] = judge_truncate, [OBSERVED_REMOVE] = judge_remove,
	[OBSERVED_RENAME] = judge_rename,     [OBSERVED_LINK] = judge_link,
	[OBSERVED_LOOK] = judge_look,	      [OBSERVED_EXEC] = judge_exec,
	[OBSERVED_CONNECT] = judge_connect,   [OBSERVED_SEND] = judge_send,
	[OBSERVED_BIND] = judge_connect,      [OBSERVED_KILL] = judge_kill,
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

/* A folder that was removed has a path that leads elsewhere, as has one of another tree. */
static bool folders_hold(const struct judged *j)
{
	for (unsigned int i = 0; i < j->n_dirs; i++)
		if (!look_folder_holds((pid_t)j->notif->pid, j->dirs[i]))
			return false;
	return true;
}

int judge_call(struct judged *j)
{
	int num;

	if (senseless_is(&j->notif->data))
		return 0;
	num = judges[j->call->kind](j);
	if (num != 0 && !folders_hold(j)) {
		*j->entry = (struct record_entry){0};
		num = 0;
	}
	if (num == 0 && !j->unseen && is_full(j))
		num = refuse(j, RECORD_FILES, PLACE_NONE, "", EMFILE);
	return num;
}
