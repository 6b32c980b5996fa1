/*
 * Theory of operation: a program of ours in a cell sees by the error of a system call that a path is
 * not its to reach, and says so in its answer; mounts themselves record nothing. The digest has checked
 * the shape, but the words are those of a process that had the workspace for company: each is held to a
 * known form, capped and made one safe line. Which key of the policy would have to grant more follows from
 * what was tried; the remedy names the path as it would stand there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/state.h"

#define REPORTED_MAX 64U
#define OBJECT_BYTES_MAX ((size_t)4096) /* a longer path is no path */
#define ERRNO_BYTES_MAX 16U

static const struct {
	const char *name;
	bool writes;
} operations[] = {
	{"read", false},  {"list", false},  {"stat", false},   {"search", false}, {"write", true},
	{"create", true}, {"remove", true}, {"delete", true},  {"rename", true},  {"replace", true},
	{"chmod", true},  {"link", true},   {"symlink", true}, {"make", true},
};

/* Return: whether it is a known one; @ret_writes is then set. */
static const char *find_operation(json_t *value, bool *ret_writes)
{
	const char *name = json_string_value(value);

	for (size_t i = 0; name && i < ARRAY_SIZE(operations); i++) {
		if (strcmp(operations[i].name, name) != 0)
			continue;
		*ret_writes = operations[i].writes;
		return operations[i].name;
	}
	return NULL;
}

/* "ENOENT" and the like; NULL for anything else. */
static const char *errno_name(json_t *value)
{
	const char *name = json_string_value(value);
	size_t n = name ? strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") : 0;

	return n > 1 && n < ERRNO_BYTES_MAX && name[n] == '\0' && name[0] == 'E' ? name : NULL;
}

static bool is_in_workspace(const struct call *c, const char *path)
{
	const char *workspace = c->broker->config->workspace;
	size_t len = strlen(workspace);

	if (path[0] != '/')
		return true;
	return strncmp(path, workspace, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool is_readonly(const struct call *c)
{
	return (c->cell && (c->cell->flags & IMAGE_CELL_WORKSPACE_READONLY)) ||
	       c->ended.workspace == FRAME_WORKSPACE_READONLY;
}

static const char *object_of(json_t *denial)
{
	return json_string_value(json_object_get(denial, "object"));
}

/* Init has recorded it already, with more to say. */
static bool is_told(json_t *denials, const char *object)
{
	json_t *denial;
	size_t i;

	json_array_foreach(denials, i, denial) {
		const char *told = object_of(denial);

		if (told && strcmp(told, object) == 0)
			return true;
	}
	return false;
}

static json_t *grant_denial(const struct call *c, const char *operation, const char *object,
			    const char *num, bool writes)
{
	const struct origins origins = origins_of(c->broker, c->tool_name);
	const char *list = writes ? "write" : "read";
	char rule[ORIGINS_TEXT_BYTES];
	char file[ORIGINS_TEXT_BYTES];
	char remedy[ORIGINS_TEXT_BYTES + 128];

	(void)snprintf(remedy, sizeof(remedy),
		       "if it is needed, the operator adds it to filesystem.%s in %s "
		       "(\"fragment\"); asking again changes nothing",
		       list, origins_file(&origins, file));
	return denial_make(&(struct denial){
		.layer = "mount",
		.operation = operation,
		.object = object,
		.errno_name = num,
		.rule = origins_at(&origins, "filesystem", rule),
		.remedy = remedy,
		.fragment = json_pack("{s:{s:[s]}}", "filesystem", list, object),
		.open = origins_are_open(&origins,
					 writes ? "/filesystem/write" : "/filesystem/read"),
		.first_us = DENIAL_UNKNOWN,
	});
}

static json_t *readonly_denial(const struct call *c, const char *operation, const char *object,
			       const char *num)
{
	const struct origins origins = origins_of(c->broker, c->tool_name);
	char rule[ORIGINS_TEXT_BYTES];
	char file[ORIGINS_TEXT_BYTES];
	char remedy[ORIGINS_TEXT_BYTES + 128];

	(void)snprintf(remedy, sizeof(remedy),
		       "the workspace is read-only here; the operator lets workspace.mode be "
		       "\"overlay\" in %s (\"fragment\")",
		       origins_file(&origins, file));
	return denial_make(&(struct denial){
		.layer = "mount",
		.operation = operation,
		.object = object,
		.errno_name = num,
		.rule = origins_at(&origins, "workspace/mode", rule),
		.remedy = remedy,
		.fragment = json_pack("{s:{s:s}}", "workspace", "mode", "overlay"),
		.open = origins_are_open(&origins, "/workspace/mode"),
		.first_us = DENIAL_UNKNOWN,
	});
}

/* A new denial; NULL and 0 in *@ret_r for one that says nothing. */
static json_t *one_denial(json_t *reported, const struct call *c, int *ret_r)
{
	json_t *path = json_object_get(reported, "object");
	const char *num = errno_name(json_object_get(reported, "errno"));
	struct buf object = {.cap = 4 * OBJECT_BYTES_MAX};
	bool writes = false;
	const char *operation = find_operation(json_object_get(reported, "operation"), &writes);
	bool refused = num && (strcmp(num, "EROFS") == 0 || strcmp(num, "EACCES") == 0);
	json_t *denial = NULL;

	*ret_r = 0;
	if (!operation || json_string_length(path) == 0 ||
	    json_string_length(path) > OBJECT_BYTES_MAX)
		return NULL;
	*ret_r = denial_line(&object, json_string_value(path));
	if (*ret_r == 0) {
		if (writes && refused && is_readonly(c) && is_in_workspace(c, object.data))
			denial = readonly_denial(c, operation, object.data, num);
		else
			denial = grant_denial(c, operation, object.data, num, writes);
		*ret_r = denial ? 0 : -ENOMEM;
	}
	buf_fini(&object);
	return denial;
}

int denials_append_reported(json_t *denials, json_t *reported, const struct call *c)
{
	size_t n = MIN(json_array_size(reported), (size_t)REPORTED_MAX);

	for (size_t i = 0; i < n; i++) {
		int r;
		json_t *denial = one_denial(json_array_get(reported, i), c, &r);

		if (r < 0)
			return -ENOMEM;
		if (denial && is_told(denials, object_of(denial)))
			json_decref(denial);
		else if (denial && json_array_append_new(denials, denial) < 0)
			return -ENOMEM;
	}
	return 0;
}
