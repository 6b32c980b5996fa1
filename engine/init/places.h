/* Which of the policy's mounts a path of the cell lies on; by words alone, nothing is opened. */
#ifndef TOOLCELL_INIT_PLACES_H
#define TOOLCELL_INIT_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/image.h"

#define PLACE_NONE UINT32_MAX /* the cell's root, which holds only what leads to mounts */

struct places {
	const struct image *image;
	const struct image_cell *cell;
	const char *workspace;
};

/** places_find - index of the image's mount that @path (absolute, clean) lies on; PLACE_NONE */
uint32_t places_find(const struct places *places, const char *path);

/**
 * places_hides - whether a name that is missing at @path may be there on the host
 * Where nothing is mounted, and below empty folders that stand in the place of the host's; not below /tmp
 * and its like, which are the tool's own.
 */
bool places_hides(const struct places *places, uint32_t mount);

/** places_is_absent - a pattern of /denials/absent covers @path: its absence is no denial */
bool places_is_absent(const struct places *places, const char *path);

/**
 * places_clean - an absolute path made lexically clean: no "." or "..", no "//"
 * @dst: PATH_MAX bytes
 * Return: 0; -ENAMETOOLONG.
 */
MUST_USE int places_clean(const char *path, char *dst);

#endif
