/*
 * Theory of operation: any bytes as a policy image. What passes is then read the way the launcher
 * reads it, every record and every string, under a sanitizer.
 */
#include "wire/image.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t touched;

static void touch(const struct image *image, uint32_t offset)
{
	const char *text = image_string(image, offset);

	touched += text ? strlen(text) : 0;
}

static void read_cell(const struct image *image, const struct image_cell *c)
{
	touch(image, c->name);
	touch(image, c->policy);
	touch(image, c->hostname);
	touch(image, c->home);
	for (uint32_t i = 0; i < c->mounts_count; i++) {
		const struct image_mount *m = image_mount(image, c->mounts_first + i);

		touch(image, m->source);
		touch(image, m->target);
		touch(image, m->pointer);
	}
	for (uint32_t i = 0; i < c->rules_count; i++)
		touch(image, image_rule(image, c->rules_first + i)->path);
	for (uint32_t i = 0; i < c->env_count; i++)
		touch(image, image_env(image, c->env_first + i)->name);
	for (uint32_t i = 0; i < c->insns_count; i++)
		touched += image_insns(image, c)[i].code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *copy = aligned_alloc(8, (size + 15) / 8 * 8);
	const struct image_cell *c;
	struct image image;
	struct err err = {0};
	size_t len = 0;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (image_verify(copy, size, &image, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
	} else {
		for (uint32_t i = 0; (c = image_cell(&image, i)); i++)
			read_cell(&image, c);
		touched += image_catalog(&image, &len) ? len : 0;
	}
	free(copy);
	return 0;
}
