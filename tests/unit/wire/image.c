/*
 * Theory of operation: one good image, made by the builder, with two cells and a mount of every
 * type. Each row then spoils one field and expects a refusal; what the rows leave out is covered by
 * cutting the image at every length and by flipping every byte of the header.
 */
#include "wire/image.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"

#define OUT_OF_RANGE 0x00fffff0U

static const struct image_limits good_limits = {
	.wall_ms = 1000,
	.cpu_ms = 0,
	.memory_bytes = 1 << 20,
	.processes = 10,
	.open_files = 64,
	.file_bytes = 1 << 20,
	.output_bytes = 1 << 20,
	.cpu_permille = 0,
	.io_bytes_per_s = 0,
	.session_bytes = 1 << 20,
	.session_files = 100,
};

static void add_mounts(struct image_builder *b)
{
	static const struct {
		enum image_mount_type type;
		uint32_t flags;
		const char *source;
		const char *target;
		uint32_t mode;
		uint64_t size;
	} rows[] = {
		{IMAGE_MOUNT_BIND, IMAGE_MOUNT_READONLY, "/usr", "/usr", 0, 0},
		{IMAGE_MOUNT_TMPFS, IMAGE_MOUNT_NOEXEC, NULL, "/tmp", 01777, 4096},
		{IMAGE_MOUNT_PROC, IMAGE_MOUNT_PROC_MASKED, NULL, "/proc", 0, 0},
		{IMAGE_MOUNT_DEVPTS, 0, NULL, "/dev/pts", 0, 0},
		{IMAGE_MOUNT_DEVICE, IMAGE_MOUNT_OPTIONAL, "/dev/null", "/dev/null", 0, 0},
		{IMAGE_MOUNT_SYMLINK, 0, "usr/bin", "/bin", 0, 0},
		{IMAGE_MOUNT_DIR, 0, NULL, "/srv", 0755, 0},
		{IMAGE_MOUNT_FILE, IMAGE_MOUNT_READONLY, "", "/etc/empty", 0, 0},
		{IMAGE_MOUNT_OVERLAY, 0, "/opt/cache", "/opt/cache", 0, 4096},
		{IMAGE_MOUNT_WORKSPACE, 0, NULL, NULL, 0, 0},
		{IMAGE_MOUNT_DATA, IMAGE_MOUNT_READONLY, NULL, "/toolcell/data", 0, 0},
		{IMAGE_MOUNT_BASE, 0, NULL, "/toolcell/base", 0, 0},
	};
	static_assert(ARRAY_SIZE(rows) == IMAGE_MOUNT_TYPE_N, "one mount of every type");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct image_mount m = {
			.type = rows[i].type,
			.flags = rows[i].flags,
			.source = image_builder_string(b, rows[i].source),
			.target = image_builder_string(b, rows[i].target),
			.mode = rows[i].mode,
			.pointer = image_builder_string(b, "policies/p.json#/filesystem"),
			.size_bytes = rows[i].size,
			.inodes = rows[i].size ? 100 : 0,
		};

		cr_assert_eq(image_builder_mount(b, &m), i);
	}
}

static void add_rest(struct image_builder *b)
{
	struct image_rule rules[] = {
		{.path = IMAGE_NONE, .access = IMAGE_ACCESS_READ},
		{.path = image_builder_string(b, "/usr"), .access = IMAGE_ACCESS_ALL},
	};
	struct image_env env[] = {
		{image_builder_string(b, "PATH"), image_builder_string(b, "/usr/bin")},
		{image_builder_string(b, "LANG"), IMAGE_NONE},
	};
	struct image_input inputs[] = {
		{.type = IMAGE_INPUT_FILE,
		 .name = image_builder_string(b, "/etc/p.json"),
		 .value = IMAGE_NONE,
		 .ino = 7},
		{.type = IMAGE_INPUT_ENV,
		 .name = image_builder_string(b, "HOME"),
		 .value = image_builder_string(b, "/home/x")},
		{.type = IMAGE_INPUT_ABSENT,
		 .name = image_builder_string(b, "/etc/q.json"),
		 .value = IMAGE_NONE},
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(rules); i++) {
		rules[i].pointer = image_builder_string(b, "policies/p.json#/filesystem");
		cr_assert_eq(image_builder_rule(b, &rules[i]), i);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(env); i++)
		cr_assert_eq(image_builder_env(b, &env[i]), i);
	for (uint32_t i = 0; i < ARRAY_SIZE(inputs); i++)
		cr_assert_eq(image_builder_input(b, &inputs[i]), i);
}

static struct image_builder *good_builder(void)
{
	static const struct sock_filter insns[] = {BPF_STMT(BPF_RET | BPF_K, 0),
						   BPF_STMT(BPF_RET | BPF_K, 1)};
	struct image_builder *b = image_builder_new();
	struct image_cell cell = {
		.name = image_builder_string(b, "p"),
		.policy = image_builder_string(b, "p"),
		.hostname = image_builder_string(b, "cell"),
		.home = image_builder_string(b, "/home/x"),
		.mounts_count = IMAGE_MOUNT_TYPE_N,
		.rules_count = 2,
		.env_count = 2,
		.insns_count = 2,
		.watch_first = 1,
		.watch_count = 1,
		.observe = IMAGE_OBSERVE_OPENS,
		.absent = image_builder_string(b, "/etc/absent\n"),
		.change_rules = IMAGE_NONE,
		.limits = good_limits,
	};

	add_mounts(b);
	add_rest(b);
	cr_assert_eq(image_builder_insns(b, insns, 2), 0);
	cr_assert_eq(image_builder_cell(b, &cell), 0);
	cell.name = image_builder_string(b, "p/tool-1");
	cell.flags = IMAGE_CELL_WORKSPACE_READONLY;
	cell.insns_first = 1;
	cell.insns_count = 1;
	cell.watch_count = 0;
	cell.observe = IMAGE_OBSERVE_NOTHING;
	cell.absent = IMAGE_NONE;
	cr_assert_eq(image_builder_cell(b, &cell), 1);
	image_builder_catalog(b, "{}", 2);
	return b;
}

/* A heap copy of exactly its size. */
static unsigned char *sealed_image(struct image_builder *b, size_t *ret_len)
{
	CLEANUP(fd_closep) int fd = -1;
	struct err err = {0};
	struct stat st;
	unsigned char *data;

	cr_assert_eq(image_builder_seal(b, &fd, &err), 0, "%s", err.text);
	image_builder_free(b);
	cr_assert_eq(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size);
	cr_assert_eq(pread(fd, data, (size_t)st.st_size, 0), st.st_size);
	*ret_len = (size_t)st.st_size;
	return data;
}

static unsigned char *good_image(size_t *ret_len)
{
	return sealed_image(good_builder(), ret_len);
}

static int verify(const unsigned char *data, size_t len)
{
	struct image image = {.bytes = 77};
	struct err err = {0};
	int r = image_verify(data, len, &image, &err);

	if (r < 0) {
		cr_assert_eq(image.bytes, 77, "output untouched on failure");
		cr_assert_eq(err.num, EINVAL);
		cr_assert_eq(strncmp(err.text, "image: ", 7), 0, "%s", err.text);
	}
	return r;
}

Test(image, what_goes_in_comes_out_of_the_mapping)
{
	struct image_builder *b = good_builder();
	struct image image = {0};
	struct err err = {0};
	size_t len;
	int fd = -1;

	cr_assert_eq(image_builder_seal(b, &fd, &err), 0, "%s", err.text);
	image_builder_free(b);
	cr_assert_eq(image_map(fd, &image, &err), 0, "%s", err.text);
	fd_closep(&fd);
	cr_assert_str_eq(image_string(&image, image_cell(&image, 1)->name), "p/tool-1");
	cr_assert_null(image_cell(&image, 2));
	cr_assert_null(image_cell(&image, UINT32_MAX));
	cr_assert_eq(image_mount(&image, 1)->mode, 01777);
	cr_assert_str_eq(image_string(&image, image_mount(&image, 5)->source), "usr/bin");
	cr_assert_null(image_mount(&image, IMAGE_MOUNT_TYPE_N));
	cr_assert_null(image_string(&image, image_rule(&image, 0)->path));
	cr_assert_null(image_rule(&image, 2));
	cr_assert_str_eq(image_string(&image, image_env(&image, 0)->value), "/usr/bin");
	cr_assert_null(image_env(&image, 2));
	cr_assert_str_eq(image_string(&image, image_input(&image, 1)->value), "/home/x");
	cr_assert_null(image_input(&image, 3));
	cr_assert_eq(image_insns(&image, image_cell(&image, 1))[0].k, 1);
	cr_assert_eq(image_watch(&image, image_cell(&image, 0))[0].k, 1);
	cr_assert_str_eq(image_string(&image, image_cell(&image, 0)->absent), "/etc/absent\n");
	cr_assert_eq(memcmp(image_catalog(&image, &len), "{}", 2), 0);
	cr_assert_eq(len, 2);
	cr_assert_null(image_string(&image, IMAGE_NONE));
	image_unmap(&image);
	cr_assert_null(image.data);
	image_unmap(&image);
	image_unmap(NULL);
}

Test(image, equal_strings_are_stored_once)
{
	struct image_builder *b = image_builder_new();
	uint32_t first = image_builder_string(b, "one");
	char text[16];

	cr_assert_neq(first, image_builder_string(b, "two"));
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(text, sizeof(text), "s%d", i);
		(void)image_builder_string(b, text);
	}
	cr_assert_eq(first, image_builder_string(b, "one"));
	cr_assert_eq(image_builder_string(b, NULL), IMAGE_NONE);
	image_builder_free(b);
	image_builder_free(NULL);
}

Test(image, mapping_refuses_what_is_not_sealed)
{
	CLEANUP(fd_closep) int fd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CLEANUP(fd_closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CLEANUP(fd_closep) int empty = -1;
	struct image image = {.bytes = 77};
	struct err err = {0};
	size_t len;
	unsigned char *data = good_image(&len);

	cr_assert_eq(fd_write_full(fd, data, len), 0);
	cr_assert_eq(image_map(fd, &image, &err), -EPERM);
	cr_assert_lt(image_map(null, &image, &err), 0);
	cr_assert_lt(image_map(-1, &image, &err), 0);
	cr_assert_eq(fd_memfd_sealed("t", "", 0, &empty, &err), 0);
	cr_assert_eq(image_map(empty, &image, &err), -EINVAL);
	cr_assert_eq(image.bytes, 77);
	cr_assert_eq(fd_seal(fd), 0);
	cr_assert_eq(image_map(fd, &image, &err), 0, "%s", err.text);
	image_unmap(&image);
	free(data);
}

Test(image, every_cut_and_every_tail_is_refused)
{
	size_t len;
	unsigned char *data = good_image(&len);

	cr_assert_eq(verify(data, len), 0);
	for (size_t cut = 0; cut < len; cut++) {
		unsigned char *copy = aligned_alloc(8, (cut + 15) / 8 * 8);
		uint32_t bytes = (uint32_t)cut;

		memcpy(copy, data, cut);
		cr_assert_lt(verify(copy, cut), 0, "cut at %zu", cut);
		if (cut >= sizeof(struct image_header)) {
			memcpy(copy + offsetof(struct image_header, bytes), &bytes, sizeof(bytes));
			cr_assert_lt(verify(copy, cut), 0, "cut at %zu", cut);
		}
		free(copy);
	}
	data = realloc(data, len + 8);
	memset(data + len, 0, 8);
	cr_assert_lt(verify(data, len + 8), 0);
	data[offsetof(struct image_header, bytes)] = (unsigned char)(len + 8);
	cr_assert_lt(verify(data, len + 8), 0);
	free(data);
}

/* Whatever number of bytes of padding stands behind the strings. */
Test(image, every_byte_of_the_header_matters)
{
	for (size_t extra = 0; extra <= 8; extra++) {
		struct image_builder *b = good_builder();
		unsigned char *data;
		size_t len;

		(void)image_builder_string(b, &"12345678"[8 - extra]);
		data = sealed_image(b, &len);
		for (size_t i = 0; i < sizeof(struct image_header); i++) {
			for (unsigned int bit = 0; bit < 8; bit++) {
				data[i] ^= (unsigned char)(1U << bit);
				cr_assert_lt(verify(data, len), 0, "%zu: byte %zu bit %u", extra, i,
					     bit);
				data[i] ^= (unsigned char)(1U << bit);
			}
		}
		cr_assert_eq(verify(data, len), 0);
		free(data);
	}
}

Test(image, the_empty_string_is_stored_once_and_first)
{
	struct image_builder *b = good_builder();
	struct image_header h;
	unsigned char *data;
	size_t len;

	cr_assert_eq(image_builder_string(b, ""), 0);
	(void)image_builder_string(b, "last");
	data = sealed_image(b, &len);
	memcpy(&h, data, sizeof(h));
	memcpy(data + h.strings.offset + h.strings.count - 5, "las\0", 5);
	cr_assert_lt(verify(data, len), 0, "the last string is empty");
	memcpy(data + h.strings.offset + h.strings.count - 5, "last", 5);
	cr_assert_eq(verify(data, len), 0);
	free(data);
}

Test(image, an_image_must_be_aligned)
{
	size_t len;
	unsigned char *data = good_image(&len);
	unsigned char *shifted = malloc(len + 8);

	memcpy(shifted + 1, data, len);
	cr_assert_lt(verify(shifted + 1, len), 0);
	cr_assert_lt(verify(NULL, len), 0);
	free(shifted);
	free(data);
}

#define SECTION(member) offsetof(struct image_header, member)
#define CELL(i, field)                                                                        \
	SECTION(cells), (i) * sizeof(struct image_cell) + offsetof(struct image_cell, field), \
		sizeof(((struct image_cell *)0)->field)
#define LIMIT(field) SECTION(cells), offsetof(struct image_cell, limits.field), 8
#define MOUNT(type, field)                                        \
	SECTION(mounts),                                          \
		IMAGE_MOUNT_##type * sizeof(struct image_mount) + \
			offsetof(struct image_mount, field),      \
		sizeof(((struct image_mount *)0)->field)
#define RULE(i, field) \
	SECTION(rules), (i) * sizeof(struct image_rule) + offsetof(struct image_rule, field), 4
#define ENV(i, field) \
	SECTION(env), (i) * sizeof(struct image_env) + offsetof(struct image_env, field), 4
#define INPUT(i, field) \
	SECTION(inputs), (i) * sizeof(struct image_input) + offsetof(struct image_input, field), 4

static const struct {
	size_t section; /* of its range in the header */
	size_t offset;
	size_t width;
	uint64_t value;
} spoiled[] = {
	{CELL(0, name), IMAGE_NONE},
	{CELL(0, name), OUT_OF_RANGE},
	{CELL(0, name), 2}, /* the middle or the NUL of another string */
	{CELL(0, policy), IMAGE_NONE},
	{CELL(0, policy), OUT_OF_RANGE},
	{CELL(0, flags), IMAGE_CELL_FLAGS_ALL + 1},
	{CELL(0, flags), UINT32_MAX},
	{CELL(0, require), IMAGE_REQUIRE_ALL + 1},
	{CELL(0, require), UINT32_MAX},
	{CELL(0, landlock_abi_min), 1001},
	{CELL(0, landlock_abi_min), UINT32_MAX},
	{CELL(0, fallback), IMAGE_FALLBACK_N},
	{CELL(0, change_rules), 0x7fffffff},
	{CELL(0, net), IMAGE_NET_N},
	{CELL(0, net), UINT32_MAX},
	{CELL(0, hostname), IMAGE_NONE},
	{CELL(0, hostname), OUT_OF_RANGE},
	{CELL(0, home), IMAGE_NONE},
	{CELL(0, home), 1}, /* "p" */
	{CELL(0, mounts_first), 1},
	{CELL(0, mounts_first), UINT32_MAX},
	{CELL(0, mounts_count), IMAGE_MOUNT_TYPE_N + 1},
	{CELL(0, mounts_count), UINT32_MAX},
	{CELL(0, rules_first), 1},
	{CELL(0, rules_first), UINT32_MAX},
	{CELL(0, rules_count), 3},
	{CELL(0, rules_count), UINT32_MAX},
	{CELL(0, env_first), 1},
	{CELL(0, env_first), UINT32_MAX},
	{CELL(0, env_count), 3},
	{CELL(0, env_count), UINT32_MAX},
	{CELL(0, insns_first), 1},
	{CELL(0, insns_first), UINT32_MAX},
	{CELL(0, insns_count), 0},
	{CELL(0, insns_count), 3},
	{CELL(0, insns_count), IMAGE_CELL_INSNS_MAX + 1},
	{CELL(0, insns_count), UINT32_MAX},
	{CELL(0, watch_first), 2},
	{CELL(0, watch_first), UINT32_MAX},
	{CELL(0, watch_count), 0},
	{CELL(0, watch_count), 2},
	{CELL(0, watch_count), IMAGE_CELL_INSNS_MAX + 1},
	{CELL(0, watch_count), UINT32_MAX},
	{CELL(0, observe), IMAGE_OBSERVE_NOTHING},
	{CELL(0, observe), IMAGE_OBSERVE_N},
	{CELL(0, observe), UINT32_MAX},
	{CELL(0, absent), OUT_OF_RANGE},
	{CELL(0, absent), 2},
	{CELL(1, observe), IMAGE_OBSERVE_REFUSED},
	{CELL(1, watch_count), 1},
	{CELL(1, name), 1}, /* the first cell's */
	{CELL(1, insns_first), 2},
	{LIMIT(wall_ms), 0},
	{LIMIT(wall_ms), UINT64_MAX},
	{LIMIT(cpu_ms), UINT64_MAX},
	{LIMIT(memory_bytes), 0},
	{LIMIT(memory_bytes), UINT64_MAX},
	{LIMIT(processes), 0},
	{LIMIT(processes), UINT64_MAX},
	{LIMIT(open_files), 0},
	{LIMIT(open_files), UINT64_MAX},
	{LIMIT(file_bytes), 0},
	{LIMIT(file_bytes), UINT64_MAX},
	{LIMIT(output_bytes), 0},
	{LIMIT(output_bytes), UINT64_MAX},
	{LIMIT(cpu_permille), UINT64_MAX},
	{LIMIT(io_bytes_per_s), UINT64_MAX},
	{LIMIT(session_bytes), 0},
	{LIMIT(session_files), 0},
	{LIMIT(session_files), UINT64_MAX},
	{MOUNT(BIND, type), IMAGE_MOUNT_TYPE_N},
	{MOUNT(BIND, type), UINT32_MAX},
	{MOUNT(BIND, type), IMAGE_MOUNT_WORKSPACE},
	{MOUNT(BIND, flags), IMAGE_MOUNT_PROC_MASKED},
	{MOUNT(BIND, flags), IMAGE_MOUNT_FLAGS_ALL + 1},
	{MOUNT(BIND, flags), UINT32_MAX},
	{MOUNT(BIND, source), IMAGE_NONE},
	{MOUNT(BIND, source), OUT_OF_RANGE},
	{MOUNT(BIND, source), 1},
	{MOUNT(BIND, target), IMAGE_NONE},
	{MOUNT(BIND, target), OUT_OF_RANGE},
	{MOUNT(BIND, target), 1},
	{MOUNT(BIND, mode), 0755},
	{MOUNT(BIND, pointer), IMAGE_NONE},
	{MOUNT(BIND, pointer), OUT_OF_RANGE},
	{MOUNT(BIND, size_bytes), 1},
	{MOUNT(BIND, inodes), 1},
	{MOUNT(TMPFS, flags), IMAGE_MOUNT_READONLY},
	{MOUNT(TMPFS, flags), IMAGE_MOUNT_OPTIONAL},
	{MOUNT(TMPFS, source), 1},
	{MOUNT(TMPFS, mode), 04755},
	{MOUNT(TMPFS, mode), UINT32_MAX},
	{MOUNT(TMPFS, size_bytes), 0},
	{MOUNT(TMPFS, size_bytes), UINT64_MAX},
	{MOUNT(TMPFS, inodes), 0},
	{MOUNT(TMPFS, inodes), UINT64_MAX},
	{MOUNT(PROC, flags), IMAGE_MOUNT_READONLY},
	{MOUNT(PROC, source), 1},
	{MOUNT(DEVPTS, flags), IMAGE_MOUNT_READONLY},
	{MOUNT(DEVPTS, source), 1},
	{MOUNT(DEVICE, flags), IMAGE_MOUNT_READONLY},
	{MOUNT(DEVICE, source), IMAGE_NONE},
	{MOUNT(SYMLINK, flags), IMAGE_MOUNT_OPTIONAL},
	{MOUNT(SYMLINK, source), IMAGE_NONE},
	{MOUNT(SYMLINK, target), IMAGE_NONE},
	{MOUNT(DIR, mode), 02755},
	{MOUNT(DIR, source), 1},
	{MOUNT(FILE, source), IMAGE_NONE},
	{MOUNT(FILE, flags), IMAGE_MOUNT_OPTIONAL},
	{MOUNT(OVERLAY, flags), IMAGE_MOUNT_READONLY},
	{MOUNT(OVERLAY, source), IMAGE_NONE},
	{MOUNT(OVERLAY, size_bytes), 0},
	{MOUNT(OVERLAY, inodes), 0},
	{MOUNT(WORKSPACE, source), 1},
	{MOUNT(WORKSPACE, target), 1},
	{MOUNT(WORKSPACE, flags), IMAGE_MOUNT_OPTIONAL},
	{RULE(1, path), OUT_OF_RANGE},
	{RULE(1, path), 1},
	{RULE(0, access), 0},
	{RULE(0, access), IMAGE_ACCESS_ALL + 1},
	{RULE(0, access), UINT32_MAX},
	{RULE(0, pointer), IMAGE_NONE},
	{RULE(0, pad), 1},
	{ENV(0, name), IMAGE_NONE},
	{ENV(0, name), OUT_OF_RANGE},
	{ENV(0, value), OUT_OF_RANGE},
	{INPUT(0, type), IMAGE_INPUT_TYPE_N},
	{INPUT(0, type), UINT32_MAX},
	{INPUT(0, name), IMAGE_NONE},
	{INPUT(0, value), 1},
	{INPUT(0, pad), 1},
	{INPUT(1, name), IMAGE_NONE},
	{INPUT(1, value), OUT_OF_RANGE},
	{INPUT(2, value), 1},
};

Test(image, every_field_of_every_record_is_checked)
{
	size_t len;
	unsigned char *data = good_image(&len);
	unsigned char *copy = malloc(len);

	for (size_t i = 0; i < ARRAY_SIZE(spoiled); i++) {
		struct image_range range;
		uint32_t narrow = (uint32_t)spoiled[i].value;
		const void *value = spoiled[i].width == 4 ? (const void *)&narrow
							  : &spoiled[i].value;

		memcpy(copy, data, len);
		memcpy(&range, copy + spoiled[i].section, sizeof(range));
		memcpy(copy + range.offset + spoiled[i].offset, value, spoiled[i].width);
		cr_assert_lt(verify(copy, len), 0, "row %zu", i);
	}
	free(copy);
	free(data);
}

Test(image, strings_and_padding_are_checked)
{
	size_t len;
	unsigned char *data = good_image(&len);
	struct image_header h;
	unsigned char *last;

	memcpy(&h, data, sizeof(h));
	last = data + h.strings.offset + h.strings.count - 1;
	*last = 'x';
	cr_assert_lt(verify(data, len), 0, "the last string must end");
	*last = '\0';
	data[h.catalog.offset] = '\0';
	cr_assert_lt(verify(data, len), 0, "no NUL in the catalog");
	data[h.catalog.offset] = '{';
	if (last + 1 < data + h.catalog.offset) {
		last[1] = 1;
		cr_assert_lt(verify(data, len), 0, "padding is zero");
		last[1] = 0;
	}
	cr_assert_eq(verify(data, len), 0);
	free(data);
}

/* A copy of the good builder's cell 0 with another string in one place. */
static int seal_with(size_t field, const char *text)
{
	struct image_builder *b = good_builder();
	CLEANUP(fd_closep) int fd = -1;
	struct err err = {0};
	uint32_t offset = image_builder_string(b, text);
	struct image_cell cell = {
		.name = image_builder_string(b, "q"),
		.policy = image_builder_string(b, "p"),
		.hostname = image_builder_string(b, "cell"),
		.home = image_builder_string(b, "/home/x"),
		.insns_count = 2,
		.change_rules = IMAGE_NONE,
		.limits = good_limits,
	};
	int r;

	memcpy((char *)&cell + field, &offset, sizeof(offset));
	(void)image_builder_cell(b, &cell);
	r = image_builder_seal(b, &fd, &err);
	image_builder_free(b);
	return r;
}

Test(image, names_hosts_and_paths_are_sane)
{
	static const size_t name = offsetof(struct image_cell, name);
	static const size_t host = offsetof(struct image_cell, hostname);
	static const size_t home = offsetof(struct image_cell, home);
	static const struct {
		size_t field;
		const char *text;
		int r;
	} rows[] = {
		{name, "base/build", 0},    {name, "a.b-c_d/Tool", 0}, {name, "", -EINVAL},
		{name, "/a", -EINVAL},	    {name, "a/", -EINVAL},     {name, "a//b", -EINVAL},
		{name, "../a", -EINVAL},    {name, "a/../b", -EINVAL}, {name, "a b", -EINVAL},
		{name, "a\n", -EINVAL},	    {name, ".a", -EINVAL},     {name, "\xc3\xa9", -EINVAL},
		{host, "a-b", 0},	    {host, "", -EINVAL},       {host, "-a", -EINVAL},
		{host, "a-", -EINVAL},	    {host, "a.b", -EINVAL},    {host, "a/b", -EINVAL},
		{home, "/", -EINVAL},	    {home, "", -EINVAL},       {home, "a", -EINVAL},
		{home, "/a/", -EINVAL},	    {home, "//a", -EINVAL},    {home, "/a//b", -EINVAL},
		{home, "/a/../b", -EINVAL}, {home, "/a/..", -EINVAL},  {home, "/./a", -EINVAL},
		{home, "/a/.", -EINVAL},    {home, "/..a/...", 0},     {home, "/a/.b", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_assert_eq(seal_with(rows[i].field, rows[i].text), rows[i].r, "row %zu: %s", i,
			     rows[i].text);
}

Test(image, a_name_or_path_of_any_length_is_bounded)
{
	char text[8192];

	memset(text, 'a', sizeof(text));
	text[193] = '\0';
	cr_assert_eq(seal_with(offsetof(struct image_cell, name), text), -EINVAL);
	text[64] = '\0';
	cr_assert_eq(seal_with(offsetof(struct image_cell, hostname), text), -EINVAL);
	memset(text, 'a', sizeof(text));
	text[0] = '/';
	text[257] = '\0'; /* one component of 256 bytes */
	cr_assert_eq(seal_with(offsetof(struct image_cell, home), text), -EINVAL);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? 'a' : '/';
	text[4096] = '\0';
	cr_assert_eq(seal_with(offsetof(struct image_cell, home), text), -EINVAL);
	text[4094] = '\0';
	cr_assert_eq(seal_with(offsetof(struct image_cell, home), text), 0);
}

Test(image, a_builder_that_overflows_says_so_once_and_for_all)
{
	struct image_builder *b = good_builder();
	struct image_env env = {image_builder_string(b, "A"), IMAGE_NONE};
	struct err err = {0};
	int fd = -7;

	for (uint32_t i = 2; i < IMAGE_ENV_MAX; i++)
		cr_assert_eq(image_builder_env(b, &env), i);
	cr_assert_eq(image_builder_env(b, &env), IMAGE_NONE);
	cr_assert_eq(image_builder_string(b, "later"), IMAGE_NONE);
	cr_assert_eq(image_builder_seal(b, &fd, &err), -E2BIG);
	cr_assert_not_null(strstr(err.text, "variables"), "%s", err.text);
	cr_assert_eq(fd, -7);
	image_builder_free(b);
}

Test(image, an_image_without_a_cell_is_refused)
{
	struct image_builder *b = image_builder_new();
	struct err err = {0};
	int fd = -7;

	cr_assert_eq(image_builder_seal(b, &fd, &err), -EINVAL);
	cr_assert_eq(fd, -7);
	image_builder_free(b);
}
