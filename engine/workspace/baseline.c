/*
 * Theory of operation: the file is read whole, its header and every offset are checked once, then
 * looked up by binary search. Writing merges two sorted lists, the newer entry of a path wins. Records
 * that the workspace no longer agrees with are harmless: an identity that does not fit says nothing.
 */
#include "workspace/baseline.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/num.h"
#include "workspace/branch.h"

static int check(const char *data, size_t len, struct baseline *ret)
{
	struct baseline_header header;
	size_t records;
	size_t strings;

	if (len < sizeof(header))
		return -EINVAL;
	memcpy(&header, data, sizeof(header));
	if (memcmp(header.magic, BASELINE_MAGIC, sizeof(header.magic)) != 0 ||
	    header.bytes != len ||
	    !size_mul_capped(header.n, sizeof(struct baseline_record), len - sizeof(header),
			     &records))
		return -EINVAL;
	strings = len - sizeof(header) - records;
	/* The last path ends at the end: every offset before it is a string. */
	if (header.n > BASELINE_ENTRIES_MAX || (header.n > 0 && strings == 0) ||
	    (strings > 0 && data[len - 1] != '\0'))
		return -EINVAL;
	ret->records = (const void *)(data + sizeof(header));
	ret->paths = data + sizeof(header) + records;
	ret->n = header.n;
	for (uint32_t i = 0; i < ret->n; i++)
		if (ret->records[i].path >= strings)
			return -EINVAL;
	return 0;
}

int baseline_read(int data, uint32_t branch, struct baseline *ret, struct err *err)
{
	CLEANUP(fd_closep) int dir = -1;
	struct baseline found = {0};
	size_t len = 0;
	int r = branch_open(data, branch, &dir, err);

	if (r < 0)
		return r;
	r = branch_read(dir, BASELINE_FILE, BASELINE_BYTES_MAX, &found.data, &len, err);
	if (r == -ENOENT) {
		*ret = (struct baseline){0};
		return 0;
	}
	if (r < 0)
		return r;
	r = check(found.data, len, &found);
	if (r < 0) {
		free(found.data);
		return err_set(err, -r, "the branch's baseline is damaged; discard the session");
	}
	*ret = found;
	return 0;
}

void baseline_fini(struct baseline *baseline)
{
	free(baseline->data);
	*baseline = (struct baseline){0};
}

bool baseline_has(const struct baseline *baseline, const char *path, const struct stat *st)
{
	uint32_t low = 0;
	uint32_t high = baseline->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct baseline_record *record = &baseline->records[mid];
		int order = strcmp(path, baseline->paths + record->path);

		if (order == 0 && !st)
			return record->ino == 0;
		if (order == 0)
			return record->dev == st->st_dev && record->ino == st->st_ino &&
			       record->ctime_s == st->st_ctim.tv_sec &&
			       record->ctime_ns == (uint64_t)st->st_ctim.tv_nsec;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

static int compare_entries(const void *a, const void *b)
{
	const struct baseline_entry *left = a;
	const struct baseline_entry *right = b;

	return strcmp(left->path, right->path);
}

struct writing {
	struct buf records;
	struct buf paths;
	uint32_t n;
};

static int add(struct writing *w, const struct baseline_entry *entry)
{
	struct baseline_record record = {
		.dev = entry->dev,
		.ino = entry->ino,
		.ctime_s = entry->ctime_s,
		.ctime_ns = entry->ctime_ns,
		.path = (uint32_t)w->paths.len,
	};
	int r;

	if (w->n == BASELINE_ENTRIES_MAX)
		return -E2BIG;
	w->n++;
	r = buf_append(&w->records, &record, sizeof(record));
	return r < 0 ? r : buf_append(&w->paths, entry->path, strlen(entry->path) + 1);
}

static int merge(struct writing *w, const struct baseline *old,
		 const struct baseline_entry *entries, size_t n)
{
	size_t at_old = 0;
	size_t at = 0;
	int r = 0;

	while (r == 0 && (at_old < old->n || at < n)) {
		const struct baseline_record *record = at_old < old->n ? &old->records[at_old]
								       : NULL;
		int order = record ? -1 : 1;

		if (record && at < n)
			order = strcmp(old->paths + record->path, entries[at].path);
		if (record && order < 0) {
			const struct baseline_entry kept = {
				.path = old->paths + record->path,
				.dev = record->dev,
				.ino = record->ino,
				.ctime_s = record->ctime_s,
				.ctime_ns = record->ctime_ns,
			};

			r = add(w, &kept);
		} else {
			r = add(w, &entries[at]);
		}
		at_old += order <= 0;
		at += order >= 0;
	}
	return r;
}

int baseline_write(int dir, const struct baseline *old, struct baseline_entry *entries, size_t n,
		   struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.cap = BASELINE_BYTES_MAX};
	struct writing w = {.records = {.cap = BASELINE_BYTES_MAX},
			    .paths = {.cap = BASELINE_BYTES_MAX}};
	struct baseline_header header = {.magic = BASELINE_MAGIC};
	int r;

	if (n > 0)
		qsort(entries, n, sizeof(*entries), compare_entries);
	r = merge(&w, old, entries, n);
	header.n = w.n;
	header.bytes = sizeof(header) + w.records.len + w.paths.len;
	if (r == 0)
		r = buf_append(&out, &header, sizeof(header));
	if (r == 0 && w.n > 0)
		r = buf_append(&out, w.records.data, w.records.len);
	if (r == 0 && w.n > 0)
		r = buf_append(&out, w.paths.data, w.paths.len);
	buf_fini(&w.records);
	buf_fini(&w.paths);
	if (r < 0)
		return err_set(err, -r, "cannot write the branch's baseline of %u paths", w.n);
	return branch_replace(dir, BASELINE_FILE, out.data, out.len, err);
}
