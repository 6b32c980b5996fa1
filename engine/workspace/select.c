/*
 * Theory of operation: names are cleaned once, lexically - nothing is looked up, a name that leads
 * through a symbolic link simply covers nothing. Scratch is only meant by a name that is scratch itself,
 * so that "commit ." does not take build output along. Names that are not UTF-8 cannot be written in
 * JSON; they can be meant by a folder above them.
 */
#include "workspace/select.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"

#define SHOWN_BYTES 256

/* The next component of a path.  Return: its length, 0 at the end. */
static size_t component(const char **at)
{
	*at += strspn(*at, "/");
	return strcspn(*at, "/");
}

static int clean(const char *name, char *out)
{
	char *end = out;
	size_t len;

	while ((len = component(&name)) > 0) {
		bool here = len == 1 && name[0] == '.';

		if (len == 2 && name[0] == '.' && name[1] == '.')
			return -EINVAL;
		if (!here) {
			if (end != out)
				*end++ = '/';
			memcpy(end, name, len);
			end += len;
		}
		name += len;
	}
	*end = '\0';
	return 0;
}

int select_add(struct select *select, const char *name, const char *workspace,
	       const struct rules *rules, struct err *err)
{
	char shown[SHOWN_BYTES];
	const char *relative = name;
	struct select_name *entry;
	char *path;

	(void)text_quote(shown, sizeof(shown), name, strlen(name));
	if (select->n == SELECT_MAX)
		return err_set(err, E2BIG, "more than %u paths", SELECT_MAX);
	if (name[0] == '\0')
		return err_set(err, EINVAL, "a path is empty; \".\" is the workspace");
	if (name[0] == '/') {
		if (!workspace || !path_is_below(name, workspace))
			return err_set(err, EINVAL, "%s is not in the workspace", shown);
		relative = name + strlen(workspace);
	}
	path = malloc(strlen(relative) + 1);
	if (!path)
		return err_set(err, ENOMEM, "cannot keep a path");
	if (clean(relative, path) < 0) {
		free(path);
		return err_set(err, EINVAL, "%s has \"..\"; name paths from the workspace down",
			       shown);
	}
	entry = &select->names[select->n++];
	*entry = (struct select_name){.path = path};
	entry->scratch = path[0] != '\0' && rules_find(rules, 'S', path, true) != NULL;
	return 0;
}

void select_fini(struct select *select)
{
	while (select->n > 0)
		free(select->names[--select->n].path);
}

static bool covers(const struct select_name *name, const char *path)
{
	return path && (name->path[0] == '\0' || path_is_below(path, name->path));
}

bool select_covers(struct select *select, const char *path)
{
	bool covered = false;

	for (size_t i = 0; i < select->n; i++)
		if (covers(&select->names[i], path)) {
			select->names[i].hit = true;
			covered = true;
		}
	return covered;
}

bool select_change(struct select *select, const struct change *change)
{
	bool meant = false;

	if (select->n == 0)
		return !change->scratch;
	for (size_t i = 0; i < select->n; i++) {
		struct select_name *name = &select->names[i];

		if (!covers(name, change->path) && !covers(name, change->from))
			continue;
		if (change->scratch && !name->scratch)
			continue;
		name->hit = true;
		meant = true;
	}
	return meant;
}

int select_key_compare(const struct select_key *key, const char *path)
{
	int order = strncmp(key->path, path, key->len);

	return order == 0 && path[key->len] != '\0' ? -1 : order;
}
