/* The allocator of the workers: no overlap, all comes back together, nothing beyond the end. */
#include "digest/heap.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#define SLOTS 512

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525U + 1013904223U;
	return *state >> 8;
}

static void check_fill(const unsigned char *p, size_t n, unsigned char want)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != want)
			cr_assert_fail("byte %zu of %zu was overwritten", i, n);
}

Test(heap, blocks_keep_their_bytes_through_any_order_of_calls)
{
	unsigned char *slots[SLOTS] = {NULL};
	size_t sizes[SLOTS] = {0};
	uint32_t state = 1;

	for (size_t i = 0; i < 20000; i++) {
		size_t s = next_random(&state) % SLOTS;
		size_t n = next_random(&state) % (next_random(&state) % 16 ? 300 : 20000);
		unsigned char mark = (unsigned char)(s & 0xff);

		check_fill(slots[s], MIN(sizes[s], n), mark);
		if (next_random(&state) % 3 == 0) {
			heap_free(slots[s]);
			slots[s] = NULL;
			sizes[s] = 0;
			continue;
		}
		slots[s] = heap_realloc(slots[s], n);
		cr_assert_not_null(slots[s]);
		cr_assert_eq((uintptr_t)slots[s] % 16, 0);
		cr_assert_geq(heap_usable(slots[s]), n);
		check_fill(slots[s], MIN(sizes[s], n), mark);
		memset(slots[s], mark, n);
		sizes[s] = n;
	}
	for (size_t s = 0; s < SLOTS; s++)
		heap_free(slots[s]);
	/* All of it is one chunk again. */
	slots[0] = heap_alloc(HEAP_BYTES / 8 * 7);
	cr_assert_not_null(slots[0]);
}

Test(heap, what_does_not_fit_is_refused_and_leaves_the_rest_usable)
{
	void *most;
	void *p;

	cr_assert_null(heap_alloc(HEAP_BYTES));
	cr_assert_null(heap_alloc(SIZE_MAX));
	most = heap_alloc(HEAP_BYTES / 8 * 7);
	cr_assert_not_null(most);
	cr_assert_null(heap_alloc(HEAP_BYTES / 4));
	p = heap_alloc(100);
	cr_assert_not_null(p);
	cr_assert_null(heap_realloc(p, HEAP_BYTES / 2));
	heap_free(p);
	heap_free(most);
	heap_free(NULL);
}

Test(heap, a_stream_of_equal_rounds_does_not_grow)
{
	size_t peak = 0;

	for (size_t round = 0; round < 200; round++) {
		void *blocks[64];

		for (size_t i = 0; i < 64; i++)
			blocks[i] = heap_alloc(16 + i * (round % 7 + 1) * 40);
		for (size_t i = 0; i < 64; i++)
			heap_free(blocks[(i * 37) % 64]);
		if (round == 20)
			peak = heap_peak();
	}
	cr_assert_leq(heap_peak(), peak);
}
