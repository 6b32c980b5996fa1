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

/* The path as a JSON string, for whoever pastes it into the policy. */
static int append_json(struct buf *out, const char *text)
{
	json_t *string = json_string(text);
	char *dump = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	int r = dump ? buf_puts(out, dump) : -ENOMEM;

	free(dump);
	json_decref(string);
	return r;
}

static json_t *grant_denial(const struct call *c, const char *operation, const char *object,
			    const char *num, bool writes)
{
	struct buf remedy = {.cap = 8 * OBJECT_BYTES_MAX};
	const char *policy = c->broker->policy;
	json_t *denial = NULL;
	char rule[256];
	int r = buf_puts(&remedy, "add ");

	if (r == 0)
		r = append_json(&remedy, object);
	if (r == 0)
		r = buf_printf(&remedy, " to filesystem.%s in policies/%s.json",
			       writes ? "write" : "read", policy);
	(void)snprintf(rule, sizeof(rule), "policies/%.128s.json#/filesystem", policy);
	if (r == 0)
		denial = denial_new("mount", operation, object, num, rule, remedy.data);
	buf_fini(&remedy);
	return denial;
}

static json_t *readonly_denial(const struct call *c, const char *operation, const char *object,
			       const char *num)
{
	char rule[256];
	char remedy[256];

	(void)snprintf(rule, sizeof(rule), "policies/%.128s.json#/workspace/mode",
		       c->broker->policy);
	(void)snprintf(remedy, sizeof(remedy),
		       "the workspace is read-only here; let workspace.mode be \"overlay\" or "
		       "\"direct\" in policies/%.128s.json",
		       c->broker->policy);
	return denial_new("mount", operation, object, num, rule, remedy);
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
		if (denial && json_array_append_new(denials, denial) < 0)
			return -ENOMEM;
	}
	return 0;
}
