/*
 * The memory of a worker, which may make no system call for more: one region that is reserved
 * before the filter is loaded and whose pages the kernel gives when they are touched. Chunks that are next
 * to each other and free become one again, so a stream of any length stays in constant memory.
 * Single-threaded.
 */
#ifndef TOOLCELL_DIGEST_HEAP_H
#define TOOLCELL_DIGEST_HEAP_H

#include <stddef.h>

#include "base/macros.h"

#define HEAP_BYTES ((size_t)256 << 20)

/* Multiples of 16 bytes apart; NULL when the region is used up. */
void *heap_alloc(size_t bytes);
void *heap_realloc(void *p, size_t bytes);
void heap_free(void *p);

/** heap_usable - how many bytes at @p are the caller's; at least what it asked for */
size_t heap_usable(const void *p);

/** heap_peak - highest offset in the region that was ever handed out */
size_t heap_peak(void);

#endif
