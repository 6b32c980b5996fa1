/* Numbers from outside: every way to overflow is a way to fail. The only strto* of the project. */
#ifndef TOOLCELL_BASE_NUM_H
#define TOOLCELL_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* @ret_bytes is written only when the product fits and stays below or at @cap. */
static inline bool size_mul_capped(size_t n, size_t each, size_t cap, size_t *ret_bytes)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, each, &bytes) || bytes > cap)
		return false;
	*ret_bytes = bytes;
	return true;
}

/**
 * num_parse_u64 - decimal digits and nothing else, at most @max
 * Return: 0; -EINVAL for anything but 1-20 digits; -ERANGE beyond @max. @ret untouched on failure.
 */
MUST_USE int num_parse_u64(const char *text, uint64_t max, uint64_t *ret);

/**
 * num_parse_c - as C writes whole numbers: decimal, "0x" hexadecimal, "0" octal
 * Return: 0; -EINVAL for anything else; -ERANGE on overflow. @ret untouched on failure.
 */
MUST_USE int num_parse_c(const char *text, uint64_t *ret);

/**
 * num_parse_size - "4GiB", "512MiB", "64KiB", "100B", "2GB", "1MB", "5kB"
 * Return: bytes in @ret; -EINVAL without a known unit, -ERANGE on overflow.
 */
MUST_USE int num_parse_size(const char *text, uint64_t *ret);

/**
 * num_parse_ms - "250ms", "90s", "10min", "1h"
 * Return: milliseconds in @ret; -EINVAL without a known unit, -ERANGE on overflow.
 */
MUST_USE int num_parse_ms(const char *text, uint64_t *ret);

#endif
