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

EXPORT void *malloc(size_t size)
{
	void *p = heap_alloc(size);

	if (!p)
		errno = ENOMEM;
	return p;
}

EXPORT void free(void *ptr)
{
	heap_free(ptr);
}

EXPORT void *calloc(size_t nmemb, size_t size)
{
	size_t bytes;
	void *p = size_mul_capped(nmemb, size, HEAP_BYTES, &bytes) ? malloc(bytes) : NULL;

	if (p)
		explicit_bzero(p, bytes); /* memset here would be turned into calloc again */
	else
		errno = ENOMEM;
	return p;
}

EXPORT void *realloc(void *ptr, size_t size)
{
	void *moved = heap_realloc(ptr, size);

	if (!moved)
		errno = ENOMEM;
	return moved;
}

/* The start-up code of static programs aligns blocks of thread-local storage. */
EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	char *p;

	if (alignment <= 16)
		return malloc(size);
	if (alignment > 4096 || size > HEAP_BYTES - alignment)
		return NULL;
	p = malloc(size + alignment);
	/* Never freed by anyone who asks for it; the block before the aligned address is lost. */
	return p ? p + (alignment - (uintptr_t)p % alignment) % alignment : NULL;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	return aligned_alloc(alignment, size);
}

EXPORT int posix_memalign(void **memptr, size_t alignment, size_t size)
{
	void *p = aligned_alloc(alignment, size);

	if (!p)
		return ENOMEM;
	*memptr = p;
	return 0;
}

EXPORT size_t malloc_usable_size(void *ptr)
{
	return heap_usable(ptr);
}
