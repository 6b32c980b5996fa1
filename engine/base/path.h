/* Lexically clean paths, compared as text. */
#ifndef TOOLCELL_BASE_PATH_H
#define TOOLCELL_BASE_PATH_H

#include <stdbool.h>
#include <string.h>

/* Whether @path is @dir or lies below it; both absolute, without "..", "." or a final slash. */
static inline bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return path[0] == '/';
	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

#endif
