/* Files and folders of cgroupfs, by directory descriptor; shared by cgroup.c and cgroup_root.c. */
#ifndef TOOLCELL_CONFINE_CGROUP_FILE_H
#define TOOLCELL_CONFINE_CGROUP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/** cgroup_write - one value into a control file.  Return: 0 or -errno. */
int cgroup_write(int dir, const char *file, const char *value);
int cgroup_write_u64(int dir, const char *file, uint64_t value);

/** cgroup_read - a whole small control file, NUL-terminated.  Return: 0 or -errno. */
MUST_USE int cgroup_read(int dir, const char *file, char *text, size_t cap);

/** cgroup_read_u64 - a file that holds one number; UINT64_MAX when it cannot be read */
uint64_t cgroup_read_u64(int dir, const char *file);

/** cgroup_read_key - "KEY NUMBER" in a file of such lines; UINT64_MAX when not there */
uint64_t cgroup_read_key(int dir, const char *file, const char *key);

/** cgroup_remove_tree - rmdir @name and what lies one level below it; no error when it is busy */
void cgroup_remove_tree(int dir, const char *name);

/**
 * cgroup_sweep_once - SIGKILL members and rmdir every group below @dir whose name is @prefix or
 * begins with "@prefix-".  Return: whether any is left.
 */
bool cgroup_sweep_once(int dir, const char *prefix);

#endif
