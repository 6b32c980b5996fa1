/* What the fuzz targets of the importers share: any bytes, over the shipped base. */
#ifndef TOOLCELL_TESTS_FUZZ_IMPORT_H
#define TOOLCELL_TESTS_FUZZ_IMPORT_H

#include <stddef.h>
#include <stdint.h>

/** fuzz_import - @data as a file of @format; aborts where a promise is broken */
void fuzz_import(const char *format, const char *suffix, const uint8_t *data, size_t size);

#endif
