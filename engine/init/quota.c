/*
 * Theory of operation: walking the layers ten times a second would cost more than many a tool. What the
 * layers can have grown by is at most what their file system has: as long as that is less than the
 * room that was left at the last walk, there is nothing to find, and statfs(2) is all that a tick
 * costs.
 *
 *	look --grown by less than the room--> nothing
 *	     --by more, or not walked for WALK_EVERY--> walk --over--> the caller ends the tool
 *						       --else--> new room
 *
 * The first walk of a call would be the price of every call, so the room at the start is a guess: a
 * random part of SLACK. A call that writes little is mostly not walked for, but what many such calls
 * add up to is found after SLACK bytes or so; which call that is cannot be foreseen. A file system
 * that others use, too, may grow without us, which costs a walk, or shrink while we grow, which is
 * what WALK_EVERY is for. No more than a twentieth of the time goes into walks.
 */
#include "init/quota.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/vfs.h>
#include <time.h>

#define MS_NS ((uint64_t)1000000)
#define SLACK_BYTES ((uint64_t)1 << 20)
#define SLACK_FILES ((uint64_t)256)
#define WALK_MS_MAX 1000U
#define WALK_SHARE 20U /* pause after a walk, in walks */
#define WALK_EVERY_NS (2000 * MS_NS)

static uint64_t now_ns(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS_NS + (uint64_t)ts.tv_nsec;
}

/* Return: false when the file system does not say; then only walks tell. */
static bool use_of_fs(const struct quota *q, struct quota_use *ret)
{
	struct statfs fs;

	if (fstatfs(q->source->data, &fs) < 0 || fs.f_blocks == 0)
		return false;
	ret->bytes = (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
	/* btrfs counts no inodes: both are 0 there, and its blocks hold the names, too. */
	ret->files = (uint64_t)(fs.f_files - fs.f_ffree);
	return true;
}

/* From the kernel, new with every exec: what the tool's process saw is another. */
static uint64_t random_below(uint64_t n)
{
	const void *bytes = (const void *)(uintptr_t)getauxval(AT_RANDOM);
	uint64_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return value % n;
}

void quota_begin(struct quota *q, const struct changes_source *source,
		 const struct image_limits *limits)
{
	*q = (struct quota){
		.source = source,
		.limit = {limits->session_bytes, limits->session_files},
		.room = {random_below(SLACK_BYTES), random_below(SLACK_FILES)},
	};
	if (!source)
		return;
	(void)use_of_fs(q, &q->before);
	q->start = q->before;
	q->due_ns = now_ns() + WALK_EVERY_NS;
}

static bool has_grown(uint64_t now, uint64_t before, uint64_t room)
{
	return now > before && now - before > room;
}

/* A session that is over its quota already must let its files be deleted. */
static bool is_over(const struct quota *q, const struct changes_totals *totals)
{
	struct quota_use use;

	if (totals->bytes <= q->limit.bytes && totals->files <= q->limit.files)
		return false;
	return !use_of_fs(q, &use) || has_grown(use.bytes, q->start.bytes, 0) ||
	       has_grown(use.files, q->start.files, 0);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void walk(struct quota *q)
{
	struct changes_source source = *q->source;
	struct changes_totals totals = {0};
	uint64_t began = now_ns();
	uint64_t took;

	source.deadline_ns = began + WALK_MS_MAX * MS_NS;
	/* Before the walk: what is written meanwhile counts as written after it. */
	(void)use_of_fs(q, &q->before);
	if (changes_count(&source, &totals, NULL) == 0) {
		q->held = (struct quota_use){totals.bytes, totals.files};
		q->over = is_over(q, &totals);
		q->room.bytes = less(q->limit.bytes, totals.bytes);
		q->room.files = less(q->limit.files, totals.files);
	}
	took = now_ns() - began;
	q->next_ns = now_ns() + WALK_SHARE * took;
	q->due_ns = MAX(q->next_ns, now_ns() + WALK_EVERY_NS);
}

static bool must_walk(const struct quota *q, bool due)
{
	struct quota_use use;

	if (due || !use_of_fs(q, &use))
		return true;
	return has_grown(use.bytes, q->before.bytes, q->room.bytes) ||
	       has_grown(use.files, q->before.files, q->room.files);
}

bool quota_look(struct quota *q)
{
	uint64_t now = now_ns();

	if (q->source && !q->over && now >= q->next_ns && must_walk(q, now >= q->due_ns))
		walk(q);
	return q->over;
}

/* A tool that is watched wakes init at every open: statfs(2) at each would cost as much as the rest. */
bool quota_tick(struct quota *q)
{
	uint64_t now = q->source ? now_ns() : 0;

	if (!q->source || now < q->looked_ns + QUOTA_TICK_MS * MS_NS)
		return q->over;
	q->looked_ns = now;
	return quota_look(q);
}

bool quota_look_last(struct quota *q)
{
	if (q->source && !q->over && must_walk(q, false))
		walk(q);
	return q->over;
}
