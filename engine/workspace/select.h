/*
 * Which changes somebody means: named paths, each with all that lies below it; or, with none named,
 * everything that is not scratch.
 */
#ifndef TOOLCELL_WORKSPACE_SELECT_H
#define TOOLCELL_WORKSPACE_SELECT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "workspace/changes.h"

#define SELECT_MAX 4096U

struct select_name {
	char *path; /* clean, relative to the workspace; "" is the workspace */
	bool scratch;
	bool hit; /* a change was covered by it */
};

struct select {
	struct select_name names[SELECT_MAX];
	size_t n;
};

/**
 * select_add - one name
 * @workspace: absolute path that names may begin with; NULL for none
 * @rules: tells whether the name means scratch
 *
 * Return: 0; -EINVAL for an empty name, "..", or an absolute path elsewhere; -E2BIG; -ENOMEM.
 */
MUST_USE int select_add(struct select *select, const char *name, const char *workspace,
			const struct rules *rules, struct err *err);
void select_fini(struct select *select);

/** select_covers - by name; @path may be NULL, which nothing covers */
bool select_covers(struct select *select, const char *path);

/** select_change - whether @change is meant: either name of a renamed pair means both */
bool select_change(struct select *select, const struct change *change);

/* For bsearch(3): a path of @len bytes, without its NUL, among items sorted by strcmp of theirs. */
struct select_key {
	const char *path;
	size_t len;
};

int select_key_compare(const struct select_key *key, const char *path);

#endif
