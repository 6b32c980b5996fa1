/*
 * Theory of operation: a row for each argument that the kernel looks at before it walks a path.
 * What is asked is only whether init may say that the path is why a call fails. So a flag that
 * older kernels do not take has no bit here: whoever uses it is answered by the kernel itself.
 */
#include "init/senseless.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "base/macros.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define RESOLVES (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
#define STATX_MASK_TAKEN 0x7fffffffU /* all but STATX__RESERVED */

/* Flags and sets of bits: what is not @taken makes no sense, nor do two of @apart. */
static const struct {
	uint32_t nr;
	int arg;
	uint32_t taken;
	uint32_t apart;
} masks[] = {
	{SYS_renameat2, 4, RENAME_NOREPLACE | RENAME_EXCHANGE, RENAME_NOREPLACE | RENAME_EXCHANGE},
	{SYS_linkat, 4, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH, 0},
	{SYS_unlinkat, 2, AT_REMOVEDIR, 0},
	{SYS_fchownat, 4, RESOLVES, 0},
	{SYS_fchmodat2, 3, RESOLVES, 0},
	{SYS_utimensat, 3, AT_SYMLINK_NOFOLLOW, 0},
	{SYS_execveat, 4, RESOLVES, 0},
	{SYS_setxattr, 4, XATTR_CREATE | XATTR_REPLACE, 0},
	{SYS_lsetxattr, 4, XATTR_CREATE | XATTR_REPLACE, 0},
	{SYS_newfstatat, 3, RESOLVES | AT_NO_AUTOMOUNT, 0},
	{SYS_statx, 2, RESOLVES | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE, AT_STATX_SYNC_TYPE},
	{SYS_statx, 3, STATX_MASK_TAKEN, 0},
	{SYS_faccessat, 2, S_IRWXO, 0},
	{SYS_faccessat2, 2, S_IRWXO, 0},
	{SYS_faccessat2, 3, RESOLVES | AT_EACCESS, 0},
#ifdef SYS_access
	{SYS_access, 1, S_IRWXO, 0},
#endif
};

/* O_PATH makes nothing of the others. */
static bool opens_nothing(uint64_t value)
{
	static const unsigned int nameless = O_TMPFILE & ~O_DIRECTORY;
	unsigned int flags = (unsigned int)value;

	if (flags & O_PATH)
		return false;
	if (flags & nameless)
		return !(flags & O_DIRECTORY) || (flags & O_CREAT) || !(flags & O_ACCMODE);
	return (flags & O_CREAT) && (flags & O_DIRECTORY);
}

static bool makes_no_node(uint64_t value)
{
	static const mode_t types[] = {0, S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK};
	size_t i = 0;

	while (i < ARRAY_SIZE(types) && (value & S_IFMT) != types[i])
		i++;
	return i == ARRAY_SIZE(types);
}

static bool is_negative(uint64_t value)
{
	return (int64_t)value < 0;
}

static bool is_no_room(uint64_t value)
{
	return (int32_t)value <= 0;
}

static bool is_too_large(uint64_t value)
{
	return value > XATTR_SIZE_MAX;
}

static const struct {
	uint32_t nr;
	int arg;
	bool (*makes_none)(uint64_t value);
} values[] = {
	{SYS_openat, 2, opens_nothing},	 {SYS_mknodat, 2, makes_no_node},
	{SYS_truncate, 1, is_negative},	 {SYS_readlinkat, 3, is_no_room},
	{SYS_setxattr, 3, is_too_large}, {SYS_lsetxattr, 3, is_too_large},
#ifdef SYS_open /* the calls that newer architectures are without */
	{SYS_open, 1, opens_nothing},	 {SYS_mknod, 1, makes_no_node},
	{SYS_readlink, 2, is_no_room},
#endif
};

static bool is_mask_taken(uint32_t value, uint32_t taken, uint32_t apart)
{
	uint32_t chosen = value & apart;

	return (value & ~taken) == 0 && (chosen & (chosen - 1)) == 0;
}

bool senseless_is(const struct seccomp_data *data)
{
	uint32_t nr = (uint32_t)data->nr;

	for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
		if (masks[i].nr == nr && !is_mask_taken((uint32_t)data->args[masks[i].arg],
							masks[i].taken, masks[i].apart))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (values[i].nr == nr && values[i].makes_none(data->args[values[i].arg]))
			return true;
	return false;
}
