/*
 * Theory of operation: a fixed array and a count. An entry is filled before the count admits it, and the
 * launcher may kill init between the two: what is not counted is not there. Repeats are folded, so that a
 * tool that asks in a loop does not push out what it asked before.
 */
#include "wire/record.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/macros.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static const struct {
	uint32_t nr;
	int argument;
} decisive[] = {
	{SYS_socket, 0},    {SYS_socketpair, 0}, {SYS_clone, 0},     {SYS_unshare, 0},
	{SYS_setns, 1},	    {SYS_ioctl, 1},	 {SYS_prctl, 0},     {SYS_personality, 0},
	{SYS_prlimit64, 0}, {SYS_ptrace, 0},	 {SYS_bpf, 0},	     {SYS_keyctl, 0},
	{SYS_fchmod, 1},    {SYS_fchmodat, 2},	 {SYS_fchmodat2, 2}, {SYS_openat, 3},
	{SYS_mkdirat, 2},   {SYS_mknodat, 2},	 {SYS_quotactl, 0},  {SYS_kcmp, 2},
#ifdef SYS_open
	{SYS_chmod, 1},	    {SYS_open, 2},	 {SYS_mkdir, 1},     {SYS_mknod, 1},
	{SYS_creat, 1},	    {SYS_arch_prctl, 0},
#endif
};

int record_argument(uint32_t nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(decisive); i++)
		if (decisive[i].nr == nr)
			return decisive[i].argument;
	return -1;
}

static bool is_same_path(const struct record_entry *a, const struct record_entry *b)
{
	return a->path_bytes > 0 && a->path_bytes == b->path_bytes &&
	       memcmp(a->path, b->path, a->path_bytes) == 0;
}

/* @b is the later one. A name that could not be made, or was not there, is missing to whoever asks again. */
static bool is_alike(const struct record_entry *a, const struct record_entry *b)
{
	int argument = a->what == RECORD_REFUSED ? record_argument(a->nr) : -1;

	if (b->what == RECORD_HIDDEN && (a->what == RECORD_HIDDEN || a->what == RECORD_READONLY) &&
	    is_same_path(a, b))
		return true;
	return a->what == b->what && a->nr == b->nr && a->num == b->num &&
	       a->path_bytes == b->path_bytes && memcmp(a->path, b->path, a->path_bytes) == 0 &&
	       (argument < 0 || a->args[argument] == b->args[argument]) &&
	       (a->what != RECORD_SIGNAL || a->args[0] == b->args[0]);
}

void record_add(struct record *record, const struct record_entry *entry)
{
	for (uint32_t i = 0; i < record->n; i++) {
		if (!is_alike(&record->entries[i], entry))
			continue;
		if (record->entries[i].count < UINT32_MAX)
			record->entries[i].count++;
		return;
	}
	if (record->n >= RECORD_ENTRIES_MAX) {
		if (record->dropped < UINT32_MAX)
			record->dropped++;
		return;
	}
	record->entries[record->n] = *entry;
	record->entries[record->n].count = 1;
	__atomic_store_n(&record->n, record->n + 1, __ATOMIC_RELEASE);
}

/* Kinds whose object is a path, or an address; the others say what they are by numbers. */
static const bool has_path[RECORD_WHAT_N] = {
	[RECORD_HIDDEN] = true, [RECORD_READONLY] = true,    [RECORD_PROTECTED] = true,
	[RECORD_NOEXEC] = true, [RECORD_UNREACHABLE] = true, [RECORD_SPACE] = true,
};

static bool is_sound(const struct record_entry *e)
{
	return e->what < RECORD_WHAT_N && e->path_bytes <= RECORD_PATH_BYTES && e->cut <= 1 &&
	       e->count > 0 && !memchr(e->path, '\0', e->path_bytes) &&
	       memchr(e->name, '\0', sizeof(e->name)) && has_path[e->what] == (e->path_bytes > 0);
}

int record_check(const struct record *record, size_t bytes, struct err *err)
{
	if (bytes != sizeof(*record) || record->magic != RECORD_MAGIC ||
	    record->observed >= IMAGE_OBSERVE_N || record->n > RECORD_ENTRIES_MAX)
		return err_set(err, EINVAL, "the record of denials is damaged");
	for (uint32_t i = 0; i < record->n; i++)
		if (!is_sound(&record->entries[i]))
			return err_set(err, EINVAL, "denial %u of the record is damaged", i);
	return 0;
}
