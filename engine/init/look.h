/* Reading what a tool's system call is about: its memory, its folders. Everything read is hostile. */
#ifndef TOOLCELL_INIT_LOOK_H
#define TOOLCELL_INIT_LOOK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

/** look_text - a string of the process, at most PATH_MAX with its NUL.  Return: its length or -errno. */
MUST_USE ssize_t look_text(pid_t pid, uint64_t address, char dst[PATH_MAX]);

/** look_bytes - exactly @n bytes.  Return: 0 or -errno. */
MUST_USE int look_bytes(pid_t pid, uint64_t address, void *dst, size_t n);

/**
 * look_folder - where a relative path of the process begins
 * @dir: descriptor of the process, or AT_FDCWD
 * @dst: its path in the cell; PATH_MAX bytes
 * Return: 0 or -errno (-ENOENT: it is not in the cell's tree, or there is no /proc).
 */
MUST_USE int look_folder(pid_t pid, int dir, char *dst);

/** look_folder_holds - whether that path leads to that folder: not when it was removed, or is in no tree of ours */
bool look_folder_holds(pid_t pid, int dir);

/**
 * look_open - @path, absolute, with O_PATH
 * Never through a link of /proc: those of "self" would be init's own. -ELOOP then.
 */
MUST_USE int look_open(const char *path, int flags);

/** look_real_path - of an open descriptor of ours, PATH_MAX bytes.  Return: 0 or -errno. */
MUST_USE int look_real_path(int fd, char *dst);

/** look_process - id of the process that a thread belongs to (0: not known), and its name */
void look_process(pid_t tid, uint32_t *ret_pid, char *name, size_t cap);

/** look_files_full - whether a process has @limit descriptors open */
bool look_files_full(pid_t pid, uint64_t limit);

/** look_last_pid - the highest process id that the cell has given away; 0: not known */
uint64_t look_last_pid(void);

#endif
