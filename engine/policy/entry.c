/*
 * Theory of operation: an entry of a filesystem list is a path or an object. One table says for
 * every field which lists know it, which need it, and how its text is read into struct
 * policy_entry. A child's entry for a place that a parent's list has already replaces the parent's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "policy/source.h"
#include "policy/walk.h"

#define IN(kind) (1U << (kind))
#define BINDS (IN(POLICY_READ) | IN(POLICY_WRITE))
#define ALL ((1U << POLICY_KIND_N) - 1)

enum field_type { FIELD_PATH, FIELD_TEXT, FIELD_SIZE, FIELD_COUNT, FIELD_MODE, FIELD_BOOL };

static const struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	uint32_t known;	 /* lists that have it */
	uint32_t needed; /* ... and cannot do without */
} fields[] = {
	{"path", FIELD_PATH, offsetof(struct policy_entry, path), ALL, ALL},
	{"target", FIELD_TEXT, offsetof(struct policy_entry, target),
	 BINDS | IN(POLICY_OVERLAY) | IN(POLICY_SYMLINK), IN(POLICY_SYMLINK)},
	{"content", FIELD_TEXT, offsetof(struct policy_entry, content), IN(POLICY_FILE),
	 IN(POLICY_FILE)},
	{"size", FIELD_SIZE, offsetof(struct policy_entry, size_bytes),
	 IN(POLICY_TMPFS) | IN(POLICY_OVERLAY), IN(POLICY_TMPFS) | IN(POLICY_OVERLAY)},
	{"inodes", FIELD_COUNT, offsetof(struct policy_entry, inodes),
	 IN(POLICY_TMPFS) | IN(POLICY_OVERLAY), 0},
	{"mode", FIELD_MODE, offsetof(struct policy_entry, mode),
	 IN(POLICY_TMPFS) | IN(POLICY_DIRECTORY), 0},
	{"optional", FIELD_BOOL, offsetof(struct policy_entry, optional),
	 BINDS | IN(POLICY_OVERLAY), 0},
	{"execute", FIELD_BOOL, offsetof(struct policy_entry, execute),
	 BINDS | IN(POLICY_TMPFS) | IN(POLICY_OVERLAY), 0},
	{"ask", FIELD_BOOL, offsetof(struct policy_entry, ask), BINDS, 0},
};

static int read_path(const struct walk_node *node, const char **ret)
{
	const char *path = walk_text(node);
	char quoted[160];

	if (!path)
		return -EINVAL;
	if (path[0] != '/' && strncmp(path, "${", 2) != 0) {
		text_quote(quoted, sizeof(quoted), path, strlen(path));
		return walk_refuse(node,
				   "\"%s\" is not absolute: begin it with \"/\" or a variable such "
				   "as ${HOME}",
				   quoted);
	}
	*ret = path;
	return 0;
}

static int read_size(const struct walk_node *node, uint64_t *ret)
{
	const char *text = json_string_value(node->value);

	if (text && num_parse_size(text, ret) == 0 && *ret > 0 && *ret <= 1ULL << 50)
		return 0;
	return walk_refuse(node, "must be a size with its unit: \"64KiB\", \"512MiB\", \"4GiB\"");
}

static int read_count(const struct walk_node *node, uint64_t *ret)
{
	json_int_t n = json_integer_value(node->value);

	if (!json_is_integer(node->value) || n <= 0 || n > (json_int_t)UINT32_MAX)
		return walk_refuse(node, "must be a whole number above 0");
	*ret = (uint64_t)n;
	return 0;
}

/* Octal digits, as chmod(1) takes them; JSON has no octal numbers. */
static int read_mode(const struct walk_node *node, uint64_t *ret)
{
	const char *text = json_string_value(node->value);
	size_t len = text ? strlen(text) : 0;
	uint64_t mode = 0;

	for (size_t i = 0; i < len && i < 5; i++)
		mode = mode * 8 + (uint64_t)(text[i] - '0');
	if (len < 3 || len > 4 || strspn(text, "01234567") != len || mode > 01777)
		return walk_refuse(node, "must be three or four octal digits without set-id bits: "
					 "\"0755\", \"1777\"");
	*ret = mode;
	return 0;
}

static int read_field(const struct walk_node *node, const struct field *field,
		      struct policy_entry *entry)
{
	void *at = (char *)entry + field->offset;

	switch (field->type) {
	case FIELD_PATH:
		return read_path(node, at);
	case FIELD_TEXT:
		if (!json_is_string(node->value))
			return walk_refuse(node, "must be a string");
		*(const char **)at = json_string_value(node->value);
		return 0;
	case FIELD_SIZE:
		return read_size(node, at);
	case FIELD_COUNT:
		return read_count(node, at);
	case FIELD_MODE:
		return read_mode(node, at);
	case FIELD_BOOL:
		if (!json_is_boolean(node->value))
			return walk_refuse(node, "must be true or false");
		*(bool *)at = json_is_true(node->value);
		return 0;
	}
	return -EINVAL;
}

static const struct field *find_field(const char *name, uint32_t kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if ((fields[i].known & IN(kind)) && strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static int refuse_field(const struct walk_node *node, uint32_t kind)
{
	const char *names[ARRAY_SIZE(fields)];
	const char *near;
	char quoted[96];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].known & IN(kind))
			names[n++] = fields[i].name;
	near = text_nearest(node->key, names, n);
	text_quote(quoted, sizeof(quoted), node->key, strlen(node->key));
	if (near)
		return walk_refuse(node, "unknown key \"%s\"; did you mean \"%s\"?", quoted, near);
	return walk_refuse(node, "unknown key \"%s\" in an entry of \"%s\"", quoted,
			   policy_kind_name((enum policy_kind)kind));
}

static int read_object(const struct walk_node *node, struct policy_entry *entry)
{
	const char *name;
	json_t *value;

	json_object_foreach(node->value, name, value) {
		char pointer[POLICY_POINTER_MAX];
		struct walk_node child = *node;
		const struct field *field = find_field(name, entry->kind);
		int r;

		(void)snprintf(pointer, sizeof(pointer), "%s", node->pointer);
		if (source_pointer_add(pointer, sizeof(pointer), name) < 0)
			return walk_refuse(node, "holds a key that is too long");
		child.value = value;
		child.key = name;
		child.pointer = pointer;
		r = field ? read_field(&child, field, entry) : refuse_field(&child, entry->kind);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_entry(const struct walk_node *node, struct policy_entry *entry)
{
	uint32_t missing = 0;
	int r;

	if (entry->kind == POLICY_DEVICE) { /* a name among known ones; checked by the caller */
		entry->path = json_string_value(node->value);
		return 0;
	}
	if (json_is_object(node->value))
		r = read_object(node, entry);
	else
		r = read_path(node, &entry->path);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < ARRAY_SIZE(fields); i++)
		if ((fields[i].needed & IN(entry->kind)) &&
		    (!json_is_object(node->value) ? fields[i].type != FIELD_PATH
						  : !json_object_get(node->value, fields[i].name)))
			missing = i + 1;
	if (missing)
		return walk_refuse(node, "must be an object with a \"%s\"",
				   fields[missing - 1].name);
	return 0;
}

/* Where it appears inside, as written. */
static const char *place_of(const struct policy_entry *entry)
{
	return entry->target && entry->kind != POLICY_SYMLINK ? entry->target : entry->path;
}

static bool texts_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* But for "ask". */
static bool entries_equal(const struct policy_entry *a, const struct policy_entry *b)
{
	return a->kind == b->kind && texts_equal(a->path, b->path) &&
	       texts_equal(a->target, b->target) && texts_equal(a->content, b->content) &&
	       a->size_bytes == b->size_bytes && a->inodes == b->inodes && a->mode == b->mode &&
	       a->optional == b->optional && a->execute == b->execute;
}

static struct policy_entry *find_entry(struct policy *policy, const struct policy_entry *like)
{
	for (size_t i = 0; i < policy->n_entries; i++)
		if (policy->entries[i].kind == like->kind &&
		    strcmp(place_of(&policy->entries[i]), place_of(like)) == 0)
			return &policy->entries[i];
	return NULL;
}

int entry_apply(const struct walk_node *node, uint32_t arg)
{
	struct policy *policy = node->walk->policy;
	struct policy_entry entry = {.kind = (enum policy_kind)arg, .execute = true, .mode = 0755};
	struct policy_entry *old;
	struct policy_entry *grown;
	int r = read_entry(node, &entry);

	if (r < 0)
		return r;
	old = find_entry(policy, &entry);
	if (old && old->origin.source == node->walk->source)
		return walk_refuse(node, "\"%s\" is listed twice", place_of(&entry));
	if (old && entries_equal(old, &entry) && old->ask == entry.ask)
		return 0;
	/* To ask before what was granted as it was is stricter. */
	if (node->final && !(old && entries_equal(old, &entry) && entry.ask))
		return walk_refuse(node, "\"%s\" cannot be added: a parent made this list final",
				   place_of(&entry));
	entry.origin = walk_origin(node);
	if (!entry.origin.pointer)
		return err_set(node->walk->err, ENOMEM, "cannot read the policy");
	if (!old) {
		grown = walk_grow(node, policy->entries, &policy->n_entries, sizeof(*grown),
				  POLICY_ENTRIES_MAX);
		if (!grown)
			return -EINVAL;
		policy->entries = grown;
		old = &grown[policy->n_entries - 1];
	}
	*old = entry;
	return 0;
}
