/*
 * A policy image with one cell and mounts of the test's own, for whoever only reads one. Aborts on what a
 * test does wrong: fuzz targets use it too.
 */
#ifndef TOOLCELL_TESTS_SMALL_IMAGE_H
#define TOOLCELL_TESTS_SMALL_IMAGE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/image.h"

struct small_mount {
	enum image_mount_type type;
	uint32_t flags;
	const char *source; /* NULL: none */
	const char *target;
	uint32_t mode;
	uint64_t size_bytes;
	uint64_t inodes;
};

struct small_cell {
	enum image_net net;
	uint32_t flags;
	const char *absent;	  /* NULL: none */
	const char *change_rules; /* NULL: none */
	uint64_t open_files;	  /* 0: 64 */
	const char *catalog;	  /* NULL: "{}" */
};

static inline void small_image_must(bool good)
{
	if (!good)
		abort();
}

static inline void small_image_mounts(struct image_builder *b, const struct small_mount *mounts,
				      uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct image_mount m = {
			.type = mounts[i].type,
			.flags = mounts[i].flags,
			.source = image_builder_string(b, mounts[i].source),
			.target = image_builder_string(b, mounts[i].target),
			.mode = mounts[i].mode,
			.pointer = image_builder_string(b, "policies/p.json#/filesystem/here"),
			.size_bytes = mounts[i].size_bytes,
			.inodes = mounts[i].inodes,
		};

		small_image_must(image_builder_mount(b, &m) == i);
	}
}

/* @ret lives until the process ends or image_unmap. */
static inline void small_image(const struct small_mount *mounts, uint32_t n,
			       const struct small_cell *like, struct image *ret)
{
	static const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, 0x7fff0000);
	struct image_builder *b = image_builder_new();
	struct image_cell cell = {
		.name = image_builder_string(b, "unit"),
		.policy = image_builder_string(b, "unit"),
		.flags = like->flags,
		.net = like->net,
		.hostname = image_builder_string(b, "cell"),
		.home = image_builder_string(b, "/home"),
		.mounts_count = n,
		.insns_count = 1,
		.absent = image_builder_string(b, like->absent),
		.change_rules = image_builder_string(b, like->change_rules),
		.limits = {.wall_ms = 1000,
			   .memory_bytes = 1 << 20,
			   .processes = 10,
			   .open_files = like->open_files ? like->open_files : 64,
			   .file_bytes = 1 << 20,
			   .output_bytes = 1 << 20,
			   .session_bytes = 1 << 20,
			   .session_files = 100},
	};
	const char *catalog = like->catalog ? like->catalog : "{}";
	int fd = -1;

	small_image_mounts(b, mounts, n);
	small_image_must(image_builder_insns(b, &allow, 1) == 0);
	small_image_must(image_builder_cell(b, &cell) == 0);
	image_builder_catalog(b, catalog, strlen(catalog));
	small_image_must(image_builder_seal(b, &fd, NULL) == 0);
	image_builder_free(b);
	small_image_must(image_map(fd, ret, NULL) == 0);
	(void)close(fd);
}

#endif
