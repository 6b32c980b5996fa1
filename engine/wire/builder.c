/*
 * Theory of operation: one growing buffer per section; strings are interned through an open-address
 * hash table of offsets, so that a path which fifty records share is stored once. The first failure
 * sticks: later calls do nothing and image_builder_seal reports it, so that callers need no check
 * after each record. Sealing lays the sections out as verify.c demands and verifies the outcome,
 * so that a builder cannot write what the launcher would refuse.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "wire/image.h"

enum { CELLS, MOUNTS, RULES, ENV, INSNS, INPUTS, STRINGS, CATALOG, SECTION_N };

static const struct {
	const char *name;
	size_t each;
	uint32_t max;
	size_t header_offset;
} sections[] = {
	[CELLS] = {"cells", sizeof(struct image_cell), IMAGE_CELLS_MAX,
		   offsetof(struct image_header, cells)},
	[MOUNTS] = {"mounts", sizeof(struct image_mount), IMAGE_MOUNTS_MAX,
		    offsetof(struct image_header, mounts)},
	[RULES] = {"rules", sizeof(struct image_rule), IMAGE_RULES_MAX,
		   offsetof(struct image_header, rules)},
	[ENV] = {"variables", sizeof(struct image_env), IMAGE_ENV_MAX,
		 offsetof(struct image_header, env)},
	[INSNS] = {"instructions", sizeof(struct sock_filter),
		   IMAGE_CELLS_MAX *IMAGE_CELL_INSNS_MAX, offsetof(struct image_header, insns)},
	[INPUTS] = {"inputs", sizeof(struct image_input), IMAGE_INPUTS_MAX,
		    offsetof(struct image_header, inputs)},
	[STRINGS] = {"bytes of text", 1, IMAGE_BYTES_MAX, offsetof(struct image_header, strings)},
	[CATALOG] = {"bytes of catalog", 1, IMAGE_BYTES_MAX,
		     offsetof(struct image_header, catalog)},
};
static_assert(ARRAY_SIZE(sections) == SECTION_N, "every section has a row");

struct image_builder {
	struct buf section[SECTION_N];
	uint32_t *slots;  /* offset + 1 of a string; 0 is free */
	uint32_t n_slots; /* power of two */
	uint32_t n_strings;
	struct err err; /* num 0: all is well */
};

struct image_builder *image_builder_new(void)
{
	struct image_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	for (size_t i = 0; i < SECTION_N; i++)
		b->section[i].cap = IMAGE_BYTES_MAX;
	(void)image_builder_string(b, ""); /* first, so that it is not last: verify.c */
	return b;
}

void image_builder_free(struct image_builder *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < SECTION_N; i++)
		buf_fini(&b->section[i]);
	free(b->slots);
	free(b);
}

/* Appends @n records; returns the index of the first. */
static uint32_t add(struct image_builder *b, size_t section, const void *records, uint32_t n)
{
	struct buf *buf = &b->section[section];
	size_t each = sections[section].each;
	size_t index = buf->len / each;
	int r;

	if (b->err.num != 0)
		return IMAGE_NONE;
	if (n > sections[section].max || index > sections[section].max - n) {
		(void)err_set(&b->err, E2BIG, "the policy needs more than %u %s",
			      sections[section].max, sections[section].name);
		return IMAGE_NONE;
	}
	r = buf_append(buf, records, n * each);
	if (r < 0) {
		(void)err_set(&b->err, -r, "cannot add %s to the policy image",
			      sections[section].name);
		return IMAGE_NONE;
	}
	return (uint32_t)index;
}

static uint32_t hash(const char *text)
{
	uint32_t h = 2166136261U; /* FNV-1a; the texts are the operator's own */

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 16777619U;
	return h;
}

/* The slot that holds @text or the free one where it belongs. */
static uint32_t *find_slot(const struct image_builder *b, const char *text)
{
	for (uint32_t i = hash(text);; i++) {
		uint32_t *slot = &b->slots[i & (b->n_slots - 1)];

		if (*slot == 0 || strcmp(b->section[STRINGS].data + *slot - 1, text) == 0)
			return slot;
	}
}

static int grow_slots(struct image_builder *b)
{
	uint32_t *old = b->slots;
	uint32_t n_old = b->n_slots;
	uint32_t n = n_old ? n_old * 2 : 256;
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return err_set(&b->err, ENOMEM, "cannot build the policy image");
	b->slots = slots;
	b->n_slots = n;
	for (uint32_t i = 0; i < n_old; i++)
		if (old[i] != 0)
			*find_slot(b, b->section[STRINGS].data + old[i] - 1) = old[i];
	free(old);
	return 0;
}

uint32_t image_builder_string(struct image_builder *b, const char *text)
{
	uint32_t *slot;
	uint32_t offset;
	size_t len;

	if (!text || b->err.num != 0)
		return IMAGE_NONE;
	if (b->n_strings >= b->n_slots / 2 && grow_slots(b) < 0)
		return IMAGE_NONE;
	slot = find_slot(b, text);
	if (*slot != 0)
		return *slot - 1;
	len = strlen(text);
	if (len >= IMAGE_BYTES_MAX) {
		(void)err_set(&b->err, E2BIG, "a text of the policy has %zu bytes", len);
		return IMAGE_NONE;
	}
	offset = add(b, STRINGS, text, (uint32_t)len + 1);
	if (offset == IMAGE_NONE)
		return IMAGE_NONE;
	*slot = offset + 1;
	b->n_strings++;
	return offset;
}

uint32_t image_builder_cell(struct image_builder *b, const struct image_cell *cell)
{
	return add(b, CELLS, cell, 1);
}

uint32_t image_builder_mount(struct image_builder *b, const struct image_mount *mount)
{
	return add(b, MOUNTS, mount, 1);
}

uint32_t image_builder_rule(struct image_builder *b, const struct image_rule *rule)
{
	return add(b, RULES, rule, 1);
}

uint32_t image_builder_env(struct image_builder *b, const struct image_env *env)
{
	return add(b, ENV, env, 1);
}

uint32_t image_builder_input(struct image_builder *b, const struct image_input *input)
{
	return add(b, INPUTS, input, 1);
}

uint32_t image_builder_insns(struct image_builder *b, const struct sock_filter *insns, uint32_t n)
{
	return add(b, INSNS, insns, n);
}

void image_builder_catalog(struct image_builder *b, const char *json, size_t len)
{
	b->section[CATALOG].len = 0;
	if (len > IMAGE_BYTES_MAX)
		(void)err_set(&b->err, E2BIG, "the tool catalog has %zu bytes", len);
	else
		(void)add(b, CATALOG, json, (uint32_t)len);
}

static int pad(struct buf *out)
{
	static const char zeros[8];

	return buf_append(out, zeros, (8 - out->len % 8) % 8);
}

static int lay_out(const struct image_builder *b, struct buf *out)
{
	struct image_header header = {.magic = IMAGE_MAGIC, .version = IMAGE_VERSION};
	int r = buf_append(out, &header, sizeof(header));

	for (size_t i = 0; r == 0 && i < SECTION_N; i++) {
		struct image_range range;

		r = pad(out);
		if (r < 0)
			break;
		range.offset = (uint32_t)out->len;
		range.count = (uint32_t)(b->section[i].len / sections[i].each);
		memcpy((unsigned char *)&header + sections[i].header_offset, &range, sizeof(range));
		if (b->section[i].len > 0)
			r = buf_append(out, b->section[i].data, b->section[i].len);
	}
	if (r < 0)
		return r;
	header.bytes = (uint32_t)out->len;
	memcpy(out->data, &header, sizeof(header));
	return 0;
}

int image_builder_seal(struct image_builder *b, int *ret_fd, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.cap = IMAGE_BYTES_MAX};
	struct image image;
	int r;

	if (b->err.num != 0) {
		if (err)
			*err = b->err;
		return -b->err.num;
	}
	r = lay_out(b, &out);
	if (r < 0)
		return err_set(err, -r, "cannot lay out a policy image of at most %zu bytes",
			       IMAGE_BYTES_MAX);
	r = image_verify(out.data, out.len, &image, err);
	if (r < 0)
		return r;
	return fd_memfd_sealed("toolcell-image", out.data, out.len, ret_fd, err);
}
