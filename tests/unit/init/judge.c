/*
 * Theory of operation: a tree of mounts of the test's own, in a mount namespace of its own, and a
 * notification made by hand that names this process: init reads memory and folders of a process by its id,
 * and one's own serves. What is relative is below the tree, which is the working directory.
 *
 * The rule behind all rows is the first case: whatever is refused here, the kernel itself refuses with the
 * same error. It is held over every call, path and flag below, each made a moment later for real.
 */
#include "init/judge.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../small_image.h"
#include "base/fd.h"

#define P(text) ((uint64_t)(uintptr_t)(text))
#define CWD ((uint64_t)(int64_t)AT_FDCWD)

static char top[64];
static struct image image;
static struct init_config config = {.limits = {.open_files = 4096}};
static struct record record;
static struct watch watch;
static char targets[10][96];

static const char *below(unsigned int i, const char *name)
{
	(void)snprintf(targets[i], sizeof(targets[i]), "%s/%s", top, name);
	return targets[i];
}

static void map_image(enum image_net net)
{
	const struct small_mount mounts[] = {
		{IMAGE_MOUNT_WORKSPACE, 0, NULL, NULL, 0, 0, 0},
		{IMAGE_MOUNT_BIND, IMAGE_MOUNT_READONLY, "/usr", below(1, "ro"), 0, 0, 0},
		{IMAGE_MOUNT_BIND, IMAGE_MOUNT_READONLY, "/usr", below(2, "other"), 0, 0, 0},
		{IMAGE_MOUNT_TMPFS, 0, NULL, below(3, "home"), 0755, 4096, 10},
		{IMAGE_MOUNT_TMPFS, 0, NULL, below(4, "tmp"), 01777, 4096, 10},
		{IMAGE_MOUNT_BIND, IMAGE_MOUNT_NOEXEC, "/x", below(5, "noexec"), 0, 0, 0},
		{IMAGE_MOUNT_DIR, 0, NULL, below(6, "etc"), 0755, 0, 0},
		{IMAGE_MOUNT_PROC, 0, NULL, "/proc", 0, 0, 0},
	};
	char absent[128];

	(void)snprintf(absent, sizeof(absent), "%s/etc/absent\n", top);
	image_unmap(&image);
	small_image(mounts, ARRAY_SIZE(mounts), &(struct small_cell){.net = net, .absent = absent},
		    &image);
	(void)snprintf(config.workspace, sizeof(config.workspace), "%s/ws", top);
	watch_begin(&watch, &config, &image, &record);
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
static void fill(const char *folder)
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
	(void)!symlink(below(8, "hidden/secret"), old);
}

static void set_up(void)
{
	if (no_mounts)
		cr_skip_test("no mount namespace of its own: %s", strerror(no_mounts));
	(void)snprintf(top, sizeof(top), "/var/tmp/toolcell-judge.XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	put_memory(top, 0, "mode=0755");
	cr_assert_eq(chdir(top), 0);
	put_memory("ws", 0, "mode=0755");
	put_memory("home", 0, "mode=0755");
	put_memory("tmp", 0, "mode=1777");
	put_memory("noexec", MS_NOEXEC, "mode=0755");
	put_memory("src", 0, "mode=0755");
	cr_assert_eq(mkdir("etc", 0755), 0);
	put_readonly("ro");
	put_readonly("other");
	fill("src");
	fill("ws");
	fill("home");
	fill("noexec");
	map_image(IMAGE_NET_LOOPBACK);
}

static void tear_down(void)
{
	image_unmap(&image);
	(void)!chdir("/");
	(void)umount2(top, MNT_DETACH);
	(void)rmdir(top);
}

TestSuite(judge, .init = set_up, .fini = tear_down, .timeout = 60);

static int judge_of(pid_t pid, uint32_t nr, const uint64_t args[6], struct record_entry *entry,
		    bool *ret_unseen)
{
	struct seccomp_notif notif = {.pid = (uint32_t)pid, .data = {.nr = (int)nr}};
	struct judged j = {.watch = &watch,
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

static int judge(uint32_t nr, const uint64_t args[6], struct record_entry *entry)
{
	bool unseen;
	int num = judge_of(getpid(), nr, args, entry, &unseen);

	cr_assert_not(unseen);
	return num;
}

/* A row's @path is below the tree; NULL: nothing is refused. */
struct row {
	const char *what;
	uint32_t nr;
	uint64_t args[6];
	uint32_t kind;
	int num;
	const char *path;
};

static void expect_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];
		struct record_entry entry;
		char path[RECORD_PATH_BYTES + 1] = "";
		int num = judge(row->nr, row->args, &entry);

		(void)snprintf(path, sizeof(path), "%.*s", (int)entry.path_bytes, entry.path);
		cr_expect_eq(num, row->num, "%s: %d (%s), not %d", row->what, num, path, row->num);
		if (num == 0 || num != row->num)
			continue;
		cr_expect_eq(entry.what, row->kind, "%s: %u", row->what, entry.what);
		cr_expect_str_eq(path, below(9, row->path), "%s", row->what);
	}
}

#define OPEN(path, flags)                 \
	SYS_openat,                       \
	{                                 \
		CWD, P(path), flags, 0644 \
	}
#define NOTHING 0, 0, NULL

Test(judge, opens_are_refused_for_the_mount_and_for_nothing_else)
{
	const struct row rows[] = {
		{"write", OPEN("ro/file", O_WRONLY), RECORD_READONLY, EROFS, "ro/file"},
		{"read and write", OPEN("ro/file", O_RDWR), RECORD_READONLY, EROFS, "ro/file"},
		{"truncate", OPEN("ro/file", O_TRUNC), RECORD_READONLY, EROFS, "ro/file"},
		{"append", OPEN("ro/link", O_WRONLY | O_APPEND), RECORD_READONLY, EROFS, "ro/file"},
		{"make", OPEN("ro/new", O_CREAT | O_WRONLY), RECORD_READONLY, EROFS, "ro/new"},
		{"make only", OPEN("ro/new", O_CREAT), RECORD_READONLY, EROFS, "ro/new"},
		{"make exclusively", OPEN("ro/new", O_CREAT | O_EXCL | O_RDWR), RECORD_READONLY,
		 EROFS, "ro/new"},
		{"by a link", OPEN("ws/to-ro", O_WRONLY), RECORD_READONLY, EROFS, "ro/file"},
		{"nameless", OPEN("ro/dir", O_TMPFILE | O_RDWR), RECORD_READONLY, EROFS, "ro/dir"},
		{"hidden", OPEN("hidden/x", O_RDONLY), RECORD_HIDDEN, ENOENT, "hidden/x"},
		{"by a link", OPEN("ws/absolute", O_RDONLY), RECORD_HIDDEN, ENOENT,
		 "hidden/secret"},
		{"hidden, dots", OPEN("ws/../hidden/./x", O_RDONLY), RECORD_HIDDEN, ENOENT,
		 "hidden/x"},
		{"of the home", OPEN("home/missing", O_RDONLY), RECORD_HIDDEN, ENOENT,
		 "home/missing"},
		{"of the folder", OPEN("etc/shadow", O_RDONLY), RECORD_HIDDEN, ENOENT,
		 "etc/shadow"},
		{"O_PATH too", OPEN("etc/shadow", O_PATH), RECORD_HIDDEN, ENOENT, "etc/shadow"},
		{"hidden, to write", OPEN("etc/shadow", O_WRONLY), RECORD_HIDDEN, ENOENT,
		 "etc/shadow"},
		{"hidden folder", OPEN("hidden/x/y", O_CREAT | O_WRONLY), RECORD_HIDDEN, ENOENT,
		 "hidden/x/y"},
		{"is there: EEXIST", OPEN("ro/file", O_CREAT | O_EXCL | O_WRONLY), NOTHING},
		{"is a link: EEXIST", OPEN("ro/dangling", O_CREAT | O_EXCL | O_WRONLY), NOTHING},
		{"reads", OPEN("ro/file", O_RDONLY), NOTHING},
		{"makes what is there", OPEN("ro/file", O_CREAT), NOTHING},
		{"a name only", OPEN("ro/file", O_PATH | O_WRONLY), NOTHING},
		{"a folder: EISDIR", OPEN("ro/dir", O_WRONLY), NOTHING},
		{"a folder: EISDIR", OPEN("ro/dir", O_CREAT | O_WRONLY), NOTHING},
		{"a link: ELOOP", OPEN("ro/link", O_WRONLY | O_NOFOLLOW), NOTHING},
		{"no folder: ENOTDIR", OPEN("ro/file", O_WRONLY | O_DIRECTORY), NOTHING},
		{"no folder: ENOTDIR", OPEN("ro/file/", O_WRONLY), NOTHING},
		{"EISDIR", OPEN("ro/new/", O_CREAT | O_WRONLY), NOTHING},
		{"a pipe is no write to the mount", OPEN("ro/fifo", O_RDWR), NOTHING},
		{"EINVAL", OPEN("ro/dir", O_TMPFILE), NOTHING},
		{"dangling: made elsewhere", OPEN("ro/dangling", O_CREAT | O_WRONLY), NOTHING},
		{"missing on the host", OPEN("ro/missing", O_RDONLY), NOTHING},
		{"missing on the host", OPEN("ro/missing/x", O_CREAT | O_WRONLY), NOTHING},
		{"the tool's own", OPEN("ws/missing", O_RDONLY), NOTHING},
		{"the tool's own", OPEN("tmp/missing", O_RDONLY), NOTHING},
		{"the tool's own", OPEN("ws/missing/x", O_CREAT | O_WRONLY), NOTHING},
		{"named absent", OPEN("etc/absent", O_RDONLY), NOTHING},
		{"named absent", OPEN("etc/absent/x", O_RDONLY), NOTHING},
		{"ELOOP", OPEN("ws/loop", O_WRONLY), NOTHING},
		{"the tool's own stdin", OPEN("home/stdin", O_RDONLY), NOTHING},
		{"empty", OPEN("", O_RDONLY), NOTHING},
		{"the folder itself", OPEN(".", O_RDONLY), NOTHING},
		{"the folder above", OPEN("ro/..", O_RDONLY), NOTHING},
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

Test(judge, what_is_made_changed_or_removed_is_told_by_its_real_name)
{
	const struct row rows[] = {
		{"mkdir", SYS_mkdirat, {CWD, P("ro/new"), 0755}, RECORD_READONLY, EROFS, "ro/new"},
		{"mkdir/",
		 SYS_mkdirat,
		 {CWD, P("ro/new//"), 0755},
		 RECORD_READONLY,
		 EROFS,
		 "ro/new"},
		{"mkdir, link",
		 SYS_mkdirat,
		 {CWD, P("ro/dirlink/d"), 0755},
		 RECORD_READONLY,
		 EROFS,
		 "ro/dir/d"},
		{"is there", SYS_mkdirat, {CWD, P("ro/dir"), 0755}, NOTHING},
		{"dangling is there", SYS_mkdirat, {CWD, P("ro/dangling"), 0755}, NOTHING},
		{"dot", SYS_mkdirat, {CWD, P("ro/."), 0755}, NOTHING},
		{"dots", SYS_mkdirat, {CWD, P("ro/dir/.."), 0755}, NOTHING},
		{"own", SYS_mkdirat, {CWD, P("ws/new"), 0755}, NOTHING},
		{"mknod",
		 SYS_mknodat,
		 {CWD, P("ro/n"), S_IFIFO | 0644, 0},
		 RECORD_READONLY,
		 EROFS,
		 "ro/n"},
		{"mknod/: ENOENT", SYS_mknodat, {CWD, P("ro/n/"), S_IFIFO | 0644, 0}, NOTHING},
		{"symlink",
		 SYS_symlinkat,
		 {P("x"), CWD, P("ro/l")},
		 RECORD_READONLY,
		 EROFS,
		 "ro/l"},
		{"link",
		 SYS_linkat,
		 {CWD, P("ro/file"), CWD, P("ro/l"), 0},
		 RECORD_READONLY,
		 EROFS,
		 "ro/l"},
		{"link of nothing", SYS_linkat, {CWD, P("ws/none"), CWD, P("ro/l"), 0}, NOTHING},
		{"link of hidden",
		 SYS_linkat,
		 {CWD, P("hidden/x"), CWD, P("ws/l"), 0},
		 RECORD_HIDDEN,
		 ENOENT,
		 "hidden/x"},
		{"chmod",
		 SYS_fchmodat,
		 {CWD, P("ro/file"), 0600},
		 RECORD_READONLY,
		 EROFS,
		 "ro/file"},
		{"chmod of a pipe",
		 SYS_fchmodat,
		 {CWD, P("ro/fifo"), 0600},
		 RECORD_READONLY,
		 EROFS,
		 "ro/fifo"},
		{"times",
		 SYS_utimensat,
		 {CWD, P("ro/file"), 0, 0},
		 RECORD_READONLY,
		 EROFS,
		 "ro/file"},
		{"times of a link",
		 SYS_utimensat,
		 {CWD, P("ro/link"), 0, AT_SYMLINK_NOFOLLOW},
		 RECORD_READONLY,
		 EROFS,
		 "ro/link"},
		{"times of a descriptor", SYS_utimensat, {0, 0, 0, 0}, NOTHING},
		{"owner of a descriptor", SYS_fchownat, {0, P(""), 0, 0, AT_EMPTY_PATH}, NOTHING},
		{"owner",
		 SYS_fchownat,
		 {CWD, P("ro/file"), 0, 0, 0},
		 RECORD_READONLY,
		 EROFS,
		 "ro/file"},
		{"truncate", SYS_truncate, {P("ro/file"), 0}, RECORD_READONLY, EROFS, "ro/file"},
		{"truncate a folder: EISDIR", SYS_truncate, {P("ro/dir"), 0}, NOTHING},
		{"truncate a pipe: EINVAL", SYS_truncate, {P("ro/fifo"), 0}, NOTHING},
		{"unlink", SYS_unlinkat, {CWD, P("ro/file"), 0}, RECORD_READONLY, EROFS, "ro/file"},
		{"unlink a link",
		 SYS_unlinkat,
		 {CWD, P("ro/to-ws"), 0},
		 RECORD_READONLY,
		 EROFS,
		 "ro/to-ws"},
		{"not there", SYS_unlinkat, {CWD, P("ro/none"), 0}, NOTHING},
		{"rename",
		 SYS_renameat2,
		 {CWD, P("ro/file"), CWD, P("ro/f"), 0},
		 RECORD_READONLY,
		 EROFS,
		 "ro/file"},
		{"to another mount: EXDEV",
		 SYS_renameat2,
		 {CWD, P("ro/file"), CWD, P("ws/f"), 0},
		 NOTHING},
		{"from another mount: EXDEV",
		 SYS_renameat2,
		 {CWD, P("ws/file"), CWD, P("ro/f"), 0},
		 NOTHING},
		{"between the same files' mounts",
		 SYS_renameat2,
		 {CWD, P("ro/file"), CWD, P("other/f"), 0},
		 NOTHING},
		{"own", SYS_renameat2, {CWD, P("ws/file"), CWD, P("ws/f"), 0}, NOTHING},
		{"hidden",
		 SYS_renameat2,
		 {CWD, P("hidden/x"), CWD, P("ws/f"), 0},
		 RECORD_HIDDEN,
		 ENOENT,
		 "hidden/x"},
		{"dots", SYS_renameat2, {CWD, P("ro/dir/.."), CWD, P("ro/f"), 0}, NOTHING},
		{"enter", SYS_chdir, {P("hidden")}, RECORD_HIDDEN, ENOENT, "hidden"},
		{"enter a file", SYS_chdir, {P("ro/file")}, NOTHING},
		{"execute",
		 SYS_execve,
		 {P("noexec/file"), 0, 0},
		 RECORD_NOEXEC,
		 EACCES,
		 "noexec/file"},
		{"no program", SYS_execve, {P("noexec/dir/file"), 0, 0}, NOTHING},
		{"a folder", SYS_execve, {P("noexec/dir"), 0, 0}, NOTHING},
		{"elsewhere", SYS_execve, {P("ws/file"), 0, 0}, NOTHING},
		{"by a descriptor", SYS_execveat, {0, P(""), 0, 0, AT_EMPTY_PATH}, NOTHING},
		{"execute hidden",
		 SYS_execve,
		 {P("hidden/sh"), 0, 0},
		 RECORD_HIDDEN,
		 ENOENT,
		 "hidden/sh"},
	};

	expect_rows(rows, ARRAY_SIZE(rows));
}

static const char *const names[] = {
	"file",	    "file/",	 "file/x", "dir",	   "dir/",    "dir/.",	   "dir/..",
	"dir/file", "fifo",	 "link",   "link/",	   "dirlink", "dirlink/",  "dirlink/n",
	"dangling", "dangling/", "loop",   "to-ws",	   "to-ro",   "to-hidden", "absolute",
	"none",	    "none/",	 "none/x", "none/../file", ".",	      "..",	   "../ws/file",
};

static const char *const folders[] = {"ro",  "other",  "ws",  "home",
				      "tmp", "noexec", "etc", "hidden"};

static const int open_flags[] = {
	O_RDONLY,
	O_WRONLY,
	O_RDWR,
	O_WRONLY | O_TRUNC,
	O_CREAT,
	O_CREAT | O_WRONLY,
	O_RDONLY | O_TRUNC,
	O_CREAT | O_WRONLY | O_EXCL,
	O_CREAT | O_WRONLY | O_TRUNC,
	O_PATH,
	O_WRONLY | O_NOFOLLOW,
	O_CREAT | O_WRONLY | O_NOFOLLOW,
	O_DIRECTORY,
	O_WRONLY | O_DIRECTORY,
	O_TMPFILE | O_RDWR,
	O_TMPFILE,
	O_PATH | O_NOFOLLOW,
	O_CREAT | O_DIRECTORY,
};

static unsigned int refused;

/* Judged, then made: who refuses must be right. */
static void hold_against_kernel(uint32_t nr, const uint64_t a[6], const char *what,
				const char *first, const char *second)
{
	struct record_entry entry;
	int num = judge(nr, a, &entry);
	long r;

	errno = 0;
	r = syscall((long)nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (num != 0) {
		refused++;
		cr_expect(r < 0 && errno == num, "%s(%s, %s, %#lx): the kernel says %ld %s, not %s",
			  what, first, second, (unsigned long)a[2], r,
			  r < 0 ? strerrorname_np(errno) : "", strerrorname_np(num));
	}
	if (r >= 0 && nr == SYS_openat)
		(void)close((int)r);
	if (r >= 0 && nr == SYS_chdir)
		cr_assert_eq(chdir(top), 0);
}

static void sweep_one(const char *path)
{
	static const struct {
		const char *what;
		uint32_t nr;
		int path; /* index of the argument */
		uint64_t args[6];
	} calls[] = {
		{"mkdirat", SYS_mkdirat, 1, {CWD, 0, 0755}},
		{"mknodat", SYS_mknodat, 1, {CWD, 0, S_IFIFO | 0644, 0}},
		{"symlinkat", SYS_symlinkat, 2, {0, CWD, 0}},
		{"fchmodat", SYS_fchmodat, 1, {CWD, 0, 0755}},
		{"utimensat", SYS_utimensat, 1, {CWD, 0, 0, 0}},
		{"utimensat nofollow", SYS_utimensat, 1, {CWD, 0, 0, AT_SYMLINK_NOFOLLOW}},
		{"truncate", SYS_truncate, 0, {0, 0}},
		{"unlinkat", SYS_unlinkat, 1, {CWD, 0, 0}},
		{"rmdir", SYS_unlinkat, 1, {CWD, 0, AT_REMOVEDIR}},
		{"chdir", SYS_chdir, 0, {0}},
		{"faccessat", SYS_faccessat, 1, {CWD, 0, R_OK}},
		{"execve", SYS_execve, 0, {0, 0, 0}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		uint64_t args[6];

		memcpy(args, calls[i].args, sizeof(args));
		args[calls[i].path] = P(path);
		if (calls[i].nr == SYS_symlinkat)
			args[0] = P("x");
		fill("ws");
		hold_against_kernel(calls[i].nr, args, calls[i].what, path, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(open_flags); i++) {
		const uint64_t args[6] = {CWD, P(path), (uint64_t)(open_flags[i] | O_NONBLOCK),
					  0644};

		fill("ws");
		hold_against_kernel(SYS_openat, args, "openat", path, "");
	}
}

Test(judge, whatever_is_refused_the_kernel_refuses_with_the_same_error)
{
	char path[128];

	for (size_t f = 0; f < ARRAY_SIZE(folders); f++)
		for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
			(void)snprintf(path, sizeof(path), "%s/%s", folders[f], names[n]);
			sweep_one(path);
			(void)snprintf(path, sizeof(path), "%s/%s/%s", top, folders[f], names[n]);
			sweep_one(path);
		}
	cr_expect_gt(refused, 200, "a sweep that finds nothing: %u", refused);
}

Test(judge, two_names_are_refused_as_the_kernel_does)
{
	static const char *const ends[] = {"file", "none",     "dir",	 "none/",
					   "link", "dangling", "none/x", "."};
	char old[64];
	char new[64];

	for (size_t i = 0; i < ARRAY_SIZE(folders) * ARRAY_SIZE(ends); i++)
		for (size_t k = 0; k < ARRAY_SIZE(folders) * ARRAY_SIZE(ends); k++) {
			const uint64_t args[6] = {CWD, P(old), CWD, P(new), 0};

			(void)snprintf(old, sizeof(old), "%s/%s", folders[i / ARRAY_SIZE(ends)],
				       ends[i % ARRAY_SIZE(ends)]);
			(void)snprintf(new, sizeof(new), "%s/%s", folders[k / ARRAY_SIZE(ends)],
				       ends[k % ARRAY_SIZE(ends)]);
			fill("ws");
			hold_against_kernel(SYS_renameat2, args, "rename", old, new);
			fill("ws");
			hold_against_kernel(SYS_linkat, args, "link", old, new);
		}
	cr_expect_gt(refused, 200, "a sweep that finds nothing: %u", refused);
}

Test(judge, a_working_folder_that_was_removed_leads_where_the_kernel_says)
{
	static const char *const paths[] = {".", "..", "../file", "../none", "x", "./x"};

	cr_assert_eq(mkdir("home/gone", 0755), 0);
	cr_assert_eq(chdir("home/gone"), 0);
	cr_assert_eq(rmdir("../gone"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		for (size_t k = 0; k < ARRAY_SIZE(open_flags); k++) {
			const uint64_t args[6] = {CWD, P(paths[i]),
						  (uint64_t)(open_flags[k] | O_NONBLOCK), 0644};

			hold_against_kernel(SYS_openat, args, "openat", paths[i], "");
		}
	(void)!chdir(top);
}

Test(judge, paths_begin_at_their_descriptor_or_are_left_alone)
{
	CLEANUP(fd_closep) int ro = open("ro", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(fd_closep) int file = open("ro/file", O_RDONLY | O_CLOEXEC);
	int pair[2];
	struct record_entry entry;
	const uint64_t good[6] = {(uint64_t)ro, P("file"), O_WRONLY};
	const uint64_t padded[6] = {(uint64_t)ro | 0xdead00000000, P("file"), O_WRONLY};

	cr_assert_eq(pipe2(pair, O_CLOEXEC), 0);
	cr_expect_eq(judge(SYS_openat, good, &entry), EROFS);
	cr_expect_eq(judge(SYS_openat, padded, &entry), EROFS, "the kernel reads 32 bits");
	for (int i = 0; i < 4; i++) {
		const int dirs[] = {file, pair[0], 4000, -1};
		const uint64_t args[6] = {(uint64_t)(int64_t)dirs[i], P("file"),
					  O_WRONLY | O_CREAT};

		cr_expect_eq(judge(SYS_openat, args, &entry), 0, "row %d", i);
	}
}

Test(judge, memory_that_cannot_be_read_is_left_to_the_kernel_and_counted)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct record_entry entry;
	bool unseen = false;

	cr_assert_neq(page, MAP_FAILED);
	cr_assert_eq(mprotect(page + 4096, 4096, PROT_NONE), 0);
	memcpy(page + 4096 - 8, "ro/file", 8);
	{
		/* It ends with the page, is without an end, is nowhere. */
		const uint64_t ends[6] = {CWD, P(page + 4096 - 8), O_WRONLY};

		cr_expect_eq(judge(SYS_openat, ends, &entry), EROFS);
	}
	page[4095] = 'x';
	for (int i = 0; i < 4; i++) {
		const uint64_t where[] = {P(page + 4096 - 8), 0, 1, UINT64_MAX - 2};
		const uint64_t args[6] = {CWD, where[i], O_WRONLY};

		cr_expect_eq(judge_of(getpid(), SYS_openat, args, &entry, &unseen), 0, "row %d", i);
		cr_expect(unseen, "row %d", i);
	}
	{
		const uint64_t args[6] = {CWD, P("ro/file"), O_WRONLY};

		cr_expect_eq(judge_of(0x3ffffff0, SYS_openat, args, &entry, &unseen), 0,
			     "a process that is gone");
		cr_expect(unseen);
	}
}

Test(judge, paths_of_every_length_are_read_within_bounds)
{
	static char path[3 * PATH_MAX];
	struct record_entry entry;
	const uint64_t args[6] = {CWD, P(path), O_WRONLY | O_CREAT};
	size_t len = (size_t)snprintf(path, sizeof(path), "%s/hidden", top);

	/* around what a record and what a path may hold; components of 200 */
	for (size_t n = len + 1; n < PATH_MAX + 20;
	     n += (n > 1000 && n < 1060) || n > PATH_MAX - 8 ? 1 : 29) {
		int num;

		memset(path + len, 'x', sizeof(path) - len);
		for (size_t i = len; i < n; i += 200)
			path[i] = '/';
		path[n] = '\0';
		num = judge(SYS_openat, args, &entry);
		/* With a slash at its end: EISDIR, or so. */
		cr_expect_eq(num, n < PATH_MAX && path[n - 1] != '/' ? ENOENT : 0, "%zu: %d", n,
			     num);
		if (num == 0)
			continue;
		cr_expect_eq(entry.path_bytes, n < RECORD_PATH_BYTES ? n : RECORD_PATH_BYTES, "%zu",
			     n);
		cr_expect_eq(entry.cut, n > RECORD_PATH_BYTES, "%zu", n);
		cr_expect_eq(memcmp(entry.path, path, entry.path_bytes), 0, "%zu", n);
	}
}

/* "self" is another for init than for the tool: what is not there for init says nothing. */
Test(judge, a_link_to_self_is_left_to_the_kernel)
{
	pid_t child = fork();
	struct record_entry entry;
	char path[128];
	bool unseen;

	if (child == 0)
		for (;;)
			(void)pause();
	cr_assert_eq(symlink("/proc/self", "home/me"), 0);
	cr_assert_eq(symlink("/proc/self/task", "ws/tasks"), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d", child);
	cr_assert_eq(symlink(path, "home/thread"), 0);
	(void)snprintf(path, sizeof(path), "me/task/%d/comm", child);
	cr_assert_eq(symlink(path, "home/name"), 0);
	(void)snprintf(path, sizeof(path), "%s/home/me/task/%d/comm", top, child);
	cr_assert_eq(symlink(path, "home/absolute-name"), 0);
	for (int i = 0; i < 8; i++) {
		static const struct {
			const char *before;
			const char *behind;
		} forms[] = {
			{"home/me/task/", "/comm"},   {"ws/tasks/", "/comm"},
			{"home/me/task/", ""},	      {"/proc/self/task/", "/comm"},
			{"home/thread/comm", NULL},   {"home/name", NULL},
			{"home/absolute-name", NULL}, {"home/me/task/", "/../x"},
		};
		const int flags[] = {O_RDONLY, O_WRONLY, O_WRONLY | O_CREAT};

		(void)snprintf(path, sizeof(path), "%s", forms[i].before);
		if (forms[i].behind)
			(void)snprintf(path, sizeof(path), "%s%d%s", forms[i].before, child,
				       forms[i].behind);
		for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
			const uint64_t args[6] = {CWD, P(path), (uint64_t)flags[k], 0644};

			cr_expect_eq(judge_of(child, SYS_openat, args, &entry, &unseen), 0,
				     "%s %#x", path, (unsigned int)flags[k]);
		}
	}
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
}

Test(judge, every_descriptor_in_use_is_told_and_one_less_is_not)
{
	const struct rlimit few = {40, 40};
	const uint64_t args[6] = {CWD, P("ws/file"), O_RDONLY};
	struct record_entry entry;
	int last = -1;

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	config.limits.open_files = 40;
	for (int fd = 0; fd >= 0; fd = open("ws/file", O_RDONLY | O_CLOEXEC))
		last = fd;
	/* The judge itself has to open something here; in init it is another process's table. */
	(void)close(last);
	cr_expect_eq(judge(SYS_openat, args, &entry), 0);
	config.limits.open_files = 4096;
}

/* Addresses: what a connect(2) or sendto(2) is told. */
static const char *reached(const void *address, uint64_t len, bool send, int *ret_num)
{
	static char text[RECORD_PATH_BYTES + 1];
	struct record_entry entry;
	const uint64_t sends[6] = {0, 0, 0, 0, P(address), len};
	const uint64_t connects[6] = {0, P(address), len};

	*ret_num = judge(send ? SYS_sendto : SYS_connect, send ? sends : connects, &entry);
	(void)snprintf(text, sizeof(text), "%.*s", (int)entry.path_bytes, entry.path);
	return text;
}

Test(judge, addresses_outside_of_the_cell_are_told_with_their_port)
{
	static const struct {
		const char *address;
		int num;
		const char *told;
	} rows[] = {
		{"192.0.2.1", ENETUNREACH, "192.0.2.1:443"},
		{"8.8.8.8", ENETUNREACH, "8.8.8.8:443"},
		{"127.0.0.1", 0, ""},
		{"127.9.9.9", 0, ""},
		{"0.0.0.0", 0, ""},
		{"224.0.0.251", 0, ""}, /* may go round within the cell */
		{"2001:db8::1", ENETUNREACH, "[2001:db8::1]:443"},
		{"::1", 0, ""},
		{"::", 0, ""},
		{"::ffff:127.0.0.1", 0, ""},
		{"::ffff:192.0.2.1", ENETUNREACH, "[::ffff:192.0.2.1]:443"},
		{"::ffff:224.0.0.251", 0, ""},
		{"ff02::1", 0, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		const char *text = rows[i / 2].address;
		struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
		struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(443)};
		bool six = strchr(text, ':');
		int num = -1;
		const char *told;

		cr_assert_eq(inet_pton(six ? AF_INET6 : AF_INET, text,
				       six ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr),
			     1);
		told = reached(six ? (void *)&v6 : (void *)&v4, six ? sizeof(v6) : sizeof(v4),
			       i % 2, &num);
		cr_expect_eq(num, rows[i / 2].num, "%s", text);
		cr_expect_str_eq(told, rows[i / 2].told, "%s", text);
		/* One byte short: the kernel's EINVAL. */
		(void)reached(six ? (void *)&v6 : (void *)&v4,
			      six ? sizeof(v6) - 1 : sizeof(v4) - 1, i % 2, &num);
		cr_expect_eq(num, 0, "%s, cut", text);
	}
}

Test(judge, without_a_network_addresses_of_the_internet_are_none_of_its_business)
{
	const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
	int num = -1;

	map_image(IMAGE_NET_NONE);
	(void)reached(&v4, sizeof(v4), false, &num);
	cr_expect_eq(num, 0);
}

Test(judge, sockets_in_files_are_hidden_or_there_abstract_and_nameless_ones_neither)
{
	static const struct {
		const char *path;
		size_t len; /* of the whole address; 0: with its NUL */
		int num;
	} rows[] = {
		{"hidden/sock", 0, ENOENT},
		{"hidden/sock", offsetof(struct sockaddr_un, sun_path) + 11, ENOENT},
		{"ws/none", 0, 0},
		{"ro/file", 0, 0},
		{"\0hidden/sock", offsetof(struct sockaddr_un, sun_path) + 12, 0},
		{"", offsetof(struct sockaddr_un, sun_path) + 1, 0},
		{"", offsetof(struct sockaddr_un, sun_path), 0},
		{"", 1, 0},
		{"hidden/sock", sizeof(struct sockaddr_un) + 1, 0},
		{"hidden/sock", UINT32_MAX, 0},
		{"hidden/sock", sizeof(struct sockaddr_un), ENOENT},
	};
	struct sockaddr_un at[2] = {{.sun_family = AF_UNIX}};
	int num = -1;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].path);

		memset(at[0].sun_path, 0, sizeof(at[0].sun_path));
		memcpy(at[0].sun_path, rows[i].path, len ? len + 1 : 12);
		(void)reached(at,
			      rows[i].len ? rows[i].len
					  : offsetof(struct sockaddr_un, sun_path) + len + 1,
			      false, &num);
		cr_expect_eq(num, rows[i].num, "row %zu: %d", i, num);
	}
	/* 108 bytes without a NUL are a path too. */
	memset(at[0].sun_path, 'x', sizeof(at[0].sun_path));
	memcpy(at[0].sun_path, "hidden/", 7);
	(void)reached(at, sizeof(at[0]), false, &num);
	cr_expect_eq(num, ENOENT);
	(void)reached(NULL, 16, true, &num);
	cr_expect_eq(num, 0, "no address at all");
}

Test(judge, signals_to_ids_that_the_cell_never_had)
{
	const uint64_t self[6] = {(uint64_t)getpid(), 0};
	const uint64_t group[6] = {0, SIGCONT};
	const uint64_t all[6] = {(uint64_t)-1, 0};
	const uint64_t high[6] = {0x3ffffff0, SIGKILL};
	pid_t child = fork();
	struct record_entry entry;

	if (child == 0)
		_exit(0);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	{
		const uint64_t gone[6] = {(uint64_t)child, SIGKILL};

		cr_expect_eq(judge(SYS_kill, gone, &entry), 0, "it was there");
	}
	cr_expect_eq(judge(SYS_kill, self, &entry), 0);
	cr_expect_eq(judge(SYS_kill, group, &entry), 0);
	cr_expect_eq(judge(SYS_kill, all, &entry), 0);
	cr_expect_eq(judge(SYS_kill, high, &entry), ESRCH);
	cr_expect_eq(entry.what, RECORD_SIGNAL);
	for (int i = 0; i < 2; i++) {
		const uint64_t init[6] = {1, SIGTERM};

		watch.scoped = i;
		cr_expect_eq(judge(SYS_kill, init, &entry), i ? EPERM : 0, "scoped %d", i);
	}
}
