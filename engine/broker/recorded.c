/*
 * Theory of operation: init has recorded numbers and paths; here they become words: the call by its name,
 * the operation by a table, the object as one safe line. What the words come to is recorded_say.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/text.h"
#include "broker/recorded_words.h"
#include "broker/state.h"

static const struct {
	const char *call;
	const char *operation;
} operations[] = {
	{"open", "open"},
	{"openat", "open"},
	{"creat", "create"},
	{"mkdir", "make a folder"},
	{"mkdirat", "make a folder"},
	{"mknod", "make a node"},
	{"mknodat", "make a node"},
	{"symlink", "make a link"},
	{"symlinkat", "make a link"},
	{"link", "make a hard link"},
	{"linkat", "make a hard link"},
	{"chmod", "change the mode"},
	{"fchmodat", "change the mode"},
	{"fchmodat2", "change the mode"},
	{"chown", "change the owner"},
	{"lchown", "change the owner"},
	{"fchownat", "change the owner"},
	{"utimensat", "set times"},
	{"utimes", "set times"},
	{"utime", "set times"},
	{"futimesat", "set times"},
	{"truncate", "truncate"},
	{"setxattr", "set an attribute"},
	{"lsetxattr", "set an attribute"},
	{"removexattr", "remove an attribute"},
	{"lremovexattr", "remove an attribute"},
	{"unlink", "remove"},
	{"unlinkat", "remove"},
	{"rmdir", "remove"},
	{"rename", "rename"},
	{"renameat", "rename"},
	{"renameat2", "rename"},
	{"execve", "execute"},
	{"execveat", "execute"},
	{"chdir", "enter"},
	{"connect", "connect"},
	{"bind", "bind"},
	{"sendto", "send"},
	{"kill", "signal"},
	{"stat", "look up"},
	{"lstat", "look up"},
	{"newfstatat", "look up"},
	{"statx", "look up"},
	{"access", "look up"},
	{"faccessat", "look up"},
	{"faccessat2", "look up"},
	{"readlink", "look up"},
	{"readlinkat", "look up"},
};

/* Bits of open(2)'s flags that are the same on x86_64 and aarch64: a record is not of this process. */
#define OPEN_WRITES 03U
#define OPEN_CREATES 0100U

static uint32_t open_flags(const struct words *w)
{
	if (strcmp(w->call, "openat") == 0)
		return (uint32_t)w->e->args[2];
	return strcmp(w->call, "open") == 0 ? (uint32_t)w->e->args[1] : 0;
}

static bool makes_a_name(const struct words *w)
{
	return strncmp(w->operation, "make", 4) == 0 || strcmp(w->operation, "create") == 0 ||
	       strcmp(w->operation, "bind") == 0 || (open_flags(w) & OPEN_CREATES);
}

static bool only_reads(const struct words *w)
{
	static const char *const reads[] = {"open for reading", "execute", "enter", "look up",
					    "connect"};

	for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
		if (strcmp(reads[i], w->operation) == 0)
			return true;
	return false;
}

static void name_operation(struct words *w)
{
	uint32_t flags = open_flags(w);

	(void)snprintf(w->operation, sizeof(w->operation), "%s", w->call);
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		if (strcmp(operations[i].call, w->call) == 0)
			(void)snprintf(w->operation, sizeof(w->operation), "%s",
				       operations[i].operation);
	if (strcmp(w->operation, "open") == 0)
		(void)snprintf(w->operation, sizeof(w->operation), "open for %s",
			       flags & (OPEN_WRITES | OPEN_CREATES) ? "writing" : "reading");
	w->reads = only_reads(w);
	w->makes = makes_a_name(w);
	w->out.operation = w->operation;
}

static int append_one(json_t *denials, const struct record_entry *e,
		      const struct recorded_source *s, struct words *w)
{
	struct buf object = {.cap = (size_t)8 * RECORD_PATH_BYTES};
	char name[RECORD_NAME_BYTES * 4];
	int r;

	*w = (struct words){.s = s, .e = e, .mount = image_mount(s->image, e->mount)};
	(void)snprintf(w->path, sizeof(w->path), "%.*s", (int)e->path_bytes, e->path);
	(void)origins_file(&s->origins, w->file);
	(void)origins_call_name(&s->origins, e->nr, w->call, sizeof(w->call));
	name_operation(w);
	w->out.errno_name = strerrorname_np((int)e->num);
	w->out.count = e->count;
	w->out.first_us = e->first_us;
	w->out.pid = e->pid;
	if (e->name[0])
		w->out.process = text_quote(name, sizeof(name), e->name, strlen(e->name));
	recorded_say(w);
	r = denial_line(&object, w->path[0] ? w->path : w->object);
	if (r == 0 && object.len == 0) /* of escapes of a terminal nothing is left */
		r = buf_puts(&object, "?");
	if (r == 0 && e->cut)
		r = buf_puts(&object, "...");
	w->out.object = object.data;
	if (r < 0 || !object.data) {
		json_decref(w->out.fragment);
		buf_fini(&object);
		return -ENOMEM;
	}
	r = json_array_append_new(denials, denial_make(&w->out));
	buf_fini(&object);
	return r < 0 ? -ENOMEM : 0;
}

int recorded_append(json_t *denials, const struct record *record,
		    const struct recorded_source *source)
{
	struct words *w = malloc(sizeof(*w));
	int r = w ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < record->n && r == 0; i++)
		r = append_one(denials, &record->entries[i], source, w);
	free(w);
	return r;
}

struct record *recorded_read(int fd)
{
	struct record *record = malloc(sizeof(*record));
	ssize_t n = record ? fd_pread_full(fd, record, sizeof(*record), 0) : -1;

	if (n == (ssize_t)sizeof(*record) && record_check(record, (size_t)n, NULL) == 0)
		return record;
	free(record);
	return NULL;
}

struct origins origins_of(const struct broker *b, const char *tool)
{
	return (struct origins){json_object_get(b->catalog, "rules"), b->policy, tool};
}

int recorded_open(struct call *c)
{
	if (c->record_fd >= 0 || !c->cell || c->cell->observe == IMAGE_OBSERVE_NOTHING)
		return 0;
	return fd_memfd_room("toolcell-denials", sizeof(struct record), &c->record_fd);
}

int recorded_take(struct call *c, json_t *denials)
{
	const struct broker *b = c->broker;
	struct record *record;
	int r;

	if (c->record_fd < 0 || !c->frame_started)
		return 0;
	record = recorded_read(c->record_fd);
	fd_closep(&c->record_fd);
	if (!record)
		return 0; /* enforced.missing says that nothing was recorded */
	c->observed = record->observed;
	c->unseen = record->unseen > 0;
	c->dropped = record->dropped > 0;
	r = recorded_append(denials, record,
			    &(struct recorded_source){
				    .image = b->config->image,
				    .cell = c->cell,
				    .workspace = b->config->workspace,
				    .limits = &c->ended.limits,
				    .origins = origins_of(b, c->tool_name),
			    });
	free(record);
	return r;
}
