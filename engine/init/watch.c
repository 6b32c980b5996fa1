/*
 * Theory of operation: one call at a time, from the listener to an answer.
 *
 *	notification --not observed, or the strict program refuses--> its errno, RECORD_REFUSED
 *		     --observed--> judge.c --refused by the cell--> errno, recorded
 *					   --otherwise--> SECCOMP_USER_NOTIF_FLAG_CONTINUE
 *
 * seccomp_unotify(2) warns that CONTINUE is no decision: arguments in memory may change. It is none here;
 * what the kernel does with the call is bounded by mounts, Landlock and credentials as without init. The
 * conditions of the policy's filter are on registers, which cannot change, and are held by the strict
 * program before anything goes on. Without an answer a call would wait for ever, so every path answers.
 */
#include "init/watch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/fd.h"
#include "confine/landlock.h"
#include "confine/program.h"
#include "init/judge.h"
#include "init/look.h"

/* Not yet in the headers of Debian 12; a quarter of the cost of each call that is looked at. */
#define NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define NOTIF_SYNC_WAKE_UP 1ULL

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void watch_begin(struct watch *w, const struct init_config *config, const struct image *image,
		 struct record *record)
{
	const struct image_cell *cell = image_cell(image, config->cell);

	*w = (struct watch){
		.config = config,
		.places = {image, cell, config->workspace},
		.strict = image_insns(image, cell),
		.n_strict = cell->insns_count,
		.record = record,
		.listener = -1,
		.scoped = landlock_abi() >= LANDLOCK_ABI_SCOPES,
		.begun_us = now_us(),
	};
	if (record)
		record->magic = RECORD_MAGIC;
}

bool watch_wanted(const struct watch *w)
{
	return w->record && w->places.cell->watch_count > 0;
}

void watch_listen(struct watch *w, int listener)
{
	w->listener = listener;
	/* Whoever asks sleeps until we have answered: the same processor can do both. KERNEL(6.6) */
	(void)!ioctl(listener, NOTIF_SET_FLAGS, NOTIF_SYNC_WAKE_UP);
	w->record->observed = w->places.cell->observe;
}

static bool is_valid(const struct watch *w, uint64_t id)
{
	return ioctl(w->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* Of a call that the strict program refuses, the errno; 0: it lets it through. */
static int refused_by_filter(const struct watch *w, const struct seccomp_notif *notif)
{
	uint32_t verdict = SECCOMP_RET_KILL_PROCESS;

	if (program_run(w->strict, w->n_strict, &notif->data, &verdict) < 0)
		return EPERM;
	if (verdict == SECCOMP_RET_ALLOW)
		return 0;
	return (verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
			       (verdict & SECCOMP_RET_DATA) != 0
		       ? (int)(verdict & SECCOMP_RET_DATA)
		       : EPERM;
}

static int decide(struct watch *w, const struct seccomp_notif *notif, struct record_entry *entry,
		  bool *ret_unseen)
{
	struct judged j = {.watch = w,
			   .call = observed_call_of((uint32_t)notif->data.nr),
			   .notif = notif,
			   .entry = entry};
	int num = refused_by_filter(w, notif);

	if (num == 0 && !j.call)
		num = EPERM; /* what is not observed comes here only to be refused */
	if (num != 0) {
		entry->what = RECORD_REFUSED;
		entry->mount = PLACE_NONE;
		return num;
	}
	num = judge_call(&j);
	*ret_unseen = j.unseen;
	return num;
}

static void keep(struct watch *w, const struct seccomp_notif *notif, struct record_entry *entry,
		 int num)
{
	entry->nr = (uint32_t)notif->data.nr;
	entry->num = (uint32_t)num;
	entry->first_us = now_us() - w->begun_us;
	memcpy(entry->args, notif->data.args, sizeof(entry->args));
	look_process((pid_t)notif->pid, &entry->pid, entry->name, sizeof(entry->name));
	/* What was read may have been another process's, if this one is gone and its id in use. */
	if (is_valid(w, notif->id))
		record_add(w->record, entry);
}

static void answer_one(struct watch *w)
{
	struct seccomp_notif notif = {0};
	struct seccomp_notif_resp answer = {0};
	struct record_entry entry = {0};
	bool unseen = false;
	int num;

	if (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0) {
		if (errno != EINTR && errno != ENOENT && errno != EAGAIN)
			fd_closep(&w->listener); /* nobody is left who could ask */
		return;
	}
	num = decide(w, &notif, &entry, &unseen);
	if (num != 0)
		keep(w, &notif, &entry, num);
	else if (unseen && w->started && w->record->unseen < UINT32_MAX)
		w->record->unseen++;
	answer.id = notif.id;
	answer.error = -num;
	answer.flags = num == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
	/* ENOENT: it was killed meanwhile. */
	(void)!ioctl(w->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void watch_hear(struct watch *w, short revents)
{
	if (revents & POLLIN)
		answer_one(w);
	else if (revents & (POLLHUP | POLLNVAL))
		fd_closep(&w->listener); /* hung up: every process with the filter is gone */
	/* POLLERR alone: the kernel's own wait was interrupted, by a freezer say; the next poll(2) asks again. */
}

/* An overlay's own file system shows the numbers of the tmpfs that takes the writes. */
static bool is_in_memory(const struct image_mount *m)
{
	return m->type == IMAGE_MOUNT_TMPFS || m->type == IMAGE_MOUNT_OVERLAY;
}

static void look_at(struct watch *w, uint32_t index, uint64_t bit)
{
	const struct image_mount *m = image_mount(w->places.image, index);
	const char *target = image_string(w->places.image, m->target);
	struct record_entry entry = {.what = RECORD_SPACE,
				     .nr = UINT32_MAX,
				     .num = ENOSPC,
				     .mount = index,
				     .first_us = now_us() - w->begun_us};
	struct statvfs fs;

	if (!is_in_memory(m) || (w->full & bit) || statvfs(target, &fs) < 0 || fs.f_blocks == 0 ||
	    (fs.f_bavail > 0 && fs.f_favail > 0))
		return;
	w->full |= bit;
	entry.path_bytes = (uint32_t)MIN(strlen(target), sizeof(entry.path));
	memcpy(entry.path, target, entry.path_bytes);
	entry.args[0] = fs.f_bavail == 0; /* bytes; else inodes */
	record_add(w->record, &entry);
}

void watch_look(struct watch *w)
{
	const struct image_cell *cell = w->places.cell;
	uint64_t bit = 1;

	if (!w->record)
		return;
	for (uint32_t i = 0; i < cell->mounts_count && bit != 0; i++) {
		if (!is_in_memory(image_mount(w->places.image, cell->mounts_first + i)))
			continue;
		look_at(w, cell->mounts_first + i, bit);
		bit <<= 1;
	}
}

void watch_tick(struct watch *w)
{
	uint64_t now = w->record ? now_us() : 0;

	if (!w->record || now < w->looked_us + WATCH_TICK_MS * 1000ULL)
		return;
	w->looked_us = now;
	watch_look(w);
}
