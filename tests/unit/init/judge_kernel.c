/*
 * Theory of operation: whatever init refuses, the kernel itself refuses with the same error. It is held over
 * every call, path and flag below: judged, and a moment later made for real.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stage.h"

TestSuite(judge_kernel, .init = stage_set_up, .fini = stage_tear_down, .timeout = 60);

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

#define FCHMODAT2 452 /* KERNEL(6.6); of no header of Debian 12 */

static char room[4096]; /* for what a call may answer */
static unsigned int refused;

/* Judged, then made: who refuses must be right. */
static void hold_against_kernel(uint32_t nr, const uint64_t a[6], const char *what,
				const char *first, const char *second)
{
	struct record_entry entry;
	int num = stage_judge(nr, a, &entry);
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
		cr_assert_eq(chdir(stage_top), 0);
}

static void sweep_one(const char *path)
{
	const struct {
		const char *what;
		uint32_t nr;
		int path; /* index of the argument */
		uint64_t args[6];
	} calls[] = {
		{"mkdirat", SYS_mkdirat, 1, {CWD, 0, 0755}},
		{"mknodat", SYS_mknodat, 1, {CWD, 0, S_IFIFO | 0644, 0}},
		{"mknodat, a folder", SYS_mknodat, 1, {CWD, 0, S_IFDIR | 0644, 0}},
		{"mknodat, a link", SYS_mknodat, 1, {CWD, 0, S_IFLNK | 0644, 0}},
		{"mknodat, a device", SYS_mknodat, 1, {CWD, 0, S_IFCHR | 0644, 0x103}},
		{"symlinkat", SYS_symlinkat, 2, {0, CWD, 0}},
		{"fchmodat", SYS_fchmodat, 1, {CWD, 0, 0755}},
		{"utimensat", SYS_utimensat, 1, {CWD, 0, 0, 0}},
		{"utimensat nofollow", SYS_utimensat, 1, {CWD, 0, 0, AT_SYMLINK_NOFOLLOW}},
		{"utimensat, no flag", SYS_utimensat, 1, {CWD, 0, 0, AT_REMOVEDIR}},
		{"fchownat", SYS_fchownat, 1, {CWD, 0, 0, 0, AT_SYMLINK_NOFOLLOW}},
		{"fchownat, no flag", SYS_fchownat, 1, {CWD, 0, 0, 0, AT_REMOVEDIR}},
		{"fchmodat2, no flag", FCHMODAT2, 1, {CWD, 0, 0755, AT_REMOVEDIR}},
		{"setxattr", SYS_setxattr, 0, {0, P("user.x"), P("v"), 1, 0}},
		{"setxattr, no flag", SYS_setxattr, 0, {0, P("user.x"), P("v"), 1, 0x10}},
		{"lsetxattr, too large", SYS_lsetxattr, 0, {0, P("user.x"), P("v"), 65537, 0}},
		{"removexattr", SYS_removexattr, 0, {0, P("user.x")}},
		{"truncate", SYS_truncate, 0, {0, 0}},
		{"truncate, below nothing", SYS_truncate, 0, {0, UINT64_MAX}},
		{"unlinkat", SYS_unlinkat, 1, {CWD, 0, 0}},
		{"rmdir", SYS_unlinkat, 1, {CWD, 0, AT_REMOVEDIR}},
		{"unlinkat, no flag", SYS_unlinkat, 1, {CWD, 0, AT_SYMLINK_NOFOLLOW}},
		{"chdir", SYS_chdir, 0, {0}},
		{"faccessat", SYS_faccessat, 1, {CWD, 0, R_OK}},
		{"faccessat, no mode", SYS_faccessat, 1, {CWD, 0, 0x100}},
		{"faccessat2, no flag", SYS_faccessat2, 1, {CWD, 0, R_OK, AT_REMOVEDIR << 8}},
		{"newfstatat, no flag", SYS_newfstatat, 1, {CWD, 0, P(room), AT_REMOVEDIR}},
		{"statx, no flag", SYS_statx, 1, {CWD, 0, AT_REMOVEDIR, 0, P(room)}},
		{"statx, no mask", SYS_statx, 1, {CWD, 0, 0, 0x80000000, P(room)}},
		{"readlinkat, no room", SYS_readlinkat, 1, {CWD, 0, P(room), 0}},
		{"execveat, no flag", SYS_execveat, 1, {CWD, 0, 0, 0, AT_REMOVEDIR}},
		{"execve", SYS_execve, 0, {0, 0, 0}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		uint64_t args[6];

		memcpy(args, calls[i].args, sizeof(args));
		args[calls[i].path] = P(path);
		if (calls[i].nr == SYS_symlinkat)
			args[0] = P("x");
		stage_fill("ws");
		hold_against_kernel(calls[i].nr, args, calls[i].what, path, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(open_flags); i++) {
		const uint64_t args[6] = {CWD, P(path), (uint64_t)(open_flags[i] | O_NONBLOCK),
					  0644};

		stage_fill("ws");
		hold_against_kernel(SYS_openat, args, "openat", path, "");
	}
}

Test(judge_kernel, whatever_is_refused_the_kernel_refuses_with_the_same_error)
{
	char path[128];

	for (size_t f = 0; f < ARRAY_SIZE(folders); f++)
		for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
			(void)snprintf(path, sizeof(path), "%s/%s", folders[f], names[n]);
			sweep_one(path);
			(void)snprintf(path, sizeof(path), "%s/%s/%s", stage_top, folders[f],
				       names[n]);
			sweep_one(path);
		}
	cr_expect_gt(refused, 200, "a sweep that finds nothing: %u", refused);
}

static void sweep_two(const char *old, const char *new)
{
	static const struct {
		const char *what;
		uint32_t nr;
		uint64_t flags;
	} calls[] = {
		{"rename", SYS_renameat2, 0},
		{"rename, none replaced", SYS_renameat2, RENAME_NOREPLACE},
		{"rename, exchanged", SYS_renameat2, RENAME_EXCHANGE},
		{"rename, both", SYS_renameat2, RENAME_EXCHANGE | RENAME_NOREPLACE},
		{"rename, no flag", SYS_renameat2, 0x100},
		{"link", SYS_linkat, 0},
		{"link, followed", SYS_linkat, AT_SYMLINK_FOLLOW},
		{"link, no flag", SYS_linkat, AT_SYMLINK_NOFOLLOW},
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const uint64_t args[6] = {CWD, P(old), CWD, P(new), calls[i].flags};

		stage_fill("ws");
		hold_against_kernel(calls[i].nr, args, calls[i].what, old, new);
	}
}

Test(judge_kernel, two_names_are_refused_as_the_kernel_does)
{
	static const char *const ends[] = {"file",     "none",	 "dir", "none/", "link",
					   "dangling", "none/x", ".",	"fifo"};
	char old[64];
	char new[64];

	for (size_t i = 0; i < ARRAY_SIZE(folders) * ARRAY_SIZE(ends); i++)
		for (size_t k = 0; k < ARRAY_SIZE(folders) * ARRAY_SIZE(ends); k++) {
			(void)snprintf(old, sizeof(old), "%s/%s", folders[i / ARRAY_SIZE(ends)],
				       ends[i % ARRAY_SIZE(ends)]);
			(void)snprintf(new, sizeof(new), "%s/%s", folders[k / ARRAY_SIZE(ends)],
				       ends[k % ARRAY_SIZE(ends)]);
			sweep_two(old, new);
		}
	cr_expect_gt(refused, 200, "a sweep that finds nothing: %u", refused);
}

Test(judge_kernel, no_name_at_all_is_the_kernels)
{
	for (size_t f = 0; f < ARRAY_SIZE(folders); f++) {
		sweep_two("", folders[f]);
		sweep_two(folders[f], "");
	}
	sweep_one("");
	sweep_two("", "ro/none");
	sweep_two("ro/none", "");
}

Test(judge_kernel, a_working_folder_that_was_removed_leads_where_the_kernel_says)
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
	(void)!chdir(stage_top);
}
