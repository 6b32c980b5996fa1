/*
 * A workspace and layers of a session on plain folders: a whiteout is a character device 0:0, which
 * any account may make, an opaque folder carries an extended attribute of the user's.
 */
#ifndef TOOLCELL_TESTS_CHANGES_FIXTURE_H
#define TOOLCELL_TESTS_CHANGES_FIXTURE_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "workspace/changes.h"

#define LISTED_MAX 65536U
#define LONG_AGO 1000000000

static char top[64];
static struct stack_branch branch;
static struct rules rules;
static struct changes_source source;
static struct changes_totals totals;
static char *listed[LISTED_MAX];
static size_t n_listed;

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void teardown(void)
{
	for (size_t i = 0; i < n_listed; i++)
		free(listed[i]);
	n_listed = 0;
	if (top[0])
		(void)nftw(top, remove_one, 32, FTW_DEPTH | FTW_PHYS);
	top[0] = '\0';
}

/* A case that is skipped does not come to its end. */
static inline void skip(const char *why)
{
	teardown();
	cr_skip_test("%s", why);
}

static inline const char *at(const char *tree, const char *path)
{
	static char text[4][4096];
	static unsigned turn;
	char *out = text[turn++ % 4];
	int n = snprintf(out, sizeof(text[0]), "%s/%s%s%s", top, tree, *path ? "/" : "", path);

	cr_assert(n > 0 && (size_t)n < sizeof(text[0]));
	return out;
}

/* Trees: "base", and "1" upwards for layers, lowest first. */
static inline const char *tree_of(unsigned layer)
{
	static char text[32];

	if (layer == 0)
		return "base";
	(void)snprintf(text, sizeof(text), "data/layers/%u/u", layer);
	return text;
}

static inline void make_dirs(const char *path)
{
	char copy[4096];

	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		cr_assert(mkdir(copy, 0755) == 0 || errno == EEXIST, "%s: %m", copy);
		*slash = '/';
	}
}

static inline void put(unsigned layer, const char *path, const char *content)
{
	const char *full = at(tree_of(layer), path);
	struct timespec times[2] = {{LONG_AGO, 0}, {LONG_AGO, 0}};
	int fd;

	make_dirs(full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	cr_assert_geq(fd, 0, "%s: %m", full);
	cr_assert_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	cr_assert_eq(futimens(fd, times), 0);
	(void)close(fd);
}

static inline void folder(unsigned layer, const char *path)
{
	const char *full = at(tree_of(layer), path);

	make_dirs(full);
	cr_assert(mkdir(full, 0755) == 0 || errno == EEXIST, "%s: %m", full);
}

static inline void link_to(unsigned layer, const char *path, const char *target)
{
	const char *full = at(tree_of(layer), path);

	make_dirs(full);
	cr_assert_eq(symlink(target, full), 0, "%s: %m", full);
}

static inline void whiteout(unsigned layer, const char *path)
{
	const char *full = at(tree_of(layer), path);

	make_dirs(full);
	cr_assert_eq(mknod(full, S_IFCHR, makedev(0, 0)), 0, "%s: %m", full);
}

static inline void attribute(unsigned layer, const char *path, const char *name, const char *value)
{
	cr_assert_eq(setxattr(at(tree_of(layer), path), name, value, strlen(value), 0), 0, "%m");
}

static inline void opaque(unsigned layer, const char *path)
{
	folder(layer, path);
	attribute(layer, path, "user.overlay.opaque", "y");
}

static inline void set_begin(time_t when)
{
	struct timespec times[2] = {{when, 0}, {when, 0}};

	cr_assert_eq(utimensat(AT_FDCWD, at("data/branches/1", "begin"), times, 0), 0);
}

/* What changed before begin is no conflict, and by default that is everything. */
static inline void setup_layers_in(const char *where, unsigned n)
{
	(void)umask(022);
	(void)snprintf(top, sizeof(top), "%s/toolcell-changes.XXXXXX", where);
	cr_assert_not_null(mkdtemp(top));
	folder(0, "");
	branch = (struct stack_branch){.used = 1, .n = n};
	for (unsigned i = 1; i <= n; i++) {
		folder(i, "");
		branch.layers[i - 1] = i;
	}
	make_dirs(at("data/branches/1", "begin"));
	(void)close(open(at("data/branches/1", "begin"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	set_begin(time(NULL) + 3600);
	rules = (struct rules){0};
	source = (struct changes_source){
		.base = open(at("base", ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.data = open(at("data", ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.branch = &branch,
		.branch_number = 1,
		.rules = &rules,
		.workspace = "/home/me/project",
	};
	cr_assert(source.base >= 0 && source.data >= 0);
}

static inline void setup_layers(unsigned n)
{
	setup_layers_in("/var/tmp", n);
	if (setxattr(at("base", ""), "user.toolcell", "1", 1, 0) < 0) {
		fprintf(stderr, "SKIP: %s has no extended attributes: %m\n", top);
		skip("no extended attributes on /var/tmp");
	}
}

static inline void setup(void)
{
	setup_layers(1);
}

static inline int list_change(void *ctx, const struct change *c)
{
	char line[12288];

	(void)ctx;
	(void)snprintf(line, sizeof(line), "%s %s%s%s%s%s%s", change_kind_name(c->kind), c->path,
		       c->from ? " < " : "", c->from ? c->from : "", c->scratch ? " (scratch)" : "",
		       c->verdict != CHANGE_FREE ? ": " : "",
		       c->verdict != CHANGE_FREE ? change_verdict_name(c->verdict) : "");
	cr_assert_lt(n_listed, LISTED_MAX);
	cr_assert_eq(!!c->rule, c->verdict == CHANGE_PROTECTED);
	listed[n_listed++] = strdup(line);
	return 0;
}

static inline void walk(void)
{
	struct err err = {0};

	for (size_t i = 0; i < n_listed; i++)
		free(listed[i]);
	n_listed = 0;
	cr_assert_eq(changes_walk(&source, list_change, NULL, &totals, &err), 0, "%s", err.text);
}

/* The whole list, in order; ends with NULL. */
static inline void expect_list(const char *const *want)
{
	size_t n = 0;

	walk();
	for (; want[n] && n < n_listed; n++)
		cr_expect_str_eq(listed[n], want[n], "line %zu: \"%s\" instead of \"%s\"", n,
				 listed[n], want[n]);
	for (; n < n_listed; n++)
		cr_expect(false, "more: %s", listed[n]);
	for (; want[n]; n++)
		cr_expect(false, "missing: %s", want[n]);
}
#define EXPECT(...) expect_list((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

#endif
