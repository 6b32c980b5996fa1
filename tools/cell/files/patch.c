/*
 * Theory of operation: everything happens in memory first, and only a patch that fits as a whole is
 * written.
 *
 *	parse --> each file: resolve, load, apply --> rejects? no --> one action per path --> patch_write
 *
 * All files are read as they were before the patch. A path may be read by one part of the patch and made
 * by another (two files that swap names, a file removed and made anew), but neither twice: then the
 * second would not mean what its author saw. What is read and not made is removed, unless it is only
 * copied from.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cell/files/args.h"
#include "tools/cell/files/files.h"
#include "tools/cell/files/patch_apply.h"
#include "tools/cell/files/patch_parse.h"
#include "tools/cell/files/patch_write.h"
#include "tools/cell/files/path.h"
#include "tools/cell/files/store.h"
#include "tools/cell/files/text.h"
#include "workspace/diff.h"

#define TOUCHED_BYTES_MAX ((size_t)50 << 20) /* read and made, together */
#define SHOWN_NOTES 4U			     /* of a file, in the text */

struct item {
	const struct patch_file *file;
	struct path *from; /* what is read; NULL for a file that is added */
	struct path *to;   /* what is made; NULL for one that is deleted; may be the same as from */
	struct store_file old;
	struct patch_applied applied;
	struct buf encoded;
	const char *data; /* the new content, into old, applied or encoded */
	size_t len;
};

struct job {
	const struct files_call *call;
	struct answer *answer;
	struct patch patch;
	struct item *items; /* one per file of the patch */
	struct patch_rejects rejects;
	size_t touched; /* bytes */
	uint64_t cost;
};

static void job_fini(struct job *job)
{
	for (size_t i = 0; job->items && i < job->patch.n_files; i++) {
		struct item *item = &job->items[i];

		if (item->to != item->from)
			free(item->to);
		free(item->from);
		store_file_fini(&item->old);
		patch_applied_fini(&item->applied);
		buf_fini(&item->encoded);
	}
	free(job->items);
	patch_rejects_fini(&job->rejects);
	patch_fini(&job->patch);
}

static int touch(struct job *job, size_t bytes)
{
	if (__builtin_add_overflow(job->touched, bytes, &job->touched) ||
	    job->touched > TOUCHED_BYTES_MAX) {
		(void)answer_fail(job->answer, "too_large",
				  "The files of the patch have more than %zu bytes together. "
				  "Nothing was changed; split the patch.",
				  TOUCHED_BYTES_MAX);
		return -EPERM;
	}
	return 0;
}

static int resolve(struct job *job, const char *name, struct path **ret)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	if (path_resolve(job->call, name, *ret, job->answer) < 0)
		return -EPERM;
	if ((*ret)->inside)
		return 0;
	/* A patch is for the workspace, whatever else the cell may write. */
	(void)path_refuse(*ret, "write", EPERM, job->answer);
	return -EPERM;
}

/* What is removed or moved is a name: of a link that would be the link, not what it leads to. */
static int check_no_link(struct job *job, const struct path *path, const char *name,
			 const char *what)
{
	char shown[ANSWER_SHOWN_MAX];
	struct stat st;

	if (fstatat(AT_FDCWD, path->asked, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	(void)answer_fail(
		job->answer, "special",
		"%s is a symbolic link, which a patch cannot %s. Nothing was changed; use "
		"rm(1) or mv(1).",
		answer_show(shown, name), what);
	return -EPERM;
}

static int load(struct job *job, struct item *item)
{
	struct path *path = item->from;
	int rc;

	if (path->num == 0 && !S_ISREG(path->st.st_mode)) {
		(void)path_refuse_special(path, "write", path->st.st_mode, job->answer);
		return -EPERM;
	}
	if (path->num != 0) {
		(void)path_refuse(path, item->to ? "read" : "write", path->num, job->answer);
		return -EPERM;
	}
	rc = touch(job, path->st.st_size > 0 ? (size_t)path->st.st_size : 0);
	if (rc == 0)
		rc = store_load(path, TOUCHED_BYTES_MAX, &item->old, job->answer);
	if (rc == 0)
		path->st =
			item->old.st; /* the file that was read, not the one that was looked at */
	return rc;
}

static int resolve_from(struct job *job, struct item *item)
{
	const struct patch_file *file = item->file;
	const char *name = file->from ? file->from : file->path;
	int rc = resolve(job, name, &item->from);

	if (rc == 0 && item->from->num == ENOENT && file->fallback) {
		struct path *other = NULL;

		rc = resolve(job, file->fallback, &other);
		if (rc == 0 && other->num == 0) {
			free(item->from);
			item->from = other;
		} else {
			free(other);
		}
	}
	if (rc == 0 && file->op == PATCH_DELETE)
		rc = check_no_link(job, item->from, name, "delete");
	if (rc == 0 && file->op == PATCH_RENAME)
		rc = check_no_link(job, item->from, name, "rename");
	return rc;
}

/* Both ends of a file of the patch, and its old content. */
static int open_item(struct job *job, struct item *item)
{
	enum patch_op op = item->file->op;
	int rc = 0;

	if (op != PATCH_ADD) {
		rc = resolve_from(job, item);
		if (rc < 0)
			return rc;
	}
	if (op == PATCH_MODIFY)
		item->to = item->from;
	else if (op != PATCH_DELETE)
		rc = resolve(job, item->file->path, &item->to);
	if (rc == 0 && op == PATCH_RENAME && strcmp(item->from->real, item->to->real) == 0) {
		(void)answer_fail(job->answer, "arguments",
				  "%s is to be renamed to itself. Nothing was changed.",
				  item->from->shown);
		return -EPERM;
	}
	return rc == 0 && item->from ? load(job, item) : rc;
}

static int refuse_binary(struct job *job, const struct item *item, const char *why)
{
	(void)answer_fail(job->answer, "binary",
			  "%s is %s and cannot be patched. Nothing was changed; write it as a "
			  "whole.",
			  item->from->shown, why);
	return -EPERM;
}

/* A unified diff that deletes a file lists all of it. */
static void reject_rest(struct job *job, const struct item *item)
{
	struct patch_rejects *rejects = &job->rejects;
	json_t *object = json_pack("{s:s, s:i, s:s, s:s}", "path", item->from->shown, "hunk", 0,
				   "header", "", "reason", "content_left");

	if (rejects->n++ >= PATCH_REJECTS_SHOWN) {
		json_decref(object);
		return;
	}
	if (!rejects->list)
		rejects->list = json_array();
	if (json_array_append_new(rejects->list, object) < 0)
		rejects->failed = -ENOMEM;
	if (rejects->failed == 0)
		rejects->failed = buf_printf(
			&rejects->text,
			"%s: the patch deletes it, but it holds more than the patch removes.\n",
			item->from->shown);
}

static int encode(struct job *job, struct item *item, enum text_encoding encoding)
{
	const struct buf *out = &item->applied.out;
	int rc;

	if (encoding == TEXT_UTF8_BOM && !item->applied.bom)
		encoding = TEXT_UTF8;
	if (encoding == TEXT_UTF8 || encoding == TEXT_BYTES) {
		item->data = out->data ? out->data : "";
		item->len = out->len;
		return touch(job, item->len);
	}
	rc = text_encode(&item->encoded, encoding, out->data ? out->data : "", out->len);
	item->data = item->encoded.data ? item->encoded.data : "";
	item->len = item->encoded.len;
	return rc < 0 ? rc : touch(job, item->len);
}

static int apply_item(struct job *job, struct item *item)
{
	const struct path *named = item->from ? item->from : item->to;
	CLEANUP(text_fini) struct text text = {0};
	CLEANUP(patch_text_fini) struct patch_text lines = {0};
	size_t rejects = job->rejects.n;
	int rc;

	if (item->file->n_hunks == 0 && item->file->op != PATCH_ADD) {
		item->data = item->old.data;
		item->len = item->old.len;
		if (item->file->op == PATCH_DELETE && !item->file->whole && item->old.len > 0)
			reject_rest(job, item);
		return item->to ? touch(job, item->len) : 0;
	}
	rc = text_look(item->old.data ? item->old.data : "", item->old.len, &text);
	if (rc == -EILSEQ)
		return refuse_binary(job, item, "not well-formed UTF-16");
	if (rc == 0 && diff_is_binary(text.data, text.len))
		return refuse_binary(job, item, "binary (it has NULs)");
	if (rc == 0)
		rc = patch_text_split(text.data, text.len, text.encoding == TEXT_UTF8_BOM, &lines);
	if (rc == 0)
		rc = patch_apply(&job->patch, item->file, &lines, named->shown, &job->cost,
				 &item->applied, &job->rejects);
	if (rc < 0 || job->rejects.n > rejects)
		return rc;
	if (item->file->op == PATCH_DELETE && item->applied.out.len > 0)
		reject_rest(job, item);
	return item->to ? encode(job, item, text.encoding) : 0;
}

static int fail_rejects(struct job *job)
{
	struct patch_rejects *rejects = &job->rejects;

	(void)answer_fail(job->answer, "rejected",
			  "The patch does not apply; nothing was changed.\n%s%s",
			  rejects->text.data ? rejects->text.data : "",
			  rejects->n > PATCH_REJECTS_SHOWN ? "More hunks do not apply either.\n"
							   : "");
	answer_put_count(job->answer, "rejected", rejects->n);
	answer_put(job->answer, "rejects",
		   rejects->list ? json_incref(rejects->list) : json_array());
	return -EPERM;
}

/* Paths by their real name, to find the ones that meet. */
struct end {
	struct path *path;
	size_t item;
	bool made; /* else it is read, and goes unless it is made as well */
};

static int compare_ends(const void *a, const void *b)
{
	const struct end *x = a;
	const struct end *y = b;
	int order = strcmp(x->path->real, y->path->real);

	if (order != 0)
		return order;
	return (x->made ? 1 : 0) - (y->made ? 1 : 0);
}

static size_t collect_ends(const struct job *job, struct end *ends)
{
	size_t n = 0;

	for (size_t i = 0; i < job->patch.n_files; i++) {
		const struct item *item = &job->items[i];

		if (item->from && item->file->op != PATCH_COPY)
			ends[n++] = (struct end){item->from, i, false};
		if (item->to)
			ends[n++] = (struct end){item->to, i, true};
	}
	qsort(ends, n, sizeof(*ends), compare_ends);
	return n;
}

static int refuse_twice(struct job *job, const struct end *a, const struct end *b)
{
	(void)answer_fail(
		job->answer, "arguments",
		"%s is named twice in the patch, at its lines %zu and %zu. Put all hunks of "
		"a file below one header. Nothing was changed.",
		b->path->shown, job->items[a->item].file->line, job->items[b->item].file->line);
	return -EPERM;
}

static int refuse_existing(struct job *job, const struct end *end)
{
	const struct patch_file *file = job->items[end->item].file;

	(void)answer_fail(job->answer, "exists",
			  "%s exists already, so the patch cannot %s it. %s Nothing was changed.",
			  end->path->shown,
			  file->op == PATCH_ADD ? "add" : "rename or copy a file to",
			  file->op == PATCH_ADD
				  ? "To change it, use '*** Update File:' or a diff against its "
				    "content; to replace it, delete it in the same patch."
				  : "Delete it in the same patch or choose another name.");
	return -EPERM;
}

/* What happens to one path: it is read by @read, made by @made, or both; either may be NULL. */
static int make_action(struct job *job, const struct end *read, const struct end *made,
		       struct patch_action *action)
{
	const struct item *source = read ? &job->items[read->item] : NULL;
	const struct item *target = made ? &job->items[made->item] : NULL;

	*action = (struct patch_action){.remove = !made, .fresh = !read};
	action->path = read ? read->path : made->path;
	if (source) {
		action->old = source->old.data;
		action->old_len = source->old.len;
	}
	if (!target)
		return 0;
	if (!read && made->path->num == 0)
		return refuse_existing(job, made);
	if (!read && made->path->num != ENOENT) {
		(void)path_refuse(made->path, "write", made->path->num, job->answer);
		return -EPERM;
	}
	action->data = target->data;
	action->len = target->len;
	/* Executable or not is all that a patch knows of a mode; a moved file takes its own along. */
	action->mode = target->from && target->from != action->path
			       ? target->from->st.st_mode & 0777
			       : 0;
	if (target->file->mode == 0644 && target->from)
		action->mode = target->from->st.st_mode & 0666;
	else if (target->file->mode == 0755 && target->from)
		action->mode = (target->from->st.st_mode & 0777) |
			       ((target->from->st.st_mode & 0444) >> 2);
	else if (target->file->mode == 0755)
		action->mode = 0755;
	return 0;
}

static int make_actions(struct job *job, struct patch_action *actions, size_t *ret_n)
{
	struct end *ends = calloc(2 * job->patch.n_files + 1, sizeof(*ends));
	size_t n = 0;
	int rc = 0;

	if (!ends)
		return -ENOMEM;
	n = collect_ends(job, ends);
	for (size_t i = 0; i < n && rc == 0;) {
		size_t end = i + 1;
		const struct end *read = ends[i].made ? NULL : &ends[i];
		const struct end *made = ends[i].made ? &ends[i] : NULL;

		for (; end < n && strcmp(ends[end].path->real, ends[i].path->real) == 0; end++) {
			if (made || (!ends[end].made && read)) {
				rc = refuse_twice(job, &ends[end - 1], &ends[end]);
				break;
			}
			made = &ends[end];
		}
		if (rc == 0)
			rc = make_action(job, read, made, &actions[(*ret_n)++]);
		i = end;
	}
	free(ends);
	return rc;
}

static const char *const kinds[] = {
	[PATCH_MODIFY] = "modified", [PATCH_ADD] = "added",   [PATCH_DELETE] = "deleted",
	[PATCH_RENAME] = "renamed",  [PATCH_COPY] = "copied",
};

static void put_json(struct job *job, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		job->answer->failed = -ENOMEM;
}

static json_t *file_json(struct job *job, const struct item *item)
{
	const char *path = path_relative(job->call, item->to ? item->to : item->from);
	const struct patch_applied *done = &item->applied;
	json_t *object = json_object();

	put_json(job, object, "path", answer_string(path, strlen(path)));
	put_json(job, object, "kind", json_string(kinds[item->file->op]));
	if (item->file->from) {
		const char *from = path_relative(job->call, item->from);

		put_json(job, object, "from", answer_string(from, strlen(from)));
	}
	put_json(job, object, "hunks", json_integer((json_int_t)item->file->n_hunks));
	put_json(job, object, "added_lines", json_integer((json_int_t)done->added));
	put_json(job, object, "removed_lines", json_integer((json_int_t)done->removed));
	if (done->offset != 0)
		put_json(job, object, "offset", json_integer(done->offset));
	if (done->fuzz > 0)
		put_json(job, object, "fuzz", json_integer(done->fuzz));
	if (done->leniency >= PATCH_TRAILING)
		put_json(job, object, "whitespace", json_true());
	if (json_array_size(done->notes) > 0)
		put_json(job, object, "notes", json_incref(done->notes));
	return object;
}

static void say_file(struct job *job, const struct item *item)
{
	const struct patch_applied *done = &item->applied;
	const struct path *path = item->to ? item->to : item->from;
	struct answer *a = job->answer;
	size_t n = json_array_size(done->notes);

	answer_printf(a, "%s %s", kinds[item->file->op], path->shown);
	if (item->file->from)
		answer_printf(a, " (from %s)", item->from->shown);
	answer_printf(a, ": %zu hunk%s, +%zu -%zu\n", item->file->n_hunks,
		      item->file->n_hunks == 1 ? "" : "s", done->added, done->removed);
	for (size_t i = 0; i < MIN(n, (size_t)SHOWN_NOTES); i++)
		answer_printf(a, "  %s\n", json_string_value(json_array_get(done->notes, i)));
	if (n > SHOWN_NOTES)
		answer_printf(a, "  ... more in data.files[].notes\n");
}

static void put_result(struct job *job)
{
	json_t *files = json_array();
	size_t added = 0;
	size_t removed = 0;
	struct answer *a = job->answer;

	for (size_t i = 0; i < job->patch.n_files; i++) {
		added += job->items[i].applied.added;
		removed += job->items[i].applied.removed;
	}
	answer_printf(a, "Applied to %zu file%s: %zu hunk%s, +%zu -%zu lines.\n",
		      job->patch.n_files, job->patch.n_files == 1 ? "" : "s", job->patch.n_hunks,
		      job->patch.n_hunks == 1 ? "" : "s", added, removed);
	for (size_t i = 0; i < job->patch.n_files; i++) {
		say_file(job, &job->items[i]);
		if (json_array_append_new(files, file_json(job, &job->items[i])) < 0)
			a->failed = -ENOMEM;
	}
	answer_put(a, "type", json_string("patch"));
	answer_put(a, "files", files);
	answer_put_count(a, "hunks", job->patch.n_hunks);
	answer_put_count(a, "added_lines", added);
	answer_put_count(a, "removed_lines", removed);
}

static int write_all(struct job *job)
{
	struct patch_action *actions = calloc(2 * job->patch.n_files + 1, sizeof(*actions));
	size_t n = 0;
	int rc;

	if (!actions)
		return -ENOMEM;
	rc = make_actions(job, actions, &n);
	if (rc == 0)
		rc = patch_write(actions, n, job->answer);
	free(actions);
	return rc;
}

static int run(struct job *job, const char *text, size_t len)
{
	struct err err = {0};
	int rc = patch_parse(text, len, &job->patch, &err);

	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		(void)answer_fail(job->answer, rc == -E2BIG ? "too_large" : "bad_patch",
				  "This is no patch that can be applied: %s. Nothing was changed.",
				  err.text);
		return -EPERM;
	}
	job->items = calloc(job->patch.n_files, sizeof(*job->items));
	if (!job->items)
		return -ENOMEM;
	for (size_t i = 0; i < job->patch.n_files && rc == 0; i++) {
		job->items[i].file = &job->patch.files[i];
		rc = open_item(job, &job->items[i]);
		if (rc == 0)
			rc = apply_item(job, &job->items[i]);
	}
	if (rc == 0 && job->rejects.failed < 0)
		rc = job->rejects.failed;
	if (rc == 0 && job->rejects.n > 0)
		rc = fail_rejects(job);
	if (rc == 0)
		rc = write_all(job);
	if (rc == 0)
		put_result(job);
	return rc;
}

int files_patch(const struct files_call *call, struct answer *answer)
{
	static const struct args_row rows[] = {
		{"patch", ARGS_STRING, false},
		{"input", ARGS_STRING, false},
	};
	struct job job = {.call = call, .answer = answer};
	bool patch;
	bool input;
	int rc;

	if (args_check(call->arguments, "", rows, ARRAY_SIZE(rows), answer) < 0)
		return 0;
	patch = args_string(call->arguments, "patch", NULL) != NULL;
	input = args_string(call->arguments, "input", NULL) != NULL;
	if (patch == input)
		return answer_fail(answer, "arguments",
				   "Give the patch as \"patch\" (or as \"input\", which means the "
				   "same), and only once.");
	rc = run(&job, args_string(call->arguments, patch ? "patch" : "input", ""),
		 args_string_len(call->arguments, patch ? "patch" : "input"));
	job_fini(&job);
	return rc == -EPERM ? 0 : rc;
}
