/*
 * Theory of operation: a row for each kind of refusal. A fragment is the least that would let this one
 * operation pass when it is merged into the policy; where the least is a risk for the host, a copy in
 * memory (filesystem.overlay) is offered instead, and where nothing is narrow enough, none.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/recorded_words.h"
#include "workspace/rules.h"

#define FOLDER_SIZE "64MiB" /* of a copy in memory that a fragment offers */

void words_rule(struct words *w, const char *key)
{
	(void)origins_at(&w->s->origins, key, w->rule);
	w->out.rule = w->rule;
}

static void set_mount_rule(struct words *w)
{
	const char *pointer = w->mount ? image_string(w->s->image, w->mount->pointer) : NULL;

	words_rule(w, "filesystem");
	if (pointer && *pointer)
		(void)snprintf(w->rule, sizeof(w->rule), "%.480s", pointer);
}

/* {"filesystem": {LIST: [ENTRY]}}; @entry is taken. */
static void grant(struct words *w, const char *list, json_t *entry)
{
	char pointer[64];

	(void)snprintf(pointer, sizeof(pointer), "/filesystem/%s", list);
	w->out.open = origins_are_open(&w->s->origins, pointer);
	w->out.fragment = json_pack("{s:{s:[o]}}", "filesystem", list, entry);
}

void words_remedy(struct words *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(w->remedy, sizeof(w->remedy), fmt, ap);
	va_end(ap);
	w->out.remedy = w->remedy;
}

/* What the person, not the model, may do about a path. */
static void remedy_grant(struct words *w, const char *list)
{
	if (!w->out.open) {
		words_remedy(w, "no policy below a final one can allow it; use a path in the "
				"workspace or in /tmp instead");
		return;
	}
	words_remedy(w,
		     "use a path in the workspace or in /tmp; or the operator adds it to "
		     "filesystem.%s in %s (\"fragment\"); asking again changes nothing",
		     list, w->file);
}

/* A policy is text: what is none, or was cut, would be another path in it. */
static bool is_nameable(struct words *w)
{
	json_t *path = w->e->cut ? NULL : json_string(w->path);
	bool good = path;

	json_decref(path);
	if (!good)
		words_remedy(w,
			     "no policy can name this path, which is longer than %u bytes or no "
			     "UTF-8; asking again changes nothing",
			     RECORD_PATH_BYTES);
	return good;
}

static void say_hidden(struct words *w)
{
	w->out.layer = "mount";
	set_mount_rule(w);
	if (!is_nameable(w))
		return;
	if (w->reads) {
		grant(w, "read", json_string(w->path));
		words_remedy(
			w,
			"the cell shows nothing there, whatever the host has; if it is needed, "
			"the operator adds it to filesystem.read in %s (\"fragment\"); asking "
			"again changes nothing",
			w->file);
		return;
	}
	if (strcmp(w->operation, "make a hard link") == 0) { /* never across mounts */
		words_remedy(w, "a hard link needs both names in the workspace; the cell shows "
				"nothing there; asking again changes nothing");
		return;
	}
	grant(w, "write", json_string(w->path));
	remedy_grant(w, "write");
}

/* Folder that holds the last component. */
static void parent_of(const char *path, char *dst, size_t cap)
{
	const char *slash = strrchr(path, '/');

	(void)snprintf(dst, cap, "%.*s", slash && slash > path ? (int)(slash - path) : 1, path);
}

static void say_workspace_readonly(struct words *w)
{
	words_rule(w, "workspace/mode");
	w->out.open = origins_are_open(&w->s->origins, "/workspace/mode");
	w->out.fragment = json_pack("{s:{s:s}}", "workspace", "mode", "overlay");
	words_remedy(w,
		     "the workspace is read-only here: write to /tmp, or the operator lets "
		     "workspace.mode be \"overlay\" in %s; asking again changes nothing",
		     w->file);
}

static void say_readonly(struct words *w)
{
	char folder[RECORD_PATH_BYTES + 1];

	w->out.layer = "mount";
	if (w->mount && w->mount->type == IMAGE_MOUNT_WORKSPACE) {
		say_workspace_readonly(w);
		return;
	}
	set_mount_rule(w);
	if (w->mount && w->mount->type == IMAGE_MOUNT_FILE) {
		words_remedy(w, "the policy gives this file its content (filesystem.files); "
				"asking again changes nothing");
		return;
	}
	if (!w->mount || w->mount->type != IMAGE_MOUNT_BIND) {
		words_remedy(w, "use a path in the workspace or in /tmp instead; asking again "
				"changes nothing");
		return;
	}
	if (!is_nameable(w))
		return;
	if (!w->makes) {
		grant(w, "write", json_string(w->path));
		remedy_grant(w, "write");
		return;
	}
	/* A name that is not there yet cannot be granted; a copy of its folder leaves the host's alone. */
	parent_of(w->path, folder, sizeof(folder));
	if (strcmp(folder, image_string(w->s->image, w->mount->target)) == 0) {
		words_remedy(w, "use a path in the workspace or in /tmp instead; asking again "
				"changes nothing");
		return;
	}
	grant(w, "overlay", json_pack("{s:s, s:s}", "path", folder, "size", FOLDER_SIZE));
	remedy_grant(w, "overlay");
}

static const char *below_workspace(const struct words *w)
{
	size_t len = strlen(w->s->workspace);

	if (strncmp(w->path, w->s->workspace, len) != 0 || w->path[len] != '/')
		return NULL;
	return w->path + len + 1;
}

/* The pattern that covers the path; malloc'ed, as the rules of a policy are many. */
static void find_protection(struct words *w, const char *text, const char *path)
{
	struct rules *rules = malloc(sizeof(*rules));
	const struct rule *found = NULL;

	if (rules && rules_parse(text, rules, NULL) == 0)
		found = rules_find(rules, 'P', path, false);
	if (found)
		(void)snprintf(w->rule, sizeof(w->rule), "%.*s", (int)found->pointer_len,
			       found->pointer);
	free(rules);
}

static void say_protected(struct words *w)
{
	const char *text = image_string(w->s->image, w->s->cell->change_rules);
	const char *path = below_workspace(w);

	w->out.layer = "protected";
	words_rule(w, "workspace/protect");
	if (text && path)
		find_protection(w, text, path);
	words_remedy(w,
		     "a protected path is changed by the person, outside of a cell; asking again "
		     "changes nothing");
}

static const char *const list_of_type[IMAGE_MOUNT_TYPE_N] = {
	[IMAGE_MOUNT_BIND] = "read",
	[IMAGE_MOUNT_TMPFS] = "tmpfs",
	[IMAGE_MOUNT_OVERLAY] = "overlay",
};

static void size_text(char *dst, size_t cap, uint64_t bytes)
{
	(void)snprintf(dst, cap, "%" PRIu64 "KiB", (bytes + 1023) / 1024);
}

/* The entry of the policy once more, with what has to change. */
static json_t *entry_again(const struct words *w, uint64_t size_bytes, uint64_t inodes,
			   bool execute)
{
	const struct image_mount *m = w->mount;
	bool sized = m->type != IMAGE_MOUNT_BIND;
	const char *source = image_string(w->s->image, m->source);
	const char *target = image_string(w->s->image, m->target);
	bool moved = source && target && strcmp(source, target) != 0;
	char size[32];
	char mode[8];

	size_text(size, sizeof(size), size_bytes);
	(void)snprintf(mode, sizeof(mode), "%04o", m->mode & 01777U);
	return json_pack("{s:s, s:s*, s:s*, s:o*, s:s*, s:b}", "path", source ? source : target,
			 "target", moved ? target : NULL, "size", sized ? size : NULL, "inodes",
			 sized ? json_integer((json_int_t)inodes) : NULL, "mode",
			 m->type == IMAGE_MOUNT_TMPFS ? mode : NULL, "execute", (int)execute);
}

static void say_noexec(struct words *w)
{
	const char *list = w->mount ? list_of_type[w->mount->type] : NULL;

	w->out.layer = "mount";
	set_mount_rule(w);
	if (!list) {
		words_remedy(w, "start programs from the workspace instead");
		return;
	}
	grant(w, list, entry_again(w, w->mount->size_bytes, w->mount->inodes, true));
	words_remedy(w,
		     "start programs from the workspace instead, or the operator lets \"execute\" "
		     "be true in %s (\"fragment\"); asking again changes nothing",
		     w->file);
}

static void say_unreachable(struct words *w)
{
	w->out.layer = "network";
	words_rule(w, "network/mode");
	words_remedy(w, "this cell reaches only itself (127.0.0.1, ::1); asking again changes "
			"nothing");
}

static void say_signal(struct words *w)
{
	w->out.layer = w->e->num == EPERM ? "landlock" : "namespace";
	(void)snprintf(w->object, sizeof(w->object), "process %d", (int)w->e->args[0]);
	w->out.rule = "built in";
	words_remedy(w, "processes outside of the cell cannot be reached; no policy allows it");
}

static void say_files(struct words *w)
{
	uint64_t limit = w->s->limits->open_files;

	w->out.layer = "limit";
	(void)snprintf(w->object, sizeof(w->object), "open files");
	words_rule(w, "limits/open_files");
	w->out.open = origins_are_open(&w->s->origins, "/limits/open_files");
	w->out.fragment = json_pack("{s:{s:I}}", "limits", "open_files", (json_int_t)limit * 2);
	w->out.limited = true;
	w->out.value = limit;
	w->out.use = limit;
	words_remedy(w, "close files that are no longer needed, or raise limits.open_files in %s",
		     w->file);
}

static void say_space(struct words *w)
{
	bool bytes = w->e->args[0] != 0;
	uint64_t size = w->mount ? w->mount->size_bytes : 0;
	uint64_t inodes = w->mount ? w->mount->inodes : 0;
	const char *list = w->mount ? list_of_type[w->mount->type] : NULL;

	w->out.layer = "limit";
	w->out.operation = bytes ? "write a file" : "make a file";
	set_mount_rule(w);
	if (!list) {
		words_remedy(w, "remove what is no longer needed");
		return;
	}
	grant(w, list,
	      entry_again(w, bytes ? size * 2 : size, bytes ? inodes : inodes * 2,
			  !(w->mount->flags & IMAGE_MOUNT_NOEXEC)));
	w->out.limited = true;
	w->out.value = bytes ? size : inodes;
	w->out.use = w->out.value;
	words_remedy(w,
		     "remove what is no longer needed, write to the workspace, or raise its "
		     "\"%s\" in %s (\"fragment\")",
		     bytes ? "size" : "inodes", w->file);
}

static void (*const sayers[])(struct words *w) = {
	[RECORD_REFUSED] = recorded_say_refused,
	[RECORD_HIDDEN] = say_hidden,
	[RECORD_READONLY] = say_readonly,
	[RECORD_PROTECTED] = say_protected,
	[RECORD_NOEXEC] = say_noexec,
	[RECORD_UNREACHABLE] = say_unreachable,
	[RECORD_SIGNAL] = say_signal,
	[RECORD_FILES] = say_files,
	[RECORD_SPACE] = say_space,
};
static_assert(ARRAY_SIZE(sayers) == RECORD_WHAT_N, "every kind has its words");

void recorded_say(struct words *w)
{
	sayers[w->e->what](w);
}
