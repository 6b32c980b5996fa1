/*
 * Theory of operation: the walk's workers ask each file that matches for its time and keep the newest
 * GLOB_NAMES_MAX of them: a list of twice that many, sorted and halved when it is full. So memory is
 * bounded whatever the tree holds, while the count is exact. In the end the lists are put together.
 * Files of the same time are in the order of their paths: the answer does not depend on who came first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "tools/cell/files/args.h"
#include "tools/cell/files/files.h"
#include "tools/cell/files/globs.h"
#include "tools/cell/files/notes.h"
#include "tools/cell/files/target.h"
#include "tools/cell/files/walk_tree.h"

#define GLOB_NAMES_MAX 100U
#define GLOB_WORKERS 2U
#define GLOB_DEADLINE_MS 15000

static const struct args_row rows[] = {
	{"pattern", ARGS_STRING, true},
	{"path", ARGS_STRING, false},
};

struct found {
	char *path;
	struct timespec time;
};

struct list {
	struct found files[2 * GLOB_NAMES_MAX];
	size_t n;
	size_t seen; /* all that matched */
	int failed;
};

struct glob {
	struct list lists[WALK_WORKERS_MAX];
};

static int by_time(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->time.tv_sec != y->time.tv_sec)
		return x->time.tv_sec < y->time.tv_sec ? 1 : -1;
	if (x->time.tv_nsec != y->time.tv_nsec)
		return x->time.tv_nsec < y->time.tv_nsec ? 1 : -1;
	return strcmp(x->path, y->path);
}

/* Sorted, and no longer than a page. */
static void trim(struct list *l)
{
	qsort(l->files, l->n, sizeof(*l->files), by_time);
	while (l->n > GLOB_NAMES_MAX)
		free(l->files[--l->n].path);
}

static void visit(void *context, unsigned worker, const struct walk_file *file)
{
	struct glob *g = context;
	struct list *l = &g->lists[worker];
	struct found *to = &l->files[l->n];
	struct stat st;

	/* It may be gone, or something else, since the folder was listed. */
	if (fstatat(file->dir, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	l->seen++;
	to->time = st.st_mtim;
	to->path = malloc(file->len + 1);
	if (!to->path) {
		l->failed = -ENOMEM;
		return;
	}
	memcpy(to->path, file->path, file->len);
	to->path[file->len] = '\0';
	if (++l->n == ARRAY_SIZE(l->files))
		trim(l);
}

static void glob_free(struct glob **g)
{
	if (!*g)
		return;
	for (unsigned i = 0; i < WALK_WORKERS_MAX; i++)
		for (size_t j = 0; j < (*g)->lists[i].n; j++)
			free((*g)->lists[i].files[j].path);
	free(*g);
}

/* All lists into the first.  Return: 0 or -ENOMEM. */
static int put_together(struct glob *g)
{
	struct list *to = &g->lists[0];
	int r = to->failed;

	trim(to);
	for (unsigned i = 1; i < WALK_WORKERS_MAX && r == 0; i++) {
		struct list *from = &g->lists[i];

		trim(from);
		memcpy(to->files + to->n, from->files, from->n * sizeof(*from->files));
		to->n += from->n;
		to->seen += from->seen;
		from->n = 0;
		r = from->failed;
		trim(to);
	}
	return r;
}

static void show(const struct glob *g, const struct target *target, const struct files_call *call,
		 const struct walk_report *report, struct answer *a)
{
	const struct list *l = &g->lists[0];
	CLEANUP(notes_fini) struct notes notes;
	json_t *names = json_array();

	notes_init(&notes, a);
	for (size_t i = 0; i < l->n; i++) {
		const char *path = l->files[i].path;
		char name[ANSWER_SHOWN_MAX];

		answer_printf(a, "%s\n", answer_show(name, path));
		(void)json_array_append_new(names, answer_string(path, strlen(path)));
	}
	if (l->n == 0)
		answer_printf(a, "No files found in %s.\n",
			      strcmp(target->shown, ".") == 0 ? "the workspace" : target->shown);
	if (l->n == 0 && report->ignored > 0)
		notes_add(&notes, "Ignore files such as .gitignore left out %zu files and folders.",
			  report->ignored);
	if (l->seen > l->n)
		notes_add(&notes,
			  "[The newest %zu of %zu files. A narrower pattern or path shows others.]",
			  l->n, l->seen);
	if (report->stopped)
		notes_add(&notes, "The search was stopped after %d s: what is here is not all.",
			  GLOB_DEADLINE_MS / 1000);
	notes_add_walk(&notes, report, target->bad_ignores, call->workspace);
	answer_put(a, "type", json_string("files"));
	answer_put_count(a, "num_files", l->seen);
	answer_put(a, "filenames", names);
	answer_put_bool(a, "truncated", l->seen > l->n);
	answer_put_count(a, "ignored", report->ignored);
	answer_put_bool(a, "complete",
			!report->stopped && !report->files_capped && report->unread.n == 0);
	notes_put(&notes);
}

static int run(const struct files_call *call, const struct target *target,
	       const struct globs *globs, int64_t deadline_ms, struct answer *a)
{
	CLEANUP(glob_free) struct glob *g = calloc(1, sizeof(*g));
	struct walk_options options = {.globs = globs,
				       .workers = GLOB_WORKERS,
				       .visit = visit,
				       .context = g};
	struct walk_report report;
	struct walk *w;
	int r;

	if (!g)
		return -ENOMEM;
	target_walk(target, &options);
	r = walk_start(&options, &w);
	if (r < 0)
		return r;
	/* Nothing that a worker does here can take long, so the second wait ends. */
	if (!walk_wait(w, deadline_ms)) {
		walk_stop(w);
		(void)walk_wait(w, INT64_MAX);
	}
	walk_report(w, &report);
	walk_free(w);
	r = report.failed;
	if (r == 0)
		r = put_together(g);
	if (r == 0)
		show(g, target, call, &report, a);
	return r;
}

/*
 * A pattern that is an absolute path names its folder itself. Below what is searched it becomes relative;
 * without a path argument the components before the first special one are the path.
 */
static const char *split_absolute(const char *pattern, const char *workspace, char *dir, size_t cap)
{
	size_t special = strcspn(pattern, "*?[{\\"), len = special;

	if (pattern[0] != '/')
		return pattern;
	if (path_is_below(pattern, workspace) && pattern[strlen(workspace)] == '/')
		len = MAX(special, strlen(workspace) + 1);
	while (len > 0 && pattern[len - 1] != '/')
		len--;
	if (len >= cap || len == 0)
		return pattern;
	memcpy(dir, pattern, len);
	dir[len] = '\0';
	return pattern + len - 1; /* its slash: at no other depth */
}

static int take_pattern(const char *pattern, size_t len, struct globs *globs, struct answer *a)
{
	struct err err = {0};
	int r = 0;

	if (len == 0)
		err_set(&err, EINVAL, "it is empty; \"**\" stands for every file");
	else
		r = globs_add(globs, pattern, len, &err);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || len == 0) {
		(void)answer_fail(a, "pattern", "pattern: %s.", err.text);
		return -EPERM;
	}
	globs_ready(globs);
	return 0;
}

int files_glob(const struct files_call *call, struct answer *answer)
{
	int64_t begin = walk_now_ms();
	CLEANUP(target_fini) struct target target = {.fd = -1};
	CLEANUP(globs_fini) struct globs globs = {0};
	const char *pattern, *whole, *path;
	char dir[PATH_MAX];
	size_t len;
	int r;

	if (args_check(call->arguments, "", rows, ARRAY_SIZE(rows), answer) < 0)
		return 0;
	globs_init(&globs);
	whole = args_string(call->arguments, "pattern", "");
	path = args_string(call->arguments, "path", NULL);
	len = args_string_len(call->arguments, "pattern");
	pattern = path && path[0] ? whole
				  : split_absolute(whole, call->workspace, dir, sizeof(dir));
	if (pattern != whole)
		path = dir;
	r = take_pattern(pattern, len - (size_t)(pattern - whole), &globs, answer);
	if (r == 0)
		r = target_open(call, path, false, &target, answer);
	if (r == 0)
		r = run(call, &target, &globs, begin + GLOB_DEADLINE_MS, answer);
	if (r == 0 && answer->success)
		answer_put_count(answer, "duration_ms", (uint64_t)(walk_now_ms() - begin));
	return r == -EPERM ? 0 : r;
}
