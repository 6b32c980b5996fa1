/*
 * Theory of operation: a list of mounts cannot say "this folder without that one", so an entry that
 * the other tool allows in part is replaced by those of its children that are allowed whole, down to
 * the level where they are. It holds what lies there now: what comes to lie there later is not shown,
 * which is the safe side. Folders on the way come to be empty folders of the cell's own.
 *
 * An entry stays as it was written, variables and all, where nothing of it is refused. The programs
 * of toolcell itself (${TOOLCELL_TOOLS}) are nobody's data and stay.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "import/context.h"
#include "policy/plan.h"

#define CARVE_DEPTH_MAX 32U
#define TOOLS_VARIABLE "${TOOLCELL_TOOLS}"

struct carver {
	struct import *im;
	json_t *entry; /* the one that is replaced */
	json_t *out;   /* list that its parts go to */
	char *path;    /* of the entry, expanded */
	char *target;  /* where it appears */
};

bool rules_allow(const struct path_rules *rules, const char *path)
{
	bool allowed = rules->otherwise;
	size_t longest = 0;

	for (size_t i = 0; i < rules->n; i++) {
		const struct path_rule *rule = &rules->at[i];
		size_t len = strlen(rule->path);

		if (!path_is_below(path, rule->path))
			continue;
		if (rule->hard && !rule->allow)
			return false;
		if (len < longest || (len == longest && rule->allow == rules->ties_refuse))
			continue;
		allowed = rule->allow;
		longest = len;
	}
	return allowed;
}

bool rules_differ_below(const struct path_rules *rules, const char *path, bool allowed)
{
	for (size_t i = 0; i < rules->n; i++)
		if (path_is_below(rules->at[i].path, path) &&
		    strcmp(rules->at[i].path, path) != 0 &&
		    rules_allow(rules, rules->at[i].path) != allowed)
			return true;
	return false;
}

static void meet(struct path_rules *rules, const char *source)
{
	for (size_t i = 0; i < rules->n; i++)
		if (path_is_below(rules->at[i].path, source) ||
		    path_is_below(source, rules->at[i].path))
			rules->at[i].met = true;
}

static const char *entry_path(json_t *entry)
{
	return json_string_value(json_is_object(entry) ? json_object_get(entry, "path") : entry);
}

char *entry_source(const struct import *im, json_t *entry)
{
	const char *text = entry_path(entry);
	char *path = NULL;
	char *real;

	if (!text || strcmp(text, TOOLS_VARIABLE) == 0 ||
	    policy_expand(text, im->inputs, &path, NULL) < 0)
		return NULL;
	real = realpath(path, NULL);
	if (!real)
		return path; /* not there yet: where it would be */
	free(path);
	return real;
}

/* @suffix below the entry, as an entry of its own with the same rights. */
static int emit(struct carver *c, const char *suffix)
{
	json_t *execute = json_object_get(c->entry, "execute");
	char path[PATH_MAX];
	char target[PATH_MAX];
	json_t *part;

	if (snprintf(path, sizeof(path), "%s%s", c->path, suffix) >= PATH_MAX ||
	    snprintf(target, sizeof(target), "%s%s", c->target, suffix) >= PATH_MAX)
		return 0; /* left out: nothing could name it inside either */
	if (strstr(path, "${") || strstr(target, "${"))
		return 0; /* would be taken for a variable */
	part = json_pack("{ss sb}", "path", path, "optional", true);
	if (part && strcmp(path, target) != 0)
		(void)json_object_set_new(part, "target", json_string(target));
	if (part && json_is_false(execute))
		(void)json_object_set(part, "execute", execute);
	if (json_array_size(c->out) >= POLICY_ENTRIES_MAX / 2) {
		json_decref(part);
		return err_set(c->im->err, E2BIG,
			       "%s: more than %u folders would have to be named one by one instead "
			       "of %s",
			       c->im->doc->label, POLICY_ENTRIES_MAX / 2, c->path);
	}
	/* A name that is not UTF-8 cannot stand in a policy: left out. */
	return part ? json_array_append_new(c->out, part) : 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int carve(struct carver *c, const char *suffix, const char *real, unsigned int depth);

/* NOLINTNEXTLINE(misc-no-recursion): bounded by CARVE_DEPTH_MAX */
static int carve_child(struct carver *c, const char *suffix, const char *real, const char *name,
		       unsigned int depth)
{
	char below[PATH_MAX];
	char child[PATH_MAX];
	struct stat st;
	char *resolved;
	int r = 0;

	if (snprintf(below, sizeof(below), "%s/%s", suffix, name) >= PATH_MAX ||
	    snprintf(child, sizeof(child), "%s/%s", strcmp(real, "/") == 0 ? "" : real, name) >=
		    PATH_MAX)
		return 0;
	if (!rules_allow(&c->im->read, child) && !rules_differ_below(&c->im->read, child, false))
		return 0;
	resolved = realpath(child, NULL); /* a link stands for what it leads to */
	if (resolved && stat(resolved, &st) == 0 && (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) &&
	    strcmp(resolved, "/") != 0)
		r = strcmp(resolved, child) == 0 ? carve(c, below, child, depth)
		    : rules_allow(&c->im->read, resolved) &&
				    !rules_differ_below(&c->im->read, resolved, true)
			    ? emit(c, below)
			    : 0;
	free(resolved);
	return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by CARVE_DEPTH_MAX */
static int carve(struct carver *c, const char *suffix, const char *real, unsigned int depth)
{
	bool allowed = rules_allow(&c->im->read, real);
	struct dirent **names = NULL;
	int n;
	int r = 0;

	if (!rules_differ_below(&c->im->read, real, allowed))
		return allowed ? emit(c, suffix) : 0;
	if (depth >= CARVE_DEPTH_MAX)
		return 0;
	n = scandir(real, &names, no_dots, compare_names);
	if (n < 0)
		return errno == ENOMEM ? err_set(c->im->err, ENOMEM, "cannot list %s", real) : 0;
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = carve_child(c, suffix, real, names[i]->d_name, depth + 1);
		free(names[i]);
	}
	free(names);
	return r;
}

/*
 * What a person is asked about is asked about as a whole: it goes when a part of it is refused, since
 * a policy holds few such entries, and a part without "ask" would be there unasked.
 */
static bool is_asked(json_t *entry)
{
	return json_is_true(json_is_object(entry) ? json_object_get(entry, "ask") : NULL);
}

static int carve_entry(struct import *im, json_t *entry, const char *source, json_t *out)
{
	const char *target = json_string_value(
		json_is_object(entry) ? json_object_get(entry, "target") : NULL);
	struct carver c = {.im = im, .entry = entry, .out = out};
	int r;

	if (is_asked(entry))
		return 0;
	r = policy_expand(entry_path(entry), im->inputs, &c.path, im->err);
	if (r == 0)
		r = policy_expand(target ? target : entry_path(entry), im->inputs, &c.target,
				  im->err);
	if (r == 0)
		r = carve(&c, "", source, 0);
	free(c.path);
	free(c.target);
	return r;
}

/* One list; parts go to @parts, which takes the place of what was carved. */
static int carve_list(struct import *im, const char *name, json_t *parts)
{
	json_t *fs = json_object_get(im->policy, "filesystem");
	json_t *list = json_object_get(fs, name);
	json_t *kept = json_array();
	json_t *entry;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, entry) {
		char *source = entry_source(im, entry);
		bool allowed = !source || rules_allow(&im->read, source);

		if (source)
			meet(&im->read, source);
		if (r == 0 && source && rules_differ_below(&im->read, source, allowed))
			r = carve_entry(im, entry, source, parts ? parts : kept);
		else if (r == 0 && allowed)
			(void)json_array_append(kept, entry);
		free(source);
	}
	if (list && r == 0)
		(void)json_object_set_new(fs, name, kept);
	else
		json_decref(kept);
	return r;
}

/* Two of the base's lists may come to hold the same place; the first one stays. */
static bool is_listed(json_t *list, json_t *part)
{
	const char *path = entry_path(part);
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (strcmp(entry_path(one), path) == 0)
			return true;
	return false;
}

static void append_parts(json_t *fs, const char *name, json_t *parts)
{
	json_t *list = json_object_get(fs, name);
	json_t *part;
	size_t i;

	if (!list && json_array_size(parts) > 0) {
		list = json_array();
		(void)json_object_set_new(fs, name, list);
	}
	json_array_foreach(parts, i, part)
		if (!is_listed(list, part))
			(void)json_array_append(list, part);
	json_decref(parts);
}

int carve_reads(struct import *im)
{
	json_t *fs = json_object_get(im->policy, "filesystem");
	json_t *parts = json_array();
	int r = carve_list(im, "read", NULL);

	if (r == 0)
		r = carve_list(im, "write", NULL);
	/* An overlay of each child would multiply its size: the parts are read-only. */
	if (r == 0)
		r = carve_list(im, "overlay", parts);
	append_parts(fs, "read", parts);
	return r;
}

/* Whether @rule's place may be written while the folder above it may not, or the other way round. */
static bool differs_from_above(const struct path_rules *rules, const char *path)
{
	char above[PATH_MAX];

	(void)snprintf(above, sizeof(above), "%s", path);
	*strrchr(above, '/') = '\0';
	return rules_allow(rules, above[0] ? above : "/") != rules_allow(rules, path);
}

/* A place that differs from the folder around it becomes a mount of its own there. */
static int cover_place(struct carver *c, const char *source, struct path_rule *rule, json_t *kept,
		       json_t *reads)
{
	struct import *im = c->im;
	bool allowed = rules_allow(&im->write, rule->path);
	struct stat st;

	if (!path_is_below(rule->path, source) || strcmp(rule->path, source) == 0 ||
	    !differs_from_above(&im->write, rule->path))
		return 0;
	c->out = allowed ? kept : reads;
	if (lstat(rule->path, &st) == 0 && !S_ISLNK(st.st_mode))
		return emit(c, rule->path + strlen(source));
	if (allowed)
		rule->met = false;
	if (allowed || !rule->pointer)
		return 0;
	return import_row(im, rule->pointer, rule->text, IMPORT_INEXPRESSIBLE,
			  "it %s, so nothing can be mounted over it inside of %.128s, which the "
			  "base lets be written",
			  rule->link ? "is a link" : "does not exist", source);
}

static int cover_entry(struct import *im, json_t *entry, const char *source, json_t *kept,
		       json_t *reads)
{
	const char *target = json_string_value(
		json_is_object(entry) ? json_object_get(entry, "target") : NULL);
	struct carver c = {.im = im, .entry = entry};
	int r = policy_expand(entry_path(entry), im->inputs, &c.path, im->err);

	if (r == 0)
		r = policy_expand(target ? target : entry_path(entry), im->inputs, &c.target,
				  im->err);
	for (size_t i = 0; r == 0 && i < im->write.n; i++)
		r = cover_place(&c, source, &im->write.at[i], kept, reads);
	free(c.path);
	free(c.target);
	return r;
}

int carve_writes(struct import *im)
{
	json_t *fs = json_object_get(im->policy, "filesystem");
	json_t *list = json_object_get(fs, "write");
	json_t *kept = json_array();
	json_t *reads = json_array();
	json_t *entry;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, entry) {
		char *source = entry_source(im, entry);
		bool allowed = !source || rules_allow(&im->write, source);

		if (source)
			meet(&im->write, source);
		if (source && is_asked(entry) && rules_differ_below(&im->write, source, allowed)) {
			free(source);
			continue;
		}
		(void)json_array_append(allowed ? kept : reads, entry);
		if (r == 0 && source)
			r = cover_entry(im, entry, source, kept, reads);
		free(source);
	}
	if (list)
		(void)json_object_set_new(fs, "write", kept);
	else
		json_decref(kept);
	append_parts(fs, "read", reads);
	return r;
}
