/*
 * Theory of operation: one pass from the outside in. First the header: magic, version, and a layout
 * that is canonical (sections in the order of the header, each at the next multiple of eight, zero
 * padding, nothing behind the last), so that no two sections overlap and no byte is unaccounted
 * for. Then strings as a whole, then each record of each section against one row that says what its
 * fields may hold; a field that a type does not use must be empty. The launcher runs with privilege
 * on what passes here: whatever is not known to be right is refused, with section and index.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "wire/image.h"

#define ALIGN 8U
#define NAME_MAX_BYTES 192U
#define HOSTNAME_MAX_BYTES 63U
#define LANDLOCK_ABI_MAX 1000U
#define MODE_MAX 01777U
#define SIZE_MAX_BYTES ((uint64_t)1 << 50)
#define INODES_MAX ((uint64_t)1 << 32)
#define MS_MAX ((uint64_t)1 << 40) /* some 35 years; times 10^6 still fits 64 bits */

static_assert(sizeof(struct image_header) == 80, "wire format");
static_assert(sizeof(struct image_cell) == 176, "wire format");
static_assert(sizeof(struct image_mount) == 40, "wire format");
static_assert(sizeof(struct image_rule) == 16, "wire format");
static_assert(sizeof(struct image_env) == 8, "wire format");
static_assert(sizeof(struct image_input) == 56, "wire format");
static_assert(sizeof(struct sock_filter) == 8, "wire format");

/* Sections in the order in which they must lie. */
static const struct section {
	const char *name;
	size_t header_offset;
	size_t each;
	uint32_t min;
	uint32_t max;
} sections[] = {
	{"cells", offsetof(struct image_header, cells), sizeof(struct image_cell), 1,
	 IMAGE_CELLS_MAX},
	{"mounts", offsetof(struct image_header, mounts), sizeof(struct image_mount), 0,
	 IMAGE_MOUNTS_MAX},
	{"rules", offsetof(struct image_header, rules), sizeof(struct image_rule), 0,
	 IMAGE_RULES_MAX},
	{"environment", offsetof(struct image_header, env), sizeof(struct image_env), 0,
	 IMAGE_ENV_MAX},
	{"insns", offsetof(struct image_header, insns), sizeof(struct sock_filter), 1,
	 IMAGE_CELLS_MAX *IMAGE_CELL_INSNS_MAX},
	{"inputs", offsetof(struct image_header, inputs), sizeof(struct image_input), 0,
	 IMAGE_INPUTS_MAX},
	{"strings", offsetof(struct image_header, strings), 1, 1, IMAGE_BYTES_MAX},
	{"catalog", offsetof(struct image_header, catalog), 1, 0, IMAGE_BYTES_MAX},
};

enum string_kind {
	STRING_NONE, /* must be IMAGE_NONE */
	STRING_ANY,
	STRING_TEXT, /* at least one byte */
	STRING_NAME,
	STRING_HOSTNAME,
	STRING_PATH, /* absolute and lexically clean, not "/" */
	STRING_ENV_NAME,
};

static const struct {
	const char *name;
	uint32_t flags; /* those that may be set */
	enum string_kind source;
	enum string_kind target;
	bool mode;
	bool size;
} mount_rows[] = {
	[IMAGE_MOUNT_BIND] = {"bind",
			      IMAGE_MOUNT_READONLY | IMAGE_MOUNT_NOEXEC | IMAGE_MOUNT_OPTIONAL,
			      STRING_PATH, STRING_PATH, false, false},
	[IMAGE_MOUNT_TMPFS] = {"tmpfs", IMAGE_MOUNT_NOEXEC, STRING_NONE, STRING_PATH, true, true},
	[IMAGE_MOUNT_PROC] = {"proc", IMAGE_MOUNT_PROC_MASKED, STRING_NONE, STRING_PATH, false,
			      false},
	[IMAGE_MOUNT_DEVPTS] = {"devpts", 0, STRING_NONE, STRING_PATH, false, false},
	[IMAGE_MOUNT_DEVICE] = {"device", IMAGE_MOUNT_OPTIONAL, STRING_PATH, STRING_PATH, false,
				false},
	[IMAGE_MOUNT_SYMLINK] = {"symlink", 0, STRING_TEXT, STRING_PATH, false, false},
	[IMAGE_MOUNT_DIR] = {"directory", 0, STRING_NONE, STRING_PATH, true, false},
	[IMAGE_MOUNT_FILE] = {"file", IMAGE_MOUNT_READONLY, STRING_ANY, STRING_PATH, false, false},
	[IMAGE_MOUNT_OVERLAY] = {"overlay", IMAGE_MOUNT_NOEXEC | IMAGE_MOUNT_OPTIONAL, STRING_PATH,
				 STRING_PATH, false, true},
	[IMAGE_MOUNT_WORKSPACE] = {"workspace", IMAGE_MOUNT_READONLY | IMAGE_MOUNT_NOEXEC,
				   STRING_NONE, STRING_NONE, false, false},
	[IMAGE_MOUNT_DATA] = {"data", IMAGE_MOUNT_READONLY, STRING_NONE, STRING_PATH, false, false},
	[IMAGE_MOUNT_BASE] = {"base", IMAGE_MOUNT_READONLY, STRING_NONE, STRING_PATH, false, false},
};
static_assert(ARRAY_SIZE(mount_rows) == IMAGE_MOUNT_TYPE_N, "every mount type has a row");

static const struct {
	const char *name;
	size_t offset;
	uint64_t min;
	uint64_t max;
} limit_rows[] = {
	{"wall_ms", offsetof(struct image_limits, wall_ms), 1, MS_MAX},
	{"cpu_ms", offsetof(struct image_limits, cpu_ms), 0, MS_MAX},
	{"memory_bytes", offsetof(struct image_limits, memory_bytes), 1, SIZE_MAX_BYTES},
	{"processes", offsetof(struct image_limits, processes), 1, 4194304},
	{"open_files", offsetof(struct image_limits, open_files), 1, 1048576},
	{"file_bytes", offsetof(struct image_limits, file_bytes), 1, SIZE_MAX_BYTES},
	{"output_bytes", offsetof(struct image_limits, output_bytes), 1, SIZE_MAX_BYTES},
	{"cpu_permille", offsetof(struct image_limits, cpu_permille), 0, 8192000},
	{"io_bytes_per_s", offsetof(struct image_limits, io_bytes_per_s), 0, SIZE_MAX_BYTES},
	{"session_bytes", offsetof(struct image_limits, session_bytes), 1, SIZE_MAX_BYTES},
	{"session_files", offsetof(struct image_limits, session_files), 1, INODES_MAX},
};
static_assert(ARRAY_SIZE(limit_rows) * sizeof(uint64_t) == sizeof(struct image_limits),
	      "every limit has a row");

static struct image_range section_range(const struct image_header *h, const struct section *s)
{
	struct image_range range;

	memcpy(&range, (const unsigned char *)h + s->header_offset, sizeof(range));
	return range;
}

static bool all_zero(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* @at is the end of what came before; moves behind this section. */
static int verify_section(const struct image *image, const struct section *s, size_t *at,
			  struct err *err)
{
	struct image_range range = section_range(image->header, s);
	size_t start = (*at + ALIGN - 1) / ALIGN * ALIGN;
	size_t bytes;
	size_t end;

	if (range.count < s->min || range.count > s->max)
		return err_set(err, EINVAL, "image: %s: count %u is not within %u to %u", s->name,
			       range.count, s->min, s->max);
	if (range.offset != start)
		return err_set(err, EINVAL, "image: %s begin at %u instead of %zu", s->name,
			       range.offset, start);
	if (__builtin_mul_overflow((size_t)range.count, s->each, &bytes) ||
	    __builtin_add_overflow(start, bytes, &end) || end > image->bytes)
		return err_set(err, EINVAL, "image: %s reach beyond the end", s->name);
	if (!all_zero(image->data + *at, start - *at))
		return err_set(err, EINVAL, "image: the padding before %s is not zero", s->name);
	*at = end;
	return 0;
}

static int verify_layout(const struct image *image, struct err *err)
{
	const struct image_header *h = image->header;
	size_t at = sizeof(*h);

	if (memcmp(h->magic, IMAGE_MAGIC, sizeof(h->magic)) != 0)
		return err_set(err, EINVAL, "image: wrong magic");
	if (h->version != IMAGE_VERSION)
		return err_set(err, EINVAL, "image: version %u; this program knows %u", h->version,
			       IMAGE_VERSION);
	if (h->bytes != image->bytes)
		return err_set(err, EINVAL, "image: %zu bytes, but the header says %u",
			       image->bytes, h->bytes);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		int r = verify_section(image, &sections[i], &at, err);

		if (r < 0)
			return r;
	}
	if (at != image->bytes)
		return err_set(err, EINVAL, "image: %zu bytes behind the last section",
			       image->bytes - at);
	if (image->data[h->strings.offset + h->strings.count - 1] != '\0')
		return err_set(err, EINVAL, "image: the last string does not end");
	/* Else the padding behind the strings could be counted as more of them. */
	if (h->strings.count > 1 && image->data[h->strings.offset + h->strings.count - 2] == '\0')
		return err_set(err, EINVAL, "image: the last string is empty");
	if (memchr(image->data + h->catalog.offset, '\0', h->catalog.count))
		return err_set(err, EINVAL, "image: the catalog holds a NUL");
	return 0;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* "/a/b": absolute, no empty, "." or ".." component, no slash at the end. */
static bool path_is_clean(const char *path)
{
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return false;
	while (*path == '/') {
		size_t len = strcspn(++path, "/");

		if (len == 0 || len > NAME_MAX)
			return false;
		if (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.')))
			return false;
		path += len;
	}
	return true;
}

/* "rust-engineer/rustfmt": words of [A-Za-z0-9._-], none beginning with a dot. */
static bool name_is_sane(const char *name)
{
	bool begin = true;

	if (name[0] == '\0' || strlen(name) > NAME_MAX_BYTES)
		return false;
	for (const char *p = name; *p != '\0'; p++) {
		if (begin ? !is_word(*p) : !(is_word(*p) || strchr("./-", *p)))
			return false;
		begin = *p == '/';
	}
	return !begin;
}

static bool hostname_is_sane(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > HOSTNAME_MAX_BYTES || name[0] == '-' || name[len - 1] == '-')
		return false;
	for (; *name != '\0'; name++)
		if (!is_word(*name) && *name != '-')
			return false;
	return true;
}

static bool env_name_is_sane(const char *name)
{
	if (name[0] == '\0' || (name[0] >= '0' && name[0] <= '9') || strlen(name) > NAME_MAX_BYTES)
		return false;
	for (; *name != '\0'; name++)
		if (!is_word(*name))
			return false;
	return true;
}

static bool any_is_sane(const char *text)
{
	return text != NULL;
}

static bool text_is_sane(const char *text)
{
	return text[0] != '\0' && strlen(text) < PATH_MAX;
}

static const struct {
	const char *what;
	bool (*is_sane)(const char *text);
} string_rows[] = {
	[STRING_NONE] = {"nothing", NULL},
	[STRING_ANY] = {"a text", any_is_sane},
	[STRING_TEXT] = {"a text that is not empty", text_is_sane},
	[STRING_NAME] = {"a name", name_is_sane},
	[STRING_HOSTNAME] = {"a host name", hostname_is_sane},
	[STRING_PATH] = {"an absolute and clean path", path_is_clean},
	[STRING_ENV_NAME] = {"the name of a variable", env_name_is_sane},
};

/* A record, for messages. */
struct place {
	const struct image *image;
	const char *section;
	uint32_t index;
	struct err *err;
};

static int refuse(const struct place *p, const char *field, const char *must)
{
	return err_set(p->err, EINVAL, "image: %s[%u].%s must be %s", p->section, p->index, field,
		       must);
}

/* A string begins the section or stands behind the NUL of another one. */
static const char *string_at(const struct image *image, uint32_t offset)
{
	const char *text = image_string(image, offset);

	if (!text || (offset > 0 && text[-1] != '\0'))
		return NULL;
	return text;
}

static int verify_string(const struct place *p, const char *field, uint32_t offset,
			 enum string_kind kind)
{
	const char *text;

	if (kind == STRING_NONE)
		return offset == IMAGE_NONE ? 0 : refuse(p, field, string_rows[kind].what);
	text = string_at(p->image, offset);
	if (!text || !string_rows[kind].is_sane(text))
		return refuse(p, field, string_rows[kind].what);
	return 0;
}

static int verify_range(const struct place *p, const char *field, uint32_t first, uint32_t count,
			uint32_t total)
{
	uint32_t end;

	if (__builtin_add_overflow(first, count, &end) || end > total)
		return refuse(p, field, "within its section");
	return 0;
}

static int verify_limits(const struct place *p, const struct image_limits *limits)
{
	for (size_t i = 0; i < ARRAY_SIZE(limit_rows); i++) {
		uint64_t value;

		memcpy(&value, (const unsigned char *)limits + limit_rows[i].offset, sizeof(value));
		if (value < limit_rows[i].min || value > limit_rows[i].max)
			return refuse(p, limit_rows[i].name, "within its limits");
	}
	return 0;
}

static int verify_cell_ranges(const struct place *p, const struct image_cell *c)
{
	const struct image_header *h = p->image->header;
	int r = verify_range(p, "mounts", c->mounts_first, c->mounts_count, h->mounts.count);

	if (r == 0)
		r = verify_range(p, "rules", c->rules_first, c->rules_count, h->rules.count);
	if (r == 0)
		r = verify_range(p, "env", c->env_first, c->env_count, h->env.count);
	if (r == 0 && (c->insns_count == 0 || c->insns_count > IMAGE_CELL_INSNS_MAX))
		r = refuse(p, "insns_count", "within 1 to 4096");
	if (r == 0)
		r = verify_range(p, "insns", c->insns_first, c->insns_count, h->insns.count);
	if (r == 0 && (c->watch_count > IMAGE_CELL_INSNS_MAX ||
		       (c->watch_count == 0) != (c->observe == IMAGE_OBSERVE_NOTHING)))
		r = refuse(p, "watch_count", "0 when nothing is observed, else within 1 to 4096");
	if (r == 0)
		r = verify_range(p, "watch", c->watch_first, c->watch_count, h->insns.count);
	return r;
}

static int verify_cell_strings(const struct place *p, const struct image_cell *c)
{
	int r = verify_string(p, "name", c->name, STRING_NAME);

	if (r == 0)
		r = verify_string(p, "policy", c->policy, STRING_NAME);
	if (r == 0)
		r = verify_string(p, "hostname", c->hostname, STRING_HOSTNAME);
	if (r == 0)
		r = verify_string(p, "home", c->home, STRING_PATH);
	return r;
}

/* Two cells of one name would make results ambiguous, two workspaces the template. */
static int verify_cell_unique(const struct place *p, const struct image_cell *c)
{
	const char *name = image_string(p->image, c->name);
	uint32_t workspaces = 0;

	for (uint32_t i = 0; i < p->index; i++)
		if (strcmp(image_string(p->image, image_cell(p->image, i)->name), name) == 0)
			return refuse(p, "name", "a name of its own");
	for (uint32_t i = 0; i < c->mounts_count; i++)
		if (image_mount(p->image, c->mounts_first + i)->type == IMAGE_MOUNT_WORKSPACE)
			workspaces++;
	return workspaces <= 1 ? 0 : refuse(p, "mounts", "with at most one workspace");
}

static int verify_cell(const struct place *p)
{
	const struct image_cell *c = image_cell(p->image, p->index);
	int r = verify_cell_strings(p, c);

	if (r == 0)
		r = verify_cell_ranges(p, c);
	if (r == 0)
		r = verify_limits(p, &c->limits);
	if (r == 0)
		r = verify_cell_unique(p, c);
	if (r < 0)
		return r;
	if (c->flags & ~(uint32_t)IMAGE_CELL_FLAGS_ALL)
		return refuse(p, "flags", "known flags");
	if (c->require & ~(uint32_t)IMAGE_REQUIRE_ALL)
		return refuse(p, "require", "known flags");
	if (c->landlock_abi_min > LANDLOCK_ABI_MAX)
		return refuse(p, "landlock_abi_min", "at most 1000");
	if (c->fallback >= IMAGE_FALLBACK_N)
		return refuse(p, "fallback", "a known fallback");
	if (c->observe >= IMAGE_OBSERVE_N)
		return refuse(p, "observe", "a known level");
	if (c->absent != IMAGE_NONE && !string_at(p->image, c->absent))
		return refuse(p, "absent", "a text or none");
	if (c->change_rules != IMAGE_NONE && !string_at(p->image, c->change_rules))
		return refuse(p, "change_rules", "a text or none");
	return c->net < IMAGE_NET_N ? 0 : refuse(p, "net", "a known network");
}

static int verify_mount_numbers(const struct place *p, const struct image_mount *m)
{
	if (mount_rows[m->type].mode ? m->mode > MODE_MAX : m->mode != 0)
		return refuse(p, "mode", "permission bits where the type has a mode, else 0");
	if (!mount_rows[m->type].size)
		return m->size_bytes == 0 && m->inodes == 0
			       ? 0
			       : refuse(p, "size_bytes", "0, as inodes, for this type");
	if (m->size_bytes == 0 || m->size_bytes > SIZE_MAX_BYTES)
		return refuse(p, "size_bytes", "within 1 to 2^50");
	if (m->inodes == 0 || m->inodes > INODES_MAX)
		return refuse(p, "inodes", "within 1 to 2^32");
	return 0;
}

static int verify_mount(const struct place *p)
{
	const struct image_mount *m = image_mount(p->image, p->index);
	int r;

	if (m->type >= IMAGE_MOUNT_TYPE_N)
		return refuse(p, "type", "a known type");
	if (m->flags & ~mount_rows[m->type].flags)
		return refuse(p, "flags", "flags of its type");
	r = verify_string(p, "source", m->source, mount_rows[m->type].source);
	if (r == 0)
		r = verify_string(p, "target", m->target, mount_rows[m->type].target);
	if (r == 0)
		r = verify_string(p, "pointer", m->pointer, STRING_ANY);
	return r == 0 ? verify_mount_numbers(p, m) : r;
}

static int verify_rule(const struct place *p)
{
	const struct image_rule *rule = image_rule(p->image, p->index);
	const char *path = string_at(p->image, rule->path);

	/* The root itself may be listed: it holds what was granted and the folders on the way. */
	if (rule->path != IMAGE_NONE && (!path || (strcmp(path, "/") != 0 && !path_is_clean(path))))
		return refuse(p, "path", string_rows[STRING_PATH].what);
	if (rule->access == 0 || (rule->access & ~(uint32_t)IMAGE_ACCESS_ALL))
		return refuse(p, "access", "known rights, at least one");
	if (rule->pad != 0)
		return refuse(p, "pad", "0");
	return verify_string(p, "pointer", rule->pointer, STRING_ANY);
}

static int verify_env(const struct place *p)
{
	const struct image_env *env = image_env(p->image, p->index);
	int r = verify_string(p, "name", env->name, STRING_ENV_NAME);

	if (r == 0 && env->value != IMAGE_NONE)
		r = verify_string(p, "value", env->value, STRING_ANY);
	return r;
}

static int verify_input(const struct place *p)
{
	const struct image_input *in = image_input(p->image, p->index);
	bool is_env = in->type == IMAGE_INPUT_ENV;
	int r;

	if (in->type >= IMAGE_INPUT_TYPE_N)
		return refuse(p, "type", "a known type");
	if (in->pad != 0)
		return refuse(p, "pad", "0");
	r = verify_string(p, "name", in->name, is_env ? STRING_ENV_NAME : STRING_TEXT);
	if (r == 0 && (!is_env || in->value != IMAGE_NONE))
		r = verify_string(p, "value", in->value, is_env ? STRING_ANY : STRING_NONE);
	return r;
}

static int verify_each(const struct image *image, const char *section, uint32_t count,
		       int (*verify)(const struct place *p), struct err *err)
{
	struct place p = {.image = image, .section = section, .err = err};

	for (p.index = 0; p.index < count; p.index++) {
		int r = verify(&p);

		if (r < 0)
			return r;
	}
	return 0;
}

static int verify_records(const struct image *image, struct err *err)
{
	const struct image_header *h = image->header;
	int r = verify_each(image, "mounts", h->mounts.count, verify_mount, err);

	if (r == 0)
		r = verify_each(image, "rules", h->rules.count, verify_rule, err);
	if (r == 0)
		r = verify_each(image, "environment", h->env.count, verify_env, err);
	if (r == 0)
		r = verify_each(image, "inputs", h->inputs.count, verify_input, err);
	if (r == 0) /* last: it looks at the mounts */
		r = verify_each(image, "cells", h->cells.count, verify_cell, err);
	return r;
}

int image_verify(const void *data, size_t bytes, struct image *ret, struct err *err)
{
	struct image image = {.data = data, .bytes = bytes, .header = data};
	int r;

	if (!data || (uintptr_t)data % ALIGN != 0)
		return err_set(err, EINVAL, "image: not aligned to %u bytes", ALIGN);
	if (bytes < sizeof(struct image_header) || bytes > IMAGE_BYTES_MAX)
		return err_set(err, EINVAL, "image: %zu bytes; %zu to %zu are accepted", bytes,
			       sizeof(struct image_header), IMAGE_BYTES_MAX);
	r = verify_layout(&image, err);
	if (r == 0)
		r = verify_records(&image, err);
	if (r == 0)
		*ret = image;
	return r;
}
