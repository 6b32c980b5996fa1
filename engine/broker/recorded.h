/* What init has recorded (wire/record.h), as denials. */
#ifndef TOOLCELL_BROKER_RECORDED_H
#define TOOLCELL_BROKER_RECORDED_H

#include "broker/denial.h"
#include "wire/image.h"
#include "wire/record.h"

/* All borrowed. */
struct recorded_source {
	const struct image *image;
	const struct image_cell *cell;
	const char *workspace; /* path of the workspace in the cell */
	const struct image_limits *limits;
	struct origins origins;
};

/**
 * recorded_append - a denial for each entry
 * @record: a copy that was held against record_check.  Return: 0 or -ENOMEM.
 */
MUST_USE int recorded_append(json_t *denials, const struct record *record,
			     const struct recorded_source *source);

/** recorded_read - a copy of what init wrote into @fd, checked; malloc'ed; NULL when it is not to be had */
struct record *recorded_read(int fd);

#endif
