/*
 * Theory of operation: where may this engine make groups?
 *
 *	v1, hybrid   each controller's mount is found in mountinfo, the own group in /proc/self/cgroup;
 *		     leaves "toolcell-PID-N" are made right below the own group.
 *	v2	     from the own group upwards, the first one that has (or can be given) the memory
 *		     and pids controllers for its children gets a folder "toolcell-PID"; leaves go
 *		     below it. The own group usually holds processes and then cannot have such
 *		     children (cgroups(7), "no internal processes"), its parent can.
 *
 * Folders left by a dead engine are empty, since its cells died with it: they are removed by rmdir
 * alone, never by killing, and only when their engine is known to be gone.
 */
#include "confine/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "confine/cgroup_file.h"

#define LEAF_PREFIX "toolcell-"
#define PROC_FILE_MAX ((size_t)1 << 20)
#define STALE_AFTER_S 10
#define FOREIGN_AFTER_S 600
#define SWEEP_TRIES 100
#define SWEEP_PAUSE_NS (10L * 1000 * 1000)

static const char *const controller_v1[CGROUP_N] = {
	[CGROUP_MEMORY] = "memory",   [CGROUP_PIDS] = "pids", [CGROUP_CPU] = "cpu",
	[CGROUP_CPUACCT] = "cpuacct", [CGROUP_IO] = "blkio",
};

static const char *const controller_v2[CGROUP_N] = {
	[CGROUP_MEMORY] = "memory", [CGROUP_PIDS] = "pids", [CGROUP_CPU] = "cpu",
	[CGROUP_CPUACCT] = NULL,    [CGROUP_IO] = "io",
};

/* Whether @word stands in the comma- or space-separated @list. */
static bool list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ", \n");

		if (n == len && strncmp(p, word, len) == 0)
			return true;
		p += n + (p[n] != '\0');
	}
	return false;
}

/* /proc reports a size of 0, so fd_read_file does not do. */
static char *read_proc(const char *path)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : malloc(PROC_FILE_MAX);
	ssize_t n;

	if (!text)
		return NULL;
	n = fd_read_full(fd, text, PROC_FILE_MAX - 1);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

struct mount_line {
	char root[PATH_MAX];
	char point[PATH_MAX];
	char type[32];
	char super[512];
};

/* What the search works with; too much for the stack. */
struct search {
	char *groups; /* /proc/self/cgroup */
	char *mounts; /* /proc/self/mountinfo */
	struct mount_line mount;
	char line[2 * PATH_MAX + 1024];
	char own[PATH_MAX];
	char path[2 * PATH_MAX];
};

/* The own group of a v1 controller, or of v2 for NULL; from /proc/self/cgroup. */
static bool own_group(struct search *s, const char *controller)
{
	for (const char *line = s->groups; *line;) {
		size_t len = strcspn(line, "\n");
		char *list;
		char *path;

		(void)snprintf(s->line, sizeof(s->line), "%.*s", (int)MIN(len, sizeof(s->line) - 1),
			       line);
		list = strchr(s->line, ':');
		path = list ? strchr(list + 1, ':') : NULL;
		if (path) {
			*path++ = '\0';
			if (controller ? list_has(list + 1, controller) : list[1] == '\0') {
				(void)snprintf(s->own, sizeof(s->own), "%s", path);
				return true;
			}
		}
		line += len + (line[len] != '\0');
	}
	return false;
}

/* proc(5): ID PARENT MAJ:MIN ROOT POINT OPTIONS [FIELDS...] - TYPE SOURCE SUPER */
static bool parse_mount_line(struct search *s, const char *line, size_t len)
{
	struct mount_line *m = &s->mount;
	const char *dash;

	if (len >= sizeof(s->line))
		return false;
	memcpy(s->line, line, len);
	s->line[len] = '\0';
	dash = strstr(s->line, " - ");
	return dash && sscanf(s->line, "%*d %*d %*s %4095s %4095s", m->root, m->point) == 2 &&
	       sscanf(dash, " - %31s %*s %511s", m->type, m->super) == 2;
}

/* Where the controller's tree (v2 for NULL) is mounted. */
static bool find_mount(struct search *s, const char *controller)
{
	for (const char *line = s->mounts; *line;) {
		size_t len = strcspn(line, "\n");

		if (parse_mount_line(s, line, len)) {
			bool match = controller ? strcmp(s->mount.type, "cgroup") == 0 &&
							  list_has(s->mount.super, controller)
						: strcmp(s->mount.type, "cgroup2") == 0;
			if (match)
				return true;
		}
		line += len + (line[len] != '\0');
	}
	return false;
}

/* The own group's folder as a path: mount point + (own path less what the mount's root hides). */
static bool group_path(struct search *s)
{
	const struct mount_line *m = &s->mount;
	size_t skip = strcmp(m->root, "/") == 0 ? 0 : strlen(m->root);
	size_t n;

	if (skip && strncmp(s->own, m->root, skip) != 0)
		skip = strlen(s->own); /* the mount shows another part of the tree: use its top */
	(void)snprintf(s->path, sizeof(s->path), "%s%s", m->point, s->own + skip);
	for (n = strlen(s->path); n > 1 && s->path[n - 1] == '/';)
		s->path[--n] = '\0';
	return n > 0;
}

/* The own group's folder in the tree of a v1 controller, or of v2 for NULL, into s->path. */
static bool find_own(struct search *s, const char *controller)
{
	return own_group(s, controller) && find_mount(s, controller) && group_path(s);
}

/* A pid alone names an engine in one pid namespace only; containers may share a cgroup tree. */
static uint64_t pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) < 0 ? 0 : st.st_ino;
}

/* v1: leaves live as long as a call, and are never empty for longer than its first moments. */
static bool leaf_is_stale(int dir, const char *name)
{
	const char *number = name + strlen(LEAF_PREFIX);
	char digits[16];
	char own[32];
	uint64_t pid;
	struct stat st;
	time_t age;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	age = time(NULL) - st.st_mtime;
	(void)snprintf(digits, sizeof(digits), "%.*s", (int)strspn(number, "0123456789"), number);
	(void)snprintf(own, sizeof(own), ".%llx-", (unsigned long long)pid_namespace());
	/* Pids of another namespace mean nothing here: only age counts. */
	if (strncmp(number + strlen(digits), own, strlen(own)) != 0)
		return age > FOREIGN_AFTER_S;
	return num_parse_u64(digits, INT32_MAX, &pid) == 0 && pid > 0 && kill((pid_t)pid, 0) < 0 &&
	       errno == ESRCH && age > STALE_AFTER_S;
}

/* v2: an engine holds a lock on its folder for as long as it lives, wherever it lives. */
static bool folder_is_stale(int dir, const char *name)
{
	CLEANUP(fd_closep) int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void remove_stale(int dir, bool (*is_stale)(int dir, const char *name))
{
	int list = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = list < 0 ? NULL : fdopendir(list);
	const struct dirent *e;

	if (!d) {
		fd_closep(&list);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, LEAF_PREFIX, strlen(LEAF_PREFIX)) == 0 &&
		    is_stale(dir, e->d_name))
			cgroup_remove_tree(dir, e->d_name);
	(void)closedir(d);
}

static bool v1_open(struct cgroup_root *root, struct search *s)
{
	for (int i = 0; i < CGROUP_N; i++) {
		if (!find_own(s, controller_v1[i]) || access(s->path, W_OK) < 0)
			continue;
		root->dir[i] = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (root->dir[i] < 0)
			continue;
		root->available |= 1U << i;
		remove_stale(root->dir[i], leaf_is_stale);
	}
	if (root->available == 0)
		return false;
	root->version = 1;
	return true;
}

/* Give the children of @dir every controller that it has itself; what refuses stays away. */
static uint32_t v2_enable(int dir)
{
	char have[256];
	uint32_t enabled = 0;

	if (cgroup_read(dir, "cgroup.controllers", have, sizeof(have)) < 0)
		return 0;
	for (int i = 0; i < CGROUP_N; i++) {
		char word[16];

		if (!controller_v2[i] || !list_has(have, controller_v2[i]))
			continue;
		(void)snprintf(word, sizeof(word), "+%s", controller_v2[i]);
		(void)cgroup_write(dir, "cgroup.subtree_control", word);
	}
	if (cgroup_read(dir, "cgroup.subtree_control", have, sizeof(have)) < 0)
		return 0;
	for (int i = 0; i < CGROUP_N; i++)
		if (controller_v2[i] && list_has(have, controller_v2[i]))
			enabled |= 1U << i;
	return enabled;
}

/* Try one folder as the parent of "toolcell-PID". */
static bool v2_try(struct cgroup_root *root, const char *path)
{
	const uint32_t need = 1U << CGROUP_MEMORY | 1U << CGROUP_PIDS;
	CLEANUP(fd_closep) int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || faccessat(dir, "cgroup.procs", W_OK, AT_EACCESS) < 0)
		return false;
	if ((v2_enable(dir) & need) != need)
		return false;
	remove_stale(dir, folder_is_stale);
	if (mkdirat(dir, root->prefix, 0755) < 0 && errno != EEXIST)
		return false;
	root->dir[0] = openat(dir, root->prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root->dir[0] < 0 || flock(root->dir[0], LOCK_EX | LOCK_NB) < 0)
		return false;
	root->available = v2_enable(root->dir[0]);
	root->version = 2;
	return true;
}

static bool v2_open(struct cgroup_root *root, struct search *s)
{
	if (!find_own(s, NULL))
		return false;
	for (;;) {
		char *slash;

		if (v2_try(root, s->path))
			return true;
		slash = strrchr(s->path, '/');
		if (strcmp(s->path, s->mount.point) == 0 || !slash)
			return false;
		*slash = '\0';
	}
}

static void root_init(struct cgroup_root *root, pid_t engine)
{
	*root = (struct cgroup_root){.version = 0};
	for (int i = 0; i < CGROUP_N; i++)
		root->dir[i] = -1;
	(void)snprintf(root->prefix, sizeof(root->prefix), LEAF_PREFIX "%d.%llx", engine,
		       (unsigned long long)pid_namespace());
}

void cgroup_root_open(struct cgroup_root *ret, pid_t engine, struct err *why)
{
	struct search *s = calloc(1, sizeof(*s));

	root_init(ret, engine);
	if (s) {
		s->groups = read_proc("/proc/self/cgroup");
		s->mounts = read_proc("/proc/self/mountinfo");
	}
	if (!s || !s->groups || !s->mounts)
		(void)err_set(why, EIO, "cannot read /proc/self/cgroup or mountinfo");
	/* Hybrid systems have an empty v2 tree beside the v1 controllers: v2 only when it can limit. */
	else if (!v2_open(ret, s) && !v1_open(ret, s))
		(void)err_set(
			why, EPERM,
			"no cgroup below which this account may make groups with the memory and "
			"pids controllers; run as root, or in a delegated group that has no "
			"processes of its own but in groups below it (for example "
			"systemd-run --user --scope -p Delegate=yes)");
	if (s) {
		free(s->groups);
		free(s->mounts);
	}
	free(s);
}

void cgroup_sweep(const struct cgroup_root *root)
{
	const struct timespec pause = {.tv_nsec = SWEEP_PAUSE_NS};

	for (int try = 0; try < SWEEP_TRIES; try++) {
		bool left = false;

		for (int i = 0; i < CGROUP_N; i++)
			if (root->dir[i] >= 0 && cgroup_sweep_once(root->dir[i], root->prefix))
				left = true;
		if (!left)
			return;
		(void)nanosleep(&pause, NULL);
	}
}

void cgroup_root_close(struct cgroup_root *root)
{
	if (root->version == 2) {
		CLEANUP(fd_closep)
		int parent = openat(root->dir[0], "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		fd_closep(&root->dir[0]);
		if (parent >= 0)
			cgroup_remove_tree(parent, root->prefix);
	}
	for (int i = 0; i < CGROUP_N; i++)
		fd_closep(&root->dir[i]);
	root->version = 0;
}

/* A line of "MAJOR:MINOR"; io limits are for whole disks, and the workspace may be on a partition. */
static bool read_device(const char *path, uint32_t *major_, uint32_t *minor_)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);
	char *colon;
	uint64_t a;
	uint64_t b;

	if (n <= 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	colon = strchr(text, ':');
	if (!colon)
		return false;
	*colon = '\0';
	if (num_parse_u64(text, UINT32_MAX, &a) < 0 || num_parse_u64(colon + 1, UINT32_MAX, &b) < 0)
		return false;
	*major_ = (uint32_t)a;
	*minor_ = (uint32_t)b;
	return true;
}

void cgroup_disk_of(dev_t device, uint32_t *ret_major, uint32_t *ret_minor)
{
	char path[64];

	*ret_major = major(device);
	*ret_minor = minor(device);
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", *ret_major,
		       *ret_minor);
	if (access(path, F_OK) < 0)
		return;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", *ret_major, *ret_minor);
	(void)read_device(path, ret_major, ret_minor);
}
