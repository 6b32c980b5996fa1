/*
 * Theory of operation: every *.json of each directory is a manifest, but *.schema.json. Directories
 * come in order of authority (the operator's first); the first one that has NAME.json wins, and the
 * later one is not even parsed. Names are sorted, so that the same files give the same catalog. One
 * bad manifest fails the load: a tool that silently went missing is worse than a loud error.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "manifest/check.h"
#include "manifest/manifest.h"

#define MANIFEST_FILE_BYTES_MAX ((size_t)256 << 10)
#define MANIFEST_FILES_MAX 512U
#define MANIFEST_PATH_MAX 4096U

static void freep(char **p)
{
	free(*p);
}

static void decrefp(json_t **value)
{
	json_decref(*value);
}

static void observe(void (*note)(void *, const char *), const struct manifest_observer *observer,
		    const char *path)
{
	if (note)
		note(observer->ctx, path);
}

static int parse_file(const char *path, const struct manifest_observer *observer, json_t **ret,
		      struct err *err)
{
	CLEANUP(freep) char *text = NULL;
	json_error_t at;
	size_t len;
	int r;

	r = fd_read_file(AT_FDCWD, path, MANIFEST_FILE_BYTES_MAX, &text, &len, err);
	if (r < 0)
		return r;
	observe(observer ? observer->file_read : NULL, observer, path);
	*ret = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (!*ret)
		return err_set(err, EINVAL, "%s:%d:%d: %s", path, at.line, at.column, at.text);
	return 0;
}

static int load_one(const char *dir, const char *file, const struct manifest_observer *observer,
		    json_t *all, struct err *err)
{
	CLEANUP(decrefp) json_t *manifest = NULL;
	json_t *tool = NULL;
	char path[MANIFEST_PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, file), r;
	size_t stem = strlen(file) - strlen(".json");
	char name[NAME_MAX + 1];

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ENAMETOOLONG, "path of a manifest in %s", dir);
	memcpy(name, file, stem);
	name[stem] = '\0';
	if (json_object_get(all, name))
		return 0;
	r = parse_file(path, observer, &manifest, err);
	if (r == 0)
		r = manifest_check(path, manifest, &tool, err);
	if (r < 0)
		return r;
	return json_object_set_new(all, name, tool) < 0
		       ? err_set(err, ENOMEM, "cannot hold %s", path)
		       : 0;
}

static int is_manifest(const struct dirent *entry)
{
	const char *dot = strchr(entry->d_name, '.');

	return dot && dot != entry->d_name && strcmp(dot, ".json") == 0;
}

static int load_dir(const char *dir, const struct manifest_observer *observer, json_t *all,
		    struct err *err)
{
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, is_manifest, alphasort), r = 0;

	if (n < 0 && errno == ENOENT) {
		observe(observer ? observer->file_absent : NULL, observer, dir);
		return 0;
	}
	if (n < 0)
		return err_set(err, errno, "cannot list %s", dir);
	/* A file that comes or goes changes the folder, so the folder counts as an input. */
	observe(observer ? observer->file_read : NULL, observer, dir);
	if (n > (int)MANIFEST_FILES_MAX)
		r = err_set(err, E2BIG, "%s holds more than %u manifests", dir, MANIFEST_FILES_MAX);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = load_one(dir, entries[i]->d_name, observer, all, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* Two tools must not answer to one name. */
static int check_names(json_t *all, struct err *err)
{
	const char *a, *b, *alias;
	json_t *one, *other, *value;
	size_t i;

	json_object_foreach(all, a, one)
		json_object_foreach(all, b, other) {
			if (one == other)
				continue;
			if (manifest_is_named(other, a))
				return err_set(err, EINVAL,
					       "the tools \"%s\" and \"%s\" share a name", a, b);
			json_array_foreach(json_object_get(one, "aliases"), i, value) {
				alias = json_string_value(value);
				if (manifest_is_named(other, alias))
					return err_set(err, EINVAL,
						       "the tools \"%s\" and \"%s\" share the "
						       "alias \"%s\"",
						       a, b, alias);
			}
		}
	return 0;
}

int manifest_load_all(const char *const *dirs, const struct manifest_observer *observer,
		      json_t **ret, struct err *err)
{
	CLEANUP(decrefp) json_t *all = json_object();
	int r = all ? 0 : err_set(err, ENOMEM, "cannot load manifests");

	for (size_t i = 0; dirs[i] && r == 0; i++)
		r = load_dir(dirs[i], observer, all, err);
	if (r == 0)
		r = check_names(all, err);
	if (r < 0)
		return r;
	*ret = json_incref(all);
	return 0;
}
