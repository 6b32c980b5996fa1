/*
 * Theory of operation: the cell's environment records in order; each becomes one string, which
 * replaces an earlier one of the same name. Nothing of the operator's environment is copied unless
 * a record passes it by name.
 */
#include "cli/exec_env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The entry of @env for @name (with @len bytes), or NULL. */
static char **find(char *const *env, const char *name, size_t len)
{
	for (char *const *e = env; *e; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return (char **)(uintptr_t)e;
	return NULL;
}

/* @env has room for one more. */
static int put(char **env, const char *name, const char *value)
{
	char **place = find(env, name, strlen(name));
	char *text;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		return -ENOMEM;
	if (place) {
		free(*place);
	} else {
		for (place = env; *place; place++)
			;
	}
	*place = text;
	return 0;
}

static int put_record(const struct image *image, const struct image_env *record, char *const *kept,
		      char **env)
{
	const char *name = image_string(image, record->name);
	const char *value = image_string(image, record->value);
	char **entry;

	if (!name)
		return 0;
	if (value)
		return put(env, name, value);
	entry = find(kept, name, strlen(name));
	return entry ? put(env, name, *entry + strlen(name) + 1) : 0;
}

int exec_env_build(const struct image *image, const struct image_cell *cell, char *const *kept,
		   char ***ret, struct err *err)
{
	/* HOME, the records, and the NULL at the end. */
	char **env = calloc((size_t)cell->env_count + 2, sizeof(*env));
	const char *home = image_string(image, cell->home);
	int r = env ? 0 : -ENOMEM;

	if (r == 0 && home)
		r = put(env, "HOME", home);
	for (uint32_t i = 0; r == 0 && i < cell->env_count; i++) {
		const struct image_env *record = image_env(image, cell->env_first + i);

		r = record ? put_record(image, record, kept, env) : -EINVAL;
	}
	if (r < 0) {
		exec_env_free(env);
		return err_set(err, -r, "cannot build the command's environment");
	}
	*ret = env;
	return 0;
}

void exec_env_free(char **env)
{
	for (char **e = env; e && *e; e++)
		free(*e);
	free(env);
}

const char *exec_env_cwd(const char *current, const char *workspace)
{
	size_t len = strlen(workspace);

	if (current && strncmp(current, workspace, len) == 0 &&
	    (current[len] == '\0' || current[len] == '/'))
		return current;
	return workspace;
}
