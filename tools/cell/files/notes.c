/* Theory of operation: sentences are collected while an answer is composed, and follow its result. */
#include "tools/cell/files/notes.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void notes_init(struct notes *n, struct answer *a)
{
	*n = (struct notes){.a = a, .list = json_array()};
}

void notes_fini(struct notes *n)
{
	json_decref(n->list);
	buf_fini(&n->text);
	n->list = NULL;
}

static void fail(struct notes *n)
{
	if (n->a->failed == 0)
		n->a->failed = -ENOMEM;
}

static void add_text(struct notes *n, const char *text)
{
	if (json_array_append_new(n->list, json_string(text)) < 0 ||
	    buf_printf(&n->text, "%s\n", text) < 0)
		fail(n);
	n->n++;
}

void notes_add(struct notes *n, const char *fmt, ...)
{
	char text[2 * ANSWER_SHOWN_MAX];
	va_list args;

	va_start(args, fmt);
	if (vsnprintf(text, sizeof(text), fmt, args) < 0)
		text[0] = '\0';
	va_end(args);
	add_text(n, text);
}

void notes_add_list(struct notes *n, const struct walk_list *list, const char *one,
		    const char *many, enum notes_value value)
{
	size_t named = MIN(list->n, (size_t)WALK_NAMED_MAX);
	CLEANUP(buf_fini) struct buf text = {0};
	int r;

	if (list->n == 0)
		return;
	r = buf_printf(&text, "%zu %s", list->n, list->n == 1 ? one : many);
	for (size_t i = 0; i < named && r == 0; i++) {
		char name[ANSWER_SHOWN_MAX];
		int num = list->named[i].num;

		r = buf_printf(&text, "%s%s", i == 0 ? ": " : ", ",
			       answer_show(name, list->named[i].path));
		if (r == 0 && value == NOTES_LINE)
			r = buf_printf(&text, ":%d", num);
		if (r == 0 && value == NOTES_ERROR)
			r = buf_printf(&text, " (%s)", strerrordesc_np(num));
	}
	if (r == 0 && list->n > named)
		r = buf_printf(&text, ", %zu more", list->n - named);
	if (r == 0)
		r = buf_puts(&text, ".");
	if (r < 0)
		fail(n);
	else
		add_text(n, text.data);
}

void notes_deny(struct notes *n, const struct walk_list *list, const char *operation,
		const char *workspace)
{
	size_t named = MIN(list->n, (size_t)WALK_NAMED_MAX);

	for (size_t i = 0; i < named; i++) {
		char path[PATH_MAX];
		int num = list->named[i].num, len;

		if (num != EACCES && num != EPERM)
			continue;
		len = snprintf(path, sizeof(path), "%s%s%s",
			       list->named[i].path[0] == '/' ? "" : workspace,
			       list->named[i].path[0] == '/' ? "" : "/", list->named[i].path);
		if (len > 0 && (size_t)len < sizeof(path))
			answer_deny(n->a, operation, path, num);
	}
}

void notes_add_walk(struct notes *n, const struct walk_report *report, size_t bad_ignores,
		    const char *workspace)
{
	size_t bad = report->bad_ignores + bad_ignores;

	notes_add_list(n, &report->unread, "folder was not read", "folders were not read",
		       NOTES_ERROR);
	notes_deny(n, &report->unread, "list", workspace);
	if (report->files_capped)
		notes_add(n,
			  "The tree has more than %u files and folders: the rest was not looked "
			  "at. Name a smaller folder with path.",
			  WALK_FILES_MAX);
	if (bad > 0)
		notes_add(n,
			  "%zu ignore file%s not used, or not wholly: unreadable, no regular file, "
			  "or too large.",
			  bad, bad == 1 ? " was" : "s were");
}

void notes_put(struct notes *n)
{
	answer_put(n->a, "notes", json_incref(n->list));
	if (n->text.len > 0)
		answer_bytes(n->a, n->text.data, n->text.len);
}
