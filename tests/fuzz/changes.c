/*
 * Theory of operation: any bytes as a summary of changes. What decodes is read to the end of every
 * string, and written again record by record must decode again.
 */
#include "wire/changes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct changes_header *h)
{
	const struct changes_header *again = NULL;
	struct changes_entry entry;
	struct changes_writer w;
	struct err err = {0};
	size_t offset = 0;
	uint32_t n = 0;
	void *copy = aligned_alloc(8, CHANGES_BYTES_MAX);

	if (!copy)
		return;
	changes_begin(&w, copy);
	while (changes_next(h, &offset, &entry) > 0) {
		if (entry.path[0] == '\0' || entry.path[0] == '/' || !changes_add(&w, &entry))
			abort();
		n++;
	}
	if (n != h->n || changes_decode(copy, w.used, &again, &err) < 0 || again->n != n)
		abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct changes_header *h = NULL;
	struct err err = {0};
	unsigned char *copy = aligned_alloc(8, (size + 15) / 8 * 8);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (changes_decode(copy, size, &h, &err) == 0)
		write_again(h);
	else if (h || err.text[0] == '\0')
		abort();
	free(copy);
	return 0;
}
