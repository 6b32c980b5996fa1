/*
 * Theory of operation: the walk's workers read and match (visit), each into a list of its own under a
 * lock of its own. The caller's thread waits and watches the deadline:
 *
 *	walk_wait --ended--> collect
 *	    `-----deadline--> walk_stop, a moment for those who can end --> collect, and name the file
 *			      and line that a worker is still in
 *
 * A worker in the middle of one endless match cannot be stopped, so all that it touches lives in memory
 * of its own (struct search), which is then left as it is. Its text can be read for the line's number:
 * after walk_stop it goes on to no other file.
 */
#include "tools/cell/files/search.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cell/files/source.h"

#define GRACE_MS 300 /* for the file at hand, behind the deadline */

struct seeker {
	pthread_mutex_t lock; /* all but worker and source */
	struct search_result found;
	size_t alloc;
	char path[1024]; /* of the text at hand; cut */
	bool busy;
	int failed;
	struct regex_text text;
	struct regex_worker *worker;
	struct source source;
};

struct search {
	struct search_query query;
	struct seeker seekers[WALK_WORKERS_MAX];
};

static int add_file(struct seeker *me, const char *path, size_t len,
		    const struct lines_result *lines)
{
	struct search_result *r = &me->found;
	char *copy;

	if (r->n == me->alloc) {
		size_t alloc = me->alloc ? 2 * me->alloc : 256;
		struct search_file *files = reallocarray(r->files, alloc, sizeof(*files));

		if (!files)
			return -ENOMEM;
		r->files = files;
		me->alloc = alloc;
	}
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, path, len);
	copy[len] = '\0';
	r->files[r->n++] = (struct search_file){.path = copy,
						.len = len,
						.matches = lines->matches,
						.entries = lines->entries};
	return 0;
}

static void note_text(struct seeker *me, const struct walk_file *file,
		      const struct lines_result *lines)
{
	int line = lines->limit_line > INT32_MAX ? INT32_MAX : (int)lines->limit_line;

	me->found.searched++;
	if (lines->limits > 0)
		walk_list_add(&me->found.limits, file->path, file->len, line);
	if (lines->cut)
		walk_list_add(&me->found.cut, file->path, file->len, line);
	if (lines->matches > 0 && add_file(me, file->path, file->len, lines) < 0)
		me->failed = -ENOMEM;
}

static void note_other(struct seeker *me, const struct walk_file *file, enum source_kind kind)
{
	switch (kind) {
	case SOURCE_BINARY:
		me->found.binary++;
		break;
	case SOURCE_TOO_LARGE:
		walk_list_add(&me->found.too_large, file->path, file->len, EFBIG);
		break;
	case SOURCE_SPECIAL:
		me->found.special++;
		break;
	case SOURCE_UNREAD:
		walk_list_add(&me->found.unread, file->path, file->len, me->source.num);
		break;
	case SOURCE_TEXT:
	case SOURCE_KIND_N:
		break;
	}
}

static void begin(struct seeker *me, const struct walk_file *file)
{
	size_t n = MIN(file->len, sizeof(me->path) - 1);

	(void)pthread_mutex_lock(&me->lock);
	memcpy(me->path, file->path, n);
	me->path[n] = '\0';
	me->text = (struct regex_text){.data = me->source.data, .len = me->source.len};
	me->busy = true;
	(void)pthread_mutex_unlock(&me->lock);
}

static void visit(void *context, unsigned worker, const struct walk_file *file)
{
	struct search *s = context;
	struct seeker *me = &s->seekers[worker];
	enum source_kind kind = source_read(&me->source, file->dir, file->name);
	struct lines_result lines;

	if (kind == SOURCE_TEXT) {
		begin(me, file);
		lines_search(s->query.re, me->worker, &me->text, &s->query.lines, NULL, NULL,
			     &lines);
	}
	(void)pthread_mutex_lock(&me->lock);
	me->busy = false;
	if (kind == SOURCE_TEXT)
		note_text(me, file, &lines);
	else
		note_other(me, file, kind);
	(void)pthread_mutex_unlock(&me->lock);
}

static void search_free(struct search *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < WALK_WORKERS_MAX; i++) {
		search_result_fini(&s->seekers[i].found);
		regex_worker_free(s->seekers[i].worker);
		source_fini(&s->seekers[i].source);
		(void)pthread_mutex_destroy(&s->seekers[i].lock);
	}
	free(s);
}

static struct search *search_new(const struct search_query *query)
{
	struct search *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return NULL;
	s->query = *query;
	for (unsigned i = 0; i < WALK_WORKERS_MAX; i++) {
		(void)pthread_mutex_init(&s->seekers[i].lock, NULL);
		if (i < SEARCH_WORKERS && r == 0)
			r = regex_worker_new(&s->seekers[i].worker);
	}
	if (r < 0) {
		search_free(s);
		return NULL;
	}
	return s;
}

static void note_stuck(struct seeker *me, struct search_result *ret)
{
	size_t at = atomic_load(&me->text.at);
	size_t line = lines_number(me->text.data, me->text.len, at);

	walk_list_add(&ret->stuck, me->path, strlen(me->path),
		      line > INT32_MAX ? INT32_MAX : (int)line);
}

/* One worker's share; it may still be at work. */
static int collect_one(struct seeker *me, struct search_result *ret)
{
	struct search_result *from = &me->found;
	struct search_file *files;
	int r;

	(void)pthread_mutex_lock(&me->lock);
	r = me->failed;
	files = reallocarray(ret->files, ret->n + from->n + 1, sizeof(*files));
	if (files)
		ret->files = files;
	else
		r = -ENOMEM;
	if (r == 0) {
		if (from->n > 0)
			memcpy(ret->files + ret->n, from->files, from->n * sizeof(*files));
		ret->n += from->n;
		from->n = 0; /* the names have a new owner */
		ret->searched += from->searched;
		ret->binary += from->binary;
		ret->special += from->special;
		walk_list_merge(&ret->too_large, &from->too_large);
		walk_list_merge(&ret->unread, &from->unread);
		walk_list_merge(&ret->limits, &from->limits);
		walk_list_merge(&ret->cut, &from->cut);
		if (me->busy)
			note_stuck(me, ret);
	}
	(void)pthread_mutex_unlock(&me->lock);
	return r;
}

static int by_path(const void *a, const void *b)
{
	const struct search_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int collect(struct search *s, struct search_result *ret)
{
	int r = 0;

	for (unsigned i = 0; i < WALK_WORKERS_MAX && r == 0; i++)
		r = collect_one(&s->seekers[i], ret);
	if (r == 0 && ret->n > 1)
		qsort(ret->files, ret->n, sizeof(*ret->files), by_path);
	return r;
}

int search_run(const struct target *target, const struct search_query *query,
	       struct search_result *ret)
{
	struct search *s = search_new(query);
	struct walk_options options = {.globs = query->globs,
				       .types = query->types,
				       .workers = SEARCH_WORKERS,
				       .visit = visit,
				       .context = s};
	struct walk *w;
	int r;

	*ret = (struct search_result){0};
	if (!s)
		return -ENOMEM;
	target_walk(target, &options);
	r = walk_start(&options, &w);
	if (r < 0) {
		search_free(s);
		return r;
	}
	if (!walk_wait(w, query->deadline_ms)) {
		walk_stop(w);
		ret->still = !walk_wait(w, walk_now_ms() + GRACE_MS);
	}
	walk_report(w, &ret->walk);
	ret->late = ret->walk.stopped;
	r = collect(s, ret);
	/* What a thread still works with stays; the process is about to end. */
	if (ret->still)
		return r;
	walk_free(w);
	search_free(s);
	return r == 0 ? ret->walk.failed : r;
}

void search_result_fini(struct search_result *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->files[i].path);
	free(r->files);
	*r = (struct search_result){0};
}
