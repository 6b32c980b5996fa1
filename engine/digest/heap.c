/*
 * Theory of operation: boundary tags and segregated lists. Each chunk starts with its own size and
 * that of the chunk before it, so both neighbours are found without a search. Free chunks hang in
 * bins: one per 16 bytes up to 1 KiB, then four per power of two. A bitmap finds the first bin
 * whose chunks are all large enough, which makes every operation constant time:
 *
 *	free --heap_alloc (rest split off)--> used --heap_free (joined with free neighbours)--> free
 *
 * The last 32 bytes of the region are a used chunk that nobody owns, so that joining stops there. A
 * header that contradicts its neighbour means memory was overwritten: the process ends at once.
 */
#include "digest/heap.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT ((size_t)16)
#define SMALL_MAX ((size_t)1024)
#define SMALL_BINS (SMALL_MAX / ALIGNMENT)
#define BINS (SMALL_BINS + (size_t)80) /* and four for each of 20 doublings */
#define USED ((size_t)1)
#define LIST_LOOKS 32U /* where a list has chunks that are too small */

struct chunk {
	size_t before;	    /* bytes of the chunk before this one; 0 for the first */
	size_t size;	    /* bytes of this one, header included; USED or'ed */
	struct chunk *next; /* from here on only while free */
	struct chunk *prev;
};

#define HEADER offsetof(struct chunk, next)
#define CHUNK_MIN sizeof(struct chunk)

static_assert(HEADER % ALIGNMENT == 0, "what is behind a header is aligned");

static struct {
	char *base;
	struct chunk *bins[BINS];
	uint64_t map[(BINS + 63) / 64];
	size_t peak;
} heap;

static size_t chunk_size(const struct chunk *c)
{
	return c->size & ~USED;
}

static struct chunk *chunk_at(void *p, size_t offset)
{
	return (struct chunk *)(void *)((char *)p + offset);
}

static struct chunk *chunk_after(struct chunk *c)
{
	return chunk_at(c, chunk_size(c));
}

/* The bin that a chunk of @size bytes hangs in: the largest whose lower bound it reaches. */
static size_t bin_of(size_t size)
{
	size_t log;
	size_t bin;

	if (size < SMALL_MAX)
		return size / ALIGNMENT;
	log = 63U - (size_t)__builtin_clzl(size);
	bin = SMALL_BINS + (log - 10) * 4 + ((size >> (log - 2)) & 3);
	return MIN(bin, (size_t)BINS - 1);
}

/* @size up to the next lower bound of a bin, so that any chunk of that bin is large enough. */
static size_t round_to_bin(size_t size)
{
	size_t step;

	if (size < SMALL_MAX)
		return size;
	step = (size_t)1 << (63U - (size_t)__builtin_clzl(size) - 2);
	return (size + step - 1) & ~(step - 1);
}

static void bin_push(struct chunk *c)
{
	size_t bin = bin_of(chunk_size(c));

	c->prev = NULL;
	c->next = heap.bins[bin];
	if (c->next)
		c->next->prev = c;
	heap.bins[bin] = c;
	heap.map[bin / 64] |= (uint64_t)1 << (bin % 64);
}

static void bin_remove(struct chunk *c)
{
	size_t bin = bin_of(chunk_size(c));

	if ((c->prev ? c->prev->next : heap.bins[bin]) != c || (c->next && c->next->prev != c))
		__builtin_trap();
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		heap.bins[bin] = c->next;
	if (!heap.bins[bin])
		heap.map[bin / 64] &= ~((uint64_t)1 << (bin % 64));
}

/* Chunks of @c's list that are looked at, the first one that is large enough taken. */
static struct chunk *list_find(struct chunk *c, size_t size)
{
	for (size_t i = 0; c && i < LIST_LOOKS; i++, c = c->next)
		if (chunk_size(c) >= size)
			return c;
	return NULL;
}

/*
 * The first list whose chunks all are large enough; when there is none, the one that @size itself
 * belongs to, where some may be.
 */
static struct chunk *bin_find(size_t size)
{
	size_t bin = bin_of(round_to_bin(size));
	uint64_t word = heap.map[bin / 64] & (~(uint64_t)0 << (bin % 64));

	for (size_t i = bin / 64; i < ARRAY_SIZE(heap.map);) {
		if (word)
			return list_find(heap.bins[i * 64 + (size_t)__builtin_ctzll(word)], size);
		if (++i < ARRAY_SIZE(heap.map))
			word = heap.map[i];
	}
	return list_find(heap.bins[bin_of(size)], size);
}

static bool heap_start(void)
{
	struct chunk *first;
	struct chunk *last;
	void *base;

	if (heap.base)
		return true;
	base = mmap(NULL, HEAP_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return false;
	heap.base = base;
	first = chunk_at(base, 0);
	first->before = 0;
	first->size = HEAP_BYTES - CHUNK_MIN;
	last = chunk_after(first);
	last->before = first->size;
	last->size = CHUNK_MIN | USED;
	bin_push(first);
	return true;
}

/* Cut @c, which hangs in no bin, down to @size; what is left over becomes free. */
static void split(struct chunk *c, size_t size)
{
	size_t rest = chunk_size(c) - size;
	struct chunk *tail;

	if (rest < CHUNK_MIN)
		return;
	c->size = size | (c->size & USED);
	tail = chunk_after(c);
	tail->before = size;
	tail->size = rest;
	chunk_after(tail)->before = rest;
	bin_push(tail);
}

static size_t chunk_bytes(size_t bytes)
{
	size_t size = (bytes + HEADER + ALIGNMENT - 1) & ~(ALIGNMENT - 1);

	return MAX(size, CHUNK_MIN);
}

static void note_peak(struct chunk *c)
{
	size_t end = (size_t)((char *)c - heap.base) + chunk_size(c);

	heap.peak = MAX(heap.peak, end);
}

void *heap_alloc(size_t bytes)
{
	struct chunk *c;

	if (bytes > HEAP_BYTES || !heap_start())
		return NULL;
	c = bin_find(chunk_bytes(bytes));
	if (!c)
		return NULL;
	bin_remove(c);
	split(c, chunk_bytes(bytes));
	c->size |= USED;
	note_peak(c);
	return (char *)c + HEADER;
}

static struct chunk *chunk_of(void *p)
{
	struct chunk *c = (struct chunk *)(void *)((char *)p - HEADER);

	if (!(c->size & USED) || chunk_after(c)->before != chunk_size(c))
		__builtin_trap();
	return c;
}

void heap_free(void *p)
{
	struct chunk *c;
	struct chunk *after;

	if (!p)
		return;
	c = chunk_of(p);
	c->size &= ~USED;
	after = chunk_after(c);
	if (!(after->size & USED)) {
		bin_remove(after);
		c->size += after->size;
	}
	if (c->before > 0) {
		struct chunk *before = (struct chunk *)(void *)((char *)c - c->before);

		if (!(before->size & USED)) {
			bin_remove(before);
			before->size += c->size;
			c = before;
		}
	}
	chunk_after(c)->before = c->size;
	bin_push(c);
}

size_t heap_usable(const void *p)
{
	const struct chunk *c = (const struct chunk *)(const void *)((const char *)p - HEADER);

	return p ? chunk_size(c) - HEADER : 0;
}

/* Grow into the free chunk behind @c. */
static bool grow(struct chunk *c, size_t size)
{
	struct chunk *after = chunk_after(c);

	if ((after->size & USED) || chunk_size(c) + after->size < size)
		return false;
	bin_remove(after);
	c->size += after->size;
	chunk_after(c)->before = chunk_size(c);
	split(c, size);
	note_peak(c);
	return true;
}

void *heap_realloc(void *p, size_t bytes)
{
	struct chunk *c;
	void *moved;

	if (!p)
		return heap_alloc(bytes);
	if (bytes > HEAP_BYTES)
		return NULL;
	c = chunk_of(p);
	if (chunk_size(c) >= chunk_bytes(bytes) || grow(c, chunk_bytes(bytes)))
		return p;
	moved = heap_alloc(bytes);
	if (!moved)
		return NULL;
	(void)memcpy(moved, p, chunk_size(c) - HEADER);
	heap_free(p);
	return moved;
}

size_t heap_peak(void)
{
	return heap.peak;
}
