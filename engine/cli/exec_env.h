/* The environment and the directory that `exec` gives to its command. */
#ifndef TOOLCELL_CLI_EXEC_ENV_H
#define TOOLCELL_CLI_EXEC_ENV_H

#include <stddef.h>

#include "wire/image.h"

/**
 * exec_env_build - from nothing: what the cell's policy sets, and what it passes by name
 * @kept: the operator's environment, NULL-terminated
 * @ret:  NULL-terminated NAME=VALUE strings; exec_env_free frees
 *
 * HOME is the cell's, unless the policy sets it. Of two records for one name the later one holds.
 */
MUST_USE int exec_env_build(const struct image *image, const struct image_cell *cell,
			    char *const *kept, char ***ret, struct err *err);
void exec_env_free(char **env);

/**
 * exec_env_cwd - where the command starts
 * @current:   current directory of the operator, NULL when it has none
 * @workspace: absolute, without "." or ".."
 *
 * Return: @current when it lies in the workspace, else @workspace.
 */
const char *exec_env_cwd(const char *current, const char *workspace);

#endif
