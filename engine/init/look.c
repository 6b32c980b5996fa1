/*
 * Theory of operation: init runs under the tool's ids, in the tool's mounts and outside of its Landlock
 * domain, so it may read the tool's memory (ptrace(2), "access mode checking") and walk the same tree.
 * It opens with O_PATH only, which waits for nobody and reads nothing.
 */
#include "init/look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"

#define PAGE_BYTES 4096U
#define CHUNK_BYTES 512U /* most paths end in the first */
#define PROC_BYTES 1024U /* of /proc/PID/status: what stands at its beginning */

int look_bytes(pid_t pid, uint64_t address, void *dst, size_t n)
{
	struct iovec own = {.iov_base = dst, .iov_len = n};
	struct iovec theirs = {.iov_base = (void *)(uintptr_t)address, .iov_len = n};
	ssize_t got = process_vm_readv(pid, &own, 1, &theirs, 1, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == n ? 0 : -EFAULT;
}

/* Page by page: what lies behind the string may not be mapped. */
ssize_t look_text(pid_t pid, uint64_t address, char dst[PATH_MAX])
{
	size_t len = 0;

	while (len < PATH_MAX) {
		size_t room = PAGE_BYTES - (size_t)((address + len) % PAGE_BYTES);
		size_t most = MIN(room, (size_t)PATH_MAX - len);
		size_t n = MIN(most, (size_t)CHUNK_BYTES);
		int r = look_bytes(pid, address + len, dst + len, n);
		const char *end;

		if (r < 0)
			return r;
		end = memchr(dst + len, '\0', n);
		if (end)
			return end - dst;
		len += n;
	}
	return -ENAMETOOLONG;
}

static int read_link(const char *path, char *dst)
{
	ssize_t n = readlink(path, dst, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	dst[n] = '\0';
	/* "(unreachable)/x", "pipe:[1]": no folder that a path could begin in. */
	return dst[0] == '/' ? 0 : -ENOENT;
}

static void name_folder(pid_t pid, int dir, char link[64])
{
	if (dir == AT_FDCWD)
		(void)snprintf(link, 64, "/proc/%d/cwd", pid);
	else
		(void)snprintf(link, 64, "/proc/%d/fd/%d", pid, dir);
}

int look_folder(pid_t pid, int dir, char *dst)
{
	char link[64];

	name_folder(pid, dir, link);
	return read_link(link, dst);
}

bool look_folder_holds(pid_t pid, int dir)
{
	char link[64];
	char path[PATH_MAX];
	struct stat real;
	struct stat named;

	name_folder(pid, dir, link);
	return read_link(link, path) == 0 && stat(link, &real) == 0 && stat(path, &named) == 0 &&
	       real.st_dev == named.st_dev && real.st_ino == named.st_ino;
}

int look_open(const char *path, int flags)
{
	struct open_how how = {.flags = (unsigned int)(O_PATH | O_CLOEXEC | flags),
			       .resolve = RESOLVE_NO_MAGICLINKS};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int look_real_path(int fd, char *dst)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return read_link(path, dst);
}

/* The beginning of a file of /proc, as text; "" when it cannot be read. */
static void read_proc(const char *path, char *dst, size_t cap)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, dst, cap - 1);

	dst[n < 0 ? 0 : n] = '\0';
}

/* The decimal number at @text; 0: there is none. */
static uint64_t number_at(const char *text)
{
	char digits[24];
	size_t n = strspn(text, "0123456789");
	uint64_t value = 0;

	if (n == 0 || n >= sizeof(digits))
		return 0;
	memcpy(digits, text, n);
	digits[n] = '\0';
	return num_parse_u64(digits, UINT64_MAX, &value) == 0 ? value : 0;
}

void look_process(pid_t tid, uint32_t *ret_pid, char *name, size_t cap)
{
	char path[64];
	char text[PROC_BYTES];
	const char *tgid;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", tid);
	read_proc(path, name, cap);
	name[strcspn(name, "\n")] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/%d/status", tid);
	read_proc(path, text, sizeof(text));
	/* The name comes first and is the tool's to choose; newlines in it are escaped. */
	tgid = strstr(text, "\nTgid:\t");
	*ret_pid = tgid ? (uint32_t)number_at(tgid + strlen("\nTgid:\t")) : 0;
}

bool look_files_full(pid_t pid, uint64_t limit)
{
	char path[64];
	uint64_t n = 0;
	DIR *dir;

	/* The highest number is given away last, unless a tool asks for it. */
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%" PRIu64, pid, limit - 1);
	if (limit == 0 || faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	for (const struct dirent *entry = readdir(dir); entry && n <= limit; entry = readdir(dir))
		n += entry->d_name[0] != '.';
	(void)closedir(dir);
	return n >= limit;
}

uint64_t look_last_pid(void)
{
	char text[128];
	const char *last;

	read_proc("/proc/loadavg", text, sizeof(text));
	last = strrchr(text, ' ');
	return last ? number_at(last + 1) : 0;
}
