/*
 * Theory of operation: from a driver's words to a call that can be launched. In order: find the tool,
 * validate the arguments against its schema, expand them, place the call (place.c), take the limits.
 * The first step that says no ends it, with a denial that names the rule. A tool that the engine
 * itself is (ask.c) needs no more than to be validated and placed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker/ask.h"
#include "broker/state.h"

#define NAMES_MAX 256U
#define DIGEST_CALL_BYTES_MAX ((size_t)1 << 20) /* digest/protocol.h */

static json_t *catalog_tools(const struct broker *b)
{
	return json_object_get(b->catalog, "tools");
}

static const char *text_of(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

void broker_call_refuse(struct call *c, const char *operation, const char *object, const char *rule,
			const char *remedy, const char *text)
{
	c->state = CALL_DONE;
	c->ended.cause = FRAME_CAUSE_POLICY;
	(void)snprintf(c->ended.error, sizeof(c->ended.error), "%s", text);
	if (!c->denials)
		c->denials = json_array();
	/* Without memory the reason still stands in the text. */
	(void)json_array_append_new(c->denials,
				    denial_new("policy", operation, object, NULL, rule, remedy));
}

/* "Bash, cargo, rustc" and, when one is near, which was meant. */
static void list_tools(struct broker *b, const char *wanted, struct buf *out)
{
	const char *names[NAMES_MAX];
	size_t n = 0;
	json_t *tool;
	size_t i;
	const char *near;
	int r = 0;

	json_array_foreach(catalog_tools(b), i, tool)
		if (n < NAMES_MAX && text_of(tool, "name"))
			names[n++] = text_of(tool, "name");
	near = text_nearest(wanted, names, n);
	if (near)
		r = buf_printf(out, "did you mean %s? ", near);
	if (r == 0)
		r = buf_puts(out, n > 0 ? "granted here: " : "no tool is granted here");
	for (i = 0; i < n && r == 0; i++)
		r = buf_printf(out, "%s%s", i > 0 ? ", " : "", names[i]);
}

static void refuse_unknown(struct call *c)
{
	struct broker *b = c->broker;
	struct buf remedy = {.cap = 2048};
	struct buf rule = {.cap = 1024};
	json_t *agent = json_object_get(b->catalog, "agent");
	const char *file = text_of(agent, "file");
	char name[128];
	struct err err;

	text_quote(name, sizeof(name), c->tool_name, strlen(c->tool_name));
	err_set(&err, EPERM, "no tool \"%s\" is granted to this session", name);
	list_tools(b, c->tool_name, &remedy);
	(void)!buf_printf(&rule, file ? "%s#tools" : "policies/%s.json#/tools",
			  file ? file : b->policy);
	broker_call_refuse(c, "call", name, rule.data, remedy.data, err.text);
	buf_fini(&remedy);
	buf_fini(&rule);
}

static void refuse_argument(struct call *c, const struct err *err)
{
	struct buf rule = {.cap = 1024};

	(void)!buf_printf(&rule, "tools/%s.json#/inputSchema", c->tool_name);
	broker_call_refuse(c, "argument", c->tool_name, rule.data,
			   "call again with arguments that the tool's input schema allows",
			   err->text);
	buf_fini(&rule);
}

static void refuse_pattern(struct call *c, const struct err *err)
{
	json_t *agent = json_object_get(c->broker->catalog, "agent");
	const char *file = text_of(agent, "file");
	struct buf rule = {.cap = 1024};

	(void)!buf_printf(&rule, "%s#tools", file ? file : "agent");
	broker_call_refuse(c, "call", c->tool_name, rule.data,
			   "stay within what the agent's file grants of this tool", err->text);
	buf_fini(&rule);
}

/* The shortest of what the driver asks, the tool's manifest says and the cell allows. */
static void take_limits(struct call *c)
{
	json_t *own = json_object_get(json_object_get(c->tool, "limits"), "wall_ms");
	uint64_t wall_ms = c->cell->limits.wall_ms;
	uint64_t asked = c->expanded.wall_ms;

	if (json_integer_value(own) > 0)
		wall_ms = MIN(wall_ms, (uint64_t)json_integer_value(own));
	c->wall_asked = asked > 0 && asked < wall_ms;
	if (c->wall_asked)
		wall_ms = asked;
	c->wall_ms = wall_ms < c->cell->limits.wall_ms ? wall_ms : 0;
}

static size_t vector_bytes(char **v)
{
	size_t n = 0;

	for (; v && *v; v++)
		n += strlen(*v) + 1;
	return n;
}

static json_t *argv_json(char **argv)
{
	json_t *out = json_array();

	for (; out && *argv; argv++) {
		json_t *arg = json_string(*argv);

		/* A byte that is not UTF-8 cannot come out of JSON, but costs nothing to survive. */
		if (json_array_append_new(out, arg ? arg : json_string("")) < 0) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

/* Arguments that are longer than the digest takes are left out; it can do without. */
static char *digest_call_text(const struct call *c, json_t *arguments, bool whole)
{
	json_t *argv = whole ? argv_json(c->expanded.argv) : json_array();
	json_t *call = json_pack("{s:s, s:o, s:O, s:s, s:s}", "tool", c->tool_name, "argv", argv,
				 "arguments", arguments, "workspace", c->broker->config->workspace,
				 "cwd", c->cwd);
	char *text = call ? json_dumps(call, JSON_COMPACT) : NULL;

	json_decref(call);
	return text;
}

static void prepare_digest(struct call *c, json_t *arguments)
{
	json_t *empty;

	if (!text_of(c->tool, "digest"))
		return;
	c->digest_call = digest_call_text(c, arguments, true);
	if (c->digest_call && strlen(c->digest_call) <= DIGEST_CALL_BYTES_MAX)
		return;
	free(c->digest_call);
	empty = json_object();
	c->digest_call = empty ? digest_call_text(c, empty, false) : NULL;
	json_decref(empty);
	if (!c->digest_call)
		broker_call_error(c, ENOMEM, "no memory for the call");
}

static bool find_cell(struct call *c)
{
	json_t *cell = json_object_get(c->tool, "cell");
	json_int_t index = json_integer_value(cell);

	if (json_is_integer(cell) && index >= 0 && index < IMAGE_CELLS_MAX) {
		c->cell_index = (uint32_t)index;
		c->cell = image_cell(c->broker->config->image, c->cell_index);
	}
	return c->cell != NULL;
}

static bool expand(struct call *c, json_t *arguments)
{
	struct err err = {0};
	int r = manifest_validate(c->tool, arguments, &err);

	if (r == 0)
		r = manifest_expand(c->tool, arguments, c->broker->config->workspace, &c->expanded,
				    &err);
	if (r == -ENOMEM)
		broker_call_error(c, ENOMEM, err.text);
	else if (r == -EPERM)
		refuse_pattern(c, &err);
	else if (r < 0)
		refuse_argument(c, &err);
	return r == 0;
}

/* The operator's catalog comes first: there the tools are whole. */
static json_t *find_tool(const struct broker *b, const char *name, bool person)
{
	json_t *tool = person ? manifest_find_operator_tool(b->catalog, name) : NULL;

	return tool ? tool : manifest_find_tool(b->catalog, name);
}

static int push_argument(struct manifest_call *call, size_t *n, const char *text)
{
	char **argv = reallocarray(call->argv, *n + 2, sizeof(*argv));

	if (!argv)
		return -ENOMEM;
	call->argv = argv;
	argv[*n] = strdup(text);
	if (!argv[*n])
		return -ENOMEM;
	argv[++*n] = NULL;
	return 0;
}

/* What toolcell-changes has to know and nobody may choose for it. */
static int append_branch(struct call *c)
{
	const char *id = c->broker->config->session_id;
	char branch[16];
	size_t n = 0;
	int r;

	while (c->expanded.argv[n])
		n++;
	(void)snprintf(branch, sizeof(branch), "%u", c->branch);
	r = push_argument(&c->expanded, &n, "--branch");
	if (r == 0)
		r = push_argument(&c->expanded, &n, branch);
	if (r == 0)
		r = push_argument(&c->expanded, &n, "--session");
	if (r == 0)
		r = push_argument(&c->expanded, &n, id ? id : "memory");
	return r;
}

/* The program of @c's tool with one word, for a call of the broker's own. */
static bool expand_verb(struct call *c, const char *verb)
{
	json_t *argv = json_object_get(c->tool, "argv");
	const char *program = json_string_value(json_array_get(argv, 0));
	size_t n = 0;
	int r = program ? 0 : -EINVAL;

	if (r == 0)
		r = push_argument(&c->expanded, &n, program);
	if (r == 0)
		r = push_argument(&c->expanded, &n, verb);
	c->expanded.stdin_text = strdup("{}");
	c->expanded.stdin_len = c->expanded.stdin_text ? 2 : 0;
	if (r < 0 || !c->expanded.stdin_text)
		broker_call_error(c, ENOMEM, "no memory for the call");
	return c->state == CALL_QUEUED;
}

static void prepare_builtin(struct call *c, const struct call_request *request)
{
	struct err err = {0};

	if (manifest_validate(c->tool, request->arguments, &err) < 0)
		refuse_argument(c, &err);
	else if (place_branch(c, request))
		ask_prepare(c, request->arguments);
}

static void prepare_program(struct call *c, const struct call_request *request)
{
	if (!find_cell(c)) {
		broker_call_error(c, EINVAL, "the policy image has no cell for this tool");
		return;
	}
	if (request->verb ? !expand_verb(c, request->verb) : !expand(c, request->arguments))
		return;
	if (!place_branch(c, request))
		return;
	if (json_object_get(c->tool, "cell_kind") && append_branch(c) < 0) {
		broker_call_error(c, ENOMEM, "no memory for the call");
		return;
	}
	place_cwd(c);
	if (c->state == CALL_QUEUED && !request->verb)
		prepare_digest(c, request->arguments);
	take_limits(c);
}

void broker_call_prepare(struct call *c, const struct call_request *request)
{
	struct broker *b = c->broker;
	char *canonical;

	c->tool = find_tool(b, c->tool_name, request->person);
	if (!c->tool || !text_of(c->tool, "name")) {
		c->tool = NULL;
		refuse_unknown(c);
		return;
	}
	canonical = strdup(text_of(c->tool, "name"));
	if (!canonical) {
		broker_call_error(c, ENOMEM, "no memory for the call");
		return;
	}
	free(c->tool_name);
	c->tool_name = canonical;
	c->purge = request->verb;
	if (json_object_get(c->tool, "builtin"))
		prepare_builtin(c, request);
	else
		prepare_program(c, request);
	c->bytes = vector_bytes(c->expanded.argv) + vector_bytes(c->expanded.env) +
		   c->expanded.stdin_len + (c->digest_call ? strlen(c->digest_call) : 0);
}
