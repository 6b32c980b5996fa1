/* The catalog of a policy image, read. What is in it: manifest/manifest.h. */
#ifndef TOOLCELL_BROKER_CATALOG_H
#define TOOLCELL_BROKER_CATALOG_H

#include <jansson.h>

#include "base/err.h"
#include "base/macros.h"
#include "wire/image.h"

/** catalog_head - all but the tools, which are most of it; caller decrefs. NULL: see @err */
json_t *catalog_head(const struct image *image, struct err *err);

/** catalog_load - all of it; caller decrefs. NULL: see @err */
json_t *catalog_load(const struct image *image, struct err *err);

#endif
