/*
 * Theory of operation: a chain of folders, each with up to three lists of rules, shared by all who are
 * below and counted. A folder without any of the files has no link of its own. Questions go up the
 * chain, first for .ignore to the very top, then for .gitignore and info/exclude up to the top of the
 * repository that the folder lies in; in each list from the last rule to the first.
 *
 * Ignore files are foreign text: opened without following a link or waiting, only regular ones are
 * read, bytes and rules are capped.
 */
#include "tools/cell/files/ignore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "tools/cell/files/wild.h"

enum ignore_list { LIST_IGNORE = 0, LIST_GITIGNORE, LIST_EXCLUDE, LIST_N };

struct rule {
	struct wild wild;
	bool keep;   /* "!" */
	bool folder; /* "/" at the end: folders only */
};

struct rules {
	char *text;
	struct rule *rows;
	size_t n;
};

struct ignore {
	struct ignore *parent;
	atomic_uint references;
	size_t base;
	bool top; /* of a repository: .gitignore files above it mean nothing here */
	struct rules lists[LIST_N];
};

static const struct {
	const char *name;
	unsigned bit;
} names[] = {
	{".gitignore", IGNORE_HAS_GITIGNORE},
	{".ignore", IGNORE_HAS_IGNORE},
	{".git", IGNORE_HAS_GIT},
};

unsigned ignore_has(const char *name)
{
	if (name[0] != '.')
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i].name) == 0)
			return names[i].bit;
	return 0;
}

static bool ends_escaped(const char *s, size_t len)
{
	size_t slashes = 0;

	while (slashes < len && s[len - 1 - slashes] == '\\')
		slashes++;
	return slashes % 2 == 1;
}

/* One line of an ignore file.  Return: whether it is a rule. */
static bool parse_line(char *s, size_t len, struct rule *ret)
{
	bool anchored = false;

	*ret = (struct rule){0};
	if (len > 0 && s[0] == '#')
		return false;
	if (len > 0 && s[len - 1] == '\r')
		len--;
	while (len > 0 && s[len - 1] == ' ' && !ends_escaped(s, len - 1))
		len--;
	if (len > 0 && s[0] == '!') {
		ret->keep = true;
		s++;
		len--;
	}
	if (len > 0 && s[len - 1] == '/') {
		ret->folder = true;
		len--;
	}
	if (len > 0 && s[0] == '/') {
		anchored = true;
		s++;
		len--;
	}
	if (len == 0 || memchr(s, '\0', len))
		return false;
	wild_prepare(s, len, anchored, false, &ret->wild);
	return true;
}

/* @text: taken over.  Return: 0 or -ENOMEM. */
static int parse_rules(char *text, size_t len, struct rules *ret, size_t *ret_bad)
{
	size_t at = 0, lines = 1;

	for (const char *p = text; (p = memchr(p, '\n', len - (size_t)(p - text))); p++)
		lines++;
	ret->text = text;
	ret->rows = calloc(lines < IGNORE_RULES_MAX ? lines : IGNORE_RULES_MAX, sizeof(*ret->rows));
	if (!ret->rows)
		return -ENOMEM;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	while (at < len) {
		char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - text) - at : len - at;

		if (ret->n == IGNORE_RULES_MAX) {
			*ret_bad += 1;
			break;
		}
		if (parse_line(text + at, n, &ret->rows[ret->n]))
			ret->n++;
		at += n + 1;
	}
	return 0;
}

/* A file that may not be there (@maybe) or not be one.  Return: 0 or -ENOMEM. */
static int load_list(int dir, const char *name, bool maybe, struct rules *ret, size_t *ret_bad)
{
	CLEANUP(fd_closep)
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n;
	char *text;
	int r;

	if (fd < 0 && maybe && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uintmax_t)st.st_size > IGNORE_BYTES_MAX) {
		*ret_bad += 1;
		return 0;
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	n = fd_read_full(fd, text, (size_t)st.st_size);
	if (n < 0) {
		free(text);
		*ret_bad += 1;
		return 0;
	}
	text[n] = '\0';
	r = parse_rules(text, (size_t)n, ret, ret_bad);
	return r;
}

/* .git/info/exclude, a component at a time. In a linked worktree .git is a file: there is none. */
static int load_exclude(int dir, struct rules *ret, size_t *ret_bad)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	CLEANUP(fd_closep) int git = openat(dir, ".git", flags | O_CLOEXEC);
	CLEANUP(fd_closep) int info = git < 0 ? -1 : openat(git, "info", flags | O_CLOEXEC);

	return info < 0 ? 0 : load_list(info, "exclude", true, ret, ret_bad);
}

int ignore_load(int dir, unsigned has, size_t base, struct ignore *parent, struct ignore **ret,
		size_t *ret_bad)
{
	struct ignore *ig;
	int r = 0;

	if (has == 0) {
		*ret = ignore_get(parent);
		return 0;
	}
	ig = calloc(1, sizeof(*ig));
	if (!ig)
		return -ENOMEM;
	atomic_init(&ig->references, 1);
	ig->parent = ignore_get(parent);
	ig->base = base;
	ig->top = has & IGNORE_HAS_GIT;
	if (has & IGNORE_HAS_IGNORE)
		r = load_list(dir, ".ignore", false, &ig->lists[LIST_IGNORE], ret_bad);
	if (r == 0 && (has & IGNORE_HAS_GITIGNORE))
		r = load_list(dir, ".gitignore", false, &ig->lists[LIST_GITIGNORE], ret_bad);
	if (r == 0 && (has & IGNORE_HAS_GIT))
		r = load_exclude(dir, &ig->lists[LIST_EXCLUDE], ret_bad);
	if (r < 0) {
		ignore_put(ig);
		return r;
	}
	*ret = ig;
	return 0;
}

struct ignore *ignore_get(struct ignore *ig)
{
	if (ig)
		atomic_fetch_add_explicit(&ig->references, 1, memory_order_relaxed);
	return ig;
}

void ignore_put(struct ignore *ig)
{
	while (ig && atomic_fetch_sub_explicit(&ig->references, 1, memory_order_acq_rel) == 1) {
		struct ignore *parent = ig->parent;

		for (size_t i = 0; i < LIST_N; i++) {
			free(ig->lists[i].text);
			free(ig->lists[i].rows);
		}
		free(ig);
		ig = parent;
	}
}

/* Return: 1 left out, -1 kept by a "!" rule, 0 not said. */
static int ask_list(const struct rules *rules, size_t base, const char *path, size_t len,
		    size_t name_at, bool is_folder)
{
	for (size_t i = rules->n; i-- > 0;) {
		const struct rule *rule = &rules->rows[i];

		if ((is_folder || !rule->folder) &&
		    wild_match(&rule->wild, path + base, len - base, name_at - base))
			return rule->keep ? -1 : 1;
	}
	return 0;
}

bool ignore_out(const struct ignore *ig, const char *path, size_t len, size_t name_at,
		bool is_folder)
{
	const struct ignore *at;
	int r = 0;

	for (at = ig; at && r == 0; at = at->parent)
		r = ask_list(&at->lists[LIST_IGNORE], at->base, path, len, name_at, is_folder);
	for (at = ig; at && r == 0; at = at->top ? NULL : at->parent)
		r = ask_list(&at->lists[LIST_GITIGNORE], at->base, path, len, name_at, is_folder);
	/* The weakest of all: a .gitignore anywhere in the repository goes before it. */
	for (at = ig; at && r == 0; at = at->top ? NULL : at->parent)
		r = ask_list(&at->lists[LIST_EXCLUDE], at->base, path, len, name_at, is_folder);
	return r > 0;
}
