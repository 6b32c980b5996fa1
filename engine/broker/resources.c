/*
 * Theory of operation: what a driver may read besides results. Raw output that did not fit a result
 * (or could not be shown as it was) stays in a memfd, oldest first out: at most BROKER_KEPT_MAX of
 * them, and OUTPUT_BUDGET_BYTES together with what running calls spill. The agent's prompt and a
 * summary of the policy are made when asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "broker/inner.h"
#include "broker/state.h"

#define URI_PROMPT "toolcell://agent/prompt"
#define URI_POLICY "toolcell://policy"
#define ROOM_BYTES (2 * OUTPUT_SPILL_BYTES) /* both streams of one call */

static void forget(struct broker *b, size_t i)
{
	struct kept *k = &b->kept[i];

	b->budget.used -= k->bytes;
	fd_closep(&k->fd);
	free(k->uri);
	free(k->name);
	memmove(k, k + 1, (b->n_kept - i - 1) * sizeof(*k));
	b->n_kept--;
}

void resources_fini(struct broker *b)
{
	while (b->n_kept > 0)
		forget(b, b->n_kept - 1);
}

void resources_make_room(struct broker *b)
{
	while (b->n_kept > 0 && b->budget.used > OUTPUT_BUDGET_BYTES - ROOM_BYTES)
		forget(b, 0);
}

/* Call names come from the driver: in a URI only what needs no quoting stays as it is. */
static char *call_uri(const char *call, const char *stream)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	struct buf out = {.cap = 1024};
	int r = buf_puts(&out, "toolcell://calls/");

	for (const char *p = call; *p && r == 0; p++)
		r = strchr(plain, *p) ? buf_append(&out, p, 1)
				      : buf_printf(&out, "%%%02X", (unsigned char)*p);
	if (r == 0)
		r = buf_printf(&out, "/%s", stream);
	if (r < 0)
		buf_fini(&out);
	return buf_take(&out, NULL);
}

static char *kept_name(const struct call *c, const char *stream, uint64_t kept, uint64_t total)
{
	struct buf out = {.cap = 1024};
	char call[128];
	int r;

	text_quote(call, sizeof(call), c->name, strlen(c->name));
	r = buf_printf(&out, "%s of call %s (%s)", stream, call, c->tool_name);
	if (r == 0 && kept < total)
		r = buf_printf(&out, ", the first %" PRIu64 " of %" PRIu64 " bytes", kept, total);
	if (r < 0)
		buf_fini(&out);
	return buf_take(&out, NULL);
}

/* A driver may use an id again: the newest call of that name is meant. */
static void forget_uri(struct broker *b, const char *uri)
{
	for (size_t i = b->n_kept; i > 0; i--)
		if (strcmp(b->kept[i - 1].uri, uri) == 0)
			forget(b, i - 1);
}

void resources_keep(struct call *c, const char *stream, struct output *out, char **ret_uri)
{
	struct broker *b = c->broker;
	bool text = strcmp(output_encoding(out), "utf-8") == 0;
	struct kept kept = {.fd = -1, .total = out->bytes};
	char *uri = call_uri(c->name, stream);

	*ret_uri = NULL;
	if (!uri)
		return;
	forget_uri(b, uri);
	if (b->n_kept == BROKER_KEPT_MAX)
		forget(b, 0);
	if (output_take_raw(out, &b->budget, &kept.fd, &kept.bytes) == 0)
		kept.name = kept_name(c, stream, kept.bytes, kept.total);
	kept.uri = strdup(uri);
	kept.mime = text ? "text/plain; charset=utf-8" : "application/octet-stream";
	b->kept[b->n_kept++] = kept;
	if (kept.fd >= 0 && kept.name && kept.uri) {
		*ret_uri = uri;
		return;
	}
	free(uri);
	forget(b, b->n_kept - 1);
}

static json_t *entry(const char *uri, const char *name, const char *mime, json_t *size,
		     const char *description)
{
	return json_pack("{s:s, s:s, s:s, s:o*, s:s}", "uri", uri, "name", name, "mimeType", mime,
			 "size", size, "description", description);
}

static const char *agent_prompt(const struct broker *b)
{
	return json_string_value(json_object_get(json_object_get(b->catalog, "agent"), "prompt"));
}

static int list_changes(const struct broker *b, json_t *list)
{
	char name[BRANCH_NAME_BYTES];
	char uri[BRANCH_NAME_BYTES + sizeof(BROKER_URI_CHANGES)];
	char title[BRANCH_NAME_BYTES + 32];
	int r = 0;

	for (uint32_t i = 1; i < BRANCH_N && r == 0 && inner_has_diff(b); i++) {
		if (!branch_is_there(b, i) || !branch_name(b, i, name))
			continue;
		(void)snprintf(uri, sizeof(uri), BROKER_URI_CHANGES "%s", name);
		(void)snprintf(title, sizeof(title), "changes of session %s", name);
		r = json_array_append_new(list, entry(uri, title, "text/x-diff", NULL,
						      "what is not committed yet, as a unified "
						      "diff"));
	}
	return r;
}

json_t *resources_list(struct broker *b)
{
	json_t *list = json_array();
	int r = list ? 0 : -ENOMEM;

	if (r == 0 && agent_prompt(b))
		r = json_array_append_new(list,
					  entry(URI_PROMPT, "prompt of the agent", "text/markdown",
						NULL, "what the agent's file tells its model"));
	if (r == 0)
		r = json_array_append_new(
			list, entry(URI_POLICY, "policy in force", "application/json", NULL,
				    "the policy's name, its tools with their limits, and "
				    "what this machine enforces"));
	if (r == 0)
		r = list_changes(b, list);
	for (size_t i = 0; i < b->n_kept && r == 0; i++) {
		const struct kept *k = &b->kept[i];

		r = json_array_append_new(list,
					  entry(k->uri, k->name, k->mime,
						json_integer((json_int_t)k->bytes),
						"raw output of a call, as the tool wrote it"));
	}
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *tool_summary(json_t *tool)
{
	return json_pack("{s:O, s:O?, s:O?}", "name", json_object_get(tool, "name"), "limits",
			 json_object_get(tool, "policy_limits"), "patterns",
			 json_object_get(tool, "patterns"));
}

static char *policy_summary(const struct broker *b)
{
	const struct frame_ready *ready = b->config->ready;
	json_t *tools = json_array();
	json_t *summary;
	json_t *tool;
	size_t i;
	char *text;

	json_array_foreach(json_object_get(b->catalog, "tools"), i, tool)
		if (json_array_append_new(tools, tool_summary(tool)) < 0)
			break;
	summary = json_pack("{s:s, s:s?, s:s, s:o, s:O?, s:s, s:i, s:i, s:o}", "policy", b->policy,
			    "agent", b->agent, "workspace", b->config->workspace, "tools", tools,
			    "warnings", json_object_get(b->catalog, "warnings"), "mode",
			    ready->root_mode ? "root" : "rootless", "landlock_abi",
			    (int)ready->landlock_abi, "cgroup_version", (int)ready->cgroup_version,
			    "sessions", branch_names(b));
	text = summary ? json_dumps(summary, JSON_INDENT(2)) : NULL;
	json_decref(summary);
	return text;
}

/* Takes @text. */
static int give_text(char *text, const char *mime, char **ret, size_t *ret_len,
		     const char **ret_mime, struct err *err)
{
	if (!text)
		return err_set(err, ENOMEM, "no memory for the resource");
	*ret = text;
	*ret_len = strlen(text);
	*ret_mime = mime;
	return 0;
}

static int read_kept(const struct kept *k, char **ret, size_t *ret_len, const char **ret_mime,
		     struct err *err)
{
	char *data = malloc((size_t)k->bytes + 1);

	if (!data)
		return err_set(err, ENOMEM, "no memory for the resource");
	if (fd_pread_full(k->fd, data, (size_t)k->bytes, 0) != (ssize_t)k->bytes) {
		free(data);
		return err_set(err, EIO, "cannot read what was kept of %s", k->uri);
	}
	data[k->bytes] = '\0';
	*ret = data;
	*ret_len = (size_t)k->bytes;
	*ret_mime = k->mime;
	return 0;
}

int resources_read(struct broker *b, const char *uri, char **ret, size_t *ret_len,
		   const char **ret_mime, struct err *err)
{
	size_t prefix = strlen(BROKER_URI_CHANGES);
	char quoted[256];
	uint32_t branch;

	if (strncmp(uri, BROKER_URI_CHANGES, prefix) == 0 && inner_has_diff(b))
		return branch_find(b, uri + prefix, &branch, err) < 0 ? -ENOENT : -EINPROGRESS;
	if (strcmp(uri, URI_PROMPT) == 0 && agent_prompt(b))
		return give_text(strdup(agent_prompt(b)), "text/markdown", ret, ret_len, ret_mime,
				 err);
	if (strcmp(uri, URI_POLICY) == 0)
		return give_text(policy_summary(b), "application/json", ret, ret_len, ret_mime,
				 err);
	for (size_t i = 0; i < b->n_kept; i++)
		if (strcmp(b->kept[i].uri, uri) == 0)
			return read_kept(&b->kept[i], ret, ret_len, ret_mime, err);
	text_quote(quoted, sizeof(quoted), uri, strlen(uri));
	return err_set(err, ENOENT, "no resource \"%s\" (old outputs are dropped)", quoted);
}
