/*
 * Theory of operation: lines become numbers, so that comparing two of them is one comparison. What both
 * texts begin and end with is set aside; of the rest, equal lines get equal numbers from a hash table
 * whose seed nobody outside of this process can know, so no text can be made to collide. Lines that
 * only one side has are changes whatever the rest looks like and leave the game (script_keep); two
 * unrelated texts are done at that point.
 *
 * What is left goes through the algorithm of Myers (1986), the variant in linear space: search
 * from both ends of a box until the two fronts meet, split the box there, go on with both halves. The
 * boxes wait on a stack, the smaller half on top, so the stack stays as deep as a logarithm. Two limits
 * hold the work down: a box that is searched too long is split at the point that got furthest, and when
 * DIFF_COST_MAX steps have been made all boxes that are left count as removed and added.
 *
 * The flags of changed lines are read off as ranges, ranges of one side alone slide down as far as their
 * lines repeat (what people expect of a function added between two), and ranges with their context
 * become hunks.
 */
#include "workspace/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BINARY_BYTES ((size_t)8000)
#define BOXES_MAX 64U  /* more than log2 of any number of lines, twice */
#define ROUNDS_MIN 256 /* of the search of one box before it is split anyway */

struct span {
	const char *text;
	size_t len; /* with its line feed, so that a last line without one differs */
};

struct side {
	struct span *lines;
	size_t n;
	bool *changed;
	uint32_t *class; /* of lines [prefix, n - suffix) */
	uint32_t *kept;	 /* indices of lines that the other side has, too */
	size_t n_kept;
};

struct work {
	struct side old;
	struct side new;
	size_t prefix;
	size_t suffix;
	size_t cost;
	int32_t *forward; /* furthest x of each diagonal; into one allocation */
	int32_t *backward;
	int32_t *fronts;
};

struct box {
	int32_t x0, x1; /* into old.kept */
	int32_t y0, y1; /* into new.kept */
};

/* A range of changed lines: old [x, x + dx) becomes new [y, y + dy). */
struct range {
	size_t x, dx;
	size_t y, dy;
};

static void side_fini(struct side *side)
{
	free(side->lines);
	free(side->changed);
	free(side->class);
	free(side->kept);
}

static void work_fini(struct work *work)
{
	side_fini(&work->old);
	side_fini(&work->new);
	free(work->fronts);
}

static size_t count_lines(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t at = 0; at < len; n++) {
		const char *end = memchr(text + at, '\n', len - at);

		at = end ? (size_t)(end - text) + 1 : len;
	}
	return n;
}

static int side_split(struct side *side, const char *text, size_t len)
{
	size_t n = count_lines(text, len);

	if (n > DIFF_LINES_MAX)
		return -E2BIG;
	side->lines = calloc(n + 1, sizeof(*side->lines));
	side->changed = calloc(n + 1, sizeof(*side->changed));
	side->class = calloc(n + 1, sizeof(*side->class));
	side->kept = calloc(n + 1, sizeof(*side->kept));
	if (!side->lines || !side->changed || !side->class || !side->kept)
		return -ENOMEM;
	for (size_t at = 0; side->n < n; side->n++) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t next = end ? (size_t)(end - text) + 1 : len;

		side->lines[side->n] = (struct span){text + at, next - at};
		at = next;
	}
	return 0;
}

static bool span_equal(const struct span *a, const struct span *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static void trim(struct work *work)
{
	size_t n = MIN(work->old.n, work->new.n);
	const struct span *old = work->old.lines;
	const struct span *new = work->new.lines;

	while (work->prefix < n && span_equal(&old[work->prefix], &new[work->prefix]))
		work->prefix++;
	while (work->suffix < n - work->prefix && span_equal(&old[work->old.n - 1 - work->suffix],
							     &new[work->new.n - 1 - work->suffix]))
		work->suffix++;
}

/* Classes of equal lines: open addressing over class numbers. */
struct classes {
	uint64_t seed[2];
	uint32_t *slots; /* class + 1; 0 is free */
	size_t mask;
	uint64_t *hash; /* of each class */
	struct span *line;
	uint8_t *sides; /* 1: old has it, 2: new has it */
	uint32_t n;
};

static void classes_fini(struct classes *c)
{
	free(c->slots);
	free(c->hash);
	free(c->line);
	free(c->sides);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t span_hash(const struct classes *c, const struct span *span)
{
	uint64_t h = c->seed[0] ^ span->len;
	uint64_t word;
	size_t at = 0;

	for (; span->len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, span->text + at, sizeof(word));
		h = mix(h ^ word, c->seed[1]);
	}
	word = 0;
	memcpy(&word, span->text + at, span->len - at);
	return mix(h ^ word, c->seed[1] ^ 0x9e3779b97f4a7c15U);
}

static int classes_init(struct classes *c, size_t lines)
{
	size_t slots = 16;

	while (slots < lines * 2)
		slots *= 2;
	/* Without randomness the result is the same, and only an opponent's texts are slow. */
	if (getrandom(c->seed, sizeof(c->seed), GRND_NONBLOCK) != (ssize_t)sizeof(c->seed))
		c->seed[0] = (uint64_t)(uintptr_t)c;
	c->seed[1] |= (uint64_t)1 << 63 | 1;
	c->mask = slots - 1;
	c->slots = calloc(slots, sizeof(*c->slots));
	c->hash = calloc(lines + 1, sizeof(*c->hash));
	c->line = calloc(lines + 1, sizeof(*c->line));
	c->sides = calloc(lines + 1, sizeof(*c->sides));
	return c->slots && c->hash && c->line && c->sides ? 0 : -ENOMEM;
}

static uint32_t classes_of(struct classes *c, const struct span *line, uint8_t side)
{
	uint64_t hash = span_hash(c, line);
	size_t at = (size_t)hash & c->mask;

	for (; c->slots[at] != 0; at = (at + 1) & c->mask) {
		uint32_t class = c->slots[at] - 1;

		if (c->hash[class] == hash && span_equal(&c->line[class], line)) {
			c->sides[class] |= side;
			return class;
		}
	}
	c->hash[c->n] = hash;
	c->line[c->n] = *line;
	c->sides[c->n] = side;
	c->slots[at] = c->n + 1;
	return c->n++;
}

static void side_classify(struct side *side, const struct work *work, struct classes *c,
			  uint8_t bit)
{
	for (size_t i = work->prefix; i < side->n - work->suffix; i++)
		side->class[i] = classes_of(c, &side->lines[i], bit);
}

static void side_keep(struct side *side, const struct work *work, const struct classes *c)
{
	for (size_t i = work->prefix; i < side->n - work->suffix; i++) {
		if (c->sides[side->class[i]] == 3)
			side->kept[side->n_kept++] = (uint32_t)i;
		else
			side->changed[i] = true;
	}
}

static int script_keep(struct work *work)
{
	struct classes c = {0};
	size_t lines = work->old.n + work->new.n - 2 * (work->prefix + work->suffix);
	int rc = classes_init(&c, lines);

	if (rc == 0) {
		side_classify(&work->old, work, &c, 1);
		side_classify(&work->new, work, &c, 2);
		side_keep(&work->old, work, &c);
		side_keep(&work->new, work, &c);
	}
	classes_fini(&c);
	return rc;
}

static bool same(const struct work *work, int32_t x, int32_t y)
{
	return work->old.class[work->old.kept[x]] == work->new.class[work->new.kept[y]];
}

/* The two fronts of one search; diagonals are numbered x - y. */
struct search {
	struct box box;
	int32_t low, high; /* diagonals that cross the box */
	int32_t flow, fhigh;
	int32_t blow, bhigh;
	bool odd;
};

static bool box_has(const struct box *box, int32_t x, int32_t y)
{
	return x >= box->x0 && x <= box->x1 && y >= box->y0 && y <= box->y1;
}

/* One more edit from the upper left.  Return: whether the fronts met, at *ret_x, *ret_y. */
static bool search_forward(struct work *work, struct search *s, int32_t *ret_x, int32_t *ret_y)
{
	int32_t *v = work->forward;

	if (s->flow > s->low)
		v[--s->flow - 1] = -1;
	else
		s->flow++;
	if (s->fhigh < s->high)
		v[++s->fhigh + 1] = -1;
	else
		s->fhigh--;
	for (int32_t d = s->fhigh; d >= s->flow; d -= 2) {
		int32_t x = v[d - 1] >= v[d + 1] ? v[d - 1] + 1 : v[d + 1];
		int32_t from = x;

		while (x < s->box.x1 && x - d < s->box.y1 && same(work, x, x - d))
			x++;
		v[d] = x;
		work->cost += (size_t)(x - from) + 1;
		if (s->odd && d >= s->blow && d <= s->bhigh && work->backward[d] <= x &&
		    box_has(&s->box, x, x - d)) {
			*ret_x = x;
			*ret_y = x - d;
			return true;
		}
	}
	return false;
}

/* One more edit from the lower right. */
static bool search_backward(struct work *work, struct search *s, int32_t *ret_x, int32_t *ret_y)
{
	int32_t *v = work->backward;

	if (s->blow > s->low)
		v[--s->blow - 1] = INT32_MAX;
	else
		s->blow++;
	if (s->bhigh < s->high)
		v[++s->bhigh + 1] = INT32_MAX;
	else
		s->bhigh--;
	for (int32_t d = s->bhigh; d >= s->blow; d -= 2) {
		int32_t x = v[d - 1] < v[d + 1] ? v[d - 1] : v[d + 1] - 1;
		int32_t from = x;

		while (x > s->box.x0 && x - d > s->box.y0 && same(work, x - 1, x - d - 1))
			x--;
		v[d] = x;
		work->cost += (size_t)(from - x) + 1;
		if (!s->odd && d >= s->flow && d <= s->fhigh && x <= work->forward[d] &&
		    box_has(&s->box, x, x - d)) {
			*ret_x = x;
			*ret_y = x - d;
			return true;
		}
	}
	return false;
}

/* The point that got furthest from its corner, when a search is given up. */
static void search_best(const struct work *work, const struct search *s, int32_t *ret_x,
			int32_t *ret_y)
{
	int32_t best = -1;

	for (int32_t d = s->fhigh; d >= s->flow; d -= 2) {
		int32_t x = work->forward[d];
		int32_t done = x + (x - d) - s->box.x0 - s->box.y0;

		if (box_has(&s->box, x, x - d) && done > best) {
			best = done;
			*ret_x = x;
			*ret_y = x - d;
		}
	}
	for (int32_t d = s->bhigh; d >= s->blow; d -= 2) {
		int32_t x = work->backward[d];
		int32_t done;

		if (x == INT32_MAX || !box_has(&s->box, x, x - d))
			continue;
		done = s->box.x1 + s->box.y1 - x - (x - d);
		if (done > best) {
			best = done;
			*ret_x = x;
			*ret_y = x - d;
		}
	}
}

static int32_t rounds_max(const struct box *box)
{
	int64_t size = (int64_t)(box->x1 - box->x0) + (box->y1 - box->y0);
	int32_t rounds = ROUNDS_MIN;

	while ((int64_t)rounds * rounds < size)
		rounds *= 2;
	return rounds;
}

/* Return: false when the box is to be removed and added as a whole. */
static bool search_split(struct work *work, const struct box *box, int32_t *ret_x, int32_t *ret_y)
{
	struct search s = {.box = *box, .low = box->x0 - box->y1, .high = box->x1 - box->y0};
	int32_t rounds = rounds_max(box);
	int32_t x = box->x0;
	int32_t y = box->y0;

	s.flow = s.fhigh = box->x0 - box->y0;
	s.blow = s.bhigh = box->x1 - box->y1;
	s.odd = ((s.flow - s.blow) & 1) != 0;
	work->forward[s.flow] = box->x0;
	work->backward[s.blow] = box->x1;
	for (;; rounds--) {
		if (work->cost > DIFF_COST_MAX)
			return false;
		if (search_forward(work, &s, &x, &y) || search_backward(work, &s, &x, &y))
			break;
		if (rounds == 0) {
			search_best(work, &s, &x, &y);
			break;
		}
	}
	*ret_x = x;
	*ret_y = y;
	/* A corner would leave one half as large as the whole. */
	return !(x == box->x0 && y == box->y0) && !(x == box->x1 && y == box->y1);
}

static void box_shrink(const struct work *work, struct box *box)
{
	while (box->x0 < box->x1 && box->y0 < box->y1 && same(work, box->x0, box->y0)) {
		box->x0++;
		box->y0++;
	}
	while (box->x0 < box->x1 && box->y0 < box->y1 && same(work, box->x1 - 1, box->y1 - 1)) {
		box->x1--;
		box->y1--;
	}
}

static void box_replace(struct work *work, const struct box *box)
{
	for (int32_t x = box->x0; x < box->x1; x++)
		work->old.changed[work->old.kept[x]] = true;
	for (int32_t y = box->y0; y < box->y1; y++)
		work->new.changed[work->new.kept[y]] = true;
}

static int32_t box_size(const struct box *box)
{
	return box->x1 - box->x0 + box->y1 - box->y0;
}

static int script_search(struct work *work)
{
	struct box stack[BOXES_MAX];
	size_t n = 0;
	size_t diagonals = work->old.n_kept + work->new.n_kept + 3;

	work->fronts = calloc(2 * diagonals, sizeof(*work->fronts));
	if (!work->fronts)
		return -ENOMEM;
	work->forward = work->fronts + work->new.n_kept + 1;
	work->backward = work->forward + diagonals;
	stack[n++] = (struct box){0, (int32_t)work->old.n_kept, 0, (int32_t)work->new.n_kept};
	while (n > 0) {
		struct box box = stack[--n];
		struct box a;
		struct box b;
		int32_t x = 0;
		int32_t y = 0;

		box_shrink(work, &box);
		if (box.x0 == box.x1 || box.y0 == box.y1 || !search_split(work, &box, &x, &y) ||
		    n + 2 > BOXES_MAX) {
			box_replace(work, &box);
			continue;
		}
		a = (struct box){box.x0, x, box.y0, y};
		b = (struct box){x, box.x1, y, box.y1};
		stack[n++] = box_size(&a) > box_size(&b) ? a : b;
		stack[n++] = box_size(&a) > box_size(&b) ? b : a;
	}
	return 0;
}

/* The next range of changed lines from old line *x, new line *y on. */
static bool range_next(const struct work *work, size_t *x, size_t *y, struct range *ret)
{
	const struct side *old = &work->old;
	const struct side *new = &work->new;

	while (*x < old->n && *y < new->n && !old->changed[*x] && !new->changed[*y]) {
		(*x)++;
		(*y)++;
	}
	*ret = (struct range){.x = *x, .y = *y};
	while (*x < old->n && old->changed[*x])
		(*x)++;
	while (*y < new->n &&new->changed[*y])
		(*y)++;
	ret->dx = *x - ret->x;
	ret->dy = *y - ret->y;
	return ret->dx > 0 || ret->dy > 0;
}

/* A range of one side alone moves down over lines that it could as well begin with. */
static void range_slide(const struct work *work, struct range *range, size_t *x, size_t *y)
{
	const struct side *old = &work->old;
	const struct side *new = &work->new;

	for (;;) {
		if (range->dx > 0 && range->dy > 0)
			return;
		if (*x >= old->n || *y >= new->n || old->changed[*x] || new->changed[*y])
			return;
		if (range->dx > 0 ? !span_equal(&old->lines[range->x], &old->lines[*x])
				  : !span_equal(&new->lines[range->y], &new->lines[*y]))
			return;
		range->x++;
		range->y++;
		(*x)++;
		(*y)++;
		while (*x < old->n && old->changed[*x]) {
			(*x)++;
			range->dx++;
		}
		while (*y < new->n &&new->changed[*y]) {
			(*y)++;
			range->dy++;
		}
	}
}

static int ranges_read(const struct work *work, struct range **ret, size_t *ret_n)
{
	size_t x = 0;
	size_t y = 0;
	size_t alloc = 0;
	struct range range;

	while (range_next(work, &x, &y, &range)) {
		range_slide(work, &range, &x, &y);
		if (*ret_n == alloc) {
			struct range *more = reallocarray(*ret, alloc * 2 + 16,
							  sizeof(struct range));

			if (!more)
				return -ENOMEM;
			*ret = more;
			alloc = alloc * 2 + 16;
		}
		(*ret)[(*ret_n)++] = range;
	}
	return 0;
}

static void line_add(struct diff *diff, const struct span *span, char mark)
{
	struct diff_line *line = &diff->lines[diff->n_lines++];

	line->text = span->text;
	line->no_newline = span->len == 0 || span->text[span->len - 1] != '\n';
	line->len = span->len - (line->no_newline ? 0 : 1);
	line->mark = mark;
}

/* Ranges [first, last] are near enough to share one hunk. */
static void hunk_add(const struct work *work, const struct range *ranges, size_t first, size_t last,
		     size_t context, struct diff *diff)
{
	struct diff_hunk *hunk = &diff->hunks[diff->n_hunks++];
	size_t above = MIN(ranges[first].x, ranges[first].y);
	size_t before = MIN(context, above);
	size_t after = MIN(context, work->old.n - ranges[last].x - ranges[last].dx);
	size_t x = ranges[first].x - before;
	size_t y = ranges[first].y - before;
	size_t from_x = x;
	size_t from_y = y;

	hunk->first = diff->n_lines;
	for (size_t i = first; i <= last; i++) {
		for (; x < ranges[i].x; x++, y++)
			line_add(diff, &work->old.lines[x], ' ');
		for (; x < ranges[i].x + ranges[i].dx; x++)
			line_add(diff, &work->old.lines[x], '-');
		for (; y < ranges[i].y + ranges[i].dy; y++)
			line_add(diff, &work->new.lines[y], '+');
		diff->removed += ranges[i].dx;
		diff->added += ranges[i].dy;
	}
	for (; after > 0; after--, x++, y++)
		line_add(diff, &work->old.lines[x], ' ');
	hunk->count = diff->n_lines - hunk->first;
	hunk->old_lines = x - from_x;
	hunk->new_lines = y - from_y;
	hunk->old_start = from_x + (hunk->old_lines > 0 ? 1 : 0);
	hunk->new_start = from_y + (hunk->new_lines > 0 ? 1 : 0);
}

/* Index behind the ranges that stand in one hunk with range @first. */
static size_t hunk_end(const struct range *ranges, size_t n, size_t first, size_t context)
{
	size_t end = first + 1;

	while (end < n && ranges[end].x - ranges[end - 1].x - ranges[end - 1].dx <= 2 * context)
		end++;
	return end;
}

static int hunks_make(const struct work *work, const struct range *ranges, size_t n, size_t context,
		      struct diff *diff)
{
	size_t hunks = 0;
	size_t lines = 0;

	for (size_t i = 0; i < n; i = hunk_end(ranges, n, i, context), hunks++)
		lines += 2 * context;
	for (size_t i = 0; i < n; i++)
		lines += ranges[i].dx + ranges[i].dy + (i > 0 ? 2 * context : 0);
	lines = MIN(lines, work->old.n + work->new.n);
	diff->hunks = calloc(hunks + 1, sizeof(*diff->hunks));
	diff->lines = calloc(lines + 1, sizeof(*diff->lines));
	if (!diff->hunks || !diff->lines)
		return -ENOMEM;
	for (size_t i = 0; i < n;) {
		size_t end = hunk_end(ranges, n, i, context);

		hunk_add(work, ranges, i, end - 1, context, diff);
		i = end;
	}
	return 0;
}

int diff_make(const char *old, size_t old_len, const char *new, size_t new_len, size_t context,
	      struct diff *ret)
{
	struct work work = {0};
	struct range *ranges = NULL;
	size_t n = 0;
	int rc;

	*ret = (struct diff){0};
	rc = side_split(&work.old, old, old_len);
	if (rc == 0)
		rc = side_split(&work.new, new, new_len);
	if (rc == 0) {
		trim(&work);
		rc = script_keep(&work);
	}
	if (rc == 0)
		rc = script_search(&work);
	if (rc == 0)
		rc = ranges_read(&work, &ranges, &n);
	if (rc == 0)
		rc = hunks_make(&work, ranges, n, MIN(context, DIFF_LINES_MAX), ret);
	free(ranges);
	work_fini(&work);
	if (rc < 0)
		diff_fini(ret);
	return rc;
}

void diff_fini(struct diff *diff)
{
	if (!diff)
		return;
	free(diff->hunks);
	free(diff->lines);
	*diff = (struct diff){0};
}

bool diff_is_binary(const char *data, size_t len)
{
	return len > 0 && memchr(data, '\0', MIN(len, BINARY_BYTES)) != NULL;
}
