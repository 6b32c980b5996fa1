/* Theory of operation: tables of words, in the order of enum change_kind and change_verdict. */
#include "cli/changes_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/ui.h"
#include "wire/changes.h"

#define SIZES_BYTES 80
#define STAT_COLUMN 40
#define STAT_NUMBER 8

static const struct kind {
	const char *name;
	const char *letter;
	enum ui_tone tone;
	const char *word; /* in counts */
} kinds[] = {
	{"added", "A", UI_GOOD, "added"},      {"modified", "M", UI_WARN, "modified"},
	{"deleted", "D", UI_BAD, "deleted"},   {"renamed", "R", UI_WARN, "renamed"},
	{"mode", "P", UI_WARN, "other modes"}, {"symlink", "L", UI_WARN, "other links"},
	{"type", "T", UI_WARN, "other types"},
};

static_assert(ARRAY_SIZE(kinds) == CHANGES_KINDS, "every kind has a row");

static const struct {
	const char *verdict;
	const char *why;
} verdicts[] = {
	{"protected", "held"},
	{"link_out", "held: the link leads out of the workspace"},
	{"special", "held: a device, FIFO or socket"},
	{"hard_link", "held: its other names are not among the changes"},
	{"conflict",
	 "conflict: the workspace's own has changed meanwhile; --overwrite takes the session's"},
	{"name", "held: a name that cannot be committed"},
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

const char *changes_view_why(const char *verdict)
{
	for (size_t i = 0; verdict && i < ARRAY_SIZE(verdicts); i++)
		if (strcmp(verdicts[i].verdict, verdict) == 0)
			return verdicts[i].why;
	return NULL;
}

static bool size_of(json_t *file, const char *key, char *dst, size_t cap)
{
	json_t *value = json_object_get(file, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	(void)ui_size(dst, cap, (uint64_t)json_integer_value(value));
	return true;
}

/* "1.2 KiB", "340 B -> 512 B" */
static void word_sizes(json_t *file, char *dst, size_t cap)
{
	char old[32];
	char new[32];
	bool has_old = size_of(file, "old_size", old, sizeof(old));
	bool has_new = size_of(file, "new_size", new, sizeof(new));

	dst[0] = '\0';
	if (has_old && has_new)
		(void)snprintf(dst, cap, "%s -> %s", old, new);
	else if (has_old || has_new)
		(void)snprintf(dst, cap, "%s", has_new ? new : old);
}

/* A path on one line: what would be a line feed is shown as U+FFFD, like any control character. */
static int append_path(struct buf *out, const char *path)
{
	int r = 0;

	for (const char *end; path && r == 0; path = end ? end + 1 : NULL) {
		end = strpbrk(path, "\n\r");
		r = text_append_safe(out, path, end ? (size_t)(end - path) : strlen(path));
		if (r == 0 && end)
			r = buf_puts(out, "\xef\xbf\xbd");
	}
	return r;
}

static int append_why(struct buf *out, json_t *file, bool color)
{
	const char *why = changes_view_why(json_string_value(json_object_get(file, "verdict")));
	const char *rule = json_string_value(json_object_get(file, "rule"));
	CLEANUP(buf_fini) struct buf text = {0};
	int r;

	if (!why) /* a commit's own words, where no verdict says it */
		why = json_string_value(json_object_get(file, "reason"));
	if (!why)
		return 0;
	r = append_path(&text, why);
	if (r == 0 && rule) {
		r = buf_puts(&text, ": ");
		if (r == 0)
			r = append_path(&text, rule);
	}
	if (r == 0)
		r = buf_puts(out, "  ");
	return r < 0 ? r : ui_paint(out, color, UI_BAD, text.data, 0);
}

static int append_file(struct buf *out, json_t *file, bool color)
{
	const char *path = json_string_value(json_object_get(file, "path"));
	const char *from = json_string_value(json_object_get(file, "from"));
	const struct kind *kind = find_kind(json_string_value(json_object_get(file, "kind")));
	const char *letter = kind ? kind->letter : "?";
	char sizes[SIZES_BYTES];
	int r = ui_paint(out, color, kind ? kind->tone : UI_PLAIN, letter, 3);

	if (r == 0 && from) {
		r = append_path(out, from);
		if (r == 0)
			r = buf_puts(out, " -> ");
	}
	if (r == 0)
		r = append_path(out, path ? path : "?");
	word_sizes(file, sizes, sizeof(sizes));
	if (r == 0 && sizes[0]) {
		r = buf_puts(out, "  ");
		if (r == 0)
			r = ui_paint(out, color, UI_FAINT, sizes, 0);
	}
	if (r == 0 && json_is_true(json_object_get(file, "binary")))
		r = buf_puts(out, "  binary");
	if (r == 0)
		r = append_why(out, file, color);
	return r < 0 ? r : buf_puts(out, "\n");
}

static json_t *files_of(json_t *changes)
{
	json_t *files = json_object_get(changes, "files");

	return json_is_array(files) ? files : json_object_get(changes, "changes");
}

static json_t *counts_of(json_t *changes)
{
	json_t *counts = json_object_get(changes, "counts");

	return json_is_object(counts) ? counts : changes;
}

int changes_view_list(struct buf *out, json_t *changes, bool color)
{
	json_t *files = files_of(changes);
	json_t *file;
	size_t i;
	int r = 0;

	json_array_foreach(files, i, file) {
		r = append_file(out, file, color);
		if (r < 0)
			return r;
	}
	if (json_is_true(json_object_get(changes, "truncated")))
		r = buf_puts(out, "... and more: name a path to see what lies below it\n");
	return r;
}

int changes_view_told(struct buf *out, json_t *data, bool color)
{
	static const char *const lists[] = {"committed", "discarded", "held"};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		json_t *list = json_object_get(data, lists[i]);
		json_t *file;
		size_t n;

		if (json_array_size(list) > 0) {
			r = ui_paint(out, color, UI_STRONG, lists[i], 0);
			if (r == 0)
				r = buf_puts(out, ":\n");
		}
		json_array_foreach(list, n, file)
			if (r == 0)
				r = append_file(out, file, color);
		if (r < 0)
			return r;
	}
	if (json_is_true(json_object_get(data, "truncated")))
		r = buf_puts(out, "... and more\n");
	return r;
}

static int append_stat(struct buf *out, json_t *file, bool color)
{
	const char *path = json_string_value(json_object_get(file, "path"));
	CLEANUP(buf_fini) struct buf name = {0};
	char number[32];
	int r = append_path(&name, path ? path : "?");

	if (r == 0)
		r = ui_paint(out, color, UI_PLAIN, name.data ? name.data : "", STAT_COLUMN);
	if (r < 0 || json_is_true(json_object_get(file, "binary")))
		return r < 0 ? r : buf_puts(out, " binary\n");
	(void)snprintf(number, sizeof(number), " +%" JSON_INTEGER_FORMAT,
		       json_integer_value(json_object_get(file, "added")));
	r = ui_paint(out, color, UI_GOOD, number, STAT_NUMBER);
	(void)snprintf(number, sizeof(number), " -%" JSON_INTEGER_FORMAT,
		       json_integer_value(json_object_get(file, "removed")));
	if (r == 0)
		r = ui_paint(out, color, UI_BAD, number, 0);
	return r < 0 ? r : buf_puts(out, "\n");
}

int changes_view_stat(struct buf *out, json_t *data, bool color)
{
	json_t *file;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(data, "files"), i, file) {
		r = append_stat(out, file, color);
		if (r < 0)
			break;
	}
	return r;
}

const char *changes_view_kinds(const uint64_t *totals, char *dst, size_t cap)
{
	size_t used = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int len;

		if (totals[i] == 0)
			continue;
		len = snprintf(dst + used, cap - used, "%s%" PRIu64 " %s", used ? ", " : "",
			       totals[i], kinds[i].word);
		if (len < 0 || (size_t)len >= cap - used) {
			dst[used] = '\0'; /* whole words or none */
			break;
		}
		used += (size_t)len;
	}
	return dst;
}

const char *changes_view_counts(json_t *changes, char *dst, size_t cap)
{
	uint64_t counts[ARRAY_SIZE(kinds)];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		json_int_t n = json_integer_value(
			json_object_get(counts_of(changes), kinds[i].name));

		counts[i] = n > 0 ? (uint64_t)n : 0;
	}
	return changes_view_kinds(counts, dst, cap);
}

/* A number above zero, or a list that is not empty. */
static bool is_some(json_t *value)
{
	return json_integer_value(value) > 0 || json_array_size(value) > 0;
}

bool changes_view_held(json_t *changes)
{
	json_t *files = files_of(changes);
	json_t *file;
	size_t i;

	if (is_some(json_object_get(counts_of(changes), "held")) ||
	    is_some(json_object_get(changes, "held")) ||
	    is_some(json_object_get(changes, "held_count")))
		return true;
	json_array_foreach(files, i, file)
		if (changes_view_why(json_string_value(json_object_get(file, "verdict"))))
			return true;
	return false;
}
