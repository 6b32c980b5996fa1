/*
 * Theory of operation: the namespaces are taken before main, while there is one thread; the tree is made for
 * each case, which is a process of its own, and goes with it.
 */
#include "stage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../small_image.h"

char stage_top[64];
static struct image image;
struct init_config stage_config = {.limits = {.open_files = 4096}};
static struct record record;
struct watch stage_watch;
static char targets[10][96];

const char *stage_below(unsigned int i, const char *name)
{
	(void)snprintf(targets[i], sizeof(targets[i]), "%s/%s", stage_top, name);
	return targets[i];
}

void stage_map_image(enum image_net net)
{
	const struct small_mount mounts[] = {
		{IMAGE_MOUNT_WORKSPACE, 0, NULL, NULL, 0, 0, 0},
		{IMAGE_MOUNT_BIND, IMAGE_MOUNT_READONLY, "/usr", stage_below(1, "ro"), 0, 0, 0},
		{IMAGE_MOUNT_BIND, IMAGE_MOUNT_READONLY, "/usr", stage_below(2, "other"), 0, 0, 0},
		{IMAGE_MOUNT_TMPFS, 0, NULL, stage_below(3, "home"), 0755, 4096, 10},
		{IMAGE_MOUNT_TMPFS, 0, NULL, stage_below(4, "tmp"), 01777, 4096, 10},
		{IMAGE_MOUNT_BIND, IMAGE_MOUNT_NOEXEC, "/x", stage_below(5, "noexec"), 0, 0, 0},
		{IMAGE_MOUNT_DIR, 0, NULL, stage_below(6, "etc"), 0755, 0, 0},
		{IMAGE_MOUNT_PROC, 0, NULL, "/proc", 0, 0, 0},
	};
	char absent[128];

	(void)snprintf(absent, sizeof(absent), "%s/etc/absent\n", stage_top);
	image_unmap(&image);
	small_image(mounts, ARRAY_SIZE(mounts), &(struct small_cell){.net = net, .absent = absent},
		    &image);
	(void)snprintf(stage_config.workspace, sizeof(stage_config.workspace), "%s/ws", stage_top);
	watch_begin(&stage_watch, &stage_config, &image, &record);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
	if (fd >= 0)
		(void)close(fd);
}

static int no_mounts; /* errno; 0: they are there */

/* Before main, while there is one thread: a user namespace is given to no other process, see unshare(2). */
static __attribute__((constructor)) void own_mounts(void)
{
	unsigned int uid = geteuid();
	unsigned int gid = getegid();
	char map[64];

	if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0) {
		no_mounts = errno;
		return;
	}
	if (uid != 0) {
		write_text("/proc/self/setgroups", "deny");
		(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
		write_text("/proc/self/uid_map", map);
		(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
		write_text("/proc/self/gid_map", map);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		no_mounts = errno;
}

static void put_memory(const char *name, unsigned long flags, const char *options)
{
	cr_assert(mkdir(name, 0755) == 0 || errno == EEXIST, "%s: %m", name);
	cr_assert_eq(mount("test", name, "tmpfs", flags, options), 0, "%s: %m", name);
}

static void put_readonly(const char *name)
{
	cr_assert_eq(mkdir(name, 0755), 0);
	cr_assert_eq(mount("src", name, NULL, MS_BIND, NULL), 0, "%m");
	cr_assert_eq(mount(NULL, name, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0, "%m");
}

static void put_file(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);

	if (fd >= 0)
		(void)close(fd);
}

/* What is there already stays; what is read-only is made through its source. */
void stage_fill(const char *folder)
{
	static const char *const links[][2] = {
		{"file", "link"},
		{"dir", "dirlink"},
		{"nothing", "dangling"},
		{"loop", "loop"},
		{"../ws/file", "to-ws"},
		{"../ro/file", "to-ro"},
		{"../hidden/x", "to-hidden"},
		{"/proc/self/fd/0", "stdin"},
	};
	char old[64];

	(void)snprintf(old, sizeof(old), "%s/dir", folder);
	(void)mkdir(old, 0755);
	(void)snprintf(old, sizeof(old), "%s/file", folder);
	put_file(old, 0755);
	(void)snprintf(old, sizeof(old), "%s/dir/file", folder);
	put_file(old, 0644);
	(void)snprintf(old, sizeof(old), "%s/fifo", folder);
	(void)mkfifo(old, 0644);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		(void)snprintf(old, sizeof(old), "%s/%s", folder, links[i][1]);
		(void)!symlink(links[i][0], old);
	}
	(void)snprintf(old, sizeof(old), "%s/absolute", folder);
	(void)!symlink(stage_below(8, "hidden/secret"), old);
}

void stage_set_up(void)
{
	if (no_mounts)
		cr_skip_test("no mount namespace of its own: %s", strerror(no_mounts));
	(void)snprintf(stage_top, sizeof(stage_top), "/var/tmp/toolcell-judge.XXXXXX");
	cr_assert_not_null(mkdtemp(stage_top));
	put_memory(stage_top, 0, "mode=0755");
	cr_assert_eq(chdir(stage_top), 0);
	put_memory("ws", 0, "mode=0755");
	put_memory("home", 0, "mode=0755");
	put_memory("tmp", 0, "mode=1777");
	put_memory("noexec", MS_NOEXEC, "mode=0755");
	put_memory("src", 0, "mode=0755");
	cr_assert_eq(mkdir("etc", 0755), 0);
	put_readonly("ro");
	put_readonly("other");
	stage_fill("src");
	stage_fill("ws");
	stage_fill("home");
	stage_fill("noexec");
	/* As a cell's root is: what is missing below it is in a read-only place, too. */
	cr_assert_eq(mount(NULL, stage_top, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0, "%m");
	stage_map_image(IMAGE_NET_LOOPBACK);
}

void stage_tear_down(void)
{
	image_unmap(&image);
	(void)!chdir("/");
	(void)umount2(stage_top, MNT_DETACH);
	(void)rmdir(stage_top);
}

int stage_judge_of(pid_t pid, uint32_t nr, const uint64_t args[6], struct record_entry *entry,
		   bool *ret_unseen)
{
	struct seccomp_notif notif = {.pid = (uint32_t)pid, .data = {.nr = (int)nr}};
	struct judged j = {.watch = &stage_watch,
			   .call = observed_call_of(nr),
			   .notif = &notif,
			   .entry = entry};
	int num;

	cr_assert_not_null(j.call, "call %u is not observed", nr);
	memset(entry, 0, sizeof(*entry));
	memcpy(notif.data.args, args, sizeof(notif.data.args));
	num = judge_call(&j);
	if (num == 0)
		cr_assert_eq(entry->path_bytes, 0, "nothing is told of what goes on");
	*ret_unseen = j.unseen;
	return num;
}

int stage_judge(uint32_t nr, const uint64_t args[6], struct record_entry *entry)
{
	bool unseen;
	int num = stage_judge_of(getpid(), nr, args, entry, &unseen);

	cr_assert_not(unseen);
	return num;
}
