/*
 * Theory of operation: the mount whose target is the longest prefix of a path, component by component.
 * The tables of a cell are some eighty rows, and are looked at only for calls that the filter sends here.
 */
#include "init/places.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/macros.h"
#include "base/path.h"
#include "workspace/rules.h"

#define STICKY 01000U

static const char *target_of(const struct places *p, const struct image_mount *m)
{
	return m->type == IMAGE_MOUNT_WORKSPACE ? p->workspace : image_string(p->image, m->target);
}

uint32_t places_find(const struct places *p, const char *path)
{
	uint32_t found = PLACE_NONE;
	size_t longest = 0;

	for (uint32_t i = 0; i < p->cell->mounts_count; i++) {
		uint32_t index = p->cell->mounts_first + i;
		const char *target = target_of(p, image_mount(p->image, index));
		size_t len = target ? strlen(target) : 0;

		if (len < longest || len == 0 || !path_is_below(path, target))
			continue;
		longest = len;
		found = index;
	}
	return found;
}

bool places_hides(const struct places *p, uint32_t mount)
{
	const struct image_mount *m = image_mount(p->image, mount);

	if (mount == PLACE_NONE || !m)
		return true;
	return m->type == IMAGE_MOUNT_DIR || (m->type == IMAGE_MOUNT_TMPFS && !(m->mode & STICKY));
}

bool places_is_absent(const struct places *p, const char *path)
{
	const char *line = image_string(p->image, p->cell->absent);

	while (line && *line) {
		size_t len = strcspn(line, "\n");

		/* Both begin with "/", and a pattern is relative to it. */
		if (len > 1 && rules_match(line + 1, len - 1, path + 1))
			return true;
		line += len + (line[len] == '\n');
	}
	return false;
}

static int append(char *dst, size_t *len, const char *component, size_t n)
{
	if (n == 2 && component[0] == '.' && component[1] == '.') {
		while (*len > 0 && dst[--*len] != '/')
			;
		return 0;
	}
	if (n == 0 || (n == 1 && component[0] == '.'))
		return 0;
	if (*len + n + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	dst[(*len)++] = '/';
	memcpy(dst + *len, component, n);
	*len += n;
	return 0;
}

int places_clean(const char *path, char *dst)
{
	size_t len = 0;

	while (*path) {
		size_t n = strcspn(path, "/");
		int r = append(dst, &len, path, n);

		if (r < 0)
			return r;
		path += n + (path[n] == '/');
	}
	if (len == 0)
		dst[len++] = '/';
	dst[len] = '\0';
	return 0;
}
