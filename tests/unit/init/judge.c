/* Row by row what is refused, under which name, and what is left to the kernel. */
#include "init/judge.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "stage.h"

TestSuite(judge, .init = stage_set_up, .fini = stage_tear_down, .timeout = 60);

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
		int num = stage_judge(row->nr, row->args, &entry);

		(void)snprintf(path, sizeof(path), "%.*s", (int)entry.path_bytes, entry.path);
		cr_expect_eq(num, row->num, "%s: %d (%s), not %d", row->what, num, path, row->num);
		if (num == 0 || num != row->num)
			continue;
		cr_expect_eq(entry.what, row->kind, "%s: %u", row->what, entry.what);
		cr_expect_str_eq(path, stage_below(9, row->path), "%s", row->what);
	}
}

#define OPEN(path, flags)                 \
	SYS_openat,                       \
	{                                 \
		CWD, P(path), flags, 0644 \
	}
#define NOTHING 0, 0, NULL

static const struct row opens[] = {
	{"write", OPEN("ro/file", O_WRONLY), RECORD_READONLY, EROFS, "ro/file"},
	{"read and write", OPEN("ro/file", O_RDWR), RECORD_READONLY, EROFS, "ro/file"},
	{"truncate", OPEN("ro/file", O_TRUNC), RECORD_READONLY, EROFS, "ro/file"},
	{"append", OPEN("ro/link", O_WRONLY | O_APPEND), RECORD_READONLY, EROFS, "ro/file"},
	{"make", OPEN("ro/new", O_CREAT | O_WRONLY), RECORD_READONLY, EROFS, "ro/new"},
	{"make only", OPEN("ro/new", O_CREAT), RECORD_READONLY, EROFS, "ro/new"},
	{"make exclusively", OPEN("ro/new", O_CREAT | O_EXCL | O_RDWR), RECORD_READONLY, EROFS,
	 "ro/new"},
	{"by a link", OPEN("ws/to-ro", O_WRONLY), RECORD_READONLY, EROFS, "ro/file"},
	{"nameless", OPEN("ro/dir", O_TMPFILE | O_RDWR), RECORD_READONLY, EROFS, "ro/dir"},
	{"hidden", OPEN("hidden/x", O_RDONLY), RECORD_HIDDEN, ENOENT, "hidden/x"},
	{"by a link", OPEN("ws/absolute", O_RDONLY), RECORD_HIDDEN, ENOENT, "hidden/secret"},
	{"hidden, dots", OPEN("ws/../hidden/./x", O_RDONLY), RECORD_HIDDEN, ENOENT, "hidden/x"},
	{"of the home", OPEN("home/missing", O_RDONLY), RECORD_HIDDEN, ENOENT, "home/missing"},
	{"of the folder", OPEN("etc/shadow", O_RDONLY), RECORD_HIDDEN, ENOENT, "etc/shadow"},
	{"O_PATH too", OPEN("etc/shadow", O_PATH), RECORD_HIDDEN, ENOENT, "etc/shadow"},
	{"hidden, to write", OPEN("etc/shadow", O_WRONLY), RECORD_HIDDEN, ENOENT, "etc/shadow"},
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

Test(judge, opens_are_refused_for_the_mount_and_for_nothing_else)
{
	expect_rows(opens, ARRAY_SIZE(opens));
}

static const struct row others[] = {
	{"mkdir", SYS_mkdirat, {CWD, P("ro/new"), 0755}, RECORD_READONLY, EROFS, "ro/new"},
	{"mkdir/", SYS_mkdirat, {CWD, P("ro/new//"), 0755}, RECORD_READONLY, EROFS, "ro/new"},
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
	{"mknod", SYS_mknodat, {CWD, P("ro/n"), S_IFIFO | 0644, 0}, RECORD_READONLY, EROFS, "ro/n"},
	{"mknod/: ENOENT", SYS_mknodat, {CWD, P("ro/n/"), S_IFIFO | 0644, 0}, NOTHING},
	{"symlink", SYS_symlinkat, {P("x"), CWD, P("ro/l")}, RECORD_READONLY, EROFS, "ro/l"},
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
	{"chmod", SYS_fchmodat, {CWD, P("ro/file"), 0600}, RECORD_READONLY, EROFS, "ro/file"},
	{"chmod of a pipe",
	 SYS_fchmodat,
	 {CWD, P("ro/fifo"), 0600},
	 RECORD_READONLY,
	 EROFS,
	 "ro/fifo"},
	{"times", SYS_utimensat, {CWD, P("ro/file"), 0, 0}, RECORD_READONLY, EROFS, "ro/file"},
	{"times of a link",
	 SYS_utimensat,
	 {CWD, P("ro/link"), 0, AT_SYMLINK_NOFOLLOW},
	 RECORD_READONLY,
	 EROFS,
	 "ro/link"},
	{"times of a descriptor", SYS_utimensat, {0, 0, 0, 0}, NOTHING},
	{"owner of a descriptor", SYS_fchownat, {0, P(""), 0, 0, AT_EMPTY_PATH}, NOTHING},
	{"owner", SYS_fchownat, {CWD, P("ro/file"), 0, 0, 0}, RECORD_READONLY, EROFS, "ro/file"},
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
	{"not there, a folder", SYS_unlinkat, {CWD, P("ro/none"), AT_REMOVEDIR}, NOTHING},
	{"hidden in a read-only folder",
	 SYS_unlinkat,
	 {CWD, P("etc/shadow"), 0},
	 RECORD_READONLY,
	 EROFS,
	 "etc/shadow"},
	{"hidden folder",
	 SYS_unlinkat,
	 {CWD, P("hidden/"), AT_REMOVEDIR},
	 RECORD_READONLY,
	 EROFS,
	 "hidden"},
	{"not there, own", SYS_unlinkat, {CWD, P("ws/none"), 0}, NOTHING},
	{"not there, hidden",
	 SYS_unlinkat,
	 {CWD, P("home/none"), 0},
	 RECORD_HIDDEN,
	 ENOENT,
	 "home/none"},
	{"in no folder", SYS_unlinkat, {CWD, P("hidden/x"), 0}, RECORD_HIDDEN, ENOENT, "hidden/x"},
	{"dot", SYS_unlinkat, {CWD, P("ro/dir/."), AT_REMOVEDIR}, NOTHING},
	{"rename",
	 SYS_renameat2,
	 {CWD, P("ro/file"), CWD, P("ro/f"), 0},
	 RECORD_READONLY,
	 EROFS,
	 "ro/file"},
	{"rename what is not there",
	 SYS_renameat2,
	 {CWD, P("ro/none"), CWD, P("ro/f"), 0},
	 NOTHING},
	{"rename what is hidden",
	 SYS_renameat2,
	 {CWD, P("etc/shadow"), CWD, P("etc/f"), 0},
	 RECORD_READONLY,
	 EROFS,
	 "etc/shadow"},
	{"to another mount: EXDEV", SYS_renameat2, {CWD, P("ro/file"), CWD, P("ws/f"), 0}, NOTHING},
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
	{"execute", SYS_execve, {P("noexec/file"), 0, 0}, RECORD_NOEXEC, EACCES, "noexec/file"},
	{"no program", SYS_execve, {P("noexec/dir/file"), 0, 0}, NOTHING},
	{"a folder", SYS_execve, {P("noexec/dir"), 0, 0}, NOTHING},
	{"elsewhere", SYS_execve, {P("ws/file"), 0, 0}, NOTHING},
	{"by a descriptor", SYS_execveat, {0, P(""), 0, 0, AT_EMPTY_PATH}, NOTHING},
	{"execute hidden", SYS_execve, {P("hidden/sh"), 0, 0}, RECORD_HIDDEN, ENOENT, "hidden/sh"},
};

Test(judge, what_is_made_changed_or_removed_is_told_by_its_real_name)
{
	expect_rows(others, ARRAY_SIZE(others));
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
	cr_expect_eq(stage_judge(SYS_openat, good, &entry), EROFS);
	cr_expect_eq(stage_judge(SYS_openat, padded, &entry), EROFS, "the kernel reads 32 bits");
	for (int i = 0; i < 4; i++) {
		const int dirs[] = {file, pair[0], 4000, -1};
		const uint64_t args[6] = {(uint64_t)(int64_t)dirs[i], P("file"),
					  O_WRONLY | O_CREAT};

		cr_expect_eq(stage_judge(SYS_openat, args, &entry), 0, "row %d", i);
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

		cr_expect_eq(stage_judge(SYS_openat, ends, &entry), EROFS);
	}
	page[4095] = 'x';
	for (int i = 0; i < 4; i++) {
		const uint64_t where[] = {P(page + 4096 - 8), 0, 1, UINT64_MAX - 2};
		const uint64_t args[6] = {CWD, where[i], O_WRONLY};

		cr_expect_eq(stage_judge_of(getpid(), SYS_openat, args, &entry, &unseen), 0,
			     "row %d", i);
		cr_expect(unseen, "row %d", i);
	}
	{
		const uint64_t args[6] = {CWD, P("ro/file"), O_WRONLY};

		cr_expect_eq(stage_judge_of(0x3ffffff0, SYS_openat, args, &entry, &unseen), 0,
			     "a process that is gone");
		cr_expect(unseen);
	}
}

Test(judge, paths_of_every_length_are_read_within_bounds)
{
	static char path[3 * PATH_MAX];
	struct record_entry entry;
	const uint64_t args[6] = {CWD, P(path), O_WRONLY | O_CREAT};
	size_t len = (size_t)snprintf(path, sizeof(path), "%s/hidden", stage_top);

	/* around what a record and what a path may hold; components of 200 */
	for (size_t n = len + 1; n < PATH_MAX + 20;
	     n += (n > 1000 && n < 1060) || n > PATH_MAX - 8 ? 1 : 29) {
		int num;

		memset(path + len, 'x', sizeof(path) - len);
		for (size_t i = len; i < n; i += 200)
			path[i] = '/';
		path[n] = '\0';
		num = stage_judge(SYS_openat, args, &entry);
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
#define SPACE 256U

Test(judge, a_link_to_self_is_left_to_the_kernel)
{
	/* Shared: the child's memory is what is read. */
	char *path = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	struct record_entry entry;
	bool unseen;

	cr_assert_neq(path, MAP_FAILED);
	if (child == 0)
		for (;;)
			(void)pause();
	cr_assert_eq(symlink("/proc/self", "home/me"), 0);
	cr_assert_eq(symlink("/proc/self/task", "ws/tasks"), 0);
	(void)snprintf(path, SPACE, "/proc/self/task/%d", child);
	cr_assert_eq(symlink(path, "home/thread"), 0);
	(void)snprintf(path, SPACE, "me/task/%d/comm", child);
	cr_assert_eq(symlink(path, "home/name"), 0);
	(void)snprintf(path, SPACE, "%s/home/me/task/%d/comm", stage_top, child);
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

		(void)snprintf(path, SPACE, "%s", forms[i].before);
		if (forms[i].behind)
			(void)snprintf(path, SPACE, "%s%d%s", forms[i].before, child,
				       forms[i].behind);
		for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
			const uint64_t args[6] = {CWD, P(path), (uint64_t)flags[k], 0644};

			cr_expect_eq(stage_judge_of(child, SYS_openat, args, &entry, &unseen), 0,
				     "%s %#x", path, (unsigned int)flags[k]);
		}
	}
	{
		const uint64_t args[6] = {CWD, P(path), O_RDONLY};

		/* That the others were read at all. */
		(void)snprintf(path, SPACE, "home/none");
		cr_expect_eq(stage_judge_of(child, SYS_openat, args, &entry, &unseen), ENOENT);
	}
	(void)kill(child, SIGKILL);
	(void)munmap(path, SPACE);
	(void)waitpid(child, NULL, 0);
}

/* A child's table, since the judge has to open something too. */
static pid_t with_files_open(unsigned int n)
{
	int pair[2];
	char byte;
	pid_t child;

	cr_assert_eq(pipe2(pair, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		for (unsigned int fd = 0; fd < n; fd++)
			if (fd != (unsigned int)pair[1])
				(void)dup2(pair[0], (int)fd);
		(void)!write(pair[1], "x", 1);
		for (;;)
			(void)pause();
	}
	cr_assert_eq(read(pair[0], &byte, 1), 1);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return child;
}

Test(judge, every_descriptor_in_use_is_told_and_one_less_is_not)
{
	static const unsigned int limit = 40;

	stage_config.limits.open_files = limit;
	for (unsigned int less = 0; less < 2; less++) {
		const uint64_t args[6] = {CWD, P("ws/file"), O_RDONLY};
		pid_t child = with_files_open(limit - less);
		struct record_entry entry;
		bool unseen;
		int num = 0;

		/* It is asked for only after some opens. */
		for (unsigned int i = 0; i < limit && num == 0; i++)
			num = stage_judge_of(child, SYS_openat, args, &entry, &unseen);
		cr_expect_eq(num, less ? 0 : EMFILE, "%u less", less);
		cr_expect_eq(entry.what, less ? 0 : RECORD_FILES);
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	stage_config.limits.open_files = 4096;
}

/* Addresses: what a connect(2) or sendto(2) is told. */
static const char *reached(const void *address, uint64_t len, bool send, int *ret_num)
{
	static char text[RECORD_PATH_BYTES + 1];
	struct record_entry entry;
	const uint64_t sends[6] = {0, 0, 0, 0, P(address), len};
	const uint64_t connects[6] = {0, P(address), len};

	*ret_num = stage_judge(send ? SYS_sendto : SYS_connect, send ? sends : connects, &entry);
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
		{"fe80::1", 0, ""},	    /* EINVAL without its interface */
		{"255.255.255.255", 0, ""}, /* bind(2) takes it */
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

	stage_map_image(IMAGE_NET_NONE);
	(void)reached(&v4, sizeof(v4), false, &num);
	cr_expect_eq(num, 0);
}

Test(judge, sockets_in_files_are_hidden_or_there_abstract_and_nameless_ones_neither)
{
	static const struct {
		const char path[16]; /* what follows its NUL too */
		size_t len;	     /* of the whole address; 0: with its NUL */
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
		memset(at[0].sun_path, 0, sizeof(at[0].sun_path));
		memcpy(at[0].sun_path, rows[i].path, sizeof(rows[i].path));
		(void)reached(at,
			      rows[i].len ? rows[i].len
					  : offsetof(struct sockaddr_un, sun_path) +
						    strlen(rows[i].path) + 1,
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

Test(judge, names_that_cannot_be_bound)
{
	static const struct {
		const char *path;
		int num;
	} rows[] = {
		{"ro/new", EROFS}, {"ro/file", 0},	 {"ro/dangling", 0}, {"ro/new/", 0},
		{"ws/new", 0},	   {"hidden/s", ENOENT}, {"ro/none/s", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sockaddr_un at = {.sun_family = AF_UNIX};
		const uint64_t args[6] = {0, P(&at), sizeof(at)};
		struct record_entry entry;

		(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", rows[i].path);
		cr_expect_eq(stage_judge(SYS_bind, args, &entry), rows[i].num, "%s", rows[i].path);
	}
	{
		const struct sockaddr_in v4 = {.sin_family = AF_INET,
					       .sin_addr.s_addr = htonl(0xc0000201)};
		const uint64_t args[6] = {0, P(&v4), sizeof(v4)};
		struct record_entry entry;

		cr_expect_eq(stage_judge(SYS_bind, args, &entry), EADDRNOTAVAIL);
	}
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

		cr_expect_eq(stage_judge(SYS_kill, gone, &entry), 0, "it was there");
	}
	cr_expect_eq(stage_judge(SYS_kill, self, &entry), 0);
	cr_expect_eq(stage_judge(SYS_kill, group, &entry), 0);
	cr_expect_eq(stage_judge(SYS_kill, all, &entry), 0);
	cr_expect_eq(stage_judge(SYS_kill, high, &entry), ESRCH);
	cr_expect_eq(entry.what, RECORD_SIGNAL);
	for (int i = 0; i < 2; i++) {
		const uint64_t init[6] = {1, SIGTERM};

		stage_watch.scoped = i;
		cr_expect_eq(stage_judge(SYS_kill, init, &entry), i ? EPERM : 0, "scoped %d", i);
	}
}
