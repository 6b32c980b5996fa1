/*
 * Theory of operation: a header, then records of their own length, each followed by its strings. Init
 * writes it, in a process that the tool may have tried to get at, so the reader believes nothing:
 * changes_decode walks all records once and holds every number and string against its bounds, so
 * that changes_next can go along them without a further check. The bytes must not change meanwhile: the
 * broker decodes a copy.
 */
#include "wire/changes.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/macros.h"

#define ALIGNMENT 8U
#define STRINGS 3U /* path, from, pointer */

static_assert(sizeof(struct changes_header) == 16 + 8 * CHANGES_KINDS + 32, "wire format");
static_assert(sizeof(struct changes_record) == 40, "wire format");

static int verify_header(const struct changes_header *h, size_t bytes, struct err *err)
{
	if (h->magic != CHANGES_MAGIC)
		return err_set(err, EINVAL, "summary of changes: wrong magic");
	if (h->bytes < sizeof(*h) || h->bytes > bytes || h->bytes % ALIGNMENT)
		return err_set(err, EINVAL, "summary of changes: %u bytes of %zu", h->bytes, bytes);
	if (h->flags & ~(uint32_t)CHANGES_FLAGS_ALL)
		return err_set(err, EINVAL, "summary of changes: unknown flags");
	if (h->n > CHANGES_LIST_MAX)
		return err_set(err, EINVAL,
			       "summary of changes: %u records; at most %u are accepted", h->n,
			       CHANGES_LIST_MAX);
	return 0;
}

/* The strings of a record, whose length has been checked. Return: 0 or -EINVAL. */
static int split_strings(const struct changes_record *r, const char *strings[static STRINGS])
{
	const char *at = (const char *)(r + 1);
	const char *end = (const char *)r + r->bytes;

	for (size_t i = 0; i < STRINGS; i++) {
		const char *nul = memchr(at, '\0', (size_t)(end - at));

		if (!nul || nul - at >= PATH_MAX)
			return -EINVAL;
		strings[i] = at;
		at = nul + 1;
	}
	if (end - at >= (ptrdiff_t)ALIGNMENT)
		return -EINVAL;
	for (; at < end; at++)
		if (*at != '\0')
			return -EINVAL;
	return 0;
}

static bool is_relative(const char *path)
{
	return path[0] != '\0' && path[0] != '/';
}

static int verify_record(const struct changes_record *r, size_t left, uint32_t i, struct err *err)
{
	const char *strings[STRINGS];

	if (left < sizeof(*r) || r->bytes < sizeof(*r) || r->bytes > left || r->bytes % ALIGNMENT)
		return err_set(err, EINVAL, "summary of changes: record %u does not fit", i);
	if (r->kind >= CHANGES_KINDS || r->verdict >= CHANGES_VERDICTS ||
	    (r->flags & ~(uint32_t)CHANGES_RECORD_ALL) || r->pad != 0)
		return err_set(err, EINVAL, "summary of changes: record %u has unknown values", i);
	if (split_strings(r, strings) < 0)
		return err_set(err, EINVAL, "summary of changes: record %u has not three strings",
			       i);
	if (!is_relative(strings[0]) || (strings[1][0] != '\0' && !is_relative(strings[1])))
		return err_set(err, EINVAL, "summary of changes: record %u has no relative path",
			       i);
	return 0;
}

int changes_decode(const void *data, size_t bytes, const struct changes_header **ret_header,
		   struct err *err)
{
	const struct changes_header *h = data;
	size_t at = sizeof(*h);
	int r;

	if (bytes < sizeof(*h) || bytes > CHANGES_BYTES_MAX || (uintptr_t)data % ALIGNMENT)
		return err_set(err, EINVAL,
			       "summary of changes: %zu bytes; %zu to %zu are accepted", bytes,
			       sizeof(*h), CHANGES_BYTES_MAX);
	r = verify_header(h, bytes, err);
	for (uint32_t i = 0; i < h->n && r == 0; i++) {
		const struct changes_record *record = (const void *)((const unsigned char *)data +
								     at);

		r = verify_record(record, h->bytes - at, i, err);
		if (r == 0)
			at += record->bytes;
	}
	if (r < 0)
		return r;
	if (at != h->bytes)
		return err_set(err, EINVAL, "summary of changes: %zu bytes behind the last record",
			       h->bytes - at);
	*ret_header = h;
	return 0;
}

int changes_next(const struct changes_header *header, size_t *offset, struct changes_entry *ret)
{
	size_t at = MAX(*offset, sizeof(*header));
	const struct changes_record *record = (const void *)((const unsigned char *)header + at);
	const char *strings[STRINGS];

	if (at >= header->bytes || split_strings(record, strings) < 0)
		return 0;
	*ret = (struct changes_entry){*record, strings[0], strings[1], strings[2]};
	*offset = at + record->bytes;
	return 1;
}

void changes_begin(struct changes_writer *w, void *data)
{
	w->data = data;
	w->used = sizeof(struct changes_header);
	*changes_header_of(w) = (struct changes_header){
		.magic = CHANGES_MAGIC,
		.bytes = (uint32_t)w->used,
	};
}

struct changes_header *changes_header_of(struct changes_writer *w)
{
	return (void *)w->data;
}

bool changes_add(struct changes_writer *w, const struct changes_entry *entry)
{
	const char *const strings[STRINGS] = {entry->path, entry->from, entry->pointer};
	struct changes_header *h = changes_header_of(w);
	struct changes_record record = entry->record;
	size_t bytes = sizeof(record);
	unsigned char *at;

	for (size_t i = 0; i < STRINGS; i++)
		bytes += strnlen(strings[i], PATH_MAX - 1) + 1;
	bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (h->n >= CHANGES_LIST_MAX || bytes > CHANGES_BYTES_MAX - w->used) {
		h->flags |= CHANGES_LIST_CUT;
		return false;
	}
	record.bytes = (uint32_t)bytes;
	record.pad = 0;
	at = w->data + w->used;
	memset(at, 0, bytes);
	memcpy(at, &record, sizeof(record));
	at += sizeof(record);
	for (size_t i = 0; i < STRINGS; i++) {
		/* What is longer than a path can be is cut; nothing of ours is. */
		size_t len = strnlen(strings[i], PATH_MAX - 1);

		memcpy(at, strings[i], len);
		at += len + 1;
	}
	w->used += bytes;
	h->n++;
	h->bytes = (uint32_t)w->used;
	return true;
}
