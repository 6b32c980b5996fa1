/*
 * Theory of operation: malloc and its family for toolcell-digest, in place of the C library's,
 * which would ask the kernel for memory. Everything that the program links (JSON library, buffers,
 * snprintf) comes here by this. Not part of a sanitized build, where the sanitizer brings its own.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "digest/heap.h"

#define EXPORT __attribute__((visibility("default"), used))

EXPORT void *malloc(size_t bytes)
{
	void *p = heap_alloc(bytes);

	if (!p)
		errno = ENOMEM;
	return p;
}

EXPORT void free(void *p)
{
	heap_free(p);
}

EXPORT void *calloc(size_t n, size_t each)
{
	size_t bytes;
	void *p = size_mul_capped(n, each, HEAP_BYTES, &bytes) ? malloc(bytes) : NULL;

	if (p)
		explicit_bzero(p, bytes); /* memset here would be turned into calloc again */
	else
		errno = ENOMEM;
	return p;
}

EXPORT void *realloc(void *p, size_t bytes)
{
	void *moved = heap_realloc(p, bytes);

	if (!moved)
		errno = ENOMEM;
	return moved;
}

/* The start-up code of static programs aligns blocks of thread-local storage. */
EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
	char *p;

	if (alignment <= 16)
		return malloc(bytes);
	if (alignment > 4096 || bytes > HEAP_BYTES - alignment)
		return NULL;
	p = malloc(bytes + alignment);
	/* Never freed by anyone who asks for it; the block before the aligned address is lost. */
	return p ? p + (alignment - (uintptr_t)p % alignment) % alignment : NULL;
}

EXPORT void *memalign(size_t alignment, size_t bytes)
{
	return aligned_alloc(alignment, bytes);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t bytes)
{
	void *p = aligned_alloc(alignment, bytes);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

EXPORT size_t malloc_usable_size(void *p)
{
	return heap_usable(p);
}
