/*
 * Theory of operation: where a call belongs: its working directory, and its branch of the session.
 *
 * A directory is placed by its words alone, nothing is opened; where it really leads is decided inside
 * the cell, by the kernel. A branch is what the call's own argument says (the tools for a session's
 * changes), else what the driver has named beside the call, else the first. Two names that differ are a
 * mistake that must not be guessed about: one of them would lose its changes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker/state.h"

#define CWD_BYTES_MAX PLACE_PATH_MAX

int place_join(struct buf *out, const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");
		char *slash;
		int r = 0;

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			slash = out->len > 0 ? memrchr(out->data, '/', out->len) : NULL;
			if (!slash)
				return -EPERM;
			out->len = (size_t)(slash - out->data);
			*slash = '\0';
		} else if (len > 0 && !(len == 1 && path[0] == '.')) {
			r = buf_append(out, "/", 1);
			if (r == 0)
				r = buf_append(out, path, len);
		}
		if (r < 0)
			return r == -ENOMEM ? r : -EPERM;
		path += len;
		path += *path == '/';
	}
	return 0;
}

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static void refuse_cwd(struct call *c, const char *wanted)
{
	struct buf rule = {.cap = 1024};
	struct buf remedy = {.cap = CWD_BYTES_MAX + 128};
	char cwd[256];
	struct err err;

	text_quote(cwd, sizeof(cwd), wanted, strlen(wanted));
	err_set(&err, EPERM, "working directory \"%s\" is outside of the workspace", cwd);
	(void)!buf_printf(&rule, "tools/%s.json#/driver/cwd", c->tool_name);
	(void)!buf_printf(&remedy, "give a folder below %s", c->broker->config->workspace);
	broker_call_refuse(c, "argument", cwd, rule.data, remedy.data, err.text);
	buf_fini(&rule);
	buf_fini(&remedy);
}

/* A cell of toolcell-changes has no workspace at its place, and its manifests take no directory. */
static void place_at_root(struct call *c)
{
	c->cwd = strdup("/");
	if (!c->cwd)
		broker_call_error(c, ENOMEM, "no memory for the call");
}

void place_cwd(struct call *c)
{
	const char *workspace = c->broker->config->workspace;
	const char *given = c->expanded.cwd ? c->expanded.cwd : "";
	struct buf path = {.cap = CWD_BYTES_MAX};
	int r = 0;

	if (branch_shows_data(c->broker->config->image, c->cell)) {
		place_at_root(c);
		return;
	}

	if (given[0] != '/')
		r = place_join(&path, workspace);
	if (r == 0)
		r = place_join(&path, given);
	if (r == 0 && path.data && is_below(path.data, workspace))
		c->cwd = buf_take(&path, NULL);
	else if (r == -ENOMEM)
		broker_call_error(c, ENOMEM, "no memory for the call");
	else
		refuse_cwd(c, given);
	buf_fini(&path);
}

static bool is_session_tool(const struct call *c)
{
	return json_object_get(c->tool, "builtin") || json_object_get(c->tool, "cell_kind");
}

static void refuse_session(struct call *c, const char *name, const char *remedy, const char *text)
{
	char quoted[128];

	text_quote(quoted, sizeof(quoted), name, strlen(name));
	broker_call_refuse(c, "call", quoted, NULL, remedy, text);
}

static void refuse_none(struct call *c, const char *named)
{
	const struct frame_ready *ready = c->broker->config->ready;
	bool why = ready->session_why[0] != '\0' &&
		   memchr(ready->session_why, '\0', sizeof(ready->session_why));
	char rule[256];
	char quoted[96];
	struct err err;

	(void)snprintf(rule, sizeof(rule), "policies/%.128s.json#/workspace/mode",
		       c->broker->policy);
	text_quote(quoted, sizeof(quoted), named ? named : c->tool_name,
		   strlen(named ? named : c->tool_name));
	err_set(&err, EPERM, "there is no session here%s%.300s", why ? ": " : "",
		why ? ready->session_why : "");
	broker_call_refuse(
		c, "call", quoted, rule,
		"tools write into the workspace itself; a session needs \"mode\": "
		"\"overlay\" in the policy, and a kernel that allows it (toolcell doctor)",
		err.text);
}

/* The name that counts; NULL for none. Return: false when it was refused. */
static bool choose_name(struct call *c, const struct call_request *request, const char **ret)
{
	json_t *argument = is_session_tool(c) ? json_object_get(request->arguments, "session")
					      : NULL;
	const char *own = json_string_value(argument);

	if (own && request->session && strcmp(own, request->session) != 0) {
		refuse_session(c, own, "name one session, in one place",
			       "the argument \"session\" and the session that is named beside the "
			       "call are not the same");
		return false;
	}
	*ret = own ? own : request->session;
	return true;
}

bool place_branch(struct call *c, const struct call_request *request)
{
	struct broker *b = c->broker;
	bool used = json_object_get(c->tool, "builtin") ||
		    branch_is_used(b->config->image, c->cell);
	uint32_t branch = request->branch ? request->branch : 1;
	const char *name = NULL;
	struct err err = {0};

	if (!choose_name(c, request, &name))
		return false;
	if (b->config->ready->session == FRAME_WORKSPACE_NONE) {
		if (name || is_session_tool(c))
			refuse_none(c, name);
		return !name && !is_session_tool(c);
	}
	if (name && branch_find(b, name, &branch, &err) < 0) {
		refuse_session(c, name, "name a session that there is, or none for the first",
			       err.text);
		return false;
	}
	c->branch = used ? branch : 0;
	c->exclusive = c->cell && (c->cell->flags & IMAGE_CELL_EXCLUSIVE);
	return true;
}

bool place_is_there(struct call *c)
{
	char number[32];

	if (c->branch == 0 || branch_is_there(c->broker, c->branch))
		return true;
	(void)snprintf(number, sizeof(number), "branch %u", c->branch);
	refuse_session(c, number, "name a session that there is, or none for the first",
		       "the branch of the session that the call was for is gone");
	return false;
}
