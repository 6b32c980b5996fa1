/*
 * Theory of operation: a stack of items under one lock, and workers that take the topmost. An item is
 * a folder to be read, or a batch of names in a folder that has many:
 *
 *	take_item --folder--> read_folder: listing -> ignore rules -> sort_entries
 *	              |            folders and full batches go onto the stack (publish),
 *	              |            the names that are left are handed out at once (visit_names)
 *	              `-batch---> visit_names
 *
 * The walk has ended when the stack is empty and nobody works on an item. The topmost first, so that
 * the walk goes deep before wide: a folder's descriptor stays open until the last item that needs it
 * has been taken, and few folders are open at a time.
 *
 * Folders are opened by one name below the folder that holds them, never by path, and O_NOFOLLOW: what
 * is turned into a link meanwhile is not followed. Types come from the listing, so that a FIFO or a
 * device is never opened; who opens a file has to look again (fstat).
 */
#include "tools/cell/files/walk_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/fd.h"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)
#define LISTING_STEP ((size_t)64 << 10) /* bytes asked of getdents64 at once */
#define BATCH_NAMES 128U		/* a folder with more files is shared among the workers */
#define STACK_BYTES ((size_t)256 << 10) /* of a thread */

/* Where version control keeps its own things; entered only when the call names them. */
static const char *const store_names[] = {".git", ".hg", ".svn", ".bzr", ".jj", ".sl"};

struct folder {
	struct folder *parent; /* until it is open */
	atomic_uint references;
	int fd;
	unsigned depth;
	struct ignore *rules;
	size_t len;
	size_t name_at;
	char path[]; /* NUL-terminated */
};

struct item {
	struct item *next;
	struct folder *folder; /* a reference */
	size_t len;	       /* 0: the folder itself is to be read */
	char names[];	       /* each NUL-terminated */
};

struct worker {
	struct walk *walk;
	unsigned number;
	char *listing;
	size_t listing_alloc, listing_len;
	struct buf path;  /* of the entry at hand */
	size_t name_at;	  /* where its name begins */
	struct buf names; /* of files of the folder at hand */
	size_t n_names;
	struct item *made;	/* to be published */
	struct walk_report did; /* since the last publish */
};

struct walk {
	struct walk_options options;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* the stack, busy or running */
	struct item *stack;
	unsigned busy;	  /* workers on an item */
	unsigned running; /* threads that have not returned */
	atomic_bool stop;
	atomic_size_t seen; /* files and folders, against WALK_FILES_MAX */
	struct walk_report report;
	unsigned n_threads;
	pthread_t threads[WALK_WORKERS_MAX];
	struct worker workers[WALK_WORKERS_MAX];
};

int64_t walk_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void walk_list_add(struct walk_list *list, const char *path, size_t len, int num)
{
	if (list->n < WALK_NAMED_MAX) {
		size_t n = MIN(len, sizeof(list->named[0].path) - 1);

		memcpy(list->named[list->n].path, path, n);
		list->named[list->n].path[n] = '\0';
		list->named[list->n].num = num;
	}
	list->n++;
}

int walk_open_parent(int root, const char *path, const char **ret_name)
{
	CLEANUP(fd_closep) int dir = fcntl(root, F_DUPFD_CLOEXEC, 3);
	const char *slash;

	while (dir >= 0 && (slash = strchr(path, '/'))) {
		char name[NAME_MAX + 1];
		size_t len = (size_t)(slash - path);
		int below;

		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = '\0';
		below = openat(dir, name, OPEN_FOLDER | O_CLOEXEC);
		fd_closep(&dir);
		dir = below;
		path = slash + 1;
	}
	*ret_name = path;
	return dir < 0 ? -errno : fd_take(&dir);
}

void walk_list_merge(struct walk_list *to, const struct walk_list *from)
{
	size_t named = MIN(from->n, (size_t)WALK_NAMED_MAX);

	for (size_t i = 0; i < named; i++)
		walk_list_add(to, from->named[i].path, strlen(from->named[i].path),
			      from->named[i].num);
	to->n += from->n - named;
}

static void folder_put(struct folder *f)
{
	while (f && atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel) == 1) {
		struct folder *parent = f->parent;

		if (f->fd >= 0 && f->depth > 0)
			(void)close(f->fd); /* the root is the caller's */
		ignore_put(f->rules);
		free(f);
		f = parent;
	}
}

static struct folder *folder_get(struct folder *f)
{
	atomic_fetch_add_explicit(&f->references, 1, memory_order_relaxed);
	return f;
}

static struct folder *folder_new(struct folder *parent, const char *path, size_t len,
				 size_t name_at)
{
	struct folder *f = calloc(1, sizeof(*f) + len + 1);

	if (!f)
		return NULL;
	memcpy(f->path, path, len);
	f->len = len;
	f->name_at = name_at;
	f->fd = -1;
	atomic_init(&f->references, 1);
	if (parent) {
		f->parent = folder_get(parent);
		f->depth = parent->depth + 1;
	}
	return f;
}

static void item_free(struct item *item)
{
	folder_put(item->folder);
	free(item);
}

/* Onto the worker's own list. @folder: its reference is taken over.  Return: 0 or -ENOMEM. */
static int make_item(struct worker *me, struct folder *folder, const char *names, size_t len)
{
	struct item *item = malloc(sizeof(*item) + len);

	if (!item) {
		folder_put(folder);
		return -ENOMEM;
	}
	*item = (struct item){.next = me->made, .folder = folder, .len = len};
	if (len > 0)
		memcpy(item->names, names, len);
	me->made = item;
	return 0;
}

static void merge_report(struct walk_report *to, struct walk_report *from)
{
	to->files += from->files;
	to->folders += from->folders;
	to->ignored += from->ignored;
	to->bad_ignores += from->bad_ignores;
	to->files_capped |= from->files_capped;
	walk_list_merge(&to->unread, &from->unread);
	if (to->failed == 0)
		to->failed = from->failed;
	*from = (struct walk_report){0};
}

/* What the worker has made and counted becomes everybody's. */
static void publish(struct worker *me)
{
	struct walk *w = me->walk;

	(void)pthread_mutex_lock(&w->lock);
	if (me->made) {
		struct item *last = me->made;

		while (last->next)
			last = last->next;
		last->next = w->stack;
		w->stack = me->made;
		me->made = NULL;
		(void)pthread_cond_broadcast(&w->changed);
	}
	merge_report(&w->report, &me->did);
	(void)pthread_mutex_unlock(&w->lock);
}

/* The worker's path becomes that of an entry of @folder.  Return: 0 or -ENOMEM. */
static int set_folder(struct worker *me, const struct folder *folder)
{
	int r;

	me->path.len = 0;
	r = buf_append(&me->path, folder->path, folder->len);
	if (r == 0 && folder->len > 0 && folder->path[folder->len - 1] != '/')
		r = buf_append(&me->path, "/", 1);
	me->name_at = me->path.len;
	return r;
}

static int set_name(struct worker *me, const char *name, size_t len)
{
	me->path.len = me->name_at;
	return buf_append(&me->path, name, len);
}

static int visit_names(struct worker *me, struct folder *folder, const char *names, size_t len)
{
	const struct walk_options *o = &me->walk->options;
	size_t n;
	int r = set_folder(me, folder);

	for (size_t at = 0; at < len && r == 0; at += n + 1) {
		struct walk_file file = {.dir = folder->fd, .name_at = me->name_at};

		if (atomic_load_explicit(&me->walk->stop, memory_order_relaxed))
			break;
		n = strlen(names + at);
		r = set_name(me, names + at, n);
		if (r < 0)
			break;
		file.path = me->path.data;
		file.name = me->path.data + me->name_at;
		file.len = me->path.len;
		me->did.files++;
		o->visit(o->context, me->number, &file);
	}
	return r;
}

static int add_file(struct worker *me, struct folder *folder, const char *name, size_t len)
{
	int r = buf_append(&me->names, name, len + 1);

	if (r == 0 && ++me->n_names == BATCH_NAMES) {
		r = make_item(me, folder_get(folder), me->names.data, me->names.len);
		me->names.len = 0;
		me->n_names = 0;
	}
	return r;
}

static bool is_store(const char *name)
{
	if (name[0] == '.')
		for (size_t i = 0; i < ARRAY_SIZE(store_names); i++)
			if (strcmp(name, store_names[i]) == 0)
				return true;
	return false;
}

/* Some file systems do not say in a listing what an entry is. */
static unsigned char entry_type(const struct folder *folder, const struct dirent64 *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type;
	if (fstatat(folder->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_UNKNOWN;
	return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

/* The file that the worker's path names. */
static bool is_wanted(const struct walk_options *o, const struct worker *me)
{
	const struct globs *both[] = {o->types, o->globs};
	size_t at = o->globs_at;

	for (size_t i = 0; i < ARRAY_SIZE(both); i++)
		if (both[i] &&
		    !globs_want(both[i], me->path.data + at, me->path.len - at, me->name_at - at))
			return false;
	return true;
}

static int add_entry(struct worker *me, struct folder *folder, const struct dirent64 *entry)
{
	struct walk *w = me->walk;
	const struct walk_options *o = &w->options;
	const char *name = entry->d_name;
	unsigned char type = entry_type(folder, entry);
	size_t n = strlen(name), at = o->globs_at;
	struct folder *below;
	int r;

	if ((type != DT_DIR && type != DT_REG) || is_store(name) || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return 0;
	r = set_name(me, name, n);
	if (r < 0)
		return r;
	if (ignore_out(folder->rules, me->path.data, me->path.len, me->name_at, type == DT_DIR)) {
		me->did.ignored++;
		return 0;
	}
	if (atomic_fetch_add_explicit(&w->seen, 1, memory_order_relaxed) >= WALK_FILES_MAX) {
		me->did.files_capped = true;
		atomic_store(&w->stop, true);
		return 0;
	}
	if (type == DT_REG)
		return is_wanted(o, me) ? add_file(me, folder, name, n) : 0;
	if (o->globs &&
	    globs_prune(o->globs, me->path.data + at, me->path.len - at, me->name_at - at))
		return 0;
	if (folder->depth + 1 > WALK_DEPTH_MAX) {
		walk_list_add(&me->did.unread, me->path.data, me->path.len, ELOOP);
		return 0;
	}
	below = folder_new(folder, me->path.data, me->path.len, me->name_at);
	return below ? make_item(me, below, NULL, 0) : -ENOMEM;
}

/* The whole listing, since ignore files may stand at its end. */
static int read_listing(struct worker *me, int fd)
{
	me->listing_len = 0;
	for (;;) {
		ssize_t n;

		if (me->listing_alloc - me->listing_len < LISTING_STEP) {
			size_t want = MAX(2 * me->listing_alloc, 4 * LISTING_STEP);
			char *grown;

			if (want > WALK_LISTING_MAX)
				return -E2BIG;
			grown = realloc(me->listing, want);
			if (!grown)
				return -ENOMEM;
			me->listing = grown;
			me->listing_alloc = want;
		}
		n = getdents64(fd, me->listing + me->listing_len,
			       me->listing_alloc - me->listing_len);
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		me->listing_len += (size_t)n;
	}
}

static const struct dirent64 *entry_at(const struct worker *me, size_t at)
{
	/* The kernel aligns entries; malloc aligned the first. */
	return (const struct dirent64 *)(const void *)(me->listing + at);
}

static int sort_entries(struct worker *me, struct folder *folder)
{
	const struct walk *w = me->walk;
	unsigned has = 0;
	struct ignore *above = folder->rules;
	int r;

	for (size_t at = 0; at < me->listing_len; at += entry_at(me, at)->d_reclen)
		has |= ignore_has(entry_at(me, at)->d_name);
	r = set_folder(me, folder);
	if (r == 0)
		r = ignore_load(folder->fd, has, me->name_at, above, &folder->rules,
				&me->did.bad_ignores);
	if (r < 0)
		return r;
	ignore_put(above);
	for (size_t at = 0; at < me->listing_len && r == 0; at += entry_at(me, at)->d_reclen) {
		if (atomic_load_explicit(&w->stop, memory_order_relaxed))
			break;
		r = add_entry(me, folder, entry_at(me, at));
	}
	return r;
}

static int read_folder(struct worker *me, struct folder *folder)
{
	struct folder *parent = folder->parent;
	int r;

	if (parent) {
		folder->fd = openat(parent->fd, folder->path + folder->name_at,
				    OPEN_FOLDER | O_CLOEXEC);
		r = folder->fd < 0 ? -errno : 0;
		/* Nobody below needs it any more. */
		folder->rules = ignore_get(parent->rules);
		folder->parent = NULL;
		folder_put(parent);
	} else {
		r = 0;
	}
	if (r == 0)
		r = read_listing(me, folder->fd);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		walk_list_add(&me->did.unread, folder->path, folder->len, -r);
		return 0;
	}
	me->did.folders++;
	me->names.len = 0;
	me->n_names = 0;
	r = sort_entries(me, folder);
	/* Others may begin on what was found while this one hands out the rest. */
	publish(me);
	if (r == 0)
		r = visit_names(me, folder, me->names.data, me->names.len);
	return r;
}

static void take_item(struct worker *me, struct item *item)
{
	int r = item->len > 0 ? visit_names(me, item->folder, item->names, item->len)
			      : read_folder(me, item->folder);

	if (r < 0) {
		me->did.failed = r;
		atomic_store(&me->walk->stop, true);
	}
	item_free(item);
	publish(me);
}

static void work(struct worker *me, int64_t deadline_ms)
{
	struct walk *w = me->walk;

	(void)pthread_mutex_lock(&w->lock);
	for (;;) {
		struct item *item;

		while (!w->stack && w->busy > 0 && !atomic_load(&w->stop))
			(void)pthread_cond_wait(&w->changed, &w->lock);
		item = w->stack;
		if (!item || atomic_load(&w->stop))
			break;
		w->stack = item->next;
		w->busy++;
		(void)pthread_mutex_unlock(&w->lock);
		take_item(me, item);
		if (deadline_ms > 0 && walk_now_ms() > deadline_ms)
			walk_stop(w);
		(void)pthread_mutex_lock(&w->lock);
		w->busy--;
	}
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

static void *run_worker(void *context)
{
	struct worker *me = context;
	struct walk *w = me->walk;

	work(me, 0);
	(void)pthread_mutex_lock(&w->lock);
	w->running--;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

static int init_walk(struct walk *w, const struct walk_options *options)
{
	pthread_condattr_t clock;
	struct folder *root;

	w->options = *options;
	if (w->options.workers == 0 || w->options.workers > WALK_WORKERS_MAX)
		w->options.workers = WALK_WORKERS_MAX;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->changed, &clock);
	(void)pthread_condattr_destroy(&clock);
	for (unsigned i = 0; i < WALK_WORKERS_MAX; i++)
		w->workers[i] = (struct worker){.walk = w, .number = i};
	root = folder_new(NULL, options->prefix, strlen(options->prefix), 0);
	if (!root)
		return -ENOMEM;
	root->fd = options->root;
	root->rules = ignore_get(options->rules);
	if (make_item(&w->workers[0], root, options->single,
		      options->single ? strlen(options->single) + 1 : 0) < 0)
		return -ENOMEM;
	publish(&w->workers[0]);
	return 0;
}

int walk_start(const struct walk_options *options, struct walk **ret)
{
	struct walk *w = calloc(1, sizeof(*w));
	pthread_attr_t attr;

	if (!w)
		return -ENOMEM;
	if (init_walk(w, options) < 0) {
		walk_free(w);
		return -ENOMEM;
	}
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)pthread_mutex_lock(&w->lock);
	while (w->n_threads < w->options.workers &&
	       pthread_create(&w->threads[w->n_threads], &attr, run_worker,
			      &w->workers[w->n_threads]) == 0) {
		w->n_threads++;
		w->running++;
	}
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_attr_destroy(&attr);
	*ret = w;
	return 0;
}

bool walk_wait(struct walk *w, int64_t deadline_ms)
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
				 .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
	bool ended;
	int r = 0;

	if (w->n_threads == 0) {
		work(&w->workers[0], deadline_ms);
		return true;
	}
	(void)pthread_mutex_lock(&w->lock);
	while (w->running > 0 && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&w->changed, &w->lock, &until);
	ended = w->running == 0;
	(void)pthread_mutex_unlock(&w->lock);
	return ended;
}

void walk_stop(struct walk *w)
{
	atomic_store(&w->stop, true);
	(void)pthread_mutex_lock(&w->lock);
	w->report.stopped = true;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

void walk_report(struct walk *w, struct walk_report *ret)
{
	(void)pthread_mutex_lock(&w->lock);
	*ret = w->report;
	(void)pthread_mutex_unlock(&w->lock);
}

void walk_free(struct walk *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < w->n_threads; i++)
		(void)pthread_join(w->threads[i], NULL);
	while (w->stack) {
		struct item *next = w->stack->next;

		item_free(w->stack);
		w->stack = next;
	}
	for (unsigned i = 0; i < WALK_WORKERS_MAX; i++) {
		free(w->workers[i].listing);
		buf_fini(&w->workers[i].path);
		buf_fini(&w->workers[i].names);
	}
	(void)pthread_cond_destroy(&w->changed);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}
