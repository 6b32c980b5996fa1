/*
 * Theory of operation: rows by number; those of x86_64 alone are left out where <sys/syscall.h> does not
 * have them. A linear search over some fifty rows costs less than the system call that asks for it.
 */
#include "wire/observed.h"

#include <string.h>
#include <sys/syscall.h>

#include "base/macros.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define NO OBSERVED_NO_ARG
#define ROW(call, level, kind, dir, path, flags, other, nofollow)                               \
	{                                                                                       \
#call, (uint32_t)SYS_##call, IMAGE_OBSERVE_##level, OBSERVED_##kind, dir, path, \
			flags, other, nofollow                                                  \
	}

static const struct observed_call rows[] = {
	/*  call	level	  kind	   dir path flags other nofollow */
	ROW(execve, REFUSED, EXEC, NO, 0, NO, NO, false),
	ROW(execveat, REFUSED, EXEC, 0, 1, 4, NO, false),
	ROW(connect, REFUSED, CONNECT, NO, NO, NO, NO, false),
	ROW(bind, REFUSED, BIND, NO, NO, NO, NO, true),
	ROW(sendto, REFUSED, SEND, NO, NO, NO, NO, false),
	ROW(kill, REFUSED, KILL, NO, NO, NO, NO, false),
	ROW(openat, OPENS, OPEN, 0, 1, 2, NO, false),
	ROW(mkdirat, WRITES, MKDIR, 0, 1, NO, NO, true),
	ROW(mknodat, WRITES, MAKE, 0, 1, NO, NO, true),
	ROW(symlinkat, WRITES, MAKE, 1, 2, NO, NO, true),
	ROW(linkat, WRITES, LINK, 2, 3, NO, 1, true),
	ROW(fchmodat, WRITES, CHANGE, 0, 1, NO, NO, false),
	ROW(fchmodat2, WRITES, CHANGE, 0, 1, 3, NO, false),
	ROW(fchownat, WRITES, CHANGE, 0, 1, 4, NO, false),
	ROW(utimensat, WRITES, CHANGE, 0, 1, 3, NO, false),
	ROW(truncate, WRITES, TRUNCATE, NO, 0, NO, NO, false),
	ROW(setxattr, WRITES, CHANGE, NO, 0, NO, NO, false),
	ROW(lsetxattr, WRITES, CHANGE, NO, 0, NO, NO, true),
	ROW(removexattr, WRITES, CHANGE, NO, 0, NO, NO, false),
	ROW(lremovexattr, WRITES, CHANGE, NO, 0, NO, NO, true),
	ROW(unlinkat, WRITES, REMOVE, 0, 1, NO, NO, true),
	ROW(renameat2, WRITES, RENAME, 0, 1, NO, 3, true),
	ROW(chdir, OPENS, LOOK, NO, 0, NO, NO, false),
	ROW(newfstatat, LOOKUPS, LOOK, 0, 1, 3, NO, false),
	ROW(statx, LOOKUPS, LOOK, 0, 1, 2, NO, false),
	ROW(faccessat, LOOKUPS, LOOK, 0, 1, NO, NO, false),
	ROW(faccessat2, LOOKUPS, LOOK, 0, 1, 3, NO, false),
	ROW(readlinkat, LOOKUPS, LOOK, 0, 1, NO, NO, true),
#ifdef SYS_renameat
	ROW(renameat, WRITES, RENAME, 0, 1, NO, 3, true),
#endif
#ifdef SYS_open /* the calls that newer architectures are without */
	ROW(open, OPENS, OPEN, NO, 0, 1, NO, false),
	ROW(creat, WRITES, OPEN, NO, 0, NO, NO, false),
	ROW(mkdir, WRITES, MKDIR, NO, 0, NO, NO, true),
	ROW(mknod, WRITES, MAKE, NO, 0, NO, NO, true),
	ROW(symlink, WRITES, MAKE, NO, 1, NO, NO, true),
	ROW(link, WRITES, LINK, NO, 1, NO, 0, true),
	ROW(chmod, WRITES, CHANGE, NO, 0, NO, NO, false),
	ROW(chown, WRITES, CHANGE, NO, 0, NO, NO, false),
	ROW(lchown, WRITES, CHANGE, NO, 0, NO, NO, true),
	ROW(utime, WRITES, CHANGE, NO, 0, NO, NO, false),
	ROW(utimes, WRITES, CHANGE, NO, 0, NO, NO, false),
	ROW(futimesat, WRITES, CHANGE, 0, 1, NO, NO, false),
	ROW(unlink, WRITES, REMOVE, NO, 0, NO, NO, true),
	ROW(rmdir, WRITES, REMOVE, NO, 0, NO, NO, true),
	ROW(rename, WRITES, RENAME, NO, 0, NO, 1, true),
	ROW(stat, LOOKUPS, LOOK, NO, 0, NO, NO, false),
	ROW(lstat, LOOKUPS, LOOK, NO, 0, NO, NO, true),
	ROW(access, LOOKUPS, LOOK, NO, 0, NO, NO, false),
	ROW(readlink, LOOKUPS, LOOK, NO, 0, NO, NO, true),
#endif
};

const struct observed_call *observed_call_of(uint32_t nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].nr == nr)
			return &rows[i];
	return NULL;
}

const struct observed_call *observed_call_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}
