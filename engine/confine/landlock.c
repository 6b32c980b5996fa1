/*
 * Theory of operation: begin -> allow* -> enter. The handled rights are everything that the kernel's
 * ABI knows, so that a newer kernel protects more; a rule grants by class (read, execute, write,
 * device), and rights that make no sense for a file are dropped when its path is one.
 */
#include "confine/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/image.h"

/* uapi/linux/landlock.h as of Linux 6.15; bits are ABI and never change. */
enum {
	FS_EXECUTE = 1U << 0,
	FS_WRITE_FILE = 1U << 1,
	FS_READ_FILE = 1U << 2,
	FS_READ_DIR = 1U << 3,
	FS_REMOVE_DIR = 1U << 4,
	FS_REMOVE_FILE = 1U << 5,
	FS_MAKE_CHAR = 1U << 6,
	FS_MAKE_DIR = 1U << 7,
	FS_MAKE_REG = 1U << 8,
	FS_MAKE_SOCK = 1U << 9,
	FS_MAKE_FIFO = 1U << 10,
	FS_MAKE_BLOCK = 1U << 11,
	FS_MAKE_SYM = 1U << 12,
	FS_REFER = 1U << 13,
	FS_TRUNCATE = 1U << 14,
	FS_IOCTL_DEV = 1U << 15,
	NET_ALL = 3U,	/* bind and connect TCP */
	SCOPE_ALL = 3U, /* abstract Unix sockets, signals */
	RULE_PATH_BENEATH = 1,
	CREATE_VERSION = 1U << 0,
};

struct ruleset_attr {
	uint64_t handled_fs;
	uint64_t handled_net;
	uint64_t scoped;
};

struct path_attr {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

/* What each ABI added. */
static const struct {
	uint32_t abi;
	uint64_t fs;
} fs_by_abi[] = {
	{1, FS_REFER - 1U},
	{2, FS_REFER},
	{3, FS_TRUNCATE},
	{5, FS_IOCTL_DEV},
};

static const struct {
	uint32_t access;
	uint64_t fs;
} fs_by_access[] = {
	{IMAGE_ACCESS_READ, FS_READ_FILE | FS_READ_DIR},
	{IMAGE_ACCESS_EXECUTE, FS_EXECUTE},
	{IMAGE_ACCESS_WRITE, FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |
				     FS_MAKE_REG | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_SYM |
				     FS_REFER | FS_TRUNCATE},
	{IMAGE_ACCESS_DEVICE, FS_IOCTL_DEV},
	{IMAGE_ACCESS_LIST, FS_READ_DIR},
};

#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

uint32_t landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return abi > 0 ? (uint32_t)abi : 0;
}

int landlock_begin(struct landlock_domain *domain, uint32_t abi, bool net_denied)
{
	struct ruleset_attr attr = {0};
	/* Older kernels refuse a longer struct with bits they do not know, but accept trailing zeros. */
	size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
	long fd;

	for (size_t i = 0; i < ARRAY_SIZE(fs_by_abi); i++)
		if (abi >= fs_by_abi[i].abi)
			attr.handled_fs |= fs_by_abi[i].fs;
	if (abi >= 4 && net_denied)
		attr.handled_net = NET_ALL;
	if (abi >= LANDLOCK_ABI_SCOPES)
		attr.scoped = SCOPE_ALL;
	fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		return -errno;
	*domain = (struct landlock_domain){.abi = abi,
					   .net_denied = net_denied,
					   .ruleset = (int)fd,
					   .handled = attr.handled_fs};
	return 0;
}

int landlock_allow(struct landlock_domain *domain, const struct landlock_rule *rule)
{
	CLEANUP(fd_closep) int fd = open(rule->path, O_PATH | O_CLOEXEC);
	struct path_attr attr = {.parent_fd = fd};
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(fs_by_access); i++)
		if (rule->access & fs_by_access[i].access)
			attr.allowed |= fs_by_access[i].fs;
	attr.allowed &= domain->handled;
	if (!S_ISDIR(st.st_mode))
		attr.allowed &= FS_OF_FILES;
	if (attr.allowed == 0)
		return 0;
	if (syscall(SYS_landlock_add_rule, domain->ruleset, RULE_PATH_BENEATH, &attr, 0) < 0)
		return -errno;
	return 0;
}

int landlock_enter(struct landlock_domain *domain)
{
	long r = syscall(SYS_landlock_restrict_self, domain->ruleset, 0);
	int saved = errno;

	fd_closep(&domain->ruleset);
	return r < 0 ? -saved : 0;
}
